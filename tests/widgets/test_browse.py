from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from widgets.headless import asked, recorded, update

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.widgets import Detail, Listing, clock_scene
from kit.widgets.columns import unpack
from kit.widgets.scene import coverage_scene


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


@pytest.fixture(scope="module")
def mission() -> Any:
    return kit.load(kit.datasets.path("mission"))


@pytest.fixture
def browser(mission: Any) -> Iterator[Any]:
    made = mission.browse()
    yield made
    made.close()


def test_each_family_has_a_listing_and_the_first_row_is_open(mission: Any, browser: Any) -> None:
    assert repr(browser) == "<Browser of 18 traces, 3 threads, 2 clocks>"
    assert list(browser.listings) == ["traces", "threads", "clocks"]
    first = mission.traces().rows()[0]
    assert browser.opened == browser.listings["traces"].chosen == first["trace_id"]
    assert len(browser.dag.drawing.nodes) == len(mission.trace(first["trace_id"]).graph)


def test_a_click_on_a_row_opens_it_in_all_views(mission: Any, browser: Any) -> None:
    thread = mission.threads().rows()[1]
    update(browser.listings["threads"], chosen=thread["thread"])
    assert browser.settle()
    assert browser.opened == thread["thread"]
    assert browser.listings["traces"].chosen == ""
    assert browser.dag.drawing.nodes["id"].to_pylist() == list(mission.thread(thread["thread"]).graph)
    assert len(browser.timeline) == thread["records"]
    id = browser.dag.drawing.nodes["id"][0].as_py()
    browser.select(id)
    assert browser.timeline.selected == browser.detail.selected == [id]
    assert browser.detail.shown()["act"] == "INTEND"
    content, buffers = asked(browser.detail, "detail", id=id)
    assert unpack(content["header"], buffers)["id"] == [id]


def test_logs_are_lanes_of_stretches_on_their_clock(mission: Any, browser: Any) -> None:
    browser.show("session/sdk_clock")
    coverage = [row for row in mission.log_coverage().rows() if row["clock_id"] == "session/sdk_clock"]
    assert browser.timeline.axis == "session/sdk_clock"
    found = browser.timeline.window(*browser.timeline.extent_us).to_pylist()
    assert sorted((row["start"], row["end"]) for row in found) == sorted(
        (row["first_ts_ns"] / 1000, row["last_ts_ns"] / 1000) for row in coverage
    )
    assert browser.dag.drawing.nodes.num_rows == 0


def test_a_thread_stands_on_the_clock_that_most_of_its_records_have() -> None:
    thread = kit.load(kit.datasets.path("syncropel-small")).thread("th_232063")
    untimed = [row for row in thread.table() if row["ts"] is None]
    assert 0 < len(untimed) < len(thread)
    view = thread.timeline()
    assert (view.axis, len(view)) == ("logical clock", len(untimed))
    assert view.extent_us == (min(row["clock"] for row in untimed) * 1e6, max(row["clock"] for row in untimed) * 1e6)
    assert view.notice == f"{len(thread) - len(untimed)} without a reading of the logical clock are left out."
    view.close()


def test_a_gap_splits_a_lane_and_damage_is_marked() -> None:
    study = kit.load(kit.datasets.path("auki-small"))
    marks = clock_scene(study, "session/sdk_clock").marks.to_pylist()
    assert {row["lane"] for row in marks if row["status"] == "damaged"} == {"arm_joints"}
    coverage = study.log_coverage().arrow()
    joints = coverage.filter(pa.compute.equal(coverage["resource_id"], "arm_joints")).to_pylist()
    later = {
        **joints[-1],
        "stretch": 1,
        "first_ts_ns": joints[-1]["last_ts_ns"] + 10**9,
        "last_ts_ns": joints[-1]["last_ts_ns"] + 2 * 10**9,
    }
    split = coverage_scene(
        pa.Table.from_pylist([*joints, later], schema=coverage.schema), study.logs().arrow(), "session/sdk_clock"
    )
    assert [row["lane"] for row in split.marks.to_pylist()] == ["arm_joints", "arm_joints"]
    assert split.marks["start"][1].as_py() - split.marks["end"][0].as_py() == 1e6


def test_findings_select_their_events() -> None:
    listing = Listing(
        pa.table({"message": ["m"], "events": [["a", "b"]]}), key="events", selects=True, title="Findings"
    )
    update(listing, selected=["a", "b"])
    assert listing.selected == ["a", "b"]
    content, buffers = asked(listing, "rows")
    assert unpack(content["header"], buffers)["events"] == ['["a", "b"]']
    listing.close()


def test_names_may_be_parts_of_their_own(browser: Any) -> None:
    full = browser.listings["traces"]._table["trace"][3].as_py()
    browser.show(full[-8:])
    assert browser.opened == full
    with pytest.raises(NotFoundError, match="no trace, thread or clock 'nothing'"):
        browser.show("nothing")


def test_two_runs_are_told_apart() -> None:
    study = kit.open()
    study.load(kit.datasets.path("cosmonapse-small"), run="a")
    study.load(kit.datasets.path("cosmonapse-small"), run="b")
    made = study.browse()
    names = made.listings["traces"]._table["trace"].to_pylist()
    assert len(names) == len(set(names))
    made.show(next(name for name in names if name.startswith("b: ")))
    assert made.opened.startswith("b: ")
    made.close()


def test_an_empty_study_has_nothing_to_browse() -> None:
    made = kit.open().browse()
    assert (repr(made), made.opened) == ("<Browser of nothing>", None)
    made.close()


def test_the_twin_is_a_picture(browser: Any) -> None:
    data, _ = browser._repr_mimebundle_()
    assert data["image/png"]
    assert data["text/plain"] == "<Browser of 18 traces, 3 threads, 2 clocks>"


def test_closing_ends_all_parts(mission: Any) -> None:
    made = mission.browse()
    made.close()
    made.close()
    assert all(part._repr_mimebundle_ is None for part in (made.dag, made.timeline, made.detail, made.findings))


def test_a_listing_has_a_key_and_chooses_by_it() -> None:
    table = pa.table({"id": ["a", "b"], "n": [1, 2]})
    listing = Listing(table, key="id", title="rows")
    listing.choose("b")
    assert (listing.chosen, len(listing)) == ("b", 2)
    with pytest.raises(NotFoundError, match="no row with id 'c' in 'rows'"):
        listing.choose("c")
    with pytest.raises(ArgumentError, match="no column 'x' to choose by"):
        Listing(table, key="x")
    assert "<td>a</td>" in listing.twin()["text/html"]
    listing.close()


def test_a_detail_writes_hostile_texts_as_text() -> None:
    text = "<img src=x onerror=alert(1)>"
    detail = Detail(lambda id: pa.table({"id": [id], "payload": [text]}))
    detail.select("x")
    assert "&lt;img" in detail.twin()["text/html"]
    assert "<img" not in detail.twin()["text/html"]
    detail.close()

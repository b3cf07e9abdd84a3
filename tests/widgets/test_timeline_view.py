import threading
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from widgets.headless import asked, recorded, update

import kit
from kit import palette
from kit.errors import ArgumentError, ViewClosedError
from kit.plot import drawn, lanes
from kit.widgets import Timeline
from kit.widgets.columns import unpack
from kit.widgets.timeline import MOST_LONG, MOST_MARKS


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


def rows(*cells: tuple[Any, ...]) -> pa.Table:
    names = ("lane", "start", "end", "kind", "status", "id")
    return pa.Table.from_pylist([dict(zip(names, (*cell, *[None] * 6), strict=False)) for cell in cells])


def test_lanes_stand_in_the_order_of_first_appearance_and_overlaps_below_each_other() -> None:
    view = Timeline(rows(("b", 0.0, 10.0), ("a", 5.0, None), ("b", 5.0, 8.0), ("b", 20.0, 30.0), (None, 1.0, 2.0)))
    content, buffers = asked(view, "lanes")
    got = unpack(content["header"], buffers)
    assert got == {"name": ["b", "a", "-"], "levels": [2, 1, 1], "first": [0.0, None, None], "last": [30.0, None, None]}
    assert view.window(0, 40)["level"].to_pylist() == [0, 0, 1, 0, 0]
    assert repr(view) == "<Timeline '5 events in 3 lanes'>"
    view.close()


def test_a_window_holds_what_touches_it_and_open_spans_reach_to_its_end() -> None:
    view = Timeline(
        rows(
            ("a", 0.0, 10.0, "task", "ok", "1"),
            ("a", 3.0, None, "task", "open", "2"),
            ("a", 50.0, None, "BID", None, "3"),
        )
    )
    assert view.window(20, 40)["id"].to_pylist() == ["2"]
    assert view.window(10, 11)["id"].to_pylist() == ["1", "2"]
    assert view.brush(40, 60) == ["2", "3"]
    assert view.window_us == [40.0, 60.0]
    view.select("3")
    assert (view.selected, view.cursor_us) == (["3"], 50.0)
    assert view.brush() == [] and view.window_us is None
    view.close()


@given(st.integers(0, 2**32 - 1), st.integers(1, 500))
def test_each_event_of_a_window_is_in_exactly_one_row(seed: int, buckets: int) -> None:
    rng = np.random.default_rng(seed)
    n = MOST_MARKS + 1 + int(rng.integers(0, 3000))
    start = rng.integers(0, 100_000, n).astype(float)
    length = np.where(rng.random(n) < 0.4, rng.exponential(3000, n), np.nan)
    with recorded():
        view = Timeline(
            pa.table(
                {
                    "lane": (rng.integers(0, 6, n)).astype(str),
                    "start": start,
                    "end": pa.array(start + length, from_pandas=True),
                    "id": np.arange(n).astype(str),
                }
            )
        )
    low, high = sorted(rng.integers(0, 100_000, 2).tolist())
    high += 1
    found = view.window(low, high, buckets)
    counted = found.filter(pa.compute.is_valid(found["count"]))
    alone = found.filter(pa.compute.is_null(found["count"]))
    inside = (start < high) & (np.where(np.isnan(length), start, start + length) >= low)
    assert int(pa.compute.sum(counted["count"]).as_py() or 0) + alone.num_rows == int(inside.sum())
    if counted.num_rows:
        assert alone.num_rows <= MOST_LONG
        assert (
            len(set(zip(*(counted[name].to_pylist() for name in ("lane", "start", "kind")), strict=True)))
            == counted.num_rows
        )
    view.close()


def test_rows_come_in_from_any_thread_and_none_is_lost() -> None:
    view = Timeline()
    chunks = [
        rows(*((f"n{i % 3}", float(100 * t + i), None, "BID", None, f"{t}-{i}") for i in range(100))) for t in range(20)
    ]
    threads = [threading.Thread(target=view.append, args=(chunk,)) for chunk in chunks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(view) == 2000
    assert set(view.window(-1, 1e9)["id"].to_pylist()) == {f"{t}-{i}" for t in range(20) for i in range(100)}
    assert view.extent_us == (0.0, 1999.0)
    view.close()


def test_rows_without_a_time_are_told_and_left_out() -> None:
    view = Timeline(rows(("a", None), ("a", 1.0)))
    assert (len(view), view.notice) == (1, "1 without a time are left out.")
    with pytest.raises(ArgumentError, match="needs the columns lane and start; here are x"):
        view.append(pa.table({"x": [1]}))
    view.close()


def test_moving_is_a_trait_and_a_method() -> None:
    view = Timeline(rows(("a", 1.0)))
    view.zoom(1, 5)
    assert view.view_us == [1.0, 5.0]
    update(view, view_us=None)
    assert view.view_us is None
    with pytest.raises(ArgumentError, match=r"zoom\(5, 5\)"):
        view.zoom(5, 5)
    assert asked(view, "window", **{"from": "x", "to": 3})[0]["error"].startswith("window from 'x' to 3")
    view.close()
    with pytest.raises(ViewClosedError):
        view.append(rows(("a", 1.0)))


def test_the_timeline_of_a_trace_has_its_spans_and_the_events_beside_them() -> None:
    study = kit.load(kit.datasets.path("cosmonapse-small"))
    trace = study.trace("JSXK6")
    view = trace.timeline()
    found = view.window(*view.extent_us).to_pylist()
    spans = {row["span_id"]: row for row in trace.spans().rows()}
    shown = {row["id"]: row for row in found}
    assert spans.keys() <= shown.keys()
    closing = {row["close_id"] for row in spans.values()}
    assert shown.keys() == {row["id"] for row in trace.table()} - closing
    assert {id for id in spans if shown[id]["critical"]} == {
        row["span_id"] for row in trace.critical_path().rows()
    } & spans.keys()
    assert view._repr_mimebundle_()[0]["image/png"]
    view.close()


def test_the_picture_of_lanes_has_a_bar_or_a_point_for_each_row() -> None:
    view = Timeline(rows(("a", 0.0, 10.0, "task"), ("b", 5.0, None, "BID"), ("b", 7.0, None, "BID")), title="three")
    assert drawn(lanes(view.window(0, 100), view.lanes, title="three")) == {
        "kind": "lanes", "title": "three", "legend": ["BID", "task"], "empty": None,
        "lanes": ["a", "b"], "bars": {"task": 1}, "points": {"BID": 2},
    }  # fmt: skip
    assert view.twin()["image/png"]
    view.close()
    assert drawn(lanes(rows(("a", 1.0)).slice(0, 0), []))["empty"] == "No events to draw."


def test_the_picture_of_lanes_tells_an_error_from_what_ends_well() -> None:
    view = Timeline(rows(("a", 0.0, None, "TASK"), ("a", 5.0, None, "FINAL"), ("a", 7.0, None, "ERROR")))
    picture = lanes(view.window(0, 100), view.lanes)
    looks = {line.get_gid(): (line.get_color(), line.get_marker()) for line in picture.axes[0].lines}
    failed = palette.STATUSES["failed"]
    assert looks["points:ERROR"] == (failed.colour, failed.marker)
    assert looks["points:FINAL"] == looks["points:TASK"] == palette.MARKS["lifecycle"][:2]
    view.close()

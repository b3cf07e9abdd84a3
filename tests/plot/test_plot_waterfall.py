"""Spans in lanes: neuron, start and end are those of the table."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from kit.errors import ArgumentError
from kit.plot import drawn, waterfall
from kit.table import Table

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
STAMP = pa.timestamp("us", tz="UTC")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in ("span_id", "kind", "name", "neuron", "status")]
    + [(name, STAMP) for name in ("start", "service_start", "end")]
    + [("guessed", pa.bool_())]
)


def span(id: str, neuron: str | None, start: int, end: int | None, **more: Any) -> dict[str, Any]:
    row = {
        "span_id": id,
        "kind": "task",
        "name": "work",
        "neuron": neuron,
        "status": "completed",
        "guessed": False,
    }
    row |= {"start": START + timedelta(milliseconds=start), "service_start": None}
    row["end"] = None if end is None else START + timedelta(milliseconds=end)
    return row | more


def table(*rows: dict[str, Any]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), schema=SCHEMA)


THREE = table(
    span("s1", "planner", 0, 1000, service_start=START + timedelta(milliseconds=250)),
    span("s2", "web", 100, 400, kind="tool", status="failed"),
    span("s3", "web", 300, 900, kind="tool", status="open"),
    span("s4", "ctx", 500, 500, kind="recall"),
)
EXPECTED = {
    "s1": ("planner", 0.0, 1000.0),
    "s2": ("web", 100.0, 400.0),
    "s3": ("web", 300.0, 900.0),
    "s4": ("ctx", 500.0, 500.0),
}


def test_spans_drawn_are_those_of_the_table() -> None:
    shown = drawn(waterfall(THREE))
    assert shown["lanes"] == ["planner", "web", "ctx"]
    assert {id: (lane, pytest.approx(a), pytest.approx(b)) for id, (lane, a, b) in shown["spans"].items()} == EXPECTED
    assert shown["queued"] == {"s1": pytest.approx(250)}
    assert shown["endings"] == {"s2": "failed"}


def test_two_lanes_that_are_swapped_are_seen() -> None:
    figure = waterfall(THREE)
    first, second = [text for text in figure.axes[0].texts if text.get_gid() == "lane-name"][:2]
    one, other = first.get_text(), second.get_text()
    first.set_text(other)
    second.set_text(one)
    shown = drawn(figure)
    assert shown["lanes"] != ["planner", "web", "ctx"]
    assert shown["spans"]["s1"][0] == "web"


def test_a_bar_that_moved_or_is_gone_is_seen() -> None:
    figure = waterfall(THREE)
    bars = {patch.get_gid(): patch for patch in figure.axes[0].patches}
    bars["span:s2"].set_x(700)
    assert drawn(figure)["spans"]["s2"][1] == pytest.approx(700)
    bars["span:s1"].remove()
    assert "s1" not in drawn(figure)["spans"]


def test_overlapping_spans_of_a_lane_do_not_cover_each_other() -> None:
    figure = waterfall(table(*(span(f"s{i}", "a", i, 100 + i) for i in range(6)), span("t", "a", 300, 400)))
    bars = [p.get_extents() for p in figure.axes[0].patches if str(p.get_gid()).startswith("span:")]
    assert len({round(bar.y0) for bar in bars}) == 6


def test_open_spans_have_no_end() -> None:
    shown = drawn(waterfall(table(span("a", "x", 0, 10), span("b", "x", 5, None))))
    assert shown["spans"]["b"] == ("x", pytest.approx(5), None)
    assert "open: no end seen" in shown["legend"]


def test_the_critical_path_keeps_to_the_innermost_span() -> None:
    spans = table(span("a", "x", 0, 100), span("b", "y", 20, 40), span("c", "z", 40, 40), span("d", "z", 60, 70))
    figure = waterfall(spans, critical=spans)
    lines = [line for line in figure.axes[0].lines if str(line.get_gid()).startswith("critical:")]
    path = [(line.get_gid()[-1], *(round(float(x)) for x in line.get_xdata())) for line in lines]
    assert path == [("a", 0, 20), ("b", 20, 40), ("c", 40, 40), ("a", 40, 60), ("d", 60, 70), ("a", 70, 100)]
    assert drawn(figure)["critical"] == ["a", "b", "c", "d"]


def test_the_critical_path_is_marked_in_order_of_time() -> None:
    path = THREE.select(["span_id", "start", "end"]).take([3, 0])
    assert drawn(waterfall(THREE, critical=path))["critical"] == ["s1", "s4"]
    assert drawn(waterfall(THREE))["critical"] == []


@pytest.mark.parametrize(("length_ms", "unit"), [(0, "ms"), (900, "ms"), (60_000, "s"), (3_600_000, "min")])
def test_the_axis_has_a_unit_and_lengths_stay_the_same(length_ms: int, unit: str) -> None:
    figure = waterfall(table(span("a", "x", 0, length_ms)))
    assert figure.axes[0].get_xlabel() == f"{unit} since 2026-11-02 09:00:00.000 UTC"
    assert drawn(figure)["spans"]["a"] == ("x", 0, pytest.approx(length_ms))


def test_anything_with_an_arrow_stream_is_a_table() -> None:
    expected = drawn(waterfall(THREE))
    assert drawn(waterfall(Table(THREE))) == expected
    assert drawn(waterfall(THREE.to_pandas())) == expected


def test_hostile_names_and_forty_lanes() -> None:
    names = [
        "$x_1$",
        "y" * 200,
        "y" * 199 + "z",
        "two\nlines",
        "研究 \U0001f600",
        "\ud83d".encode("utf-8", "replace").decode(),
    ]
    rows = [
        span(
            f"s{i}",
            (names + [f"n{i}" for i in range(40)])[i % 46],
            i,
            i + 7 * (i % 3),
            name=names[i % 6],
            kind=names[i % 6] if i % 2 else "auction",
        )
        for i in range(92)
    ]
    picture = waterfall(table(*rows, span("n", None, 0, 3)))
    assert picture._repr_png_().startswith(b"\x89PNG")
    shown = drawn(picture)
    assert len(shown["lanes"]) == len(set(shown["lanes"])) == 47
    assert max(map(len, shown["lanes"])) <= 26
    assert "$x_1$" in shown["lanes"]


def test_lane_labels_stay_inside_the_picture() -> None:
    picture = waterfall(table(*(span(f"s{i}", "W" * 50 + str(i), i, i + 1) for i in range(12))))
    picture.draw_without_rendering()
    boxes = [t.get_window_extent() for t in picture.axes[0].texts if t.get_gid() == "lane-name"]
    assert all(box.x0 >= 0 for box in boxes)
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_no_spans_is_an_explained_picture() -> None:
    assert drawn(waterfall(THREE.slice(0, 0)))["empty"] == "No spans to draw."
    assert "1 span without a time" in drawn(waterfall(table(span("a", "x", 0, 1) | {"start": None})))["empty"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ArgumentError, match="the table has span_id"):
        waterfall(pa.table({"span_id": ["a"]}))
    with pytest.raises(ArgumentError, match="not a list"):
        waterfall([1])

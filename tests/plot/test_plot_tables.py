"""Latency, rates, registry and cost: marks are those of the rows."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest

from kit.errors import ArgumentError
from kit.plot import cost, drawn, latency, rates, registry

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
STAMP = pa.timestamp("us", tz="UTC")
HOSTILE = ["$x_1$", "y" * 200, "y" * 199 + "z", "two\nlines", "研究 \U0001f600", "_under", None]


def at(*seconds: float | None) -> pa.Array:
    return pa.array([None if s is None else START + timedelta(seconds=s) for s in seconds], STAMP)


def bars(figure: Any, tag: str) -> list[Any]:
    return [patch for axes in figure.axes for patch in axes.patches if str(patch.get_gid()).startswith(tag)]


# latency


def test_a_curve_has_a_step_for_each_value() -> None:
    shown = drawn(latency(pa.table({"group": ["a", "b", "a", "a"], "ms": [3.0, 7.0, 1.0, None]})))
    assert shown["curves"] == {"a": [1.0, 3.0], "b": [7.0]}
    assert shown["marks"] == {"a": (1.0, 3.0, 3.0), "b": (7.0, 7.0, 7.0)}


def test_marks_are_values_that_occur() -> None:
    shown = drawn(latency(pa.table({"ms": [float(i) for i in range(1, 101)]})))
    assert shown["marks"] == {"all": (50.0, 90.0, 99.0)}
    assert any("p50 50  p90 90  p99 99 ms" in text for text in shown["legend"])


def test_a_value_that_moved_on_a_curve_is_seen() -> None:
    figure = latency(pa.table({"group": ["a", "b", "a"], "ms": [3.0, 7.0, 1.0]}))
    curve = next(line for line in figure.axes[0].lines if line.get_gid() == "curve:a")
    curve.set_xdata(curve.get_xdata() + 1)
    assert drawn(figure)["curves"] != {"a": [1.0, 3.0], "b": [7.0]}


def test_more_than_two_decades_make_the_axis_logarithmic() -> None:
    wide = latency(pa.table({"ms": [0.0, 0.01, 5.0, 900.0]}))
    assert wide.axes[0].get_xscale() == "log"
    assert wide.axes[0].get_xlabel() == "latency (ms, logarithmic)"
    narrow = latency(pa.table({"ms": [-2.0, 9.0]}))
    assert narrow.axes[0].get_xscale() == "linear"
    assert narrow.axes[0].get_xlabel() == "latency (ms)"


def test_beyond_eight_groups_the_rest_is_one_curve() -> None:
    names = [f"g{i:02d}" for i in range(20) for _ in range(40 - i)]
    shown = drawn(latency(pa.table({"group": names, "ms": [float(i) for i in range(len(names))]})))
    assert list(shown["curves"]) == [*(f"g{i:02d}" for i in range(7)), "other (13 groups)"]
    assert sum(map(len, shown["curves"].values())) == len(names)


def test_columns_can_have_other_names() -> None:
    table = pa.table({"neuron": ["a"], "took_ms": [4]})
    assert drawn(latency(table, value="took_ms", group="neuron"))["curves"] == {"a": [4.0]}


@pytest.mark.parametrize("values", [[0.0], [0.0, 0.0], [-1.0], [1e-9, 1e12], [5.0]])
def test_odd_values_are_drawn_without_a_warning(values: list[float]) -> None:
    assert latency(pa.table({"group": HOSTILE[: len(values)], "ms": values}))._repr_png_()


# rates


RATES = pa.table(
    {
        "bucket": at(0, 0, 2, 2),
        "type": ["TASK", "TOOL_CALL", "TASK", "NO_SUCH_TYPE"],
        "signals": [3, 1, 2, 4],
    }
)


def test_bars_are_the_counts_stacked_by_group() -> None:
    shown = drawn(rates(RATES))
    assert shown["counts"] == {"lifecycle": 5, "cognition": 1, "unknown": 4}
    assert shown["order"] == ["lifecycle", "cognition", "unknown"]
    assert shown["buckets"] == [(0.0, 4), (2.0, 6)]


def test_errors_are_stacked_by_themselves_at_the_bottom() -> None:
    failed = pa.table({"bucket": at(0, 0, 0, 0), "type": ["ERROR", "FINAL", "STOP", "KNOW"], "signals": [3, 1, 2, 5]})
    figure = rates(failed)
    shown = drawn(figure)
    assert shown["counts"] == {"ERROR": 3, "lifecycle": 1, "control": 2, "KNOW": 5}
    assert shown["order"] == ["ERROR", "lifecycle", "control", "KNOW"]
    assert shown["legend"] == ["ERROR (3)", "lifecycle (1)", "control (2)", "KNOW (5)"]
    looks = {bar.get_gid(): (bar.get_facecolor(), bar.get_hatch()) for bar in bars(figure, "rate:")}
    assert len(set(looks.values())) == len(looks)


def test_a_bar_that_shrank_is_seen() -> None:
    figure = rates(RATES)
    bars(figure, "rate:lifecycle")[0].set_height(1)
    assert drawn(figure)["counts"]["lifecycle"] == 3


def test_rates_have_units_and_other_names_of_the_count() -> None:
    figure = rates(RATES.rename_columns(["bucket", "type", "count"]))
    assert figure.axes[0].get_xlabel() == "s since 2026-11-02 09:00:00.000 UTC"
    assert figure.axes[0].get_ylabel() == "signals per 2 s"


@pytest.mark.parametrize("buckets", [300, pytest.param(3000, marks=pytest.mark.long)])
def test_many_buckets_and_a_single_one(buckets: int) -> None:
    many = pa.table({"bucket": at(*range(buckets)), "type": HOSTILE[:5] * (buckets // 5), "count": [1] * buckets})
    assert rates(many)._repr_png_()
    assert drawn(rates(RATES.slice(0, 1)))["buckets"] == [(0.0, 3)]


# registry


INTERVALS = pa.table(
    {
        "neuron_id": ["a", "a", "b", "c"],
        "status": ["registered", "ok", "registered", "draining"],
        "from": at(0, 30, 5, 20),
        "to": at(30, None, 60, 25),
    }
)
GAPS = pa.table({"neuron_id": ["b"], "from": at(10), "to": at(50), "gap_ms": [40_000.0]})
LANES = [
    ("a", "registered", 0.0, 30.0),
    ("a", "ok", 30.0, None),
    ("b", "registered", 5.0, 60.0),
    ("c", "draining", 20.0, 25.0),
]


def test_intervals_and_silences_are_in_their_lanes() -> None:
    shown = drawn(registry(INTERVALS, GAPS))
    assert shown["lanes"] == ["a", "b", "c"]
    assert shown["intervals"] == LANES
    assert shown["silences"] == [("b", 10.0, 50.0)]
    assert "silent" in shown["legend"]


def test_registry_lanes_that_are_swapped_are_seen() -> None:
    figure = registry(INTERVALS, GAPS)
    one, other = [text for text in figure.axes[0].texts if text.get_gid() == "lane-name"][:2]
    one.set_position((one.get_position()[0], 1.5))
    other.set_position((other.get_position()[0], 0.5))
    shown = drawn(figure)
    assert shown["lanes"] == ["b", "a", "c"]
    assert shown["intervals"] != LANES


def test_an_interval_that_is_gone_is_missed() -> None:
    figure = registry(INTERVALS)
    bars(figure, "status:draining")[0].remove()
    assert drawn(figure)["intervals"] == LANES[:3]


def test_a_registry_of_strangers() -> None:
    names = [*HOSTILE, *(f"n{i}" for i in range(40))]
    table = pa.table(
        {
            "neuron_id": names,
            "status": HOSTILE[:6] * 7 + HOSTILE[:5],
            "from": at(*range(47)),
            "to": at(*range(47)),
        }
    )
    picture = registry(table, GAPS)
    assert picture._repr_png_()
    assert len(set(drawn(picture)["lanes"])) == 48


# cost


COSTS = pa.table(
    {
        "neuron": ["planner", "coder", None],
        "model": ["large", None, None],
        "tokens_in": [100, 50, None],
        "tokens_out": [10, 5, 1],
        "cost_micro_usd": [1500, 250_000, None],
    }
)
BINS = pa.table({"lower": [0, 1000], "upper": [1000, 2000], "count": [3, 1]})


def test_costs_drawn_are_those_of_the_rows() -> None:
    shown = drawn(cost(COSTS, BINS))
    assert shown["lanes"] == ["planner (large)", "coder", "-"]
    assert shown["tokens_in"] == {"planner (large)": 100, "coder": 50, "-": 0}
    assert shown["tokens_out"] == {"planner (large)": 10, "coder": 5, "-": 1}
    assert shown["usd"] == {"planner (large)": 0.0015, "coder": 0.25, "-": 0.0}
    assert shown["histogram"] == [(0.0, 0.001, 3), (0.001, 0.002, 1)]
    assert shown["title"] == "166 tokens, $0.2515"


def test_cost_lanes_that_are_swapped_and_a_bar_that_grew_are_seen() -> None:
    figure = cost(COSTS, BINS)
    bars(figure, "usd")[0].set_width(9)
    bars(figure, "bin")[0].set_height(7)
    assert drawn(figure)["usd"]["planner (large)"] == 9
    assert drawn(figure)["histogram"][0] == (0.0, 0.001, 7)
    one, other = [text for text in figure.axes[0].texts if text.get_gid() == "lane-name"][:2]
    one.set_text("coder")
    other.set_text("planner (large)")
    assert drawn(figure)["tokens_in"]["coder"] == 100


def test_cost_of_many_and_of_strangers() -> None:
    n = 40
    table = pa.table(
        {
            "neuron": (HOSTILE * 6)[:n],
            "tokens_in": [0] * n,
            "tokens_out": [0] * n,
            "cost_micro_usd": pa.array([None] * n, pa.int64()),
        }
    )
    picture = cost(table)
    assert picture._repr_png_()
    assert len(drawn(picture)["lanes"]) == n
    assert [axes.get_xlabel() for axes in picture.axes] == ["tokens", "cost (USD)"]


# all


def test_no_rows_is_an_explained_picture() -> None:
    pictures = [
        latency(pa.table({"ms": pa.array([], pa.float64())})),
        rates(RATES.slice(0, 0)),
        registry(INTERVALS.slice(0, 0), GAPS.slice(0, 0)),
        cost(COSTS.slice(0, 0), BINS.slice(0, 0)),
    ]
    for picture in pictures:
        assert drawn(picture)["empty"]
        assert picture._repr_png_()


@pytest.mark.parametrize("draw", [latency, rates, registry, cost])
def test_a_missing_column_is_named(draw: Any) -> None:
    with pytest.raises(ArgumentError, match=r"needs the columns .*; the table has strange"):
        draw(pa.table({"strange": [1]}))

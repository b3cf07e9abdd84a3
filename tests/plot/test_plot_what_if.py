"""Differences, calibrations and answers: what is drawn is what the tables hold."""

import math

import pyarrow as pa
import pytest

from kit.errors import ArgumentError
from kit.plot import calibration, differences, drawn, trace_difference, what_if


def row(
    key: str, delta: float, errors: float, *, differs: bool, part: str = "time", measure: str = "p50_ms"
) -> dict[str, object]:
    return {
        "part": part, "measure": measure, "key": key, "a": 10.0, "b": 10.0 + delta, "delta": delta, "low": delta - 1,
        "high": delta + 1, "differs": differs, "errors": errors,
    }  # fmt: skip


def test_differences_are_drawn_in_standard_errors_the_clearest_first() -> None:
    rows = [
        row("task a", 2.0, 4.0, differs=True),
        row("task b", -3.0, 1.5, differs=False),
        row("$x_1$\nodd", 5.0, 9.0, differs=True),
    ]
    shown = drawn(differences(pa.Table.from_pylist(rows)))
    assert list(shown["marks"].values()) == pytest.approx([9.0, 4.0, -1.5])
    assert shown["bars"]["task a, p50"] == pytest.approx((2.0, 6.0))
    assert shown["title"] == "2 measures of 3 differ"


def test_what_mirrors_another_is_drawn_once() -> None:
    rows = [
        row("failed", 0.2, 4.0, differs=True, part="outcome", measure="share"),
        row("completed", -0.2, 4.0, differs=True, part="outcome", measure="share"),
    ]
    assert len(drawn(differences(pa.Table.from_pylist(rows)))["marks"]) == 1


def test_pictures_of_nothing_say_so_and_wrong_tables_are_refused() -> None:
    empty = pa.Table.from_pylist([row("a", 1, 1, differs=False)]).slice(0, 0)
    assert drawn(differences(empty))["empty"] == "Nothing to compare."
    with pytest.raises(ArgumentError, match="delta"):
        differences(empty.drop_columns(["delta"]))
    names = ["what", "name", "chosen", "unit", "x", "seen", "made"]
    assert drawn(calibration(pa.table({name: pa.array([], pa.float64()) for name in names})))["empty"]


def test_a_trace_difference_shows_every_position() -> None:
    rows = [
        {
            "change": "same",
            "depth": 0,
            "type": "TASK",
            "neuron": None,
            "wait_a_ms": None,
            "wait_b_ms": None,
            "delta_ms": None,
        },
        {
            "change": "slower",
            "depth": 1,
            "type": "AGENT_OUTPUT",
            "neuron": "a",
            "wait_a_ms": 4.0,
            "wait_b_ms": 9.0,
            "delta_ms": 5.0,
        },
        {
            "change": "added",
            "depth": 1,
            "type": "ERROR",
            "neuron": "b",
            "wait_a_ms": None,
            "wait_b_ms": 2.0,
            "delta_ms": None,
        },
    ]
    shown = drawn(trace_difference(pa.Table.from_pylist(rows)))
    assert shown["marks"] == {"0": 0.0, "1": 9.0, "2": 2.0}
    assert shown["lanes"] == ["TASK", "AGENT_OUTPUT a", "ERROR b"]
    assert shown["title"] == "1 slower, 1 added, 1 same"


def test_curves_and_effects_are_drawn_as_given() -> None:
    curve = [
        {"what": "service", "name": "a", "chosen": "gamma", "unit": "ms", "x": float(x), "seen": x / 4, "made": x / 5}
        for x in range(5)
    ]
    shown = drawn(calibration(pa.Table.from_pylist(curve)))
    assert shown["made"]["service a"] == [(float(x), x / 5) for x in range(5)]
    effects = []
    for name, b, a in (("p50_ms", 100.0, 9000.0), ("success", 0.9, 0.5), ("busy a", 0.4, math.nan)):
        sides = {"before": b, "before_low": b * 0.9, "before_high": b * 1.1}
        sides |= {"after": a, "after_low": a * 0.9, "after_high": a * 1.1}
        effects.append({"measure": name, **sides})
    shown = drawn(what_if(pa.Table.from_pylist(effects)))
    assert shown["marks"]["before:p50"] == 100.0 and shown["marks"]["after:p50"] == pytest.approx(9000.0)
    assert "after:busy a" not in shown["marks"]

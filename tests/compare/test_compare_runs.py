"""The difference of two runs in plain counts and quantiles."""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import naive
import pytest
from lines import line, stored

from kit.compare import runs
from kit.errors import NotFoundError
from kit.store.store import Store

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()


@pytest.fixture
def store() -> Iterator[Store]:
    before = [
        line("TASK", 1, to="a"), line("AGENT_OUTPUT", 3, 1, to="a"), line("FINAL", 4, 3, to="a"),
        line("TASK", 11, on="2", to="a"), line("AGENT_OUTPUT", 15, 11, on="2", to="a"),
    ]  # fmt: skip
    after = [
        line("TASK", 1, to="a"), line("AGENT_OUTPUT", 9, 1, to="a"), line("FINAL", 10, 9, to="a"),
        line("TASK", 11, on="2", to="a"), line("ERROR", 15, 11, on="2", to="a"),
    ]  # fmt: skip
    with stored(*before, run="before") as store:
        naive.load(store, after, "after")
        yield store


def test_signals_are_counted_by_type(store: Store) -> None:
    assert runs.signals(store, "before", "after").to_pylist() == [
        {"type": "AGENT_OUTPUT", "a": 2, "b": 1, "delta": -1},
        {"type": "ERROR", "a": 0, "b": 1, "delta": 1},
        {"type": "FINAL", "a": 1, "b": 1, "delta": 0},
        {"type": "TASK", "a": 2, "b": 2, "delta": 0},
    ]


def test_statuses_are_counted(store: Store) -> None:
    assert runs.statuses(store, "before", "after").to_pylist() == [
        {"status": "completed", "a": 1, "b": 1, "delta": 0},
        {"status": "failed", "a": 0, "b": 1, "delta": 1},
        {"status": "open", "a": 1, "b": 0, "delta": -1},
    ]


def test_variants_are_matched_by_sequence(store: Store) -> None:
    rows = runs.variants_of(store, "before", "after").to_pylist()
    assert {row["sequence"]: (row["a"], row["b"], row["delta"]) for row in rows} == {
        "TASK > AGENT_OUTPUT > FINAL": (1, 1, 0), "TASK > AGENT_OUTPUT": (1, 0, -1), "TASK > ERROR": (0, 1, 1),
    }  # fmt: skip
    assert rows[-1]["delta"] == 0 and rows[-1]["p50_b_ms"] == 9.0


def test_latencies_are_set_side_by_side(store: Store) -> None:
    rows = {(row["parent_type"], row["type"]): row for row in runs.latencies(store, "before", "after").to_pylist()}
    output = rows["TASK", "AGENT_OUTPUT"]
    assert (output["count_a"], output["count_b"]) == (2, 1)
    assert (output["p50_a_ms"], output["p50_b_ms"], output["p50_delta_ms"]) == (3.0, 8.0, 5.0)
    assert rows["TASK", "ERROR"]["p50_a_ms"] is None and rows["TASK", "ERROR"]["p50_b_ms"] == 4.0


def test_the_long_table_holds_all_of_them(store: Store) -> None:
    rows = runs.difference(store, "before", "after").to_pylist()
    assert Counter(row["measure"] for row in rows) == {
        "signals": 4, "status": 3, "variant": 3, "p50_ms": 3, "p90_ms": 3, "p99_ms": 3,
    }  # fmt: skip
    assert {"measure": "signals", "key": "ERROR", "a": 0.0, "b": 1.0, "delta": 1.0} in rows
    assert {"measure": "p50_ms", "key": "TASK -> AGENT_OUTPUT a", "a": 3.0, "b": 8.0, "delta": 5.0} in rows


def test_equal_runs_do_not_differ() -> None:
    with stored(*LINES, run="a") as store:
        naive.load(store, reversed(LINES), "b")
        table = runs.difference(store, "a", "b")
        assert set(table["delta"].to_pylist()) == {0.0}
        counts = Counter(json.loads(text)["type"] for text in LINES)
        assert {row["type"]: row["a"] for row in runs.signals(store, "a", "b").to_pylist()} == counts


def test_an_unknown_run_is_named_with_those_that_are(store: Store) -> None:
    for compare in (runs.signals, runs.statuses, runs.variants_of, runs.latencies, runs.difference):
        with pytest.raises(NotFoundError, match="no run 'later': the runs are 'after', 'before'"):
            compare(store, "before", "later")

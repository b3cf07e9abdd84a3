"""One row per trace."""

from collections import Counter
from pathlib import Path
from typing import Any

import naive
import pytest

from kit.store.store import Store
from kit.trace.traces import ORDER, traces
from tests.trace import generated

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"


@pytest.fixture(scope="module")
def sample() -> Store:
    store = Store()
    naive.load(store, SAMPLE.read_bytes().splitlines())
    return store


def by_trace(store: Store) -> dict[str, dict[str, Any]]:
    return {row["trace_id"]: row for row in traces(store, all=True).to_pylist()}


def test_the_sample_has_291_traces_of_which_124_hold_a_task(sample: Store) -> None:
    assert traces(sample, all=True).num_rows == 291
    rows = traces(sample).to_pylist()
    assert all(row["workflow"] for row in rows)
    tasks = {row[0] for row in sample.execute("SELECT DISTINCT trace_id FROM signals WHERE type = 'TASK'")}
    assert len(tasks) == 124
    ended = Counter(row["status"] for row in rows if row["trace_id"] in tasks)
    assert ended["stopped"] + ended["open"] == 24
    assert sum(row["extra_terminals"] for row in rows) == 0


def test_cosmonapse_50_a_stopped_trace_is_stopped_and_not_in_flight(sample: Store) -> None:
    ended = Counter(row["status"] for row in traces(sample).to_pylist())
    assert ended == {"completed": 94, "failed": 20, "stopped": 16, "open": 8}


def test_cosmonapse_37_the_first_terminal_counts_and_later_ones_are_told() -> None:
    made = generated.Made()
    odd = generated.oddities(made)
    row = by_trace(generated.store_of(made))[odd["trace"]]
    assert (row["status"], row["extra_terminals"]) == ("completed", 1)
    task = made.emit("TASK", "trc_2", None, "a")
    made.emit("ERROR", "trc_2", task, "a")
    made.emit("STOP", "trc_2")
    output = made.emit("AGENT_OUTPUT", "trc_2", task, "a")
    made.emit("FINAL", "trc_2", output, "a")
    row = by_trace(generated.store_of(made))["trc_2"]
    assert (row["status"], row["extra_terminals"]) == ("failed", 1)


@pytest.mark.parametrize("seed", range(3))
def test_statuses_are_those_the_capture_was_made_with(seed: int) -> None:
    made = generated.everything(seed)
    rows = by_trace(generated.store_of(made))
    assert {name: row["status"] for name, row in rows.items()} == made.status


def test_failed_and_slow_traces_come_first() -> None:
    rows = traces(generated.store_of(generated.everything(6))).to_pylist()
    keys = [(ORDER.index(row["status"]), -row["duration_ms"], row["trace_id"]) for row in rows]
    assert keys == sorted(keys)


def test_findings_count_what_is_odd() -> None:
    made = generated.Made()
    odd = generated.oddities(made)
    row = by_trace(generated.store_of(made))[odd["trace"]]
    # Self-parent, missing parent, conflicting id, second FINAL, event before its parent.
    assert row["findings"] == 5
    assert row["inversions"] == 1
    generated.ring(made, 4)
    assert sorted(row["findings"] for row in by_trace(generated.store_of(made)).values()) == [4, 5]


def test_the_shape_of_a_delegating_trace() -> None:
    made = generated.Made()
    names = generated.delegation(made, 2)
    rows = by_trace(generated.store_of(made))
    first = rows[names[0]]
    assert first["children_traces"] == 1
    assert first["neurons"] == ["n0"]
    assert (first["signals"], first["depth"], first["width"], first["root_type"]) == (7, 2, 3, "TASK")
    assert rows[names[2]]["children_traces"] == 0
    assert first["critical_ms"] == first["duration_ms"]


def test_a_phantom_is_no_signal_but_has_depth() -> None:
    made = generated.Made()
    trace, _ = generated.auctions(made, ["a"])
    row = by_trace(generated.store_of(made))[trace]
    assert row["signals"] == len(made.signals)
    assert row["depth"] == max(made.depth.values())
    assert row["workflow"]


def test_retries_are_counted_on_their_own_trace() -> None:
    made = generated.Made()
    generated.retried(made, 3)
    rows = by_trace(generated.store_of(made))
    assert sorted((row["retries"], row["retried"]) for row in rows.values()) == [(0, True), (1, False), (1, True)]


def test_traces_without_times_come_last_of_their_status() -> None:
    made = generated.Made()
    generated.delegation(made, 1)
    store = generated.store_of(made)
    first = traces(store)["trace_id"].to_pylist()[0]
    store.execute("UPDATE signals SET ts = NULL WHERE trace_id = $trace", {"trace": first})
    last = traces(store).to_pylist()[-1]
    assert (last["trace_id"], last["start"], last["duration_ms"]) == (first, None, None)


def test_two_runs_have_their_own_rows() -> None:
    made = generated.everything(8, rounds=1)
    store = generated.store_of(made, run="a")
    made.load(store, run="b")
    both, one = traces(store, all=True), traces(store, "b", all=True)
    assert both.num_rows == 2 * one.num_rows
    rest = [{**row, "run": "b"} for row in both.to_pylist() if row["run"] == "a"]
    assert rest == one.to_pylist()


def test_the_order_of_lines_changes_no_row() -> None:
    made = generated.everything(9, rounds=1)
    back = list(reversed(range(len(made.signals))))
    ours = traces(generated.store_of(made), all=True)
    assert ours.equals(traces(generated.store_of(made, order=back), all=True))


def test_an_empty_store_has_no_traces() -> None:
    assert traces(Store()).num_rows == 0

"""The critical path: where the duration of a trace went."""

from pathlib import Path
from typing import Any

import naive
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.store.store import Store
from kit.trace.critical_path import critical_events, critical_path
from kit.trace.events import trace_events
from kit.trace.spans import spans
from tests.trace import generated

KINDS = ("task", "clarification")


def path_of(store: Store, trace: str) -> list[dict[str, Any]]:
    events = trace_events(store, trace)
    traces = sorted(set(events["trace_id"].to_pylist()))
    rows: list[dict[str, Any]] = critical_path(events, spans(store, traces=traces)).to_pylist()
    return rows


def total_ms(store: Store, trace: str) -> float:
    times = [ts for ts in trace_events(store, trace)["ts"].to_pylist() if ts is not None]
    return (max(times) - min(times)).total_seconds() * 1000


@pytest.mark.parametrize("seed", range(3))
def test_the_parts_add_up_to_the_duration(seed: int) -> None:
    made = generated.everything(seed, rounds=1)
    store = generated.store_of(made)
    for trace in sorted({signal["trace_id"] for signal in made.signals}):
        path = path_of(store, trace)
        assert sum(row["self_ms"] for row in path) == pytest.approx(total_ms(store, trace))
        assert all(row["self_ms"] >= 0 for row in path)
        assert [row["step"] for row in path] == list(range(1, len(path) + 1))


def test_it_goes_through_delegated_traces() -> None:
    made = generated.Made()
    names = generated.delegation(made, 3)
    path = path_of(generated.store_of(made), names[0])
    assert {row["trace_id"] for row in path} == set(names)
    assert [row["neuron"] for row in path if row["kind"] == "task"] == ["n0", "n1", "n2", "n3"]


def test_it_takes_the_slower_of_two_branches() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a", after_us=0)
    slow = made.emit("TOOL_CALL", "trc_1", task, "slow", {"tool": "slow"}, after_us=1_000)
    fast = made.emit("TOOL_CALL", "trc_1", task, "fast", {"tool": "fast"}, after_us=0)
    made.emit("TOOL_RESULT", "trc_1", fast, "fast", after_us=2_000)
    made.emit("TOOL_RESULT", "trc_1", slow, "slow", after_us=7_000)
    made.emit("AGENT_OUTPUT", "trc_1", task, "a", after_us=3_000)
    path = path_of(generated.store_of(made), "trc_1")
    assert [(row["kind"], row["name"], row["self_ms"]) for row in path] == [("task", "a", 4.0), ("tool", "slow", 9.0)]
    assert sum(row["share"] for row in path) == pytest.approx(1)


def test_it_walks_through_a_question_to_the_task_that_asked() -> None:
    made = generated.Made()
    trace, _ = generated.question(made, "CLARIFICATION", ("task",))
    path = path_of(generated.store_of(made), trace)
    assert [row["kind"] for row in path if row["kind"] in KINDS] == ["task", "clarification", "task"]
    asked = next(row for row in path if row["kind"] == "clarification")
    assert asked["self_ms"] == asked["duration_ms"] == 60.0


def test_time_outside_all_spans_is_the_trace_itself() -> None:
    made = generated.Made()
    made.emit("PLAN", "trc_1", None, "a")
    task = made.emit("TASK", "trc_1", None, "a", after_us=4_000)
    made.emit("AGENT_OUTPUT", "trc_1", task, "a", after_us=6_000)
    path = path_of(generated.store_of(made), "trc_1")
    assert [(row["kind"], row["self_ms"]) for row in path] == [("trace", 4.0), ("task", 6.0)]


def test_an_open_trace_has_a_path_to_the_last_thing_that_happened() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    call = made.emit("TOOL_CALL", "trc_1", task, "fs", {"tool": "read"})
    made.emit("TOOL_RESULT", "trc_1", call, "fs", after_us=9_000)
    path = path_of(generated.store_of(made), "trc_1")
    assert [(row["name"], row["self_ms"]) for row in path] == [("a", 1.0), ("read", 9.0)]


def test_a_clock_inversion_is_moved_to_the_edge_and_told() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    call = made.emit("TOOL_CALL", "trc_1", task, "fs", {"tool": "read"}, after_us=-5_000)
    made.emit("TOOL_RESULT", "trc_1", call, "fs", after_us=8_000)
    made.emit("AGENT_OUTPUT", "trc_1", task, "a", after_us=4_000)
    store = generated.store_of(made)
    path = path_of(store, "trc_1")
    assert sum(row["self_ms"] for row in path) == total_ms(store, "trc_1") == 12.0
    assert {row["name"]: row["clamped"] for row in path} == {None: False, "read": True, "a": False}


def test_a_trace_without_times_or_without_spans() -> None:
    made = generated.Made()
    made.emit("PLAN", "trc_1", None, "a")
    path = path_of(generated.store_of(made), "trc_1")
    assert [(row["kind"], row["self_ms"], row["share"]) for row in path] == [("trace", 0.0, 0.0)]
    store = generated.store_of(made)
    store.execute("UPDATE signals SET ts = NULL")
    assert path_of(store, "trc_1") == []


def test_the_events_on_the_path_of_an_auction_run_from_the_offer_to_the_output(small_capture: Path) -> None:
    store = Store()
    naive.load(store, small_capture.read_bytes().splitlines())
    events = trace_events(store, "9FSJTA")
    found = spans(store, traces=["trc_01M6DQTMRJDX8Y8VRD979FSJTA"])
    on_path = critical_events(events, found, critical_path(events, found))
    kinds = dict(zip(events["id"].to_pylist(), events["type"].to_pylist(), strict=True))
    assert [kinds[event] for event in on_path] == ["TASK_OFFER", "BID", "TASK_AWARDED", "TASK", "AGENT_OUTPUT"]


@st.composite
def work(draw: st.DrawFn) -> generated.Made:
    """Tasks, calls and answers with any parents and any times."""
    made = generated.Made()
    names = [f"evt_{number}" for number in range(draw(st.integers(1, 12)))]
    kinds = ["TASK", "TOOL_CALL", "TOOL_RESULT", "AGENT_OUTPUT", "CLARIFICATION", "STOP", "PLAN"]
    for name in names:
        parent = draw(st.sampled_from([None, "evt_lost", *names]))
        step = draw(st.integers(-3000, 9000))
        made.emit(draw(st.sampled_from(kinds)), "trc_1", parent, "a", event=name, after_us=step)
    return made


STORE = Store()


@settings(max_examples=50, deadline=None)
@given(work())
def test_whatever_the_events_the_parts_add_up(made: generated.Made) -> None:
    for table in ("runs", "sources", "signals"):
        STORE.execute(f"DELETE FROM {table}")
    made.load(STORE)
    path = path_of(STORE, "trc_1")
    assert sum(row["self_ms"] for row in path) == pytest.approx(total_ms(STORE, "trc_1"))
    assert all(row["self_ms"] >= 0 for row in path)
    assert len({row["span_id"] for row in path}) == len(path)

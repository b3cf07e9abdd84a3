"""Spans: pairing, status, queue and service."""

import json
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import naive
import pytest

from kit.store.store import Store
from kit.trace.spans import spans
from tests.trace import generated

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
PAIRS = {
    "TOOL_RESULT": "TOOL_CALL",
    "RECALLED": "RECALL",
    "IMPRINTED": "IMPRINT",
    "CLARIFICATION_ANSWER": "CLARIFICATION",
    "PERMISSION_DECISION": "PERMISSION",
}


def by_kind(made: generated.Made) -> dict[str, list[dict[str, Any]]]:
    found: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in spans(generated.store_of(made)).to_pylist():
        found[row["kind"]].append(row)
    return found


def prism(signals: list[dict[str, Any]]) -> dict[tuple[str, str], float]:
    """Request and reply ids with their latency in ms, one signal after the other (spec/cosmonapse.md 8)."""
    pairs: dict[tuple[str, str], float] = {}
    waiting: dict[str, dict[str, Any]] = {}
    known = {signal["id"]: signal for signal in signals}
    for signal in sorted(signals, key=lambda item: (item["ts"], item["id"])):
        if signal["type"] in PAIRS.values():
            waiting[signal["id"]] = signal
        asked = PAIRS.get(signal["type"])
        if asked is None:
            continue
        request = waiting.pop(signal["parent_id"], None)
        if request is None and known.get(signal["parent_id"], {}).get("type") != asked:
            same = [
                other for other in waiting.values()
                if other["type"] == asked and other["trace_id"] == signal["trace_id"]
            ]  # fmt: skip
            request = waiting.pop(same[-1]["id"]) if same else None
        if request is not None:
            took = datetime.fromisoformat(signal["ts"]) - datetime.fromisoformat(request["ts"])
            pairs[request["id"], signal["id"]] = took.total_seconds() * 1000
    return pairs


def test_cosmonapse_49_request_and_reply_pairs_of_the_sample_are_those_of_prism() -> None:
    lines = SAMPLE.read_bytes().splitlines()
    store = Store()
    naive.load(store, lines)
    signals = [json.loads(line) for line in lines]
    replies = {signal["id"] for signal in signals if signal["type"] in PAIRS}
    found = {
        (row["span_id"], row["close_id"]): row["duration_ms"]
        for row in spans(store).to_pylist()
        if row["close_id"] in replies
    }
    expected = prism(signals)
    assert len(expected) > 140
    assert found == pytest.approx(expected)


def test_statuses_of_the_sample() -> None:
    store = Store()
    naive.load(store, SAMPLE.read_bytes().splitlines())
    counted: defaultdict[tuple[str, str], int] = defaultdict(int)
    for row in spans(store).to_pylist():
        counted[row["kind"], row["status"]] += 1
        assert not row["guessed"]
    assert counted["auction", "ok"] == 14
    assert counted["task", "error"] == 20
    assert counted["clarification", "ok"] == counted["task", "clarification"] == 7


def test_an_awarded_task_starts_at_its_award_and_belongs_to_the_auction() -> None:
    made = generated.Made()
    _, phantoms = generated.auctions(made, ["a", "b"])
    found = by_kind(made)
    assert [row["span_id"] for row in found["task"]] == phantoms
    assert [row["neuron"] for row in found["task"]] == ["a", "b"] == [row["neuron"] for row in found["auction"]]
    for task, auction in zip(found["task"], found["auction"], strict=True):
        assert task["start"] == auction["end"]
        assert task["parent_span"] == auction["span_id"]
    assert {row["parent_span"] for row in found["tool"]} == set(phantoms)


@pytest.mark.parametrize("styles", [("discrete",), ("task",), ("discrete", "task"), ("task", "discrete")])
def test_the_first_answer_of_either_style_closes_a_question(styles: tuple[str, ...]) -> None:
    made = generated.Made()
    _, event = generated.question(made, "CLARIFICATION", styles)
    found = by_kind(made)
    asked = found["clarification"][0]
    first = {"discrete": "CLARIFICATION_ANSWER", "task": "TASK"}[styles[0]]
    closer = next(signal for signal in made.signals if signal["parent_id"] == event)
    assert asked["close_id"] == closer["id"]
    assert closer["type"] == first
    assert (asked["status"], asked["neuron"], asked["name"]) == ("ok", "asker", "which?")
    assert found["task"][0]["status"] == "clarification"
    assert found["task"][0]["close_id"] == event
    assert len(found["task"]) == 1 + ("task" in styles)


@pytest.mark.parametrize("style", ["discrete", "task"])
def test_a_permission_that_is_refused_is_denied(style: str) -> None:
    made = generated.Made()
    generated.question(made, "PERMISSION", (style,), granted=False)
    assert by_kind(made)["permission"][0]["status"] == "denied"


def test_an_unanswered_question_is_open() -> None:
    made = generated.Made()
    generated.question(made, "PERMISSION", ())
    row = by_kind(made)["permission"][0]
    assert (row["status"], row["end"], row["duration_ms"], row["close_id"]) == ("open", None, None, None)


def test_a_stop_ends_what_is_open() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    made.emit("RECALL", "trc_1", task, "ctx")
    stop = made.emit("STOP", "trc_1", None, None, {"rollback": True}, after_us=5_000)
    late = made.emit("TOOL_CALL", "trc_1", task, "fs")
    found = by_kind(made)
    assert [(row["status"], row["close_id"]) for row in found["task"] + found["recall"]] == [("stopped", stop)] * 2
    assert found["task"][0]["duration_ms"] == 6.0
    assert found["task"][0]["inferred"] is False
    assert [(row["span_id"], row["status"]) for row in found["tool"]] == [(late, "open")]


def test_an_answer_without_a_request_is_a_guess_at_the_nearest_free_one() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    outer = made.emit("RECALL", "trc_1", task, "ctx")
    inner = made.emit("RECALL", "trc_1", task, "ctx")
    made.emit("RECALL", "trc_2", None, "ctx")
    first = made.emit("RECALLED", "trc_1", "evt_lost", "ctx", label="missing_parent")
    second = made.emit("RECALLED", "trc_1", None, "ctx")
    made.emit("RECALLED", "trc_1", None, "ctx")
    closed = {row["span_id"]: (row["close_id"], row["guessed"]) for row in by_kind(made)["recall"]}
    assert closed[inner] == (first, True)
    assert closed[outer] == (second, True)
    assert sorted(closed.values(), key=str)[-1] == (None, False)


@pytest.mark.parametrize("early", [0, 1, 3])
def test_answers_before_any_request_take_nothing(early: int) -> None:
    made = generated.Made()
    for trace in ("trc_1", "trc_2"):
        for _ in range(early):
            made.emit("TOOL_RESULT", trace, None, "fs")
        request = made.emit("TOOL_CALL", trace, None, "fs")
        reply = made.emit("TOOL_RESULT", trace, None, "fs")
        rows = [row for row in by_kind(made)["tool"] if row["trace_id"] == trace]
        assert [(row["span_id"], row["close_id"]) for row in rows] == [(request, reply)]


def test_work_waits_for_the_same_neuron_to_be_done() -> None:
    made = generated.Made()
    first = made.emit("TASK", "trc_1", None, "a")
    second = made.emit("TASK", "trc_2", None, "a", after_us=2_000)
    made.emit("AGENT_OUTPUT", "trc_1", first, "a", after_us=8_000)
    made.emit("AGENT_OUTPUT", "trc_2", second, "a", after_us=5_000)
    store = generated.store_of(made)
    rows = spans(store).to_pylist()
    assert [(row["queue_ms"], row["service_ms"], row["inferred"]) for row in rows] == [(0, 10, True), (8, 5, True)]
    assert spans(store, traces=["trc_2"]).to_pylist() == rows[1:]


def test_errors_of_tools_and_tasks_are_errors() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    call = made.emit("TOOL_CALL", "trc_1", task, None, {"tool": "read", "args": {}})
    made.emit("TOOL_RESULT", "trc_1", call, "fs", {"tool": "read", "error": "no"})
    made.emit("ERROR", "trc_1", task, "a", {"code": "X", "message": "", "recoverable": False})
    found = by_kind(made)
    assert (found["tool"][0]["status"], found["tool"][0]["neuron"], found["tool"][0]["name"]) == ("error", "fs", "read")
    assert found["task"][0]["status"] == "error"


def test_parent_spans_skip_what_opens_none() -> None:
    made = generated.Made()
    task = made.emit("TASK", "trc_1", None, "a")
    output = made.emit("AGENT_OUTPUT", "trc_1", task, "a")
    critique = made.emit("CRITIQUE", "trc_1", output, "b")
    made.emit("TOOL_CALL", "trc_1", critique, "fs")
    assert by_kind(made)["tool"][0]["parent_span"] == task


def test_the_order_of_lines_changes_no_span() -> None:
    made = generated.everything(5, rounds=1)
    back = list(reversed(range(len(made.signals))))
    assert spans(generated.store_of(made)).equals(spans(generated.store_of(made, order=back)))


def test_an_empty_store_has_no_spans() -> None:
    assert spans(Store()).num_rows == 0

"""Each rule finds a line that breaks it and leaves alone one that does not."""

import dataclasses
import itertools
import json
import re

import pyarrow as pa
import pytest
from lines import event, line, stored, trace

from kit.cosmonapse.rules import ANSWERS, RULES
from kit.cosmonapse.types import REQUIRED_PAYLOAD, SIGNAL_TYPES
from kit.trace.conformance import check


def without(text: str, *keys: str) -> str:
    """Return the line without some payload keys."""
    item = json.loads(text)
    for key in keys:
        del item["payload"][key]
    return json.dumps(item)


def unstamped(text: str) -> str:
    """Return the line without its time."""
    item = json.loads(text)
    del item["ts"]
    return json.dumps(item)


TASK = line("TASK", 1, to="a")
OUTPUT = line("AGENT_OUTPUT", 2, 1, to="a")
RECALL = line("RECALL", 2, 1, to="e")
OFFER = line("TASK_OFFER", 1)
BID = line("BID", 2, 1, to="a")
BID_B = line("BID", 3, 1, to="b")
AWARD = line("TASK_AWARDED", 5, 2, to="a")
STOP = line("STOP", 5)
AUCTION = [OFFER, BID, BID_B]
LOST = event(999)
BEATS = [line("HEARTBEAT", 10 + n, on=f"h{n}", to="a", at=1000 * n) for n in range(4)]
ATTEMPTS = [line("TASK", 1, to="a", meta={"attempt": 0}), line("TASK", 9, on="2", to="a", meta={"attempt": 1})]
SAVED = [
    TASK,
    line("IMPRINT", 2, 1, to="e"),
    line("IMPRINTED", 3, 2, to="e"),
    line("STOP", 5, payload={"rollback": True}),
]

CASES: dict[str, tuple[list[str], list[str], list[str]]] = {
    # rule: (lines that break it, events named, lines that do not)
    "payload-required": ([without(TASK, "input")], [event(1)], [line("TASK", 1, payload={"input": None})]),
    "unknown-type": ([line("GREETING", 1)], [event(1)], [line("THOUGHT_DELTA", 1, payload={"delta": ""})]),
    "no-ts": ([unstamped(TASK)], [event(1)], [TASK]),
    "recall-mode": ([line("RECALL", 2, 1, payload={"recall_mode": "some"})], [event(2)], [RECALL]),
    "imprint-op": ([line("IMPRINT", 2, payload={"op": "drop"})], [event(2)], [line("IMPRINT", 2)]),
    "merge-key": (
        [line("IMPRINT", 2, payload={"op": "merge"})],
        [event(2)],
        [line("IMPRINT", 2, payload={"op": "merge", "merge_key": "k"})],
    ),
    "answer-echo": (
        [line("TOOL_CALL", 2, payload={"call_id": "c1"}), line("TOOL_RESULT", 3, 2, payload={"call_id": "c2"})],
        [event(2), event(3)],
        [line("TOOL_CALL", 2, payload={"call_id": "c1"}), line("TOOL_RESULT", 3, 2, payload={"call_id": "c1"})],
    ),
    "critique-target": (
        [line("CRITIQUE", 2, 1)],
        [event(2)],
        [TASK, line("CRITIQUE", 2, 1, payload={"target_event_id": event(1)})],
    ),
    "request-address": ([line("RECALL", 2)], [event(2)], [line("RECALL", 2, directed_type="context")]),
    "offer-address": ([line("TASK_OFFER", 1, to="a")], [event(1)], [OFFER]),
    "broadcast-address": ([line("STOP", 5, to="a")], [event(5)], [STOP]),
    "producer-missing": ([line("AGENT_OUTPUT", 2, 1)], [event(2)], [OUTPUT]),
    "reply-neuron": ([TASK, line("AGENT_OUTPUT", 2, 1, to="b")], [event(1), event(2)], [TASK, OUTPUT]),
    "answer-parent": ([TASK, line("RECALLED", 2, 1, to="e")], [event(1), event(2)], [RECALL, line("RECALLED", 3, 2)]),
    "reply-parent": ([RECALL, line("AGENT_OUTPUT", 3, 2, to="a")], [event(2), event(3)], [TASK, OUTPUT]),
    "final-parent": ([TASK, line("FINAL", 2, 1, to="a")], [event(2)], [OUTPUT, line("FINAL", 3, 2, to="a")]),
    "answer-orphan": ([line("TOOL_RESULT", 3)], [event(3)], [line("TOOL_RESULT", 3, LOST)]),
    "answer-trace": ([TASK, line("AGENT_OUTPUT", 2, 1, on="2", to="a")], [event(1), event(2)], [TASK, OUTPUT]),
    "clock-order": ([TASK, line("AGENT_OUTPUT", 2, 1, to="a", at=0.5)], [event(1), event(2)], [TASK, OUTPUT]),
    "task-open": ([TASK], [event(1)], [TASK, STOP]),
    "award-open": ([*AUCTION, AWARD], [event(5)], [*AUCTION, AWARD, line("AGENT_OUTPUT", 6, LOST, to="a")]),
    "task-twice": (
        [line("TASK", 1), OUTPUT, line("AGENT_OUTPUT", 3, 1, to="b")],
        [event(1), event(2), event(3)],
        [TASK, OUTPUT],
    ),
    "finalize-missing": (
        [line("TASK", 1, to="a", payload={"finalize": True}), OUTPUT],
        [event(1), event(2)],
        [line("TASK", 1, to="a", payload={"finalize": True}), OUTPUT, line("FINAL", 3, 2, to="a")],
    ),
    "recall-unanswered": ([RECALL], [event(2)], [RECALL, line("RECALLED", 3, 2)]),
    "recall-late": (
        [line("RECALL", 2, to="e", payload={"deadline_ms": 5}), line("RECALLED", 8, 2)],
        [event(2), event(8)],
        [line("RECALL", 2, to="e", payload={"deadline_ms": 5}), line("RECALLED", 7, 2)],
    ),
    "imprint-unanswered": ([line("IMPRINT", 2, 1, to="e")], [event(2)], SAVED[:3]),
    "tool-unanswered": ([line("TOOL_CALL", 2)], [event(2)], [line("TOOL_CALL", 2), line("TOOL_RESULT", 3, 2)]),
    "question-unanswered": (
        [line("CLARIFICATION", 2, 1, to="a")],
        [event(2)],
        [line("CLARIFICATION", 2, 1, to="a"), line("TASK", 3, 2, to="a")],
    ),
    "escalation-unanswered": ([line("ESCALATION", 2)], [event(2)], [line("ESCALATION", 2), line("TASK", 3, 2)]),
    "offer-dangling": (AUCTION, [event(1)], [*AUCTION, AWARD]),
    "award-once": (
        [*AUCTION, AWARD, line("TASK_AWARDED", 6, 3, to="b")],
        [event(1), event(5), event(6)],
        [*AUCTION, AWARD],
    ),
    "award-bidder": ([*AUCTION, line("TASK_AWARDED", 5, 2, to="b")], [event(2), event(5)], [*AUCTION, AWARD]),
    "award-and-decline": (
        [*AUCTION, line("TASK_DECLINED", 4, 2, to="a"), AWARD],
        [event(2), event(4), event(5)],
        [*AUCTION, line("TASK_DECLINED", 4, 3, to="b"), AWARD],
    ),
    "decline-after-award": (
        [*AUCTION, AWARD, line("TASK_DECLINED", 6, 3, to="b")],
        [event(5), event(6)],
        [*AUCTION, line("TASK_DECLINED", 4, 3, to="b"), AWARD, line("TASK_DECLINED", 7, 1, to="c")],
    ),
    "work-after-stop": (
        [TASK, STOP, line("AGENT_OUTPUT", 6, 1, to="a")],
        [event(5), event(6)],
        [TASK, OUTPUT, STOP, line("RECALLED", 6, LOST)],
    ),
    "error-after-stop": ([TASK, STOP, line("ERROR", 6, 1, to="a")], [event(5), event(6)], [line("ERROR", 4, 1), STOP]),
    "terminal-once": ([line("FINAL", 3, 2), line("ERROR", 4, 1)], [event(3), event(4)], [line("FINAL", 3, 2)]),
    "rollback-empty": (
        [
            *SAVED,
            line("STOPPED", 6, 5, payload={"rolled_back": True}),
            line("STOPPED", 7, 5, payload={"rolled_back": True}),
        ],
        [event(5), event(6), event(7)],
        [
            *SAVED,
            line("STOPPED", 6, 5, payload={"rolled_back": True, "compensated": 1}),
            line("STOPPED", 7, 5, payload={"rolled_back": True}),
        ],
    ),
    "retry-without-stop": (ATTEMPTS, [event(1), event(9)], [*ATTEMPTS, line("STOP", 5, payload={"reason": "retry"})]),
    "management-parent": ([line("REGISTER", 2, 1, to="a")], [event(2)], [line("REGISTER", 2, to="a")]),
    "management-trace": (
        [line("REGISTER", 2, to="a"), line("HEARTBEAT", 3, to="a")],
        [event(2)],
        [line("REGISTER", 2, to="a"), line("HEARTBEAT", 3, on="2", to="a")],
    ),
    "neuron-unregistered": (
        [line("REGISTER", 0, on="0", to="b"), TASK, OUTPUT],
        [event(2)],
        [line("REGISTER", 0, on="0", to="a"), TASK, OUTPUT],
    ),
    "heartbeat-silence": (
        [*BEATS, line("TASK", 99, at=6100)],
        [event(13)],
        [*BEATS, line("DEREGISTER", 98, on="9", to="a", at=3500), line("TASK", 99, at=9000)],
    ),
    "life-after-deregister": (
        [line("DEREGISTER", 1, on="a", to="a"), line("HEARTBEAT", 3, on="c", to="a")],
        [event(1), event(3)],
        [
            line("DEREGISTER", 1, on="a", to="a"),
            line("REGISTER", 2, on="b", to="a"),
            line("HEARTBEAT", 3, on="c", to="a"),
        ],
    ),
    "parent-missing": (
        [line("AGENT_OUTPUT", 2, LOST, to="a")],
        [event(2)],
        [*AUCTION, AWARD, line("ERROR", 6, LOST, to="a")],
    ),
    "parent-fabricated": ([line("RECALL", 2, LOST, to="e")], [event(2)], [TASK, RECALL]),
    "cycle": ([line("TASK", 1, 2), line("TASK", 2, 1)], [event(1)], [TASK]),
    "cross-trace": ([TASK, line("PLAN", 2, 1, on="2")], [event(1), event(2)], [TASK, line("TASK", 2, 1, on="2")]),
}


def found(lines: list[str], rule: str) -> list[dict[str, object]]:
    with stored(*lines) as store:
        return check(store, rules=[rule]).to_pylist()


@pytest.mark.parametrize("rule", CASES)
def test_a_broken_rule_is_found_with_its_events(rule: str) -> None:
    broken, events, _ = CASES[rule]
    first = found(broken, rule)[0]
    assert first["events"] == events
    assert first["rule"] == rule and first["run"] == "capture" and first["message"]
    assert first["trace_id"] in {json.loads(text)["trace_id"] for text in broken}


@pytest.mark.parametrize("rule", CASES)
def test_a_kept_rule_is_silent(rule: str) -> None:
    assert found(CASES[rule][2], rule) == []


def test_redelivery_is_told_with_its_number() -> None:
    with stored(TASK) as store:
        repeats = {
            "run": ["capture"] * 2,
            "source_id": [1] * 2,
            "line": [2, 3],
            "id": [event(1)] * 2,
            "reencoded": [False] * 2,
        }
        store.append("duplicates", pa.table(repeats))
        [row] = check(store, rules=["redelivered"]).to_pylist()
    assert row["events"] == [event(1)] and row["message"] == "delivered 3 times"
    assert found([TASK], "redelivered") == []


def test_a_conflicting_id_is_told_once() -> None:
    with stored(TASK, line("TASK", 1, to="b"), line("TASK", 1, to="c")) as store:
        store.execute("UPDATE signals SET canonical = false, flags = ['conflicting_duplicate'] WHERE line > 1")
        [row] = check(store, rules=["conflicting-duplicate"]).to_pylist()
    assert row["events"] == [event(1)] and row["trace_id"] == trace("1")
    assert found([TASK], "conflicting-duplicate") == []


def test_every_rule_has_its_pair_of_cases() -> None:
    assert {rule.id for rule in RULES} == {*CASES, "redelivered", "conflicting-duplicate"}


def test_rules_are_well_formed() -> None:
    assert len({rule.id for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule.severity in ("error", "warning", "info")
        assert re.fullmatch(r"[a-z]+(-[a-z]+)*", rule.id)
        assert rule.statement.endswith(".")
        assert rule.source.startswith("spec/cosmonapse.md ")
        assert dataclasses.is_dataclass(rule)


@pytest.mark.parametrize("kind", sorted(REQUIRED_PAYLOAD))
def test_each_required_field_is_missed(kind: str) -> None:
    fields = dict.fromkeys(REQUIRED_PAYLOAD[kind])
    for field in fields:
        text = without(line(kind.value, 1, payload=fields), field)
        [row] = found([text], "payload-required")
        assert row["message"] == f"{kind.value} lacks payload field {field}"
    assert found([line(kind.value, 1, payload=fields)], "payload-required") == []


def test_each_answer_wants_its_question() -> None:
    pairs = list(itertools.product(sorted(ANSWERS), sorted(SIGNAL_TYPES)))
    lines = []
    for place, (kind, asked) in enumerate(pairs):
        number = 2 * place
        lines += [line(asked.value, number, on=str(place)), line(kind.value, number + 1, number, on=str(place))]
    wrong = {tuple(row["events"]) for row in found(lines, "answer-parent")}  # type: ignore[arg-type]
    for place, (kind, asked) in enumerate(pairs):
        # A type may be an answer itself: then it has no parent here and is no finding of its own.
        assert ((event(2 * place), event(2 * place + 1)) in wrong) == (asked not in ANSWERS[kind])

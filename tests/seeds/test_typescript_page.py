"""What the reference page of the TypeScript Signal promises, as far as Python can hold it."""

import json

import pytest

from kit.cosmonapse import (
    AXON_TYPES,
    Directed,
    Signal,
    SignalType,
    axon_types,
    directed_to,
    signal_types,
    stop_signal,
    stopped_signal,
    synapse_types,
    task_signal,
)
from kit.errors import SignalError

LISTED = [
    "TASK",
    "AGENT_OUTPUT",
    "FINAL",
    "ERROR",
    "TASK_OFFER",
    "BID",
    "TASK_AWARDED",
    "TASK_DECLINED",
    "THOUGHT_DELTA",
    "PLAN",
    "TOOL_CALL",
    "TOOL_RESULT",
    "MEMORY_APPEND",
    "ESCALATION",
    "CONSENSUS",
    "CONTEXT_SYNC",
    "CRITIQUE",
    "CLARIFICATION",
    "PERMISSION",
    "PERMISSION_DECISION",
    "CLARIFICATION_ANSWER",
    "RECALL",
    "RECALLED",
    "IMPRINT",
    "IMPRINTED",
    "DISCOVER",
    "REGISTER",
    "DEREGISTER",
    "HEARTBEAT",
    "STOP",
    "STOPPED",
]


def test_the_types_of_the_profile_are_the_31_listed() -> None:
    assert {kind.value for kind in signal_types("typescript")} == set(LISTED)
    assert len(LISTED) == 31


def test_the_sets_of_the_profile_have_7_and_25_types() -> None:
    assert axon_types("typescript") == AXON_TYPES and len(AXON_TYPES) == 7
    assert synapse_types("typescript") == {kind for kind in LISTED if kind not in AXON_TYPES} | {"ERROR"}
    assert len(synapse_types("typescript")) == 25


def test_field_names_stay_in_snake_case_and_in_order() -> None:
    written = json.loads(Signal(type=SignalType.TASK, directed=Directed(id="a")).encode("typescript"))
    assert list(written) == ["v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta"]
    assert list(written["directed"]) == ["id", "type", "capabilities"]


def test_plain_payloads_are_byte_identical_in_both_profiles_but_for_the_time() -> None:
    signal = Signal(type=SignalType.TASK, payload={"input": {"q": "é", "n": [1, 2.5, None, True]}})
    python, typescript = (json.loads(signal.encode(profile)) for profile in ("python", "typescript"))
    stamped = signal.encode().replace(python["ts"].encode(), typescript["ts"].encode())
    assert stamped == signal.encode("typescript")


def test_a_time_is_rfc_3339_in_utc_with_milliseconds() -> None:
    written = json.loads(Signal(type=SignalType.TASK).encode("typescript"))["ts"]
    assert len(written) == len("2026-05-16T14:22:01.391Z") and written.endswith("Z")


def test_encode_and_decode_round_trip_the_wire_format() -> None:
    data = Signal(type=SignalType.THOUGHT_DELTA, payload={"delta": "hm", "2": 1}).encode("typescript")
    assert Signal.decode(data, profile="typescript").encode("typescript") == data
    assert Signal.decode(data.decode(), profile="typescript").encode("typescript") == data


def test_reading_throws_on_violation() -> None:
    for field, value in (("id", "x"), ("trace_id", "x"), ("parent_id", "x"), ("v", "2")):
        with pytest.raises(SignalError, match=field):
            Signal.decode(json.dumps({"type": "TASK", field: value}), profile="typescript")


def test_reply_builds_a_child_on_the_trace() -> None:
    source = Signal(type=SignalType.TASK)
    child = source.reply(SignalType.FINAL, {"result": {}})
    assert (child.trace_id, child.parent_id) == (source.trace_id, source.id)


def test_directed_to_gives_all_three_parts() -> None:
    made = directed_to("a", type="t", capabilities=["x"])
    assert made.model_dump() == {"id": "a", "type": "t", "capabilities": ["x"]}


def test_stop_and_stopped_carry_the_listed_payloads() -> None:
    stop = stop_signal(trace_id="trc_1", reason="enough").encode("typescript")
    assert b'"payload":{"rollback":false,"reason":"enough"}' in stop
    stopped = stopped_signal(trace_id="trc_1", parent_id="evt_1", node="dev").encode("typescript")
    assert b'"payload":{"rolled_back":false,"cancelled":0,"compensated":0,"node":"dev"}' in stopped


def test_builders_keep_what_javascript_counts_as_true() -> None:
    assert task_signal(input={}, capabilities=[], profile="typescript").payload == {
        "input": {},
        "capabilities": [],
    }

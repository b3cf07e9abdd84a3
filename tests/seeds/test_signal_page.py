"""What the reference page of the Python Signal promises, statement by statement."""

import inspect
import json
from datetime import UTC, datetime
from enum import Enum

import pytest
from pydantic import BaseModel

from kit.cosmonapse import (
    AXON_TYPES,
    SYNAPSE_TYPES,
    Directed,
    Signal,
    SignalType,
    stop_signal,
    stopped_signal,
    synapse_types,
)
from kit.errors import DendriteProtocolError

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
    "REGISTER",
    "DEREGISTER",
    "HEARTBEAT",
    "DISCOVER",
    "STOP",
    "STOPPED",
]


def test_a_signal_is_a_pydantic_model_with_these_fields_in_this_order() -> None:
    assert issubclass(Signal, BaseModel)
    assert list(Signal.model_fields) == [
        "v",
        "id",
        "trace_id",
        "parent_id",
        "type",
        "directed",
        "ts",
        "payload",
        "meta",
    ]


def test_only_the_type_is_required_and_the_rest_has_the_listed_defaults() -> None:
    signal = Signal(type=SignalType.TASK)
    assert [name for name, field in Signal.model_fields.items() if field.is_required()] == ["type"]
    assert signal.v == "1"
    assert signal.id.startswith("evt_") and len(signal.id) == 30
    assert signal.trace_id.startswith("trc_") and len(signal.trace_id) == 30
    assert signal.parent_id is None and signal.directed is None
    assert signal.ts.tzinfo is UTC and isinstance(signal.ts, datetime)
    assert signal.payload == {} and signal.meta == {}


@pytest.mark.parametrize("field", ["id", "trace_id"])
def test_ids_without_their_prefix_are_rejected(field: str) -> None:
    with pytest.raises(ValueError, match="lacks the prefix"):
        Signal(type=SignalType.TASK, **{field: "01ARZ3NDEKTSV4RRFFQ69G5FAV"})


def test_encode_gives_compact_json_bytes_and_decode_reads_bytes_and_str() -> None:
    signal = Signal(type=SignalType.TASK, payload={"input": {"q": "é"}}, directed=Directed(id="a"))
    data = signal.encode()
    assert isinstance(data, bytes)
    compact = json.dumps(json.loads(data), separators=(",", ":"), ensure_ascii=False)
    assert data == compact.encode()
    assert Signal.decode(data) == Signal.decode(data.decode()) == signal


def test_reply_shares_the_trace_names_its_parent_and_passes_the_address_on() -> None:
    assert list(inspect.signature(Signal.reply).parameters) == ["self", "type", "payload", "directed", "meta"]
    source = Signal(type=SignalType.TASK, directed=Directed(id="a"))
    child = source.reply(SignalType.AGENT_OUTPUT, {"output": {}})
    assert (child.trace_id, child.parent_id, child.directed) == (source.trace_id, source.id, source.directed)
    other = source.reply(SignalType.AGENT_OUTPUT, directed=Directed(id="b"))
    assert other.directed == Directed(id="b")


def test_directed_has_id_type_and_capabilities() -> None:
    assert list(Directed.model_fields) == ["id", "type", "capabilities"]
    assert Directed().model_dump() == {"id": None, "type": None, "capabilities": []}


def test_the_producer_rides_in_directed_and_there_is_no_neuron_field() -> None:
    assert "neuron" not in Signal.model_fields


def test_signal_type_is_a_string_enum_of_every_listed_type_and_audit() -> None:
    assert issubclass(SignalType, str) and issubclass(SignalType, Enum)
    assert all(SignalType[name] == name for name in LISTED)
    assert set(SignalType.__members__) - set(LISTED) == {"AUDIT"}
    assert len(LISTED) == 31


def test_axon_types_are_the_seven_listed() -> None:
    listed = "AGENT_OUTPUT CLARIFICATION PERMISSION ERROR REGISTER DEREGISTER HEARTBEAT"
    assert sorted(AXON_TYPES) == sorted(listed.split())


def test_synapse_types_is_a_frozenset_that_holds_error() -> None:
    assert isinstance(SYNAPSE_TYPES, frozenset) and SignalType.ERROR in SYNAPSE_TYPES
    assert synapse_types("typescript") == (set(LISTED) - AXON_TYPES) | {"ERROR"}


def test_a_type_outside_the_set_has_its_own_error() -> None:
    assert issubclass(DendriteProtocolError, ValueError)


def test_stop_and_stopped_take_the_listed_arguments() -> None:
    stop = stop_signal(trace_id="trc_1", rollback=True, reason="enough")
    assert (stop.type, stop.payload) == (SignalType.STOP, {"rollback": True, "reason": "enough"})
    stopped = stopped_signal(
        trace_id="trc_1", parent_id=stop.id, rolled_back=True, cancelled=1, compensated=2, node="dev"
    )
    assert (stopped.type, stopped.parent_id) == (SignalType.STOPPED, stop.id)
    assert stopped.payload == {"rolled_back": True, "cancelled": 1, "compensated": 2, "node": "dev"}

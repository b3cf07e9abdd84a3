"""The reference page of the TypeScript Signal, on the module that a browser loads (`static/signal.js`)."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from javascript import JavaScriptError, Module, tsc

from kit.cosmonapse import AXON_TYPES, SYNAPSE_TYPES, Signal, SignalType, stop_signal, stopped_signal

pytestmark = pytest.mark.servers

PAGE = [
    "createSignal",
    "validateSignal",
    "encode",
    "decode",
    "reply",
    "directedTo",
    "stopSignal",
    "stoppedSignal",
    "SignalType",
    "AXON_TYPES",
    "SYNAPSE_TYPES",
]
TRACE, EVENT = "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX", "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV"
AT = "2026-05-16T14:22:01.391Z"
FIXED = {"id": EVENT, "trace_id": TRACE, "ts": AT}


@pytest.fixture(scope="module")
def js() -> Iterator[Module]:
    with Module("signal.js") as module:
        yield module


def test_the_module_has_every_name_of_the_page(js: Module) -> None:
    assert set(PAGE) <= set(js.ask("names"))


def test_signal_type_is_a_frozen_object_with_the_union_of_types_in_order(js: Module) -> None:
    assert list(js.ask("members", "SignalType").items()) == [(kind.value, kind.value) for kind in SignalType]
    assert js.ask("frozen", "SignalType")


def test_the_sets_say_who_may_emit_what_and_cannot_grow(js: Module) -> None:
    assert set(js.ask("members", "AXON_TYPES")) == {kind.value for kind in AXON_TYPES}
    assert set(js.ask("members", "SYNAPSE_TYPES")) == {kind.value for kind in SYNAPSE_TYPES}
    with pytest.raises(JavaScriptError, match="cannot be changed"):
        js.ask("grow", "AXON_TYPES", "TASK")


def test_create_signal_fills_defaults(js: Module) -> None:
    made = js.ask("call", "createSignal", {"type": "DISCOVER"})
    assert list(made) == ["v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta"]
    assert {name: made[name] for name in ("v", "parent_id", "directed", "payload", "meta")} == {
        "v": "1", "parent_id": None, "directed": None, "payload": {}, "meta": {},
    }  # fmt: skip
    Signal.decode(json.dumps(made), level="strict")
    assert len(made["ts"]) == len(AT) and made["ts"].endswith("Z")


def test_ids_made_in_a_row_sort_in_that_order_and_never_repeat(js: Module) -> None:
    made = [js.ask("call", "newEventId") for _ in range(500)]
    assert made == sorted(set(made))
    Signal.decode(json.dumps(FIXED | {"v": "1", "id": made[0], "type": "DISCOVER"}), level="strict")


def test_create_signal_takes_camel_case_too_and_refuses_two_that_differ(js: Module) -> None:
    assert js.ask("call", "createSignal", {"type": "TASK", "traceId": TRACE})["trace_id"] == TRACE
    with pytest.raises(JavaScriptError, match="differ"):
        js.ask("call", "createSignal", {"type": "TASK", "traceId": TRACE, "trace_id": "trc_2"})


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"id": "x"}, "id \"x\" lacks the prefix 'evt_'"),
        ({"trace_id": "x"}, "trace_id \"x\" lacks the prefix 'trc_'"),
        ({"parent_id": ""}, "parent_id \"\" lacks the prefix 'evt_'"),
        ({"v": "2"}, 'v "2" is not of major version 1'),
        ({"type": "DREAM"}, 'type "DREAM" is no signal type'),
        ({"type": "toString"}, 'type "toString" is no signal type'),
        ({"ts": "yesterday"}, 'ts "yesterday" is no time'),
        ({"ts": "2026-02-29T00:00:00Z"}, "is no time"),
        ({"payload": []}, "payload [] is not an object"),
        ({"directed": {"id": 7}}, "directed.id 7 is neither a string nor null"),
        ({"directed": {"capabilities": "abc"}}, 'directed.capabilities "abc" is not a list of strings'),
    ],
)
def test_validate_signal_throws_on_violation_and_names_the_value(
    js: Module, wrong: dict[str, object], named: str
) -> None:
    good = js.ask("call", "createSignal", {"type": "TASK", **FIXED})
    js.ask("call", "validateSignal", good)
    with pytest.raises(JavaScriptError) as caught:
        js.ask("call", "validateSignal", good | wrong)
    assert named in str(caught.value)
    with pytest.raises(JavaScriptError):
        js.ask("recode", json.dumps(good | wrong))


def test_all_wrong_fields_are_told_at_once(js: Module) -> None:
    with pytest.raises(JavaScriptError, match=r"SignalError.*id .*trace_id .*type "):
        js.ask("call", "createSignal", {"type": "x", "id": "x", "trace_id": "x"})


def test_encode_and_decode_round_trip_bytes_and_text(js: Module) -> None:
    data = Signal(type=SignalType.THOUGHT_DELTA, payload={"delta": "hm ☃", "2": 1}).encode("typescript")
    assert js.bytes("recode", data.decode()) == data


def test_reply_shares_the_trace_and_keeps_the_address_unless_told_otherwise(js: Module) -> None:
    source = js.ask("call", "createSignal", {"type": "TASK", "directed": {"id": "coder"}, **FIXED})
    child = js.ask("call", "reply", source, {"type": "AGENT_OUTPUT", "payload": {"output": 1}})
    assert (child["trace_id"], child["parent_id"], child["type"]) == (TRACE, EVENT, "AGENT_OUTPUT")
    assert child["directed"] == {"id": "coder", "type": None, "capabilities": []}
    assert child["id"] != source["id"] and child["meta"] == {}
    assert js.ask("call", "reply", source, {"type": "FINAL", "directed": {"id": "x"}})["directed"]["id"] == "x"
    assert js.ask("call", "reply", source, {"type": "FINAL", "directed": None})["directed"] is None


@pytest.mark.parametrize(
    ("args", "made"),
    [
        ([], (None, None, [])),
        (["a"], ("a", None, [])),
        (["a", "t", ["x"]], ("a", "t", ["x"])),
        ([None, None, ["x"]], (None, None, ["x"])),
        (["a", {"type": "t", "capabilities": ["x"]}], ("a", "t", ["x"])),
        ([{"id": "a", "capabilities": ["x"]}], ("a", None, ["x"])),
    ],
)
def test_directed_to_takes_positions_or_options(
    js: Module, args: list[object], made: tuple[str | None, str | None, list[str]]
) -> None:
    assert js.ask("call", "directedTo", *args) == dict(zip(("id", "type", "capabilities"), made, strict=True))


def test_directed_to_refuses_a_string_of_capabilities(js: Module) -> None:
    with pytest.raises(JavaScriptError, match="not a list of strings"):
        js.ask("call", "directedTo", "a", None, "abc")


def test_stop_and_stopped_are_those_of_python(js: Module) -> None:
    options = {"traceId": TRACE, "rollback": True, "reason": "enough"}
    python = stop_signal(trace_id=TRACE, rollback=True, reason="enough")
    assert _body(js.ask("call", "stopSignal", options)) == _body(json.loads(python.encode("typescript")))
    options = {"traceId": TRACE, "parentId": EVENT, "rolledBack": True, "cancelled": 2, "compensated": 3, "node": "n"}
    python = stopped_signal(trace_id=TRACE, parent_id=EVENT, rolled_back=True, cancelled=2, compensated=3, node="n")
    assert _body(js.ask("call", "stoppedSignal", options)) == _body(json.loads(python.encode("typescript")))
    assert list(js.ask("call", "stoppedSignal", options)["payload"]) == list(python.payload)


def test_stop_leaves_out_what_is_not_given_and_needs_a_trace(js: Module) -> None:
    assert js.ask("call", "stopSignal", {"traceId": TRACE})["payload"] == {"rollback": False}
    with pytest.raises(JavaScriptError, match="traceId is missing"):
        js.ask("call", "stopSignal", {})
    with pytest.raises(JavaScriptError, match=r"cancelled .* is no count"):
        js.ask("call", "stoppedSignal", {"traceId": TRACE, "parentId": EVENT, "cancelled": "many"})


def _body(signal: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in signal.items() if name not in ("id", "ts")}


def test_the_declarations_hold_under_the_typescript_compiler() -> None:
    page = Path(__file__).parents[1] / "widgets" / "signal_page.ts"
    command = [*tsc(), "--noEmit", "--strict", "--target", "es2022", "--module", "nodenext", "--types", "", str(page)]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout

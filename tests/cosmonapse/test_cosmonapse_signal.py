"""The model: what decode takes and mints, what reply carries over, and who may emit what."""

import json
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

import kit.cosmonapse as cosmonapse
from kit import ids
from kit.cosmonapse import (
    AXON_TYPES,
    PATHWAY_TYPES,
    SYNAPSE_TYPES,
    Directed,
    Signal,
    SignalType,
    axon_types,
    directed_to,
    new_engram_id,
    new_event_id,
    new_trace_id,
    pathway_types,
    signal_types,
    synapse_types,
)
from kit.errors import ArgumentError, DendriteProtocolError, KitError, SignalError

ULID = "[0-7][0-9A-HJKMNP-TV-Z]{25}"
BASE: dict[str, Any] = {"id": "evt_1", "trace_id": "trc_1", "type": "TASK", "ts": "2026-05-16T14:22:01Z"}


def line(**change: Any) -> str:
    return json.dumps(BASE | change)


def without(*fields: str) -> str:
    return json.dumps({key: value for key, value in BASE.items() if key not in fields})


def test_the_public_names_are_sorted_and_there() -> None:
    names = cosmonapse.__all__
    # constants, classes, functions: the order that the linter keeps
    assert names == sorted(names, key=lambda name: (not name.isupper(), name[0].islower(), name))
    assert all(hasattr(cosmonapse, name) for name in names)
    assert sum(name.endswith("_signal") for name in names) == len(SignalType)


def test_a_new_signal_has_ids_and_a_time_in_utc() -> None:
    signal = Signal(type=SignalType.TASK)
    assert re.fullmatch("evt_" + ULID, signal.id)
    assert re.fullmatch("trc_" + ULID, signal.trace_id)
    assert signal.ts.tzinfo is UTC
    assert (signal.v, signal.parent_id, signal.directed) == ("1", None, None)
    assert (signal.payload, signal.meta) == ({}, {})


def test_new_ids_carry_their_prefixes() -> None:
    for made, prefix in ((new_event_id(), "evt_"), (new_trace_id(), "trc_"), (new_engram_id(), "eng_")):
        assert re.fullmatch(prefix + ULID, made)


def test_signals_made_one_after_the_other_sort_alike_by_id_and_by_time() -> None:
    made = [Signal(type=SignalType.PLAN) for _ in range(1000)]
    assert sorted(made, key=lambda s: s.id) == sorted(made, key=lambda s: s.ts) == made


def test_the_same_seed_gives_the_same_bytes() -> None:
    def emit() -> bytes:
        with ids.seeded(7):
            root = Signal(type=SignalType.TASK)
            return root.encode() + root.reply(SignalType.FINAL).encode()

    assert emit() == emit()


def test_payloads_are_not_shared_between_signals() -> None:
    Signal(type=SignalType.TASK).payload["x"] = 1
    Directed().capabilities.append("x")
    assert Signal(type=SignalType.TASK).payload == {}
    assert Directed().capabilities == []


def test_construction_checks_and_assignment_does_not() -> None:
    with pytest.raises(ValidationError, match="'x1' lacks the prefix 'evt_'"):
        Signal(type=SignalType.TASK, id="x1")
    with pytest.raises(ValueError, match="lacks the prefix 'trc_'"):
        Signal(type=SignalType.TASK, trace_id="evt_1")
    signal = Signal(type=SignalType.TASK)
    signal.id = "bad"
    assert signal.id == "bad"


def test_cosmonapse_6_decode_mints_what_is_absent() -> None:
    first, second = Signal.decode('{"type":"TASK"}'), Signal.decode(b'{"type":"TASK"}')
    assert re.fullmatch("evt_" + ULID, first.id) and first.id != second.id
    assert first.trace_id != second.trace_id
    assert first.ts < second.ts


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(without("type"), "type is missing", id="cosmonapse-6-missing-type"),
        pytest.param(line(payload=None), "payload None is not an object", id="cosmonapse-6-payload-null"),
        pytest.param(line(payload=[]), "payload .. is not an object", id="cosmonapse-6-payload-list"),
        pytest.param(line(meta=None), "meta None is not an object", id="cosmonapse-6-meta-null"),
        pytest.param(line(id=None), "id None lacks the prefix 'evt_'", id="cosmonapse-6-id-null"),
        pytest.param(line(ts=None), "ts None is no time", id="cosmonapse-6-ts-null"),
        pytest.param(line(ts="2026-05-16T14:22:60Z"), "ts .* is no time", id="cosmonapse-6-second-60"),
        pytest.param(line(type="task"), "type 'task' is no signal type", id="cosmonapse-6-lower-case-type"),
        pytest.param("\ufeff" + line(), "broken JSON", id="cosmonapse-6-byte-order-mark"),
        pytest.param(b'{"type":"TASK","x":"\xff"}', "byte 20 is not UTF-8", id="cosmonapse-6-bad-utf8"),
        pytest.param(line(payload={"x": "\ud800"}), "broken JSON", id="cosmonapse-6-lone-surrogate"),
        pytest.param('{"type":"TASK","x":"\ud800"}', "broken JSON", id="cosmonapse-6-lone-surrogate-raw"),
        pytest.param(line() + "{}", "broken JSON: trailing", id="cosmonapse-6-trailing-data"),
        pytest.param("[]", "a signal is a JSON object, not \\[\\]", id="cosmonapse-6-not-an-object"),
        pytest.param(line()[:-1] + ',"x":' + "[" * 9999, "broken JSON", id="cosmonapse-6-too-deep"),
    ],
)
def test_what_decode_refuses_is_told_with_field_and_value(data: bytes | str, message: str) -> None:
    with pytest.raises(SignalError, match=message):
        Signal.decode(data)


def test_cosmonapse_6_every_wrong_field_is_named_at_once() -> None:
    with pytest.raises(ValueError, match=r"id 'x' .*parent_id '' .*payload 3 "):
        Signal.decode(line(id="x", parent_id="", payload=3))


def test_space_around_a_line_and_repeated_keys_are_fine() -> None:
    assert Signal.decode(" \t\r\n" + line() + "\r\n").id == "evt_1"
    assert Signal.decode(line()[:-1] + ',"id":"evt_2"}').id == "evt_2"


@pytest.mark.parametrize(
    "version",
    [pytest.param(v, id=f"cosmonapse-7-accepted-{v}") for v in ("1", "1.", "1.5", "1.5.2")],
)
def test_minor_versions_are_taken_and_kept(version: str) -> None:
    signal = Signal.decode(line(v=version))
    assert signal.v == version
    assert signal.encode().startswith(f'{{"v":"{version}",'.encode())


@pytest.mark.parametrize(
    "version",
    [pytest.param(v, id=f"cosmonapse-7-refused-{v!r}") for v in ("2", "10", "01", "", 1, None, "1\n", " 1")],
)
def test_other_versions_are_refused(version: object) -> None:
    with pytest.raises(SignalError, match=r"^not a signal: v "):
        Signal.decode(line(v=version))


def test_cosmonapse_8_prefix_only_ids_pass_loose_and_fail_strict() -> None:
    data = line(id="evt_", trace_id="trc_zz z", v="1", payload={"input": {}})
    assert Signal.decode(data).trace_id == "trc_zz z"
    assert Signal.decode(data, level="validate").id == "evt_"
    with pytest.raises(SignalError, match=r"id 'evt_' is not .*trace_id 'trc_zz z' is not"):
        Signal.decode(data, level="strict")


def test_cosmonapse_9_parent_is_null_or_an_event() -> None:
    assert Signal.decode(line(parent_id=None)).parent_id is None
    assert Signal.decode(line(parent_id="evt_0")).parent_id == "evt_0"
    for bad in ("", "trc_x", 3):
        with pytest.raises(SignalError, match="parent_id"):
            Signal.decode(line(parent_id=bad))


def test_cosmonapse_10_an_empty_directed_gets_its_three_keys() -> None:
    encoded = Signal.decode(line(directed={"x": 1})).encode()
    assert b'"directed":{"id":null,"type":null,"capabilities":[]}' in encoded


@pytest.mark.parametrize(
    "directed",
    [
        pytest.param({"capabilities": None}, id="cosmonapse-10-capabilities-null"),
        pytest.param({"capabilities": "ab"}, id="cosmonapse-10-capabilities-string"),
        pytest.param({"capabilities": [1]}, id="cosmonapse-10-capabilities-numbers"),
        pytest.param({"id": 1}, id="cosmonapse-10-numeric-id"),
        pytest.param([], id="cosmonapse-10-list"),
    ],
)
def test_a_bad_address_is_refused(directed: object) -> None:
    with pytest.raises(SignalError, match="directed"):
        Signal.decode(line(directed=directed))


def test_cosmonapse_11_unknown_keys_and_the_legacy_neuron_are_dropped() -> None:
    signal = Signal.decode(line(neuron="answerer", extra=1))
    assert signal.directed is None
    assert list(json.loads(signal.encode())) == list(Signal.model_fields)


@pytest.mark.parametrize(
    ("kind", "profile", "taken"),
    [
        pytest.param(kind, profile, taken, id=f"cosmonapse-12-{kind}-{profile}")
        for kind, profile, taken in (
            ("THOUGHT_DELTA", None, True),
            ("AUDIT", None, True),
            ("THOUGHT_DELTA", "python", False),
            ("AUDIT", "python", True),
            ("THOUGHT_DELTA", "typescript", True),
            ("AUDIT", "typescript", False),
        )
    ],
)
def test_each_profile_knows_its_own_types(kind: str, profile: Any, taken: bool) -> None:
    data = line(type=kind)
    if taken:
        assert Signal.decode(data, profile=profile).type == kind
    else:
        with pytest.raises(SignalError, match=f"type '{kind}' is no signal type of the profile '{profile}'"):
            Signal.decode(data, profile=profile)


def test_cosmonapse_13_axon_types_are_seven() -> None:
    names = "AGENT_OUTPUT CLARIFICATION PERMISSION ERROR REGISTER DEREGISTER HEARTBEAT"
    assert {kind.value for kind in AXON_TYPES} == set(names.split())
    assert axon_types() == axon_types("python") == axon_types(profile="typescript") == AXON_TYPES


def test_cosmonapse_13_synapse_types_are_25_in_a_profile_and_26_together() -> None:
    assert len(SYNAPSE_TYPES) == 26
    assert len(synapse_types(profile="python")) == len(synapse_types(profile="typescript")) == 25
    assert synapse_types() == synapse_types("python") | synapse_types("typescript") == SYNAPSE_TYPES
    assert {SignalType.ERROR} == AXON_TYPES & SYNAPSE_TYPES
    assert frozenset(SignalType) == AXON_TYPES | SYNAPSE_TYPES


def test_cosmonapse_13_all_types_are_32_and_31_in_a_profile() -> None:
    assert len(signal_types()) == 32
    assert signal_types() - signal_types("python") == {SignalType.THOUGHT_DELTA}
    assert signal_types() - signal_types("typescript") == {SignalType.AUDIT}
    assert len(PATHWAY_TYPES) == 27
    assert len(pathway_types("python")) == 26


def test_the_sets_cannot_change() -> None:
    assert isinstance(AXON_TYPES, frozenset) and isinstance(SYNAPSE_TYPES, frozenset)


def test_cosmonapse_15_reply_keeps_the_trace_and_names_its_parent() -> None:
    source = Signal(type=SignalType.TASK, v="1.5", directed=Directed(id="a"), meta={"k": 1}, payload={"x": 1})
    child = source.reply(SignalType.AGENT_OUTPUT, {"output": {}})
    assert (child.trace_id, child.parent_id) == (source.trace_id, source.id)
    assert child.directed is source.directed
    assert (child.v, child.meta, child.payload) == ("1", {}, {"output": {}})
    assert child.id > source.id and child.ts > source.ts


def test_cosmonapse_15_reply_takes_another_address_even_an_empty_one() -> None:
    source = Signal(type=SignalType.TASK, directed=Directed(id="a"))
    assert source.reply(SignalType.FINAL, directed=Directed(id="b")).directed == Directed(id="b")
    assert source.reply(SignalType.FINAL, directed=Directed()).directed == Directed()
    assert source.reply(SignalType.FINAL, meta={"k": 1}).meta == {"k": 1}


def test_directed_to_takes_its_parts() -> None:
    names = ["x"]
    made = directed_to("a", type="t", capabilities=names)
    names.append("y")
    assert made == Directed(id="a", type="t", capabilities=["x"])
    assert directed_to().is_empty()
    assert not any(d.is_empty() for d in (Directed(id="a"), Directed(type="t"), Directed(capabilities=["x"])))
    assert Directed(id="", type="").is_empty()


def test_the_typescript_reader_takes_null_for_absent() -> None:
    data = line(v=None, payload=None, meta=None, directed={"id": None, "capabilities": None})
    signal = Signal.decode(data, profile="typescript")
    assert (signal.v, signal.payload, signal.meta, signal.directed) == ("1", {}, {}, Directed())
    assert Signal.decode(line(id=None, ts=None), profile="typescript").ts.tzinfo is UTC
    with pytest.raises(SignalError, match=r"directed\.capabilities 'ab'"):
        Signal.decode(line(directed={"capabilities": "ab"}), profile="typescript")


@pytest.mark.parametrize("profile", [None, "python", "typescript"])
def test_a_time_may_be_written_in_many_ways(profile: Any) -> None:
    for written, read in (
        ("2026-05-16t14:22:01.123456789z", datetime(2026, 5, 16, 14, 22, 1, 123456, UTC)),
        ("2026-05-16 14:22", datetime(2026, 5, 16, 14, 22)),
        ("2026-05-16", datetime(2026, 5, 16)),
        ("1747405321", datetime(2025, 5, 16, 14, 22, 1, tzinfo=UTC)),
        (1747405321391, datetime(2025, 5, 16, 14, 22, 1, 391000, UTC)),
        ("2026-05-16T16:22:01+0200", datetime(2026, 5, 16, 14, 22, 1, tzinfo=UTC)),
    ):
        assert Signal.decode(line(ts=written), profile=profile).ts == read


def test_an_unknown_profile_or_level_is_an_argument_error() -> None:
    with pytest.raises(ArgumentError, match="'rust'"):
        Signal.decode(line(), profile="rust")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'rust'"):
        Signal.decode(line()).encode("rust")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'hard'"):
        Signal.decode(line(), level="hard")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'rust'"):
        synapse_types("rust")  # type: ignore[arg-type]


def test_protocol_errors_are_value_errors_of_the_kit() -> None:
    assert issubclass(DendriteProtocolError, SignalError)
    assert issubclass(SignalError, ValueError) and issubclass(SignalError, KitError)

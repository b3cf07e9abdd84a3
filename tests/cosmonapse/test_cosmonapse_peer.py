"""The published Python package as a peer: the same bytes, the same payloads, the same refusals."""

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit.cosmonapse as k
from kit.cosmonapse.wire import validate_problems

peer = pytest.importorskip("cosmonapse")
envelope = pytest.importorskip("cosmonapse.envelope")

CAPTURE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = CAPTURE.read_bytes().split(b"\n")[:-1]
BUILDERS = sorted(name for name in dir(envelope) if name.endswith("_signal"))


def test_cosmonapse_1_every_line_of_the_capture_comes_back_byte_for_byte() -> None:
    assert len(LINES) == 1037
    for line in LINES:
        assert k.Signal.decode(line).encode() == line
        assert peer.Signal.decode(line).encode() == line


def test_cosmonapse_1_the_capture_has_no_problem_at_any_level() -> None:
    for line in LINES:
        assert k.problems(json.loads(line), "strict", "python") == []
        assert k.Signal.decode(line, level="strict", profile="python").encode() == line


def test_cosmonapse_1_the_typescript_profile_keeps_stamp_and_meaning() -> None:
    for line in LINES:
        if b'"type":"AUDIT"' in line:
            continue
        written = k.Signal.decode(line).encode("typescript")
        assert k.Signal.decode(written, profile="typescript").encode("typescript") == written
        kept = k.Signal.decode(line, profile="typescript").encode("typescript")
        assert json.loads(kept) == json.loads(line)


def test_cosmonapse_12_types_are_those_of_the_peer_in_its_order() -> None:
    ours = [kind.value for kind in k.SignalType if kind in k.signal_types("python")]
    assert ours == [kind.value for kind in peer.SignalType]


def test_cosmonapse_13_sets_are_those_of_the_peer() -> None:
    assert k.axon_types("python") == peer.AXON_TYPES
    assert k.synapse_types("python") == peer.SYNAPSE_TYPES
    assert k.pathway_types("python") == peer.PATHWAY_TYPES


def test_the_model_has_the_fields_and_defaults_of_the_peer() -> None:
    for ours, theirs in ((k.Signal, peer.Signal), (k.Directed, peer.Directed)):
        assert list(ours.model_fields) == list(theirs.model_fields)
        required = [name for name, field in theirs.model_fields.items() if field.is_required()]
        assert [name for name, field in ours.model_fields.items() if field.is_required()] == required


def shape(builder: Any) -> list[tuple[str, object, object]]:
    parameters = inspect.signature(builder).parameters.values()
    return [(p.name, p.kind, p.default) for p in parameters if p.name != "profile"]


@pytest.mark.parametrize("name", BUILDERS)
def test_builders_take_the_arguments_of_the_peer(name: str) -> None:
    assert shape(getattr(k, name)) == shape(getattr(envelope, name))


def test_the_kit_has_every_builder_of_the_peer_and_thought_delta() -> None:
    assert {name for name in k.__all__ if name.endswith("_signal")} == {*BUILDERS, "thought_delta_signal"}


words = st.sampled_from(["", "a", "evt_1", "first", "merge", "upsert", "add", "é☃"]) | st.text(max_size=4)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | words,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words, inner, max_size=3),
    max_leaves=6,
)
addresses = st.fixed_dictionaries(
    {},
    optional={
        "id": st.none() | words,
        "type": st.none() | words,
        "capabilities": st.lists(words, max_size=2),
    },
)


def strategy_for(parameter: inspect.Parameter) -> st.SearchStrategy[Any]:
    named: dict[str, st.SearchStrategy[Any]] = {
        "trace_id": st.sampled_from(["trc_1", "trc_", "evt_1"]),
        "parent_id": st.sampled_from(["evt_1", "evt_", "trc_1"]),
        "directed": addresses,
        "meta": st.dictionaries(words, json_values, max_size=2),
        "op": st.sampled_from(["add", "append", "merge", "upsert", "delete", "put"]),
        "recall_mode": st.sampled_from(["first", "merge", "all", "best"]),
    }
    annotation = str(parameter.annotation)
    if parameter.name in named:
        values = named[parameter.name]
    elif annotation.startswith("list"):
        values = st.lists(words, max_size=2)
    elif annotation.startswith(("int", "float")):
        values = st.sampled_from([0, 1, 0.0, 2.5, True])
    elif annotation.startswith("bool"):
        values = st.sampled_from([True, False, 0, 1])
    elif annotation.startswith("dict"):
        values = st.dictionaries(words, json_values, max_size=2)
    else:
        values = words
    return values | st.none() if annotation.endswith("None") else values


def outcome(package: Any, builder: Any, arguments: dict[str, Any]) -> Any:
    """What a builder does, without the ids and times it makes."""
    if arguments.get("directed") is not None:
        arguments = arguments | {"directed": package.Directed(**arguments["directed"])}
    try:
        signal = builder(**arguments)
    except ValueError:
        return "ValueError"
    line = signal.encode().decode()
    line = re.sub(r'"id":"evt_[^"]{26}"', '"id":"new"', line, count=1)
    if "trace_id" not in arguments or arguments["trace_id"] is None:
        line = re.sub(r'"trace_id":"trc_[^"]{26}"', '"trace_id":"new"', line, count=1)
    return re.sub(r'"ts":"[^"]*"', '"ts":"now"', line, count=1)


@pytest.mark.parametrize("name", BUILDERS)
def test_builders_write_what_the_peer_writes(name: str) -> None:
    theirs = getattr(envelope, name)
    parameters = inspect.signature(theirs).parameters.values()
    required = {p.name: strategy_for(p) for p in parameters if p.default is p.empty}
    optional = {p.name: strategy_for(p) for p in parameters if p.default is not p.empty}

    @settings(max_examples=60)
    @given(st.fixed_dictionaries(required, optional=optional))
    def check(arguments: dict[str, Any]) -> None:
        assert outcome(k, getattr(k, name), arguments) == outcome(peer, theirs, arguments)

    check()


BASE: dict[str, Any] = {
    "v": "1",
    "id": "evt_1",
    "trace_id": "trc_1",
    "parent_id": None,
    "type": "TASK",
    "directed": None,
    "ts": "2026-05-16T14:22:01Z",
    "payload": {},
    "meta": {},
}
TIMES = [
    "x",
    "",
    " 2026-05-16T14:22:01Z",
    "2026-05-16",
    "2026-05-16T14:22",
    "2026-05-16 14:22:01",
    "2026-05-16t14:22:01.123456789z",
    "2026-05-16T14:22:01.1234567891Z",
    "2026-05-16T14:22:01+0200",
    "2026-05-16T14:22:01-00:00",
    "2026-05-16T14:22:60Z",
    "2026-05-16T24:00:00Z",
    "2026-02-30T00:00:00Z",
    "20260516T142201Z",
    "1747405321",
    "1747405321391",
    "1e3",
    1747405321391,
    1.5,
    -1,
    10**30,
    True,
    None,
    [],
]
RAW = [
    b"",
    b"[]",
    b"null",
    b"{",
    b"{} {}",
    b"\xef\xbb\xbf{}",
    b'{"type":"TASK","x":"\xff"}',
    b' {"type":"TASK"}\r\n',
    b'{"type":"TASK","id":"evt_1","id":"evt_2"}',
    b'{"type":"TASK","payload":{"a":"\\ud800"}}',
    b'{"type":"TASK","payload":{"a":"\\ud83d\\ude00","b":1E5,"c":10.50,"d":-0}}',
    b'{"type":"TASK","payload":{"a":NaN,"b":[Infinity,-Infinity]}}',
    b'{"type":"TASK","payload":{"a":' + b"[" * 190 + b"]" * 190 + b"}}",
    b'{"type":"TASK","payload":{"a":' + b"[" * 250 + b"]" * 250 + b"}}",
    b'{"type":"TASK","payload":{"a":' + b"9" * 5000 + b"}}",
    b'{"type":"TASK","payload":{"a":"\x01"}}',
    b"{'type':'TASK'}",
]


def fate(package: Any, data: bytes | str) -> Any:
    """What decode makes of a line: its bytes without what was minted, or a refusal."""
    try:
        line = package.Signal.decode(data).encode().decode()
    except ValueError:
        return "refused"
    return re.sub(r'"(id|trace_id|ts)":"(evt_|trc_|20)[^"]{24,26}Z?"', r'"\1":"new"', line)


def odd_lines() -> list[str]:
    changes: list[dict[str, Any]] = [{}, {"neuron": "x"}, {"type": "NOPE"}, {"type": "task"}, {"type": None}]
    changes += [{"ts": value} for value in TIMES]
    changes += [{"v": v} for v in ("1.", "1.5", "1.5.2", "2", "10", "01", "", "1\n", " 1", 1, None)]
    for field in ("id", "trace_id", "parent_id"):
        changes += [{field: value} for value in ("evt_", "trc_", "evt_zz z", "trc_1", "", None, 3, [])]
    for field in ("directed", "payload", "meta"):
        changes += [{field: value} for value in (None, [], {}, "x", 3, {"id": 3}, {"id": "", "extra": 1})]
    changes += [{"directed": {"capabilities": names}} for names in (None, [], "ab", ["a"], [1], {})]
    lines = [json.dumps(BASE | change) for change in changes]
    return lines + [json.dumps({key: BASE[key] for key in BASE if key != gone}) for gone in BASE]


@pytest.mark.parametrize("data", [*RAW, *odd_lines()])
def test_decode_takes_and_refuses_what_the_peer_does(data: bytes | str) -> None:
    assert fate(k, data) == fate(peer, data)


fields = json_values | st.sampled_from(TIMES) | st.sampled_from(["evt_1", "trc_1", "BID", "1.2"]) | addresses


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*BASE, "neuron"]), fields))
def test_decode_agrees_with_the_peer_on_any_mix_of_fields(change: dict[str, Any]) -> None:
    line = json.dumps(BASE | change, ensure_ascii=False)
    assert fate(k, line) == fate(peer, line)


def test_reply_gives_what_the_peer_gives() -> None:
    for change in ({}, {"directed": {}}, {"directed": {"id": "a"}, "meta": {"k": 1}, "v": "1.5"}):
        line = json.dumps(BASE | change)
        for arguments in ({}, {"payload": {"x": 1}}, {"meta": {"m": 1}}):
            replies = [
                p.Signal.decode(line).reply(p.SignalType.FINAL, **arguments).model_dump(mode="json") for p in (k, peer)
            ]
            for reply in replies:
                del reply["id"], reply["ts"]
            assert replies[0] == replies[1]


def cosmo_survives(obj: dict[str, Any]) -> bool:
    """`cosmo validate` itself ends with a traceback on some nulls and numbers."""
    printable = all(isinstance(obj.get(field, ""), str) for field in ("id", "type"))
    return printable and isinstance(obj.get("payload", {}), dict | list | str)


@pytest.mark.servers
def test_validate_reports_what_cosmo_validate_reports(tmp_path: Path) -> None:
    lines = [line for line in odd_lines() if cosmo_survives(json.loads(line))]
    assert len(lines) > 90
    path = tmp_path / "odd.jsonl"
    path.write_text("".join(line + "\n" for line in lines))
    command = [str(Path(sys.executable).with_name("cosmo")), "validate", str(path)]
    report = subprocess.run(command, capture_output=True, text=True, check=False, env={"COLUMNS": "400"})
    flagged = {int(number) for number in re.findall(r"✗ +Line +(\d+)", report.stdout)}
    assert "signals" in report.stdout, report.stderr[-500:]
    ours = {i for i, line in enumerate(lines, 1) if validate_problems(json.loads(line), "python")}
    assert {lines[i - 1] for i in ours ^ flagged} == set()

"""`static/signal.js` against Python: the same bytes for the typescript profile, and each reads what the other writes.

The page says "the JSON is byte-identical to the Python side". That holds for the profile `typescript` of this kit.
For the Python SDK's own bytes it cannot hold (spec/cosmonapse.md 1.4, 1.5); the last tests state where.
"""

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from javascript import JavaScriptError, Module

from kit import datasets
from kit.cosmonapse import Signal, SignalType
from kit.errors import SignalError

pytestmark = pytest.mark.servers

DATA = Path(__file__).parents[1] / "cosmonapse" / "data"
GOOD: dict[str, Any] = {
    "v": "1",
    "id": "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
    "trace_id": "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX",
    "parent_id": None,
    "type": "TASK",
    "directed": None,
    "ts": "2026-05-16T14:22:01.391Z",
    "payload": {},
    "meta": {},
}
TEXT = st.text(st.characters(), max_size=20) | st.sampled_from(["__proto__", "constructor", "0", "10", "007", "\u2028"])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
OBJECTS = st.dictionaries(TEXT, JSON, max_size=5)
STAMPS = st.one_of(
    st.datetimes().map(lambda moment: moment.isoformat() + "Z"),
    st.datetimes().map(lambda moment: moment.isoformat(" ", "minutes") + "+0230"),
    st.dates().map(str),
    st.from_regex(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?(Z|z|[+-]\d\d:?\d\d)?\Z"),
    st.integers(-(10**15), 10**15).map(str),
)


@pytest.fixture(scope="module")
def js() -> Iterator[Module]:
    with Module("signal.js") as module:
        yield module


def python_recode(text: str | bytes) -> bytes:
    return Signal.decode(text, profile="typescript").encode("typescript")


@pytest.mark.parametrize("line", (DATA / "golden_typescript.jsonl").read_text().splitlines())
def test_golden_lines_of_the_typescript_profile_keep_their_bytes(js: Module, line: str) -> None:
    assert js.bytes("recode", line) == line.encode() == python_recode(line)


def test_the_golden_line_made_from_literals_has_the_same_bytes(js: Module) -> None:
    golden = (DATA / "golden_typescript.jsonl").read_bytes().strip()
    literal = """{type: "TASK", id: "evt_01ARZ3NDEKTSV4RRFFQ69G5FAV", traceId: "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX",
        ts: new Date("2026-05-16T14:22:01.391Z"), directed: {id: "answerer"},
        payload: {output: {b: 1, 10: 1, 2: 2, x: 1e22, z: 1e-7, w: 1e-6, neg0: -0, f: 0.1}}}"""
    assert js.bytes("encodedAs", "createSignal", literal) == golden


@pytest.mark.parametrize("line", (DATA / "golden_python.jsonl").read_text().splitlines())
def test_golden_lines_of_python_are_rewritten_as_python_rewrites_them(js: Module, line: str) -> None:
    assert js.bytes("recode", line) == python_recode(line)


def test_every_line_of_the_shipped_capture_gets_the_bytes_that_python_gives_it(js: Module) -> None:
    lines = [line for line in Path(datasets.path("cosmonapse-small")).read_text().splitlines() if line.strip()]
    same, refused = 0, 0
    for line in lines:
        try:
            ours: bytes | None = python_recode(line)
        except SignalError as error:
            assert "AUDIT" in str(error)  # which the module reads, since it knows the union of types
            ours = None
        theirs = js.bytes("recode", line)
        same, refused = same + (ours == theirs), refused + (ours is None)
    assert same + refused == len(lines) and same > 1000


@given(payload=OBJECTS, meta=OBJECTS)
@example(payload={"a": "\ud800", "b": "\ud83d\ude00"}, meta={})
@example(payload={"4294967294": 1, "4294967295": 2, "1": 3}, meta={"-0": -0.0, "big": 2**70, "deep": [[[{}]]]})
def test_both_write_the_same_bytes_and_read_each_other(js: Module, payload: Any, meta: Any) -> None:
    text = json.dumps(GOOD | {"payload": payload, "meta": meta}).replace("NaN", "null").replace("Infinity", "1e999")
    written = python_recode(text)
    assert js.bytes("recode", text) == written
    assert js.bytes("recodeBytes", base64.b64encode(written).decode()) == written
    assert python_recode(written) == written


@given(payload=OBJECTS)
def test_python_s_own_decoder_reads_what_the_module_writes_but_for_lone_surrogates(js: Module, payload: Any) -> None:
    text = json.dumps(GOOD | {"payload": payload}).replace("NaN", "null").replace("Infinity", "1e999")
    written = js.bytes("recode", text)
    if b"\\ud" in written:
        with pytest.raises(SignalError):
            Signal.decode(written)
    else:
        assert Signal.decode(written).encode("typescript") == written


@given(payload=OBJECTS.filter(lambda value: "\\ud" not in json.dumps(value).lower()))
def test_the_module_reads_what_the_python_profile_writes(js: Module, payload: Any) -> None:
    signal = Signal(type=SignalType.TASK, payload=payload)
    written = signal.encode("python")
    assert js.bytes("recodeBytes", base64.b64encode(written).decode()) == python_recode(written)


@given(stamp=STAMPS)
@example("2026-05-16T24:00:00Z")
@example("0000-01-01T00:00:00Z")
@example("2026-05-16T14:22:60Z")
@example("2026-05-16T14:22:01.1234567890Z")
@example("2026-05-16T14:22:01 Z")
@example("1747405321.391")
def test_every_stamp_the_module_takes_python_takes_and_keeps(js: Module, stamp: str) -> None:
    text = json.dumps(GOOD | {"ts": stamp})
    try:
        written = js.bytes("recode", text)
    except JavaScriptError:
        return
    assert python_recode(text) == written


@given(stamp=st.datetimes().map(lambda moment: moment.isoformat()), zone=st.sampled_from(["Z", "+02:00", ""]))
def test_the_module_takes_every_stamp_that_either_sdk_writes(js: Module, stamp: str, zone: str) -> None:
    text = json.dumps(GOOD | {"ts": stamp + zone}, separators=(",", ":"))
    assert js.bytes("recode", text) == text.encode()


@given(
    changes=st.dictionaries(
        st.sampled_from([*GOOD, "neuron", "x"]),
        SCALARS | st.sampled_from([[], {}, ["a"], {"id": 1}, {"capabilities": None}, {"capabilities": [1]}, "1.5"]),
        max_size=3,
    ),
    dropped=st.sets(st.sampled_from([*GOOD])),
)
def test_both_refuse_the_same_envelopes(js: Module, changes: Any, dropped: set[str]) -> None:
    envelope = {name: value for name, value in (GOOD | changes).items() if name not in dropped}
    if isinstance(envelope.get("ts"), int | float | str):
        envelope["ts"] = GOOD["ts"]  # stamps have tests of their own
    text = json.dumps(envelope).replace("NaN", "null").replace("Infinity", "1e999")
    try:
        ours: Signal | None = Signal.decode(text, profile="typescript")
    except SignalError:
        ours = None
    try:
        theirs = js.ask("call", "decode", text)
    except JavaScriptError:
        theirs = None
    assert (ours is None) == (theirs is None), (ours, theirs)


@pytest.mark.parametrize(
    "text",
    ["", "[]", "null", "{", '{"type":"TASK"} {}', "\ufeff{}", '{"type":"TASK","payload":{"a":NaN}}', '{"a":"\n"}'],
)
def test_both_refuse_what_is_no_signal_at_all(js: Module, text: str) -> None:
    with pytest.raises(SignalError):
        Signal.decode(text, profile="typescript")
    with pytest.raises(JavaScriptError, match="SignalError: not a signal"):
        js.ask("recode", text)


def test_bytes_that_are_not_utf_8_are_refused(js: Module) -> None:
    with pytest.raises(JavaScriptError, match="SignalError: not a signal"):
        js.ask("recodeBytes", base64.b64encode(b'{"type":"TASK","v":"\xff"}').decode())


def test_undefined_members_are_dropped_and_undefined_elements_are_null(js: Module) -> None:
    assert js.ask("undefinedMember")["payload"] == {"b": [None]}


def test_a_payload_is_written_as_deep_as_python_writes_it_and_no_deeper(js: Module) -> None:
    for levels, taken in ((398, True), (399, True), (400, False), (401, False)):
        text = json.dumps(GOOD).replace('"payload": {}', '"payload": {"a":' + "[" * levels + "]" * levels + "}")
        outcomes = []
        for recode in (python_recode, lambda line: js.bytes("recode", line)):
            try:
                outcomes.append(recode(text))
            except (SignalError, JavaScriptError):
                outcomes.append(None)
        assert outcomes[0] == outcomes[1] and (outcomes[0] is not None) == taken, levels


# Where "byte-identical to the Python side" cannot hold: the Python SDK writes other bytes than JSON.stringify


@pytest.mark.parametrize(
    ("written", "python", "javascript"),
    [
        pytest.param("1.0", "1.0", "1", id="an integral float"),
        pytest.param("-0.0", "-0.0", "0", id="negative zero"),
        pytest.param("9007199254740993", "9007199254740993", "9007199254740992", id="an integer beyond 2**53"),
        pytest.param("1e16", "1e+16", "10000000000000000", id="a decimal exponent of 16 to 20"),
        pytest.param("1e-6", "1e-6", "0.000001", id="a decimal exponent of -6"),
        pytest.param('{"b":1,"10":2}', '{"b":1,"10":2}', '{"10":2,"b":1}', id="integer-like keys out of order"),
    ],
)
def test_payload_values_whose_bytes_differ(js: Module, written: str, python: str, javascript: str) -> None:
    text = json.dumps(GOOD, separators=(",", ":")).replace('"payload":{}', f'"payload":{{"x":{written}}}')
    assert f'"payload":{{"x":{python}}}'.encode() in Signal.decode(text).encode("python")
    assert f'"payload":{{"x":{javascript}}}'.encode() in js.bytes("recode", text)


def test_stamps_whose_bytes_differ(js: Module) -> None:
    text = json.dumps(GOOD, separators=(",", ":"))
    assert b'"ts":"2026-05-16T14:22:01.391000Z"' in Signal.decode(text).encode("python")  # Python rewrites millis
    assert b'"ts":"2026-05-16T14:22:01.391Z"' in js.bytes("recode", text)
    micros = text.replace(".391Z", ".391000Z")
    assert js.bytes("recode", micros) == micros.encode()  # the module keeps the stamp that it read


@given(
    payload=st.dictionaries(
        st.text("abc", min_size=1, max_size=3),
        st.recursive(
            st.none()
            | st.booleans()
            | st.integers(-(2**53), 2**53)
            | st.text(st.characters(codec="utf-8"), max_size=9),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
            max_leaves=8,
        ),
    )
)
def test_everything_else_is_byte_identical_to_the_python_side(js: Module, payload: Any) -> None:
    stamp = {"ts": "2026-05-16T14:22:01.391000Z"}
    python = Signal.decode(json.dumps(GOOD | stamp | {"payload": payload})).encode("python")
    assert js.bytes("recodeBytes", base64.b64encode(python).decode()) == python

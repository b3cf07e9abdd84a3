"""Exact bytes in both profiles, ECMAScript numbers, and the three levels of checking."""

import json
import math
import struct
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.cosmonapse import REQUIRED_PAYLOAD, Signal, SignalType, lift_legacy, problems
from kit.cosmonapse.ecmajson import MAX_DEPTH, number, parse, stringify
from kit.cosmonapse.wire import fill_nulls, loose_problems, strict_problems, validate_problems, wire_time
from kit.errors import ArgumentError, SignalError

DATA = Path(__file__).parent / "data"
ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
AT = datetime(2026, 5, 16, 14, 22, 1, 391000, UTC)
GOOD: dict[str, Any] = {
    "v": "1",
    "id": f"evt_{ULID}",
    "trace_id": f"trc_{ULID}",
    "parent_id": None,
    "type": "TASK",
    "directed": None,
    "ts": "2026-05-16T14:22:01.391000Z",
    "payload": {"input": {}},
    "meta": {},
}


def payload_text(value: object, profile: Any = "python") -> str:
    signal = Signal(type=SignalType.TASK, payload={"x": value})
    line = signal.encode(profile).decode()
    return line[line.index('"payload":{"x":') + 15 : line.rindex('},"meta"')]


def ts_text(moment: datetime, profile: Any = "python") -> str:
    signal = Signal(type=SignalType.TASK, ts=moment)
    return str(json.loads(signal.encode(profile))["ts"])


@pytest.mark.parametrize(
    ("moment", "python", "typescript"),
    [
        pytest.param(AT, "2026-05-16T14:22:01.391000Z", "2026-05-16T14:22:01.391Z", id="cosmonapse-3-391000us"),
        pytest.param(
            AT.replace(microsecond=0),
            "2026-05-16T14:22:01Z",
            "2026-05-16T14:22:01.000Z",
            id="cosmonapse-3-no-fraction",
        ),
        pytest.param(
            AT.replace(microsecond=5),
            "2026-05-16T14:22:01.000005Z",
            "2026-05-16T14:22:01.000Z",
            id="cosmonapse-3-5us",
        ),
        pytest.param(
            datetime(2026, 5, 16, 16, 22, 1, tzinfo=timezone(timedelta(hours=2))),
            "2026-05-16T16:22:01+02:00",
            "2026-05-16T14:22:01.000Z",
            id="cosmonapse-3-offset",
        ),
        pytest.param(
            datetime(2026, 5, 16, 14, 22, 1),
            "2026-05-16T14:22:01",
            "2026-05-16T14:22:01.000Z",
            id="cosmonapse-3-naive",
        ),
    ],
)
def test_times_are_written_as_each_sdk_writes_them(moment: datetime, python: str, typescript: str) -> None:
    assert ts_text(moment) == python
    assert ts_text(moment, "typescript") == typescript


@pytest.mark.parametrize(
    ("value", "python", "typescript"),
    [
        pytest.param(1.0, "1.0", "1", id="cosmonapse-4-float-1.0"),
        pytest.param(1e-5, "0.00001", "0.00001", id="cosmonapse-4-float-1e-5"),
        pytest.param(1e-6, "1e-6", "0.000001", id="cosmonapse-4-float-1e-6"),
        pytest.param(1.5e-6, "1.5e-6", "0.0000015", id="cosmonapse-4-float-1.5e-6"),
        pytest.param(1e-7, "1e-7", "1e-7", id="cosmonapse-4-float-1e-7"),
        pytest.param(5e-324, "5e-324", "5e-324", id="cosmonapse-4-float-5e-324"),
        pytest.param(1e15, "1000000000000000.0", "1000000000000000", id="cosmonapse-4-float-1e15"),
        pytest.param(1e16, "1e+16", "10000000000000000", id="cosmonapse-4-float-1e16"),
        pytest.param(
            1.2345678901234568e17,
            "1.2345678901234568e+17",
            "123456789012345680",
            id="cosmonapse-4-float-17-digits",
        ),
        pytest.param(1e20, "1e+20", "100000000000000000000", id="cosmonapse-4-float-1e20"),
        pytest.param(1e21, "1e+21", "1e+21", id="cosmonapse-4-float-1e21"),
        pytest.param(1e22, "1e+22", "1e+22", id="cosmonapse-4-float-1e22"),
        pytest.param(-0.0, "-0.0", "0", id="cosmonapse-4-negative-zero"),
        pytest.param(math.nan, "null", "null", id="cosmonapse-4-nan"),
        pytest.param(math.inf, "null", "null", id="cosmonapse-4-infinity"),
        pytest.param(2**53 + 1, "9007199254740993", "9007199254740992", id="cosmonapse-4-int-beyond-2**53"),
        pytest.param(10**30, "1" + "0" * 30, "1e+30", id="cosmonapse-4-int-1e30"),
        pytest.param(10**400, "1" + "0" * 400, "null", id="cosmonapse-4-int-beyond-every-double"),
        pytest.param(True, "true", "true", id="cosmonapse-4-bool"),
    ],
)
def test_numbers_are_written_as_each_sdk_writes_them(value: float, python: str, typescript: str) -> None:
    assert payload_text(value) == python
    assert payload_text(value, "typescript") == typescript


@pytest.mark.parametrize("profile", ["python", "typescript"])
@pytest.mark.parametrize(
    ("value", "text"),
    [
        pytest.param("héllo ☃ 😀", '"héllo ☃ 😀"', id="cosmonapse-5-non-ascii-raw"),
        pytest.param("a\u2028b", '"a\u2028b"', id="cosmonapse-5-u2028-raw"),
        pytest.param("\x7f", '"\x7f"', id="cosmonapse-5-del-raw"),
        pytest.param('"\\', '"\\"\\\\"', id="cosmonapse-5-quote-and-backslash"),
        pytest.param("/<>&", '"/<>&"', id="cosmonapse-5-slash-and-angles-raw"),
        pytest.param("\b\t\n\f\r", '"\\b\\t\\n\\f\\r"', id="cosmonapse-5-short-escapes"),
        pytest.param("\0\x0b\x1f", '"\\u0000\\u000b\\u001f"', id="cosmonapse-5-other-controls"),
    ],
)
def test_strings_are_escaped_alike_in_both_profiles(profile: str, value: str, text: str) -> None:
    assert payload_text(value, profile) == text


def test_cosmonapse_5_lone_surrogates_raise_in_python_and_are_escaped_in_typescript() -> None:
    with pytest.raises(SignalError, match="no JSON form"):
        payload_text("\ud800")
    assert payload_text("\udc00\ud800x", "typescript") == '"\\udc00\\ud800x"'
    assert payload_text("\ud83d" + "\ude00", "typescript") == '"😀"'


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), '"2026-01-01T00:00:00Z"'),
        (timedelta(seconds=90.5), '"PT1M30.5S"'),
        (b"x", '"x"'),
        ((1,), "[1]"),
        ({1}, "[1]"),
        (Decimal("1.10"), '"1.10"'),
        (UUID(int=1), '"00000000-0000-0000-0000-000000000001"'),
        (Colour.RED, '"red"'),
        ({1: 1, None: 2}, '{"1":1,"None":2}'),
    ],
)
def test_values_that_json_lacks_are_written_as_pydantic_writes_them(value: object, text: str) -> None:
    assert payload_text(value) == text
    if not isinstance(value, datetime):
        assert payload_text(value, "typescript") == text


def test_a_datetime_in_a_payload_is_a_javascript_date_in_typescript() -> None:
    assert payload_text(AT, "typescript") == '"2026-05-16T14:22:01.391Z"'


@pytest.mark.parametrize("profile", ["python", "typescript"])
def test_what_has_no_json_form_raises_a_signal_error(profile: Any) -> None:
    ring: list[object] = []
    ring.append(ring)
    deep: list[object] = []
    for _ in range(2 * MAX_DEPTH):
        deep = [deep]
    for value in (object(), b"\xff", ring, deep):
        with pytest.raises(SignalError):
            payload_text(value, profile)


def test_integer_like_keys_come_first_in_typescript() -> None:
    value = {"4294967295": 1, "4294967294": 1, "b": 1, "01": 2, "-1": 1, "0": 3, "1e3": 1}
    assert stringify(value) == '{"0":3,"4294967294":1,"4294967295":1,"b":1,"01":2,"-1":1,"1e3":1}'
    assert payload_text({"b": 1, "10": 1, "2": 2}) == '{"b":1,"10":1,"2":2}'


def test_numbers_are_those_that_node_prints() -> None:
    for bits, text in json.loads((DATA / "ecmascript_numbers.json").read_text()):
        (value,) = struct.unpack(">d", bytes.fromhex(bits))
        assert number(value) == text, bits


def number_to_string(value: float) -> str:
    """ECMA-262 Number::toString step by step, from the shortest digits as a Decimal."""
    if value < 0:
        return "-" + number_to_string(-value)
    _, digit_tuple, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    s = "".join(map(str, digit_tuple))
    k, n = len(s), exponent + len(s)
    if k <= n <= 21:
        return s + "0" * (n - k)
    if 0 < n <= 21:
        return s[:n] + "." + s[n:]
    if -6 < n <= 0:
        return "0." + "0" * -n + s
    sign = "+" if n > 0 else "-"
    return (s if k == 1 else s[0] + "." + s[1:]) + "e" + sign + str(abs(n - 1))


@given(st.floats(allow_nan=False, allow_infinity=False).filter(bool))
def test_numbers_follow_the_steps_of_the_ecmascript_standard(value: float) -> None:
    assert number(value) == number_to_string(value)
    assert float(number(value)) == value


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4),
    max_leaves=12,
)


@given(json_values)
def test_stringify_after_parse_changes_nothing_more(value: object) -> None:
    once = stringify(value)
    assert stringify(parse(once)) == once


@settings(max_examples=50)
@given(st.dictionaries(st.text(), json_values, max_size=4), st.sampled_from(["python", "typescript"]))
def test_a_signal_written_and_read_twice_has_the_same_bytes(payload: dict[str, Any], profile: Any) -> None:
    line = Signal(type=SignalType.PLAN, payload=payload).encode(profile)
    assert Signal.decode(line, profile=profile).encode(profile) == line


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", "-Infinity", "\ufeff1", '"\n"', "1 1", "", "[" * 100_000])
def test_parse_rejects_what_json_parse_rejects(text: str) -> None:
    with pytest.raises(ValueError):
        parse(text)


def test_parse_reads_what_json_parse_reads() -> None:
    assert parse('{"a":1,"b":2,"a":3}') == {"a": 3, "b": 2}
    assert stringify(parse("[1e400,-0,1E5,10.50]")) == "[null,0,100000,10.5]"
    assert parse('"\\ud800"') == "\ud800"
    assert stringify(parse("9" * 5000)) == "null"


# levels


def test_a_good_envelope_has_no_problem_at_any_level() -> None:
    for level in ("loose", "validate", "strict"):
        assert problems(GOOD, level) == []


def test_an_unknown_level_or_profile_says_what_there_is() -> None:
    with pytest.raises(ArgumentError, match="'loose', 'validate' or 'strict'"):
        problems(GOOD, "hard")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="'python', 'typescript'"):
        problems(GOOD, profile="rust")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "loose", "validate", "strict"),
    [
        ({"v": "1.5"}, [], ["bad_version"], ["bad_version"]),
        ({"v": "2"}, ["bad_version"], ["bad_version"], ["bad_version"]),
        pytest.param({"id": "evt_"}, [], [], ["bad_id"], id="cosmonapse-8-prefix-only-id"),
        pytest.param({"trace_id": "trc_zz z"}, [], [], ["bad_trace_id"], id="cosmonapse-8-prefix-only-trace"),
        pytest.param({"parent_id": "evt_1"}, [], [], ["bad_parent_id"], id="cosmonapse-8-prefix-only-parent"),
        ({"id": f"evt_I{ULID[1:]}"}, [], [], ["bad_id"]),
        ({"id": f"evt_8{ULID[1:]}"}, [], [], ["bad_id"]),
        ({"id": f"evt_{ULID}\n"}, [], [], ["bad_id"]),
        ({"id": None}, ["bad_id"], ["bad_id"], ["bad_id"]),
        ({"id": "x"}, ["bad_id"], ["bad_id"], ["bad_id"]),
        ({"type": "NOPE"}, ["unknown_type"], ["unknown_type"], ["unknown_type"]),
        ({"type": 3}, ["bad_type"], ["bad_type"], ["bad_type"]),
        ({"ts": "2026-05-16T14:22:01"}, [], [], ["bad_ts"]),
        ({"ts": 5}, [], ["bad_ts"], ["bad_ts"]),
        ({"ts": "2026-W20-6"}, ["bad_ts"], ["bad_ts"], ["bad_ts"]),
        ({"ts": None}, ["bad_ts"], ["bad_ts"], ["bad_ts"]),
        ({"payload": []}, ["bad_payload"], ["bad_payload"], ["bad_payload"]),
        ({"payload": {}}, [], [], ["missing_payload"]),
        ({"directed": {"id": 3}}, ["bad_directed"], ["bad_directed"], ["bad_directed"]),
        ({"directed": []}, ["bad_directed"], ["bad_directed"], ["bad_directed"]),
        ({"type": "IMPRINT", "payload": {"op": "merge", "entry": {}}}, [], [], ["missing_payload"]),
    ],
)
def test_each_level_adds_to_the_one_below(
    change: dict[str, Any], loose: list[str], validate: list[str], strict: list[str]
) -> None:
    obj = GOOD | change
    assert [p.reason for p in problems(obj, "loose")] == loose
    assert [p.reason for p in problems(obj, "validate")] == validate
    assert [p.reason for p in problems(obj, "strict")] == strict


@pytest.mark.parametrize("field", ["v", "id", "trace_id", "type", "ts"])
def test_validate_and_strict_ask_for_five_fields_and_loose_for_the_type(field: str) -> None:
    obj = {key: value for key, value in GOOD.items() if key != field}
    assert [p.reason for p in problems(obj)] == (["missing_type"] if field == "type" else [])
    assert [p.reason for p in problems(obj, "validate")] == [f"missing_{field}"]
    assert [p.reason for p in problems(obj, "strict")] == [f"missing_{field}"]


@pytest.mark.parametrize("obj", [[], None, "x", 3])
def test_what_is_no_object_is_one_problem(obj: object) -> None:
    for check in (loose_problems, validate_problems, strict_problems, problems):
        assert [p.reason for p in check(obj)] == ["not_object"]


def test_a_problem_shows_the_value_and_cuts_a_long_one() -> None:
    (found,) = problems(GOOD | {"id": "x" * 500})
    assert found.field == "id"
    assert found.detail.startswith("id 'xxx")
    assert len(found.detail) < 130


def test_the_required_payload_is_given_for_every_type() -> None:
    assert set(REQUIRED_PAYLOAD) == set(SignalType)
    for kind, keys in REQUIRED_PAYLOAD.items():
        found = strict_problems(GOOD | {"type": kind.value, "payload": {}})
        assert [p.field for p in found] == [f"payload.{key}" for key in keys]


odd = json_values | st.sampled_from(["evt_1", "trc_1", "TASK", "AUDIT", "1", "1.2", "2026-05-16T14:22:01Z"])


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from([*GOOD, "neuron"]), odd))
def test_decode_takes_what_has_no_problems_and_nothing_else(change: dict[str, Any]) -> None:
    line = json.dumps(GOOD | change, ensure_ascii=False)
    found = problems(json.loads(line))
    try:
        Signal.decode(line)
    except SignalError as error:
        assert found
        assert all(problem.detail in str(error) for problem in found)
    else:
        assert found == []


# legacy


def test_cosmonapse_11_lift_legacy_moves_neuron_into_directed_id() -> None:
    old = GOOD | {"neuron": "answerer"}
    lifted = lift_legacy(old)
    assert "neuron" not in lifted and "neuron" in old
    assert lifted["directed"] == {"id": "answerer", "type": None, "capabilities": []}
    assert list(lifted["directed"]) == ["id", "type", "capabilities"]
    assert Signal.decode(json.dumps(lifted)).directed is not None


def test_cosmonapse_11_lift_legacy_keeps_an_id_that_is_there() -> None:
    old = GOOD | {"neuron": "a", "directed": {"id": "b"}}
    assert lift_legacy(old) == GOOD | {"directed": {"id": "b"}}
    old = GOOD | {"neuron": "a", "directed": {"id": None, "type": "t"}}
    assert lift_legacy(old)["directed"] == {"id": "a", "type": "t", "capabilities": []}


@pytest.mark.parametrize("change", [{}, {"neuron": 3}, {"neuron": ""}, {"neuron": "a", "directed": []}])
def test_cosmonapse_11_lift_legacy_leaves_everything_else(change: dict[str, Any]) -> None:
    assert lift_legacy(GOOD | change) == GOOD | change


# the typescript reader


def test_fill_nulls_drops_only_the_nulls_that_have_defaults() -> None:
    filled = fill_nulls({"v": None, "type": None, "parent_id": None, "directed": {"id": None}, "meta": None})
    assert filled == {"type": None, "parent_id": None, "directed": {}}


def test_a_stamp_survives_the_typescript_profile_and_only_there() -> None:
    line = json.dumps(GOOD | {"ts": "2026-05-16T16:22:01.391999123+02:00"}, separators=(",", ":")).encode()
    signal = Signal.decode(line, profile="typescript")
    assert signal.encode("typescript") == line
    assert signal.model_copy(deep=True).encode("typescript") == line
    assert b'"2026-05-16T16:22:01.391999+02:00"' in signal.encode()
    signal.ts = AT
    assert b'"2026-05-16T14:22:01.391Z"' in signal.encode("typescript")


def test_a_wire_time_forgets_its_text_when_it_changes() -> None:
    moment = wire_time("2026-05-16T14:22:01.391Z")
    assert (moment, moment.text) == (AT, "2026-05-16T14:22:01.391Z")
    assert (moment + timedelta(seconds=1)).text is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nonfinite_literals_are_read_in_python_and_refused_in_typescript(value: float) -> None:
    line = json.dumps(GOOD | {"payload": {"x": value}})
    assert Signal.decode(line).payload["x"] is not None
    with pytest.raises(SignalError, match="is not JSON"):
        Signal.decode(line, profile="typescript")

"""One line, looked at exactly (design.md section 3; spec/cosmonapse.md 1)."""

import json
from datetime import UTC, datetime
from typing import Any

import oddlines
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.cosmonapse.examine import FLAGS, MAX_DEPTH, examine, parse
from kit.cosmonapse.wire import problems
from kit.jsonline import Refusal

BASE: dict[str, Any] = {
    "v": "1",
    "id": "evt_01ARZ3NDEKTSV4RRFFQ69G5F01",
    "trace_id": "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX",
    "parent_id": None,
    "type": "TASK",
    "directed": {"id": "coder", "type": None, "capabilities": []},
    "ts": "2026-05-16T14:22:01.391000Z",
    "payload": {"input": {"q": 1}},
    "meta": {},
}
ABSENT = object()


def line(**fields: Any) -> str:
    signal = BASE | fields
    return json.dumps({key: value for key, value in signal.items() if value is not ABSENT})


def row(text: str, level: str = "loose") -> dict[str, Any]:
    outcome = examine(text, level)  # type: ignore[arg-type]
    assert not isinstance(outcome, Refusal), outcome
    return outcome


def reason(text: str, level: str = "loose") -> str:
    outcome = examine(text, level)  # type: ignore[arg-type]
    assert isinstance(outcome, Refusal), outcome
    assert outcome.detail
    return outcome.reason


@pytest.mark.parametrize(
    ("text", "flags"),
    [
        (line(), []),
        ("  " + line() + " \r", []),
        (line(v="1.3"), []),
        (line(v=ABSENT), []),
        (line(ts=ABSENT), ["no_ts"]),
        (line(ts="2026-05-16T14:22:01"), ["naive_ts"]),
        (line(ts="2026-05-16"), ["naive_ts"]),
        (line(type="VOTE"), ["unknown_type"]),
        (line(shard=3), ["extra_keys"]),
        (line(directed={"id": "a", "zone": 1}), ["extra_keys"]),
        (line(neuron="coder", directed=ABSENT), ["legacy_neuron"]),
        (line(neuron="coder"), ["legacy_neuron"]),
        (line(neuron="another"), ["legacy_neuron"]),
        (line(neuron=5, directed=ABSENT), ["extra_keys"]),
        ('{"type":"PLAN",' + line()[1:], ["duplicate_keys"]),
        (line(meta={"x": float("nan")}), ["nonfinite"]),
        (line(payload={"input": float("-inf")}), ["nonfinite"]),
        (line(ts=ABSENT, type="VOTE", shard=1), ["extra_keys", "no_ts", "unknown_type"]),
    ],
)
def test_unusual_lines_are_rows_with_flags(text: str, flags: list[str]) -> None:
    assert row(text)["flags"] == flags
    assert [flag for flag in FLAGS if flag in flags] == flags


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", "bad_json"),
        ("{", "bad_json"),
        (line().replace('"', "'"), "bad_json"),
        (line(meta={"x": "a"}).replace('"a"', '"a\tb"'), "bad_json"),
        (line(meta={"x": "a"}).replace('"a"', '"\\ud800"'), "bad_json"),
        (line()[:-1] + ",}", "bad_json"),
        ("\ufeff" + line(), "bad_json"),
        (line() + line(), "trailing_data"),
        (line() + " x", "trailing_data"),
        ("[1]", "not_object"),
        ("null", "not_object"),
        (line(id=ABSENT), "missing_id"),
        (line(trace_id=ABSENT), "missing_trace_id"),
        (line(type=ABSENT), "missing_type"),
        (line(id="trc_1"), "bad_id"),
        (line(id=None), "bad_id"),
        (line(trace_id=4), "bad_trace_id"),
        (line(parent_id=""), "bad_parent_id"),
        (line(type=7), "bad_type"),
        (line(directed="coder"), "bad_directed"),
        (line(directed={"id": 5}), "bad_directed"),
        (line(directed={"capabilities": None}), "bad_directed"),
        (line(payload=None), "bad_payload"),
        (line(meta=[]), "bad_meta"),
        (line(v=1), "bad_v"),
        (line(v=None), "bad_v"),
        (line(v="2"), "bad_version"),
        (line(ts=None), "bad_ts"),
        (line(ts=1747405321391), "bad_ts"),
        (line(ts="2026-05-16T14:22:60Z"), "bad_ts"),
        (line(ts="0001-01-01T00:00:00+14:00"), "bad_ts"),
        (line(ts="9999-12-31T23:59:59-12:00"), "bad_ts"),
        (line(meta={"x": 0}).replace('"x": 0', '"x": ' + "9" * 4301), "bad_json"),
    ],
)
def test_what_cannot_be_a_row_is_refused_with_its_reason(text: str, wanted: str) -> None:
    assert reason(text) == wanted


@pytest.mark.parametrize(
    ("text", "validate", "strict"),
    [
        (line(), None, None),
        (line(v="1.5"), "bad_version", "bad_version"),
        (line(v=ABSENT), "missing_v", "missing_v"),
        (line(ts=ABSENT), "missing_ts", "missing_ts"),
        (line(type="VOTE"), "bad_type", "bad_type"),
        (line(id="evt_1"), None, "bad_id"),
        (line(id="evt_01ARZ3NDEKTSV4RRFFQ69G5FIL"), None, "bad_id"),
        (line(trace_id="trc_1"), None, "bad_trace_id"),
        (line(parent_id="evt_1"), None, "bad_parent_id"),
        (line(ts="2026-05-16T16:22:01+02:00"), None, "bad_ts"),
        (line(payload={}), None, "bad_payload"),
    ],
)
def test_higher_levels_move_more_to_quarantine(text: str, validate: str | None, strict: str | None) -> None:
    assert not isinstance(examine(text), Refusal)
    for level, wanted in (("validate", validate), ("strict", strict)):
        assert (wanted is None and row(text, level)) or reason(text, level) == wanted


def test_nothing_is_invented() -> None:
    bare = row('{"id":"evt_1","trace_id":"trc_1","type":"TASK"}')
    assert [bare[name] for name in ("ts", "ts_text", "parent_id", "directed_id", "directed_capabilities", "extra")] == [
        None
    ] * 6
    assert (bare["v"], bare["payload"], bare["meta"]) == ("1", "{}", "{}")


@pytest.mark.parametrize(
    ("stamp", "wanted", "dialect"),
    [
        ("2026-05-16T14:22:01.391000Z", datetime(2026, 5, 16, 14, 22, 1, 391000, UTC), "python"),
        ("2026-05-16T14:22:01Z", datetime(2026, 5, 16, 14, 22, 1, 0, UTC), "python"),
        ("2026-05-16T14:22:01.391Z", datetime(2026, 5, 16, 14, 22, 1, 391000, UTC), "typescript"),
        ("2026-05-16T14:22:01.123456789Z", datetime(2026, 5, 16, 14, 22, 1, 123456, UTC), "other"),
        ("2026-05-16T16:22:01+02:00", datetime(2026, 5, 16, 14, 22, 1, 0, UTC), "other"),
        ("1747405321391", datetime(2025, 5, 16, 14, 22, 1, 391000, UTC), "other"),
    ],
)
def test_times_are_utc_beside_their_text(stamp: str, wanted: datetime, dialect: str) -> None:
    found = row(line(ts=stamp))
    assert (found["ts"], found["ts_text"], found["dialect"]) == (wanted, stamp, dialect)


def test_a_legacy_neuron_is_lifted_and_an_extra_key_kept() -> None:
    lifted = row(line(neuron="coder", directed=ABSENT))
    assert (lifted["directed_id"], lifted["directed_capabilities"], lifted["extra"]) == ("coder", [], None)
    assert json.loads(row(line(shard=3))["extra"]) == {"shard": 3}
    assert json.loads(row(line(neuron="other"))["extra"]) == {"neuron": "other"}
    assert json.loads(row(line(directed={"id": "a", "zone": 1}))["extra"]) == {"directed": {"zone": 1}}


def test_of_repeated_keys_the_last_counts() -> None:
    assert row('{"type":"PLAN",' + line()[1:])["type"] == "TASK"
    assert json.loads(row(line().replace('"q": 1', '"q": 1, "q": 2'))["payload"]) == {"input": {"q": 2}}


@pytest.mark.parametrize("opened", ["[", '{"a":'])
def test_nesting_is_limited_as_in_the_sdk_whatever_the_callers_stack(opened: str) -> None:
    def nested(depth: int) -> str:
        closed = ("1" if opened != "[" else "") + ("]" if opened == "[" else "}") * depth
        return line(payload={"a": "?"}).replace('"?"', opened * depth + closed)

    assert row(nested(MAX_DEPTH - 2))
    assert reason(nested(MAX_DEPTH - 1)) == "bad_json"
    assert reason(nested(200_000)) == "bad_json"
    assert row(line(payload={"a": "[" * 5000}))


def test_separators_inside_a_string_are_content() -> None:
    text = json.dumps(BASE | {"meta": {"x": "a\u2028b\u2029c\u0085d"}}, ensure_ascii=False)
    assert json.loads(row(text)["meta"]) == {"x": "a\u2028b\u2029c\u0085d"}


@given(oddlines.odd_lines())
def test_any_line_is_a_row_or_a_refusal(text: str) -> None:
    outcome = examine(text)
    if isinstance(outcome, Refusal):
        assert outcome.reason and outcome.detail
    else:
        parsed = parse(text, set())
        assert not isinstance(parsed, Refusal)
        assert {problem.reason for problem in problems(parsed)} <= {"unknown_type"} | (
            {"bad_directed"} if "legacy_neuron" in outcome["flags"] else set()
        )
        assert json.loads(outcome["payload"]) is not None


@given(st.text())
def test_any_text_is_a_row_or_a_refusal(text: str) -> None:
    assert isinstance(examine(text), Refusal)

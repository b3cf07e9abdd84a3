"""`study.signals(...)`: signals found by plain arguments."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest

import kit
from kit.cosmonapse import SignalType
from kit.errors import ArgumentError
from kit.notebook.study import Study

PAYLOADS: list[dict[str, Any]] = [
    {"input": {"q": "a"}, "n": 1, "ok": True, "none": None, "list": [1, {"id": "x"}], "big": 2**60 + 1},
    {"input": {"q": "b"}, "n": 1.0, "ok": False, "list": [2], "big": 2**60},
    {"input": {"q": None}, "n": "1", "ok": "true", "none": "null", "obj": {"a": 1, "b": [2]}},
    {"input": "q", "n": 2**70, 'a"b': 1, "a\\b": 2, "é ☃": 3, "": 4, "$": 5, "*": 6, "neg": -3, "tiny": 1e-7},
]


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    lines = [
        json.dumps(
            {
                "id": f"evt_{i}",
                "trace_id": f"trc_{i % 2}",
                "type": ["TASK", "ERROR", "FINAL", "TASK"][i],
                "directed": None if i == 3 else {"id": f"neuron-{i % 2}"},
                "payload": payload,
                **({} if i == 3 else {"ts": f"2026-05-16T14:22:0{i}Z"}),
            }
        )
        for i, payload in enumerate(PAYLOADS)
    ]
    with kit.load(lines) as opened:
        opened.load(lines[:1], run="other")
        yield opened


def found(study: Study, **options: Any) -> list[str]:
    options.setdefault("run", "capture")
    return [row["id"].removeprefix("evt_") for row in study.signals(**options).rows()]


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "0123"),
        ({"type": "TASK"}, "03"),
        ({"type": ["ERROR", "FINAL"]}, "12"),
        ({"type": SignalType.ERROR}, "1"),
        ({"type": {SignalType.ERROR, SignalType.FINAL}}, "12"),
        ({"type": []}, ""),
        ({"type": "task"}, ""),
        ({"neuron": "neuron-0"}, "02"),
        ({"neuron": ("neuron-0", "neuron-1")}, "012"),
        ({"trace": "trc_1"}, "13"),
        ({"trace": "trc_1", "type": "TASK"}, "3"),
        ({"run": "nowhere"}, ""),
        ({"since": "2026-05-16T14:22:01Z"}, "12"),
        ({"until": "2026-05-16T14:22:01Z"}, "0"),
        ({"since": "2026-05-16T16:22:01+02:00", "until": "2026-05-16T14:22:02"}, "1"),
        ({"since": datetime(2026, 5, 16, 14, 22, 2)}, "2"),
        ({"since": datetime(2026, 5, 16, 16, 22, 2, tzinfo=timezone(timedelta(hours=2)))}, "2"),
        ({"since": datetime(2026, 5, 16, tzinfo=UTC), "until": date(2026, 5, 17)}, "012"),
        ({"since": "2026-05-16"}, "012"),
        ({"where": "type = 'ERROR' or ts is null"}, "13"),
        ({"where": "type = 'ERROR' -- and no more", "trace": "trc_1"}, "1"),
        ({"type": "TASK", "where": "false or true"}, "03"),
    ],
)
def test_arguments_narrow_down(study: Study, options: dict[str, Any], wanted: str) -> None:
    assert found(study, **options) == list(wanted)


@pytest.mark.parametrize(
    ("payload", "wanted"),
    [
        ({"input.q": "a"}, "0"),
        ({"input.q": None}, "2"),
        ({"none": None}, "0"),
        ({"none": "null"}, "2"),
        ({"n": 1}, "01"),
        ({"n": 1.0}, "01"),
        ({"n": "1"}, "2"),
        ({"n": 2**70}, "3"),
        ({"n": 2**70 + 2**40}, ""),
        ({"n": 10**400}, ""),
        ({"big": 2**60}, "1"),
        ({"big": 2**60 + 1}, "0"),
        ({"neg": -3}, "3"),
        ({"tiny": 1e-7}, "3"),
        ({"ok": True}, "0"),
        ({"ok": False}, "1"),
        ({"ok": "true"}, "2"),
        ({"ok": 1}, ""),
        ({"list.0": 1}, "0"),
        ({"list.1.id": "x"}, "0"),
        ({"list": [2]}, "1"),
        ({"obj": {"a": 1, "b": [2]}}, "2"),
        ({"obj.b": [2]}, "2"),
        ({'a"b': 1}, "3"),
        ({"a\\b": 2}, "3"),
        ({"é ☃": 3}, "3"),
        ({"$": 5}, "3"),
        ({"*": 6}, "3"),
        ({"gone": 1}, ""),
        ({"gone": None}, ""),
        ({"n": 1, "ok": True}, "0"),
        ({}, "0123"),
    ],
)
def test_a_payload_path_compares_by_value(study: Study, payload: dict[str, Any], wanted: str) -> None:
    assert found(study, payload=payload) == list(wanted)


@pytest.mark.parametrize("options", [{"since": "noon"}, {"until": 5}, {"payload": {"": 1}}, {"payload": {"a..b": 1}}])
def test_what_cannot_be_read_is_an_argument_error(study: Study, options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError):
        study.signals(**options)


def test_rows_come_by_run_and_time_and_all_runs_without_run(study: Study) -> None:
    assert [(row["run"], row["id"]) for row in study.signals().rows()] == [
        *(("capture", f"evt_{i}") for i in range(4)),
        ("other", "evt_0"),
    ]
    assert study.signals().name == "signals"


def test_hostile_values_are_bound(study: Study) -> None:
    assert found(study, type="'; drop table signals; --", neuron="' or 1=1 --") == []
    assert found(study, payload={"a' or '1'='1": "' or 1=1"}) == []
    assert len(found(study)) == 4

"""The SQL that loads lines in bulk and the function that examines one line give the same row, or the same refusal."""

import json
from collections.abc import Iterator
from random import Random

import oddlines
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import irregular
from kit import io
from kit.cosmonapse.wire import LEVELS
from kit.store.store import Store

LINE = (
    '{{"v":{v},"id":{id},"trace_id":"trc_1","parent_id":{parent},"type":{type},"directed":{directed},'
    '"ts":{ts},"payload":{payload},"meta":{meta}}}'
)
REGULAR = {
    "v": '"1"',
    "id": '"evt_1"',
    "parent": "null",
    "type": '"TASK"',
    "directed": '{"id":"a","type":null,"capabilities":["x"]}',
    "ts": '"2026-05-16T14:22:01.391000Z"',
    "payload": '{"input":1}',
    "meta": "{}",
}
CHOICES = {
    "v": [f'"{text}"' for text in oddlines.VERSIONS],
    "id": [f'"{text}"' for text in oddlines.IDS],
    "parent": [f'"{text}"' for text in oddlines.IDS],
    "type": [f'"{text}"' for text in oddlines.TYPES],
    "directed": [],
    "ts": [f'"{text}"' for text in oddlines.STAMPS],
    "payload": [
        '{{"a":{}}}',
        '{{"a":[1,{}]}}',
        '{{"a":{{"b":{}}}}}',
        "[{}]",
        '{{"a":{},"b":1}}',
        '{{ "a":{} }}',
        '{{"a":"{{",{}:1}}',
    ],
    "meta": ['{{"a":{}}}', '{{"a":[{{"b":{}}}]}}'],
}


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with Store(threads=1) as opened:
        yield opened


YEAR_0 = LINE.format(**(REGULAR | {"ts": '"0000-01-01T00:00:00Z"'}))
LONG_INTEGER = LINE.format(**(REGULAR | {"payload": '{"a":' + "9" * 4301 + "}"}))
TOO_DEEP = LINE.format(**(REGULAR | {"payload": '{"a":' + "[" * 200 + "]" * 200 + "}"}))


def check(store: Store, lines: list[str], level: str = "loose") -> None:
    for line, found in zip(lines, oddlines.bulk(store, lines, level), strict=True):
        assert found == oddlines.expected(line, level), line[:2000]


def systematic() -> list[str]:
    """Each odd text in the place of each field, in an otherwise regular line."""
    lines = []
    for field, texts in CHOICES.items():
        for text in texts:
            values = [text.format(value) for value in oddlines.VALUES] if "{}" in text else [text]
            lines += [LINE.format(**(REGULAR | {field: value})) for value in values]
        lines += [LINE.format(**(REGULAR | {field: value})) for value in oddlines.VALUES]
    return lines


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_every_odd_value_in_every_field_has_one_outcome_on_both_paths(store: Store, level: str) -> None:
    check(store, systematic(), level)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_every_irregular_kind_has_one_outcome_on_both_paths(store: Store, level: str) -> None:
    lines = oddlines.sample_lines()
    rng = Random(3)
    changed = []
    for name, kind in irregular.KINDS.items():
        for _ in range(6):
            line = next(line for line in rng.sample(lines, 50) if irregular.fits(kind, line) and '"directed":{' in line)
            if name not in ("bad_utf8", "blank"):
                changed.append(kind.change(line, rng).decode())
    check(store, changed, level)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_the_sample_has_one_outcome_on_both_paths(store: Store, level: str) -> None:
    check(store, oddlines.sample_lines(), level)


@settings(max_examples=50)
@given(st.lists(oddlines.odd_lines(), min_size=10, max_size=60))
def test_any_odd_lines_have_one_outcome_on_both_paths(store: Store, lines: list[str]) -> None:
    check(store, lines)


@pytest.mark.long
@settings(max_examples=800)
@given(st.lists(oddlines.odd_lines(), min_size=30, max_size=60), st.sampled_from(sorted(LEVELS)))
def test_very_many_odd_lines_have_one_outcome_on_both_paths(store: Store, lines: list[str], level: str) -> None:
    check(store, lines, level)


@pytest.mark.parametrize("line", [YEAR_0, LONG_INTEGER, TOO_DEEP], ids=["year 0", "4301 digits", "202 levels"])
def test_what_the_sdk_cannot_read_is_refused_in_bulk_too(store: Store, line: str) -> None:
    assert oddlines.bulk(store, [line]) == [oddlines.expected(line)]


def test_a_line_fares_alone_as_it_does_among_others() -> None:
    rng = Random(11)
    base = oddlines.sample_lines()
    lines = [
        oddlines.odd(rng.choice(base), rng.choices(oddlines.CHANGES, k=2), rng.randrange(2**32)) for _ in range(12)
    ]
    lines = [line for line in lines if line.strip() and not line.strip().startswith("#")]
    for line in lines:
        with Store(threads=1) as alone:
            io.load(alone, [line])
            rows = [
                oddlines.comparable(row)
                for row in alone.arrow("SELECT * REPLACE (epoch_us(ts) AS ts) FROM signals").to_pylist()
            ]
            refused = [{"reason": reason} for (reason,) in alone.execute("SELECT reason FROM quarantine")]
        assert rows + refused == [oddlines.expected(line)], line


def test_the_exact_path_keeps_the_text_of_plain_lines_as_columns() -> None:
    line = LINE.format(**REGULAR)
    with Store() as store:
        io.load(store, [line, json.dumps(json.loads(line)).replace("evt_1", "evt_2")])
        texts = store.execute("SELECT text IS NULL, raw FROM signals ORDER BY line")
    assert texts == [(True, line), (False, json.dumps(json.loads(line)).replace("evt_1", "evt_2"))]

"""The SQL that loads lines in bulk and the function that examines one line give the same row, or the same refusal."""

import json
import re
from collections.abc import Iterator
from random import Random

import oddlines
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import irregular
from kit import io
from kit.cosmonapse.plain import NONFINITE
from kit.cosmonapse.suspect import suspect
from kit.cosmonapse.wire import LEVELS
from kit.store.store import Store

LINE = (
    '{{"v":{v},"id":{id},"trace_id":"trc_01M6DQSAY02ND3Q5F77PYMKMJ3","parent_id":{parent},"type":{type},"directed":{directed},'
    '"ts":{ts},"payload":{payload},"meta":{meta}}}'
)
REGULAR = {
    "v": '"1"',
    "id": '"evt_01M6DQSBEP3RY4XTD857VPG4Y3"',
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


FOUND = (
    '{"v":"1","id":"evt_01M6DQSBEP3RY4XTD857VPG4Y3","trace_id":"trc_01M6DQSAY02ND3Q5F77PYMKMJ3",'
    '"parent_id":"evt_01M6DQSBC7S1MG0R4NJWA2QYJA","type":"TOOL_CALL",'
    '"directed":{"id":"a","type":null,"capabilities":["x","y"]},"ts":"2026-11-02T09:00:01.878120Z",'
    '"payload":{"a":[{"k":1},{"k":"é,"}],"b":{"k":-0.5}},"meta":{"n":"\\n","meta":{}}}',
    '{"v":"1","id":"evt_01M6DQSBEP3RY4XTD857VPG4Y4","trace_id":"trc_01M6DQSAY02ND3Q5F77PYMKMJ3",'
    '"parent_id":null,"type":"BID","directed":null,"ts":"2024-02-29T23:59:59.391Z","payload":{"x":true},"meta":{}}',
)
"""Lines as the SDKs write them."""
OTHERS = ('"', "\\", "}", "0", ",", "\x01")


def changed_by_a_character(line: str) -> list[str]:
    """Return the line without each of its characters, with another one in its place, and with one before it."""
    changed = []
    for at in range(len(line)):
        changed.append(line[:at] + line[at + 1 :])
        for other in (OTHERS[at % len(OTHERS)], OTHERS[(at + 1 + at // len(OTHERS)) % len(OTHERS)]):
            changed += [line[:at] + other + line[at + 1 :], line[:at] + other + line[at:]]
    return changed


@pytest.mark.parametrize("line", FOUND, ids=["python", "typescript"])
def test_a_line_changed_by_any_character_has_one_outcome_on_both_paths(store: Store, line: str) -> None:
    check(store, [line, *changed_by_a_character(line)])


@pytest.mark.long
@pytest.mark.parametrize("other", [*map(chr, range(128)), "é", "\u2028", "\U0001f600"])
def test_any_character_at_any_place_has_one_outcome_on_both_paths(store: Store, other: str) -> None:
    if other == "\n":
        return
    for line in FOUND:
        places = range(len(line) + 1)
        check(store, [line[:at] + other + line[at + skip :] for at in places for skip in (0, 1)])


PAYLOADS = (
    *(
        '{"a":1,"a":2}',
        '{"a":{"b":1},"b":2}',
        '{"a":{"b":1,"b":1}}',
        '{"a":[{"b":1},{"b":1}]}',
        '{"a":[{"b":1},{"b":1,"b":2}]}',
    ),
    *('{"a":[{"b":1}],"b":2,"a":3}', '{"a":"},{","a":1}', '{"a":"{","b":{"a":1}}', '{"a":"\\"","b":{"a":"{"},"a":1}'),
    *('{"longer than eight":1,"longer than eight":2}', '{"longer than eight":1,"Longer than eight":2}', '{"":1,"":2}'),
    *(
        '{"a\\"b":1,"c\\"b":2}',
        '{"a\\"b":1,"a\\"b":2}',
        '{"a":NaN}',
        '{"a":"NaN"}',
        '{"a":-Infinity}',
        '{"a":"Infinity"}',
    ),
    *(
        '{"a":nan}',
        '{"a":1}},"meta":{"b":2}',
        '{"a":{"meta":{}},"meta":{"x":1}}',
        '{"a":1,}',
        '{"a":1 }',
        "{}",
        "[]",
        '{"a":"a,\\"meta\\":{"}',
    ),
    *('{"a":' + "[" * 199 + "]" * 199 + "}", '{"a":' + "[" * 200 + "]" * 200 + "}", '{"a":"' + "x" * 500 + '"}'),
    *(
        '{"a":' + "9" * 4300 + "}",
        '{"a":' + "9" * 4301 + "}",
        '{"a":1e400}',
        '{"a":1.0,"b":1E5}',
        '{"a":"\\u0041"}',
        '{"a":"\\ud800"}',
    ),
)


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_any_payload_and_meta_of_an_sdk_line_has_one_outcome_on_both_paths(store: Store, level: str) -> None:
    lines = [line.replace('{"x":true}', payload) for line in FOUND[1:] for payload in PAYLOADS]
    lines += [line.replace('"meta":{}', f'"meta":{payload}') for line in FOUND[1:] for payload in PAYLOADS]
    check(store, lines, level)


STAMPS = [
    *(f"{date}T{time}Z" for date in ("0000-01-01", "0001-01-01", "9999-12-31", "2023-02-29", "2000-02-29", "1900-02-29")
      for time in ("00:00:00", "23:59:59.999", "23:59:59.999999")),
    *(f"2026-{month:02}-{day:02}T00:00:00Z" for month in range(14) for day in (0, 1, 28, 29, 30, 31, 32)),
    *(f"2026-11-02T{hour}:{minute}:{second}Z" for hour, minute, second in
      (("24", "00", "00"), ("23", "60", "00"), ("23", "59", "60"), ("2x", "00", "00"), ("1:", "00", "00"), ("00", "0/", "00"))),
    *("2026-11-02T09:00:01.5Z", "2026-11-02T09:00:01.1234Z", "2026-11-02T09:00:01.123456789Z", "2026-11-02T09:00:01.12:456Z"),
]  # fmt: skip


def test_any_stamp_of_an_sdk_line_has_one_outcome_on_both_paths(store: Store) -> None:
    check(store, [FOUND[1].replace("2024-02-29T23:59:59.391Z", stamp) for stamp in STAMPS + list(oddlines.STAMPS)])


KEYED = st.recursive(
    st.sampled_from(["1", "-1", "null", '"a"', '"a\\":1"', '""', "nan", "NAN", "-NaN", "inf", "-Infinity", '"a,nan"']),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda texts: "[" + ",".join(texts) + "]"),
        st.lists(
            st.tuples(st.sampled_from(["a", "b", "", "seven_8", "is_eight", "so_is_eight", 'q\\"a', "é"]), inner),
            max_size=3,
        ).map(lambda pairs: "{" + ",".join(f'"{key}":{text}' for key, text in pairs) + "}"),
    ),
    max_leaves=8,
)
"""JSON without spaces, in which keys may repeat and numbers may be none."""
NUMBER = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:nan|inf(?:inity)?)', re.IGNORECASE)
"""A string, which is passed over, or a number that is not finite."""


def repeated(text: str) -> bool:
    """Whether an object holds a key twice, as Python's parser sees it."""
    found = []
    finite = NUMBER.sub(lambda match: match[0] if match[0][0] == '"' else "0", text)
    json.loads(finite, object_pairs_hook=lambda pairs: found.append(len({key for key, _ in pairs}) < len(pairs)))
    return any(found)


def nonfinite(text: str) -> bool:
    return any(match[0][0] != '"' for match in NUMBER.finditer(text))


@settings(max_examples=100)
@given(st.lists(KEYED, min_size=1, max_size=20), st.integers(0, 3))
def test_no_repeated_key_and_no_number_that_is_not_finite_goes_unseen(texts: list[str], skipped: int) -> None:
    texts = [f'{{"x":{text}}}' for text in texts]
    array = pa.chunked_array([pa.array(["x" * 5] * skipped + texts).slice(skipped)])
    for text, told in zip(texts, suspect(array).to_pylist(), strict=True):
        assert told or not (repeated(text) or nonfinite(text)), text
        assert told or not re.search(NONFINITE, text), text


def test_an_object_whose_keys_differ_and_whose_numbers_are_finite_is_not_told() -> None:
    texts = [
        "{}",
        "",
        '{"a":1,"b":2,"c":{"d":[1,2]}}',
        '{"longer_name":1,"the_longer_name":2}',
        '{"a":"a","b":"a"}',
        '{"a":null,"i":[-1,"n",null,true],"nan":"inf","n":-0.5}',
        '{"a":1,"a":1}',
        '{"a":[1,-inf]}',
    ]
    assert suspect(pa.chunked_array([texts])).to_pylist() == [False] * 6 + [True] * 2
    assert suspect(pa.chunked_array([pa.array([""])])).to_pylist() == [False]


EDGES = (
    FOUND[0].replace('"type":null', '"type":"é\u2028"'),
    FOUND[0].replace('"id":"a"', '"id":"\\","'),
    FOUND[0].replace('{"k":1}', '{"k":"\\",\\"meta\\":{}}"}'),
    FOUND[1].replace('{"x":true}', '{"x":",\\"meta\\":{","meta":{"x":{}}}'),
    *(FOUND[1].replace("VPG4Y4", ident) for ident in ("VPG4Y", "VPG4Y44", 'VPG4"4', "VPG4\\4", "VPG4é4")),
    *(FOUND[0].replace("NJWA2QYJA", ident) for ident in ("NJWA2QYJ", "NJWA2QYJAA", "")),
)
"""Lines near those of the SDKs: text that is not ASCII or looks like a key, ids of another length."""


@pytest.mark.parametrize("level", sorted(LEVELS))
def test_lines_near_those_of_the_sdks_have_one_outcome_on_both_paths(store: Store, level: str) -> None:
    check(store, list(EDGES), level)


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
        io.load(store, [line, json.dumps(json.loads(line)).replace("VPG4Y3", "VPG4Y4")])
        texts = store.execute("SELECT text IS NULL, raw FROM signals ORDER BY line")
    assert texts == [(True, line), (False, json.dumps(json.loads(line)).replace("VPG4Y3", "VPG4Y4"))]

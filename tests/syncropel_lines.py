"""Texts of records, ordinary and not, as strategies and lists."""

import json
from pathlib import Path
from typing import Any

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kit.syncropel import HASHED_FIELDS, server_id

DATA = Path(__file__).parent / "syncropel" / "data"
SAMPLE = DATA / "syncropel-small.jsonl"
VECTORS: dict[str, Any] = json.loads((DATA / "syncropel-vectors.json").read_text("utf-8"))

NUMBERS = [
    "0", "-0", "0.0", "-0.0", "1", "1.0", "1e0", "10e-1", "0.10", "1E5", "1e5", "1e-4", "1e-5", "0.00001", "-1e-7", "9.99e-5",
    "1e-10", "5e-324", "1e-400", "1e15", "1e16", "1e21", "1e22", "1.2345678901234568e20", "9007199254740993.0", "1e300",
    "1.7976931348623157e308", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "9223372036854775807",
    "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551615", "18446744073709551616",
    "123456789012345678901234567890", "1" + "0" * 400, "1" + "0" * 4400, "0." + "1" * 400, "123456789.123456789",
    "0.30000000000000004", "01", "1.", ".5", "+1", "1e", "--1", "0x1", "1_000", "4.35", "2.675", "1e23", "9.5e-323",
]  # fmt: skip
STRINGS = [
    '""', '"a"', '":"', '"\\":"', '"\\u0022:"', '"a\\u003a"', '"\\"\\u003A"', '"a\\/b"', '"\\ud83d\\ude00"', '"\\ud800"',
    '"\\udc00\\ud800"', '"\\u00e9"', '"é"', '"e\u0301"', '"\u2028"', '"\u0085"', '"\x7f"', '"\\u007f"', '"\\u0000\\u001f"',
    '"\\b\\f\\n\\r\\t"', '"\t"', '"\x01"', '"\U0001f600"', '"\uff5e"', '"\\x"', '"\\u12"', '"a : b"', '"\\" : "', "'a'", '"kind"',
]  # fmt: skip
SPACES = st.sampled_from(["", "", "", " ", "\t", "  ", "\r"])


def _joined(opening: str, items: list[str], closing: str) -> SearchStrategy[str]:
    return st.tuples(SPACES, SPACES).map(lambda s: opening + s[0] + f",{s[1]}".join(items) + closing)


def _member(key: str, value: str) -> SearchStrategy[str]:
    return st.tuples(SPACES, SPACES).map(lambda s: f"{key}{s[0]}:{s[1]}{value}")


KEYS = st.sampled_from([*STRINGS[:20], '"a"', '"b"', '"kind"', '"_v"', '"_refs"', '"\\u006bind"'])
SCALARS = (
    st.sampled_from([*NUMBERS, *STRINGS, "null", "true", "false"]) | st.floats().map(repr) | st.integers().map(str)
)


def _containers(inner: SearchStrategy[str]) -> SearchStrategy[str]:
    members = st.lists(st.tuples(KEYS, inner).flatmap(lambda pair: _member(*pair)), max_size=4)
    lists = st.lists(inner, max_size=4).flatmap(lambda items: _joined("[", items, "]"))
    return lists | members.flatmap(lambda items: _joined("{", items, "}"))


VALUES = st.recursive(SCALARS, _containers, max_leaves=8)
BODIES = st.lists(st.tuples(KEYS, VALUES).flatmap(lambda pair: _member(*pair)), max_size=4).flatmap(
    lambda items: _joined("{", items, "}")
)
USUAL = {
    "act": st.sampled_from(['"PUT"', '"DO"', '"\\u0050UT"', '"put"']),
    "actor": st.sampled_from(['"did:example:me"', '"é"', '"a\\":b"', '""']),
    "body": BODIES,
    "clock": st.sampled_from(
        ["0", "1", "1767225600000", "-1", "1.0", "9223372036854775808", "1e3", "true", '"5"', "null"]
    ),
    "data_type": st.sampled_from(['"SCALAR"', '"VOID"', '"X"', "null"]),
    "parents": st.sampled_from(["[]", '["a"]', '["b","a"]', '["a", "b"]', "null", '"ab"', "[1]", '["\\ud800"]']),
    "thread": st.sampled_from(['"t"', '"music.library"', '""', "null"]),
}
ADDED = {
    "object": st.just('"record"'),
    "sequence": st.sampled_from(["0", "7", "null", "1.5", "1e400", "99999999999999999999"]),
    "judged_by": st.sampled_from(["null", '"did:example:judge"', "5"]),
    "namespace": st.sampled_from(['"default"', "null", "{}", '"\\ud800"']),
    "created_at": st.sampled_from(['"2026-01-01T00:00:00Z"', "1e-9", "1", "NaN"]),
    "score": st.sampled_from(["0.5", "1", "null", '{"a":1}', "1e400"]),
    "more": st.sampled_from(['{"a":{"b":1}}', '"\\":"', "[[[]]]", "01"]),
    "record": st.sampled_from(["{}", "5", '{"act":"PUT"}']),
}


@st.composite
def record_texts(draw: st.DrawFn) -> str:
    """The text of a record: mostly ordinary, its id mostly right, keys in any order, some missing, odd or repeated."""
    members = {name: draw(value) for name, value in USUAL.items()}
    for name in draw(st.sets(st.sampled_from(list(USUAL)), max_size=1)):
        members[name] = draw(SCALARS)
    for name in draw(st.sets(st.sampled_from(list(USUAL)), max_size=1)):
        if draw(st.integers(0, 3)) == 0:
            del members[name]
    added = {name: draw(ADDED[name]) for name in draw(st.sets(st.sampled_from(list(ADDED)), max_size=2))}
    texts = [(f'"{name}"', value) for name, value in (members | added).items()]
    if draw(st.integers(0, 7)) == 0:
        texts.append(draw(st.sampled_from(texts)))
    right = _right_id("{" + ",".join(f"{key}:{value}" for key, value in texts) + "}")
    texts.insert(
        draw(st.integers(0, len(texts))), ('"id"', draw(st.sampled_from([right, right, right, '"x"', "null", "5"])))
    )
    items = [draw(_member(*pair)) for pair in draw(st.permutations(texts))]
    text = draw(_joined("{", items, "}"))
    wrapper = draw(
        st.sampled_from(
            ["{}", "{}", "{}", '{{"id":{id},"record":{}}}', '{{"category":"system","thread":"t","record":{}}}']
        )
    )
    return wrapper.format(text, id=right) if wrapper != "{}" else text


def _right_id(text: str) -> str:
    try:
        record = json.loads(text)
        return json.dumps(server_id({key: record[key] for key in HASHED_FIELDS if key in record}))
    except (ValueError, RecursionError):
        return '"f"'


@st.composite
def mutated(draw: st.DrawFn, texts: SearchStrategy[str]) -> str:
    """A text with one character put in, taken out, changed or doubled."""
    text = draw(texts)
    at = draw(st.integers(0, max(len(text) - 1, 0)))
    new = draw(st.sampled_from(list('{}[],:"\\ \t0159.-+eEutfnN\x00\x7fé\u2028')))
    kept = draw(st.integers(0, 2))
    return text[:at] + ("" if kept == 2 else new) + text[at + (kept > 0) :]

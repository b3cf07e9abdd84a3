"""JSON arrays: each element is a line with its own text."""

import hashlib
import io
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.io.array import ArrayReader


def read(data: bytes, **options: Any) -> tuple[ArrayReader, list[tuple[int, int, str]]]:
    reader = ArrayReader(io.BytesIO(data), **options)
    rows: list[tuple[int, int, str]] = []
    for batch in reader.batches():
        rows.extend(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    assert reader.digest.digest() == hashlib.sha256(data).digest()
    assert reader.position == len(data)
    assert len(rows) + len(reader.rejected) == reader.line
    for _, offset, text in rows:
        assert data[offset : offset + len(text.encode())] == text.encode()
    for bad in reader.rejected:
        assert data[bad.byte_offset :].startswith(bad.raw)
    return reader, rows


def rejected(reader: ArrayReader) -> list[tuple[int, str, bytes]]:
    return [(bad.line, bad.reason, bad.raw) for bad in reader.rejected]


def test_elements_are_lines_with_their_own_text() -> None:
    _, rows = read(b'[{"a": 1.50},\n  {"b":2} , 3, "x", null,\ttrue,[1]]\n')
    assert [text for _, _, text in rows] == ['{"a": 1.50}', '{"b":2}', "3", '"x"', "null", "true", "[1]"]
    assert [number for number, _, _ in rows] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.parametrize("data", [b"[]", b" [ ] ", b"\xef\xbb\xbf[]\n"])
def test_an_empty_array_has_no_lines(data: bytes) -> None:
    reader, rows = read(data)
    assert (rows, reader.rejected, reader.incomplete) == ([], [], None)
    assert reader.bom == data.startswith(b"\xef")


def test_an_array_that_is_cut_keeps_its_elements_and_the_rest_is_one_entry() -> None:
    reader, rows = read(b'[{"a":1},{"b":2},{"c":')
    assert [text for _, _, text in rows] == ['{"a":1}', '{"b":2}']
    assert rejected(reader) == [(3, "bad_json", b'{"c":')]
    assert reader.incomplete == "the array is cut before its end"


@pytest.mark.parametrize("data", [b"[", b'[{"a":1}', b'[{"a":1},', b'[{"a":1}, \n'])
def test_an_array_without_its_bracket_is_incomplete(data: bytes) -> None:
    assert read(data)[0].incomplete == "the array is cut before its end"


def test_a_trailing_comma_is_one_entry() -> None:
    reader, rows = read(b'[{"a":1},\n]')
    assert len(rows) == 1
    assert rejected(reader) == [(2, "bad_json", b",")]


def test_what_follows_the_array_is_one_entry() -> None:
    reader, rows = read(b'[{"a":1}] {"b":2}\n[3]')
    assert len(rows) == 1
    assert rejected(reader) == [(2, "trailing_data", b'{"b":2}\n[3]')]


def test_an_element_that_is_broken_but_closes_is_passed_on_for_others_to_judge() -> None:
    reader, rows = read(b"""[{"a":1,}, {'b':2}, {"c":"tab\tin"}, {"d":4}]""")
    assert [text for _, _, text in rows] == ['{"a":1,}', "{'b':2}", '{"c":"tab\tin"}', '{"d":4}']
    assert reader.rejected == []


@pytest.mark.parametrize("rest", [b"nope, 2]", b'{"b":2', b'"open', b'{"a":1} {"b":2}]'])
def test_where_the_array_breaks_the_rest_is_one_entry(rest: bytes) -> None:
    reader, rows = read(b'[{"a":1},' + rest)
    assert rows[0] == (1, 1, '{"a":1}')
    assert reader.rejected[-1].reason == "bad_json"


def test_bad_utf8_rejects_its_element_alone() -> None:
    reader, rows = read(b'[{"a":1},{"b":"\xff"},{"c":3}]')
    assert [number for number, _, _ in rows] == [1, 3]
    assert rejected(reader) == [(2, "bad_utf8", b'{"b":"\xff"}')]


def test_an_element_that_is_too_long_is_rejected() -> None:
    reader, rows = read(b'["%s","b"]' % (b"x" * 50), max_element_bytes=20)
    assert [text for _, _, text in rows] == ['"b"']
    assert rejected(reader) == [(1, "too_long", b'"' + b"x" * 19)]


def test_nesting_without_end_is_no_crash() -> None:
    deep = b"[" * 50_000 + b"]" * 50_000
    _, rows = read(b'[{"a":1},' + deep + b',{"b":2}]')
    assert [number for number, _, _ in rows] == [1, 2, 3]
    assert read(b"[" * 50_000)[0].incomplete


@settings(max_examples=40)
@given(
    st.lists(
        st.recursive(
            st.none() | st.integers() | st.text(), lambda items: st.lists(items) | st.dictionaries(st.text(), items)
        )
    ),
    st.sampled_from([None, 1]),
    st.integers(1, 40),
)
def test_any_array_reads_as_its_elements_whatever_is_read_at_once(
    items: list[Any], indent: int | None, size: int
) -> None:
    data = json.dumps(items, indent=indent, ensure_ascii=False).encode()
    _, rows = read(data, read_bytes=size)
    assert [json.loads(text) for _, _, text in rows] == items


@given(st.binary(max_size=60), st.integers(1, 20))
def test_any_bytes_are_accounted_for(data: bytes, size: int) -> None:
    read(b"[" + data, read_bytes=size)

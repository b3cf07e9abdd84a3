"""Pages of a server become entries: each record its own text at its own place."""

import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.io.lines import LineReader
from kit.io.pages import PageReader
from kit.io.sniff import Kind, kind

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def read(data: bytes, *, whole: bool = False) -> tuple[PageReader, list[tuple[int, int, str]]]:
    reader = PageReader(io.BytesIO(data), whole=whole)
    rows = [
        row for batch in reader.batches() for row in zip(*(column.to_pylist() for column in batch.columns), strict=True)
    ]
    return reader, rows


@given(st.lists(VALUES, max_size=5), st.sampled_from(["data", "records"]), st.sampled_from([None, 2]), st.booleans())
def test_each_record_of_a_page_is_an_entry_with_its_own_bytes(
    records: list[object], name: str, indent: int | None, last: bool
) -> None:
    page = {"object": "list", name: records} if last else {name: records, "has_more": False}
    data = json.dumps(page, ensure_ascii=False, indent=indent).encode("utf-8", "replace")
    reader, rows = read(data, whole=indent is not None)
    assert [json.loads(text) for _, _, text in rows] == json.loads(data)[name]
    assert [line for line, _, _ in rows] == list(range(1, len(records) + 1))
    for _, offset, text in rows:
        assert data[offset : offset + len(text.encode())] == text.encode()
    assert (reader.line, reader.position, reader.rejected) == (len(records), len(data), [])


def test_pages_on_lines_are_numbered_through_and_other_lines_pass() -> None:
    pages = [b'{"data":[{"n":1},{"n":2}],"next_cursor":"x"}', b"", b"# note", b'{"records":[]}', b'{"n":3}', b"\xff"]
    reader, rows = read(b"\n".join(pages))
    assert [(line, text) for line, _, text in rows] == [(1, '{"n":1}'), (2, '{"n":2}'), (3, '{"n":3}')]
    assert (reader.line, reader.skipped) == (6, 2)
    assert [(entry.line, entry.reason) for entry in reader.rejected] == [(6, "bad_utf8")]


@pytest.mark.parametrize("broken", ['{"data":[{"a":1},{"a":', '{"data":[1 2]}', '{"data":[1]} x', '{"data":[1],}'])
def test_a_broken_page_is_one_entry_with_all_its_bytes(broken: str) -> None:
    _, rows = read(broken.encode())
    assert rows == [(1, 0, broken)]


def test_a_document_that_is_no_json_is_read_by_lines() -> None:
    data = b'{\n"a": 1,\n}\n'
    reader, rows = read(data, whole=True)
    assert [text for _, _, text in rows] == ["{", '"a": 1,', "}"]
    lines = LineReader(io.BytesIO(data))
    assert list(lines.batches()) and (reader.sha256(), reader.position) == (lines.sha256(), lines.position)


def test_a_document_may_begin_with_a_mark_and_spaces() -> None:
    data = b'\xef\xbb\xbf \n{\n "act": "PUT"\n}\n'
    reader, rows = read(data, whole=True)
    assert rows == [(1, 5, '{\n "act": "PUT"\n}')]
    assert reader.bom


@pytest.mark.parametrize(
    ("head", "wanted"),
    [
        (b'{"object":"list","data":[{"act":"PUT"}]}\n{"object":"list","data":[]}', Kind("pages", "records")),
        (b'{"next_cursor":"a","records":[{"id":"x","record":{', Kind("document", "records")),
        (b'{\n  "object": "list",\n  "data": [\n', Kind("document", "records")),
        (b'{"act":"PUT","actor":"did:a","body":{}}\n', Kind("lines", "records")),
        (b'{"id":"a","record":{"act":"PUT","actor":"did:a"}}\n', Kind("lines", "records")),
        (b'{"category":"system","thread":"t","record":{"act":"PUT","actor":"d"}}\n', Kind("lines", "records")),
        (
            b'# since 65m\n{"category":"system","thread":"t","record":{"act":"PUT","actor":"d"}}\n',
            Kind("lines", "records"),
        ),
        (b'{\n "act": "PUT",\n "actor": "d"\n}', Kind("document", "records")),
        (b'[{"act":"PUT","actor":"d"}]', Kind("array", "records")),
    ],
)
def test_the_first_bytes_tell_records_and_their_pages(head: bytes, wanted: Kind) -> None:
    assert kind(head) == wanted

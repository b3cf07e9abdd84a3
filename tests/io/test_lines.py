"""`LineReader`: every byte of a stream is in a numbered line, a rejected one or a skipped one."""

import hashlib
import io
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.io.lines import LineReader, _is_utf8
from kit.io.streams import BrokenStreamError


def read(data: bytes, **options: Any) -> tuple[LineReader, list[tuple[int, int, str]]]:
    reader = LineReader(io.BytesIO(data), **options)
    rows: list[tuple[int, int, str]] = []
    for batch in reader.batches():
        assert batch.num_rows
        batch.validate(full=True)
        rows.extend(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    return reader, rows


def test_lines_have_numbers_from_1_and_offsets_from_0() -> None:
    reader, rows = read(b"a\nbb\nthirteen bytes\n")
    assert rows == [(1, 0, "a"), (2, 2, "bb"), (3, 5, "thirteen bytes")]
    assert (reader.line, reader.position, reader.tail, reader.skipped) == (3, 20, None, 0)


def test_a_last_line_without_newline_counts_and_is_the_tail() -> None:
    reader, rows = read(b"a\nbc")
    assert rows == [(1, 0, "a"), (2, 2, "bc")]
    assert reader.tail == 2


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\r", "\x1c"])
def test_only_a_newline_ends_a_line(separator: str) -> None:
    text = f"a{separator}b"
    assert read(f"{text}\nc\n".encode())[1] == [(1, 0, text), (2, len(text.encode()) + 1, "c")]


def test_blank_lines_and_comments_are_skipped_and_counted() -> None:
    reader, rows = read(b"\n  \n\t\r\n# note\n   # note\na\n\x0b\n#")
    assert rows == [(6, 24, "a")]
    assert (reader.skipped, reader.line) == (7, 8)


def test_a_comment_that_is_not_utf8_is_skipped_once() -> None:
    reader, _ = read(b"# caf\xe9\n\xff\n")
    assert (reader.skipped, [bad.line for bad in reader.rejected]) == (1, [2])


def test_a_byte_order_mark_is_stripped_at_the_start_only() -> None:
    reader, rows = read(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n")
    assert rows == [(1, 3, "a"), (2, 5, "\ufeffb")]
    assert reader.bom and reader.position == 10
    assert reader.digest.hexdigest() == hashlib.sha256(b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n").hexdigest()


@pytest.mark.parametrize("data", [b"\xef\xbb\xbf", b"", b"\xef\xbb", b"\xef"])
def test_a_stream_may_hold_a_mark_part_of_one_or_nothing(data: bytes) -> None:
    reader, rows = read(data, block_bytes=1)
    assert rows == [] and reader.position == len(data)
    assert reader.line == len(reader.rejected) == (1 if data in (b"\xef\xbb", b"\xef") else 0)


@pytest.mark.parametrize("bad", [b"\xff", b"\xe6\x9d", b"\xed\xa0\x80", b"\xc0\xaf", b"\xf4\x90\x80\x80", b"\x80"])
@pytest.mark.parametrize("where", [b"%b", b"abc%b", b"%babc", b"0123456789abcdef%b"])
def test_bad_utf8_rejects_its_line_alone(bad: bytes, where: bytes) -> None:
    line = where % bad
    reader, rows = read(b"first\n" + line + b"\nlast\n")
    assert [row[0] for row in rows] == [1, 3]
    rejected = reader.rejected[0]
    assert (rejected.line, rejected.byte_offset, rejected.reason, rejected.raw) == (2, 6, "bad_utf8", line)
    assert f"at {line.index(bad)} of the line" in rejected.detail


@given(st.binary(max_size=60))
def test_arrow_and_python_agree_on_what_is_utf8(data: bytes) -> None:
    try:
        data.decode()
    except UnicodeDecodeError:
        assert not _is_utf8(data)
    else:
        assert _is_utf8(data)


def test_a_line_that_is_too_long_keeps_its_beginning() -> None:
    reader, rows = read(b"a\n" + b"x" * 30 + b"\nb\n" + b"y" * 11, max_line_bytes=10, block_bytes=4)
    assert rows == [(1, 0, "a"), (3, 33, "b")]
    assert [(bad.line, bad.byte_offset, bad.reason, bad.raw) for bad in reader.rejected] == [
        (2, 2, "too_long", b"x" * 10),
        (4, 35, "too_long", b"y" * 10),
    ]
    assert (reader.line, reader.position, reader.tail) == (4, 46, 35)


def test_a_line_of_exactly_the_limit_is_a_line() -> None:
    assert read(b"x" * 10 + b"\n", max_line_bytes=10)[1] == [(1, 0, "x" * 10)]


PIECES = st.sampled_from(
    [
        b"",
        b"a",
        b"# c",
        b"  ",
        b"\r",
        b"x" * 11,
        b"x" * 12,
        b"x" * 13,
        b"x" * 40,
        b" " * 40,
        b"#" * 40,
        "é☃".encode(),
        b"\xff",
        b"\xff" * 40,
        b"\xe6\x9d",
        b"\xef\xbb\xbf",
        "a\u2028b".encode(),
        b'{"a":1}',
    ]
)


@given(st.lists(PIECES, max_size=12), st.booleans(), st.integers(1, 70))
def test_the_size_of_a_block_makes_no_difference(pieces: list[bytes], ended: bool, block: int) -> None:
    data = b"\n".join(pieces) + (b"\n" if ended and pieces else b"")
    one, rows = read(data, max_line_bytes=30)
    other, same = read(data, max_line_bytes=30, block_bytes=block)
    assert rows == same
    assert sorted(one.rejected, key=lambda bad: bad.line) == sorted(other.rejected, key=lambda bad: bad.line)
    for name in ("line", "position", "skipped", "bom", "tail"):
        assert getattr(one, name) == getattr(other, name), name
    assert one.position == len(data)
    assert one.digest.digest() == other.digest.digest() == hashlib.sha256(data).digest()
    assert len(rows) + len(one.rejected) + one.skipped == one.line
    assert one.line == data.removeprefix(b"\xef\xbb\xbf").count(b"\n") + bool(
        data.removeprefix(b"\xef\xbb\xbf") and not data.endswith(b"\n")
    )
    for number, offset, text in rows:
        assert data[offset : offset + len(text.encode())] == text.encode(), number


def test_numbers_offsets_and_digest_go_on_where_a_stream_is_continued() -> None:
    reader, rows = read(b"c\nd\n", line=2, position=4, digest=hashlib.sha256(b"a\nb\n"))
    assert rows == [(3, 4, "c"), (4, 6, "d")]
    assert reader.digest.hexdigest() == hashlib.sha256(b"a\nb\nc\nd\n").hexdigest()


def test_a_stream_that_breaks_is_incomplete_and_what_came_before_stands() -> None:
    class Breaking:
        data: ClassVar = [b"a\nb\nc"]

        def read(self, size: int) -> bytes:
            if self.data:
                return self.data.pop()
            raise BrokenStreamError("the gzip stream is cut before its end")

    reader = LineReader(Breaking())
    assert [text for batch in reader.batches() for text in batch["text"].to_pylist()] == ["a", "b", "c"]
    assert (reader.incomplete, reader.tail) == ("the gzip stream is cut before its end", 4)

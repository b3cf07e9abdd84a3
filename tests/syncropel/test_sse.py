"""Frames of server-sent events out of bytes, however they are cut."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import SourceError
from kit.syncropel.sse import Frame, FrameReader

FRAMES = [
    Frame("record.created", '{"a":1}', "7"),
    Frame("", "first\nsecond\n", None),
    Frame("heartbeat", "{}", None),
    Frame("x", " é\u2028 \u0085", "8"),
]
TEXT = (
    ': comment\nid: 7\nevent: record.created\ndata: {"a":1}\n\n'
    "data: first\r\ndata:second\r\ndata\r\n\r\nretry: 5\n\nid: only\n\n\n"
    "event: heartbeat\ndata:{}\n\n"
    "id:8\nevent:x\ndata:  é\u2028 \u0085\n\ndata: unfinished\n"
)


@settings(max_examples=60)
@given(cuts=st.lists(st.integers(0, len(TEXT.encode())), max_size=12))
def test_frames_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    data, reader = TEXT.encode(), FrameReader()
    places = [0, *sorted(cuts), len(data)]
    found = [frame for a, b in pairwise(places) for frame in reader.feed(data[a:b])]
    assert found == FRAMES


def test_a_frame_may_begin_with_a_mark_of_byte_order_and_an_id_has_no_nul() -> None:
    assert FrameReader().feed(b"\xef\xbb\xbfdata: a\n\n") == [Frame("", "a", None)]
    assert FrameReader().feed(b"id: a\0b\ndata: a\n\n") == [Frame("", "a", None)]


@pytest.mark.parametrize("chunks", [[b"data: " + b"x" * 200], [b"x" * 10] * 20, [b"\n"] * 200 + [b"data: a\n"] * 200])
def test_a_frame_has_a_length_it_cannot_pass(chunks: list[bytes]) -> None:
    reader = FrameReader(max_bytes=100)
    with pytest.raises(SourceError, match="longer than 100 bytes"):
        for chunk in chunks:
            reader.feed(chunk)


def test_many_frames_and_empty_lines_are_no_long_frame() -> None:
    reader = FrameReader(max_bytes=100)
    assert sum(len(reader.feed(b"data: a\n\n\n\n: x\n\n")) for _ in range(100)) == 100


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(SourceError, match="no UTF-8"):
        FrameReader().feed(b"data: \xff\n\n")

"""Answers of a server that hold many records each, entry by entry, with the interface of `LineReader`.

A page is a JSON object with its records in an array: a list answer (`{"object":"list","data":[...]}`) or a page of
the changes feed (`{"records":[...],"next_cursor":...}`). A file may hold one page, over as many lines as it likes, or
one page a line.
"""

import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from kit.io.array import batched
from kit.io.lines import MAX_LINE_BYTES, LineReader, Rejected
from kit.io.streams import BrokenStreamError
from kit.jsontext import after_space, array_begin, elements
from kit.typing import Reader

NAMES = ("data", "records")
"""Members of a page that hold its records."""
READ_BYTES = 1 << 20


@dataclass
class PageReader:
    """Reads pages once; each record is a line, numbered from 1 over all pages, with its own text and offset.

    What is no page is passed on as it is, a page that is broken too: it is one entry then. With `whole` the stream is
    one document; where that is no JSON at all it is read by lines. Documents are held in memory as a whole.
    """

    stream: Reader
    whole: bool = False
    note: str | None = None
    _lines: LineReader = field(init=False)
    _count: int = 0
    _rejected: list[Rejected] = field(default_factory=list)
    _skipped: int = 0
    _by_lines: bool = False

    def __post_init__(self) -> None:
        self._lines = LineReader(self.stream)

    @property
    def line(self) -> int:
        """Entries so far, rejected and skipped lines among them."""
        return self._lines.line if self._by_lines else self._count

    @property
    def skipped(self) -> int:
        """Blank and comment lines."""
        return self._lines.skipped

    @property
    def rejected(self) -> list[Rejected]:
        """Entries that cannot be text."""
        return self._lines.rejected if self._by_lines else self._rejected

    @property
    def position(self) -> int:
        """Bytes read."""
        return self._lines.position

    @property
    def bom(self) -> bool:
        """Whether the stream began with a byte-order mark."""
        return self._lines.bom

    @property
    def tail(self) -> int | None:
        """Offset of a last line without a newline."""
        return self._lines.tail

    @property
    def incomplete(self) -> str | None:
        """Why the stream broke off."""
        return self._lines.incomplete

    def sha256(self) -> str:
        """Return the hash of the bytes read so far, in hex."""
        return self._lines.sha256()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the entries in order; a batch is never empty."""
        document = self._document() if self.whole else None
        if self.whole and document is None:
            self._by_lines = True
            yield from self._lines.batches()
        else:
            yield from batched(self._entries(self._pages() if document is None else iter([document])))

    def _entries(self, pages: Iterator[tuple[int, str]]) -> Iterator[tuple[int, int, str]]:
        """Yield the records of all pages with their numbers and offsets."""
        for offset, text in pages:
            begin = array_begin(text, NAMES)
            found = None if begin is None else elements(text, begin)
            measured, at = 0, offset
            for start, end in [(0, len(text))] if found is None else found:
                at += len(text[measured:start].encode())
                measured = start
                self._count += 1
                yield self._count, at, text[start:end]

    def _pages(self) -> Iterator[tuple[int, str]]:
        for batch in self._lines.batches():
            yield from zip(batch["byte_offset"].to_pylist(), batch["text"].to_pylist(), strict=True)
            self._pass_on()
        self._pass_on()

    def _document(self) -> tuple[int, str] | None:
        """Return the whole stream where it is one JSON value; otherwise make it ready to be read by lines."""
        pieces, broken = [], None
        try:
            while data := self.stream.read(READ_BYTES):
                pieces.append(data)
        except BrokenStreamError as error:
            broken = error
        whole = b"".join(pieces)
        self._lines = LineReader(_Broken(io.BytesIO(whole), broken))
        if broken is not None or len(whole) > MAX_LINE_BYTES:
            return None
        try:
            text = whole.decode("utf-8-sig")
            json.loads(text)
        except (ValueError, RecursionError):
            return None
        self._lines.digest.update(whole)
        self._lines.position = len(whole)
        self._lines.bom = len(text.encode()) < len(whole)
        begin = after_space(text, 0)
        return len(text[:begin]) + (len(whole) - len(text.encode())), text[begin:].rstrip(" \t\r\n")

    def _pass_on(self) -> None:
        """Number what the lines could not be read of, and what they skipped."""
        for rejected in self._lines.rejected[len(self._rejected) :]:
            self._count += 1
            place = (self._count, rejected.byte_offset)
            self._rejected.append(Rejected(*place, rejected.reason, rejected.detail, rejected.raw))
        self._count += self._lines.skipped - self._skipped
        self._skipped = self._lines.skipped


class _Broken:
    """Bytes in memory that end as their stream did: with its error, if it broke."""

    def __init__(self, data: io.BytesIO, error: BrokenStreamError | None) -> None:
        self._data = data
        self._error = error

    def read(self, size: int) -> bytes:
        data = self._data.read(size)
        if not data and self._error is not None:
            raise self._error
        return data

"""Elements of a JSON array as numbered Arrow batches, with the interface of `LineReader`."""

import codecs
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

import pyarrow as pa

from kit.io.lines import MAX_LINE_BYTES, Rejected
from kit.io.streams import BrokenStreamError
from kit.typing import Reader

SCHEMA = pa.schema([("line", pa.int64()), ("byte_offset", pa.int64()), ("text", pa.string())])
READ_BYTES = 1 << 20
BATCH_ELEMENTS = 10_000
SPACE = " \t\r\n"


@dataclass
class ArrayReader:
    """Reads a JSON array once, element by element; the n-th element is line n.

    Each element keeps its own text. Where the array breaks (cut, or not JSON), the elements before stand, and all
    that follows is one rejected entry.
    """

    stream: Reader
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    tail: int | None = None
    incomplete: str | None = None
    _text: str = ""
    _ended: bool = False

    def __post_init__(self) -> None:
        # Bytes that are not UTF-8 become lone surrogates, which tell the element they are in.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the elements in order; a batch is never empty."""
        rows: list[tuple[int, int, str]] = []
        for row in self._elements():
            rows.append(row)
            if len(rows) == BATCH_ELEMENTS:
                yield _batch(rows)
                rows = []
        if rows:
            yield _batch(rows)

    def _elements(self) -> Iterator[tuple[int, int, str]]:
        self._more()
        if self._text.startswith("\ufeff"):
            self.bom = True
            self._take(1)
        self._skip_space()
        self._take(1)
        decoder = json.JSONDecoder()
        self._skip_space()
        while not self._text.startswith("]"):
            end = self._element_end(decoder)
            if end is None:
                return
            offset, text = self.position, self._text[:end]
            self._take(end)
            self.line += 1
            if (problem := _not_utf8(text)) is None:
                yield self.line, offset, text
            else:
                self._reject(offset, "bad_utf8", problem, text)
            self._skip_space()
            if self._text.startswith(","):
                self._take(1)
                self._skip_space()
                if self._text.startswith("]"):
                    self.line += 1
                    self._reject(self.position, "bad_json", "a comma before the end of the array", ",")
            elif not self._text.startswith("]"):
                self._reject_rest("bad_json", "a comma or the end of the array was expected here")
                return
        self._take(1)
        self._skip_space()
        if self._text:
            self._reject_rest("trailing_data", "the array ended before this")

    def _element_end(self, decoder: json.JSONDecoder) -> int | None:
        """Return where the element at the start of the text ends, or None where the array breaks."""
        while True:
            try:
                _, end = decoder.raw_decode(self._text)
            except RecursionError:
                self._reject_rest("bad_json", "nested too deep to be read")
                return None
            except ValueError as error:
                problem = str(error)
            else:
                # A number at the end of what was read may go on.
                if end < len(self._text) or self._ended:
                    return end
                problem = ""
            if self._ended or len(self._text) > MAX_LINE_BYTES:
                self._reject_rest("bad_json", f"the array breaks here: {problem or 'it is cut'}")
                return None
            self._more()

    def _more(self) -> None:
        """Read until the text has grown by at least its own length, or the stream ends."""
        pieces, wanted = [self._text], max(READ_BYTES, len(self._text))
        while wanted > 0 and not self._ended:
            try:
                data = self.stream.read(READ_BYTES)
            except BrokenStreamError as error:
                self.incomplete, data = str(error), b""
            self.digest.update(data)
            self._ended = not data
            wanted -= len(data)
            pieces.append(self._decoder.decode(data, final=self._ended))
        self._text = "".join(pieces)

    def _skip_space(self) -> None:
        while True:
            stripped = self._text.lstrip(SPACE)
            self.position += len(self._text) - len(stripped)
            self._text = stripped
            if stripped or self._ended:
                return
            self._more()

    def _take(self, characters: int) -> None:
        self.position += len(self._text[:characters].encode("utf-8", "surrogateescape"))
        self._text = self._text[characters:]

    def _reject(self, offset: int, reason: str, detail: str, text: str) -> None:
        raw = text.encode("utf-8", "surrogateescape")[:MAX_LINE_BYTES]
        self.rejected.append(Rejected(self.line, offset, reason, detail, raw))

    def _reject_rest(self, reason: str, detail: str) -> None:
        """Keep all that is left as one entry (its first 64 MB; the rest of the stream is still hashed)."""
        while not self._ended and len(self._text) < MAX_LINE_BYTES:
            self._more()
        if not self._text:
            return
        self.line += 1
        self.tail = self.position
        self._reject(self.position, reason, detail, self._text)
        self._take(len(self._text))
        while not self._ended:
            self._text = ""
            self._more()
            self._take(len(self._text))


def _not_utf8(text: str) -> str | None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"bytes that are not UTF-8 at character {error.start} of the element"
    return None


def _batch(rows: list[tuple[int, int, str]]) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.array(column, kind) for column, kind in zip(zip(*rows, strict=True), SCHEMA.types, strict=True)],
        schema=SCHEMA,
    )

"""Elements of a JSON array as numbered Arrow batches, with the interface of `LineReader`."""

import codecs
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

import pyarrow as pa

from kit.io.lines import MAX_LINE_BYTES, Rejected
from kit.io.streams import BrokenStreamError
from kit.typing import Reader

SCHEMA = pa.schema([("line", pa.int64()), ("byte_offset", pa.int64()), ("text", pa.string())])
READ_BYTES = 1 << 20
BATCH_ELEMENTS = 10_000
SPACE = re.compile(r"[ \t\r\n]*")
BRACKET = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|["\[\]{}]', re.DOTALL)
"""A whole string, a bracket, or the quote that opens a string without an end."""
DECODER = json.JSONDecoder()


@dataclass
class ArrayReader:
    """Reads a JSON array once, element by element; the n-th element is line n.

    Each element keeps its own text; an object or list that is no JSON, but closes, is passed on like any other.
    Where the array breaks (cut, or not JSON), the elements before stand, and all that follows is one rejected
    entry. `incomplete` says that the stream ended before the array did.
    """

    stream: Reader
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    read_bytes: int = READ_BYTES
    max_element_bytes: int = MAX_LINE_BYTES
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    note: str | None = None
    tail: int | None = None
    incomplete: str | None = None
    _text: str = ""
    _at: int = 0
    """Where in `_text` the reading stands; `position` is the same place in bytes of the stream."""
    _ended: bool = False

    def __post_init__(self) -> None:
        # Bytes that are not UTF-8 become lone surrogates, which tell the element they are in.
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")

    def sha256(self) -> str:
        """Return the hash of the bytes read so far, in hex."""
        return self.digest.hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the elements in order; a batch is never empty."""
        return batched(self._elements())

    def _elements(self) -> Iterator[tuple[int, int, str]]:
        if self._begins_with("\ufeff"):
            self.bom = True
            self._take(1)
        self._skip_space()
        self._take(1)
        self._skip_space()
        while not self._begins_with("]"):
            end = self._element_end()
            if end is None:
                return
            offset, text = self.position, self._take(end - self._at)
            self.line += 1
            if (problem := self._problem(text)) is None:
                yield self.line, offset, text
            else:
                self._reject(offset, *problem, text)
            self._skip_space()
            if self._begins_with(","):
                offset = self.position
                self._take(1)
                self._skip_space()
                if self._begins_with("]"):
                    self.line += 1
                    self._reject(offset, "bad_json", "a comma before the end of the array", ",")
            elif not self._begins_with("]"):
                self._reject_rest("bad_json", "a comma or the end of the array was expected here")
                return
        self._take(1)
        self._skip_space()
        if self._left():
            self._reject_rest("trailing_data", "the array ended before this")

    def _element_end(self) -> int | None:
        """Return where in the text the element that begins here ends, or None where the array breaks."""
        while True:
            end: int | None
            try:
                _, end = DECODER.raw_decode(self._text, self._at)
            except (ValueError, RecursionError) as error:
                problem = str(error) if isinstance(error, ValueError) else "nested too deep to be read"
                end = _closing(self._text, self._at)
            # What ends with the text may go on in the next bytes: a number does.
            if end is not None and (end < len(self._text) or self._ended):
                return end
            if self._left() > self.max_element_bytes:
                self._reject_rest("too_long", f"an element of more than {self.max_element_bytes:,} bytes")
                return None
            if self._ended:
                self._reject_rest("bad_json", f"the array breaks here: {problem if self._left() else 'it is cut'}")
                return None
            self._more()

    def _problem(self, text: str) -> tuple[str, str] | None:
        """Return reason and detail where an element cannot be text of a row."""
        if len(text) > self.max_element_bytes:
            return "too_long", f"{len(text):,} characters; the first {self.max_element_bytes:,} are kept here"
        try:
            text.encode()
        except UnicodeEncodeError as error:
            return "bad_utf8", f"bytes that are not UTF-8 at character {error.start} of the element"
        return None

    def _begins_with(self, character: str) -> bool:
        if self._at == len(self._text) and not self._ended:
            self._more()
        return self._text.startswith(character, self._at)

    def _left(self) -> int:
        return len(self._text) - self._at

    def _more(self) -> None:
        """Read until what is left has doubled, or the stream ends."""
        pieces, wanted = [self._text[self._at :]], max(self.read_bytes, self._left())
        while wanted > 0 and not self._ended:
            try:
                data = self.stream.read(self.read_bytes)
            except BrokenStreamError as error:
                self.incomplete, data = str(error), b""
            self.digest.update(data)
            self._ended = not data
            wanted -= len(data)
            pieces.append(self._decoder.decode(data, final=self._ended))
        self._text, self._at = "".join(pieces), 0

    def _skip_space(self) -> None:
        while True:
            found = SPACE.match(self._text, self._at)
            self._take((found.end() if found else self._at) - self._at)
            if self._left() or self._ended:
                return
            self._more()

    def _take(self, characters: int) -> str:
        """Move on and return what was passed."""
        taken = self._text[self._at : self._at + characters]
        self._at += len(taken)
        self.position += len(taken) if taken.isascii() else len(taken.encode("utf-8", "surrogateescape"))
        return taken

    def _reject(self, offset: int, reason: str, detail: str, text: str) -> None:
        raw = text[: self.max_element_bytes].encode("utf-8", "surrogateescape")[: self.max_element_bytes]
        self.rejected.append(Rejected(self.line, offset, reason, detail, raw))

    def _reject_rest(self, reason: str, detail: str) -> None:
        """Keep all that is left as one entry (its first 64 MB; the rest of the stream is still hashed)."""
        while not self._ended and self._left() < self.max_element_bytes:
            self._more()
        offset, rest = self.position, self._take(self._left())
        if rest:
            self.line += 1
            self.tail = offset
            self._reject(offset, reason, detail, rest)
        while not self._ended:
            self._more()
            self._take(self._left())
        if reason != "trailing_data" and self.incomplete is None and not rest.rstrip().endswith("]"):
            self.incomplete = "the array is cut before its end"


def _closing(text: str, begin: int) -> int | None:
    """Return the end of the object or list that begins at `begin`, told by its brackets alone; None without one."""
    if text[begin : begin + 1] not in ("{", "["):
        return None
    depth = 0
    for token in BRACKET.finditer(text, begin):
        found = token[0]
        if found == '"':
            return None
        if len(found) == 1:
            depth += 1 if found in "[{" else -1
            if depth == 0:
                return token.end()
    return None


def batched(rows: Iterable[tuple[int, int, str]]) -> Iterator[pa.RecordBatch]:
    """Yield (line, byte_offset, text) rows as batches of `SCHEMA`; a batch is never empty."""
    for chunk in _chunks(rows, BATCH_ELEMENTS):
        columns = zip(*chunk, strict=True)
        yield pa.RecordBatch.from_arrays(
            [pa.array(column, kind) for column, kind in zip(columns, SCHEMA.types, strict=True)], schema=SCHEMA
        )


def _chunks(rows: Iterable[tuple[int, int, str]], size: int) -> Iterator[list[tuple[int, int, str]]]:
    """Yield the rows in lists of `size`; as itertools.batched does from Python 3.12 on."""
    iterator = iter(rows)
    while chunk := list(islice(iterator, size)):
        yield chunk

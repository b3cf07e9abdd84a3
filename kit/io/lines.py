"""Lines of a byte stream as numbered Arrow batches, with nothing left out unsaid."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.io.streams import BrokenStreamError
from kit.typing import Reader

Ints = NDArray[np.int64]
Octets = NDArray[np.uint8]
Mask = NDArray[np.bool_]

BLOCK_BYTES = 2 << 20
MAX_LINE_BYTES = 64 << 20
BOM = b"\xef\xbb\xbf"
NEWLINE = ord("\n")
INLINE_BYTES = 12
MAYBE_SKIPPED = np.isin(np.arange(256), np.frombuffer(b" \t\r\n\x0b\x0c#", np.uint8))
"""By first byte: lines to look at more closely, they may be blank or a comment."""

SCHEMA = pa.schema([("line", pa.int64()), ("byte_offset", pa.int64()), ("text", pa.string_view())])
"""A batch of lines: 1-based number, 0-based offset of the first byte in the stream, text without newline."""


@dataclass(frozen=True)
class Rejected:
    """A line that cannot be text: where it stands, why, and its bytes (the first 64 MB of them)."""

    line: int
    byte_offset: int
    reason: str
    detail: str
    raw: bytes


@dataclass
class LineReader:
    """Reads a stream once, as batches of `SCHEMA`; the counts are complete when it is exhausted.

    A line ends at ``\\n`` and nowhere else (U+2028 and lone carriage returns are content). A last line
    without a newline counts. Blank lines and lines that begin with ``#`` are `skipped`; lines longer than
    64 MB, whatever they hold, and lines that are not UTF-8 are in `rejected`. Numbers and offsets go on from `line` and `position` where a
    grown stream is continued; `digest` covers every byte read, and those it was given before.
    """

    stream: Reader
    line: int = 0
    position: int = 0
    block_bytes: int = BLOCK_BYTES
    max_line_bytes: int = MAX_LINE_BYTES
    unrepeated: bool = False
    """Whether who wrote the lines says that no key stands twice in an object of them."""
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    note: str | None = None
    tail: int | None = None
    """Offset of a last line that no newline ends, None where the stream ends with one."""
    incomplete: str | None = None
    """Why the stream broke off, None where it was read to its end."""

    def sha256(self) -> str:
        """Return the hash of the bytes read so far, in hex."""
        return self.digest.hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the lines in stream order; a batch holds whole lines and is never empty."""
        for block in self._blocks():
            batch = self._batch(block)
            if batch.num_rows:
                yield batch

    def _read(self) -> bytes:
        """Return the next bytes; a stream that breaks is remembered as incomplete and ends here."""
        try:
            data = self.stream.read(self.block_bytes)
        except BrokenStreamError as error:
            self.incomplete = str(error)
            return b""
        self.digest.update(data)
        return data

    def _blocks(self) -> Iterator[bytes]:
        """Yield runs of whole lines, each with its newline; the last may lack one."""
        held: list[bytes] = []
        size = 0
        data = self._first()
        while data:
            cut = data.rfind(b"\n") + 1
            if cut:
                yield b"".join([*held, data[:cut]])
                held, size = [], 0
            held.append(data[cut:])
            size += len(data) - cut
            if size > self.max_line_bytes:
                data = self._skim(held, size)
                held, size = [], 0
                continue
            data = self._read()
        rest = b"".join(held)
        if rest:
            self.tail = self.position
            yield rest

    def _first(self) -> bytes:
        """Return the first bytes, without a byte-order mark at the start of the stream."""
        data = self._read()
        while 0 < len(data) < len(BOM) and (more := self._read()):
            data += more
        if self.position == 0 and data.startswith(BOM):
            self.bom = True
            self.position = len(BOM)
            # A stream that holds nothing but the mark has no first block; reading on ends it.
            return data[len(BOM) :] or self._read()
        return data

    def _skim(self, held: list[bytes], size: int) -> bytes:
        """Pass over the rest of a line that is too long, keeping its beginning; return what follows it."""
        begin = b"".join(held)[: self.max_line_bytes]
        after = b""
        ended = False
        while data := self._read():
            cut = data.find(b"\n")
            if cut >= 0:
                size += cut
                after, ended = data[cut + 1 :], True
                break
            size += len(data)
        self.line += 1
        self._reject_long(self.line, self.position, size, begin)
        if not ended:
            self.tail = self.position
        self.position += size + ended
        return after or (self._read() if ended else b"")

    def _reject_long(self, line: int, offset: int, size: int, begin: bytes) -> None:
        detail = f"{size:,} bytes; the first {len(begin):,} are kept here, the rest is in the source"
        self.rejected.append(Rejected(line, offset, "too_long", detail, begin))

    def _batch(self, block: bytes) -> pa.RecordBatch:
        """Return the lines of `block` that are text, and account for the others."""
        octets = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(octets == NEWLINE)
        if len(ends) == 0 or ends[-1] != len(block) - 1:
            ends = np.append(ends, len(block))
        starts = np.empty_like(ends)
        starts[0], starts[1:] = 0, ends[:-1] + 1
        numbers = np.arange(self.line + 1, self.line + 1 + len(ends))
        offsets = starts + self.position
        self.line += len(ends)
        self.position += len(block)
        keep = self._kept(block, octets, starts, ends, numbers, offsets)
        if keep is not None:
            starts, ends, numbers, offsets = starts[keep], ends[keep], numbers[keep], offsets[keep]
        return pa.RecordBatch.from_arrays(
            [pa.array(numbers), pa.array(offsets), _texts(block, starts, ends)], schema=SCHEMA
        )

    def _kept(
        self,
        block: bytes,
        octets: Octets,
        starts: Ints,
        ends: Ints,
        numbers: Ints,
        offsets: Ints,
    ) -> Mask | None:
        """Return a mask of the lines that go on, or None where all do."""
        drop: set[int] = set()
        long = np.flatnonzero(ends - starts > self.max_line_bytes)
        for i in long.tolist():
            drop.add(i)
            begin = block[starts[i] : starts[i] + self.max_line_bytes]
            self._reject_long(int(numbers[i]), int(offsets[i]), int(ends[i] - starts[i]), begin)
        heads = octets[np.minimum(starts, len(octets) - 1)]
        for i in np.flatnonzero(MAYBE_SKIPPED[heads] | (starts == ends)).tolist():
            text = block[starts[i] : ends[i]].strip()
            if i not in drop and (not text or text.startswith(b"#")):
                self.skipped += 1
                drop.add(i)
        for i, problem in () if _is_utf8(block) else _bad_utf8(block, starts, ends):
            if i not in drop:
                drop.add(i)
                self.rejected.append(
                    Rejected(int(numbers[i]), int(offsets[i]), "bad_utf8", problem, block[starts[i] : ends[i]])
                )
        if not drop:
            return None
        mask = np.ones(len(starts), bool)
        mask[sorted(drop)] = False
        return mask


def _is_utf8(block: bytes) -> bool:
    if block.isascii():
        return True
    whole = pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), 1, [None, pa.py_buffer(np.array([0, len(block)])), pa.py_buffer(block)]
    )
    try:
        whole.view(pa.large_string()).validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def _bad_utf8(block: bytes, starts: Ints, ends: Ints) -> Iterator[tuple[int, str]]:
    """Yield the index of each line that is not UTF-8, and why; only lines that are not ASCII are looked at."""
    places = np.flatnonzero(np.frombuffer(block, np.uint8) >= 0x80)
    for i in np.unique(np.searchsorted(starts, places, side="right") - 1).tolist():
        try:
            block[starts[i] : ends[i] + 1].decode()
        except UnicodeDecodeError as error:
            yield (
                i,
                f"byte {error.object[error.start : error.start + 1]!r} at {error.start} of the line: {error.reason}",
            )


def _texts(block: bytes, starts: Ints, ends: Ints) -> pa.Array:
    """Return the lines as an Arrow string view array on the bytes of `block`: nothing long is copied.

    A view is 16 bytes: length, then either up to 12 bytes of text, or its first four bytes, the number of the
    buffer and the offset in it (Arrow columnar format, variable-size binary view layout).
    """
    octets = np.frombuffer(block, np.uint8)
    lengths = ends - starts
    views = np.zeros((len(starts), 16), np.uint8)
    words = views.view(np.int32)
    words[:, 0] = lengths
    words[:, 3] = starts
    long = lengths > INLINE_BYTES
    views[:, 4:8] = octets[np.minimum(starts[:, None] + np.arange(4), len(octets) - 1)]
    for i in np.flatnonzero(~long).tolist():
        text = block[starts[i] : ends[i]]
        views[i, 4:] = 0
        views[i, 4 : 4 + len(text)] = np.frombuffer(text, np.uint8)
    return pa.Array.from_buffers(pa.string_view(), len(starts), [None, pa.py_buffer(views), pa.py_buffer(block)])

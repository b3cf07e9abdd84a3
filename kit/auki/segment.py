"""Segment files: a header, then entries of time, length and payload, up to where the bytes end.

Reading never trusts a declared length: a payload is read only where its bytes are there, and an index of
a log of images reads 12 bytes an entry. The layout is spec/auki.md 3.3.
"""

import os
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.errors import SegmentError

Ints = NDArray[np.int64]

MAGIC = b"AKLG"
VERSION = 1
HEADER = struct.Struct("<4sHHq")
FRAMING = struct.Struct("<qI")
LENGTH = struct.Struct("<8xI")
SUFFIX = ".seg"

FIRST_BYTES = 64 << 10
BLOCK_BYTES = 4 << 20
SKIP_BYTES = 4096
"""Payloads longer than this are passed over one by one where only their heads are wanted."""
STEPS = 256
"""Entries walked one by one after a run of equal lengths that was short."""
SHORT_RUN = 16

NAME = re.compile(r"[+-]?[0-9]{1,20}\.seg")


class Entry(NamedTuple):
    """An entry: its time on the log's clock and its payload."""

    ts_ns: int
    payload: bytes


@dataclass(frozen=True)
class Block:
    """Consecutive whole entries of a segment, and the bytes that were read of them.

    `offset` is where each payload starts in the file, `start` where it starts in `data`. A payload may go on
    beyond what `data` holds only in a block of heads; then at least `head` bytes of it are there.
    """

    data: bytes
    ts_ns: Ints
    offset: Ints
    length: Ints
    start: Ints

    def __len__(self) -> int:
        return len(self.ts_ns)


@dataclass(frozen=True)
class Index:
    """Where the entries of a segment stand: a row an entry, in file order.

    `end` is the byte after the last whole entry and `size` the length of the file: what is between is a tail that
    was cut, or is being written.
    """

    ts_ns: Ints
    offset: Ints
    length: Ints
    end: int
    size: int

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def cut_bytes(self) -> int:
        """Bytes after the last whole entry."""
        return self.size - self.end


def segment_paths(folder: Path) -> list[Path]:
    """Return the segment files of a `segments` folder in order of their start.

    A file counts whose name is an integer of nanoseconds and `.seg`; others are passed over.
    """
    found = [path for path in folder.iterdir() if NAME.fullmatch(path.name) and path.is_file()]
    return sorted(found, key=lambda path: (start_ns(path), path.name))


def start_ns(path: Path) -> int:
    """Return the start of a segment, from its name: the header's copy of it does not count."""
    return int(path.name.removesuffix(SUFFIX))


def file_name(start: int) -> str:
    """Return the name of the segment that starts at `start` nanoseconds.

    >>> file_name(5_000_000_000)
    '00000000005000000000.seg'
    """
    return f"{start:020d}{SUFFIX}"


def header(start: int) -> bytes:
    """Return the 16 bytes a segment begins with.

    >>> header(5_000_000_000).hex()
    '414b4c470100000000f2052a01000000'
    """
    return HEADER.pack(MAGIC, VERSION, 0, start)


def check_header(data: bytes, path: Path | str) -> None:
    """Raise SegmentError where `data` does not begin a segment that can be read."""
    if len(data) < HEADER.size:
        raise SegmentError(f"segment {path} too short for header: {len(data)} bytes of {HEADER.size}")
    magic, version, _, _ = HEADER.unpack_from(data)
    if magic != MAGIC:
        raise SegmentError(f"segment {path} has bad magic {magic!r}: a segment begins with {MAGIC!r}")
    if version != VERSION:
        raise SegmentError(f"segment {path} has unsupported version {version}: this kit reads version {VERSION}")


def read(path: Path) -> list[Entry]:
    """Return the whole entries of a segment; a cut tail is left out. Raises SegmentError for a bad header.

    For small files and tests: every payload is held. `blocks` and `index` are for the others.
    """
    return [
        Entry(ts, block.data[start : start + length])
        for block in blocks(path)
        for ts, start, length in zip(block.ts_ns.tolist(), block.start.tolist(), block.length.tolist(), strict=True)
    ]


def index(path: Path, known: Index | None = None) -> Index:
    """Return where each entry stands; of a file that has grown since `known`, only the new part is read."""
    parts = [] if known is None else [known]
    begin = HEADER.size if known is None else known.end
    end = begin
    for block in blocks(path, begin=begin, head=0):
        parts.append(Index(block.ts_ns, block.offset, block.length, 0, 0))
        end = int(block.offset[-1] + block.length[-1])
    times, offsets, lengths = (
        _joined([getattr(part, name) for part in parts]) for name in ("ts_ns", "offset", "length")
    )
    return Index(times, offsets, lengths, end, path.stat().st_size)


def blocks(path: Path, *, begin: int = HEADER.size, head: int | None = None) -> Iterator[Block]:
    """Yield the whole entries from byte `begin` on, in order; none is empty. Raises SegmentError for a bad header.

    With `head`, only that many bytes of payloads longer than 4096 are read.
    """
    with _opened(path) as descriptor:
        check_header(os.pread(descriptor, HEADER.size, 0), path)
        size = os.fstat(descriptor).st_size
        at, chunk = begin, FIRST_BYTES
        while (block := _block(descriptor, at, size, chunk, head)) is not None:
            yield block
            at = int(block.offset[-1] + block.length[-1])
            # Grows by what was used, so that short entries between long ones cost no large reads.
            chunk = min(max(FIRST_BYTES, 4 * (at - int(block.offset[0]))), BLOCK_BYTES)


def read_payload(path: Path | str, offset: int, length: int) -> bytes:
    """Return the bytes of one payload. Raises SegmentError where the file does not hold them."""
    with _opened(Path(path)) as descriptor:
        size = os.fstat(descriptor).st_size
        if offset < 0 or length < 0 or offset + length > size:
            raise SegmentError(
                f"{path}: no {length:,} bytes at byte {offset:,}, the file has {size:,}; load the log again if it has changed"
            )
        return _exactly(descriptor, length, offset)


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _exactly(descriptor: int, length: int, at: int) -> bytes:
    """Return `length` bytes at `at`, fewer only where the file was cut while it was read."""
    data = os.pread(descriptor, length, at)
    while len(data) < length and (more := os.pread(descriptor, length - len(data), at + len(data))):
        data += more
    return data


def _block(descriptor: int, at: int, size: int, chunk: int, head: int | None) -> Block | None:
    """Return the entries that begin at `at`, or None where no whole one does."""
    framing = os.pread(descriptor, FRAMING.size, at)
    if len(framing) < FRAMING.size:
        return None
    length = FRAMING.unpack(framing)[1]
    if at + FRAMING.size + length > size:
        return None
    if head is not None and length > max(SKIP_BYTES, head):
        return _heads(descriptor, at, size, head)
    data = _exactly(descriptor, min(max(chunk, FRAMING.size + length), size - at), at)
    starts, times, lengths = _walk(data, size if head is None else max(SKIP_BYTES, head))
    return Block(data, times, starts + at, lengths, starts) if len(starts) else None


def _heads(descriptor: int, at: int, size: int, head: int) -> Block | None:
    """Return long entries by their first bytes, up to the next short one."""
    pread, framed, want = os.pread, FRAMING.size, FRAMING.size + head
    unpack = LENGTH.unpack_from if head else LENGTH.unpack
    begin, longest = at, max(SKIP_BYTES, head)
    held: list[bytes] = []
    append = held.append
    try:
        # Nothing is done here that can be done for all of them at once: a read costs less than a line of Python.
        for _ in range(BLOCK_BYTES // want):
            data = pread(descriptor, want, at)
            (length,) = unpack(data)
            if length <= longest:
                break
            append(data)
            at += framed + length
    except struct.error:
        pass  # the end of the file
    if at > size:
        held.pop()
    if not held:
        return None
    count, joined = len(held), b"".join(held)
    times = np.ndarray((count,), "<i8", joined, 0, (want,)).astype(np.int64)
    lengths = np.ndarray((count,), "<u4", joined, 8, (want,)).astype(np.int64)
    offsets = begin + framed + np.append(0, np.cumsum(lengths[:-1] + framed))
    return Block(joined, times, offsets, lengths, np.arange(count, dtype=np.int64) * want + framed)


def _walk(data: bytes, longest: int) -> tuple[Ints, Ints, Ints]:
    """Return start, time and length of the whole entries in `data`, up to the first one longer than `longest`.

    Entries of equal length stand at equal distances, so a run of them is found by comparing the length fields at
    these distances; where runs are short, some entries are walked one by one.
    """
    parts: list[tuple[Ints, Ints, Ints]] = []
    at, total = 0, len(data)
    while at + FRAMING.size <= total:
        length = FRAMING.unpack_from(data, at)[1]
        if length > longest or at + FRAMING.size + length > total:
            break
        stride = FRAMING.size + length
        fields = np.ndarray(((total - at) // stride,), "<u4", data, at + 8, (stride,))
        same = fields == length
        run = len(same) if same.all() else int(same.argmin())
        times = np.ndarray((run,), "<i8", data, at, (stride,)).astype(np.int64)
        starts = np.arange(run, dtype=np.int64) * stride + (at + FRAMING.size)
        parts.append((starts, times, np.full(run, length, np.int64)))
        at += run * stride
        if run < SHORT_RUN:
            steps, at = _steps(data, at, longest)
            parts.append(steps)
    return tuple(_joined([part[i] for part in parts]) for i in range(3))  # type: ignore[return-value]


def _steps(data: bytes, at: int, longest: int) -> tuple[tuple[Ints, Ints, Ints], int]:
    """Return up to `STEPS` entries from `at` on, and where the next one begins."""
    unpack, framed, total = FRAMING.unpack_from, FRAMING.size, len(data)
    starts: list[int] = []
    times: list[int] = []
    lengths: list[int] = []
    while at + framed <= total and len(starts) < STEPS:
        ts, length = unpack(data, at)
        begin = at + framed
        if length > longest or begin + length > total:
            break
        starts.append(begin)
        times.append(ts)
        lengths.append(length)
        at = begin + length
    return (np.array(starts, np.int64), np.array(times, np.int64), np.array(lengths, np.int64)), at


def _joined(parts: list[Ints]) -> Ints:
    return parts[0] if len(parts) == 1 else np.concatenate(parts) if parts else np.empty(0, np.int64)

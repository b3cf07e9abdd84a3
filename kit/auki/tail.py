"""`Tail`: the entries that are appended to a log, as they come (spec/auki.md 3.3)."""

from pathlib import Path
from typing import NamedTuple

from kit.auki.discovery import SEGMENTS
from kit.auki.segment import HEADER, blocks, index, segment_paths, start_ns


class Appended(NamedTuple):
    """An entry that was appended, and where its payload stands."""

    ts_ns: int
    payload: bytes
    segment: Path
    offset: int


class Tail:
    """Follows a log from its present end on, or with `from_start` from its first entry that is kept.

    Nothing is waited for: `poll` returns what is new, the caller decides when to ask again (the original does every 10 ms).
    """

    def __init__(self, folder: Path, *, from_start: bool = False) -> None:
        self._segments = folder / SEGMENTS
        self._at: Path | None = None
        self._offset = HEADER.size
        paths = segment_paths(self._segments) if self._segments.is_dir() else []
        if paths and not from_start:
            self._at = paths[-1]
            self._offset = _end(paths[-1])

    def poll(self) -> list[Appended]:
        """Return the whole entries that were appended since, in order; one that is being written comes with a later poll.

        A segment is left for the next larger start once there is one; where it was evicted, what was not read of it is lost,
        as in the original. Raises SegmentError for a segment that cannot be read.
        """
        found: list[Appended] = []
        paths = segment_paths(self._segments) if self._segments.is_dir() else []
        for path in paths:
            if self._at is not None and start_ns(path) < start_ns(self._at):
                continue
            if path != self._at:
                self._at, self._offset = path, HEADER.size
            found += self._read(path)
        return found

    def _read(self, path: Path) -> list[Appended]:
        try:
            if path.stat().st_size < HEADER.size:
                return []  # its header is being written
            found = []
            for block in blocks(path, begin=self._offset):
                for ts, offset, start, length in zip(
                    *(column.tolist() for column in (block.ts_ns, block.offset, block.start, block.length)), strict=True
                ):
                    found.append(Appended(ts, block.data[start : start + length], path, offset))
                    self._offset = offset + length
        except FileNotFoundError:
            return []  # evicted since it was listed
        return found


def _end(path: Path) -> int:
    """Return where the next entry of a segment will begin; one that is being created has nothing yet."""
    return index(path).end if path.stat().st_size >= HEADER.size else HEADER.size

"""`LogWriter`: appends entries to a log on disk, as the original does (spec/auki.md 3.3)."""

import os
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from kit.auki import manifest
from kit.auki.discovery import SEGMENTS
from kit.auki.manifest import Manifest
from kit.auki.segment import FRAMING, file_name, header, segment_paths, start_ns
from kit.errors import ManifestError, SegmentError, SegmentExistsError

MAX_PAYLOAD = (1 << 32) - 1


class LogWriter:
    """Writes one log. Close it, or use it in a `with` block.

    A folder that has a manifest is a log that is opened again: its manifest counts, not the one given. Raises
    ManifestError where there is none and none is given, or where the one that counts cannot be used.
    """

    def __init__(self, folder: Path, body: Mapping[str, Any] | None = None) -> None:
        self.folder = folder
        if manifest.find(folder) is not None:
            self.manifest: Manifest = manifest.read(folder)
        elif body is None:
            raise ManifestError(f"{folder}: no log yet, give its manifest")
        else:
            folder.mkdir(parents=True, exist_ok=True)
            self.manifest = manifest.write(folder, body)
        self._segments = folder / SEGMENTS
        self._segments.mkdir(exist_ok=True)
        self._kept = {start_ns(path): path for path in segment_paths(self._segments)}
        self._file: BinaryIO | None = None
        self._start = 0
        self._closed = False

    def append(self, ts_ns: int, payload: bytes) -> tuple[Path, int]:
        """Append an entry; return the segment and where in it the payload stands.

        Time need not go on from entry to entry, but one before the open segment begins another: raises
        SegmentExistsError where that file is there. Raises SegmentError for a negative time, and after `close`.
        """
        if self._closed:
            raise SegmentError(f"{self.folder}: the writer is closed")
        if ts_ns < 0:
            raise SegmentError(f"timestamp_ns must be ≥ 0, not {ts_ns!r}")
        if len(payload) > MAX_PAYLOAD:
            raise SegmentError(f"a payload of {len(payload):,} bytes: the format ends at {MAX_PAYLOAD:,}")
        duration = self.manifest.segment_duration_ns
        if self._file is None or not self._start <= ts_ns < self._start + duration:
            self._begin(ts_ns // duration * duration)
        assert self._file is not None  # noqa: S101  for the type checker: `_begin` opened it
        at = self._file.tell() + FRAMING.size
        self._file.write(FRAMING.pack(ts_ns, len(payload)) + payload)
        path = self._segments / file_name(self._start)
        self._evict(ts_ns)
        return path, at

    def set_retention(self, retention_ns: int) -> None:
        """Keep entries for another time, 0 for ever; it counts from the next append on."""
        self.manifest = manifest.set_retention(self.folder, retention_ns)

    def close(self) -> None:
        """Bring the open segment to the disk and close it; closing twice does nothing."""
        self._closed = True
        self._end()

    def _begin(self, start: int) -> None:
        self._end()
        path = self._segments / file_name(start)
        try:
            self._file = path.open("xb", buffering=0)
        except FileExistsError as error:
            raise SegmentExistsError(
                f"{path} is there already: a log cannot go back into a segment it has left"
            ) from error
        self._start, self._kept[start] = start, path
        self._file.write(header(start))

    def _end(self) -> None:
        if self._file is not None:
            os.fsync(self._file.fileno())
            self._file.close()
            self._file = None

    def _evict(self, ts_ns: int) -> None:
        """Delete the segments that ended before the retention, by the time of the data."""
        if self.manifest.retention_ns <= 0:
            return
        limit = ts_ns - self.manifest.retention_ns - self.manifest.segment_duration_ns
        # Segments were begun in any order, but nearly always the first is the oldest.
        for start in [start for start in self._kept if start <= limit and start != self._start]:
            self._kept.pop(start).unlink(missing_ok=True)

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

"""Recordings of robots: each segment file of a log, and each JSON file around the logs, is a source.

A segment counts entries as lines; what follows its last whole entry, and a file that is no segment, is one line more.
Payloads are not copied into the store: a row says where in its file they stand.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from kit.errors import SegmentError
from kit.io.lines import Rejected

if TYPE_CHECKING:
    from kit.auki.documents import Document
    from kit.auki.recording import Log

READ_BYTES = 1 << 20
NOTED = 3
"""Sentences about a source that are put in its note; more are counted."""


@dataclass(frozen=True)
class Part:
    """One file of a recording: a segment of a log with what stands before it, or a document."""

    path: Path
    document: "Document | None" = None
    log: "Log | None" = None
    number: int = 0
    """Which segment of its log it is."""
    seq: int = 0
    """How many entries the segments before it hold."""


def parts(folder: Path) -> list[Part]:
    """Return the files of the recording under a folder: documents, then the segments log by log. Empty without logs."""
    from kit.auki.discovery import discover  # here, so that signals load without the family
    from kit.auki.recording import scan

    if not discover(folder).logs:
        return []
    recording = scan(folder)
    found = [Part(document.path, document=document) for document in recording.documents]
    for log in recording.logs:
        seq = 0
        for number, path in enumerate(log.segments):
            found.append(Part(path, log=log, number=number, seq=seq))
            seq += _entries(path)
    return found


@dataclass
class DocumentReader:
    """A manifest, registry entry or catalog; its rows were made when the recording was scanned."""

    document: "Document"
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    tail: int | None = None
    incomplete: str | None = None
    note: str | None = None

    def tables(self, run: str, source_id: int) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the rows, and what was refused, with the name of their table."""
        self.line, self.note = self.document.lines, _note(self.document.notes)
        self.position = self.document.path.stat().st_size
        if self.document.rows:
            yield self.document.table, self.document.batch(run, source_id)
        if self.document.refused:
            yield "quarantine", self.document.quarantine(run, source_id)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return nothing: rows of several tables come from `tables`."""
        return iter(())

    def sha256(self) -> str:
        """Return the hash of the file, in hex."""
        return _hash_of(self.document.path)


@dataclass
class SegmentReader:
    """A segment of a log. Sequence numbers and clock steps go on from the segments before it, which are only indexed."""

    part: Part
    log: "Log"
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    tail: int | None = None
    incomplete: str | None = None
    note: str | None = None

    def tables(self, run: str, source_id: int) -> Iterator[tuple[str, pa.RecordBatch]]:
        """Yield the rows, and what cannot be one, with the name of their table; never raises for damage."""
        from kit.auki.load import LogReader

        reader = LogReader(self.log, run, "skip_entry", seq=self.part.seq, last_offset_ns=self._offset_before())
        yield from reader.segment(self.part.path, source_id)
        counts = reader.counts[-1]
        self.line, self.position = counts.lines, counts.bytes
        if not counts.complete:
            self.incomplete = "it ends in the middle of an entry, or is no segment"
        self.note = _note([f"{count:,} entries: {name}" for name, count in sorted(counts.warnings.items())])

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return nothing: rows of several tables come from `tables`."""
        return iter(())

    def sha256(self) -> str:
        """Return the hash of the file, in hex."""
        return _hash_of(self.part.path)

    def _offset_before(self) -> int | None:
        """Return the last clock offset of the segment before, which tells whether this one begins with a step."""
        if self.log.kind != "time_transform" or self.part.number == 0:
            return None
        from kit.auki.load import LogReader

        reader = LogReader(self.log, on_error="skip_entry")
        for _ in reader.segment(self.log.segments[self.part.number - 1], 0):
            pass
        return reader.last_offset_ns


def _entries(segment: Path) -> int:
    """Return how many entries a segment holds; a file that is no segment holds none."""
    from kit.auki.segment import index

    try:
        return len(index(segment))
    except (SegmentError, OSError):
        return 0


def _hash_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _note(sentences: list[str]) -> str | None:
    more = [f"and {len(sentences) - NOTED:,} more"] if len(sentences) > NOTED else []
    return "; ".join([*sentences[:NOTED], *more]) or None

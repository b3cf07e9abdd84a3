"""Recordings of robots: each segment file of a log, and each JSON file around the logs, is a source.

A segment counts entries as lines; what follows its last whole entry, and a file that is no segment, is one line more.
Payloads are not copied into the store: a row says where in its file they stand. A recording in an MCAP file is written to a
temporary folder while it is loaded; its sources are named `x.mcap#` and their path in the recording, and the file itself
is one more, whose lines are what it holds that is no part of the recording.
"""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
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
    uri: str = ""
    """What the source is called, where that is not its path."""
    unpacked: "Unpacked | None" = None
    """The folder that has to be there until it was read."""

    def told(self, text: str) -> str:
        """Return a sentence about a file of a temporary folder with the name of the source in its place."""
        return text if self.unpacked is None else text.replace(f"{self.unpacked.folder}/", self.unpacked.prefix)


class Unpacked:
    """A temporary folder with the recording of an MCAP file; it goes when nothing holds it any more."""

    def __init__(self, uri: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="kit-mcap-"))
        self.prefix = f"{uri}{INSIDE}"
        weakref.finalize(self, shutil.rmtree, self.folder, ignore_errors=True)


INSIDE = "#"
"""Between the name of an MCAP file and the path of a file in its recording."""
MCAP = b"\x89MCAP0\r\n"


def is_mcap(path: Path) -> bool:
    """Whether a file begins as MCAP does."""
    try:
        with path.open("rb") as file:
            return file.read(len(MCAP)) == MCAP
    except OSError:
        return False


def mcap_parts(path: Path, uri: str) -> list[Part]:
    """Return the MCAP file itself, then the files of the recording in it.

    Raises MissingExtraError without the extra `robotics`, SourceError for a file that cannot be read.
    """
    from kit.auki.documents import Document
    from kit.auki.restore import restore

    unpacked = Unpacked(uri)
    left = restore(path, unpacked.folder)
    container = Document(path, "logs", len(left))
    for line, found in enumerate(left, 1):
        container.refused.append({"line": line, **found._asdict()})
    if any(found.reason != "foreign_channel" for found in left):
        container.incomplete = "parts of it are damaged"
    inside = [
        replace(part, uri=f"{unpacked.prefix}{part.path.relative_to(unpacked.folder).as_posix()}", unpacked=unpacked)
        for part in parts(unpacked.folder)
    ]
    return [Part(path, container, uri=uri), *inside]


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

    part: Part
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
        self.line, self.incomplete = self.document.lines, self.document.incomplete
        self.note = _note([self.part.told(note) for note in self.document.notes])
        self.position = self.document.path.stat().st_size
        if self.document.rows:
            yield self.document.table, self.document.batch(run, source_id)
        if self.document.refused:
            yield "quarantine", _told(self.part, self.document.quarantine(run, source_id))

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
        for table, batch in reader.segment(self.part.path, source_id):
            yield table, _told(self.part, batch) if table == "quarantine" else batch
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


def _told(part: Part, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows of `quarantine` whose details name the source and no temporary file."""
    if part.unpacked is None:
        return batch
    details = [detail and part.told(detail) for detail in batch.column("detail").to_pylist()]
    number = batch.schema.get_field_index("detail")
    return batch.set_column(number, batch.schema.field(number), pa.array(details, batch.schema.field(number).type))


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

"""`load`: any source into a store, all or nothing, with an account of every line."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

from kit.cosmonapse.wire import LEVELS, Level
from kit.errors import ArgumentError, SourceError
from kit.io.array import ArrayReader
from kit.io.columnar import ColumnarReader
from kit.io.families import FAMILIES, EntryReader, Family
from kit.io.inputs import Input, inputs
from kit.io.lines import LineReader
from kit.io.members import MemberReader, folder_head
from kit.io.pages import PageReader
from kit.io.progress import progress_for
from kit.io.recordings import MCAP, DocumentReader, SegmentReader
from kit.io.report import Findings, LoadReport, SourceCounts, Timing, findings, source_counts
from kit.io.resume import compare, resumed
from kit.io.sniff import Kind, kind
from kit.io.sqlite import sqlite_rows
from kit.io.streams import Peekable, decompressed
from kit.store.migration import undo_all
from kit.store.store import Store
from kit.store.transaction import Known, Load
from kit.typing import Progress, Reader, Row, RunSource

DATABASE = Kind("lines", "database")
BOM_NOTE = "began with a byte-order mark"


def load(
    store: Store,
    source: Any,
    *,
    run: str = "capture",
    level: Level = "loose",
    processes: int = 1,
    progress: "bool | Progress | None" = None,
) -> LoadReport:
    """Load `source` into `run` of `store` and return the account of its lines.

    `source` is a path, a glob, a folder, a list of these, a binary or text file object, an iterable of lines,
    an Arrow table of our own schema, or the address (dsn) of a PostgreSQL server; SQLite, gzip, zstd and bzip2 are
    told by their first bytes. A file that was loaded before and has grown is continued; one that has not changed adds
    nothing. With `processes` over 1, that many others check the records of large files and take them apart, which pays
    from some 100,000 records; a script must then call `load` under `if __name__ == "__main__":`. Signals take all cores
    without. It is all or nothing: an error, an interrupt or a kill leaves the store as it was. Raises SourceError,
    StoreError or ArgumentError; a bad line raises nothing, it goes to quarantine.
    """
    if level not in LEVELS:
        raise ArgumentError(f"level={level!r}: give 'loose', 'validate' or 'strict'")
    if not isinstance(processes, int) or processes < 1:
        raise ArgumentError(f"processes={processes!r}: give 1 or more")
    shown = progress_for(progress)
    begun = time.monotonic()
    # A file that is named twice, as by overlapping patterns, is one source.
    found = list({item.path or item.dsn or id(item): item for item in inputs(source)}.values())
    with store.loading:
        row = source.run_row() if isinstance(source, RunSource) else None
        loaded, (reasons, flags, reencoded) = _loaded(store, run, found, level, processes, shown, row)
    seconds = time.monotonic() - begun
    timing = Timing(seconds, sum(source.bytes for source in loaded), sum(source.new_lines for source in loaded))
    return LoadReport(run, tuple(loaded), reasons, flags, reencoded, timing)


def _loaded(
    store: Store, run: str, found: list[Input], level: Level, processes: int, progress: Progress, row: Row | None
) -> tuple[list[SourceCounts], Findings]:
    """Load in two transactions: lines are appended in the first, and accounted for in the second.

    In one, DuckDB would write all rows of it again because some repeat an id (2.0: a transaction that deletes or updates
    what it appended gives up its row groups). Sources are marked in between; where the second does not come to its
    end, they are taken out again: here, or before the next load, or when a store that was killed is opened
    (`store.migration`). What an earlier load knows goes into the second as a whole: lines are forgotten there.
    """
    with store.transaction() as connection:
        undo_all(connection)
        load = Load(connection, run, processes)
        pending = [_appended(load, item, level, progress) for item in found]
        load.flush()
    try:
        with store.transaction() as connection:
            load = Load(connection, run, processes)
            for source in pending:
                source.settle(load, progress)
            load.recount({source_id for source in pending for source_id in source.touched})
            load.finish([account for source in pending if (account := source.account()) is not None])
            if row is not None:
                load.describe(row)
            # Read at the end: a later source can make duplicates of the rows of an earlier one.
            counts = source_counts(connection, run, {source.source_id: source.new_lines for source in pending})
            return counts, findings(connection, run, [source.source_id for source in pending])
    except BaseException:
        with store.transaction() as connection:
            undo_all(connection)
        raise


class _Metered:
    """A stream that reports what is read of it, before decompression."""

    def __init__(self, stream: Reader, uri: str, progress: Progress) -> None:
        self._stream = stream
        self._uri = uri
        self._progress = progress

    def read(self, size: int) -> bytes:
        try:
            data = self._stream.read(size)
        except OSError as error:
            raise SourceError(f"{self._uri}: cannot be read ({error.strerror or error})") from error
        self._progress.advance(len(data), 0)
        return data

    def close(self) -> None:
        if hasattr(self._stream, "close"):
            self._stream.close()


@dataclass
class _Pending:
    """A source between the two transactions of its load."""

    item: Input
    what: Kind
    level: Level
    source_id: int
    reader: EntryReader | None
    """None where nothing is new."""
    known: Known | None = None
    refused: list[dict[str, Any]] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    """Sources that lost or got rows by this one."""
    skipped: int = 0

    def append(self, load: Load) -> None:
        """Append the entries of the reader to their tables."""
        assert self.reader is not None  # noqa: S101
        self.refused += self.family.append(load, self.source_id, self.reader, self.level)

    def settle(self, load: Load, progress: Progress) -> None:
        """Put away what is no row. What an earlier load knows is appended only now, as far as it is new."""
        if self.known is not None:
            self._continue(load, self.known, progress)
        if self.reader is None:
            return
        place = {"run": load.run, "source_id": self.source_id}
        load.quarantine(self.refused)
        load.quarantine([{**place, **vars(rejected)} for rejected in self.reader.rejected])
        self.touched += self.family.settle(load.connection, load.run, self.source_id)

    def _continue(self, load: Load, known: Known, progress: Progress) -> None:
        progress.start(self.item.uri, self.item.size)
        try:
            with _opened(self.item, progress) as (stream, _):
                compared = compare(stream, known)
                if compared.verdict == "same":
                    load.note(self.source_id, compared.broken is None, _note(known.note, False, compared.broken))
                    return
                if self._replaces(compared.verdict):
                    load.forget(self.source_id)
                    self.reader = _reader(stream, self.item, self.what)
                    self.append(load)
                    return
                if compared.verdict == "grown" and self.what.container == "lines":
                    self._forget_tail(load, known)
                    self.reader = resumed(stream, known, compared)
                    self.append(load)
                    return
            self.known, self.source_id = None, load.new_source()
            with _opened(self.item, progress) as (stream, self.what):
                self.reader = _reader(stream, self.item, self.what)
                self.append(load)
        finally:
            progress.finish()

    def _replaces(self, verdict: str) -> bool:
        """Whether a file of a recording takes the place of what it was: a document always, a segment that grew."""
        return self.item.part is not None and (verdict == "grown" or self.item.part.document is not None)

    def _forget_tail(self, load: Load, known: Known) -> None:
        """Take out what became of a last line without a newline: it may have grown, and is read again."""
        self.skipped = known.skipped
        if known.tail is None:
            return
        before = load.counts([self.source_id])
        self.touched += self.family.release(load.connection, load.run, self.source_id, known.lines)
        load.forget_line(self.source_id, known.lines)
        if load.counts([self.source_id]) == before:
            # A last line that is in no table was blank.
            self.skipped -= 1

    @property
    def family(self) -> Family:
        """What turns the entries into rows."""
        return FAMILIES[self.what.family]

    @property
    def new_lines(self) -> int:
        """How many lines earlier loads of the source did not have."""
        if self.reader is None:
            return 0
        return self.reader.line - (0 if self.known is None else self.known.lines - (self.known.tail is not None))

    def account(self) -> dict[str, Any] | None:
        """Return the row of `sources` but for the counts, None where nothing is new."""
        reader, part = self.reader, self.item.part
        if reader is None:
            return None
        return {
            "source_id": self.source_id,
            "uri": self.item.uri,
            "family": self.what.family,
            "sha256": reader.sha256(),
            "bytes": reader.position,
            "lines": reader.line,
            "skipped": reader.skipped + self.skipped,
            "complete": reader.incomplete is None,
            "note": _note(self.known and self.known.note, reader.bom, reader.incomplete, reader.note),
            "tail": reader.tail,
            "log_id": None if part is None or part.log is None else part.log.log_id,
        }


def _note(earlier: str | None, bom: bool, incomplete: str | None, more: str | None = None) -> str | None:
    """Return what else is to be known of a source; of an earlier load's note, the byte-order mark stays."""
    notes = [BOM_NOTE] if bom or (earlier or "").startswith(BOM_NOTE) else []
    if incomplete:
        notes.append(f"incomplete: {incomplete}; what came before is loaded")
    if more:
        notes.append(more)
    return "; ".join(notes) or None


def _appended(load: Load, item: Input, level: Level, progress: Progress) -> _Pending:
    """Append the lines of a new source; one that an earlier load knows is left for later."""
    progress.start(item.uri, item.size)
    try:
        with _opened(item, progress) as (stream, what):
            known = load.known(item.uri, what.family) if item.lasting else None
            if known is not None:
                return _Pending(item, what, level, known.source_id, None, known)
            source = _Pending(item, what, level, load.new_source(), _reader(stream, item, what))
            source.append(load)
            return source
    finally:
        progress.finish()


@contextmanager
def _opened(item: Input, progress: Progress) -> Iterator[tuple[Peekable, Kind]]:
    """Open an input and say what it is; the rows of a database come as lines."""
    with closing(_Metered(item.open(), item.uri, progress)) as raw:
        if item.part is not None:
            # A file of a recording is read as it is, whatever its first bytes are.
            yield Peekable(raw), Kind("file", "logs" if item.part.document is None else "log_documents")
        elif item.table is not None:
            yield Peekable(raw), Kind("table", "signals")
        elif item.family is not None:
            if item.family not in FAMILIES:
                raise ArgumentError(f"{item.uri}: family {item.family!r} is none of {', '.join(FAMILIES)}")
            yield Peekable(raw), Kind("lines", item.family)
        elif item.dsn is not None:
            # Here, so that files load where asyncpg is not installed.
            from kit.io.server import server_rows

            with closing(server_rows(item.dsn)) as rows:
                yield Peekable(rows), DATABASE
        elif item.folder is not None:
            yield Peekable(raw), Kind("folder", kind(folder_head(item.folder)).family)
        else:
            stream = decompressed(raw)
            if stream.peek().startswith(MCAP):
                raise SourceError(f"{item.uri}: MCAP is loaded from a file that is not compressed: give its path")
            what = kind(stream.peek())
            if what.container == "sqlite":
                with sqlite_rows(stream, item.path, item.uri) as lines:
                    yield Peekable(lines), DATABASE
            else:
                yield stream, what


def _reader(stream: Peekable, item: Input, what: Kind) -> EntryReader:
    if item.part is not None and item.part.document is not None:
        return DocumentReader(item.part, item.part.document)
    if item.part is not None and item.part.log is not None:
        return SegmentReader(item.part, item.part.log)
    if what.container == "array":
        return ArrayReader(stream)
    if what.container in ("parquet", "arrow", "arrow_stream", "table"):
        return ColumnarReader(stream, item.table, what.container, item.uri)
    if what.container in ("pages", "document"):
        return PageReader(stream, whole=what.container == "document")
    if what.container in ("tar", "folder"):
        return MemberReader(stream, item.folder)
    return LineReader(stream, unrepeated=item.unrepeated)

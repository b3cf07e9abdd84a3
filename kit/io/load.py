"""`load`: any source into a store, all or nothing, with an account of every line."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kit import schema
from kit.cosmonapse import identity
from kit.cosmonapse.examine import Refusal
from kit.cosmonapse.journal import ROWS
from kit.cosmonapse.load import Loading
from kit.cosmonapse.wire import LEVELS, Level
from kit.errors import ArgumentError, SourceError
from kit.io.array import ArrayReader
from kit.io.columnar import ColumnarReader
from kit.io.inputs import Input, inputs
from kit.io.lines import LineReader
from kit.io.progress import progress_for
from kit.io.report import Findings, LoadReport, SourceCounts, Timing, findings, source_counts
from kit.io.resume import compare, resumed
from kit.io.sniff import Kind, kind
from kit.io.streams import Peekable, decompressed
from kit.store.migration import undo_all
from kit.store.store import Store, append_rows
from kit.store.transaction import Known, Load
from kit.typing import Progress, Reader

BOM_NOTE = "began with a byte-order mark"
AnyReader = LineReader | ArrayReader | ColumnarReader


def load(
    store: Store,
    source: Any,
    *,
    run: str = "capture",
    level: Level = "loose",
    progress: "bool | Progress | None" = None,
) -> LoadReport:
    """Load `source` into `run` of `store` and return the account of its lines.

    `source` is a path, a glob, a folder, a list of these, a binary or text file object, an iterable of lines,
    or an Arrow table of our own schema; gzip, zstd and bzip2 are told by their first bytes. A file that was
    loaded before and has grown is continued; one that has not changed adds nothing. It is all or
    nothing: an error, an interrupt or a kill leaves the store as it was. Raises SourceError, StoreError or
    ArgumentError; a bad line raises nothing, it goes to quarantine.
    """
    if level not in LEVELS:
        raise ArgumentError(f"level={level!r}: give 'loose', 'validate' or 'strict'")
    shown = progress_for(progress)
    begun = time.monotonic()
    # A file that is named twice, as by overlapping patterns, is one source.
    found = list({item.path or id(item): item for item in inputs(source)}.values())
    with store.loading:
        loaded, (reasons, flags, reencoded) = _loaded(store, run, found, level, shown)
    seconds = time.monotonic() - begun
    timing = Timing(seconds, sum(source.bytes for source in loaded), sum(source.new_lines for source in loaded))
    return LoadReport(run, tuple(loaded), reasons, flags, reencoded, timing)


def _loaded(
    store: Store, run: str, found: list[Input], level: Level, progress: Progress
) -> tuple[list[SourceCounts], Findings]:
    """Load in two transactions: lines are appended in the first, and accounted for in the second.

    In one, DuckDB would write all rows of it again because some repeat an id (2.0: a transaction that deletes or updates
    what it appended gives up its row groups). Sources are marked in between; where the second does not come to its
    end, they are taken out again: here, or before the next load, or when a store that was killed is opened
    (`store.migration`). What an earlier load knows goes into the second as a whole: lines are forgotten there.
    """
    with store.transaction() as connection:
        undo_all(connection)
        load = Load(connection, run)
        pending = [_appended(load, item, level, progress) for item in found]
    try:
        with store.transaction() as connection:
            load = Load(connection, run)
            for source in pending:
                source.settle(load, progress)
            load.recount({source_id for source in pending for source_id in source.touched})
            loaded = [source.finish(load) for source in pending]
            # Read at the end: a later source can make duplicates of the rows of an earlier one.
            counts = [source_counts(connection, run, number, new_lines=lines) for number, lines in loaded]
            return counts, findings(connection, run, [number for number, _ in loaded])
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
    reader: AnyReader | None
    """None where nothing is new."""
    known: Known | None = None
    refused: list[dict[str, Any]] = field(default_factory=list)
    touched: list[int] = field(default_factory=list)
    """Sources that lost or got rows by this one."""
    skipped: int = 0

    def append(self, load: Load) -> None:
        """Append the lines of the reader to their table."""
        assert self.reader is not None  # noqa: S101
        if self.what.family == "signals":
            loading = Loading(load.connection, load.run, self.source_id, self.level)
            loading.load(self.reader.batches())
            self.refused += loading.quarantine
        else:
            self.refused += _small_family(load, self.reader.batches(), self.what.family, self.source_id)

    def settle(self, load: Load, progress: Progress) -> None:
        """Put away what is no row. What an earlier load knows is appended only now, as far as it is new."""
        if self.known is not None:
            self._continue(load, self.known, progress)
        if self.reader is None:
            return
        place = {"run": load.run, "source_id": self.source_id}
        load.quarantine(self.refused)
        load.quarantine([{**place, **vars(rejected)} for rejected in self.reader.rejected])
        if self.what.family == "signals":
            self.touched += identity.settle(load.connection, load.run, self.source_id)

    def _continue(self, load: Load, known: Known, progress: Progress) -> None:
        progress.start(self.item.uri, self.item.size)
        try:
            with _opened(self.item, progress) as stream:
                compared = compare(stream, known)
                if compared.verdict == "same":
                    load.note(self.source_id, compared.broken is None, _note(known.note, False, compared.broken))
                    return
                if compared.verdict == "grown" and self.what.container == "lines":
                    self._forget_tail(load, known)
                    self.reader = resumed(stream, known, compared)
                    self.append(load)
                    return
            self.known, self.source_id = None, load.new_source()
            with _opened(self.item, progress) as stream:
                self.reader = _reader(stream, self.item, self.what)
                self.append(load)
        finally:
            progress.finish()

    def _forget_tail(self, load: Load, known: Known) -> None:
        """Take out what became of a last line without a newline: it may have grown, and is read again."""
        self.skipped = known.skipped
        if known.tail is None:
            return
        before = sum(load.counts(self.source_id))
        if self.what.family == "signals":
            self.touched += identity.release(load.connection, load.run, self.source_id, known.lines)
        load.forget_line(self.source_id, known.lines)
        if sum(load.counts(self.source_id)) == before:
            # A last line that is in no table was blank.
            self.skipped -= 1

    def finish(self, load: Load) -> tuple[int, int]:
        """Account for every line; return the number of the source and how many of its lines are new."""
        reader, known = self.reader, self.known
        if reader is None:
            return self.source_id, 0
        load.finish(
            {
                "source_id": self.source_id,
                "uri": self.item.uri,
                "family": self.what.family,
                "sha256": reader.digest.hexdigest(),
                "bytes": reader.position,
                "lines": reader.line,
                "skipped": reader.skipped + self.skipped,
                "complete": reader.incomplete is None,
                "note": _note(known and known.note, reader.bom, reader.incomplete),
                "tail": reader.tail,
            }
        )
        before = 0 if known is None else known.lines - (known.tail is not None)
        return self.source_id, reader.line - before


def _note(earlier: str | None, bom: bool, incomplete: str | None) -> str | None:
    """Return what else is to be known of a source; of an earlier load's note, the byte-order mark stays."""
    notes = [BOM_NOTE] if bom or (earlier or "").startswith(BOM_NOTE) else []
    if incomplete:
        notes.append(f"incomplete: {incomplete}; what came before is loaded")
    return "; ".join(notes) or None


def _appended(load: Load, item: Input, level: Level, progress: Progress) -> _Pending:
    """Append the lines of a new source; one that an earlier load knows is left for later."""
    progress.start(item.uri, item.size)
    try:
        with _opened(item, progress) as stream:
            what = Kind("table", "signals") if item.table is not None else kind(stream.peek())
            known = load.known(item.uri, what.family) if item.path is not None else None
            if known is not None:
                return _Pending(item, what, level, known.source_id, None, known)
            source = _Pending(item, what, level, load.new_source(), _reader(stream, item, what))
            source.append(load)
            return source
    finally:
        progress.finish()


@contextmanager
def _opened(item: Input, progress: Progress) -> Iterator[Peekable]:
    with closing(_Metered(item.open(), item.uri, progress)) as raw:
        yield decompressed(raw)


def _reader(stream: Peekable, item: Input, what: Kind) -> AnyReader:
    if what.container == "array":
        return ArrayReader(stream)
    if what.container in ("parquet", "arrow", "arrow_stream", "table"):
        return ColumnarReader(stream, item.table, what.container, item.uri)
    return LineReader(stream)


def _small_family(load: Load, batches: Iterator[pa.RecordBatch], family: str, source_id: int) -> list[dict[str, Any]]:
    """Load a registry snapshot or a journal, which are small, entry by entry; return what is refused."""
    table, make = ROWS[family]
    rows, refused = [], []
    for batch in batches:
        for line, offset, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            place = {"run": load.run, "source_id": source_id, "line": line}
            outcome = make(text)
            if isinstance(outcome, Refusal):
                refused.append({**place, "byte_offset": offset, **outcome._asdict(), "raw": text.encode()})
            else:
                rows.append({**place, **outcome, "raw": text})
    append_rows(load.connection, table, pa.Table.from_pylist(rows, schema=schema.arrow(table)))
    return refused

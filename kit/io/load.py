"""`load`: any source into a store, in one transaction, with an account of every line."""

import time
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from kit import schema
from kit.cosmonapse import identity
from kit.cosmonapse.examine import Refusal
from kit.cosmonapse.journal import ROWS
from kit.cosmonapse.load import Loading
from kit.cosmonapse.wire import LEVELS, Level
from kit.errors import ArgumentError
from kit.io.array import ArrayReader
from kit.io.columnar import ColumnarReader
from kit.io.inputs import Input, inputs
from kit.io.lines import LineReader
from kit.io.progress import progress_for
from kit.io.report import Findings, LoadReport, SourceCounts, Timing, findings, source_counts
from kit.io.resume import compare, resumed
from kit.io.sniff import Kind, kind
from kit.io.streams import Peekable, decompressed
from kit.store.store import Store, append_rows
from kit.store.migration import undo
from kit.store.transaction import Known, Load
from kit.typing import Progress, Reader

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
    found = inputs(source)
    loaded: list[SourceCounts] = []
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
    end, they are taken out again: here, or when a store that was killed is opened (`store.migration`).
    """
    open_files = ExitStack()
    with open_files:
        with store.transaction() as connection:
            pending = [_begun(Load(connection, run), item, level, progress, open_files) for item in found]
        try:
            with store.transaction() as connection:
                load = Load(connection, run)
                for source in pending:
                    source.settle(load)
                loaded = [source.finish(load) for source in pending]
                load.recount(source_id for source in pending for source_id in source.touched)
                return loaded, findings(connection, run, [source.source_id for source in loaded])
        except BaseException:
            with store.transaction() as connection:
                undo(connection, run, [source.source_id for source in pending if source.marked])
            raise


class _Metered:
    """A stream that reports what is read of it, before decompression."""

    def __init__(self, stream: Reader, progress: Progress) -> None:
        self._stream = stream
        self._progress = progress

    def read(self, size: int) -> bytes:
        data = self._stream.read(size)
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
    """Other sources that lost rows to this one."""
    skipped: int = 0

    @property
    def marked(self) -> bool:
        return self.known is None

    def append(self, load: Load) -> None:
        """Append the lines of the reader to their table."""
        if self.reader is None:
            return
        if self.what.family == "signals":
            loading = Loading(load.connection, load.run, self.source_id, self.level)
            loading.load(self.reader.batches())
            self.refused += loading.quarantine
        else:
            self.refused += _small_family(load, self.reader.batches(), self.what.family, self.source_id)

    def settle(self, load: Load) -> None:
        """Put away what is no row. A source that grew is appended only now, since its unfinished last line goes first."""
        if self.reader is None:
            return
        if self.known is not None:
            self.skipped = self.known.skipped
            if self.known.tail is not None and not load.forget_line(self.source_id, self.known.lines):
                # A last line that is in no table was blank.
                self.skipped -= 1
            self.append(load)
        place = {"run": load.run, "source_id": self.source_id}
        load.quarantine(self.refused)
        load.quarantine([{**place, **vars(rejected)} for rejected in self.reader.rejected])
        if self.what.family == "signals":
            touched = identity.settle(load.connection, load.run, self.source_id)
            self.touched = [source_id for source_id in touched if source_id != self.source_id]

    def finish(self, load: Load) -> SourceCounts:
        """Account for every line, and return the account."""
        reader = self.reader
        if reader is None:
            return source_counts(load.connection, load.run, self.source_id, new_lines=0)
        notes = ["began with a byte-order mark"] if reader.bom else []
        if reader.incomplete:
            notes.append(f"incomplete: {reader.incomplete}; what came before is loaded")
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
                "note": "; ".join(notes) or None,
                "tail": reader.tail,
            }
        )
        before = 0 if self.known is None else self.known.lines - (self.known.tail is not None)
        return source_counts(load.connection, load.run, self.source_id, new_lines=reader.line - before)


def _begun(load: Load, item: Input, level: Level, progress: Progress, open_files: ExitStack) -> _Pending:
    """Append the lines of a new source, or find out what an earlier one has got since."""
    progress.start(item.uri, item.size)
    try:
        stream = _opened(item, progress, open_files)
        what = Kind("table", "signals") if item.table is not None else kind(stream.peek())
        known = load.known(item.uri, what.family) if item.path is not None else None
        if known is not None:
            compared = compare(stream, known)
            if compared.verdict == "same":
                return _Pending(item, what, level, known.source_id, None, known)
            if compared.verdict == "grown" and what.container == "lines":
                return _Pending(item, what, level, known.source_id, resumed(stream, known, compared), known)
            stream = _opened(item, progress, open_files)
        source = _Pending(item, what, level, load.new_source(), _reader(stream, item, what))
        source.append(load)
        return source
    finally:
        progress.finish()


def _opened(item: Input, progress: Progress, open_files: ExitStack) -> Peekable:
    return decompressed(open_files.enter_context(closing(_Metered(item.open(), progress))))


def _reader(stream: Peekable, item: Input, what: Kind) -> AnyReader:
    if what.container == "array":
        return ArrayReader(stream)
    if what.container in ("parquet", "arrow", "table"):
        return ColumnarReader(stream, item.table, what.container, item.uri)
    return LineReader(stream)


def _small_family(
    load: Load, batches: Iterator[pa.RecordBatch], family: str, source_id: int
) -> list[dict[str, Any]]:
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

"""`load`: any source into a store, in one transaction, with an account of every line."""

import time
from collections.abc import Iterator
from contextlib import closing
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
from kit.io.report import LoadReport, SourceCounts, Timing, findings, source_counts
from kit.io.resume import compare, resumed
from kit.io.sniff import Kind, kind
from kit.io.streams import Peekable, decompressed
from kit.store.store import Store, append_rows
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
    loaded before and has grown is continued; one that has not changed adds nothing. All of it is one
    transaction: an error, an interrupt or a kill leaves the store as it was. Raises SourceError, StoreError or
    ArgumentError; a bad line raises nothing, it goes to quarantine.
    """
    if level not in LEVELS:
        raise ArgumentError(f"level={level!r}: give 'loose', 'validate' or 'strict'")
    shown = progress_for(progress)
    begun = time.monotonic()
    found = inputs(source)
    loaded: list[SourceCounts] = []
    with store.transaction() as connection:
        bookkeeping = Load(connection, run)
        for item in found:
            shown.start(item.uri, item.size)
            try:
                loaded.append(_load_one(bookkeeping, item, level, shown))
            finally:
                shown.finish()
        reasons, flags, reencoded = findings(connection, run, [source.source_id for source in loaded])
    seconds = time.monotonic() - begun
    timing = Timing(seconds, sum(source.bytes for source in loaded), sum(source.new_lines for source in loaded))
    return LoadReport(run, tuple(loaded), reasons, flags, reencoded, timing)


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


def _load_one(load: Load, item: Input, level: Level, progress: Progress) -> SourceCounts:
    with closing(_Metered(item.open(), progress)) as raw:
        stream = decompressed(raw)
        what = Kind("table", "signals") if item.table is not None else kind(stream.peek())
        known = load.known(item.uri, what.family) if item.path is not None else None
        if known is None:
            return _load_new(load, item, stream, what, level)
        compared = compare(stream, known)
        if compared.verdict == "same":
            return source_counts(load.connection, load.run, known.source_id, new_lines=0)
        if compared.verdict == "grown" and what.container == "lines":
            return _load_grown(load, item, resumed(stream, known, compared), what, level, known)
    with closing(_Metered(item.open(), progress)) as raw:
        return _load_new(load, item, decompressed(raw), what, level)


def _load_new(load: Load, item: Input, stream: Peekable, what: Kind, level: Level) -> SourceCounts:
    source_id = load.new_source()
    reader = _reader(stream, item, what)
    _rows(load, reader, what.family, source_id, level)
    return _finished(load, item, reader, what, source_id, skipped=0, before=0)


def _load_grown(load: Load, item: Input, reader: LineReader, what: Kind, level: Level, known: Known) -> SourceCounts:
    skipped, before = known.skipped, known.lines
    if known.tail is not None:
        before -= 1
        # A tail that is in no table was blank.
        skipped -= 0 if load.forget_line(known.source_id, known.lines) else 1
    _rows(load, reader, what.family, known.source_id, level)
    return _finished(load, item, reader, what, known.source_id, skipped=skipped, before=before)


def _reader(stream: Peekable, item: Input, what: Kind) -> AnyReader:
    if what.container == "array":
        return ArrayReader(stream)
    if what.container in ("parquet", "arrow", "table"):
        return ColumnarReader(stream, item.table, what.container, item.uri)
    return LineReader(stream)


def _rows(load: Load, reader: AnyReader, family: str, source_id: int, level: Level) -> None:
    """Load the lines of a reader; what it rejected and what the family refuses goes to quarantine."""
    if family == "signals":
        loading = Loading(load.connection, load.run, source_id, level)
        loading.load(reader.batches())
        load.quarantine(loading.quarantine)
        load.recount(set(identity.settle(load.connection, load.run, source_id)) - {source_id})
    else:
        _small_family(load, reader.batches(), family, source_id)
    place = {"run": load.run, "source_id": source_id}
    load.quarantine([{**place, **vars(rejected)} for rejected in reader.rejected])


def _small_family(load: Load, batches: Iterator[pa.RecordBatch], family: str, source_id: int) -> None:
    """Load a registry snapshot or a journal, which are small, entry by entry."""
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
    load.quarantine(refused)


def _finished(
    load: Load, item: Input, reader: AnyReader, what: Kind, source_id: int, *, skipped: int, before: int
) -> SourceCounts:
    notes = ["began with a byte-order mark"] if reader.bom else []
    if reader.incomplete:
        notes.append(f"incomplete: {reader.incomplete}; what came before is loaded")
    load.finish(
        {
            "source_id": source_id,
            "uri": item.uri,
            "family": what.family,
            "sha256": reader.digest.hexdigest(),
            "bytes": reader.position,
            "lines": reader.line,
            "skipped": reader.skipped + skipped,
            "complete": reader.incomplete is None,
            "note": "; ".join(notes) or None,
            "tail": reader.tail,
        }
    )
    return source_counts(load.connection, load.run, source_id, new_lines=reader.line - before)

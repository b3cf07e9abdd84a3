"""What each family of captures does with the entries of a source, behind one interface.

`load` reads a source, a family turns its entries into rows and settles which of them repeat each other.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import duckdb
import pyarrow as pa

from kit import schema
from kit.cosmonapse import identity as signal_identity
from kit.cosmonapse.database import database_row
from kit.cosmonapse.journal import ROWS
from kit.cosmonapse.load import Loading
from kit.cosmonapse.wire import Level
from kit.io.lines import LineReader, Rejected
from kit.io.recordings import DocumentReader, SegmentReader
from kit.jsonline import Refusal
from kit.store import identity
from kit.store.store import append_rows
from kit.store.transaction import Load
from kit.typing import Row


class EntryReader(Protocol):
    """Reads a source once; what it counts is complete when `batches` is exhausted (see `kit.io.lines`)."""

    @property
    def line(self) -> int:
        """Lines, elements or entries so far."""

    @property
    def position(self) -> int:
        """Bytes so far, decompressed."""

    @property
    def skipped(self) -> int:
        """Blank and comment lines."""

    @property
    def bom(self) -> bool:
        """Whether it began with a byte-order mark."""

    @property
    def tail(self) -> int | None:
        """Offset of a last line without a newline."""

    @property
    def incomplete(self) -> str | None:
        """Why it broke off."""

    @property
    def note(self) -> str | None:
        """What else is to be known of it."""

    @property
    def rejected(self) -> list[Rejected]:
        """Entries that cannot be text."""

    def batches(self) -> Iterator[pa.RecordBatch]: ...

    def sha256(self) -> str: ...


class Settle(Protocol):
    """Decides which rows of a source repeat others; returns the sources that lost or got rows by it."""

    def __call__(self, connection: duckdb.DuckDBPyConnection, run: str, source_id: int) -> list[int]: ...


class Release(Protocol):
    """Takes the rows of a source, or of one line of it, out of the run; returns the sources it touched."""

    def __call__(
        self, connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int | None = None
    ) -> list[int]: ...


def _nothing(connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int | None = None) -> list[int]:
    """Settle, or release, rows that have no identity: each line is a row of its own."""
    return []


@dataclass(frozen=True)
class Family:
    """A family: how its entries become rows, and how rows that repeat each other are told."""

    append: Callable[[Load, int, EntryReader, Level], list[Row]]
    """Append the entries of a reader to the tables; return what is refused, as rows of `quarantine`."""
    settle: Settle = _nothing
    release: Release = _nothing


def _signals(load: Load, source_id: int, reader: EntryReader, level: Level) -> list[Row]:
    unrepeated = isinstance(reader, LineReader) and reader.unrepeated
    loading = Loading(load.connection, load.run, source_id, level, unrepeated)
    loading.load(reader.batches())
    return loading.quarantine


def _records(load: Load, source_id: int, reader: EntryReader, level: Level) -> list[Row]:
    from kit.syncropel.load import Loading as RecordLoading  # here, so that opening a store does not load the family

    loading = RecordLoading(load.connection, load.run, source_id, level, load.processes)
    loading.load(reader.batches())
    return loading.quarantine


def _settle_records(connection: duckdb.DuckDBPyConnection, run: str, source_id: int) -> list[int]:
    from kit.syncropel import content

    return identity.settle(connection, run, source_id, family=content)


def _release_records(
    connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int | None = None
) -> list[int]:
    from kit.syncropel import content

    return identity.release(connection, run, source_id, line, family=content)


Made = tuple[str, Row] | Refusal
"""What an entry becomes: a row, with the name of its table, or nothing."""


def _small(make: Callable[[str], Made]) -> Callable[[Load, int, EntryReader, Level], list[Row]]:
    """Return the loader of what is small, as a registry, a journal, a memory: entry by entry."""

    def append(load: Load, source_id: int, reader: EntryReader, level: Level) -> list[Row]:
        refused = []
        for batch in reader.batches():
            rows: dict[str, list[Row]] = {}
            for line, offset, text in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                place = {"run": load.run, "source_id": source_id, "line": line}
                outcome = make(text)
                if isinstance(outcome, Refusal):
                    refused.append({**place, "byte_offset": offset, **outcome._asdict(), "raw": text.encode()})
                else:
                    table, row = outcome
                    rows.setdefault(table, []).append({**place, **row, "raw": text})
            for table, made in rows.items():
                append_rows(load.connection, table, pa.Table.from_pylist(made, schema=schema.arrow(table)))
        return refused

    return append


def _sensors(load: Load, source_id: int, reader: EntryReader, level: Level) -> list[Row]:
    """Append a segment or a document of a recording, whose readers make rows of tables of their own."""
    assert isinstance(reader, DocumentReader | SegmentReader)  # noqa: S101  `load` pairs readers with families
    for table, batch in reader.tables(load.run, source_id):
        load.append(table, batch)
    return []


def _into(table: str, make: Callable[[str], Row | Refusal]) -> Callable[[str], Made]:
    """Return `make` for a family whose rows all go to one table."""

    def made(text: str) -> Made:
        outcome = make(text)
        return outcome if isinstance(outcome, Refusal) else (table, outcome)

    return made


FAMILIES = {
    "signals": Family(
        _signals,
        partial(identity.settle, family=signal_identity),
        partial(identity.release, family=signal_identity),
    ),
    "records": Family(_records, _settle_records, _release_records),
    **{name: Family(_small(_into(*how))) for name, how in ROWS.items()},
    "database": Family(_small(database_row)),
    "logs": Family(_sensors),
    "log_documents": Family(_sensors),
}

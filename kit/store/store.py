"""`Store`: one DuckDB database that holds every table of `kit.schema`."""

import os
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import duckdb
import pyarrow as pa

from kit.errors import ArgumentError, SourceError, StoreClosedError, StoreError, StoreVersionError
from kit.schema import APPENDING, GENERATED, ROW_TABLES, TABLES, columns
from kit.store.failures import translated
from kit.store.migration import prepare
from kit.table import DUCKDB_CONFIG, Table

VIEWS = (("cosmonapse", "views.sql"), ("syncropel", "views.sql"), ("store", "views.sql"))
"""Files with the SQL views of each family, and of all of them, in the order of creation."""


class Store:
    """An open store: a DuckDB file, or memory where `path` is None.

    One process may write a file; a second one, reader or not, is refused by DuckDB with a
    StoreLockedError that names the holder. Each thread gets a cursor of its own. Closing twice is
    harmless; use after closing raises StoreClosedError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        read_only: bool = False,
        memory_limit: str | None = None,
        threads: int | None = None,
    ) -> None:
        if threads is not None and threads < 1:
            raise ArgumentError(f"threads={threads!r}: at least 1")
        if path is None and read_only:
            raise ArgumentError("a store in memory cannot be read-only: give a path, or leave read_only out")
        self.path = None if path is None else Path(path)
        self.read_only = read_only
        config: dict[str, Any] = dict(DUCKDB_CONFIG)
        if memory_limit is not None:
            config["memory_limit"] = memory_limit
        if threads is not None:
            config["threads"] = threads
        self._cursors = threading.local()
        self._all_cursors: weakref.WeakSet[duckdb.DuckDBPyConnection] = weakref.WeakSet()
        self.loading = threading.RLock()
        """Held while a load or a removal is under way: one at a time."""
        self._closed = False
        self._connection = _connect(self.path, read_only, config)
        try:
            self._connection.execute("SET TimeZone = 'UTC'")
            prepare(self._connection, self.path, read_only=read_only, views=_views())
        except BaseException:
            self._connection.close()
            raise

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """The DuckDB cursor of the calling thread; statements on it see the whole store."""
        if self._closed:
            raise StoreClosedError("the store is closed: open it again with kit.open(path)")
        cursor: duckdb.DuckDBPyConnection | None = getattr(self._cursors, "value", None)
        if cursor is None:
            cursor = self._connection.cursor()
            cursor.execute("SET TimeZone = 'UTC'")
            self._cursors.value = cursor
            self._all_cursors.add(cursor)
        return cursor

    def query(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> Table:
        """Return the answer to `sql`, lazily; values are bound from `params`."""
        with translated(self.path):
            relation = self.connection.sql(sql, params=params)
        # A statement without rows, as CREATE VIEW, is done by now.
        return Table(pa.table({}) if relation is None else relation)

    def arrow(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> pa.Table:
        """Return the answer to `sql` as an Arrow table."""
        with translated(self.path):
            return self.connection.sql(sql, params=params).to_arrow_table()

    def execute(self, sql: str, params: Sequence[object] | Mapping[str, object] | None = None) -> list[tuple[Any, ...]]:
        """Run a statement and return its rows as tuples, if it has any."""
        with translated(self.path):
            rows: list[tuple[Any, ...]] = self.connection.execute(sql, params).fetchall()
        return rows

    @contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Run a block in one transaction: all of it is kept, or none where it raises."""
        if self.read_only:
            raise StoreError(f"{self.path}: opened with read_only=True; open it again without, to change it")
        connection = self.connection
        with translated(self.path):
            connection.execute("BEGIN TRANSACTION")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                _roll_back(connection)
                # A load that fails leaves it set, and in its transaction no statement runs any more.
                with suppress(duckdb.Error):
                    connection.execute(f"RESET VARIABLE {APPENDING}")
                raise

    def append(self, table: str, rows: pa.Table | pa.RecordBatch) -> None:
        """Append Arrow `rows` to `table`; columns are matched by name, those left out are NULL."""
        if table not in TABLES:
            raise ArgumentError(f"no table {table!r}: the tables are {', '.join(TABLES)}")
        with translated(self.path):
            append_rows(self.connection, table, rows)

    def raw(self, run: str, source_id: int, line: int) -> bytes | None:
        """Return the bytes of a loaded line as they stood, without the newline; None for a skipped line."""
        return raw_line(self.connection, run, source_id, line)

    def file_bytes(self, source_id: int, offset: int, length: int) -> bytes:
        """Return a range of bytes of the file that a source was; raises SourceError where they are not there any more."""
        return file_bytes(self.connection, source_id, offset, length)

    def snapshot(self, path: str | os.PathLike[str]) -> Path:
        """Write a copy of the whole store to `path`, which must not exist, and return the path."""
        target = Path(path)
        if target.exists():
            raise ArgumentError(f"{target}: exists already; a snapshot does not overwrite")
        try:
            self._copy_to(target)
        except BaseException:
            target.unlink(missing_ok=True)
            raise
        return target

    def _copy_to(self, target: Path) -> None:
        with Store(target) as copy, copy.transaction() as connection:
            for table in TABLES:
                stored = ", ".join(f'"{name}"' for name in columns(table))
                for batch in self.connection.sql(f'SELECT {stored} FROM "{table}"').to_arrow_reader(100_000):  # noqa: S608
                    append_rows(connection, table, batch)

    def close(self) -> None:
        """Close the store and release its file; views and relations taken from it end with it."""
        if not self._closed:
            self._closed = True
            # Cursors of other threads hold the file as well.
            for cursor in list(self._all_cursors):
                cursor.close()
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def append_rows(connection: duckdb.DuckDBPyConnection, table: str, rows: pa.Table | pa.RecordBatch) -> None:
    """Append Arrow `rows` to `table` by column name, on this connection and in its transaction."""
    batch = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    if table in GENERATED and "raw" in batch.column_names:
        batch = batch.drop_columns([name for name in ("text",) if name in batch.column_names])
        batch = batch.rename_columns({"raw": "text"})
    connection.register("appended_rows", batch)
    try:
        connection.execute(f'INSERT INTO "{table}" BY NAME SELECT * FROM appended_rows')  # noqa: S608
    finally:
        connection.unregister("appended_rows")


def raw_line(connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int) -> bytes | None:
    """Return the bytes of one loaded line, wherever it went: row, duplicate or quarantine.

    The payload of a log entry is read from its file, which must still be there; raises SourceError where it is not.
    """
    place = [run, source_id, line]
    where = "run = ? AND source_id = ? AND line = ?"
    for table in (*ROW_TABLES, "quarantine"):
        kept = "raw" if "raw" in (*columns(table), *GENERATED.get(table, ())) else '"offset", length'
        found = connection.execute(f'SELECT {kept} FROM "{table}" WHERE {where}', place).fetchall()  # noqa: S608
        if found and kept != "raw":
            return file_bytes(connection, source_id, *found[0])
        if found and found[0][0] is not None:
            return found[0][0].encode() if isinstance(found[0][0], str) else bytes(found[0][0])
    repeats = connection.execute(f"SELECT id, raw FROM duplicates WHERE {where}", place).fetchall()  # noqa: S608
    for id_, raw in repeats:
        if raw is not None:
            return str(raw).encode()
        original = "SELECT raw FROM signals WHERE run = ? AND id = ? ORDER BY canonical DESC LIMIT 1"
        return str(connection.execute(original, [run, id_]).fetchall()[0][0]).encode()
    return None


def file_bytes(connection: duckdb.DuckDBPyConnection, source_id: int, offset: int, length: int) -> bytes:
    """Return a range of bytes of the file that a source was."""
    uri = str(connection.execute("SELECT uri FROM sources WHERE source_id = ?", [source_id]).fetchall()[0][0])
    try:
        with Path(uri).open("rb") as file:
            file.seek(offset)
            data = file.read(length)
    except OSError as error:
        raise SourceError(
            f"{uri}: the payload at byte {offset:,} stays in the file, which cannot be read ({error.strerror or error}). "
            "Put it back where it was, or open the store from the folder it was loaded from"
        ) from error
    if len(data) < length:
        raise SourceError(f"{uri}: {length:,} bytes at byte {offset:,} are not there any more; load the file again")
    return data


def _connect(path: Path | None, read_only: bool, config: dict[str, Any]) -> duckdb.DuckDBPyConnection:
    with translated(path):
        if path is None:
            return duckdb.connect(":memory:", config=config)
        _require_database(path)
        return duckdb.connect(str(path), read_only=read_only, config=config)


def _require_database(path: Path) -> None:
    """Refuse a file of another kind: DuckDB would open a capture as a view in memory, and keep nothing."""
    if path.is_file():
        with path.open("rb") as file:
            head = file.read(12)
        if head and head[8:] != b"DUCK":
            raise StoreVersionError(
                f"{path}: not a store this kit can open (not a DuckDB file). Load it: kit.load(path)"
            )


def _views() -> str:
    # Through the root package: importing a family to find its file would load pydantic.
    return "\n".join(resources.files("kit").joinpath(*path).read_text("utf-8") for path in VIEWS)


def _roll_back(connection: duckdb.DuckDBPyConnection) -> None:
    try:
        connection.execute("ROLLBACK")
    except duckdb.Error:
        # A failed statement can end the transaction by itself; there is nothing left to undo then.
        return

"""Stores of other kit versions: the schema only grows, so an older file is completed when it is opened."""

from contextlib import suppress
from pathlib import Path

import duckdb

from kit import schema
from kit.errors import StoreError, StoreVersionError


def prepare(connection: duckdb.DuckDBPyConnection, path: Path | None, *, read_only: bool, views: str) -> None:
    """Create the tables of a new store, complete those of an older one, refuse those of a newer kit.

    All in one transaction. A read-only store of an older kit cannot be completed and is refused with
    the way out. Raises StoreVersionError.
    """
    version = stored_version(connection, path)
    if version == schema.VERSION:
        _recover(connection, path, read_only=read_only)
        return
    if version is not None and version > schema.VERSION:
        raise StoreVersionError(
            f"{path}: written by a newer kit (schema {version}, this kit has {schema.VERSION}). "
            "Upgrade with: pip install -U namespace-kit"
        )
    if read_only:
        raise StoreVersionError(
            f"{path}: schema {version or 'missing'}, this kit has {schema.VERSION}. Open it once without "
            "read_only=True, which completes it."
        )
    connection.execute("BEGIN TRANSACTION")
    try:
        _complete(connection)
        connection.execute(views)
        connection.execute("CREATE TABLE IF NOT EXISTS kit_loading (run VARCHAR, source_id BIGINT)")
        connection.execute("CREATE TABLE IF NOT EXISTS kit_schema (version BIGINT)")
        connection.execute("DELETE FROM kit_schema")
        connection.execute("INSERT INTO kit_schema VALUES (?)", [schema.VERSION])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    _recover(connection, path, read_only=read_only)


def undo_all(connection: duckdb.DuckDBPyConnection) -> None:
    """Take out what unfinished loads appended, in the transaction of the caller."""
    for run, source_id in connection.execute("SELECT run, source_id FROM kit_loading ORDER BY ALL").fetchall():
        for table, columns in schema.TABLES.items():
            if {"run", "source_id"} <= {column.name for column in columns}:
                connection.execute(
                    f'DELETE FROM "{table}" WHERE run = ? AND source_id = ?',  # noqa: S608  our names
                    [run, source_id],
                )
        connection.execute("DELETE FROM runs WHERE run = ? AND run NOT IN (SELECT run FROM sources)", [run])
    connection.execute("DELETE FROM kit_loading")


def _recover(connection: duckdb.DuckDBPyConnection, path: Path | None, *, read_only: bool) -> None:
    """Take out the traces of a load that was killed; a reader cannot, and says so."""
    if not connection.execute("SELECT 1 FROM kit_loading LIMIT 1").fetchall():
        return
    if read_only:
        raise StoreError(
            f"{path}: a load was killed here and left rows behind. Open it once without read_only=True, which "
            "takes them out; then load again."
        )
    connection.execute("BEGIN TRANSACTION")
    try:
        undo_all(connection)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def stored_version(connection: duckdb.DuckDBPyConnection, path: Path | None) -> int | None:
    """Return the schema version of an open database, None for an empty one; raise for a foreign one."""
    with suppress(duckdb.CatalogException):  # to list the tables of a store first would take ten times as long
        found = connection.execute("SELECT version FROM kit_schema").fetchall()
        return int(found[0][0]) if found else None
    tables = {row[0] for row in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
    tables |= {
        row[0] for row in connection.execute("SELECT view_name FROM duckdb_views() WHERE NOT internal").fetchall()
    }
    if tables:
        raise StoreVersionError(
            f"{path}: a DuckDB database, but no store of the kit (tables: {', '.join(sorted(tables)[:5])}). "
            "Give kit.open another path; this file was not touched."
        )
    return None


def _complete(connection: duckdb.DuckDBPyConnection) -> None:
    """Add the tables and columns that are missing; what is there stays as it is."""
    present: dict[str, set[str]] = {}
    for table, column in connection.execute("SELECT table_name, column_name FROM duckdb_columns()").fetchall():
        present.setdefault(table, set()).add(column)
    for table, columns in schema.TABLES.items():
        if table not in present:
            connection.execute(schema.ddl(table))
            continue
        for column in columns:
            if column.name not in present[table]:
                connection.execute(f'ALTER TABLE "{table}" ADD COLUMN {schema.declaration(column)}')

"""A new store: its tables and views, by their SQL or as a copy of those that this process made before.

To bind the views takes most of the time of opening a new store, 0.1 s of CPU. DuckDB copies what is bound from another
database in a fifth of it. So the second new store of a process leaves a file behind, which the others are copied from
and which goes when the process ends; one store alone would only wait for that file.
"""

import atexit
import os
import shutil
import tempfile
import threading
from collections import Counter
from contextlib import suppress
from pathlib import Path

import duckdb

from kit import schema

_lock = threading.Lock()
_made: Counter[str] = Counter()
_files: dict[str, Path | None] = {}


def create(connection: duckdb.DuckDBPyConnection, views: str) -> None:
    """Make an empty database a store, in one transaction."""
    sql = _sql(views)
    file = _file(sql)
    if file is None or not _copied(connection, file):
        _run(connection, sql)


def _sql(views: str) -> str:
    tables = ";\n".join(schema.ddl(table) for table in schema.TABLES)
    return f"""{tables};
{views.strip().rstrip(";")};
CREATE TABLE kit_loading (run VARCHAR, source_id BIGINT);
CREATE TABLE kit_schema (version BIGINT);
INSERT INTO kit_schema VALUES ({schema.VERSION:d})"""  # noqa: S608  ours


def _run(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    connection.execute("BEGIN TRANSACTION")
    try:
        connection.execute(sql)
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise


def _copied(connection: duckdb.DuckDBPyConnection, file: Path) -> bool:
    """Copy tables and views from `file`; return False where that fails, the database is empty as before then."""
    name = f"kit_blank_{os.getpid()}"
    try:
        connection.execute(f"ATTACH '{str(file).replace(chr(39), chr(39) * 2)}' AS {name} (READ_ONLY)")
    except duckdb.Error:
        return False
    try:
        own = str(connection.execute("SELECT current_database()").fetchall()[0][0]).replace('"', '""')
        _run(connection, f'COPY FROM DATABASE {name} TO "{own}"')
    except duckdb.Error:
        return False
    finally:
        with suppress(duckdb.Error):
            connection.execute(f"DETACH {name}")
    return True


def _file(sql: str) -> Path | None:
    """Return a database that holds what `sql` makes, once it was asked for twice; None where there is none."""
    with _lock:
        _made[sql] += 1
        if sql not in _files and _made[sql] > 1:
            _files[sql] = _written(sql)
        return _files.get(sql)


def _written(sql: str) -> Path | None:
    try:
        folder = Path(tempfile.mkdtemp(prefix="kit-"))
    except OSError:
        return None
    atexit.register(_removed, folder, os.getpid())
    try:
        with duckdb.connect(str(folder / "blank.duckdb")) as connection:
            connection.execute(sql)
    except duckdb.Error:
        return None
    return folder / "blank.duckdb"


def _removed(folder: Path, owner: int) -> None:
    """Remove the folder, unless this is another process that came from the one that made it."""
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)


__all__ = ["create"]

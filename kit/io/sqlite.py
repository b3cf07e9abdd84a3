"""Rows of a SQLite file of Cosmonapse (registry, engram) as lines of JSON.

The file is copied first, so that it is locked for no longer than the copy takes, and never written to.
"""

import shutil
import sqlite3
import tempfile
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kit.cosmonapse.database import STORED
from kit.errors import SourceError
from kit.io.rows import RowLines, row_line
from kit.io.sniff import SQLITE
from kit.io.streams import BrokenStreamError
from kit.typing import Reader

WAIT_S = 5.0
"""Seconds to wait for a writer that holds the file."""
WAL_AT, WAL = 18, 2
"""The byte of the header that tells the journal mode, and its value for a write-ahead log (SQLite file format 1.3)."""
COPY_BYTES = 1 << 20


@contextmanager
def sqlite_rows(stream: Reader, path: Path | None, uri: str) -> Iterator[Reader]:
    """Open the rows behind `stream`, the bytes of a SQLite file, as lines; of `path` itself where it is the file.

    Only from the path can a write-ahead log or a journal beside it be seen. Raises SourceError for a file without a
    table of Cosmonapse, one that stays locked, one that is damaged at its head; a row that cannot be read ends the
    stream with BrokenStreamError.
    """
    with tempfile.TemporaryDirectory(prefix="kit-") as folder:
        copy = Path(folder) / "copy.db"
        try:
            if path is not None and _is_sqlite(path):
                _copy_file(path, copy)
            else:
                _copy_stream(stream, copy)
            with closing(_connect(copy)) as connection:
                yield RowLines(_lines(connection, _tables(connection, uri)))
        except sqlite3.Error as error:
            raise SourceError(f"{uri}: {_explained(error)}") from error


def _is_sqlite(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(SQLITE)) == SQLITE


def _copy_file(path: Path, copy: Path) -> None:
    """Copy a database as it stands after its last transaction, and leave nothing beside it."""
    shared = path.with_name(path.name + "-shm")
    with path.open("rb") as file:
        header = file.read(WAL_AT + 1)
    if header[WAL_AT:] == bytes([WAL]) and not shared.exists():
        # Nobody has it open. SQLite would make the files of the log anew, even to read, and leave them there.
        _copy_with(path, copy, "-wal")
        return
    try:
        _back_up(path, copy)
    except sqlite3.OperationalError as error:
        if not error.sqlite_errorname.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN")):
            raise
        # A writer died in the middle of a transaction: the journal it left is played back into the copy.
        copy.unlink(missing_ok=True)
        _copy_with(path, copy, "-journal")


def _back_up(path: Path, copy: Path) -> None:
    address = f"{path.absolute().as_uri()}?mode=ro"
    with (
        closing(sqlite3.connect(address, uri=True, timeout=WAIT_S, isolation_level=None)) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        # With the lock of a reader in hand the backup does not wait: by itself it would, for ever.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_master").fetchall()
        source.backup(target)
        source.execute("COMMIT")


def _copy_with(path: Path, copy: Path, suffix: str) -> None:
    shutil.copyfile(path, copy)
    beside = path.with_name(path.name + suffix)
    if beside.exists():
        shutil.copyfile(beside, copy.with_name(copy.name + suffix))


def _copy_stream(stream: Reader, copy: Path) -> None:
    with copy.open("wb") as file:
        while data := stream.read(COPY_BYTES):
            file.write(data)


def _connect(copy: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(copy, isolation_level=None, check_same_thread=False)
    # The file may be a stranger's: what its schema calls must be harmless, and damage is looked for.
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.text_factory = lambda data: data.decode("utf-8", "surrogateescape")
    return connection


def _tables(connection: sqlite3.Connection, uri: str) -> list[tuple[str, str]]:
    """Return the tables to read, each with the order of its rows: registry, entries, imprints."""
    present = dict(
        connection.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' ORDER BY name").fetchall()
    )
    found = []
    for stored in STORED:
        # A virtual table would run code of its module.
        if not (present.get(stored.sqlite) or "VIRTUAL").upper().startswith("CREATE TABLE"):
            continue
        columns = {row[1] for row in connection.execute(f'PRAGMA table_info("{stored.sqlite}")')}
        if columns.issuperset(stored.columns):
            found.append((stored.sqlite, _order(connection, stored.sqlite, stored.order)))
    if not found:
        raise SourceError(
            f"{uri}: a SQLite file, but none of Cosmonapse: it has {_listed(list(present))}. Looked for "
            f"{', '.join(stored.sqlite for stored in STORED)}, with the columns that the SDK gives them"
        )
    return found


def _order(connection: sqlite3.Connection, table: str, otherwise: str) -> str:
    try:
        connection.execute(f'SELECT rowid FROM "{table}" LIMIT 0')  # noqa: S608  our names
    except sqlite3.OperationalError:
        return otherwise
    return "rowid"


def _lines(connection: sqlite3.Connection, tables: list[tuple[str, str]]) -> Generator[bytes, None, None]:
    for table, order in tables:
        try:
            cursor = connection.execute(f'SELECT * FROM "{table}" ORDER BY {order}')  # noqa: S608  our names
            names = [column[0] for column in cursor.description]
            for row in cursor:
                yield row_line(dict(zip(names, row, strict=True)))
        except sqlite3.Error as error:
            raise BrokenStreamError(f"the table {table} cannot be read to its end: {error}") from error


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 10:,} more" if len(names) > 10 else ""
    return f"the tables {', '.join(map(repr, names[:10]))}{more}" if names else "no table"


def _explained(error: sqlite3.Error) -> str:
    if (getattr(error, "sqlite_errorname", None) or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return (
            f"another process is writing to it, for {WAIT_S:g} s and longer ({error}); load it again when that is done"
        )
    return f"cannot be read as a SQLite file ({error})"

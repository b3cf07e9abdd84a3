"""Rows of a PostgreSQL server of Cosmonapse (registry, engram) as lines of JSON.

asyncpg needs an event loop, and where a notebook calls one is running already: the loop here is on a thread of
its own.
"""

import asyncio
import threading
from collections.abc import Coroutine, Generator, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from kit.cosmonapse.database import STORED, Stored
from kit.cosmonapse.registry.dsn import without_password
from kit.cosmonapse.registry.server import ANSWER_S, CONNECT_S, asyncpg, refusal, unreached
from kit.errors import ArgumentError, KitError, SourceError
from kit.io.rows import RowLines, row_line

BATCH_ROWS = 1000
CLOSE_S = 5.0
COLUMNS = """SELECT table_name::text, array_agg(column_name::text) FROM information_schema.columns
WHERE table_schema = ANY(current_schemas(false)) GROUP BY table_name ORDER BY table_name"""

T = TypeVar("T")


def server_rows(dsn: str) -> RowLines:
    """Return the rows of the tables of Cosmonapse on a server, as they stand at one moment.

    Registry, engram entries and imprints, one after the other, in one read-only transaction that `close` ends. Reading
    raises SourceError where the server cannot be reached or has no such table, ArgumentError for no dsn.
    """
    return RowLines(_lines(dsn))


class _Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="kit-server", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what a coroutine gives; an interrupt ends it."""
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


@contextmanager
def _connected(loop: _Loop, dsn: str) -> Iterator[Any]:
    try:
        connection = loop.run(asyncpg.connect(dsn, timeout=CONNECT_S, command_timeout=ANSWER_S))
    except Exception as error:
        raise _source_error(unreached(error, without_password(dsn))) from error
    try:
        yield connection
    finally:
        loop.run(_end(connection))


async def _end(connection: Any) -> None:
    try:
        await connection.close(timeout=CLOSE_S)
    except (TimeoutError, OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        connection.terminate()


def _lines(dsn: str) -> Generator[bytes, None, None]:
    loop = _Loop()
    try:
        with _connected(loop, dsn) as connection:
            transaction = connection.transaction(isolation="repeatable_read", readonly=True)
            loop.run(transaction.start())
            for stored in _tables(dict(loop.run(connection.fetch(COLUMNS))), without_password(dsn)):
                sql = f'SELECT * FROM "{stored.postgres}" ORDER BY {stored.order}'  # noqa: S608  our names
                cursor = loop.run(_cursor(connection, sql))
                while rows := loop.run(cursor.fetch(BATCH_ROWS)):
                    yield from (row_line(dict(row)) for row in rows)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
        raise _source_error(refusal(error, without_password(dsn))) from error
    finally:
        loop.close()


def _source_error(error: KitError) -> KitError:
    return error if isinstance(error, ArgumentError) else SourceError(str(error))


async def _cursor(connection: Any, sql: str) -> Any:
    return await connection.cursor(sql)


def _tables(present: dict[str, list[str]], shown: str) -> list[Stored]:
    found = [stored for stored in STORED if stored.columns <= set(present.get(stored.postgres, ()))]
    if not found:
        tables = ", ".join(map(repr, list(present)[:10])) or "no table"
        raise SourceError(
            f"{shown}: a database, but none of Cosmonapse: it has {tables}. Looked for "
            f"{', '.join(stored.postgres for stored in STORED)}; another schema is chosen with "
            "?search_path=NAME at the end of the dsn"
        )
    return found

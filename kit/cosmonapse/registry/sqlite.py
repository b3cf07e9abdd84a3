"""A registry store in a SQLite file, the same that the published package reads and writes."""

import asyncio
import json
import os
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from kit.cosmonapse.registry.base import (
    DEREGISTERED,
    REGISTERED,
    NeuronRecord,
    Records,
    RegistryStore,
    check_record,
    check_text,
    check_time,
    with_offset,
)
from kit.errors import ArgumentError, KitError, RegistryClosedError, RegistryError, RegistryTimeoutError
from kit.ids import now

COLUMNS = ("neuron_id", "capabilities", "version", "status", "last_heartbeat", "registered_at")

# To the byte what the published package creates: SQLite keeps the text of the statement.
DDL = """CREATE TABLE IF NOT EXISTS neurons (
    neuron_id      TEXT PRIMARY KEY,
    capabilities   TEXT NOT NULL DEFAULT '[]',
    version        TEXT,
    status         TEXT NOT NULL DEFAULT 'registered',
    last_heartbeat TEXT,
    registered_at  TEXT NOT NULL
)"""
UPSERT = """INSERT INTO neurons (neuron_id, capabilities, version, status, last_heartbeat, registered_at)
VALUES (?, ?, ?, ?, ?, ?)
ON CONFLICT (neuron_id) DO UPDATE SET capabilities = excluded.capabilities, version = excluded.version,
    status = excluded.status, last_heartbeat = excluded.last_heartbeat"""
DEREGISTER = "UPDATE neurons SET status = ? WHERE neuron_id = ?"
TOUCH = """INSERT INTO neurons (neuron_id, capabilities, version, status, last_heartbeat, registered_at)
VALUES (:neuron_id, '[]', NULL, :first_status, :ts, :registered_at)
ON CONFLICT (neuron_id) DO UPDATE SET last_heartbeat = excluded.last_heartbeat, status = coalesce(:status, status)"""
SELECT = "SELECT neuron_id, capabilities, version, status, last_heartbeat, registered_at FROM neurons"
GET = f"{SELECT} WHERE neuron_id = ?"
LIST = f"{SELECT} WHERE (? OR status <> ?) ORDER BY rowid"

T = TypeVar("T")


class SqliteRegistryStore(RegistryStore):
    """A registry in a file, for production in one process, with nothing else to install.

    `path` is a file, made where there is none, or `:memory:`. Statements run one after the other on a thread of
    the store's own, so a slow disk does not hold up the event loop. Where another process holds the file,
    a call waits for `timeout_s` seconds and raises RegistryTimeoutError. Raises RegistryError for a missing folder, a
    file of another kind, a full disk; RegistryClosedError before `connect` and after `close`.
    """

    def __init__(self, path: str | os.PathLike[str] = ":memory:", *, timeout_s: float = 5.0) -> None:
        if not isinstance(path, str | os.PathLike) or not os.fspath(path):
            raise ArgumentError(f"path={path!r}: give the path of a file, or ':memory:'")
        self.path = os.fspath(path)
        self.timeout_s = timeout_s
        self._session: _Session | None = None

    async def connect(self) -> None:
        """Open the file and create the table `neurons` where there is none; a second call changes nothing."""
        if self._session is None:
            self._session = _Session(self.path, self.timeout_s)
        await self._session.run(self._session.open)

    async def close(self) -> None:
        """Close the file after the calls that are under way; a second call changes nothing."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def upsert(self, record: NeuronRecord) -> None:
        """Enter a record, or replace one; a known neuron keeps its `registered_at`."""
        check_record(record)
        await self._execute(
            UPSERT,
            (
                record.neuron_id,
                json.dumps(list(record.capabilities)),
                record.version,
                record.status,
                record.last_heartbeat and record.last_heartbeat.isoformat(),
                record.registered_at.isoformat(),
            ),
        )

    async def mark_deregistered(self, neuron_id: str) -> None:
        """Set the status of a neuron to `deregistered`; an unknown one stays unknown."""
        check_text("neuron_id", neuron_id)
        await self._execute(DEREGISTER, (DEREGISTERED, neuron_id))

    async def touch_heartbeat(self, neuron_id: str, ts: datetime, status: str | None = None) -> None:
        """Set `last_heartbeat`, and the status where one is given; an unknown neuron gets a thin record."""
        check_text("neuron_id", neuron_id)
        check_time("ts", ts)
        if status is not None:
            check_text("status", status)
        await self._execute(
            TOUCH,
            {
                "neuron_id": neuron_id,
                "ts": ts.isoformat(),
                "status": status,
                "first_status": status or REGISTERED,
                "registered_at": now().isoformat(),
            },
        )

    async def get(self, neuron_id: str) -> NeuronRecord | None:
        """Return the record of a neuron, None where it was never seen."""
        check_text("neuron_id", neuron_id)
        found = await self._execute(GET, (neuron_id,))
        return self._record(found[0]) if found else None

    async def list(self, *, capability: str | None = None, include_deregistered: bool = False) -> Records:
        """Return the records in the order of their first registration, those with a capability where one is given."""
        found = map(self._record, await self._execute(LIST, (include_deregistered, DEREGISTERED)))
        return [record for record in found if capability is None or capability in record.capabilities]

    async def _execute(self, sql: str, values: Any) -> Any:
        if self._session is None or not self._session.is_open:
            raise RegistryClosedError(f"{self.path}: the registry is not connected: await store.connect() first")
        return await self._session.run(partial(self._session.execute, sql, values))

    def _record(self, row: tuple[Any, ...]) -> NeuronRecord:
        neuron_id, capabilities, version, status, last_heartbeat, registered_at = row
        try:
            return NeuronRecord(
                neuron_id,
                json.loads(capabilities),
                version,
                status,
                None if last_heartbeat is None else with_offset(datetime.fromisoformat(last_heartbeat)),
                with_offset(datetime.fromisoformat(registered_at)),
            )
        except (ValueError, TypeError) as error:
            raise RegistryError(
                f"{self.path}: the row of {neuron_id!r} cannot be read ({error}): {row!r:.200}. Mend it in the table "
                "neurons, or upsert the neuron again"
            ) from error


class _Session:
    """One connection to the file, used on one thread: calls come in the order in which they were made."""

    def __init__(self, path: str, timeout_s: float) -> None:
        self._path = path
        self._timeout_s = timeout_s
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="kit-registry")
        self._connection: sqlite3.Connection | None = None

    @property
    def is_open(self) -> bool:
        return self._connection is not None

    async def run(self, work: Callable[[], T]) -> T:
        """Do some work on the thread. A caller that is cancelled does not stop a statement that has begun."""
        return await asyncio.wrap_future(self._thread.submit(self._guarded, work))

    def _guarded(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError) as error:
            if isinstance(error, KitError):
                raise
            raise _refusal(error, self._path, self._timeout_s) from error

    def open(self) -> None:
        if self._connection is not None:
            return
        connection = sqlite3.connect(self._path, timeout=self._timeout_s, isolation_level=None)
        try:
            found = {row[1] for row in connection.execute("PRAGMA table_info(neurons)")}
            if not found:
                connection.execute(DDL)
            elif not found.issuperset(COLUMNS):
                raise RegistryError(
                    f"{self._path}: its table neurons is of another program (columns: {', '.join(sorted(found))}). "
                    "Give the registry a file of its own; this one was not touched"
                )
        except BaseException:
            connection.close()
            raise
        self._connection = connection

    def execute(self, sql: str, values: Any) -> list[tuple[Any, ...]]:
        if self._connection is None:
            raise RegistryClosedError(f"{self._path}: the registry was closed")
        return self._connection.execute(sql, values).fetchall()

    async def close(self) -> None:
        try:
            await self.run(self._shut)
        finally:
            self._thread.shutdown(wait=False)

    def _shut(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _refusal(error: Exception, path: str, timeout_s: float) -> KitError:
    """Return the error of the kit that says what SQLite's means here."""
    if isinstance(error, UnicodeEncodeError):
        return ArgumentError(f"{path}: {error.object!r:.80} has no UTF-8 form ({error.reason})")
    if not isinstance(error, sqlite3.Error):
        return ArgumentError(f"{path}: a value that SQLite cannot hold ({error})")
    name = getattr(error, "sqlite_errorname", None) or ""
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return RegistryTimeoutError(
            f"{path}: another connection holds the file, for {timeout_s:g} s and longer ({error}). Nothing was written; "
            "try again, give a longer timeout_s, or use PostgresRegistryStore where several processes write"
        )
    if name.startswith("SQLITE_CANTOPEN"):
        folder = Path(path).parent
        why = "is a folder" if Path(path).is_dir() else f"the folder {str(folder)!r} does not exist: create it first"
        if folder.is_dir() and not Path(path).is_dir():
            why = "is the file, and its folder, yours to write?"
        return RegistryError(f"{path}: cannot be opened ({error}); {why}")
    if name.startswith("SQLITE_NOTADB"):
        return RegistryError(f"{path}: no SQLite file ({error}). Give the registry a file of its own")
    if name.startswith("SQLITE_READONLY"):
        return RegistryError(
            f"{path}: cannot be written to ({error}): it is read-only, or was moved or deleted since connect()"
        )
    return RegistryError(f"{path}: SQLite refuses ({error}). Nothing of this call was written")

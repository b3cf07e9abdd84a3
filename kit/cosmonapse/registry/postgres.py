"""A registry store in PostgreSQL, in the table that the published package uses."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

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
from kit.cosmonapse.registry.dsn import without_password
from kit.errors import ArgumentError, RegistryClosedError, RegistryError
from kit.ids import now

if TYPE_CHECKING:
    from kit.cosmonapse.registry.server import Server

NAMES = ("cosmonapse_neurons", "cosmonapse_neurons_status_idx")
DDL = """CREATE TABLE IF NOT EXISTS cosmonapse_neurons (
    neuron_id      TEXT PRIMARY KEY,
    capabilities   JSONB NOT NULL DEFAULT '[]'::jsonb,
    version        TEXT,
    status         TEXT NOT NULL DEFAULT 'registered',
    last_heartbeat TIMESTAMPTZ,
    registered_at  TIMESTAMPTZ NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS cosmonapse_neurons_status_idx ON cosmonapse_neurons (status)"""
UPSERT = """INSERT INTO cosmonapse_neurons (neuron_id, capabilities, version, status, last_heartbeat, registered_at)
VALUES ($1, $2::jsonb, $3, $4, $5, $6)
ON CONFLICT (neuron_id) DO UPDATE SET capabilities = excluded.capabilities, version = excluded.version,
    status = excluded.status, last_heartbeat = excluded.last_heartbeat"""
DEREGISTER = "UPDATE cosmonapse_neurons SET status = $1 WHERE neuron_id = $2"
TOUCH = """INSERT INTO cosmonapse_neurons AS known (neuron_id, status, last_heartbeat, registered_at)
VALUES ($1, $3, $2, $5)
ON CONFLICT (neuron_id) DO UPDATE SET last_heartbeat = excluded.last_heartbeat,
    status = coalesce($4::text, known.status)"""
SELECT = "SELECT neuron_id, capabilities, version, status, last_heartbeat, registered_at FROM cosmonapse_neurons"
GET = f"{SELECT} WHERE neuron_id = $1"
# Rows of PostgreSQL have no order of their own: each update moves one.
LIST = f"""{SELECT} WHERE ($1 OR status <> $2) AND ($3::text IS NULL OR capabilities @> to_jsonb($3::text))
ORDER BY registered_at, neuron_id"""


class PostgresRegistryStore(RegistryStore):
    """A registry on a server, for several processes that write at once.

    `dsn` is `postgresql://user:password@host/database`. `connect` opens a pool of `min_size` to `max_size` connections;
    `pool_kwargs` are further arguments of `asyncpg.create_pool`. asyncpg is needed from then on (MissingExtraError;
    `pip install 'namespace-kit[postgres]'`). A lost connection is replaced at the next call. Errors name the
    dsn without its password: RegistryConnectionError, RegistryTimeoutError, RegistryClosedError, else
    RegistryError. Each writer's statement is a whole; of two at the same moment the later one stands.
    """

    def __init__(
        self, *, dsn: str, min_size: int = 1, max_size: int = 5, pool_kwargs: dict[str, Any] | None = None
    ) -> None:
        if not isinstance(dsn, str) or not dsn:
            raise ArgumentError(f"dsn={dsn!r}: give the address of a server, postgresql://user:password@host/database")
        if not 0 <= min_size <= max_size or max_size < 1:
            raise ArgumentError(f"min_size={min_size!r}, max_size={max_size!r}: at least 1, and min_size the smaller")
        self.dsn = dsn
        self.min_size = min_size
        self.max_size = max_size
        self.pool_kwargs = dict(pool_kwargs or {})
        self._server: Server | None = None

    def __repr__(self) -> str:
        return f"PostgresRegistryStore(dsn={without_password(self.dsn)!r})"

    async def connect(self) -> None:
        """Open the pool and create the table and its index where they are missing; a second call changes nothing.

        A store that was connected in another event loop, which may have ended, is connected in this one.
        """
        # Here, so that the class can be imported where asyncpg is not installed.
        from kit.cosmonapse.registry.server import open_server

        before = self._server
        if before is not None and before.is_here:
            return
        server = await open_server(
            self.dsn, min_size=self.min_size, max_size=self.max_size, pool_kwargs=self.pool_kwargs
        )
        try:
            await server.create(NAMES, DDL)
        except BaseException:
            await server.close()
            raise
        if self._server is not before:
            # Another call was faster.
            await server.close()
            return
        self._server = server
        if before is not None:
            before.abandon()

    async def close(self) -> None:
        """Close the pool after the calls that are under way; a second call changes nothing."""
        server, self._server = self._server, None
        if server is not None:
            await server.close()

    async def upsert(self, record: NeuronRecord) -> None:
        """Enter a record, or replace one; a known neuron keeps its `registered_at`."""
        check_record(record)
        await self._fetch(
            UPSERT,
            record.neuron_id,
            json.dumps(list(record.capabilities)),
            record.version,
            record.status,
            record.last_heartbeat and with_offset(record.last_heartbeat),
            with_offset(record.registered_at),
        )

    async def mark_deregistered(self, neuron_id: str) -> None:
        """Set the status of a neuron to `deregistered`; an unknown one stays unknown."""
        check_text("neuron_id", neuron_id)
        await self._fetch(DEREGISTER, DEREGISTERED, neuron_id)

    async def touch_heartbeat(self, neuron_id: str, ts: datetime, status: str | None = None) -> None:
        """Set `last_heartbeat`, and the status where one is given; an unknown neuron gets a thin record."""
        check_text("neuron_id", neuron_id)
        check_time("ts", ts)
        if status is not None:
            check_text("status", status)
        await self._fetch(TOUCH, neuron_id, with_offset(ts), status or REGISTERED, status, now())

    async def get(self, neuron_id: str) -> NeuronRecord | None:
        """Return the record of a neuron, None where it was never seen."""
        check_text("neuron_id", neuron_id)
        found = await self._fetch(GET, neuron_id)
        return self._record(found[0]) if found else None

    async def list(self, *, capability: str | None = None, include_deregistered: bool = False) -> Records:
        """Return the records in the order of their `registered_at`, those with a capability where one is given."""
        found = await self._fetch(LIST, include_deregistered, DEREGISTERED, capability)
        return [self._record(row) for row in found]

    async def _fetch(self, sql: str, *values: object) -> Any:
        if self._server is None:
            shown = without_password(self.dsn)
            raise RegistryClosedError(f"{shown}: the registry is not connected: await store.connect() first")
        return await self._server.fetch(sql, *values)

    def _record(self, row: Any) -> NeuronRecord:
        # JSONB comes as text, unless the pool was given a codec for it.
        names = row["capabilities"]
        names = json.loads(names) if isinstance(names, str) else names
        if not isinstance(names, list):
            shown = without_password(self.dsn)
            raise RegistryError(f"{shown}: capabilities of {row['neuron_id']!r} are no list: {names!r:.80}")
        return NeuronRecord(
            row["neuron_id"], names, row["version"], row["status"], row["last_heartbeat"], row["registered_at"]
        )

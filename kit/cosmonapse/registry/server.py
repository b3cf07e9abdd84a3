"""A pool of connections to a PostgreSQL server, and what its errors mean for a registry.

asyncpg is imported here and nowhere else: `import kit.cosmonapse` works without it.
"""

import asyncio
from typing import Any

from kit.cosmonapse.registry.dsn import without_password
from kit.errors import (
    ArgumentError,
    KitError,
    MissingExtraError,
    RegistryClosedError,
    RegistryConnectionError,
    RegistryError,
    RegistryTimeoutError,
)

try:
    # Under its own name: the reader of servers in `kit.io` takes it from here, with the error below.
    import asyncpg as asyncpg
except ImportError as missing:
    raise MissingExtraError(
        "PostgreSQL needs asyncpg, which is not installed: pip install 'namespace-kit[postgres]'"
    ) from missing

ANSWER_S = 30.0
"""Seconds that a server may take for one statement, where `pool_kwargs` has no `command_timeout`."""
CONNECT_S = 10.0
"""Seconds that making a connection may take, where `pool_kwargs` has no `timeout`."""
CLOSE_S = 10.0
CREATE_TRIES = 10
PRESENT = "SELECT bool_and(to_regclass(name) IS NOT NULL) FROM unnest($1::text[]) AS name"

LOST = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.CannotConnectNowError,
    OSError,
)
"""The connection is gone, or could not be made. asyncpg 0.32 calls it an internal error of its own where the server
goes away between two statements."""
BARRED = (asyncpg.InvalidAuthorizationSpecificationError, asyncpg.InvalidCatalogNameError)
SLOW = (TimeoutError, asyncpg.QueryCanceledError, asyncpg.LockNotAvailableError)
RACED = (asyncpg.UniqueViolationError, asyncpg.DuplicateTableError, asyncpg.DuplicateObjectError)
"""Another connection created the same table at the same moment: IF NOT EXISTS does not look at uncommitted ones."""


class Server:
    """A pool that belongs to the event loop it was opened in."""

    def __init__(self, pool: "asyncpg.Pool[Any]", dsn: str) -> None:
        self._pool = pool
        self._shown = without_password(dsn)
        self._closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def is_here(self) -> bool:
        """Whether the running event loop is the one the pool belongs to."""
        return self._loop is asyncio.get_running_loop()

    async def fetch(self, sql: str, *values: object) -> list[Any]:
        """Run one statement on a connection of the pool and return its rows.

        Where a connection is lost, all of the pool are replaced, since the idle ones were likely lost with it, and the
        statement is run again, once: what a registry writes is the same when it is written twice.
        """
        if not self.is_here:
            raise RegistryError(
                f"{self._shown}: the registry was connected in another event loop; await store.connect() in this one"
            )
        try:
            try:
                rows: list[Any] = await self._pool.fetch(sql, *values)
            except LOST as error:
                if self._closed or isinstance(error, TimeoutError):
                    raise
                await self._pool.expire_connections()
                rows = await self._pool.fetch(sql, *values)
            return rows
        except Exception as error:
            if self._closed:
                raise RegistryClosedError(f"{self._shown}: the registry was closed") from error
            raise refusal(error, self._shown) from error

    async def create(self, names: tuple[str, ...], ddl: str) -> None:
        """Run `ddl` unless everything in `names` is there; several writers may come at once."""
        for _ in range(CREATE_TRIES):
            if (await self.fetch(PRESENT, list(names)))[0][0]:
                return
            try:
                async with self._pool.acquire() as connection:
                    await connection.execute(ddl)
            except RACED:
                continue
            except Exception as error:
                raise refusal(error, self._shown) from error

    async def close(self) -> None:
        """Close the pool when its statements are done, or after ten seconds without that."""
        self._closed = True
        if not self.is_here:
            self.abandon()
            return
        try:
            await asyncio.wait_for(self._pool.close(), CLOSE_S)
        except (TimeoutError, *LOST):
            self._pool.terminate()

    def abandon(self) -> None:
        """Drop the connections of a pool whose event loop is another one, or has ended."""
        self._closed = True
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._pool.terminate)


async def open_server(dsn: str, *, min_size: int, max_size: int, pool_kwargs: dict[str, Any]) -> Server:
    """Return a pool of at least `min_size` connections. Raises RegistryConnectionError, RegistryTimeoutError."""
    try:
        options = {"timeout": CONNECT_S, "command_timeout": ANSWER_S, **pool_kwargs}
        pool = await asyncpg.create_pool(dsn, min_size=min_size, max_size=max_size, **options)
    except Exception as error:
        raise unreached(error, without_password(dsn)) from error
    return Server(pool, dsn)


def unreached(error: Exception, shown: str) -> KitError:
    """Return the error of the kit for a connection that was not made: the address may mean nothing."""
    if isinstance(error, asyncpg.ClientConfigurationError | ValueError | TypeError):
        return ArgumentError(
            f"dsn={shown!r}: no address of a server, or unknown options beside it ({_said(error)}); an address looks "
            "like postgresql://user:password@host/database"
        )
    return refusal(error, shown)


def refusal(error: Exception, shown: str) -> KitError:
    """Return the error of the kit that says what asyncpg's means here."""
    if isinstance(error, KitError):
        return error
    if isinstance(error, SLOW):
        return RegistryTimeoutError(
            f"{shown}: no answer in time ({_said(error)}). The server is busy, or a lock is held; try again, or give "
            "pool_kwargs={'command_timeout': seconds}"
        )
    if isinstance(error, BARRED):
        return RegistryConnectionError(
            f"{shown}: the server lets nobody in ({_said(error)}). Check user, password and database of the dsn"
        )
    if isinstance(error, asyncpg.TooManyConnectionsError):
        return RegistryConnectionError(
            f"{shown}: {_said(error)}. Give a smaller max_size, or the server more connections"
        )
    if isinstance(error, asyncpg.DataError | ValueError | TypeError):
        return ArgumentError(f"{shown}: a value that PostgreSQL cannot hold ({_said(error)})")
    if isinstance(error, LOST):
        return RegistryConnectionError(
            f"{shown}: no connection to the server ({_said(error)}). Is it running, and reachable from here? A call that "
            "is made when it is back connects again"
        )
    return RegistryError(f"{shown}: the server refuses ({_said(error)}). Nothing of this call was written")


def _said(error: Exception) -> str:
    return str(error).strip() or type(error).__name__

"""What a client is made of: where it writes to, as whom, and its HTTP connections."""

import logging
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from weakref import WeakSet

from kit.errors import ArgumentError, ClientClosedError, SyncropelReadError
from kit.syncropel.asynctail import AsyncTail
from kit.syncropel.connection import Connection
from kit.syncropel.envelope import Clocks
from kit.syncropel.identity import Identity
from kit.syncropel.reads import answer_json
from kit.syncropel.result import EmitResult
from kit.syncropel.subscription import Subscription
from kit.syncropel.tail import Tail

if TYPE_CHECKING:
    import httpx

__all__ = ["IdMismatch", "Session", "logger"]

logger = logging.getLogger("syncropel")


class IdMismatch(NamedTuple):
    """A record whose id the server gives otherwise than its content does here."""

    expected: str
    received: str


class Session:
    """The settings of a client, its HTTP connections, and its end."""

    def __init__(
        self,
        *,
        endpoint: str = "http://localhost:9100",
        identity: Identity,
        timeout: float = 30.0,
        max_retries: int = 2,
        backoff_ms: float = 250.0,
        on_emit: Callable[[EmitResult], object] | None = None,
        api_key: str | None = None,
        transport: "httpx.BaseTransport | httpx.AsyncBaseTransport | None" = None,
        send_bearer: bool = False,
        strict_compat: bool = False,
    ) -> None:
        if not isinstance(identity, Identity):
            raise TypeError(
                f"identity must be an Identity instance; got {type(identity).__name__}. Use Identity.static(did)."
            )
        if not endpoint:
            raise ArgumentError("endpoint must not be empty")
        self.endpoint = endpoint.rstrip("/")
        self.identity = identity
        self.timeout = timeout
        self.max_retries = max_retries
        self.backoff_ms = backoff_ms
        self.on_emit = on_emit
        self.api_key = api_key
        self.strict_compat = strict_compat
        self.id_mismatches = 0
        self.last_mismatch: IdMismatch | None = None
        self._headers = {"content-type": "application/json"}
        if api_key:
            self._headers["x-api-key"] = api_key
            if send_bearer:
                self._headers["authorization"] = f"Bearer {api_key}"
        self._connection = Connection(self._headers, timeout, transport)
        self._extra_connections: list[Connection] = []
        self._subscriptions: set[Subscription] = set()
        self._tails: WeakSet[Tail | AsyncTail] = WeakSet()
        self._clocks = Clocks()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for tail in list(self._tails):
            if isinstance(tail, Tail):
                tail.close()
        self._connection.close()

    async def close(self) -> None:
        """End tails and subscriptions and release the HTTP clients; closing again does nothing."""
        for tail in list(self._tails):
            tail.close()
        subscriptions, self._subscriptions = self._subscriptions, set()
        for subscription in subscriptions:
            subscription.close()
        for subscription in subscriptions:
            await subscription.wait_closed()
        for connection in (self._connection, *self._extra_connections):
            await connection.aclose()

    async def aclose(self) -> None:
        """The same as `close()`."""
        await self.close()

    async def _read(self, method: str, path: str, **request: Any) -> Any:
        """Return the JSON of an answer. Raises SyncropelReadError, whatever went wrong."""
        import httpx

        try:
            response = await self._connection.asynchronous().request(method, self._url(path), **request)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ClientClosedError) as error:
            raise SyncropelReadError(f"{self.endpoint}: {type(error).__name__}: {error}") from error
        return answer_json(response)

    def _connected(self, transport: "httpx.AsyncBaseTransport") -> Connection:
        """Return a connection over another transport that ends with this client."""
        connection = Connection(self._headers, self.timeout, transport)
        self._extra_connections.append(connection)
        return connection

    def _url(self, path: str) -> str:
        return self.endpoint + path

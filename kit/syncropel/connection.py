"""The two HTTP clients behind a `Client`: one for coroutines, one for plain calls, made when first used."""

import asyncio
import threading
from typing import TYPE_CHECKING, Any

from kit.errors import ClientClosedError

if TYPE_CHECKING:
    import httpx

__all__ = ["Connection"]


class Connection:
    """HTTP clients that share headers, timeout and transport, and are made and closed together.

    The one for coroutines belongs to the event loop it was made in; in another loop a new one takes its place, and
    what the ended loop left open is closed when it is collected: close the client in its loop to close them at once.
    """

    def __init__(
        self,
        headers: dict[str, str],
        timeout: float,
        transport: "httpx.BaseTransport | httpx.AsyncBaseTransport | None",
    ) -> None:
        self._options: dict[str, Any] = {"headers": headers, "timeout": timeout, "transport": transport}
        self._lock = threading.Lock()
        self._async: httpx.AsyncClient | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._sync: httpx.Client | None = None
        self.closed = False

    def require_open(self) -> None:
        """None; raises ClientClosedError after `close()`."""
        if self.closed:
            raise ClientClosedError("the client is closed; make a new Client")

    def asynchronous(self) -> "httpx.AsyncClient":
        """The client for coroutines of the running loop. Raises ClientClosedError."""
        import httpx

        self.require_open()

        loop = asyncio.get_running_loop()
        if self._async is None or self._loop is not loop:
            self._async, self._loop = httpx.AsyncClient(**self._options), loop
        return self._async

    def synchronous(self) -> "httpx.Client":
        """The client for plain calls, one for all of them, from any thread. Raises ClientClosedError."""
        import httpx

        self.require_open()

        with self._lock:
            if self._sync is None:
                self._sync = httpx.Client(**self._options)
            return self._sync

    async def aclose(self) -> None:
        """Close both; closing again does nothing."""
        client, self._async = self._async, None
        # Connections of another loop ended with it.
        if client is not None and self._loop is asyncio.get_running_loop():
            await client.aclose()
        self.close()

    def close(self) -> None:
        """Close what can be closed without a loop: the client for plain calls."""
        self.closed = True
        with self._lock:
            client, self._sync = self._sync, None
        if client is not None:
            client.close()

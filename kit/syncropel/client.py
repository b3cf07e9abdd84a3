"""The client of a Syncropel server: emits records, reads them, follows threads."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from kit.syncropel.asynctail import AsyncTail
from kit.syncropel.connection import Connection
from kit.syncropel.feed import Feed, Hooks
from kit.syncropel.inferring import Inferring
from kit.syncropel.reads import thread_path
from kit.syncropel.subscription import Subscription
from kit.syncropel.tail import Tail

if TYPE_CHECKING:
    import httpx

    from kit.errors import SubscribeError

__all__ = ["Client"]

REMEMBERED = 10_000
"""How many ids a tail remembers, to leave out what a reconnect brings again."""


class Client(Inferring):
    """A client for one server and one identity.

    Emits return an `EmitResult` and do not raise for a network fault, a refusal or a timeout; a kind that breaks
    the grammar, and arguments that cannot mean anything, raise before any request. Reads return nothing where they
    fail, and log it; the `*_strict` ones raise `SyncropelReadError` instead.

    `transport` takes any httpx transport, such as `MockKernel().transport()`. `on_emit` is called with the result of
    every finished emit. `send_bearer` sends the key as `authorization: Bearer` too. `strict_compat` keeps to the
    published package where the kit is kinder: it raises for a closed client and for an address that is none, takes
    keys that are no text, and delivers a record twice where a reconnect brings it twice.

    After each emit the id is computed here as well. Where the server gives another, `id_mismatches` counts it,
    `last_mismatch` holds both, and the logger `syncropel` tells it; the result is as the server gave it.

    `async with Client(...)` closes it at the end; `with Client(...)` does too where only `emit_sync` and
    `tail_sync` are used.
    """

    def subscribe(
        self,
        thread: str,
        callback: Callable[[dict[str, Any]], object],
        *,
        since_clock: int | None = None,
        bearer: str | None = None,
        on_error: "Callable[[SubscribeError], object] | None" = None,
        on_open: Callable[[], object] | None = None,
        on_heartbeat: Callable[[], object] | None = None,
        reconnect_base_s: float = 0.5,
        reconnect_max_s: float = 30.0,
        max_reconnects: float = math.inf,
        heartbeat_timeout_s: float = 60.0,
        transport: "httpx.AsyncBaseTransport | None" = None,
    ) -> Subscription:
        """Call `callback` with each new record of a thread, in the running event loop, until it is closed.

        Not awaited. Breaks go to `on_error` as a `SubscribeError`; then it connects again, after a random time of up
        to `reconnect_base_s` doubled with each break, at most `reconnect_max_s`. An exception of `callback` is logged.
        Raises ValueError for no thread, TypeError for no callback, RuntimeError without a running loop.
        """
        if not callable(callback):
            raise TypeError("subscribe requires a callback (Callable[[dict], None])")
        feed = self._feed(
            thread,
            since_clock,
            None,
            Hooks(on_error, on_open, on_heartbeat),
            reconnect_base_s,
            reconnect_max_s,
            max_reconnects,
            False,
        )
        connection = self._connection if transport is None else self._connected(transport)
        subscription = Subscription(self._async_tail(connection, feed, bearer, heartbeat_timeout_s), callback)
        self._subscriptions = {one for one in self._subscriptions if not one.closed} | {subscription}
        return subscription

    def tail(
        self,
        thread: str,
        *,
        since_clock: int | None = None,
        cursor: str | None = None,
        bearer: str | None = None,
        on_error: "Callable[[SubscribeError], object] | None" = None,
        on_open: Callable[[], object] | None = None,
        on_heartbeat: Callable[[], object] | None = None,
        reconnect_base_s: float = 0.5,
        reconnect_max_s: float = 30.0,
        max_reconnects: float = math.inf,
        heartbeat_timeout_s: float = 60.0,
    ) -> AsyncTail:
        """The live tail of a thread, to be iterated over with `async for`, or given a sink with `run`.

        It begins at `since_clock`, or behind the event `cursor`, or now. A record that a reconnect brings again is
        left out. A refusal (HTTP 4xx) ends it with a `SubscribeError`.
        """
        hooks = Hooks(on_error, on_open, on_heartbeat)
        feed = self._feed(thread, since_clock, cursor, hooks, reconnect_base_s, reconnect_max_s, max_reconnects, True)
        return self._async_tail(self._connection, feed, bearer, heartbeat_timeout_s)

    def tail_sync(
        self,
        thread: str,
        *,
        since_clock: int | None = None,
        cursor: str | None = None,
        bearer: str | None = None,
        on_error: "Callable[[SubscribeError], object] | None" = None,
        on_open: Callable[[], object] | None = None,
        on_heartbeat: Callable[[], object] | None = None,
        reconnect_base_s: float = 0.5,
        reconnect_max_s: float = 30.0,
        max_reconnects: float = math.inf,
        heartbeat_timeout_s: float = 60.0,
    ) -> Tail:
        """`tail` for scripts and threads: blocks; `close()` of the tail, from any thread, ends it."""
        hooks = Hooks(on_error, on_open, on_heartbeat)
        feed = self._feed(thread, since_clock, cursor, hooks, reconnect_base_s, reconnect_max_s, max_reconnects, True)
        url = self._url(thread_path(thread, "watch"))
        tail = Tail(self._connection.synchronous, feed, url, bearer, self.timeout, heartbeat_timeout_s)
        self._tails.add(tail)
        return tail

    def _async_tail(
        self, connection: Connection, feed: Feed, bearer: str | None, heartbeat_timeout_s: float
    ) -> AsyncTail:
        url = self._url(thread_path(feed.thread, "watch"))
        tail = AsyncTail(connection.asynchronous, feed, url, bearer, self.timeout, heartbeat_timeout_s)
        self._tails.add(tail)
        return tail

    def _feed(
        self,
        thread: str,
        since_clock: int | None,
        cursor: str | None,
        hooks: Hooks,
        reconnect_base_s: float,
        reconnect_max_s: float,
        max_reconnects: float,
        give_up_when_refused: bool,
    ) -> Feed:
        self._connection.require_open()
        return Feed(
            thread,
            since_clock=since_clock,
            cursor=cursor,
            hooks=hooks,
            reconnect_base_s=reconnect_base_s,
            reconnect_max_s=reconnect_max_s,
            max_reconnects=max_reconnects,
            remember=0 if self.strict_compat else REMEMBERED,
            give_up_when_refused=give_up_when_refused,
        )

"""The live tail of a thread: its records as the server takes them, over connections that may break (spec/syncropel.md 10).

    with client.tail_sync("music.library", since_clock=0) as tail:
        for record in tail:
            ...

After a `break` a tail goes on with the next record where it is iterated over again; `cursor` counts whole batches, so
a tail that is made anew from it brings some records of the last batch again rather than lose one.

Records come straight from the connection: nothing is queued, so a slow reader slows the server down and memory
stays bounded. While more is there to be read, up to 1000 records gather in a batch; nothing waits for what is not there.
"""

import contextlib
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from kit.syncropel.feed import Arrival, Ending, Feed

if TYPE_CHECKING:
    import httpx

__all__ = ["END_OF_STREAM", "Batch", "Following", "Tail", "opening_text"]

END_OF_STREAM = Ending("transport_error", "stream closed by server without event")
ERROR_TEXT_LENGTH = 200
BATCH_RECORDS, BATCH_CHARACTERS = 1000, 8 << 20


class Following:
    """What both tails know: the thread, the way to the server, and the counts of the feed."""

    def __init__(self, feed: Feed, url: str, bearer: str | None, timeout_s: float, heartbeat_timeout_s: float) -> None:
        self._feed = feed
        self._url = url
        self._bearer = bearer
        self._timeout_s = timeout_s
        self._heartbeat_timeout_s = heartbeat_timeout_s

    @property
    def thread(self) -> str:
        """The thread that is followed."""
        return self._feed.thread

    @property
    def cursor(self) -> str | None:
        """The last event that was handed on; `cursor=` of a later tail goes on behind it."""
        return self._feed.cursor

    @property
    def counts(self) -> dict[str, int]:
        """How many connections, records, repeats left out, heartbeats, and events without a record there were."""
        feed = self._feed
        return {
            "connections": feed.connections,
            "records": feed.records,
            "repeats": feed.repeats,
            "heartbeats": feed.heartbeats,
            "unreadable": feed.unreadable,
        }

    def _request(self, client: "httpx.Client | httpx.AsyncClient") -> "httpx.Request":
        import httpx

        timeout = httpx.Timeout(self._timeout_s, read=self._heartbeat_timeout_s)
        headers = self._feed.headers(self._bearer)
        return client.build_request("GET", self._url, params=self._feed.params(), headers=headers, timeout=timeout)

    def _ending_of(self, error: Exception) -> Ending:
        """Return the ending that an exception of a connection is."""
        import httpx

        if isinstance(error, httpx.ReadTimeout | TimeoutError):
            return Ending("heartbeat_timeout", f"nothing came for {self._heartbeat_timeout_s:g} s")
        return Ending("transport_error", f"{type(error).__name__}: {error}")


class Batch:
    """What has arrived and is to be handed on together."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self._characters = 0

    @property
    def is_full(self) -> bool:
        """Whether it must not grow any more."""
        return len(self.arrivals) >= BATCH_RECORDS or self._characters >= BATCH_CHARACTERS

    def add(self, arrivals: list[Arrival]) -> None:
        """Take more."""
        self.arrivals += arrivals
        self._characters += sum(len(arrival.raw) for arrival in arrivals)


class Tail(Following):
    """The tail for plain code: iterate over it for records, or `run(sink)`. It blocks; `close()` from any thread ends it.

    Iterating raises `SubscribeError` when `max_reconnects` are used up, or when the server refuses for good.
    """

    def __init__(self, client: Callable[[], "httpx.Client"], *settings: Any) -> None:
        super().__init__(*settings)
        self._client = client
        self._stopping = threading.Event()
        self._records = self._one_by_one()
        self._response: httpx.Response | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._records)

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._stopping.is_set()

    def run(self, sink: Callable[[list[Arrival]], object]) -> int:
        """Call `sink` with each batch until `close()`; how many records that were.

        The cursor moves on when `sink` has returned, so what it raised for comes again after a restart.
        """
        records = 0
        with contextlib.closing(self.batches()) as batches:
            for batch in batches:
                sink(batch)
                records += sum(arrival.record is not None for arrival in batch)
        return records

    def batches(self) -> Generator[list[Arrival], None, None]:
        """What arrives, never an empty batch, until `close()`."""
        while not self.closed:
            ending = yield from self._connection()
            if self.closed:
                return
            error, again = self._feed.ended(ending)
            if not again:
                raise error
            self._stopping.wait(error.next_retry_s)

    def close(self) -> None:
        """End the tail at once, also while it waits for the server; closing again does nothing."""
        self._stopping.set()
        response = self._response
        stream = None if response is None else response.extensions.get("network_stream")
        held = None if stream is None else stream.get_extra_info("socket")
        if held is not None:
            # It wakes a thread that waits for bytes; closing the file descriptor would not.
            with contextlib.suppress(OSError):
                held.shutdown(socket.SHUT_RDWR)
        # Another thread that iterates ends by itself; it has just been woken.
        with contextlib.suppress(ValueError):
            self._records.close()

    def _one_by_one(self) -> Generator[dict[str, Any], None, None]:
        with contextlib.closing(self.batches()) as batches:
            for batch in batches:
                yield from (arrival.record for arrival in batch if arrival.record is not None)

    def _connection(self) -> Generator[list[Arrival], None, Ending]:
        """Yield the batches of one connection and return why it ended."""
        import httpx

        client = self._client()
        try:
            response = client.send(self._request(client), stream=True)
        except (httpx.HTTPError, OSError) as error:
            return self._ending_of(error)
        self._response = response
        try:
            return (yield from self._stream(response))
        finally:
            self._response = None
            response.close()

    def _stream(self, response: "httpx.Response") -> Generator[list[Arrival], None, Ending]:
        chunks = iter([response.content]) if response.is_stream_consumed else response.iter_raw()
        text = "" if response.is_success else opening_text(self._next(chunks))
        ending = self._feed.opened(response.status_code, response.headers.get("content-encoding"), text)
        waiting = Batch()
        # Between the look at the flag and the wait for bytes, `close()` finds the response and wakes the wait.
        while ending is None and not self.closed:
            chunk = self._next(chunks)
            if isinstance(chunk, Ending):
                ending = chunk
            else:
                arrivals, ending = self._feed.arrived(chunk)
                waiting.add(arrivals)
            if waiting.arrivals and (ending is not None or waiting.is_full or not _is_readable(response)):
                yield waiting.arrivals
                self._feed.handed_on(waiting.arrivals)
                waiting = Batch()
        return ending or END_OF_STREAM

    def _next(self, chunks: Iterator[bytes]) -> bytes | Ending:
        import httpx

        try:
            return next(chunks, END_OF_STREAM)
        except (httpx.HTTPError, OSError) as error:
            return self._ending_of(error)


def _is_readable(response: "httpx.Response") -> bool:
    """Return whether the connection has more, so that reading on does not wait."""
    stream = response.extensions.get("network_stream")
    return stream is not None and bool(stream.get_extra_info("is_readable"))


def opening_text(chunk: bytes | Ending) -> str:
    """The first characters of an answer that is no stream."""
    return "" if isinstance(chunk, Ending) else chunk[:ERROR_TEXT_LENGTH].decode("utf-8", "replace")

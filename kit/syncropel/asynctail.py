"""The live tail of a thread for coroutines; see `kit.syncropel.tail` for what both tails do.

async with client.tail("music.library", since_clock=0) as tail:
    async for record in tail:
        ...
"""

import asyncio
import contextlib
import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from kit.syncropel.feed import Arrival, Ending
from kit.syncropel.tail import END_OF_STREAM, Batch, Following, opening_text

if TYPE_CHECKING:
    import httpx

__all__ = ["AsyncTail"]

Result = TypeVar("Result")


class AsyncTail(Following):
    """The tail for coroutines: `async for` over it for records, or `await run(sink)`; `close()` in its loop ends it.

    `async with` closes its connection at the end. Iterating raises `SubscribeError` as `Tail` does.
    """

    def __init__(self, client: Callable[[], "httpx.AsyncClient"], *settings: Any) -> None:
        super().__init__(*settings)
        self._client = client
        self._stopping = asyncio.Event()
        self._waiting: asyncio.Timeout | None = None
        self._records = self._one_by_one()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
        await self._records.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> dict[str, Any]:
        return await anext(self._records)

    @property
    def closed(self) -> bool:
        """Whether `close()` was called."""
        return self._stopping.is_set()

    async def run(self, sink: Callable[[list[Arrival]], object]) -> int:
        """Call `sink`, and await what it returns if that can be awaited, with each batch until `close()`.

        Returns how many records that were. The cursor moves on when `sink` is done.
        """
        records = 0
        async with contextlib.aclosing(self.batches()) as batches:
            async for batch in batches:
                done = sink(batch)
                if inspect.isawaitable(done):
                    await done
                records += sum(arrival.record is not None for arrival in batch)
        return records

    def close(self) -> None:
        """End the tail at once, also while it waits for the server; closing again does nothing."""
        self._stopping.set()
        if self._waiting is not None:
            self._waiting.reschedule(asyncio.get_running_loop().time())

    async def batches(self) -> AsyncGenerator[list[Arrival], None]:
        """What arrives, never an empty batch, until `close()`; to be closed with `aclosing`."""
        while not self.closed:
            ending = END_OF_STREAM
            async with contextlib.aclosing(self._connection()) as events:
                async for event in events:
                    if isinstance(event, Ending):
                        ending = event
                    else:
                        yield event
            if self.closed:
                return
            error, again = self._feed.ended(ending)
            if not again:
                raise error
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), error.next_retry_s)

    async def _one_by_one(self) -> AsyncGenerator[dict[str, Any], None]:
        async with contextlib.aclosing(self.batches()) as batches:
            async for batch in batches:
                for arrival in batch:
                    if arrival.record is not None:
                        yield arrival.record

    async def _connection(self) -> AsyncGenerator[list[Arrival] | Ending, None]:
        """Yield the batches of one connection, then why it ended."""
        import httpx

        client = self._client()
        try:
            response = await self._within(client.send(self._request(client), stream=True), self._timeout_s)
        except (httpx.HTTPError, OSError) as error:
            yield self._ending_of(error)
            return
        async with contextlib.aclosing(response), contextlib.aclosing(self._stream(response)) as events:
            async for event in events:
                yield event

    async def _stream(self, response: "httpx.Response") -> AsyncGenerator[list[Arrival] | Ending, None]:
        async with _Ahead(_achunks(response)) as chunks:
            text = "" if response.is_success else opening_text(await self._next(chunks))
            ending = self._feed.opened(response.status_code, response.headers.get("content-encoding"), text)
            waiting = Batch()
            while ending is None and not self.closed:
                chunk = await self._next(chunks)
                if isinstance(chunk, Ending):
                    ending = chunk
                else:
                    arrivals, ending = self._feed.arrived(chunk)
                    waiting.add(arrivals)
                if waiting.arrivals and (ending is not None or waiting.is_full or not await chunks.is_there()):
                    yield waiting.arrivals
                    self._feed.handed_on(waiting.arrivals)
                    waiting = Batch()
            yield ending or END_OF_STREAM

    async def _next(self, chunks: "_Ahead") -> bytes | Ending:
        import httpx

        try:
            return await self._within(chunks.next(), self._heartbeat_timeout_s)
        except (httpx.HTTPError, OSError) as error:
            return self._ending_of(error)

    async def _within(self, awaited: Awaitable[Result], seconds: float) -> Result:
        """Return what `awaited` gives. Raises TimeoutError after `seconds`, or at once on `close()`."""
        async with asyncio.timeout(seconds) as self._waiting:
            try:
                return await awaited
            finally:
                self._waiting = None


class _Ahead:
    """The chunks of a stream, of which the next one may be asked for before it is needed."""

    def __init__(self, chunks: AsyncIterator[bytes]) -> None:
        self._chunks = chunks
        self._asked: asyncio.Task[bytes | Ending] | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._asked is not None:
            self._asked.cancel()
            await asyncio.wait([self._asked])
            # Whatever it came to belongs to a stream that nobody reads any more.
            _ = self._asked.cancelled() or self._asked.exception()

    async def is_there(self) -> bool:
        """Whether the next chunk, or the end, needs no waiting."""
        asked = self._ask()
        await asyncio.sleep(0)
        return asked.done()

    async def next(self) -> bytes | Ending:
        """The next chunk, or the end."""
        asked = self._ask()
        try:
            return await asked
        finally:
            self._asked = None

    def _ask(self) -> "asyncio.Task[bytes | Ending]":
        if self._asked is None:
            self._asked = asyncio.get_running_loop().create_task(self._read())
        return self._asked

    async def _read(self) -> bytes | Ending:
        # Not `anext(chunks, END_OF_STREAM)`: CPython 3.11 fails where the default is a tuple.
        try:
            return await anext(self._chunks)
        except StopAsyncIteration:
            return END_OF_STREAM


async def _achunks(response: "httpx.Response") -> AsyncGenerator[bytes, None]:
    if response.is_stream_consumed:
        # A mocked answer, which has its content already.
        yield response.content
        return
    async for chunk in response.aiter_raw():
        yield chunk

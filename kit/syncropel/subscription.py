"""A tail that runs by itself in the event loop and calls back (spec/syncropel.md 10)."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

from kit.errors import SubscribeError
from kit.syncropel.asynctail import AsyncTail

__all__ = ["Subscription"]

logger = logging.getLogger("syncropel")


class Subscription:
    """The handle that `Client.subscribe` returns; the records go to the callback.

    It ends with `close()`, with its client, or when the reconnects are used up.
    """

    transport_name = "sse"

    def __init__(self, tail: AsyncTail, callback: Callable[[dict[str, Any]], object]) -> None:
        self._tail = tail
        self._callback = callback
        self._task = asyncio.get_running_loop().create_task(self._run(), name=f"subscribe {tail.thread}")

    @property
    def thread(self) -> str:
        """The thread that is followed."""
        return self._tail.thread

    @property
    def cursor(self) -> str | None:
        """The last event that was handed on."""
        return self._tail.cursor

    @property
    def closed(self) -> bool:
        """Whether it has ended."""
        return self._tail.closed or self._task.done()

    def close(self) -> None:
        """End it; closing again does nothing."""
        self._tail.close()

    async def wait_closed(self, timeout: float | None = None) -> None:
        """Wait until it has ended, at most `timeout` seconds."""
        await asyncio.wait([self._task], timeout=timeout)

    async def _run(self) -> None:
        async with contextlib.aclosing(self._tail.batches()) as batches:
            # Every break was told to `on_error`, the last one too.
            with contextlib.suppress(SubscribeError):
                async for batch in batches:
                    for arrival in batch:
                        if arrival.record is not None and not self._tail.closed:
                            self._deliver(arrival.record)

    def _deliver(self, record: dict[str, Any]) -> None:
        try:
            self._callback(record)
        except Exception as error:
            logger.warning("subscribe callback raised %s; swallowing", type(error).__name__)

"""The server's side of a live tail: the frames of one watcher of a thread (spec/syncropel.md 10)."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any

__all__ = ["Cut", "End", "Follower", "Watch", "Watchers", "at_or_after", "frame"]


class End(Enum):
    """How a stream ends: after its last event, or broken off."""

    CLEAN = "clean"
    CUT = "cut"


class Cut(Exception):
    """The connection of a watcher is to break here, in the middle of an event."""


class Follower:
    """How far one watcher has come: it wants events behind the number `after`, of clocks from `least` on.

    `cut_after` breaks the stream in the middle of the event behind that many.
    """

    def __init__(self, after: int, least: int | None, cut_after: int | None) -> None:
        self._after = after
        self._least = least
        self._cut_after = cut_after
        self._position = 0
        self._sent = 0

    def due(
        self, records: Sequence[dict[str, Any]], numbers: Sequence[int], ends: Sequence[bytes]
    ) -> list[bytes | End]:
        """The events that came since the last call, and the end of the stream if there is one."""
        due: list[bytes | End] = []
        new = list(zip(records[self._position :], numbers[self._position :], strict=False))
        self._position += len(new)
        for record, number in new:
            if number <= self._after or (self._least is not None and not at_or_after(record, self._least)):
                continue
            event = frame("record.created", {"id": record["id"], "record": record}, number)
            if self._sent == self._cut_after:
                return [*due, event[: len(event) // 2], End.CUT]
            self._sent += 1
            due.append(event)
        return [*due, ends[0], End.CLEAN] if ends else due


class Watchers:
    """Those who wait for the next record, in threads and in event loops, and how they are woken."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._wakers: set[Callable[[], None]] = set()
        self._round = 0

    def wake(self) -> None:
        """Wake all."""
        with self._changed:
            self._round += 1
            self._changed.notify_all()
            wakers = list(self._wakers)
        for waker in wakers:
            waker()

    def round(self) -> int:
        """A number that changes with each `wake`; what came before it need not be waited for."""
        with self._changed:
            return self._round

    def wait(self, seen: int, seconds: float) -> bool:
        """Block until a `wake` after the round `seen`; False where `seconds` have passed without one."""
        with self._changed:
            return self._changed.wait_for(lambda: self._round != seen, seconds)

    async def wait_async(self, seen: int, seconds: float) -> bool:
        """The same, without holding up the event loop."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def waker() -> None:
            # A loop that has ended waits for nothing.
            if not loop.is_closed():
                loop.call_soon_threadsafe(event.set)

        with self._changed:
            if self._round != seen:
                return True
            self._wakers.add(waker)
        try:
            await asyncio.wait_for(event.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            with self._changed:
                self._wakers.discard(waker)
        return True


class Watch:
    """One open stream. Iterate over it, plainly or with `async for`, for the bytes to send.

    `pending` gives the events that are due, and the end behind the last one of all. Without one for `heartbeat_s`, a
    heartbeat is sent. Raises `Cut` where the connection is to break.
    """

    def __init__(self, pending: Callable[[], list[bytes | End]], watchers: Watchers, heartbeat_s: float) -> None:
        self._pending = pending
        self._watchers = watchers
        self._heartbeat_s = heartbeat_s
        self._stopped = False

    def stop(self) -> None:
        """End the stream, also while it waits."""
        self._stopped = True
        self._watchers.wake()

    def __iter__(self) -> Iterator[bytes]:
        # Something at once, so that the answer's head goes out before the first record.
        yield b": open\n\n"
        while not self._stopped:
            seen = self._watchers.round()
            for due in self._pending():
                if due is End.CUT:
                    raise Cut("mock-injected cut")
                if not isinstance(due, bytes):
                    return
                yield due
            if not self._watchers.wait(seen, self._heartbeat_s):
                yield frame("heartbeat", {})

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b": open\n\n"
        while not self._stopped:
            seen = self._watchers.round()
            for due in self._pending():
                if due is End.CUT:
                    raise Cut("mock-injected cut")
                if not isinstance(due, bytes):
                    return
                yield due
            if not await self._watchers.wait_async(seen, self._heartbeat_s):
                yield frame("heartbeat", {})


def at_or_after(record: Mapping[str, Any], clock: int) -> bool:
    """Whether the clock of a record is a number, `clock` or later."""
    value = record["clock"]
    return isinstance(value, int | float) and value >= clock


def frame(event: str, data: Any, id: int | None = None) -> bytes:
    """The bytes of one event."""
    head = "" if id is None else f"id: {id}\n"
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"{head}event: {event}\ndata: {text}\n\n".encode("utf-8", "surrogatepass")

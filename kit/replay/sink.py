"""Where a player delivers to: one event at a time, in order, and it waits until the event is taken."""

import asyncio
import os
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from kit.replay.event import PlayedEvent


class Sink:
    """Takes events. `rewinds` says whether `rewind` can take all of them back; `skipped` counts what it is not for."""

    name = "nothing"
    rewinds = False
    skipped = 0

    def deliver(self, event: PlayedEvent) -> None:
        """Take an event; it is taken when this returns."""

    def rewind(self) -> None:
        """Be as before the first event."""

    def close(self) -> None:
        """Release what is held."""

    def __repr__(self) -> str:
        return self.name


class Nothing(Sink):
    """Takes everything and does nothing."""

    rewinds = True


class Call(Sink):
    """A function that is called with each event."""

    def __init__(self, function: Callable[[PlayedEvent], Any]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self.deliver = function  # type: ignore[method-assign, assignment]


class AsyncCall(Sink):
    """A coroutine function: each event is awaited, on an event loop in a thread of its own.

    So it works in a notebook, whose own loop is taken while a cell runs.
    """

    def __init__(self, function: Callable[[PlayedEvent], Awaitable[Any]]) -> None:
        self.name = getattr(function, "__name__", type(function).__name__)
        self._function = function
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def deliver(self, event: PlayedEvent) -> None:
        """Call the function, and wait until it is through; where the wait is interrupted, the call is cancelled."""
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(target=self._loop.run_forever, name="kit-player-sink", daemon=True)
            self._thread.start()
        waiting = asyncio.run_coroutine_threadsafe(self._awaited(event), self._loop)
        try:
            waiting.result()
        except KeyboardInterrupt:
            waiting.cancel()
            raise

    async def _awaited(self, event: PlayedEvent) -> None:
        await self._function(event)

    def close(self) -> None:
        """End the loop and its thread."""
        if self._loop is not None and self._thread is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            self._loop = self._thread = None


class Collect(Sink):
    """Keeps the events in a list: `events`."""

    rewinds = True
    name = "a list"

    def __init__(self) -> None:
        self.events: list[PlayedEvent] = []
        self.deliver = self.events.append  # type: ignore[method-assign, assignment]

    def rewind(self) -> None:
        """Empty the list."""
        self.events.clear()


class File(Sink):
    """A file that grows line by line, each event in the bytes it was captured in; others can follow it.

    What is there already stays, and is never rewound over. Entries of logs have no line and are skipped.
    """

    rewinds = True

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.name = f"file {self.path.name}"
        self._file = self.path.open("ab", buffering=0)
        self._start = self._file.tell()

    def deliver(self, event: PlayedEvent) -> None:
        """Append the line of an event, in one write."""
        if event.text is None:
            self.skipped += 1
            return
        self._file.write(event.text.encode() + b"\n")

    def rewind(self) -> None:
        """Cut off what this sink wrote."""
        self._file.truncate(self._start)
        self._file.seek(self._start)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

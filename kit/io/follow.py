"""`tail`: a thread of a Syncropel server into a store, record by record as the server takes them (spec/syncropel.md 10).

One thread reads the stream, the calling thread loads. What has arrived is held until it is worth a load, at most
`HELD_RECORDS` or `HELD_CHARACTERS`; then the reader waits, and with it the server. Each load is a source of its own, all or
nothing, so that what was loaded stays, whatever ends the tail.
"""

import contextlib
import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import escape
from types import FrameType

from kit.errors import ArgumentError, SubscribeError
from kit.io.load import load
from kit.io.report import LoadReport, Timing, findings, source_counts
from kit.store.store import Store
from kit.syncropel.client import Client
from kit.syncropel.feed import Arrival
from kit.syncropel.identity import Identity
from kit.syncropel.reads import thread_path
from kit.syncropel.tail import Tail

HELD_RECORDS, HELD_CHARACTERS = 2000, 16 << 20
POLL_S = 0.1
"""How often a `stop` that is not ours to wait for is looked at."""
READER = Identity.static("did:kit:reader")
"""A client needs an identity; one that only reads shows it to nobody."""
WHY = {
    "limit": "the limit was reached",
    "stop": "it was told to stop",
    "seconds": "the time was over",
    "interrupted": "it was interrupted",
    "closed": "its client was closed",
}


@dataclass(frozen=True)
class TailReport:
    """What a tail brought: the account of its loads, why it ended, and where a later tail goes on."""

    thread: str
    report: LoadReport
    """The account of all that was loaded, a source per load."""
    ended: str
    """`limit`, `stop`, `seconds`, `interrupted` or `closed`."""
    cursor: str | None
    """The last event that is in the store: `study.tail(..., cursor=...)` goes on behind it. None where the server has none."""
    connections: int
    """How many connections it took."""

    @property
    def rows(self) -> int:
        """Records that became rows."""
        return self.report.rows

    @property
    def duplicates(self) -> int:
        """Events whose record the run had already."""
        return self.report.duplicates

    @property
    def quarantined(self) -> int:
        """Events that hold no record; they are kept in quarantine."""
        return self.report.quarantined

    @property
    def lines(self) -> int:
        """Events that were loaded."""
        return self.report.lines

    def _headline(self) -> str:
        over = f" over {self.connections:,} connections" if self.connections > 1 else ""
        return (
            f"tail of thread {self.thread!r} into run {self.report.run!r}: {self.lines:,} events{over}, "
            f"then {WHY[self.ended]}"
        )

    def _details(self) -> list[str]:
        return [f"  {line}" for line in self.report.details()]

    def __repr__(self) -> str:
        return "\n".join([self._headline(), *self._details()])

    def _repr_html_(self) -> str:
        notes = "".join(f"<li>{escape(line.strip())}</li>" for line in self._details())
        return f"<p><b>{escape(self._headline())}</b></p><ul>{notes}</ul>"


def tail(
    store: Store,
    client: Client | str,
    thread: str,
    *,
    run: str = "capture",
    since_clock: int | None = None,
    cursor: str | None = None,
    limit: int | None = None,
    seconds: float | None = None,
    stop: threading.Event | None = None,
    batch: int = 500,
    every_s: float = 1.0,
    max_reconnects: float = math.inf,
    on_load: Callable[[LoadReport], object] | None = None,
) -> TailReport:
    """Load the records of a thread as they come, until the limit, the time or Ctrl-C; return what came.

    client          a `kit.syncropel.Client`, which stays open, or the address of a server
    since_clock     begin with the records of this clock and later: 0 takes the thread from its start. Without it, and
                    without the `cursor` of an earlier tail, only what is new from now on comes
    limit, seconds  end after so many events, or so long; `stop` is a `threading.Event` that ends it from elsewhere
    batch, every_s  load when so many events have come, or this long after the first of them
    on_load         is called with the account of each load

    A connection that breaks is made again, after a while that grows, up to `max_reconnects` times in a row; it goes on
    behind the last event. A record that comes again is no second row: its id is known. Ctrl-C ends it cleanly; all
    that has come by then is in the store. It blocks; other threads may use the store meanwhile.

    Raises ArgumentError for what means nothing, SubscribeError where the server refuses or the reconnects are used up, and
    what a load raises; what came before is in the store.
    """
    for name, value in (("limit", limit), ("seconds", seconds), ("batch", batch), ("every_s", every_s)):
        if value is not None and not value > 0:
            raise ArgumentError(f"{name}={value!r}: give a number above 0")
    with contextlib.ExitStack() as stack:
        if isinstance(client, str):
            if not client.startswith(("http://", "https://")):
                raise ArgumentError(f"{client!r}: give an address like 'http://localhost:9100', or a Client")
            client = stack.enter_context(Client(endpoint=client, identity=READER))
        stream = client.tail_sync(thread, since_clock=since_clock, cursor=cursor, max_reconnects=max_reconnects)
        follower = stack.enter_context(_Follower(stream, limit, seconds, stop, batch, every_s))
        loader = _Loader(store, run, client.endpoint + thread_path(thread, "watch"), on_load, cursor)
        ended = "interrupted"
        with contextlib.suppress(KeyboardInterrupt):
            for arrivals in follower.batches():
                with _held_back():
                    loader.load(arrivals)
                    follower.loaded(len(arrivals))
            ended = follower.ended
        follower.close()
        # Nothing is left but after an interrupt; a second one ends this too.
        if rest := follower.rest():
            loader.load(rest)
        if follower.error is not None:
            follower.error.add_note(f"{loader.lines:,} events that came before are in run {run!r} of the store")
            raise follower.error
        return TailReport(thread, loader.report(), ended, loader.cursor, stream.counts["connections"])


@contextlib.contextmanager
def _held_back() -> Iterator[None]:
    """Hold a Ctrl-C back until the block is done, and a second one not: a load is short, and all or nothing.

    DuckDB and Arrow make errors of their own of one that comes while they call back.
    """
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return
    pressed: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if pressed:
            raise KeyboardInterrupt
        pressed.append(number)

    signal.signal(signal.SIGINT, note)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed:
        raise KeyboardInterrupt


class _Loader:
    """Loads batches, each as a source, and adds up what became of them."""

    def __init__(
        self, store: Store, run: str, uri: str, on_load: Callable[[LoadReport], object] | None, cursor: str | None
    ) -> None:
        self._store, self._run, self._uri, self._on_load = store, run, uri, on_load
        self._lines: dict[int, int] = {}
        self._begun = time.monotonic()
        self.cursor = cursor

    @property
    def lines(self) -> int:
        """How many events were loaded."""
        return sum(self._lines.values())

    def load(self, arrivals: list[Arrival]) -> None:
        """Load some events as lines, in the text that the stream had."""
        report = load(self._store, _Events(self._uri, arrivals), run=self._run, progress=False)
        self._lines |= {source.source_id: source.lines for source in report.sources}
        self.cursor = next((item.cursor for item in reversed(arrivals) if item.cursor is not None), self.cursor)
        if self._on_load is not None:
            self._on_load(report)

    def report(self) -> LoadReport:
        """Return the account of all loads as the store has it now: a later load can make a duplicate of an earlier row."""
        connection = self._store.connection
        counts = source_counts(connection, self._run, self._lines) if self._lines else []
        reasons, flags, reencoded = findings(connection, self._run, list(self._lines))
        timing = Timing(time.monotonic() - self._begun, sum(source.bytes for source in counts), self.lines)
        return LoadReport(self._run, tuple(counts), reasons, flags, reencoded, timing)


@dataclass(frozen=True)
class _Events:
    """Events of a stream as a source of lines."""

    uri: str
    arrivals: list[Arrival]
    family: str = "records"

    def lines(self) -> Iterator[str]:
        # An event may be written over several lines; between the values of JSON a newline and a space are the same.
        return (arrival.raw.replace("\n", " ") for arrival in self.arrivals)


class _Follower:
    """Reads a stream in a thread of its own and hands on what has come in batches, in the thread of the caller."""

    def __init__(
        self, stream: Tail, limit: int | None, seconds: float | None, stop: threading.Event | None, batch: int,
        every_s: float,
    ) -> None:  # fmt: skip
        self._stream = stream
        self._left = math.inf if limit is None else limit
        self._deadline = math.inf if seconds is None else time.monotonic() + seconds
        self._stop = stop
        self._batch, self._every_s = batch, every_s
        self._changed = threading.Condition()
        self._held: list[Arrival] = []
        self._characters = 0
        self._first_at = math.inf
        self._ended: str | None = None
        self.error: BaseException | None = None
        self._reader = threading.Thread(target=self._read, name=f"tail {stream.thread}", daemon=True)

    def __enter__(self) -> "_Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def batches(self) -> Iterator[list[Arrival]]:
        """Read, and yield what is worth a load, until the end. What was yielded is held until `loaded` is told of it."""
        self._reader.start()
        while (ready := self._wait()) > 0:
            yield self._held[:ready]

    def loaded(self, count: int) -> None:
        """Let go of the first `count` events: they are in the store."""
        with self._changed:
            self._characters -= sum(len(arrival.raw) for arrival in self._held[:count])
            del self._held[:count]
            self._left -= count
            self._first_at = time.monotonic() if self._held else math.inf
            self._changed.notify_all()

    @property
    def ended(self) -> str:
        """Why it ended."""
        return self._ended or "closed"

    def close(self) -> None:
        """End the stream; closing again does nothing."""
        with self._changed:
            self._end("closed")
            self._changed.notify_all()
        self._stream.close()
        if self._reader.ident is not None:  # an interrupt may come before it begins
            self._reader.join()

    def rest(self) -> list[Arrival]:
        """Return what has come and is not loaded, as far as the limit goes."""
        return self._held if self._left == math.inf else self._held[: int(self._left)]

    def _wait(self) -> int:
        """Return how many of the held events are to be loaded now; 0 at the end, when all that counts are."""
        with self._changed:
            while True:
                ready = int(min(len(self._held), self._left))
                if self._left <= 0:
                    self._end("limit")
                elif self._stop is not None and self._stop.is_set():
                    self._end("stop")
                elif time.monotonic() >= self._deadline:
                    self._end("seconds")
                if self._ended is not None:
                    return ready if self._left > 0 else 0
                due = self._first_at + self._every_s - time.monotonic()
                if ready and (ready >= min(self._batch, self._left) or self._is_full or due <= 0):
                    return ready
                waits = [due, self._deadline - time.monotonic(), POLL_S if self._stop is not None else math.inf]
                wait = max(min(waits), 0)
                self._changed.wait(None if wait == math.inf else wait)

    def _end(self, why: str) -> None:
        self._ended = self._ended or why

    @property
    def _is_full(self) -> bool:
        return len(self._held) >= HELD_RECORDS or self._characters >= HELD_CHARACTERS

    def _read(self) -> None:
        try:
            self._stream.run(self._take)
        except BaseException as error:  # handed on to the thread of the caller, whatever it is
            if not (isinstance(error, _Ended) or (isinstance(error, SubscribeError) and self._ended is not None)):
                self.error = error
        with self._changed:
            self._end("closed")
            self._changed.notify_all()

    def _take(self, arrivals: list[Arrival]) -> None:
        """Hold what came, as soon as there is room: only then does the cursor of the stream move on."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_full or self._ended is not None)
            if self._ended is not None:
                raise _Ended
            if not self._held:
                self._first_at = time.monotonic()
            self._held += arrivals
            self._characters += sum(len(arrival.raw) for arrival in arrivals)
            self._changed.notify_all()


class _Ended(Exception):
    """What comes now is not taken any more."""

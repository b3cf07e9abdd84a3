"""The producer's end of a stream: a source, the entries it has sent, and how it ended (spec/auki.md 6.2 and 6.4).

At most eight entries wait for the consumer, and one more is in the producer's hand. Three locks, taken in this order
only: the one of pulling, held while a source of the user runs; the network's; and the queue's, held for moments.
Whoever holds the network never waits for the one of pulling: what it wants done is left to its holder.
"""

import threading
from collections import deque
from collections.abc import AsyncIterator, Generator, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from kit.auki.decision import EndReason, Feed, StreamItem
from kit.auki.network import Network
from kit.auki.sample import (
    SAMPLE_TYPES,
    JointEncodersFrame,
    Sample,
    SpatialTransformFrame,
    StreamKind,
    TimeTransformFrame,
)
from kit.errors import StreamConnectionLost, StreamEndOfStream, StreamError, StreamProtocolError
from kit.kernel import Event

QUEUE_ENTRIES = 8
MAX_FRAME_BYTES = 16 << 20
_WRAP = 1 << 64


@dataclass(frozen=True)
class StreamEntry:
    """What a consumer reads: time on the stream's clock, number from 0 without gaps, payload."""

    timestamp_ns: int
    seq: int
    payload: Sample


class Peer(Protocol):
    """What a stream needs to know of the nodes at its ends."""

    alive: bool


class _Pull:
    """A feed of a plain iterable: it always has an item or ends."""

    def __init__(self, source: Any) -> None:
        self._items: Iterator[StreamItem] = iter(source)

    def poll(self) -> StreamItem | None:
        return next(self._items)

    def close(self) -> None:
        close = getattr(self._items, "close", None)
        if close is not None:
            close()


class _Bridge:
    """Something to await whose steps are a generator's."""

    def __init__(self, steps: Generator[Any, Any, Any]) -> None:
        self._steps = steps

    def __await__(self) -> Generator[Any, Any, Any]:
        return self._steps


class _Push:
    """A feed of an async iterable: a process in virtual time that sends by itself, and waits where there is no room."""

    def __init__(self, net: Network, source: Any, producer: "Producer") -> None:
        self._net = net
        self._producer = producer
        self._items: AsyncIterator[StreamItem] = aiter(source)
        self._step: Any = None
        self._room: Event | None = None
        from kit.auki.virtual_loop import VirtualLoop  # asyncio takes a while to import

        self._loop = VirtualLoop(net.kernel)
        with net.lock:
            self._process = net.kernel.spawn(self._run(), "source")

    async def _run(self) -> None:
        try:
            while True:
                self._step = anext(self._items)
                item = await _Bridge(self._loop.bridge(self._step))
                self._step = None
                room = self._room = self._net.kernel.event("room for an entry")
                if not self._producer.send(item):
                    await room
        except StopAsyncIteration:
            self._producer.stop(StreamEndOfStream(EndReason.source_ended()))
        except Exception as error:
            self._producer.fail(f"{type(error).__name__}: {error}")

    def poll(self) -> StreamItem | None:
        return None

    def move_up(self) -> None:
        """There is room again."""
        with self._net.lock:
            if self._room is not None and not self._room.done:
                self._room.trigger()

    def close(self) -> None:
        with self._net.lock:
            if self._net.kernel.running:  # perhaps by this very source
                self._net.kernel.call(0, self._close_later)
            elif not self._process.done:
                self._close()

    def _close_later(self) -> None:
        if not self._process.done:
            self._close()

    def _close(self) -> None:
        if self._step is not None:
            with self._loop.running():
                _finish(self._step, GeneratorExit())
        self._process.crash("was closed")
        aclose = getattr(self._items, "aclose", None)
        if aclose is not None:
            with self._loop.running():
                _finish(aclose())


def _finish(step: Any, error: BaseException | None = None) -> None:
    """Runs an awaitable to its end by hand; what it waits for meanwhile is taken as there."""
    steps = step.__await__()
    try:
        if error is not None:
            steps.throw(error)
        while True:
            steps.send(None)
    except (StopIteration, StopAsyncIteration, GeneratorExit):
        return


class Producer:
    """The entries of one stream on their way from `owner` to `reader`. `end` is how it ended, or None."""

    def __init__(self, net: Network, kind: StreamKind, source: Any, owner: Peer, reader: Peer) -> None:
        self.owner = owner
        self.reader = reader
        self.end: StreamError | None = None
        self._net = net
        self._type = SAMPLE_TYPES[kind]
        self._pulling = threading.RLock()
        self._mutex = threading.Lock()
        self._queue: deque[StreamEntry] = deque()
        self._in_hand: StreamEntry | None = None
        self._seq = 0
        self._inside = self._closed = False
        self._feed: Feed = source if hasattr(source, "poll") else self._feed_of(source)

    def _feed_of(self, source: Any) -> Feed:
        return _Push(self._net, source, self) if hasattr(source, "__aiter__") else _Pull(source)

    def take(self) -> StreamEntry | None:
        """The oldest entry that was sent, or None; room in the queue lets the one in hand follow."""
        with self._mutex:
            entry = self._queue.popleft() if self._queue else None
            moved = self._in_hand is not None and len(self._queue) < QUEUE_ENTRIES
            if moved and self._in_hand is not None:
                self._queue.append(self._in_hand)
                self._in_hand = None
        if moved and isinstance(self._feed, _Push):
            self._feed.move_up()
        return entry

    @property
    def has_news(self) -> bool:
        """Whether there is something to take, or the stream has ended; another thread may have seen to it."""
        return bool(self._queue) or self.end is not None

    def fill(self) -> None:
        """Runs ahead until the queue is full and one entry is in hand, or the source has nothing now.

        Does nothing while another thread is inside the source.
        """
        if self._pulling.acquire(blocking=False):
            try:
                while self.pull():
                    pass
            finally:
                self._pulling.release()

    def pull(self) -> bool:
        """Asks the source for one item; False when it has none now, has ended, or there is no room."""
        with self._pulling:
            if self._inside or self.end is not None or self._in_hand is not None:
                return False
            self._inside = True
            try:
                item = self._feed.poll()
            except StopIteration:
                self.stop(StreamEndOfStream(EndReason.source_ended()))
                return False
            except Exception as error:
                self.fail(f"{type(error).__name__}: {error}")
                return False
            finally:
                self._inside = False
                if self.end is not None:
                    self._close()
            if item is not None:
                self.send(item)
            return item is not None and self.end is None

    def send(self, item: object) -> bool:
        """Numbers an item and puts it into the queue; False when it stays in hand, or the stream has ended."""
        if not isinstance(item, StreamItem) or not isinstance(item.payload, self._type):
            got = type(item.payload).__name__ if isinstance(item, StreamItem) else type(item).__name__
            self.fail(f"the source yielded {got}, the stream carries StreamItem of {self._type.__name__}")
            return False
        if (size := _size(item.payload)) > MAX_FRAME_BYTES:
            self.stop(StreamProtocolError(f"a frame of {size:,} bytes is longer than {MAX_FRAME_BYTES:,}"))
            return False
        with self._mutex:
            if self.end is not None:
                return False
            entry = StreamEntry(item.timestamp_ns, self._seq, item.payload)
            self._seq = (self._seq + 1) % _WRAP
            if len(self._queue) < QUEUE_ENTRIES:
                self._queue.append(entry)
                return True
            self._in_hand = entry
            return False

    def fail(self, detail: str) -> None:
        """The source did what it may not."""
        self.stop(StreamEndOfStream(EndReason.producer_error(detail=detail)))

    def stop(self, end: StreamError, *, cut: bool = False) -> None:
        """The stream ends, if it has not; what was sent can still be read. With `cut` the entry in hand was not.

        The source is closed: the `finally` of a generator runs, at once or when the source comes back from what it
        does.
        """
        with self._mutex:
            if self.end is None:
                self.end = end
                if cut:
                    self._in_hand = None
        if self._pulling.acquire(blocking=False):
            try:
                if not self._inside:
                    self._close()
            finally:
                self._pulling.release()

    def _close(self) -> None:
        if self._closed:
            return
        self._closed = True
        with self._net.lock:
            if self in self._net.producers:
                self._net.producers.remove(self)
        try:
            self._feed.close()
        except Exception as error:  # the stream has ended; what the source says to that has nowhere else to go
            if self.end is not None:
                self.end.add_note(f"closing the source raised {type(error).__name__}: {error}")


def _size(sample: Sample) -> int:
    """The bytes of a sample on the wire, all but the few of its framing."""
    if isinstance(sample, JointEncodersFrame):
        return 4 * len(sample)
    if isinstance(sample, SpatialTransformFrame | TimeTransformFrame):
        return 0
    return len(sample)


def lost() -> StreamConnectionLost:
    """The end of a stream whose producer vanished."""
    return StreamConnectionLost("the producer vanished without a word")

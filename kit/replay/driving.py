"""What moves a player: one thread at a time delivers events at their moments, and follows orders in between."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.errors import ArgumentError, KitError
from kit.replay.clock import Clock
from kit.replay.event import PlayedEvent
from kit.replay.sink import Sink
from kit.replay.timeline import Timeline

CHUNK = 8192
"""Events whose texts are fetched at once."""
FAST = float("inf")


class Breakpoint(NamedTuple):
    """Where the player stops: before each event that a SQL predicate, or a function, is true for."""

    number: int
    condition: str
    positions: NDArray[np.int64] | None
    function: Callable[[PlayedEvent], object] | None


class Driving:
    """The moving part of a player. Whoever calls `_drive` is the driver until it returns; nobody else touches the place."""

    def __init__(self, timeline: Timeline, sink: Sink, clock: Clock, rate: float) -> None:
        self.timeline = timeline
        self.sink = sink
        self.clock = clock
        self.position = 0
        """The place of the next event; what is before it was delivered."""
        self.delivered = 0
        """How many deliveries there were, loops and repeats included."""
        self.passes = 0
        """How often a loop came to its end."""
        self.lag_s = 0.0
        """How far the latest delivery was behind its pace; 0 where there is none."""
        self.most_lag_s = 0.0
        self.stopped: str | None = None
        """Why it stopped last: end, until, pause, step, breakpoint ..., or the error of the sink."""
        self._rate = rate
        self._now_ns = int(timeline.due[0]) if len(timeline) else 0
        self._loop: tuple[int, int] | None = None
        self._breaks: dict[int, Breakpoint] = {}
        self._passed = -1
        self._wake = threading.Condition(threading.RLock())
        self._driver: int | None = None
        self._halt = False
        self._orders: deque[tuple[Callable[[], Any], list[Any], threading.Event]] = deque()
        self._anchor: tuple[int, int] = (0, 0)
        self._held: tuple[int, list[PlayedEvent]] = (0, [])

    def __len__(self) -> int:
        return len(self.timeline)

    @property
    def end_ns(self) -> int:
        """The time of the last event."""
        return int(self.timeline.due[-1]) if len(self) else 0

    def _told(self, order: Callable[[], Any]) -> None:
        """Have something done between two events: here and now where nobody drives, else by who drives."""
        with self._wake:
            if self._driver is None:
                order()
                return
            answer: list[Any] = []
            done = threading.Event()
            self._orders.append((order, answer, done))
            self._wake.notify_all()
            if self._driver == threading.get_ident():
                return
        done.wait()
        if answer:
            raise answer[0]

    def _follow_orders(self) -> None:
        while self._orders:
            order, answer, done = self._orders.popleft()
            try:
                order()
            except KitError as error:
                answer.append(error)
            finally:
                done.set()

    def _drive(self, stop: "tuple[int, int | None]", *, paced: bool = True, heed: bool = True) -> None:
        with self._wake:
            if self._driver not in (None, -1):
                raise ArgumentError("the player is playing already; pause() it first")
            if self._driver is None:
                self._halt = False
            self._driver = threading.get_ident()
        self.stopped = None
        last, end_ns = stop
        try:
            self._rest()
            while not self._halt:
                self._follow_orders()
                end = min(last, self._loop[1]) if self._loop and heed else last
                if self.position >= end and not (self._loop and heed and last >= len(self) and self._again()):
                    break
                self._stretch(min(end, self.position + CHUNK) if self.position < end else end, paced, heed)
            self._ended(end_ns)
        except BaseException as error:
            self.stopped = f"{type(error).__name__}: {error}"
            raise
        finally:
            with self._wake:
                self._driver = None
                self._follow_orders()
                self._wake.notify_all()

    def _rest(self) -> None:
        """Take the moment for the place where it is: from here on the pace counts."""
        self._anchor = (self.clock.now_ns(), self._now_ns)

    def _again(self) -> bool:
        """Go back to the start of the loop."""
        assert self._loop is not None  # noqa: S101  asked before
        self.passes += 1
        if self.sink.rewinds:
            self.sink.rewind()
        self.position, self._passed = self._loop[0], -1
        self._now_ns = int(self.timeline.due[self.position])
        self._rest()
        return True

    def _ended(self, end_ns: int | None) -> None:
        if self.stopped is not None:
            return
        if self._halt:
            self.stopped = "pause"
        elif self.position >= len(self) and (end_ns is None or end_ns >= self.end_ns):
            self.stopped = "end"
        else:
            self.stopped = "until"
            if end_ns is not None:
                self._now_ns = max(self._now_ns, end_ns)

    def _stretch(self, end: int, paced: bool, heed: bool) -> None:
        """Deliver the events up to `end`, or to a breakpoint."""
        events = self._chunk(self.position, end)
        first, condition = self._next_break(self.position, end) if heed else (end, None)
        if first == self._passed:
            first, condition = self._next_break(first + 1, end)
        functions = [known for known in self._breaks.values() if known.function is not None] if heed else []
        if (self._rate == FAST or not paced) and not functions and first > self.position:
            self._at_once(events[: first - self.position])
            if self._halt or self._orders or self.position < first:
                return
            events = []
        for event in events:
            if self._orders or self._halt:
                return
            if (event.position == first and condition is not None) or self._hits(functions, event):
                self._break(event, condition if event.position == first else None, functions)
                return
            if paced and not self._due(event):
                return
            self._deliver(event)
        if condition is not None and self.position == first and first < end:
            self._break(self._chunk(first, end)[0], condition, [])

    def _hits(self, functions: list[Breakpoint], event: PlayedEvent) -> bool:
        return event.position != self._passed and any(known.function(event) for known in functions if known.function)

    def _break(self, event: PlayedEvent, condition: str | None, functions: list[Breakpoint]) -> None:
        name = condition or next(
            (known.condition for known in functions if known.function and known.function(event)), ""
        )
        self.stopped = f"breakpoint {name} at {event.kind} {event.id}"
        self._passed = event.position
        self._halt = True

    def _at_once(self, events: list[PlayedEvent]) -> None:
        """Deliver without a look at the clock: the quick way, a few hundred nanoseconds an event."""
        deliver = self.sink.deliver
        orders = self._orders
        start = position = self.position
        try:
            for event in events:
                deliver(event)
                position += 1
                self.position = position
                if self._halt or orders:
                    break
        finally:
            self.delivered += position - start
            if position > start:
                self._now_ns = events[position - start - 1].due_ns

    def _deliver(self, event: PlayedEvent) -> None:
        self.sink.deliver(event)
        self.position = event.position + 1
        self.delivered += 1
        self._now_ns = event.due_ns

    def _due(self, event: PlayedEvent) -> bool:
        """Wait for the moment of an event; False where something else is to be done first."""
        rate = self._rate
        if rate == FAST:
            return True
        wall, at = self._anchor
        moment = wall + round((event.due_ns - at) / rate)
        clock, wake = self.clock, self._wake
        while (now := clock.now_ns()) < moment:
            with wake:
                if self._halt or self._orders:
                    # The pace goes on from here: what has passed of the gap has passed.
                    self._now_ns = at + round((now - wall) * rate)
                    self._follow_orders()
                    self._rest()
                    return False
                clock.wait(moment, wake)
        lag = (clock.now_ns() - moment) / 1e9
        self.lag_s = lag
        self.most_lag_s = max(self.most_lag_s, lag)
        return True

    def _chunk(self, start: int, end: int) -> list[PlayedEvent]:
        """Return the events from `start` to `end`, at most a chunk, read once."""
        at, held = self._held
        if not (at <= start and end <= at + len(held)):
            base = start // CHUNK * CHUNK
            at, held = base, self.timeline.read(base, min(base + 2 * CHUNK, len(self)))
            self._held = (at, held)
        return held[start - at : end - at]

    def _next_break(self, start: int, stop: int) -> tuple[int, str | None]:
        """Return the position of the first breakpoint from `start` on, `stop` without, and its condition."""
        first, condition = stop, None
        for known in self._breaks.values():
            if known.positions is not None:
                at = int(np.searchsorted(known.positions, start))
                if at < len(known.positions) and known.positions[at] < first:
                    first, condition = int(known.positions[at]), known.condition
        return first, condition

"""`Player`: plays a timeline into a sink, at any pace, in an order that no pace changes."""

import threading
from collections import deque
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.align import Utc, payload
from kit.errors import ArgumentError, KitError
from kit.replay.clock import Clock, WallClock
from kit.replay.content import counted
from kit.replay.event import PlayedEvent
from kit.replay.sink import Sink
from kit.replay.sinks import sink_of
from kit.replay.source import parts_of
from kit.replay.timeline import Timeline, timeline
from kit.sim.duration import microseconds
from kit.store.store import Store
from kit.table import Table

CHUNK = 8192
"""Events whose texts are fetched at once."""
SLOWEST = 0.01
NOUNS = {"signals": "signal", "records": "record", "logs": "log entry", "rows": "row"}
FAST = float("inf")
Place = int | float | str | datetime | timedelta
By = Literal["event", "trace", "level"]


class Breakpoint(NamedTuple):
    """Where the player stops: before each event that a SQL predicate, or a function, is true for."""

    number: int
    condition: str
    positions: NDArray[np.int64] | None
    function: Callable[[PlayedEvent], object] | None


class Player:
    """Plays captured events into a sink: `Player(study, sink=print).run()`.

    `source` is a store, SQL text (with `store=`), a table, a trace, a thread, a `kit.replay.Log`, or a list of these on
    one timeline; `run=` chooses a run. `rate` is 1.0 for the pace of the capture, from 0.01 up, `float("inf")` for as
    fast as possible. Order and content are the same at any rate: an event is never delivered before one of its causes,
    and `held()` tells which events had to wait for that. `sink` is a callable, plain or async, or what
    `kit.replay.sink_of` knows: a Namespace, a MockKernel, a Bus, a File, a Collect.

    `run` and `step` work on the calling thread; `play` starts a thread of the player and returns, and `wait` waits for
    it. While it plays, that thread alone moves it: other threads leave orders, which it follows between two events. A
    sink that raises, or Ctrl-C, stops it before the event at hand counts as delivered; it goes on from there.

    A slow sink slows the player: nothing is dropped, and `lag_s` says how far behind its pace it is.
    """

    def __init__(
        self,
        source: Any,
        *,
        sink: Any = None,
        rate: float = 1.0,
        clock: Clock | None = None,
        store: Store | None = None,
        run: str | None = None,
        utc: Utc | str | None = None,
        loop: "bool | tuple[Place, Place]" = False,
    ) -> None:
        made = source if isinstance(source, Timeline) else timeline(parts_of(source, store=store, run=run, clock=utc))
        self.timeline: Timeline = made
        self.sink: Sink = sink_of(sink)
        self.clock: Clock = WallClock() if clock is None else clock
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
        self._rate = _checked(rate)
        self._now_ns = int(made.due[0]) if len(made) else 0
        self._loop: tuple[int, int] | None = None
        self.loop = loop
        self._breaks: dict[int, Breakpoint] = {}
        self._passed = -1
        self._wake = threading.Condition(threading.RLock())
        self._driver: int | None = None
        self._thread: threading.Thread | None = None
        self._halt = False
        self._orders: deque[tuple[Callable[[], Any], list[Any], threading.Event]] = deque()
        self._failure: BaseException | None = None
        self._anchor: tuple[int, int] = (0, 0)
        self._held: tuple[int, list[PlayedEvent]] = (0, [])

    # Where it is

    def __len__(self) -> int:
        return len(self.timeline)

    @property
    def playing(self) -> bool:
        """True while it delivers, on its thread or on another."""
        return self._driver is not None

    @property
    def rate(self) -> float:
        """The pace: seconds of the capture in a second of the clock."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        self._told(lambda: self._set_rate(_checked(rate)))

    def _set_rate(self, rate: float) -> None:
        self._rate = rate

    @property
    def loop(self) -> "bool | tuple[int, int]":
        """False, True for the whole, or the positions of a stretch that is played again and again."""
        whole = (0, len(self.timeline))
        return False if self._loop is None else True if self._loop == whole else self._loop

    @loop.setter
    def loop(self, stretch: "bool | tuple[Place, Place]") -> None:
        if isinstance(stretch, bool):
            self._loop = (0, len(self.timeline)) if stretch else None
            return
        first, last = (self._place(end)[0] for end in stretch)
        if not first < last:
            raise ArgumentError(f"loop={stretch!r} holds no event: it is from position {first} to {last}")
        self._loop = (first, last)

    @property
    def start_ns(self) -> int:
        """The time of the first event."""
        return int(self.timeline.due[0]) if len(self) else 0

    @property
    def end_ns(self) -> int:
        """The time of the last event."""
        return int(self.timeline.due[-1]) if len(self) else 0

    @property
    def now_ns(self) -> int:
        """The time on the timeline: of the latest event, or of the place it was sent to."""
        return self._now_ns

    @property
    def now(self) -> datetime:
        """The same as a time in UTC."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=self._now_ns // 1000)

    @property
    def next(self) -> PlayedEvent | None:
        """The event that comes next, None at the end."""
        return self.timeline.read(self.position, self.position + 1)[0] if self.position < len(self) else None

    # Playing

    def play(self, until: Place | None = None, *, rate: float | None = None) -> "Player":
        """Play on a thread of its own until the end, a breakpoint or `until`, and return at once; `wait` waits."""
        self._rate = self._rate if rate is None else _checked(rate)
        stop = self._stop(until)
        with self._wake:
            if self._driver is not None:
                return self
            self._failure, self._halt = None, False
            self._thread = threading.Thread(target=self._in_background, args=(stop,), name="kit-player", daemon=True)
            self._driver = -1
            self._thread.start()
        return self

    def _in_background(self, stop: "tuple[int, int | None]") -> None:
        try:
            self._drive(stop)
        except BaseException as error:
            self._failure = error

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until it stops, and return True; False where it plays on after `timeout_s`. Ctrl-C pauses it.

        What the sink raised is raised here.
        """
        thread = self._thread
        if thread is not None:
            try:
                thread.join(timeout_s)
            except KeyboardInterrupt:
                self.pause()
                raise
            if thread.is_alive():
                return False
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return True

    def run(self, until: Place | None = None, *, rate: float | None = None) -> "Player":
        """Play on this thread until the end, a breakpoint or `until`; raises what the sink raises."""
        self.pause()
        self._rate = self._rate if rate is None else _checked(rate)
        self._drive(self._stop(until))
        return self

    def pause(self) -> "Player":
        """Stop before the next event; returns when it has stopped, but at once where the sink itself calls it."""
        with self._wake:
            if self._driver is None:
                return self
            self._halt = True
            self._wake.notify_all()
            if self._driver != threading.get_ident():
                self._wake.wait_for(lambda: self._driver is None)
        return self

    def step(self, count: int = 1, by: By = "event") -> list[PlayedEvent]:
        """Deliver the next `count` steps, whatever the pace, and return the events.

        A step is an `event`; a `trace`: all up to the last event of the trace, thread or log that the next event is of;
        or a causal `level`: as many events as follow without one that is caused by another of them.
        """
        if by not in _STEPS:
            raise ArgumentError(f"by={by!r} is none of {', '.join(_STEPS)}")
        self.pause()
        done: list[PlayedEvent] = []
        for _ in range(count):
            if self.position >= len(self):
                break
            start, stop = self.position, _STEPS[by](self.timeline, self.position)
            self._drive((stop, None), paced=False, heed=False)
            done += self.timeline.read(start, self.position)
        self.stopped = "step" if self.position < len(self) else "end"
        return done

    def seek(self, to: Place, *, deliver: bool | None = None) -> "Player":
        """Go to a time, a position or an event, which then comes next; playing goes on from there.

        A time is a datetime or ISO text, seconds or "10s" from the start, of all events up to and with it; an int is a
        position; other text an id or the end of one. The sink ends up as if it had been played to: with `deliver` (the
        default where the sink can begin again) what lies between is delivered at once, after `rewind` for a way back.
        A sink that cannot begin again, as a function, is not called for what is skipped.
        """
        position, ns = self._place(to)
        self._told(lambda: self._sought(position, ns, self.sink.rewinds if deliver is None else deliver))
        return self

    def _sought(self, position: int, ns: int | None, deliver: bool) -> None:
        if deliver:
            if position < self.position:
                if not self.sink.rewinds:
                    raise ArgumentError(f"{self.sink} cannot begin again: seek(..., deliver=False), or forwards")
                self.sink.rewind()
                self.position = 0
            for event in self._events(self.position, position):
                self._deliver(event)
        self.position = position
        self._passed = -1
        self._now_ns = self._time_at(position) if ns is None else ns
        self.lag_s = 0.0

    def _time_at(self, position: int) -> int:
        """Return the time of the latest event before a position, or of the first."""
        return int(self.timeline.due[max(position - 1, 0)]) if len(self) else 0

    def _events(self, start: int, stop: int) -> Any:
        for at in range(start, stop, CHUNK):
            yield from self.timeline.read(at, min(at + CHUNK, stop))

    # Breakpoints

    def break_on(self, condition: "str | Callable[[PlayedEvent], object]") -> Breakpoint:
        """Stop before each event for which a SQL predicate, or a function of the event, is true.

        Columns of a predicate: position, family, run, id, group_id, kind, actor, ts, payload (of a record its body); of
        signals type, trace_id, parent_id, directed_id, meta, flags; of records act, thread.
        """
        number = max(self._breaks, default=0) + 1
        if isinstance(condition, str):
            made = Breakpoint(number, condition, self.timeline.where(condition), None)
        else:
            made = Breakpoint(number, getattr(condition, "__name__", repr(condition)), None, condition)
        self._breaks[number] = made
        return made

    def clear(self, breakpoint: Breakpoint | int | None = None) -> None:
        """Forget a breakpoint, or all of them."""
        if breakpoint is None:
            self._breaks.clear()
        else:
            self._breaks.pop(breakpoint if isinstance(breakpoint, int) else breakpoint.number, None)

    @property
    def breakpoints(self) -> tuple[Breakpoint, ...]:
        """The breakpoints there are."""
        return tuple(self._breaks.values())

    def _next_break(self, start: int, stop: int) -> tuple[int, str | None]:
        """Return the position of the first breakpoint from `start` on, `stop` without, and its condition."""
        first, condition = stop, None
        for known in self._breaks.values():
            if known.positions is not None:
                at = int(np.searchsorted(known.positions, start))
                if at < len(known.positions) and known.positions[at] < first:
                    first, condition = int(known.positions[at]), known.condition
        return first, condition

    # What it knows

    def held(self) -> Table:
        """Return the events that had to wait for a cause, the worst first; see `Timeline.held`."""
        return Table(self.timeline.held(), name="held back")

    def density(self, bins: int = 120) -> Table:
        """Return how many events of each family are in equal stretches of the timeline."""
        return Table(self.timeline.density(bins), name="density")

    @property
    def notes(self) -> tuple[str, ...]:
        """What is not played, or not as it was captured, in words."""
        held = self.timeline.held()
        if not len(held):
            return self.timeline.notes
        worst = held.slice(0, 1).to_pylist()[0]
        said = (
            f"{counted(len(held), 'event')} held back for a cause whose clock is ahead, by up to {worst['by_ms']:,.3f} ms "
            f"({worst['kind']} of {worst['actor']} after {worst['cause_actor']})"
        )
        return (*self.timeline.notes, said)

    def payload(self, event: PlayedEvent) -> Any:
        """Return the payload of a signal, the body of a record, the row of a table, the bytes of a log entry's data."""
        if event.family != "logs":
            return event.payload
        store, log, seq = self.timeline.log_of(event.position)
        return payload(store, log.log_id, seq, log.run)

    def close(self) -> None:
        """Stop, and release what the sink holds."""
        self.pause()
        self.sink.close()

    def __enter__(self) -> "Player":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        span = (self.end_ns - self.start_ns) / 1e9
        pace = "as fast as possible" if self._rate == FAST else f"rate {self._rate:g}"
        families: dict[str, int] = {}
        for value in self.timeline.events["family"].value_counts().to_pylist():
            families[str(value["values"])] = value["counts"]
        kinds = ", ".join(counted(families[name], noun) for name, noun in NOUNS.items() if name in families)
        lines = [
            f"player of {kinds or 'nothing'} over {span:,.3f} s into {self.sink}, {pace}",
            f"at {self.position:,} of {len(self):,} ({(self._now_ns - self.start_ns) / 1e9:,.3f} s)"
            + ("" if self.stopped is None else f", stopped: {self.stopped}"),
        ]
        return "\n".join([*lines, *(f"note: {note}" for note in self.notes)])

    # Driving

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

    # Places

    def _stop(self, until: Place | None) -> tuple[int, int | None]:
        return (len(self.timeline), None) if until is None else self._place(until)

    def _place(self, to: Place) -> tuple[int, int | None]:
        """Return a place as the position of the next event, and the time where a time was meant."""
        if isinstance(to, bool):
            raise ArgumentError(f"{to!r} is no place on the timeline")
        if isinstance(to, int):
            if not 0 <= to <= len(self):
                raise ArgumentError(f"position {to!r}: the timeline has positions 0 to {len(self)}")
            return to, None
        if isinstance(to, str):
            ns = _parsed(to, self.start_ns)
            if ns is None:
                return self.timeline.find(to), None
        elif isinstance(to, datetime):
            ns = _nanoseconds(to)
        else:
            ns = self.start_ns + microseconds(to) * 1000
        if not self.start_ns <= ns <= self.end_ns:
            raise ArgumentError(
                f"{to!r} is outside the timeline, which goes from {_shown(self.start_ns)} to {_shown(self.end_ns)} "
                f"({(self.end_ns - self.start_ns) / 1e9:,.3f} s)"
            )
        return int(np.searchsorted(self.timeline.due, ns, "right")), ns


def _checked(rate: float) -> float:
    if not rate >= SLOWEST:
        raise ArgumentError(f"rate={rate!r}: give {SLOWEST} or more, or float('inf') for as fast as possible")
    return float(rate)


def _nanoseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1000


def _parsed(text: str, start_ns: int) -> int | None:
    """Return the nanoseconds that a text means, None where it is no time."""
    try:
        return _nanoseconds(datetime.fromisoformat(text))
    except ValueError:
        pass
    try:
        return start_ns + microseconds(text) * 1000
    except ArgumentError:
        return None


def _shown(ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)).isoformat()


def _event_step(line: Timeline, position: int) -> int:
    return position + 1


def _trace_step(line: Timeline, position: int) -> int:
    return int(np.flatnonzero(line.group == line.group[position])[-1]) + 1


def _level_step(line: Timeline, position: int) -> int:
    stop = position + 1
    while stop < len(line):
        causes = line.causes[line.cause_of[stop] : line.cause_of[stop + 1]]
        if (causes >= position).any():
            break
        stop += 1
    return stop


_STEPS: dict[str, Callable[[Timeline, int], int]] = {"event": _event_step, "trace": _trace_step, "level": _level_step}

"""`Player`: plays a timeline into a sink, at any pace, in an order that no pace changes."""

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from kit.align import Utc, payload
from kit.errors import ArgumentError
from kit.replay.clock import Clock, WallClock
from kit.replay.content import counted
from kit.replay.driving import CHUNK, FAST, Breakpoint, Driving
from kit.replay.event import PlayedEvent
from kit.replay.places import STEPS, Place, place_of
from kit.replay.sinks import sink_of
from kit.replay.source import parts_of
from kit.replay.timeline import Timeline, timeline
from kit.store.store import Store
from kit.table import Table

SLOWEST = 0.01
NOUNS = {"signals": "signal", "records": "record", "logs": "log entry", "rows": "row"}
By = Literal["event", "trace", "level"]


class Player(Driving):
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
        super().__init__(made, sink_of(sink), WallClock() if clock is None else clock, _checked(rate))
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None
        self.loop = loop

    # Where it is

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
        first, last = (place_of(self.timeline, end)[0] for end in stretch)
        if not first < last:
            raise ArgumentError(f"loop={stretch!r} holds no event: it is from position {first} to {last}")
        self._loop = (first, last)

    @property
    def start_ns(self) -> int:
        """The time of the first event."""
        return int(self.timeline.due[0]) if len(self) else 0

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
        if by not in STEPS:
            raise ArgumentError(f"by={by!r} is none of {', '.join(STEPS)}")
        self.pause()
        done: list[PlayedEvent] = []
        for _ in range(count):
            if self.position >= len(self):
                break
            start, stop = self.position, STEPS[by](self.timeline, self.position)
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
        position, ns = place_of(self.timeline, to)
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

    def _stop(self, until: Place | None) -> tuple[int, int | None]:
        return (len(self.timeline), None) if until is None else place_of(self.timeline, until)


def _checked(rate: float) -> float:
    if not rate >= SLOWEST:
        raise ArgumentError(f"rate={rate!r}: give {SLOWEST} or more, or float('inf') for as fast as possible")
    return float(rate)

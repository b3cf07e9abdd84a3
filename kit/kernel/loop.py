"""The heap and the loop that takes it down."""

import random
import sys
from collections import deque
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count, repeat
from operator import length_hint
from typing import Any, Literal

from kit.errors import ArgumentError, KernelError
from kit.kernel.event import DONE, GONE, AllOf, AnyOf, Body, Event, Item, Process, Scheduled, Sleep, Timeout, Wake, gone
from kit.kernel.queue import Queue

Unit = Literal["us", "ns"]
_PER_SECOND = {"us": 1_000_000, "ns": 1_000_000_000}
_POSTS_EVERY = 4096
_LAST = 1 << 100  # a sequence number after every other
_LATE = 1 << 90  # sequence numbers from here on come after those of everything else at their time
_COMPACT_AT = 64


class _Call(Wake):
    """A callback in the heap."""

    __slots__ = ("args", "function")

    def __init__(self, function: Callable[..., object], args: tuple[Any, ...]) -> None:
        super().__init__(self.run, gone)
        self.function = function
        self.args = args

    def run(self, _value: Any) -> Any:
        self.send = gone
        self.function(*self.args)
        return DONE


class _Last(_Call):
    """A callback that comes last at its time; it moves to the front while it runs, so that it stays on top of the heap."""

    __slots__ = ("kernel",)
    kernel: "Kernel"

    def run(self, value: Any) -> Any:
        self.kernel._heap[0] = (self.kernel.now, -1, self, None)
        return super().run(value)


class Port:
    """Where values arrive after a delay: `send(delay, value)` calls its function with the value. It cannot be taken back."""

    __slots__ = ("_kernel", "_wake")

    def __init__(self, kernel: "Kernel", function: Callable[[Any], object]) -> None:
        def resume(value: Any) -> Any:
            function(value)
            return DONE

        self._kernel = kernel
        self._wake = _Standing(resume, gone)
        self._wake.function = function

    def send(self, delay: int, value: Any) -> None:
        """`function(value)` is called `delay` units from now; the delay is not checked, it must not be negative."""
        kernel = self._kernel
        heappush(kernel._heap, (kernel.now + delay, kernel._tick(), self._wake, value))


class _Standing(Wake):
    """The wake of a port: it serves again after an error."""

    __slots__ = ("function",)
    function: Callable[[Any], object]


class _Stop(Wake):
    """Ends a run at its time, after everything else that is due then."""

    __slots__ = ("reached",)

    def __init__(self) -> None:
        super().__init__(self.stop, gone)
        self.reached = False

    def stop(self, _value: Any) -> Any:
        self.reached = True
        return DONE


class Kernel:
    """Virtual time from `start`, in `unit`s ("us" or "ns"), and all that is going to happen.

    `now` is the time; it moves only in `run`, `step` and `run_until`. Equal seeds give equal runs: randomness
    comes from `random(purpose)`, one stream per purpose, so that a draw more in one place changes nothing
    elsewhere. Not for several threads, but for `post`.
    """

    def __init__(self, *, seed: int | str = 0, start: int = 0, unit: Unit = "us") -> None:
        if unit not in _PER_SECOND:
            raise ArgumentError(f"unit {unit!r} is not known; use 'us' or 'ns'")
        self.seed = seed
        self.unit = unit
        self.now = start
        self._heap: list[Item] = []
        self._tick = count().__next__
        self._late = count(_LATE).__next__
        self.happened = 0
        """How many things have happened so far."""
        self._running = False
        self._left = 0
        self._dead = 0
        self._inbox: deque[tuple[Callable[..., object], tuple[Any, ...]]] = deque()
        self._streams: dict[str, random.Random] = {}

    @property
    def running(self) -> bool:
        """True inside `run`, `step` and `run_until`."""
        return self._running

    @property
    def process(self) -> Process | None:
        """The process that runs at this moment; None outside a run and in a callback."""
        wake = self._current
        return None if wake is None else wake.process

    # what will happen

    def call(self, delay: int, function: Callable[..., object], *args: Any) -> Scheduled:
        """`function(*args)` is called `delay` units from now; the result takes it back."""
        return self.call_at(self.now + self._checked(delay), function, *args)

    def call_at(self, time: int, function: Callable[..., object], *args: Any) -> Scheduled:
        """`function(*args)` is called at `time`; `ArgumentError` when that is past."""
        if type(time) is not int or time < self.now:
            raise ArgumentError(f"time {time!r} is past or no whole number; now is {self.now}")
        wake = _Call(function, args)
        heappush(self._heap, (time, self._tick(), wake, None))
        return Scheduled(self, wake, time)

    def call_last(self, function: Callable[..., object], *args: Any) -> Scheduled:
        """`function(*args)` is called at this time, when nothing else is left to happen at it: time waits for it."""
        wake = _Last(function, args)
        wake.kernel = self
        heappush(self._heap, (self.now, self._late(), wake, None))
        return Scheduled(self, wake, self.now)

    def port(self, function: Callable[[Any], object]) -> "Port":
        """A callback that is scheduled many times, each with a value of its own; quicker than as many `call`s."""
        return Port(self, function)

    def spawn(self, body: Body, name: str | None = None, *, delay: int = 0) -> Process:
        """Starts a generator or coroutine, `delay` units from now."""
        if not (hasattr(body, "send") and hasattr(body, "throw")):
            raise ArgumentError(f"{body!r} is no generator or coroutine; call the function, do not pass it")
        process = Process(self, body, name or getattr(body, "__qualname__", "process").rpartition(".")[2])
        heappush(self._heap, (self.now + self._checked(delay), self._tick(), process._wake, None))
        return process

    def post(self, function: Callable[..., object], *args: Any) -> None:
        """From any thread: `function(*args)` is called by the kernel's own thread, soon, at the time it is then.

        A run that is under way looks every few thousand events; otherwise the next run begins with it.
        """
        self._inbox.append((function, args))

    # what a process can wait for

    def sleep(self, delay: int) -> Sleep:
        """`await kernel.sleep(250)`: a delay in a coroutine; a generator yields the number."""
        return Sleep(self._checked(delay))

    def event(self, name: str = "") -> Event:
        """A new event; `trigger(value)` or `fail(error)` make it happen."""
        return Event(self, name)

    def timeout(self, delay: int) -> Event:
        """An event that happens by itself after `delay`; for `wait_any`."""
        return Timeout(self, self._checked(delay))

    def queue(self, capacity: int | None = None) -> Queue:
        """A new queue; with a capacity, `put` waits for room."""
        return Queue(self, capacity)

    def wait_any(self, *events: Event) -> Event:
        """Happens with the first of `events`; its value is that event. The others are let go: a `get` that lost
        takes no item, a timeout is cancelled."""
        if not events:
            raise ArgumentError("wait_any() of nothing never happens; give it an event")
        return AnyOf(self, events)

    def wait_all(self, *events: Event) -> Event:
        """Happens when all of `events` have; its value is the list of their values, in the order given."""
        return AllOf(self, events)

    def random(self, purpose: str) -> random.Random:
        """The stream of random numbers for `purpose`, `random.Random(f"{seed}/{purpose}")`."""
        if purpose not in self._streams:
            self._streams[purpose] = random.Random(f"{self.seed}/{purpose}")
        return self._streams[purpose]

    def units(self, seconds: float) -> int:
        """`seconds` in units, rounded to the nearest."""
        return round(seconds * _PER_SECOND[self.unit])

    # going on

    def run(self, until: int | None = None, events: int | None = None) -> int:
        """Lets things happen; returns how many did.

        `until` is a time: all that is due at or before it happens, and `now` is that time afterwards. `events`
        is the most that may happen. Without either it runs until nothing is left. An error that a process or
        callback raises, and nobody waits for, comes out here with a note of its place; the run can go on after it.
        """
        if self._running:
            raise KernelError("the kernel is running already; from inside, yield or schedule instead")
        if until is not None and until < self.now:
            raise ArgumentError(f"until {until!r} is past; now is {self.now}")
        if events is not None and events < 0:
            raise ArgumentError(f"events {events!r} is negative")
        self._drain()
        stop = _Stop() if until is not None else None
        if until is not None and stop is not None:
            heappush(self._heap, (until, _LAST, stop, None))
        budget = self._left = sys.maxsize if events is None else events
        self._running = True
        try:
            self._run(stop)
        finally:
            self._running = False
            self.happened += budget - self._left
            if stop is not None and not stop.reached:
                self._heap[:] = [item for item in self._heap if item[2] is not stop]
                heapify(self._heap)
        return budget - self._left

    def step(self) -> bool:
        """Lets one thing happen; False when there is none."""
        return self.run(events=1) == 1

    def run_until(self, event: Event) -> Any:
        """Runs until `event` has happened and returns its value, or raises its error.

        `KernelError` when nothing is left that could make it happen.
        """
        while not event.done:
            if not self.step():
                raise KernelError(f"nothing is left to happen, and {event!r} has not")
        return event.value

    def peek(self, *, but: Callable[..., object] | None = None) -> int | None:
        """The time of what happens next, or None; callbacks of the function `but` are left out of account."""
        if self._inbox:
            return self.now
        if self._heap and not self._running and but is None and self._heap[0][2].send is not gone:
            return self._heap[0][0]
        return min(
            (
                item[0]
                for item in self._heap[self._running :]
                if item[2].send is not gone and (but is None or getattr(item[2], "function", None) != but)
            ),
            default=None,
        )

    def place(self) -> str:
        """The time with its unit, for messages."""
        return f"{self.now} {self.unit}"

    def __len__(self) -> int:
        """How many things are scheduled."""
        return sum(item[2].send is not gone for item in self._heap[self._running :]) + len(self._inbox)

    def __repr__(self) -> str:
        return f"<Kernel at {self.place()}, {len(self)} scheduled>"

    # inside

    def _run(self, stop: _Stop | None) -> None:
        """Takes items off the heap until `_left` is 0, `stop` is reached or none is left."""
        heap, tick, now = self._heap, self._tick, self.now  # now: the time of the last living item
        while self._left > 0 and heap:
            turns = repeat(None, min(self._left, _POSTS_EVERY))
            self._left -= min(self._left, _POSTS_EVERY)
            try:
                for _ in turns:
                    time, sequence, wake, value = heap[0]
                    self.now = time
                    result = wake.send(value)
                    if type(result) is int and result >= 0:
                        heapreplace(heap, (time + result, tick(), wake, None))
                        now = time
                        continue
                    if result is GONE:
                        heappop(heap)
                        self.now = now
                        self._dead -= 1
                        self._left += 1
                        if heap:
                            continue
                        break
                    now = time
                    if isinstance(result, Event):
                        wake.target = result
                        if result.done and result._error is None:
                            # goes on at once: the item keeps its key, so the heap keeps its order
                            heap[0] = result._sent = (time, sequence, wake, result._value)
                            continue
                        heappop(heap)
                        if not result.done and result._waiters is None:  # _wait in place, for speed
                            result._waiters = [wake]
                        else:
                            result._wait(wake)
                        if heap:
                            continue
                        break
                    heappop(heap)
                    if result is not DONE:
                        self._dispatch(wake, result)
                    elif wake is stop:
                        self._left += 1
                        return
                    if not heap:
                        break
            except StopIteration as returned:
                now = self.now
                self._ended(heappop(heap)[2], returned)
            except BaseException as error:
                now = self.now
                self._failed(heappop(heap)[2], error)
            finally:
                self._left += length_hint(turns)
            if self._inbox:
                self._drain()

    def _dispatch(self, wake: Wake, result: Any) -> None:
        """A process yielded something other than a delay."""
        if result is None:
            heappush(self._heap, (self.now, self._tick(), wake, None))
        else:
            wrong = "is negative" if type(result) is int else "is no whole delay, and no event, process, get or put"
            wake.fail_next()
            self._push(wake, KernelError(f"{wake.process!r} yielded {result!r}, which {wrong}, at {self.place()}"))

    def _ended(self, wake: Wake, returned: StopIteration) -> None:
        process = wake.process
        if process is None:
            self._failed(wake, KernelError(f"a callback raised {returned!r}"))
            return
        wake.send, wake.process = gone, None
        process.trigger(returned.value)

    def _failed(self, wake: Wake, error: BaseException) -> None:
        """Hands the error to those who wait for the process; otherwise it comes out of the run."""
        process = wake.process
        who = f"process {process.name!r}" if process is not None else f"callback {self._name_of(wake)}"
        error.add_note(f"in {who} at {self.place()} of virtual time")
        if isinstance(wake, _Standing):
            raise error
        wake.send, wake.process = gone, None
        if process is None:
            raise error
        waited_for = bool(process._waiters) and isinstance(error, Exception)
        process.fail(error)
        if not waited_for:
            raise error

    def _name_of(self, wake: Wake) -> str:
        return getattr(getattr(wake, "function", wake), "__qualname__", "callback")

    def _push(self, wake: Wake, value: Any) -> Item:
        """Schedules a wake for now; returns what stands in the heap."""
        item = (self.now, self._tick(), wake, value)
        heappush(self._heap, item)
        return item

    def _is_due(self, target: Event) -> bool:
        """Whether the last one that waited for `target` is in the heap and has not been told yet."""
        sent = target._sent
        return sent is not None and sent[0] == self.now and any(item is sent for item in self._heap)

    @property
    def _current(self) -> Wake | None:
        return self._heap[0][2] if self._running and self._heap else None

    def _switch_off(self, wake: Wake) -> None:
        """Makes a wake dead; where dead ones are many, they leave the heap."""
        wake.send, wake.process = gone, None
        self._dead += 1
        if self._dead > _COMPACT_AT and self._dead * 2 > len(self._heap):
            first = self._heap[: self._running]  # the running item stays on top
            kept = [item for item in self._heap[self._running :] if item[2].send is not gone]
            self._heap[:] = first + kept
            heapify(self._heap)
            self._dead = 0

    def _drain(self) -> None:
        """What other threads posted is scheduled for now, in the order it came."""
        for _ in repeat(None, len(self._inbox)):
            function, args = self._inbox.popleft()
            self.call(0, function, *args)

    def _checked(self, delay: int) -> int:
        if type(delay) is not int or delay < 0:
            raise ArgumentError(f"delay {delay!r} is negative or no whole number of {self.unit}")
        return delay

"""What a process can wait for: events, processes, the first or all of several, timeouts; and what stands in the heap."""

from collections.abc import Callable, Coroutine, Generator
from functools import partial
from typing import TYPE_CHECKING, Any

from kit.errors import ArgumentError, CrashError, InterruptError, KernelError

if TYPE_CHECKING:
    from kit.kernel.loop import Kernel

Body = Generator[Any, Any, Any] | Coroutine[Any, Any, Any]
Item = tuple[int, int, "Wake", Any]


class Signpost:
    """What a resumed item returns when it waits for nothing more."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __repr__(self) -> str:
        return self._name


DONE = Signpost("DONE")
GONE = Signpost("GONE")


def gone(_value: Any) -> Any:
    return GONE


class Wake:
    """What stands in the heap: something to resume with a value.

    `send` is called with the value; `resume` is what `send` is normally, `throw` takes an error. A wake serves
    for many delays of its process in a row. One that is not wanted any more is switched off, and a new one is
    made; the loop passes over dead ones.
    """

    __slots__ = ("process", "resume", "send", "target", "throw")

    def __init__(
        self, resume: Callable[[Any], Any], throw: Callable[[Any], Any], process: "Process | None" = None
    ) -> None:
        self.send = self.resume = resume
        self.throw = throw
        self.process = process
        self.target: Event | None = None

    def fail_next(self) -> None:
        """The next value is an error, to be thrown."""
        self.send = self._throw_once

    def _throw_once(self, error: BaseException) -> Any:
        self.send = self.resume
        return self.throw(error)


class Scheduled:
    """A callback that waits for its time. `time` is when; `cancel()` takes it back."""

    __slots__ = ("_kernel", "_wake", "time")

    def __init__(self, kernel: "Kernel", wake: Wake, time: int) -> None:
        self._kernel = kernel
        self._wake = wake
        self.time = time

    @property
    def pending(self) -> bool:
        """True until it has run or was cancelled."""
        return self._wake.send is not gone

    def cancel(self) -> bool:
        """Takes the callback back; False when it had run or was cancelled before."""
        if not self.pending:
            return False
        self._kernel._switch_off(self._wake)
        return True

    def __repr__(self) -> str:
        return f"<Scheduled at {self.time}{'' if self.pending else ', over'}>"


class Event:
    """Something that happens once, with a value or an error; any number of processes may wait for it."""

    # Fields start as attributes of the class, so that a new event, of which every message makes one, sets few.
    done = False
    name = ""
    _waiters: list[Wake] | None = None
    _value: Any = None
    _error: BaseException | None = None
    _sent: Item | None = None  # what went into the heap for the last that waited

    def __init__(self, kernel: "Kernel", name: str = "") -> None:
        self._kernel = kernel
        if name:
            self.name = name

    @property
    def value(self) -> Any:
        """The value it was triggered with; raises its error, or `KernelError` while it is pending."""
        if self._error is not None:
            raise self._error
        if not self.done:
            raise KernelError(f"{self!r} has no value yet; yield it or await it")
        return self._value

    @property
    def error(self) -> BaseException | None:
        """The error it failed with, or None."""
        return self._error

    def trigger(self, value: Any = None) -> None:
        """It happens now; whoever waits goes on at this time, in the order of waiting. Twice is a `KernelError`."""
        if self.done:
            raise KernelError(f"{self!r} has happened before")
        self.done = True
        self._value = value
        kernel = self._kernel
        for wake in self._waiters or ():
            self._sent = kernel._push(wake, value)
        self._waiters = None

    def fail(self, error: BaseException) -> None:
        """It fails now: `error` is raised in whoever waits. Nobody waiting is no mistake."""
        if self.done:
            raise KernelError(f"{self!r} has happened before")
        self.done = True
        self._error = error
        for wake in self._waiters or ():
            wake.fail_next()
            self._sent = self._kernel._push(wake, error)
        self._waiters = None

    def _wait(self, wake: Wake) -> None:
        """`wake` goes on when it happens, or at once through the heap when it has."""
        if self.done:
            if self._error is not None:
                wake.fail_next()
            self._sent = self._kernel._push(wake, self._value if self._error is None else self._error)
        elif self._waiters is None:
            self._waiters = [wake]
        else:
            self._waiters.append(wake)

    def _abandon(self, wake: Wake) -> None:
        """`wake` will not look at it any more."""
        if self._waiters and wake in self._waiters:
            self._waiters.remove(wake)

    def __await__(self) -> Generator[Any, Any, Any]:
        return (yield self)

    def _state(self) -> str:
        if not self.done:
            return "pending"
        return "done" if self._error is None else f"failed with {self._error!r}"

    def __repr__(self) -> str:
        name = f" {self.name!r}" if self.name else ""
        return f"<{type(self).__name__}{name}, {self._state()}>"


class Sleep:
    """A delay that can be awaited."""

    __slots__ = ("_delay",)

    def __init__(self, delay: int) -> None:
        self._delay = delay

    def __await__(self) -> Generator[Any, Any, None]:
        yield self._delay


class Process(Event):
    """A running generator or coroutine. It is an event too: it happens when the body returns, with what it returned."""

    def __init__(self, kernel: "Kernel", body: Body, name: str) -> None:
        super().__init__(kernel, name)
        self._body = body
        self._wake = Wake(body.send, body.throw, self)

    def interrupt(self, cause: object = None) -> None:
        """Raises `InterruptError(cause)` in the process, at the place where it waits, at this time.

        An item that a queue had already set aside for it goes back to the queue. A process that is over takes
        no notice. A process cannot interrupt itself: `ArgumentError`.
        """
        if self._kernel._current is self._wake:
            raise ArgumentError(f"{self!r} cannot interrupt itself; raise the error instead")
        if self.done:
            return
        self._leave()
        self._wake = Wake(self._body.send, self._body.throw, self)
        self._wake.fail_next()
        self._kernel._push(self._wake, InterruptError(cause))

    def crash(self, reason: str = "crashed") -> None:
        """Ends the process here and now; whoever waits for it gets a `CrashError`.

        Its `finally` blocks run, since Python knows no other way to end a generator. Called by the process
        itself it raises the `CrashError` there.
        """
        error = CrashError(f"process {self.name!r} {reason} at {self._kernel.place()}")
        if self._kernel._current is self._wake:
            raise error
        if self.done:
            return
        self._leave()
        self._body.close()
        self.fail(error)

    def _leave(self) -> None:
        """Stops waiting for whatever it waits for."""
        wake, target = self._wake, self._wake.target
        if target is not None and (not target.done or self._kernel._is_due(target)):
            target._abandon(wake)
        self._kernel._switch_off(wake)


class AnyOf(Event):
    """Happens with the first of several events; the value is that event."""

    def __init__(self, kernel: "Kernel", events: tuple[Event, ...]) -> None:
        super().__init__(kernel, "any of " + ", ".join(event.name or type(event).__name__ for event in events))
        self._members: list[tuple[Event, Wake]] = []
        for event in events:
            wake = Wake(partial(self._first, event), partial(self._first, event))
            self._members.append((event, wake))
            event._wait(wake)

    def _first(self, event: Event, _value: Any) -> Signpost:
        self._let_go(but=event)
        if event._error is not None:
            self.fail(event._error)
        else:
            self.trigger(event)
        return DONE

    def _let_go(self, but: Event | None) -> None:
        for event, wake in self._members:
            if event is not but:
                event._abandon(wake)
                self._kernel._switch_off(wake)

    def _abandon(self, wake: Wake) -> None:
        if self.done:
            for event, member in self._members:
                if event is self._value:
                    event._abandon(member)
        elif self._waiters == [wake]:
            self._let_go(but=None)
        super()._abandon(wake)


class AllOf(Event):
    """Happens when all of several events have; the value is the list of theirs."""

    def __init__(self, kernel: "Kernel", events: tuple[Event, ...]) -> None:
        super().__init__(kernel, "all of " + ", ".join(event.name or type(event).__name__ for event in events))
        self._events = events
        self._left = len(events)
        self._members: list[tuple[Event, Wake]] = []
        for event in events:
            wake = Wake(self._one, self._broken)
            self._members.append((event, wake))
            event._wait(wake)
        if not events:
            self.trigger([])

    def _one(self, _value: Any) -> Signpost:
        self._left -= 1
        if not self._left and not self.done:
            self.trigger([event._value for event in self._events])
        return DONE

    def _broken(self, error: BaseException) -> Signpost:
        if not self.done:
            self.fail(error)
        return DONE

    def _abandon(self, wake: Wake) -> None:
        if self.done or self._waiters == [wake]:
            for event, member in self._members:
                event._abandon(member)
                self._kernel._switch_off(member)
        super()._abandon(wake)


class Timeout(Event):
    """Happens after a delay, unless nobody waits for it any more."""

    def __init__(self, kernel: "Kernel", delay: int) -> None:
        super().__init__(kernel, f"timeout {delay}")
        self._scheduled = kernel.call(delay, self.trigger)

    def _abandon(self, wake: Wake) -> None:
        super()._abandon(wake)
        if not self._waiters and not self.done:
            self._scheduled.cancel()

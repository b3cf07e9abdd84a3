"""What can be done to a running simulation by hand, as data: frozen, with a JSON form and the Python that does it again.

Some commands act: they change what happens (a task, a fault, a STOP). The others only say how far and how fast to go.
"""

import json
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Literal, get_args

from kit.cosmonapse.types import SignalType
from kit.errors import ArgumentError
from kit.sim.dispatching import SELECTIONS
from kit.sim.distribution import Distribution
from kit.sim.duration import Duration, microseconds
from kit.sim.envelope import Json
from kit.sim.faults import Fault, Kind

FAULTS: tuple[str, ...] = get_args(Kind)
Of = Literal["signals", "events"]


@dataclass(frozen=True)
class Command:
    """One thing done by hand. `acts` says whether it changes the simulation, `ends` whether it comes to an end by itself."""

    word: ClassVar[str] = ""
    acts: ClassVar[bool] = False
    ends: ClassVar[bool] = False

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without what is as it is by default."""
        return {"do": self.word, **{name: _plain(value) for name, value in self._given().items()}}

    def call(self) -> str:
        """Return the Python of it, as a call of a method of a Controller or a panel."""
        given = ", ".join(f"{name}={_code(value)}" for name, value in self._given().items())
        return f"{self.word}({given})"

    def _given(self) -> dict[str, Any]:
        found = {}
        for item in fields(self):
            value = getattr(self, item.name)
            if item.default is MISSING or value != item.default:
                found[item.name] = value
        return found

    def __str__(self) -> str:
        return self.call()


# How far and how fast


@dataclass(frozen=True)
class Play(Command):
    """Go on, at the speed that is set."""

    word: ClassVar[str] = "play"


@dataclass(frozen=True)
class Pause(Command):
    """Stand still."""

    word: ClassVar[str] = "pause"


@dataclass(frozen=True)
class Speed(Command):
    """So many virtual seconds a second, None for as fast as it goes."""

    times: float | None = None
    word: ClassVar[str] = "speed"

    def __post_init__(self) -> None:
        if self.times is not None and not 0 < self.times < float("inf"):
            raise ArgumentError(
                f"speed {self.times!r}: give virtual seconds per second, or None for as fast as it goes"
            )


@dataclass(frozen=True)
class Step(Command):
    """Go on by a number of signals, or of events: deliveries, timers, steps of functions."""

    count: int = 1
    of: Of = "signals"
    word: ClassVar[str] = "step"
    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        if not isinstance(self.count, int) or self.count < 1 or self.of not in get_args(Of):
            raise ArgumentError(f"step of {self.count!r} {self.of!r}: give a count from 1, of 'signals' or 'events'")


@dataclass(frozen=True)
class RunUntil(Command):
    """Go on to a time since the start."""

    time: Duration = 0
    word: ClassVar[str] = "run_until"
    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        microseconds(self.time)


@dataclass(frozen=True)
class Next(Command):
    """Go on to the next breakpoint, or to where a fault begins or ends."""

    word: ClassVar[str] = "next"
    ends: ClassVar[bool] = True


@dataclass(frozen=True)
class At(Command):
    """Go on to an exact place: so many events, and so many microseconds, since the start."""

    events: int = 0
    us: int = 0
    word: ClassVar[str] = "at"
    ends: ClassVar[bool] = True

    def call(self) -> str:
        """Return the Python of it."""
        return f"at(events={self.events:_}, us={self.us:_})"


@dataclass(frozen=True)
class BreakAt(Command):
    """Stand still after a signal of a type, for or of a neuron, on a trace; without any of them at none any more."""

    type: str | None = None
    neuron: str | None = None
    trace_id: str | None = None
    word: ClassVar[str] = "break_at"

    def __post_init__(self) -> None:
        if self.type is not None:
            _check_one_of("type", self.type, [kind.value for kind in SignalType])


# What changes the simulation


@dataclass(frozen=True)
class Acting(Command):
    """A command that changes what happens."""

    acts: ClassVar[bool] = True


@dataclass(frozen=True)
class Dispatch(Acting):
    """A TASK of the orchestrator: to a neuron, to whoever has capabilities, or with `offer` to the winner of an auction."""

    input: Any
    neuron: str | None = None
    capabilities: tuple[str, ...] = ()
    offer: str | None = None
    deadline_ms: int = 250
    word: ClassVar[str] = "dispatch"

    def __post_init__(self) -> None:
        object.__setattr__(self, "input", as_input(self.input))
        if isinstance(self.capabilities, str):
            raise ArgumentError(f"capabilities={self.capabilities!r}: give a list, [{self.capabilities!r}]")
        object.__setattr__(self, "capabilities", tuple(self.capabilities))
        if bool(self.neuron) == bool(self.capabilities):
            raise ArgumentError("dispatch: say for whom, either neuron= or capabilities=")
        if self.offer is not None:
            _check_one_of("offer", self.offer, SELECTIONS)
            if self.neuron:
                raise ArgumentError(f"dispatch: an offer goes to whoever has capabilities=, not to {self.neuron!r}")


@dataclass(frozen=True)
class Answer(Acting):
    """The answer to a CLARIFICATION, or with `granted` the decision on a PERMISSION."""

    signal_id: str
    answer: Any = None
    granted: bool | None = None
    reason: str | None = None
    word: ClassVar[str] = "answer"

    def __post_init__(self) -> None:
        object.__setattr__(self, "answer", _json(self.answer))
        if (self.answer is None) == (self.granted is None):
            raise ArgumentError("answer: give answer= to a clarification, or granted= to a permission")


@dataclass(frozen=True)
class Inject(Acting):
    """A fault from here on; `fault.at` counts from this moment."""

    fault: Fault
    word: ClassVar[str] = "inject"

    def __post_init__(self) -> None:
        _check_one_of("fault", self.fault.kind, FAULTS)
        for span in (self.fault.for_, self.fault.by, self.fault.every):
            if span is not None and not isinstance(span, Distribution):
                microseconds(span)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {"do": self.word, "fault": {name: _plain(value) for name, value in self._fault().items()}}

    def call(self) -> str:
        """Return the Python of it."""
        given = self._fault()
        kind = given.pop("kind")
        target = [_code(given.pop("target"))] if "target" in given else []
        options = [f"{name}={_code(value)}" for name, value in given.items()]
        if kind == "crash" and set(given) <= {"for_"} and target:
            return f"crash({', '.join([*target, *options])})"
        return f"inject({', '.join([_code(kind), *target, *options])})"

    def _fault(self) -> dict[str, Any]:
        found = {item.name: getattr(self.fault, item.name) for item in fields(self.fault)}
        defaults = {item.name: item.default for item in fields(self.fault)}
        return {name: value for name, value in found.items() if value != defaults[name]}


@dataclass(frozen=True)
class StopTrace(Acting):
    """A STOP for a trace, with or without rollback."""

    trace_id: str
    rollback: bool = False
    reason: str | None = None
    word: ClassVar[str] = "stop_trace"

    def __post_init__(self) -> None:
        if not isinstance(self.trace_id, str) or not self.trace_id:
            raise ArgumentError(f"stop_trace: trace_id {self.trace_id!r} is no id; choose a trace")


@dataclass(frozen=True)
class Workers(Acting):
    """How many tasks a neuron works on at once, None for any number."""

    neuron: str
    count: int | None = None
    word: ClassVar[str] = "workers"

    def __post_init__(self) -> None:
        if self.count is not None and (not isinstance(self.count, int) or self.count < 1):
            raise ArgumentError(f"workers {self.count!r} of {self.neuron!r}: give 1 or more, or None for no limit")


@dataclass(frozen=True)
class Rate(Acting):
    """How many arrivals a second a stream has, 0 for none."""

    stream: str
    per_s: float
    word: ClassVar[str] = "rate"


@dataclass(frozen=True)
class Finish(Acting):
    """The end: no more requests, those under way have `drain` to come to their end, and everybody leaves."""

    drain: Duration = "60s"
    word: ClassVar[str] = "finish"

    def __post_init__(self) -> None:
        microseconds(self.drain)


@dataclass(frozen=True)
class Snapshot(Command):
    """What has happened so far, as a Run; it is not written into the log."""

    word: ClassVar[str] = "snapshot"


LOGGED: dict[str, type[Command]] = {
    made.word: made
    for made in (
        *(Play, Pause, Speed, Step, RunUntil, Next, At, BreakAt),
        *(Dispatch, Answer, Inject, StopTrace, Workers, Rate, Finish),
    )
}
"""Commands that a control log holds, by their word."""


def command_from_json(data: Any, where: str = "command") -> Command:
    """Return the command of plain values; ArgumentError that says what is wrong."""
    if not isinstance(data, Mapping) or data.get("do") not in LOGGED:
        raise ArgumentError(f"{where}: {data!r:.80} is no command; 'do' is one of {', '.join(LOGGED)}")
    given = {name: value for name, value in data.items() if name != "do"}
    try:
        if data["do"] == "inject":
            return Inject(Fault(**{name: _value(value) for name, value in given["fault"].items()}))
        made = {name: tuple(value) if name == "capabilities" else value for name, value in given.items()}
        return LOGGED[data["do"]](**made)
    except (TypeError, KeyError, AttributeError) as error:
        raise ArgumentError(f"{where}: {data!r:.120} is no {data['do']!r} command: {error}") from None


def as_input(value: Any) -> Json:
    """Return the input of a task: an object as it is, a text of JSON as its object, and any other text as `q`.

    >>> as_input("open the window"), as_input('{"q": 1}')
    ({'q': 'open the window'}, {'q': 1})
    """
    if isinstance(value, str):
        try:
            read = json.loads(value)
        except (ValueError, RecursionError):
            read = None
        value = read if isinstance(read, dict) else {"q": value}
    made = _json(value)
    if not isinstance(made, dict):
        raise ArgumentError(f"input {value!r:.80} is no object; give a dict, or a text")
    return made


def _json(value: Any) -> Any:
    """Return a value as JSON keeps it, so that a log that was read again does the same."""
    try:
        return json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError, RecursionError) as error:
        raise ArgumentError(f"{value!r:.80} has no JSON form: {error}") from None


def _plain(value: Any) -> Any:
    if isinstance(value, Distribution):
        return value.as_json()
    if isinstance(value, tuple):
        return [_plain(item) for item in value]
    return value if isinstance(value, str | int | float | bool | dict | list | None) else microseconds(value) / 1e6


def _value(value: Any) -> Any:
    if isinstance(value, Mapping) and "distribution" in value:
        return Distribution.from_json(value)
    return tuple(_value(item) for item in value) if isinstance(value, list) else value


def _code(value: Any) -> str:
    if isinstance(value, Distribution):
        return f"kit.sim.Distribution.from_json({value.as_json()!r})"
    if isinstance(value, tuple):
        return f"[{', '.join(map(_code, value))}]"
    return repr(_plain(value))


def _check_one_of(what: str, value: str, known: Any) -> None:
    if value not in known:
        raise ArgumentError(f"{what} {value!r} is none of {', '.join(known)}")

"""A simulation that is driven by hand, and the log of what was done, which makes the same run again.

Every command is written down with the exact place at which it took effect: how many events had happened, and the
virtual time. Neither the speed nor the way in which time was sliced matters: a new namespace of the same making,
taken to the same places and given the same commands, ends in the same bytes.

    control = Controller(ns)
    control.run_until("30s")
    control.crash("tester", for_="10s")
    control.run_until("2m")
    again = control.log.replay(new_namespace())
    assert again.digest == control.digest
"""

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

from kit.errors import ArgumentError, KernelError
from kit.sim import command as commands
from kit.sim.acting import act
from kit.sim.command import At, BreakAt, Command, Next, Pause, Play, RunUntil, Snapshot, Speed, Step, command_from_json
from kit.sim.duration import START_US, microseconds
from kit.sim.namespace import Namespace
from kit.sim.onlooker import Onlooker
from kit.sim.scenario import Scenario
from kit.sim.shipped import SCENARIOS
from kit.sim.verbs import Verbs

SLICE_S = 0.03
"""How long a slice takes, about: other commands wait for it."""
FIRST_SLICE, LEAST_SLICE, LONGEST_SLICE = 500, 20, 50_000
LONGEST_PAUSE_S = 0.1
"""In real time the clock is moved on at least so often."""


@dataclass(frozen=True)
class Entry:
    """A command with the place at which it took effect: events and microseconds since the start; and its error, if any."""

    events: int
    us: int
    command: Command
    error: str | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        told = {} if self.error is None else {"error": self.error}
        return {"events": self.events, "us": self.us, **self.command.as_json(), **told}


@dataclass(frozen=True)
class ControlLog:
    """All that was done by hand, in order, the place that was reached, and the digest there."""

    entries: tuple[Entry, ...]
    events: int
    us: int
    digest: str

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def acts(self) -> tuple[Entry, ...]:
        """The entries that changed the simulation."""
        return tuple(entry for entry in self.entries if entry.command.acts)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values."""
        end = {"events": self.events, "us": self.us, "digest": self.digest}
        return {"entries": [entry.as_json() for entry in self.entries], **end}

    def to_json(self) -> str:
        """Return it as JSON text; `from_json` reads it."""
        return json.dumps(self.as_json(), ensure_ascii=False, indent=1)

    @classmethod
    def from_json(cls, data: str | Mapping[str, Any]) -> "ControlLog":
        """Return the log in JSON text or plain values; ArgumentError that names what is wrong. It runs nothing."""
        try:
            plain = json.loads(data) if isinstance(data, str) else data
            entries = tuple(_entry(item, f"entries[{n}]") for n, item in enumerate(plain["entries"]))
            return cls(entries, int(plain["events"]), int(plain["us"]), str(plain["digest"]))
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            if isinstance(error, ArgumentError):
                raise
            raise ArgumentError(f"not a control log: {error!r}") from None

    def replay(self, namespace: Namespace) -> "Controller":
        """Do the same to a new namespace of the same making, and return its Controller; compare `digest` then.

        KernelError where the namespace is past the first place already.
        """
        control = Controller(namespace)
        for entry in self.acts:
            control.at(entry.events, entry.us)
            control.repeat(entry.command)
        return control.at(self.events, self.us)

    def code(self, make: str, driver: str = "kit.sim.Controller(ns)", name: str = "control") -> str:
        """Return Python that does it all again: `make` is the code of a namespace, `driver` that of who drives it."""
        lines, place = ["import kit", "", make, f"{name} = {driver}"], None
        for entry in self.acts:
            if entry.error is not None and not isinstance(entry.command, commands.Finish):
                continue  # refused: it changed nothing
            went = "" if place == (entry.events, entry.us) else f".{At(entry.events, entry.us).call()}"
            lines.append(f"{name}{went}.{entry.command.call()}")
            place = (entry.events, entry.us)
        lines += [f"{name}.{At(self.events, self.us).call()}", f"assert {name}.digest == {self.digest!r}"]
        return "\n".join(lines) + "\n"


def _entry(data: Any, where: str) -> Entry:
    if not isinstance(data, Mapping):
        raise ArgumentError(f"{where}: an object is needed, not {data!r:.80}")
    given = {name: value for name, value in data.items() if name not in ("events", "us", "error")}
    return Entry(int(data["events"]), int(data["us"]), command_from_json(given, where), data.get("error"))


def _as_made(ns: Namespace) -> bool:
    """Whether nothing was added to a namespace since it was made from its scenario."""
    if ns.scenario is None:
        return False
    data = Scenario.from_json(ns.scenario)
    return (
        sorted(ns.axons) == sorted([*(one.id for one in data.neurons), *(one.id for one in data.models)])
        and sorted(ns.engrams) == sorted(one.id for one in data.engrams)
        and sorted(name for node in ns.dendrites.values() for name in node.effectors)
        == sorted(one.id for one in data.effectors)
        and tuple(caller.arrivals for caller in ns.callers.values()) == data.arrivals
        and tuple(ns.faults.planned) == data.faults
    )


def _scenario_code(data: Mapping[str, Any]) -> str:
    """Return the Python of a scenario: the name of a shipped one, else its JSON."""
    name = str(data.get("name"))
    if name in SCENARIOS and SCENARIOS[name]().as_json() == data:
        return repr(name)
    return f"kit.sim.Scenario.from_json({json.dumps(data, ensure_ascii=False)!r})"


class Goal:
    """How far to go: what was asked for, whether it is over, and the error that ended it before."""

    def __init__(
        self,
        *,
        us: int | None = None,
        events: int | None = None,
        signals: int | None = None,
        breaks: bool = False,
        paced: bool = False,
    ) -> None:
        self.paced = paced
        self.us = us
        self.events = events
        self.signals = signals
        self.breaks = breaks
        self.exact = us is not None and events is not None
        self.over = threading.Event()
        self.error: BaseException | None = None

    def end(self, error: BaseException | None = None) -> None:
        """It is reached, given up, or ended by an error."""
        if not self.over.is_set():
            self.error = error
            self.over.set()


class Controller(Verbs):
    """Drives a namespace by hand; it starts the namespace, and from here on everything goes through it.

    `apply` does one command, `turn` goes on for a slice; a panel calls both on its owner thread. Without one, the verbs
    of `Verbs` do both: `control.run_until("2m")` returns when it is there. A namespace has one Controller.
    """

    def __init__(self, namespace: Namespace, *, clock: Callable[[], float] = monotonic) -> None:
        if namespace.control is not None:
            raise KernelError(
                f"namespace {namespace.name!r} is driven by hand already, by {namespace.control!r}; go on with that, or make "
                "the namespace again"
            )
        if namespace.over:
            raise KernelError(f"namespace {namespace.name!r} has run; make a new one, with another seed or the same")
        self.namespace = namespace
        self.onlooker = Onlooker()
        self.entries: list[Entry] = []
        self.speed_now: float | None = None
        """Virtual seconds a second, None for as fast as it goes."""
        self.goal: Goal | None = None
        self.why = "ready"
        """Why it stands still."""
        self.failures: list[BaseException] = []
        """What came out of the simulation while it ran: errors of callbacks, invariants that did not hold."""
        self._clock = clock
        self._anchor = (0.0, 0)
        self._slice = FIRST_SLICE
        self._faults = 0
        namespace.synapse.tap(self.onlooker.see)
        namespace.control = self
        self.as_made = self.events == 0 and _as_made(namespace)
        """Whether its scenario and seed say all about how it was made."""
        namespace.start()

    def __repr__(self) -> str:
        state = "goes on" if self.playing else self.why
        return f"<{type(self).__name__} of {self.namespace.name!r}: {self.us / 1e6:g} s, {len(self.entries)} commands, {state}>"

    # Where it is

    @property
    def us(self) -> int:
        """Virtual microseconds since the start."""
        return self.namespace.synapse.kernel.now - START_US

    @property
    def events(self) -> int:
        """How many things have happened."""
        return self.namespace.synapse.events

    @property
    def signals(self) -> int:
        """How many signals were sent."""
        return len(self.namespace.synapse.tape)

    @property
    def digest(self) -> str:
        """The digest of all signals so far."""
        return self.namespace.synapse.tape.digest

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self.goal is not None

    @property
    def log(self) -> ControlLog:
        """What was done so far, up to here."""
        return ControlLog(tuple(self.entries), self.events, self.us, self.digest)

    # Commands

    def do(self, command: Command) -> Any:
        """Do a command, go on to its end where it has one, and return its result; raises what ended it before."""
        made = self.apply(command)
        if not isinstance(made, Goal):
            return made
        if command.ends:
            while self.goal is made:
                self.turn()
            if made.error is not None and not made.exact:
                raise made.error
        return self if command.ends else None

    def apply(self, command: Command) -> Any:
        """Do a command here and now, write it down, and return its result: a Goal where it says how far to go.

        What it raises is written down as well: a replay raises it again, and leaves the same behind.
        """
        if isinstance(command, Snapshot):
            return self.namespace.snapshot()
        place = (self.events, self.us)
        self.entries.append(Entry(*place, command))  # before it is done: the Run of `finish` has it
        try:
            return self._act(command) if command.acts else self._pace(command)
        except Exception as error:
            self.entries[-1] = Entry(*place, command, str(error) or repr(error))
            raise

    def repeat(self, command: Command) -> None:
        """Do what a log says; what it raises was raised the first time, too."""
        try:
            self.apply(command)
        except Exception as error:
            self.failures.append(error)

    def _act(self, command: Command) -> Any:
        if self.namespace.over:
            raise KernelError(f"namespace {self.namespace.name!r} has run; {command} comes too late")
        made = act(self.namespace, self.onlooker, command)
        if isinstance(command, commands.Finish):
            self.stand("finished")
        return made

    def _pace(self, command: Command) -> Goal | None:
        if isinstance(command, Pause):
            self.stand("paused")
        elif isinstance(command, Speed):
            self.speed_now = command.times
            self._anchor = (self._clock(), self.us)
        elif isinstance(command, BreakAt):
            unset = command == BreakAt()
            self.onlooker.breaks = () if unset else (*self.onlooker.breaks, command)
            self.onlooker.hit = None
        else:
            goal = self._goal(command)
            self.stand("there" if goal.over.is_set() else "")
            if goal.over.is_set():
                return goal
            self.onlooker.hit = None
            self._faults = len(self.namespace.faults.happened)
            self._anchor = (self._clock(), self.us)
            self.goal = goal
        return self.goal if isinstance(command, Play | Step | RunUntil | Next | At) else None

    def _goal(self, command: Command) -> Goal:
        if isinstance(command, At) and (command.events, command.us) == (self.events, self.us):
            there = Goal()
            there.end()
            return there
        if self.namespace.over:
            raise KernelError(f"namespace {self.namespace.name!r} has run; {command} comes too late")
        if isinstance(command, Step):
            count = command.count
            return Goal(signals=self.signals + count) if command.of == "signals" else Goal(events=self.events + count)
        if isinstance(command, RunUntil):
            us = microseconds(command.time)
            if us < self.us:
                raise ArgumentError(f"run_until {command.time!r} is past; it is {self.us / 1e6:g} s")
            return Goal(us=us)
        if isinstance(command, At):
            if command.events < self.events or command.us < self.us:
                raise KernelError(
                    f"{command} is past: {self.events:,} events have happened by {self.us / 1e6:g} s; make the namespace again"
                )
            return Goal(us=command.us, events=command.events)
        return Goal(breaks=isinstance(command, Next), paced=isinstance(command, Play))

    def stand(self, why: str) -> None:
        """Stand still."""
        goal, self.goal, self.why = self.goal, None, why
        if goal is not None:
            goal.end()

    def code(
        self, variable: str | None = None, *, driver: str = "kit.sim.Controller({})", name: str = "control"
    ) -> str:
        """Return Python that does it all again in a fresh interpreter; `variable` is what the namespace is called there.

        A namespace of a scenario is made again by the code. Any other is taken from the variable.
        """
        ns = self.namespace
        if self.as_made and ns.scenario is not None:
            made, called = f"ns = kit.Namespace.from_scenario({_scenario_code(ns.scenario)}, seed={ns.seed!r})", "ns"
        else:
            called = variable or "ns"
            made = f"# {called}: your namespace; run the cells that make it first, as often as they ran before this one"
        return self.log.code(made, driver.format(called), name)

    # Going on

    def turn(self) -> float | None:
        """Go on for a slice; in how many seconds the next one is due, None when it stands still."""
        goal = self.goal
        if goal is None:
            return None
        begun, paced = self._clock(), None
        until = None if goal.us is None or goal.exact else goal.us
        if goal.paced and self.speed_now is not None:
            paced = self._anchor[1] + int((begun - self._anchor[0]) * self.speed_now * 1e6)
        events = self._slice if goal.events is None else min(self._slice, goal.events - self.events)
        try:
            happened = self._sliced(goal, until if paced is None else paced, events)
        except BaseException as error:
            self.failures.append(error)
            if goal.exact and isinstance(error, Exception):
                return 0.0
            goal.end(error)
            self.stand(f"{type(error).__name__}: {error}")
            if not isinstance(error, Exception):
                raise
            return None
        self._fit(happened, events, self._clock() - begun)
        if self._reached(goal, until, paced, happened, events):
            return None
        return 0.0 if paced is None else self._rest(paced, happened >= events)

    def _sliced(self, goal: Goal, us: int | None, events: int) -> int:
        enough: Callable[[], bool] | None = None
        if goal.signals is not None or goal.breaks or (self.onlooker.breaks and not goal.exact):
            wanted = goal.signals
            happened = self.namespace.faults.happened if goal.breaks else ()

            def enough() -> bool:
                return (
                    self.onlooker.hit is not None
                    or (wanted is not None and self.signals >= wanted)
                    or len(happened) > self._faults
                )

        return self.namespace.synapse.slice(None if us is None else START_US + us, events, enough)

    def _reached(self, goal: Goal, until: int | None, paced: int | None, happened: int, events: int) -> bool:
        """Stand still where the goal is reached or a breakpoint was met; whether it does."""
        hit, faults = self.onlooker.hit, self.namespace.faults.happened
        if hit is not None and not goal.exact:
            self.stand(f"breakpoint: {hit.kind} {hit.to or ''}".rstrip())
        elif goal.breaks and len(faults) > self._faults:
            self.stand(f"fault {faults[-1][2]} {faults[-1][1]}")
        elif goal.signals is not None and self.signals >= goal.signals:
            self.stand("stepped")
        elif goal.exact and (goal.events == self.events or happened < events):
            self._arrive(goal)
        elif goal.events is not None and not goal.exact and self.events >= goal.events:
            self.stand("stepped")
        elif until is not None and happened < events:
            self.stand("there")
        elif until is None and paced is None and happened < events:
            self.stand("nothing is left to happen")
        return self.goal is None

    def _arrive(self, goal: Goal) -> None:
        """The events of an exact place have happened: move the clock on to its time."""
        us = goal.us or 0
        there = goal.events == self.events and us >= self.us
        if not there or (us > self.us and self.namespace.synapse.slice(START_US + us)):
            error = KernelError(
                f"the place of {goal.events:,} events is not at {us / 1e6:g} s here: the namespace is not of the "
                "same making, or a function of it uses more than it is given"
            )
            goal.exact = False
            goal.end(error)
        self.stand("there")

    def _fit(self, happened: int, events: int, took_s: float) -> None:
        """Choose the size of the next slice by what this one took."""
        if happened == events == self._slice:
            fitting = int(self._slice * SLICE_S / max(took_s, 1e-6))
            self._slice = max(LEAST_SLICE, min(LONGEST_SLICE, 2 * self._slice, fitting))

    def _rest(self, paced: int, behind: bool) -> float:
        """Return how long to wait in real time until something is due; where it falls behind, the clock starts anew."""
        if behind:
            self._anchor = (self._clock(), self.us)
            return 0.0
        due = self.namespace.synapse.kernel.peek()
        wait = LONGEST_PAUSE_S if due is None else (due - START_US - paced) / 1e6 / (self.speed_now or 1.0)
        return min(LONGEST_PAUSE_S, max(0.005, wait))

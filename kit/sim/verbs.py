"""What can be done to a simulation by hand, as methods: those of a Controller and of a panel are the same."""

from collections.abc import Sequence
from typing import Any, Self

from kit.errors import ArgumentError
from kit.sim.command import (
    Answer,
    At,
    BreakAt,
    Command,
    Dispatch,
    Finish,
    Inject,
    Next,
    Of,
    Pause,
    Play,
    Rate,
    RunUntil,
    Snapshot,
    Speed,
    Step,
    StopTrace,
    Workers,
)
from kit.sim.duration import Duration
from kit.sim.faults import Fault
from kit.sim.run import Run


class Verbs:
    """Each method makes a command and hands it to `do`."""

    def do(self, command: Command) -> Any:
        """Do a command and return its result."""
        raise NotImplementedError

    # How far and how fast

    def play(self) -> None:
        """Go on, at the speed that is set, until `pause` or a breakpoint."""
        self.do(Play())

    def pause(self) -> None:
        """Stand still."""
        self.do(Pause())

    def speed(self, times: float | None = None) -> None:
        """Play so many virtual seconds a second from here on; None for as fast as it goes."""
        self.do(Speed(times))

    def step(self, count: int = 1, of: Of = "signals") -> None:
        """Go on by a number of signals or events."""
        self.do(Step(count, of))

    def run_until(self, time: Duration) -> None:
        """Go on to a time since the start, as fast as it goes; ArgumentError where that is past."""
        self.do(RunUntil(time))

    def next(self) -> None:
        """Go on to the next breakpoint, or to where a fault begins or ends, as fast as it goes."""
        self.do(Next())

    def at(self, events: int, us: int) -> Self:
        """Go on to an exact place, and return self; a control log has such places. KernelError where it is past."""
        self.do(At(events, us))
        return self

    def break_at(self, type: str | None = None, *, neuron: str | None = None, trace_id: str | None = None) -> None:
        """Stand still after each signal of a type, of or for a neuron, on a trace; without any of them at none any more."""
        self.do(BreakAt(type, neuron, trace_id))

    # What changes it

    def dispatch(
        self,
        input: Any,
        *,
        neuron: str | None = None,
        capabilities: Sequence[str] = (),
        offer: str | None = None,
        deadline_ms: int = 250,
    ) -> str:
        """Send a TASK to a neuron or to whoever has capabilities, with `offer` after an auction; return its trace id.

        `offer` is first_bid, lowest_cost or highest_confidence. A text as input becomes `{"q": text}`.
        """
        made: str = self.do(Dispatch(input, neuron, tuple(capabilities), offer, deadline_ms))
        return made

    def answer(
        self,
        signal_id: str | None = None,
        answer: Any = None,
        *,
        granted: bool | None = None,
        reason: str | None = None,
    ) -> str:
        """Answer a question, or decide on a permission with `granted`, and return the id of the question.

        Without `signal_id` the oldest question that waits; ArgumentError where none does. A neuron that waits for the
        decision gets it as a signal of its own, any other a follow-up TASK.
        """
        made: str = self.do(Answer(signal_id or "", answer, granted, reason))
        return made

    def inject(self, kind: str, target: str | None = None, **options: Any) -> None:
        """Let a fault begin; `options` are the other fields of `kit.sim.Fault`, such as for_, by, p, every."""
        for name in ("types", "groups"):
            if name in options:
                options[name] = tuple(tuple(one) if name == "groups" else one for one in options[name])
        try:
            fault = Fault(kind, target, **options)  # type: ignore[arg-type]
        except TypeError as error:
            raise ArgumentError(f"inject {kind!r}: {error}") from None
        self.do(Inject(fault))

    def crash(self, target: str, *, for_: Duration | None = None) -> None:
        """Let a neuron, or a Dendrite, be gone without a word; with `for_` it starts again after that time."""
        self.do(Inject(Fault("crash", target, for_=for_)))

    def stop_trace(self, trace_id: str, *, rollback: bool = False, reason: str | None = None) -> None:
        """Send a STOP for a trace, with rollback where what was written is to be undone."""
        self.do(StopTrace(trace_id, rollback, reason))

    def workers(self, neuron: str, count: int | None = None) -> None:
        """Let a neuron work on so many tasks at once, None for any number."""
        self.do(Workers(neuron, count))

    def rate(self, stream: str, per_s: float) -> None:
        """Let so many requests of a stream arrive a second, 0 for none."""
        self.do(Rate(stream, per_s))

    def finish(self, *, drain: Duration = "60s") -> Run:
        """End the simulation and return its Run: nothing arrives any more, what is under way has `drain` to end."""
        made: Run = self.do(Finish(drain))
        return made

    # What there is

    def snapshot(self) -> Run:
        """Return what has happened so far as a Run, while it goes on."""
        made: Run = self.do(Snapshot())
        return made

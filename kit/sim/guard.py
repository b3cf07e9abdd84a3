"""Rules of the protocol that are watched while a simulation runs: safety at each signal, liveness within a bound.

The rules bear the names of those that a capture is checked by (`kit.cosmonapse.rules`, `trace.check`):

    award-once        an offer is awarded at most once
    task-twice        a TASK has one AGENT_OUTPUT
    terminal-once     a trace ends once, by a FINAL or an ERROR
    work-after-stop   nobody who was stopped acts on the trace, and `grace` after a STOP nobody does
    task-open         a TASK, or an award, has a reply or its trace a STOP, `within` a bound that runs once no fault is on
"""

from collections.abc import Callable
from functools import partial

from kit.errors import ArgumentError, InvariantError, KitError
from kit.sim.duration import START_US, Duration, microseconds
from kit.sim.envelope import Envelope
from kit.sim.namespace import Namespace
from kit.sim.scenario import Functions, Scenario

REPLIES = frozenset({"AGENT_OUTPUT", "ERROR", "CLARIFICATION", "PERMISSION"})
ACTS = frozenset(
    {
        *("AGENT_OUTPUT", "FINAL", "CLARIFICATION", "PERMISSION", "TOOL_CALL", "RECALL", "IMPRINT"),
        *("TASK", "TASK_OFFER", "TASK_AWARDED", "BID"),
    }
)
RULES = ("award-once", "task-twice", "terminal-once", "work-after-stop", "task-open")


class Guard:
    """The rules over one namespace; `guard` makes it. The first breach ends the run with an InvariantError."""

    def __init__(self, namespace: Namespace, rules: tuple[str, ...], within: Duration, grace: Duration) -> None:
        unknown = [rule for rule in rules if rule not in RULES]
        if unknown:
            raise ArgumentError(f"guard: there is no rule {unknown[0]!r}; there are {', '.join(RULES)}")
        self.rules = tuple(rule for rule in RULES if rule in rules) or RULES
        self._namespace = namespace
        self._kernel = namespace.synapse.kernel
        self._within = microseconds(within)
        self._grace = microseconds(grace)
        if self._within == 0:
            raise ArgumentError(f"within={within!r}: give a span above 0")
        self._broken = False
        self._bids: dict[str, str | None] = {}
        self._awards: dict[str | None, str] = {}
        self._outputs: dict[str, str] = {}
        self._ends: dict[str, str] = {}
        self._stops: dict[str, tuple[int, str]] = {}
        self._left: set[tuple[str, str]] = set()
        self._open: dict[str, Envelope] = {}
        self._awarded: dict[tuple[str, str | None], list[str]] = {}
        see: dict[str, Callable[[Envelope], None]] = {
            "award-once": self._see_award,
            "task-twice": self._see_output,
            "terminal-once": self._see_end,
            "work-after-stop": self._see_act,
            "task-open": self._see_task,
        }
        self._looks = [see[rule] for rule in self.rules]
        self.end = namespace.synapse.tap(self.see)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._namespace.name!r}: {', '.join(self.rules)}>"

    def see(self, envelope: Envelope) -> None:
        """Hold a signal against the rules, as it is sent."""
        for look in self._looks:
            look(envelope)

    # Safety

    def _see_award(self, envelope: Envelope) -> None:
        if envelope.kind == "BID":
            self._bids[envelope.id] = envelope.parent_id
        elif envelope.kind == "TASK_AWARDED":
            offer = self._bids.get(envelope.parent_id or "", envelope.parent_id)
            before = self._awards.setdefault(offer, envelope.id)
            if before != envelope.id:
                self._breaks("award-once", f"offer {offer} was awarded by {before} before", envelope)

    def _see_output(self, envelope: Envelope) -> None:
        if envelope.kind == "AGENT_OUTPUT" and envelope.parent_id is not None:
            before = self._outputs.setdefault(envelope.parent_id, envelope.id)
            if before != envelope.id:
                self._breaks("task-twice", f"{envelope.parent_id} had the AGENT_OUTPUT {before} before", envelope)

    def _see_end(self, envelope: Envelope) -> None:
        if envelope.kind in ("FINAL", "ERROR"):
            before = self._ends.setdefault(envelope.trace_id, envelope.id)
            if before != envelope.id:
                self._breaks("terminal-once", f"the trace had ended by {before}", envelope)

    def _see_act(self, envelope: Envelope) -> None:
        trace_id = envelope.trace_id
        if envelope.kind == "STOP":
            self._stops.setdefault(trace_id, (self._kernel.now, envelope.id))
        elif envelope.kind == "STOPPED":
            self._left.add((trace_id, envelope.sender.dendrite_id))
        elif envelope.kind in ACTS and trace_id in self._stops:
            us, stop = self._stops[trace_id]
            name = envelope.sender.dendrite_id
            if (trace_id, name) in self._left:
                self._breaks("work-after-stop", f"{name!r} had said STOPPED to {stop}", envelope)
            elif self._kernel.now - us > self._grace:
                late = (self._kernel.now - us) / 1e6
                self._breaks("work-after-stop", f"{name!r} acts {late:g} s after the STOP {stop}", envelope)

    # Liveness

    def _see_task(self, envelope: Envelope) -> None:
        kind = envelope.kind
        if kind in ("TASK", "TASK_AWARDED"):
            self._open.pop(envelope.parent_id or "", None)  # the TASK of an award, which by the text is published
            self._open[envelope.id] = envelope
            if kind == "TASK_AWARDED":
                self._awarded.setdefault((envelope.trace_id, envelope.to), []).append(envelope.id)
            self._kernel.call(self._within, partial(self._due, envelope, self._kernel.now))
        elif kind in REPLIES:
            # The TASK of an award is not published: who was awarded answers on the same trace.
            if self._open.pop(envelope.parent_id or "", None) is None:
                for id in self._awarded.pop((envelope.trace_id, envelope.to), ()):
                    self._open.pop(id, None)
        elif kind == "STOP":
            for id in [id for id, one in self._open.items() if one.trace_id == envelope.trace_id]:
                del self._open[id]

    def _due(self, envelope: Envelope, since_us: int) -> None:
        if envelope.id not in self._open:
            return
        calm_us = self._namespace.faults.calm_us
        since_us = self._kernel.now if calm_us is None else max(since_us, calm_us)
        left = since_us + self._within - self._kernel.now
        if left > 0:
            self._kernel.call(left, partial(self._due, envelope, since_us))
            return
        waited = (self._kernel.now - since_us) / 1e6
        self._breaks("task-open", f"no reply and no STOP within {waited:g} s", envelope)

    # What is wrong

    def _breaks(self, rule: str, why: str, envelope: Envelope) -> None:
        """Let the run end: an error at this place would be one of the neuron that sends."""
        if not self._broken:
            self._broken = True
            at_s = (self._kernel.now - START_US) / 1e6
            who = envelope.to or envelope.to_type or "anybody"
            message = (
                f"{rule!r} does not hold at {at_s:g} s of seed {self._namespace.seed!r}: {envelope.kind} {envelope.id} "
                f"({who}, trace {envelope.trace_id}): {why}"
            )
            error = InvariantError(message, rule=rule, at_s=at_s, trace_id=envelope.trace_id, signal_id=envelope.id)
            self._kernel.call(0, partial(_raise, error))


def guard(namespace: Namespace, *rules: str, within: Duration = "30s", grace: Duration = "1s") -> Guard:
    """Watch rules of the protocol while a namespace runs; all of them, or those that are named.

    Safety is looked at with each signal, liveness (`task-open`) when `within` is over. That time begins when the TASK is sent, or
    when the last fault ended, if that is later; while a fault is on, and for ever after one without an end, nothing is due.
    The run ends with an InvariantError, which has `rule`, `at_s`, `trace_id` and `signal_id`. The signals of a run are the same with and
    without a guard. ArgumentError for a rule that there is not.
    """
    return Guard(namespace, rules, within, grace)


def breaks(
    *rules: str,
    seed: int | str = 0,
    within: Duration = "30s",
    grace: Duration = "1s",
    functions: Functions | None = None,
    trust: bool = False,
) -> Callable[[Scenario, float], bool]:
    """Return what tells whether a scenario breaks one of the rules within a time: what `shrink` needs.

    >>> from kit import sim
    >>> sim.breaks("award-once", seed=7)(sim.scenario("market"), 2.0)
    False
    """

    def fails(scenario: Scenario, until_s: float) -> bool:
        namespace = scenario.namespace(seed, functions=functions, trust=trust, keep=False)
        guard(namespace, *rules, within=within, grace=grace)
        try:
            namespace.run(until=until_s)
        except InvariantError as error:
            return error.at_s <= until_s  # and not in the time that is given to what is under way
        return False

    return fails


def _raise(error: KitError) -> None:
    raise error

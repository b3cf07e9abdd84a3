"""The part of a Dendrite that all its verbs stand on: its place on the bus, its stakes in traces, its processes."""

import inspect
import re
from asyncio import CancelledError
from collections.abc import Callable, Coroutine, Generator, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any

from kit.cosmonapse.signal import Signal
from kit.cosmonapse.types import SYNAPSE_TYPES, SignalType
from kit.errors import ArgumentError, CrashError, DendriteProtocolError, SignalError
from kit.kernel import Process
from kit.sim.envelope import Envelope, Json
from kit.sim.limits import Limited
from kit.sim.pathway import Pathway
from kit.sim.stake import Stake

if TYPE_CHECKING:
    from kit.sim.axon import Axon
    from kit.sim.effector import Effector
    from kit.sim.engram import Engram
    from kit.sim.synapse import Synapse

_PLAIN_ID = re.compile(r"[\w.-]+", re.ASCII)
ROLES = ("orchestrator", "worker")
EMITTED = frozenset(kind.value for kind in SYNAPSE_TYPES)
WINDOW_US = 60_000_000


class Handled:
    """Ids of the signals that a Dendrite handled in the last minute (spec/cosmonapse.md 1.3)."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at: dict[str, int] = {}

    def again(self, id: str, now_us: int) -> bool:
        """Whether a signal was handled within the window before; if not, it is from now on."""
        at = self._at
        while at and now_us - at[oldest := next(iter(at))] > WINDOW_US:
            del at[oldest]
        if id in at:
            return True
        at[id] = now_us
        return False


class Node:
    """Somebody on the bus who sends signals and remembers what they are part of."""

    def __init__(self, synapse: "Synapse", namespace: str, dendrite_id: str, role: str) -> None:
        if role not in ROLES:
            raise ArgumentError(f"role {role!r} is neither 'orchestrator' nor 'worker'")
        self.synapse = synapse
        self.namespace = namespace
        self.dendrite_id = dendrite_id
        self.role = role
        self.place = 0
        """Its place in the order of starting; 0 before the start."""
        self.down = False
        """True while it is crashed: it neither sends nor receives."""
        self.draining = False
        """Whether it takes no new task, and goes when it is through with those it has."""
        self.regular = False
        """True while it simply takes what comes: started, and not down, paused or slow. `settle` keeps it."""
        self.skew_us = 0
        """How far its clock is ahead of the true one."""
        self.step: Callable[[], int] = synapse.steps(dendrite_id)
        self.slow: Callable[[], float] | None = None
        """Seconds that each delivery waits before it is handled, while a fault makes it a slow consumer."""
        self.held: list[Envelope] | None = None
        """What came while it is paused; None while it is not."""
        self.auto_bid = True
        self.axons: dict[str, Axon] = {}
        self.engrams: dict[str, Engram] = {}
        self.effectors: dict[str, Effector] = {}
        self.duties: dict[str, Callable[[Envelope], None]] = {}
        """What a Dendrite does by itself with signals of a type."""
        self.stakes: dict[str, Stake] = {}
        self.limited: Limited | None = None
        """What it has sent on each trace, where that is limited."""
        self.handled = Handled() if synapse.fidelity == "spec" else None
        self._processes: dict[Process, None] = {}

    # Receiving

    def settle(self) -> None:
        """Note whether it simply takes what comes, after a change in its life."""
        self.regular = bool(self.place) and not self.down and self.held is None and self.slow is None

    def receive(self, envelope: Envelope) -> None:
        """Take a signal from the bus."""
        if self.down or not self.place:
            return
        if self.held is not None:
            self.held.append(envelope)
        elif self.slow is not None:
            self.synapse.kernel.call(round(self.slow() * 1e6), self.take, envelope)
        else:
            self.take(envelope)

    def take(self, envelope: Envelope) -> None:
        """Handle a signal (`Hooks.take`)."""
        raise NotImplementedError

    def axon_for(self, wanted: Iterable[str], routed: bool = True) -> "Axon | None":
        """Return the first Axon, in the order of attaching, that has all the capabilities."""
        names = frozenset(wanted)
        if not names and routed:
            return next((axon for axon in self.axons.values() if axon.catch_all), None)
        return next((axon for axon in self.axons.values() if names <= axon.covers), None)

    # Traces

    def stake(self, trace_id: str) -> Stake:
        """Return what this Dendrite has at stake in a trace, nothing yet where it is new."""
        stake = self.stakes.get(trace_id)
        if stake is None:
            stake = self.stakes[trace_id] = Stake(self, trace_id)
            self.synapse.by_trace.setdefault(trace_id, []).append(self)
        return stake

    def release(self, trace_id: str) -> None:
        """Nothing is at stake in a trace any more."""
        if self.stakes.pop(trace_id, None) is None:
            return
        nodes = self.synapse.by_trace[trace_id]
        nodes.remove(self)
        if not nodes:
            del self.synapse.by_trace[trace_id]

    def open_pathway(self, trace_id: str, *, parent_id: str | None = None, scope: str = "all") -> Pathway:
        """Return the Pathway of a trace, a new one where none is open."""
        stake = self.stake(trace_id)
        if stake.pathway is None or stake.pathway.closed:
            made = Pathway(self.synapse, trace_id, parent_id=parent_id, scope=scope)
            stake.pathway = made
        return stake.pathway

    def ambient(self) -> tuple[str | None, str | None]:
        """Return trace and id of the task that the running process works on for this Dendrite, else None twice."""
        found = getattr(self.synapse.kernel.process, "ambient", None)
        if found is None or found[0] is not self:
            return None, None
        return found[1], found[2]

    # Processes

    def spawn(self, verb: Callable[[], Coroutine[Any, Any, Any]], name: str, task: Envelope | None = None) -> Process:
        """Run the coroutine that `verb` returns; it ends with this Dendrite, what it raises is kept in `synapse.errors`.

        It is made when its turn comes: a simulation that stands still, and is dropped, leaves none that never began.
        """
        process = self.synapse.spawn(self._guarded(verb), name)
        if task is not None:
            process.ambient = (self, task.trace_id, task.id)  # type: ignore[attr-defined]
        self._processes[process] = None
        return process

    def _guarded(self, verb: Callable[[], Coroutine[Any, Any, Any]]) -> Generator[Any, Any, None]:
        process = self.synapse.kernel.process
        try:
            yield from verb().__await__()
        except CancelledError:
            pass
        except Exception as error:
            self.synapse.errors.append((self.dendrite_id, error))
        finally:
            if process is not None:
                self._processes.pop(process, None)

    def kill(self, process: Process) -> None:
        """End a process here and now."""
        self._processes.pop(process, None)
        if not process.done:
            process.crash("was cancelled")

    def call(self, function: Callable[..., Any], *args: Any) -> None:
        """Call a function of the user; where it is a coroutine function, a process of its own runs it."""
        name = getattr(function, "__name__", "handler")
        if inspect.iscoroutinefunction(function):
            self.spawn(partial(function, *args), name)
            return
        try:
            made = function(*args)
        except CrashError:
            raise
        except Exception as error:
            self.synapse.errors.append((self.dendrite_id, error))
            return
        if inspect.iscoroutine(made):
            self.spawn(lambda: made, name)

    # Emitting

    def require_orchestrator(self, verb: str) -> None:
        """Raise DendriteProtocolError where this is a worker."""
        if self.role != "orchestrator":
            raise DendriteProtocolError(
                f"Dendrite role={self.role!r} cannot perform {verb!r}: only role='orchestrator' Dendrites may send TASK "
                f"and STOP; give {self.dendrite_id!r} that role, or emit replies, cognition and memory signals"
            )

    async def emit(self, signal: Signal | Envelope) -> None:
        """Publish a signal that was built elsewhere.

        Raises DendriteProtocolError for a type outside SYNAPSE_TYPES, and for TASK and STOP from a worker.
        """
        kind = SignalType(signal.type).value
        if kind not in EMITTED:
            raise DendriteProtocolError(
                f"Dendrite refuses to emit {kind!r}: only types of SYNAPSE_TYPES may be emitted; {kind} is sent by an Axon"
            )
        if kind in ("TASK", "STOP"):
            self.require_orchestrator(f"emit({kind})")
        self.synapse.publish(self.enveloped(signal))

    def enveloped(self, signal: Signal | Envelope) -> Envelope:
        """Return a signal as an envelope of this Dendrite."""
        for id in (signal.id, signal.trace_id, signal.parent_id or "evt_"):
            if not _PLAIN_ID.fullmatch(id):
                raise SignalError(f"id {id!r}: a simulated bus carries ids of letters, digits, '_', '-' and '.'")
        directed = signal.directed
        us = signal.ts_us if isinstance(signal, Envelope) else int(signal.ts.timestamp()) * 1_000_000
        us += 0 if isinstance(signal, Envelope) else signal.ts.microsecond
        return Envelope(
            signal.id,
            signal.trace_id,
            signal.parent_id,
            SignalType(signal.type).value,
            None if directed is None else directed.id,
            None if directed is None else directed.type,
            None if directed is None else tuple(directed.capabilities),
            us,
            signal.payload,
            signal.meta,
            self,
            None,
        )

    def say(
        self,
        kind: str,
        payload: Json,
        trace_id: str | None,
        parent_id: str | None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Send a signal of this Dendrite, or of a neuron of it; trace and parent are those of the task at hand."""
        if trace_id is None and parent_id is None:
            trace_id, parent_id = self.ambient()
        return self.synapse.send(self, kind, payload, trace_id, parent_id, neuron or self.dendrite_id, None, (), meta)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.dendrite_id}, {self.role}{', down' if self.down else ''}>"

"""The decorators of a Dendrite: functions that are called with signals, at a pace, or at turns of its life."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from kit.cosmonapse.types import SignalType
from kit.errors import ArgumentError
from kit.sim.duration import microseconds
from kit.sim.envelope import Envelope, Json
from kit.sim.node import Node

Function = Callable[..., Any]


@dataclass(frozen=True)
class RefreshEvent:
    """Why `on_refresh` functions are called: heartbeat, register, deregister, stale or manual."""

    reason: str
    neuron_id: str | None = None
    extra: Json = field(default_factory=dict)


class Subscription(NamedTuple):
    """A handler and what it is for."""

    function: Function
    neuron: str | None = None
    capability: str | None = None
    trace_id: str | None = None


class Hooks(Node):
    """Decorators. Each `on_TYPE` takes `neuron=`, `capability=`, `trace_id=` as filters, or none and stands bare."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.handlers: dict[str, list[Subscription]] = {}
        self._connects: list[Function] = []
        self._refreshes: list[Function] = []
        self._schedules: list[tuple[int, Function]] = []

    def on_signal(
        self,
        signal_type: SignalType | str,
        fn: Function | None = None,
        *,
        neuron: str | None = None,
        capability: str | None = None,
        trace_id: str | None = None,
    ) -> Any:
        """Call a function with each signal of a type that passes the filters (spec/cosmonapse.md 3)."""
        kind = SignalType(signal_type).value

        def keep(function: Function) -> Function:
            self.handlers.setdefault(kind, []).append(Subscription(function, neuron, capability, trace_id))
            if self.place:
                self.listen(kind)
            return function

        return keep if fn is None else keep(fn)

    def listen(self, kind: str) -> None:
        """Take signals of a kind from the bus, whoever they are for."""
        self.synapse.add(self.synapse.listeners, kind, self)

    async def ensure_subscribed(self, *types: SignalType | str) -> None:
        """Take signals of these types from the bus, whoever they are for."""
        for kind in types:
            self.listen(SignalType(kind).value)

    def on_trace(
        self, trace_id: str, *types: SignalType | str, neuron: str | None = None, capability: str | None = None
    ) -> Callable[[Function], Function]:
        """Decorate a function that is called with signals of these types on one trace."""

        def keep(function: Function) -> Function:
            for kind in types:
                self.on_signal(kind, function, neuron=neuron, capability=capability, trace_id=trace_id)
            return function

        return keep

    def take(self, envelope: Envelope) -> None:
        """Handle a signal: duties, then what is at stake in its trace, then the handlers that it is for."""
        duty = self.duties.get(envelope.kind)
        if duty is not None:
            duty(envelope)
        stake = self.stakes.get(envelope.trace_id)
        if stake is not None:
            stake.see(envelope)
        for wanted in self.handlers.get(envelope.kind, ()):
            if self._passes(wanted, envelope):
                self.call(wanted.function, envelope)

    def _passes(self, wanted: Subscription, envelope: Envelope) -> bool:
        if wanted.trace_id is not None and wanted.trace_id != envelope.trace_id:
            return False
        if wanted.neuron is not None and wanted.neuron != envelope.to:
            return False
        return wanted.capability is None or self._has(wanted.capability, envelope)

    def _has(self, capability: str, envelope: Envelope) -> bool:
        if envelope.kind == "TASK_OFFER":
            asked = envelope.payload.get("capabilities")
            return not asked or capability in asked
        axon = self.axons.get(envelope.to or "")
        if axon is not None:
            return capability in axon.covers
        return self.knows(envelope.to or "", capability)

    def knows(self, neuron_id: str, capability: str) -> bool:
        """Whether the registry store has a neuron with a capability."""
        return False

    # Turns of its life

    def on_connect(self, fn: Function) -> Function:
        """Decorate a function that is called when the Dendrite has started."""
        self._connects.append(fn)
        return fn

    def on_refresh(self, fn: Function) -> Function:
        """Decorate a function that is called with a RefreshEvent."""
        self._refreshes.append(fn)
        return fn

    def on_schedule(self, *, every_s: float) -> Callable[[Function], Function]:
        """Decorate a function that is called again and again, for the first time after one interval."""
        every = microseconds(every_s)
        if every == 0:
            raise ArgumentError(f"every_s={every_s!r}: give a span above 0")

        def keep(function: Function) -> Function:
            self._schedules.append((every, function))
            if self.place:
                self._scheduled(every, function)
            return function

        return keep

    async def refresh(self, *, reason: str = "manual", neuron_id: str | None = None, extra: Json | None = None) -> None:
        """Call the `on_refresh` functions."""
        self.refreshed(reason, neuron_id, extra)

    def refreshed(self, reason: str, neuron_id: str | None = None, extra: Json | None = None) -> None:
        """Tell the `on_refresh` functions why."""
        for function in self._refreshes:
            self.call(function, RefreshEvent(reason, neuron_id, extra or {}))

    def _scheduled(self, every: int, function: Function) -> None:
        born = self.place

        def turn() -> None:
            if self.place == born and not self.down:
                self.call(function)
                self.synapse.kernel.call(every, turn)

        self.synapse.kernel.call(every, turn)


def _decorator(kind: SignalType) -> Callable[..., Any]:
    def on_kind(
        self: Hooks,
        fn: Function | None = None,
        *,
        neuron: str | None = None,
        capability: str | None = None,
        trace_id: str | None = None,
    ) -> Any:
        return self.on_signal(kind, fn, neuron=neuron, capability=capability, trace_id=trace_id)

    on_kind.__doc__ = f"Decorate a function that is called with each {kind.value} that passes the filters."
    return on_kind


_PLAIN = (
    *("AGENT_OUTPUT", "CLARIFICATION", "PERMISSION", "PLAN", "AUDIT", "THOUGHT_DELTA", "TOOL_CALL", "TOOL_RESULT"),
    *("MEMORY_APPEND", "CRITIQUE", "ESCALATION", "CONSENSUS", "CONTEXT_SYNC", "FINAL", "BID", "TASK_OFFER"),
    *("TASK_AWARDED", "TASK_DECLINED", "CLARIFICATION_ANSWER", "PERMISSION_DECISION", "RECALLED", "IMPRINTED"),
    *("ERROR", "REGISTER", "DEREGISTER", "HEARTBEAT", "DISCOVER"),
)
_SIGNAL = ("ERROR", "REGISTER", "DEREGISTER", "HEARTBEAT", "TASK", "RECALL", "IMPRINT")
DECORATORS = {f"on_{kind.lower()}": kind for kind in _PLAIN} | {f"on_{kind.lower()}_signal": kind for kind in _SIGNAL}
"""The decorators by type; `on_error`, `on_register`, `on_deregister` and `on_heartbeat` are the old names."""

for _name, _kind in DECORATORS.items():
    setattr(Hooks, _name, _decorator(SignalType(_kind)))

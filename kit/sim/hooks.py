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


def _decorator(kind: SignalType) -> Callable[..., Any]:
    def on_kind(
        self: "Hooks",
        fn: Function | None = None,
        *,
        neuron: str | None = None,
        capability: str | None = None,
        trace_id: str | None = None,
    ) -> Any:
        return self.on_signal(kind, fn, neuron=neuron, capability=capability, trace_id=trace_id)

    on_kind.__doc__ = f"Decorate a function that is called with each {kind.value} that passes the filters."
    return on_kind


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
        """Handle a signal: duties, then what is at stake in its trace, then the handlers that it is for.

        What a signal that makes no sense raises is kept in `synapse.errors`, and disturbs nobody else.
        """
        if self.handled is not None and self.handled.again(envelope.id, self.synapse.kernel.now):
            return
        try:
            duty = self.duties.get(envelope.kind)
            if duty is not None:
                duty(envelope)
            stake = self.stakes.get(envelope.trace_id)
            if stake is not None:
                stake.see(envelope)
            for wanted in self.handlers.get(envelope.kind, ()):
                if self._passes(wanted, envelope):
                    self.call(wanted.function, envelope)
        except Exception as error:
            self.synapse.errors.append((self.dendrite_id, error))

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

    # By type

    on_agent_output = _decorator(SignalType.AGENT_OUTPUT)
    on_clarification = _decorator(SignalType.CLARIFICATION)
    on_permission = _decorator(SignalType.PERMISSION)
    on_plan = _decorator(SignalType.PLAN)
    on_audit = _decorator(SignalType.AUDIT)
    on_thought_delta = _decorator(SignalType.THOUGHT_DELTA)
    on_tool_call = _decorator(SignalType.TOOL_CALL)
    on_tool_result = _decorator(SignalType.TOOL_RESULT)
    on_memory_append = _decorator(SignalType.MEMORY_APPEND)
    on_critique = _decorator(SignalType.CRITIQUE)
    on_escalation = _decorator(SignalType.ESCALATION)
    on_consensus = _decorator(SignalType.CONSENSUS)
    on_context_sync = _decorator(SignalType.CONTEXT_SYNC)
    on_final = _decorator(SignalType.FINAL)
    on_bid = _decorator(SignalType.BID)
    on_task_offer = _decorator(SignalType.TASK_OFFER)
    on_task_awarded = _decorator(SignalType.TASK_AWARDED)
    on_task_declined = _decorator(SignalType.TASK_DECLINED)
    on_clarification_answer = _decorator(SignalType.CLARIFICATION_ANSWER)
    on_permission_decision = _decorator(SignalType.PERMISSION_DECISION)
    on_recalled = _decorator(SignalType.RECALLED)
    on_imprinted = _decorator(SignalType.IMPRINTED)
    on_discover = _decorator(SignalType.DISCOVER)
    on_error_signal = _decorator(SignalType.ERROR)
    on_register_signal = _decorator(SignalType.REGISTER)
    on_deregister_signal = _decorator(SignalType.DEREGISTER)
    on_heartbeat_signal = _decorator(SignalType.HEARTBEAT)
    on_task_signal = _decorator(SignalType.TASK)
    on_recall_signal = _decorator(SignalType.RECALL)
    on_imprint_signal = _decorator(SignalType.IMPRINT)
    # The old names.
    on_error = on_error_signal
    on_register = on_register_signal
    on_deregister = on_deregister_signal
    on_heartbeat = on_heartbeat_signal

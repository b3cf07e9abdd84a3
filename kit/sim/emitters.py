"""The verbs of a Dendrite that publish one signal (spec/cosmonapse.md 2.2, 5.12)."""

from collections.abc import Sequence
from typing import Any

from kit.cosmonapse.builders.base import given
from kit.errors import DendriteProtocolError
from kit.sim.envelope import Envelope, Json
from kit.sim.node import Node


class Emitters(Node):
    """Verbs that publish; inside a task, trace and parent are those of the task where they are not given."""

    async def emit_final(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        result: Any,
        cost: Json | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a FINAL, which ends the trace."""
        payload = {"result": result, **({"cost": cost} if cost else {})}
        return self.say("FINAL", payload, trace_id, parent_id, neuron, meta)

    async def emit_error(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        code: str,
        message: str,
        recoverable: bool = False,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish an ERROR, which ends the trace."""
        payload = {"code": code, "message": message, "recoverable": recoverable}
        return self.say("ERROR", payload, trace_id, parent_id, neuron, meta)

    async def emit_plan(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        steps: Sequence[Json],
        rationale: str | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a PLAN."""
        payload = {"steps": list(steps), **given(rationale=rationale)}
        return self.say("PLAN", payload, trace_id, parent_id, neuron, meta)

    async def emit_audit(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        kind: str,
        domain: str,
        outcome: str,
        attempt: int = 1,
        neuron: str | None = None,
        meta: Json | None = None,
        **more: Any,
    ) -> Envelope:
        """Publish an AUDIT; `more` are its optional fields, from `component` to `took_ms`."""
        names = (
            *("component", "direction", "signal", "policy_id", "policy_version", "card_id", "reason", "hash"),
            "took_ms",
        )
        unknown = sorted(set(more) - set(names))
        if unknown:
            raise TypeError(f"emit_audit() has no {', '.join(unknown)}; it has {', '.join(names)}")
        optional = given(**{name: more.get(name) for name in names})
        payload = {"kind": kind, "domain": domain, "outcome": outcome, "attempt": attempt, **optional}
        return self.say("AUDIT", payload, trace_id, parent_id, neuron or more.get("component"), meta)

    async def emit_thought_delta(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        delta: str,
        seq: int | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a THOUGHT_DELTA; the published Python package has no such type any more."""
        return self.say("THOUGHT_DELTA", {"delta": delta, **given(seq=seq)}, trace_id, parent_id, neuron, meta)

    async def emit_tool_call(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        tool: str,
        args: Json,
        call_id: str | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a TOOL_CALL and do not wait for its result; `call_tool` does."""
        payload = {"tool": tool, "args": args, **given(call_id=call_id)}
        return self.say("TOOL_CALL", payload, trace_id, parent_id, neuron, meta)

    async def emit_tool_result(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        tool: str,
        result: Any = None,
        error: str | None = None,
        call_id: str | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a TOOL_RESULT."""
        payload = {"tool": tool, **given(result=result, error=error, call_id=call_id)}
        return self.say("TOOL_RESULT", payload, trace_id, parent_id, neuron, meta)

    async def emit_memory_append(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        key: str,
        value: Any,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a MEMORY_APPEND."""
        return self.say("MEMORY_APPEND", {"key": key, "value": value}, trace_id, parent_id, neuron, meta)

    async def emit_critique(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        target_event_id: str,
        issues: Sequence[Any],
        verdict: str,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a CRITIQUE of another signal."""
        payload = {"target_event_id": target_event_id, "issues": list(issues), "verdict": verdict}
        return self.say("CRITIQUE", payload, trace_id, parent_id, neuron, meta)

    async def emit_escalation(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        reason: str,
        target: str | None = None,
        context: Json | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish an ESCALATION."""
        payload = {"reason": reason, **given(target=target, context=context)}
        return self.say("ESCALATION", payload, trace_id, parent_id, neuron, meta)

    async def emit_consensus(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        members: Sequence[str],
        verdict: str,
        votes: Json | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a CONSENSUS."""
        payload = {"members": list(members), "verdict": verdict, **given(votes=votes)}
        return self.say("CONSENSUS", payload, trace_id, parent_id, neuron, meta)

    async def emit_context_sync(
        self,
        *,
        trace_id: str | None = None,
        parent_id: str | None = None,
        snapshot: Json,
        version: str | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a CONTEXT_SYNC."""
        payload = {"snapshot": snapshot, **given(version=version)}
        return self.say("CONTEXT_SYNC", payload, trace_id, parent_id, neuron, meta)

    async def bid(
        self,
        offer: Envelope,
        *,
        neuron: str,
        cost: float,
        eta_ms: int | None = None,
        confidence: float | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a BID for an offer; DendriteProtocolError for anything that is none."""
        if offer.kind != "TASK_OFFER":
            raise DendriteProtocolError(f"bid() expects a TASK_OFFER signal, got {offer.kind!r}")
        payload = {"cost": cost, **given(eta_ms=eta_ms, confidence=confidence)}
        return self.say("BID", payload, offer.trace_id, offer.id, neuron, meta)

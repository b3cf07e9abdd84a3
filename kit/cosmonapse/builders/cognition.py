"""Builders for thought and tools, from AUDIT to TOOL_RESULT (spec/cosmonapse.md 2.2)."""

from typing import Any

from kit.cosmonapse.builders.base import Json, build, given
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import SignalType


def audit_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    kind: str,
    domain: str,
    outcome: str,
    attempt: int = 1,
    component: str | None = None,
    direction: str | None = None,
    signal: str | None = None,
    policy_id: str | None = None,
    policy_version: str | None = None,
    card_id: str | None = None,
    reason: str | None = None,
    hash: str | None = None,
    took_ms: int | None = None,
    meta: Json | None = None,
) -> Signal:
    """An AUDIT of the signal `parent_id`; the TypeScript SDK has no such type."""
    optional = given(
        component=component,
        direction=direction,
        signal=signal,
        policy_id=policy_id,
        policy_version=policy_version,
        card_id=card_id,
        reason=reason,
        hash=hash,
        took_ms=took_ms,
    )
    payload = {"kind": kind, "domain": domain, "outcome": outcome, "attempt": attempt, **optional}
    return build(SignalType.AUDIT, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def thought_delta_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    delta: str,
    seq: int | None = None,
    meta: Json | None = None,
) -> Signal:
    """A THOUGHT_DELTA, a piece of a train of thought; the Python SDK has no such type since 0.1.13."""
    return build(
        SignalType.THOUGHT_DELTA,
        {"delta": delta, **given(seq=seq)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def plan_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    steps: list[Json],
    rationale: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A PLAN of `steps`."""
    return build(
        SignalType.PLAN,
        {"steps": steps, **given(rationale=rationale)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def tool_call_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    tool: str,
    args: Json,
    call_id: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A TOOL_CALL to the Effector in `directed`; `call_id` is free text."""
    return build(
        SignalType.TOOL_CALL,
        {"tool": tool, "args": args, **given(call_id=call_id)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def tool_result_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    tool: str,
    result: Any = None,
    error: str | None = None,
    call_id: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A TOOL_RESULT for the TOOL_CALL `parent_id`; a result of None is left out."""
    return build(
        SignalType.TOOL_RESULT,
        {"tool": tool, **given(result=result, error=error, call_id=call_id)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )

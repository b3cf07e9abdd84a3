"""Builders for the life of a task: TASK, AGENT_OUTPUT, FINAL, ERROR (spec/cosmonapse.md 2.2)."""

from kit.cosmonapse.builders.base import Json, build, truthy
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import Profile, SignalType


def task_signal(
    *,
    trace_id: str | None = None,
    parent_id: str | None = None,
    directed: Directed | None = None,
    input: Json,
    context_ref: str | None = None,
    capabilities: list[str] | None = None,
    finalize: bool = False,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A TASK: `input`, then `context_ref` and `capabilities` when true, and `finalize` only when it is true.

    Without a trace it opens one. The profile `typescript` keeps an empty list of capabilities.
    """
    payload = {"input": input, **truthy(profile, context_ref=context_ref, capabilities=capabilities)}
    payload |= {"finalize": True} if finalize else {}
    return build(SignalType.TASK, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def agent_output_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    output: Json,
    meta: Json | None = None,
) -> Signal:
    """An AGENT_OUTPUT: what the neuron named by `directed.id` made of its TASK."""
    return build(
        SignalType.AGENT_OUTPUT,
        {"output": output},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def final_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    result: Json,
    cost: Json | None = None,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A FINAL, which closes its trace; `cost` only when true.

    The profile `typescript` keeps an empty `cost`.
    """
    return build(
        SignalType.FINAL,
        {"result": result, **truthy(profile, cost=cost)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def error_signal(
    *,
    trace_id: str,
    parent_id: str | None = None,
    directed: Directed | None = None,
    code: str,
    message: str,
    recoverable: bool = False,
    meta: Json | None = None,
) -> Signal:
    """An ERROR, which closes its trace; `recoverable` is always there."""
    return build(
        SignalType.ERROR,
        {"code": code, "message": message, "recoverable": recoverable},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )

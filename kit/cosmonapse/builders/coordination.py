"""Builders for what agents tell and ask each other (spec/cosmonapse.md 2.2)."""

from typing import Any

from kit.cosmonapse.builders.base import Json, build, given, truthy
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import Profile, SignalType


def memory_append_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    key: str,
    value: Any,
    meta: Json | None = None,
) -> Signal:
    """A MEMORY_APPEND of `value`, which may be None, under `key`."""
    return build(
        SignalType.MEMORY_APPEND,
        {"key": key, "value": value},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def escalation_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    reason: str,
    target: str | None = None,
    context: Json | None = None,
    meta: Json | None = None,
) -> Signal:
    """An ESCALATION; an empty `context` is kept."""
    return build(
        SignalType.ESCALATION,
        {"reason": reason, **given(target=target, context=context)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def consensus_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    members: list[str],
    verdict: str,
    votes: Json | None = None,
    meta: Json | None = None,
) -> Signal:
    """A CONSENSUS of `members` on `verdict`."""
    return build(
        SignalType.CONSENSUS,
        {"members": members, "verdict": verdict, **given(votes=votes)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def context_sync_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    snapshot: Json,
    version: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A CONTEXT_SYNC with the `snapshot` to take over."""
    return build(
        SignalType.CONTEXT_SYNC,
        {"snapshot": snapshot, **given(version=version)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def critique_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    target_event_id: str,
    issues: list[Json],
    verdict: str,
    meta: Json | None = None,
) -> Signal:
    """A CRITIQUE of `target_event_id`, a second edge beside `parent_id`.

    The verdict is pass, fail or revise by custom; it is not checked.
    """
    payload = {"target_event_id": target_event_id, "issues": issues, "verdict": verdict}
    return build(SignalType.CRITIQUE, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def clarification_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    question: str,
    context: Json | None = None,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A CLARIFICATION that asks `question`; `context` only when true.

    The profile `typescript` keeps an empty `context`.
    """
    return build(
        SignalType.CLARIFICATION,
        {"question": question, **truthy(profile, context=context)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def permission_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    action: str,
    scope: Json | None = None,
    reason: str | None = None,
    context: Json | None = None,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A PERMISSION that asks to do `action`; `scope` and `context` only when true.

    The profile `typescript` keeps an empty `scope` and an empty `context`.
    """
    payload = {"action": action, **truthy(profile, scope=scope), **given(reason=reason)}
    payload |= truthy(profile, context=context)
    return build(SignalType.PERMISSION, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def permission_decision_signal(
    *,
    trace_id: str,
    parent_id: str,
    granted: bool,
    directed: Directed | None = None,
    reason: str | None = None,
    ttl_ms: int | None = None,
    meta: Json | None = None,
) -> Signal:
    """A PERMISSION_DECISION for the PERMISSION `parent_id`; `granted` becomes a bool."""
    return build(
        SignalType.PERMISSION_DECISION,
        {"granted": bool(granted), **given(reason=reason, ttl_ms=ttl_ms)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def clarification_answer_signal(
    *,
    trace_id: str,
    parent_id: str,
    answer: Any,
    directed: Directed | None = None,
    meta: Json | None = None,
) -> Signal:
    """A CLARIFICATION_ANSWER for the CLARIFICATION `parent_id`."""
    return build(
        SignalType.CLARIFICATION_ANSWER,
        {"answer": answer},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )

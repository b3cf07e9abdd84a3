"""Builders for the market: TASK_OFFER, BID, TASK_AWARDED, TASK_DECLINED (spec/cosmonapse.md 2.2)."""

from kit.cosmonapse.builders.base import Json, build, given, truthy
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import Profile, SignalType


def task_offer_signal(
    *,
    trace_id: str,
    parent_id: str | None = None,
    input: Json,
    capabilities: list[str] | None = None,
    deadline_ms: int | None = None,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A TASK_OFFER to everybody; `capabilities` and `deadline_ms` only when true.

    The profile `typescript` keeps an empty list and a deadline of 0.
    """
    payload = {"input": input, **truthy(profile, capabilities=capabilities)}
    if deadline_ms or profile == "typescript":
        payload |= given(deadline_ms=deadline_ms)
    return build(SignalType.TASK_OFFER, payload, trace_id=trace_id, parent_id=parent_id, meta=meta)


def bid_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    cost: float,
    eta_ms: int | None = None,
    confidence: float | None = None,
    meta: Json | None = None,
) -> Signal:
    """A BID of the neuron named by `directed.id` for the offer `parent_id`."""
    return build(
        SignalType.BID,
        {"cost": cost, **given(eta_ms=eta_ms, confidence=confidence)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def task_awarded_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    input: Json,
    winning_bid: Json | None = None,
    context_ref: str | None = None,
    finalize: bool = False,
    meta: Json | None = None,
) -> Signal:
    """A TASK_AWARDED to the winner of the BID `parent_id`; `finalize` only when it is true.

    Both SDKs keep an empty `context_ref` here, which a TASK drops.
    """
    payload = {"input": input, **given(winning_bid=winning_bid, context_ref=context_ref)}
    payload |= {"finalize": True} if finalize else {}
    return build(SignalType.TASK_AWARDED, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def task_declined_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    reason: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A TASK_DECLINED for the BID `parent_id`, or for the offer when a worker declines by itself."""
    return build(
        SignalType.TASK_DECLINED,
        given(reason=reason),
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )

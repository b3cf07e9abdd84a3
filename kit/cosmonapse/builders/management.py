"""Builders for registration, discovery and control, from REGISTER to STOPPED (spec/cosmonapse.md 2.2)."""

from kit.cosmonapse.builders.base import Json, build, given
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import SignalType


def register_signal(
    *,
    directed: Directed,
    capabilities: list[str] | None = None,
    version: str | None = None,
    engram: bool = False,
    role: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A REGISTER on a trace of its own.

    `role` is `engram` or `neuron` by the flag unless given, `capabilities` those of `directed` unless given;
    `version` only when true, `engram` only for an Engram.
    """
    payload: Json = {
        "role": ("engram" if engram else "neuron") if role is None else role,
        "capabilities": list(directed.capabilities if capabilities is None else capabilities),
    }
    payload |= {"version": version} if version else {}
    payload |= {"engram": True} if engram else {}
    return build(SignalType.REGISTER, payload, directed=directed, meta=meta)


def deregister_signal(
    *,
    directed: Directed,
    reason: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A DEREGISTER on a trace of its own; `reason` only when true."""
    return build(SignalType.DEREGISTER, {"reason": reason} if reason else {}, directed=directed, meta=meta)


def heartbeat_signal(
    *,
    directed: Directed,
    status: str = "ok",
    meta: Json | None = None,
) -> Signal:
    """A HEARTBEAT on a trace of its own."""
    return build(SignalType.HEARTBEAT, {"status": status}, directed=directed, meta=meta)


def discover_signal(
    *,
    neuron: str | None = None,
    capabilities: list[str] | None = None,
    trace_id: str | None = None,
    parent_id: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """A DISCOVER to everybody; both filters are optional, and an empty list of capabilities is kept."""
    wanted = None if capabilities is None else list(capabilities)
    return build(
        SignalType.DISCOVER,
        given(neuron=neuron, capabilities=wanted),
        trace_id=trace_id,
        parent_id=parent_id,
        meta=meta,
    )


def stop_signal(
    *,
    trace_id: str,
    parent_id: str | None = None,
    rollback: bool = False,
    reason: str | None = None,
    directed: Directed | None = None,
    meta: Json | None = None,
) -> Signal:
    """A STOP for the whole trace; `rollback` is always there and becomes a bool."""
    return build(
        SignalType.STOP,
        {"rollback": bool(rollback), **given(reason=reason)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def stopped_signal(
    *,
    trace_id: str,
    parent_id: str | None = None,
    node: str | None = None,
    rolled_back: bool = False,
    cancelled: int = 0,
    compensated: int = 0,
    directed: Directed | None = None,
    meta: Json | None = None,
) -> Signal:
    """A STOPPED for the STOP `parent_id`; `rolled_back` becomes a bool and both counts become ints."""
    payload = {"rolled_back": bool(rolled_back), "cancelled": int(cancelled), "compensated": int(compensated)}
    payload |= given(node=node)
    return build(SignalType.STOPPED, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)

"""Limits of what a Dendrite may send on one trace (spec/cosmonapse.md 5.11), and the AUDIT that tells of a refusal (5.13)."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from kit.errors import ArgumentError, TraceLimitExceeded

if TYPE_CHECKING:
    from kit.sim.node import Node

UNCOUNTED = frozenset({"REGISTER", "DEREGISTER", "HEARTBEAT", "DISCOVER", "AUDIT", "STOP", "STOPPED"})
"""Management, which by the protocol does not count, and control, which must come through."""
REPLIES = frozenset({"AGENT_OUTPUT", "CLARIFICATION", "PERMISSION", "FINAL", "ERROR"})
"""They count and are never refused, so that whoever waits hears of it: a rule of the kit."""


@dataclass(frozen=True)
class Limits:
    """Of one Dendrite: how many tool calls, imprints and signals of all kinds it may send on a trace; None for any number.

    One that is too many is refused: the verb raises TraceLimitExceeded, and an AUDIT says LIMIT_REFUSED. With
    `on_exceed="stop_trace"` the trace is stopped as well.
    """

    dendrite: str
    max_tool_calls: int | None = None
    max_imprints: int | None = None
    max_actions: int | None = None
    on_exceed: Literal["refuse", "stop_trace"] = "refuse"

    def __post_init__(self) -> None:
        if self.on_exceed not in ("refuse", "stop_trace"):
            raise ArgumentError(f"limits: on_exceed={self.on_exceed!r} is neither 'refuse' nor 'stop_trace'")
        for name in ("max_tool_calls", "max_imprints", "max_actions"):
            value = getattr(self, name)
            if value is not None and value < 0:
                raise ArgumentError(f"limits: {name}={value!r} is below 0; give a number, or None for any")


class Limited:
    """What a Dendrite with limits has sent so far, by trace."""

    def __init__(self, node: "Node", limits: Limits) -> None:
        self.limits = limits
        self._node = node
        self._sent: dict[tuple[str, str], int] = {}
        self._stopped: set[str] = set()

    def check(self, kind: str, trace_id: str) -> None:
        """Count a signal before it is sent; TraceLimitExceeded where it is one too many."""
        if kind in UNCOUNTED:
            return
        counts = {"max_actions": self.limits.max_actions}
        if kind in ("TOOL_CALL", "IMPRINT"):
            name = "max_tool_calls" if kind == "TOOL_CALL" else "max_imprints"
            counts = {name: getattr(self.limits, name), **counts}
        for name, most in counts.items():
            if most is not None and kind not in REPLIES and self._sent.get((trace_id, name), 0) >= most:
                self._refuse(kind, trace_id, name, most)
        for name in counts:
            self._sent[trace_id, name] = self._sent.get((trace_id, name), 0) + 1

    def _refuse(self, kind: str, trace_id: str, name: str, most: int) -> None:
        node, send = self._node, self._node.synapse.send
        _, task_id = node.ambient()
        told = {"kind": "LIMIT_REFUSED", "domain": "governance", "outcome": "refused", "attempt": 1}
        told |= {"component": node.dendrite_id, "signal": kind, "reason": f"{name} {most}"}
        send(node, "AUDIT", told, trace_id, task_id, node.dendrite_id)
        if self.limits.on_exceed == "stop_trace" and trace_id not in self._stopped:
            self._stopped.add(trace_id)
            send(node, "STOP", {"rollback": False, "reason": f"{name} exceeded"}, trace_id, None, None, None, None)
        raise TraceLimitExceeded(
            f"{node.dendrite_id!r} may send no {kind} on trace {trace_id}: {name} is {most}; raise the limit, or end the trace"
        )

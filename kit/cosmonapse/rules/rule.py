"""`Rule`: one checkable rule of the protocol, and the words that several rules share.

A rule's SELECT reads relations that the caller provides (`kit.trace.conformance`):

    signal  canonical signals: run, id, trace_id, parent_id, type, directed_id, directed_type,
            directed_capabilities, ts, payload, meta, flags
    pair    signals whose parent is in the capture: run, id, trace_id, type, neuron, ts, and parent_id,
            parent_type, parent_trace, parent_neuron, parent_ts
    label   signals with an odd place in the structure (neither root nor attached): run, id, trace_id, label
    stop    the first STOP of a trace: run, trace_id, id, ts
    clash   ids that belong to several signals, once per canonical one: run, id, trace_id
    repeat  redelivered ids: run, id, times

and gives `run, trace_id, events` (ids, cause first) and `message`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from kit.cosmonapse.types import SignalType

Severity = Literal["error", "warning", "info"]
"""`error` is what the specification forbids, `warning` what it allows but a healthy run rarely shows, `info` what is
worth knowing."""

PLACE = "spec/cosmonapse.md "


@dataclass(frozen=True, slots=True)
class Rule:
    """One checkable rule; `sql` selects `run, trace_id, events, message` of what breaks it."""

    id: str
    severity: Severity
    statement: str
    source: str
    sql: str


ANSWERS: dict[SignalType, tuple[SignalType, ...]] = {
    SignalType.RECALLED: (SignalType.RECALL,),
    SignalType.IMPRINTED: (SignalType.IMPRINT,),
    SignalType.TOOL_RESULT: (SignalType.TOOL_CALL,),
    SignalType.BID: (SignalType.TASK_OFFER,),
    SignalType.TASK_AWARDED: (SignalType.BID,),
    SignalType.TASK_DECLINED: (SignalType.BID, SignalType.TASK_OFFER),
    SignalType.CLARIFICATION_ANSWER: (SignalType.CLARIFICATION,),
    SignalType.PERMISSION_DECISION: (SignalType.PERMISSION,),
    SignalType.STOPPED: (SignalType.STOP,),
}
"""What each answer answers: its `parent_id` names a signal of one of these types (spec 2.2)."""


def texts(types: Iterable[SignalType]) -> str:
    """Return the types as SQL text literals in brackets; the names are ours."""
    return "(" + ", ".join(f"'{kind.value}'" for kind in types) + ")"


REPLIES = "('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION', 'ERROR')"
"""What an Axon makes of a TASK (spec 5.2)."""

MANAGEMENT = "('REGISTER', 'HEARTBEAT', 'DEREGISTER')"
"""What a registry is made of; each signal has a trace of its own (spec 1.3)."""

ANSWERED = "(" + texts(ANSWERS)[1:-1] + ", 'AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION')"
"""Answers and the replies of neurons: they always have a parent, on the same trace."""

"""A function for each signal type that gives the Signal with its payload keys in wire order.

All arguments are keywords. Where the SDKs differ on the wire the builder takes `profile="typescript"`:
JavaScript counts empty lists and objects as true and so keeps them (spec/cosmonapse.md 2.2).
"""

from kit.cosmonapse.builders.cognition import (
    audit_signal,
    plan_signal,
    thought_delta_signal,
    tool_call_signal,
    tool_result_signal,
)
from kit.cosmonapse.builders.coordination import (
    clarification_answer_signal,
    clarification_signal,
    consensus_signal,
    context_sync_signal,
    critique_signal,
    escalation_signal,
    memory_append_signal,
    permission_decision_signal,
    permission_signal,
)
from kit.cosmonapse.builders.engram import imprint_signal, imprinted_signal, recall_signal, recalled_signal
from kit.cosmonapse.builders.lifecycle import agent_output_signal, error_signal, final_signal, task_signal
from kit.cosmonapse.builders.management import (
    deregister_signal,
    discover_signal,
    heartbeat_signal,
    register_signal,
    stop_signal,
    stopped_signal,
)
from kit.cosmonapse.builders.routing import (
    bid_signal,
    task_awarded_signal,
    task_declined_signal,
    task_offer_signal,
)

__all__ = [
    "agent_output_signal",
    "audit_signal",
    "bid_signal",
    "clarification_answer_signal",
    "clarification_signal",
    "consensus_signal",
    "context_sync_signal",
    "critique_signal",
    "deregister_signal",
    "discover_signal",
    "error_signal",
    "escalation_signal",
    "final_signal",
    "heartbeat_signal",
    "imprint_signal",
    "imprinted_signal",
    "memory_append_signal",
    "permission_decision_signal",
    "permission_signal",
    "plan_signal",
    "recall_signal",
    "recalled_signal",
    "register_signal",
    "stop_signal",
    "stopped_signal",
    "task_awarded_signal",
    "task_declined_signal",
    "task_offer_signal",
    "task_signal",
    "thought_delta_signal",
    "tool_call_signal",
    "tool_result_signal",
]

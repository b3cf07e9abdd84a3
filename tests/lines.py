"""Short signal lines with valid payloads, for captures of which the truth is known."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import naive

from kit.store.store import Store

START = datetime(2026, 11, 2, 9, tzinfo=UTC)

PAYLOADS: dict[str, dict[str, Any]] = {
    "TASK": {"input": {"q": "a"}},
    "AGENT_OUTPUT": {"output": {"x": 1}},
    "FINAL": {"result": {"x": 1}},
    "ERROR": {"code": "NEURON_EXCEPTION", "message": "bad", "recoverable": False},
    "TASK_OFFER": {"input": {"q": "a"}, "capabilities": ["x"], "deadline_ms": 100},
    "BID": {"cost": 1.0},
    "TASK_AWARDED": {"input": {"q": "a"}, "winning_bid": {"cost": 1.0}},
    "AUDIT": {"kind": "GUARDED", "domain": "security", "outcome": "redacted", "attempt": 1},
    "PLAN": {"steps": []},
    "TOOL_CALL": {"tool": "read", "args": {}},
    "TOOL_RESULT": {"tool": "read", "result": 1},
    "MEMORY_APPEND": {"key": "k", "value": 1},
    "ESCALATION": {"reason": "r"},
    "RECALL": {"query": {"text": "a"}, "recall_mode": "first"},
    "RECALLED": {"engram_id": "e", "hits": [], "truncated": False},
    "IMPRINT": {"op": "add", "entry": {}},
    "IMPRINTED": {"engram_id": "e", "op": "add"},
    "CRITIQUE": {"target_event_id": "evt_x", "issues": [], "verdict": "pass"},
    "CLARIFICATION": {"question": "which?"},
    "CLARIFICATION_ANSWER": {"answer": "this"},
    "PERMISSION": {"action": "write"},
    "PERMISSION_DECISION": {"granted": True},
    "REGISTER": {"role": "neuron", "capabilities": []},
    "HEARTBEAT": {"status": "ok"},
    "STOP": {"rollback": False},
    "STOPPED": {"rolled_back": False, "cancelled": 0, "compensated": 0, "node": "lab"},
}


def event(number: int) -> str:
    """Return the id of the `number`th event."""
    return f"evt_{number:026d}"


def trace(name: str) -> str:
    """Return the id of the trace called `name`."""
    return f"trc_{name:0>26}"


def line(
    kind: str,
    number: int,
    parent: int | str | None = None,
    *,
    on: str = "1",
    to: str | None = None,
    at: float | None = None,
    directed_type: str | None = None,
    payload: dict[str, Any] | None = None,
    meta: dict[str, Any] | None = None,
) -> str:
    """Return a line, stamped `at` milliseconds after START (default: its number); `payload` adds to the default."""
    directed = None if to is None and directed_type is None else {"id": to, "type": directed_type, "capabilities": []}
    stamp = START + timedelta(milliseconds=number if at is None else at)
    return json.dumps(
        {
            "v": "1",
            "id": event(number),
            "trace_id": trace(on),
            "parent_id": event(parent) if isinstance(parent, int) else parent,
            "type": kind,
            "directed": directed,
            "ts": stamp.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "payload": {**PAYLOADS.get(kind, {}), **(payload or {})},
            "meta": meta or {},
        }
    )


def stored(*lines: str, run: str = "capture") -> Store:
    """Return a store in memory with `lines`."""
    store = Store()
    naive.load(store, lines, run)
    return store

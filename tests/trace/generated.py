"""Captures made up in pieces, with the truth about each event and trace written down as it is made."""

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import naive
import pyarrow as pa

from kit import schema
from kit.store.store import Store

START = datetime(2026, 11, 2, 9, tzinfo=UTC)


@dataclass
class Made:
    """Signals in publish order, and what is true of them. `labels` and `depth` include phantoms."""

    signals: list[dict[str, Any]] = field(default_factory=list)
    conflicts: list[dict[str, Any]] = field(default_factory=list)
    labels: dict[str, str] = field(default_factory=dict)
    depth: dict[str, int] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    us: int = 0
    count: int = 0

    def new(self, prefix: str = "evt") -> str:
        self.count += 1
        return f"{prefix}_{self.count:026d}"

    def emit(
        self,
        kind: str,
        trace: str,
        parent: str | None = None,
        to: str | None = None,
        payload: dict[str, Any] | None = None,
        *,
        label: str = "",
        depth: int | None = None,
        meta: dict[str, Any] | None = None,
        after_us: int = 1000,
        event: str = "",
    ) -> str:
        """Append a signal; its label and depth follow from the parent's unless they are given."""
        self.us += after_us
        event = event or self.new()
        stamp = (START + timedelta(microseconds=self.us)).isoformat().replace("+00:00", "Z")
        directed = None if to is None else {"id": to, "type": None, "capabilities": []}
        self.signals.append({
            "v": "1", "id": event, "trace_id": trace, "parent_id": parent, "type": kind, "directed": directed,
            "ts": stamp, "payload": payload or {}, "meta": meta or {},
        })  # fmt: skip
        self.labels[event] = label or ("root" if parent is None else "attached")
        above = self.depth.get(parent or "", -1) + 1 if self.labels[event] == "attached" else 0
        self.depth[event] = above if depth is None else depth
        self.parents[event] = parent
        return event

    def lines(self) -> list[str]:
        return [json.dumps(signal) for signal in self.signals]

    def load(self, store: Store, run: str = "capture", order: list[int] | None = None) -> Store:
        """Load the signals in publish order or another, then the rows whose id conflicts."""
        lines = self.lines()
        naive.load(store, lines if order is None else [lines[index] for index in order], run)
        rows = [
            naive.row(json.dumps(other), len(lines) + n, run) | {"canonical": False}
            for n, other in enumerate(self.conflicts, 1)
        ]
        store.append("signals", pa.Table.from_pylist(rows, schema=schema.arrow("signals")))
        return store


def store_of(made: Made, **kwargs: Any) -> Store:
    return made.load(Store(), **kwargs)


def work(made: Made, trace: str, task: str, neuron: str, *, final: bool = True) -> str:
    """A tool call, a recall and an answer inside a task."""
    call = made.emit("TOOL_CALL", trace, task, "fs", {"tool": "read", "args": {}})
    made.emit("TOOL_RESULT", trace, call, "fs", {"tool": "read", "result": 1}, after_us=50_000)
    recall = made.emit("RECALL", trace, task, "ctx", {"query": {}, "recall_mode": "first"})
    made.emit("RECALLED", trace, recall, "ctx", {"engram_id": "ctx", "hits": [], "truncated": False})
    output = made.emit("AGENT_OUTPUT", trace, task, neuron, {"output": {}}, after_us=20_000)
    if final:
        made.emit("FINAL", trace, output, neuron, {"result": {}})
        made.status[trace] = "completed"
    return output


def delegation(made: Made, depth: int) -> list[str]:
    """A task that hands on to a child trace, and so on `depth` times; the answers come back inside out."""
    names: list[str] = []
    tasks: list[str] = []
    for level in range(depth + 1):
        names.append(made.new("trc"))
        parent = tasks[-1] if tasks else None
        label = "cross_trace" if tasks else "root"
        tasks.append(made.emit("TASK", names[-1], parent, f"n{level}", {"input": {"k": level}}, label=label))
    for level in reversed(range(depth + 1)):
        work(made, names[level], tasks[level], f"n{level}")
    return names


def auctions(made: Made, winners: list[str], *, finals: bool = False) -> tuple[str, list[str]]:
    """Auctions one after the other on a trace; returns it and the ids of the unpublished tasks."""
    trace, phantoms = made.new("trc"), []
    for winner in winners:
        offer = made.emit("TASK_OFFER", trace, None, None, {"input": {}, "deadline_ms": 120})
        bid = made.emit("BID", trace, offer, winner, {"cost": 1.0})
        lost = made.emit("BID", trace, offer, "loser", {"cost": 2.0})
        made.emit("TASK_DECLINED", trace, lost, "loser", {"reason": "not selected"})
        award = made.emit("TASK_AWARDED", trace, bid, winner, {"input": {}, "winning_bid": {}})
        phantom = made.new()
        made.labels[phantom], made.depth[phantom] = "phantom", made.depth[award] + 1
        made.parents[phantom] = award
        phantoms.append(phantom)
        work(made, trace, phantom, winner, final=finals)
    made.status[trace] = "completed" if finals else "open"
    return trace, phantoms


def retried(made: Made, attempts: int) -> list[str]:
    """Attempts of one task, a fresh trace each; all but the last fail and are stopped. Returns the task ids."""
    tasks = []
    for attempt in range(attempts):
        trace = made.new("trc")
        task = made.emit("TASK", trace, None, "flaky", {"input": {"job": 7}}, meta={"attempt": attempt})
        tasks.append(task)
        if attempt == attempts - 1:
            work(made, trace, task, "flaky")
            continue
        code = {"code": "UPSTREAM", "message": "again", "recoverable": True}
        made.emit("ERROR", trace, task, "flaky", code, after_us=30_000)
        stop = made.emit("STOP", trace, None, None, {"rollback": False, "reason": "retry"})
        made.emit("STOPPED", trace, stop, None, {"rolled_back": False})
        made.status[trace] = "failed"
    return tasks


def question(made: Made, kind: str, styles: tuple[str, ...], *, granted: bool = True) -> tuple[str, str]:
    """A TASK answered by a question, answered discretely, by a follow-up TASK, or both; returns trace and question."""
    trace = made.new("trc")
    task = made.emit("TASK", trace, None, "asker", {"input": {}})
    asked = {"question": "which?"} if kind == "CLARIFICATION" else {"action": "delete"}
    event = made.emit(kind, trace, task, "asker", asked, after_us=10_000)
    answer = {"answer": "that"} if kind == "CLARIFICATION" else {"granted": granted}
    discrete = "CLARIFICATION_ANSWER" if kind == "CLARIFICATION" else "PERMISSION_DECISION"
    for style in styles:
        if style == "discrete":
            made.emit(discrete, trace, event, "desk", answer, after_us=40_000)
        else:
            again = made.emit("TASK", trace, event, "asker", {"input": {kind.lower(): answer}}, after_us=60_000)
            work(made, trace, again, "asker")
    made.status.setdefault(trace, "open")
    return trace, event


def ring(made: Made, length: int, traces: int = 1) -> list[str]:
    """Events whose parents form a ring over one or more traces, with one more hanging off it."""
    names = [made.new("trc") for _ in range(traces)]
    events = [made.new() for _ in range(length)]
    for step, event in enumerate(events):
        trace = names[step % traces]
        made.emit("CONTEXT_SYNC", trace, events[step - 1], "x", label="cycle", depth=0, event=event)
    made.emit("MEMORY_APPEND", names[0], events[0], "x", depth=1)
    made.status.update(dict.fromkeys(names, "open"))
    return events


def oddities(made: Made) -> dict[str, str]:
    """A self-parent, a missing parent, a conflicting id, a clock inversion and a second FINAL; ids by name."""
    trace = made.new("trc")
    task = made.emit("TASK", trace, None, "odd", {"input": {}})
    own = made.new()
    made.emit("PLAN", trace, own, "odd", {"steps": []}, label="self_parent", depth=0, event=own)
    lost = made.emit("AUDIT", trace, made.new(), "odd", label="missing_parent", depth=0)
    made.emit("CRITIQUE", trace, lost, "critic", {"target_event_id": task, "issues": [], "verdict": "pass"})
    twice = made.emit("PLAN", trace, task, "odd", {"steps": []}, label="conflicting_duplicate", depth=1)
    made.conflicts.append(made.signals[-1] | {"payload": {"steps": [{}]}})
    made.emit("TOOL_CALL", trace, twice, "fs", {"tool": "read", "args": {}}, depth=2)
    inverted = made.emit("PLAN", trace, task, "odd", {"steps": []}, after_us=-20_000)
    made.us += 20_000
    output = made.emit("AGENT_OUTPUT", trace, task, "odd", {"output": {}})
    made.emit("FINAL", trace, output, "odd", {"result": 1})
    second = made.emit("FINAL", trace, output, "odd", {"result": 2})
    made.status[trace] = "completed"
    return {"trace": trace, "own": own, "lost": lost, "twice": twice, "inverted": inverted, "second": second}


def everything(seed: int = 7, rounds: int = 3) -> Made:
    """All pieces, several times over, in a drawn order."""
    rng, made = Random(f"{seed}/pieces"), Made()
    pieces = [
        lambda: delegation(made, rng.randint(0, 5)),
        lambda: auctions(made, ["a"]),
        lambda: auctions(made, rng.sample(["a", "b", "c"], 2)),
        lambda: retried(made, rng.randint(1, 3)),
        lambda: question(made, "CLARIFICATION", ("discrete",)),
        lambda: question(made, "CLARIFICATION", ("task",)),
        lambda: question(made, "PERMISSION", ("discrete", "task")),
        lambda: ring(made, rng.randint(2, 5)),
        lambda: ring(made, rng.randint(2, 5), traces=2),
        lambda: oddities(made),
    ]
    for _ in range(rounds):
        rng.shuffle(pieces)
        for piece in pieces:
            piece()
    return made

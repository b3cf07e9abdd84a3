"""The critical path of a trace: which spans its duration was spent in.

After CRISP (Zhang et al., USENIX ATC 2022): walk back from the last finisher; inside a span the time between its
children on the path is its own. Two things differ, because signals are not nested calls. A span reaches to the end of
the last thing it led to, so a follow-up TASK after a question is walked through the question to the TASK that asked.
And the whole trace counts as a span around all others, so that the parts add up to its duration.
"""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("span_id", pa.string()),
        ("trace_id", pa.string()),
        ("kind", pa.string()),
        ("name", pa.string()),
        ("neuron", pa.string()),
        ("start", pa.timestamp("us", tz="UTC")),
        ("end", pa.timestamp("us", tz="UTC")),
        ("duration_ms", pa.float64()),
        ("self_ms", pa.float64()),
        ("share", pa.float64()),
        ("clamped", pa.bool_()),
    ]
)


@dataclass(eq=False)
class _Node:
    """A span on the walk, in microseconds; `reach` is when the last thing below it ended."""

    row: dict[str, Any]
    start: int
    end: int
    reach: int
    below: list["_Node"] = field(default_factory=list)
    own: int = 0
    clamped: bool = False


def critical_path(events: pa.Table, spans: pa.Table) -> pa.Table:
    """Return the spans on the critical path in the order of their start, with columns as in SCHEMA.

    `events` is what `trace_events` returns and `spans` the spans of its traces, delegated ones included. `self_ms` is
    the time on the path that no span below accounts for, waiting included; over all steps it adds up to the time from
    the first event to the last, and `share` is its part of that. The first step is the trace itself (kind trace, the
    time outside all spans), left out where that is nothing and there are other steps.

    An open span reaches to the last event that names it as parent, and to its start where there is none. A start that
    the clocks put before that of the span above, or after the span's own end, is moved: no part is negative, and
    `clamped` says so.
    Without any time stamp the table is empty.
    """
    times = [us for us in _us(events["ts"]) if us is not None]
    if not times:
        return SCHEMA.empty_table()
    root = _planted(events, spans, min(times), max(times))
    path = _walked(root)
    total = sum(node.own for node in path)
    steps = sorted(path, key=lambda node: (node is not root, node.start, str(node.row["span_id"])))
    if len(steps) > 1 and root.own == 0:
        steps.remove(root)
    rows = [_step(number, node, total) for number, node in enumerate(steps, 1)]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def _planted(events: pa.Table, spans: pa.Table, first: int, last: int) -> _Node:
    """Return the trace as a node with all spans below it."""
    trace = next(iter(events["trace_id"].to_pylist()))
    root = _Node(
        {"span_id": trace, "trace_id": trace, "kind": "trace", "name": None, "neuron": None}, first, last, last
    )
    rows = spans.to_pylist()
    starts, ends = _us(spans["start"]), _us(spans["end"])
    seen = _last_seen(events, {row["span_id"] for row in rows})
    nodes: dict[str, _Node] = {}
    for row, start, end in zip(rows, starts, ends, strict=True):
        if start is not None:
            until = end if end is not None else seen.get(row["span_id"], start)
            nodes[row["span_id"]] = _Node(row, start, max(start, until), max(start, until), clamped=until < start)
    for node in nodes.values():
        nodes.get(node.row["parent_span"], root).below.append(node)
    # Children before parents, without recursion: the reverse of any order from the root down.
    order = [root]
    for node in order:
        order.extend(node.below)
    for node in reversed(order):
        node.reach = max([node.reach, *(child.reach for child in node.below)])
        node.below.sort(key=lambda child: (-child.reach, -child.start, str(child.row["span_id"])))
    root.reach = last
    return root


def _last_seen(events: pa.Table, openers: set[str]) -> dict[str, int]:
    """Return for each opening signal the time of the last event that names it as parent."""
    seen: defaultdict[str, int] = defaultdict(int)
    for parent, us in zip(events["parent_id"].to_pylist(), _us(events["ts"]), strict=True):
        if parent in openers and us is not None:
            seen[parent] = max(seen[parent], us)
    return dict(seen)


def _walked(root: _Node) -> list[_Node]:
    """Walk back from the end of `root`; return the nodes on the path with their own time."""
    path = [root]
    now = root.end
    stack: list[tuple[_Node, int, int]] = [(root, root.start, 0)]
    while stack:
        node, floor, at = stack.pop()
        while at < len(node.below) and node.below[at].reach > now:
            at += 1  # it ran beside what is on the path already
        if at == len(node.below) or node.below[at].reach <= floor:
            node.own += now - floor
            now = floor
            continue
        child = node.below[at]
        child.clamped |= child.start < floor
        node.own += now - child.reach
        now = child.reach
        stack.append((node, floor, at + 1))
        stack.append((child, max(child.start, floor), 0))
        path.append(child)
    return path


def critical_events(events: pa.Table, spans: pa.Table, path: pa.Table) -> list[str]:
    """Return the ids of the events on the critical path, in the order of the events.

    `path` is what `critical_path` returns. They are the opening and closing signals of its spans and the causes that
    lead to each, up to the first event; a line through them in the DAG is the path.
    """
    above = dict(zip(events["id"].to_pylist(), events["parent_id"].to_pylist(), strict=True))
    close = dict(zip(spans["span_id"].to_pylist(), spans["close_id"].to_pylist(), strict=True))
    found: set[str] = set()
    for span in path["span_id"].to_pylist():
        for event in (span, close.get(span)):
            while event is not None and event in above and event not in found:
                found.add(event)
                event = above[event]
    return [event for event in above if event in found]


def _step(number: int, node: _Node, total: int) -> dict[str, Any]:
    row = {name: node.row[name] for name in ("span_id", "trace_id", "kind", "name", "neuron")}
    times = {"start": node.start, "end": node.end, "duration_ms": (node.end - node.start) / 1000}
    own = {"self_ms": node.own / 1000, "share": node.own / total if total else 0.0}
    return {"step": number, **row, **times, **own, "clamped": node.clamped}


def _us(column: pa.ChunkedArray) -> list[int | None]:
    """Return times as microseconds since 1970."""
    values: list[int | None] = pc.cast(column, pa.int64()).to_pylist()
    return values

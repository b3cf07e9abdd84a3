"""A trace as text: who caused what, and when."""

from collections import defaultdict
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

SHOWN = 200
"""How many events a tree shows unless told otherwise."""

DEEPEST = 120
"""Columns of indent at most: the text of a chain of n events must not grow with n squared."""


def tree(events: pa.Table, *, limit: int | None = SHOWN) -> str:
    """Return the events of `trace_events` as a text tree, causes above their effects, at most `limit` lines of events.

    A line has the type, the neuron, the offset from the first event in ms, the end of the id, and the label where it is
    not root or attached. Effects are in the order of the table. What has no parent in the table stands at the left, and
    so does the first event of each ring of parents, so that every event is shown once. `limit=None` shows all;
    otherwise the last line tells how many more there are. Beyond DEEPEST columns the indent stays. No events, no text.
    """
    rows: list[dict[str, Any]] = events.select(["id", "parent_id", "type", "directed_id", "label"]).to_pylist()
    times: list[int | None] = pc.cast(events["ts"], pa.int64()).to_pylist()
    first = min((us for us in times if us is not None), default=0)
    known = {row["id"] for row in rows}
    below: defaultdict[str | None, list[int]] = defaultdict(list)
    for index, row in enumerate(rows):
        below[_above(row, known)].append(index)
    lines: list[str] = []
    shown = [False] * len(rows)
    for index in [*below[None], *range(len(rows))]:
        stack = [] if shown[index] else [(index, "", "")]
        while stack and (limit is None or len(lines) < limit):
            at, lead, branch = stack.pop()
            if shown[at]:
                continue
            shown[at] = True
            lines.append(lead + branch + _line(rows[at], times[at], first))
            inner = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch] if len(lead) < DEEPEST else lead
            effects = [child for child in below[rows[at]["id"]] if not shown[child]]
            last = effects[-1] if effects else None
            stack.extend((child, inner, "└─ " if child == last else "├─ ") for child in reversed(effects))
    if len(lines) < len(rows):
        lines.append(f"... {len(rows) - len(lines):,} more")
    return "\n".join(lines)


def _above(row: dict[str, Any], known: set[str]) -> str | None:
    """Return the parent to hang an event on, None for an event that starts at the left."""
    parent: str | None = row["parent_id"]
    return parent if parent in known and parent != row["id"] else None


def _line(row: dict[str, Any], us: int | None, first: int) -> str:
    offset = "no time" if us is None else f"+{(us - first) / 1000:.3f} ms"
    neuron = f" {row['directed_id']}" if row["directed_id"] else ""
    label = "" if row["label"] in ("root", "attached") else f" [{row['label']}]"
    return _printable(f"{row['type']}{neuron}  {offset}  …{row['id'][-6:]}{label}")


def _printable(text: str) -> str:
    """Return `text` with control characters escaped: names come from strangers."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

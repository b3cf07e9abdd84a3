"""A trace as text: who caused what, and when."""

from collections import defaultdict
from collections.abc import Sequence
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
    return branches([
        (row["id"], row["parent_id"], _line(row, us, first)) for row, us in zip(rows, times, strict=True)
    ], limit)  # fmt: skip


def branches(rows: Sequence[tuple[str, str | None, str]], limit: int | None) -> str:
    """Return rows of (id, id of the row above, text) as a tree, at most `limit` of them; see `tree`."""
    known = {id_ for id_, _, _ in rows}
    below: defaultdict[str | None, list[int]] = defaultdict(list)
    for index, (id_, above, _) in enumerate(rows):
        below[above if above in known and above != id_ else None].append(index)
    lines: list[str] = []
    shown = [False] * len(rows)
    for index in [*below[None], *range(len(rows))]:
        stack = [] if shown[index] else [(index, "", "")]
        while stack and (limit is None or len(lines) < limit):
            at, lead, branch = stack.pop()
            if shown[at]:
                continue
            shown[at] = True
            lines.append(lead + branch + _printable(rows[at][2]))
            inner = lead + {"": "", "├─ ": "│  ", "└─ ": "   "}[branch] if len(lead) < DEEPEST else lead
            effects = [child for child in below[rows[at][0]] if not shown[child]]
            last = effects[-1] if effects else None
            stack.extend((child, inner, "└─ " if child == last else "├─ ") for child in reversed(effects))
    if len(lines) < len(rows):
        lines.append(f"... {len(rows) - len(lines):,} more")
    return "\n".join(lines)


def _line(row: dict[str, Any], us: int | None, first: int) -> str:
    offset = "no time" if us is None else f"+{(us - first) / 1000:.3f} ms"
    neuron = f" {row['directed_id']}" if row["directed_id"] else ""
    return f"{row['type']}{neuron}  {offset}  …{row['id'][-6:]}{_odd(row['label'])}"


def thread_tree(records: pa.Table, *, limit: int | None = SHOWN) -> str:
    """Return the records of `thread_records` as a text tree, at most `limit` lines of records.

    A record stands below the last of its parents in the table; a merge names the others behind "after". A line has the act,
    the kind, the actor, the clock (as an offset in ms from the first where all clocks are times), the start of the id,
    and the label where it is not root or attached.
    """
    rows: list[dict[str, Any]] = records.select(
        ["id", "parents", "act", "kind", "actor", "clock_text", "label"]
    ).to_pylist()
    times: list[int | None] = pc.cast(records["ts"], pa.int64()).to_pylist()
    timed = None not in times
    first = min((us for us in times if us is not None), default=0)
    place = {row["id"]: i for i, row in enumerate(rows)}
    made = []
    for row, us in zip(rows, times, strict=True):
        inside = sorted((place[parent], parent) for parent in set(row["parents"]) if parent in place)
        above = inside[-1][1] if inside else None
        others = sorted(set(row["parents"]) - {above}, key=lambda parent: (place.get(parent, -1), parent))
        clock = f"+{((us or 0) - first) / 1000:,.0f} ms" if timed else f"clock {row['clock_text'] or '-'}"
        after = " after " + ", ".join(f"{parent[:6]}…" for parent in others[:3]) if others else ""
        after += f" and {len(others) - 3} more" if len(others) > 3 else ""
        words = [str(row["act"]), row["kind"] or "-", f"{row['actor']} ", clock, f" {row['id'][:6]}…"]
        made.append((row["id"], above, " ".join(words) + after + _odd(row["label"])))
    return branches(made, limit)


def _odd(label: str) -> str:
    return "" if label in ("root", "attached") else f" [{label}]"


def _printable(text: str) -> str:
    """Return `text` with control characters escaped: names come from strangers."""
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)

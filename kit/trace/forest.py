"""`Forest`: all events of a store as NumPy columns, with their place in the tree of causes.

One columnar pass gives everything the structure of traces is asked for: DuckDB turns ids into integer positions, depth
comes from pointer jumping (each round doubles the height looked at, so a chain of 100,000 takes 17 rounds), rings of
parents are cut before anything walks upwards. There is no Python object per event.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.lookup import Ids, Ints, Lookup, column, ints, picked, plain, words
from kit.trace.phantoms import PHANTOMS, Phantoms, phantoms
from kit.trace.scan import MISSING, NO_TIME, ROOT, Causes, Scan, causes, scan

Mask = npt.NDArray[np.bool_]

LABELS = (
    "self_parent",
    "cycle",
    "conflicting_duplicate",
    "phantom",
    "cross_trace",
    "missing_parent",
    "root",
    "attached",
)
"""The label of an event is the first of these that holds (design.md section 3)."""

FEW = 16
"""Below a sixteenth of the events it is quicker to climb with those that are under way than with all."""


NEAR = 64
"""Steps that are followed one by one before all are doubled."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Events as columns, one entry each: events in (run, ts, id) order, then phantoms in (run, id) order.

    `row` is the rowid in `signals`, or -3 - k for row k of `phantoms`. `trace` and `type` number the rows of `traces`
    (columns run, trace_id) and the entries of `types`. `ts` is microseconds since 1970, or NO_TIME. `parent` is a
    position, ROOT or MISSING; as published, so it may form rings. `up` is the same with every self-parent, ring and
    missing parent cut to -1: what can be walked. `depth` counts the steps to `top`, the first event of the chain
    within its own trace. `label` numbers LABELS. `surplus` counts the further lines with the id of the event,
    equal or not.
    """

    traces: pa.Table
    types: tuple[str, ...]
    phantoms: pa.Table
    row: Ints
    trace: Ints
    type: Ints
    ts: Ints
    parent: Ints
    up: Ints
    label: Ints
    depth: Ints
    top: Ints
    surplus: Ints

    def __len__(self) -> int:
        return len(self.row)

    @property
    def children(self) -> Ints:
        """How many events name this one as their parent; a self-parent does not count itself."""
        other = (self.parent >= 0) & (self.parent != np.arange(len(self)))
        return np.bincount(self.parent[other], minlength=len(self))

    @property
    def rank(self) -> Ints:
        """A number for each event that grows with (run, ts, id); a phantom ranks right behind its award."""
        rank = 2 * np.arange(len(self))
        phantom = np.flatnonzero(self.row <= _FIRST_PHANTOM)
        rank[phantom] = rank[self.parent[phantom]] + 1
        return rank

    @property
    def cross(self) -> Mask:
        """Whether the parent is in another trace."""
        crossing: Mask = (self.parent >= 0) & (self.trace[np.maximum(self.parent, 0)] != self.trace)
        return crossing

    @property
    def latency(self) -> Ints:
        """Microseconds from the parent to the event, negative where the clocks disagree; NO_TIME where unknown."""
        walked = (self.up >= 0) & (self.ts != NO_TIME) & (self.ts[self.up] != NO_TIME)
        return np.where(walked, self.ts - np.where(walked, self.ts[self.up], 0), NO_TIME)

    def of_type(self, *names: str) -> Mask:
        """Whether an event is of one of these types."""
        wanted = np.array([name in names for name in self.types], dtype=bool)
        return wanted[self.type] if len(self.types) else np.zeros(len(self), dtype=bool)


def forest(store: Store, run: str | None = None) -> Forest:
    """Return all events of the store, or of one run; canonical rows only, and phantoms (spec/cosmonapse.md 5.3).

    Runs never mix: a parent is looked for in the event's own run.
    """
    held = store.execute(_HELD)
    types = sorted({"TASK", *(str(kind) for _, kind in held)})
    runs = sorted({str(name) for name, _ in held if run is None or name == run})
    repeats = store.arrow(_REPEATS, {"runs": runs})
    read = scan(store.connection, runs, types)
    with ThreadPoolExecutor(1) as beside:  # Arrow and NumPy let go of the interpreter: two cores are busy
        ordered = beside.submit(_order, read.ts, read.ids)
        find = Lookup(read.ids)
        found = causes(store.connection, read, find, runs)
        order = ordered.result()
    repeated = find(Ids(repeats["id"], plain(repeats["key"]), plain(repeats["run"])))
    del find
    traces, trace = _traces(read, runs)
    made = phantoms(store, read, found, traces, trace, types)
    columns, place = _placed(read, found, trace, order, made, types)
    known = repeated >= 0
    clash = known & (plain(repeats["conflict"]) > 0)
    columns["surplus"] = np.bincount(place[repeated[known]], minlength=len(columns["row"]))
    columns["conflicts"] = np.bincount(place[repeated[clash]], minlength=len(columns["row"]))
    return grown(traces, tuple(types), made.table, columns)


def grown(traces: pa.Table, types: tuple[str, ...], phantoms: pa.Table, columns: dict[str, Ints]) -> Forest:
    """Return the forest over `columns` row, trace, type, ts, conflicts, surplus and parent (a position, ROOT or MISSING)."""
    parent, trace, ts = columns["parent"], columns["trace"], columns["ts"]
    events = len(parent) - len(phantoms)
    own = parent == np.arange(len(parent))
    up = np.where(own | (parent < 0), -1, parent)
    ring = on_ring(up, _backward(up, events))
    up[ring] = -1
    cross = (up >= 0) & (trace.take(up, mode="wrap") != trace) if len(up) else own
    depth, top = climbed(np.where(cross, -1, up))
    label = np.full(len(parent), LABELS.index("attached"))
    for name, where in (
        ("root", parent == ROOT),
        ("missing_parent", parent == MISSING),
        ("cross_trace", cross),
        ("phantom", slice(events, None)),
        ("conflicting_duplicate", columns["conflicts"] > 0),
        ("cycle", ring),
        ("self_parent", own),
    ):
        label[where] = LABELS.index(name)
    return Forest(
        traces=traces, types=types, phantoms=phantoms, row=columns["row"], trace=trace, type=columns["type"], ts=ts,
        parent=parent, up=up, label=label, depth=depth, top=top, surplus=columns["surplus"],
    )  # fmt: skip


def climbed(up: Ints) -> tuple[Ints, Ints]:
    """Return the number of steps to the top of each chain, and that top. `up` holds no ring; -1 is a top.

    >>> [column.tolist() for column in climbed(np.array([-1, 0, 1, -1, 3]))]
    [[0, 1, 2, 0, 1], [0, 0, 0, 3, 3]]
    """
    below = up >= 0
    top = np.where(below, up, np.arange(len(up)))
    steps = below.astype(np.int32)
    more, spare = steps.take(top), np.empty_like(top)
    while FEW * np.count_nonzero(more) > len(more):
        steps += more
        top.take(top, out=spare, mode="clip")  # all are in range; with "raise" NumPy would fill another array first
        top, spare = spare, top
        steps.take(top, out=more, mode="clip")
    active = np.flatnonzero(more)
    while len(active):
        through = top[active]
        steps[active] += steps[through]
        top[active] = top[through]
        active = active[steps[top[active]] > 0]
    return steps.astype(np.int64), top


def on_ring(up: Ints, suspects: Ints) -> Mask:
    """Return whether each entry is on a ring of parents; what only hangs off a ring is not. `up` is -1 at a top.

    Each ring must have one of the `suspects` on it. Where they are few they are followed, until all came to a top or back
    to where they began. Else, or where that takes long, steps are doubled for all until no chain could be as high; who
    has not come to a top by then stands on a ring.

    >>> on_ring(np.array([2, 0, 1, 1, -1, 4]), np.array([0])).tolist()
    [True, True, True, False, False, False]
    """
    start = walk = suspects
    ring = np.zeros(len(up), dtype=bool)
    if FEW * len(suspects) > len(up):
        return _on_ring(up)
    for _ in range(NEAR):
        walk = up[walk]
        ring[start[walk == start]] = True
        under_way = (walk >= 0) & (walk != start)
        start, walk = start[under_way], walk[under_way]
    if len(walk):
        return _on_ring(up)
    walk = np.flatnonzero(ring)
    while len(walk):
        walk = up[walk]
        walk = walk[~ring[walk]]
        ring[walk] = True
    return ring


def _on_ring(up: Ints) -> Mask:
    below = up >= 0
    above = np.where(below, up, np.arange(len(up)))
    steps, more = 1, below.take(above)
    while FEW * np.count_nonzero(more) > len(more) and steps < len(more):
        above = above.take(above)
        more = below.take(above)
        steps *= 2
    active = np.flatnonzero(more)
    highest = np.count_nonzero(below)
    while len(active) and steps < highest:
        above[active] = above[above[active]]
        active = active[below[above[active]]]
        steps *= 2
    ring = np.zeros(len(up), dtype=bool)
    ring[above[active]] = True
    return ring


class Lent:
    """Arrow tables lent to DuckDB under a name for the length of a `with` block."""

    def __init__(self, store: Store) -> None:
        self._connection = store.connection
        self._names: list[str] = []

    def __call__(self, name: str, table: pa.Table) -> pa.Table:
        self._connection.register(name, table)
        self._names.append(name)
        return table

    def __enter__(self) -> "Lent":
        return self

    def __exit__(self, *_: object) -> None:
        for name in self._names:
            self._connection.unregister(name)


_FIRST_PHANTOM = -3

_HELD = "SELECT DISTINCT run, type FROM signals"

_REPEATS = """
SELECT id, hash(id) AS key, list_position($runs, run) - 1 AS run, conflict
FROM (SELECT run, id, 1 AS conflict FROM signals WHERE NOT canonical
      UNION ALL SELECT run, id, 0 FROM duplicates)
WHERE list_contains($runs, run)
"""


def _traces(read: Scan, runs: list[str]) -> tuple[pa.Table, npt.NDArray[Any]]:
    """Return the traces in (run, trace_id) order, and the number of each event's."""
    trace, there = read.trace, np.arange(len(read.traces))
    many = max(len(there), 1)
    if len(runs) > 1:
        there, trace = np.unique(read.ids.run.astype(np.int64) * many + trace, return_inverse=True)
    names = [words(runs).take(column(there // many)), read.traces.take(column(there % many))]
    return pa.table(names, ["run", "trace_id"]), trace


def _order(ts: Ints, ids: Ids) -> Ints:
    """Return the positions in (run, ts, id) order. Lines come mostly in the order of time, which a stable sort likes."""
    run = ids.run
    order = np.lexsort((ts, run)) if run.any() else np.argsort(ts, kind="stable")
    sorted_ts, sorted_run = ts[order], run[order]
    tied = np.zeros(len(ts), dtype=bool)
    equal = (sorted_ts[1:] == sorted_ts[:-1]) & (sorted_run[1:] == sorted_run[:-1])
    tied[1:] |= equal
    tied[:-1] |= equal
    if tied.any():
        where = np.flatnonzero(tied)
        event = np.sort(order[where])
        by_id = event[ints(pc.sort_indices(picked(ids.text, event)))]
        order[where] = by_id[np.lexsort((ts[by_id], run[by_id]))]
    return order


def _placed(
    read: Scan, found: Causes, trace: npt.NDArray[Any], order: Ints, made: Phantoms, types: list[str]
) -> tuple[dict[str, Ints], Ints]:
    """Return the columns in this order, phantoms at the end, and each event's new place; `parent` follows the events."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    parent = found.place.astype(np.int64)
    there = np.flatnonzero(parent >= 0)
    parent[there] = place[parent[there]]
    # What waits for a phantom has it for its parent.
    parent[made.child] = len(order) + made.of
    more = {
        "row": _FIRST_PHANTOM - np.arange(len(made.award)),
        "trace": trace[made.award],
        "type": np.full(len(made.award), types.index("TASK")),
        "ts": read.ts[made.award],
        "parent": place[made.award],
    }
    columns: dict[str, Ints] = {}
    for name, values in (("row", read.row), ("trace", trace), ("type", read.type), ("ts", read.ts), ("parent", parent)):
        columns[name] = np.empty(len(order) + len(made.award), dtype=np.int64)
        columns[name][: len(order)] = values[order]
        columns[name][len(order) :] = more[name]
    return columns, place


def _backward(up: Ints, events: int) -> Ints:
    """Return the effects whose cause is not earlier: a ring has at least one of them on it.

    The first `events` are in order. A phantom ranks right behind its award.
    """
    cause = up[:events]
    backward = np.flatnonzero((cause < events) & (cause >= np.arange(events)))
    hanging = np.flatnonzero(cause >= events)
    return np.concatenate([backward, hanging[up[cause[hanging]] >= hanging]])


__all__ = [
    "LABELS",
    "MISSING",
    "NO_TIME",
    "PHANTOMS",
    "ROOT",
    "Forest",
    "Ints",
    "climbed",
    "column",
    "forest",
    "grown",
    "ints",
    "on_ring",
]

"""`Forest`: all events of a store as NumPy columns, with their place in the tree of causes.

One columnar pass gives everything the structure of traces is asked for: DuckDB turns ids into integer positions, depth
comes from pointer jumping (each round doubles the height looked at, so a chain of 100,000 takes 17 rounds), rings of
parents are cut before anything walks upwards. There is no Python object per event.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.lookup import Ids, Ints, Lookup, column, ints, picked, plain
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
    types = store.arrow(_TYPES)["type"].to_pylist()
    with Lent(store) as lent:
        runs = lent("forest_runs", store.arrow(_RUNS, {"run": run}))
        repeats = store.arrow(_REPEATS)
        names = runs["run"].to_pylist()
        read = scan(store.connection, names, types)
        with ThreadPoolExecutor(1) as beside:  # Arrow and NumPy let go of the interpreter: two cores are busy
            ordered = beside.submit(_order, read.ts, read.ids)
            find = Lookup(read.ids)
            found = causes(store.connection, read, find, names)
            order = ordered.result()
    repeated = find(Ids(repeats["id"], plain(repeats["key"]), plain(repeats["run"])))
    del find
    traces, trace = _traces(read, runs["run"])
    made = phantoms(store, read, found, traces, trace, types)
    columns = _with(made, read, found, trace, types)
    place = _reorder(columns, np.concatenate([order, np.arange(len(order), len(columns["row"]))]))
    known = repeated >= 0
    clash = known & (plain(repeats["conflict"]) > 0)
    columns["surplus"] = np.bincount(place[repeated[known]], minlength=len(place))
    columns["conflicts"] = np.bincount(place[repeated[clash]], minlength=len(place))
    return grown(traces, tuple(types), made.table, columns)


def grown(traces: pa.Table, types: tuple[str, ...], phantoms: pa.Table, columns: dict[str, Ints]) -> Forest:
    """Return the forest over `columns` row, trace, type, ts, conflicts, surplus and parent (a position, ROOT or MISSING)."""
    parent, trace, ts = columns["parent"], columns["trace"], columns["ts"]
    events = len(parent) - len(phantoms)
    own = parent == np.arange(len(parent))
    up = np.where(own | (parent < 0), -1, parent)
    ring = np.zeros(len(up), dtype=bool)
    if _backward(up, events):
        ring = on_ring(up)
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
    more = steps.take(top)
    while FEW * np.count_nonzero(more) > len(more):
        steps += more
        top = top.take(top)
        more = steps.take(top)
    active = np.flatnonzero(more)
    while len(active):
        through = top[active]
        steps[active] += steps[through]
        top[active] = top[through]
        active = active[steps[top[active]] > 0]
    return steps.astype(np.int64), top


def on_ring(up: Ints) -> Mask:
    """Return whether each entry is on a ring of parents; what only hangs off a ring is not. `up` is -1 at a top.

    Steps are doubled until no chain could be as high; who has not come to a top by then stands on a ring.

    >>> on_ring(np.array([2, 0, 1, 1, -1, 4])).tolist()
    [True, True, True, False, False, False]
    """
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

_TYPES = "SELECT DISTINCT type FROM signals UNION SELECT 'TASK' ORDER BY type"

_RUNS = """
SELECT run, (row_number() OVER (ORDER BY run) - 1)::INTEGER AS number
FROM (SELECT DISTINCT run FROM signals WHERE $run IS NULL OR run = $run) ORDER BY run
"""

_REPEATS = """
SELECT d.id, hash(d.id) AS key, r.number AS run, d.conflict
FROM (SELECT run, id, 1 AS conflict FROM signals WHERE NOT canonical
      UNION ALL SELECT run, id, 0 FROM duplicates) d
JOIN forest_runs r ON r.run = d.run
"""

def _traces(read: Scan, runs: pa.ChunkedArray) -> tuple[pa.Table, Ints]:
    """Return the traces in (run, trace_id) order, and the number of each event's."""
    trace, there = read.trace, np.arange(len(read.traces))
    many = max(len(there), 1)
    if len(runs) > 1:
        there, trace = np.unique(read.ids.run.astype(np.int64) * many + trace, return_inverse=True)
    names = [runs.take(column(there // many)), read.traces.take(column(there % many))]
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


def _reorder(columns: dict[str, Ints], order: Ints) -> Ints:
    """Bring the columns into this order, widened, and return each event's new place; `parent` follows the events."""
    place = np.empty(len(order), dtype=np.int64)
    place[order] = np.arange(len(order))
    parent = columns["parent"]
    there = parent >= 0
    columns["parent"] = np.where(there, place[np.where(there, parent, 0)], parent) if len(parent) else parent
    for name, values in columns.items():
        columns[name] = values[order].astype(np.int64, copy=False)
    return place


def _with(made: Phantoms, read: Scan, found: Causes, trace: Ints, types: list[str]) -> dict[str, Ints]:
    """Return the columns of the events with phantoms at the end; what waits for one has it for its parent."""
    columns = {"row": read.row, "trace": trace, "type": read.type, "ts": read.ts, "parent": found.place}
    if not len(made.award):
        return columns
    columns["parent"][made.child] = len(found.place) + made.of
    more = {
        "row": _FIRST_PHANTOM - np.arange(len(made.award)),
        "trace": trace[made.award],
        "type": np.full(len(made.award), types.index("TASK"), dtype=np.int32),
        "ts": read.ts[made.award],
        "parent": made.award.astype(np.int32),
    }
    return {name: np.concatenate([columns[name], added]) for name, added in more.items()}


def _backward(up: Ints, events: int) -> bool:
    """Return whether any cause is not earlier than its effect: a ring has at least one such edge.

    The first `events` are in order. A phantom ranks right behind its award.
    """
    cause = up[:events]
    hanging = np.flatnonzero(cause >= events)
    return bool(((cause < events) & (cause >= np.arange(events))).any() or (up[cause[hanging]] >= hanging).any())


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

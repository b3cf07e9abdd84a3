"""`Forest`: all events of a store as NumPy columns, with their place in the tree of causes.

One columnar pass gives everything the structure of traces is asked for: DuckDB turns ids into integer positions, depth
comes from pointer jumping (each round doubles the height looked at, so a chain of 100,000 takes 17 rounds), rings of
parents are cut before anything walks upwards. There is no Python object per event.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store

Ints = npt.NDArray[np.int64]
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

NO_TIME = np.iinfo(np.int64).max
"""Stands for the time of an event without one: it sorts last."""

ROOT, MISSING = -1, -2
"""Values of `Forest.parent` where there is no position: no parent_id, and a parent that is not in the run."""


@dataclass(frozen=True, eq=False)
class Forest:
    """Events as columns, one entry each: events in (run, ts, id) order, then phantoms in (run, id) order.

    `row` is the rowid in `signals`, or -3 - k for row k of `phantoms`. `trace` and `type` number the rows of `traces`
    (columns run, trace_id) and the entries of `types`. `ts` is microseconds since 1970, or NO_TIME. `parent` is a
    position, ROOT or MISSING; as published, so it may form rings. `up` is the same with every self-parent, ring and
    missing parent cut to -1: what can be walked. `depth` counts the steps to `top`, the first event of the chain
    within its own trace. `label` numbers LABELS.
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
    lone = run
    if lone is None:
        runs = store.execute(_RUNS)
        lone = str(runs[0][0]) if len(runs) == 1 else None
    with Lent(store) as lent:
        traces = lent("forest_traces", store.arrow(_TRACES, {"run": run}))
        types = lent("forest_types", store.arrow(_TYPES))
        found = store.arrow(_EVENTS)
        edges = store.arrow(_EDGES_OF_RUN, {"run": lone}) if lone is not None else store.arrow(_EDGES)
        columns = {name: ints(found[name]) for name in found.column_names}
        columns["parent"] = _with_parents(columns, edges)
        columns = _take(columns, _order(store, columns, ints(traces["run_number"])))
        phantoms = _phantoms(store, columns)
        names: tuple[str, ...] = tuple(types["type"].to_pylist())
        names = names if "TASK" in names else (*names, "TASK")
        columns = _with_phantoms(store, columns, phantoms, names.index("TASK"))
        conflicts = ints(store.arrow(_CONFLICTS, {"run": run})["row"])
    conflicting = np.isin(columns["row"], conflicts) if len(conflicts) else None
    return grown(traces.select(["run", "trace_id"]), names, phantoms, columns, conflicting)


def grown(
    traces: pa.Table, types: tuple[str, ...], phantoms: pa.Table, columns: dict[str, Ints], conflicting: Mask | None
) -> Forest:
    """Return the forest over `columns` row, trace, type, ts and parent (a position, ROOT or MISSING)."""
    parent, trace, ts = columns["parent"], columns["trace"], columns["ts"]
    here = np.arange(len(parent))
    own = parent == here
    up = np.where(own | (parent < 0), -1, parent)
    ring = np.zeros(len(up), dtype=bool)
    if _backward(up, columns["row"]):
        ring = on_ring(up)
        up[ring] = -1
    cross = (up >= 0) & (trace[up] != trace)
    depth, top = climbed(np.where(cross, -1, up))
    label = np.full(len(parent), LABELS.index("attached"))
    for name, mask in (
        ("root", parent == ROOT),
        ("missing_parent", parent == MISSING),
        ("cross_trace", cross),
        ("phantom", columns["row"] <= _FIRST_PHANTOM),
        ("conflicting_duplicate", conflicting),
        ("cycle", ring),
        ("self_parent", own),
    ):
        if mask is not None:
            label[mask] = LABELS.index(name)
    return Forest(
        traces=traces, types=types, phantoms=phantoms, row=columns["row"], trace=trace, type=columns["type"], ts=ts,
        parent=parent, up=up, label=label, depth=depth, top=top,
    )  # fmt: skip


def climbed(up: Ints) -> tuple[Ints, Ints]:
    """Return the number of steps to the top of each chain, and that top. `up` holds no ring; -1 is a top.

    >>> [column.tolist() for column in climbed(np.array([-1, 0, 1, -1, 3]))]
    [[0, 1, 2, 0, 1], [0, 0, 0, 3, 3]]
    """
    below, leaf = _leaves(up)
    steps = below.astype(np.int64)
    top = np.where(below, up, np.arange(len(up)))
    active = np.flatnonzero(below & ~leaf)
    while len(active):
        through = top[active]
        above = top[through]
        steps[active] += steps[through]
        top[active] = above
        active = active[above != through]
    hung = np.flatnonzero(below & leaf)
    through = up[hung]
    steps[hung] += steps[through]
    top[hung] = top[through]
    return steps, top


def on_ring(up: Ints) -> Mask:
    """Return whether each entry is on a ring of parents; what only hangs off a ring is not. `up` is -1 at a top.

    Steps are doubled until no chain could be as high; who has not come to a top by then stands on a ring.

    >>> on_ring(np.array([2, 0, 1, 1, -1, 4])).tolist()
    [True, True, True, False, False, False]
    """
    below, leaf = _leaves(up)
    above = np.where(below, up, np.arange(len(up)))
    active = np.flatnonzero(below & ~leaf)
    steps, highest = 1, len(active)
    active = active[below[above[active]]]
    while len(active) and steps < highest:
        above[active] = above[above[active]]
        active = active[below[above[active]]]
        steps *= 2
    ring = np.zeros(len(up), dtype=bool)
    ring[above[active]] = True
    return ring


def _leaves(up: Ints) -> tuple[Mask, Mask]:
    """Return whether each entry is below another, and whether none is below it: most are leaves, and need no climb."""
    below = up >= 0
    leaf = np.ones(len(up), dtype=bool)
    leaf[up[below]] = False
    return below, leaf


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

_RUNS = "SELECT DISTINCT run FROM signals ORDER BY run LIMIT 2"

_TRACES = """
SELECT run, trace_id, row_number() OVER (ORDER BY run, trace_id) - 1 AS trace,
       dense_rank() OVER (ORDER BY run) - 1 AS run_number
FROM signals WHERE canonical AND ($run IS NULL OR run = $run) GROUP BY run, trace_id ORDER BY run, trace_id
"""

_TYPES = "SELECT type, row_number() OVER (ORDER BY type) - 1 AS number FROM signals GROUP BY type ORDER BY type"

# Two statements: one with all three joins takes a third longer, it drags trace_id through the join of the parents.
_EVENTS = """
SELECT s.rowid AS row, t.trace, k.number AS type, coalesce(epoch_us(s.ts), 9223372036854775807) AS ts,
       CASE WHEN s.parent_id IS NULL THEN -1 ELSE -2 END AS parent
FROM signals s
JOIN forest_traces t ON t.run = s.run AND t.trace_id = s.trace_id
JOIN forest_types k ON k.type = s.type
WHERE s.canonical
"""

_EDGES = """
SELECT s.rowid AS row, p.rowid AS parent FROM signals s JOIN signals p ON p.run = s.run AND p.id = s.parent_id
WHERE s.canonical AND p.canonical
"""

# The same for one run: comparing the run of each pair would cost half as much again.
_EDGES_OF_RUN = """
SELECT s.rowid AS row, p.rowid AS parent FROM signals s JOIN signals p ON p.id = s.parent_id
WHERE s.canonical AND p.canonical AND s.run = $run AND p.run = $run
"""

_CONFLICTS = """
SELECT s.rowid AS row FROM signals s
SEMI JOIN (SELECT run, id FROM signals WHERE NOT canonical) d ON d.run = s.run AND d.id = s.id
WHERE s.canonical AND ($run IS NULL OR s.run = $run)
"""

_IDS = "SELECT s.rowid AS row, s.id FROM signals s SEMI JOIN forest_rows r ON r.row = s.rowid ORDER BY s.id, s.rowid"

_ORPHANS = """
SELECT s.rowid AS row, s.run, s.id, s.trace_id, s.parent_id, s.type, s.directed_id, s.ts
FROM signals s SEMI JOIN forest_rows r ON r.row = s.rowid
"""

_PHANTOMS = """
SELECT *, coalesce(epoch_us(ts), 9223372036854775807) AS us FROM awarded_tasks('forest_orphans') ORDER BY run, id
"""

_HELD = """
SELECT o.row, p.number FROM forest_orphans o
JOIN (SELECT run, id, row_number() OVER (ORDER BY run, id) - 1 AS number FROM forest_phantoms) p
  ON p.run = o.run AND p.id = o.parent_id
"""


def column(values: Ints) -> pa.Array:
    """Return `values` as Arrow, sharing memory. Not by `pa.array`, which imports pandas for NumPy: 0.4 s at first."""
    return pa.Array.from_buffers(pa.int64(), len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def ints(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Return a column of whole numbers without NULL. Not by `to_numpy`, for the same reason."""
    if not len(column):
        return np.zeros(0, dtype=np.int64)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.from_dlpack(array).astype(np.int64, copy=False)


def _take(columns: dict[str, Ints], order: Ints) -> dict[str, Ints]:
    return {name: values[order] for name, values in columns.items()}


def _with_parents(columns: dict[str, Ints], edges: pa.Table) -> Ints:
    """Return `parent` with the rowid of each parent that is there."""
    row, effect, cause = columns["row"], ints(edges["row"]), ints(edges["parent"])
    above = np.full(max(int(row.max(initial=-1)), int(effect.max(initial=-1))) + 1, MISSING)
    above[row] = columns["parent"]
    above[effect] = cause
    parents: Ints = above[row]
    return parents


def _order(store: Store, columns: dict[str, Ints], run_of: Ints) -> Ints:
    """Return the positions in (run, ts, id) order. Ids are fetched for equal times only."""
    ts = columns["ts"]
    many = len(run_of) > 0 and run_of[-1] > 0
    run = run_of[columns["trace"]] if many else np.zeros(len(ts), dtype=np.int64)
    order = np.lexsort((ts, run)) if many else np.argsort(ts)
    ts, run = ts[order], run[order]
    tied = np.zeros(len(ts), dtype=bool)
    equal = (ts[1:] == ts[:-1]) & (run[1:] == run[:-1])
    tied[1:] |= equal
    tied[:-1] |= equal
    if tied.any():
        where = np.flatnonzero(tied)
        rank = _ranks(store, columns["row"][order[where]])
        order[where] = order[where][np.lexsort((rank, ts[where], run[where]))]
    return order


def _ranks(store: Store, rows: Ints) -> Ints:
    """Return the place of each row's id among the ids of all these rows."""
    with Lent(store) as lent:
        lent("forest_rows", pa.table({"row": column(rows)}))
        by_id = ints(store.arrow(_IDS)["row"])
    rank = np.empty(len(rows), dtype=np.int64)
    rank[np.argsort(rows)] = np.argsort(by_id)
    return rank


def _phantoms(store: Store, columns: dict[str, Ints]) -> pa.Table:
    """Return the phantoms: run, id, trace_id, parent_id, directed_id, ts, award_row, us; `held` lists their rows."""
    with Lent(store) as lent:
        lent("forest_rows", pa.table({"row": column(columns["row"][columns["parent"] == MISSING])}))
        lent("forest_orphans", store.arrow(_ORPHANS))
        phantoms = store.arrow(_PHANTOMS)
        lent("forest_phantoms", phantoms)
        held = store.arrow(_HELD)
    return phantoms.replace_schema_metadata(None).append_column("held", _held(phantoms, held))


def _held(phantoms: pa.Table, held: pa.Table) -> pa.Array:
    """Return the rows that hang on each phantom, as one list an entry."""
    number, row = ints(held["number"]), ints(held["row"])
    order = np.lexsort((row, number))
    offsets = np.concatenate([[0], np.cumsum(np.bincount(number, minlength=len(phantoms)))])
    return pa.ListArray.from_arrays(column(offsets).cast(pa.int32()), column(row[order]))


def _with_phantoms(store: Store, columns: dict[str, Ints], phantoms: pa.Table, task: int) -> dict[str, Ints]:
    """Return `columns` with the phantoms at the end and `parent` as positions."""
    events, extra = len(columns["row"]), len(phantoms)
    highest = max(int(columns[name].max(initial=-1)) for name in ("row", "parent"))
    slot = np.full(highest + 1, MISSING)
    slot[columns["row"]] = np.arange(events)
    parent = columns["parent"]
    parent = np.where(parent >= 0, slot[np.maximum(parent, 0)], parent) if events else parent
    held = phantoms["held"].combine_chunks()
    children = slot[ints(pc.list_flatten(phantoms["held"]))]
    parent[children] = events + np.repeat(np.arange(extra), np.diff(ints(held.offsets)))
    award = slot[ints(phantoms["award_row"])]
    return {
        "row": np.concatenate([columns["row"], _FIRST_PHANTOM - np.arange(extra)]),
        "trace": np.concatenate([columns["trace"], columns["trace"][award]]),
        "type": np.concatenate([columns["type"], np.full(extra, task)]),
        "ts": np.concatenate([columns["ts"], ints(phantoms["us"])]),
        "parent": np.concatenate([parent, award]),
    }


def _backward(up: Ints, row: Ints) -> bool:
    """Return whether any cause is not earlier than its effect: a ring has at least one such edge.

    A phantom ranks right behind its award.
    """
    rank = 2 * np.arange(len(up))
    phantom = row <= _FIRST_PHANTOM
    rank[phantom] = rank[up[phantom]] + 1
    return bool(((up >= 0) & (rank[up] >= rank)).any())


__all__ = ["LABELS", "MISSING", "NO_TIME", "ROOT", "Forest", "climbed", "column", "forest", "grown", "ints", "on_ring"]

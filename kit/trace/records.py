"""The structure of records: one row per record with its label, its depth and its place among parents and children.

A record may have several parents, in its own thread or in others, that are known or not; forged ids may even form rings.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.forest import LABELS, Ints, Lent, Mask, ints
from kit.trace.levels import ancestors, levels

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("thread", pa.string()),
        ("label", pa.string()),
        ("parents", pa.list_(pa.string())),
        ("depth", pa.int64()),
        ("run", pa.string()),
        ("act", pa.string()),
        ("known_parents", pa.int64()),
        ("children", pa.int64()),
        ("ancestors_missing", pa.bool_()),
    ]
)


@dataclass(frozen=True, eq=False)
class Weave:
    """Records as columns, in (run, depth, clock, id) order, and their edges as positions.

    `row` is the rowid in `records`. An edge leads from `cause` to `effect`; each pair is there once, rings and
    self-parents included, parents that are not in the run left out. `label` numbers LABELS of `kit.trace.forest`.
    """

    row: Ints
    depth: Ints
    label: Ints
    cause: Ints
    effect: Ints
    cut: Mask
    parents: Ints
    """How many different parents each record names."""

    def __len__(self) -> int:
        return len(self.row)

    @property
    def known(self) -> Ints:
        """How many of its parents are in the run; a record is no parent of itself."""
        return np.bincount(self.effect[self.cause != self.effect], minlength=len(self))

    @property
    def children(self) -> Ints:
        """How many other records name this one as a parent."""
        return np.bincount(self.cause[self.cause != self.effect], minlength=len(self))


def weave(store: Store, run: str | None = None) -> Weave:
    """Return all records of the store, or of one run: canonical rows with an id. Runs never mix."""
    nodes, edges = store.arrow(_NODES, {"run": run}), store.arrow(_EDGES, {"run": run})
    row = ints(nodes["row"])
    slot = np.full(int(row.max(initial=-1)) + 1, -1)
    slot[row] = np.arange(len(row))
    cause, effect = slot[ints(edges["parent"])], slot[ints(edges["child"])]
    found = levels(len(row), cause, effect)
    label = _labels(nodes, cause, effect, found.ring, found.cut, ints(edges["crossing"]).astype(bool))
    # Rows come in (run, clock, id) order: a stable sort by depth within a run keeps it.
    order = np.lexsort((np.arange(len(row)), found.depth, ints(nodes["run_number"])))
    place = np.empty(len(row), dtype=np.int64)
    place[order] = np.arange(len(row))
    return Weave(
        row=row[order], depth=found.depth[order], label=label[order], cause=place[cause], effect=place[effect],
        cut=found.cut, parents=ints(nodes["parents"])[order],
    )  # fmt: skip


def record_structure(store: Store, run: str | None = None, *, woven: Weave | None = None) -> pa.Table:
    """Return one row per record: id, thread, label, parents, depth, run, act, known_parents, children, ancestors_missing.

    Rows are in (run, depth, clock, id) order, so that a cause comes before its effects. The label is the first that holds
    of `self_parent`, `cycle`, `conflicting_duplicate`, `cross_trace` (a parent in another thread), `missing_parent`,
    `root` (no parents), `attached`; one parent of several is enough for any of them.

    `parents` is as written. `depth` counts the edges on the longest path to the record over known parents, whatever their
    thread; self-parents and the edges of rings do not count. `known_parents` and `children` count different
    records, itself not included. `ancestors_missing` tells whether anything above it is not in the run.
    """
    woven = weave(store, run) if woven is None else woven
    incomplete = _below_missing(woven)
    columns = pa.table(
        {
            "row": woven.row,
            "place": np.arange(len(woven)),
            "label": pa.array(np.array(LABELS, dtype=object)[woven.label], pa.string()),
            "depth": woven.depth,
            "known_parents": woven.known,
            "children": woven.children,
            "ancestors_missing": incomplete,
        }
    )
    with Lent(store) as lent:
        lent("woven_rows", columns)
        return store.arrow(_STRUCTURE).cast(SCHEMA)


def ancestry(store: Store, record_id: str, *, run: str | None = None, woven: Weave | None = None) -> pa.Table:
    """Return a record and everything it follows from, causes first: the columns of `record_structure`.

    Threads are crossed; what is not in the run is missing here too, as `ancestors_missing` of the last row tells. Raises
    NotFoundError for an unknown id, ArgumentError where several runs have it.
    """
    run, row = find_record(store, record_id, run)
    woven = weave(store, run) if woven is None else woven
    [at] = np.flatnonzero(woven.row == row).tolist()
    wanted = ancestors(len(woven), woven.cause, woven.effect, np.array([at]))
    return record_structure(store, run, woven=woven).take(pa.array(wanted))


def find_record(store: Store, record_id: str, run: str | None = None) -> tuple[str, int]:
    """Return the run and the rowid of a record, named whole or by a prefix of at least 6 characters of its own.

    Raises NotFoundError for an unknown id, ArgumentError where several runs have it or several records begin so.
    """
    found = store.execute(_EXACT, {"id": record_id, "run": run})
    if not found and len(record_id) >= 6:
        found = store.execute(_PREFIX, {"id": record_id, "run": run})
    where = "" if run is None else f" in run {run!r}"
    if not found:
        raise NotFoundError(f"no record {record_id!r}{where}: ids are in study.records()")
    names = sorted({str(name) for _, _, name in found})
    if len(names) > 1:
        raise ArgumentError(f"{record_id!r} is the start of several records{where}: {names[0]!r}, {names[1]!r}")
    if len(found) > 1:
        runs = ", ".join(repr(name) for name, _, _ in found)
        raise ArgumentError(f"record {names[0]!r} is in the runs {runs}: say which, as run={found[0][0]!r}")
    return str(found[0][0]), int(found[0][1])


def _labels(nodes: pa.Table, cause: Ints, effect: Ints, ring: Mask, cut: Mask, crossing: Mask) -> Ints:
    """Return the label of each record as a number of LABELS."""
    count = nodes.num_rows

    def touched(mask: Mask) -> Mask:
        hit: Mask = np.bincount(effect[mask], minlength=count) > 0
        return hit

    parents = ints(nodes["parents"])
    label = np.full(count, LABELS.index("attached"))
    for name, mask in (
        ("root", parents == 0),
        ("missing_parent", np.bincount(effect, minlength=count) < parents),
        ("cross_trace", touched(crossing)),
        ("conflicting_duplicate", ints(nodes["conflicting"]).astype(bool)),
        ("cycle", ring & touched(cut & (cause != effect))),
        ("self_parent", touched(cause == effect)),
    ):
        label[mask] = LABELS.index(name)
    return label


def _below_missing(woven: Weave) -> Mask:
    """Return whether a record, or anything above it, names a parent that is not in the run."""
    itself = np.bincount(woven.effect[woven.cause == woven.effect], minlength=len(woven))
    start = np.flatnonzero(woven.known + itself < woven.parents)
    incomplete = np.zeros(len(woven), dtype=bool)
    # Below is above in the graph turned round.
    incomplete[ancestors(len(woven), woven.effect, woven.cause, start)] = True
    return incomplete


_NODES = """
SELECT r.rowid AS row, dense_rank() OVER (ORDER BY r.run) AS run_number, len(list_distinct(r.parents)) AS parents,
       (d.id IS NOT NULL)::BIGINT AS conflicting
FROM records r
LEFT JOIN (SELECT DISTINCT run, id FROM records WHERE NOT canonical) d ON d.run = r.run AND d.id = r.id
WHERE r.canonical AND r.id IS NOT NULL AND ($run IS NULL OR r.run = $run)
ORDER BY r.run, r.clock NULLS LAST, r.id
"""

_EDGES = """
SELECT c.row AS child, p.rowid AS parent, (p.thread IS DISTINCT FROM c.thread)::BIGINT AS crossing
FROM (SELECT rowid AS row, run, thread, unnest(list_distinct(parents)) AS parent FROM records
      WHERE canonical AND id IS NOT NULL AND ($run IS NULL OR run = $run)) c
JOIN records p ON p.run = c.run AND p.id = c.parent
WHERE p.canonical
ORDER BY ALL
"""

_STRUCTURE = """
SELECT r.id, r.thread, w.label, r.parents, w.depth, r.run, r.act, w.known_parents, w.children, w.ancestors_missing
FROM records r JOIN woven_rows w ON w.row = r.rowid ORDER BY w.place
"""

_EXACT = "SELECT run, rowid, id FROM records WHERE canonical AND id = $id AND ($run IS NULL OR run = $run) ORDER BY run"

_PREFIX = """
SELECT run, rowid, id FROM records
WHERE canonical AND starts_with(id, $id) AND ($run IS NULL OR run = $run) ORDER BY run, id LIMIT 3
"""

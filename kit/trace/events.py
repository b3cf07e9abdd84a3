"""The events of one trace, with those of the traces it delegated to."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.forest import LABELS, Forest, Ints, Lent, forest

NEAR = 3
"""How many near matches the message about an unknown trace names."""


def trace_events(
    store: Store, trace_id: str, *, run: str | None = None, follow: bool = True, grown: Forest | None = None
) -> pa.Table:
    """Return the events of a trace in (ts, id) order, one row each; a phantom stands right behind its award.

    With `follow` the traces it delegated to are included, and theirs: those with a TASK whose parent is an event here.
    Columns: run, id, trace_id, parent_id, type, directed_id, directed_type, ts, payload, meta, flags, source_id, line
    (as in `signals`), then label and depth (as in `structure`), `why` (the word of the parent edge, see views.sql) and
    `target_id` (the event a CRITIQUE is about). A phantom has no payload and no line.

    `trace_id` may be a prefix or suffix that only one trace has. `grown` is the `forest` of this run where the caller
    holds it already; it is the greater part of the work in a large store. Raises NotFoundError where there is no such
    trace and ArgumentError where several runs have it.
    """
    run, trace_id = find_trace(store, trace_id, run)
    grown = forest(store, run) if grown is None else grown
    number = _number(grown, run, trace_id)
    wanted = descendants(grown, number) if follow else np.array([number])
    positions = np.flatnonzero(np.isin(grown.trace, wanted))
    kinds = np.array([*grown.types, None], dtype=object)
    parents = np.where(grown.parent[positions] >= 0, grown.type[grown.parent[positions]], len(grown.types))
    lent_rows = pa.table(
        {
            "row": grown.row[positions],
            "place": grown.rank[positions],
            "label": pa.array(np.array(LABELS, dtype=object)[grown.label[positions]], pa.string()),
            "depth": grown.depth[positions],
            "parent_type": pa.array(kinds[parents], pa.string()),
        }
    )
    phantoms = grown.phantoms.select(["run", "id", "trace_id", "parent_id", "directed_id", "ts"])
    with Lent(store) as lent:
        lent("forest_rows", lent_rows)
        lent("forest_phantoms", phantoms.append_column("row", pa.array(-3 - np.arange(len(phantoms)))))
        return store.arrow(_EVENTS)


def find_trace(store: Store, trace_id: str, run: str | None = None) -> tuple[str, str]:
    """Return the run and the full id of the trace that `trace_id` names, whole or by a prefix or suffix of its own.

    Raises NotFoundError, naming what is near, and ArgumentError where several runs have the trace.
    """
    found = store.execute(_EXACT, {"trace": trace_id, "run": run})
    found = found or store.execute(_PARTIAL, {"trace": trace_id, "run": run})
    names = sorted({str(name) for _, name in found})
    if len(names) == 1 and len(found) > 1:
        runs = ", ".join(repr(name) for name, _ in found)
        raise ArgumentError(f"trace {names[0]!r} is in the runs {runs}: say which, as run={found[0][0]!r}")
    if len(names) == 1:
        return str(found[0][0]), names[0]
    where = "" if run is None else f" in run {run!r}"
    if names:
        raise NotFoundError(f"{trace_id!r} is the start or end of several traces{where}: {_listed(names)}")
    near = [str(row[0]) for row in store.execute(_NEAR, {"trace": trace_id, "run": run, "near": NEAR})]
    hint = f" The nearest are {_listed(near)}." if near else ""
    raise NotFoundError(f"no trace {trace_id!r}{where}.{hint} All of them: study.traces(all=True)")


def descendants(grown: Forest, trace: int) -> Ints:
    """Return the number of a trace and of all traces it delegated to, transitively, in ascending order."""
    task = np.flatnonzero(grown.of_type("TASK") & grown.cross)
    above, below = grown.trace[grown.parent[task]], grown.trace[task]
    order = np.argsort(above, kind="stable")
    above, below = above[order], below[order]
    seen = np.zeros(len(grown.traces), dtype=bool)
    seen[trace] = True
    fresh = np.array([trace])
    while len(fresh):
        low, high = np.searchsorted(above, fresh, "left"), np.searchsorted(above, fresh, "right")
        length = high - low
        spread = np.repeat(low - np.concatenate([[0], np.cumsum(length)[:-1]]), length) + np.arange(length.sum())
        fresh = np.unique(below[spread])
        fresh = fresh[~seen[fresh]]
        seen[fresh] = True
    return np.flatnonzero(seen)


_EXACT = """
SELECT DISTINCT run, trace_id FROM signals
WHERE canonical AND trace_id = $trace AND ($run IS NULL OR run = $run) ORDER BY run
"""

_PARTIAL = """
SELECT DISTINCT run, trace_id FROM signals
WHERE canonical AND ($run IS NULL OR run = $run) AND length($trace) >= 4 AND (
    starts_with(trace_id, $trace) OR starts_with(trace_id, 'trc_' || $trace) OR ends_with(trace_id, $trace))
ORDER BY trace_id, run
"""

_NEAR = """
SELECT trace_id FROM signals WHERE canonical AND ($run IS NULL OR run = $run) GROUP BY trace_id
ORDER BY jaro_winkler_similarity(reverse(trace_id), reverse($trace)) + jaro_winkler_similarity(trace_id, $trace) DESC,
         trace_id LIMIT $near
"""

_EVENTS = """
SELECT * EXCLUDE (place) FROM (
    SELECT s.run, s.id, s.trace_id, s.parent_id, s.type, s.directed_id, s.directed_type, s.ts, s.payload, s.meta,
           s.flags, s.source_id, s.line, r.label, r.depth,
           CASE WHEN s.parent_id IS NOT NULL THEN edge_why(coalesce(r.parent_type, 'TASK'), s.type) END AS why,
           CASE WHEN s.type = 'CRITIQUE' THEN s.payload ->> '$.target_event_id' END AS target_id, r.place
    FROM signals s JOIN forest_rows r ON r.row = s.rowid
    UNION ALL
    SELECT p.run, p.id, p.trace_id, p.parent_id, 'TASK', p.directed_id, NULL, p.ts, NULL, NULL, []::VARCHAR[],
           NULL, NULL, r.label, r.depth, 'award', NULL, r.place
    FROM forest_phantoms p JOIN forest_rows r ON r.row = p.row
) ORDER BY place, id
"""


def _number(grown: Forest, run: str, trace_id: str) -> int:
    """Return the number of a trace in the forest."""
    here = pc.and_(pc.equal(grown.traces["trace_id"], trace_id), pc.equal(grown.traces["run"], run))
    found = pc.index(here, True).as_py()
    if found < 0:
        raise NotFoundError(
            f"trace {trace_id!r} of run {run!r} came after the forest was grown: call forest(store) again"
        )
    return int(found)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NEAR])
    return shown if len(names) <= NEAR else f"{shown} and {len(names) - NEAR} more"

"""One row per trace: how it ended, how long it took, how it is built and what is odd about it."""

import numpy as np
import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import LABELS, NO_TIME, Forest, Ints, Mask, forest, ints

STATUSES = {"FINAL": "completed", "ERROR": "failed", "STOP": "stopped"}
"""What the first signal of one of these types makes of its trace; without one it is open."""

ORDER = ("failed", "stopped", "open", "completed")
"""Statuses in the order of the table."""

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("trace_id", pa.string()),
        ("status", pa.string()),
        ("start", pa.timestamp("us", tz="UTC")),
        ("end", pa.timestamp("us", tz="UTC")),
        ("duration_ms", pa.float64()),
        ("signals", pa.int64()),
        ("depth", pa.int64()),
        ("width", pa.int64()),
        ("neurons", pa.list_(pa.string())),
        ("retries", pa.int64()),
        ("retried", pa.bool_()),
        ("root_type", pa.string()),
        ("workflow", pa.bool_()),
        ("children_traces", pa.int64()),
        ("critical_ms", pa.float64()),
        ("extra_terminals", pa.int64()),
        ("inversions", pa.int64()),
        ("findings", pa.int64()),
    ]
)


def traces(store: Store, run: str | None = None, *, all: bool = False, grown: Forest | None = None) -> pa.Table:
    """Return one row per workflow trace (one with a TASK or a TASK_OFFER), or per trace with `all`.

    Failed ones first, then stopped, open and completed; within these the slowest first, ties by run and trace_id.

    status       first of FINAL, ERROR, STOP by (ts, id): completed, failed, stopped; else open
    start, end   first and last time in this trace, delegated traces not included
    signals      published events; phantoms do not count
    depth, width the greatest depth (see `structure`), and the most events at one depth
    neurons      who was given a task, answered one or reported its failure, sorted
    retries      TASKs with meta.attempt above 0;  retried: a STOP with reason "retry" gave the attempt up
    root_type    type of the first event
    children_traces  traces with a TASK whose parent is an event of this one
    critical_ms  from the first event of the last finisher's chain of causes, within the trace, to the last finisher
    extra_terminals  FINAL and ERROR signals after the first terminal one
    inversions   events stamped before their parent
    findings     missing parents, members of rings, self-parents, conflicting ids, extra terminals and inversions
    """
    grown = forest(store, run) if grown is None else grown
    count = len(grown.traces)
    published = grown.row >= 0
    status, extra = _statuses(grown)
    start, end = bounds(grown)
    latency = grown.latency
    inversions = _count(grown, (latency != NO_TIME) & (latency < 0))
    label = np.bincount(grown.trace * len(LABELS) + grown.label, minlength=count * len(LABELS)).reshape(
        count, len(LABELS)
    )
    odd = [LABELS.index(name) for name in ("self_parent", "cycle", "conflicting_duplicate", "missing_parent")]
    texts = store.arrow(_TEXTS, {"run": run})
    columns = {
        "run": grown.traces["run"],
        "trace_id": grown.traces["trace_id"],
        "status": pa.array(np.array(ORDER, dtype=object)[status], pa.string()),
        "start": _moments(start),
        "end": _moments(end),
        "duration_ms": _milliseconds(start, end),
        "signals": _count(grown, published),
        "depth": deepest(grown),
        "width": widest(grown),
        "neurons": _lists(grown, texts),
        "retries": _numbers(grown, texts, "retries"),
        "retried": _numbers(grown, texts, "retried") > 0,
        "root_type": _first_types(grown),
        "workflow": _count(grown, published & grown.of_type("TASK", "TASK_OFFER")) > 0,
        "children_traces": _delegated(grown),
        "critical_ms": _critical(grown),
        "extra_terminals": extra,
        "inversions": inversions,
        "findings": label[:, odd].sum(axis=1) + extra + inversions,
    }
    table = pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)
    lasted = np.where(start == NO_TIME, -1, end - np.where(start == NO_TIME, 0, start))
    order = np.lexsort((np.arange(count), -lasted, status))
    if not all:
        order = order[columns["workflow"][order]]
    return table.take(pa.array(order))


def bounds(grown: Forest) -> tuple[Ints, Ints]:
    """Return the first and last time of each trace, NO_TIME where it has none."""
    timed = np.flatnonzero((grown.ts != NO_TIME) & (grown.row >= 0))
    start = np.full(len(grown.traces), NO_TIME)
    end = np.full(len(grown.traces), NO_TIME)
    # Positions are in time order: written backwards the first stays, forwards the last.
    start[grown.trace[timed[::-1]]] = grown.ts[timed[::-1]]
    end[grown.trace[timed]] = grown.ts[timed]
    return start, end


def last_finishers(grown: Forest) -> Ints:
    """Return the position of the last event with a time of each trace, -1 where no event has one."""
    timed = np.flatnonzero((grown.ts != NO_TIME) & (grown.row >= 0))
    last = np.full(len(grown.traces), -1)
    last[grown.trace[timed]] = timed
    return last


def _statuses(grown: Forest) -> tuple[Ints, Ints]:
    """Return the status of each trace as a number of ORDER, and how many FINAL and ERROR came after the first end."""
    code = np.array([ORDER.index(STATUSES.get(name, "open")) for name in grown.types], dtype=np.int64)
    terminal = np.flatnonzero(grown.of_type(*STATUSES))
    status = np.full(len(grown.traces), ORDER.index("open"))
    first = np.full(len(grown.traces), -1)
    first[grown.trace[terminal[::-1]]] = terminal[::-1]
    ended = first >= 0
    status[ended] = code[grown.type[first[ended]]]
    later = grown.of_type("FINAL", "ERROR")
    later[first[ended]] = False
    return status, _count(grown, later)


def _count(grown: Forest, mask: Mask) -> Ints:
    return np.bincount(grown.trace[mask], minlength=len(grown.traces))


def deepest(grown: Forest) -> Ints:
    """Return the greatest depth in each trace."""
    depth = np.zeros(len(grown.traces), dtype=np.int64)
    np.maximum.at(depth, grown.trace, grown.depth)
    return depth


def widest(grown: Forest) -> Ints:
    """Return the most events at one depth of each trace."""
    tall, count = int(grown.depth.max(initial=0)) + 1, len(grown.traces)
    if tall * count <= 16 * len(grown):
        dense = np.bincount(grown.trace * tall + grown.depth, minlength=count * tall)
        widths: Ints = dense.reshape(count, tall).max(axis=1, initial=0)
        return widths
    level, size = np.unique(grown.trace * tall + grown.depth, return_counts=True)
    width = np.zeros(count, dtype=np.int64)
    np.maximum.at(width, level // tall, size)
    return width


def _delegated(grown: Forest) -> Ints:
    """Return for each trace the number of traces with a TASK whose parent is in it."""
    task = np.flatnonzero(grown.of_type("TASK") & grown.cross)
    count = len(grown.traces)
    pairs = np.unique(grown.trace[grown.parent[task]] * count + grown.trace[task])
    return np.bincount(pairs // max(count, 1), minlength=count)


def _critical(grown: Forest) -> pa.Array:
    last = last_finishers(grown)
    known = last >= 0
    first = np.where(known, grown.top[last] if len(grown) else last, -1)
    begin = np.where(known, grown.ts[first] if len(grown) else last, NO_TIME)
    finish = np.where(known, grown.ts[last] if len(grown) else last, NO_TIME)
    return _milliseconds(begin, finish)


def _first_types(grown: Forest) -> pa.Array:
    first = np.full(len(grown.traces), -1)
    published = np.flatnonzero(grown.row >= 0)
    first[grown.trace[published[::-1]]] = published[::-1]
    names = np.array(grown.types, dtype=object)
    return pa.array(names[grown.type[first]] if len(first) else [], pa.string())


def _numbers(grown: Forest, texts: pa.Table, name: str) -> Ints:
    """Return a column of `texts` per trace, 0 where it has no row."""
    values = np.zeros(len(grown.traces), dtype=np.int64)
    values[_places(grown, texts)] = ints(texts[name])
    return values


def _lists(grown: Forest, texts: pa.Table) -> pa.Array:
    """Return the neurons of each trace."""
    index = np.full(len(grown.traces), len(texts))
    index[_places(grown, texts)] = np.arange(len(texts))
    column = pa.concat_arrays([*texts["neurons"].chunks, pa.array([[]], pa.list_(pa.string()))])
    return column.take(pa.array(index))


def _places(grown: Forest, texts: pa.Table) -> Ints:
    """Return the number of the trace of each row of `texts`: both are sorted by (run, trace_id)."""
    keys = [grown.traces["run"], grown.traces["trace_id"]]
    ours = pa.table({"run": keys[0], "trace_id": keys[1], "place": np.arange(len(grown.traces))})
    joined = texts.select(["run", "trace_id"]).append_column("row", pa.array(np.arange(len(texts))))
    found = joined.join(ours, ["run", "trace_id"], join_type="left outer").sort_by("row")
    return ints(found["place"])


def _moments(us: Ints) -> pa.Array:
    return pa.array(us, mask=us == NO_TIME).cast(pa.timestamp("us", tz="UTC"))


def _milliseconds(start: Ints, end: Ints) -> pa.Array:
    known = (start != NO_TIME) & (end != NO_TIME)
    return pa.array(np.where(known, end - np.where(known, start, 0), 0) / 1000, mask=~known)


_TEXTS = """
SELECT
    run, trace_id,
    coalesce(list_sort(list(DISTINCT directed_id) FILTER (WHERE directed_id IS NOT NULL AND (
        type IN ('TASK', 'TASK_AWARDED', 'AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION')
        OR (type = 'ERROR' AND parent_id IS NOT NULL)))), []) AS neurons,
    count(*) FILTER (WHERE type = 'TASK' AND TRY_CAST(meta ->> '$.attempt' AS BIGINT) > 0) AS retries,
    count(*) FILTER (WHERE type = 'STOP' AND payload ->> '$.reason' = 'retry') AS retried
FROM signals
WHERE canonical AND ($run IS NULL OR run = $run)
  AND type IN ('TASK', 'TASK_AWARDED', 'AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION', 'ERROR', 'STOP')
GROUP BY run, trace_id
ORDER BY run, trace_id
"""

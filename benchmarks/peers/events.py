"""What both structure peers start from: events as NumPy columns, and the result that they have in common.

Rules (design.md section 3, spec/cosmonapse.md 5.3), in the words used here:

- An event is an id, or a phantom: the unpublished TASK of an award. Of several rows with one id the first is
  canonical: `columns` puts the smallest sha256 of the raw text first. The id is then labelled
  `conflicting_duplicate`, unless it is its own parent or in a ring.
- An edge runs from a parent that is there, in the same trace or in another. Self-parents and the edges of a
  ring are cut.
- Depth is counted within a trace, from 0: a root, a child of another trace, an orphan and an event of a ring
  have 0.
- The critical path of a trace: from its last event by (ts, id), without unstamped ones, up the parents in the
  trace.
"""

import hashlib
from collections import defaultdict
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.feather as feather

from benchmarks.peers import msgspec_loop

LABELS = (
    "self_parent", "cycle", "conflicting_duplicate", "phantom", "cross_trace", "missing_parent", "root",
    "attached",
)  # fmt: skip
SELF, CYCLE, CONFLICT, PHANTOM, CROSS, MISSING, ROOT, ATTACHED = range(len(LABELS))
NO_TIME = np.iinfo(np.int64).min

_UPSTREAM = ("BID", "TASK_AWARDED", "TASK_DECLINED")
_REQUESTS = ("TASK", "TASK_OFFER", "TOOL_CALL", "RECALL", "IMPRINT")  # their `directed` names who is asked
_COLUMNS = ("id", "trace_id", "parent_id", "type", "ts", "directed_id")


class Events(NamedTuple):
    """Events by number, sorted by trace; phantoms are the last of theirs.

    `parent` is the number of the parent or -1: self-parents and rings through several traces are cut, rings
    within a trace are not, nor are they in `label`. Trace k holds the events starts[k] <= i < starts[k + 1].
    `last` is the last event of each trace, or -1; `duplicates` the surplus rows of each. `ts` is microseconds
    or NO_TIME.
    """

    trace_ids: pa.Array
    starts: np.ndarray
    trace: np.ndarray
    parent: np.ndarray
    label: np.ndarray
    conflict: np.ndarray
    duplicates: np.ndarray
    last: np.ndarray
    ts: np.ndarray
    type: np.ndarray
    type_names: list[str]

    @property
    def inside(self) -> np.ndarray:
        """The parent where it is in the same trace, else -1."""
        return np.where(self.label == CROSS, -1, self.parent)


def write(capture: str, path: str) -> None:
    """Reads a capture and writes the columns that `read` gives back."""
    feather.write_feather(columns(capture), path, compression="uncompressed")


def read(path: str) -> pa.Table:
    """The columns written by `write`, in memory."""
    return feather.read_table(path, memory_map=False)


def from_store(path: str) -> pa.Table:
    """The columns of a structure peer, from a store of the kit."""
    import duckdb

    with duckdb.connect(path, read_only=True) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        found: pa.Table = connection.sql(
            "SELECT id, trace_id, parent_id, type, directed_id, epoch_us(ts) AS ts FROM signals "
            "ORDER BY canonical DESC, line"
        ).to_arrow_table()
    return found


def columns(capture: str) -> pa.Table:
    """The columns `id trace_id parent_id type ts directed_id`, of equal ids the canonical row first."""
    table = msgspec_loop.read(capture).signals
    conflict = pc.fill_null(pc.list_value_length(table["flags"]), 0).to_numpy() > 0
    rank = np.zeros(table.num_rows, "S32")
    for row in np.flatnonzero(conflict):
        rank[row] = hashlib.sha256(table["raw"][int(row)].as_py().removesuffix("\n").encode()).digest()
    return table.select(_COLUMNS).take(pa.array(np.argsort(rank, kind="stable"))).combine_chunks()


def prepare(table: pa.Table) -> Events:
    """Events as numbers, with all that needs no walk over a graph."""
    ids, parents, traces = (table[name].combine_chunks() for name in ("id", "parent_id", "trace_id"))
    both = pa.chunked_array([ids, parents]).dictionary_encode()  # one hash table; ids have the codes below n
    codes = both.chunk(0).indices.to_numpy()
    n = int(codes.max(initial=-1)) + 1
    rows_of = np.bincount(codes, minlength=n)
    rows = np.arange(n) if n == len(codes) else np.unique(codes, return_index=True)[1]  # the canonical row of each code
    traces = traces.dictionary_encode()
    trace = traces.indices.to_numpy()[rows].astype(np.int64)
    kinds = table["type"].combine_chunks().dictionary_encode()
    names = kinds.dictionary.to_pylist()
    names += ["TASK"] * ("TASK" not in names)
    kind = kinds.indices.to_numpy()[rows]
    ts = pc.fill_null(table["ts"].combine_chunks().cast(pa.int64()), NO_TIME).to_numpy()[rows]
    asked = pc.fill_null(both.chunk(1).indices, -1).to_numpy()[rows].astype(np.int64)  # the parent's code

    orphans = np.flatnonzero(asked >= n)
    awarded = np.flatnonzero(kind == names.index("TASK_AWARDED")) if "TASK_AWARDED" in names else orphans[:0]
    neurons = table["directed_id"].combine_chunks()
    seen = _Seen(awarded, orphans, asked, trace, ts, [names[k] for k in kind[orphans].tolist()], ids, neurons, rows)
    phantoms = _phantoms(seen)
    award = np.fromiter(phantoms.values(), np.int64, len(phantoms))
    slot = {code: n + number for number, code in enumerate(phantoms)}
    parent = np.concatenate([asked, award])
    parent[orphans] = [slot.get(code, -1) for code in asked[orphans].tolist()]

    trace = np.concatenate([trace, trace[award]])
    order = np.argsort(trace, kind="stable")
    place = np.empty(len(order) + 1, np.int64)
    place[order] = np.arange(len(order))
    place[-1] = -1
    trace, parent = trace[order], place[parent][order]
    starts = np.searchsorted(trace, np.arange(len(traces.dictionary) + 1))
    last = place[_last(trace_of=traces.indices.to_numpy()[rows], ts=ts, ids=ids, rows=rows, traces=len(starts) - 1)]

    here = np.arange(len(parent))
    label = np.full(len(parent), ATTACHED, np.int8)
    label[(parent >= 0) & (trace[parent] != trace)] = CROSS
    label[place[:n][asked < 0]] = ROOT
    label[place[orphans[parent[place[orphans]] < 0]]] = MISSING
    label[place[n:-1]] = PHANTOM
    label[parent == here] = SELF
    parent[parent == here] = -1
    _cut_rings(parent, label, np.flatnonzero(label == CROSS))
    surplus = np.bincount(traces.indices.to_numpy()[rows], rows_of - 1, len(starts) - 1).astype(np.int64)
    more = len(award)
    return Events(
        traces.dictionary, starts, trace, parent, label, np.pad(rows_of > 1, (0, more))[order], surplus, last,
        np.concatenate([ts, ts[award]])[order],
        np.pad(kind, (0, more), constant_values=names.index("TASK"))[order],
        names,
    )  # fmt: skip


def _last(trace_of: np.ndarray, ts: np.ndarray, ids: pa.Array, rows: np.ndarray, traces: int) -> np.ndarray:
    """The last stamped event of each trace by (ts, id), or -1."""
    latest = np.full(traces, NO_TIME)
    np.maximum.at(latest, trace_of, ts)
    tied = np.flatnonzero((ts == latest[trace_of]) & (ts != NO_TIME))
    last = np.full(traces, -1, np.int64)
    last[trace_of[tied]] = tied
    several = tied[np.bincount(trace_of[tied], minlength=traces)[trace_of[tied]] > 1]
    for event in sorted(several.tolist(), key=lambda event: ids[int(rows[event])].as_py()):
        last[trace_of[event]] = event
    return last


class _Seen(NamedTuple):
    """What `_phantoms` looks at: events by code, `kinds` by orphan, `ids` and `neurons` by row."""

    awarded: np.ndarray
    orphans: np.ndarray
    asked: np.ndarray
    trace: np.ndarray
    ts: np.ndarray
    kinds: list[str]
    ids: pa.Array
    neurons: pa.Array
    rows: np.ndarray


def _phantoms(seen: _Seen) -> dict[int, int]:
    """The award of each phantom: {code of the unknown parent: code of the award} (spec 5.3).

    What comes before an award has no phantom for a parent. Else an award counts whose winner has sent a
    signal with this parent, or the only one of the trace if it is not later than the first of them; the
    latest that is not too late wins.
    """

    def text(column: pa.Array, event: int) -> str | None:
        return column[int(seen.rows[event])].as_py()

    awards: dict[int, list[tuple[int, str, str, int]]] = defaultdict(list)
    for event in seen.awarded.tolist():
        told = (int(seen.ts[event]), text(seen.ids, event) or "", text(seen.neurons, event) or "", event)
        awards[int(seen.trace[event])].append(told)
    groups: dict[int, list[tuple[int, str]]] = defaultdict(list)
    for event, kind in zip(seen.orphans.tolist(), seen.kinds, strict=True):
        groups[int(seen.asked[event])].append((event, kind))
    chosen: dict[int, int] = {}
    for code, children in groups.items():
        if any(kind in _UPSTREAM for _, kind in children):
            continue
        first = min((int(seen.ts[event]) for event, _ in children if seen.ts[event] != NO_TIME), default=NO_TIME)
        found: list[tuple[bool, int, str, int]] = []
        for event, kind in children:
            rivals = awards.get(int(seen.trace[event]), [])
            for ts, name, winner, award in rivals:
                late = NO_TIME not in (ts, first) and ts > first
                by_winner = kind not in _REQUESTS and winner == text(seen.neurons, event)
                if by_winner or (len(rivals) == 1 and not late):
                    found.append((NO_TIME not in (ts, first) and not late, ts, name, award))
        if found:
            chosen[code] = max(found)[-1]
    return chosen


def _cut_rings(parent: np.ndarray, label: np.ndarray, crossing: np.ndarray) -> None:
    """Labels and cuts rings that run through several traces: each holds an edge that crosses."""
    count = len(parent)
    done: set[int] = set()
    for start in crossing.tolist():
        path: dict[int, None] = {}
        event = start
        while 0 <= event < count and event not in path and event not in done:
            path[event] = None
            event = int(parent[event])
        if event in path:
            steps = list(path)
            ring = steps[steps.index(event) :]
            label[ring] = CYCLE
            parent[ring] = -1
        done.update(path)


def result(
    events: Events,
    label: np.ndarray,
    parent: np.ndarray,
    depth: np.ndarray,
    width: np.ndarray,
    critical: np.ndarray,
    top: np.ndarray,
) -> dict[str, Any]:
    """The result of a peer: totals, an array over the traces for each figure, and one over the events for
    some.

    `label` has the rings, `parent` has them cut, `critical` is the length of the critical path in events and
    `top` its first event. Traces are as in `trace_id`, events sorted by trace. """  # fmt: skip
    label = np.where(events.conflict & (label > CYCLE), CONFLICT, label)
    edge = np.flatnonzero(parent >= 0)
    children = np.bincount(parent[edge], minlength=len(parent))
    first, last = events.ts[top], events.ts[events.last]
    timed = (events.last >= 0) & (first != NO_TIME)
    traces = len(events.duplicates)
    per_label = np.bincount(events.trace * len(LABELS) + label, minlength=traces * len(LABELS))
    per_trace = per_label.reshape(-1, len(LABELS))
    return {
        "labels": {name: int(total) for name, total in zip(LABELS, per_trace.sum(axis=0), strict=True)},
        "n_edges": len(edge),
        "max_depth": int(depth.max(initial=0)),
        "sum_depth": int(depth.sum()),
        "max_children": int(children.max(initial=0)),
        "latency_us": _latencies(events, edge, parent),
        "trace_id": events.trace_ids,
        "roots": per_trace[:, ROOT],
        "missing": per_trace[:, MISSING],
        "cycles": per_trace[:, CYCLE] + per_trace[:, SELF],
        "duplicates": events.duplicates,
        "depth": np.maximum.reduceat(depth, events.starts[:-1]),
        "width": width,
        "critical_events": critical,
        "critical_us": np.where(timed, last - np.where(timed, first, 0), 0),
        "event_label": label,
        "event_depth": depth,
        "event_children": children,
    }


def _latencies(events: Events, edge: np.ndarray, cause: np.ndarray) -> dict[str, tuple[int, int, int]]:
    """(count, sum, maximum) of microseconds by "CAUSE>EFFECT", unstamped events left out."""
    edge = edge[(events.ts[edge] != NO_TIME) & (events.ts[cause[edge]] != NO_TIME)]
    waited = events.ts[edge] - events.ts[cause[edge]]
    names = events.type_names
    key = events.type[cause[edge]].astype(np.int64) * len(names) + events.type[edge]
    order = np.argsort(key, kind="stable")
    found, begin, count = np.unique(key[order], return_index=True, return_counts=True)
    if not len(found):
        return {}
    total, largest = np.add.reduceat(waited[order], begin), np.maximum.reduceat(waited[order], begin)
    return {
        f"{names[pair // len(names)]}>{names[pair % len(names)]}": (int(n), int(s), int(m))
        for pair, n, s, m in zip(found.tolist(), count, total, largest, strict=True)
    }

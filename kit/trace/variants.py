"""Variants: workflow traces that run the same way, by the order of their events or by their causal tree."""

from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.forest import NO_TIME, Ints, Lent
from kit.trace.sequence import Sequence, sequence

Hashes = npt.NDArray[np.uint64]

VARIANTS = """
WITH told AS (
    SELECT t.run, t.trace_id, v.*, concat(printf('%016x', v.high), printf('%016x', v.low)) AS variant
    FROM variant_trace v JOIN variant_name t ON t.trace = v.trace
), total AS (
    SELECT run, count(*) AS traces FROM told GROUP BY run
), variant AS (
    SELECT run, variant, count(*) AS traces, min(trace_id) AS example, quantile_cont(us, 0.5) / 1000 AS p50_ms
    FROM told GROUP BY run, variant
), shown AS (
    SELECT n.run, n.trace_id, n.length, e.trace, string_agg(a.activity, ' > ' ORDER BY e.place) AS sequence
    FROM told n
    SEMI JOIN variant x ON x.run = n.run AND x.example = n.trace_id
    JOIN variant_event e ON e.trace = n.trace
    JOIN variant_activity a ON a.number = e.activity
    GROUP BY n.run, n.trace_id, n.length, e.trace
)
SELECT v.run, v.variant, v.traces, v.traces / total.traces AS share, v.example, s.length, s.sequence, v.p50_ms
FROM variant v
JOIN total ON total.run = v.run
JOIN shown s ON s.run = v.run AND s.trace_id = v.example
ORDER BY v.run, v.traces DESC, v.variant
"""

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
FIRST = np.uint64(0xBF58476D1CE4E5B9)
SECOND = np.uint64(0x94D049BB133111EB)


def variants(
    store: Store, run: str | None = None, by: Literal["sequence", "tree"] = "sequence", activity: str = "type"
) -> pa.Table:
    """Return `run, variant, traces, share, example, length, sequence, p50_ms`, the most frequent first.

    Two traces are one variant where their events come in the same order (`by="sequence"`, cause before time), or where
    what caused what is the same, whatever the order of siblings (`by="tree"`). `activity` is "type" or
    "type+neuron". `variant` is 32 hex digits, equal in every run, store and process; `share` is of the workflow traces
    of the run; `example` is the smallest trace id, `length` and `sequence` are its; `p50_ms` is the median of first to
    last signal. Raises ArgumentError for other words.
    """
    if by not in ("sequence", "tree"):
        raise ArgumentError(f"by={by!r}: 'sequence' or 'tree'")
    events = sequence(store, run, activity)
    hashed = tree_hashes if by == "tree" else sequence_hashes
    start = np.flatnonzero(events.first)
    known = events.us != NO_TIME
    last = np.maximum.reduceat(np.where(known, events.us, -NO_TIME), start) if len(start) else start
    early = np.minimum.reduceat(events.us, start) if len(start) else start
    timed = early != NO_TIME
    trace = events.trace[start]
    table = {
        "trace": trace,
        "high": hashed(events, 1)[trace],
        "low": hashed(events, 2)[trace],
        "length": np.diff(start, append=len(events)),
        "us": pa.array(np.where(timed, last - np.where(timed, early, 0), 0), mask=~timed),
    }
    with Lent(store) as lent:
        lent("variant_trace", pa.table(table))
        lent("variant_name", events.traces.append_column("trace", pa.array(np.arange(len(events.traces)))))
        numbers = pa.array(range(len(events.activities)), pa.int64())
        lent("variant_activity", pa.table({"number": numbers, "activity": pa.array(events.activities, pa.string())}))
        place = np.arange(len(events))
        lent("variant_event", pa.table({"trace": events.trace, "activity": events.activity, "place": place}))
        return store.arrow(VARIANTS)


def sequence_hashes(events: Sequence, lane: int) -> Hashes:
    """Return 64 bits per row of `events.traces` over its activities in order; another `lane`, other bits."""
    turn = np.arange(len(events)) - np.maximum.accumulate(np.where(events.first, np.arange(len(events)), 0))
    whole = np.zeros(len(events.traces), np.uint64)
    np.add.at(whole, events.trace, mixed(_seeds(events, lane) + mixed(turn.astype(np.uint64))))
    return mixed(whole)


def tree_hashes(events: Sequence, lane: int) -> Hashes:
    """Return 64 bits per row of `events.traces` over its tree of activities, blind to the order of siblings.

    A Merkle hash: an event's is made of its activity and of the multiset of its children's hashes (their sum after
    mixing, so nothing is sorted), a trace's of its roots'. Level by level from the deepest, in columns.
    """
    seeds = _seeds(events, lane)
    below = np.zeros(len(events), np.uint64)
    whole = np.zeros(len(events.traces), np.uint64)
    for level in _levels(events.depth):
        own = mixed(mixed(below[level]) + seeds[level])
        above = events.parent[level]
        child = above >= 0
        np.add.at(below, above[child], own[child])
        np.add.at(whole, events.trace[level[~child]], own[~child])
    return mixed(whole)


def mixed(value: Hashes) -> Hashes:
    """Return each value scattered over 64 bits (the finaliser of SplitMix64)."""
    value = value + GOLDEN
    value = (value ^ (value >> np.uint64(30))) * FIRST
    value = (value ^ (value >> np.uint64(27))) * SECOND
    return value ^ (value >> np.uint64(31))


def _seeds(events: Sequence, lane: int) -> Hashes:
    words = np.array([xxhash.xxh64_intdigest(name.encode(), lane) for name in events.activities], np.uint64)
    return words[events.activity]


def _levels(depth: Ints) -> list[Ints]:
    """Return the positions of each depth, the deepest first."""
    order = np.argsort(-depth, kind="stable")
    return np.split(order, np.flatnonzero(np.diff(depth[order])) + 1)

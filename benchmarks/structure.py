"""The full structure pass of the kit over a store, as a case for `measure.py` beside its peers.

Same answer as `peers.networkx_traces.structure` and `peers.rustworkx_traces.structure` (`peers.events.result` says what
each figure is), but the peers start from columns in memory and this starts from the file. Traces are in the order of
`trace_id` here; the peers have them in the order of their first line.
"""

from typing import Any

import numpy as np

import kit.cosmonapse  # noqa: F401  (a store reads its views from there; imports are not part of the time)
from kit.store.store import Store
from kit.trace.forest import LABELS, NO_TIME, Forest, Ints, forest
from kit.trace.traces import deepest, last_finishers, widest


def structure(path: str) -> dict[str, Any]:
    """Labels, depth, children, critical paths and edge latencies of the store at `path`."""
    with Store(path, read_only=True) as store:
        return result(forest(store))


def result(grown: Forest) -> dict[str, Any]:
    """Totals, arrays over the traces and over the events, in the order of the forest."""
    count, edge = len(grown.traces), np.flatnonzero(grown.up >= 0)
    children = np.bincount(grown.up[edge], minlength=len(grown))
    per_trace = np.bincount(grown.trace * len(LABELS) + grown.label, minlength=count * len(LABELS))
    labels = dict(zip(LABELS, per_trace.reshape(count, len(LABELS)).T, strict=True))
    repeated = np.flatnonzero(grown.surplus)
    duplicates = np.zeros(count, np.int64)
    np.add.at(duplicates, grown.trace[repeated], grown.surplus[repeated])
    last = last_finishers(grown)
    known = last >= 0
    critical_us = np.zeros(count, np.int64)
    first, final = grown.ts[grown.top[last[known]]], grown.ts[last[known]]
    critical_us[known] = np.where(first == NO_TIME, 0, final - np.where(first == NO_TIME, 0, first))
    return {
        "labels": {name: int(column.sum()) for name, column in labels.items()},
        "n_edges": len(edge),
        "max_depth": int(grown.depth.max(initial=0)),
        "sum_depth": int(grown.depth.sum()),
        "max_children": int(children.max(initial=0)),
        "latency_us": _latencies(grown, edge),
        "trace_id": grown.traces["trace_id"],
        "roots": labels["root"],
        "missing": labels["missing_parent"],
        "cycles": labels["cycle"] + labels["self_parent"],
        "duplicates": duplicates,
        "depth": deepest(grown),
        "width": widest(grown),
        "critical_events": np.where(known, grown.depth[last] + 1, 0),
        "critical_us": critical_us,
        "event_label": grown.label,
        "event_depth": grown.depth,
        "event_children": children,
    }


def _latencies(grown: Forest, edge: Ints) -> dict[str, tuple[int, int, int]]:
    """(count, sum, maximum) of microseconds by "CAUSE>EFFECT", unstamped events left out."""
    waited = grown.latency[edge]
    edge, waited = edge[waited != NO_TIME], waited[waited != NO_TIME]
    kinds = len(grown.types)
    pair = grown.type[grown.up[edge]] * kinds + grown.type[edge]
    count = np.bincount(pair, minlength=kinds * kinds)
    total, largest = np.zeros_like(count), np.full_like(count, np.iinfo(np.int64).min)
    np.add.at(total, pair, waited)
    np.maximum.at(largest, pair, waited)
    return {
        f"{grown.types[k // kinds]}>{grown.types[k % kinds]}": (int(count[k]), int(total[k]), int(largest[k]))
        for k in np.flatnonzero(count).tolist()
    }

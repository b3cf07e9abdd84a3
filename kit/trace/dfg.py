"""The directly-follows graph: which activity comes right after which, over all workflow traces."""

from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import NO_TIME, Lent
from kit.trace.sequence import Sequence, sequence

if TYPE_CHECKING:
    import networkx as nx

TIMES = ("p50_ms", "p90_ms", "min_ms", "max_ms")

FOLLOWS = """
SELECT t.run, b.activity AS "from", a.activity AS "to", count(*) AS count, quantile_cont(s.us, 0.5) / 1000 AS p50_ms,
       quantile_cont(s.us, 0.9) / 1000 AS p90_ms, min(s.us) / 1000 AS min_ms, max(s.us) / 1000 AS max_ms
FROM dfg_step s
JOIN dfg_trace t ON t.trace = s.trace
JOIN dfg_activity b ON b.number = s.before
JOIN dfg_activity a ON a.number = s.activity
GROUP BY t.run, b.activity, a.activity
ORDER BY t.run, b.activity, a.activity
"""

OCCURRENCES = """
SELECT t.run, a.activity, count(*) AS count, count(*) FILTER (e.first) AS starts, count(*) FILTER (e.last) AS ends
FROM dfg_event e
JOIN dfg_trace t ON t.trace = e.trace
JOIN dfg_activity a ON a.number = e.activity
GROUP BY t.run, a.activity
ORDER BY t.run, a.activity
"""


def dfg(store: Store, run: str | None = None, activity: str = "type") -> pa.Table:
    """Return `run, from, to, count, p50_ms, p90_ms, min_ms, max_ms`: `to` comes right after `from` on a trace.

    The order is cause before time (`sequence`), so a time is negative where a clock was behind; it is left out where
    a stamp is missing. `activity` is "type" or "type+neuron". Only workflow traces count; a delegated trace is a trace
    of its own.
    """
    return follows(store, sequence(store, run, activity))


def activities(store: Store, run: str | None = None, activity: str = "type") -> pa.Table:
    """Return `run, activity, count, starts, ends`: how often each occurs, opens and closes a workflow trace."""
    return occurrences(store, sequence(store, run, activity))


def dfg_graph(store: Store, run: str | None = None, activity: str = "type") -> "nx.DiGraph[str]":
    """Return the graph as a `networkx.DiGraph`; nodes carry `count, starts, ends`, edges `count` and the times in ms.

    With several runs in the store and `run=None`, counts are summed and the times of shared edges left out.
    """
    import networkx as nx

    events = sequence(store, run, activity)
    graph: nx.DiGraph[str] = nx.DiGraph()
    for row in occurrences(store, events).to_pylist():
        held = graph.nodes.get(row["activity"], {})
        graph.add_node(row["activity"], **{key: held.get(key, 0) + row[key] for key in ("count", "starts", "ends")})
    for row in follows(store, events).to_pylist():
        ends = row["from"], row["to"]
        if graph.has_edge(*ends):
            count = graph.edges[ends]["count"] + row["count"]
            graph.remove_edge(*ends)
            graph.add_edge(*ends, count=count)
        else:
            graph.add_edge(*ends, count=row["count"], **{key: row[key] for key in TIMES})
    return graph


def follows(store: Store, events: Sequence) -> pa.Table:
    """Return the rows of `dfg` over ordered events."""
    after = np.flatnonzero(~events.first)
    timed = (events.us[after] != NO_TIME) & (events.us[after - 1] != NO_TIME)
    step = {
        "trace": events.trace[after],
        "before": events.activity[after - 1],
        "activity": events.activity[after],
        "us": pa.array(np.where(timed, events.us[after] - np.where(timed, events.us[after - 1], 0), 0), mask=~timed),
    }
    with _Names(store, events) as lent:
        lent("dfg_step", pa.table(step))
        return store.arrow(FOLLOWS)


def occurrences(store: Store, events: Sequence) -> pa.Table:
    """Return the rows of `activities` over ordered events."""
    first = events.first
    last = np.concatenate([first[1:], [True]])[: len(first)]
    with _Names(store, events) as lent:
        lent("dfg_event", pa.table({"trace": events.trace, "activity": events.activity, "first": first, "last": last}))
        return store.arrow(OCCURRENCES)


class _Names(Lent):
    """Lend the names of traces and activities."""

    def __init__(self, store: Store, events: Sequence) -> None:
        super().__init__(store)
        numbers = pa.array(range(len(events.activities)), pa.int64())
        self("dfg_activity", pa.table({"number": numbers, "activity": pa.array(events.activities, pa.string())}))
        self("dfg_trace", events.traces.append_column("trace", pa.array(np.arange(len(events.traces)))))

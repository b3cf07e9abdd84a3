"""Times from cause to effect, and how many effects a cause has."""

import numpy as np
import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import NO_TIME, Forest, Lent, forest

LATENCY = """
SELECT t.run, e.parent_type, e.type, s.directed_id AS neuron, count(*) AS count,
       quantile_cont(e.us, 0.5) / 1000 AS p50_ms, quantile_cont(e.us, 0.9) / 1000 AS p90_ms,
       quantile_cont(e.us, 0.99) / 1000 AS p99_ms, max(e.us) / 1000 AS max_ms
FROM latency_edge e
JOIN latency_trace t ON t.trace = e.trace
JOIN signals s ON s.rowid = e.row
GROUP BY t.run, e.parent_type, e.type, s.directed_id
ORDER BY t.run, e.parent_type, e.type, neuron NULLS LAST
"""

FAN_OUT = """
SELECT t.run, e.type, e.children, count(*) AS events
FROM fan_event e JOIN fan_trace t ON t.trace = e.trace
GROUP BY t.run, e.type, e.children
ORDER BY t.run, e.type, e.children
"""


def latency(store: Store, run: str | None = None) -> pa.Table:
    """Return `run, parent_type, type, neuron, count, p50_ms, p90_ms, p99_ms, max_ms`, one row per kind of edge.

    The time is from the parent's stamp to the signal's, negative where clocks disagree. `neuron` is the signal's
    `directed.id`: who produced an answer, or who is asked. Delegation to another trace is an edge like any other. Work
    on an award counts from the award, as the answer to a TASK (spec/cosmonapse.md 5.3). Left out are edges without a
    stamp at both ends, and parents that are not in the run or on a ring. Percentiles interpolate linearly.
    """
    wood = forest(store, run)
    edge = np.flatnonzero((wood.row >= 0) & (wood.latency != NO_TIME))
    table = {
        "row": wood.row[edge],
        "trace": wood.trace[edge],
        "parent_type": _words(wood, wood.type[wood.up[edge]]),
        "type": _words(wood, wood.type[edge]),
        "us": wood.latency[edge],
    }
    with Lent(store) as lent:
        lent("latency_edge", pa.table(table))
        lent("latency_trace", numbered(wood))
        return store.arrow(LATENCY)


def fan_out(store: Store, run: str | None = None) -> pa.Table:
    """Return how many events of a type have how many children: `run, type, children, events`.

    Children are the events that name it as their parent, on any trace of the run; 0 is a row too. The unpublished
    TASK of an award is an event here: a child of its award, and a TASK with children (spec/cosmonapse.md 5.3).
    """
    wood = forest(store, run)
    table = {"trace": wood.trace, "type": _words(wood, wood.type), "children": wood.children}
    with Lent(store) as lent:
        lent("fan_event", pa.table(table))
        lent("fan_trace", numbered(wood))
        return store.arrow(FAN_OUT)


def numbered(wood: Forest) -> pa.Table:
    """Return the traces of a forest with their number: `run, trace_id, trace`."""
    return wood.traces.append_column("trace", pa.array(np.arange(len(wood.traces))))


def _words(wood: Forest, numbers: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(numbers), pa.array(wood.types, pa.string()))

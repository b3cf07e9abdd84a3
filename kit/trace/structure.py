"""The structure of traces as a table: one row per event with its label and depth, and what share the labels cover."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.forest import LABELS, NO_TIME, Forest, forest, ints

_TEXTS = """
SELECT rowid AS row, run, id, trace_id, parent_id, type FROM signals
WHERE canonical AND ($run IS NULL OR run = $run)
"""

SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("trace_id", pa.string()),
        ("label", pa.string()),
        ("parent_id", pa.string()),
        ("depth", pa.int64()),
        ("run", pa.string()),
        ("type", pa.string()),
        ("children", pa.int64()),
        ("latency_us", pa.int64()),
    ]
)


def structure(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per event: id, trace_id, label, parent_id, depth, run, type, children, latency_us.

    Rows are in (run, ts, id) order; phantoms (the unpublished TASK of an award, spec/cosmonapse.md 5.3) come last, in
    (run, id) order. An id with conflicting rows is one event. The label is the first that holds of `self_parent`,
    `cycle`, `conflicting_duplicate`, `phantom`, `cross_trace`, `missing_parent`, `root`, `attached`.

    `parent_id` is as published, for a phantom its award. `depth` counts the steps up within the trace: 0 for a
    root, for an event whose parent is missing, is itself or is in another trace, and for every member of a ring of
    parents; an event that hangs off a ring counts from there. `children` counts the events that name this one.
    `latency_us` is the time from the parent, negative where clocks disagree, NULL where it is unknown.
    """
    grown = forest(store, run)
    columns: dict[str, object] = {
        **_texts(store, grown, run),
        "label": labels(grown),
        "depth": pa.array(grown.depth),
        "children": pa.array(grown.children),
        "latency_us": pa.array(grown.latency, mask=grown.latency == NO_TIME),
    }
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def coverage(table: pa.Table) -> dict[str, dict[str, float]]:
    """Return per label of a `structure` table how many events have it and their share, in precedence order.

    `placed` sums the labels with a known place in a trace: root, attached, phantom and cross_trace. Shares of an empty
    table are 0.
    """
    counted = {str(item["values"]): int(item["counts"]) for item in pc.value_counts(table["label"]).to_pylist()}
    counts = {name: counted.get(name, 0) for name in LABELS}
    counts["placed"] = sum(counts[name] for name in ("phantom", "cross_trace", "root", "attached"))
    total = max(table.num_rows, 1)
    return {name: {"events": count, "share": count / total} for name, count in counts.items()}


def labels(grown: Forest) -> pa.Array:
    """Return the label of each event as text."""
    return pa.DictionaryArray.from_arrays(pa.array(grown.label.astype(np.int8)), pa.array(LABELS)).cast(pa.string())


def _texts(store: Store, grown: Forest, run: str | None) -> dict[str, pa.ChunkedArray]:
    """Return run, id, trace_id, parent_id and type in the order of the forest."""
    names = ["run", "id", "trace_id", "parent_id", "type"]
    found = store.arrow(_TEXTS, {"run": run})
    row = ints(found["row"])
    slot = np.empty(int(row.max(initial=-1)) + 1, dtype=np.int64)
    slot[row] = np.arange(len(row))
    events = found.select(names).take(pa.array(slot[grown.row[: len(row)]]))
    phantoms = grown.phantoms.append_column("type", pa.array(["TASK"] * len(grown.phantoms), pa.string()))
    both = pa.concat_tables([events, phantoms.select(names)])
    return {name: both[name] for name in names}

"""Do runs of the same task take the same way? (spec/cosmonapse.md 8)"""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.forest import Forest, Ints, Lent, forest
from kit.trace.metrics.edges import numbered

SIGNATURES = """
WITH node AS (
    SELECT e.place, e.trace, e.up, s.type, s.directed_id, coalesce(s.directed_id, s.directed_type) AS name, s.ts, s.id,
           CASE WHEN s.type IN ('TASK', 'TASK_OFFER') THEN s.payload END AS payload
    FROM consistency_event e JOIN signals s ON s.rowid = e.row
    UNION ALL
    SELECT place, trace, up, 'TASK', directed_id, directed_id, ts, id, NULL FROM consistency_phantom
), first AS (
    SELECT trace, first(payload ORDER BY ts, id) AS payload, first(name ORDER BY ts, id) AS target
    FROM node WHERE payload IS NOT NULL GROUP BY trace
), field AS (
    SELECT trace,
           coalesce(target, array_to_string(TRY_CAST(payload -> '$.capabilities' AS VARCHAR[]), ', '), '') AS target,
           coalesce(nullif(payload -> '$.input', 'null'), nullif(payload -> '$.prompt', 'null'),
               nullif(payload -> '$.task', 'null'), nullif(payload -> '$.description', 'null'),
               nullif(payload -> '$.goal', 'null')) AS input
    FROM first
), prompt AS (
    SELECT trace, target, CASE json_type(input) WHEN 'VARCHAR' THEN input ->> '$' WHEN 'OBJECT' THEN coalesce(
        CASE json_type(input, '$.prompt') WHEN 'VARCHAR' THEN input ->> '$.prompt' END,
        CASE json_type(input, '$.task') WHEN 'VARCHAR' THEN input ->> '$.task' END,
        CASE json_type(input, '$.text') WHEN 'VARCHAR' THEN input ->> '$.text' END,
        CASE json_type(input, '$.query') WHEN 'VARCHAR' THEN input ->> '$.query' END,
        CASE json_type(input, '$.goal') WHEN 'VARCHAR' THEN input ->> '$.goal' END,
        CASE json_type(input, '$.description') WHEN 'VARCHAR' THEN input ->> '$.description' END) END AS text
    FROM field
), named AS (
    SELECT trace, target, left(trim(regexp_replace(lower(text), '\\s+', ' ', 'g')), 200) AS text FROM prompt
), grouped AS (
    SELECT t.run, n.trace, CASE WHEN coalesce(n.text, '') <> '' THEN 'prompt' ELSE 'target' END AS grouping,
           CASE WHEN coalesce(n.text, '') <> '' THEN n.text ELSE n.target END AS key
    FROM named n JOIN consistency_trace t ON t.trace = n.trace
), way AS (
    SELECT DISTINCT c.trace, CASE
        WHEN c.type IN ('TASK', 'TOOL_CALL', 'RECALL', 'IMPRINT')
            THEN concat(coalesce(p.name, 'caller'), '->', coalesce(c.name, 'anybody'))
        ELSE concat(coalesce(c.name, 'nobody'), '->', coalesce(q.name, 'caller')) END || CASE c.type
        WHEN 'TASK' THEN '#task' WHEN 'AGENT_OUTPUT' THEN '#output' WHEN 'TOOL_CALL' THEN '#tool'
        WHEN 'TOOL_RESULT' THEN '#tool reply' WHEN 'RECALL' THEN '#recall' WHEN 'RECALLED' THEN '#recall reply'
        WHEN 'IMPRINT' THEN '#imprint' ELSE '#imprint reply' END AS edge
    FROM node c
    LEFT JOIN node p ON p.place = c.up
    LEFT JOIN node q ON q.place = p.up
    WHERE c.type IN ('TASK', 'TOOL_CALL', 'TOOL_RESULT', 'RECALL', 'RECALLED', 'IMPRINT', 'IMPRINTED', 'AGENT_OUTPUT')
), signed AS (
    SELECT g.run, g.grouping, g.key, g.trace, coalesce(list(w.edge ORDER BY w.edge) FILTER (w.edge IS NOT NULL), [])
        AS signature
    FROM grouped g LEFT JOIN way w ON w.trace = g.trace
    GROUP BY g.run, g.grouping, g.key, g.trace
)
SELECT run, grouping, key, signature, count(*) AS traces
FROM signed GROUP BY run, grouping, key, signature
ORDER BY run, grouping, key, signature
"""

SCORES = """
WITH score AS (
    SELECT run, grouping, key, traces, signatures, traces * (traces - 1) // 2 AS pairs, total FROM consistency_group
), every AS (
    SELECT run, 'all' AS grouping, NULL AS key, sum(traces)::BIGINT AS traces, sum(signatures)::BIGINT AS signatures,
           sum(pairs)::BIGINT AS pairs, list_sum(list(total ORDER BY grouping, key)) AS total
    FROM score GROUP BY run
)
SELECT run, grouping, key, traces, signatures, pairs, total / nullif(pairs, 0) AS score
FROM (FROM score UNION ALL FROM every)
ORDER BY run, grouping = 'all', traces DESC, grouping, key
"""

BLOCK = 4_000_000
"""Pairs of signatures that are compared at a time: some 100 MB."""


def consistency(store: Store, run: str | None = None) -> pa.Table:
    """Return `run, grouping, key, traces, signatures, pairs, score`: how alike the ways of equal tasks are.

    Workflow traces are grouped by the prompt of their first TASK or TASK_OFFER (`grouping` "prompt", `key` in lower
    case, spaces collapsed, 200 characters), or where it has no text by its target ("target": neuron, kind, or
    capabilities asked for). A trace's signature
    is its set of edges `from->to#channel` over task, tool, recall, imprint, output; replies are channels of their own,
    and awarded work is a task from who made the offer.
    `score` is the mean Jaccard similarity over all pairs of a group, 1 for always the same way, NULL without a
    pair; two empty signatures are equal. Per run, the last row ("all") is the mean weighted by pairs.
    Rule: spec/cosmonapse.md 8. Delegated traces are traces of their own.
    """
    wood = forest(store, run)
    here = np.arange(len(wood))
    published = wood.row >= 0
    table = pa.table({"place": here, "row": wood.row, "trace": wood.trace, "up": wood.up})
    hidden = {"place": here[~published], "trace": wood.trace[~published], "up": _offering(wood, wood.up[~published])}
    phantoms = wood.phantoms.select(["id", "directed_id", "ts"])
    with Lent(store) as lent:
        lent("consistency_event", table.filter(pa.array(published)))
        for name, values in hidden.items():
            phantoms = phantoms.append_column(name, pa.array(values))
        lent("consistency_phantom", phantoms)
        lent("consistency_trace", numbered(wood))
        kinds = store.arrow(SIGNATURES)
    with Lent(store) as lent:
        lent("consistency_group", _groups(kinds))
        return store.arrow(SCORES)


def similarity(edges: Ints, sizes: Ints, weights: Ints) -> float:
    """Return the sum of the Jaccard similarity over all pairs of traces.

    `edges` are the edge numbers of all signatures one after the other, `sizes` how many belong to each, `weights` how
    many traces have it. The overlaps are a product of 0/1 matrices, exact in 32-bit floats, block by block.

    >>> similarity(np.array([0, 1, 0]), np.array([2, 1]), np.array([1, 2]))
    2.0
    """
    alike = float(np.sum(weights * (weights - 1) // 2))
    if len(sizes) < 2:
        return alike
    universe, local = np.unique(edges, return_inverse=True)
    member = np.zeros((len(sizes), max(len(universe), 1)), np.float32)
    member[np.repeat(np.arange(len(sizes)), sizes), local] = 1
    others = 0.0
    height = max(1, BLOCK // len(sizes))
    for start in range(0, len(sizes), height):
        rows = slice(start, start + height)
        common = (member[rows] @ member[start:].T).astype(np.float64)
        united = sizes[rows, None] + sizes[None, start:] - common
        jaccard = np.where(united > 0, common / np.maximum(united, 1), 1.0)
        pairs = np.triu(weights[rows, None] * weights[None, start:], 1)
        others += float(np.sum(jaccard * pairs))
    return alike + others


def _groups(kinds: pa.Table) -> pa.Table:
    """Return `run, grouping, key, traces, signatures, total` of the rows of SIGNATURES, one row per group."""
    signature = kinds["signature"].combine_chunks()
    edges = pc.list_flatten(signature).dictionary_encode().indices.to_numpy().astype(np.int64)
    sizes = pc.list_value_length(signature).to_numpy().astype(np.int64)
    weights = kinds["traces"].to_numpy().astype(np.int64)
    names = kinds.select(["run", "grouping", "key"])
    coded = [pc.rank(column, tiebreaker="dense").to_numpy() for column in names.columns] if len(kinds) else []
    changed = [np.diff(column) != 0 for column in coded]
    start = np.flatnonzero(np.concatenate([[True], np.any(changed, axis=0)])) if coded else np.zeros(0, np.int64)
    ends = np.append(start[1:], len(kinds))[: len(start)]
    offset = np.concatenate([[0], np.cumsum(sizes)])
    total = [
        similarity(edges[offset[low] : offset[high]], sizes[low:high], weights[low:high])
        for low, high in zip(start.tolist(), ends.tolist(), strict=True)
    ]
    groups = names.take(pa.array(start))
    traces = np.add.reduceat(weights, start) if len(start) else start
    return (
        groups.append_column("traces", pa.array(traces, pa.int64()))
        .append_column("signatures", pa.array(ends - start, pa.int64()))
        .append_column("total", pa.array(total, pa.float64()))
    )


def _offering(wood: Forest, award: Ints) -> Ints:
    """Return the event in which each award's offer was made (award, bid, offer, and one up), or -1."""
    place = award
    for _ in range(3):
        place = np.where(place >= 0, wood.up[place], -1) if len(wood) else place
    return place

"""Do runs of the same task take the same way? (spec/cosmonapse.md 8)"""

import numpy as np
import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import Forest, Ints, Lent, forest
from kit.trace.metrics.edges import numbered

CONSISTENCY = """
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
), kind AS (
    SELECT run, grouping, key, signature, count(*) AS traces, row_number() OVER (ORDER BY run, grouping, key, signature)
        AS number
    FROM signed GROUP BY run, grouping, key, signature
), edge AS (
    SELECT run, grouping, key, number, traces, len(signature) AS size, unnest(signature) AS edge FROM kind
), overlap AS (
    SELECT a.run, a.grouping, a.key, count(*) AS common, a.size + b.size - count(*) AS united,
           a.traces * b.traces AS pairs
    FROM edge a JOIN edge b
      ON b.run = a.run AND b.grouping = a.grouping AND b.key = a.key AND b.edge = a.edge AND b.number > a.number
    GROUP BY a.run, a.grouping, a.key, a.number, b.number, a.size, b.size, a.traces, b.traces
    UNION ALL
    SELECT run, grouping, key, 1, 1, traces * (traces - 1) // 2 FROM kind WHERE traces > 1
), alike AS (
    SELECT run, grouping, key, common, united, sum(pairs)::BIGINT AS pairs FROM overlap GROUP BY ALL
), size AS (
    SELECT run, grouping, key, sum(traces)::BIGINT AS traces, count(*) AS signatures FROM kind GROUP BY ALL
), score AS (
    SELECT s.run, s.grouping, s.key, s.traces, s.signatures, s.traces * (s.traces - 1) // 2 AS pairs,
           coalesce((list_sum(list(a.pairs * (a.common / a.united) ORDER BY a.common, a.united)
               FILTER (a.pairs IS NOT NULL))), 0.0) AS total
    FROM size s
    LEFT JOIN alike a ON a.run = s.run AND a.grouping = s.grouping AND a.key = s.key
    GROUP BY s.run, s.grouping, s.key, s.traces, s.signatures
), every AS (
    SELECT run, 'all' AS grouping, NULL AS key, sum(traces)::BIGINT AS traces, sum(signatures)::BIGINT AS signatures,
           sum(pairs)::BIGINT AS pairs, list_sum(list(total ORDER BY grouping, key)) AS total
    FROM score GROUP BY run
)
SELECT run, grouping, key, traces, signatures, pairs, total / nullif(pairs, 0) AS score
FROM (FROM score UNION ALL FROM every)
ORDER BY run, grouping = 'all', traces DESC, grouping, key
"""


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
        return store.arrow(CONSISTENCY)


def _offering(wood: Forest, award: Ints) -> Ints:
    """Return the event in which each award's offer was made (award, bid, offer, and one up), or -1."""
    place = award
    for _ in range(3):
        place = np.where(place >= 0, wood.up[place], -1) if len(wood) else place
    return place

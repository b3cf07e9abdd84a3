"""How often memory answered, and with what: recalls and imprints of each engram."""

import pyarrow as pa

from kit.store.store import Store

MEMORY = """
WITH s AS (
    SELECT run, id, parent_id, type, directed_id, directed_type, epoch_us(ts) AS us, payload
    FROM signals
    WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run)
      AND type IN ('RECALL', 'RECALLED', 'IMPRINT', 'IMPRINTED')
), request AS (
    SELECT run, id, type, directed_id, directed_type, us,
           TRY_CAST(payload ->> '$.deadline_ms' AS BIGINT) * 1000 AS deadline
    FROM s WHERE type IN ('RECALL', 'IMPRINT')
), answer AS (
    SELECT run, parent_id, type, coalesce(payload ->> '$.engram_id', directed_id) AS engram,
           min(directed_type) AS kind, min(us) AS us,
           bool_or(coalesce(json_array_length(payload, '$.hits'), 0) > 0) AS hit,
           bool_and((payload ->> '$.error') IS NOT NULL) AS failed
    FROM s WHERE type IN ('RECALLED', 'IMPRINTED')
    GROUP BY ALL
), pair AS (
    SELECT q.run, q.type, coalesce(a.engram, q.directed_id) AS engram, coalesce(a.kind, q.directed_type) AS kind,
           a.parent_id IS NOT NULL AS answered, a.hit, a.failed, a.us - q.us AS took,
           a.us - q.us > q.deadline AS late
    FROM request q
    LEFT JOIN answer a ON a.run = q.run AND a.parent_id = q.id AND a.type = q.type || 'ED'
)
SELECT run, engram, min(kind) AS kind,
       count(*) FILTER (type = 'RECALL') AS recalls,
       count(*) FILTER (type = 'RECALL' AND answered) AS answered,
       count(*) FILTER (type = 'RECALL' AND answered AND NOT failed AND hit) AS hits,
       count(*) FILTER (type = 'RECALL' AND answered AND NOT failed AND NOT hit) AS misses,
       count(*) FILTER (type = 'RECALL' AND answered AND failed) AS recall_errors,
       count(*) FILTER (type = 'RECALL' AND NOT answered) AS unanswered,
       count(*) FILTER (type = 'RECALL' AND answered AND late) AS late,
       count(*) FILTER (type = 'RECALL' AND answered AND NOT failed AND hit)
           / nullif(count(*) FILTER (type = 'RECALL' AND answered), 0) AS hit_rate,
       quantile_cont(took, 0.5) FILTER (type = 'RECALL') / 1000 AS recall_p50_ms,
       quantile_cont(took, 0.9) FILTER (type = 'RECALL') / 1000 AS recall_p90_ms,
       count(*) FILTER (type = 'IMPRINT') AS imprints,
       count(*) FILTER (type = 'IMPRINT' AND answered AND NOT failed) AS imprints_ok,
       count(*) FILTER (type = 'IMPRINT' AND answered AND failed) AS imprint_errors,
       count(*) FILTER (type = 'IMPRINT' AND NOT answered) AS imprints_unanswered,
       quantile_cont(took, 0.5) FILTER (type = 'IMPRINT') / 1000 AS imprint_p50_ms,
       quantile_cont(took, 0.9) FILTER (type = 'IMPRINT') / 1000 AS imprint_p90_ms
FROM pair
GROUP BY run, engram, CASE WHEN engram IS NULL THEN kind END
ORDER BY run, engram NULLS LAST, kind NULLS LAST
"""


def memory(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per engram: `run, engram, kind, recalls, answered, hits, misses, ...` and p50/p90 in ms.

    A request is paired with its answers by `parent_id` alone; nothing is guessed. A RECALL to a kind
    counts once for each engram that answered, so `recalls` may add up to more than the signals; one that
    nobody answered counts under the engram it named, or under `engram` NULL of its kind.

    `answered = hits + misses + recall_errors` and `recalls = answered + unanswered`; `late` are the
    answered ones that took longer than the RECALL's `deadline_ms`. `imprints = imprints_ok +
    imprint_errors + imprints_unanswered`. `hit_rate` is hits over answered, NULL without answers; times are
    request to first answer, NULL where a stamp is missing. Rules: spec/cosmonapse.md 5.7.
    """
    return store.arrow(MEMORY, {"run": run})

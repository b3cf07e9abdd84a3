"""The market: one row per TASK_OFFER, and what each neuron bid, won and lost."""

import pyarrow as pa

from kit.store.store import Store

AUCTIONS = """
WITH s AS (
    SELECT run, id, trace_id, parent_id, type, directed_id, ts, epoch_us(ts) AS us, payload
    FROM signals
    WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run)
      AND type IN ('TASK_OFFER', 'BID', 'TASK_AWARDED', 'TASK_DECLINED')
), bid AS (
    SELECT run, parent_id AS offer_id, id, directed_id, ts,
           TRY_CAST(payload ->> '$.cost' AS DOUBLE) AS cost,
           TRY_CAST(payload ->> '$.eta_ms' AS DOUBLE) AS eta_ms,
           TRY_CAST(payload ->> '$.confidence' AS DOUBLE) AS confidence
    FROM s WHERE type = 'BID' AND parent_id IS NOT NULL
), bids AS (
    SELECT run, offer_id, count(*) AS bids, list(directed_id ORDER BY ts, id) AS bidders, min(cost) AS lowest_cost
    FROM bid GROUP BY run, offer_id
), award AS (
    SELECT w.run, b.offer_id, count(*) AS awards, first(w.directed_id ORDER BY w.ts, w.id) AS winner,
           first(w.id ORDER BY w.ts, w.id) AS award_id, first(w.us ORDER BY w.ts, w.id) AS us,
           first(b.cost ORDER BY w.ts, w.id) AS cost, first(b.eta_ms ORDER BY w.ts, w.id) AS eta_ms,
           first(b.confidence ORDER BY w.ts, w.id) AS confidence
    FROM s w JOIN bid b ON b.run = w.run AND b.id = w.parent_id
    WHERE w.type = 'TASK_AWARDED' GROUP BY w.run, b.offer_id
), declined AS (
    SELECT d.run, coalesce(b.offer_id, d.parent_id) AS offer_id, count(*) FILTER (b.id IS NOT NULL) AS declined,
           count(*) FILTER (b.id IS NULL) AS self_declined
    FROM s d LEFT JOIN bid b ON b.run = d.run AND b.id = d.parent_id
    WHERE d.type = 'TASK_DECLINED' AND d.parent_id IS NOT NULL GROUP BY ALL
)
SELECT o.run, o.trace_id, o.id AS offer_id, o.ts, TRY_CAST(o.payload ->> '$.deadline_ms' AS BIGINT) AS deadline_ms,
       coalesce(bids.bids, 0) AS bids, coalesce(bids.bidders, []) AS bidders, coalesce(award.awards, 0) AS awards,
       award.award_id, award.winner, (award.us - o.us) / 1000 AS award_latency_ms,
       coalesce(declined.declined, 0) AS declined, coalesce(declined.self_declined, 0) AS self_declined,
       award.cost, award.eta_ms, award.confidence, bids.lowest_cost
FROM s o
LEFT JOIN bids ON bids.run = o.run AND bids.offer_id = o.id
LEFT JOIN award ON award.run = o.run AND award.offer_id = o.id
LEFT JOIN declined ON declined.run = o.run AND declined.offer_id = o.id
WHERE o.type = 'TASK_OFFER'
ORDER BY o.run, o.ts, o.id
"""

BIDDERS = """
WITH s AS (
    SELECT run, id, parent_id, type, directed_id, payload
    FROM signals
    WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run)
      AND type IN ('TASK_OFFER', 'BID', 'TASK_AWARDED', 'TASK_DECLINED')
), fate AS (
    SELECT run, parent_id, bool_or(type = 'TASK_AWARDED') AS won, bool_or(type = 'TASK_DECLINED') AS declined
    FROM s WHERE type IN ('TASK_AWARDED', 'TASK_DECLINED') AND parent_id IS NOT NULL GROUP BY run, parent_id
), bid AS (
    SELECT b.run, b.directed_id AS neuron, TRY_CAST(b.payload ->> '$.cost' AS DOUBLE) AS cost,
           coalesce(f.won, false) AS won, coalesce(f.declined, false) AS declined
    FROM s b LEFT JOIN fate f ON f.run = b.run AND f.parent_id = b.id WHERE b.type = 'BID'
), summary AS (
    SELECT run, neuron, count(*) AS bids, count(*) FILTER (won) AS wins, count(*) FILTER (declined) AS declined,
           quantile_cont(cost, 0.5) AS p50_cost, quantile_cont(cost, 0.5) FILTER (won) AS won_p50_cost
    FROM bid GROUP BY run, neuron
), refused AS (
    SELECT d.run, d.directed_id AS neuron, count(*) AS self_declined
    FROM s d JOIN s o ON o.run = d.run AND o.id = d.parent_id AND o.type = 'TASK_OFFER'
    WHERE d.type = 'TASK_DECLINED' GROUP BY ALL
)
SELECT coalesce(b.run, r.run) AS run, coalesce(b.neuron, r.neuron) AS neuron, coalesce(b.bids, 0) AS bids,
       coalesce(b.wins, 0) AS wins, coalesce(b.declined, 0) AS declined,
       coalesce(b.bids - b.wins - b.declined, 0) AS unanswered, coalesce(r.self_declined, 0) AS self_declined,
       b.wins / b.bids AS win_rate, b.p50_cost, b.won_p50_cost
FROM summary b
FULL JOIN refused r ON r.run = b.run AND r.neuron IS NOT DISTINCT FROM b.neuron
ORDER BY 1, 2 NULLS LAST
"""


def auctions(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per TASK_OFFER, in order of (run, ts, id).

    Columns: `run, trace_id, offer_id, ts, deadline_ms, bids, bidders[], awards, award_id, winner,
    award_latency_ms` (offer to award), `declined` (bids answered no), `self_declined` (workers that refused the
    offer itself), and `cost, eta_ms, confidence` of the bid that won, `lowest_cost` of all. `bidders` are in order of
    (ts, id). An offer without an award, which the SDK leaves dangling, has `awards` 0 and NULLs; of several
    awards the first by (ts, id) is shown. Rules: spec/cosmonapse.md 5.3.
    """
    return store.arrow(AUCTIONS, {"run": run})


def bidders(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per neuron that bid or refused: `run, neuron, bids, wins, declined, unanswered,
    self_declined, win_rate, p50_cost, won_p50_cost`.

    `unanswered` are bids neither won nor declined (late ones get no answer); `win_rate` is wins over bids, NULL
    without bids. Rules: spec/cosmonapse.md 5.3, 8.
    """
    return store.arrow(BIDDERS, {"run": run})

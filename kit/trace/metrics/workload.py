"""How many TASKs are open at a time, and what the time of a trace is made of."""

import pyarrow as pa

from kit.store.store import Store
from kit.trace.forest import Lent
from kit.trace.spans import spans

IN_FLIGHT = """
WITH span AS (
    SELECT run, CASE WHEN $per_neuron THEN neuron END AS neuron, epoch_us("start") AS us, epoch_us("end") AS until
    FROM in_flight_span WHERE kind = 'task' AND "start" IS NOT NULL
), change AS (
    SELECT run, neuron, us, 1 AS step FROM span
    UNION ALL
    SELECT run, neuron, greatest(us, until), -1 FROM span WHERE until IS NOT NULL
), moment AS (
    SELECT run, neuron, us, sum(step)::BIGINT AS step FROM change GROUP BY run, neuron, us HAVING sum(step) <> 0
)
SELECT run, neuron, make_timestamptz(us) AS ts,
       (sum(step) OVER (PARTITION BY run, neuron ORDER BY us))::BIGINT AS in_flight
FROM moment
ORDER BY run, neuron NULLS FIRST, us
"""

COMPOSITION = """
WITH bound AS MATERIALIZED (
    SELECT run, trace_id, row_number() OVER (ORDER BY run, trace_id) AS number, low, high
    FROM (
        SELECT run, trace_id, min(epoch_us(ts)) AS low, max(epoch_us(ts)) AS high
        FROM signals WHERE canonical AND ts IS NOT NULL AND ($run::VARCHAR IS NULL OR run = $run)
        GROUP BY run, trace_id
        HAVING count(*) FILTER (type IN ('TASK', 'TASK_OFFER')) > 0
    )
), piece AS MATERIALIZED (
    SELECT b.number, CASE s.kind WHEN 'tool' THEN 1 WHEN 'recall' THEN 2 WHEN 'imprint' THEN 3 ELSE 4 END AS part,
           greatest(epoch_us(s."start"), b.low) AS us, least(epoch_us(s."end"), b.high) AS until
    FROM composition_span s JOIN bound b ON b.run = s.run AND b.trace_id = s.trace_id
    WHERE s."end" IS NOT NULL AND s.kind IN ('tool', 'recall', 'imprint', 'clarification', 'permission', 'auction')
), change AS (
    SELECT number, part, us, 1 AS step FROM piece WHERE us < until
    UNION ALL
    SELECT number, part, until, -1 FROM piece WHERE us < until
), level AS (
    SELECT number, lead(us) OVER w - us AS us, count(*) FILTER (part = 1 AND step = 1) OVER w
               - count(*) FILTER (part = 1 AND step = -1) OVER w AS tool,
           count(*) FILTER (part = 2 AND step = 1) OVER w - count(*) FILTER (part = 2 AND step = -1) OVER w AS recall,
           count(*) FILTER (part = 3 AND step = 1) OVER w - count(*) FILTER (part = 3 AND step = -1) OVER w AS write,
           count(*) FILTER (part = 4 AND step = 1) OVER w - count(*) FILTER (part = 4 AND step = -1) OVER w AS wait
    FROM change WINDOW w AS (PARTITION BY number ORDER BY us ROWS UNBOUNDED PRECEDING)
), part AS (
    SELECT number, sum(us) FILTER (tool > 0)::BIGINT AS tool,
           sum(us) FILTER (tool = 0 AND recall > 0)::BIGINT AS recall,
           sum(us) FILTER (tool = 0 AND recall = 0 AND write > 0)::BIGINT AS write,
           sum(us) FILTER (tool = 0 AND recall = 0 AND write = 0 AND wait > 0)::BIGINT AS wait
    FROM level GROUP BY number
), whole AS (
    SELECT b.run, b.trace_id, b.low, b.high - b.low AS us, coalesce(p.tool, 0) AS tool, coalesce(p.recall, 0) AS recall,
           coalesce(p.write, 0) AS write, coalesce(p.wait, 0) AS wait
    FROM bound b LEFT JOIN part p ON p.number = b.number
)
SELECT run, trace_id, make_timestamptz(low) AS "start", us / 1000 AS duration_ms, tool / 1000 AS tool_ms,
       recall / 1000 AS recall_ms, write / 1000 AS write_ms, wait / 1000 AS wait_ms,
       (us - tool - recall - write - wait) / 1000 AS other_ms
FROM whole
ORDER BY run, low, trace_id
"""


def in_flight(store: Store, run: str | None = None, *, per_neuron: bool = False) -> pa.Table:
    """Return the number of open task spans as steps: `run, neuron, ts, in_flight`.

    From `ts` on, until the next row, `in_flight` spans are open (one that ends at `ts` is not). `neuron` is NULL and
    all are counted together, or with `per_neuron=True` each neuron has its own steps. A span without an end stays open
    to the last row; one without a start is left out. Spans and their ends: `kit.trace.spans`.
    """
    with Lent(store) as lent:
        lent("in_flight_span", spans(store, run=run).select(["run", "kind", "neuron", "start", "end"]))
        return store.arrow(IN_FLIGHT, {"per_neuron": per_neuron})


def composition(store: Store, run: str | None = None) -> pa.Table:
    """Return what the time of each workflow trace went into: `run, trace_id, start, duration_ms, tool_ms, recall_ms,
    write_ms, wait_ms, other_ms`.

    The five parts add up to `duration_ms`, first to last signal of the trace itself, to the microsecond. A moment is
    counted once, however many spans cover it: as tool, else recall, else write (imprint), else wait (clarification,
    permission, auction), else other. Spans are cut to the trace; one that never ends counts as other, since nobody
    knows how long it was waited for. Rule: spec/cosmonapse.md 8.
    """
    with Lent(store) as lent:
        lent("composition_span", spans(store, run=run).select(["run", "trace_id", "kind", "start", "end"]))
        return store.arrow(COMPOSITION, {"run": run})

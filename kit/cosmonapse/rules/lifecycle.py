"""Rules about the end of a trace: terminals, STOP, rollback, retry."""

from kit.cosmonapse.rules.rule import PLACE, Rule

LIFECYCLE_RULES = (
    Rule(
        "work-after-stop",
        "warning",
        "A stopped trace does no more work.",
        PLACE + "5.10",
        """
        SELECT s.run, s.trace_id, [stop.id, s.id] AS events, concat(s.type, ' of ', coalesce(s.directed_id,
               s.directed_type, 'nobody'), ' after the STOP') AS message
        FROM signal s JOIN stop ON stop.run = s.run AND stop.trace_id = s.trace_id AND s.ts > stop.ts
        WHERE s.type IN ('AGENT_OUTPUT', 'FINAL', 'CLARIFICATION', 'PERMISSION', 'TOOL_CALL', 'RECALL', 'IMPRINT',
                         'TASK', 'TASK_OFFER')""",
    ),
    Rule(
        "error-after-stop",
        "info",
        "A cancelled neuron sends no ERROR; on Python 3.11 it may.",
        PLACE + "5.10",
        """
        SELECT s.run, s.trace_id, [stop.id, s.id] AS events, 'ERROR after the STOP' AS message
        FROM signal s JOIN stop ON stop.run = s.run AND stop.trace_id = s.trace_id AND s.ts > stop.ts
        WHERE s.type = 'ERROR'""",
    ),
    Rule(
        "terminal-once",
        "warning",
        "A trace ends once; the first FINAL or ERROR counts.",
        PLACE + "5.5",
        """
        SELECT run, trace_id, list(id ORDER BY ts, id) AS events,
               concat(count(*), ' terminals: ', string_agg(type, ', ' ORDER BY ts, id)) AS message
        FROM signal WHERE type IN ('FINAL', 'ERROR') GROUP BY run, trace_id HAVING count(*) > 1""",
    ),
    Rule(
        "rollback-empty",
        "warning",
        "A rollback of a trace with imprints compensates them.",
        PLACE + "5.10",
        """
        WITH ack AS (
            SELECT a.run, a.trace_id, a.parent_id, list(a.id ORDER BY a.ts, a.id) AS ids
            FROM signal a WHERE a.type = 'STOPPED' AND (a.payload ->> '$.rolled_back') = 'true'
            GROUP BY a.run, a.trace_id, a.parent_id
            HAVING bool_and(coalesce(TRY_CAST(a.payload ->> '$.compensated' AS BIGINT), 0) = 0)
        ), written AS (
            SELECT w.run, w.trace_id, w.ts FROM signal w
            WHERE w.type = 'IMPRINTED' AND (w.payload ->> '$.error') IS NULL
        )
        SELECT ack.run, ack.trace_id, [stop.id] || ack.ids AS events,
               concat('rolled back, but none of ', count(*), ' imprints was compensated') AS message
        FROM ack
        JOIN signal stop ON stop.run = ack.run AND stop.id = ack.parent_id AND stop.type = 'STOP'
        JOIN written w ON w.run = ack.run AND w.trace_id = ack.trace_id AND w.ts <= stop.ts
        ANTI JOIN signal f ON f.run = ack.run AND f.trace_id = ack.trace_id AND f.type IN ('FINAL', 'STOP')
          AND f.ts < stop.ts
        GROUP BY ack.run, ack.trace_id, stop.id, ack.ids""",
    ),
    Rule(
        "retry-without-stop",
        "warning",
        "A retry on a new trace follows a STOP of the attempt before.",
        PLACE + "5.9",
        """
        WITH attempt AS (
            SELECT run, trace_id, id, ts, epoch_us(ts) AS us, directed_id, payload ->> '$.input' AS input,
                   TRY_CAST(meta ->> '$.attempt' AS BIGINT) AS number
            FROM signal WHERE type = 'TASK' AND contains(meta, '"attempt"')
        ), chain AS (
            SELECT *, lag(number) OVER w AS number_before, lag(id) OVER w AS before,
                   lag(trace_id) OVER w AS trace_before
            FROM attempt WHERE number IS NOT NULL
            WINDOW w AS (PARTITION BY run, directed_id, input ORDER BY ts, id)
        )
        SELECT c.run, c.trace_id, [c.before, c.id] AS events,
               concat('attempt ', c.number, ': the trace of the attempt before was not stopped') AS message
        FROM chain c
        ANTI JOIN stop ON stop.run = c.run AND stop.trace_id = c.trace_before
        WHERE c.number > 0 AND c.number_before = c.number - 1 AND c.trace_before <> c.trace_id""",
    ),
)

"""Rules about registration and heartbeats."""

from kit.cosmonapse.rules.rule import MANAGEMENT, PLACE, Rule

REGISTRY_RULES = (
    Rule(
        "management-parent",
        "error",
        "REGISTER, HEARTBEAT and DEREGISTER have no parent.",
        PLACE + "1.3, 2.2",
        f"""
        SELECT run, trace_id, [id] AS events, concat(type, ' has parent ', parent_id) AS message
        FROM signal WHERE type IN {MANAGEMENT} AND parent_id IS NOT NULL""",  # noqa: S608
    ),
    Rule(
        "management-trace",
        "error",
        "REGISTER, HEARTBEAT and DEREGISTER are alone on their trace.",
        PLACE + "1.3, 2.2",
        f"""
        SELECT run, trace_id, [min(id) FILTER (type IN {MANAGEMENT})] AS events,
               concat(count(*), ' signals on the trace of a ', min(type) FILTER (type IN {MANAGEMENT})) AS message
        FROM signal GROUP BY run, trace_id
        HAVING count(*) > 1 AND count(*) FILTER (type IN {MANAGEMENT}) > 0""",  # noqa: S608
    ),
    Rule(
        "neuron-unregistered",
        "warning",
        "Who works has registered, in a capture with registrations.",
        PLACE + "5.4",
        """
        SELECT w.run, first(w.trace_id ORDER BY w.ts, w.id) AS trace_id, [first(w.id ORDER BY w.ts, w.id)] AS events,
               concat(w.directed_id, ' never registered, but sent ', count(*), ' signals') AS message
        FROM signal w
        SEMI JOIN (SELECT DISTINCT run FROM signal WHERE type = 'REGISTER') known ON known.run = w.run
        ANTI JOIN (SELECT run, directed_id FROM signal WHERE type = 'REGISTER') r
          ON r.run = w.run AND r.directed_id = w.directed_id
        WHERE w.type IN ('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION', 'BID') AND w.directed_id IS NOT NULL
        GROUP BY w.run, w.directed_id""",
    ),
    Rule(
        "heartbeat-silence",
        "warning",
        "Who sends heartbeats goes on, or deregisters.",
        PLACE + "5.4",
        """
        WITH ends AS (
            SELECT run, max(epoch_us(ts)) AS us FROM signal GROUP BY run
        ), sign AS (
            SELECT run, trace_id, directed_id, type, id, ts, epoch_us(ts) AS us,
                   lead(epoch_us(ts)) OVER w AS next_us,
                   lead(epoch_us(ts)) OVER (PARTITION BY run, directed_id, type ORDER BY ts, id) AS next_same
            FROM signal WHERE type IN ('HEARTBEAT', 'DEREGISTER', 'REGISTER') AND ts IS NOT NULL
            WINDOW w AS (PARTITION BY run, directed_id ORDER BY ts, id)
        ), pace AS (
            SELECT run, directed_id, quantile_disc(next_same - us, 0.5) AS every
            FROM sign WHERE type = 'HEARTBEAT' GROUP BY run, directed_id
        ), common AS (
            SELECT run, quantile_disc(next_same - us, 0.5) AS every FROM sign WHERE type = 'HEARTBEAT' GROUP BY run
        )
        SELECT s.run, s.trace_id, [s.id] AS events,
               concat(s.directed_id, ' is silent for ', (coalesce(s.next_us, e.us) - s.us) // 1000,
                      ' ms, its heartbeat is ', coalesce(p.every, c.every) // 1000, ' ms') AS message
        FROM sign s JOIN ends e ON e.run = s.run
        JOIN pace p ON p.run = s.run AND p.directed_id = s.directed_id
        JOIN common c ON c.run = s.run
        WHERE s.type <> 'DEREGISTER' AND coalesce(s.next_us, e.us) - s.us > 3 * coalesce(p.every, c.every)""",
    ),
    Rule(
        "life-after-deregister",
        "warning",
        "After DEREGISTER a neuron registers before it sends heartbeats.",
        PLACE + "5.4",
        """
        WITH sign AS (
            SELECT run, trace_id, directed_id, type, id, lag(type) OVER w AS before, lag(id) OVER w AS before_id
            FROM signal WHERE type IN ('HEARTBEAT', 'DEREGISTER', 'REGISTER') AND ts IS NOT NULL
            WINDOW w AS (PARTITION BY run, directed_id ORDER BY ts, id)
        )
        SELECT run, trace_id, [before_id, id] AS events, concat(directed_id, ' lives after its DEREGISTER') AS message
        FROM sign WHERE type = 'HEARTBEAT' AND before = 'DEREGISTER'""",
    ),
)

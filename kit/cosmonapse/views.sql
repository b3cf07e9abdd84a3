-- Views of the signal family. Rows that repeat an id with other content (canonical = false) are left out everywhere:
-- an id is one event (design.md section 3). Every view keeps runs apart.

-- Why an effect has this cause, by the types of both. The words:
--   delegation  a TASK handed on from inside a TASK, in this trace or a new one
--   offer       TASK_OFFER to BID
--   award       BID to TASK_AWARDED, and TASK_AWARDED to the winner's unpublished TASK
--   decline     BID or TASK_OFFER to TASK_DECLINED
--   call        to TOOL_CALL, RECALL, IMPRINT
--   answer      a request to its answer, the follow-up TASK of a question included
--   result      to FINAL
--   target      CRITIQUE.payload.target_event_id to the CRITIQUE: a second edge beside its parent
--   parent      every other parent_id
-- Edges named retry are guesses (spec 5.9); the graph of a trace has them, this file does not.
CREATE OR REPLACE MACRO edge_why(cause_type, effect_type) AS CASE
    WHEN effect_type = 'TASK' AND cause_type = 'TASK_AWARDED' THEN 'award'
    WHEN effect_type = 'TASK' AND cause_type IN ('CLARIFICATION', 'PERMISSION', 'ESCALATION') THEN 'answer'
    WHEN effect_type = 'TASK' THEN 'delegation'
    WHEN effect_type = 'BID' THEN 'offer'
    WHEN effect_type = 'TASK_AWARDED' THEN 'award'
    WHEN effect_type = 'TASK_DECLINED' THEN 'decline'
    WHEN effect_type IN ('TOOL_CALL', 'RECALL', 'IMPRINT') THEN 'call'
    WHEN effect_type IN ('AGENT_OUTPUT', 'ERROR', 'CLARIFICATION', 'PERMISSION', 'TOOL_RESULT', 'RECALLED',
                         'IMPRINTED', 'CLARIFICATION_ANSWER', 'PERMISSION_DECISION', 'STOPPED') THEN 'answer'
    WHEN effect_type = 'FINAL' THEN 'result'
    ELSE 'parent'
END;

-- The unpublished TASK behind each unknown parent that an award explains (spec 5.3). `lost` names a table of events
-- whose parent is unknown: run, id, trace_id, parent_id, type, directed_id, ts. It is the award whose winner produced
-- one of the events (a request names its addressee, not its producer, and decides nothing); among several awards to
-- that neuron the last one before the first event. Where no winner's signal is there, it is the only award of the
-- trace, if that came before the events. A bid, an award or a decline never hangs on awarded work: its lost parent led
-- to the award. `award_row` is the rowid of the award.
CREATE OR REPLACE MACRO awarded_tasks(lost) AS TABLE
WITH awards AS MATERIALIZED (
    SELECT run, trace_id, id, directed_id, ts, rowid AS award_row, count(*) OVER (PARTITION BY run, trace_id) AS rivals
    FROM signals WHERE canonical AND type = 'TASK_AWARDED'
), held AS (
    SELECT
        *, min(ts) OVER (PARTITION BY run, parent_id) AS first_ts,
        bool_or(type IN ('BID', 'TASK_AWARDED', 'TASK_DECLINED')) OVER (PARTITION BY run, parent_id) AS upstream
    FROM query_table(lost)
)
SELECT h.run, h.parent_id AS id, h.trace_id, a.id AS parent_id, a.directed_id, a.ts, a.award_row
FROM held h
JOIN awards a ON a.run = h.run AND a.trace_id = h.trace_id
WHERE NOT h.upstream AND (
    (a.directed_id = h.directed_id AND h.type NOT IN ('TASK', 'TASK_OFFER', 'TOOL_CALL', 'RECALL', 'IMPRINT'))
    OR (a.rivals = 1 AND (a.ts > h.first_ts) IS NOT TRUE))
QUALIFY row_number() OVER (
    PARTITION BY h.run, h.parent_id
    ORDER BY (a.ts <= h.first_ts) DESC NULLS LAST, a.ts DESC NULLS LAST, a.id DESC, h.trace_id, h.id) = 1;

-- Events on traces with an award whose parent is not in the run.
CREATE OR REPLACE VIEW awarded_orphans AS
WITH held AS MATERIALIZED (
    SELECT s.run, s.id, s.trace_id, s.parent_id, s.type, s.directed_id, s.ts
    FROM signals s
    SEMI JOIN (SELECT run, trace_id FROM signals WHERE canonical AND type = 'TASK_AWARDED') a
        ON a.run = s.run AND a.trace_id = s.trace_id
    WHERE s.canonical AND s.parent_id IS NOT NULL
), known AS MATERIALIZED (
    SELECT s.run, s.id FROM signals s SEMI JOIN held h ON h.run = s.run AND h.parent_id = s.id
)
SELECT h.* FROM held h ANTI JOIN known k ON k.run = h.run AND k.id = h.parent_id;

CREATE OR REPLACE VIEW phantoms AS SELECT * EXCLUDE (award_row) FROM awarded_tasks('awarded_orphans');

-- Signals on the timeline of all families (kit/store/views.sql). ts is NULL where the line has none; the clock is UTC.
CREATE OR REPLACE VIEW signal_events AS
SELECT
    run, 'signals' AS family, id, trace_id AS group_id,
    list_filter([parent_id, CASE WHEN type = 'CRITIQUE' THEN payload ->> '$.target_event_id' END],
                lambda parent: parent IS NOT NULL) AS parents,
    type AS kind, directed_id AS actor, ts, 'utc' AS clock_name, ts_text AS clock_value
FROM signals WHERE canonical;

-- One row per causal edge, cause (parent) to effect (child). `state` uses the words of the structure labels:
-- self_parent, cycle (the child is on a ring of parents), phantom (from an award to the unpublished TASK), cross_trace,
-- missing_parent, attached. `trace_id` is that of the child.
CREATE OR REPLACE VIEW signal_edges AS
WITH RECURSIVE nodes AS (
    SELECT run, id, parent_id, trace_id, type, coalesce(epoch_us(ts), 9223372036854775807) AS us
    FROM signals WHERE canonical
), odd AS MATERIALIZED (
    -- A ring has at least one backward edge, whose cause is not earlier in (ts, id), ...
    SELECT c.run, c.trace_id, p.trace_id AS above, p.us > c.us OR (p.us = c.us AND p.id > c.id) AS backward
    FROM nodes c JOIN nodes p ON p.run = c.run AND p.id = c.parent_id
    WHERE p.id <> c.id AND (p.us > c.us OR (p.us = c.us AND p.id > c.id) OR p.trace_id <> c.trace_id)
), links AS MATERIALIZED (
    SELECT DISTINCT run, trace_id, above FROM odd WHERE above <> trace_id
), suspects AS (
    -- ... so all rings lie in the traces with such an edge and those above them.
    SELECT DISTINCT run, trace_id FROM odd WHERE backward
    UNION
    SELECT l.run, l.above FROM suspects s JOIN links l ON l.run = s.run AND l.trace_id = s.trace_id
), inner_nodes AS MATERIALIZED (
    SELECT c.run, c.id, c.parent_id FROM nodes c
    SEMI JOIN suspects s ON s.run = c.run AND s.trace_id = c.trace_id
    WHERE c.parent_id <> c.id
), climb AS (
    -- Each round doubles the height looked at. Who reaches a root drops out; after 2^k >= n steps the rest are rings.
    SELECT 0 AS round, run, id, parent_id AS above FROM inner_nodes
    UNION ALL
    SELECT a.round + 1, a.run, a.id, b.above
    FROM climb a JOIN climb b ON b.run = a.run AND b.id = a.above
    WHERE a.round < (SELECT ceil(log2(greatest(count(*), 2))) FROM inner_nodes)
), rings AS (
    SELECT DISTINCT run, above AS id FROM climb
    WHERE round = (SELECT ceil(log2(greatest(count(*), 2))) FROM inner_nodes)
), awarded AS (
    SELECT run, id, trace_id, parent_id FROM phantoms
)
SELECT
    c.run, c.trace_id, c.id AS child, c.parent_id AS parent, edge_why(coalesce(p.type, 'TASK'), c.type) AS why,
    CASE
        WHEN c.parent_id = c.id THEN 'self_parent'
        WHEN r.id IS NOT NULL THEN 'cycle'
        WHEN coalesce(p.trace_id, w.trace_id) IS NULL THEN 'missing_parent'
        WHEN coalesce(p.trace_id, w.trace_id) <> c.trace_id THEN 'cross_trace'
        ELSE 'attached'
    END AS state
FROM signals c
LEFT JOIN nodes p ON p.run = c.run AND p.id = c.parent_id
LEFT JOIN awarded w ON w.run = c.run AND w.id = c.parent_id
LEFT JOIN rings r ON r.run = c.run AND r.id = c.id
WHERE c.canonical AND c.parent_id IS NOT NULL
UNION ALL
SELECT run, trace_id, id, parent_id, 'award', 'phantom' FROM awarded
UNION ALL
SELECT
    c.run, c.trace_id, c.id, c.target, 'target',
    CASE
        WHEN c.target = c.id THEN 'self_parent'
        WHEN p.id IS NULL THEN 'missing_parent'
        WHEN p.trace_id <> c.trace_id THEN 'cross_trace'
        ELSE 'attached'
    END
FROM (
    SELECT run, trace_id, id, payload ->> '$.target_event_id' AS target
    FROM signals WHERE canonical AND type = 'CRITIQUE'
) c
LEFT JOIN nodes p ON p.run = c.run AND p.id = c.target
WHERE c.target IS NOT NULL;

-- The registry as it stood at `at` (inclusive; NULL is the end): REGISTER, HEARTBEAT and DEREGISTER folded in (ts, id)
-- order as the bus mirror does it (spec 5.4), beside loaded registry snapshots. A REGISTER sets everything but
-- registered_at, which keeps the first value; a HEARTBEAT sets last_heartbeat and the status it carries, so it revives
-- a deregistered neuron, and makes a thin record of an unknown one; a DEREGISTER of an unknown neuron does nothing.
-- Engrams are not in this store, effectors are. Where a snapshot and the signals know a neuron, the later sign of life
-- wins.
CREATE OR REPLACE MACRO neurons_as_of("at") AS TABLE
WITH mirror AS MATERIALIZED (
    SELECT
        run, directed_id AS neuron_id, type, ts, id, directed_type, directed_capabilities,
        CASE WHEN type = 'REGISTER' THEN payload END AS record,
        CASE WHEN type = 'REGISTER' THEN coalesce(payload ->> '$.role', '') END AS role,
        CASE WHEN type = 'HEARTBEAT' THEN nullif(payload ->> '$.status', '') END AS beat
    FROM signals
    WHERE canonical AND type IN ('REGISTER', 'HEARTBEAT', 'DEREGISTER') AND directed_id IS NOT NULL
      AND ("at" IS NULL OR ts <= "at")
), engrams AS (
    SELECT DISTINCT run, directed_type AS kind FROM mirror
    WHERE type = 'REGISTER' AND (role = 'engram' OR (record ->> '$.engram') = 'true') AND directed_type IS NOT NULL
), signs AS (
    SELECT m.*, row_number() OVER (PARTITION BY m.run, m.neuron_id ORDER BY m.ts, m.id) AS nth
    FROM mirror m LEFT JOIN engrams e ON e.run = m.run AND e.kind = m.directed_type
    WHERE m.type <> 'REGISTER'
       OR NOT (m.role = 'engram' OR (m.record ->> '$.engram') IS NOT DISTINCT FROM 'true'
               OR (m.role = '' AND e.kind IS NOT NULL))
), born AS (
    SELECT *, min(nth) FILTER (WHERE type <> 'DEREGISTER') OVER (PARTITION BY run, neuron_id) AS first_nth FROM signs
), statuses AS (
    SELECT *, CASE
        WHEN type = 'DEREGISTER' THEN 'deregistered'
        WHEN type = 'REGISTER' THEN 'registered'
        WHEN beat IS NULL AND nth = first_nth THEN 'registered'
        ELSE beat
    END AS status
    FROM born WHERE nth >= first_nth
), folded AS (
    SELECT
        run, neuron_id,
        arg_max(coalesce(TRY_CAST(record -> '$.capabilities' AS VARCHAR[]), directed_capabilities, []), nth)
            FILTER (WHERE type = 'REGISTER') AS capabilities,
        max(nth) FILTER (WHERE type = 'REGISTER') AS last_register,
        arg_max(status, nth) FILTER (WHERE status IS NOT NULL) AS status,
        max(ts) FILTER (WHERE type <> 'DEREGISTER') AS last_heartbeat,
        arg_min(ts, nth) AS registered_at
    FROM statuses GROUP BY run, neuron_id
), known AS (
    SELECT
        f.run, f.neuron_id, coalesce(f.capabilities, []) AS capabilities, s.record ->> '$.version' AS version,
        f.status, f.last_heartbeat, f.registered_at, nullif(s.role, '') AS role, s.directed_type AS kind, 1 AS origin
    FROM folded f
    LEFT JOIN statuses s ON s.run = f.run AND s.neuron_id = f.neuron_id AND s.nth = f.last_register
    UNION ALL
    SELECT run, neuron_id, coalesce(capabilities, []), version, status, last_heartbeat, registered_at, role, kind, 2
    FROM registry
    WHERE neuron_id IS NOT NULL AND role IS DISTINCT FROM 'engram'
      AND ("at" IS NULL OR coalesce(greatest(last_heartbeat, registered_at), "at") <= "at")
    QUALIFY row_number() OVER (
        PARTITION BY run, neuron_id
        ORDER BY coalesce(last_heartbeat, registered_at) DESC NULLS LAST, source_id DESC, line DESC) = 1
)
SELECT
    run, neuron_id, capabilities, version, status, last_heartbeat,
    min(registered_at) OVER (PARTITION BY run, neuron_id) AS registered_at, role, kind
FROM known
QUALIFY row_number() OVER (
    PARTITION BY run, neuron_id ORDER BY coalesce(last_heartbeat, registered_at) DESC NULLS LAST, origin) = 1;

CREATE OR REPLACE VIEW neurons AS FROM neurons_as_of(NULL::TIMESTAMPTZ);

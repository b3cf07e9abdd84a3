-- Views over all families. Each family brings `<family>_events` and `<family>_edges` in views of its own.

-- One timeline of everything that happened: one row per event.
CREATE OR REPLACE VIEW events AS
FROM signal_events
UNION ALL
FROM record_events;

-- One row per causal edge, cause (parent) to effect (child); `group_id` is the trace or thread of the child.
CREATE OR REPLACE VIEW edges AS
SELECT run, 'signals' AS family, trace_id AS group_id, child, parent, why, state FROM signal_edges
UNION ALL
SELECT run, 'records', thread, child, parent, why, state FROM record_edges
UNION ALL
-- What fulfills or cancels an INTEND that is none of its parents.
SELECT
    e.run, 'records', e.thread, e.id, e.intent, e.how,
    CASE WHEN e.intent = e.id THEN 'self_parent' WHEN i.id IS NULL THEN 'missing_parent'
         WHEN i.thread IS DISTINCT FROM e.thread THEN 'cross_trace' ELSE 'attached' END
FROM intent_ends e
LEFT JOIN records i ON i.canonical AND i.run = e.run AND i.id = e.intent
JOIN records c ON c.canonical AND c.run = e.run AND c.id = e.id AND NOT list_contains(c.parents, e.intent);

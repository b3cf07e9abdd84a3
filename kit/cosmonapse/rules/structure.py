"""Rules about the place of a signal in the DAG."""

from kit.cosmonapse.rules.rule import ANSWERED, MANAGEMENT, PLACE, Rule

STRUCTURE_RULES = (
    Rule(
        "parent-missing",
        "warning",
        "A parent is in the capture, but for the unpublished TASK of an award.",
        PLACE + "5.3, 8",
        """
        SELECT s.run, s.trace_id, [s.id] AS events, concat('parent ', s.parent_id, ' is not in the capture') AS message
        FROM label l JOIN signal s ON s.run = l.run AND s.id = l.id
        WHERE l.label = 'missing_parent' AND s.type NOT IN ('RECALL', 'IMPRINT')""",
    ),
    Rule(
        "parent-fabricated",
        "info",
        "A RECALL or IMPRINT outside a task has a made-up parent.",
        PLACE + "2.2, 8",
        """
        SELECT s.run, s.trace_id, [s.id] AS events, concat('parent ', s.parent_id, ' is not in the capture') AS message
        FROM signal s ANTI JOIN signal p ON p.run = s.run AND p.id = s.parent_id
        ANTI JOIN label l ON l.run = s.run AND l.id = s.id AND l.label = 'phantom'
        WHERE s.type IN ('RECALL', 'IMPRINT') AND s.parent_id IS NOT NULL""",
    ),
    Rule(
        "cycle",
        "error",
        "No signal is its own cause.",
        PLACE + "8",
        """
        SELECT s.run, s.trace_id, [s.id] AS events, concat(s.type, CASE l.label WHEN 'self_parent'
               THEN ' is its own parent' ELSE ' is on a cycle of parents' END) AS message
        FROM label l JOIN signal s ON s.run = l.run AND s.id = l.id WHERE l.label IN ('self_parent', 'cycle')""",
    ),
    Rule(
        "cross-trace",
        "warning",
        "Only TASK and TASK_OFFER have a parent on another trace.",
        PLACE + "5.2, 8",
        f"""
        SELECT run, trace_id, [parent_id, id] AS events, concat(type, ' has its parent on ', parent_trace) AS message
        FROM pair WHERE trace_id <> parent_trace AND type NOT IN ('TASK', 'TASK_OFFER', {MANAGEMENT[1:-1]})
          AND type NOT IN {ANSWERED}""",  # noqa: S608
    ),
    Rule(
        "conflicting-duplicate",
        "error",
        "An id belongs to one signal.",
        PLACE + "8",
        """
        SELECT run, trace_id, [id] AS events, 'other signals have the same id' AS message FROM clash""",
    ),
    Rule(
        "redelivered",
        "info",
        "A signal is delivered once; brokers may repeat it.",
        PLACE + "1.3",
        """
        SELECT r.run, s.trace_id, [r.id] AS events, concat('delivered ', r.times + 1, ' times') AS message
        FROM repeat r JOIN signal s ON s.run = r.run AND s.id = r.id""",
    ),
)

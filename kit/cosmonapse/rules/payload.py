"""Rules about what a signal carries."""

from kit.cosmonapse.rules.rule import PLACE, Rule, texts
from kit.cosmonapse.types import REQUIRED_PAYLOAD, SIGNAL_TYPES


def missing_fields() -> str:
    """Return a CASE that names the required payload fields a signal lacks, '' where it has all."""
    arms = []
    for kind in sorted(REQUIRED_PAYLOAD):
        tests = [
            f"CASE WHEN NOT json_exists(payload, '$.{field}') THEN '{field}' END" for field in REQUIRED_PAYLOAD[kind]
        ]
        if tests:
            arms.append(f"WHEN '{kind.value}' THEN concat_ws(', ', {', '.join(tests)})")
    return f"CASE type {' '.join(arms)} ELSE '' END"


PAYLOAD_RULES = (
    Rule(
        "payload-required",
        "error",
        "A signal carries the payload fields that its type requires.",
        PLACE + "2.2",
        f"""
        SELECT run, trace_id, [id] AS events, concat(type, ' lacks payload field ', missing) AS message
        FROM (SELECT run, trace_id, id, type, {missing_fields()} AS missing FROM signal) WHERE missing <> ''""",  # noqa: S608
    ),
    Rule(
        "unknown-type",
        "warning",
        "The type is one of the 32 of the vocabulary.",
        PLACE + "2.1",
        f"""
        SELECT run, trace_id, [id] AS events, concat('type ', type, ' is unknown') AS message
        FROM signal WHERE type NOT IN {texts(sorted(SIGNAL_TYPES))}""",  # noqa: S608
    ),
    Rule(
        "no-ts",
        "warning",
        "A signal carries its time.",
        PLACE + "1.1",
        """
        SELECT run, trace_id, [id] AS events, concat(type, ' has no ts') AS message FROM signal WHERE ts IS NULL""",
    ),
    Rule(
        "recall-mode",
        "error",
        "recall_mode is first, merge or all.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat('recall_mode ', payload ->> '$.recall_mode') AS message
        FROM signal WHERE type = 'RECALL' AND (payload ->> '$.recall_mode') NOT IN ('first', 'merge', 'all')""",
    ),
    Rule(
        "imprint-op",
        "error",
        "op is add, append, merge, upsert or delete.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat('op ', payload ->> '$.op') AS message
        FROM signal WHERE type = 'IMPRINT'
          AND (payload ->> '$.op') NOT IN ('add', 'append', 'merge', 'upsert', 'delete')""",
    ),
    Rule(
        "merge-key",
        "error",
        "IMPRINT with op merge or upsert names a merge_key.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat('IMPRINT ', payload ->> '$.op', ' without merge_key') AS message
        FROM signal WHERE type = 'IMPRINT' AND (payload ->> '$.op') IN ('merge', 'upsert')
          AND coalesce(payload ->> '$.merge_key', '') = ''""",
    ),
    Rule(
        "answer-echo",
        "error",
        "An answer repeats the tool, call_id or op that it answers.",
        PLACE + "2.2",
        """
        WITH echo AS (
            SELECT a.run, a.trace_id, a.id, q.id AS asked, unnest(['tool', 'call_id', 'op']) AS field,
                   unnest([q.payload ->> '$.tool', q.payload ->> '$.call_id', q.payload ->> '$.op']) AS want,
                   unnest([a.payload ->> '$.tool', a.payload ->> '$.call_id', a.payload ->> '$.op']) AS got
            FROM signal a JOIN signal q ON q.run = a.run AND q.id = a.parent_id
            WHERE (a.type = 'TOOL_RESULT' AND q.type = 'TOOL_CALL') OR (a.type = 'IMPRINTED' AND q.type = 'IMPRINT')
        )
        SELECT run, trace_id, [asked, id] AS events, concat(field, ' ', want, ' is answered as ', got) AS message
        FROM echo WHERE want <> got""",
    ),
    Rule(
        "critique-target",
        "warning",
        "CRITIQUE.target_event_id is a signal of the capture.",
        PLACE + "2.2",
        """
        SELECT c.run, c.trace_id, [c.id] AS events, concat('target ', c.payload ->> '$.target_event_id',
               ' is not in the capture') AS message
        FROM signal c ANTI JOIN signal t ON t.run = c.run AND t.id = (c.payload ->> '$.target_event_id')
        WHERE c.type = 'CRITIQUE' AND (c.payload ->> '$.target_event_id') IS NOT NULL""",
    ),
)

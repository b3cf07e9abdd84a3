"""Rules about questions and their answers."""

from kit.cosmonapse.rules.rule import ANSWERED, ANSWERS, PLACE, REPLIES, Rule, texts


def wrong_answers() -> str:
    """Return the condition that an answer's parent has none of the types it answers."""
    return " OR ".join(
        f"(type = '{kind.value}' AND parent_type NOT IN {texts(asked)})" for kind, asked in ANSWERS.items()
    )


def unanswered(kinds: str, answers: str, *, unless_stopped: bool) -> str:
    """Return a SELECT of the signals of `kinds` that no signal of `answers` names as its parent."""
    stopped = "ANTI JOIN stop ON stop.run = s.run AND stop.trace_id = s.trace_id" if unless_stopped else ""
    return f"""
        SELECT s.run, s.trace_id, [s.id] AS events,
               concat(s.type, ' to ', coalesce(s.directed_id, s.directed_type, 'anybody'), ' has no answer') AS message
        FROM signal s
        ANTI JOIN pair a ON a.run = s.run AND a.parent_id = s.id AND a.type IN {answers}
        {stopped}
        WHERE s.type IN {kinds}"""  # noqa: S608  all names are ours


ANSWER_RULES = (
    Rule(
        "answer-parent",
        "error",
        "An answer's parent is what it answers.",
        PLACE + "2.2",
        f"""
        SELECT run, trace_id, [parent_id, id] AS events, concat(type, ' answers a ', parent_type) AS message
        FROM pair WHERE {wrong_answers()}""",  # noqa: S608
    ),
    Rule(
        "reply-parent",
        "error",
        "AGENT_OUTPUT, CLARIFICATION and PERMISSION answer a TASK.",
        PLACE + "2.2, 5.2",
        """
        SELECT run, trace_id, [parent_id, id] AS events, concat(type, ' answers a ', parent_type) AS message
        FROM pair WHERE type IN ('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION')
          AND parent_type NOT IN ('TASK', 'TASK_AWARDED')""",
    ),
    Rule(
        "final-parent",
        "info",
        "FINAL follows an AGENT_OUTPUT.",
        PLACE + "2.2",
        """
        SELECT s.run, s.trace_id, [s.id] AS events,
               concat('FINAL follows ', coalesce(p.parent_type, 'nothing')) AS message
        FROM signal s LEFT JOIN pair p ON p.run = s.run AND p.id = s.id
        WHERE s.type = 'FINAL' AND (s.parent_id IS NULL OR p.parent_type <> 'AGENT_OUTPUT')""",
    ),
    Rule(
        "answer-orphan",
        "error",
        "An answer has a parent.",
        PLACE + "2.2",
        f"""
        SELECT run, trace_id, [id] AS events, concat(type, ' has no parent_id') AS message
        FROM signal WHERE type IN {ANSWERED} AND parent_id IS NULL""",  # noqa: S608
    ),
    Rule(
        "answer-trace",
        "error",
        "An answer is on the trace of what it answers.",
        PLACE + "2.2, 3",
        f"""
        SELECT run, trace_id, [parent_id, id] AS events,
               concat(type, ' is on another trace than its ', parent_type, ', ', parent_trace) AS message
        FROM pair WHERE type IN {ANSWERED} AND trace_id <> parent_trace""",  # noqa: S608
    ),
    Rule(
        "clock-order",
        "warning",
        "A signal is not stamped earlier than its cause.",
        PLACE + "1.4",
        """
        SELECT run, trace_id, [parent_id, id] AS events,
               concat(type, ' is stamped ', epoch_us(parent_ts) - epoch_us(ts), ' us before its ', parent_type)
                   AS message
        FROM pair WHERE ts < parent_ts""",
    ),
    Rule(
        "task-open",
        "warning",
        "A TASK gets a reply, or its trace a STOP.",
        PLACE + "5.2",
        unanswered("('TASK')", REPLIES, unless_stopped=True),
    ),
    Rule(
        "award-open",
        "warning",
        "An awarded TASK gets a reply of the winner, or its trace a STOP.",
        PLACE + "5.3",
        f"""
        SELECT s.run, s.trace_id, [s.id] AS events, concat(s.directed_id, ' won and never replied') AS message
        FROM signal s
        ANTI JOIN signal a ON a.run = s.run AND a.trace_id = s.trace_id AND a.directed_id = s.directed_id
          AND a.type IN {REPLIES}
        ANTI JOIN stop ON stop.run = s.run AND stop.trace_id = s.trace_id
        WHERE s.type = 'TASK_AWARDED'""",  # noqa: S608
    ),
    Rule(
        "task-twice",
        "warning",
        "A TASK has one AGENT_OUTPUT; a routed one runs once per queue group.",
        PLACE + "4",
        """
        SELECT run, parent_trace AS trace_id, [parent_id] || list(id ORDER BY ts, id) AS events,
               concat('TASK ran ', count(*), ' times: ', string_agg(neuron, ', ' ORDER BY ts, id)) AS message
        FROM pair WHERE type = 'AGENT_OUTPUT' AND parent_type = 'TASK'
        GROUP BY run, parent_trace, parent_id HAVING count(*) > 1""",
    ),
    Rule(
        "finalize-missing",
        "warning",
        "A TASK with finalize ends in a FINAL after its AGENT_OUTPUT.",
        PLACE + "5.2",
        """
        SELECT o.run, o.trace_id, [o.parent_id, o.id] AS events, 'finalize was asked, no FINAL followed' AS message
        FROM pair o
        JOIN signal t ON t.run = o.run AND t.id = o.parent_id AND (t.payload ->> '$.finalize') = 'true'
        ANTI JOIN (SELECT a.run, a.parent_id FROM pair a JOIN pair f ON f.run = a.run AND f.parent_id = a.id
                   WHERE a.type = 'AGENT_OUTPUT' AND f.type = 'FINAL') ended
          ON ended.run = o.run AND ended.parent_id = o.parent_id
        WHERE o.type = 'AGENT_OUTPUT' AND o.parent_type = 'TASK'""",
    ),
    Rule(
        "recall-unanswered",
        "warning",
        "A RECALL gets a RECALLED.",
        PLACE + "5.7",
        unanswered("('RECALL')", "('RECALLED')", unless_stopped=False),
    ),
    Rule(
        "recall-late",
        "info",
        "RECALLED comes within the deadline_ms of the RECALL.",
        PLACE + "5.7",
        """
        SELECT p.run, p.trace_id, [p.parent_id, p.id] AS events,
               concat('RECALLED after ', (epoch_us(p.ts) - epoch_us(p.parent_ts)) // 1000, ' ms, deadline ',
               q.payload ->> '$.deadline_ms', ' ms') AS message
        FROM pair p JOIN signal q ON q.run = p.run AND q.id = p.parent_id
        WHERE p.type = 'RECALLED' AND p.parent_type = 'RECALL'
          AND epoch_us(p.ts) - epoch_us(p.parent_ts) > TRY_CAST(q.payload ->> '$.deadline_ms' AS BIGINT) * 1000""",
    ),
    Rule(
        "imprint-unanswered",
        "warning",
        "An IMPRINT gets an IMPRINTED.",
        PLACE + "5.7",
        unanswered("('IMPRINT')", "('IMPRINTED')", unless_stopped=False),
    ),
    Rule(
        "tool-unanswered",
        "warning",
        "A TOOL_CALL gets a TOOL_RESULT.",
        PLACE + "5.8",
        unanswered("('TOOL_CALL')", "('TOOL_RESULT')", unless_stopped=False),
    ),
    Rule(
        "question-unanswered",
        "warning",
        "CLARIFICATION and PERMISSION get an answer, a follow-up TASK or a STOP.",
        PLACE + "5.6",
        unanswered(
            "('CLARIFICATION', 'PERMISSION')",
            "('CLARIFICATION_ANSWER', 'PERMISSION_DECISION', 'TASK')",
            unless_stopped=True,
        ),
    ),
    Rule(
        "escalation-unanswered",
        "info",
        "An ESCALATION gets a follow-up TASK.",
        PLACE + "5.6",
        unanswered("('ESCALATION')", "('TASK')", unless_stopped=True),
    ),
)

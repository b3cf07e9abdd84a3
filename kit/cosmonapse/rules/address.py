"""Rules about who is addressed and who answers."""

from kit.cosmonapse.rules.rule import MANAGEMENT, PLACE, Rule

ADDRESS_RULES = (
    Rule(
        "request-address",
        "error",
        "RECALL and IMPRINT name an engram or a kind.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat(type, ' addresses neither id nor type') AS message
        FROM signal WHERE type IN ('RECALL', 'IMPRINT')
          AND coalesce(directed_id, '') = '' AND coalesce(directed_type, '') = ''""",
    ),
    Rule(
        "offer-address",
        "error",
        "TASK_OFFER is directed to nobody.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat('TASK_OFFER directed to ', coalesce(directed_id, directed_type,
               array_to_string(directed_capabilities, ', '))) AS message
        FROM signal WHERE type = 'TASK_OFFER' AND (coalesce(directed_id, '') <> '' OR coalesce(directed_type, '') <> ''
          OR len(directed_capabilities) > 0)""",
    ),
    Rule(
        "broadcast-address",
        "warning",
        "DISCOVER, STOP and STOPPED are directed to nobody.",
        PLACE + "2.2",
        """
        SELECT run, trace_id, [id] AS events, concat(type, ' directed to ', coalesce(directed_id, directed_type,
               array_to_string(directed_capabilities, ', '))) AS message
        FROM signal WHERE type IN ('DISCOVER', 'STOP', 'STOPPED') AND (coalesce(directed_id, '') <> ''
          OR coalesce(directed_type, '') <> '' OR len(directed_capabilities) > 0)""",
    ),
    Rule(
        "producer-missing",
        "error",
        "What a neuron emits names it in directed.id.",
        PLACE + "2.2",
        f"""
        SELECT run, trace_id, [id] AS events, concat(type, ' names no neuron') AS message
        FROM signal WHERE type IN ('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION', 'BID', {MANAGEMENT[1:-1]})
          AND coalesce(directed_id, '') = ''""",  # noqa: S608
    ),
    Rule(
        "reply-neuron",
        "error",
        "A TASK addressed to a neuron is answered by it.",
        PLACE + "3",
        """
        SELECT run, trace_id, [parent_id, id] AS events,
               concat(parent_type, ' to ', parent_neuron, ' is answered by ', neuron) AS message
        FROM pair WHERE type IN ('AGENT_OUTPUT', 'CLARIFICATION', 'PERMISSION')
          AND parent_type IN ('TASK', 'TASK_AWARDED') AND neuron <> parent_neuron""",
    ),
)

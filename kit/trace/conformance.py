"""A capture against the protocol's rules."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import pyarrow as pa

from kit.cosmonapse.rules import RULES, Rule
from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.forest import LABELS, Lent, forest

SIGNAL = """
CREATE OR REPLACE TEMP TABLE conformance_signal AS
SELECT run, id, trace_id, parent_id, type, directed_id, directed_type, directed_capabilities, ts, payload, meta, flags
FROM signals WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run)
ORDER BY type
"""

PAIR = """
CREATE OR REPLACE TEMP TABLE conformance_pair AS
SELECT c.run, c.id, c.trace_id, c.type, c.directed_id AS neuron, c.ts, c.parent_id, p.type AS parent_type,
       p.trace_id AS parent_trace, p.directed_id AS parent_neuron, p.ts AS parent_ts
FROM conformance_signal c JOIN conformance_signal p ON p.run = c.run AND p.id = c.parent_id
ORDER BY c.type
"""

RELATIONS = """
WITH signal AS NOT MATERIALIZED (
    FROM conformance_signal
), pair AS NOT MATERIALIZED (
    FROM conformance_pair
), label AS NOT MATERIALIZED (
    SELECT s.run, s.id, s.trace_id, l.label FROM conformance_label l JOIN signals s ON s.rowid = l.row
), stop AS MATERIALIZED (
    SELECT run, trace_id, first(id ORDER BY ts, id) AS id, min(ts) AS ts
    FROM signal WHERE type = 'STOP' GROUP BY run, trace_id
), clash AS NOT MATERIALIZED (
    SELECT s.run, s.id, s.trace_id FROM signal s
    SEMI JOIN (SELECT run, id FROM signals WHERE NOT canonical AND ($run::VARCHAR IS NULL OR run = $run)) o
      ON o.run = s.run AND o.id = s.id
), repeat AS NOT MATERIALIZED (
    SELECT run, id, count(*) AS times FROM duplicates
    WHERE $run::VARCHAR IS NULL OR run = $run GROUP BY run, id
)
"""

FINDINGS = pa.schema(
    [
        ("rule", pa.string()),
        ("severity", pa.string()),
        ("trace_id", pa.string()),
        ("events", pa.list_(pa.string())),
        ("message", pa.string()),
        ("run", pa.string()),
    ]
)


def check(store: Store, run: str | None = None, rules: Sequence[str | Rule] | None = None) -> pa.Table:
    """Return what breaks a rule: `rule, severity, trace_id, events[], message, run`.

    All of `RULES`, or the `rules` named by id, or rules of one's own. Rows are in order of the rules, then of (run,
    trace, events), the same for any permutation of the capture's lines. `events` are ids, cause first. Raises
    ArgumentError for an unknown rule id.
    """
    chosen = _chosen(rules)
    if not chosen:
        return FINDINGS.empty_table()
    with _relations(store, run):
        return store.arrow(_sql(chosen), {"run": run}).cast(FINDINGS)


def rules_table() -> pa.Table:
    """Return the rules: `rule, severity, statement, source`, in the order of the report."""
    return pa.table(
        {
            "rule": [rule.id for rule in RULES],
            "severity": [rule.severity for rule in RULES],
            "statement": [rule.statement for rule in RULES],
            "source": [rule.source for rule in RULES],
        }
    )


@contextmanager
def _relations(store: Store, run: str | None) -> Iterator[None]:
    """Provide the relations of the rules; sorted by type, so that a rule reads little but its own types."""
    wood = forest(store, run)
    odd = np.flatnonzero((wood.row >= 0) & (wood.label < LABELS.index("root")))
    labels = pa.table({"row": wood.row[odd], "label": [LABELS[number] for number in wood.label[odd].tolist()]})
    with Lent(store) as lent:
        lent("conformance_label", labels)
        try:
            store.execute(SIGNAL, {"run": run})
            store.execute(PAIR)
            yield
        finally:
            for name in ("conformance_signal", "conformance_pair"):
                store.execute(f"DROP TABLE IF EXISTS temp.{name}")


def _chosen(rules: Sequence[str | Rule] | None) -> tuple[Rule, ...]:
    if rules is None:
        return RULES
    known = {rule.id: rule for rule in RULES}
    for rule in rules:
        if isinstance(rule, str) and rule not in known:
            raise ArgumentError(f"no rule {rule!r}: the rules are {', '.join(known)}")
    return tuple(known[rule] if isinstance(rule, str) else rule for rule in rules)


def _sql(rules: Sequence[Rule]) -> str:
    """Return one statement over all rules, each with its place in the order."""
    arms = [
        f"SELECT {place} AS place, {_text(rule.id)} AS rule, {_text(rule.severity)} AS severity, "  # noqa: S608
        f"trace_id, events, message, run FROM ({rule.sql}\n)"
        for place, rule in enumerate(rules)
    ]
    body = "\nUNION ALL\n".join(arms)
    return (
        f"{RELATIONS} SELECT rule, severity, trace_id, events, message, run FROM (\n{body}\n)"  # noqa: S608
        " ORDER BY place, run, trace_id, events, message"
    )


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"

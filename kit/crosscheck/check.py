"""`crosscheck`: the findings of the rules, as one table."""

from collections.abc import Sequence

import pyarrow as pa

from kit.align.mapping import Utc
from kit.align.paths import Paths
from kit.auki.clock_graph import ClockName
from kit.crosscheck.evidence import Evidence, Tolerances
from kit.crosscheck.rule import Rule
from kit.crosscheck.rules import RULES
from kit.errors import ArgumentError
from kit.store.store import Store

FINDINGS = pa.schema(
    [
        ("rule", pa.string()),
        ("severity", pa.string()),
        ("signal_id", pa.string()),
        ("record_id", pa.string()),
        ("log", pa.string()),
        ("ts_ns", pa.int64()),
        ("detail", pa.string()),
        ("distance", pa.float64()),
        ("tolerance", pa.float64()),
        ("unit", pa.string()),
        ("run", pa.string()),
    ]
)


def crosscheck(
    store: Store,
    paths: Paths,
    rules: Sequence[str | Rule] | None = None,
    *,
    clock: "ClockName | Utc | None" = None,
    tolerances: Tolerances | None = None,
) -> pa.Table:
    """Return what agents and records of a run say that its sensor logs contradict, one row a finding.

    Columns: rule, severity (error, warning, info), signal_id, record_id, log, ts_ns (on the log's clock), detail, then how far
    apart statement and reading are: distance, tolerance and unit; run. NULL is what a finding does not have. The rules, in
    order, are `RULES`; `rules` picks some by name, or adds rules of one's own. `clock` says which clock of the logs is
    UTC where none is declared, see `kit.align.align`. Raises ArgumentError for an unknown rule.
    """
    evidence = Evidence(store, paths, clock, tolerances or Tolerances())
    rows = [
        {"rule": rule.id, "severity": rule.severity, "run": paths.run, **vars(finding)}
        for rule in _chosen(rules)
        for finding in rule.check(evidence)
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def _chosen(rules: Sequence[str | Rule] | None) -> list[Rule]:
    if rules is None:
        return list(RULES)
    known = {rule.id: rule for rule in RULES}
    chosen = []
    for rule in [rules] if isinstance(rules, str) else rules:
        if isinstance(rule, str) and rule not in known:
            raise ArgumentError(f"no rule {rule!r}: there are {', '.join(known)}")
        chosen.append(known[rule] if isinstance(rule, str) else rule)
    return chosen

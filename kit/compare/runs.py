"""The difference of two runs, in plain counts and quantiles: no model, no test of significance."""

import pyarrow as pa

from kit.errors import NotFoundError
from kit.store.store import Store
from kit.trace.forest import Lent
from kit.trace.metrics.edges import latency
from kit.trace.traces import traces
from kit.trace.variants import variants

SIGNALS = """
SELECT type, count(*) FILTER (run = $a) AS a, count(*) FILTER (run = $b) AS b, b - a AS delta
FROM signals WHERE canonical AND run IN ($a, $b)
GROUP BY type ORDER BY type
"""

STATUSES = """
SELECT status, count(*) FILTER (side = 'a') AS a, count(*) FILTER (side = 'b') AS b, b - a AS delta
FROM (SELECT status, 'a' AS side FROM compare_a UNION ALL SELECT status, 'b' FROM compare_b)
WHERE status IS NOT NULL
GROUP BY status ORDER BY status
"""

VARIANTS = """
SELECT variant, coalesce(a.sequence, b.sequence) AS sequence, coalesce(a.traces, 0) AS a, coalesce(b.traces, 0) AS b,
       coalesce(b.traces, 0) - coalesce(a.traces, 0) AS delta, coalesce(a.share, 0) AS share_a,
       coalesce(b.share, 0) AS share_b, a.p50_ms AS p50_a_ms, b.p50_ms AS p50_b_ms
FROM compare_a a FULL JOIN compare_b b USING (variant)
ORDER BY abs(coalesce(b.traces, 0) - coalesce(a.traces, 0)) DESC, variant
"""

LATENCIES = """
SELECT coalesce(a.parent_type, b.parent_type) AS parent_type, coalesce(a.type, b.type) AS type,
       coalesce(a.neuron, b.neuron) AS neuron, coalesce(a.count, 0) AS count_a, coalesce(b.count, 0) AS count_b,
       a.p50_ms AS p50_a_ms, b.p50_ms AS p50_b_ms, b.p50_ms - a.p50_ms AS p50_delta_ms,
       a.p90_ms AS p90_a_ms, b.p90_ms AS p90_b_ms, b.p90_ms - a.p90_ms AS p90_delta_ms,
       a.p99_ms AS p99_a_ms, b.p99_ms AS p99_b_ms, b.p99_ms - a.p99_ms AS p99_delta_ms
FROM compare_a a FULL JOIN compare_b b
  ON b.parent_type = a.parent_type AND b.type = a.type AND b.neuron IS NOT DISTINCT FROM a.neuron
ORDER BY 1, 2, 3 NULLS LAST
"""

SUMMARY = """
WITH told AS (
    SELECT 1 AS part, 'signals' AS measure, type AS key, a::DOUBLE AS a, b::DOUBLE AS b FROM compare_signals
    UNION ALL SELECT 2, 'status', status, a, b FROM compare_statuses
    UNION ALL SELECT 3, 'variant', variant, a, b FROM compare_variants
    UNION ALL SELECT 4, unnest(['p50_ms', 'p90_ms', 'p99_ms']),
        concat_ws(' ', parent_type || ' -> ' || type, neuron), unnest([p50_a_ms, p90_a_ms, p99_a_ms]),
        unnest([p50_b_ms, p90_b_ms, p99_b_ms]) FROM compare_latencies
)
SELECT measure, key, a, b, b - a AS delta FROM told ORDER BY part, measure, key
"""


def signals(store: Store, a: str, b: str) -> pa.Table:
    """Return signals per type: `type, a, b, delta`. Raises NotFoundError for an unknown run."""
    _check(store, a, b)
    return store.arrow(SIGNALS, {"a": a, "b": b})


def statuses(store: Store, a: str, b: str) -> pa.Table:
    """Return workflow traces per status: `status, a, b, delta`. Raises NotFoundError for an unknown run."""
    _check(store, a, b)
    return _joined(store, STATUSES, traces(store, a), traces(store, b))


def variants_of(store: Store, a: str, b: str, activity: str = "type") -> pa.Table:
    """Return workflow traces per variant by sequence: `variant, sequence, a, b, delta, share_a, share_b, p50_a_ms,
    p50_b_ms`, the greatest change first. Raises NotFoundError for an unknown run.
    """
    _check(store, a, b)
    return _joined(store, VARIANTS, variants(store, a, activity=activity), variants(store, b, activity=activity))


def latencies(store: Store, a: str, b: str) -> pa.Table:
    """Return latency quantiles per kind of edge in both runs: `parent_type, type, neuron, count_a, count_b`, and for
    p50, p90 and p99 `_a_ms, _b_ms, _delta_ms`; NULL where a run has no such edge. Raises NotFoundError for an
    unknown run.
    """
    _check(store, a, b)
    return _joined(store, LATENCIES, latency(store, a), latency(store, b))


def difference(store: Store, a: str, b: str) -> pa.Table:
    """Return all of them in one long table: `measure, key, a, b, delta`.

    `measure` is `signals`, `status`, `variant` (counts), `p50_ms`, `p90_ms` or `p99_ms`; `key` is the type, status,
    variant or edge. A count that is missing is 0, a quantile NULL. Raises NotFoundError for an unknown run.
    """
    with Lent(store) as lent:
        lent("compare_signals", signals(store, a, b))
        lent("compare_statuses", statuses(store, a, b))
        lent("compare_variants", variants_of(store, a, b))
        lent("compare_latencies", latencies(store, a, b))
        return store.arrow(SUMMARY)


def _joined(store: Store, sql: str, a: pa.Table, b: pa.Table) -> pa.Table:
    with Lent(store) as lent:
        lent("compare_a", a)
        lent("compare_b", b)
        return store.arrow(sql)


def _check(store: Store, *runs: str) -> None:
    known = [row[0] for row in store.execute("SELECT DISTINCT run FROM signals ORDER BY run")]
    for run in runs:
        if run not in known:
            raise NotFoundError(f"no run {run!r}: the runs are {', '.join(map(repr, known)) or 'none'}")

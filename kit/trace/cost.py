"""Tokens and cost, as the signals state them: by signal, neuron, trace, and as a histogram.

Stated are `meta.tokens.in` and `meta.tokens.out` (a nested object, or the flat keys `tokens.in`, `tokens_in`),
`meta.cost_micro_usd`, `meta.model`; and on a FINAL `payload.cost`, an object with the same keys. Where a FINAL has
both, `meta` counts, so nothing is counted twice. All are advisory (spec/cosmonapse.md 2.2) and counted as given,
signal by signal. The `cost` of a BID is a price asked for, not money spent: it is in `offered` alone.

Numbers are whole: tokens and millionths of a dollar are added as integers; a fraction is rounded, and what is not
a number, or beyond 64 bits, counts as missing.
"""

from typing import Literal

import pyarrow as pa

from kit.errors import ArgumentError
from kit.store.store import Store

TELLS = """(contains(meta, 'token') OR contains(meta, 'cost_micro_usd')
    OR (type = 'FINAL' AND contains(payload, '"cost"')))"""
"""Whether a signal may state tokens or cost: quick to see, and true of all that do."""

COST = "CASE WHEN type = 'FINAL' AND json_type(payload, '$.cost') = 'OBJECT' THEN payload -> '$.cost' END AS cost"

NUMBERS = """
    TRY_CAST(coalesce(meta ->> '$.tokens.in', meta ->> '$."tokens.in"', meta ->> '$.tokens_in',
        cost ->> '$.tokens.in', cost ->> '$."tokens.in"', cost ->> '$.tokens_in') AS BIGINT) AS tokens_in,
    TRY_CAST(coalesce(meta ->> '$.tokens.out', meta ->> '$."tokens.out"', meta ->> '$.tokens_out',
        cost ->> '$.tokens.out', cost ->> '$."tokens.out"', cost ->> '$.tokens_out') AS BIGINT) AS tokens_out,
    TRY_CAST(coalesce(meta ->> '$.cost_micro_usd', cost ->> '$.cost_micro_usd', cost ->> '$.micro_usd')
        AS BIGINT) AS cost_micro_usd"""
"""The three numbers, of a `meta` and of the `COST` of the same signal."""

_STATED = f"""
WITH told AS (
    SELECT run, id, trace_id, type, directed_id AS neuron, ts, meta, {COST}
    FROM signals WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run) AND {TELLS}
), stated AS (
    SELECT run, id, trace_id, type, neuron, ts,
           coalesce(meta ->> '$.model', cost ->> '$.model') AS model, {NUMBERS}, cost AS final_cost
    FROM told
), spent AS (
    SELECT * FROM stated
    WHERE tokens_in IS NOT NULL OR tokens_out IS NOT NULL OR cost_micro_usd IS NOT NULL OR final_cost IS NOT NULL
)
"""  # noqa: S608  our own texts

_SUMS = """count(*) AS signals, TRY_CAST(sum(tokens_in) AS BIGINT) AS tokens_in,
       TRY_CAST(sum(tokens_out) AS BIGINT) AS tokens_out, TRY_CAST(sum(cost_micro_usd) AS BIGINT) AS cost_micro_usd
FROM spent"""

SIGNALS = _STATED + "SELECT * FROM spent ORDER BY run, ts, id"  # noqa: S608
NEURONS = (
    _STATED
    + "SELECT run, neuron, model, "
    + _SUMS
    + """
GROUP BY run, neuron, model ORDER BY run, neuron NULLS LAST, model NULLS LAST"""
)
TRACES = (
    _STATED
    + "SELECT run, trace_id, min(ts) AS start, "
    + _SUMS
    + """
GROUP BY run, trace_id ORDER BY run, start, trace_id"""
)

HISTOGRAM = """
, item AS (
    SELECT run, CASE $per WHEN 'trace' THEN trace_id WHEN 'neuron' THEN neuron ELSE id END AS key,
           CASE $of WHEN 'tokens_in' THEN tokens_in WHEN 'tokens_out' THEN tokens_out
                    ELSE cost_micro_usd END AS value
    FROM spent
), total AS (
    SELECT run, key, TRY_CAST(sum(value) AS BIGINT) AS value FROM item WHERE value IS NOT NULL GROUP BY run, key
), span AS (
    SELECT min(value) AS low, greatest(1, (max(value) - min(value)) // $bins + 1) AS width
    FROM total WHERE value IS NOT NULL
), bin AS (
    SELECT t.run, s.low + (t.value - s.low) // s.width * s.width AS lower, s.width
    FROM total t, span s WHERE t.value IS NOT NULL
)
SELECT run, lower::BIGINT AS lower, (lower + width)::BIGINT AS upper, count(*) AS count
FROM bin GROUP BY run, lower, width ORDER BY run, lower
"""

OFFERED = """
WITH award AS (
    SELECT DISTINCT run, parent_id FROM signals
    WHERE canonical AND type = 'TASK_AWARDED' AND ($run::VARCHAR IS NULL OR run = $run)
), bid AS (
    SELECT b.run, b.directed_id AS neuron, TRY_CAST(b.payload ->> '$.cost' AS DOUBLE) AS price,
           w.parent_id IS NOT NULL AS won
    FROM signals b LEFT JOIN award w ON w.run = b.run AND w.parent_id = b.id
    WHERE b.canonical AND b.type = 'BID' AND ($run::VARCHAR IS NULL OR b.run = $run)
)
SELECT run, neuron, count(*) AS bids, count(price) AS priced, count(*) FILTER (won) AS won, min(price) AS min_price,
       quantile_cont(price, 0.5) AS p50_price, max(price) AS max_price,
       quantile_cont(price, 0.5) FILTER (won) AS won_p50_price
FROM bid GROUP BY run, neuron ORDER BY run, neuron NULLS LAST
"""

Measure = Literal["cost_micro_usd", "tokens_in", "tokens_out"]
Per = Literal["signal", "neuron", "trace"]


def cost_signals(store: Store, run: str | None = None) -> pa.Table:
    """Return the signals that state tokens or cost: `run, id, trace_id, type, neuron, ts, model, tokens_in,
    tokens_out, cost_micro_usd, final_cost`, in order of (run, ts, id).

    `neuron` is `directed.id`; `final_cost` is `payload.cost` of a FINAL as JSON text, whatever its keys.
    """
    return store.arrow(SIGNALS, {"run": run})


def cost_by_neuron(store: Store, run: str | None = None) -> pa.Table:
    """Return `run, neuron, model, signals, tokens_in, tokens_out, cost_micro_usd`, one row per neuron and model.

    `signals` counts those that state anything; a sum is NULL where none states that number.
    """
    return store.arrow(NEURONS, {"run": run})


def cost_by_trace(store: Store, run: str | None = None) -> pa.Table:
    """Return `run, trace_id, start, signals, tokens_in, tokens_out, cost_micro_usd` of the traces that state any.

    A trace counts its own signals; delegated traces have their own rows. `start` is the first stating signal.
    """
    return store.arrow(TRACES, {"run": run})


def cost_histogram(
    store: Store, run: str | None = None, *, of: Measure = "cost_micro_usd", per: Per = "trace", bins: int = 20
) -> pa.Table:
    """Return how many traces (neurons, signals) spent how much: `run, lower, upper, count`.

    At most `bins` bins of equal whole width, [lower, upper), the same for all runs, from the smallest total on; empty
    bins have no row. Raises ArgumentError for an unknown `of` or `per`, or fewer than 1 bin.
    """
    if of not in ("cost_micro_usd", "tokens_in", "tokens_out"):
        raise ArgumentError(f"of={of!r}: 'cost_micro_usd', 'tokens_in' or 'tokens_out'")
    if per not in ("signal", "neuron", "trace"):
        raise ArgumentError(f"per={per!r}: 'signal', 'neuron' or 'trace'")
    if bins < 1:
        raise ArgumentError(f"bins={bins!r}: at least 1")
    return store.arrow(_STATED + HISTOGRAM, {"run": run, "of": of, "per": per, "bins": bins})


def offered(store: Store, run: str | None = None) -> pa.Table:
    """Return what each neuron asked for in auctions: `run, neuron, bids, priced, won, min_price, p50_price,
    max_price, won_p50_price`.

    Prices are `payload.cost` of BIDs, in the unit of the bidders; `priced` counts the BIDs that name one.
    """
    return store.arrow(OFFERED, {"run": run})

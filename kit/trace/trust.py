"""Trust in an actor by domain: how the verdicts on its work speak for it (spec/syncropel.md 11)."""

from datetime import datetime
from math import exp, log, sqrt

import pyarrow as pa

from kit.store.store import Store

Z = 1.96
PRIOR_SUCCESSES, PRIOR_TRIALS = 7, 10
HALF_LIFE_DAYS = 30.0
NEUTRAL = 0.47
"""What trust decays to."""
CEILINGS = ((0.30, 0.3333), (0.50, 0.5), (0.70, 0.6667))
"""Highest dial setting below each score; 1.0 from the last on."""

SCHEMA = pa.schema(
    [
        ("run", pa.string()),
        ("actor", pa.string()),
        ("domain", pa.string()),
        ("successes", pa.int64()),
        ("trials", pa.int64()),
        ("own_verdicts", pa.int64()),
        ("raw", pa.float64()),
        ("last_trial", pa.timestamp("us", tz="UTC")),
        ("days", pa.float64()),
        ("effective", pa.float64()),
        ("ceiling", pa.float64()),
    ]
)


def wilson(successes: int, trials: int) -> float:
    """Return the raw trust: the lower Wilson bound at 95%, with 7 of 10 as prior, to 4 places.

    >>> wilson(0, 0), wilson(50, 52)
    (0.3968, 0.8247)
    """
    n = trials + PRIOR_TRIALS
    p = (successes + PRIOR_SUCCESSES) / n
    square = Z * Z
    bound = (p + square / (2 * n) - Z * sqrt(p * (1 - p) / n + square / (4 * n * n))) / (1 + square / n)
    return round(bound, 4)


def decayed(raw: float, days: float) -> float:
    """Return the trust after `days` without a trial: halfway to 0.47 after 30 days, to 4 places.

    >>> decayed(0.8247, 0), decayed(0.8247, 3000)
    (0.8247, 0.47)
    >>> decayed(0.8247, 30)
    0.6473
    """
    kept = exp(-days * log(2) / HALF_LIFE_DAYS)
    return round(raw * kept + NEUTRAL * (1 - kept), 4)


def ceiling(score: float) -> float:
    """Return the highest dial setting for a score.

    >>> [ceiling(score) for score in (0.2999, 0.3, 0.5, 0.7)]
    [0.3333, 0.5, 0.6667, 1.0]
    """
    return next((setting for limit, setting in CEILINGS if score < limit), 1.0)


def trust(store: Store, run: str | None = None, *, as_of: datetime | None = None) -> pa.Table:
    """Return one row per actor and domain that was judged, the trusted ones first.

    A trial is a verdict by another actor on a record of this one; `accept` is a success (see the view `verdicts`). Verdicts
    on own records are counted in `own_verdicts` and nowhere else. `raw` is `wilson`; `effective` is what is left of it at
    `as_of` (the last time of the run where none is given), `days` after the last trial; both are `raw` where no trial has
    a time. `ceiling` goes by `effective`. With `as_of`, trials after it do not count; those without a time do.
    """
    rows = store.arrow(_TRIALS, {"run": run, "as_of": as_of}).to_pylist()
    for row in rows:
        row["raw"] = wilson(row["successes"], row["trials"])
        row["effective"] = decayed(row["raw"], row["days"] or 0.0)
        row["ceiling"] = ceiling(row["effective"])
    rows.sort(key=lambda row: (row["run"], -row["effective"], row["actor"], row["domain"]))
    return pa.Table.from_pylist(rows, schema=SCHEMA)


_TRIALS = """
WITH ends AS (
    SELECT run, coalesce($as_of::TIMESTAMPTZ, max(wall_time(clock))) AS until
    FROM records WHERE canonical AND ($run IS NULL OR run = $run) GROUP BY run
), trials AS (
    -- One verdict is one trial of an actor, however many of its records it is about.
    SELECT DISTINCT v.run, v.id, v.judged_actor AS actor, v.domain, v.verdict, v.own, v.ts, e.until
    FROM verdicts v JOIN ends e ON e.run = v.run
    WHERE v.judged_actor IS NOT NULL AND (v.ts > e.until) IS NOT TRUE
)
SELECT
    run, actor, domain, count(*) FILTER (WHERE NOT own AND verdict = 'accept') AS successes,
    count(*) FILTER (WHERE NOT own) AS trials, count(*) FILTER (WHERE own) AS own_verdicts,
    max(ts) FILTER (WHERE NOT own) AS last_trial,
    (epoch_ms(any_value(until)) - epoch_ms(max(ts) FILTER (WHERE NOT own))) / 86400000.0 AS days
FROM trials GROUP BY run, actor, domain
"""

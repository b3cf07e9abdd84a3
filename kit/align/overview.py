"""One row per log: how much it holds, from when to when, how fast, how regular, and what is damaged."""

import pyarrow as pa

from kit.align.logs import TABLES
from kit.store.store import Store

GAP_FACTOR = 5
"""A pause that is this many times the usual one is a gap."""

ENTRIES = " UNION ALL ".join(
    f"SELECT run, log_id, ts_ns FROM {table}" + (" WHERE part = 0" if table == "poses" else "")  # noqa: S608  our names
    for table in TABLES.values()
)
LOGS = f"""
WITH entries AS (
    SELECT run, log_id, ts_ns, ts_ns - lag(ts_ns) OVER (PARTITION BY run, log_id ORDER BY ts_ns) AS pause
    FROM ({ENTRIES}) WHERE $run IS NULL OR run = $run
), paced AS (
    SELECT *, quantile_disc(pause, 0.5) OVER (PARTITION BY run, log_id) AS usual FROM entries
), counted AS (
    SELECT run, log_id, count(*) AS entries, min(ts_ns) AS first_ts_ns, max(ts_ns) AS last_ts_ns,
           any_value(usual) AS usual_ns, max(pause) AS longest_ns,
           count(*) FILTER (WHERE pause > {GAP_FACTOR} * usual) AS gaps
    FROM paced GROUP BY run, log_id
), files AS (
    SELECT run, log_id, count(*) AS segments, sum(bytes) AS bytes,
           -- a segment that is cut has its tail in quarantine, and that is the one damage it has
           sum(greatest(quarantined, (NOT complete)::INT)) AS damage
    FROM sources WHERE log_id IS NOT NULL GROUP BY run, log_id
), known AS (
    SELECT * FROM logs WHERE $run IS NULL OR run = $run
    QUALIFY row_number() OVER (PARTITION BY run, log_id ORDER BY source_id DESC) = 1
)
SELECT l.run, l.log_id, l.source_peer_id, l.resource_id, l.variant, l.kind, coalesce(c.entries, 0) AS entries,
       coalesce(f.segments, 0) AS segments, coalesce(f.bytes, 0)::BIGINT AS bytes, c.first_ts_ns, c.last_ts_ns,
       CASE WHEN c.entries > 1 AND c.last_ts_ns > c.first_ts_ns
            THEN (c.entries - 1) / ((c.last_ts_ns - c.first_ts_ns) / 1e9) END AS rate_hz,
       coalesce(c.gaps, 0) AS gaps, c.longest_ns AS longest_pause_ns, l.clock_id, l.from_id, l.to_id, l.writer_mode,
       coalesce(f.damage, 0)::BIGINT AS damage
FROM known l
LEFT JOIN counted c ON c.run = l.run AND c.log_id = l.log_id
LEFT JOIN files f ON f.run = l.run AND f.log_id = l.log_id
ORDER BY l.run, l.log_id
"""  # noqa: S608  only names of ours are put in


def log_overview(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per log, in the order of their ids.

    Columns: run, log_id, source_peer_id, resource_id, variant, kind, entries, segments, bytes, first_ts_ns, last_ts_ns (on the
    log's clock), rate_hz (mean), gaps (pauses over five times the usual one), longest_pause_ns, clock_id, from_id, to_id,
    writer_mode, damage (entries in quarantine, a cut tail and a file that is no segment among them, each once;
    `study.quarantine()` has them).
    """
    return store.arrow(LOGS, {"run": run})


COVERAGE = f"""
WITH entries AS (
    SELECT run, log_id, ts_ns, ts_ns - lag(ts_ns) OVER (PARTITION BY run, log_id ORDER BY ts_ns) AS pause
    FROM ({ENTRIES}) WHERE $run IS NULL OR run = $run
), paced AS (
    SELECT *, quantile_disc(pause, 0.5) OVER (PARTITION BY run, log_id) AS usual FROM entries
), numbered AS (
    SELECT run, log_id, ts_ns,
           count(*) FILTER (WHERE pause > {GAP_FACTOR} * usual) OVER (PARTITION BY run, log_id ORDER BY ts_ns) AS stretch
    FROM paced
)
SELECT n.run, n.log_id, l.source_peer_id, l.resource_id, l.clock_id, l.kind, n.stretch,
       min(n.ts_ns) AS first_ts_ns, max(n.ts_ns) AS last_ts_ns,
       count(*) AS entries
FROM numbered n JOIN (
    SELECT DISTINCT ON (run, log_id) run, log_id, source_peer_id, resource_id, clock_id, kind FROM logs ORDER BY run, log_id, source_id DESC
) l ON l.run = n.run AND l.log_id = n.log_id
GROUP BY ALL ORDER BY n.run, n.log_id, n.stretch
"""  # noqa: S608


def log_coverage(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per stretch of a log without a gap: first_ts_ns, last_ts_ns, entries; on the log's clock."""
    return store.arrow(COVERAGE, {"run": run})

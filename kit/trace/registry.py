"""The registry over time: who was there at a moment, for how long, and who fell silent."""

from datetime import datetime

import duckdb
import pyarrow as pa

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.metrics.interval import interval_us

HISTORY = """
WITH mirror AS (
    SELECT run, directed_id AS neuron_id, type, directed_type, ts, id,
           CASE type WHEN 'REGISTER' THEN coalesce(payload ->> '$.role', '') END AS role,
           CASE type WHEN 'REGISTER' THEN coalesce(payload ->> '$.engram', '') END AS engram,
           CASE type WHEN 'REGISTER' THEN 'registered' WHEN 'DEREGISTER' THEN 'deregistered'
                ELSE nullif(payload ->> '$.status', '') END AS status
    FROM signals
    WHERE canonical AND ts IS NOT NULL AND directed_id IS NOT NULL AND ($run::VARCHAR IS NULL OR run = $run)
      AND type IN ('REGISTER', 'HEARTBEAT', 'DEREGISTER')
), engram AS (
    SELECT DISTINCT run, directed_type AS kind FROM mirror
    WHERE type = 'REGISTER' AND (role = 'engram' OR engram = 'true') AND directed_type IS NOT NULL
), sign AS (
    SELECT m.*, min(m.ts) FILTER (m.type <> 'DEREGISTER') OVER (PARTITION BY m.run, m.neuron_id) AS born
    FROM mirror m LEFT JOIN engram e ON e.run = m.run AND e.kind = m.directed_type
    WHERE m.type <> 'REGISTER' OR NOT (m.role = 'engram' OR m.engram = 'true' OR (m.role = '' AND e.kind IS NOT NULL))
), told AS (
    SELECT run, neuron_id, ts, id, coalesce(last_value(status IGNORE NULLS) OVER (
               PARTITION BY run, neuron_id ORDER BY ts, id ROWS UNBOUNDED PRECEDING), 'registered') AS status
    FROM sign WHERE ts >= born
), known AS (
    SELECT *, lag(status) OVER (PARTITION BY run, neuron_id ORDER BY ts, id) AS before FROM told
), change AS (
    SELECT run, neuron_id, status, ts, id FROM known WHERE before IS DISTINCT FROM status
)
SELECT run, neuron_id, status, ts AS "from",
       lead(ts) OVER (PARTITION BY run, neuron_id ORDER BY ts, id) AS "to"
FROM change
ORDER BY run, neuron_id, ts, id
"""

SILENCES = """
WITH s AS (
    SELECT run, type, directed_id, directed_type, ts, id, payload
    FROM signals
    WHERE canonical AND ts IS NOT NULL AND ($run::VARCHAR IS NULL OR run = $run)
), ends AS (
    SELECT run, max(ts) AS ts FROM s GROUP BY run
), backend AS (
    SELECT DISTINCT run, directed_id FROM s WHERE type = 'REGISTER' AND (payload ->> '$.role') IN ('engram', 'effector')
), sign AS (
    SELECT s.run, s.directed_id AS neuron_id, s.type, s.ts, s.id
    FROM s ANTI JOIN backend b ON b.run = s.run AND b.directed_id = s.directed_id
    WHERE s.type IN ('REGISTER', 'HEARTBEAT', 'DEREGISTER') AND s.directed_id IS NOT NULL
), gap AS (
    SELECT run, neuron_id, type, ts, id, lead(ts) OVER w AS next_ts, lead(type) OVER w AS next_type
    FROM sign WINDOW w AS (PARTITION BY run, neuron_id ORDER BY ts, id)
), silence AS (
    SELECT g.run, g.neuron_id, g.ts AS "from", coalesce(g.next_ts, e.ts) AS "to", g.next_type AS ended_by
    FROM gap g JOIN ends e ON e.run = g.run WHERE g.type <> 'DEREGISTER'
)
SELECT run, neuron_id, "from", "to", (epoch_us("to") - epoch_us("from")) / 1000 AS gap_ms, ended_by
FROM silence
WHERE epoch_us("to") - epoch_us("from") > $longer
ORDER BY run, neuron_id, "from", "to"
"""


NEURONS = """
FROM neurons_as_of($as_of::VARCHAR::TIMESTAMPTZ) WHERE $run::VARCHAR IS NULL OR run = $run ORDER BY run, neuron_id
"""


def registry_history(store: Store, run: str | None = None) -> pa.Table:
    """Return who had which status when: `run, neuron_id, status, from, to`, half-open [from, to).

    Folded from signals as a registry store does: REGISTER sets `registered`, HEARTBEAT its `payload.status` (`ok`),
    DEREGISTER `deregistered`; equal neighbours are one interval. Engrams are not in that store, effectors are. `to` is
    NULL for the status at the end of the capture. A heartbeat tick sends REGISTER, then HEARTBEAT, so `registered`
    lasts microseconds there. The store's own stale sweep sends no signal and is not seen here: `silences` shows its
    causes. Rules: spec/cosmonapse.md 5.4.
    """
    return store.arrow(HISTORY, {"run": run})


def silences(store: Store, run: str | None = None, longer_than: str = "90 seconds") -> pa.Table:
    """Return the stretches without a sign of life: `run, neuron_id, from, to, gap_ms, ended_by`.

    Signs are REGISTER and HEARTBEAT; nobody is silent after DEREGISTER. `ended_by` is the type of the next sign, or
    NULL where there is none and `to` is the last stamp of the run. The default is the age at which a registry store
    gives a neuron up, three heartbeats of 30 s. Engrams and effectors send no heartbeats and are left out.
    Rules: spec/cosmonapse.md 5.4. Raises ArgumentError where `longer_than` is no length of time.
    """
    return store.arrow(SILENCES, {"run": run, "longer": interval_us(store, longer_than, "longer_than")})


def neurons(store: Store, as_of: datetime | str | None = None, run: str | None = None) -> pa.Table:
    """Return the registry as it stood at `as_of` (inclusive; UTC where no zone is given; None: at the end).

    Columns `run, neuron_id, capabilities[], version, status, last_heartbeat, registered_at, role, kind`, in order of
    (run, neuron_id); folded from signals and registry snapshots by the SQL macro `neurons_as_of`. Raises ArgumentError
    where `as_of` is no time.
    """
    try:
        return store.arrow(NEURONS, {"as_of": str(as_of) if as_of is not None else None, "run": run})
    except duckdb.ConversionException:
        raise ArgumentError(f"as_of={as_of!r}: give a time, such as '2026-11-02 09:01:00'") from None

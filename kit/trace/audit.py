"""What the policies decided: AUDIT signals, verdicts on judged replies, and the Glia journal, side by side."""

import pyarrow as pa

from kit.store.store import Store

AUDITS = """
WITH audit AS (
    SELECT run, trace_id, payload ->> '$.hash' AS hash, ts, id, directed_id, payload,
           CASE WHEN (payload ->> '$.hash') IS NULL THEN id END AS alone,
           row_number() OVER (PARTITION BY run, trace_id, payload ->> '$.hash' ORDER BY ts, id) AS turn
    FROM signals
    WHERE canonical AND type = 'AUDIT' AND ($run::VARCHAR IS NULL OR run = $run)
), judged AS (
    SELECT run, trace_id, meta ->> '$.glia.hash' AS hash, ts, id, type, meta -> '$.glia' AS glia,
           CASE WHEN (meta ->> '$.glia.hash') IS NULL THEN id END AS alone,
           row_number() OVER (PARTITION BY run, trace_id, meta ->> '$.glia.hash' ORDER BY ts, id) AS turn
    FROM signals
    WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run) AND contains(meta, '"glia"')
      AND (meta ->> '$.glia.verdict') IS NOT NULL
), journal AS (
    SELECT run, trace_id, hash, ts, source_id, line, card_id, policy_id, policy_version, component, direction, signal,
           declared, effective, applied, mode, reason,
           CASE WHEN hash IS NULL THEN concat(source_id, ':', line) END AS alone,
           row_number() OVER (PARTITION BY run, trace_id, hash ORDER BY ts, raw, source_id, line) AS turn
    FROM policy_records
    WHERE $run::VARCHAR IS NULL OR run = $run
), replied AS (
    SELECT coalesce(a.run, j.run) AS run, coalesce(a.trace_id, j.trace_id) AS trace_id,
           coalesce(a.hash, j.hash) AS hash,
           coalesce(a.turn, j.turn) AS turn, coalesce(a.alone, j.alone) AS alone, coalesce(a.ts, j.ts) AS ts,
           a.id AS audit_id, j.id AS reply_id, a.directed_id, a.payload, j.type, j.glia
    FROM audit a
    FULL JOIN judged j ON j.run = a.run AND j.trace_id = a.trace_id AND j.hash = a.hash AND j.turn = a.turn
)
SELECT coalesce(r.run, p.run) AS run, coalesce(r.ts, p.ts) AS ts, coalesce(r.trace_id, p.trace_id) AS trace_id,
       coalesce(r.hash, p.hash) AS hash, r.audit_id, r.reply_id, p.source_id AS record_source, p.line AS record_line,
       coalesce(r.payload ->> '$.component', r.glia ->> '$.component', p.component, r.directed_id) AS component,
       coalesce(r.payload ->> '$.direction', r.glia ->> '$.direction', p.direction) AS direction,
       coalesce(r.payload ->> '$.signal', r.glia ->> '$.signal', p.signal, r.type) AS signal,
       r.payload ->> '$.kind' AS kind, r.payload ->> '$.domain' AS domain, r.payload ->> '$.outcome' AS outcome,
       TRY_CAST(r.payload ->> '$.attempt' AS BIGINT) AS attempt,
       TRY_CAST(r.payload ->> '$.took_ms' AS DOUBLE) AS took_ms,
       r.glia ->> '$.verdict' AS verdict, p.declared, p.effective, p.applied,
       coalesce(r.glia ->> '$.mode', p.mode) AS mode,
       coalesce(r.payload ->> '$.card_id', r.glia ->> '$.card_id', p.card_id) AS card_id,
       coalesce(r.payload ->> '$.policy_id', r.glia ->> '$.policy_id', p.policy_id) AS policy_id,
       coalesce(r.payload ->> '$.policy_version', r.glia ->> '$.policy_version', p.policy_version) AS policy_version,
       coalesce(r.payload ->> '$.reason', p.reason) AS reason
FROM replied r
FULL JOIN journal p ON p.run = r.run AND p.trace_id = r.trace_id AND p.hash = r.hash AND p.turn = r.turn
ORDER BY run, ts NULLS LAST, trace_id, r.audit_id, r.reply_id, record_source, record_line
"""


def audits(store: Store, run: str | None = None) -> pa.Table:
    """Return one row per policy decision, in order of (run, ts).

    Three witnesses of a decision are joined on (run, trace, hash), the first with the first where they repeat: the
    AUDIT signal (`audit_id, kind, domain, outcome, attempt, took_ms`), `meta.glia` with a verdict on the judged reply
    (`reply_id, verdict`), and the Glia journal loaded into `policy_records` (`record_source, record_line,
    declared, effective, applied`). Each may be missing: its columns are NULL then. A witness without a hash stands
    alone. `component, direction, signal, mode, card_id, policy_id, policy_version, reason` come from the first that
    has them; `ts` is that of the AUDIT, else of the reply, else of the journal. An AUDIT is stamped after the
    reply that it describes. Rules: spec/cosmonapse.md 5.13, 7.
    """
    return store.arrow(AUDITS, {"run": run})

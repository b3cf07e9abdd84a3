"""Tables of the Cosmonapse protocol: signals, registries, Glia journals, engrams."""

from kit.schema.column import PLACE, Column, Tables

TABLES: Tables = {
    "signals": (
        *PLACE,
        Column("id", "VARCHAR", "evt_ id; unique in a run but for conflicts"),
        Column("trace_id", "VARCHAR", "trc_ id"),
        Column("parent_id", "VARCHAR", "evt_ id of the cause, or NULL"),
        Column("type", "VARCHAR", "signal type; an unknown one is flagged"),
        Column("v", "VARCHAR", "protocol version"),
        Column("directed_id", "VARCHAR", "addressee, or producer of an answer"),
        Column("directed_type", "VARCHAR", "kind addressed"),
        Column("directed_capabilities", "VARCHAR[]", "capabilities addressed"),
        Column("ts", "TIMESTAMPTZ", "UTC, microseconds; NULL where the line has none"),
        Column("ts_text", "VARCHAR", "the stamp as written"),
        Column("payload", "JSON", "payload object"),
        Column("meta", "JSON", "meta object"),
        Column("extra", "JSON", "unknown top-level keys, or NULL"),
        Column("dialect", "VARCHAR", "python or typescript by the form of the stamp, else other"),
        Column("flags", "VARCHAR[]", "what is unusual: no_ts, unknown_type, ..."),
        Column("canonical", "BOOLEAN", "false for all but one of the rows with a conflicting id"),
        Column("text", "VARCHAR", "the line where the other columns do not make it to the byte, else NULL"),
    ),
    "registry": (
        *PLACE,
        Column("neuron_id", "VARCHAR", "name in the registry"),
        Column("role", "VARCHAR", "neuron, engram or effector"),
        Column("kind", "VARCHAR", "neuron kind, engram kind or effector kind"),
        Column("capabilities", "VARCHAR[]", "capabilities"),
        Column("version", "VARCHAR", "version it registered with"),
        Column("status", "VARCHAR", "registered, draining, deregistered, or a heartbeat's status"),
        Column("last_heartbeat", "TIMESTAMPTZ", "last sign of life"),
        Column("registered_at", "TIMESTAMPTZ", "first registration"),
        Column("raw", "VARCHAR", "the entry as it stood"),
    ),
    "policy_records": (
        *PLACE,
        Column("ts", "TIMESTAMPTZ", "when the policy decided"),
        Column("ts_text", "VARCHAR", "the stamp as written"),
        Column("card_id", "VARCHAR", "policy card"),
        Column("policy_id", "VARCHAR", "policy on the card"),
        Column("policy_version", "VARCHAR", "version of the policy"),
        Column("component", "VARCHAR", "what was judged"),
        Column("direction", "VARCHAR", "inbound or outbound"),
        Column("signal", "VARCHAR", "type of the judged signal"),
        Column("declared", "VARCHAR", "verdict the policy states"),
        Column("effective", "VARCHAR", "verdict after all policies"),
        Column("applied", "VARCHAR", "what was done"),
        Column("mode", "VARCHAR", "off, audit or enforce"),
        Column("trace_id", "VARCHAR", "trace of the judged signal"),
        Column("reason", "VARCHAR", "reason in words"),
        Column("hash", "VARCHAR", "first 16 hex digits of the judged text's SHA-256"),
        Column("record", "JSON", "the whole journal record"),
        Column("raw", "VARCHAR", "the line as it stood"),
    ),
    "engram_entries": (
        *PLACE,
        Column("id", "VARCHAR", "eng_ id of the entry"),
        Column("engram_kind", "VARCHAR", "kind of engram that keeps it"),
        Column("merge_key", "VARCHAR", "key that upserts and merges find it by, or NULL"),
        Column("content", "JSON", "what is remembered"),
        Column("tags", "VARCHAR[]", "tags"),
        Column("meta", "JSON", "meta object"),
        Column("version", "BIGINT", "1 when it was added, one more with each change"),
        Column("created_at", "TIMESTAMPTZ", "when it was added"),
        Column("updated_at", "TIMESTAMPTZ", "when it was last changed"),
        Column("deleted_at", "TIMESTAMPTZ", "when it was deleted, or NULL"),
        Column("raw", "VARCHAR", "the row as JSON text"),
    ),
    "engram_imprints": (
        *PLACE,
        Column("imprint_id", "VARCHAR", "id of the IMPRINT signal that was carried out"),
        Column("entry_id", "VARCHAR", "id of the entry it wrote to"),
        Column("seen_at", "TIMESTAMPTZ", "when it was carried out"),
        Column("raw", "VARCHAR", "the row as JSON text"),
    ),
}

REBUILT = """concat('{{"v":"', {v}, '","id":"', {id}, '","trace_id":"', {trace_id}, '","parent_id":', \
CASE WHEN {parent_id} IS NULL THEN 'null' ELSE concat('"', {parent_id}, '"') END, ',"type":"', {type}, '","directed":', \
CASE WHEN {directed_capabilities} IS NULL THEN 'null' ELSE concat('{{"id":', \
CASE WHEN {directed_id} IS NULL THEN 'null' ELSE concat('"', {directed_id}, '"') END, ',"type":', \
CASE WHEN {directed_type} IS NULL THEN 'null' ELSE concat('"', {directed_type}, '"') END, ',"capabilities":', \
CASE len({directed_capabilities}) WHEN 0 THEN '[]' \
ELSE concat('["', array_to_string({directed_capabilities}, '","'), '"]') END, '}}') END, ',"ts":"', {ts_text}, \
'","payload":', {payload}, ',"meta":', {meta}, '}}')"""
"""SQL of the line that both SDKs write for the columns of a signal (spec/cosmonapse.md 1.5), where no text needs an escape."""

APPENDING = "kit_appending"
"""SQL variable that is true while lines are appended: DuckDB 2.0 computes generated columns of the rows it appends, to see
whether it can, which took a sixth of the time of loading. Only the connection that set it sees it."""

GENERATED = {
    "signals": {
        "raw": f"CASE WHEN getvariable('{APPENDING}') THEN NULL ELSE coalesce(text, "
        + REBUILT.format(
            **{name: name for name in ("v", "id", "trace_id", "parent_id", "type", "ts_text", "payload", "meta")},
            **{name: name for name in ("directed_id", "directed_type", "directed_capabilities")},
        )
        + ") END"
    }
}
"""Text columns that are computed when they are read; appending `raw` to `signals` stores it as `text`."""

"""The tables of a store: the one place where columns are written down (see docs/tables.md).

`TABLES` maps a table's name to its columns; `arrow(name)` is the Arrow schema and `ddl(name)` the
SQL of a table. A table only ever grows: a new column goes to the end with a NULL for old rows, and
`VERSION` goes up, so that a store of an older kit can be opened (`kit.store`).
"""

from typing import NamedTuple

import pyarrow as pa

VERSION = 1
"""Schema version, written into every store."""

ARROW = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}

ZSTD = frozenset({"id", "trace_id", "parent_id", "ts_text", "payload", "text", "raw", "record"})
"""Text columns stored with zstd: DuckDB's own choice, FSST, takes three times as long to write them (measured, 2.0)."""


class Column(NamedTuple):
    """A column: its name, its DuckDB type (a key of `ARROW`) and what it holds."""

    name: str
    sql: str
    doc: str


PLACE = (
    Column("run", "VARCHAR", "the run the row belongs to"),
    Column("source_id", "BIGINT", "the source it came from"),
    Column("line", "BIGINT", "1-based line, array element or entry of the source"),
)

TABLES: dict[str, tuple[Column, ...]] = {
    "runs": (
        Column("run", "VARCHAR", "name given by the user"),
        Column("kind", "VARCHAR", "capture or simulation"),
        Column("scenario", "JSON", "scenario of a simulation"),
        Column("seed", "BIGINT", "seed of a simulation"),
        Column("digest", "VARCHAR", "rolling digest of a simulation"),
    ),
    "sources": (
        Column("run", "VARCHAR", "the run it was loaded into"),
        Column("source_id", "BIGINT", "number of the source, from 1"),
        Column("uri", "VARCHAR", "path as given, or a name for a stream"),
        Column("family", "VARCHAR", "signals, registry or glia_journal"),
        Column("sha256", "VARCHAR", "hash of the bytes, decompressed"),
        Column("bytes", "BIGINT", "bytes read, decompressed, byte-order mark included"),
        Column("lines", "BIGINT", "lines, array elements or entries"),
        Column("rows", "BIGINT", "lines that became rows"),
        Column("duplicates", "BIGINT", "lines that repeat a row"),
        Column("quarantined", "BIGINT", "lines kept in quarantine"),
        Column("skipped", "BIGINT", "blank and comment lines"),
        Column("complete", "BOOLEAN", "false where the stream was cut or corrupt"),
        Column("note", "VARCHAR", "what else is to be known: a byte-order mark, why it is incomplete"),
        Column("tail", "BIGINT", "byte offset of a last line without a newline, else NULL"),
    ),
    "quarantine": (
        *PLACE,
        Column("byte_offset", "BIGINT", "0-based offset in the decompressed stream"),
        Column("reason", "VARCHAR", "code: bad_json, missing_id, ..."),
        Column("detail", "VARCHAR", "the reason in words"),
        Column("raw", "BLOB", "the bytes of the line"),
    ),
    "duplicates": (
        *PLACE,
        Column("id", "VARCHAR", "id of the row it repeats"),
        Column("reencoded", "BOOLEAN", "equal content in other bytes"),
        Column("raw", "VARCHAR", "the line as it stood; NULL where it is as in the row"),
    ),
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


def columns(table: str) -> tuple[str, ...]:
    """Return the column names of `table`, in order."""
    return tuple(column.name for column in TABLES[table])


def arrow(table: str) -> pa.Schema:
    """Return the Arrow schema of the stored columns of `table`; JSON is text."""
    return pa.schema([pa.field(column.name, ARROW[column.sql]) for column in TABLES[table]])


def ddl(table: str) -> str:
    """Return the SQL that creates `table`; quoting is not needed, the names are ours."""
    made = [f'"{name}" VARCHAR GENERATED ALWAYS AS ({sql}) VIRTUAL' for name, sql in GENERATED.get(table, {}).items()]
    return f'CREATE TABLE "{table}" ({", ".join([*map(declaration, TABLES[table]), *made])})'


def declaration(column: Column) -> str:
    """Return the SQL that declares `column` in a table."""
    compression = " USING COMPRESSION zstd" if column.name in ZSTD and column.sql in ("VARCHAR", "JSON") else ""
    return f'"{column.name}" {column.sql}{compression}'

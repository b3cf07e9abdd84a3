"""Tables of what was loaded: runs, sources, and the lines that are no rows."""

from kit.schema.column import PLACE, Column, Tables

TABLES: Tables = {
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
        Column("family", "VARCHAR", "signals, registry, glia_journal, records, ..."),
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
        Column("log_id", "VARCHAR", "the sensor log that it is a segment of, else NULL"),
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
        Column("family", "VARCHAR", "table of the row it repeats; NULL for signals in a store of schema 1"),
    ),
}

"""Tables of the Syncropel protocol."""

from kit.schema.column import PLACE, Column, Tables

TABLES: Tables = {
    "records": (
        *PLACE,
        Column("id", "VARCHAR", "id as claimed, or NULL; unique in a run but for conflicts"),
        Column("act", "VARCHAR", "INTEND, DO, KNOW, LEARN, GET, PUT, CALL or MAP"),
        Column("actor", "VARCHAR", "who wrote it, by convention a DID"),
        Column("thread", "VARCHAR", "thread it belongs to"),
        Column("clock", "BIGINT", "logical clock of the actor in the thread; NULL where it is no 64-bit integer"),
        Column("clock_text", "VARCHAR", "the clock as canonical text, whatever it is"),
        Column("data_type", "VARCHAR", "SCALAR, FORMULA, DISTRIBUTION, REFERENCE, MORPHISM or VOID"),
        Column("parents", "VARCHAR[]", "ids of the records it follows from, as written"),
        Column("kind", "VARCHAR", "body.kind, where it is a string"),
        Column("v", "VARCHAR", "body._v as text"),
        Column("body", "JSON", "body as canonical text: what was hashed; repeated keys resolved"),
        Column("integrity", "VARCHAR", "ok, ok6, mismatch, unhashable, no_id or redacted"),
        Column("conflict", "BOOLEAN", "another id has the same thread, actor and clock"),
        Column("sequence", "BIGINT", "place in the server's log, where it was told"),
        Column("judged_by", "VARCHAR", "who judged it, where it was told"),
        Column("namespace", "VARCHAR", "namespace the server keeps it in, where it was told"),
        Column("wrapper", "VARCHAR", "what the line had around the record: bare, envelope ({id, record}) or audit"),
        Column("flags", "VARCHAR[]", "what is unusual: parents_unsorted, duplicate_keys, ..."),
        Column("canonical", "BOOLEAN", "false for all but one of the rows with a conflicting id"),
        Column("raw", "VARCHAR", "the line as it stood"),
    ),
}

"""One id, one event: repeats of a row leave the table, and conflicts are flagged.

Within a run an id is one event. Rows with equal content are one row and its duplicates; rows with other
content under the same id all stay, flagged `conflicting_duplicate`, and the one whose raw text has the
smallest SHA-256 is canonical. Which of several equal rows stays depends on their text alone, never on
their order (the line number of equal bytes apart, where the first stays).
"""

import hashlib
import json
from typing import Any

import duckdb
import pyarrow as pa

from kit import schema
from kit.cosmonapse.examine import Refusal, examine

CONFLICT = "conflicting_duplicate"

SHARED = """
CREATE OR REPLACE TEMP TABLE contested AS
SELECT id FROM signals
WHERE run = $run AND hash(id) IN (
    SELECT hash(id) FROM signals WHERE run = $run GROUP BY hash(id) HAVING count(*) > 1
)
GROUP BY id HAVING count(*) > 1 AND bool_or(source_id = $source)
"""
"""Ids of a source that its run has more than once."""

RELEASED = """
CREATE OR REPLACE TEMP TABLE contested AS
WITH going AS (
    SELECT DISTINCT id FROM signals
    WHERE run = $run AND source_id = $source AND ($line IS NULL OR line = $line)
)
SELECT DISTINCT id FROM going SEMI JOIN (
    SELECT id FROM signals WHERE run = $run AND NOT (source_id = $source AND ($line IS NULL OR line = $line))
    UNION ALL
    SELECT id FROM duplicates WHERE run = $run AND NOT (source_id = $source AND ($line IS NULL OR line = $line))
) USING (id)
"""
"""Ids of rows that are about to go, which other lines of the run have too."""

CLASHES = """
CREATE OR REPLACE TEMP TABLE clashes AS
SELECT s.rowid AS row, NULL::BIGINT AS repeat, s.source_id, s.line, s.id, s.raw, sha256(s.raw) AS digest,
       sha256(to_json([s.v, s.trace_id, s.parent_id, s.type, s.directed_id, s.directed_type,
                       to_json(s.directed_capabilities)::VARCHAR, epoch_us(s.ts)::VARCHAR, s.payload::VARCHAR,
                       s.meta::VARCHAR, s.extra::VARCHAR])::VARCHAR) AS content
FROM signals s SEMI JOIN contested USING (id)
WHERE s.run = $run
UNION ALL
SELECT NULL, d.rowid, d.source_id, d.line, d.id, d.raw, sha256(d.raw), NULL
FROM duplicates d SEMI JOIN contested USING (id)
WHERE d.run = $run
"""
"""All lines with a contested id; those that are duplicates so far have no columns to compare."""

LIKE_A_ROW = """
UPDATE clashes SET content = same.content
FROM (SELECT DISTINCT id, digest, content FROM clashes WHERE content IS NOT NULL) same
WHERE clashes.content IS NULL AND clashes.id = same.id AND clashes.digest = same.digest
"""

UNLIKE = """
SELECT DISTINCT digest, raw FROM clashes
WHERE id IN (SELECT id FROM clashes GROUP BY id HAVING count(DISTINCT content) > 1 OR count(*) > count(content))
ORDER BY digest
"""
"""Lines of ids whose columns differ as text; they may still be equal as JSON."""

JUDGED = """
CREATE OR REPLACE TEMP TABLE judged AS
SELECT *, row_number() OVER alike = 1 AS kept, first_value(raw) OVER alike AS original,
       min(digest) OVER (PARTITION BY id) = digest AS least,
       min(content) OVER (PARTITION BY id) <> max(content) OVER (PARTITION BY id) AS conflicting
FROM clashes
WINDOW alike AS (PARTITION BY id, content ORDER BY digest, source_id, line)
"""

NEW_DUPLICATES = """
INSERT INTO duplicates BY NAME
SELECT $run AS run, source_id, line, id, raw <> original AS reencoded, raw
FROM judged WHERE row IS NOT NULL AND NOT kept
"""
OLD_DUPLICATES = """
UPDATE duplicates SET reencoded = judged.raw <> original
FROM judged WHERE duplicates.rowid = judged.repeat AND NOT kept AND reencoded <> (judged.raw <> original)
"""
FLAGGED = f"""
UPDATE signals SET
    canonical = least OR NOT conflicting,
    flags = list_concat(list_filter(flags, lambda f: f <> '{CONFLICT}'),
                        CASE WHEN conflicting THEN ['{CONFLICT}'] ELSE [] END)
FROM judged
WHERE signals.rowid = judged.row AND kept AND (conflicting OR list_contains(flags, '{CONFLICT}'))
"""  # noqa: S608


def settle(connection: duckdb.DuckDBPyConnection, run: str, source_id: int) -> list[int]:
    """Settle the ids that source `source_id` shares with itself or its run; return the sources it touched.

    Duplicates move to the table `duplicates` with their text: a later source may bring a conflict, or
    another row to stay in place of the one that they repeat. Takes time in proportion to the ids of the
    run, and to the text of the clashing rows only.
    """
    connection.execute(SHARED, {"run": run, "source": source_id})
    return _judge(connection, run)


def release(connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int | None = None) -> list[int]:
    """Take the rows and duplicates of a source, or of one line of it, out of the run; return the sources it touched.

    What repeated one of those rows becomes a row in its place, and an id that no longer conflicts loses its flag.
    """
    place = {"run": run, "source": source_id, "line": line}
    connection.execute(RELEASED, place)
    for table in ("signals", "duplicates"):
        connection.execute(
            f"DELETE FROM {table} WHERE run = $run AND source_id = $source AND ($line IS NULL OR line = $line)",  # noqa: S608
            place,
        )
    return _judge(connection, run)


def _judge(connection: duckdb.DuckDBPyConnection, run: str) -> list[int]:
    """Decide for the ids in `contested` which lines are rows, whatever they were; return the sources that changed."""
    if not _count(connection, "contested"):
        connection.execute("DROP TABLE contested")
        return []
    connection.execute(CLASHES, {"run": run})
    connection.execute(LIKE_A_ROW)
    _compare_as_json(connection)
    connection.execute(JUDGED)
    touched = connection.execute(
        "SELECT DISTINCT source_id FROM judged WHERE kept = (row IS NULL) ORDER BY source_id"
    ).fetchall()
    connection.execute(NEW_DUPLICATES, {"run": run})
    connection.execute(OLD_DUPLICATES)
    _promote(connection, run)
    connection.execute(FLAGGED)
    # Last, since an UPDATE of list columns may give rows new ids; the rows that go were left alone by it.
    connection.execute("DELETE FROM signals WHERE rowid IN (SELECT row FROM judged WHERE NOT kept)")
    connection.execute("DROP TABLE contested; DROP TABLE clashes; DROP TABLE judged")
    return [row[0] for row in touched]


def _promote(connection: duckdb.DuckDBPyConnection, run: str) -> None:
    """Make rows of the duplicates that stay where the row they repeated has gone."""
    heirs = connection.sql(
        "SELECT repeat, source_id, line, raw, least, conflicting FROM judged WHERE kept AND repeat IS NOT NULL ORDER BY ALL"
    ).to_arrow_table()
    if not heirs.num_rows:
        return
    rows = []
    for heir in heirs.to_pylist():
        row = examine(heir["raw"])
        if isinstance(row, Refusal):  # it was taken once, so this is another version's doing
            raise RuntimeError(f"a duplicate that is no row: {row.detail}")
        flags = [*row["flags"], *([CONFLICT] if heir["conflicting"] else [])]
        canonical = heir["least"] or not heir["conflicting"]
        place = {"run": run, "source_id": heir["source_id"], "line": heir["line"], "text": heir["raw"]}
        rows.append({**row, **place, "flags": flags, "canonical": canonical})
    connection.register("heirs", pa.Table.from_pylist(rows, schema=schema.arrow("signals")))
    connection.execute("INSERT INTO signals BY NAME SELECT * FROM heirs")
    connection.unregister("heirs")
    connection.register("heirs", heirs)
    connection.execute("DELETE FROM duplicates WHERE rowid IN (SELECT repeat FROM heirs)")
    connection.unregister("heirs")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  a constant


def _compare_as_json(connection: duckdb.DuckDBPyConnection) -> None:
    """Give lines that are equal as JSON, though not as text, the same content."""
    unlike = connection.sql(UNLIKE).to_arrow_table()
    if not unlike.num_rows:
        return
    contents = [content_digest(raw) for raw in unlike["raw"].to_pylist()]
    judged = pa.table({"digest": unlike["digest"], "content": contents})
    connection.register("compared", judged)
    connection.execute(
        "UPDATE clashes SET content = compared.content FROM compared WHERE clashes.digest = compared.digest"
    )
    connection.unregister("compared")


def content_digest(raw: str) -> str:
    """Return a hash that two lines share when they are the same signal: equal columns, and equal JSON in them.

    Key order, spacing, escapes, the way a number or a time is written, and defaults spelled out or left
    out make no difference (`1.0` is `1`); NaN equals NaN.
    """
    row = examine(raw)
    if isinstance(row, Refusal):
        return hashlib.sha256(raw.encode()).hexdigest()
    ts = row["ts"]
    parts: dict[str, Any] = {
        **{name: row[name] for name in ("v", "trace_id", "parent_id", "type", "directed_id", "directed_type")},
        "directed_capabilities": row["directed_capabilities"],
        "ts": None if ts is None else ts.isoformat(),
        **{name: _plain(json.loads(row[name])) for name in ("payload", "meta")},
        "extra": None if row["extra"] is None else _plain(json.loads(row["extra"])),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` with integral floats as integers, so that numbers compare by value."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

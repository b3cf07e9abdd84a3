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

CLASHES = """
CREATE OR REPLACE TEMP TABLE clashes AS
WITH repeated AS (
    SELECT id FROM signals
    WHERE run = $run AND hash(id) IN (
        SELECT hash(id) FROM signals WHERE run = $run GROUP BY hash(id) HAVING count(*) > 1
    )
    GROUP BY id HAVING count(*) > 1 AND bool_or(source_id = $source)
)
SELECT s.rowid AS row, s.source_id, s.line, s.id, s.raw, sha256(s.raw) AS digest,
       sha256(concat_ws(chr(31), s.v, s.trace_id, coalesce(s.parent_id, '-'), s.type, s.directed_id,
                        s.directed_type, s.directed_capabilities::VARCHAR, s.directed_capabilities IS NULL,
                        epoch_us(s.ts), coalesce(s.payload::VARCHAR, '-'), s.meta::VARCHAR,
                        coalesce(s.extra::VARCHAR, '-'))) AS content
FROM signals s SEMI JOIN repeated USING (id)
WHERE s.run = $run
"""

UNLIKE = """
SELECT row, raw FROM clashes
WHERE id IN (SELECT id FROM clashes GROUP BY id HAVING count(DISTINCT content) > 1)
ORDER BY row
"""
"""Rows of ids whose columns differ as text; they may still be equal as JSON."""

JUDGED = """
CREATE OR REPLACE TEMP TABLE judged AS
SELECT *, first_value(row) OVER alike = row AS kept, first_value(raw) OVER alike AS original,
       min(digest) OVER (PARTITION BY id) = digest AS least,
       min(content) OVER (PARTITION BY id) <> max(content) OVER (PARTITION BY id) AS conflicting
FROM clashes
WINDOW alike AS (PARTITION BY id, content ORDER BY digest, source_id, line)
"""


def settle(connection: duckdb.DuckDBPyConnection, run: str, source_id: int) -> list[int]:
    """Settle the ids that source `source_id` shares with itself or its run; return the sources it touched.

    Duplicates move to the table `duplicates` with their text: a later source may bring a conflict, or
    another row to stay in place of the one that they repeat. Takes time in proportion to the ids of the
    run, and to the text of the clashing rows only.
    """
    connection.execute(CLASHES, {"run": run, "source": source_id})
    if not _count(connection, "clashes"):
        connection.execute("DROP TABLE clashes")
        return []
    _compare_as_json(connection)
    connection.execute(JUDGED)
    connection.execute(
        """INSERT INTO duplicates BY NAME
           SELECT ? AS run, source_id, line, id, raw <> original AS reencoded, raw
           FROM judged WHERE NOT kept""",
        [run],
    )
    connection.execute(
        """UPDATE signals SET canonical = least, flags = list_append(
               list_filter(flags, lambda f: f <> 'conflicting_duplicate'), 'conflicting_duplicate')
           FROM judged WHERE signals.rowid = judged.row AND kept AND conflicting"""
    )
    touched = connection.execute("SELECT DISTINCT source_id FROM judged WHERE NOT kept ORDER BY ALL").fetchall()
    # Last, since an UPDATE of list columns may give rows new ids; the rows that go were left alone by it.
    connection.execute("DELETE FROM signals WHERE rowid IN (SELECT row FROM judged WHERE NOT kept)")
    connection.execute("DROP TABLE clashes; DROP TABLE judged")
    return [row[0] for row in touched]


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  a constant


def _compare_as_json(connection: duckdb.DuckDBPyConnection) -> None:
    """Give rows that are equal as JSON, though not as text, the same content."""
    unlike = connection.sql(UNLIKE).to_arrow_table()
    if not unlike.num_rows:
        return
    contents = [content_digest(raw) for raw in unlike["raw"].to_pylist()]
    judged = pa.table({"row": unlike["row"], "content": contents})
    connection.register("compared", judged)
    connection.execute("UPDATE clashes SET content = compared.content FROM compared WHERE clashes.row = compared.row")
    connection.unregister("compared")


def content_digest(raw: str) -> str:
    """Return a hash that two lines share when they are the same signal: equal columns, and equal JSON in them.

    Key order, spacing, escapes, the way a number or a time is written, and defaults spelled out or left
    out make no difference (`1.0` is `1`); NaN equals NaN.
    """
    from kit.cosmonapse.examine import Refusal, examine

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

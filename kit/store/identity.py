"""One id, one event: repeats of a row leave its table, and conflicts are flagged.

Within a run an id is one event. Rows with equal content are one row and its duplicates; rows with other
content under the same id all stay, flagged `conflicting_duplicate`, and the one whose raw text has the
smallest SHA-256 is canonical; where an id is the hash of its content, the row that it fits comes before all
others. Which of several equal rows stays depends on their text alone, never on
their order (the line number of equal bytes apart, where the first stays). A row without an id repeats nothing.

What equal content is, each family says (`Identified`).
"""

from typing import Any, Protocol

import duckdb
import pyarrow as pa

from kit import schema

CONFLICT = "conflicting_duplicate"


class Identified(Protocol):
    """What a family says of its rows that have ids; a module of it is one."""

    TABLE: str
    """Its table, with the columns run, source_id, line, id, raw, flags and canonical."""
    CONTENT: str
    """SQL over a row `s`: text that is equal only where the content is, or NULL; unequal text is not the last word."""

    def row(self, raw: str) -> dict[str, Any]:
        """Return the columns of a line that was a row once, without its place."""

    def content_digest(self, raw: str) -> str:
        """Return a hash that two lines share where they are the same event; where CONTENT is never NULL, any hash."""

    def settled(self, connection: duckdb.DuckDBPyConnection, run: str) -> None:
        """Bring up to date what the family tells of each row beside the others."""


SHARED = """
CREATE OR REPLACE TEMP TABLE contested AS
SELECT id FROM {table}
WHERE run = $run AND hash(id) IN (
    SELECT hash(id) FROM {table} WHERE run = $run AND id IS NOT NULL GROUP BY hash(id) HAVING count(*) > 1
)
GROUP BY id HAVING count(*) > 1 AND bool_or(source_id = $source)
"""
"""Ids of a source that its run has more than once."""

RELEASED = """
CREATE OR REPLACE TEMP TABLE contested AS
WITH going AS (
    SELECT DISTINCT id FROM {table}
    WHERE run = $run AND source_id = $source AND ($line IS NULL OR line = $line)
)
SELECT DISTINCT id FROM going SEMI JOIN (
    SELECT id FROM {table} WHERE run = $run AND NOT (source_id = $source AND ($line IS NULL OR line = $line))
    UNION ALL
    SELECT id FROM duplicates WHERE run = $run AND {its} AND NOT (source_id = $source AND ($line IS NULL OR line = $line))
) USING (id)
"""
"""Ids of rows that are about to go, which other lines of the run have too."""

CLASHES = """
CREATE OR REPLACE TEMP TABLE clashes AS
SELECT s.rowid AS row, NULL::BIGINT AS repeat, s.source_id, s.line, s.id, s.raw, sha256(s.raw) AS digest,
       {content} AS content
FROM {table} s
WHERE s.rowid IN (SELECT t.rowid FROM {table} t SEMI JOIN contested USING (id) WHERE t.run = $run)
UNION ALL
SELECT NULL, d.rowid, d.source_id, d.line, d.id, d.raw, sha256(d.raw), NULL
FROM duplicates d SEMI JOIN contested USING (id)
WHERE d.run = $run AND {its}
"""
"""All lines with a contested id; those that are duplicates so far have no columns to compare.

By row id, so that of the other columns only the parts with such rows are read.
"""

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
       first_value(digest) OVER (PARTITION BY id ORDER BY content <> id, digest) = digest AS least,
       min(content) OVER (PARTITION BY id) <> max(content) OVER (PARTITION BY id) AS conflicting
FROM clashes
WINDOW alike AS (PARTITION BY id, content ORDER BY digest, source_id, line)
"""

NEW_DUPLICATES = """
INSERT INTO duplicates BY NAME
SELECT $run AS run, source_id, line, id, raw <> original AS reencoded, raw, '{table}' AS family
FROM judged WHERE row IS NOT NULL AND NOT kept
"""
OLD_DUPLICATES = """
UPDATE duplicates SET reencoded = judged.raw <> original
FROM judged WHERE duplicates.rowid = judged.repeat AND NOT kept AND reencoded <> (judged.raw <> original)
"""
FLAGGED = """
UPDATE {table} SET
    canonical = least OR NOT conflicting,
    flags = list_concat(list_filter(flags, lambda f: f <> 'conflicting_duplicate'),
                        CASE WHEN conflicting THEN ['conflicting_duplicate'] ELSE [] END)
FROM judged
WHERE {table}.rowid = judged.row AND kept AND (conflicting OR list_contains(flags, 'conflicting_duplicate'))
"""


def settle(connection: duckdb.DuckDBPyConnection, run: str, source_id: int, *, family: Identified) -> list[int]:
    """Settle the ids that source `source_id` shares with itself or its run; return the sources it touched.

    Duplicates move to the table `duplicates` with their text: a later source may bring a conflict, or
    another row to stay in place of the one that they repeat. Takes time in proportion to the ids of the
    run, and to the text of the clashing rows only.
    """
    connection.execute(_sql(SHARED, family), {"run": run, "source": source_id})
    return _judge(connection, run, family)


def release(
    connection: duckdb.DuckDBPyConnection, run: str, source_id: int, line: int | None = None, *, family: Identified
) -> list[int]:
    """Take the rows and duplicates of a source, or of one line of it, out of the run; return the sources it touched.

    What repeated one of those rows becomes a row in its place, and an id that no longer conflicts loses its flag.
    """
    place = {"run": run, "source": source_id, "line": line}
    connection.execute(_sql(RELEASED, family), place)
    for table in (family.TABLE, "duplicates"):
        connection.execute(
            f"DELETE FROM {table} WHERE run = $run AND source_id = $source AND ($line IS NULL OR line = $line)",  # noqa: S608
            place,
        )
    return _judge(connection, run, family)


def _sql(template: str, family: Identified) -> str:
    """Return a statement for the table of a family; a duplicate from before there were several is a signal."""
    its = f"coalesce(family, 'signals') = '{family.TABLE}'"
    return template.format(table=family.TABLE, content=family.CONTENT, its=its)


def _judge(connection: duckdb.DuckDBPyConnection, run: str, family: Identified) -> list[int]:
    """Decide for the ids in `contested` which lines are rows, whatever they were; return the sources that changed."""
    touched = _decided(connection, run, family) if _count(connection, "contested") else []
    connection.execute("DROP TABLE contested")
    family.settled(connection, run)
    return touched


def _decided(connection: duckdb.DuckDBPyConnection, run: str, family: Identified) -> list[int]:
    connection.execute(_sql(CLASHES, family), {"run": run})
    connection.execute(LIKE_A_ROW)
    _compare_as_json(connection, family)
    connection.execute(JUDGED)
    touched = connection.execute(
        "SELECT DISTINCT source_id FROM judged WHERE kept = (row IS NULL) ORDER BY source_id"
    ).fetchall()
    connection.execute(_sql(NEW_DUPLICATES, family), {"run": run})
    connection.execute(OLD_DUPLICATES)
    _promote(connection, run, family)
    connection.execute(_sql(FLAGGED, family))
    # Last, since an UPDATE of list columns may give rows new ids; the rows that go were left alone by it.
    connection.execute(_sql("DELETE FROM {table} WHERE rowid IN (SELECT row FROM judged WHERE NOT kept)", family))
    connection.execute("DROP TABLE clashes; DROP TABLE judged")
    return [row[0] for row in touched]


def _promote(connection: duckdb.DuckDBPyConnection, run: str, family: Identified) -> None:
    """Make rows of the duplicates that stay where the row they repeated has gone."""
    heirs = connection.sql(
        "SELECT repeat, source_id, line, raw, least, conflicting FROM judged WHERE kept AND repeat IS NOT NULL ORDER BY ALL"
    ).to_arrow_table()
    if not heirs.num_rows:
        return
    rows = []
    for heir in heirs.to_pylist():
        row = family.row(heir["raw"])
        flags = [*row["flags"], *([CONFLICT] if heir["conflicting"] else [])]
        canonical = heir["least"] or not heir["conflicting"]
        place = {"run": run, "source_id": heir["source_id"], "line": heir["line"]}
        rows.append({**row, **place, "flags": flags, "canonical": canonical})
    connection.register("heirs", pa.Table.from_pylist(rows, schema=schema.arrow(family.TABLE)))
    connection.execute(_sql("INSERT INTO {table} BY NAME SELECT * FROM heirs", family))
    connection.unregister("heirs")
    connection.register("heirs", heirs)
    connection.execute("DELETE FROM duplicates WHERE rowid IN (SELECT repeat FROM heirs)")
    connection.unregister("heirs")


def _count(connection: duckdb.DuckDBPyConnection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchall()[0][0])  # noqa: S608  a constant


def _compare_as_json(connection: duckdb.DuckDBPyConnection, family: Identified) -> None:
    """Give lines that are equal as JSON, though not as text, the same content."""
    unlike = connection.sql(UNLIKE).to_arrow_table()
    if not unlike.num_rows:
        return
    contents = [family.content_digest(raw) for raw in unlike["raw"].to_pylist()]
    judged = pa.table({"digest": unlike["digest"], "content": contents})
    connection.register("compared", judged)
    connection.execute(
        "UPDATE clashes SET content = compared.content FROM compared WHERE clashes.digest = compared.digest"
    )
    connection.unregister("compared")

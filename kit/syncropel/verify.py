"""Whether the records of a store are what their ids say: counts, one sentence, and every line in doubt.

An id proves content, not authorship: nothing is signed, so who rewrites a record can rewrite its id too. The
parents of what came after then name a record that is not there, which is why those are counted beside
(spec/syncropel.md 1, verification).
"""

from collections.abc import Mapping
from typing import NamedTuple

import duckdb

INTEGRITIES = ("ok", "ok6", "mismatch", "redacted", "unhashable", "no_id")
"""What an id can be to its record, the words of the column `integrity`."""

STATUSES = (*INTEGRITIES[1:], "clock_conflict", "id_conflict", "duplicate")
"""What a record in doubt can be, words of the column `status` of `findings`; of a line in quarantine it is the reason."""

COUNTS = """
SELECT integrity, count(*) AS records, count(*) FILTER (WHERE conflict) AS conflicts
FROM records WHERE $run IS NULL OR run = $run
GROUP BY integrity
ORDER BY integrity <> 'ok', records DESC, integrity
"""

FINDINGS = """
SELECT f.*, s.uri FROM (
    SELECT run, source_id, line, id, integrity AS status, CASE integrity
        WHEN 'ok6' THEN 'the id is the hash of six fields: data_type is not covered by it'
        WHEN 'redacted' THEN 'the body was taken out on its way here, so the id cannot be checked'
        WHEN 'unhashable' THEN concat('no id can be right: ', CASE
            WHEN list_contains(flags, 'nonfinite') THEN 'a number is not finite' ELSE 'a lone surrogate has no UTF-8 form' END)
        WHEN 'no_id' THEN 'there is no id to check'
        ELSE concat('the id is not the hash of the record', CASE
            WHEN list_contains(flags, 'parents_unsorted') THEN '; it is that of the record with its parents sorted' ELSE '' END)
        END AS detail
    FROM records WHERE integrity <> 'ok'
    UNION ALL
    SELECT run, source_id, line, id, 'clock_conflict', concat('another record has clock ', clock, ' of ', actor, ' in ', thread)
    FROM records WHERE conflict
    UNION ALL
    SELECT run, source_id, line, id, 'id_conflict', 'another line has this id and other content'
    FROM records WHERE list_contains(flags, 'conflicting_duplicate')
    UNION ALL
    SELECT run, source_id, line, id, 'duplicate',
           CASE WHEN reencoded THEN 'repeats a record in other bytes' ELSE 'repeats a record byte for byte' END
    FROM duplicates WHERE family = 'records'
    UNION ALL
    SELECT run, source_id, line, NULL, reason, detail
    FROM quarantine SEMI JOIN (SELECT run, source_id FROM sources WHERE family = 'records' OR rows = 0) USING (run, source_id)
) f LEFT JOIN sources s USING (run, source_id)
WHERE $run IS NULL OR f.run = $run
ORDER BY f.run, f.source_id, f.line, f.status
"""

BESIDE = """
SELECT
    (SELECT count(*) FROM duplicates WHERE family = 'records' AND ($run IS NULL OR run = $run)),
    (SELECT count(*) FROM quarantine SEMI JOIN (SELECT run, source_id FROM sources WHERE family = 'records' OR rows = 0)
        USING (run, source_id) WHERE $run IS NULL OR run = $run),
    (SELECT count(*) FROM (
        SELECT DISTINCT run, unnest(parents) AS id FROM records WHERE $run IS NULL OR run = $run
     ) ANTI JOIN records USING (run, id))
"""


class Verification(NamedTuple):
    """How many records are what their ids say, and what else was seen."""

    integrity: Mapping[str, int]
    """records by integrity, `ok` first; words that no record has are left out"""
    conflicts: int
    """records that share thread, actor and clock with another id"""
    duplicates: int
    """lines that repeat a record"""
    bad_lines: int
    """lines that are no record"""
    unknown_parents: int
    """ids that are named as parents and are not there"""

    @property
    def records(self) -> int:
        """How many records there are."""
        return sum(self.integrity.values())

    @property
    def verified(self) -> int:
        """How many have the id that their seven fields give."""
        return self.integrity.get("ok", 0)

    @property
    def clean(self) -> bool:
        """Whether every line is a verified record or repeats one, and no clock was used twice."""
        return self.verified == self.records and not self.conflicts and not self.bad_lines

    def __str__(self) -> str:
        doubts = [f"{count:,} {word}" for word, count in self.integrity.items() if word != "ok"]
        beside = {
            "with a clock used twice": self.conflicts,
            "bad line": self.bad_lines,
            "duplicate line": self.duplicates,
            "unknown parent": self.unknown_parents,
        }
        told = [
            f"{count:,} {name}{'s' if count > 1 and 'with' not in name else ''}"
            for name, count in beside.items()
            if count
        ]
        return "; ".join([f"{self.verified:,} of {self.records:,} records verified", *doubts, *told])


def verify(connection: duckdb.DuckDBPyConnection, run: str | None = None) -> Verification:
    """Return the verdict on the records of a run, or of all runs; `str()` of it is one sentence."""
    place = {"run": run}
    found = connection.execute(COUNTS, place).fetchall()
    integrity = {word: count for word, count, _ in found}
    beside = connection.execute(BESIDE, place).fetchall()[0]
    return Verification(integrity, sum(conflicts for _, _, conflicts in found), *beside)


def findings(connection: duckdb.DuckDBPyConnection, run: str | None = None) -> duckdb.DuckDBPyRelation:
    """Return run, source_id, line, id, status, detail and uri of every line in doubt, in the order of the lines.

    A line can be in doubt for several reasons (`STATUSES`), each a row. Duplicates are among them, and lines in quarantine,
    whose status is their reason: those of sources of records, and of sources in which nothing was understood. A record
    whose id is right and whose clock is its own is not.
    """
    return connection.sql(FINDINGS, params={"run": run})

"""When two lines with the same id are the same record (the mechanism is in `kit.store.identity`)."""

from typing import Any

import duckdb

from kit.jsonline import Refusal
from kit.syncropel.examine import content_digest, record_row

__all__ = ["CONTENT", "TABLE", "content_digest", "row", "settled"]

TABLE = "records"
CONTENT = "CASE s.integrity WHEN 'ok' THEN s.id END"
"""An id that is right stands for what was hashed; of other lines, the hash is computed."""

CONFLICTS = """
UPDATE records SET conflict = NOT conflict
WHERE run = $run AND conflict <> coalesce((thread, actor, clock) IN (
    SELECT (thread, actor, clock) FROM records
    WHERE run = $run AND thread IS NOT NULL AND actor IS NOT NULL AND clock IS NOT NULL
    GROUP BY thread, actor, clock HAVING count(DISTINCT id) > 1
), false)
"""
"""A clock that an actor used for two records of a thread (spec/syncropel.md 1, uniqueness)."""


def row(raw: str) -> dict[str, Any]:
    """Return the columns of a line that was a row once, without its place."""
    found = record_row(raw)
    if isinstance(found, Refusal):  # it was taken once, so this is another version's doing
        raise RuntimeError(f"a duplicate that is no row: {found.detail}")
    return found


def settled(connection: duckdb.DuckDBPyConnection, run: str) -> None:
    """Mark the records of a run that share thread, actor and clock with another id, and no others."""
    connection.execute(CONFLICTS, {"run": run})

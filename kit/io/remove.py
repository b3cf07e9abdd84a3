"""Runs and sources taken out of a store again, with what they had kept others from being."""

import duckdb
import pyarrow as pa

from kit.cosmonapse import identity
from kit.cosmonapse.load import Loading
from kit.errors import ArgumentError, NotFoundError
from kit.io.array import SCHEMA
from kit.schema import TABLES
from kit.store.store import Store
from kit.store.transaction import Load

PLACED = tuple(
    table for table, columns in TABLES.items() if {"run", "source_id"} <= {column.name for column in columns}
)

ORPHANS = """
SELECT d.source_id, d.line, coalesce(d.raw, s.raw) AS text
FROM duplicates d JOIN signals s ON s.run = d.run AND s.id = d.id AND s.canonical
WHERE d.run = $run AND d.source_id <> $source AND s.source_id = $source
ORDER BY ALL
"""
SETTLED_CONFLICTS = """
UPDATE signals SET
    canonical = sha256(raw) = (SELECT min(sha256(o.raw)) FROM signals o WHERE o.run = signals.run AND o.id = signals.id),
    flags = CASE WHEN (SELECT count(*) FROM signals o WHERE o.run = signals.run AND o.id = signals.id) > 1 THEN flags
                 ELSE list_filter(flags, lambda f: f <> 'conflicting_duplicate') END
WHERE run = ? AND list_contains(flags, 'conflicting_duplicate')
"""


def remove(store: Store, *, run: str | None = None, source: int | str | None = None) -> int:
    """Take a run, or one source of it, out of the store; return how many lines that was.

    `source` is a number or a uri from `study.sources()`; with a uri that several runs have, name the run too. Lines
    of other sources that were duplicates of a removed row become rows again, and an id that no longer conflicts
    loses its flag. Raises NotFoundError where nothing matches, ArgumentError where neither is given.
    """
    if run is None and source is None:
        raise ArgumentError("say what to remove: run=... or source=...")
    with store.loading, store.transaction() as connection:
        doomed = _doomed(connection, run, source)
        lines = sum(row[2] for row in doomed)
        if source is None:
            for table in TABLES:
                connection.execute(f'DELETE FROM "{table}" WHERE run = ?', [run])  # noqa: S608  our names
            return lines
        for its_run, source_id, _ in doomed:
            _remove_source(connection, its_run, source_id)
    return lines


def _doomed(
    connection: duckdb.DuckDBPyConnection, run: str | None, source: int | str | None
) -> list[tuple[str, int, int]]:
    found = connection.execute(
        """SELECT run, source_id, lines FROM sources
           WHERE ($run IS NULL OR run = $run) AND ($source IS NULL OR uri = $source OR source_id::VARCHAR = $source)
           ORDER BY ALL""",
        {"run": run, "source": None if source is None else str(source)},
    ).fetchall()
    if not found:
        known = connection.execute("SELECT run, source_id, uri FROM sources ORDER BY ALL LIMIT 5").fetchall()
        listed = "; ".join(f"run {its_run!r}, source {number}: {uri}" for its_run, number, uri in known)
        raise NotFoundError(f"nothing to remove for run={run!r}, source={source!r}. There is: {listed or 'nothing'}")
    runs = sorted({row[0] for row in found})
    if source is not None and len(runs) > 1:
        raise ArgumentError(f"source {source!r} is in the runs {', '.join(runs)}: say which, as run={runs[0]!r}")
    return [(row[0], row[1], row[2] or 0) for row in found]


def _remove_source(connection: duckdb.DuckDBPyConnection, run: str, source_id: int) -> None:
    orphans = connection.execute(ORPHANS, {"run": run, "source": source_id}).fetchall()
    for table in PLACED:
        connection.execute(
            f'DELETE FROM "{table}" WHERE run = ? AND source_id = ?',  # noqa: S608  our names
            [run, source_id],
        )
    heirs = sorted({row[0] for row in orphans})
    for heir in heirs:
        lines = [(line, text) for owner, line, text in orphans if owner == heir]
        connection.execute(
            "DELETE FROM duplicates WHERE run = ? AND source_id = ? AND list_contains(?, line)",
            [run, heir, [line for line, _ in lines]],
        )
        batch = pa.RecordBatch.from_arrays(
            [pa.array([n for n, _ in lines]), pa.array([0] * len(lines)), pa.array([t for _, t in lines], pa.string())],
            schema=SCHEMA,
        )
        Loading(connection, run, heir).load(iter([batch]))
    connection.execute(SETTLED_CONFLICTS, [run])
    touched = set(heirs)
    for heir in heirs:
        touched |= set(identity.settle(connection, run, heir))
    Load(connection, run).recount(sorted(touched))
    if not connection.execute("SELECT 1 FROM sources WHERE run = ? LIMIT 1", [run]).fetchall():
        connection.execute("DELETE FROM runs WHERE run = ?", [run])

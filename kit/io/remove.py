"""Runs and sources taken out of a store again, with what they had kept others from being."""

from typing import NamedTuple

import duckdb

from kit.errors import ArgumentError, NotFoundError
from kit.io.families import FAMILIES
from kit.schema import TABLES
from kit.store.store import Store
from kit.store.transaction import Load

PLACED = tuple(
    table for table, columns in TABLES.items() if {"run", "source_id"} <= {column.name for column in columns}
)


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
        lines = sum(source.lines or 0 for source in doomed)
        if source is None:
            for table in TABLES:
                connection.execute(f'DELETE FROM "{table}" WHERE run = ?', [run])  # noqa: S608  our names
            return lines
        for found in doomed:
            _remove_source(connection, found)
    return lines


class _Doomed(NamedTuple):
    run: str
    source_id: int
    family: str
    lines: int | None


def _doomed(connection: duckdb.DuckDBPyConnection, run: str | None, source: int | str | None) -> list[_Doomed]:
    found = connection.execute(
        """SELECT run, source_id, family, lines FROM sources
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
    return [_Doomed._make(row) for row in found]


def _remove_source(connection: duckdb.DuckDBPyConnection, source: _Doomed) -> None:
    run, source_id = source.run, source.source_id
    touched = FAMILIES[source.family].release(connection, run, source_id) if source.family in FAMILIES else []
    for table in PLACED:
        connection.execute(
            f'DELETE FROM "{table}" WHERE run = ? AND source_id = ?',  # noqa: S608  our names
            [run, source_id],
        )
    Load(connection, run).recount(touched)
    if not connection.execute("SELECT 1 FROM sources WHERE run = ? LIMIT 1", [run]).fetchall():
        connection.execute("DELETE FROM runs WHERE run = ?", [run])

"""A load into a store: one source, one transaction, and counts that must add up."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from kit import schema
from kit.errors import ArgumentError, ConservationError
from kit.schema import FIRST_OF_LINE, ROW_TABLES
from kit.store.store import append_rows

HELD_BYTES = 64 << 20
"""Rows that a load holds before it appends them."""


class Counts(NamedTuple):
    """What became of the lines of a source, counted in the tables."""

    rows: int
    duplicates: int
    quarantined: int


class Known(NamedTuple):
    """A source that was loaded before: where to go on, and what it had then."""

    source_id: int
    sha256: str
    bytes: int
    lines: int
    skipped: int
    tail: int | None
    note: str | None


class Load:
    """The bookkeeping of one source inside a transaction that the caller opened."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, run: str, processes: int = 1) -> None:
        if not run or not isinstance(run, str):
            raise ArgumentError(f"run={run!r}: a run needs a name, like 'capture' or 'before'")
        self.connection = connection
        self.run = run
        self.processes = processes
        self._held: dict[str, list[pa.RecordBatch]] = {}
        self._held_bytes = 0
        self._known: dict[tuple[str, str], Known] | None = None
        self._next_source: int | None = None
        self._begun: list[int] = []

    def known(self, uri: str, family: str) -> Known | None:
        """Return what is known of an earlier load of `uri` into this run, or None."""
        if self._known is None:
            found = self.connection.execute(
                """SELECT uri, family, source_id, sha256, bytes, lines, skipped, tail, note FROM sources
                   WHERE run = ? AND sha256 IS NOT NULL ORDER BY source_id""",
                [self.run],
            ).fetchall()
            self._known = {(row[0], row[1]): Known(*row[2:]) for row in found}
        return self._known.get((uri, family))

    def new_source(self) -> int:
        """Return a number no source of the store has, marked as loading until `finish`; a new run is entered."""
        if self._next_source is None:
            if not self.connection.execute("SELECT 1 FROM runs WHERE run = ?", [self.run]).fetchall():
                self.connection.execute("INSERT INTO runs (run, kind) VALUES (?, 'capture')", [self.run])
            found = self.connection.execute(
                """SELECT coalesce(max(source_id), 0) + 1
                   FROM (SELECT source_id FROM sources UNION ALL SELECT source_id FROM kit_loading)"""
            ).fetchall()
            self._next_source = int(found[0][0])
        number, self._next_source = self._next_source, self._next_source + 1
        self._begun.append(number)
        return number

    def describe(self, row: dict[str, Any]) -> None:
        """Say of the run what a simulation tells: kind, scenario, seed, digest."""
        scenario = None if row["scenario"] is None else json.dumps(row["scenario"], ensure_ascii=False)
        self.connection.execute(
            "UPDATE runs SET kind = ?, scenario = ?, seed = ?, digest = ? WHERE run = ?",
            [row["kind"], scenario, row["seed"], row["digest"], self.run],
        )

    def append(self, table: str, batch: pa.RecordBatch) -> None:
        """Append rows, by and by: a statement for each of many small batches would take longer than their rows."""
        self._held.setdefault(table, []).append(batch)
        self._held_bytes += batch.nbytes
        if self._held_bytes > HELD_BYTES:
            self.flush()

    def flush(self) -> None:
        """Bring what `append` still holds into the tables, and mark the new sources as loading."""
        if self._begun:
            begun, self._begun = self._begun, []
            self.connection.execute("INSERT INTO kit_loading SELECT ?, unnest(?)", [self.run, begun])
        held, self._held, self._held_bytes = self._held, {}, 0
        for table, batches in held.items():
            append_rows(self.connection, table, pa.Table.from_batches(batches).unify_dictionaries())

    def forget(self, source_id: int) -> None:
        """Take out all rows of a source, which is read again."""
        for table in (*ROW_TABLES, "quarantine", "duplicates"):
            self.connection.execute(
                f'DELETE FROM "{table}" WHERE run = ? AND source_id = ?',  # noqa: S608  our names
                [self.run, source_id],
            )

    def forget_line(self, source_id: int, line: int) -> None:
        """Take out what became of one line, which is read again."""
        for table in (*ROW_TABLES, "quarantine", "duplicates"):
            self.connection.execute(
                f'DELETE FROM "{table}" WHERE run = ? AND source_id = ? AND line = ?',  # noqa: S608  our names
                [self.run, source_id, line],
            )

    def quarantine(self, rows: Sequence[dict[str, Any]]) -> None:
        """Keep refused lines; each row has the columns of the table `quarantine`."""
        if rows:
            append_rows(
                self.connection, "quarantine", pa.Table.from_pylist(list(rows), schema=schema.arrow("quarantine"))
            )

    def counts(self, source_ids: Sequence[int]) -> dict[int, Counts]:
        """Count what the tables hold of some sources."""
        if not source_ids:
            return {}
        totals = [self._totals(tables, source_ids) for tables in (ROW_TABLES, ("duplicates",), ("quarantine",))]
        return {number: Counts(*(total.get(number, 0) for total in totals)) for number in source_ids}

    def _totals(self, tables: Iterable[str], source_ids: Sequence[int]) -> dict[int, int]:
        union = " UNION ALL ".join(
            f'SELECT source_id FROM "{table}" '  # noqa: S608  our names
            f"WHERE run = $run AND list_contains($sources, source_id) AND {FIRST_OF_LINE.get(table, 'true')}"
            for table in tables
        )
        found = self.connection.execute(
            f"SELECT source_id, count(*) FROM ({union}) GROUP BY source_id",  # noqa: S608  our names
            {"run": self.run, "sources": list(source_ids)},
        ).fetchall()
        return dict(found)

    def finish(self, sources: Sequence[dict[str, Any]]) -> None:
        """Enter sources, each with its counts, which must explain each of its lines.

        Raises ConservationError, with all the numbers, where rows + duplicates + quarantined + skipped is not lines.
        """
        self.flush()
        counts = self.counts([source["source_id"] for source in sources])
        rows = [{"run": self.run, **source, **counts[source["source_id"]]._asdict()} for source in sources]
        for row in rows:
            told = sum(counts[row["source_id"]]) + row["skipped"]
            if told != row["lines"]:
                raise ConservationError(
                    f"{row['uri']}: {row['lines']:,} lines were read, but {row['rows']:,} rows + "
                    f"{row['duplicates']:,} duplicates + {row['quarantined']:,} quarantined + {row['skipped']:,} skipped "
                    f"= {told:,}. Nothing of it was kept. Please report this with the file."
                )
        place = {"run": self.run, "sources": list(counts)}
        for table in ("sources", "kit_loading"):
            self.connection.execute(
                f"DELETE FROM {table} WHERE run = $run AND list_contains($sources, source_id)",  # noqa: S608
                place,
            )
        append_rows(self.connection, "sources", pa.Table.from_pylist(rows, schema=schema.arrow("sources")))

    def note(self, source_id: int, complete: bool, note: str | None) -> None:
        """Enter whether a source that is there is complete now, and what else is to be known of it."""
        self.connection.execute(
            "UPDATE sources SET complete = ?, note = ? WHERE run = ? AND source_id = ?",
            [complete, note, self.run, source_id],
        )

    def recount(self, source_ids: Iterable[int]) -> None:
        """Bring the counts of other sources up to date, after rows of theirs became duplicates."""
        for source_id, counts in self.counts(list(source_ids)).items():
            self.connection.execute(
                "UPDATE sources SET rows = ?, duplicates = ?, quarantined = ? WHERE run = ? AND source_id = ?",
                [*counts, self.run, source_id],
            )

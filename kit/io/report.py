"""`LoadReport`: what a load kept, what it did not, and why."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import PurePath
from typing import Any, NamedTuple

import duckdb

from kit.schema import ROW_TABLES, columns

NAMED = 3
"""Sources that a report names where many are alike."""


@dataclass(frozen=True)
class Reason:
    """Lines in quarantine for one reason: how many, and the first of them as an example."""

    count: int
    uri: str
    line: int
    byte_offset: int
    detail: str
    raw: bytes


class SourceCounts(NamedTuple):
    """The account of one source: rows + duplicates + quarantined + skipped = lines."""

    source_id: int
    uri: str
    family: str
    lines: int
    rows: int
    duplicates: int
    quarantined: int
    skipped: int
    bytes: int
    complete: bool
    note: str | None
    new_lines: int
    """Lines that earlier loads of the source did not have."""


class Timing(NamedTuple):
    """How long a load took; kept apart from the report, whose text is the same every time."""

    seconds: float
    bytes: int
    lines: int

    @property
    def lines_per_s(self) -> float:
        """Lines read per second."""
        return self.lines / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class LoadReport:
    """The account of one call of `load`; counts of a source that grew include its earlier loads."""

    run: str
    sources: tuple[SourceCounts, ...]
    reasons: Mapping[str, Reason]
    """Quarantined lines by reason."""
    flags: Mapping[str, int]
    """Rows by flag; a row can have several."""
    reencoded: int
    """Duplicates whose bytes differ from the row they repeat."""
    timing: Timing = field(compare=False)

    @property
    def lines(self) -> int:
        """Lines, array elements or entries of all sources."""
        return sum(source.lines for source in self.sources)

    @property
    def rows(self) -> int:
        """Lines that became rows."""
        return sum(source.rows for source in self.sources)

    @property
    def duplicates(self) -> int:
        """Lines that repeat a row."""
        return sum(source.duplicates for source in self.sources)

    @property
    def quarantined(self) -> int:
        """Lines kept in quarantine."""
        return sum(source.quarantined for source in self.sources)

    @property
    def skipped(self) -> int:
        """Blank and comment lines."""
        return sum(source.skipped for source in self.sources)

    @property
    def complete(self) -> bool:
        """Whether every source was read to its end."""
        return all(source.complete for source in self.sources)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain values for JSON: totals, then one entry a source."""
        return {
            "run": self.run,
            **{name: getattr(self, name) for name in ("lines", "rows", "duplicates", "quarantined", "skipped")},
            "complete": self.complete,
            "reasons": {code: reason.count for code, reason in self.reasons.items()},
            "flags": dict(self.flags),
            "reencoded": self.reencoded,
            "sources": [source._asdict() for source in self.sources],
        }

    def __repr__(self) -> str:
        return "\n".join([self._headline(), *(f"  {line}" for line in self.details())])

    def _headline(self) -> str:
        names = f"{len(self.sources):,} sources" if len(self.sources) != 1 else shown_name(self.sources[0].uri)
        return f"{names} into run {self.run!r}: {self.lines:,} lines"

    def details(self) -> list[str]:
        """Return what became of the lines, a text per fact."""
        found = [f"{self.rows:,} rows"]
        if self.duplicates:
            found.append(f"{self.duplicates:,} duplicates ({self.reencoded:,} of them in other bytes)")
        if self.quarantined:
            found.append(f"{self.quarantined:,} in quarantine")
            found.extend(f"  {code}: {_example(reason)}" for code, reason in self.reasons.items())
        if self.skipped:
            found.append(f"{self.skipped:,} blank or comment lines skipped")
        if self.flags:
            found.append("flags: " + ", ".join(f"{flag} {count:,}" for flag, count in self.flags.items()))
        grown = [source for source in self.sources if 0 < source.new_lines < source.lines]
        same = [source for source in self.sources if not source.new_lines and source.lines]
        for source in grown:
            found.append(
                f"{shown_name(source.uri)}: {source.new_lines:,} of the lines are new, the others were loaded before"
            )
        if same:
            names = ", ".join(shown_name(source.uri) for source in same[:NAMED])
            more = f" and {len(same) - NAMED:,} more" if len(same) > NAMED else ""
            found.append(f"{names}{more}: nothing is new, all lines were loaded before")
        found += [f"{shown_name(source.uri)}: {source.note}" for source in self.sources if source.note]
        return found

    def _repr_html_(self) -> str:
        numbers = [
            ("lines", self.lines),
            ("rows", self.rows),
            ("duplicates", self.duplicates),
            ("in quarantine", self.quarantined),
            ("skipped", self.skipped),
        ]
        cells = "".join(f"<td>{value:,}</td>" for _, value in numbers)
        heads = "".join(f"<th>{name}</th>" for name, _ in numbers)
        notes = "".join(f"<li>{escape(line.strip())}</li>" for line in self.details()[1:])
        return (
            f"<p><b>{escape(self._headline())}</b></p><table><thead><tr>{heads}</tr></thead>"
            f"<tbody><tr>{cells}</tr></tbody></table>" + (f"<ul>{notes}</ul>" if notes else "")
        )


def shown_name(uri: str) -> str:
    """Return the uri as it is shown: of an absolute path the file, so that a report is the same on every machine.

    Segments of all logs have names alike, so theirs are shown with the folder of their log.
    """
    name, mark, inside = uri.partition(".mcap#")
    path = PurePath(inside or uri)
    if path.suffix == ".seg" and (mark or path.is_absolute()):
        shown = "/".join(path.parts[-3:])
    else:
        shown = path.name if mark or path.is_absolute() else uri
    return f"{PurePath(name).name}{mark}{shown}" if mark else shown


def _example(reason: Reason) -> str:
    raw = reason.raw[:48].decode("utf-8", "backslashreplace")
    shown = "".join(char if char.isprintable() else repr(char)[1:-1] for char in raw)
    more = "…" if len(reason.raw) > 48 else ""
    return (
        f"{reason.count:,}, the first at {shown_name(reason.uri)}, line {reason.line:,} (byte {reason.byte_offset:,}): "
        f"{reason.detail}; {shown}{more}"
    )


COUNTS = """
SELECT source_id, uri, family, lines, rows, duplicates, quarantined, skipped, bytes, complete, note
FROM sources WHERE run = ? AND list_contains(?, source_id)
"""
REASONS = """
SELECT q.reason, count(*) AS n, arg_min((s.uri, q.line, q.byte_offset, q.detail, q.raw), (q.source_id, q.line))
FROM quarantine q JOIN sources s ON s.run = q.run AND s.source_id = q.source_id
WHERE q.run = ? AND list_contains(?, q.source_id)
GROUP BY q.reason ORDER BY n DESC, q.reason
"""
FLAGGED = " UNION ALL ".join(
    f"SELECT flags FROM {table} WHERE run = $run AND list_contains($sources, source_id) AND len(flags) > 0"  # noqa: S608
    for table in ROW_TABLES
    if "flags" in columns(table)
)
FLAGS = f"SELECT flag, count(*) AS n FROM (SELECT unnest(flags) AS flag FROM ({FLAGGED})) GROUP BY flag ORDER BY n DESC, flag"  # noqa: S608
REENCODED = "SELECT count(*) FROM duplicates WHERE run = ? AND list_contains(?, source_id) AND reencoded"


Findings = tuple[dict[str, Reason], dict[str, int], int]
"""Quarantine by reason, rows by flag, re-encoded duplicates."""


def source_counts(connection: duckdb.DuckDBPyConnection, run: str, new_lines: Mapping[int, int]) -> list[SourceCounts]:
    """Return the account of each source in `new_lines` as the store has it, in the order given."""
    found = connection.execute(COUNTS, [run, list(new_lines)]).fetchall()
    accounts = {row[0]: SourceCounts._make((*row, new_lines[row[0]])) for row in found}
    return [accounts[source_id] for source_id in new_lines]


def findings(connection: duckdb.DuckDBPyConnection, run: str, source_ids: list[int]) -> Findings:
    """Return the quarantine by reason, the rows by flag and the number of re-encoded duplicates of some sources."""
    place = [run, source_ids]
    reasons = {
        code: Reason(count, *_values(example)) for code, count, example in connection.execute(REASONS, place).fetchall()
    }
    flags = dict(connection.execute(FLAGS, {"run": run, "sources": source_ids}).fetchall())
    return reasons, flags, connection.execute(REENCODED, place).fetchall()[0][0]


def _values(example: Any) -> tuple[Any, ...]:
    return tuple(example.values()) if isinstance(example, dict) else tuple(example)

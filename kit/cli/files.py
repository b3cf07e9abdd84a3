"""Commands that put captures into a store, tell what is in it, and write it out: `load`, `report`, `export`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from kit.cli.output import grid, heading, line, text
from kit.cli.sources import Json, Run, Sources, StoreFile, code_of, code_of_store, named, opened, require_run

if TYPE_CHECKING:
    from kit.io import LoadReport
    from kit.notebook.study import Study
    from kit.table import Table

FIRST = ("lines", "rows", "duplicates", "quarantined", "skipped", "complete", "sources")
"""Keys of a report as JSON that come first, in this order."""

ANALYSES = ("check", "spans", "structure", "traces")
"""Tables that are no table of the store but made from it; the name is that of the method of Study."""

QUARANTINED = """
SELECT q.run, s.uri, q.line, q.byte_offset, q.reason, q.detail, q.raw
FROM quarantine q JOIN sources s ON s.run = q.run AND s.source_id = q.source_id
WHERE $run IS NULL OR q.run = $run ORDER BY q.run, q.source_id, q.line, q.byte_offset LIMIT $limit
"""
RUNS = """
SELECT r.run, coalesce(s.signals, 0) AS signals, coalesce(s.traces, 0) AS traces, s.first, s.last,
       coalesce(c.records, 0) AS records, coalesce(c.threads, 0) AS threads
FROM runs r
LEFT JOIN (SELECT run, count(id) AS signals, count(DISTINCT trace_id) AS traces, min(ts) AS first, max(ts) AS last
           FROM signals GROUP BY run) s ON s.run = r.run
LEFT JOIN (SELECT run, count(*) AS records, count(DISTINCT thread) AS threads FROM records GROUP BY run) c ON c.run = r.run
WHERE $run IS NULL OR r.run = $run ORDER BY r.run
"""
SOURCES = """
SELECT run, source_id, uri, family, lines, rows, duplicates, quarantined, skipped, complete, note
FROM sources WHERE $run IS NULL OR run = $run ORDER BY run, source_id
"""
REASONS = """
SELECT reason, count(*) AS lines FROM quarantine WHERE $run IS NULL OR run = $run
GROUP BY reason ORDER BY lines DESC, reason
"""
FLAGS = """
SELECT flag, count(*) AS rows FROM (
    SELECT unnest(flags) AS flag FROM signals WHERE $run IS NULL OR run = $run
    UNION ALL SELECT unnest(flags) FROM records WHERE $run IS NULL OR run = $run
) GROUP BY flag ORDER BY rows DESC, flag
"""


def load(
    sources: Annotated[
        list[str], typer.Argument(metavar="SRC", help="Captures: paths, globs, folders, or - for standard input.")
    ],
    store: Annotated[
        Path | None,
        typer.Option(
            "--store", metavar="F", help="The store to load into, made if it is not there.", show_default=False
        ),
    ] = None,
    run: Annotated[str, typer.Option("--run", metavar="NAME", help="The run to load into.")] = "capture",
    level: Annotated[
        Literal["loose", "validate", "strict"],
        typer.Option("--level", help="How much of the protocol a line must keep to be a row."),
    ] = "loose",
    processes: Annotated[
        int, typer.Option("--processes", metavar="N", min=1, help="How many others check records, for large exports.")
    ] = 1,
    json: Json = False,
) -> None:
    """Load captures and report what was kept, and what not.

    Without --store the captures are only read and reported on, with what is in quarantine and why.
    All of it is one transaction: an error or Ctrl-C leaves the store as it was. A file that has grown is continued.
    """
    from kit.io.inputs import inputs
    from kit.notebook.study import Study

    what = named(sources)
    # A name that is not there is told before a store is made.
    inputs(what)
    new = store is not None and not store.exists()
    try:
        with Study(store) as study:
            report = study.load(what, run=run, level=level, processes=processes)
    except BaseException:
        if new and store is not None:
            store.unlink(missing_ok=True)
            store.with_name(f"{store.name}.wal").unlink(missing_ok=True)
        raise
    if json:
        line(_ordered(report))
    else:
        text(repr(report))
    raise typer.Exit(code_of(report))


def _ordered(report: "LoadReport") -> dict[str, Any]:
    values = report.as_dict()
    return {**{key: values[key] for key in FIRST}, **values}


def report(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many lines in quarantine to list.")
    ] = 20,
    json: Json = False,
) -> None:
    """Tell what a store or captures hold.

    Runs, time span, the account of each source, the quarantine line by line, flags, and what has its place in a trace.
    """
    with opened(sources, store) as (study, _):
        require_run(study, run)
        found = _found(study, run, limit)
        code = code_of_store(study, run)
    if json:
        line(found)
    else:
        _print_report(found)
    raise typer.Exit(code)


def _found(study: "Study", run: str | None, limit: int) -> dict[str, Any]:
    asked = {"run": run}
    return {
        "runs": study.sql(RUNS, asked).rows(),
        "sources": study.sql(SOURCES, asked).rows(),
        "quarantine": dict(study.execute(REASONS, asked)),
        "quarantined_lines": study.sql(QUARANTINED, {"run": run, "limit": limit}).rows(),
        "flags": dict(study.execute(FLAGS, asked)),
        "coverage": study.coverage(run=run),
        "records": _verdict(study, run),
    }


def _verdict(study: "Study", run: str | None) -> dict[str, Any] | None:
    """Return how many records are what their ids say, None where there are no records."""
    counts = study.verify(run=run).counts
    return {"told": str(counts), "verified": counts.verified, **counts._asdict()} if counts.records else None


def _print_report(found: dict[str, Any]) -> None:
    heading("runs")
    signals = any(run["signals"] for run in found["runs"]) or not found["records"]
    records = ("records", "threads") if found["records"] else ()
    grid(found["runs"], ("run", *(("signals", "traces", "first", "last") if signals else ()), *records))
    heading("\nsources")
    names = ("run", "source_id", "lines", "rows", "duplicates", "quarantined", "skipped", "complete", "uri", "note")
    grid(found["sources"], names)
    total = sum(found["quarantine"].values())
    heading(f"\nquarantine: {total:,} lines")
    if total:
        grid([{"reason": reason, "lines": count} for reason, count in found["quarantine"].items()], ("reason", "lines"))
        text()
        grid(found["quarantined_lines"], ("run", "uri", "line", "byte_offset", "reason", "detail", "raw"))
        if len(found["quarantined_lines"]) < total:
            text(f"the first {len(found['quarantined_lines']):,} of {total:,}; --limit N lists more")
    heading("\nflags" + ("" if found["flags"] else ": none"))
    if found["flags"]:
        grid([{"flag": flag, "rows": count} for flag, count in found["flags"].items()], ("flag", "rows"))
    if found["records"]:
        heading("\nrecords")
        text(f"{found['records']['told']}; kit verify lists what is in doubt")
    if not signals:
        return
    heading("\nplaces in the traces")
    shares = [{"label": label, **values} for label, values in found["coverage"].items() if values["events"]]
    grid([{**row, "percent": 100 * row["share"]} for row in shares], ("label", "events", "percent"))


def export(
    to: Annotated[
        Literal["jsonl", "parquet", "csv"],
        typer.Option("--to", help="jsonl: the lines byte for byte; parquet, csv: a table."),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", metavar="FILE", help="The file to write; .gz and .zst compress jsonl and csv."),
    ],
    sources: Sources = None,
    table: Annotated[
        str,
        typer.Option(
            "--table", metavar="NAME", help="A table or view of the store, or check, spans, structure, traces."
        ),
    ] = "signals",
    store: StoreFile = None,
    run: Run = None,
    duplicates: Annotated[bool, typer.Option("--duplicates", help="jsonl: repeats of rows too.")] = False,
    quarantined: Annotated[bool, typer.Option("--quarantined", help="jsonl: lines in quarantine too.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE where it is there already.")] = False,
    json: Json = False,
) -> None:
    """Write lines as JSON lines, or a table as Parquet or CSV.

    jsonl gives the lines of rows back byte for byte, in the order of their source, each with a newline. The file is
    there when it is whole.
    """
    from kit.errors import ArgumentError
    from kit.export import csv, jsonl, parquet
    from kit.export.target import checked

    if to == "jsonl" and table != "signals":
        raise ArgumentError(f"jsonl holds loaded lines: for the table {table!r} take --to parquet or --to csv")
    if to != "jsonl" and (duplicates or quarantined):
        raise ArgumentError(f"--duplicates and --quarantined belong to --to jsonl, not to {to}")
    checked(out, overwrite=overwrite)
    with opened(sources, store) as (study, code):
        require_run(study, run)
        if to == "jsonl":
            count = jsonl.write(
                study, out, run=run, duplicates=duplicates, quarantined=quarantined, overwrite=overwrite
            )
        else:
            chosen = _table(study, table, run)
            count = len(chosen)
            {"parquet": parquet, "csv": csv}[to].write(chosen, out, overwrite=overwrite)
    what = "lines" if to == "jsonl" else "rows"
    if json:
        line({"path": str(out), "format": to, what: count})
    else:
        text(f"{out}: {count:,} {what}")
    raise typer.Exit(code)


def _table(study: "Study", name: str, run: str | None) -> "Table":
    """Return a table of the store in a fixed order, or one that is made from it. Raises NotFoundError."""
    from kit.errors import NotFoundError

    if name in ANALYSES:
        made: Table = getattr(study, name)(run=run)
        return made
    columns: dict[str, list[str]] = {}
    for its_table, column in study.execute(COLUMNS):
        columns.setdefault(its_table, []).append(column)
    if name not in columns:
        raise NotFoundError(f"no table {name!r}: there are {', '.join(sorted([*columns, *ANALYSES]))}")
    only = "WHERE $run IS NULL OR run = $run" if "run" in columns[name] else "WHERE $run IS NULL OR true"
    order = [column for column in ("run", "source_id", "line") if column in columns[name]]
    quoted = '"' + name.replace('"', '""') + '"'
    sql = f"FROM {quoted} {only} ORDER BY {', '.join(order) or 'ALL'}"
    return study.sql(sql, {"run": run})


COLUMNS = """
SELECT c.table_name, c.column_name FROM duckdb_columns() c
WHERE NOT c.internal AND NOT starts_with(c.table_name, 'kit_') ORDER BY c.table_name, c.column_index
"""

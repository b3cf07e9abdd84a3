"""Commands that ask: `traces`, `trace`, `check`, `sql`."""

import sys
from io import BytesIO
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.app import FINDINGS
from kit.cli.output import array, grid, heading, line, plain_rows, printable, text
from kit.cli.sources import Json, Run, Sources, StoreFile, code_of_store, opened, require_run

if TYPE_CHECKING:
    from kit.notebook.trace import Trace
    from kit.table import Table

TRACE_COLUMNS = ("trace_id", "status", "start", "duration_ms", "signals", "depth", "retries", "findings", "neurons")
STEP_COLUMNS = ("step", "kind", "name", "neuron", "duration_ms", "self_ms", "share", "span_id")
PICTURES = (".png", ".svg", ".pdf")
PLAN = ("explain_key", "explain_value")
"""Columns of the answer to EXPLAIN, a text of several lines."""

GRAVE = ("error", "warning")
"""Severities that make a finding count for the exit code; the third, info, does not."""

Picture = Annotated[
    Path | None,
    typer.Option("--plot", metavar="FILE", help="Draw the DAG into this .png, .svg or .pdf.", show_default=False),
]


def traces(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    every: Annotated[bool, typer.Option("--all", help="Traces without a task as well, as of registrations.")] = False,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Only the first N.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the traces, failed and slow first.

    With --json one object a line, with all columns of study.traces().
    """
    with opened(sources, store) as (study, code):
        require_run(study, run)
        found = study.traces(run=run, all=every).arrow()
    shown = found if limit is None else found.slice(0, limit)
    if json:
        for row in plain_rows(shown.to_batches(1000)):
            line(row)
    else:
        runs = len(set(found["run"].to_pylist())) > 1
        grid(shown.to_pylist(), ("run", *TRACE_COLUMNS) if runs else TRACE_COLUMNS)
        if len(shown) < len(found):
            text(f"{len(shown):,} of {len(found):,} traces")
    raise typer.Exit(code)


def trace(
    trace_id: Annotated[
        str, typer.Argument(metavar="ID", help="The trace, or a part of its id that no other begins or ends with.")
    ],
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="With the traces that it delegated to, or without.")
    ] = True,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many events the tree shows; 0 for all.")
    ] = 200,
    plot: Picture = None,
    waterfall: Annotated[
        Path | None,
        typer.Option(
            "--waterfall",
            metavar="FILE",
            help="Draw the spans by neuron into this .png, .svg or .pdf.",
            show_default=False,
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Show a trace with its critical path, or draw it."""
    for picture in (plot, waterfall):
        check_picture(picture)
    with opened(sources, store) as (study, code):
        require_run(study, run)
        chosen = study.trace(trace_id, follow=follow, run=run)
        if json:
            line(_whole(chosen))
        else:
            _print_trace(chosen, limit or None)
        if plot is not None:
            save(chosen.plot(), plot)
        if waterfall is not None:
            save(chosen.waterfall(), waterfall)
    raise typer.Exit(code)


def _whole(chosen: "Trace") -> dict[str, Any]:
    return {
        "trace_id": chosen.id,
        "run": chosen.run,
        "events": chosen.table().rows(),
        "spans": chosen.spans().rows(),
        "critical_path": chosen.critical_path().rows(),
    }


def _print_trace(chosen: "Trace", limit: int | None) -> None:
    heading(f"trace {chosen.id} of run {chosen.run!r}: {len(chosen):,} events")
    text(chosen.tree(limit=limit))
    heading("\ncritical path")
    grid(chosen.critical_path().rows(), STEP_COLUMNS)


def check_picture(path: Path | None) -> None:
    """Raise ArgumentError where a picture cannot go to `path`: a wrong suffix or no such folder."""
    from kit.errors import ArgumentError

    if path is not None and path.suffix.lower() not in PICTURES:
        raise ArgumentError(f"{str(path)!r}: a picture ends in {', '.join(PICTURES)}")
    if path is not None and not path.parent.is_dir():
        raise ArgumentError(f"{str(path)!r}: there is no folder {str(path.parent)!r}; make it first")


def save(figure: Any, path: Path) -> None:
    """Write a Figure to `path`, in place of what is there."""
    figure.savefig(path)


def check(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    rules: Annotated[
        list[str] | None,
        typer.Option("--rule", metavar="ID", help="Only this rule; may be repeated.", show_default=False),
    ] = None,
    json: Json = False,
) -> None:
    """Check captures against the rules of the protocol.

    Exit 1 for a finding of severity error or warning, for lines in quarantine and for a damaged source.
    """
    with opened(sources, store) as (study, _):
        require_run(study, run)
        findings = study.check(run=run, rules=rules or None).arrow()
        code = code_of_store(study, run)
    if json:
        array(findings.select(["rule", "severity", "trace_id", "events", "message"]).to_pylist())
    else:
        grid(findings.to_pylist(), ("severity", "rule", "trace_id", "message"))
        text(f"{len(findings):,} findings")
    grave = any(severity in GRAVE for severity in findings["severity"].unique().to_pylist())
    raise typer.Exit(FINDINGS if grave else code)


def sql(
    query: Annotated[str, typer.Argument(metavar="QUERY", help="One query in DuckDB's SQL, as 'from signals'.")],
    sources: Sources = None,
    store: StoreFile = None,
    json: Json = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    limit: Annotated[
        int,
        typer.Option("--limit", metavar="N", min=1, help="How many rows to show as text; --json and --csv give all."),
    ] = 50,
) -> None:
    """Ask a question in SQL.

    The tables are those of docs/tables.md. A statement that changes something is refused.
    """
    from kit.errors import ArgumentError

    if json and csv:
        raise typer.BadParameter("--json or --csv, not both")
    _require_query(query)
    with opened(sources, store) as (study, code):
        try:
            # A WITH that inserts is a SELECT to the parser; the engine refuses it here.
            study.execute("BEGIN TRANSACTION READ ONLY")
            found = study.sql(query)
            if csv:
                _print_csv(found)
            elif json:
                with found.batches() as rows:
                    array(plain_rows(rows))
            else:
                _print_rows(found, limit)
        except UnicodeError as error:
            raise ArgumentError(f"the answer is no text: {error}") from None
    raise typer.Exit(code)


def _require_query(query: str) -> None:
    import duckdb

    from kit.errors import ArgumentError

    statements = duckdb.extract_statements(query)
    if len(statements) != 1:
        raise ArgumentError(f"give one query, not {len(statements)}: {query!r}")
    kind = statements[0].type
    if kind not in (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN):
        raise ArgumentError(
            f"{kind.name} is refused: kit sql only reads. To change a store, open it with kit.open(path)"
        )


def _print_rows(found: "Table", limit: int) -> None:
    with found.batches(limit + 1) as rows:
        first = list(islice((row for batch in rows for row in batch.to_pylist()), limit + 1))
    if found.columns == PLAN:
        text("\n".join(row[PLAN[1]] for row in first))
        return
    grid(first[:limit], found.columns)
    if len(first) > limit:
        text(f"the first {limit:,} rows; more with --limit N, all with --json or --csv")


def _print_csv(found: "Table") -> None:
    from kit.export import csv

    if not sys.stdout.isatty():
        sys.stdout.flush()
        csv.dump(found, sys.stdout.buffer)
        sys.stdout.buffer.flush()
        return
    # In a terminal nothing of a capture may steer it.
    held = BytesIO()
    csv.dump(found, held)
    typer.echo(printable(held.getvalue().decode()), nl=False)

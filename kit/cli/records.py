"""Commands that ask about records: `verify`, `threads`, `thread`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from kit.cli.analyse import Picture, check_picture, save
from kit.cli.app import FINDINGS
from kit.cli.output import array, grid, heading, line, plain_rows, text
from kit.cli.sources import Json, Run, Sources, StoreFile, code_of_store, opened, require_run

if TYPE_CHECKING:
    from kit.notebook.thread import Thread

THREAD_COLUMNS = ("thread", "state", "records", "duration_ms", "last_verdict", "waiting", "merges", "opened_by", "goal")
PARTICIPANT_COLUMNS = ("actor", "roles", "records", "acts")
VERDICT_COLUMNS = ("verdict", "actor", "judged_actor", "domain", "id")
WAITING_COLUMNS = ("id", "actor", "goal", "cancelled")
FINDING_COLUMNS = ("line", "status", "id", "detail")


def verify(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many lines to list; 0 for all. --json gives all.")
    ] = 50,
    json: Json = False,
) -> None:
    """Check that records are what their ids say, and name every line that is not.

    Exit 1 for a record whose id does not prove it, a clock used twice, lines in quarantine and a damaged source. A line
    that repeats a record is listed and counts for nothing.
    """
    from kit.errors import NotFoundError

    with opened(sources, store) as (study, _):
        require_run(study, run)
        verdict = study.verify(run=run)
        found = verdict.rows()
        code = FINDINGS if not verdict.clean else code_of_store(study, run)
        several = len(study.sources()) > 1
    if not verdict.counts.records and not found:
        raise NotFoundError("there are no records to verify: kit report tells what is there")
    columns = ("uri", *FINDING_COLUMNS) if several else FINDING_COLUMNS
    if json:
        names = ("line", "id", "status", "detail", *(("uri",) if several else ()))
        array({name: row[name] for name in names} for row in found)
    else:
        text(str(verdict.counts))
        if found:
            text()
            grid(found[:limit] if limit else found, columns)
        if 0 < limit < len(found):
            text(f"the first {limit:,} of {len(found):,}; --limit 0 lists all")
    raise typer.Exit(code)


def threads(
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    state: Annotated[
        str | None,
        typer.Option("--state", metavar="S", help="Only open, cancelled, closed or no_intent.", show_default=False),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", metavar="N", min=0, help="Only the first N.", show_default=False)
    ] = None,
    json: Json = False,
) -> None:
    """List the threads of records, open ones first.

    With --json one object a line, with all columns of study.threads().
    """
    from kit.trace.threads import STATES

    if state is not None and state not in STATES:
        raise typer.BadParameter(f"--state {state!r}: one of {', '.join(STATES)}")
    with opened(sources, store) as (study, code):
        require_run(study, run)
        found = study.threads(run=run).arrow()
    kept = [i for i, its in enumerate(found["state"].to_pylist()) if state in (None, its)]
    shown = found.take(kept if limit is None else kept[:limit])
    if json:
        for row in plain_rows(shown.to_batches(1000)):
            line(row)
    else:
        runs = len(set(found["run"].to_pylist())) > 1
        rows = [
            {**row, "thread": _short(row["thread"]), "waiting": len(row["unfulfilled"])} for row in shown.to_pylist()
        ]
        grid(rows, ("run", *THREAD_COLUMNS) if runs else THREAD_COLUMNS)
        if len(shown) < len(kept):
            text(f"{len(shown):,} of {len(kept):,} threads")
    raise typer.Exit(code)


def thread(
    thread_id: Annotated[
        str, typer.Argument(metavar="ID", help="The thread, or the start of its name, with or without th_.")
    ],
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    follow: Annotated[
        bool, typer.Option("--follow/--no-follow", help="With the threads that it forked off, or without.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=0, help="How many records the tree shows; 0 for all.")
    ] = 200,
    plot: Picture = None,
    json: Json = False,
) -> None:
    """Show a thread of records: who took part, what was judged, what waits; or draw it."""
    check_picture(plot)
    with opened(sources, store) as (study, code):
        require_run(study, run)
        chosen = study.thread(thread_id, follow, run=run)
        if json:
            line(_whole(chosen))
        else:
            _print(chosen, limit or None)
        _draw(chosen, plot)
    raise typer.Exit(code)


def _short(name: str) -> str:
    """Return the start of a long name, enough to ask for the thread by it."""
    return name if len(name) <= 24 else f"{name[:15]}…"


def _draw(chosen: "Thread", plot: Path | None) -> None:
    if plot is not None:
        save(chosen.plot(), plot)


def _whole(chosen: "Thread") -> dict[str, Any]:
    return {
        "thread": chosen.id,
        "run": chosen.run,
        "state": chosen.state,
        "summary": chosen.summary,
        "records": chosen.table().rows(),
        "participants": chosen.participants().rows(),
        "verdicts": chosen.verdicts().rows(),
        "unfulfilled": chosen.unfulfilled().rows(),
    }


def _print(chosen: "Thread", limit: int | None) -> None:
    heading(f"thread {chosen.id} of run {chosen.run!r}: {chosen.state}, {len(chosen):,} records")
    text(chosen.tree(limit=limit))
    for title, rows, columns in (
        ("participants", chosen.participants().rows(), PARTICIPANT_COLUMNS),
        ("verdicts", chosen.verdicts().rows(), VERDICT_COLUMNS),
        ("unfulfilled", chosen.unfulfilled().rows(), WAITING_COLUMNS),
    ):
        if rows:
            heading(f"\n{title}")
            grid(rows, columns)

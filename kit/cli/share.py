"""The command `share`: a file for somebody else, cut, redacted and with pseudonyms."""

from pathlib import Path
from typing import Annotated

import typer

from kit.cli.app import CLEAN, FINDINGS
from kit.cli.output import line, text
from kit.cli.sources import Json, Run, Sources, StoreFile, opened


def share(
    out: Annotated[
        Path, typer.Option("-o", "--out", metavar="FILE", help="The file: .jsonl, .jsonl.gz, .jsonl.zst or .duckdb.")
    ],
    sources: Sources = None,
    store: StoreFile = None,
    run: Run = None,
    trace: Annotated[
        list[str] | None,
        typer.Option(
            "--trace", metavar="ID", help="Only this trace or thread; can be given again.", show_default=False
        ),
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="TIME", help="Only signals from this time on.", show_default=False)
    ] = None,
    redact: Annotated[
        list[str] | None,
        typer.Option(
            "--redact", metavar="PATH", help="Take this path out of payloads; can be given again.", show_default=False
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            "--name", metavar="TEXT", help="A further name to replace; can be given again.", show_default=False
        ),
    ] = None,
    keep_names: Annotated[bool, typer.Option("--keep-names", help="Replace no names.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell what the file would hold.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace FILE where it is there already.")] = False,
    json: Json = False,
) -> None:
    """Write a part of what was captured for somebody else: cut, redacted, with pseudonyms for names.

    Tells first what the file holds and what it does not cover. The exit code is 1 where a path met nothing, or text that
    was removed stands elsewhere as well.
    """
    if keep_names and name:
        raise typer.BadParameter("--keep-names and --name exclude each other")
    with opened(sources, store) as (study, _):
        made = study.share(
            out, traces=trace, since=since, redact=redact or (), pseudonyms=not keep_names and (name or True), run=run,
            overwrite=overwrite,
        )  # fmt: skip
        if not json:
            text(repr(made).removesuffix("\nnext: .write()"))
        if not dry_run:
            made.write()
            if not json:
                text(f"{out}: written")
    if json:
        line({"path": str(out), "written": made.written, **made.provenance})
    doubts = made.provenance["removed_text_that_stays"] or not all(made.provenance["redacted"].values())
    raise typer.Exit(FINDINGS if doubts else CLEAN)

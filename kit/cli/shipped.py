"""Commands about what comes with the kit: `demo`, `datasets`, and `notebook check`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from kit.cli.analyse import Picture, check_picture, save
from kit.cli.app import CLEAN
from kit.cli.output import array, grid, line, text
from kit.cli.sources import Json

notebook = typer.Typer(rich_markup_mode=None, no_args_is_help=True, help="Strict runs of notebooks.")


def demo(plot: Picture = None, json: Json = False) -> None:
    """Show the shipped capture: its report, and the trace that delegated most."""
    check_picture(plot)
    from kit.notebook.demo import demo as shown

    made = shown()
    if json:
        line({"report": made.report.as_dict(), "trace_id": made.trace.id, "events": len(made.trace)})
    else:
        text(f"{_shown(repr(made))}\n\nGo on with: kit traces {made.report.sources[0].uri}")
    if plot is not None:
        save(made.figure, plot)
    made.study.close()


def _shown(demo: str) -> str:
    """Return the text of a demo without its last paragraph, which is for notebooks."""
    return demo.rpartition("\n\n")[0]


def datasets(json: Json = False) -> None:
    """List the shipped captures."""
    from kit import datasets as shipped

    rows = [{"name": name, "path": str(shipped.path(name))} for name in shipped.names()]
    if json:
        array(rows)
    else:
        grid(rows, ("name", "path"))


@notebook.command("check")
def notebook_check(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Notebooks, or folders of them.")],
    timeout_s: Annotated[float, typer.Option("--timeout", metavar="SECONDS", help="How long a cell may take.")] = 120.0,
    json: Json = False,
) -> None:
    """Run notebooks again and compare every output with the stored one.

    Exit 1 where they differ, 2 where a notebook cannot be run.
    """
    from kit.notebook.check import check

    codes: dict[Path, int] = {}
    for file in files:
        if json:
            with _stdout_as_stderr():
                codes[file] = check(file, timeout_s=timeout_s)
        else:
            codes[file] = check(file, timeout_s=timeout_s)
    if json:
        array({"file": str(file), "exit": code, "clean": code == CLEAN} for file, code in codes.items())
    raise typer.Exit(max(codes.values()))


@contextmanager
def _stdout_as_stderr() -> Iterator[None]:
    """Send what this process and its children print to standard error: standard output is for JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        with redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)

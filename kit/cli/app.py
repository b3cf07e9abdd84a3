"""The application: its rules for errors and exit codes, which hold for every command."""

import os
import signal
import sys
from types import FrameType
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from kit import __version__
from kit.cli.output import say

CLEAN, FINDINGS, BAD_USE, INTERRUPTED, BROKEN_PIPE = 0, 1, 2, 130, 141


class Commands(TyperGroup):
    """Commands whose errors become one message on standard error and an exit code."""

    def invoke(self, ctx: Any) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _interrupted()
        except Exception as error:
            # Arrow and DuckDB turn an interrupt into an error of their own when it comes while they call back.
            if _Interrupt.seen:
                _interrupted()
            if isinstance(error, BrokenPipeError):
                # Nobody reads any more; the interpreter must not complain when it flushes at its end.
                os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
                raise typer.Exit(BROKEN_PIPE) from None
            message = _message(error)
            if message is None:
                raise
            say(f"kit: {message.strip()}")
            raise typer.Exit(BAD_USE) from None


class _Interrupt:
    """Whether Ctrl-C was pressed."""

    seen = False


def _on_interrupt(number: int, frame: FrameType | None) -> None:
    _Interrupt.seen = True
    signal.default_int_handler(number, frame)


def _interrupted() -> NoReturn:
    say("kit: interrupted; a store is as it was before")
    raise typer.Exit(INTERRUPTED) from None


def _message(error: Exception) -> str | None:
    """Return what to tell of an error that is no fault of the kit, None for one that is."""
    import duckdb

    from kit.errors import KitError

    if isinstance(error, KitError | duckdb.Error):
        return str(error)
    if isinstance(error, OSError):
        where = f"{str(error.filename)!r}: " if error.filename is not None else ""
        return f"{where}{error.strerror or error}"
    return None


app = typer.Typer(
    cls=Commands,
    name="kit",
    # Plain help and errors, without boxes, that can be searched and piped.
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    add_completion=False,
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"kit {__version__}")
        raise typer.Exit(CLEAN)


@app.callback()
def _kit(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and leave.")
    ] = False,
) -> None:
    """Captured agent signals as tables, trace DAGs and pictures.

    Exit codes: 0 clean; 1 findings: lines in quarantine, a damaged source, a broken rule; 2 bad use, input or output.
    """


def main() -> None:
    """Run the command line; the entry point `kit`."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            # A terminal that cannot show a character of a tree shows its code.
            stream.reconfigure(errors="backslashreplace")
    signal.signal(signal.SIGINT, _on_interrupt)
    app()

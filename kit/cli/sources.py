"""What a command reads: captures, loaded into memory, or a store; and what that says of the exit code."""

import os
import select
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from kit.cli.app import CLEAN, FINDINGS
from kit.cli.output import say

if TYPE_CHECKING:
    from kit.notebook.study import Study

Sources = Annotated[
    list[str] | None,
    typer.Argument(metavar="SRC", help="Captures: paths, globs, folders, or - for standard input.", show_default=False),
]
StoreFile = Annotated[
    Path | None, typer.Option("--store", metavar="F", help="Read this store instead of SRC.", show_default=False)
]
Run = Annotated[
    str | None, typer.Option("--run", metavar="NAME", help="Only this run; all without.", show_default=False)
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class Opened(NamedTuple):
    """A study to ask, and whether loading it for this command had findings."""

    study: "Study"
    code: int


@contextmanager
def opened(sources: Sequence[str] | None, store: Path | None) -> Iterator[Opened]:
    """Open the store, read-only, or load the sources into memory; close it at the end of the block.

    What loading put into quarantine, or could not read to its end, is told on standard error.
    """
    if bool(sources) == (store is not None):
        raise typer.BadParameter("give SRC... or --store F, and not both")
    if store is not None:
        with open_store(store) as study:
            yield Opened(study, CLEAN)
        return
    from kit.notebook.study import Study

    with Study() as study:
        report = study.load(named(sources or []))
        if report.quarantined:
            reasons = ", ".join(f"{code} {reason.count:,}" for code, reason in report.reasons.items())
            say(f"kit: {report.quarantined:,} of {report.lines:,} lines are in quarantine ({reasons}); see kit report")
        for source in report.sources:
            if not source.complete:
                say(f"kit: {source.uri}: {source.note}")
        yield Opened(study, code_of(report))


def open_store(store: Path) -> "Study":
    """Return a store opened to be read. Raises SourceNotFoundError where there is no such file."""
    from kit.errors import SourceNotFoundError, StoreError, StoreLockedError
    from kit.notebook.study import Study

    if not store.exists():
        raise SourceNotFoundError(f"{store}: no such store; make one with kit load SRC --store {store}")
    try:
        return Study(store, read_only=True)
    except StoreLockedError:
        raise
    except StoreError:
        # What an older kit or a killed load left is put right when the store is opened to be written, once.
        Study(store).close()
        return Study(store, read_only=True)


def named(sources: Sequence[str]) -> list[Any]:
    """Return the sources with `-` as standard input; the address of a server stays text."""
    from kit.cosmonapse.registry.dsn import is_dsn

    # As Path, so that no name is taken for a line of JSON.
    return [_standard_input() if source == "-" else source if is_dsn(source) else Path(source) for source in sources]


def _standard_input() -> Any:
    try:
        descriptor = sys.stdin.fileno()
    except OSError:
        return sys.stdin.buffer
    return sys.stdin.buffer if sys.platform == "win32" else _Interruptible(descriptor)


class _Interruptible:
    """A pipe or terminal to read from that Ctrl-C ends, also while a thread of DuckDB waits for it.

    The main thread, where Python would act on the signal, then waits for that thread.
    """

    name = "<stdin>"

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end. Raises InterruptedError on a signal."""
        ready, _, _ = select.select([self._descriptor, self._woken], [], [])
        if self._woken in ready:
            raise InterruptedError("interrupted")
        return os.read(self._descriptor, size)


def require_run(study: "Study", run: str | None) -> None:
    """Raise NotFoundError where the study has no run of this name."""
    from kit.errors import NotFoundError

    known = [row[0] for row in study.execute("SELECT run FROM runs ORDER BY run")]
    if run is not None and run not in known:
        raise NotFoundError(f"no run {run!r}: there is {', '.join(map(repr, known)) or 'none'}")


def code_of(report: Any) -> int:
    """Return the exit code for a load: findings where lines are in quarantine or a source is incomplete."""
    return FINDINGS if report.quarantined or not report.complete else CLEAN


def code_of_store(study: "Study", run: str | None) -> int:
    """Return the exit code for what a store holds, by the same rule."""
    found = study.execute(
        """SELECT (SELECT count(*) FROM quarantine WHERE $run IS NULL OR run = $run)
                + (SELECT count(*) FROM sources WHERE NOT complete AND ($run IS NULL OR run = $run))""",
        {"run": run},
    )
    return FINDINGS if found[0][0] else CLEAN

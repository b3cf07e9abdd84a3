"""How far a load has come: a bar in a terminal or a notebook, nothing in pipes and under nbval."""

import os
import sys
import time
from html import escape
from types import ModuleType
from typing import Any

from kit.typing import Progress

SILENT = ("PYTEST_VERSION", "PYTEST_CURRENT_TEST", "KIT_NO_PROGRESS")
"""Environment variables that mean that nobody watches; nbval's kernels inherit pytest's."""
SHOW_AFTER_S = 0.5


def progress_for(wanted: "bool | Progress | None") -> Progress:
    """Return the progress to report to: the given one, none for False, the fitting one for None and True."""
    if wanted is False:
        return Silent()
    if wanted is not None and wanted is not True:
        return wanted
    if wanted is None and any(name in os.environ for name in SILENT):
        return Silent()
    if _in_notebook():
        return NotebookBar()
    if wanted is True or sys.stderr.isatty():
        return TerminalBar()
    return Silent()


def _in_notebook() -> bool:
    ipython: ModuleType | None = sys.modules.get("IPython")
    shell = None if ipython is None else ipython.get_ipython()
    return shell is not None and getattr(shell, "kernel", None) is not None


class Silent:
    """Shows nothing."""

    def start(self, uri: str, total_bytes: int | None) -> None:
        """A source begins."""

    def advance(self, read_bytes: int, lines: int) -> None:
        """So many more bytes were read, and so many lines in all."""

    def finish(self) -> None:
        """The source is done."""


class TerminalBar:
    """A bar on standard error with bytes, rate and time left; it vanishes when the source is done."""

    def start(self, uri: str, total_bytes: int | None) -> None:
        """Begin a bar; without a total it pulses."""
        from rich import progress
        from rich.console import Console

        self._bar = progress.Progress(
            progress.TextColumn("{task.description}"),
            progress.BarColumn(),
            progress.DownloadColumn(),
            progress.TransferSpeedColumn(),
            progress.TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task(uri[-40:], total=total_bytes)
        self._bar.start()

    def advance(self, read_bytes: int, lines: int) -> None:
        """Move the bar."""
        self._bar.advance(self._task, read_bytes)

    def finish(self) -> None:
        """Take the bar away."""
        self._bar.stop()


class NotebookBar:
    """A line with bytes, rate and time left, shown after half a second and emptied when the source is done."""

    def start(self, uri: str, total_bytes: int | None) -> None:
        """Remember the source; the bar is drawn only if the load takes a while."""
        self._name, self._total, self._done = uri[-40:], total_bytes, 0
        self._begun = self._drawn = time.monotonic()
        self._handle: Any = None

    def advance(self, read_bytes: int, lines: int) -> None:
        """Move the bar, four times a second at most."""
        self._done += read_bytes
        now = time.monotonic()
        if now - self._drawn >= (SHOW_AFTER_S if self._handle is None else 0.25):
            self._drawn = now
            self._show(self._drawing(now - self._begun))

    def _drawing(self, seconds: float) -> str:
        rate = self._done / max(seconds, 1e-9)
        left = f", {max(self._total - self._done, 0) / rate:.0f} s left" if self._total and rate else ""
        bar = f'<progress max="{self._total}" value="{self._done}"></progress> ' if self._total else ""
        return f"{bar}{escape(self._name)}: {self._done / 1e6:,.0f} MB, {rate / 1e6:,.0f} MB/s{left}"

    def _show(self, html: str) -> None:
        from IPython.display import HTML, display

        if self._handle is None:
            self._handle = display(HTML(html), display_id=True)
        else:
            self._handle.update(HTML(html))

    def finish(self) -> None:
        """Empty the line, so that no rate stays in the notebook."""
        if self._handle is not None:
            self._show("")
            self._handle = None

"""How far a load has come: a bar in a terminal or a notebook, nothing in pipes and under nbval."""

import os
import sys
import time
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
    """A widget with bytes, rate and time left, shown after half a second and closed when the source is done."""

    def start(self, uri: str, total_bytes: int | None) -> None:
        """Remember the source; the bar is drawn only if the load takes a while."""
        self._name, self._total, self._done = uri[-40:], total_bytes, 0
        self._begun = self._drawn = time.monotonic()
        self._box: Any = None

    def advance(self, read_bytes: int, lines: int) -> None:
        """Move the bar, four times a second at most."""
        self._done += read_bytes
        now = time.monotonic()
        if now - self._drawn < (SHOW_AFTER_S if self._box is None else 0.25):
            return
        self._drawn = now
        if self._box is None:
            self._show()
        rate = self._done / max(now - self._begun, 1e-9)
        left = "" if not self._total else f", {max(self._total - self._done, 0) / rate:.0f} s left"
        self._box.children[0].value = min(self._done / self._total, 1.0) if self._total else 0.0
        self._box.children[1].value = f"{self._name}: {self._done / 1e6:,.0f} MB, {rate / 1e6:,.0f} MB/s{left}"

    def _show(self) -> None:
        import ipywidgets
        from IPython.display import display

        self._box = ipywidgets.HBox([ipywidgets.FloatProgress(max=1.0), ipywidgets.Label()])
        display(self._box)

    def finish(self) -> None:
        """Close the widget, so that nothing of it stays in the notebook."""
        if self._box is not None:
            self._box.close()
            self._box = None

"""`demo`: from shipped data to a report, a DAG and a picture, with nothing to prepare."""

import base64
import io
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING

from kit import datasets
from kit.io import LoadReport
from kit.notebook.namespace import Namespace
from kit.notebook.study import Study
from kit.notebook.trace import Trace

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from kit.widgets.panel import Panel


@dataclass(frozen=True)
class Demo:
    """What `kit.demo()` made: the study to go on with, the account of its load, a trace and its picture.

    In a notebook it ends in the panel of a simulated office.
    """

    study: Study
    report: LoadReport
    trace: Trace
    figure: "Figure"

    @cached_property
    def panel(self) -> "Panel":
        """The panel of the shipped office `desk`, simulated; made when it is first asked for."""
        return Namespace.from_scenario("desk", seed=7).panel()

    def _ipython_display_(self) -> None:
        from IPython import get_ipython
        from IPython.display import display

        display({"text/plain": repr(self), "text/html": self._repr_html_()}, raw=True)
        if hasattr(get_ipython(), "kernel"):
            display(self.panel)

    def __repr__(self) -> str:
        return (
            f"{_stable(self.report)}\n\n{self.trace}\n\nGo on with demo.study, demo.trace, demo.figure and demo.panel."
        )

    def _repr_html_(self) -> str:
        picture = io.BytesIO()
        self.figure.savefig(picture, format="png", dpi=100)
        image = base64.b64encode(picture.getvalue()).decode()
        return (
            f'<pre style="font-family: monospace">{escape(_stable(self.report))}</pre>{self.trace._repr_html_()}'
            f'<img alt="the DAG of the trace" src="data:image/png;base64,{image}">'
        )


def demo(name: str = "cosmonapse-small") -> Demo:
    """Return a Demo on a shipped data set: load it, take the trace that delegated most, and draw it."""
    study = Study()
    report = study.load(datasets.path(name))
    chosen = max(study.traces().rows(), key=lambda row: (row["children_traces"], row["signals"], row["trace_id"]))
    trace = study.trace(chosen["trace_id"])
    return Demo(study, report, trace, trace.plot())


def _stable(report: LoadReport) -> str:
    """Return the report without the folder that the kit is installed in."""
    text = repr(report)
    for source in report.sources:
        text = text.replace(source.uri, source.uri.replace("\\", "/").rsplit("/", 1)[-1])
    return text

"""`Trace`: one trace as a notebook user holds it."""

from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kit.notebook.difference import DrawnDifference, drawn_difference
from kit.store.store import Store
from kit.table import Table
from kit.trace.critical_path import critical_events, critical_path
from kit.trace.events import trace_events
from kit.trace.forest import Forest
from kit.trace.graph import graph
from kit.trace.spans import spans
from kit.trace.tree import tree

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

    from kit.widgets import DAG, Scene, Timeline


class Trace:
    """The events of a trace, with those of the traces it delegated to; every view of it is made when asked for."""

    def __init__(
        self, store: Store, trace_id: str, *, run: str | None = None, follow: bool = True, grown: Forest | None = None
    ) -> None:
        self._store = store
        self._grown = grown
        self.events: pa.Table = trace_events(store, trace_id, run=run, follow=follow, grown=grown)
        self.id: str = _root_trace(self.events, trace_id)
        self.run: str = self.events["run"][0].as_py()
        self.follow = follow

    @property
    def store(self) -> Store:
        """The store that it is in."""
        return self._store

    @cached_property
    def graph(self) -> "nx.DiGraph[str]":
        """The DAG as a `networkx.DiGraph`: cause to effect, nodes are event ids, edges carry `why`."""
        return graph(self.events)

    @cached_property
    def _spans(self) -> pa.Table:
        traces = sorted(set(self.events["trace_id"].to_pylist()))
        return spans(self._store, run=self.run, traces=traces, grown=self._grown)

    def spans(self) -> Table:
        """Return the spans (task, tool, recall, imprint, question, auction) with queue and service times in ms."""
        return Table(self._spans, name="spans")

    def critical_path(self) -> Table:
        """Return the steps on the critical path; `self_ms` adds up to the time from first to last event."""
        return Table(critical_path(self.events, self._spans), name="critical path")

    def table(self) -> Table:
        """Return the events in (ts, id) order with label, depth and why."""
        return Table(self.events, name="events")

    def tree(self, limit: int | None = 200) -> str:
        """Return the trace as a text tree, at most `limit` lines (None for all)."""
        return tree(self.events, limit=limit)

    def plot(self, **options: Any) -> "Figure":
        """Return the DAG as a matplotlib Figure, the critical path marked; options as for `kit.plot.dag`."""
        from kit import plot

        path = critical_path(self.events, self._spans)
        return plot.dag(self.graph, **{"critical": critical_events(self.events, self._spans, path), **options})

    def waterfall(self, **options: Any) -> "Figure":
        """Return the spans by neuron as a matplotlib Figure; options as for `kit.plot.waterfall`."""
        from kit import plot

        return plot.waterfall(self.spans(), **{"critical": self.critical_path(), **options})

    def view(self, *, findings: Any = None, **options: Any) -> "DAG":
        """Return the DAG to move in, in the browser; `findings` of `study.check()` are marked; options as for `kit.widgets.DAG`."""
        from kit import widgets

        return widgets.dag_view(lambda follow: self._scene(follow, findings), follow=self.follow, **options)

    def timeline(self, **options: Any) -> "Timeline":
        """Return the spans and events over time, to move in, in the browser; options as for `kit.widgets.Timeline`."""
        from kit import widgets

        return widgets.timeline_view(self._scene(self.follow), **options)

    def to_html(self, path: str | Path, *, rows: int = 20_000) -> Path:
        """Write the trace as one HTML file that needs no Jupyter, at most `rows` events of it, and return the path."""
        from kit import widgets

        title = f"Trace {self.id}"
        return widgets.write_scene(path, self._scene(self.follow), self._store, self.run, title=title, rows=rows)

    def _scene(self, follow: bool, findings: Any = None) -> "Scene":
        from kit import widgets

        found = None if findings is None else pa.table(findings)
        return widgets.trace_scene(self._store, self.id, run=self.run, follow=follow, grown=self._grown, findings=found)

    def __sub__(self, other: "Trace") -> DrawnDifference:
        """Return what this trace has more, less, slower or faster than `other`; in a notebook it is drawn."""
        if not isinstance(other, Trace):
            return NotImplemented
        return drawn_difference(self, other)

    def __len__(self) -> int:
        return int(self.events.num_rows)

    def _headline(self) -> str:
        others = len(set(self.events["trace_id"].to_pylist())) - 1
        return f"trace {self.id} of run {self.run!r}: {len(self):,} events" + (
            f" in it and {others} delegated traces" if others else ""
        )

    def __repr__(self) -> str:
        return f"{self._headline()}\n{self.tree(limit=20)}"

    def _repr_html_(self) -> str:
        # JupyterLab sets <pre> in a proportional font, in which the branches do not line up.
        tree = f'<pre style="font-family: monospace">{escape(self.tree(limit=40))}</pre>'
        return f"<p><b>{escape(self._headline())}</b></p>{tree}"


def _root_trace(events: pa.Table, asked: str) -> str:
    """Return the full id of the trace that was asked for by a part of it."""
    names = dict.fromkeys(events["trace_id"].to_pylist())
    if asked in names:
        return asked
    return str(next((name for name in names if name.startswith(asked) or name.endswith(asked)), next(iter(names))))

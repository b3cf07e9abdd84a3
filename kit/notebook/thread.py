"""`Thread`: one thread of records as a notebook user holds it."""

from functools import cached_property
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kit.store.store import Store
from kit.table import Table
from kit.trace.record_search import record_levels
from kit.trace.records import Weave, ancestry, weave
from kit.trace.thread import find_thread, participants, thread_graph, thread_records, thread_verdicts, unfulfilled
from kit.trace.threads import threads
from kit.trace.tree import thread_tree

if TYPE_CHECKING:
    import networkx as nx
    from matplotlib.figure import Figure

    from kit.widgets import DAG, Scene, Timeline


class Thread:
    """The records of a thread, with those of its sub-threads where `follow` is true; every view is made when asked for."""

    def __init__(
        self, store: Store, thread: str, *, run: str | None = None, follow: bool = False, woven: Weave | None = None
    ) -> None:
        self._store = store
        self.run, self.id = find_thread(store, thread, run)
        self.follow = follow
        self._woven = weave(store, self.run) if woven is None else woven
        self.records: pa.Table = thread_records(store, self.id, run=self.run, follow=follow, woven=self._woven)

    @cached_property
    def summary(self) -> dict[str, Any]:
        """The row of `study.threads()` about this thread."""
        rows = threads(self._store, self.run, woven=self._woven).to_pylist()
        return next(row for row in rows if row["thread"] == self.id)

    @property
    def state(self) -> str:
        """`open`, `closed`, `cancelled` or `no_intent`; of this thread, whatever its sub-threads are."""
        return str(self.summary["state"])

    @cached_property
    def graph(self) -> "nx.DiGraph[str]":
        """The DAG as a `networkx.DiGraph`: cause to effect, nodes are record ids, edges carry `why`."""
        return thread_graph(self.records)

    def table(self) -> Table:
        """Return the records, causes before effects, with label, depth and the INTENDs they end."""
        return Table(self.records, name="records")

    def tree(self, limit: int | None = 200) -> str:
        """Return the records as a text tree, causes above effects, at most `limit` lines."""
        return thread_tree(self.records, limit=limit)

    def ancestry(self, record_id: str) -> Table:
        """Return a record and everything it follows from, in any thread, causes first; the id may be a prefix."""
        return Table(ancestry(self._store, record_id, run=self.run, woven=self._woven), name="ancestry")

    def participants(self) -> Table:
        """Return who took part: roles, number of records, acts, clocks."""
        return Table(participants(self.records), name="participants")

    def verdicts(self) -> Table:
        """Return the verdicts: who judged which record of whom, and how."""
        return Table(thread_verdicts(self._store, self.records), name="verdicts")

    def unfulfilled(self) -> Table:
        """Return the INTENDs that no KNOW of their thread fulfills."""
        return Table(unfulfilled(self.records), name="unfulfilled")

    def levels(self) -> Table:
        """Return the hashes of each record at levels L0 to L3; L0 must not leave its namespace."""
        return Table(record_levels(self._store, self.run, self.id), name="hash levels")

    def plot(self, **options: Any) -> "Figure":
        """Return the DAG as a matplotlib Figure; options as for `kit.plot.dag`."""
        from kit import plot

        return plot.dag(self.graph, **{"noun": "record", **options})

    def view(self, **options: Any) -> "DAG":
        """Return the DAG to move in, in the browser; options as for `kit.widgets.DAG`."""
        from kit import widgets

        return widgets.dag_view(self._scene, follow=self.follow, noun="record", **options)

    def timeline(self, **options: Any) -> "Timeline":
        """Return the records by actor over time, to move in, in the browser; options as for `kit.widgets.Timeline`."""
        from kit import widgets

        return widgets.timeline_view(self._scene(self.follow), **options)

    def to_html(self, path: str | Path, *, rows: int = 20_000) -> Path:
        """Write the thread as one HTML file that needs no Jupyter, at most `rows` records of it, and return the path."""
        from kit import widgets

        title = f"Thread {self.id}"
        return widgets.write_scene(path, self._scene(self.follow), self._store, self.run, title=title, rows=rows)

    def _scene(self, follow: bool) -> "Scene":
        from kit import widgets

        return widgets.thread_scene(self._store, self.id, run=self.run, follow=follow, woven=self._woven)

    def __len__(self) -> int:
        return int(self.records.num_rows)

    def _headline(self) -> str:
        others = len(set(self.records["thread"].to_pylist())) - 1
        return f"thread {self.id} of run {self.run!r}: {self.state}, {len(self):,} records" + (
            f" in it and {others} sub-threads" if others else ""
        )

    def __repr__(self) -> str:
        return f"{self._headline()}\n{self.tree(limit=20)}"

    def _repr_html_(self) -> str:
        # JupyterLab sets <pre> in a proportional font, in which the branches do not line up.
        tree = f'<pre style="font-family: monospace">{escape(self.tree(limit=40))}</pre>'
        return f"<p><b>{escape(self._headline())}</b></p>{tree}"

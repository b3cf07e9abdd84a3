"""The trace browser: choose a trace, a thread or a clock, and see its DAG, its timeline, its findings and each event whole."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets
import pyarrow as pa
import pyarrow.compute as pc

from kit.align.overview import log_coverage, log_overview
from kit.errors import NotFoundError
from kit.store.store import Store
from kit.trace.conformance import check
from kit.trace.events import find_trace
from kit.trace.forest import Forest, forest
from kit.trace.records import Weave, weave
from kit.trace.spans import spans
from kit.trace.thread import find_thread
from kit.trace.threads import threads
from kit.trace.traces import traces
from kit.widgets.dag import DAG, Content
from kit.widgets.html import Page
from kit.widgets.listing import Detail, Listing
from kit.widgets.offpage import comms
from kit.widgets.owner import Owner
from kit.widgets.scene import Scene, clock_scene, record_rows, signal_rows, thread_scene, trace_scene
from kit.widgets.selection import link
from kit.widgets.timeline import Timeline
from kit.widgets.view import WIDGET_VIEW, stored

NOUNS = {"traces": "trace", "threads": "thread", "clocks": "clock"}
"""What a row of each family is, which is the name of its key column."""
EMBEDDED_ROWS = 20_000
MISSES = 20
"""After so many in a row that had no room in a file, the rest is not tried."""
NO_FINDINGS = pa.table({"severity": [], "rule": [], "message": [], "events": []}).cast(
    pa.schema([(name, pa.string()) for name in ("severity", "rule", "message")] + [("events", pa.list_(pa.string()))])
)
NO_EVENTS = pa.table({"id": pa.array([], pa.string())})


class Browser(ipywidgets.VBox):  # type: ignore[misc]  # ipywidgets has no types
    """Listings of what is there, and of what is chosen a timeline, a DAG, the findings and the event that is selected, linked.

    Parts: `listings` (by family: traces, threads, clocks), `timeline`, `dag`, `detail`, `findings`. `show(name)` does what a click on
    a row does. `grown` and `woven` give the structure of a run where the caller holds it.
    """

    def __init__(
        self,
        store: Store,
        run: str | None = None,
        *,
        grown: Callable[[str | None], Forest] | None = None,
        woven: Callable[[str | None], Weave] | None = None,
    ) -> None:
        self._store = store
        self._run = run
        self._grown = grown or (lambda run: forest(store, run))
        self._woven = woven or (lambda run: weave(store, run))
        self._places: dict[str, tuple[str, str, str]] = {}
        """What each key stands for: family, run, name."""
        self._sizes: dict[str, int] = {}
        """How many events of its own each of them has, at least."""
        self._every_span: pa.Table | None = None
        self._found: pa.Table | None = None
        self._lookup: Callable[[list[str]], pa.Table] = lambda _: NO_EVENTS
        self.listings = self._listings()
        self.timeline = Timeline(height=240)
        self.dag = DAG(Content(_no_graph()), height=380)
        self.detail = Detail(lambda id: self._lookup([id]), self._embedded_rows, title="Event", height=340)
        self.findings = Listing(NO_FINDINGS, key="events", selects=True, title="Findings", height=130)
        self.links = link(self.timeline, self.dag, self.detail, self.findings)
        self._owner: Owner[Callable[[], object]] = Owner(lambda command: command(), failed=self._failed, name="Browser")
        self.opened: str | None = None
        """The key of what is shown."""
        super().__init__(self._arranged(), **comms())
        for listing in self.listings.values():
            listing.observe(self._chosen, "chosen")
        first = next(iter(self._places), None)
        if first is not None:
            self.show(first)

    def show(self, name: str) -> None:
        """Show a trace, thread or clock by its key in a listing, or by its name or a part that only it has.

        Raises NotFoundError where there is none of that name.
        """
        key = self._key(name)
        family, run, own = self._places[key]
        scene = self._scene(family, run, own)
        self._put(family, run, scene)
        self.opened = key
        for listed, listing in self.listings.items():
            listing.chosen = key if listed == family else ""

    def select(self, *ids: str) -> None:
        """Select events, as a click does."""
        self.dag.select(*ids)

    def settle(self, timeout_s: float = 30) -> bool:
        """Wait until what was clicked is shown; False after `timeout_s`."""
        return self._owner.wait(timeout_s) and self.dag.settle(timeout_s) and self.timeline.settle(timeout_s)

    def to_html(self, path: str | Path, *, rows: int = EMBEDDED_ROWS, title: str | None = None) -> Path:
        """Write all of it as one HTML file that needs no kernel and no network, and return the path.

        Traces are embedded, the one that is shown first, then in the order of the listing, while their events fit into
        `rows`; the file says how many are listed only.
        """
        page = Page(title or self._counted(), [*self.listings.values(), *self._parts()], rows, self._hidden())
        left, skipped, missed, before = rows, 0, 0, self.opened
        try:
            if "traces" in self.listings:
                self._every_span = spans(self._store, run=self._run, grown=self._grown(self._run))
            # What is shown now comes first: it is what the file opens with.
            for key in dict.fromkeys([*([before] if before is not None else []), *self._places]):
                if self._sizes[key] > left or missed == MISSES:
                    skipped += 1
                    continue
                self.show(key)
                size = max(len(self._ids()), len(self.timeline))
                if size > left:
                    skipped, missed = skipped + 1, missed + 1
                    continue
                left, missed = left - size, 0
                page.group(key, self._parts(), rows, hidden=self._hidden())
        finally:
            self._every_span = None
        if skipped:
            page.note(f"{skipped:,} of {len(self._places):,} rows can be read in the list but not opened: with them the "
                      f"file would hold more than {rows:,} events.")  # fmt: skip
        if before is not None:
            self.show(before)
        return page.write(path)

    def close(self) -> None:
        """Close all parts; harmless when repeated."""
        self._owner.close()
        self.links.unlink()
        for part in (*self.listings.values(), *self._parts()):
            part.close()
        super().close()

    def __repr__(self) -> str:
        return f"<Browser of {self._counted()}>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        twin = (self.dag if self._family() != "clocks" else self.timeline).twin()
        view = {WIDGET_VIEW: {"version_major": 2, "version_minor": 0, "model_id": self.model_id}}
        return {"text/plain": repr(self), **stored(twin), **view}, {}

    # What is there

    def _listings(self) -> dict[str, Listing]:
        made = {}
        for family, table in (("traces", self._traces()), ("threads", self._threads()), ("clocks", self._clocks())):
            if table is not None and table.num_rows:
                made[family] = Listing(table, key=NOUNS[family], title=family.capitalize(), height=190)
        return made

    def _named(self, family: str, table: pa.Table, column: str, shown: list[str]) -> pa.Table:
        """Return a listing with a first column that is its key: the name, behind its run where there are several."""
        runs, names = table["run"].to_pylist(), table[column].to_pylist()
        sizes = table[next(name for name in ("signals", "records", "logs") if name in shown)].to_pylist()
        several = len(set(runs)) > 1
        keys = []
        for run, name, size in zip(runs, names, sizes, strict=True):
            key = f"{run}: {name or '(unnamed)'}" if several else (name or "(unnamed)")
            self._places[key], self._sizes[key] = (family, run, name or ""), size
            keys.append(key)
        return table.select(shown).add_column(0, NOUNS[family], pa.array(keys, pa.string()))

    def _traces(self) -> pa.Table | None:
        if not self._store.execute("SELECT 1 FROM signals LIMIT 1"):
            return None
        found = traces(self._store, self._run, grown=self._grown(self._run))
        shown = ["status", "root_type", "signals", "duration_ms", "start", "children_traces", "retries", "findings"]
        return self._named("traces", found, "trace_id", shown)

    def _threads(self) -> pa.Table | None:
        if not self._store.execute("SELECT 1 FROM records LIMIT 1"):
            return None
        found = threads(self._store, self._run, woven=self._woven(self._run))
        return self._named(
            "threads", found, "thread", ["state", "records", "opened_by", "goal", "duration_ms", "merges"]
        )

    def _clocks(self) -> pa.Table | None:
        if not self._store.execute("SELECT 1 FROM logs LIMIT 1"):
            return None
        coverage, overview = log_coverage(self._store, self._run), log_overview(self._store, self._run)
        if not coverage.num_rows:
            return None
        sums: list[Any] = [([], "count_all"), ("entries", "sum"), ("gaps", "sum"), ("damage", "sum")]
        logs = overview.group_by(["run", "clock_id"]).aggregate(sums)
        found = logs.rename_columns(["run", "clock_id", "logs", "entries", "gaps", "damage"]).sort_by(
            [("run", "ascending"), ("clock_id", "ascending")]
        )
        return self._named("clocks", found, "clock_id", ["logs", "entries", "gaps", "damage"])

    def _key(self, name: str) -> str:
        if name in self._places:
            return name
        for key, (family, run, own) in self._places.items():
            if name == own:
                return key
            if family == "traces" and len(name) >= 4 and (own.endswith(name) or own.startswith((name, f"trc_{name}"))):
                return self._places_key(family, *find_trace(self._store, name, self._run or run))
            if family == "threads" and len(name) >= 4 and own.startswith((name, f"th_{name}")):
                return self._places_key(family, *find_thread(self._store, name, self._run or run))
        raise NotFoundError(f"no trace, thread or clock {name!r} here; they are in the first column of each listing")

    def _places_key(self, family: str, run: str, own: str) -> str:
        return next(key for key, place in self._places.items() if place == (family, run, own))

    # What is shown

    def _scene(self, family: str, run: str, name: str) -> Scene:
        if family == "traces":
            grown = self._grown(self._run)
            every = self._checked()
            mine = every.filter(pc.and_(pc.equal(every["run"], run), pc.equal(every["trace_id"], name)))
            self._own = mine.select(["severity", "rule", "message", "events"])
            return trace_scene(self._store, name, run=run, grown=grown, findings=mine, every_span=self._every_span)
        self._own = NO_FINDINGS
        if family == "threads":
            return thread_scene(self._store, name, run=run, woven=self._woven(self._run))
        return clock_scene(self._store, name or None, run=run)

    def _checked(self) -> pa.Table:
        if self._found is None:
            self._found = check(self._store, self._run)
        return self._found

    def _put(self, family: str, run: str, scene: Scene) -> None:
        for part in (self.timeline, self.dag):
            part.selected, part.cursor_us, part.window_us = [], None, None
        rows = {"traces": signal_rows, "threads": record_rows}.get(family)
        self._lookup = (lambda ids: rows(self._store, run, ids)) if rows else lambda _: NO_EVENTS
        self.dag.noun = scene.noun
        self.dag.collapsed, self.dag.query = [], ""
        self.dag.show(scene.content or Content(_no_graph()))
        self.dag.layout.display = None if scene.content else "none"
        self.timeline.axis = scene.axis
        self.timeline.show(scene.marks, picture=scene.picture)
        self.findings.show(self._own)
        self.findings.layout.display = None if self._own.num_rows else "none"
        self.detail.layout.display = None if rows else "none"
        self.detail.refresh()

    def _counted(self) -> str:
        counts = {family: len(listing) for family, listing in self.listings.items()}
        return ", ".join(f"{n:,} {NOUNS[family] if n == 1 else family}" for family, n in counts.items()) or "nothing"

    def _family(self) -> str:
        """Return the family of what is shown."""
        return "traces" if self.opened is None else self._places[self.opened][0]

    def _ids(self) -> list[str]:
        ids: list[str] = self.dag.drawing.nodes["id"].to_pylist()
        return ids

    def _embedded_rows(self, limit: int) -> pa.Table:
        return self._lookup(self._ids()[:limit])

    def _hidden(self) -> set[Any]:
        """Return the parts that have nothing to show."""
        return {part for part in self._parts() if part.layout.display == "none"}

    def _parts(self) -> list[Any]:
        return [self.timeline, self.dag, self.detail, self.findings]

    def _arranged(self) -> list[Any]:
        self.dag.layout.flex, self.dag.layout.min_width = "3 1 420px", "280px"
        self.detail.layout.flex, self.detail.layout.min_width = "1 1 260px", "220px"
        beside = ipywidgets.Box(
            [self.dag, self.detail], layout={"display": "flex", "flex_flow": "row wrap", "width": "100%"}, **comms()
        )
        return [*self.listings.values(), self.timeline, beside, self.findings]

    def _chosen(self, change: Any) -> None:
        if change["new"] and change["new"] != self.opened:
            self._owner.post(lambda: self.show(change["new"]))

    def _failed(self, _: object, error: BaseException) -> None:
        self.dag.notice = str(error)


def _no_graph() -> Any:
    import networkx as nx  # here, so that a store opens without it

    return nx.DiGraph()

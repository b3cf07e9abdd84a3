"""The DAG of a trace or of a thread on a canvas: what caused what, tens of thousands of nodes at a time.

The front end (`static/dag.js`) asks for `nodes`, `edges` and `bends`, the columns of `drawing`, and for `search`. Coordinates are
those of `kit.trace.layout`, made here, once.
"""

import re
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from kit import palette
from kit.errors import ArgumentError, NotFoundError
from kit.table import DUCKDB_CONFIG
from kit.trace.layout import layout, shelved
from kit.widgets.compose import compose
from kit.widgets.view import View

if TYPE_CHECKING:
    import networkx as nx

PREDICATE = re.compile(r"[=<>()]|\b(?:like|ilike|in|is|not|between)\b", re.IGNORECASE)
"""What makes a search a condition in SQL rather than a text to look for."""
ROW_UNITS = 1200.0
"""Components stand in rows of about this many units, or of a third more than a square would need."""
TEXTS = ("type", "neuron", "label", "kind", "body_kind")


class Content(NamedTuple):
    """What a DAG view shows: a graph as of `kit.trace.graph`, ids on the critical path, findings by event id."""

    graph: "nx.DiGraph[Any]"
    critical: Iterable[Hashable] = ()
    findings: Mapping[str, str] | None = None


class Drawing(NamedTuple):
    """The columns that a front end draws.

    `nodes`: id, x, y (units of the layout, y downwards), type, mark, neuron, label, kind, body_kind, group (trace or thread), ts,
    critical, finding; `edges`: source, target (rows of nodes), why, guessed, back; `bends`: edge, x, y, in the order of the edges.
    """

    nodes: pa.Table
    edges: pa.Table
    bends: pa.Table


class DAG(View):
    """A graph of causes and effects; hover, select, search, collapse, follow.

    With `load`, a function from `follow` to a Content, the view can show the delegated traces (or sub-threads) or leave them
    out, which the trait `follow` says. Selecting moves `selected`, and the cursor `cursor_us`; nodes outside
    `window_us` are faint.
    """

    _esm = compose("dag.js")

    follow = traitlets.Bool(True).tag(sync=True)
    followable = traitlets.Bool(False).tag(sync=True)
    collapsed: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Ids whose effects are folded away, those that have no other cause in sight."""
    query = traitlets.Unicode("").tag(sync=True)
    """What is searched for; see `search`."""
    noun = traitlets.Unicode("signal").tag(sync=True)

    def __init__(
        self,
        content: "Content | nx.DiGraph[Any] | None" = None,
        *,
        load: Callable[[bool], Content] | None = None,
        noun: str = "signal",
        **traits: Any,
    ) -> None:
        self._content: Content | None = None
        self._load = load
        super().__init__(noun=noun, followable=load is not None, **traits)
        if (content is None) == (load is None):
            raise ArgumentError("DAG(content) or DAG(load=f): one of the two")
        self._titled = bool(traits.get("title"))
        self.show(load(self.follow) if load is not None else content)
        self.observe(self._followed, "follow")

    def show(self, content: Any) -> None:
        """Show another graph, or a Content with its critical path and findings; what is selected stays where it is there."""
        made = content if isinstance(content, Content) else Content(content)
        self._content = made
        self._drawing = drawing(made)
        self._numbers = {id: row for row, id in enumerate(self._drawing.nodes["id"].to_pylist())}
        if not self._titled:
            nodes, edges = self._drawing.nodes.num_rows, self._drawing.edges.num_rows
            name = "Trace DAG" if self.noun == "signal" else "Thread DAG"
            self.title = f"{name}: {nodes:,} {self.noun}{'s' * (nodes != 1)}, {edges:,} edge{'s' * (edges != 1)}"
        self.refresh()

    @property
    def drawing(self) -> Drawing:
        """The columns that are drawn."""
        return self._drawing

    def select(self, *ids: str) -> None:
        """Choose nodes, or none, as a click does: the time cursor goes to the first of them."""
        super().select(*ids)
        row = self._numbers.get(ids[0]) if ids else None
        ts = None if row is None else self._drawing.nodes["ts"].cast(pa.int64())[row].as_py()
        if ts is not None:
            self.cursor_us = float(ts)

    def search(self, text: str) -> list[str]:
        """Return the ids that `text` finds, in the order of the nodes, and point them out.

        A condition in SQL over the columns of `Drawing.nodes` (`"type = 'ERROR' and critical"`), or a text that is part of the id,
        type, neuron or finding, in any case. Empty ends the search. Raises ArgumentError for a condition that DuckDB refuses.
        """
        found = self._found(text)
        self.query = text
        return [str(id) for id in self._drawing.nodes["id"].take(pa.array(found)).to_pylist()]

    def collapse(self, *ids: str) -> None:
        """Fold away what follows from these nodes alone; NotFoundError for an id that is not here."""
        self._known(ids)
        self.collapsed = list(dict.fromkeys([*self.collapsed, *ids]))

    def expand(self, *ids: str) -> None:
        """Unfold these nodes, or all without any."""
        self.collapsed = [id for id in self.collapsed if ids and id not in ids]

    def around(self, id: str) -> dict[str, list[str]]:
        """Return the `causes` and `effects` of a node, as the arrow keys walk them."""
        [row] = self._known([id])
        names = self._drawing.nodes["id"]
        source, target = (self._drawing.edges[name].to_numpy() for name in ("source", "target"))

        def named(rows: Any) -> list[str]:
            return [str(name) for name in names.take(pa.array(rows)).to_pylist()]

        return {"causes": named(source[target == row]), "effects": named(target[source == row])}

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return `nodes`, `edges`, `bends`, or for `search` with `text` the rows it finds, as column `row`."""
        if name in Drawing._fields:
            found: pa.Table = getattr(self._drawing, name)
            return found
        if name == "search":
            return pa.table({"row": pa.array(self._found(str(params.get("text", ""))), pa.uint32())})
        return super().answer(name, params)

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return the drawing of the first `limit` nodes, and how many there are beyond."""
        nodes, edges, bends = self._drawing
        if nodes.num_rows <= limit:
            return {"nodes": nodes, "edges": edges, "bends": bends}, ""
        keep = pc.and_(pc.less(edges["source"], limit), pc.less(edges["target"], limit))
        left_out = f"{nodes.num_rows - limit:,} of {nodes.num_rows:,} {self.noun}s are left out of the DAG."
        return {"nodes": nodes.slice(0, limit), "edges": edges.filter(keep), "bends": bends.slice(0, 0)}, left_out

    def twin(self) -> dict[str, Any]:
        """Return the picture of `kit.plot.dag`, what is selected pointed out."""
        from kit import plot  # matplotlib loads where a picture is made

        graph, critical, _ = self._content or (None, (), None)
        picture = plot.dag(graph, critical=critical, highlight=self.selected, title=self.title, noun=self.noun)
        return {"image/png": picture._repr_png_()}

    def _release(self) -> None:
        if self._content is not None:
            self._content = Content(self._content.graph.__class__())
            self._drawing, self._numbers, self._load = drawing(self._content), {}, None

    def _followed(self, change: Any) -> None:
        load = self._load
        if load is not None:
            self.post(lambda: self.show(load(change["new"])))

    def _known(self, ids: Iterable[str]) -> list[int]:
        for id in ids:
            if id not in self._numbers:
                raise NotFoundError(f"no {self.noun} {id!r} in this DAG; its ids are view.drawing.nodes['id']")
        return [self._numbers[id] for id in ids]

    def _found(self, text: str) -> Any:
        """Return the rows of nodes that a text or a condition finds."""
        nodes = self._drawing.nodes
        if not text.strip():
            return np.zeros(0, dtype=np.int64)
        if PREDICATE.search(text):
            return _matching(nodes, text)
        hit = pa.array(np.zeros(nodes.num_rows, dtype=bool))
        for name in ("id", "type", "neuron", "finding"):
            texts = nodes[name].cast(pa.string())
            inside = pc.match_substring(texts, text.strip(), ignore_case=True)
            hit = pc.or_(hit, pc.fill_null(inside, False))
        return np.flatnonzero(pc.cast(hit, pa.uint8()).to_numpy(zero_copy_only=False))


def drawing(content: Content) -> Drawing:
    """Return the columns of a graph, laid out; components stand beside each other, in rows where there are many."""
    graph = content.graph
    number = {node: row for row, node in enumerate(graph)}
    held = list(graph.nodes(data=True))
    joins = list(graph.edges(data=True))
    source = np.fromiter((number[a] for a, _, _ in joins), np.int64, len(joins))
    target = np.fromiter((number[b] for _, b, _ in joins), np.int64, len(joins))
    placed = layout(len(held), source, target)
    placed = shelved(placed, max(ROW_UNITS, 1.3 * float(np.sqrt(len(held))) * 2))
    path = set(content.critical)
    found = content.findings or {}
    texts = {name: _words(data.get(name) for _, data in held) for name in TEXTS}
    nodes = pa.table(
        {
            "id": pa.array([str(node) for node, _ in held], pa.string()),
            "x": pa.array(placed.x.astype(np.float32)),
            "y": pa.array((-placed.y).astype(np.float32)),
            "mark": _words(palette.mark_of(data.get("type")) for _, data in held),
            **texts,
            "group": _words(data.get("trace_id") or data.get("thread") for _, data in held),
            "ts": pa.array([data.get("ts") for _, data in held], pa.timestamp("us", tz="UTC")),
            "critical": pa.array([node in path for node, _ in held], pa.bool_()),
            "finding": pa.array([found.get(str(node)) for node, _ in held], pa.string()),
        }
    )
    edges = pa.table(
        {
            "source": pa.array(source.astype(np.uint32)),
            "target": pa.array(target.astype(np.uint32)),
            "why": _words(data.get("why") or "parent" for _, _, data in joins),
            "guessed": pa.array([bool(data.get("guessed")) for _, _, data in joins], pa.bool_()),
            "back": pa.array(placed.back),
        }
    )
    bends = pa.table(
        {
            "edge": pa.array(placed.bend_edge.astype(np.uint32)),
            "x": pa.array(placed.bend_x.astype(np.float32)),
            "y": pa.array((-placed.bend_y).astype(np.float32)),
        }
    )
    return Drawing(nodes, edges, bends)


def _words(values: Iterable[Any]) -> pa.Array:
    texts = [None if value is None else str(value) for value in values]
    return pa.array(texts, pa.string()).dictionary_encode()


def _matching(nodes: pa.Table, condition: str) -> Any:
    """Return the rows that a condition holds for; it is one expression, and reads nothing but the nodes."""
    numbered = nodes.append_column("row_number", pa.array(np.arange(nodes.num_rows)))
    with duckdb.connect(config={**DUCKDB_CONFIG, "enable_external_access": "false"}) as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.register("nodes", numbered)
        try:
            found = connection.table("nodes").filter(condition).select("row_number").to_arrow_table()
        except duckdb.Error as error:
            first = str(error).splitlines()[0]
            raise ArgumentError(
                f"{condition!r} is no condition over {', '.join(nodes.column_names)}: {first}"
            ) from None
    return np.sort(found["row_number"].to_numpy())

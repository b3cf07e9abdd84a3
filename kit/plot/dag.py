"""The trace DAG: what caused what, in layers from cause to effect."""

from collections import Counter
from collections.abc import Hashable, Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection

from kit import palette
from kit.plot import outline
from kit.plot.diagram import HALO, Arrow, Box, arrange, draw
from kit.plot.style import (
    MARGIN,
    SMALL,
    TINY,
    WIDTH,
    Key,
    Picture,
    clean,
    counted,
    dashes,
    dot,
    empty,
    figure,
    legend,
    legend_height,
    panel,
    short,
    short_actor,
    short_id,
    short_kind,
    stroke,
    swatch,
    taken,
    titled,
    write,
)
from kit.trace.layout import layout, shelved

if TYPE_CHECKING:
    import networkx as nx

MOST_BOXES = 60
"""Larger graphs are drawn as dots."""
NOTABLE = frozenset({"phantom", "missing_parent", "outside", "cycle", "self_parent", "conflicting_duplicate"})
"""Labels drawn with a broken outline."""
ABSENT = frozenset({"missing_parent", "outside"})
"""Labels of what stands in for a cause that is not there."""
DOT_PITCH = 0.1
"""Inches between two dots before the components of a graph are put in rows."""


def dag(
    graph: "nx.DiGraph[Any]",
    *,
    critical: Any = None,
    highlight: Iterable[Hashable] = (),
    title: str | None = None,
    noun: str = "signal",
    width: float = WIDTH,
) -> Picture:
    """Return the picture of a DAG of a trace or of a thread, cause to effect.

    Nodes are event ids; of their attributes `type` (of a record its act), `neuron` (its actor), `body_kind` and
    `label` are drawn, of the edges' `why`, `guessed` and `back`. `noun` is what the title calls a node. Up to 60 nodes are
    labelled boxes (type, neuron, last characters of the id), or, where the graph is both too deep and too broad for the
    width, an indented outline with a line for each node; larger graphs are dots. `critical` marks a path: event ids, or a
    table with a column `event_id`, `span_id` or `id`. `highlight` are event ids to point out. Raises ArgumentError for a
    table without such a column.
    """
    name = "Trace" if noun == "signal" else "Thread"
    if not len(graph):
        return empty("dag", title or f"{name} DAG", f"No {noun}s to draw.", width)
    path = _ids(critical)
    title = title or f"{name} DAG: {counted(len(graph), noun)}, {counted(graph.number_of_edges(), 'edge')}"
    marked = frozenset(highlight)
    if len(graph) > MOST_BOXES:
        return _dots(graph, path, marked, title, width)
    number = {node: i for i, node in enumerate(graph)}
    boxes = [_box(node, data, path, marked) for node, data in graph.nodes(data=True)]
    arrows = [_arrow(number[a], number[b], data, _on_path(a, b, path)) for a, b, data in graph.edges(data=True)]
    diagram = arrange(boxes, arrows, width)
    keys = _keys(graph, path, marked, dots=diagram is None)
    head = 0.38 + legend_height(keys, width)
    tall = diagram.height if diagram else outline.height_of(boxes)
    picture = figure("dag", width, tall + head + MARGIN)
    axes = panel(picture, 0, MARGIN, 0, head, framed=False)
    if diagram:
        draw(axes, diagram)
    else:
        outline.draw(axes, boxes, arrows, width)
    titled(picture, title)
    legend(picture, keys, 0.36)
    return picture


def _ids(critical: Any) -> frozenset[Hashable]:
    if critical is None:
        return frozenset()
    if hasattr(critical, "__arrow_c_stream__"):
        return frozenset(taken(critical, "critical", [("event_id", "span_id", "id")])["event_id"])
    return frozenset(critical)


def _on_path(a: Hashable, b: Hashable, path: frozenset[Hashable]) -> bool:
    return a in path and b in path


def _box(node: Hashable, data: dict[str, Any], path: frozenset[Hashable], marked: frozenset[Hashable]) -> Box:
    label, neuron = data.get("label"), data.get("neuron")
    look = palette.look_of(palette.FINDINGS, label)
    mark = palette.MARKS[palette.mark_of(data.get("type"))]
    ending = short_id(str(node))[-5:]
    return Box(
        key=str(node),
        text=_text(data),
        note=f"{short(short_actor(str(neuron)), 18)} {ending}" if neuron else ending,
        marker=mark.marker,
        colour=mark.colour,
        dash=look.dash if label in NOTABLE else (),
        edge_colour=look.colour if label in NOTABLE else None,
        thick=node in path,
        halo=node in marked,
    )


def _text(data: dict[str, Any]) -> str:
    """Return what a node is: its type; of a record its act and the end of its kind."""
    if not data.get("type"):
        # A stand-in for a cause that is not there has no type; its label says why.
        return str(data.get("label") or "unknown").replace("_", " ")
    kind = short_kind(str(data["body_kind"])) if data.get("body_kind") else ""
    return f"{data['type']} {kind}".rstrip()


def _arrow(tail: int, head: int, data: dict[str, Any], critical: bool) -> Arrow:
    why = str(data.get("why") or "parent")
    odd = bool(data.get("back") or data.get("guessed"))
    return Arrow(
        tail=tail,
        head=head,
        gid=f"edge:{why}",
        colour=palette.RED if odd else palette.INK if critical else palette.MUTED,
        dash=palette.DASHES.get(why, palette.OTHER_DASH),
        width=2.6 if critical else 1.0,
        label="cycle" if data.get("back") else "guess" if data.get("guessed") else "",
        lift=0.09,
        on_top=critical,
    )


def _keys(graph: "nx.DiGraph[Any]", path: frozenset[Hashable], marked: frozenset[Hashable], *, dots: bool) -> list[Key]:
    """Return what the picture needs explained: only what occurs in it."""
    # What stands in for an absent cause is explained by its label.
    marks = Counter(
        palette.mark_of(data.get("type"))
        for _, data in graph.nodes(data=True)
        if data.get("type") or data.get("label") not in ABSENT
    )
    labels = {label for _, label in graph.nodes(data="label")} & NOTABLE
    whys = Counter(str(why or "parent") for *_, why in graph.edges(data="why"))
    keys = []
    for mark, (colour, marker, *_) in palette.MARKS.items():
        if marks[mark]:
            name = f"{mark} ({marks[mark]:,})"
            key = dot(colour, marker, name)
            keys.append(key if dots else swatch(palette.tint(colour, 0.16), "", name, edgecolor=colour, linewidth=1))
    keys += [
        stroke(palette.MUTED, palette.DASHES.get(why, palette.OTHER_DASH), clean(short(why, 24)))
        for why in sorted(whys, key=lambda why: (why != "parent", why))
    ]
    if any(data.get("back") or data.get("guessed") for *_, data in graph.edges(data=True)):
        keys.append(stroke(palette.RED, (), "guessed, or closes a cycle", marker="x" if dots else ""))
    if any(_on_path(a, b, path) for a, b in graph.edges()):
        keys.append(stroke(palette.INK, (), "critical path", width=2.6))
    for label in sorted(labels):
        look = palette.FINDINGS[label]
        name = label.replace("_", " ")
        if dots:
            keys.append(dot(look.colour, "o", name, markerfacecolor="none", markersize=8))
        else:
            keys.append(
                swatch(palette.PAPER, "", name, edgecolor=look.colour, linewidth=1, linestyle=dashes(look.dash))
            )
    if marked & set(graph):
        keys.append(dot(HALO, "s", "highlighted", markeredgecolor=palette.INK, markersize=7))
    return keys


def _dots(
    graph: "nx.DiGraph[Any]", path: frozenset[Hashable], marked: frozenset[Hashable], title: str, width: float
) -> Picture:
    number = {node: i for i, node in enumerate(graph)}
    edges = [(number[a], number[b]) for a, b in graph.edges()]
    placed = layout(len(graph), [a for a, _ in edges], [b for _, b in edges], bends=False)
    room = (width - 0.5 - MARGIN) / DOT_PITCH
    if placed.component.max() and np.ptp(placed.x) > room:
        placed = shelved(placed, max(room, (np.ptp(placed.x) * 1.5) ** 0.5 * 2))
    at = np.column_stack([placed.x, placed.y])
    rows = float(np.ptp(placed.y)) + 1
    keys = _keys(graph, path, marked, dots=True)
    head = 0.38 + legend_height(keys, width)
    tall = float(np.clip(rows * 0.42, 1.6, max(6.0, rows * 0.14)))
    picture = figure("dag", width, tall + head + MARGIN)
    axes = panel(picture, 0.5, 0.1, MARGIN, head + 0.1, framed=False)
    size = float(np.clip(0.7 * width * 72 / (np.ptp(placed.x) + 10), 1.8, 7.0))
    _draw_lines(picture, graph, at, edges, path, size)
    types = [kind for _, kind in graph.nodes(data="type")]
    marks = np.array([palette.mark_of(kind) for kind in types])
    for mark, (colour, marker, *_) in palette.MARKS.items():
        chosen = at[marks == mark]
        if len(chosen):
            axes.scatter(
                chosen[:, 0],
                chosen[:, 1],
                s=size**2,
                c=colour,
                marker=marker,
                linewidths=0,
                gid=f"dots:{mark}",
                zorder=3,
            )
    labels = np.array([str(label) for _, label in graph.nodes(data="label")])
    for label in sorted(NOTABLE & set(labels.tolist())):
        look = palette.FINDINGS[label]
        axes.scatter(
            at[labels == label, 0],
            at[labels == label, 1],
            s=(size + 5) ** 2,
            facecolors="none",
            edgecolors=look.colour,
            linewidths=1.2,
            linestyle=dashes(look.dash),
            gid=f"rings:{label}",
            zorder=4,
        )
    lit = [number[node] for node in graph if node in marked]
    if lit:
        axes.scatter(
            at[lit, 0],
            at[lit, 1],
            s=(size + 7) ** 2,
            c=HALO,
            marker="s",
            edgecolors=palette.INK,
            linewidths=0.6,
            gid="halos",
            zorder=2,
        )
    axes.set(xlim=(-1, placed.x.max() + 1), ylim=(-rows + 0.4, 0.6))
    if rows == placed.layer.max() + 1:
        _draw_depths(axes, int(rows))
    titled(picture, title)
    legend(picture, keys, 0.36)
    return picture


def _draw_depths(axes: Axes, rows: int) -> None:
    for layer in range(0, rows, max(1, rows // 12)):
        write(
            axes,
            -0.012,
            -layer,
            f"{layer}",
            "layer",
            size=TINY,
            color=palette.MUTED,
            ha="right",
            transform=axes.get_yaxis_transform(),
        )
    write(
        axes,
        -0.035,
        0.5,
        "steps from a root",
        "axis",
        size=SMALL,
        color=palette.MUTED,
        ha="right",
        rotation=90,
        transform=axes.transAxes,
    )


def _draw_lines(
    picture: Picture,
    graph: "nx.DiGraph[Any]",
    at: Any,
    edges: list[tuple[int, int]],
    path: frozenset[Hashable],
    size: float,
) -> None:
    """Draw the edges of a picture of dots, one collection for each reason."""
    by_why: dict[tuple[str, bool, bool], list[tuple[int, int]]] = {}
    for (a, b, data), edge in zip(graph.edges(data=True), edges, strict=True):
        odd = bool(data.get("back") or data.get("guessed"))
        key = str(data.get("why") or "parent"), odd, _on_path(a, b, path)
        by_why.setdefault(key, []).append(edge)
    for (why, odd, critical), pairs in sorted(by_why.items()):
        line = 2.2 if critical else float(np.clip(size / 6, 0.4, 0.9))
        colour = palette.RED if odd else palette.INK if critical else palette.MUTED
        picture.axes[0].add_collection(
            LineCollection(
                [at[list(pair)] for pair in pairs],
                colors=colour,
                linewidths=line,
                gid=f"edges:{why}",
                linestyles=[dashes(palette.DASHES.get(why, palette.OTHER_DASH), line)],
                alpha=1.0 if odd or critical else 0.7,
                zorder=1.5 if critical else 1,
            ),
            autolim=False,
        )
        if odd:
            middles = np.array([at[list(pair)].mean(axis=0) for pair in pairs])
            picture.axes[0].scatter(
                middles[:, 0], middles[:, 1], s=16, c=colour, marker="x", linewidths=1.0, gid="odd", zorder=2
            )

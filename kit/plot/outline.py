"""An indented outline: a line for each node, for graphs too deep and too broad for boxes.

Each node stands in the column of its layer and below its first cause, so text never meets the lines of the
tree. Coordinates are inches, y pointing up.
"""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from kit.palette import INK, PAPER
from kit.plot.diagram import HALO, Arrow, Box
from kit.plot.style import MARGIN, SMALL, clean, dashes, fit, write
from kit.trace.layout import layout, preorder

LINE = 0.24
"""Distance of two lines of text."""
INDENT = 0.4
TEXT_ROOM = 3.0
"""Inches kept for text right of the deepest node."""


def height_of(boxes: Sequence[Box]) -> float:
    """Return the inches that the outline takes."""
    return len(boxes) * LINE + 0.1


def draw(axes: Axes, boxes: Sequence[Box], arrows: Sequence[Arrow], width: float) -> None:
    """Draw the nodes as dots with gid `node:<key>` and text beside them, the edges as in a diagram."""
    tails, heads = [arrow.tail for arrow in arrows], [arrow.head for arrow in arrows]
    placed = layout(len(boxes), tails, heads, bends=False)
    row = preorder(len(boxes), tails, heads)
    columns = float(placed.layer.max()) + 1
    indent = min(INDENT, (width - 2 * MARGIN - TEXT_ROOM) / columns)
    x = MARGIN + 0.1 + placed.layer * indent
    y = (len(boxes) - row - 0.5) * LINE
    axes.set(xlim=(0, width), ylim=(0, height_of(boxes)))
    seen: set[int] = set()
    for number in np.argsort(row[tails], kind="stable").tolist():
        arrow = arrows[number]
        first = arrow.head not in seen and row[arrow.head] > row[arrow.tail]
        seen.add(arrow.head)
        start = (float(x[arrow.tail]), float(y[arrow.tail]))
        _draw_edge(axes, arrow, start, (float(x[arrow.head]), float(y[arrow.head])), elbow=first)
    for box, at, level in zip(boxes, x.tolist(), y.tolist(), strict=True):
        _draw_node(axes, box, at, level, width)


def _draw_node(axes: Axes, box: Box, x: float, y: float, width: float) -> None:
    if box.halo:
        axes.plot(
            [x],
            [y],
            marker="s",
            markersize=13,
            color=HALO,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            gid=f"halo:{box.key}",
            clip_on=False,
            zorder=2,
        )
    axes.plot(
        [x],
        [y],
        marker=box.marker,
        markersize=7,
        color=box.colour,
        linestyle="none",
        markeredgecolor=INK if box.thick else box.colour,
        markeredgewidth=2.0 if box.thick else 0.5,
        gid=f"node:{box.key}",
        zorder=4,
    )
    if box.dash:
        axes.scatter(
            [x],
            [y],
            s=130,
            facecolors="none",
            edgecolors=box.edge_colour or INK,
            linewidths=1.2,
            linestyle=dashes(box.dash),
            gid=f"ring:{box.key}",
            zorder=4,
        )
    text = clean(box.text) + "   " + clean(box.note)
    write(
        axes,
        x + 0.14,
        y,
        fit(text, width - x - 0.3, SMALL),
        f"text:{box.key}",
        size=SMALL,
        zorder=3,
        fontweight="bold" if box.thick else "normal",
        bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.4, "alpha": 0.85},
    )


def _draw_edge(axes: Axes, arrow: Arrow, start: tuple[float, float], end: tuple[float, float], *, elbow: bool) -> None:
    (x0, y0), (x1, y1) = start, end
    if elbow:
        path = Path([start, (x0, y1), end], [Path.MOVETO, Path.LINETO, Path.LINETO])
    else:
        bow = min(1.2, 0.25 + abs(y1 - y0) * 0.3)
        points = [start, (x0 + bow, y0 * 0.8 + y1 * 0.2), (x1 + bow, y0 * 0.2 + y1 * 0.8), end]
        path = Path(points, [Path.MOVETO, *[Path.CURVE4] * 3])
    axes.add_artist(
        PathPatch(
            path,
            fill=False,
            edgecolor=arrow.colour,
            linewidth=arrow.width,
            linestyle=dashes(arrow.dash, arrow.width),
            gid=arrow.gid,
            zorder=1.5 if arrow.on_top else 1,
        )
    )
    if arrow.label:
        write(axes, x1 - 0.08, y1 + 0.09, arrow.label, "label", size=SMALL - 1, color=arrow.colour, ha="right")

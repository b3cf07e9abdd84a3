"""Boxes and arrows on a layered layout: what `dag` and `dfg` have in common.

A diagram reads from left to right while its layers fit the width, else from top to bottom. Lengths are
inches: the axes' data coordinates are inches too, so text that was measured to fit does fit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
from matplotlib.path import Path

from kit.palette import INK, MUTED, PAPER, tint
from kit.plot.style import MARGIN, SMALL, TALLEST, clean, dashes, fit, text_width, write
from kit.trace.layout import Layout, layout

BOX_HEIGHT = 0.36
BOX_WIDTH = 1.5
LEAST_WIDTH = 0.85
ROW = 0.45
"""Distance of two boxes one above the other, reading from left to right."""
STEP = 0.72
"""Distance of two layers, reading from top to bottom."""
BETWEEN = 0.3
"""Least gap between layers side by side: room for an arrow."""
HEAD = 0.07
PORT = 0.06
"""How far the arrows there and the arrows back are apart where they meet a box."""
BOLDER = 1.15
"""Width of bold text over that of normal text."""
HALO = "#F5D90A"

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Box:
    """A node: two lines of text in a tinted box."""

    key: str
    text: str
    note: str
    colour: str
    marker: str = "o"
    dash: tuple[float, ...] = ()
    edge_colour: str | None = None
    thick: bool = False
    halo: bool = False


@dataclass(frozen=True)
class Arrow:
    """An edge between two boxes, by number."""

    tail: int
    head: int
    gid: str
    colour: str = MUTED
    dash: tuple[float, ...] = ()
    width: float = 1.0
    label: str = ""
    lift: float = 0.0
    """How far the label stands above the line."""
    on_top: bool = False


@dataclass(frozen=True)
class Diagram:
    """A diagram with its coordinates: `width` x `height` inches, y pointing up."""

    boxes: Sequence[Box]
    arrows: Sequence[Arrow]
    placed: Layout
    sideways: bool
    box_width: float
    width: float
    height: float
    centres: list[tuple[float, float]] = field(repr=False)
    bends: list[Points] = field(repr=False)


def arrange(boxes: Sequence[Box], arrows: Sequence[Arrow], width: float, gap: float = BETWEEN) -> Diagram | None:
    """Return the boxes with places, or None where they do not fit legibly into `width` inches.

    `gap` is the least distance between layers, in inches, when reading from left to right.
    """
    placed = layout(len(boxes), [arrow.tail for arrow in arrows], [arrow.head for arrow in arrows])
    columns, rows = (
        float(placed.layer.max(initial=0)) + 1,
        float(max(placed.x.max(initial=0.0), placed.bend_x.max(initial=0.0))) + 1,
    )
    room = width - 2 * MARGIN
    sideways, box_width = True, min(BOX_WIDTH, room / columns - gap)
    if box_width < LEAST_WIDTH:
        sideways, box_width = False, min(BOX_WIDTH, room / rows - 0.12)
        if box_width < LEAST_WIDTH:
            return None
    height = rows * ROW if sideways else columns * STEP
    if height > TALLEST - 2:
        return None
    across = (room - columns * box_width) / max(columns - 1, 1)
    pitch = box_width + min(across, 0.9) if sideways else min(room / rows, box_width + 0.35)

    def point(x: float, y: float) -> tuple[float, float]:
        if sideways:
            return MARGIN + box_width / 2 - y * pitch, height - (x + 0.5) * ROW
        return MARGIN + box_width / 2 + x * pitch, height + (y - 0.5) * STEP

    bends: list[Points] = [[] for _ in arrows]
    for edge, x, y in zip(placed.bend_edge.tolist(), placed.bend_x.tolist(), placed.bend_y.tolist(), strict=True):
        bends[edge].append(point(x, y))
    centres = [point(x, y) for x, y in zip(placed.x.tolist(), placed.y.tolist(), strict=True)]
    return Diagram(boxes, arrows, placed, sideways, box_width, width, height, centres, bends)


def draw(axes: Axes, diagram: Diagram) -> None:
    """Draw the diagram: boxes have gid `node:<key>`, arrows their own; their paths run from tail to head."""
    axes.set(xlim=(0, diagram.width), ylim=(0, diagram.height))
    room = (diagram.box_width - 0.1) / BOLDER
    weight = "bold" if all(text_width(clean(box.text), SMALL) <= room for box in diagram.boxes) else "normal"
    for number, box in enumerate(diagram.boxes):
        _draw_box(axes, diagram, number, box, weight)
    for number, arrow in enumerate(diagram.arrows):
        _draw_arrow(axes, diagram, number, arrow)


def _draw_box(axes: Axes, diagram: Diagram, number: int, box: Box, weight: str) -> None:
    x, y = diagram.centres[number]
    wide = diagram.box_width
    corner = (x - wide / 2, y - BOX_HEIGHT / 2)
    if box.halo:
        axes.add_artist(
            FancyBboxPatch(
                corner,
                wide,
                BOX_HEIGHT,
                boxstyle="round,pad=0.055,rounding_size=0.1",
                facecolor=HALO,
                edgecolor=INK,
                linewidth=0.6,
                gid=f"halo:{box.key}",
                clip_on=False,
                zorder=2,
            )
        )
    line = 2.0 if box.thick else 1.0
    axes.add_artist(
        FancyBboxPatch(
            corner,
            wide,
            BOX_HEIGHT,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=tint(box.colour, 0.16),
            edgecolor=box.edge_colour or (INK if box.thick else box.colour),
            linewidth=line,
            linestyle=dashes(box.dash, line),
            gid=f"node:{box.key}",
            zorder=3,
        )
    )
    size = SMALL if text_width(clean(box.text), SMALL) <= wide - 0.1 else SMALL - 1
    up = 0.075 if box.note else 0.0
    write(
        axes,
        x,
        y + up,
        fit(clean(box.text), wide - 0.08, size),
        f"text:{box.key}",
        size=size,
        ha="center",
        fontweight=weight,
        zorder=4,
    )
    if box.note:
        note = fit(clean(box.note), wide - 0.08, SMALL - 1)
        write(axes, x, y - up - 0.01, note, f"note:{box.key}", size=SMALL - 1, ha="center", zorder=4)


def _draw_arrow(axes: Axes, diagram: Diagram, number: int, arrow: Arrow) -> None:
    points = _loop(diagram, arrow.tail) if arrow.tail == arrow.head else _route(diagram, number, arrow)
    # Line and head are two artists: the path of the line, tail to head, is what `drawn` reads.
    tip, before = np.array(points[-1]), np.array(points[-2])
    along = (tip - before) / max(float(np.hypot(*(tip - before))), 1e-9)
    size = HEAD * (1 + 0.25 * max(arrow.width - 1.5, 0))
    base = tip - along * size
    across = np.array([-along[1], along[0]]) * size * 0.5
    zorder = 1.5 if arrow.on_top else 1
    axes.add_artist(
        PathPatch(
            Path(points, [Path.MOVETO, *[Path.CURVE4] * (len(points) - 1)]),
            fill=False,
            edgecolor=arrow.colour,
            linewidth=arrow.width,
            linestyle=dashes(arrow.dash, arrow.width),
            gid=arrow.gid,
            zorder=zorder,
            capstyle="butt",
        )
    )
    axes.add_artist(
        Polygon(
            [tip, base + across, base - across],
            closed=True,
            color=arrow.colour,
            gid="head",
            linewidth=0,
            zorder=zorder,
        )
    )
    if arrow.label:
        # Two arrows between the same boxes have their labels one after the other.
        x, y = _along(points, 0.3 if _has_return(diagram, number) else 0.5)
        write(
            axes,
            x,
            y + arrow.lift,
            arrow.label,
            f"label:{number}",
            size=SMALL - 1,
            ha="center",
            zorder=2.5,
            bbox={"facecolor": PAPER, "edgecolor": "none", "pad": 0.6, "alpha": 0.9},
        )


def _route(diagram: Diagram, number: int, arrow: Arrow) -> Points:
    """Return the Bezier points of an arrow from box to box, through its bends."""
    back = bool(diagram.placed.back[number])
    upper, lower = (arrow.head, arrow.tail) if back else (arrow.tail, arrow.head)
    (x0, y0), (x1, y1) = diagram.centres[upper], diagram.centres[lower]
    shift = -PORT if back else PORT * _has_return(diagram, number)
    if diagram.sideways:
        half = diagram.box_width / 2
        # A bend lasts as long as the boxes of its layer are wide: the curves are all between the layers.
        passing = [(x + side, y) for x, y in diagram.bends[number] for side in (-half, half)]
        through = [(x0 + half, y0 + shift), *passing, (x1 - half, y1 + shift)]
    else:
        half = BOX_HEIGHT / 2
        passing = [(x, y - side) for x, y in diagram.bends[number] for side in (-half, half)]
        through = [(x0 + shift, y0 - half), *passing, (x1 + shift, y1 + half)]
    points: Points = [through[0]]
    for (ax, ay), (bx, by) in pairwise(through):
        if diagram.sideways:
            points += [((ax + bx) / 2, ay), ((ax + bx) / 2, by), (bx, by)]
        else:
            points += [(ax, (ay + by) / 2), (bx, (ay + by) / 2), (bx, by)]
    return points[::-1] if back else points


def _has_return(diagram: Diagram, number: int) -> bool:
    """Return whether another arrow runs between the same two boxes the other way."""
    tail, head = diagram.arrows[number].tail, diagram.arrows[number].head
    return tail != head and any(other.tail == head and other.head == tail for other in diagram.arrows)


def _loop(diagram: Diagram, number: int) -> Points:
    """Return the Bezier points of an arrow from a box to itself, above its right half."""
    x, y = diagram.centres[number]
    right, top = diagram.box_width / 2, BOX_HEIGHT / 2
    return [
        (x + right * 0.85, y + top),
        (x + right * 0.9, y + top + 0.16),
        (x + right * 0.4, y + top + 0.16),
        (x + right * 0.45, y + top),
    ]


def _along(points: Points, share: float) -> tuple[float, float]:
    """Return the point at `share` of a chain of cubic curves, counted in curves."""
    curves = (len(points) - 1) // 3
    number = min(int(share * curves), curves - 1)
    t = share * curves - number
    weights = np.array([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3])
    x, y = weights @ np.array(points[3 * number : 3 * number + 4])
    return float(x), float(y)

"""What joins clocks and frames: small graphs of the logs between them."""

from collections.abc import Sequence
from typing import Any

from kit import palette
from kit.plot.diagram import Arrow, Box, arrange, draw
from kit.plot.style import (
    MARGIN,
    WIDTH,
    Key,
    Picture,
    counted,
    empty,
    figure,
    legend,
    legend_height,
    panel,
    stroke,
    taken,
    titled,
)

GAP = 1.15
"""Room between two boxes for the label of the log between them, in inches."""
SOLID: tuple[float, ...] = ()
DASHED = (4.0, 2.0)


def clock_graph(table: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return which clocks are joined by clock logs, with the drift in ppm; a dashed log has steps.

    `table` has columns `from_clock, to_clock` and maybe `drift_ppm, steps`, as study.clocks() gives. Readings convert both
    ways along an arrow. Raises ArgumentError where a column is missing.
    """
    columns = taken(table, "clock_graph", ["from_clock", "to_clock"], ["drift_ppm", "steps"])
    edges = []
    for begin, end, drift, steps in zip(*columns.values(), strict=True):
        label = "" if drift is None or drift != drift else f"{drift:+.1f} ppm"
        edges.append((begin, end, label, DASHED if steps else SOLID))
    keys = [stroke(palette.MUTED, SOLID, "drift only"), stroke(palette.MUTED, DASHED, "with steps")]
    return _graph("clock_graph", "clock", edges, keys, palette.PURPLE, title, width)


def frame_graph(table: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return which frames are joined by pose logs; a dashed arrow moves, a plain one is rigid.

    `table` has columns `from_id, to_id` and maybe `kind, writer_mode, rate_hz`, as study.logs() gives; rows of other kinds than "pose"
    are left out. An arrow leads from a log's first frame to its second. Raises ArgumentError where a column is missing.
    """
    columns = taken(table, "frame_graph", ["from_id", "to_id"], ["kind", "writer_mode", "rate_hz"])
    edges = []
    for begin, end, kind, mode, rate in zip(*columns.values(), strict=True):
        if kind not in (None, "pose") or begin is None or end is None:
            continue
        moves = mode != "rigid"
        label = f"{rate:.0f} Hz" if moves and rate is not None and rate == rate else (mode or "")
        edges.append((begin, end, label, DASHED if moves else SOLID))
    keys = [stroke(palette.MUTED, SOLID, "rigid"), stroke(palette.MUTED, DASHED, "moves")]
    return _graph("frame_graph", "frame", edges, keys, palette.GREEN, title, width)


def _graph(
    kind: str,
    noun: str,
    edges: Sequence[tuple[Any, Any, str, tuple[float, ...]]],
    keys: list[Key],
    colour: str,
    title: str | None,
    width: float,
) -> Picture:
    name = f"{noun.capitalize()}s"
    if not edges:
        return empty(kind, title or name, f"No log joins two {noun}s.", width)
    names = list(dict.fromkeys(end for edge in edges for end in edge[:2]))
    number = {end: i for i, end in enumerate(names)}
    # A clock's name is peer/id; the peer goes below.
    parts = [str(end).partition("/")[::2] if noun == "clock" and "/" in str(end) else ("", str(end)) for end in names]
    boxes = [
        Box(key=str(end), text=text, note=peer, colour=colour) for end, (peer, text) in zip(names, parts, strict=True)
    ]
    arrows = [
        Arrow(tail=number[begin], head=number[end], gid=f"edge:{i}", dash=dash, width=1.2, label=label)
        for i, (begin, end, label, dash) in enumerate(edges)
    ]
    diagram = arrange(boxes, arrows, width, gap=GAP) or arrange(boxes, arrows, width)
    if diagram is None:
        return empty(kind, title or name, f"The {noun}s do not fit this width.", width)
    head = 0.5 + legend_height(keys, width)
    picture = figure(kind, width, diagram.height + head + MARGIN)
    draw(panel(picture, 0, MARGIN, 0, head, framed=False), diagram)
    titled(picture, title or f"{counted(len(names), noun)}, joined by {counted(len(edges), 'log')}")
    legend(picture, keys, 0.38)
    return picture

"""The directly-follows graph: what came next, and how often."""

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

import numpy as np

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
    swatch,
    taken,
    titled,
)

if TYPE_CHECKING:
    import networkx as nx

MOST_NODES = 40
THIN, THICK = 0.7, 5.0
"""Width of the rarest and of the most frequent edge, in points; others grow with the root of the count."""
LABEL_GAP = 0.55


def dfg(source: "nx.DiGraph[Any] | Any", *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the directly-follows graph: boxes for steps, edges with counts, wide where they are frequent.

    `source` is a networkx.DiGraph with the edge attribute `count`, or a table `from, to, count` (rows that
    name the same pair are added). Signal types have the colours of their group, an ERROR that of what failed; acts
    of records have their own. Of a step like `TASK coder` (`activity="type+neuron"`) the neuron is a line of its
    own. Beyond 40 steps, or where the boxes do not fit the width, the rarest edges are left out until they do,
    which the title tells. Raises ArgumentError where a column is missing.
    """
    counts = _counts(source)
    if not counts:
        return empty("dfg", title or "Directly-follows graph", "Nothing follows anything.", width)
    ranked = sorted(counts.items(), key=lambda item: -item[1])
    kept = len(ranked)
    while True:
        chosen = dict(ranked[:kept])
        names = list(dict.fromkeys(name for pair in counts if pair in chosen for name in pair))
        diagram = None
        if len(names) <= MOST_NODES:
            boxes, arrows = _marks(names, {pair: n for pair, n in counts.items() if pair in chosen})
            diagram = arrange(boxes, arrows, width, gap=LABEL_GAP)
        if diagram is not None or kept == 1:
            break
        kept = max(1, kept * 4 // 5)
    if diagram is None:
        return empty("dfg", title or "Directly-follows graph", "The steps do not fit this width.", width)
    left_out = len(ranked) - kept
    if title is None:
        title = f"Directly-follows graph: {counted(len(names), 'step')}, {counted(kept, 'edge')}"
        title += f" ({left_out:,} rarer left out)" if left_out else ""
    keys = _keys(names, list(chosen.values()))
    head = 0.5 + legend_height(keys, width)
    picture = figure("dfg", width, diagram.height + head + MARGIN)
    draw(panel(picture, 0, MARGIN, 0, head, framed=False), diagram)
    titled(picture, title)
    legend(picture, keys, 0.38)
    return picture


def _counts(source: Any) -> dict[tuple[Hashable, Hashable], int]:
    """Return how often each pair occurs, in the order of first appearance."""
    counts: dict[tuple[Hashable, Hashable], int] = {}
    if hasattr(source, "edges"):
        edges = [(a, b, data.get("count", 1)) for a, b, data in source.edges(data=True)]
    else:
        columns = taken(source, "dfg", ["from", "to", "count"])
        edges = list(zip(columns["from"], columns["to"], columns["count"], strict=True))
    for a, b, count in edges:
        counts[a, b] = counts.get((a, b), 0) + (count or 0)
    return counts


def _parts(name: Hashable) -> tuple[str, str]:
    """Return the two lines of a step: the type and who, of a step of another kind its name.

    >>> _parts("TASK coder"), _parts("coder TASK")
    (('TASK', 'coder'), ('coder TASK', ''))
    """
    text = "-" if name is None else str(name)
    kind, _, neuron = text.partition(" ")
    return (kind, neuron) if palette.mark_of(kind) != "unknown" else (text, "")


def _marks(names: list[Hashable], counts: dict[tuple[Hashable, Hashable], int]) -> tuple[list[Box], list[Arrow]]:
    number = {name: i for i, name in enumerate(names)}
    boxes = []
    for name in names:
        kind, neuron = _parts(name)
        boxes.append(Box(str(name), kind, neuron, palette.MARKS[palette.mark_of(kind)].colour))
    most = max(counts.values())
    arrows = [
        Arrow(
            tail=number[a],
            head=number[b],
            gid=f"edge:{number_of_edge}",
            label=f"{count:,}",
            width=THIN + (THICK - THIN) * float(np.sqrt(max(count, 0) / most if most > 0 else 0)),
        )
        for number_of_edge, ((a, b), count) in enumerate(counts.items())
    ]
    return boxes, arrows


def _keys(names: list[Hashable], counts: list[int]) -> list[Key]:
    marks = {palette.mark_of(_parts(name)[0]) for name in names}
    keys = [
        swatch(
            palette.tint(look.colour, 0.16),
            "",
            "other" if mark == "unknown" else mark,
            edgecolor=look.colour,
            linewidth=1,
        )
        for mark, look in palette.MARKS.items()
        if mark in marks
    ]
    keys.append(stroke(palette.MUTED, (), f"most frequent ({max(counts):,})", width=THICK))
    if min(counts) < max(counts):
        least = min(counts)
        thin = THIN + (THICK - THIN) * float(np.sqrt(max(least, 0) / max(counts)))
        keys.append(stroke(palette.MUTED, (), f"rarest ({least:,})", width=thin))
    return keys

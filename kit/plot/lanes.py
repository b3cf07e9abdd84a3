"""Events over time in lanes, one by one or counted: the still picture of a timeline."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from kit import palette
from kit.plot.style import (
    FONT,
    MARGIN,
    TALLEST,
    TEXT,
    WIDTH,
    Key,
    Picture,
    Unit,
    dot,
    empty,
    figure,
    grid,
    legend,
    legend_height,
    named,
    panel,
    short_names,
    stamp,
    taken,
    text_width,
    titled,
    unit_of,
)

LANE, BAR = 0.24, 0.15
FOOT = 0.55
MOST_KEYS = 12
LOGICAL = "logical clock"
"""Name of the axis of times that are numbers of a logical clock, times 1e6."""


def lanes(
    marks: Any, names: Sequence[str], *, axis: str = "UTC", title: str | None = None, width: float = WIDTH
) -> Picture:
    """Return events in the lanes `names`, from the top.

    `marks` has columns `lane` (number), `start` and maybe `end, kind, count`; times are microseconds or timestamps. A row with a
    `count` stands for so many events of its stretch and is drawn the higher the more they are, by the logarithm; a row
    without `end` is a point. `axis` names the clock, LOGICAL one that counts; on UTC, the label tells the first moment.
    Raises ArgumentError where a column is missing.
    """
    columns = taken(marks, "lanes", ["lane", "start"], ["end", "kind", "count"])
    rows = len(columns["start"])
    if not rows:
        return empty("lanes", title or "Events", "No events to draw.", width)
    first = min(columns["start"])
    last = max(*columns["start"], *(end for end in columns["end"] if end is not None), first)
    # A logical clock counts and has no unit; it comes as if its ticks were seconds.
    unit = Unit("ticks", 1e6) if axis == LOGICAL else unit_of(max(last - first, 2001))
    looks = _looks(columns["kind"])
    keys: list[Key] = [dot(look.colour, look.marker, kind) for kind, look in list(looks.items())[:MOST_KEYS]]
    head = 0.42 + legend_height(keys, width)
    lane = min(LANE, (TALLEST - head - FOOT) / len(names))
    labels = short_names(names, 26)
    left = max(text_width(label, TEXT) for label in labels.values()) + MARGIN + 0.15
    picture = figure("lanes", width, head + len(names) * lane + FOOT)
    axes = panel(picture, left, FOOT, MARGIN + 0.1, head)
    reach = (last - first) / unit.us or 1.0
    axes.set(xlim=(-0.01 * reach, 1.01 * reach), ylim=(len(names), 0), yticks=[])
    for number, name in enumerate(names):
        if number % 2 == 0:
            axes.axhspan(number, number + 1, color="#F6F6F6", linewidth=0, zorder=0, gid="lane")
        axes.text(-0.008, number + 0.5, labels[name], transform=axes.get_yaxis_transform(), gid="lane-name", fontsize=TEXT,
                  fontfamily=FONT, color=palette.INK, parse_math=False, ha="right", va="center", clip_on=False)  # fmt: skip
    most = max((count for count in columns["count"] if count is not None), default=1)
    for kind, (colour, marker, *_) in looks.items():
        here = [row for row in range(rows) if str(columns["kind"][row] or "unknown") == kind]
        bars, points = [], []
        for row in here:
            start = (columns["start"][row] - first) / unit.us
            end, count = columns["end"][row], columns["count"][row]
            if count is None and end is None:
                points.append((start, columns["lane"][row] + 0.5))
                continue
            tall = 0.6 if count is None else 0.8 * float(np.log1p(count) / np.log1p(most))
            wide = max((end - columns["start"][row]) / unit.us, 0.001 * reach)
            bars.append(Rectangle((start, columns["lane"][row] + 0.9 - tall), wide, tall))
        if bars:
            axes.add_collection(
                PatchCollection(
                    bars, facecolor=palette.tint(colour, 0.6), edgecolor=colour, linewidth=0.4, gid=f"bars:{kind}"
                )
            )
        if points:
            x, y = zip(*points, strict=True)
            axes.plot(x, y, linestyle="none", marker=marker, color=colour, markersize=4.5, markeredgecolor=palette.PAPER,
                      markeredgewidth=0.4, gid=f"points:{kind}")  # fmt: skip
    grid(axes, "x")
    named(
        axes, x=f"{unit.name} since {stamp(int(first))}" if axis == "UTC" else f"{unit.name} on {axis}, from the first"
    )
    titled(picture, title or f"{rows:,} events in {len(names)} lanes")
    legend(picture, keys, 0.38)
    return picture


def _looks(kinds: Sequence[Any]) -> dict[str, palette.Look]:
    """Return the look of each kind, in the order of their names."""
    found: dict[str, palette.Look] = {}
    others = iter([*palette.SERIES] * 8)
    for kind in sorted({str(kind or "unknown") for kind in kinds}):
        if kind in palette.KINDS:
            found[kind] = palette.KINDS[kind]
        elif kind in palette.TYPES or kind in palette.MARKS:
            found[kind] = palette.MARKS[kind if kind in palette.MARKS else palette.mark_of(kind)]
        else:
            found[kind] = next(others, palette.KINDS["unknown"])
    return found

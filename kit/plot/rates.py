"""Signals over time, stacked by group of types, errors at the bottom."""

from collections import Counter
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from kit import palette
from kit.plot.style import (
    MARGIN,
    WIDTH,
    Picture,
    counted,
    empty,
    figure,
    grid,
    legend,
    legend_height,
    named,
    panel,
    stamp,
    swatch,
    taken,
    titled,
    unit_of,
)

HEIGHT = 2.6


def rates(table: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return signals per stretch of time, stacked by the group of their type, an ERROR by itself at the bottom.

    `table` has columns `bucket` (start of the stretch, UTC), `type` and `signals` (or `count`). A bar is as
    wide as the least distance of two buckets. Buckets without a time are left out. Raises ArgumentError where
    a column is missing.
    """
    columns = taken(table, "rates", ["bucket", "type", ("signals", "count")])
    rows = zip(columns["bucket"], columns["type"], columns["signals"], strict=True)
    counts: Counter[tuple[str, int]] = Counter()
    for bucket, kind, number in rows:
        if bucket is not None and number:
            counts[palette.mark_of(kind), bucket] += number
    if not counts:
        return empty("rates", title or "Signals over time", "No signals with a time to draw.", width)
    buckets = sorted({bucket for _, bucket in counts})
    step = int(np.diff(buckets).min()) if len(buckets) > 1 else 1_000_000
    unit = unit_of(max(buckets[-1] - buckets[0], step * 40, 2001))
    x = (np.array(buckets, dtype=np.int64) - buckets[0]) / unit.us
    there = {mark for mark, _ in counts}
    # From the base line errors can be read off, and the red of control signals is not beside theirs.
    marks = [mark for mark in dict.fromkeys([*palette.ALARMS, *palette.MARKS]) if mark in there]
    totals = {mark: sum(counts[mark, bucket] for bucket in buckets) for mark in marks}
    keys = [_key(mark, totals[mark]) for mark in marks]
    head = 0.42 + legend_height(keys, width)
    picture = figure("rates", width, HEIGHT + head + 0.55)
    axes = panel(picture, 0.7, 0.55, MARGIN + 0.1, head)
    base = np.zeros(len(buckets))
    wide = step / unit.us
    thin = len(buckets) * 1.0 > width * 25
    for mark in marks:
        look = palette.MARKS[mark]
        height = np.array([counts[mark, bucket] for bucket in buckets], dtype=np.float64)
        bars = axes.bar(
            x,
            height,
            wide,
            bottom=base,
            align="edge",
            facecolor=palette.tint(look.colour, 0.85),
            hatch="" if thin else look.hatch,
            hatchcolor=palette.PAPER,
            edgecolor=palette.PAPER,
            linewidth=0 if thin else 0.3,
        )
        for bar in bars:
            bar.set_gid(f"rate:{mark}")
        base += height
    axes.set(xlim=(0, float(x[-1]) + wide), ylim=(0, float(base.max()) * 1.05))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    grid(axes, "y")
    named(axes, x=f"{unit.name} since {stamp(buckets[0])}", y=f"signals per {_length(step)}")
    titled(picture, title or f"{counted(sum(totals.values()), 'signal')} over time")
    legend(picture, keys, 0.38)
    return picture


def _key(mark: str, total: int) -> Any:
    look = palette.MARKS[mark]
    return swatch(palette.tint(look.colour, 0.85), look.hatch, f"{mark} ({total:,})", hatchcolor=palette.PAPER)


def _length(us: int) -> str:
    """Return a length of time in its own unit.

    >>> _length(1_000_000), _length(90_000_000)
    ('1 s', '1.5 min')
    """
    unit = unit_of(us * 40)
    return f"{us / unit.us:g} {unit.name}"

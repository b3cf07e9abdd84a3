"""A calibration: the distribution functions of what was observed and of what was fitted, part by part."""

from typing import Any

import numpy as np
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kit import palette
from kit.plot.style import (
    MARGIN,
    SMALL,
    TALLEST,
    TEXT,
    WIDTH,
    Picture,
    clean,
    counted,
    empty,
    figure,
    fit,
    grid,
    legend,
    legend_height,
    panel,
    stroke,
    taken,
    titled,
    write,
)

COLUMNS = 3
TALL = 1.75
MOST = 30


def calibration(table: Any, *, title: str | None = None, most: int = MOST, width: float = WIDTH) -> Picture:
    """Return a small panel per part of `scenario.report.curves()`: observed as steps, fitted as a dashed line.

    The horizontal axis is in the unit of the part (ms for times) and ends at the 99.8% point of what was observed, the vertical one is the
    share that is at most x; the greatest distance of the two curves is written in each. At most `most` parts are drawn.
    """
    wanted = ["what", "name", "chosen", "unit", "x", "seen", "made"]
    columns = taken(table, "calibration", wanted)
    parts: dict[tuple[str, str], list[tuple[Any, ...]]] = {}
    for row in zip(*(columns[name] for name in wanted), strict=True):
        parts.setdefault((row[0], row[1]), []).append(row)
    if not parts:
        return empty(
            "calibration", title or "Fitted and observed", "No part of the calibration has a distribution.", width
        )
    shown = list(parts.items())[:most]
    lines = -(-len(shown) // COLUMNS)
    keys = [
        stroke(palette.ORANGE, (), "observed", 2.4),
        stroke(palette.BLUE, (4.0, 1.6), "fitted", 1.4),
    ]
    head = 0.42 + legend_height(keys, width)
    picture = figure("calibration", width, min(head + lines * TALL + 0.1, TALLEST))
    each = (width - 2 * MARGIN) / COLUMNS
    for number, ((what, name), rows) in enumerate(shown):
        line, column = divmod(number, COLUMNS)
        left = MARGIN + column * each + 0.42
        top = head + line * TALL + 0.36
        tall = picture.get_size_inches()[1]
        axes = panel(picture, left, tall - top - TALL + 0.75, width - left - each + 0.55, top)
        x, seen, made = (np.array([row[at] for row in rows], dtype=np.float64) for at in (4, 5, 6))
        axes.plot(
            x, seen, color=palette.ORANGE, linewidth=2.4, drawstyle="steps-post", gid=f"seen:{what} {name}", zorder=2
        )
        axes.plot(x, made, color=palette.BLUE, linewidth=1.4, dashes=(4.0, 1.6), gid=f"made:{what} {name}", zorder=3)
        axes.set(ylim=(0, 1.03), xlim=(0, float(x.max()) or 1.0), yticks=[0, 0.5, 1])
        axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.4g}"))
        grid(axes, "x")
        label = fit(clean(f"{what} {name}" + (f" ({rows[0][3]})" if rows[0][3] else "")), each - 0.6, TEXT)
        write(axes, 0, 1.22, label, "part", ha="left", transform=axes.transAxes)
        chosen = fit(clean(str(rows[0][2])), each - 0.6, SMALL)
        write(axes, 0, 1.09, chosen, "chosen", size=SMALL, color=palette.MUTED, ha="left", transform=axes.transAxes)
        told = f"distance {float(np.abs(seen - made).max()):.3f}"
        write(
            axes,
            0.98,
            0.1,
            told,
            "distance",
            size=SMALL,
            color=palette.MUTED,
            ha="right",
            transform=axes.transAxes,
        )
    more = f"; {len(shown)} of them drawn" if len(shown) < len(parts) else ""
    titled(picture, title or f"Fitted and observed: {counted(len(parts), 'part')}{more}")
    legend(picture, keys, 0.38)
    return picture

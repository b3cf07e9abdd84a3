"""The timeline of a player: how dense events are over time, a lane per family, and where it stands."""

from typing import Any

import numpy as np

from kit import palette
from kit.plot.style import (
    MARGIN,
    SMALL,
    WIDTH,
    Picture,
    counted,
    empty,
    figure,
    legend,
    legend_height,
    named,
    panel,
    stamp,
    stroke,
    taken,
    titled,
    unit_of,
    write,
)

LANE = 0.5
LOOKS = {
    "signals": (palette.BLUE, ""),
    "records": (palette.ORANGE, "//"),
    "logs": (palette.GREEN, "--"),
    "rows": (palette.PURPLE, "\\\\"),
}
"""Colour and hatch of each family."""
NAMES = {"logs": "log entries"}


def timeline(
    density: Any,
    *,
    end_ns: int,
    now_ns: int | None = None,
    breaks_ns: Any = (),
    title: str | None = None,
    width: float = WIDTH,
) -> Picture:
    """Return the density of events over time: a lane per family, a mark for now and for each breakpoint.

    `density` has the columns start_ns (of a stretch of time), family and events, as `Player.density()` gives it; the last
    stretch ends at `end_ns`. Heights are relative within a lane: its greatest count is written at its left. Raises
    ArgumentError where a column is missing.
    """
    columns = taken(density, "timeline", ["start_ns", "family", "events", "bin"])
    if not columns["events"]:
        return empty("timeline", title or "Timeline", "No events to draw.", width)
    families = [name for name in LOOKS if name in columns["family"]]
    first = min(columns["start_ns"])
    unit = unit_of(max((end_ns - first) / 1000, 1))
    scale = unit.us * 1000
    wide = _bin_ns(columns, first, end_ns) / scale
    total = sum(columns["events"])
    keys = [stroke(palette.INK, (), "now", width=1.6)] if now_ns is not None else []
    if len(breaks_ns):
        keys.append(stroke(palette.RED, (3.0, 2.0), f"breakpoints ({len(breaks_ns):,})", width=1.0))
    head = 0.42 + (legend_height(keys, width) if keys else 0)
    picture = figure("timeline", width, len(families) * LANE + head + 0.5)
    axes = panel(picture, 1.25, 0.5, MARGIN + 0.1, head)
    for lane, family in enumerate(reversed(families)):
        rows = [n for n, name in enumerate(columns["family"]) if name == family]
        counts = np.array([columns["events"][n] for n in rows], float)
        x = np.array([columns["start_ns"][n] - first for n in rows]) / scale
        colour, hatch = LOOKS[family]
        bars = axes.bar(
            x, counts / counts.max() * 0.86, wide, bottom=lane, align="edge", facecolor=palette.tint(colour, 0.85),
            linewidth=0, hatch=hatch if len(rows) < 40 else "", edgecolor=palette.PAPER,
        )  # fmt: skip
        for bar in bars:
            bar.set_gid(f"events:{family}")
        label = counted(int(counts.sum()), "event").split(" ")[0]
        write(
            axes, -0.01, lane + 0.55, f"{NAMES.get(family, family)} {label}", f"lane:{family}", size=SMALL, ha="right",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        write(
            axes, -0.01, lane + 0.2, f"up to {int(counts.max()):,} a bar", f"most:{family}", size=SMALL - 1, ha="right",
            color=palette.MUTED, transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        axes.axhline(lane, color=palette.FAINT, linewidth=0.8, zorder=0)
    for ns in breaks_ns:
        axes.axvline((ns - first) / scale, color=palette.RED, linewidth=1.0, linestyle=(0, (3, 2)), gid="break")
    if now_ns is not None:
        axes.axvline((now_ns - first) / scale, color=palette.INK, linewidth=1.6, gid="now")
    axes.set(xlim=(0, max((end_ns - first) / scale, wide)), ylim=(0, len(families)))
    axes.set_yticks([])
    named(axes, x=f"{unit.name} since {stamp(first // 1000)}")
    titled(picture, title or f"{counted(total, 'event')} to play")
    if keys:
        legend(picture, keys, 0.38)
    return picture


def _bin_ns(columns: dict[str, list[Any]], first: int, end_ns: int) -> float:
    """Return how long a stretch is, from the numbers and starts of two of them."""
    far = max(range(len(columns["bin"])), key=lambda n: columns["bin"][n])
    if columns["bin"][far] == 0:
        return max(end_ns - first, 1)
    return float((columns["start_ns"][far] - first) / columns["bin"][far])

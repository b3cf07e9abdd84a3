"""The registry over time: who was there, with which status, and who fell silent."""

from typing import Any

from matplotlib.patches import Rectangle

from kit import palette
from kit.plot.style import (
    FONT,
    MARGIN,
    SMALL,
    TALLEST,
    TEXT,
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
    short,
    short_names,
    stamp,
    swatch,
    taken,
    text_width,
    titled,
    unit_of,
    write,
)

LANE = 0.26
BAR = 0.17


def registry(intervals: Any, gaps: Any = None, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the registry over time, one lane per neuron in the order of first appearance.

    `intervals` has columns `neuron_id, status, from, to`, `gaps` (silences) `neuron_id, from, to, gap_ms`;
    times are UTC timestamps, an interval without `to` lasts to the right edge. Silences are hatched, with
    their length where there is room. Raises ArgumentError where a column is missing.
    """
    rows = _rows(taken(intervals, "registry", ["neuron_id", "status", "from", "to"]))
    silences = [] if gaps is None else _rows(taken(gaps, "gaps", ["neuron_id", "gap_ms", "from", "to"]))
    if not rows and not silences:
        return empty("registry", title or "Registry", "Nobody registered.", width)
    everything = [*rows, *silences]
    names = list(dict.fromkeys(name for name, *_ in sorted(everything, key=lambda row: row[2])))
    first = min(start for _, _, start, _ in everything)
    last = max(max(start, end or start) for _, _, start, end in everything)
    unit = unit_of(max(last - first, 2001))
    reach = (last - first) / unit.us or 1.0
    statuses = [str(status or "unknown") for _, status, *_ in rows]
    keys = [
        swatch(
            palette.tint(look.colour, 0.6),
            look.hatch,
            _legend_name(status, statuses),
            edgecolor=look.colour,
            hatchcolor=palette.tint(look.colour, 0.9),
            linewidth=0.8,
        )
        for status, look in palette.PRESENCE.items()
        if status in statuses or (status == "unknown" and set(statuses) - set(palette.PRESENCE))
    ]
    if silences:
        keys.append(swatch(palette.PAPER, "////", "silent", edgecolor=palette.RED, hatchcolor=palette.RED, linewidth=1))
    head = 0.42 + legend_height(keys, width)
    lane = min(LANE, (TALLEST - head - 1) / len(names))
    labels = short_names(names, 28)
    left = max(text_width(label, TEXT) for label in labels.values()) + MARGIN + 0.15
    picture = figure("registry", width, len(names) * lane + head + 0.55)
    axes = panel(picture, left, 0.55, MARGIN + 0.1, head)
    edge = 1.02 * reach
    axes.set(xlim=(-0.01 * reach, edge), ylim=(len(names), 0), yticks=[])
    for number, name in enumerate(names):
        if number % 2 == 0:
            axes.axhspan(number, number + 1, color="#F6F6F6", linewidth=0, zorder=0)
        axes.text(
            -0.008,
            number + 0.5,
            labels[name],
            transform=axes.get_yaxis_transform(),
            gid="lane-name",
            fontsize=TEXT,
            fontfamily=FONT,
            color=palette.INK,
            parse_math=False,
            ha="right",
            va="center",
        )
    level = {name: number for number, name in enumerate(names)}
    bar = BAR / LANE
    for name, status, start, end in rows:
        look = palette.look_of(palette.PRESENCE, status)
        x0, x1 = (start - first) / unit.us, edge if end is None else (end - first) / unit.us
        axes.add_artist(
            Rectangle(
                (x0, level[name] + (1 - bar) / 2),
                x1 - x0,
                bar,
                facecolor=palette.tint(look.colour, 0.6),
                edgecolor=look.colour,
                linewidth=0.8,
                hatch=look.hatch,
                zorder=2,
                hatchcolor=palette.tint(look.colour, 0.9),
                gid=f"{'stays' if end is None else 'status'}:{status or 'unknown'}",
            )
        )
    per_inch = 1.03 * reach / (width - left - MARGIN - 0.1)
    for name, gap, start, end in silences:
        x0, x1 = (start - first) / unit.us, edge if end is None else (end - first) / unit.us
        axes.add_artist(
            Rectangle(
                (x0, level[name] + 0.1),
                x1 - x0,
                0.8,
                facecolor="none",
                edgecolor=palette.RED,
                linewidth=1,
                hatch="////",
                hatchcolor=palette.RED,
                zorder=3,
                gid="silence",
            )
        )
        text = "" if gap is None else f"silent {_length(float(gap) * 1000)}"
        if text and (text_width(text, SMALL) + 0.15) * per_inch < x1 - x0:
            write(
                axes,
                (x0 + x1) / 2,
                level[name] + 0.5,
                text,
                "silence-length",
                size=SMALL,
                ha="center",
                zorder=4,
                bbox={"facecolor": palette.PAPER, "edgecolor": "none", "pad": 0.8},
            )
    grid(axes, "x")
    named(axes, x=f"{unit.name} since {stamp(first)}")
    silent = f", {counted(len(silences), 'silence')}" if silences else ""
    titled(picture, title or f"Registry: {counted(len(names), 'neuron')}{silent}")
    legend(picture, keys, 0.38)
    return picture


def _rows(columns: dict[str, list[Any]]) -> list[tuple[Any, Any, int, int | None]]:
    """Return (neuron, status or gap, from, to) of the rows that have a time."""
    values = columns["status"] if "status" in columns else columns["gap_ms"]
    rows = zip(columns["neuron_id"], values, columns["from"], columns["to"], strict=True)
    return [(name, value, start, end) for name, value, start, end in rows if start is not None]


def _legend_name(status: str, statuses: list[str]) -> str:
    if status != "unknown":
        return status
    return "other: " + short(", ".join(sorted({s for s in statuses if s not in palette.PRESENCE})), 30)


def _length(us: float) -> str:
    unit = unit_of(us)
    return f"{us / unit.us:.3g} {unit.name}"

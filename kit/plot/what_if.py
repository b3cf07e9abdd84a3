"""The answer to a what-if question: latency before and after, and shares, with the range that one run falls in."""

import math
from typing import Any

from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from kit import palette
from kit.plot.style import (
    MARGIN,
    TALLEST,
    TEXT,
    WIDTH,
    Picture,
    dot,
    empty,
    figure,
    grid,
    legend,
    legend_height,
    named,
    panel,
    short,
    taken,
    text_width,
    titled,
    write,
)

LANE = 0.42
SIDES = (("before", palette.SERIES[0], -0.14), ("after", palette.SERIES[1], 0.14))
WORDS = {"success": "requests that succeed", "gave_up": "requests given up"}


def what_if(table: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return `answer.table()` as a picture: latency quantiles at the left, on a logarithmic axis where they differ much, and the
    shares at the right: requests that succeed or are given up, and how busy each neuron is.

    A mark is the mean over replications, its bar the range that one run falls in with 95%.
    """
    wanted = ["measure", *(f"{side}{end}" for side in ("before", "after") for end in ("", "_low", "_high"))]
    columns = taken(table, "what if", wanted)
    rows = [dict(zip(wanted, values, strict=True)) for values in zip(*(columns[name] for name in wanted), strict=True)]
    times = [
        row
        for row in rows
        if row["measure"].endswith("_ms") and math.isfinite(row["before"]) and math.isfinite(row["after"])
    ]
    shares = [row for row in rows if row["measure"] in WORDS or row["measure"].startswith("busy ")]
    shares = [
        row for row in shares if row["measure"] != "gave_up" or max(_number(row["before"]), _number(row["after"])) > 0
    ]
    if not times and not shares:
        return empty("what_if", title or "What if", "No request came to its end.", width)
    keys = [dot(look.colour, look.marker, side) for side, look, _ in SIDES]
    head = 0.42 + legend_height(keys, width)
    lanes = max(len(times), len(shares))
    picture = figure("what_if", width, min(head + lanes * LANE + 0.6, TALLEST))
    names = [short(WORDS.get(row["measure"], row["measure"]), 30) for row in shares]
    wide = max((text_width(name, TEXT) for name in names), default=0.0) + 0.25
    half = (width - wide - 2 * MARGIN - 0.8) / 2
    tall = picture.get_size_inches()[1]

    def bottom(count: int) -> float:
        return float(tall - head - count * LANE)

    if times:
        axes = panel(picture, MARGIN + 0.45, bottom(len(times)), width - MARGIN - 0.45 - half, head)
        values = [row[name] for row in times for name in wanted[1:] if _number(row[name]) > 0]
        low, high = min(values), max(values)
        if high / low > 20:
            axes.set_xscale("log")
            axes.xaxis.set_major_locator(LogLocator(numticks=8))
            axes.xaxis.set_minor_formatter(NullFormatter())
            axes.set_xlim(low * 0.7, high * 1.4)
        else:
            axes.set_xlim(0, high * 1.08)
        axes.xaxis.set_major_formatter(
            FuncFormatter(lambda value, _: f"{value:,.4g}" if value < 1e4 else f"{value:,.0f}")
        )
        _lanes(axes, times, [row["measure"].removesuffix("_ms") for row in times])
        named(axes, x="latency of a request (ms)")
    if shares:
        axes = panel(picture, width - MARGIN - 0.1 - half, bottom(len(shares)), MARGIN + 0.1, head)
        axes.set_xlim(0, 1.02)
        axes.set_xticks([0, 0.25, 0.5, 0.75, 1])
        axes.xaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
        _lanes(axes, shares, names)
        named(axes, x="share of requests, or of the time")
    titled(picture, title or "What if: before and after, mean and range of 95% of runs")
    legend(picture, keys, 0.38)
    return picture


def _number(value: float | None) -> float:
    return value if value is not None and math.isfinite(value) else 0.0


def _lanes(axes: Any, rows: list[dict[str, Any]], names: list[str]) -> None:
    for lane, (row, name) in enumerate(zip(rows, names, strict=True)):
        write(axes, -0.015, lane, name, "lane-name", ha="right", transform=axes.get_yaxis_transform())
        for side, look, shift in SIDES:
            if row[side] is None or not math.isfinite(row[side]):
                continue
            ends = [row[f"{side}_low"], row[f"{side}_high"]]
            axes.plot(
                ends,
                [lane + shift] * 2,
                color=look.colour,
                linewidth=2.0,
                solid_capstyle="butt",
                gid=f"range:{side}:{name}",
                zorder=2,
            )
            axes.plot(
                [row[side]], [lane + shift], color=look.colour, marker=look.marker, markersize=6, linestyle="none",
                markeredgecolor=palette.PAPER, markeredgewidth=0.6, gid=f"mark:{side}:{name}", zorder=3,
            )  # fmt: skip
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[])
    grid(axes, "x")

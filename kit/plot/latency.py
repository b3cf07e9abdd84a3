"""Latency as an empirical distribution: which share took at most so long."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from kit import palette
from kit.plot.style import (
    MARGIN,
    SMALL,
    WIDTH,
    Key,
    Picture,
    clean,
    counted,
    dashes,
    empty,
    figure,
    grid,
    legend,
    legend_height,
    named,
    panel,
    short_names,
    taken,
    titled,
    write,
)

MARKS = (0.5, 0.9, 0.99)
DECADES = 2.0
HEIGHT = 3.4


def latency(
    table: Any, *, value: str = "ms", group: str = "group", title: str | None = None, width: float = WIDTH
) -> Picture:
    """Return the ECDF of the column `value` (milliseconds), one curve per value of the column `group`.

    p50, p90 and p99 are marked on each curve and written in the legend: the least value that the share does
    not exceed. The axis is logarithmic where the values span more than two decades; zero and negative values
    then count at the left edge. Beyond eight groups the largest seven are drawn, the rest as one curve.
    Missing values are left out. Raises ArgumentError where `value` is not a column; without `group` there is
    one curve.
    """
    columns = taken(table, "latency", [value], [group])
    groups: dict[Any, list[float]] = {}
    for name, number in zip(columns[group], columns[value], strict=True):
        if number is not None and np.isfinite(number):
            groups.setdefault(name, []).append(float(number))
    if not groups:
        return empty("latency", title or "Latency", "No latencies to draw.", width)
    curves = _curves(groups)
    everything = np.concatenate([values for _, values in curves])
    logarithmic = _is_wide(everything)
    total = len(everything)
    title = title or f"Latency: {counted(total, 'value')} in {counted(len(groups), 'group')}"
    low, high = _limits(everything, logarithmic)
    keys = []
    for (name, values), look in zip(curves, palette.SERIES, strict=False):
        marks = "  ".join(f"p{100 * share:.0f} {_number(_at(values, share))}" for share in MARKS)
        keys.append(_key(look, f"{name}: n {len(values):,}  {marks} ms"))
    head = 0.42 + legend_height(keys, width)
    picture = figure("latency", width, HEIGHT + head + 0.5)
    axes = panel(picture, 0.7, 0.5, MARGIN + 0.45, head)
    if logarithmic:
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(numticks=12))
        axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda number, _: _number(number)))
    axes.set(xlim=(low, high), ylim=(0, 1.02), yticks=[0, 0.25, 0.5, 0.75, 0.9, 1])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.0f} %"))
    for share in MARKS:
        axes.axhline(share, color=palette.MUTED, linewidth=0.6, linestyle=dashes((1.0, 2.0)), gid="mark-line")
        write(
            axes,
            1.008,
            share - 0.012 * (share == 0.9),
            f"p{100 * share:.0f}",
            "mark-name",
            size=SMALL,
            color=palette.MUTED,
            transform=axes.get_yaxis_transform(),
        )
    for (name, values), look in zip(curves, palette.SERIES, strict=False):
        _draw(axes, name, values, look, low if logarithmic else None, high)
    grid(axes, "x")
    named(
        axes,
        x="latency (ms" + (", logarithmic)" if logarithmic else ")"),
        y="share that took at most this long",
    )
    titled(picture, title)
    legend(picture, keys, 0.38)
    return picture


def _curves(groups: dict[Any, list[float]]) -> list[tuple[str, NDArray[np.float64]]]:
    """Return sorted values per curve, the largest group first."""
    ranked = sorted(groups.items(), key=lambda item: (-len(item[1]), str(item[0])))
    most = len(palette.SERIES)
    kept, rest = (ranked, []) if len(ranked) <= most else (ranked[: most - 1], ranked[most - 1 :])
    labels = short_names([None if name is None else str(name) for name, _ in kept], 30)
    alone = len(kept) == 1 and kept[0][0] is None
    curves = [
        ("all" if alone else labels[None if name is None else str(name)], np.sort(np.array(values)))
        for name, values in kept
    ]
    if rest:
        others = np.sort(np.concatenate([np.array(values) for _, values in rest]))
        curves.append((f"other ({counted(len(rest), 'group')})", others))
    return curves


def _is_wide(values: NDArray[np.float64]) -> bool:
    positive = values[values > 0]
    return bool(len(positive)) and bool(np.log10(positive.max() / positive.min()) > DECADES)


def _limits(values: NDArray[np.float64], logarithmic: bool) -> tuple[float, float]:
    if logarithmic:
        positive = values[values > 0]
        return float(positive.min()) * 0.7, float(positive.max()) * 1.4
    low, high = min(0.0, float(values.min())), max(0.0, float(values.max()))
    room = 0.04 * (high - low) or 1.0
    return (low - room if low < 0 else 0.0), high + room


def _at(values: NDArray[np.float64], share: float) -> float:
    """Return the least value whose share of values at most as large reaches `share`."""
    return float(values[max(int(np.ceil(share * len(values) - 1e-9)) - 1, 0)])


def _draw(
    axes: Axes, name: str, values: NDArray[np.float64], look: palette.Look, floor: float | None, high: float
) -> None:
    shown = values if floor is None else np.maximum(values, floor)
    x = np.concatenate([[shown[0]], shown, [high]])
    y = np.concatenate([[0.0], np.arange(1, len(shown) + 1) / len(shown), [1.0]])
    axes.plot(
        x,
        y,
        color=look.colour,
        linewidth=1.6,
        linestyle=dashes(look.dash, 1.6),
        drawstyle="steps-post",
        gid=f"curve:{name}",
        zorder=3,
    )
    marks = [_at(shown, share) for share in MARKS]
    axes.plot(
        marks,
        MARKS,
        color=look.colour,
        marker=look.marker,
        markersize=6,
        linestyle="none",
        markeredgecolor=palette.PAPER,
        markeredgewidth=0.6,
        gid=f"marks:{name}",
        zorder=4,
    )


def _key(look: palette.Look, label: str) -> Key:
    line = Line2D(
        [],
        [],
        color=look.colour,
        linewidth=1.6,
        linestyle=dashes(look.dash, 1.6),
        marker=look.marker,
        markersize=5,
    )
    return Key(line, clean(label))


def _number(value: float) -> str:
    """Return a number of milliseconds as it is read: three digits, no powers of ten.

    >>> [_number(x) for x in (0.0123, 4.0, 1234.5)]
    ['0.0123', '4', '1,230']
    """
    if value == 0:
        return "0"
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:.12f}".rstrip("0").rstrip(".") or f"{value:.2g}"

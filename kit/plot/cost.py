"""Tokens and cost: who spent how much, and how the totals are spread."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from kit import palette
from kit.plot.style import (
    FONT,
    MARGIN,
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
    short_names,
    swatch,
    taken,
    text_width,
    titled,
)

LANE = 0.3
HISTOGRAM = 1.9
MICRO = 1_000_000
TOKENS = (("tokens_in", "tokens in", palette.BLUE, ""), ("tokens_out", "tokens out", palette.ORANGE, "//"))


def cost(table: Any, histogram: Any = None, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return tokens (in and out, stacked) and cost (USD) side by side, one lane per row of `table`.

    `table` has columns `neuron` (or `trace_id`), `tokens_in`, `tokens_out`, `cost_micro_usd`, and maybe
    `model`; a missing number is drawn as none. `histogram` has columns `lower, upper, count`, bounds in
    millionths of a dollar, and is drawn below. Raises ArgumentError where a column is missing.
    """
    columns = taken(table, "cost", [("neuron", "trace_id"), "tokens_in", "tokens_out", "cost_micro_usd"], ["model"])
    bins = {} if histogram is None else taken(histogram, "histogram", ["lower", "upper", "count"])
    count, spread = len(columns["neuron"]), len(bins.get("count", []))
    if not count and not spread:
        return empty("cost", title or "Tokens and cost", "No signal states tokens or cost.", width)
    names = [_name(*pair) for pair in zip(columns["neuron"], columns["model"], strict=True)]
    keys = [
        swatch(palette.tint(colour, 0.85), hatch, name, hatchcolor=palette.PAPER) for _, name, colour, hatch in TOKENS
    ]
    keys.append(swatch(palette.tint(palette.GREEN, 0.85), "--", "cost", hatchcolor=palette.PAPER))
    head = 0.42 + legend_height(keys, width)
    lane = min(LANE, (TALLEST - 6) / max(count, 1))
    lower = HISTOGRAM + 0.65 if spread else 0.0
    tall = count * lane + 0.55 if count else 0.0
    picture = figure("cost", width, head + tall + lower)
    if count:
        _draw_sums(picture, columns, names, head, lower + 0.55, width)
    if spread:
        axes = panel(picture, 0.7, 0.55, MARGIN + 0.1, head + tall + 0.1)
        _draw_histogram(axes, bins)
    spent = sum(value or 0 for value in columns["cost_micro_usd"]) / MICRO
    used = sum(value or 0 for name in ("tokens_in", "tokens_out") for value in columns[name])
    titled(picture, title or (f"{counted(used, 'token')}, {dollars(spent)}" if count else "Cost"))
    legend(picture, keys, 0.38)
    return picture


def dollars(value: float) -> str:
    """Return an amount in USD, cents at least and millionths at most.

    >>> dollars(12), dollars(0.000125)
    ('$12.00', '$0.000125')
    """
    text = f"{value:,.6f}".rstrip("0")
    whole, _, part = text.partition(".")
    return f"${whole}.{part.ljust(2, '0')}"


def _name(name: Any, model: Any) -> str:
    return f"{'-' if name is None else name}" + (f" ({model})" if model else "")


def _draw_sums(
    picture: Picture, columns: dict[str, list[Any]], names: list[str], head: float, foot: float, width: float
) -> None:
    # Two rows may share a name; the number keeps their lanes apart.
    labels = [short_names([f"{name}"], 30)[name] for name in names]
    left = max(text_width(label, TEXT) for label in labels) + MARGIN + 0.15
    half = (width - left - MARGIN - 0.3) / 2
    lanes = np.arange(len(names)) + 0.5
    tokens = panel(picture, left, foot, MARGIN + half + 0.3, head)
    money = panel(picture, left + half + 0.3, foot, MARGIN + 0.1, head)
    base = np.zeros(len(names))
    for column, _, colour, hatch in TOKENS:
        values = np.array([value or 0 for value in columns[column]], dtype=np.float64)
        bars = tokens.barh(
            lanes,
            values,
            0.62,
            left=base,
            facecolor=palette.tint(colour, 0.85),
            hatch=hatch,
            hatchcolor=palette.PAPER,
            edgecolor=palette.PAPER,
            linewidth=0.3,
        )
        for bar in bars:
            bar.set_gid(column)
        base += values
    usd = np.array([value or 0 for value in columns["cost_micro_usd"]], dtype=np.float64) / MICRO
    for bar in money.barh(
        lanes,
        usd,
        0.62,
        facecolor=palette.tint(palette.GREEN, 0.85),
        hatch="--",
        hatchcolor=palette.PAPER,
        edgecolor=palette.PAPER,
        linewidth=0.3,
    ):
        bar.set_gid("usd")
    for number, label in enumerate(labels):
        tokens.text(
            -0.015,
            number + 0.5,
            label,
            transform=tokens.get_yaxis_transform(),
            gid="lane-name",
            fontsize=TEXT,
            fontfamily=FONT,
            color=palette.INK,
            parse_math=False,
            ha="right",
            va="center",
        )
    for axes, values, name in ((tokens, base, "tokens"), (money, usd, "cost (USD)")):
        axes.set(ylim=(len(names), 0), yticks=[], xlim=(0, float(values.max()) * 1.05 or 1.0))
        axes.xaxis.set_major_locator(MaxNLocator(nbins=4))
        grid(axes, "x")
        named(axes, x=name)
    tokens.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    money.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))


def _draw_histogram(axes: Axes, bins: dict[str, list[Any]]) -> None:
    lower = np.array(bins["lower"], dtype=np.float64) / MICRO
    upper = np.array(bins["upper"], dtype=np.float64) / MICRO
    count = np.array(bins["count"], dtype=np.float64)
    for bar in axes.bar(
        lower,
        count,
        upper - lower,
        align="edge",
        facecolor=palette.tint(palette.GREEN, 0.85),
        edgecolor=palette.PAPER,
        linewidth=0.6,
    ):
        bar.set_gid("bin")
    axes.set(xlim=(float(lower.min()), float(upper.max())), ylim=(0, float(count.max()) * 1.08 or 1.0))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:.6g}"))
    axes.yaxis.set_major_locator(MaxNLocator(integer=True, nbins=5))
    grid(axes, "y")
    named(axes, x="cost (USD)", y="how many")

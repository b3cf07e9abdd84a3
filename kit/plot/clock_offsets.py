"""How clocks run away from each other: the offset over time, its steps and its uncertainty."""

from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

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
    in_full,
    legend,
    legend_height,
    named,
    panel,
    stroke,
    swatch,
    taken,
    titled,
    write,
)

HEIGHT = 1.45
AXIS = 0.6
MOST = 8
"""Panels; further clock logs are left out, which the title tells."""
UNITS = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9))


def clock_offsets(table: Any, clocks: Any = None, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return how far the offset between two clocks has come since the last step, over time, one panel per clock log.

    `table` has columns `log_id, from_clock, to_clock, ts_ns, change_ns, stretch` and maybe `uncertainty_ns`, as
    study.clock_offsets() gives. A straight line is a constant drift; where the clock steps (a dashed line) the change
    begins anew at 0. The band is the uncertainty; mostly it is thinner than the line. `clocks`, as study.clocks() gives,
    has columns `log_id, drift_ppm, steps, largest_step_ns` for the legend. Raises ArgumentError where a column is missing.
    """
    columns = taken(
        table,
        "clock_offsets",
        ["log_id", "from_clock", "to_clock", "ts_ns", "change_ns", "stretch"],
        ["uncertainty_ns"],
    )
    logs = list(dict.fromkeys(columns["log_id"]))
    if not logs:
        return empty("clock_offsets", title or "Clock offsets", "No clock log has a sample.", width)
    told = _told(clocks)
    shown = logs[:MOST]
    looks = dict(zip(shown, palette.SERIES, strict=False))
    series = {log: _series(columns, log) for log in shown}
    keys = [_key(looks[log], series[log], told.get(log)) for log in shown]
    keys.append(swatch(palette.tint(palette.MUTED, 0.35), "", "uncertainty"))
    if any(len(set(its["stretch"])) > 1 for its in series.values()):
        keys.append(stroke(palette.RED, (3.0, 2.0), "step"))
    head = 0.42 + legend_height(keys, width)
    picture = figure("clock_offsets", width, head + len(shown) * (HEIGHT + AXIS))
    for number, log in enumerate(shown):
        top = head + number * (HEIGHT + AXIS)
        bottom = picture.get_size_inches()[1] - top - HEIGHT
        axes = panel(picture, 0.75, bottom, MARGIN + 0.15, top)
        _draw(axes, number, series[log], looks[log], told.get(log))
    left_out = len(logs) - len(shown)
    titled(
        picture,
        title
        or f"Drift in {counted(len(shown), 'clock log')}: how far the offset has come since the last step"
        + (f" ({left_out:,} more left out)" if left_out else ""),
    )
    legend(picture, keys, 0.38)
    return picture


def _told(clocks: Any) -> dict[Any, dict[str, Any]]:
    if clocks is None:
        return {}
    columns = taken(clocks, "clocks", ["log_id", "drift_ppm"], ["steps", "largest_step_ns"])
    rows = (dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True))
    return {row["log_id"]: row for row in rows}


def _series(columns: dict[str, list[Any]], log: Any) -> dict[str, Any]:
    rows = [i for i, name in enumerate(columns["log_id"]) if name == log]
    rows.sort(key=lambda i: columns["ts_ns"][i])
    its = {name: [values[i] for i in rows] for name, values in columns.items()}
    return its | {"from_clock": its["from_clock"][0], "to_clock": its["to_clock"][0]}


def _key(look: palette.Look, series: dict[str, Any], told: dict[str, Any] | None) -> Key:
    text = f"{series['from_clock']} to {series['to_clock']}"
    if told is not None:
        drift = told["drift_ppm"]
        text += ": drift unknown" if drift is None or drift != drift else f": {drift:+.2f} ppm"
        if told["steps"]:
            text += f", {counted(told['steps'], 'step')}"
    line = Line2D([], [], color=look.colour, linewidth=1.4, marker=look.marker, markersize=4,
                  linestyle=dashes(look.dash, 1.4))  # fmt: skip
    return Key(line, clean(text))


def _draw(axes: Axes, number: int, its: dict[str, Any], look: palette.Look, told: dict[str, Any] | None) -> None:
    first = its["ts_ns"][0]
    x = np.array([ts - first for ts in its["ts_ns"]], dtype=np.float64) / 1e9
    change = np.array(its["change_ns"], dtype=np.float64)
    unsure = np.array([value or 0 for value in its["uncertainty_ns"]], dtype=np.float64)
    stretch = np.array(its["stretch"])
    unit, ns = _unit(float(np.abs(change).max()) if len(change) else 0.0)
    for one in dict.fromkeys(its["stretch"]):
        at = stretch == one
        axes.fill_between(x[at], (change - unsure)[at] / ns, (change + unsure)[at] / ns,
                          color=palette.tint(palette.MUTED, 0.35), linewidth=0, gid=f"unsure:{number}")  # fmt: skip
        axes.plot(x[at], change[at] / ns, color=look.colour, linewidth=1.4, linestyle=dashes(look.dash, 1.4),
                  marker=look.marker if at.sum() <= 60 else "", markersize=3.5, gid=f"offset:{number}:{one}")  # fmt: skip
    reach = float(x[-1]) or 1.0
    low, high = float((change - unsure).min()) / ns, float((change + unsure).max()) / ns
    room = (high - low) * 0.08 or 1.0
    axes.set(xlim=(-reach * 0.01, reach * 1.02), ylim=(low - room, high + room * 2))
    for at in np.flatnonzero(np.diff(stretch)) + 1:
        axes.axvline(x[at], color=palette.RED, linewidth=1.1, linestyle=dashes((3.0, 2.0), 1.1), gid=f"step:{number}")
    if (
        told is not None
        and told["steps"] == 1
        and told["largest_step_ns"] is not None
        and len(set(its["stretch"])) == 2
    ):
        at = float(x[int(np.flatnonzero(np.diff(stretch))[0]) + 1])
        aside = at < reach * 0.85
        write(axes, at + reach * (0.008 if aside else -0.008), high + room, _length(told["largest_step_ns"]), "step-size",
              size=SMALL, color=palette.RED, ha="left" if aside else "right")  # fmt: skip
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
    in_full(axes, reach)
    grid(axes, "y")
    named(axes, x=f"s on {clean(str(its['from_clock']))}, from {first / 1e9:,.3f} s", y=f"change ({unit})")


def _unit(largest: float) -> tuple[str, float]:
    return next(((name, ns) for name, ns in reversed(UNITS) if largest >= 2 * ns), UNITS[0])


def _length(ns: int) -> str:
    """Return a length of time with its sign, in its own unit.

    >>> _length(25_012_413), _length(-800)
    ('+25.012 ms', '-800 ns')
    """
    unit, per = _unit(abs(ns))
    text = f"{ns / per:+.3f}".rstrip("0").rstrip(".")
    return f"{text} {unit}"

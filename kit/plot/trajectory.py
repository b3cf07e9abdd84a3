"""Where a robot went: from above, and over time, with what happened on the way."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
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
    dot,
    empty,
    figure,
    grid,
    in_full,
    legend,
    legend_height,
    named,
    panel,
    short_names,
    stroke,
    taken,
    text_width,
    titled,
    write,
)

Floats = NDArray[np.float64]
POSE = ("ts_ns", "tx", "ty", "qx", "qy", "qz", "qw")
TICKS = 24
"""Headings along a trajectory, about."""
STRIP = 1.15
"""Height of one panel over time, in inches."""
TALL, LOW = 6.5, 2.0
"""Greatest and least height of a trajectory from above, in inches."""
LOOKS = palette.SERIES[1:]
"""Looks of marks; the first look is that of the way."""
ENDS = (("o", "start"), ("s", "end"))
RING: dict[str, Any] = {"markersize": 12, "markerfacecolor": "none", "markeredgewidth": 1.6}
"""Rings, so that a mark on the first or last pose is seen with them."""
NOTHING = "No pose is known at these instants."


def trajectory(poses: Any, marks: Any = None, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the way from above, in metres as in the frame it is seen from, both axes to one scale.

    `poses` has columns `ts_ns, tx, ty, qx, qy, qz, qw`, as study.pose() gives; rows without a pose interrupt the line. Short
    ticks show where the x axis of the frame points. `marks` has columns `tx, ty, label` and maybe `note`: one look per label, the note is
    written beside the mark. Beyond seven labels the rest is drawn as one. Raises ArgumentError where a column is missing.
    """
    columns = taken(poses, "trajectory", POSE)
    x, y, yaw, known = _places(columns)
    if not known.any():
        return empty("trajectory", title or "Trajectory", NOTHING, width)
    events = _events(marks, "marks", ["tx", "ty"])
    keys = [
        stroke(palette.BLUE, (), "way", width=1.6),
        *(dot(palette.BLUE, *its, **RING | {"markersize": 8}) for its in ENDS),
    ]
    keys.append(stroke(palette.INK, (), "heading", width=1.3, marker="o", markevery=[0], markersize=3))
    keys += _keys(events)
    head = 0.42 + legend_height(keys, width)
    low, high = _box([x[known], *(np.array(its["tx"], float) for its in events.values())])
    below, above = _box([y[known], *(np.array(its["ty"], float) for its in events.values())])
    across = width - 0.75 - MARGIN - 0.1
    tall = min(max(across * (above - below) / (high - low), LOW), TALL)
    # Both axes to one scale: the one with room to spare is widened about its middle.
    scale = max((high - low) / across, (above - below) / tall)
    low, high = _widened(low, high, scale * across)
    below, above = _widened(below, above, scale * tall)
    picture = figure("trajectory", width, head + tall + 0.55)
    axes = panel(picture, 0.75, 0.55, MARGIN + 0.1, head)
    axes.set(xlim=(low, high), ylim=(below, above))
    axes.plot(
        np.where(known, x, np.nan), np.where(known, y, np.nan), color=palette.BLUE, linewidth=1.6, gid="way", zorder=3
    )
    _draw_headings(axes, x[known], y[known], yaw[known], scale * 0.16)
    places = np.flatnonzero(known)
    for at, (marker, gid) in zip((places[0], places[-1]), ENDS, strict=True):
        axes.plot([x[at]], [y[at]], color=palette.BLUE, marker=marker, linestyle="none", gid=gid, zorder=5, **RING)
    _draw_marks(axes, events, scale)
    for axis in "xy":
        grid(axes, axis)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7))
    named(axes, x="x (m)", y="y (m)")
    spent = (columns["ts_ns"][int(places[-1])] - columns["ts_ns"][int(places[0])]) / 1e9
    titled(picture, title or f"From above: {counted(int(known.sum()), 'pose')}, {spent:,.1f} s")
    legend(picture, keys, 0.38)
    return picture


def motion(
    poses: Any,
    marks: Any = None,
    *,
    extra: Mapping[str, str] | None = None,
    title: str | None = None,
    width: float = WIDTH,
) -> Picture:
    """Return the way over time: x, y and yaw, one panel each, in seconds from the first row.

    `poses` has the columns of `trajectory`; `extra` maps further columns of it to the names of their axes, with the unit, as
    `{"speed": "speed (m/s)"}`, and each is one panel more. Yaw goes on past 180 degrees instead of jumping. `marks` has columns
    `ts_ns, label` and maybe `note`: vertical lines, on the same clock as the poses. Raises ArgumentError where a column is missing.
    """
    wanted = dict(extra or {})
    columns = taken(poses, "motion", [*POSE, *wanted])
    x, y, yaw, known = _places(columns)
    values = {"x (m)": x, "y (m)": y, "yaw (rad)": _unwrapped(yaw, known)}
    values |= {clean(name): _floats(columns[column]) for column, name in wanted.items()}
    if not known.any():
        return empty("motion", title or "Motion", NOTHING, width)
    events = _events(marks, "marks", ["ts_ns"])
    first = columns["ts_ns"][0]
    seconds = np.array([ts - first for ts in columns["ts_ns"]], dtype=np.float64) / 1e9
    reach = float(seconds.max()) or 1.0
    keys = _keys(events, line=True)
    notes = [note for its in events.values() for note in its["note"] if note is not None]
    head = 0.42 + legend_height(keys, width) + (0.2 if notes else 0.0)
    foot, between = 0.55, 0.16
    picture = figure("motion", width, head + len(values) * (STRIP + between) - between + foot)
    for number, (name, line) in enumerate(values.items()):
        top = head + number * (STRIP + between)
        bottom = picture.get_size_inches()[1] - top - STRIP
        axes = panel(picture, 0.75, bottom, MARGIN + 0.1, top)
        axes.plot(seconds, line, color=palette.BLUE, linewidth=1.4, gid=f"line:{name}", zorder=3)
        axes.set_xlim(-reach * 0.01, reach * 1.01)
        axes.yaxis.set_major_locator(MaxNLocator(nbins=4))
        in_full(axes, reach)
        grid(axes, "y")
        last = number == len(values) - 1
        axes.tick_params(labelbottom=last)
        named(axes, x=f"s from {first / 1e9:,.3f} s on the clock of the poses" if last else "", y=name)
        for label, its in events.items():
            look = its["look"]
            for ts, note in zip(its["ts_ns"], its["note"], strict=True):
                at = (ts - first) / 1e9
                axes.axvline(at, color=look.colour, linewidth=1.1, linestyle=_dash(look), gid=f"at:{label}", zorder=2)
                if number == 0 and note is not None:
                    side = "left" if at < reach * 0.8 else "right"
                    write(axes, at, 1.08, note, "note", size=SMALL, ha=side, transform=axes.get_xaxis_transform())
    titled(picture, title or f"Over time: {counted(int(known.sum()), 'pose')}")
    legend(picture, keys, 0.38)
    return picture


def _floats(values: list[Any]) -> Floats:
    return np.array([np.nan if value is None else value for value in values], dtype=np.float64)


def _places(columns: dict[str, list[Any]]) -> tuple[Floats, Floats, Floats, NDArray[np.bool_]]:
    """Return x, y, the heading (of the frame's x axis, seen from above) and where a pose is known."""
    x, y, *q = (_floats(columns[name]) for name in POSE[1:])
    qx, qy, qz, qw = q
    heading = np.arctan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
    return x, y, heading, np.isfinite(x) & np.isfinite(y)


def _unwrapped(yaw: Floats, known: NDArray[np.bool_]) -> Floats:
    found = yaw.copy()
    found[known] = np.unwrap(yaw[known])
    return found


def _events(marks: Any, what: str, required: list[str]) -> dict[str, dict[str, Any]]:
    """Return marks by label, each with its look; the labels that come after the last look are one."""
    if marks is None:
        return {}
    columns = taken(marks, what, [*required, "label"], ["note"])
    rows = [row for row in zip(*columns.values(), strict=True) if None not in row[: len(required)]]
    rows = [row for row in rows if not any(value != value for value in row[: len(required)])]
    labels = list(dict.fromkeys(row[len(required)] for row in rows))
    if len(labels) > len(LOOKS):
        kept, other = labels[: len(LOOKS) - 1], "other"
    else:
        kept, other = labels, ""
    names = short_names(kept, 40)
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        label = row[len(required)]
        name = names.get(label, other)
        its = found.setdefault(
            name, {"look": LOOKS[min(len(found), len(LOOKS) - 1)], **{column: [] for column in columns}}
        )
        for column, value in zip(columns, row, strict=True):
            its[column].append(None if value != value else value)
    return found


def _keys(events: dict[str, dict[str, Any]], *, line: bool = False) -> list[Key]:
    keys = []
    for label, its in events.items():
        text = f"{label} ({len(its['label']):,})"
        look = its["look"]
        keys.append(stroke(look.colour, look.dash, text) if line else dot(look.colour, look.marker, text, markersize=7))
    return keys


def _dash(look: palette.Look) -> Any:
    return (0, look.dash) if look.dash else "solid"


def _box(values: list[Floats]) -> tuple[float, float]:
    together = np.concatenate(values)
    low, high = float(together.min()), float(together.max())
    room = max((high - low) * 0.06, 0.25)
    return low - room, high + room


def _widened(low: float, high: float, reach: float) -> tuple[float, float]:
    middle = (low + high) / 2
    return middle - reach / 2, middle + reach / 2


def _draw_headings(axes: Axes, x: Floats, y: Floats, yaw: Floats, length: float) -> None:
    at = np.unique(np.linspace(0, len(x) - 1, min(TICKS, len(x))).round().astype(int))
    for number in at.tolist():
        ends = (
            [x[number], x[number] + length * np.cos(yaw[number])],
            [y[number], y[number] + length * np.sin(yaw[number])],
        )
        axes.plot(
            *ends, color=palette.INK, linewidth=1.3, marker="o", markevery=[0], markersize=3, gid="heading", zorder=4
        )


def _draw_marks(axes: Axes, events: dict[str, dict[str, Any]], scale: float) -> None:
    right = axes.get_xlim()[1]
    for label, its in events.items():
        look = its["look"]
        axes.plot(its["tx"], its["ty"], color=look.colour, marker=look.marker, markersize=8, linestyle="none",
                  markeredgecolor=palette.PAPER, markeredgewidth=0.8, gid=f"mark:{label}", zorder=6)  # fmt: skip
        for tx, ty, note in zip(its["tx"], its["ty"], its["note"], strict=True):
            if note is not None:
                aside = tx + scale * (0.1 + text_width(clean(f"{note}"), SMALL)) < right
                write(axes, tx + scale * (0.1 if aside else -0.1), ty, f"{note}", "note", size=SMALL,
                      ha="left" if aside else "right", zorder=7)  # fmt: skip

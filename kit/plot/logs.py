"""Sensor logs over time: what each covers on which clock, where it has gaps, what is damaged; and how fast each is."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from kit import palette
from kit.plot.style import (
    FONT,
    MARGIN,
    SMALL,
    TALLEST,
    TEXT,
    WIDTH,
    Key,
    Picture,
    clean,
    counted,
    dot,
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
    write,
)

LANE, BAR = 0.25, 0.15
AXIS = 0.58
"""Inches below the lanes of a clock, for its axis."""
LONGEST_NAME = 40
KINDS = ("pose", "camera", "joints", "detection", "point_cloud", "audio", "time_transform")
LOOKS = dict(zip(KINDS, palette.SERIES, strict=False)) | {"unknown": palette.STATUSES["unknown"]}
"""Look of each kind of log."""
NS = 1e9


def logs(coverage: Any, overview: Any = None, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return what each log covers, one lane per log, one panel per clock: logs of two clocks share no axis.

    `coverage` has columns `resource_id, clock_id, first_ts_ns, last_ts_ns` and maybe `log_id, kind, entries`, as
    study.log_coverage() gives; with its `clock=` all logs are on one clock, and in one panel. The white between two
    stretches of a lane is a gap. A stretch of a single entry is a diamond. `overview`, as study.logs() gives, has columns
    `resource_id` (or `log_id`) and `damage`: a damaged log has a cross behind its end. Seconds are counted from the first entry on the
    clock. Raises ArgumentError where a column is missing.
    """
    columns = taken(
        coverage, "logs", ["resource_id", "clock_id", "first_ts_ns", "last_ts_ns"], ["log_id", "kind", "entries"]
    )
    rows = [row for row in _rows(columns) if row["first_ts_ns"] is not None and row["last_ts_ns"] is not None]
    if not rows:
        return empty("logs", title or "Logs", "No log has an entry with a time.", width)
    damage = _damage(overview)
    lanes = _lanes(rows)
    clocks = list(dict.fromkeys(row["clock_id"] for row in rows))
    held = {clock: [key for key, its in lanes.items() if its[0]["clock_id"] == clock] for clock in clocks}
    labels = _labels(lanes)
    left = max(text_width(label, TEXT) for label in labels.values()) + MARGIN + 0.15
    keys = _keys(rows, damage, lanes)
    head = 0.42 + legend_height(keys, width)
    lane = min(LANE, (TALLEST - head - len(clocks) * AXIS) / len(lanes))
    picture = figure("logs", width, head + len(lanes) * lane + len(clocks) * AXIS)
    top = head
    for clock in clocks:
        tall = len(held[clock]) * lane
        bottom = picture.get_size_inches()[1] - top - tall
        axes = panel(picture, left, bottom, MARGIN + 0.15, top)
        _draw_clock(axes, clock, [(labels[key], lanes[key], damage.get(key, 0)) for key in held[clock]])
        top += tall + AXIS
    stretches = sum(len(its) for its in lanes.values())
    gaps = stretches - len(lanes)
    titled(
        picture,
        title or f"{counted(len(lanes), 'log')} on {counted(len(clocks), 'clock')}, {counted(gaps, 'gap')}",
    )
    legend(picture, keys, 0.38)
    return picture


def log_rates(overview: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the mean rate of each log in Hz, one lane per log, with its longest pause and gaps written beside it.

    `overview` has columns `resource_id, rate_hz` and maybe `log_id, kind, longest_pause_ns, gaps`, as study.logs() gives. Logs
    without a rate (a single entry, or none) are left out, which the title tells. Raises ArgumentError where a
    column is missing.
    """
    columns = taken(
        overview, "log_rates", ["resource_id", "rate_hz"], ["log_id", "kind", "longest_pause_ns", "gaps", "clock_id"]
    )
    every = _rows(columns)
    rows = [row for row in every if row["rate_hz"] is not None and row["rate_hz"] == row["rate_hz"]]
    if not rows:
        return empty("log_rates", title or "Rates of logs", "No log has two entries to tell a rate from.", width)
    labels = list(_labels({number: [row] for number, row in enumerate(rows)}).values())
    left = max(text_width(label, TEXT) for label in labels) + MARGIN + 0.15
    lane = min(LANE, (TALLEST - 2) / len(rows))
    picture = figure("log_rates", width, 0.42 + len(rows) * lane + 0.55)
    notes = [_note(row) for row in rows]
    # The notes stand in a column of their own, so that none runs into a bar.
    aside = max(text_width(note, SMALL) for note in notes) + 0.15
    axes = panel(picture, left, 0.55, MARGIN + aside, 0.42)
    for number, (row, label, note) in enumerate(zip(rows, labels, notes, strict=True)):
        look = palette.look_of(LOOKS, row["kind"])
        bar = Rectangle((0, number + 0.2), row["rate_hz"], 0.6, gid="rate_hz", **_filled(look))
        axes.add_patch(bar)
        _name(axes, number, label)
        write(axes, 1.01, number + 0.5, note, "note", size=SMALL, color=palette.MUTED,
              transform=axes.get_yaxis_transform())  # fmt: skip
    axes.set(ylim=(len(rows), 0), yticks=[], xlim=(0, max(row["rate_hz"] for row in rows) * 1.04))
    grid(axes, "x")
    named(axes, x="mean rate (entries per second, Hz)")
    out = len(every) - len(rows)
    titled(
        picture,
        title or f"Rates of {counted(len(rows), 'log')}" + (f" ({out:,} without a rate left out)" if out else ""),
    )
    return picture


def _rows(columns: dict[str, list[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]


def _lanes(rows: list[dict[str, Any]]) -> dict[Any, list[dict[str, Any]]]:
    """Return the stretches of each log, logs in the order of their first appearance."""
    lanes: dict[Any, list[dict[str, Any]]] = {}
    for row in rows:
        lanes.setdefault(row["log_id"] or row["resource_id"], []).append(row)
    return lanes


def _labels(lanes: dict[Any, list[dict[str, Any]]]) -> dict[Any, str]:
    """Return a label per log: its resource id, or its whole id where two logs share the former."""
    names = [its[0]["resource_id"] for its in lanes.values()]
    labels = {}
    for key, its in lanes.items():
        name = its[0]["resource_id"]
        labels[key] = f"{its[0].get('log_id') or name}" if names.count(name) > 1 else f"{name}"
    # A label that is empty would leave a lane without its name.
    short = short_names(labels.values(), LONGEST_NAME)
    return {key: clean(short[label] or "-") for key, label in labels.items()}


def _damage(overview: Any) -> dict[Any, int]:
    if overview is None:
        return {}
    columns = taken(overview, "overview", ["damage", ("log_id", "resource_id")])
    pairs = zip(columns["log_id"], columns["damage"], strict=True)
    return {name: count for name, count in pairs if count}


def _keys(rows: list[dict[str, Any]], damage: dict[Any, int], lanes: dict[Any, Any]) -> list[Key]:
    present = {row["kind"] if row["kind"] in LOOKS else "unknown" for row in rows}
    keys = [
        swatch(palette.tint(look.colour, 0.75), look.hatch, kind.replace("_", " "), hatchcolor=palette.PAPER)
        for kind, look in LOOKS.items()
        if kind in present
    ]
    if any(row["first_ts_ns"] == row["last_ts_ns"] for row in rows):
        keys.append(dot(palette.MUTED, "D", "a single entry"))
    if any(key in lanes for key in damage):
        keys.append(dot(palette.RED, "X", "damaged entries", markersize=6.5))
    return keys


def _filled(look: palette.Look) -> dict[str, Any]:
    return {
        "facecolor": palette.tint(look.colour, 0.75),
        "hatch": look.hatch,
        "hatchcolor": palette.PAPER,
        "edgecolor": look.colour,
        "linewidth": 0.5,
    }


def _draw_clock(axes: Axes, clock: Any, lanes: list[tuple[str, list[dict[str, Any]], int]]) -> None:
    first = min(row["first_ts_ns"] for _, its, _ in lanes for row in its)
    reach = (max(row["last_ts_ns"] for _, its, _ in lanes for row in its) - first) / NS or 1.0
    for number, (label, stretches, damage) in enumerate(lanes):
        look = palette.look_of(LOOKS, stretches[0]["kind"])
        for row in stretches:
            start, end = ((row[name] - first) / NS for name in ("first_ts_ns", "last_ts_ns"))
            if start == end:
                axes.plot([start], [number + 0.5], color=look.colour, marker="D", markersize=4.5, gid="once")
                continue
            bar = Rectangle(
                (start, number + 0.5 - BAR / LANE / 2), end - start, BAR / LANE, gid="cover", **_filled(look)
            )
            axes.add_patch(bar)
        _name(axes, number, label)
        if damage:
            end = (max(row["last_ts_ns"] for row in stretches) - first) / NS + reach * 0.012
            axes.plot([end], [number + 0.5], color=palette.RED, marker="X", markersize=6.5, gid="damage", zorder=4,
                      markeredgecolor=palette.PAPER, markeredgewidth=0.5)  # fmt: skip
            write(axes, end + reach * 0.01, number + 0.5, f"{damage:,}", "damages", size=SMALL)
    axes.set(ylim=(len(lanes), 0), yticks=[], xlim=(-reach * 0.01, reach * 1.05))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=9))
    grid(axes, "x")
    named(axes, x=f"s on {'an unnamed clock' if clock is None else clean(str(clock))}, from {first / NS:,.3f} s")


def _name(axes: Axes, number: int, label: str) -> None:
    axes.text(
        -0.008, number + 0.5, label, transform=axes.get_yaxis_transform(), gid="lane-name", fontsize=TEXT,
        fontfamily=FONT, color=palette.INK, parse_math=False, ha="right", va="center",
    )  # fmt: skip


def _note(row: dict[str, Any]) -> str:
    parts = [f"{row['rate_hz']:,.2f} Hz"]
    if row["longest_pause_ns"] is not None:
        parts.append(f"longest pause {row['longest_pause_ns'] / 1e6:,.1f} ms")
    if row["gaps"]:
        parts.append(counted(row["gaps"], "gap"))
    return ", ".join(parts)

"""Spans over time, a lane for each neuron."""

from collections.abc import Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

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
    Unit,
    counted,
    dashes,
    dot,
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
    stroke,
    swatch,
    taken,
    text_width,
    titled,
    unit_of,
    write,
)

ROW = 0.21
BAR = 0.15
LANE_GAP = 0.09
FOOT = 0.55
QUEUE, SERVICE = 0.18, 0.55
"""Share of the colour in the waiting and in the working part of a bar."""
ENDINGS = {
    "failed": ("X", palette.RED),
    "error": ("X", palette.RED),
    "denied": ("D", palette.RED),
    "stopped": ("s", palette.ORANGE),
}
"""Marker and colour at the end of a span that did not end well."""


@dataclass(frozen=True)
class Span:
    """A span with its lane and its row in that lane; times in microseconds, `end` None while open."""

    id: str
    kind: str
    name: str
    neuron: str
    lane: int
    row: int
    start: int
    service: int
    end: int | None
    status: str
    guessed: bool


def waterfall(spans: Any, *, critical: Any = None, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the picture of spans over time, one lane per neuron in the order of first appearance.

    `spans` has columns `span_id, kind, name, neuron, start, end` and, if known, `service_start, status,
    guessed`; times are UTC timestamps. Spans of a lane that overlap are drawn below each other. The part
    before `service_start` is lighter (queued); a span without `end` is open to the right; one that failed
    ends in a cross, one that was denied in a diamond, one that was stopped in a square. `critical` is a table
    `span_id, start, end`, drawn as a heavy line on the innermost of its spans at each moment; rows that are
    no span here are left out. Spans without `start` are left out and counted in the title. Raises
    ArgumentError where a column is missing.
    """
    columns = taken(
        spans,
        "waterfall",
        ["span_id", "kind", "neuron", "start", "end"],
        ["name", "service_start", "status", "guessed"],
    )
    numbers = [i for i, start in enumerate(columns["start"]) if start is not None]
    missing = len(columns["start"]) - len(numbers)
    if not numbers:
        reason = "No spans to draw." if not missing else f"{counted(missing, 'span')} without a time: nothing to place."
        return empty("waterfall", title or "Spans", reason, width)
    numbers.sort(key=lambda i: (columns["start"][i], i))
    placed, names, rows = _placed(columns, numbers)
    left_out = f", {missing:,} without a time left out" if missing else ""
    title = title or f"{counted(len(placed), 'span')} of {counted(len(names), 'neuron')}{left_out}"
    first = min(span.start for span in placed)
    last = max(max(span.end or span.start, span.start) for span in placed)
    unit = unit_of(max(last - first, 2001))
    path = _path(critical, {span.id for span in placed})
    keys = _keys(placed, path)
    head = 0.42 + legend_height(keys, width)
    row = min(ROW, (TALLEST - head - FOOT - 1 - len(names) * LANE_GAP) / sum(rows))
    tall = sum(rows) * row + len(names) * LANE_GAP
    labels = short_names(names, 26)
    left = max(text_width(label, TEXT) for label in labels.values()) + MARGIN + 0.15
    picture = figure("waterfall", width, tall + head + FOOT)
    axes = panel(picture, left, FOOT, MARGIN + 0.1, head)
    reach = (last - first) / unit.us or 1.0
    axes.set(xlim=(-0.01 * reach, 1.03 * reach), ylim=(tall, 0), yticks=[])
    tops = [sum(rows[:i]) * row + i * LANE_GAP for i in range(len(rows))]
    for number, name in enumerate(names):
        _draw_lane(axes, number, labels[name], tops[number], rows[number] * row + LANE_GAP)
    per_inch = 1.04 * reach / (width - left - MARGIN - 0.1)
    levels = {}
    for span in placed:
        levels[span.id] = tops[span.lane] + LANE_GAP / 2 + (span.row + 0.5) * row
        _draw_span(axes, span, levels[span.id], first, unit, 1.03 * reach, BAR * row / ROW)
    _write_names(axes, placed, levels, first, unit, per_inch, 1.03 * reach)
    _draw_path(axes, path, levels, first, unit, BAR * row / ROW)
    grid(axes, "x")
    named(axes, x=f"{unit.name} since {stamp(first)}")
    titled(picture, title)
    legend(picture, keys, 0.38)
    return picture


def _placed(columns: dict[str, list[Any]], numbers: Sequence[int]) -> tuple[list[Span], list[str | None], list[int]]:
    """Return the spans in order of start, the neurons, and how many rows each lane needs."""
    lanes: dict[str | None, int] = {}
    free: list[list[float]] = []  # for each lane and row, when it is free again
    placed = []
    for i in numbers:
        lane = lanes.setdefault(columns["neuron"][i], len(lanes))
        if lane == len(free):
            free.append([])
        start, end = columns["start"][i], columns["end"][i]
        row = next((r for r, until in enumerate(free[lane]) if until <= start), len(free[lane]))
        if row == len(free[lane]):
            free[lane].append(0.0)
        free[lane][row] = float("inf") if end is None else max(end, start + 1)
        service = columns["service_start"][i]
        placed.append(
            Span(
                str(columns["span_id"][i]),
                str(columns["kind"][i] or "unknown"),
                str(columns["name"][i] or ""),
                str(columns["neuron"][i]),
                lane,
                row,
                start,
                start if service is None else service,
                end,
                str(columns["status"][i] or ""),
                bool(columns["guessed"][i]),
            )
        )
    return placed, list(lanes), [len(rows) for rows in free]


def _path(critical: Any, known: set[str]) -> list[tuple[str, int, int]]:
    if critical is None:
        return []
    columns = taken(critical, "critical", ["span_id", "start", "end"])
    rows = zip(columns["span_id"], columns["start"], columns["end"], strict=True)
    return [
        (str(id), start, start if end is None else end)
        for id, start, end in rows
        if str(id) in known and start is not None
    ]


def _draw_lane(axes: Axes, number: int, label: str, top: float, height: float) -> None:
    if number % 2 == 0:
        axes.axhspan(top, top + height, color="#F6F6F6", linewidth=0, zorder=0, gid="lane")
    axes.text(
        -0.008,
        top + height / 2,
        label,
        transform=axes.get_yaxis_transform(),
        gid="lane-name",
        fontsize=TEXT,
        fontfamily=FONT,
        color=palette.INK,
        parse_math=False,
        ha="right",
        va="center",
        clip_on=False,
    )


def _draw_span(axes: Axes, span: Span, y: float, first: int, unit: Unit, edge: float, bar: float) -> None:
    look = palette.look_of(palette.KINDS, span.kind)
    start = (span.start - first) / unit.us
    end = edge if span.end is None else max((span.end - first) / unit.us, start)
    service = min(max((span.service - first) / unit.us, start), end)
    top, is_open = y - bar / 2, span.end is None
    tag = "open" if is_open else "span"
    failed = span.status in ENDINGS
    outline: dict[str, Any] = {
        "edgecolor": ENDINGS[span.status][1] if failed else look.colour,
        "linewidth": 1.2 if failed else 0.9,
        "linestyle": dashes((2.0, 1.5), 0.9) if span.guessed else "solid",
    }
    axes.add_artist(
        Rectangle(
            (start, top),
            end - start,
            bar,
            facecolor=palette.tint(look.colour, SERVICE),
            hatch=look.hatch,
            hatchcolor=palette.tint(look.colour, 0.8),
            gid=f"{tag}:{span.id}",
            zorder=2,
            **outline,
        )
    )
    if service > start:
        queue = palette.tint(look.colour, QUEUE)
        axes.add_artist(
            Rectangle(
                (start, top),
                service - start,
                bar,
                facecolor=queue,
                gid=f"queue:{span.id}",
                zorder=3,
                **outline,
            )
        )
    if is_open:
        axes.plot([edge], [y], marker=">", color=look.colour, markersize=5, gid="open-end", zorder=4, clip_on=False)
    elif failed:
        marker, colour = ENDINGS[span.status]
        axes.plot(
            [end],
            [y],
            marker=marker,
            color=colour,
            markersize=6.5,
            markeredgecolor=palette.PAPER,
            markeredgewidth=0.6,
            gid=f"{span.status}:{span.id}",
            zorder=5,
            clip_on=False,
        )


def _write_names(
    axes: Axes,
    spans: Sequence[Span],
    levels: dict[str, float],
    first: int,
    unit: Unit,
    per_inch: float,
    edge: float,
) -> None:
    """Write each span's name in its bar, or right of it where there is room before the next bar."""
    following: dict[tuple[int, int], float] = {}
    for span in reversed(spans):
        start = (span.start - first) / unit.us
        end = edge if span.end is None else (span.end - first) / unit.us
        after = following.get((span.lane, span.row), edge)
        following[span.lane, span.row] = start
        # A task is named after its neuron, which the lane says already.
        text = "" if span.name == span.neuron else short(span.name or span.kind, 24)
        if not text:
            continue
        wide = (text_width(text, SMALL - 1) + 0.1) * per_inch
        if wide <= end - start:
            write(
                axes,
                (start + end) / 2,
                levels[span.id],
                text,
                f"name:{span.id}",
                size=SMALL - 1,
                ha="center",
                zorder=4,
                bbox={"facecolor": palette.PAPER, "edgecolor": "none", "pad": 0.3, "alpha": 0.75},
            )
        elif end + wide + 0.06 * per_inch <= after:
            write(
                axes,
                end + 0.09 * per_inch,
                levels[span.id],
                text,
                f"name:{span.id}",
                size=SMALL - 1,
                zorder=4,
                color=palette.MUTED,
            )


def _draw_path(
    axes: Axes,
    path: Sequence[tuple[str, int, int]],
    levels: dict[str, float],
    first: int,
    unit: Unit,
    bar: float,
) -> None:
    before = None
    for id, start, end in _innermost(path):
        y = levels[id] + bar / 2
        x0, x1 = (start - first) / unit.us, (end - first) / unit.us
        if before is not None:
            axes.plot(
                [before[0], x0],
                [before[1], y],
                color=palette.INK,
                linewidth=0.8,
                gid="path-link",
                linestyle=dashes((2.0, 1.5), 0.8),
                zorder=4,
            )
        axes.plot(
            [x0, x1],
            [y, y],
            color=palette.INK,
            linewidth=2.8,
            gid=f"critical:{id}",
            zorder=4,
            solid_capstyle="butt" if x1 > x0 else "projecting",
        )
        before = x1, y


def _innermost(path: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Return the path as stretches in order of time, each on the step that started last of those it is in.

    A step that spans others on the path so keeps only the time that is its own.
    """
    steps = sorted(path, key=lambda step: step[1])
    stretches: list[tuple[str, int, int]] = [step for step in steps if step[1] >= step[2]]
    running: list[tuple[int, int, str]] = []  # latest start first: (-number, end, id)
    times = sorted({time for _, start, end in steps for time in (start, end)})
    number = 0
    for time, until in pairwise(times):
        while number < len(steps) and steps[number][1] <= time:
            heappush(running, (-number, steps[number][2], steps[number][0]))
            number += 1
        while running and running[0][1] <= time:
            heappop(running)
        if running:
            stretches.append((running[0][2], time, until))
    merged: list[tuple[str, int, int]] = []
    for id, start, end in sorted(stretches, key=lambda stretch: stretch[1:]):
        if merged and merged[-1][0] == id and merged[-1][2] == start:
            merged[-1] = id, merged[-1][1], end
        else:
            merged.append((id, start, end))
    return merged


def _keys(spans: Sequence[Span], path: Sequence[Any]) -> list[Key]:
    kinds = {span.kind if span.kind in palette.KINDS else "unknown" for span in spans}
    keys = []
    for kind, look in palette.KINDS.items():
        if kind in kinds:
            keys.append(
                swatch(
                    palette.tint(look.colour, SERVICE),
                    look.hatch,
                    kind,
                    edgecolor=look.colour,
                    hatchcolor=palette.tint(look.colour, 0.8),
                    linewidth=0.9,
                )
            )
    if any(span.service > span.start for span in spans):
        keys.append(
            swatch(
                palette.tint(palette.BLUE, QUEUE),
                "",
                "queued (lighter)",
                edgecolor=palette.BLUE,
                linewidth=0.9,
            )
        )
    for status, (marker, colour) in ENDINGS.items():
        if any(span.status == status and span.end is not None for span in spans):
            keys.append(dot(colour, marker, status))
    if any(span.end is None for span in spans):
        keys.append(dot(palette.MUTED, ">", "open: no end seen"))
    if any(span.guessed for span in spans):
        keys.append(stroke(palette.MUTED, (2.0, 1.5), "paired by a guess"))
    if path:
        keys.append(stroke(palette.INK, (), "critical path", width=2.8))
    return keys

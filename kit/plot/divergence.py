"""Where a task that was done again parts from the capture: both ways side by side, step by step."""

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch, Rectangle

from kit import palette
from kit.plot.style import (
    MARGIN,
    SMALL,
    TEXT,
    TINY,
    WIDTH,
    Picture,
    empty,
    figure,
    fit,
    legend,
    legend_height,
    panel,
    short_id,
    stroke,
    swatch,
    taken,
    text_width,
    titled,
    write,
)

ROW = 0.52
BOX = 0.4
HEAD = 0.3
NOTE = 0.34
LINE = 0.19
STATES = {
    "agrees": (palette.GREEN, "", "agrees"),
    "parts": (palette.RED, "xx", "parts"),
    "after": (palette.GREY, "//", "after that"),
    "open": (palette.SKY, "..", "beyond the capture"),
}
"""Colour, hatch and name of each state of a step."""


def divergence(steps: Any, *, title: str | None = None, width: float = WIDTH) -> Picture:
    """Return the steps of a task as captured, left, and as replayed, right; a row for each, in order.

    `steps` has the columns place, state (agrees, parts, after, open), recorded, recorded_says, replayed, replayed_says, reason,
    and task_id and neuron, as `Replay.steps()` gives them. Rows that agree are joined; where they part the row is marked and
    the reason stands below. Several tasks are drawn one below the other. Raises ArgumentError where a column is missing.
    """
    wanted = ["task_id", "neuron", "place", "state", "recorded", "recorded_says", "replayed", "replayed_says", "reason"]
    columns = taken(steps, "divergence", wanted)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if not rows:
        return empty("divergence", title or "Recorded and replayed", "No steps to draw.", width)
    seen = [state for state in STATES if any(row["state"] == state for row in rows)]
    keys = [
        stroke(palette.GREEN, (), STATES[state][2], width=2.0)
        if state == "agrees"
        else swatch(
            palette.tint(STATES[state][0], 0.25), STATES[state][1], STATES[state][2], hatchcolor=STATES[state][0]
        )
        for state in seen
    ]
    tasks = list(dict.fromkeys(row["task_id"] for row in rows))
    told = {n: _lines(str(row["reason"]), width - 2 * MARGIN - 0.34) for n, row in enumerate(rows) if row["reason"]}
    tall = len(rows) * ROW + len(tasks) * HEAD + sum(NOTE + LINE * (len(lines) - 1) for lines in told.values())
    head = 0.42 + legend_height(keys, width) + 0.28
    picture = figure("divergence", width, tall + head + MARGIN)
    axes = panel(picture, MARGIN, MARGIN, MARGIN, head, framed=False)
    inner = width - 2 * MARGIN
    axes.set(xlim=(0, inner), ylim=(-tall, 0))
    titled(picture, title or _title(rows))
    legend(picture, keys, 0.38)
    half = (inner - 0.34 - 0.5) / 2
    left, right = 0.34, 0.34 + half + 0.5
    for at, name in ((left, "recorded"), (right, "replayed")):
        write(axes, at, 0.1, name, f"head:{name}", size=SMALL, color=palette.MUTED)
    y = 0.0
    for task in tasks:
        own = [(n, row) for n, row in enumerate(rows) if row["task_id"] == task]
        write(
            axes,
            0,
            y - HEAD / 2,
            f"{own[0][1]['neuron']}, task {short_id(task)}",
            "task",
            size=SMALL,
            color=palette.MUTED,
        )
        y -= HEAD
        for n, row in own:
            y = _draw_row(axes, row, told.get(n, []), y, left, right, half, inner)
    return picture


def _title(rows: list[dict[str, Any]]) -> str:
    parted = next((row for row in rows if row["state"] == "parts"), None)
    if parted is None:
        return f"{rows[0]['neuron']}: recorded and replayed agree"
    return f"{parted['neuron']} parts from the recording at step {parted['place']}"


def _lines(text: str, inches: float) -> list[str]:
    """Return a text in at most two lines of a width."""
    words = text.split(" ")
    first: list[str] = []
    while words and text_width(" ".join([*first, words[0]]), TEXT) <= inches:
        first.append(words.pop(0))
    rest = fit(" ".join(words), inches, TEXT)
    return [" ".join(first), rest] if first and rest else [" ".join(first) or rest]


def _draw_row(
    axes: Axes, row: dict[str, Any], told: list[str], y: float, left: float, right: float, half: float, inner: float
) -> float:
    middle = y - ROW / 2
    colour = STATES.get(row["state"], STATES["after"])[0]
    if row["state"] == "parts":
        axes.add_patch(
            Rectangle((0, y - ROW), inner, ROW, facecolor=palette.tint(palette.RED, 0.08), linewidth=0, zorder=0)
        )
    write(axes, 0.14, middle, str(row["place"]), "place", size=SMALL, color=palette.MUTED, ha="center")
    for side, at in (("recorded", left), ("replayed", right)):
        _draw_box(axes, row, side, at, middle, half, colour)
    if row["state"] == "agrees":
        axes.plot(
            [left + half, right], [middle, middle], color=colour, linewidth=2.0, gid=f"same:{row['place']}", zorder=1
        )
    elif row["state"] == "parts":
        axes.plot(
            [left + half + 0.25], [middle], marker="x", markersize=9, color=colour, markeredgewidth=2.2, gid="parts"
        )
    y -= ROW
    for number, line in enumerate(told):
        write(axes, left, y - NOTE / 2 - number * LINE, line, "reason", size=TEXT, color=palette.RED)
    return y - (NOTE + LINE * (len(told) - 1) if told else 0)


def _draw_box(axes: Axes, row: dict[str, Any], side: str, at: float, middle: float, half: float, colour: str) -> None:
    name, says = row[side], row[f"{side}_says"]
    absent = name is None
    hatch = "" if row["state"] == "agrees" or absent else STATES.get(row["state"], STATES["after"])[1]
    axes.add_patch(
        FancyBboxPatch(
            (at, middle - BOX / 2),
            half,
            BOX,
            boxstyle="round,pad=0,rounding_size=0.05",
            facecolor=palette.PAPER if absent else palette.tint(colour, 0.12),
            edgecolor=palette.FAINT if absent else colour,
            linewidth=0.8 if absent or row["state"] == "agrees" else 1.4,
            linestyle=(0, (3, 2)) if absent else "solid",
            gid=f"{side}:{row['place']}",
            zorder=2,
        )
    )
    if hatch:
        # A narrow band carries the second channel, so that the text stays on plain ground.
        axes.add_patch(
            Rectangle(
                (at + half - 0.16, middle - BOX / 2 + 0.02),
                0.13,
                BOX - 0.04,
                facecolor=palette.PAPER,
                hatch=hatch,
                edgecolor=colour,
                linewidth=0,
                zorder=3,
            )
        )
    room = half - 0.3
    if absent:
        write(
            axes,
            at + 0.1,
            middle,
            "nothing",
            f"absent:{side}:{row['place']}",
            size=SMALL,
            color=palette.MUTED,
            zorder=4,
        )
        return
    write(
        axes, at + 0.1, middle + 0.085, fit(str(name), room, SMALL), f"{side}:{row['place']}:name", size=SMALL, zorder=4
    )
    write(
        axes, at + 0.1, middle - 0.09, fit(str(says), room, TINY), f"{side}:{row['place']}:says", size=TINY,
        color=palette.MUTED, zorder=4,
    )  # fmt: skip

"""What differs between two runs, and between two traces, each in one picture."""

from typing import Any

from kit import palette
from kit.plot.style import (
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
    short,
    stroke,
    taken,
    text_width,
    titled,
    write,
)

LANE = 0.26
MOST = 14
PARTS = {
    "structure": palette.SERIES[0],
    "time": palette.SERIES[1],
    "outcome": palette.SERIES[2],
    "cost": palette.SERIES[3],
    "conformance": palette.SERIES[4],
    "load": palette.SERIES[5],
}
CHANGES = {
    "slower": palette.ORANGE,
    "faster": palette.BLUE,
    "added": palette.GREEN,
    "removed": palette.RED,
    "same": palette.MUTED,
}
MARKS = {"slower": ">", "faster": "<", "added": "P", "removed": "X", "same": "o"}
SHARES = ("share", "share of variant")


def differences(table: Any, *, title: str | None = None, most: int = MOST, width: float = WIDTH) -> Picture:
    """Return the clearest differences of `Comparison.table()`: how far from none, in standard errors, with its interval.

    Filled marks differ beyond chance, hollow ones do not; at the right stands what each was and is. One mark of the same
    number for each thing: of p50 and p90 the clearer.
    """
    wanted = ["part", "measure", "key", "a", "b", "delta", "low", "high", "differs", "errors"]
    columns = taken(table, "differences", wanted)
    rows = [dict(zip(wanted, values, strict=True)) for values in zip(*(columns[name] for name in wanted), strict=True)]
    shown = _leading(rows, most)
    found = sum(bool(row["differs"]) for row in rows)
    title = title or (
        f"{counted(found, 'measure')} of {len(rows)} differ" if found else f"No difference in {len(rows)} measures"
    )
    if not shown:
        return empty("differences", title, "Nothing to compare.", width)
    labels = [short(f"{row['key']}, {row['measure']}".replace("_ms", ""), 44) for row in shown]
    values = [f"{_value(row, 'a')} to {_value(row, 'b')}" for row in shown]
    left = max(text_width(label, TEXT) for label in labels) + MARGIN + 0.15
    right = max(text_width(value, TEXT) for value in values) + MARGIN + 0.15
    parts = [name for name in PARTS if any(row["part"] == name for row in shown)]
    keys = [dot(PARTS[name].colour, PARTS[name].marker, name) for name in parts]
    head = 0.42 + legend_height(keys, width)
    picture = figure("differences", width, min(head + len(shown) * LANE + 0.6, TALLEST))
    axes = panel(picture, left, 0.5, right, head)
    reach = 3.0
    for lane, (row, label, value) in enumerate(zip(shown, labels, values, strict=True)):
        look = PARTS.get(row["part"], palette.SERIES[-1])
        scale = abs(row["errors"] / row["delta"]) if row["delta"] else 0.0
        at, low, high = (row[name] * scale for name in ("delta", "low", "high"))
        reach = max(reach, abs(at), min(abs(low), 40.0), min(abs(high), 40.0))
        axes.plot([low, high], [lane, lane], color=look.colour, linewidth=1.6, gid=f"interval:{label}", zorder=2)
        axes.plot(
            [at], [lane], marker=look.marker, markersize=6, linestyle="none", color=look.colour, zorder=3,
            markerfacecolor=look.colour if row["differs"] else palette.PAPER, gid=f"mark:{label}",
        )  # fmt: skip
        write(axes, -0.01, lane, label, "lane-name", ha="right", transform=axes.get_yaxis_transform())
        write(axes, 1.01, lane, value, "value", ha="left", transform=axes.get_yaxis_transform())
    axes.axvline(0, color=palette.MUTED, linewidth=0.8, zorder=1)
    axes.set(ylim=(len(shown) - 0.5, -0.5), yticks=[], xlim=(-1.08 * reach, 1.08 * reach))
    grid(axes, "x")
    named(axes, x="less in b   |   difference in standard errors   |   more in b")
    titled(picture, title)
    legend(picture, keys, 0.38)
    return picture


def _leading(rows: list[dict[str, Any]], most: int) -> list[dict[str, Any]]:
    """Return the clearest row of each thing; what mirrors another is left out."""
    shown: dict[tuple[str, str], dict[str, Any]] = {}
    seen: set[tuple[float, float]] = set()
    for row in sorted(
        rows, key=lambda row: (not row["differs"], -round(row["errors"], 2), -list(PARTS).index(row["part"]) % 3)
    ):
        mirror = round(abs(row["delta"]), 6), round(row["errors"], 4)
        if row["errors"] > 0 and mirror not in seen:
            shown.setdefault((row["part"], row["key"]), row)
        seen.add(mirror)
    return list(shown.values())[:most]


def _value(row: dict[str, Any], side: str) -> str:
    value = row[side]
    if row["measure"] in SHARES:
        return f"{value:.1%}"
    unit = " ms" if row["measure"].endswith("_ms") and side == "b" else ""
    return (f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}") + unit


def trace_difference(table: Any, *, title: str | None = None, most: int = 40, width: float = WIDTH) -> Picture:
    """Return the causal positions of two traces (`kit.compare(a, b).table()`) as a tree, with the time since the cause in both.

    Positions that only one trace has are marked; beyond `most` positions those that are the same are left out first.
    """
    wanted = ["change", "depth", "type", "neuron", "wait_a_ms", "wait_b_ms", "delta_ms"]
    columns = taken(table, "trace difference", wanted)
    rows = [dict(zip(wanted, values, strict=True)) for values in zip(*(columns[name] for name in wanted), strict=True)]
    if not rows:
        return empty("trace_difference", title or "Difference of two traces", "Nothing in either trace.", width)
    total = len(rows)
    if total > most:
        changed = [row for row in rows if row["change"] != "same"]
        rows = changed[:most]
    labels = [f"{'   ' * (row['depth'] - 1)}{row['type']} {row['neuron'] or ''}".rstrip() for row in rows]
    labels = [short(clean(label), 52) if label.strip() == label else "   " * (row["depth"] - 1) + short(clean(label.strip()), 44)
              for label, row in zip(labels, rows, strict=True)]  # fmt: skip
    left = min(max(text_width(label, TEXT) for label in labels) + MARGIN + 0.3, width * 0.5)
    there = [word for word in CHANGES if any(row["change"] == word for row in rows)]
    keys: list[Key] = [dot(CHANGES[word], MARKS[word], word) for word in there]
    keys.append(stroke(palette.MUTED, (), "from the time in a to the time in b"))
    head = 0.42 + legend_height(keys, width)
    picture = figure("trace_difference", width, min(head + len(rows) * LANE + 0.6, TALLEST))
    axes = panel(picture, left, 0.5, MARGIN + 0.15, head)
    longest = max((value or 0.0 for row in rows for value in (row["wait_a_ms"], row["wait_b_ms"])), default=1.0) or 1.0
    for lane, (row, label) in enumerate(zip(rows, labels, strict=True)):
        colour, marker = CHANGES[row["change"]], MARKS[row["change"]]
        a, b = row["wait_a_ms"], row["wait_b_ms"]
        if a is not None and b is not None:
            axes.plot(
                [a, b],
                [lane, lane],
                color=colour,
                linewidth=2.4 if row["change"] != "same" else 1.0,
                gid="shift",
                zorder=2,
            )
        at = b if b is not None else a
        axes.plot(
            [at if at is not None else 0.0], [lane], marker=marker, markersize=6, linestyle="none", color=colour, gid=f"mark:{lane}",
            zorder=3, clip_on=False,
        )  # fmt: skip
        text = axes.text(
            0, lane, label, gid="lane-name", fontsize=TEXT, fontfamily="DejaVu Sans", va="center", parse_math=False,
            color=palette.INK if row["change"] in ("same", "slower", "faster") else colour,
        )  # fmt: skip
        text.set_transform(axes.get_yaxis_transform())
        text.set_x(-left / (width - left - MARGIN - 0.15) + 0.02)
        if row["change"] in ("slower", "faster") and row["delta_ms"] is not None:
            write(
                axes,
                max(a, b) + 0.015 * longest,
                lane,
                f"{row['delta_ms']:+,.3g} ms",
                "delta",
                size=SMALL,
                color=colour,
                ha="left",
            )
    axes.set(ylim=(len(rows) - 0.5, -0.5), yticks=[], xlim=(-0.01 * longest, 1.12 * longest))
    grid(axes, "x")
    named(axes, x="time since the cause (ms)")
    count = {word: sum(value == word for value in columns["change"]) for word in CHANGES}
    told = ", ".join(f"{number} {word}" for word, number in count.items() if number)
    titled(picture, title or f"{told}" + (f"; {len(rows)} of {total} shown" if len(rows) < total else ""))
    legend(picture, keys, 0.38)
    return picture

"""What all pictures share: size, type, short labels, legends, the empty picture, columns of any table.

Text comes from captures, so it is drawn literally: no mathtext, one line, and only glyphs the font has.
"""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from io import BytesIO
from typing import Any, NamedTuple

import pyarrow as pa
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from matplotlib.ticker import FuncFormatter

from kit.errors import ArgumentError
from kit.palette import FAINT, INK, MUTED, PAPER

WIDTH = 9.0
LONG_S = 100_000
"""Width of a notebook's output column, in inches."""
FONT = "DejaVu Sans"
"""Comes with matplotlib, so a picture looks the same everywhere."""
TITLE, TEXT, SMALL, TINY = 10.0, 8.0, 7.0, 6.0
"""Font sizes in points."""
MARGIN = 0.15
"""Space around a picture, in inches."""
LEGEND_ROW = 0.2
TALLEST = 60.0
"""Height in inches that no picture exceeds: Agg refuses 65,536 pixels, and nobody scrolls that far."""


class Picture(Figure):
    """A matplotlib Figure that a notebook shows without pyplot."""

    def _repr_png_(self) -> bytes:
        buffer = BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def figure(kind: str, width: float, height: float) -> Picture:
    """Return an empty figure of `width` x `height` inches that `drawn` will know as `kind`."""
    picture = Picture(figsize=(width, min(height, TALLEST)), dpi=100, facecolor=PAPER)
    picture.set_gid(f"kit:{kind}")
    return picture


def panel(picture: Picture, left: float, bottom: float, right: float, top: float, *, framed: bool = True) -> Axes:
    """Return axes with the given margins, in inches, from the edges of the picture."""
    width, height = picture.get_size_inches()
    axes = picture.add_axes(
        (left / width, bottom / height, (width - left - right) / width, (height - bottom - top) / height)
    )
    axes.set_facecolor(PAPER)
    if not framed:
        axes.set_axis_off()
        return axes
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(MUTED)
    axes.tick_params(labelsize=SMALL, colors=MUTED, labelcolor=INK, labelfontfamily=FONT)
    axes.set_axisbelow(True)
    return axes


def grid(axes: Axes, axis: str) -> None:
    """Draw faint lines across `axis` ("x" or "y")."""
    getattr(axes, f"{axis}axis").grid(True, color=FAINT, linewidth=0.6)


def named(axes: Axes, *, x: str = "", y: str = "") -> None:
    """Write the names of the axes, units included."""
    axes.set_xlabel(x, fontsize=TEXT, color=INK, fontfamily=FONT, parse_math=False)
    axes.set_ylabel(y, fontsize=TEXT, color=INK, fontfamily=FONT, parse_math=False)


def in_full(axes: Axes, reach: float) -> None:
    """Write the seconds of a long axis in full: matplotlib would take a power of ten out of them, into a corner."""
    if reach >= LONG_S:
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def titled(picture: Picture, title: str) -> None:
    """Write a title at the top left of the picture."""
    width, height = picture.get_size_inches()
    picture.text(
        MARGIN / width,
        1 - 0.1 / height,
        fit(clean(title), width - 2 * MARGIN, TITLE),
        gid="title",
        fontsize=TITLE,
        fontfamily=FONT,
        color=INK,
        parse_math=False,
        va="top",
        ha="left",
    )


def write(axes: Axes, x: float, y: float, text: str, gid: str, *, size: float = TEXT, **options: Any) -> Text:
    """Write `text` literally at (x, y) in data coordinates."""
    options.setdefault("color", INK)
    options.setdefault("va", "center")
    text = clean(text)
    return axes.text(x, y, text, gid=gid, fontsize=size, fontfamily=FONT, parse_math=False, **options)


class Key(NamedTuple):
    """An entry of a legend."""

    handle: Line2D | Patch
    label: str


def legend_height(keys: Sequence[Key], width: float) -> float:
    """Return the inches that `legend` will take."""
    return -(-len(keys) // _legend_columns(keys, width)) * LEGEND_ROW + 0.05 if keys else 0.0


def legend(picture: Picture, keys: Sequence[Key], top: float) -> None:
    """Draw a legend in columns across the picture, `top` inches below its upper edge."""
    if not keys:
        return
    width, height = picture.get_size_inches()
    # A label that starts with an underscore would be left out, so the texts are set afterwards.
    box = picture.legend(
        [key.handle for key in keys],
        [str(i) for i in range(len(keys))],
        ncols=_legend_columns(keys, width),
        loc="upper left",
        bbox_to_anchor=(MARGIN / width, 1 - top / height),
        frameon=False,
        borderpad=0.0,
        borderaxespad=0.0,
        handlelength=2.2,
        handletextpad=0.5,
        columnspacing=1.2,
        labelspacing=0.35,
        prop=FontProperties(family=FONT, size=SMALL),
        labelcolor=INK,
    )
    for text, key in zip(box.get_texts(), keys, strict=True):
        text.set_parse_math(False)
        text.set_text(clean(key.label))
        text.set_gid("key")


def _legend_columns(keys: Sequence[Key], width: float) -> int:
    widest = max(text_width(clean(key.label), SMALL) for key in keys)
    return max(1, min(len(keys), int((width - 2 * MARGIN + 0.1) / (widest + 0.42))))


def swatch(colour: str, hatch: str = "", label: str = "", **options: Any) -> Key:
    """Return a legend entry for an area."""
    options.setdefault("edgecolor", PAPER if hatch else colour)
    return Key(Patch(facecolor=colour, hatch=hatch, linewidth=options.pop("linewidth", 0.0), **options), label)


def stroke(colour: str, dash: Sequence[float] = (), label: str = "", width: float = 1.2, **options: Any) -> Key:
    """Return a legend entry for a line; dashes are in points."""
    return Key(Line2D([], [], color=colour, linewidth=width, linestyle=dashes(dash, width), **options), label)


def dot(colour: str, marker: str, label: str = "", **options: Any) -> Key:
    """Return a legend entry for a marker."""
    options.setdefault("markersize", 5.5)
    return Key(Line2D([], [], color=colour, marker=marker, linestyle="none", **options), label)


def dashes(pattern: Sequence[float], width: float = 1.0) -> Any:
    """Return a matplotlib line style; `pattern` is in points, whatever the line's width."""
    return (0, tuple(length / width for length in pattern)) if pattern else "solid"


def empty(kind: str, title: str, reason: str, width: float = WIDTH) -> Picture:
    """Return a picture that says why there is nothing to see."""
    picture = figure(kind, width, 1.4)
    axes = panel(picture, MARGIN, MARGIN, MARGIN, 0.35, framed=False)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    titled(picture, title)
    write(axes, 0.5, 0.5, reason, "empty", size=TEXT, color=MUTED, ha="center")
    return picture


def clean(text: str) -> str:
    """Return `text` on one line, with what the font cannot show written as an escape.

    >>> clean("a\\nb")
    'a\\\\nb'
    """
    if text.isascii() and text.isprintable():
        return text
    glyphs = _glyphs()
    return "".join(c if c.isprintable() and ord(c) in glyphs else ascii(c)[1:-1] for c in text)


def short_id(text: str | None) -> str:
    """Return the prefix and the last characters of a long id: ULIDs made together differ at their end.

    >>> short_id("evt_01M6DQSM9ARF9FYDE1E23ZK3AB")
    'evt_…K3AB'
    """
    if text is None:
        return "-"
    text = clean(text)
    if len(text) <= 12:
        return text
    head, underscore, _ = text.partition("_")
    return (head + underscore if underscore and len(head) <= 4 else "") + "…" + text[-4:]


def short_actor(name: str) -> str:
    """Return a DID without its scheme and method; any other name as it is.

    >>> short_actor("did:sync:user:bo"), short_actor("coder")
    ('user:bo', 'coder')
    """
    scheme, _, rest = name.partition(":")
    own = rest.partition(":")[2]
    return own if scheme == "did" and own else name


def short_kind(kind: str) -> str:
    """Return the last segment of a kind, the one before its version included.

    >>> short_kind("lab.study.verdict"), short_kind("lab.tool.call.v2")
    ('verdict', 'call.v2')
    """
    segments = kind.split(".")
    version = segments[-1].startswith("v") and segments[-1][1:].isdigit() and len(segments) > 1
    return ".".join(segments[-2:] if version else segments[-1:])


def counted(count: int, noun: str) -> str:
    """Return the count with its noun, in the plural where it should be.

    >>> counted(1, "signal"), counted(2000, "signal")
    ('1 signal', '2,000 signals')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def short(text: str, length: int) -> str:
    """Return `text` in at most `length` characters, its middle left out."""
    text = clean(text)
    if len(text) <= length:
        return text
    tail = max(1, (length - 1) // 3)
    return text[: length - 1 - tail] + "…" + text[-tail:]


def short_names(names: Iterable[str | None], length: int) -> dict[str | None, str]:
    """Return a short label for each name, no two alike; a missing name is `-`."""
    labels: dict[str | None, str] = {}
    taken: set[str] = set()
    for name in names:
        if name in labels:
            continue
        label, count = "-" if name is None else short(name, length), 1
        while label in taken:
            count += 1
            ending = f"~{count}"
            label = short(name or "-", length - len(ending)) + ending
        taken.add(label)
        labels[name] = label
    return labels


def fit(text: str, inches: float, size: float) -> str:
    """Return `text`, its middle left out where it is wider than `inches` at `size` points; may be empty."""
    if text_width(text, size) <= inches:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if text_width(short(text, middle), size) <= inches else (low, middle - 1)
    return short(text, low) if low > 2 else ""


@lru_cache(maxsize=4096)
def text_width(text: str, size: float) -> float:
    """Return the width of one line of `text` in inches."""
    font = get_font(findfont(FontProperties(family=FONT)))
    font.set_size(100.0, 72.0)
    font.set_text(text, 0.0)
    return float(font.get_width_height()[0]) / 64 / 100 * size / 72


@lru_cache(maxsize=1)
def _glyphs() -> frozenset[int]:
    return frozenset(get_font(findfont(FontProperties(family=FONT))).get_charmap())


class Unit(NamedTuple):
    """A unit of time and its length in microseconds."""

    name: str
    us: float


UNITS = (
    Unit("µs", 1.0),
    Unit("ms", 1e3),
    Unit("s", 1e6),
    Unit("min", 6e7),
    Unit("h", 3.6e9),
    Unit("d", 8.64e10),
)


def unit_of(span_us: float) -> Unit:
    """Return the unit in which a span reads best: up to a few thousand ms, then a few hundred s, min, h."""
    limits = (2e3, 5e6, 5e8, 3e10, 1e12)
    return UNITS[sum(span_us > limit for limit in limits)]


def stamp(us: int) -> str:
    """Return microseconds since the epoch as a UTC time; out of range, as a number."""
    try:
        return f"{datetime.fromtimestamp(us // 1_000_000, UTC):%Y-%m-%d %H:%M:%S}.{us // 1000 % 1000:03d} UTC"
    except (ValueError, OverflowError, OSError):
        return f"{us} µs after the epoch"


def taken(
    table: Any, what: str, required: Sequence[str | tuple[str, ...]], optional: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """Return the named columns of a table as lists; an optional column that is missing is all None.

    `table` is a pyarrow Table or anything with `__arrow_c_stream__` (kit.Table, pandas, polars, DuckDB). A
    tuple of required names means any of them, and is found under the first. Times become integers,
    microseconds since the epoch. Raises ArgumentError where a required column is missing.
    """
    choices = [(name,) if isinstance(name, str) else name for name in required]
    wanted = ", ".join(" or ".join(names) for names in choices)
    if not isinstance(table, pa.Table):
        if not hasattr(table, "__arrow_c_stream__"):
            raise ArgumentError(f"{what} takes a table with columns {wanted}, not a {type(table).__name__}")
        table = pa.table(table)
    has = table.column_names
    if not all(any(name in has for name in names) for names in choices):
        raise ArgumentError(f"{what} needs the columns {wanted}; the table has {', '.join(has) or 'none'}")
    columns = {names[0]: _values(table[next(n for n in names if n in has)]) for names in choices}
    for name in optional:
        columns[name] = _values(table[name]) if name in has else [None] * table.num_rows
    return columns


def _values(column: pa.ChunkedArray) -> list[Any]:
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp("us", tz=column.type.tz), safe=False).cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values

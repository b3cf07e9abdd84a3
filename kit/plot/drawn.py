"""What a picture shows, read back from its artists, so that a notebook can assert on it.

Nothing here comes from the data that was passed in: positions, widths and texts are those of the artists, and
an edge belongs to the nodes at which its line ends. A lane, an edge or a label that is altered is seen.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PatchCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import FancyBboxPatch, PathPatch, Rectangle
from matplotlib.text import Text

from kit.errors import ArgumentError
from kit.plot.style import UNITS

Drawn = dict[str, Any]
THICK_LINE = 2.0
"""Critical edges of a trace DAG are at least this wide, all others are thinner."""
NEAR = 0.12
"""Inches within which the end of a line belongs to a box: twice the port offset of return edges."""


def drawn(figure: Figure) -> Drawn:
    """Return what the figure shows; the keys depend on the kind of picture.

    All: `kind`, `title`, `legend` (texts), `empty` (the explanation, or None).

    - dag: `nodes` {id: [type, note]}, `edges` [(from, to, why)], `critical` [(from, to)], `highlighted` [id];
      as dots: `nodes` {group: count}, `edges` {why: count} of lines that join two dots, `critical` and
      `highlighted` counts.
    - dfg: `nodes` {step: its lines as one text}, `edges` {(from, to): count as written}, `widths` {(from, to): points}.
    - waterfall: `lanes` from the top, `spans` {id: (lane, start_ms, end_ms or None while open)}, `queued`
      {id: ms}, `endings` {id: status} of those that ended badly, `critical` [id] in the order
      in which the path meets them.
    - lanes: `lanes` from the top, `bars` and `points` {kind: count}.
    - latency: `curves` {name: values in ms}, `marks` {name: (p50, p90, p99)}.
    - rates: `counts` {mark: total}, `order` of the stack from below, `buckets` [(start in seconds, total)].
    - registry: `lanes`, `intervals` [(lane, status, from, to or None)], `silences`
      [(lane, from, to)], in seconds.
    - logs: `clocks` {clock: lanes}, `covers` {lane: [(start, end)]} with equal ends for a single entry, `damage`
      {lane: count}, in seconds. log_rates: `rates` {lane: Hz}, `notes` {lane: text}.
    - clock_offsets: `offsets` {number: [stretch]}, each [(second, change in ns)], `steps` {number: [second]}, `sizes` of steps.
    - clock_graph, frame_graph: `nodes`, `edges` {(from, to): label}, `dashed` [(from, to)].
    - trajectory: `way` [(x, y)], `start`, `end`, `headings` in radians, `marks` {label: [(x, y)]}, `notes`.
    - image: `pixels` as an array, `boxes` [(text, left, top, width, height)]; scan: `points` [(x, y)].
    - motion: `lines` {name of the axis: [(second, value)]}, `marks` {label: [second]}, `notes`.
    - divergence: `rows` [(recorded, replayed)] of names, None where there is nothing, `agree` [place], `parts` the count of
      marked rows, `reason`.
    - timeline: `events` {family: bars}, `now` in the unit of the axis or None, `breaks` in it.
    - cost: `lanes`, `tokens_in`, `tokens_out`, `usd` by lane, `histogram` [(lower, upper, count)] in USD.

    Times are measured from the start of the axis. Raises ArgumentError for a figure that the kit did not
    draw.
    """
    kind = str(figure.get_gid() or "").removeprefix("kit:")
    if kind not in READERS:
        raise ArgumentError(f"this figure is not one of the kit's: its gid is {figure.get_gid()!r}")
    texts = [*figure.texts, *(text for axes in figure.axes for text in axes.texts)]
    reason = next((text.get_text() for text in texts if text.get_gid() == "empty"), None)
    keys = [text.get_text() for box in figure.legends for text in box.get_texts()]
    title = next((text.get_text() for text in figure.texts if text.get_gid() == "title"), "")
    return {"kind": kind, "title": title, "legend": keys, "empty": reason, **READERS[kind](figure)}


def _tagged(figure: Figure, tag: str, type_: type[Any]) -> list[tuple[str, Any]]:
    """Return (rest of the gid, artist) of the artists whose gid is `tag` or starts with `tag:`."""
    found = []
    for axes in figure.axes:
        for artist in _artists(axes.get_children()):
            head, _, rest = str(artist.get_gid() or "").partition(":")
            if head == tag and isinstance(artist, type_) and artist.get_visible():
                found.append((rest, artist))
    return found


def _artists(children: Iterable[Artist]) -> list[Artist]:
    return [child for child in children if child.get_gid() is not None]


def _dag(figure: Figure) -> Drawn:
    if _tagged(figure, "dots", PathCollection):
        return _dag_of_dots(figure)
    places = _places(figure)
    edges, critical = [], []
    for why, patch in _tagged(figure, "edge", PathPatch):
        pair = _ends(patch, places)
        edges.append((*pair, why))
        if patch.get_linewidth() >= THICK_LINE:
            critical.append(pair)
    lit = [name for name, _ in [*_tagged(figure, "halo", FancyBboxPatch), *_tagged(figure, "halo", Line2D)]]
    return {
        "nodes": _lines(figure, places),
        "edges": sorted(edges, key=str),
        "critical": sorted(critical, key=str),
        "highlighted": lit,
    }


def _dag_of_dots(figure: Figure) -> Drawn:
    dots = {group: np.asarray(artist.get_offsets()) for group, artist in _tagged(figure, "dots", PathCollection)}
    known = {tuple(point) for points in dots.values() for point in np.round(points, 6).tolist()}
    edges: dict[str, int] = {}
    critical = 0
    for why, lines in _tagged(figure, "edges", LineCollection):
        ends = np.round([segment[[0, -1]] for segment in lines.get_segments()], 6).tolist()
        joined = sum(tuple(a) in known and tuple(b) in known for a, b in ends)
        edges[why] = edges.get(why, 0) + joined
        critical += joined if lines.get_linewidths()[0] >= THICK_LINE else 0
    lit = sum(len(artist.get_offsets()) for _, artist in _tagged(figure, "halos", PathCollection))
    nodes = {group: len(points) for group, points in dots.items()}
    return {"nodes": nodes, "edges": edges, "critical": critical, "highlighted": lit}


def _places(figure: Figure) -> dict[str, tuple[float, float, float, float]]:
    """Return (left, bottom, right, top) of each node."""
    places = {}
    for name, patch in _tagged(figure, "node", FancyBboxPatch):
        x, y = patch.get_x(), patch.get_y()
        places[name] = (x, y, x + patch.get_width(), y + patch.get_height())
    for name, line in _tagged(figure, "node", Line2D):
        [[x, y]] = np.asarray(line.get_xydata(), dtype=np.float64).tolist()
        places[name] = (x, y, x, y)
    return places


def _nearest(x: float, y: float, places: dict[str, tuple[float, float, float, float]]) -> tuple[str | None, float]:
    """Return the node nearest to a point, and how far it is."""
    best, distance = None, float("inf")
    for name, (left, bottom, right, top) in places.items():
        away = max(left - x, 0, x - right) + max(bottom - y, 0, y - top)
        if away < distance:
            best, distance = name, away
    return best, distance


def _ends(patch: PathPatch, places: dict[str, tuple[float, float, float, float]]) -> tuple[str | None, str | None]:
    """Return the nodes at the two ends of a line; None where it ends nowhere."""
    vertices = np.asarray(patch.get_path().vertices, dtype=np.float64).tolist()
    ends = (_nearest(x, y, places) for x, y in (vertices[0], vertices[-1]))
    first, last = (name if distance <= NEAR else None for name, distance in ends)
    return first, last


def _texts_at(figure: Figure, tag: str, places: dict[str, tuple[float, float, float, float]]) -> list[tuple[str, Text]]:
    """Return (node, text) for the texts that stand in or right of a node."""
    found = []
    for _, text in _tagged(figure, tag, Text):
        name, distance = _nearest(float(text.get_position()[0]), float(text.get_position()[1]), places)
        if name is not None and distance <= 2 * NEAR:
            found.append((name, text))
    return found


def _lines(figure: Figure, places: dict[str, tuple[float, float, float, float]]) -> dict[str, list[str]]:
    """Return the lines of text in each node, from the top."""
    lines: dict[str, list[str]] = {name: [] for name in places}
    for tag in ("text", "note"):
        for name, text in _texts_at(figure, tag, places):
            lines[name].append(text.get_text())
    return lines


def _dfg(figure: Figure) -> Drawn:
    places = _places(figure)
    labels = dict(_tagged(figure, "label", Text))
    edges, widths = {}, {}
    for number, patch in _tagged(figure, "edge", PathPatch):
        pair = _ends(patch, places)
        edges[pair] = int(labels[number].get_text().replace(",", "")) if number in labels else None
        widths[pair] = float(patch.get_linewidth())
    nodes = {name: " ".join(lines) for name, lines in _lines(figure, places).items()}
    return {"nodes": nodes, "edges": edges, "widths": widths}


def _unit_us(figure: Figure) -> float:
    """Return the microseconds of one unit of the time axis, from its name."""
    name = figure.axes[0].get_xlabel().partition(" ")[0] if figure.axes else ""
    return next((unit.us for unit in UNITS if unit.name == name), 1.0)


def _lanes(figure: Figure) -> list[tuple[float, str]]:
    """Return (y, text) of the lane labels from the top."""
    labels = [(float(text.get_position()[1]), text.get_text()) for _, text in _tagged(figure, "lane-name", Text)]
    return sorted(labels)


def _lane_at(lanes: list[tuple[float, str]], bands: list[float], y: float) -> str | None:
    """Return the lane whose band, from `bands[i]` to the next, holds `y`."""
    index = int(np.searchsorted(bands, y, side="right")) - 1
    return lanes[index][1] if 0 <= index < len(lanes) else None


def _bands(lanes: list[tuple[float, str]]) -> list[float]:
    """Return the upper edge of each lane: labels stand in the middle of lanes, and the first starts at 0."""
    edges, top = [], 0.0
    for middle, _ in lanes:
        edges.append(top)
        top = 2 * middle - top
    return edges


def _waterfall(figure: Figure) -> Drawn:
    lanes = _lanes(figure)
    bands = _bands(lanes)
    ms = _unit_us(figure) / 1000
    spans: dict[str, tuple[str | None, float, float | None]] = {}
    for tag in ("span", "open"):
        for id, bar in _tagged(figure, tag, Rectangle):
            start = bar.get_x() * ms
            end = None if tag == "open" else start + bar.get_width() * ms
            spans[id] = (_lane_at(lanes, bands, bar.get_y() + bar.get_height() / 2), start, end)
    queued = {id: bar.get_width() * ms for id, bar in _tagged(figure, "queue", Rectangle)}
    endings = {id: tag for tag in ("failed", "error", "denied", "stopped") for id, _ in _tagged(figure, tag, Line2D)}
    steps = [(float(line.get_xdata()[0]), id) for id, line in _tagged(figure, "critical", Line2D)]
    critical = list(dict.fromkeys(id for _, id in sorted(steps, key=lambda step: step[0])))
    return {
        "lanes": [name for _, name in lanes],
        "spans": spans,
        "queued": queued,
        "endings": endings,
        "critical": critical,
    }


def _event_lanes(figure: Figure) -> Drawn:
    bars = {kind: len(artist.get_paths()) for kind, artist in _tagged(figure, "bars", PatchCollection)}
    points = {kind: len(np.asarray(line.get_xdata())) for kind, line in _tagged(figure, "points", Line2D)}
    return {"lanes": [name for _, name in _lanes(figure)], "bars": bars, "points": points}


def _latency(figure: Figure) -> Drawn:
    curves = {
        # The first point is the foot of the curve and the last its end at the right edge.
        name: [float(x) for x in np.asarray(line.get_xdata())[1:-1]]
        for name, line in _tagged(figure, "curve", Line2D)
    }
    marks = {name: tuple(map(float, line.get_xdata())) for name, line in _tagged(figure, "marks", Line2D)}
    return {"curves": curves, "marks": marks}


def _rates(figure: Figure) -> Drawn:
    counts: dict[str, float] = {}
    bottoms: dict[str, float] = {}
    totals: dict[float, float] = {}
    for group, bar in _tagged(figure, "rate", Rectangle):
        counts[group] = counts.get(group, 0.0) + bar.get_height()
        bottoms[group] = bottoms.get(group, 0.0) + bar.get_y()
        start = round(bar.get_x() * _unit_us(figure) / 1e6, 6)
        totals[start] = totals.get(start, 0.0) + bar.get_height()
    return {
        "counts": {group: round(number) for group, number in counts.items()},
        "order": sorted(bottoms, key=lambda group: bottoms[group]),
        "buckets": sorted((start, round(total)) for start, total in totals.items()),
    }


def _registry(figure: Figure) -> Drawn:
    lanes = _lanes(figure)
    bands = _bands(lanes)
    second = _unit_us(figure) / 1e6

    def row(bar: Rectangle) -> tuple[str | None, float, float]:
        y = bar.get_y() + bar.get_height() / 2
        start = round(bar.get_x() * second, 6)
        return _lane_at(lanes, bands, y), start, round(start + bar.get_width() * second, 6)

    intervals: list[tuple[str | None, str, float, float | None]] = []
    for tag in ("status", "stays"):
        for status, bar in _tagged(figure, tag, Rectangle):
            lane, start, end = row(bar)
            intervals.append((lane, status, start, end if tag == "status" else None))
    silences = sorted(row(bar) for _, bar in _tagged(figure, "silence", Rectangle))
    names = [name for _, name in lanes]
    return {
        "lanes": names,
        "intervals": sorted(intervals, key=lambda i: (str(i[0]), i[2])),
        "silences": silences,
    }


def _cost(figure: Figure) -> Drawn:
    lanes = _lanes(figure)
    bands = _bands(lanes)
    sums: Drawn = {"tokens_in": {}, "tokens_out": {}, "usd": {}}
    for column, values in sums.items():
        for _, bar in _tagged(figure, column, Rectangle):
            lane = _lane_at(lanes, bands, bar.get_y() + bar.get_height() / 2)
            width = bar.get_width()
            values[lane] = round(width, 6) if column == "usd" else round(width)
    bins = [
        (round(bar.get_x(), 6), round(bar.get_x() + bar.get_width(), 6), round(bar.get_height()))
        for _, bar in _tagged(figure, "bin", Rectangle)
    ]
    return {"lanes": [name for _, name in lanes], **sums, "histogram": sorted(bins)}


def _panel(axes: Axes) -> tuple[list[tuple[float, str]], dict[str, list[Any]]]:
    """Return the lanes of one panel, and its artists by tag."""
    found: dict[str, list[Any]] = {}
    for artist in _artists(axes.get_children()):
        if artist.get_visible():
            found.setdefault(str(artist.get_gid()).partition(":")[0], []).append(artist)
    lanes = sorted((float(text.get_position()[1]), text.get_text()) for text in found.get("lane-name", []))
    return lanes, found


def _logs(figure: Figure) -> Drawn:
    clocks: dict[str, list[str]] = {}
    covers: dict[str | None, list[tuple[float, float]]] = {}
    damage: dict[str | None, int] = {}
    for axes in figure.axes:
        lanes, found = _panel(axes)
        bands = _bands(lanes)
        name = axes.get_xlabel().removeprefix("s on ").rpartition(", from ")[0]
        clocks[name] = [text for _, text in lanes]
        for bar in found.get("cover", []):
            lane = _lane_at(lanes, bands, bar.get_y() + bar.get_height() / 2)
            start = float(bar.get_x())
            covers.setdefault(lane, []).append((round(start, 6), round(start + float(bar.get_width()), 6)))
        for line in found.get("once", []):
            at = round(float(line.get_xdata()[0]), 6)
            covers.setdefault(_lane_at(lanes, bands, float(line.get_ydata()[0])), []).append((at, at))
        crossed = {_lane_at(lanes, bands, float(line.get_ydata()[0])) for line in found.get("damage", [])}
        for text in found.get("damages", []):
            lane = _lane_at(lanes, bands, float(text.get_position()[1]))
            if lane in crossed:
                damage[lane] = int(text.get_text().replace(",", ""))
    return {"clocks": clocks, "covers": {lane: sorted(its) for lane, its in covers.items()}, "damage": damage}


def _log_rates(figure: Figure) -> Drawn:
    lanes = _lanes(figure)
    bands = _bands(lanes)
    rates = {
        _lane_at(lanes, bands, bar.get_y() + bar.get_height() / 2): float(bar.get_width())
        for _, bar in _tagged(figure, "rate_hz", Rectangle)
    }
    notes = {
        _lane_at(lanes, bands, float(text.get_position()[1])): text.get_text()
        for _, text in _tagged(figure, "note", Text)
    }
    return {"rates": rates, "notes": notes}


def _clock_offsets(figure: Figure) -> Drawn:
    ns = {"ns": 1.0, "µs": 1e3, "ms": 1e6, "s": 1e9}
    offsets: dict[str, list[list[tuple[float, float]]]] = {}
    steps: dict[str, list[float]] = {}
    for axes in figure.axes:
        _, found = _panel(axes)
        unit = ns.get(axes.get_ylabel().partition("(")[2].rstrip(")"), 1.0)
        for line in found.get("offset", []):
            number = str(line.get_gid()).split(":")[1]
            points = np.asarray(line.get_xydata(), dtype=np.float64)
            offsets.setdefault(number, []).append([(round(x, 6), round(y * unit, 3)) for x, y in points.tolist()])
        for line in found.get("step", []):
            number = str(line.get_gid()).split(":")[1]
            steps.setdefault(number, []).append(round(float(line.get_xdata()[0]), 6))
    sizes = [text.get_text() for _, text in _tagged(figure, "step-size", Text)]
    return {"offsets": offsets, "steps": steps, "sizes": sizes}


def _joins(figure: Figure) -> Drawn:
    places = _places(figure)
    labels = dict(_tagged(figure, "label", Text))
    edges, dashed = {}, []
    for number, patch in _tagged(figure, "edge", PathPatch):
        pair = _ends(patch, places)
        edges[pair] = labels[number].get_text() if number in labels else ""
        if patch.get_linestyle() not in ("solid", "-"):
            dashed.append(pair)
    return {"nodes": list(places), "edges": edges, "dashed": dashed}


def _points(line: Line2D) -> list[tuple[float, float]]:
    values = np.asarray(line.get_xydata(), dtype=np.float64)
    return [(x, y) for x, y in values[np.isfinite(values).all(1)].tolist()]


def _trajectory(figure: Figure) -> Drawn:
    lines = {tag: [line for _, line in _tagged(figure, tag, Line2D)] for tag in ("way", "start", "end", "heading")}
    ends = {tag: _points(lines[tag][0])[0] if lines[tag] else None for tag in ("start", "end")}
    turns = [(np.diff(line.get_xdata()).item(), np.diff(line.get_ydata()).item()) for line in lines["heading"]]
    return {
        "way": [point for line in lines["way"] for point in _points(line)],
        **ends,
        "headings": [float(np.arctan2(dy, dx)) for dx, dy in turns],
        "marks": {label: _points(line) for label, line in _tagged(figure, "mark", Line2D)},
        "notes": [text.get_text() for _, text in _tagged(figure, "note", Text)],
    }


def _motion(figure: Figure) -> Drawn:
    lines: dict[str, list[tuple[float, float]]] = {}
    marks: dict[str, list[float]] = {}
    for number, axes in enumerate(figure.axes):
        for artist in axes.get_lines():
            tag, _, label = str(artist.get_gid() or "").partition(":")
            if tag == "line":
                lines[axes.get_ylabel()] = _points(artist)
            elif tag == "at" and number == 0:
                marks.setdefault(label, []).append(float(np.asarray(artist.get_xdata())[0]))
    return {"lines": lines, "marks": marks, "notes": [text.get_text() for _, text in _tagged(figure, "note", Text)]}


def _image(figure: Figure) -> Drawn:
    pictures = [image for axes in figure.axes for image in axes.get_images()]
    names = {number: text.get_text() for number, text in _tagged(figure, "name", Text)}
    boxes = [
        (
            names.get(number),
            *(round(float(v), 6) for v in (b.get_x() + 0.5, b.get_y() + 0.5, b.get_width(), b.get_height())),
        )
        for number, b in _tagged(figure, "box", Rectangle)
    ]
    return {"pixels": np.asarray(pictures[0].get_array()) if pictures else None, "boxes": boxes}


def _scan(figure: Figure) -> Drawn:
    return {"points": [point for _, line in _tagged(figure, "points", Line2D) for point in _points(line)]}


def _divergence(figure: Figure) -> Drawn:
    names = {
        side: {int(rest.split(":")[0]): text.get_text() for rest, text in _tagged(figure, side, Text) if "name" in rest}
        for side in ("recorded", "replayed")
    }
    places = [int(rest) for rest, _ in _tagged(figure, "recorded", FancyBboxPatch)]
    return {
        "rows": [(names["recorded"].get(place), names["replayed"].get(place)) for place in places],
        "agree": [int(rest) for rest, _ in _tagged(figure, "same", Line2D)],
        "parts": len(_tagged(figure, "parts", Line2D)),
        "reason": " ".join(text.get_text() for _, text in _tagged(figure, "reason", Text)),
    }


def _timeline(figure: Figure) -> Drawn:
    bars = [rest for rest, _ in _tagged(figure, "events", Rectangle)]
    now = [float(np.asarray(line.get_xdata())[0]) for _, line in _tagged(figure, "now", Line2D)]
    breaks = [float(np.asarray(line.get_xdata())[0]) for _, line in _tagged(figure, "break", Line2D)]
    return {"events": {name: bars.count(name) for name in bars}, "now": now[0] if now else None, "breaks": breaks}


def _marks(figure: Figure) -> Drawn:
    """Return the place along x of each mark and the ends of each bar, by label; and names in the order of their lanes."""
    marks = {label: _points(line)[0][0] for label, line in _tagged(figure, "mark", Line2D) if _points(line)}
    bars = [*_tagged(figure, "interval", Line2D), *_tagged(figure, "range", Line2D)]
    return {
        "marks": marks,
        "bars": {label: (_points(line)[0][0], _points(line)[-1][0]) for label, line in bars if _points(line)},
        "lanes": [text.get_text().strip() for _, text in _tagged(figure, "lane-name", Text)],
    }


def _calibration(figure: Figure) -> Drawn:
    return {word: {label: _points(line) for label, line in _tagged(figure, word, Line2D)} for word in ("seen", "made")}


READERS: dict[str, Callable[[Figure], Drawn]] = {
    "calibration": _calibration,
    "clock_graph": _joins,
    "clock_offsets": _clock_offsets,
    "cost": _cost,
    "dag": _dag,
    "dfg": _dfg,
    "differences": _marks,
    "frame_graph": _joins,
    "image": _image,
    "lanes": _event_lanes,
    "latency": _latency,
    "log_rates": _log_rates,
    "logs": _logs,
    "motion": _motion,
    "rates": _rates,
    "registry": _registry,
    "scan": _scan,
    "trace_difference": _marks,
    "trajectory": _trajectory,
    "waterfall": _waterfall,
    "divergence": _divergence,
    "timeline": _timeline,
    "what_if": _marks,
}

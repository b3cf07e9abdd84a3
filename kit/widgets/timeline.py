"""Spans and point events over time, in lanes: of neurons, peers, actors or sensor logs; a million of them, or live ones.

The front end (`static/timeline.js`) asks for `lanes` and, for what it shows, for `window` with `from`, `to` (microseconds) and
`buckets`. Where many events are in the window they come counted, by lane, bucket and kind, and only the longest spans one
by one; DuckDB counts them when they are asked for, so an append costs nothing later.
"""

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import traitlets

from kit.errors import ArgumentError, ViewClosedError
from kit.table import DUCKDB_CONFIG
from kit.widgets.compose import compose
from kit.widgets.view import View

MOST_MARKS = 5_000
"""Up to so many events of a window are drawn one by one."""
MOST_LONG = 1_500
"""Of more, so many spans that are longer than two buckets are."""
MOST_LEVELS = 8
"""Spans of a lane that overlap lie in so many rows; further ones lie over each other."""
COLUMNS = ("lane", "start", "end", "kind", "status", "id", "name", "critical")
OPEN = "open"

TABLE = """CREATE OR REPLACE TABLE marks (row BIGINT, lane USMALLINT, start_us DOUBLE, end_us DOUBLE, level UTINYINT, kind VARCHAR,
                               status VARCHAR, id VARCHAR, name VARCHAR, critical BOOLEAN)"""
INSIDE = "start_us < $to AND coalesce(end_us, CASE WHEN status = 'open' THEN 'inf'::DOUBLE ELSE start_us END) >= $from"
IDS = f"SELECT id FROM marks WHERE id IS NOT NULL AND {INSIDE} ORDER BY row"  # noqa: S608  our own text
ONE_BY_ONE = f"""SELECT lane, start_us AS start, end_us AS end, level, kind, status, id, name, critical, NULL::UINTEGER AS count
                 FROM marks WHERE {INSIDE} ORDER BY row"""  # noqa: S608  our own text
COUNTED = f"""
WITH inside AS (
    SELECT *, end_us - start_us > 2 * $width OR (status = 'open' AND end_us IS NULL) AS long FROM marks WHERE {INSIDE}
), longest AS (
    FROM inside WHERE long ORDER BY end_us - start_us DESC NULLS FIRST, row LIMIT {MOST_LONG}
), counted AS (
    SELECT lane, greatest(floor((start_us - $from) / $width), 0) AS bucket, kind, count(*) AS n, bool_or(critical) AS critical
    FROM inside WHERE row NOT IN (SELECT row FROM longest) GROUP BY ALL
)
SELECT lane, $from + bucket * $width AS start, $from + (bucket + 1) * $width AS end, NULL::UTINYINT AS level, kind,
       NULL AS status, NULL AS id, NULL AS name, critical, n::UINTEGER AS count
FROM counted
UNION ALL
SELECT lane, start_us, end_us, level, kind, status, id, name, critical, NULL FROM longest
ORDER BY lane, start, kind, count, id
"""  # noqa: S608  our own text


class Timeline(View):
    """Lanes of spans and points; pan, zoom, brush, select.

    `table` has the columns `lane` and `start`, and maybe `end, kind, status, id, name, critical`; times are timestamps, or numbers of
    microseconds. A row without `end` is a point, or, with the status `open`, a span that nobody saw end. Rows without a start
    are left out and counted in `notice`. Lanes are in the order of first appearance. `axis` is the name of the clock where times are
    not UTC. `picture` makes the static twin; without it, a plain one is drawn.
    """

    _esm = compose("timeline.js")

    axis = traitlets.Unicode("UTC").tag(sync=True)
    view_us: Any = traitlets.List(traitlets.Float(), default_value=None, allow_none=True).tag(sync=True)
    """The stretch of time in sight, [from, to); None for all of it."""

    def __init__(self, table: Any = None, *, picture: Callable[[], Any] | None = None, **traits: Any) -> None:
        self._picture = picture
        self._lock = threading.Lock()
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._reset()
        super().__init__(**traits)
        self._titled = bool(traits.get("title"))
        if table is not None:
            self.append(table)

    # Data

    def append(self, table: Any) -> int:
        """Take in more rows, from any thread, and return how many; the view draws them when it next asks."""
        columns = _taken(table)
        with self._lock:
            if self._connection is None:
                raise ViewClosedError(f"{self!r} is closed and takes no rows; make a new one")
            count = self._insert(columns)
            total, lanes, undated = self._count, len(self._lanes), self._undated
        if not self._titled:
            self.title = f"{total:,} event{'s' * (total != 1)} in {lanes:,} lane{'s' * (lanes != 1)}"
        missing = "a time" if self.axis == "UTC" else f"a reading of the {self.axis}"
        self.notice = f"{undated:,} without {missing} are left out." if undated else ""
        self.refresh()
        return count

    def show(self, table: Any, *, picture: Callable[[], Any] | None = None) -> None:
        """Show other rows in place of those that are here."""
        with self._lock:
            self._picture = picture
            self._reset()
        self.view_us = None
        self.append(table)

    @property
    def lanes(self) -> list[str]:
        """Names of the lanes, from the top."""
        return list(self._lanes)

    @property
    def extent_us(self) -> tuple[float, float] | None:
        """First and last time of all rows; None without any."""
        return self._extent

    def __len__(self) -> int:
        return self._count

    def window(self, start_us: float, end_us: float, buckets: int = 400) -> pa.Table:
        """Return what there is to draw of [start_us, end_us): events one by one, or counted where they are many.

        Columns: lane (number), start, end (microseconds), level (row in the lane), kind, status, id, name, critical, count. A row
        with a `count` stands for so many events that start in its stretch; all others are events. Each event of the window is
        in exactly one row.
        """
        bounds = {"from": float(start_us), "to": float(end_us)}
        with self._cursor() as cursor:
            inside = cursor.execute(f"SELECT count(*) FROM marks WHERE {INSIDE}", bounds).fetchall()[0][0]  # noqa: S608
            if inside <= MOST_MARKS:
                found = cursor.sql(ONE_BY_ONE, params=bounds).to_arrow_table()
            else:
                width = max((bounds["to"] - bounds["from"]) / max(int(buckets), 1), 1e-3)
                found = cursor.sql(COUNTED, params={**bounds, "width": width}).to_arrow_table()
        return _coded(found)

    def select(self, *ids: str) -> None:
        """Choose events, or none, as a click does: the time cursor goes to the first of them."""
        super().select(*ids)
        if ids:
            with self._cursor() as cursor:
                found = cursor.execute(
                    "SELECT start_us FROM marks WHERE id = ? ORDER BY row LIMIT 1", [ids[0]]
                ).fetchall()
            if found:
                self.cursor_us = found[0][0]

    # Moving

    def zoom(self, start_us: float, end_us: float) -> None:
        """Show [start_us, end_us)."""
        if not start_us < end_us:
            raise ArgumentError(f"zoom({start_us!r}, {end_us!r}): the end must be after the start")
        self.view_us = [float(start_us), float(end_us)]

    def fit(self) -> None:
        """Show all of it."""
        self.view_us = None

    def brush(self, start_us: float | None = None, end_us: float | None = None) -> list[str]:
        """Mark [start_us, end_us) in all linked views and return the ids of the events in it; nothing is marked without times."""
        if start_us is None or end_us is None:
            self.window_us = None
            return []
        self.window_us = [float(start_us), float(end_us)]
        bounds = {"from": self.window_us[0], "to": self.window_us[1]}
        with self._cursor() as cursor:
            rows = cursor.execute(IDS, bounds).fetchall()
        return [str(row[0]) for row in rows]

    # The front end

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return `lanes` (name, levels, and in its first row the extent), or the `window`."""
        if name == "lanes":
            return self._lane_table()
        if name == "window":
            return self.window(*_bounds(params), buckets=min(max(int(params.get("buckets", 400)), 10), 2000))
        return super().answer(name, params)

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return the first `limit` events in the order of their start, and how many there are beyond."""
        with self._cursor() as cursor:
            query = ONE_BY_ONE.replace("ORDER BY row", "ORDER BY start_us, row LIMIT $limit")
            everything = {"from": float("-inf"), "to": float("inf"), "limit": limit}
            found = _coded(cursor.sql(query, params=everything).to_arrow_table())
        left = self._count - found.num_rows
        told = f"{left:,} of {self._count:,} events are left out of the timeline." if left else ""
        return {"lanes": self._lane_table(), "window": found}, told

    def twin(self) -> dict[str, Any]:
        """Return a picture of all of it."""
        from kit import plot  # matplotlib loads where a picture is made

        made = self._picture
        if made is not None:
            return {"image/png": made()._repr_png_()}
        first, last = self._extent or (0.0, 1.0)
        marks = self.window(first, last + 1, buckets=300)
        return {"image/png": plot.lanes(marks, self.lanes, title=self.title, axis=self.axis)._repr_png_()}

    def _release(self) -> None:
        with self._lock:
            self._connection, connection = None, self._connection
            self._picture = None
        if connection is not None:
            connection.close()

    def _reset(self) -> None:
        if self._connection is None:
            self._connection = duckdb.connect(config={**DUCKDB_CONFIG})
        self._connection.execute(TABLE)
        self._lanes: dict[str, int] = {}
        self._free: list[list[float]] = []
        self._count = self._undated = 0
        self._extent: tuple[float, float] | None = None

    def _cursor(self) -> duckdb.DuckDBPyConnection:
        with self._lock:
            if self._connection is None:
                raise ViewClosedError(f"{self!r} is closed")
            return self._connection.cursor()

    def _lane_table(self) -> pa.Table:
        with self._lock:
            names, levels = list(self._lanes), [max(len(free), 1) for free in self._free]
            extent = self._extent or (None, None)
        pad = [None] * max(len(names) - 1, 0)
        firsts, lasts = ([*([value] if names else []), *pad] for value in extent)
        return pa.table(
            {
                "name": pa.array(names, pa.string()),
                "levels": pa.array(levels, pa.uint8()),
                "first": pa.array(firsts, pa.float64()),
                "last": pa.array(lasts, pa.float64()),
            }
        )

    def _insert(self, columns: dict[str, pa.Array]) -> int:
        """Number lanes and rows and put the columns into the table."""
        dated = pc.is_valid(columns["start"])
        kept = pa.table(columns).filter(dated)
        self._undated += len(dated) - kept.num_rows
        if not kept.num_rows:
            return 0
        encoded = pc.fill_null(kept["lane"].cast(pa.string()), "-").combine_chunks().dictionary_encode()
        words = [self._lane(str(name)) for name in encoded.dictionary.to_pylist()]
        lane = np.array(words, dtype=np.uint16)[encoded.indices.to_numpy()]
        start = kept["start"].to_numpy()
        end = kept["end"].to_numpy()
        is_open = pc.fill_null(pc.equal(kept["status"], OPEN), False).to_numpy() & np.isnan(end)
        level = self._levels(lane, start, np.where(is_open, np.inf, end))
        first, last = float(start.min()), float(np.nanmax(np.fmax(start, end)))
        before = self._extent or (first, last)
        self._extent = min(first, before[0]), max(last, before[1])
        batch = pa.table(
            {
                "row": pa.array(np.arange(self._count, self._count + kept.num_rows)),
                "lane": pa.array(lane),
                "start_us": pa.array(start),
                "end_us": pa.array(end, from_pandas=True),
                "level": pa.array(level),
                **{name: kept[name] for name in ("kind", "status", "id", "name", "critical")},
            }
        )
        if self._connection is not None:
            cursor = self._connection.cursor()
            cursor.register("batch", batch)
            cursor.execute("INSERT INTO marks FROM batch")
            cursor.close()
        self._count += kept.num_rows
        return int(kept.num_rows)

    def _lane(self, name: str) -> int:
        if name not in self._lanes:
            if len(self._lanes) == 2**16:
                raise ArgumentError(f"lane {name!r} is one more than {2**16:,}, the most that a timeline can have")
            self._lanes[name] = len(self._lanes)
            self._free.append([])
        return self._lanes[name]

    def _levels(self, lane: Any, start: Any, end: Any) -> Any:
        """Return the row of each span in its lane: the first that is free when it starts; points lie in the first row."""
        level = np.zeros(len(lane), dtype=np.uint8)
        spans = np.flatnonzero(~np.isnan(end))
        order = spans[np.argsort(start[spans], kind="stable")]
        for i, number, begin, until in zip(
            order.tolist(), lane[order].tolist(), start[order].tolist(), end[order].tolist(), strict=True
        ):
            free = self._free[number]
            at = next((at for at, busy in enumerate(free) if busy <= begin), len(free))
            if at == len(free) and at < MOST_LEVELS:
                free.append(0.0)
            at = min(at, MOST_LEVELS - 1)
            free[at] = max(free[at], until, begin + 1)
            level[i] = at
        return level


def spans_table(spans: pa.Table, critical: Iterable[str] = ()) -> pa.Table:
    """Return spans (of `kit.trace.spans`) as rows of a timeline: a lane per neuron, `critical` the ids on the path."""
    path = pa.array(sorted(critical), pa.string())
    named = pc.if_else(pc.equal(spans["name"], spans["neuron"]), spans["kind"], spans["name"])
    return pa.table(
        {
            "lane": spans["neuron"],
            "start": spans["start"],
            "end": spans["end"],
            "kind": spans["kind"],
            "status": spans["status"],
            "id": spans["span_id"],
            "name": pc.coalesce(named, spans["kind"]),
            "critical": pc.is_in(spans["span_id"], value_set=path),
        }
    )


def _taken(table: Any) -> dict[str, pa.Array]:
    """Return the columns of a timeline from anything that gives Arrow; raises ArgumentError for a column that is missing."""
    found = pa.table(table)
    for name in ("lane", "start"):
        if name not in found.column_names:
            raise ArgumentError(
                f"a timeline needs the columns lane and start; here are {', '.join(found.column_names)}"
            )
    count = found.num_rows
    given = {name: found[name] for name in COLUMNS if name in found.column_names}
    texts = {
        name: given[name].cast(pa.string()) if name in given else pa.nulls(count, pa.string()) for name in COLUMNS[3:7]
    }
    times = {name: _us(given[name]) if name in given else pa.nulls(count, pa.float64()) for name in ("start", "end")}
    critical = pc.fill_null(given["critical"].cast(pa.bool_()), False) if "critical" in given else None
    return {
        "lane": given["lane"],
        **times,
        **texts,
        "critical": pa.array(np.zeros(count, dtype=bool)) if critical is None else critical,
    }


def _us(column: Any) -> Any:
    if pa.types.is_timestamp(column.type):
        return (
            column.cast(pa.timestamp("us", tz=column.type.tz), safe=False)
            .cast(pa.int64())
            .cast(pa.float64(), safe=False)
        )
    return column.cast(pa.float64(), safe=False)


def _coded(found: pa.Table) -> pa.Table:
    """Return a window with its few words as dictionaries."""
    for name in ("kind", "status"):
        place = found.schema.get_field_index(name)
        found = found.set_column(place, name, found[name].combine_chunks().cast(pa.string()).dictionary_encode())
    return found


def _bounds(params: Mapping[str, Any]) -> tuple[float, float]:
    start, end = params.get("from"), params.get("to")
    if not isinstance(start, int | float) or not isinstance(end, int | float):
        raise ArgumentError(f"window from {start!r} to {end!r}: two numbers of microseconds")
    return float(start), float(end)

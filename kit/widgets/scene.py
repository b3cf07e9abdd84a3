"""What the views show of one trace, one thread, or the sensor logs of one clock: a graph, lanes, and what an event holds."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kit.align.overview import log_coverage, log_overview
from kit.store.store import Store
from kit.trace.critical_path import critical_events, critical_path
from kit.trace.events import trace_events
from kit.trace.forest import Forest
from kit.trace.graph import graph
from kit.trace.records import Weave
from kit.trace.spans import spans
from kit.trace.thread import thread_graph, thread_records
from kit.widgets.dag import Content
from kit.widgets.timeline import spans_table

LOGICAL = "logical clock"
NS_PER_US = 1000.0


@dataclass(frozen=True)
class Scene:
    """A graph (None for logs), rows of a timeline, the clock of its times, and pictures of both."""

    content: Content | None
    marks: pa.Table
    axis: str = "UTC"
    noun: str = "signal"
    picture: Callable[[], Any] | None = None


def trace_scene(
    store: Store,
    trace_id: str,
    *,
    run: str | None = None,
    follow: bool = True,
    grown: Forest | None = None,
    findings: pa.Table | None = None,
    every_span: pa.Table | None = None,
) -> Scene:
    """Return a trace: its DAG with critical path and findings, its spans by neuron, and as points the events beside them.

    `every_span` is `spans` of all traces where the caller holds it: who shows many traces does.
    """
    events = trace_events(store, trace_id, run=run, follow=follow, grown=grown)
    names = sorted(set(events["trace_id"].to_pylist()))
    run = events["run"][0].as_py()
    if every_span is None:
        held = spans(store, run=run, traces=names, grown=grown)
    else:
        own = pc.is_in(every_span["trace_id"], value_set=pa.array(names, pa.string()))
        held = every_span.filter(pc.and_(own, pc.equal(every_span["run"], run)))
    path = critical_path(events, held)
    ids = critical_events(events, held, path)
    content = Content(graph(events), ids, {} if findings is None else finding_texts(findings))

    def picture() -> Any:
        from kit import plot  # matplotlib loads where a picture is made

        return plot.waterfall(held, critical=path)

    return Scene(content, _trace_marks(events, held, ids), picture=picture if held.num_rows else None)


def thread_scene(
    store: Store, thread: str, *, run: str | None = None, follow: bool = False, woven: Weave | None = None
) -> Scene:
    """Return a thread of records: its DAG, and its records by actor over time.

    Where most clocks of the thread are no times, the axis is the logical clock and records stamped with a time have no place on
    it; else it is UTC and it is the others that have none. The timeline tells how many it leaves out.
    """
    records = thread_records(store, thread, run=run, follow=follow, woven=woven)
    timed = 2 * records["ts"].null_count <= records.num_rows
    logical = pc.if_else(pc.is_null(records["ts"]), records["clock"].cast(pa.float64(), safe=False), None)
    start = records["ts"] if timed else pc.multiply(logical, 1e6)
    marks = pa.table(
        {
            "lane": records["actor"],
            "start": start,
            "kind": records["act"],
            "id": records["id"],
            "name": records["kind"],
            "status": records["label"],
        }
    )
    return Scene(Content(thread_graph(records)), marks, "UTC" if timed else LOGICAL, "record")


def clock_scene(store: Store, clock_id: str | None, *, run: str | None = None) -> Scene:
    """Return the sensor logs on a clock as lanes: a span for each stretch without a gap, damaged logs marked.

    Times are microseconds on that clock; logs of other clocks are left out, since nothing says how the two compare. With
    `clock_id` None, those whose clock is not named.
    """
    return coverage_scene(log_coverage(store, run), log_overview(store, run), clock_id)


def coverage_scene(coverage: pa.Table, overview: pa.Table, clock_id: str | None) -> Scene:
    """Return the lanes of one clock from tables as of `study.log_coverage()` and `study.logs()`."""
    named = pc.fill_null(coverage["clock_id"], "")
    here = coverage.filter(pc.equal(named, clock_id or ""))
    damaged = pa.array(overview.filter(pc.greater(overview["damage"], 0))["log_id"].to_pylist(), pa.string())
    several = len(set(here["source_peer_id"].to_pylist())) > 1
    names = [
        f"{peer}/{log}" if several else log
        for peer, log in zip(here["source_peer_id"].to_pylist(), here["resource_id"].to_pylist(), strict=True)
    ]
    texts = [
        f"{log}: {entries:,} entries"
        for log, entries in zip(here["resource_id"].to_pylist(), here["entries"].to_pylist(), strict=True)
    ]
    stretches = zip(here["log_id"].to_pylist(), here["stretch"].to_pylist(), strict=True)
    marks = pa.table(
        {
            "lane": pa.array(names, pa.string()),
            "start": _us(here["first_ts_ns"]),
            "end": _us(here["last_ts_ns"]),
            "kind": pc.fill_null(here["kind"], "unknown"),
            "status": pc.if_else(pc.is_in(here["log_id"], value_set=damaged), "damaged", "whole"),
            "id": pa.array([f"{log}#{stretch}" for log, stretch in stretches], pa.string()),
            "name": pa.array(texts, pa.string()),
        }
    )
    return Scene(None, marks, clock_id or "an unnamed clock", "log")


def signal_marks(store: Store, run: str | None = None) -> pa.Table:
    """Return all signals as points of a timeline, a lane for each neuron they name."""
    return store.arrow(
        """SELECT coalesce(directed_id, directed_type, '(nobody)') AS lane, ts AS start, type AS kind, id,
                  type AS name FROM signals
           WHERE canonical AND ($run::VARCHAR IS NULL OR run = $run) ORDER BY ts, id""",
        {"run": run},
    )


def signal_rows(store: Store, run: str, ids: list[str]) -> pa.Table:
    """Return the signals with these ids as a reader wants to see them, in the order of the ids."""
    return store.arrow(SIGNAL_ROWS, {"run": run, "ids": ids})


def record_rows(store: Store, run: str, ids: list[str]) -> pa.Table:
    """Return the records with these ids as a reader wants to see them, in the order of the ids."""
    return store.arrow(RECORD_ROWS, {"run": run, "ids": ids})


def finding_texts(findings: pa.Table) -> dict[str, str]:
    """Return for each event in a finding what the findings of `kit.trace.conformance.check` say of it."""
    found: dict[str, str] = {}
    for row in findings.to_pylist():
        for event in row["events"]:
            found[event] = f"{found[event]}; {row['message']}" if event in found else row["message"]
    return found


def _trace_marks(events: pa.Table, held: pa.Table, ids: list[str]) -> pa.Table:
    """Return spans, and as points the events that neither open nor close one."""
    ends = pa.array(sorted({*held["span_id"].to_pylist(), *filter(None, held["close_id"].to_pylist())}), pa.string())
    apart = events.filter(pc.invert(pc.is_in(events["id"], value_set=ends)))
    points = pa.table(
        {
            "lane": pc.coalesce(apart["directed_id"], apart["directed_type"], pa.scalar("(nobody)")),
            "start": apart["ts"],
            "end": pa.nulls(apart.num_rows, pa.timestamp("us", tz="UTC")),
            "kind": apart["type"],
            "status": apart["label"],
            "id": apart["id"],
            "name": apart["type"],
            "critical": pc.is_in(apart["id"], value_set=pa.array(ids, pa.string())),
        }
    )
    return pa.concat_tables([spans_table(held, ids), points.cast(spans_table(held, ids).schema)])


def _us(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return nanoseconds as microseconds; a double holds them to a quarter of one, for some centuries."""
    return pc.divide(column.cast(pa.float64(), safe=False), NS_PER_US)


SIGNAL_ROWS = """
SELECT s.id, s.type, s.trace_id, s.parent_id, s.directed_id AS neuron, s.directed_type AS addressed,
       s.directed_capabilities AS capabilities, s.ts_text AS time, s.flags, s.payload::VARCHAR AS payload,
       s.meta::VARCHAR AS meta, s.extra::VARCHAR AS extra, s.line
FROM (SELECT unnest($ids::VARCHAR[]) AS id, generate_subscripts($ids::VARCHAR[], 1) AS place) i
JOIN signals s ON s.id = i.id WHERE s.canonical AND s.run = $run ORDER BY i.place
"""
RECORD_ROWS = """
SELECT r.id, r.act, r.actor, r.kind, r.thread, r.clock_text AS clock, r.parents, r.integrity, r.flags,
       r.body::VARCHAR AS body, r.line
FROM (SELECT unnest($ids::VARCHAR[]) AS id, generate_subscripts($ids::VARCHAR[], 1) AS place) i
JOIN records r ON r.id = i.id WHERE r.canonical AND r.run = $run ORDER BY i.place
"""

"""What can be played, as events with their causes: stores, queries, traces, threads, logs, and several of them merged."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.align import Utc, find_log, paths, utc_mapping
from kit.align.logs import LogEntry, logs
from kit.errors import ArgumentError, ClockError, NoClockPath, NoUtcError
from kit.replay.causes import UNTIMED
from kit.replay.content import counted
from kit.store.store import Store
from kit.table import Table
from kit.trace.forest import LABELS, NO_TIME, Lent, forest

FAMILIES = ("signals", "records", "logs", "rows")
COLUMNS = pa.schema(
    [
        ("family", pa.string()),
        ("run", pa.string()),
        ("id", pa.string()),
        ("group_id", pa.string()),
        ("kind", pa.string()),
        ("actor", pa.string()),
        ("at_ns", pa.int64()),
        ("row", pa.int64()),
        ("place", pa.int64()),
    ]
)
"""An event to be played: `row` is its rowid in its table, `place` its order where it has no time."""


@dataclass(frozen=True)
class Log:
    """A sensor log of a store, by its resource id, to be played: `Player([study, Log(study, "mast_rgb")])`."""

    store: Store
    name: str
    run: str | None = None


@dataclass
class Part:
    """Events of one source. `causes` has columns child and parent: positions in `events`."""

    events: pa.Table
    causes: pa.Table
    store: Store | None = None
    texts: list[str] | None = None
    """Of rows that are in no store: each as JSON."""
    clock: str = "utc"
    notes: list[str] = field(default_factory=list)
    """What was left out, in words."""


def parts_of(
    source: Any, *, store: Store | None = None, run: str | None = None, clock: Utc | str | None = None
) -> list[Part]:
    """Return a source as parts: a store has one for each family, a list those of its members.

    A source is a `Store`; a `Trace` or `Thread`; a `Log`; SQL text, asked of `store`; a table (any with the Arrow stream
    interface) with a column `id` of events of `store`, else with a time in `ts`, `ts_ns` or `at_ns`; or a list of these.
    `clock` says which clock of sensor logs is UTC where no registry does.
    """
    if isinstance(source, Store):
        return _whole(source, run, clock)
    if isinstance(source, Log):
        return [_log(source.store, find_log(source.store, source.name, source.run or run), clock, alone=True)]
    if isinstance(source, str):
        if store is None:
            raise ArgumentError(f"{source[:60]!r} is SQL, and asks a store: give store=study, or study.player(...)")
        return parts_of(store.query(source), store=store, run=run, clock=clock)
    if isinstance(source, list | tuple):
        if not source:
            raise ArgumentError("an empty list plays nothing: give a store, a query, a trace, a thread or a log")
        return [part for member in source for part in parts_of(member, store=store, run=run, clock=clock)]
    for name in ("events", "records"):
        held, own = getattr(source, name, None), getattr(source, "_store", None)
        if isinstance(held, pa.Table) and isinstance(own, Store):
            return parts_of(Table(held), store=own, run=source.run)
    if hasattr(source, "__arrow_c_stream__"):
        return _chosen(pa.table(source), store, run)
    raise ArgumentError(
        f"{type(source).__name__} cannot be played: give a study, SQL text, a table, a trace, a thread, a kit.replay.Log, "
        "or a list of them"
    )


def _whole(store: Store, run: str | None, clock: Utc | str | None) -> list[Part]:
    found = []
    if store.execute("SELECT 1 FROM signals WHERE $run IS NULL OR run = $run LIMIT 1", {"run": run}):
        found.append(_signals(store, run))
    if store.execute("SELECT 1 FROM records WHERE $run IS NULL OR run = $run LIMIT 1", {"run": run}):
        found.append(_records(store, run))
    found += [_log(store, log, clock) for log in logs(store, run)]
    if not found:
        where = "the store" if run is None else f"run {run!r}"
        raise ArgumentError(f"{where} holds nothing to play: study.load(...) first")
    return found


# Signals


def _signals(store: Store, run: str | None, wanted: pa.Table | None = None) -> Part:
    """Return the signals of a run as a part; with `wanted` (column row) only those."""
    events = store.arrow(
        """SELECT 'signals' AS family, run, id, trace_id AS group_id, type AS kind, directed_id AS actor,
                  epoch_us(ts) * 1000 AS at_ns, rowid AS row, source_id * 1000000000 + line AS place
           FROM signals WHERE canonical AND ($run IS NULL OR run = $run)""",
        {"run": run},
    ).cast(COLUMNS)
    rows = events["row"].to_numpy()
    if (np.diff(rows) < 0).any():  # DuckDB keeps the order of the table where it can, and asked for it sorts all texts
        events = events.take(pa.array(np.argsort(rows)))
    if wanted is not None:
        events = events.filter(pc.is_in(events["row"], wanted["row"].combine_chunks()))
    grown = forest(store, run)
    rows = events["row"].to_numpy()
    where = np.full(len(grown), -1, np.int64)
    real = grown.row >= 0
    at = np.searchsorted(rows, grown.row[real])
    hit = (at < len(rows)) & (rows[np.minimum(at, len(rows) - 1)] == grown.row[real]) if len(rows) else at < 0
    where[real] = np.where(hit, at, -1)
    up = grown.up.copy()
    phantom = grown.row < 0
    through = (up >= 0) & phantom[np.maximum(up, 0)]
    up[through] = grown.up[up[through]]
    linked = (up >= 0) & (where >= 0)
    linked &= where[np.maximum(up, 0)] >= 0
    child, parent = where[linked], where[up[linked]]
    if grown.of_type("CRITIQUE").any():
        child, parent = _with_pairs(rows, child, parent, store.arrow(_TARGETS, {"run": run}))
    notes = _odd(grown, where) + _refused(store, run)
    if wanted is None:
        notes += _open(store, run)
    return Part(events, pa.table({"child": child, "parent": parent}), store, notes=notes)


_TARGETS = """
SELECT c.rowid AS child, p.rowid AS parent FROM signals c
JOIN signals p ON p.canonical AND p.run = c.run AND p.id = c.payload ->> '$.target_event_id'
WHERE c.canonical AND c.type = 'CRITIQUE' AND ($run IS NULL OR c.run = $run) AND p.id <> c.id
"""


def _with_pairs(rows: Any, child: Any, parent: Any, pairs: pa.Table) -> tuple[Any, Any]:
    """Return edges with further ones, given by rowid, where both ends are played."""
    if not len(pairs) or not len(rows):
        return child, parent
    ends = []
    for name in ("child", "parent"):
        ids = pairs[name].to_numpy()
        at = np.minimum(np.searchsorted(rows, ids), len(rows) - 1)
        ends.append(np.where(rows[at] == ids, at, -1))
    known = (ends[0] >= 0) & (ends[1] >= 0)
    return np.concatenate([child, ends[0][known]]), np.concatenate([parent, ends[1][known]])


def _odd(grown: Any, where: Any) -> list[str]:
    """Return in words which causes could not be kept."""
    played = where >= 0
    said = {
        "missing_parent": "with a cause that is not in the capture: not waited for",
        "cycle": "on a ring of causes: not waited for",
        "self_parent": "with itself as its cause: not waited for",
        "conflicting_duplicate": "with further lines of the same id and other content: those are not played",
    }
    counts = {name: int((played & (grown.label == LABELS.index(name))).sum()) for name in said}
    return [f"{counted(count, 'signal')} {said[name]}" for name, count in counts.items() if count] + (
        [f"{counted(repeats, 'further line')} with an id that was there: not played"]
        if (repeats := int(grown.surplus[played].sum()))
        else []
    )


def _refused(store: Store, run: str | None) -> list[str]:
    count, broken = store.execute(
        """SELECT (SELECT count(*) FROM quarantine WHERE $run IS NULL OR run = $run),
                  (SELECT count(*) FROM sources WHERE NOT complete AND ($run IS NULL OR run = $run))""",
        {"run": run},
    )[0]
    found = [f"{counted(count, 'line')} in quarantine: not played"] if count else []
    return found + ([f"{counted(broken, 'source')} cut off before its end"] if broken else [])


def _open(store: Store, run: str | None) -> list[str]:
    count = store.execute(
        """SELECT count(*) FROM (
             SELECT run, trace_id FROM signals WHERE canonical AND ($run IS NULL OR run = $run) GROUP BY run, trace_id
             HAVING bool_or(type IN ('TASK', 'TASK_OFFER')) AND NOT bool_or(type IN ('FINAL', 'ERROR', 'STOP')))""",
        {"run": run},
    )[0][0]
    return [f"{counted(count, 'trace')} without an end: no FINAL, ERROR or STOP"] if count else []


# Records


def _records(store: Store, run: str | None, wanted: pa.Table | None = None) -> Part:
    events = store.arrow(
        """SELECT 'records' AS family, run, id, thread AS group_id, coalesce(kind, act) AS kind, actor,
                  epoch_us(wall_time(clock)) * 1000 AS at_ns, rowid AS row, source_id * 1000000000 + line AS place
           FROM records WHERE canonical AND ($run IS NULL OR run = $run) ORDER BY rowid""",
        {"run": run},
    ).cast(COLUMNS)
    if wanted is not None:
        events = events.filter(pc.is_in(events["row"], wanted["row"].combine_chunks()))
    edges = store.arrow(
        """SELECT c.rowid AS child, p.rowid AS parent FROM edges e
           JOIN records c ON c.canonical AND c.run = e.run AND c.id = e.child
           JOIN records p ON p.canonical AND p.run = e.run AND p.id = e.parent
           WHERE e.family = 'records' AND e.state IN ('attached', 'cross_trace') AND ($run IS NULL OR e.run = $run)""",
        {"run": run},
    )
    lost = store.execute(
        """SELECT count(DISTINCT child) FROM edges
           WHERE family = 'records' AND state = 'missing_parent' AND ($run IS NULL OR run = $run)""",
        {"run": run},
    )[0][0]
    none = np.array([], np.int64)
    child, parent = _with_pairs(events["row"].to_numpy(), none, none, edges)
    notes = [f"{counted(lost, 'record')} with a parent that is not in the capture: not waited for"] if lost else []
    return Part(events, pa.table({"child": child, "parent": parent}), store, notes=notes)


# Sensor logs


def _log(store: Store, log: LogEntry, clock: Utc | str | None, alone: bool = False) -> Part:
    """Return the entries of a log on UTC; one that is played alone may stay on its own clock."""
    nothing = pa.table({"child": pa.array([], pa.int64()), "parent": pa.array([], pa.int64())})
    if log.kind is None:
        note = f"log {log.resource_id!r} is not played: its sensor is not registered, so what it holds is not known"
        return Part(COLUMNS.empty_table(), nothing, store, notes=[note])
    entries = store.arrow(
        f"""SELECT 'logs' AS family, run, log_id || '#' || seq AS id, log_id AS group_id, $kind AS kind,
                   $actor AS actor, ts_ns AS at_ns, min(rowid) AS row, seq AS place
            FROM "{log.table}" WHERE run = $run AND log_id = $log GROUP BY ALL ORDER BY seq""",  # noqa: S608  our names
        {"run": log.run, "log": log.log_id, "kind": log.kind, "actor": log.resource_id},
    ).cast(COLUMNS)
    ns = np.asarray(entries["at_ns"].combine_chunks().to_numpy(zero_copy_only=False))
    try:
        joined = paths(store, log.run)
        read = utc_mapping(joined, clock).from_clock(joined, ns, log.clock)
    except (NoUtcError, NoClockPath, ClockError) as error:
        if alone:
            return Part(entries, nothing, store, clock=log.clock.id)
        note = f"log {log.resource_id!r} ({counted(len(entries), 'entry')}) is not played: {error}"
        return Part(COLUMNS.empty_table(), nothing, store, notes=[note])
    at = pa.array(read.ns, pa.int64(), mask=~read.known)
    entries = entries.set_column(entries.column_names.index("at_ns"), "at_ns", at)
    lost = int((~read.known).sum())
    notes = [f"{counted(lost, 'entry')} of log {log.resource_id!r} without a time on UTC: not played"] if lost else []
    return Part(entries.filter(pc.is_valid(entries["at_ns"])), nothing, store, notes=notes)


# Queries and tables


def _chosen(table: pa.Table, store: Store | None, run: str | None) -> list[Part]:
    """Return the events that a table names by their ids; rows of their own where it names none."""
    if store is None or "id" not in table.column_names:
        if store is not None and {"log_id", "seq"} <= set(table.column_names):
            return [_entries(table, store, run)]
        return [_rows(table)]
    named = table.select([name for name in ("run", "id") if name in table.column_names])
    if "run" not in named.column_names:
        named = named.append_column("run", pa.nulls(len(named), pa.string()))
    with Lent(store) as lent:
        lent("player_wanted", named.cast(pa.schema([(name, pa.string()) for name in named.column_names])))
        found = {
            family: store.arrow(
                f"""SELECT DISTINCT s.rowid AS row, s.run FROM {family} s JOIN player_wanted w ON w.id = s.id
                    WHERE s.canonical AND (w.run IS NULL OR w.run = s.run) AND ($run IS NULL OR s.run = $run)
                    ORDER BY s.rowid""",  # noqa: S608  our names
                {"run": run},
            )
            for family in ("signals", "records")
        }
    made = []
    for family, make in (("signals", _signals), ("records", _records)):
        if len(found[family]):
            runs = sorted(set(found[family]["run"].to_pylist()))
            made.append(make(store, runs[0] if len(runs) == 1 else None, found[family]))
    if not made:
        raise ArgumentError(
            f"none of the {len(table):,} ids of the table is an event of the store: play rows of signals or records, or a "
            "table with a time in ts, ts_ns or at_ns and without a column id"
        )
    return made


def _entries(table: pa.Table, store: Store, run: str | None) -> Part:
    """Return the entries of one log that a table names by log_id and seq."""
    names = pc.unique(table["log_id"]).to_pylist()
    if len(names) != 1:
        raise ArgumentError(f"rows of {len(names)} logs: give a list with a kit.replay.Log for each")
    whole = _log(store, find_log(store, names[0], run), None, alone=True)
    whole.events = whole.events.filter(pc.is_in(whole.events["place"], pc.unique(table["seq"]).cast(pa.int64())))
    return whole


def _rows(table: pa.Table) -> Part:
    """Return rows of any table with a time as events of their own."""
    names = table.column_names
    time = next((name for name in ("at_ns", "ts_ns", "ts") if name in names), None)
    if time is None:
        raise ArgumentError(f"a table is played by ids of a store or by a time: no id, at_ns, ts_ns, ts among {names}")
    at = table[time]
    if pa.types.is_timestamp(at.type):
        at = at.cast(pa.timestamp("ns", at.type.tz)).cast(pa.int64())
    count = len(table)
    texts = [json.dumps(row, default=str, ensure_ascii=False) for row in table.to_pylist()]

    def column(*choices: str, other: str) -> pa.Array:
        name = next((name for name in choices if name in names), None)
        return pa.repeat(other, count) if name is None else table[name].cast(pa.string()).combine_chunks()

    ids = table["id"].cast(pa.string()) if "id" in names else pa.array([f"row {n}" for n in range(count)], pa.string())
    columns: Mapping[str, Any] = {
        "family": pa.repeat("rows", count),
        "run": column("run", other="table"),
        "id": ids,
        "group_id": column("group_id", "trace_id", "thread", "log_id", other="table"),
        "kind": column("kind", "type", "act", other="row"),
        "actor": column("actor", "directed_id", "neuron", other="table"),
        "at_ns": at,
        "row": pa.array(np.arange(count)),
        "place": pa.array(np.arange(count)),
    }
    nothing = pa.table({"child": pa.array([], pa.int64()), "parent": pa.array([], pa.int64())})
    return Part(pa.table(columns).cast(COLUMNS), nothing, texts=texts)


def times(part: Part) -> Any:
    """Return the times of a part as int64, UNTIMED where there is none."""
    return part.events["at_ns"].fill_null(UNTIMED).to_numpy()


def notes_of(parts: Iterable[Part]) -> list[str]:
    """Return what was left out, each said once."""
    return list(dict.fromkeys(note for part in parts for note in part.notes))


__all__ = ["COLUMNS", "FAMILIES", "NO_TIME", "Log", "Part", "notes_of", "parts_of", "times"]

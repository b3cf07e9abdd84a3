"""What is aligned: rows with an instant each, and the clock or clocks of these instants."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.align.citations import statements
from kit.align.logs import entries, find_log
from kit.align.mapping import Utc, UtcClocks, utc_mapping
from kit.align.paths import Paths
from kit.align.time import readings
from kit.auki.clock import UNKNOWN, Readings
from kit.auki.clock_graph import ClockName
from kit.errors import ArgumentError, KitError
from kit.schema import columns
from kit.store.store import Store
from kit.typing import ArrowStream

Ints = NDArray[np.int64]
SIGNALS = """
SELECT id AS signal_id, trace_id, type, directed_id, ts FROM signals
WHERE canonical AND run = $run AND ts IS NOT NULL ORDER BY ts, id
"""
HIDDEN = {"run", "source_id", "line", "log_id", "offset", "length", "data_offset", "data_length"}
NO_TIME = np.iinfo(np.int64).min


@dataclass(frozen=True)
class Base:
    """Rows as columns, and their instants as readings of any clock."""

    columns: dict[str, Any]
    what: str
    read: Callable[[Paths, ClockName], Readings]
    utc: Utc | UtcClocks | None = None
    """How the instants become readings of the logs' clocks, where they are UTC."""

    def readings(self, paths: Paths, clock: ClockName) -> Readings:
        """Return the instants on `clock`."""
        return self.read(paths, clock)


def base_of(store: Store, paths: Paths, base: Any, clock: "ClockName | Utc | None") -> Base:
    """Return what `align` may be given as its base; see there. Raises ArgumentError for anything else."""
    if isinstance(base, str) and base == "records":
        return _records(store, paths)
    if isinstance(base, str) and base == "signals":
        return _zoned(store.arrow(SIGNALS, {"run": paths.run}), "signals", paths, clock)
    if isinstance(base, str):
        return _log(store, paths, base, clock)
    if not isinstance(base, ArrowStream):
        raise ArgumentError(
            f"base={base!r:.60}: give the name of a log, 'signals', 'records', or a table with a column ts or ts_ns"
        )
    table = pa.RecordBatchReader.from_stream(base).read_all()
    if "ts_ns" in table.column_names:
        if clock is None or isinstance(clock, Utc):
            raise ArgumentError("a table with ts_ns is on some clock: say which, as clock='peer/clock_id'")
        ts = _ints(table["ts_ns"])
        return _on_clock({name: table[name] for name in table.column_names}, ts, clock, "rows")
    if "ts" in table.column_names and pa.types.is_timestamp(table.schema.field("ts").type):
        return _zoned(table, "rows", paths, clock)
    raise ArgumentError(f"the table has neither ts (a time) nor ts_ns, only {', '.join(table.column_names[:12])}")


def _log(store: Store, paths: Paths, name: str, clock: "ClockName | Utc | None") -> Base:
    log = find_log(store, name, paths.run)
    if isinstance(clock, Utc):
        raise ArgumentError("a log has a clock of its own: clock= names the clock of the result's ts_ns")
    fields = [name for name in columns(log.table) if name not in HIDDEN]
    rows = entries(store, log, ", ".join(f'"{name}"' for name in fields))
    found: dict[str, Any] = {name: rows[name] for name in fields}
    ts = _ints(rows["ts_ns"])
    if clock is not None:
        read = readings(paths, ts, log.clock, clock)
        found["ts_ns"] = pa.array(read.ns, pa.int64(), mask=~read.known)
    return _on_clock(found, ts, log.clock, f"entries of {log.resource_id}")


def _on_clock(found: dict[str, Any], ts: Ints, own: ClockName, what: str) -> Base:
    def read(paths: Paths, clock: ClockName) -> Readings:
        return readings(paths, ts, own, clock)

    return Base(found, what, read)


def _zoned(table: pa.Table, what: str, paths: Paths, clock: "ClockName | Utc | None") -> Base:
    """Return rows that have UTC in `ts`; those without a time have no reading of any clock."""
    utc = utc_mapping(paths, clock)
    stamps = table["ts"].cast(pa.timestamp("us", tz="UTC")).cast(pa.int64()).combine_chunks()
    missing = np.asarray(stamps.is_null().to_numpy(zero_copy_only=False), bool)
    ns = np.where(missing, 0, np.asarray(stamps.fill_null(0).to_numpy(zero_copy_only=False))) * 1000

    def read(paths: Paths, clock: ClockName) -> Readings:
        found = utc.to_clock(paths, ns, clock)
        return Readings(found.ns, found.uncertainty_ns, found.flags | np.where(missing, UNKNOWN, 0).astype(np.uint8))

    return Base({name: table[name] for name in table.column_names}, what, read, utc)


def _records(store: Store, paths: Paths) -> Base:
    """Return the records that cite a log, each with the instant it cites; a log that is not there gives no reading."""
    cited = [(said, said.cited) for said in statements(store, paths.run)]
    held = [(said, what) for said, what in cited if what is not None]
    clocks: list[ClockName | None] = []
    for _, what in held:
        try:
            clocks.append(find_log(store, what.log, paths.run, what.peer).clock)
        except KitError:
            clocks.append(None)
    ts = np.array([what.ts_ns for _, what in held], np.int64)
    found = {
        "record_id": pa.array([said.id for said, _ in held], pa.string()),
        "thread": pa.array([said.thread for said, _ in held], pa.string()),
        "actor": pa.array([said.actor for said, _ in held], pa.string()),
        "kind": pa.array([said.kind for said, _ in held], pa.string()),
        "integrity": pa.array([said.integrity for said, _ in held], pa.string()),
        "signal_id": pa.array([said.signal_id for said, _ in held], pa.string()),
        "log": pa.array([what.log for _, what in held], pa.string()),
        "ts_ns": pa.array(ts),
    }

    def read(paths: Paths, clock: ClockName) -> Readings:
        ns, uncertainty = np.zeros(len(held), np.int64), np.zeros(len(held), np.int64)
        flags = np.full(len(held), UNKNOWN, np.uint8)
        for own in {name for name in clocks if name is not None}:
            here = np.array([name == own for name in clocks])
            part = readings(paths, ts[here], own, clock)
            ns[here], uncertainty[here], flags[here] = part.ns, part.uncertainty_ns, part.flags
        return Readings(ns, uncertainty, flags)

    return Base(found, "records", read)


def _ints(column: pa.ChunkedArray) -> Ints:
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False)).astype(np.int64)

"""Readings of one clock as readings of another, as tables; what each clock does."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike

from kit.align.paths import Paths
from kit.auki import clock_report
from kit.auki.clock import DISCONTINUOUS, EXTRAPOLATED, FLAGS, GAP, UNKNOWN, Method, Readings
from kit.auki.clock_graph import ClockName, means, names_of
from kit.auki.manifest import Ref
from kit.errors import NoClockPath

NOTED = (EXTRAPOLATED, DISCONTINUOUS, GAP)
REPORTS = pa.schema(
    [
        ("log_id", pa.string()),
        ("from_clock", pa.string()),
        ("to_clock", pa.string()),
        ("samples", pa.int64()),
        ("first_ns", pa.int64()),
        ("last_ns", pa.int64()),
        ("drift_ppm", pa.float64()),
        ("steps", pa.int64()),
        ("largest_step_ns", pa.int64()),
        ("uncertainty_median_ns", pa.int64()),
        ("uncertainty_max_ns", pa.int64()),
        ("longest_gap_ns", pa.int64()),
        ("left_out", pa.int64()),
    ]
)
OFFSETS = pa.schema(
    [
        ("log_id", pa.string()),
        ("from_clock", pa.string()),
        ("to_clock", pa.string()),
        ("ts_ns", pa.int64()),
        ("offset_ns", pa.int64()),
        ("change_ns", pa.int64()),
        ("stretch", pa.int64()),
        ("uncertainty_ns", pa.int64()),
    ]
)


def convert_time(
    paths: Paths,
    ts_ns: ArrayLike,
    from_clock: ClockName,
    to_clock: ClockName,
    *,
    method: Method = "linear",
    extrapolate: bool = True,
) -> pa.Table:
    """Return readings of one clock as readings of another, exact to the nanosecond (spec/auki.md 4.3).

    Columns: from_ns, to_ns (NULL where unknown), uncertainty_ns, extrapolated, discontinuous, gap. Before the first and
    after the last sample of a log its offset is held and the row flagged; with `extrapolate=False` it is NULL. Where a
    clock steps, the offset before the step is held. A clock's name may carry its peer, `peer/id`, which is needed where
    several have the id. Raises NoClockPath, naming the clocks that are reached, and ArgumentError for floats.
    """
    begin = np.atleast_1d(np.asarray(ts_ns))
    read = readings(paths, begin, from_clock, to_clock, method=method, extrapolate=extrapolate)
    return pa.table(
        {
            "from_ns": pa.array(begin.astype(np.int64)),
            "to_ns": pa.array(read.ns, pa.int64(), mask=~read.known),
            "uncertainty_ns": pa.array(read.uncertainty_ns, pa.int64(), mask=~read.known),
            **{FLAGS[flag]: pa.array(read.flagged(flag)) for flag in NOTED},
        }
    )


def readings(
    paths: Paths,
    ts_ns: ArrayLike,
    from_clock: ClockName,
    to_clock: ClockName,
    *,
    method: Method = "linear",
    extrapolate: bool = True,
) -> Readings:
    """Return the same as NumPy columns. A clock that no log names is itself, and nothing else."""
    if _same(from_clock, to_clock) and not any(means(from_clock, clock) for clock in paths.clocks.clocks()):
        ns = np.atleast_1d(np.asarray(ts_ns)).astype(np.int64)
        return Readings(ns, np.zeros(len(ns), np.int64), np.zeros(len(ns), np.uint8))
    return paths.clocks.convert(ts_ns, from_clock, to_clock, method=method, extrapolate=extrapolate)


def _same(one: ClockName, other: ClockName) -> bool:
    """Return whether two names are of one clock: they are equal, or one is a reference that the other means."""
    return one == other or any(isinstance(b, Ref) and means(a, b) for a, b in ((one, other), (other, one)))


def flag_lists(read: Readings) -> pa.Array:
    """Return the flags of readings as lists of words."""
    words = [[FLAGS[flag] for flag in NOTED if bits & flag] for bits in range(2 * UNKNOWN)]
    return pa.array([words[bits] for bits in read.flags.tolist()], pa.list_(pa.string()))


def clock_reports(paths: Paths) -> pa.Table:
    """Return one row per clock log: samples, span, drift in ppm (Theil-Sen), steps, uncertainty, longest gap.

    Columns: log_id, from_clock, to_clock, samples, first_ns, last_ns, drift_ppm (NULL where unknown), steps, largest_step_ns,
    uncertainty_median_ns, uncertainty_max_ns, longest_gap_ns, left_out; times on the from-clock.
    """
    rows: list[dict[str, Any]] = []
    for edge in paths.clocks.edges:
        told = clock_report.report(edge.samples)
        largest = max((step.size_ns for step in told.steps), key=abs, default=0)
        rows.append(
            {
                "log_id": edge.log_id,
                "from_clock": str(edge.begin),
                "to_clock": str(edge.end),
                "samples": told.samples,
                "first_ns": told.first_ns,
                "last_ns": told.last_ns,
                "drift_ppm": told.drift_ppm,
                "steps": len(told.steps),
                "largest_step_ns": largest,
                "uncertainty_median_ns": told.uncertainty_median_ns,
                "uncertainty_max_ns": told.uncertainty_max_ns,
                "longest_gap_ns": told.longest_gap_ns,
                "left_out": told.left_out,
            }
        )
    return pa.Table.from_pylist(rows, schema=REPORTS)


CLOCK = ("clock_peer_id", "clock_id", "clock_hash")


def spans_on(paths: Paths, table: pa.Table, clock: ClockName) -> pa.Table:
    """Return a table as `log_coverage` gives with its times, and their clock, on one clock.

    Rows whose clock no log joins to `clock` keep their own. Raises NoClockPath where there is no such clock.
    """
    first, last = (table[name].to_pylist() for name in ("first_ts_ns", "last_ts_ns"))
    clocks = _clocks(table)
    try:
        target = paths.clocks.clock(clock)
    except NoClockPath:
        if any(means(clock, own) for own in clocks):
            return table  # a clock of logs that no clock log joins to another
        raise
    for own in dict.fromkeys(clocks):
        rows = [row for row, its in enumerate(clocks) if its == own]
        try:
            at = np.array([(first[row], last[row]) for row in rows], np.int64).ravel()
            ends = readings(paths, at, own, target).ns.reshape(-1, 2)
        except NoClockPath:
            continue
        for row, (begin, end) in zip(rows, ends.tolist(), strict=True):
            first[row], last[row], clocks[row] = begin, end, target
    parts = zip(CLOCK, zip(*clocks, strict=True), strict=True) if clocks else ()
    return _replaced(table, {"first_ts_ns": first, "last_ts_ns": last, **{name: list(part) for name, part in parts}})


def with_clock_names(table: pa.Table) -> pa.Table:
    """Return a table as `log_coverage` gives with its clocks by name: the id, and more where several clocks share it."""
    clocks = _clocks(table)
    known = sorted(set(clocks))
    ids = [clock.id for clock in known]
    full = dict(zip(known, names_of(known), strict=True))
    names = [(clock.id if ids.count(clock.id) == 1 else full[clock]) or None for clock in clocks]
    return _replaced(table, {"clock_id": names}).drop_columns([name for name in CLOCK if name != "clock_id"])


def _clocks(table: pa.Table) -> list[Ref]:
    return [
        Ref(*(part or "" for part in row)) for row in zip(*(table[name].to_pylist() for name in CLOCK), strict=True)
    ]


def _replaced(table: pa.Table, columns: dict[str, list[Any]]) -> pa.Table:
    for name, values in columns.items():
        at = table.column_names.index(name)
        table = table.set_column(at, name, pa.array(values, table.schema.field(name).type))
    return table


def clock_offsets(paths: Paths, logs: Sequence[str] | None = None) -> pa.Table:
    """Return the samples of clock logs, each with its change since the first of its stretch between steps.

    Columns: log_id, from_clock, to_clock, ts_ns, offset_ns, change_ns, stretch, uncertainty_ns.
    """
    found = []
    for edge in paths.clocks.edges:
        if logs is not None and edge.log_id not in logs:
            continue
        samples = clock_report.offsets(edge.samples)
        named = {"log_id": edge.log_id, "from_clock": str(edge.begin), "to_clock": str(edge.end)}
        columns = {name: pa.repeat(text, len(samples)) for name, text in named.items()}
        columns |= {name: samples[name] for name in OFFSETS.names[3:]}
        found.append(pa.table(columns).cast(OFFSETS))
    return pa.concat_tables(found) if found else OFFSETS.empty_table()

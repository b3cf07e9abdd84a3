"""`align`: for each instant of one log, the sample of others that belongs to it, across clocks, as one table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.auki.clock import DISCONTINUOUS, EXTRAPOLATED, FLAGS, GAP, Readings
from kit.auki.clock_graph import ClockGraph, ClockName
from kit.errors import ArgumentError

Ints = NDArray[np.int64]
How = Literal["nearest", "previous", "next"]

HOWS: tuple[How, ...] = ("nearest", "previous", "next")
NOTED = (EXTRAPOLATED, DISCONTINUOUS, GAP)


@dataclass(frozen=True)
class Series:
    """Samples to align: a table with `ts_ns`, the clock of it, and which sample belongs to an instant.

    A sample farther than `tolerance_ns` does not belong to it; without, any does.
    """

    rows: pa.Table
    clock: ClockName
    how: How = "nearest"
    tolerance_ns: int | None = None


def align(reference: pa.Table, clock: ClockName, others: Mapping[str, Series], clocks: ClockGraph) -> pa.Table:
    """Return the rows of `reference` with the row of each other series that belongs to its `ts_ns`.

    The columns of a series get its name in front: `joints_angles`, `joints_ts_ns` on its own clock, and besides
    `joints_age_ns`, how much older the sample is than the instant (negative: younger), `joints_uncertainty_ns` of the
    clocks between, and `joints_flags` of the conversion. All are null where no sample belongs to the instant. Of two
    samples equally near the earlier counts, of equal times the last. Raises NoClockPath, and ArgumentError for tables without
    `ts_ns`.
    """
    instants = _times(reference, "reference")
    columns = {name: reference.column(name) for name in reference.column_names}
    for name, series in others.items():
        if series.how not in HOWS:
            raise ArgumentError(f"how={series.how!r} for {name!r}: give {', '.join(map(repr, HOWS))}")
        read = clocks.convert(instants, clock, series.clock)
        columns |= {f"{name}_{column}": values for column, values in _aligned(series, name, read).items()}
    return pa.table(columns)


def matches(ts_ns: Ints, wanted: Ints, how: How = "nearest", tolerance_ns: int | None = None) -> Ints:
    """Return for each wanted instant the number of the sample that belongs to it, -1 where none does.

    >>> matches(np.array([10, 20, 20, 40]), np.array([5, 15, 20, 31, 50])).tolist()
    [0, 0, 2, 3, 3]
    """
    if not len(ts_ns):
        return np.full(len(wanted), -1, np.int64)
    order = np.argsort(ts_ns, kind="stable")
    sorted_ts = ts_ns[order]
    last = len(order) - 1
    after = np.searchsorted(sorted_ts, wanted, side="right")
    before = after - 1
    exact = (before >= 0) & (sorted_ts[np.maximum(before, 0)] == wanted)
    # Of equal times the last: what comes next is the last of the first time after.
    first_after = np.minimum(after, last)
    following = np.where(exact, before, np.searchsorted(sorted_ts, sorted_ts[first_after], side="right") - 1)
    following = np.where((after > last) & ~exact, -1, following)
    if how == "previous":
        found = before
    elif how == "next":
        found = following
    else:
        to_next = sorted_ts[np.maximum(following, 0)] - wanted
        to_previous = wanted - sorted_ts[np.maximum(before, 0)]
        found = np.where((before >= 0) & ((following < 0) | (to_previous <= to_next)), before, following)
    if tolerance_ns is not None:
        found = np.where(np.abs(sorted_ts[np.maximum(found, 0)] - wanted) <= tolerance_ns, found, -1)
    return np.where(found >= 0, order[np.maximum(found, 0)], -1)


def _aligned(series: Series, name: str, read: Readings) -> dict[str, Any]:
    ts = _times(series.rows, name)
    found = np.where(read.known, matches(ts, read.ns, series.how, series.tolerance_ns), -1)
    none = found < 0
    chosen = pa.array(found, mask=none)
    columns = {column: series.rows.column(column).take(chosen) for column in series.rows.column_names}
    age = read.ns - (ts[np.maximum(found, 0)] if len(ts) else 0)
    words = [[FLAGS[flag] for flag in NOTED if bits & flag] for bits in range(max(FLAGS) * 2)]
    return columns | {
        "age_ns": pa.array(age, mask=none),
        "uncertainty_ns": pa.array(read.uncertainty_ns, mask=none),
        "flags": pa.array([words[bits] for bits in read.flags.tolist()], pa.list_(pa.string())),
    }


def _times(rows: pa.Table, name: str) -> Ints:
    if "ts_ns" not in rows.column_names:
        raise ArgumentError(f"{name} has no column ts_ns, only {', '.join(rows.column_names)}")
    found: Ints = rows.column("ts_ns").to_numpy()
    return found

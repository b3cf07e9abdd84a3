"""`align`: for each instant of a base, the samples of logs that belong to it, across clocks, as one table."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.align.base import Base, base_of
from kit.align.citations import results
from kit.align.logs import LogEntry, entries, find_log
from kit.align.mapping import Utc, overlap_warning
from kit.align.paths import POSE, Paths
from kit.align.residual import residuals, warn_if_suspect
from kit.align.time import flag_lists
from kit.auki.align import matches
from kit.auki.clock import EXTRAPOLATED, Readings
from kit.auki.clock_graph import ClockName
from kit.auki.frame import FrameName
from kit.auki.track import DISCONTINUOUS, GAP
from kit.auki.track import FLAGS as POSE_FLAGS
from kit.errors import ArgumentError
from kit.schema import columns
from kit.store.store import Store

Ints = NDArray[np.int64]
Method = Literal["nearest", "previous", "linear"]
Frames = tuple[FrameName, FrameName]
"""A frame, and the frame it is seen from."""
Others = Sequence[str | Frames] | Mapping[str, str | Frames]
METHODS: tuple[Method, ...] = get_args(Method)
PLACES = {"run", "source_id", "line", "log_id", "part", "from_frame", "to_frame", "from_clock", "to_clock", "ts_ns"}
PLACES |= {"offset", "length", "data_offset", "data_length"}
"""Columns of a log's table that say where a row is from, and are left out."""


@dataclass(frozen=True)
class _Wanted:
    """A log to align: the name in front of its columns, and which of its samples belongs to an instant."""

    name: str
    log: LogEntry
    method: Method
    tolerance_ns: int | None


def align(
    store: Store,
    paths: Paths,
    base: Any,
    others: Others,
    *,
    clock: "ClockName | Utc | None" = None,
    method: Method | Mapping[str, Method] = "nearest",
    tolerance_ns: int | Mapping[str, int] | None = None,
) -> pa.Table:
    """Return the rows of `base` with what each of some logs has at their instants, as one table.

    base          a log (its resource id, or whole log id); "signals" or "records"; or a table with a column `ts` (UTC, as
                  study.signals() gives) or `ts_ns` (on `clock`). Records have the instant that they cite of a log
    others        logs, or a mapping of the name to put in front of the columns to the log; in a mapping also a pair of frames,
                  `{"robot": ("base_link", "world")}`: where the first is, seen from the second, interpolated, as `pose` has it
    clock         of a log: the clock of the result's `ts_ns`, its own without. Of signals, which have UTC: the clock of the
                  logs that is UTC (without, each log's own: the one declared as `utc_clock` that clock logs lead to), or a
                  `kit.align.Utc`, which says how far a clock is from it
    method        which sample belongs to an instant: "nearest" (of two equally near the earlier), "previous", or "linear": poses
                  and joint angles are interpolated, of other logs it is the nearest. One for all, or by log
    tolerance_ns  how far a sample may be from the instant; farther ones do not belong. For "linear" how far apart the samples
                  on both sides may be

    Columns: those of the base, `ts_ns`, then for each log `<log>_<field>`, `<log>_ts_ns` (on the log's own clock; of an
    interpolated one the instant itself), `<log>_age_ns` (how much older than the instant the sample is, negative where it
    is younger; of an interpolated one, the sample before it), `<log>_uncertainty_ns` (of the clocks between) and
    `<log>_flags` (extrapolated, discontinuous, gap). Where nothing belongs to an instant the columns are NULL.

    Raises NoUtcError where signals are to be aligned and no clock is UTC, NoClockPath, NotFoundError and ArgumentError. Warns
    (ClockMappingWarning) where signals and logs do not overlap in time, or where the instants that tools cite, between
    their calls and answers, speak against the mapping.
    """
    started = base_of(store, paths, base, clock)
    found: dict[str, Any] = dict(started.columns)
    logs, frames = _told_apart(others)
    for name, pair in frames.items():
        found |= _located(paths, name, pair, started, _far(tolerance_ns, name))
    for wanted in _wanted(store, paths, logs, method, tolerance_ns):
        read = started.readings(paths, wanted.log.clock)
        if started.utc is not None:
            overlap_warning(read, started.what, wanted.log.resource_id)
        found |= _aligned(store, paths, wanted, read)
    if started.utc is not None:
        warn_if_suspect(residuals(store, paths, started.utc, results(store, paths.run)))
    return pa.table(found)


def _told_apart(others: Others) -> tuple[dict[str, str], dict[str, Frames]]:
    """Return the logs and the pairs of frames among what is to be aligned, by the names of their columns."""
    if isinstance(others, str):
        others = [others]
    # A pair of frames in a list has the name of its first.
    named = dict(others) if isinstance(others, Mapping) else {_called(what): what for what in others}
    frames: dict[str, Frames] = {}
    for name, what in named.items():
        if isinstance(what, tuple) and len(what) == 2:
            frames[name] = what
        elif not isinstance(what, str):
            raise ArgumentError(f"{name!r}: {what!r} is neither a log nor a pair of frames, ('base_link', 'world')")
    return {name: what for name, what in named.items() if isinstance(what, str)}, frames


def _called(what: str | Frames) -> str:
    return f"{what[0]}" if isinstance(what, tuple) and what else f"{what}"


def _far(tolerance_ns: int | Mapping[str, int] | None, *names: str) -> int | None:
    """Return the tolerance of what has one of these names."""
    far = tolerance_ns
    if isinstance(tolerance_ns, Mapping):
        far = next((tolerance_ns[name] for name in names if name in tolerance_ns), None)
    if isinstance(far, int) and far < 0:
        raise ArgumentError(f"tolerance_ns={far!r} for {names[0]!r}: give nanoseconds, 0 or more")
    return far if isinstance(far, int) else None


def _located(paths: Paths, name: str, pair: Frames, started: Base, far: int | None) -> dict[str, Any]:
    """Return the columns of a pair of frames: the pose of the first in the second at each instant."""
    frame, seen_from = pair
    edges = [leg.edge for leg in paths.frames.path(frame, seen_from)]
    if not edges:
        raise ArgumentError(f"{name!r}: {frame!s} seen from itself is always at its origin")
    clock = next((edge.clock for edge in edges if not edge.track.rigid), edges[0].clock)
    read = started.readings(paths, clock)
    if started.utc is not None:
        overlap_warning(read, started.what, f"{frame}, seen from {seen_from}")
    located = paths.frames.at(np.where(read.known, read.ns, 0), frame, seen_from, clock=clock, max_gap_ns=far)
    known = located.known & read.known
    values = located.poses.flat()
    found: dict[str, Any] = {
        column: pa.array(np.ascontiguousarray(values[:, i]), mask=~known) for i, column in enumerate(POSE)
    }
    found |= {
        "ts_ns": pa.array(read.ns, pa.int64(), mask=~read.known),
        "uncertainty_ns": pa.array(read.uncertainty_ns, pa.int64(), mask=~read.known),
        "flags": _with_those_of_poses(read, located.flags),
    }
    return {f"{name}_{column}": column_of for column, column_of in found.items()}


def _with_those_of_poses(read: Readings, noted: NDArray[np.uint8]) -> pa.Array:
    """Return the flags of readings together with those of poses, as lists."""
    flags = read.flags | np.where(noted & EXTRAPOLATED, EXTRAPOLATED, 0).astype(np.uint8)
    lists = flag_lists(Readings(read.ns, read.uncertainty_ns, flags)).to_pylist()
    for bit in (GAP, DISCONTINUOUS):
        for i in np.flatnonzero(noted & bit).tolist():
            lists[i] = list(dict.fromkeys([*lists[i], POSE_FLAGS[bit]]))
    return pa.array(lists, pa.list_(pa.string()))


def _wanted(
    store: Store,
    paths: Paths,
    named: Mapping[str, str],
    method: Method | Mapping[str, Method],
    tolerance_ns: int | Mapping[str, int] | None,
) -> list[_Wanted]:
    found = []
    for name, log in named.items():
        how = method if isinstance(method, str) else method.get(name, method.get(log, "nearest"))
        far = _far(tolerance_ns, name, log)
        if how not in METHODS:
            raise ArgumentError(f"method={how!r} for {name!r}: give {', '.join(map(repr, METHODS))}")
        found.append(_Wanted(name, find_log(store, log, paths.run), how, far))
    return found


def _aligned(store: Store, paths: Paths, wanted: _Wanted, read: Readings) -> dict[str, Any]:
    """Return the columns of one log."""
    if wanted.method == "linear" and wanted.log.kind == "pose":
        found = _between_poses(store, paths, wanted, read)
    elif wanted.method == "linear" and wanted.log.kind == "joints":
        found = _between_joints(store, wanted, read)
    else:
        found = _sampled(store, wanted, read)
    flags = found.pop("flags", None)
    found |= {
        "uncertainty_ns": pa.array(read.uncertainty_ns, pa.int64(), mask=~read.known),
        "flags": flag_lists(read) if flags is None else flags,
    }
    return {f"{wanted.name}_{name}": values for name, values in found.items()}


def _sampled(store: Store, wanted: _Wanted, read: Readings) -> dict[str, Any]:
    fields = [name for name in columns(wanted.log.table) if name not in PLACES]
    rows = entries(store, wanted.log, ", ".join(f'"{name}"' for name in ["ts_ns", *fields]))
    ts = _ints(rows["ts_ns"])
    how: Any = "previous" if wanted.method == "previous" else "nearest"
    at = np.where(read.known, matches(ts, read.ns, how, wanted.tolerance_ns), -1)
    none = at < 0
    chosen = pa.array(at, pa.int64(), mask=none)
    age = read.ns - ts[np.maximum(at, 0)] if len(ts) else read.ns
    found = {name: rows[name].take(chosen) for name in fields}
    return found | {"ts_ns": rows["ts_ns"].take(chosen), "age_ns": pa.array(age, pa.int64(), mask=none)}


def _between_poses(store: Store, paths: Paths, wanted: _Wanted, read: Readings) -> dict[str, Any]:
    """Return interpolated poses, as the log maps points: from its first frame to its second."""
    edges = [edge for edge in paths.frames.edges if edge.log_id == wanted.log.log_id]
    if len(edges) != 1:
        raise ArgumentError(
            f"log {wanted.log.log_id!r} has the poses of {len(edges)} pairs of frames: interpolate with study.transform"
        )
    track = edges[0].track
    located = track.at(np.where(read.known, read.ns, 0), max_gap_ns=wanted.tolerance_ns)
    known = located.known & read.known
    values = located.poses.flat()
    before = np.searchsorted(track.ts_ns, read.ns, side="right") - 1
    inside = known & (before >= 0)
    found: dict[str, Any] = {
        name: pa.array(np.ascontiguousarray(values[:, i]), mask=~known) for i, name in enumerate(POSE)
    }
    return found | {
        "ts_ns": pa.array(read.ns, pa.int64(), mask=~known),
        "age_ns": pa.array(read.ns - track.ts_ns[np.maximum(before, 0)], pa.int64(), mask=~inside),
        "flags": _with_those_of_poses(read, located.flags),
    }


def _between_joints(store: Store, wanted: _Wanted, read: Readings) -> dict[str, Any]:
    """Return interpolated joint angles; none where the samples on both sides have other counts, or are too far apart."""
    rows = entries(store, wanted.log, "ts_ns, angles")
    ts = _ints(rows["ts_ns"])
    held = rows["angles"].combine_chunks()
    counts = np.diff(_ints(held.offsets)) if len(ts) else np.zeros(0, np.int64)
    angles = np.asarray(held.flatten().to_numpy(zero_copy_only=False), float)
    starts = np.concatenate([[0], np.cumsum(counts)])
    before = np.searchsorted(ts, read.ns, side="right") - 1
    last = len(ts) - 1
    known = read.known & (before >= 0) & (last >= 0)
    exact = known & (ts[np.clip(before, 0, max(last, 0))] == read.ns) if last >= 0 else known
    known &= exact | (before < last)
    left = np.clip(before, 0, max(last, 0))
    right = np.where(exact, left, np.minimum(left + 1, max(last, 0)))
    if last >= 0:
        known &= counts[left] == counts[right]
        if wanted.tolerance_ns is not None:
            known &= exact | (ts[right] - ts[left] <= wanted.tolerance_ns)
    found: list[list[float] | None] = [None] * len(read)
    for i in np.flatnonzero(known).tolist():
        a, b = int(left[i]), int(right[i])
        one, two = (angles[starts[at] : starts[at] + counts[at]] for at in (a, b))
        part = (int(read.ns[i]) - int(ts[a])) / max(int(ts[b]) - int(ts[a]), 1)
        found[i] = (one + (two - one) * part).tolist()
    age = read.ns - ts[left] if last >= 0 else read.ns
    return {
        "angles": pa.array(found, pa.list_(pa.float64())),
        "ts_ns": pa.array(read.ns, pa.int64(), mask=~known),
        "age_ns": pa.array(age, pa.int64(), mask=~known),
    }


def _ints(column: Any) -> Ints:
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.asarray(array.to_numpy(zero_copy_only=False)).astype(np.int64)

"""The clocks and frames of a store, joined by its time transform logs and pose logs."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from kit.align.logs import LogEntry, entries, logs, one_run
from kit.auki.clock import clock_samples
from kit.auki.clock_graph import ClockEdge, ClockGraph
from kit.auki.frame import Frame, FrameEdge, FrameGraph
from kit.auki.manifest import Ref
from kit.auki.track import Semantics, track
from kit.errors import ClockError, GeometryError
from kit.store.store import Store

UTC = """
SELECT peer_id, id, hash FROM clocks WHERE type = 'utc_clock' AND ($run IS NULL OR run = $run)
GROUP BY ALL ORDER BY ALL
"""
ENDS = """
SELECT log_id, from_peer_id, from_id, from_hash, to_peer_id, to_id, to_hash, writer_mode
FROM logs WHERE run = $run ORDER BY source_id
"""
POSE = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")


@dataclass(frozen=True)
class Paths:
    """What joins the clocks and the frames of a run, and which clocks are declared as UTC."""

    run: str | None
    clocks: ClockGraph
    frames: FrameGraph
    utc: tuple[Ref, ...]


def paths(
    store: Store, run: str | None = None, *, pose_semantics: Semantics | dict[str, Semantics] = "points"
) -> Paths:
    """Return the clocks and frames of a run; the run may be left out where only one has logs.

    `pose_semantics` is that of all pose logs, or by resource id of those that differ from "points" ("tf": the log has
    the pose of its `to` frame in its `from` frame, as ROS tf publishes it). Logs without a sample that can be used
    join nothing. Raises ArgumentError where several runs have logs.
    """
    run = one_run(store, run)
    ends = {row[0]: row[1:] for row in store.execute(ENDS, {"run": run})}
    known = logs(store, run) if run is not None else []
    clocks = [
        edge for log in known if log.kind == "time_transform" for edge in _clock_edges(store, log, ends[log.log_id])
    ]
    joined = ClockGraph(tuple(clocks))
    frames = [
        edge
        for log in known
        if log.kind == "pose"
        for edge in _frame_edges(store, log, ends[log.log_id], _semantics(log, pose_semantics))
    ]
    utc = tuple(Ref(*(part or "" for part in row)) for row in store.execute(UTC, {"run": run}))
    return Paths(run, joined, FrameGraph(tuple(frames), joined), utc)


def _semantics(log: LogEntry, given: Semantics | dict[str, Semantics]) -> Semantics:
    return given.get(log.resource_id, "points") if isinstance(given, dict) else given


def _clock_edges(store: Store, log: LogEntry, ends: tuple[str | None, ...]) -> list[ClockEdge]:
    begin, end = (Ref(*(part or "" for part in ends[at : at + 3])) for at in (0, 3))
    columns = entries(store, log, "ts_ns, offset_ns, uncertainty_ns")
    try:
        return [ClockEdge(log.log_id, begin, end, clock_samples(*(_numbers(column) for column in columns.columns)))]
    except ClockError:
        return []


def _frame_edges(store: Store, log: LogEntry, ends: tuple[str | None, ...], how: Semantics) -> list[FrameEdge]:
    """Return the edges of a log: one, but as many as there are pairs of frames where its entries name their own."""
    found = []
    rows = entries(store, log, f"ts_ns, {', '.join(POSE)}, from_frame, to_frame")
    for first, last, part in _pairs(rows):
        values = np.stack([_numbers(part[name]) for name in POSE], 1)
        try:
            made = track(
                _numbers(part["ts_ns"]), values[:, :3], values[:, 3:], rigid=ends[6] == "rigid", pose_semantics=how
            )
        except GeometryError:
            continue
        found.append(FrameEdge(log.log_id, Frame(ends[0] or "", first), Frame(ends[3] or "", last), log.clock, made))
    return found


def _pairs(rows: pa.Table) -> list[tuple[str, str, pa.Table]]:
    """Return the rows of each pair of frames, in the order of the names."""
    names = rows.select(["from_frame", "to_frame"]).group_by(["from_frame", "to_frame"]).aggregate([])
    pairs = sorted((row["from_frame"] or "", row["to_frame"] or "") for row in names.to_pylist())
    if len(pairs) == 1:
        return [(*pairs[0], rows)]
    first, last = (rows[name].fill_null("") for name in ("from_frame", "to_frame"))
    found = []
    for begin, end in pairs:
        here = np.asarray(first.to_pylist()) == begin
        here &= np.asarray(last.to_pylist()) == end
        found.append((begin, end, rows.filter(pa.array(here))))
    return found


def _numbers(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column without nulls as NumPy; not by `to_numpy` of the chunked array, which imports pandas."""
    return np.asarray(column.combine_chunks().to_numpy(zero_copy_only=False))

"""`Evidence`: what was said in a run, and the sensor readings that it is held against."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.align.citations import Citation, Result, Statement, results, statements
from kit.align.locate import inverted
from kit.align.logs import LogEntry, entries, logs
from kit.align.mapping import Utc, UtcClocks, utc_mapping
from kit.align.paths import Paths
from kit.align.residual import Residuals, residuals
from kit.align.time import readings
from kit.auki.clock import DISCONTINUOUS, GAP, Readings
from kit.auki.clock_graph import ClockName
from kit.auki.track import Located, Track
from kit.errors import ClockError, KitError
from kit.store.store import Store
from kit.trace.amendments import View, fold

Ints = NDArray[np.int64]
DETECTORS = """
SELECT log_id, manifest ->> '$.input_log.source_peer_id', manifest ->> '$.input_log.resource_id'
FROM logs WHERE run = $run AND kind = 'detection' ORDER BY log_id
"""
FRAME = """
SELECT source_id, data_offset, data_length FROM camera_frames
WHERE run = $run AND log_id = $log AND ts_ns = $ts ORDER BY seq DESC LIMIT 1
"""
LABELS = ("label", "class", "class_name", "name")
MIN_NOISE_SAMPLES = 9


@dataclass(frozen=True)
class Tolerances:
    """How far statement and reading may be apart; what the clocks do not know is added."""

    position_m: float = 0.15
    yaw_rad: float = 0.1
    speed_m_s: float = 0.05
    turn_rad_s: float = 0.1
    window_ns: int = 100_000_000
    """Motion at an instant is looked at from this long before it to this long after."""
    instant_ns: int = 1_000_000
    reading: float = 1e-3
    """Share of a value that a copy of it may be off."""
    noise: float = 6.0
    """Standard deviations of a pose log's own noise that are not called motion."""


class Motion(NamedTuple):
    """Where a body is at an instant and how it moves; NaN where the log does not say."""

    x: float
    y: float
    yaw: float
    speed_m_s: float
    turn_rad_s: float
    noise_m: float


@dataclass(frozen=True)
class Evidence:
    """A run of a store with its clocks and frames; readings are looked up when a rule asks."""

    store: Store
    paths: Paths
    clock: "ClockName | Utc | None" = None
    tolerances: Tolerances = field(default_factory=Tolerances)

    @cached_property
    def results(self) -> list[Result]:
        """The tool results of the run."""
        return results(self.store, self.paths.run)

    @cached_property
    def statements(self) -> list[Statement]:
        """The records that cite a log or a signal, with their corrections, erased ones as they were."""
        if self.paths.run is None:
            return []
        corrected = fold(self.store, self.paths.run, View(erased=False, aliased=False)).bodies
        found = statements(self.store, self.paths.run)
        return [replace(said, said=json.loads(corrected[said.id])) if said.id in corrected else said for said in found]

    @cached_property
    def by_signal(self) -> Mapping[str, Result]:
        """Tool results by the ids of call and answer."""
        return {id_: result for result in self.results for id_ in (result.call_id, result.id) if id_ is not None}

    @cached_property
    def about(self) -> Mapping[str, Statement]:
        """The first record about each signal."""
        found: dict[str, Statement] = {}
        for said in self.statements:
            if said.signal_id is not None:
                found.setdefault(said.signal_id, said)
        return found

    def record_of(self, result: Result) -> str | None:
        """Return the record about a tool call or its answer."""
        said = self.about.get(result.call_id or "") or self.about.get(result.id)
        return None if said is None else said.id

    # Logs

    @cached_property
    def logs(self) -> Sequence[LogEntry]:
        """The logs of the run."""
        return logs(self.store, self.paths.run) if self.paths.run is not None else []

    def log(self, cited: Citation) -> LogEntry | None:
        """Return the log that is cited, None where it is not there, or may be one of several."""
        found = [
            log
            for log in self.logs
            if cited.log in (log.resource_id, log.log_id, f"{log.peer}/{log.resource_id}")
            and cited.peer in (None, "", log.peer)
        ]
        # A robot may be addressed by another name than its logs have.
        found = found or [log for log in self.logs if cited.log in (log.resource_id, log.log_id)]
        return found[0] if len(found) == 1 else None

    def times(self, log: LogEntry) -> Ints:
        """Return the times of a log's entries, in order."""
        held: dict[str, Ints] = self._times
        if log.log_id not in held:
            column = entries(self.store, log, "ts_ns")["ts_ns"].combine_chunks() if log.kind is not None else None
            held[log.log_id] = (
                np.zeros(0, np.int64) if column is None else np.asarray(column.to_numpy(zero_copy_only=False))
            )
        return held[log.log_id]

    @cached_property
    def _times(self) -> dict[str, Ints]:
        return {}

    def beyond(self, log: LogEntry, ts_ns: int) -> int:
        """Return how far an instant is before the first or after the last entry of a log, 0 where it is between.

        After the last entry of a log there is still as much as lies between two of them.
        """
        ts = self.times(log)
        if not len(ts):
            return abs(ts_ns)
        usual = int(np.median(np.diff(ts))) if len(ts) > 1 else 0
        return max(int(ts[0]) - usual - ts_ns, ts_ns - int(ts[-1]) - usual, 0)

    # Clocks

    @cached_property
    def utc(self) -> Utc | UtcClocks | None:
        """How UTC comes from the logs, None where nobody says."""
        try:
            return utc_mapping(self.paths, self.clock)
        except ClockError:
            return None

    @cached_property
    def residuals(self) -> Sequence[Residuals]:
        """How the instants that tools cite fit between their calls and answers, by the clock that logs have UTC from."""
        return [] if self.utc is None else residuals(self.store, self.paths, self.utc, self.results)

    def suspect(self, log: LogEntry) -> bool:
        """Whether what was said speaks against the mapping from UTC to a log's clock."""
        return (
            bool(self._doubted) and self.utc is not None and self.utc.of(self.paths, log.clock).clock in self._doubted
        )

    @cached_property
    def _doubted(self) -> set[ClockName]:
        return {found.clock for found in self.residuals if found.suspect}

    @cached_property
    def without_utc(self) -> Mapping[ClockName, LogEntry]:
        """The clocks of cited logs that have no UTC while others have it, each with such a log."""
        cited: dict[ClockName, tuple[LogEntry, int]] = {}
        for result in self.results if self.utc is not None else []:
            log = None if result.cited is None else self.log(result.cited)
            told_ns = result.result_ns if result.call_ns is None else result.call_ns
            if log is not None and told_ns is not None:
                cited.setdefault(log.clock, (log, told_ns))
        return {clock: log for clock, (log, told_ns) in cited.items() if self.on_clock(told_ns, log) is None}

    def on_clock(self, utc_ns: int, log: LogEntry) -> tuple[int, int] | None:
        """Return a time as an instant of a log's clock with its uncertainty, None where that is not known."""
        if self.utc is None:
            return None
        try:
            return _single(self.utc.to_clock(self.paths, np.array([utc_ns]), log.clock))
        except KitError:
            return None

    def convert(self, ts_ns: int, begin: LogEntry, end: LogEntry) -> tuple[int, int] | None:
        """Return an instant of one log's clock on another's with its uncertainty, None where no path leads there."""
        try:
            return _single(readings(self.paths, np.array([ts_ns]), begin.clock, end.clock))
        except KitError:
            return None

    # Readings

    def motion(self, log: LogEntry, ts_ns: int) -> Motion | None:
        """Return where the second frame of a pose log is in the first at an instant, and how it moves; None without poses."""
        track = next((edge.track for edge in self.paths.frames.edges if edge.log_id == log.log_id), None)
        if track is None or self.beyond(log, ts_ns) > 0:
            return None
        last = int(track.ts_ns[-1])
        begin = max(ts_ns - self.tolerances.window_ns, int(track.ts_ns[0]))
        end = min(ts_ns + self.tolerances.window_ns, last)
        located = inverted(track.at(np.array([begin, min(max(ts_ns, begin), last), end]), extrapolate="hold"))
        if not located.known.all():
            return None
        seconds = max((end - begin) / 1e9, 1e-9)
        x, y = located.poses.t[:, 0], located.poses.t[:, 1]
        yaw = _yaw(located)
        turned = abs(float(np.angle(np.exp(1j * (yaw[2] - yaw[0])))))
        moved = float(np.linalg.norm(located.poses.t[2] - located.poses.t[0]))
        return Motion(
            float(x[1]), float(y[1]), float(yaw[1]), moved / seconds, turned / seconds, self._noise(log.log_id, track)
        )

    def _noise(self, log_id: str, track: Track) -> float:
        """Return the standard deviation of a pose log's positions: from how far each is from the middle of its neighbours."""
        held = self._noises
        if log_id not in held:
            t = track.poses.t
            odd = np.linalg.norm(t[1:-1] - (t[:-2] + t[2:]) / 2, axis=1) if len(t) >= MIN_NOISE_SAMPLES else np.zeros(1)
            # Of white noise in three axes these differences have 1.5 times its variance in each.
            held[log_id] = float(np.median(odd)) / np.sqrt(1.5 * 3)
        return held[log_id]

    @cached_property
    def _noises(self) -> dict[str, float]:
        return {}

    def detectors(self, log: LogEntry) -> list[LogEntry]:
        """Return the detection logs over a camera log, or the log itself where it is one."""
        if log.kind == "detection":
            return [log]
        by_id = {entry.log_id: entry for entry in self.logs}
        found = []
        for log_id, peer, resource in self.store.execute(DETECTORS, {"run": self.paths.run}):
            if resource == log.resource_id and peer in (None, "", log.peer) and log_id in by_id:
                found.append(by_id[log_id])
        return found

    def shows_the_same(self, log: LogEntry, other: LogEntry) -> bool:
        """Whether two logs are one, or of one camera: its pictures, and what detectors found in them."""
        return log.log_id == other.log_id or not self._of_camera(log).isdisjoint(self._of_camera(other))

    def _of_camera(self, log: LogEntry) -> set[str]:
        """Return a log's id, and of a detection log those of the cameras that its detector looks through."""
        if log.kind != "detection":
            return {log.log_id}
        cameras = (camera for camera in self.logs if camera.kind == "camera")
        return {log.log_id, *(camera.log_id for camera in cameras if log in self.detectors(camera))}

    def labels(self, log: LogEntry, ts_ns: int) -> set[str] | None:
        """Return the labels that detectors gave to the frame at an instant, None where there is no detector.

        A frame that no detector has an entry for has no labels.
        """
        detectors = self.detectors(log)
        if not detectors:
            return None
        found: set[str] = set()
        for detector in detectors:
            near = self.tolerances.instant_ns
            rows = self.store.execute(
                "SELECT data FROM detections WHERE run = ? AND log_id = ? AND ts_ns BETWEEN ? AND ?",
                [detector.run, detector.log_id, ts_ns - near, ts_ns + near],
            )
            for (data,) in rows:
                found |= labels_in(bytes(data or b""))
        return found

    def picture(self, log: LogEntry, ts_ns: int) -> str | None:
        """Return the SHA-256 of the image at an instant, in hex; None where there is none.

        Raises SourceError where its file has gone.
        """
        rows = self.store.execute(FRAME, {"run": log.run, "log": log.log_id, "ts": ts_ns})
        if not rows or rows[0][1] is None:
            return None
        return hashlib.sha256(self.store.file_bytes(*rows[0])).hexdigest()


def labels_in(data: bytes) -> set[str]:
    """Return the labels that a detector's JSON names, at any depth; none where it is no JSON.

    >>> sorted(labels_in(b'{"detections":[{"label":"cat"},{"class":"dog"}]}'))
    ['cat', 'dog']
    """
    try:
        pending: list[Any] = [json.loads(data)]
    except (ValueError, RecursionError):
        return set()
    found: set[str] = set()
    while pending:
        value = pending.pop()
        if isinstance(value, list):
            pending += value
        elif isinstance(value, dict):
            found |= {value[name] for name in LABELS if isinstance(value.get(name), str)}
            pending += value.values()
    return found


def _single(read: Readings) -> tuple[int, int] | None:
    if not read.known[0]:
        return None
    uncertainty = int(read.uncertainty_ns[0])
    # At a step of a clock an instant may be on either side of it.
    return int(read.ns[0]), uncertainty + (STEP_NS if read.flagged(DISCONTINUOUS | GAP)[0] else 0)


STEP_NS = 100_000_000


def _yaw(located: Located) -> NDArray[np.float64]:
    x, y, z, w = located.poses.q.T
    angles: NDArray[np.float64] = np.arctan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))
    return angles

"""`FrameGraph`: where one frame is in another at any instant, along the shortest path of pose logs (spec/auki.md 5.3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import ArrayLike, NDArray

from kit.auki import clock
from kit.auki.clock_graph import ClockGraph, ClockName
from kit.auki.load import OnError, table
from kit.auki.manifest import Ref
from kit.auki.pose import compose, identity, inverse
from kit.auki.recording import Log, Recording
from kit.auki.track import DISCONTINUOUS, EXTRAPOLATED, UNKNOWN, Extrapolate, Located, Semantics, Track, track
from kit.errors import ArgumentError, GeometryError, NoClockPath, NoFramePath

Flags = NDArray[np.uint8]


class Frame(NamedTuple):
    """A frame: frames of equal id and another peer are others."""

    peer_id: str
    id: str

    def __str__(self) -> str:
        return f"{self.peer_id}/{self.id}" if self.peer_id else self.id


FrameName = Frame | str
"""A frame, or its id where only one peer has it, or `peer/id`."""


class FrameEdge(NamedTuple):
    """The poses of one frame in another: the log they are from, both frames, and the clock of their times."""

    log_id: str
    begin: Frame
    end: Frame
    clock: Ref
    track: Track


class FrameLeg(NamedTuple):
    """An edge as a path goes along it."""

    edge: FrameEdge
    inverse: bool


@dataclass(frozen=True)
class FrameGraph:
    """Frames joined by pose logs, and the clocks their times are on."""

    edges: tuple[FrameEdge, ...]
    clocks: ClockGraph

    def frames(self) -> list[Frame]:
        """Return the frames, in order."""
        return sorted({frame for edge in self.edges for frame in (edge.begin, edge.end)})

    def warnings(self) -> list[str]:
        """Return what is odd about the logs, as sentences: rigid ones that move, and samples that are no pose."""
        found = []
        for log_id, begin, end, _, held in self.edges:
            if held.moves:
                found.append(
                    f"{log_id}: {begin} -> {end} is rigid, but its samples differ by {held.spread:g}; the last counts"
                )
            if held.left_out:
                found.append(f"{log_id}: {held.left_out:,} samples of {begin} -> {end} are left out")
        return found

    def frame(self, name: FrameName) -> Frame:
        """Return the frame of a name. Raises NoFramePath, naming the frames there are, where it is none or several."""
        found = [frame for frame in self.frames() if name in (frame, frame.id, str(frame))]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(repr(str(frame)) for frame in found)
            raise NoFramePath(f"frame {str(name)!r} may be one of several: {names}. Give one of these names")
        if not self.edges:
            raise NoFramePath(
                f"no frame {str(name)!r}: no pose log with samples is there, so that no frame is anywhere"
            )
        raise NoFramePath(f"no frame {str(name)!r}: there are {', '.join(map(str, self.frames()))}")

    def path(self, begin: FrameName, end: FrameName) -> list[FrameLeg]:
        """Return the fewest logs that lead from one frame to another; of as many, the first by their ids.

        Raises NoFramePath, with what each of the two is joined to, where none do.
        """
        first, last = self.frame(begin), self.frame(end)
        legs = self._search(first)
        if last not in legs:
            reached, other = (", ".join(sorted(map(str, self._search(frame)))) for frame in (first, last))
            raise NoFramePath(
                f"no poses lead from {first} to {last}: a log is missing that joins one of {reached} to one of {other}"
            )
        return legs[last]

    def at(
        self,
        ts_ns: ArrayLike,
        begin: FrameName,
        end: FrameName,
        *,
        clock: ClockName | None = None,
        extrapolate: Extrapolate = "null",
        max_gap_ns: int | None = None,
    ) -> Located:
        """Return the poses that map points of frame `begin` to those of `end` at some instants of a clock.

        Each log on the path is asked at the same instant on its own clock; of several between the same frames, as those of
        several sessions, the one that covers the instant. Without `clock`, the instants are on the clock
        that all logs of the path share; ArgumentError where they do not. Flags are those of any log and conversion. Raises
        NoFramePath and NoClockPath.
        """
        legs = self.path(begin, end)
        query = np.atleast_1d(np.asarray(ts_ns))
        found, flags = identity(len(query)), np.zeros(len(query), np.uint8)
        if clock is None and len(shared := {leg.edge.clock for leg in legs}) > 1:
            raise ArgumentError(
                f"the logs are on clocks {', '.join(sorted(map(str, shared)))}: say which is meant, clock="
            )
        for edge, back in legs:
            located, noted = self._located(edge, query, clock, extrapolate, max_gap_ns)
            flags |= located.flags | noted
            # What is unknown is put in again below; here it must not be taken for a zero quaternion.
            step = located.poses
            step.t[~located.known], step.q[~located.known] = 0.0, (0.0, 0.0, 0.0, 1.0)
            found = compose(found, inverse(step) if back else step)
        lost = flags & UNKNOWN != 0
        found.t[lost] = found.q[lost] = np.nan
        return Located(found, flags)

    def _located(
        self,
        edge: FrameEdge,
        query: NDArray[np.int64],
        given: ClockName | None,
        extrapolate: Extrapolate,
        max_gap_ns: int | None,
    ) -> tuple[Located, Flags]:
        """Return the poses of an edge, and what the conversion to its clock flags.

        Each is out of the log that covers the instant, of several the first by their ids; where none does, out of the
        nearest. A log whose clock the instants cannot be told on is passed over, where another one is there.
        """
        if edge.track.rigid:
            return edge.track.at(query), np.zeros(len(query), np.uint8)
        others = [other for other in self.edges if other[1:3] == edge[1:3] and other is not edge]
        found = Located(identity(len(query)), np.zeros(len(query), np.uint8))
        noted, nearest = np.zeros(len(query), np.uint8), np.full(len(query), np.inf)
        problem: NoClockPath | None = None
        asked = False
        for one in [edge, *(other for other in others if not other.track.rigid)]:
            if given is None and one.clock != edge.clock:
                continue
            try:
                ns, said = (query, noted * 0) if given is None else self._times(query, given, one.clock)
            except NoClockPath as error:
                problem = problem or error
                continue
            asked = True
            part = one.track.at(ns, extrapolate=extrapolate, max_gap_ns=max_gap_ns)
            outside = np.maximum(float(one.track.ts_ns[0]) - ns, ns - float(one.track.ts_ns[-1]))
            # Of two logs that cover an instant, the one whose clock is known there.
            far = np.maximum(outside, 0.0) + np.where(said & EXTRAPOLATED, 0.5, 0.0)
            rows = far < nearest
            nearest[rows], noted[rows] = far[rows], said[rows]
            found.poses.t[rows], found.poses.q[rows], found.flags[rows] = (
                column[rows] for column in (part.poses.t, part.poses.q, part.flags)
            )
        if problem is not None and not asked:
            raise problem
        return found, noted

    def _times(self, query: NDArray[np.int64], given: ClockName, wanted: Ref) -> tuple[NDArray[np.int64], Flags]:
        """Return the instants on the clock of a log, and what the conversion flags, as flags of a pose."""
        if given in (wanted, wanted.id, str(wanted)) and not isinstance(given, Ref):
            given = wanted
        if given == wanted:
            return query, np.zeros(len(query), np.uint8)
        read = self.clocks.convert(query, given, wanted)
        flags = np.where(read.flagged(clock.EXTRAPOLATED), EXTRAPOLATED, 0)
        flags |= np.where(read.flagged(clock.DISCONTINUOUS | clock.GAP), DISCONTINUOUS, 0)
        flags |= np.where(read.known, 0, UNKNOWN)
        return read.ns, flags.astype(np.uint8)

    def _search(self, first: Frame) -> dict[Frame, list[FrameLeg]]:
        """Return the best path to every frame that is joined to `first`."""
        around: dict[Frame, list[FrameLeg]] = {}
        for edge in self.edges:
            around.setdefault(edge.begin, []).append(FrameLeg(edge, False))
            around.setdefault(edge.end, []).append(FrameLeg(edge, True))
        done: dict[Frame, list[FrameLeg]] = {first: []}
        level = [first]
        while level:
            after = []
            for frame in level:
                for leg in around.get(frame, []):
                    reached = leg.edge.begin if leg.inverse else leg.edge.end
                    if reached not in done:
                        done[reached] = [*done[frame], leg]
                        after.append(reached)
            level = after
        return done


def frame_graph(
    recording: Recording,
    clocks: ClockGraph,
    *,
    pose_semantics: Semantics | Mapping[str, Semantics] = "points",
    on_error: OnError = "skip_entry",
) -> FrameGraph:
    """Return the frames of a recording. A log without a pose that can be used joins nothing.

    `pose_semantics` is that of all logs, or by resource id of those that differ from "points", see `track`.
    """
    edges: dict[tuple[str, Frame, Frame], FrameEdge] = {}
    for log in recording.logs:
        if log.kind != "pose":
            continue
        how = pose_semantics.get(log.resource_id, "points") if isinstance(pose_semantics, Mapping) else pose_semantics
        for edge in _edges(log, table(log, on_error=on_error), how):
            edges.setdefault((edge.log_id, edge.begin, edge.end), edge)
    return FrameGraph(tuple(edges[key] for key in sorted(edges)), clocks)


def _edges(log: Log, rows: pa.Table, how: Semantics) -> Iterator[FrameEdge]:
    """Yield the edges of a log: one, but as many as there are pairs of frames where its entries name their own."""
    begin, end = log.manifest.ref("from_frame"), log.manifest.ref("to_frame")
    for first, last, part in _pairs(rows):
        numbers = [part.column(name).to_numpy() for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw")]
        values = np.stack(numbers, 1) if numbers else np.empty((0, 7))
        try:
            made = track(
                part.column("ts_ns").to_numpy(),
                values[:, :3],
                values[:, 3:],
                rigid=log.manifest.writer_mode == "rigid",
                pose_semantics=how,
            )
        except GeometryError:
            continue
        peers = [ref.peer_id if ref is not None else "" for ref in (begin, end)]
        yield FrameEdge(log.log_id, Frame(peers[0], first), Frame(peers[1], last), log.clock or Ref("", "", ""), made)


def _pairs(rows: pa.Table) -> Iterator[tuple[str, str, pa.Table]]:
    """Yield the rows of each pair of frames."""
    if not rows.num_rows:
        return
    names = [pc.unique(rows.column(name).unify_dictionaries()).to_pylist() for name in ("from_frame", "to_frame")]
    if len(names[0]) == len(names[1]) == 1:
        yield names[0][0] or "", names[1][0] or "", rows
        return
    columns = [pc.cast(rows.column(name), pa.string()) for name in ("from_frame", "to_frame")]
    for first in sorted(name or "" for name in names[0]):
        for last in sorted(name or "" for name in names[1]):
            part = rows.filter(pc.and_(pc.equal(columns[0], first), pc.equal(columns[1], last)))
            if part.num_rows:
                yield first, last, part

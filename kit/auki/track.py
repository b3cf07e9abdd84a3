"""`Track`: the samples of a pose log, and the pose at any instant between them (spec/auki.md 5.3)."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from kit.auki import quaternion
from kit.auki.pose import Poses, inverse
from kit.errors import ArgumentError, GeometryError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Flags = NDArray[np.uint8]
Semantics = Literal["points", "tf"]
Extrapolate = Literal["null", "hold"]

CHUNK = 1 << 15
"""Queries worked on at a time, so that what lies between fits in the cache."""
RIGID_TOLERANCE = 1e-9

EXTRAPOLATED, GAP, DISCONTINUOUS, UNKNOWN = 1, 2, 4, 8
FLAGS = {EXTRAPOLATED: "extrapolated", GAP: "gap", DISCONTINUOUS: "discontinuous", UNKNOWN: "unknown"}
"""Bits of a pose's flags: outside the samples; between samples farther apart than allowed; over a step or gap of a clock;
no pose: its values are NaN, nulls in a table."""


@dataclass(frozen=True)
class Located:
    """Poses at some instants, with flags (see `FLAGS`). Where one is unknown its numbers are NaN."""

    poses: Poses
    flags: Flags

    def __len__(self) -> int:
        return len(self.flags)

    @property
    def known(self) -> Mask:
        """Which poses there are."""
        mask: Mask = self.flags & UNKNOWN == 0
        return mask

    def arrow(self) -> pa.Table:
        """Return a table of tx to qw, null where unknown, and a column of each flag."""
        unknown = ~self.known
        names = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")
        values = self.poses.flat()
        columns = {name: pa.array(np.ascontiguousarray(values[:, i]), mask=unknown) for i, name in enumerate(names)}
        return pa.table(
            columns | {name: pa.array(self.flags & bit != 0) for bit, name in FLAGS.items() if bit != UNKNOWN}
        )


@dataclass(frozen=True)
class Track:
    """Poses over time, in order of time; rotations as they stood, of any length. Make it with `track`."""

    ts_ns: Ints
    poses: Poses
    rigid: bool
    left_out: int = 0
    """Samples that were not used: no rotation, no finite number, or another one had the same time."""

    def __len__(self) -> int:
        return len(self.ts_ns)

    @property
    def spread(self) -> float:
        """How far the samples are from the last one, in any number; of a rigid log this should be 0."""
        t, q = self.poses.t, quaternion.normalised(self.poses.q)
        sign = np.where(q @ q[-1] < 0, -1.0, 1.0)[:, None]
        return float(max(np.abs(t - t[-1]).max(), np.abs(q * sign - q[-1]).max()))

    @property
    def moves(self) -> bool:
        """Whether samples of a rigid log differ by more than 1e-9: it is worth a warning."""
        return self.rigid and self.spread > RIGID_TOLERANCE

    def at(self, ts_ns: ArrayLike, *, extrapolate: Extrapolate = "null", max_gap_ns: int | None = None) -> Located:
        """Return the poses at some instants of the log's clock.

        Between two samples the translation is on the line and the rotation on the shorter arc. Before the first and after
        the last there is none, but with "hold" theirs; both are flagged. With `max_gap_ns` there is none between samples
        farther apart. A rigid log has its last pose at any time. Raises ArgumentError for readings that are no integers.
        """
        query = np.atleast_1d(np.asarray(ts_ns))
        if query.dtype.kind not in "iu" and query.size:
            raise ArgumentError(
                f"readings of type {query.dtype}: give int64 nanoseconds; floats lose them after 104 days"
            )
        if extrapolate not in ("null", "hold"):
            raise ArgumentError(f"extrapolate={extrapolate!r}: give 'null' or 'hold'")
        query = query.astype(np.int64)
        if self.rigid:
            count = len(query)
            held = Poses(
                np.tile(self.poses.t[-1], (count, 1)), np.tile(quaternion.normalised(self.poses.q[-1]), (count, 1))
            )
            return Located(held, np.zeros(count, np.uint8))
        found = Poses(np.empty((len(query), 3)), np.empty((len(query), 4)))
        flags = np.zeros(len(query), np.uint8)
        for begin in range(0, len(query), CHUNK):
            part = slice(begin, begin + CHUNK)
            self._between(query[part], found.t[part], found.q[part], flags[part], max_gap_ns)
        lost = flags & (GAP if extrapolate == "hold" else GAP | EXTRAPOLATED) != 0
        if lost.any():
            flags[lost] |= UNKNOWN
            found.t[lost] = found.q[lost] = np.nan
        return Located(found, flags)

    def _between(self, query: Ints, t: Floats, q: Floats, flags: Flags, max_gap_ns: int | None) -> None:
        last = len(self) - 1
        i = np.searchsorted(self.ts_ns, query, side="right") - 1
        left = np.clip(i, 0, max(last - 1, 0))
        right = np.minimum(left + 1, last)
        begin, end = self.ts_ns[left], self.ts_ns[right]
        outside = (query < self.ts_ns[0]) | (query > self.ts_ns[last])
        held = np.clip(query, self.ts_ns[0], self.ts_ns[last])
        # Differences are taken of integers: epoch nanoseconds are not exact as floats.
        span = end - begin
        part = (held - begin) / np.maximum(span, 1)
        one, two = self.poses.t[left], self.poses.t[right]
        with np.errstate(over="ignore"):
            t[:] = one + (two - one) * part[:, None]
        q[:] = quaternion.slerp(
            quaternion.normalised(self.poses.q[left]), quaternion.normalised(self.poses.q[right]), part
        )
        flags[:] = np.where(outside, EXTRAPOLATED, 0)
        if max_gap_ns is not None:
            at_sample = (held == begin) | (held == end)
            flags[(span > max_gap_ns) & ~at_sample & ~outside] |= GAP


def track(
    ts_ns: ArrayLike,
    t: ArrayLike,
    q: ArrayLike,
    *,
    rigid: bool = False,
    pose_semantics: Semantics = "points",
) -> Track:
    """Return a track of samples in any order; of equal times the last counts.

    `pose_semantics` "tf" says that the log has the pose of `to` in `from`, as ROS tf publishes: the inverse of the map of
    points, which is taken. Samples that are no pose are left out. Raises GeometryError where nothing is left.
    """
    if pose_semantics not in ("points", "tf"):
        raise ArgumentError(f"pose_semantics={pose_semantics!r}: give 'points' or 'tf'")
    ts, where, turn = np.asarray(ts_ns, np.int64), np.asarray(t, float), np.asarray(q, float)
    good = _usable(where, turn)
    if good.all() and (ts[1:] > ts[:-1]).all():
        order: slice | Ints = slice(None)
        kept = len(ts)
    else:
        chosen = np.flatnonzero(good)
        chosen = chosen[np.argsort(ts[chosen], kind="stable")]
        order = chosen[np.append(ts[chosen][1:] != ts[chosen][:-1], True)] if len(chosen) else chosen
        kept = len(order)
    if not kept:
        raise GeometryError(f"a pose log without a pose that can be used: {len(ts)} samples are there")
    held = Poses(where[order], turn[order])
    if pose_semantics == "tf":
        held = inverse(held)
    return Track(ts[order], held, rigid, len(ts) - kept)


def _usable(t: Floats, q: Floats) -> Mask:
    """Return which samples are poses; a piece at a time, that fits in the cache."""
    good = np.empty(len(q), bool)
    with np.errstate(all="ignore"):
        for begin in range(0, len(q), CHUNK):
            part = slice(begin, begin + CHUNK)
            # A sum is finite where all its parts are, and they are not all as large as floats go.
            good[part] = quaternion.usable(q[part]) & np.isfinite(t[part].sum(-1))
    return good

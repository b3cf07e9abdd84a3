"""Where one frame is, seen from another, at any instants of any clock."""

from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from kit.align.paths import Paths
from kit.auki.clock_graph import ClockName
from kit.auki.frame import FrameName
from kit.auki.pose import Poses, apply, inverse
from kit.auki.track import FLAGS, UNKNOWN, Extrapolate, Located
from kit.errors import ArgumentError

Floats = NDArray[np.float64]
Way = Literal["transform", "pose"]


def transform(
    paths: Paths,
    from_frame: FrameName,
    to_frame: FrameName,
    *,
    at: ArrayLike,
    clock: ClockName | None = None,
    extrapolate: Extrapolate = "null",
    max_gap_ns: int | None = None,
) -> pa.Table:
    """Return the map of point coordinates from the first frame to the second: p_to = R p_from + t (spec/auki.md 5.2).

    Ask it when a point is known in the one frame and wanted in the other: "the valve is at (2, 1, 0) in the map, where is
    that in front of the camera?" Where the first frame *is*, seen from the second, is `pose`, which has the same numbers:
    the map of points from a to b is the pose of a in b. So `transform("world", "camera")` is where the world's origin is,
    seen from the camera.

    `at` is int64 nanoseconds of `clock`, one or many; without `clock` they are on the clock that the logs of the path share.
    Columns: ts_ns (as asked), tx, ty, tz in units of the second frame, qx, qy, qz, qw (normalised, sign free; all NULL where
    unknown), extrapolated, gap, discontinuous. Outside a log's samples there is no pose, unless `extrapolate="hold"`;
    with `max_gap_ns` there is none between samples farther apart. Raises NoFramePath, NoClockPath and ArgumentError.
    """
    instants = np.atleast_1d(np.asarray(at))
    return _table(instants, located(paths, from_frame, to_frame, instants, clock, extrapolate, max_gap_ns))


def pose(
    paths: Paths,
    frame: FrameName,
    seen_from: FrameName,
    *,
    at: ArrayLike,
    clock: ClockName | None = None,
    extrapolate: Extrapolate = "null",
    max_gap_ns: int | None = None,
) -> pa.Table:
    """Return where the first frame is, seen from the second: its origin and its orientation there.

    Ask it when a thing is wanted on a map: `pose("base_link", "world")` is the robot in the world, tx and ty its place on
    the floor plan. It is the transform from `frame` to `seen_from`; its columns and rules are those of `transform`.
    """
    return transform(paths, frame, seen_from, at=at, clock=clock, extrapolate=extrapolate, max_gap_ns=max_gap_ns)


def transform_points(
    paths: Paths,
    points: ArrayLike,
    from_frame: FrameName,
    to_frame: FrameName,
    *,
    at: ArrayLike,
    clock: ClockName | None = None,
    extrapolate: Extrapolate = "null",
) -> Floats:
    """Return points of the first frame as points of the second, of shape (n, 3); NaN where the transform is unknown.

    `points` has shape (3,) or (n, 3). `at` is one instant for all points, or one for each. Raises ArgumentError for other
    shapes, and what `transform` raises.
    """
    given = np.atleast_2d(np.asarray(points, float))
    instants = np.atleast_1d(np.asarray(at))
    if given.ndim != 2 or given.shape[1] != 3 or len(instants) not in (1, len(given)):
        raise ArgumentError(
            f"points of shape {np.shape(points)} at {len(instants)} instants: give points of shape (n, 3), and one instant "
            "or n of them"
        )
    found = located(paths, from_frame, to_frame, instants, clock, extrapolate, None)
    count = len(given)
    if len(instants) == 1:
        once = Poses(np.tile(found.poses.t, (count, 1)), np.tile(found.poses.q, (count, 1)))
        known = np.repeat(found.known, count)
    else:
        once, known = found.poses, found.known
    moved: Floats = np.full((count, 3), np.nan)
    if known.any():
        moved[known] = apply(Poses(once.t[known], once.q[known]), given[known])
    return moved


def located(
    paths: Paths,
    from_frame: FrameName,
    to_frame: FrameName,
    at: ArrayLike,
    clock: ClockName | None,
    extrapolate: Extrapolate = "null",
    max_gap_ns: int | None = None,
) -> Located:
    """Return the transforms as NumPy columns."""
    return paths.frames.at(at, from_frame, to_frame, clock=clock, extrapolate=extrapolate, max_gap_ns=max_gap_ns)


def inverted(found: Located) -> Located:
    """Return the transforms the other way round; unknown ones stay unknown."""
    known = found.known
    poses = Poses(np.full_like(found.poses.t, np.nan), np.full_like(found.poses.q, np.nan))
    if known.any():
        back = inverse(Poses(found.poses.t[known], found.poses.q[known]))
        poses.t[known], poses.q[known] = back.t, back.q
    return Located(poses, found.flags)


def _table(instants: NDArray[np.int64], found: Located) -> pa.Table:
    columns = found.arrow()
    flags = [name for bit, name in FLAGS.items() if bit != UNKNOWN]
    names = [name for name in columns.column_names if name not in flags]
    return pa.table(
        {"ts_ns": pa.array(instants.astype(np.int64))}
        | {name: columns[name] for name in names}
        | {name: columns[name] for name in flags}
    )

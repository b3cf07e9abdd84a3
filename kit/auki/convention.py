"""Axis conventions of frames, and what points, directions and poses are in another convention (spec/auki.md 5.1)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.auki import quaternion
from kit.auki.pose import Poses
from kit.errors import GeometryError

Floats = NDArray[np.float64]

DIRECTIONS: dict[str, tuple[int, int, int]] = {
    "right": (1, 0, 0),
    "left": (-1, 0, 0),
    "up": (0, 1, 0),
    "down": (0, -1, 0),
    "backward": (0, 0, 1),
    "forward": (0, 0, -1),
}
"""Directions in the semantic basis, in which the matrix of a convention is written."""
METERS = {"meters": 1.0, "centimeters": 0.01, "millimeters": 0.001}
HANDS = {"right": 1, "left": -1}


class Convention(NamedTuple):
    """What the axes of a frame point to, its handedness and its unit."""

    handedness: str
    x: str
    y: str
    z: str
    units: str = "meters"

    @property
    def basis(self) -> Floats:
        """The matrix whose columns are the directions of the axes.

        Raises GeometryError for axes that are not orthogonal or not of the stated handedness.
        """
        axes = (self.x, self.y, self.z)
        if unknown := [axis for axis in axes if axis not in DIRECTIONS]:
            raise GeometryError(f"axis {unknown[0]!r}: give {', '.join(DIRECTIONS)}")
        found = np.array([DIRECTIONS[axis] for axis in axes], float).T
        determinant = round(float(np.linalg.det(found)))
        if determinant == 0:
            raise GeometryError(f"axes {', '.join(axes)} are not orthogonal: take three different directions")
        if determinant != HANDS.get(self.handedness):
            hand = "right" if determinant == 1 else "left"
            raise GeometryError(f"axes {', '.join(axes)} are {hand}-handed, not {self.handedness!r}")
        return found

    @property
    def meters(self) -> float:
        """Meters a unit. Raises GeometryError for a unit there is not."""
        if self.units not in METERS:
            raise GeometryError(f"units {self.units!r}: give {', '.join(METERS)}")
        return METERS[self.units]


PRESETS = {
    "ros_body": Convention("right", "forward", "left", "up"),
    "ros_optical": Convention("right", "right", "down", "forward"),
    "opengl": Convention("right", "right", "up", "backward"),
    "unity": Convention("left", "right", "up", "forward"),
}


def convention(frame: Mapping[str, Any] | str) -> Convention:
    """Return the convention of a frame's registry body, or the preset of a name. Raises GeometryError where it is none."""
    if isinstance(frame, str):
        if frame not in PRESETS:
            raise GeometryError(f"convention {frame!r}: give {', '.join(PRESETS)}")
        return PRESETS[frame]
    axes = frame.get("axes")
    if not isinstance(axes, Mapping):
        raise GeometryError(f"axes {axes!r}: a frame has axes x, y and z")
    x, y, z = (str(axes.get(name)) for name in "xyz")
    return Convention(str(frame.get("handedness")), x, y, z, str(frame.get("units", "meters")))


def axis_matrix(begin: Convention, end: Convention) -> Floats:
    """Return the matrix from coordinates in one convention to those in another, units aside."""
    return end.basis.T @ begin.basis


def points(values: ArrayLike, begin: Convention, end: Convention) -> Floats:
    """Return points or vectors, of shape (..., 3), in another convention and its unit.

    >>> points([1, 2, 3], PRESETS["ros_optical"], PRESETS["ros_body"]).tolist()
    [3.0, -1.0, -2.0]
    """
    return directions(values, begin, end) * (begin.meters / end.meters)


def directions(values: ArrayLike, begin: Convention, end: Convention) -> Floats:
    """Return directions, of shape (..., 3), in another convention: no unit counts."""
    found: Floats = np.asarray(values, float) @ axis_matrix(begin, end).T + 0.0
    return found


def poses(values: Poses, begin: Convention, end: Convention) -> Poses:
    """Return poses with both frames in another convention: t as a vector, R' = M R M^T."""
    turn = axis_matrix(begin, end)
    rotations = turn @ quaternion.matrix(quaternion.normalised(values.q)) @ turn.T
    return Poses(points(values.t, begin, end), quaternion.from_matrix(rotations))

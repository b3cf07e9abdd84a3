"""Poses: maps of the points of one frame to those of another, p_to = R p_from + t, in arrays (spec/auki.md 5.2)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.auki import quaternion
from kit.errors import GeometryError

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Poses:
    """Poses: translations `t` of shape (..., 3) and rotations `q` of shape (..., 4): x, y, z, w.

    What the functions here return is normalised; the sign of a quaternion is not fixed.
    """

    t: Floats
    q: Floats

    def __len__(self) -> int:
        return len(self.t)

    def flat(self) -> Floats:
        """Return tx, ty, tz, qx, qy, qz, qw, of shape (..., 7)."""
        return np.concatenate([self.t, self.q], -1)

    def matrix(self) -> Floats:
        """Return the 4 by 4 matrices, of shape (..., 4, 4)."""
        found: Floats = np.zeros((*self.t.shape[:-1], 4, 4))
        found[..., :3, :3] = quaternion.matrix(quaternion.normalised(self.q))
        found[..., :3, 3] = self.t
        found[..., 3, 3] = 1.0
        return found


def poses(t: ArrayLike, q: ArrayLike) -> Poses:
    """Return poses of translations and rotations, normalised. Raises GeometryError for shapes or rotations that are none."""
    where, turn = np.asarray(t, float), quaternion.normalised(q)
    if where.shape[-1:] != (3,) or where.shape[:-1] != turn.shape[:-1]:
        raise GeometryError(f"translations of shape {where.shape} and rotations of shape {turn.shape} make no poses")
    return Poses(where, turn)


def from_flat(values: ArrayLike) -> Poses:
    """Return poses of rows of tx, ty, tz, qx, qy, qz, qw."""
    held = np.asarray(values, float)
    if held.shape[-1:] != (7,):
        raise GeometryError(f"shape {held.shape}: give tx, ty, tz, qx, qy, qz, qw")
    return poses(held[..., :3], held[..., 3:])


def identity(count: int) -> Poses:
    """Return poses that map every point to itself."""
    return Poses(np.zeros((count, 3)), np.tile(quaternion.IDENTITY, (count, 1)))


def compose(first: Poses, second: Poses) -> Poses:
    """Return the poses a -> c of a -> b and b -> c.

    >>> half = 0.5**0.5
    >>> a, b = poses([1, 0, 0], [0, 0, half, half]), poses([0, 2, 0], [half, 0, 0, half])
    >>> compose(a, b).flat().round(9).tolist()
    [1.0, 2.0, 0.0, 0.5, -0.5, 0.5, 0.5]
    """
    q1, q2 = quaternion.normalised(first.q), quaternion.normalised(second.q)
    return Poses(quaternion.rotate(q2, first.t) + second.t, quaternion.normalised(quaternion.multiply(q2, q1)))


def inverse(given: Poses) -> Poses:
    """Return the poses b -> a of a -> b.

    >>> half = 0.5**0.5
    >>> inverse(poses([1, 0, 0], [0, 0, half, half])).flat().round(8).tolist()
    [0.0, 1.0, 0.0, -0.0, -0.0, -0.70710678, 0.70710678]
    """
    back = quaternion.conjugate(quaternion.normalised(given.q))
    return Poses(0.0 - quaternion.rotate(back, given.t), back)


def relative(first: Poses, second: Poses) -> Poses:
    """Return the poses a -> b of common -> a and common -> b."""
    return compose(inverse(first), second)


def apply(given: Poses, points: ArrayLike) -> Floats:
    """Return points, of shape (..., 3), mapped by poses."""
    return quaternion.rotate(quaternion.normalised(given.q), points) + given.t

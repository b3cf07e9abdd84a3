"""Rotations as quaternions x, y, z, w (Hamilton), in arrays of shape (..., 4) (spec/auki.md 5.2 and 5.3)."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.errors import GeometryError

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]

SMALLEST = 1e-12
"""A quaternion this short has no direction."""
NEAR = 1.0 - 1e-10
"""Above this cosine of the half angle a line is as good as the arc: they differ by less than 1e-15."""
IDENTITY = (0.0, 0.0, 0.0, 1.0)


def lengths(q: ArrayLike) -> Floats:
    """Return the length of each quaternion; NaN where a part is no number."""
    found: Floats = np.sqrt(np.einsum("...i,...i->...", np.asarray(q, float), np.asarray(q, float)))
    return found


def usable(q: ArrayLike) -> Mask:
    """Return which quaternions are rotations: finite, and longer than 1e-12."""
    size = lengths(q)
    mask: Mask = np.isfinite(size) & (size > SMALLEST)
    return mask


def normalised(q: ArrayLike) -> Floats:
    """Return quaternions of length one. Raises GeometryError for a zero quaternion, or one with no numbers in it."""
    held = np.asarray(q, float)
    if held.shape[-1:] != (4,):
        raise GeometryError(f"quaternions of shape {held.shape}: give x, y, z, w")
    good = usable(held)
    if not good.all():
        first = np.argwhere(~np.atleast_1d(good))[0]
        raise GeometryError(f"zero quaternion {held.reshape(-1, 4)[first[0]].tolist()!r}: it is no rotation")
    return held / lengths(held)[..., None]


def multiply(a: ArrayLike, b: ArrayLike) -> Floats:
    """Return the rotation by `b` and then by `a`."""
    ax, ay, az, aw = np.moveaxis(np.asarray(a, float), -1, 0)
    bx, by, bz, bw = np.moveaxis(np.asarray(b, float), -1, 0)
    return np.stack(
        [
            aw * bx + ax * bw + ay * bz - az * by,
            aw * by - ax * bz + ay * bw + az * bx,
            aw * bz + ax * by - ay * bx + az * bw,
            aw * bw - ax * bx - ay * by - az * bz,
        ],
        -1,
    )


def conjugate(q: ArrayLike) -> Floats:
    """Return the inverse of rotations of length one."""
    return np.asarray(q, float) * (-1.0, -1.0, -1.0, 1.0)


def rotate(q: ArrayLike, points: ArrayLike) -> Floats:
    """Return points, of shape (..., 3), turned by rotations of length one."""
    held, p = np.asarray(q, float), np.asarray(points, float)
    axis = held[..., :3]
    twice = 2.0 * np.cross(axis, p)
    turned: Floats = p + held[..., 3:] * twice + np.cross(axis, twice)
    return turned


def matrix(q: ArrayLike) -> Floats:
    """Return the 3 by 3 matrices of rotations of length one."""
    held = np.asarray(q, float)
    return np.stack([rotate(held, axis) for axis in np.eye(3)], -1)


def from_matrix(matrices: ArrayLike) -> Floats:
    """Return the rotations of 3 by 3 matrices with determinant one, by the part that is largest (Shepperd 1978)."""
    m = np.asarray(matrices, float)
    trace = np.trace(m, axis1=-2, axis2=-1)
    diagonal = np.diagonal(m, axis1=-2, axis2=-1)
    squares = np.concatenate([1.0 + 2.0 * diagonal - trace[..., None], (1.0 + trace)[..., None]], -1)
    # Row k holds 4 * part k times each part.
    products: Floats = np.zeros((*m.shape[:-2], 4, 4))
    products[..., np.arange(4), np.arange(4)] = squares
    for i, j, k in ((0, 1, 2), (1, 2, 0), (2, 0, 1)):
        products[..., i, j] = products[..., j, i] = m[..., j, i] + m[..., i, j]
        products[..., k, 3] = products[..., 3, k] = m[..., j, i] - m[..., i, j]
    largest = np.argmax(squares, -1)
    rows = np.take_along_axis(products, largest[..., None, None], -2)[..., 0, :]
    return normalised(rows)


def slerp(a: ArrayLike, b: ArrayLike, part: ArrayLike) -> Floats:
    """Return the rotations at `part` (0 to 1) of the way from `a` to `b`, along the shorter arc; all of length one.

    `b` and its negative are the same rotation, so a sign flip between samples does not spin the path.
    """
    first, second, t = np.asarray(a, float), np.asarray(b, float), np.asarray(part, float)
    cosine = np.einsum("...i,...i->...", first, second)
    sign = np.where(cosine < 0, -1.0, 1.0)
    cosine = np.minimum(np.abs(cosine), 1.0)
    angle = np.arccos(cosine)
    with np.errstate(divide="ignore", invalid="ignore"):
        over = 1.0 / np.sqrt(1.0 - cosine * cosine)
        left = np.sin((1.0 - t) * angle) * over
        right = np.sin(t * angle) * over
    near = cosine > NEAR
    left = np.where(near, 1.0 - t, left)
    right = np.where(near, t, right) * sign
    between: Any = left[..., None] * first + right[..., None] * second
    found: Floats = between / lengths(between)[..., None]
    return found

"""Peers: poses at given instants by `polars.join_asof` and a vectorised slerp, and by `scipy.spatial.transform.Slerp`."""

from typing import Any, NamedTuple

import numpy as np
import polars as pl
from scipy.spatial.transform import Rotation, Slerp

STEP_NS = 5_000_000
EPOCH_NS = 1_733_836_800_000_000_000


class Samples(NamedTuple):
    """Poses over time, and the instants that are asked for, in order."""

    ts_ns: Any
    t: Any
    q: Any
    query: Any


def samples(count: int, queries: int) -> Samples:
    """Return a robot that turns and drifts about, and instants between its first and its last pose."""
    rng = np.random.default_rng(11)
    half = np.cumsum(rng.normal(size=count)) * 5e-3
    q = np.stack([np.zeros(count), np.zeros(count), np.sin(half), np.cos(half)], 1)
    ts = EPOCH_NS + np.arange(count) * STEP_NS
    return Samples(ts, rng.normal(size=(count, 3)), q, np.sort(rng.integers(ts[0], ts[-1], queries)))


def polars(given: Samples) -> dict[str, Any]:
    """Return sums over what is found: the sample before by join_asof, the rest in NumPy."""
    left = pl.DataFrame({"ts": given.query}).set_sorted("ts")
    right = pl.DataFrame({"ts": given.ts_ns, "i": np.arange(len(given.ts_ns))}).set_sorted("ts")
    i = left.join_asof(right, on="ts")["i"].to_numpy()
    j = np.minimum(i + 1, len(given.ts_ns) - 1)
    part = ((given.query - given.ts_ns[i]) / STEP_NS)[:, None]
    t = given.t[i] + (given.t[j] - given.t[i]) * part
    a, b = given.q[i], given.q[j]
    cosine = np.einsum("ij,ij->i", a, b)[:, None]
    b = np.where(cosine < 0, -b, b)
    angle = np.arccos(np.minimum(np.abs(cosine), 1))
    sine = np.maximum(np.sin(angle), 1e-12)
    q = np.where(angle > 1e-6, (np.sin((1 - part) * angle) * a + np.sin(part * angle) * b) / sine, a + (b - a) * part)
    return told(t, q)


def scipy(given: Samples) -> dict[str, Any]:
    """Return sums over what is found: rotations by Slerp, translations by np.interp, on nanoseconds since the first."""
    since, query = given.ts_ns - given.ts_ns[0], given.query - given.ts_ns[0]
    q = Slerp(since, Rotation.from_quat(given.q))(query).as_quat()
    t = np.stack([np.interp(query, since, given.t[:, k]) for k in range(3)], 1)
    return told(t, q)


def told(t: Any, q: Any) -> dict[str, Any]:
    """Return sums that do not depend on the sign of a quaternion."""
    return {"t": round(float(np.abs(t).sum()), 3), "q": round(float((q[:, 2] * q[:, 3]).sum()), 3)}

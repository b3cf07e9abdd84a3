"""Levels of a graph in which a node has several causes: longest paths, and the nodes on rings.

Everything is a pass over edges in topological order, a level at a time in NumPy; a deep and narrow part is finished node
by node. Nothing recurses, so a chain may have any length.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.trace.layers import rows

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

NARROW = 32
"""Levels with fewer nodes than this are worked off node by node: NumPy's cost per call would be most of the time."""


class Levels(NamedTuple):
    """What `levels` returns."""

    depth: Ints
    """Edges on the longest path to the node, rings cut."""
    ring: Mask
    """Whether the node is on a ring, or on a way from one ring to another."""
    cut: Mask
    """Whether an edge joins a node with itself or two nodes of `ring`; all others make a graph without rings."""


def levels(n: int, cause: Ints, effect: Ints) -> Levels:
    """Return depth and ring of the nodes 0 to n - 1 under the edges `cause[i]` to `effect[i]`.

    What a pass from the top leaves over is on a ring or below one; a pass over that from the bottom leaves what is on a
    ring, or between two. Those edges are cut, and the depths come from what remains. Repeated edges are harmless.

    >>> levels(5, np.array([0, 1, 2, 3, 3]), np.array([1, 2, 1, 4, 3])).depth.tolist()
    [0, 1, 0, 0, 1]
    """
    cut = cause == effect
    depth, reached = _passed(n, cause[~cut], effect[~cut])
    ring = np.zeros(n, dtype=bool)
    if not reached.all():
        left = ~reached
        inner = ~cut & left[cause] & left[effect]
        _, risen = _passed(n, effect[inner], cause[inner])
        ring = left & ~risen
        cut = cut | (ring[cause] & ring[effect])
        depth, _ = _passed(n, cause[~cut], effect[~cut])
    return Levels(depth, ring, cut)


def ancestors(n: int, cause: Ints, effect: Ints, of: Ints, *, most: int | None = None) -> Ints:
    """Return the nodes from which a node of `of` can be reached, those themselves included, in ascending order.

    `most` is how many steps are walked at most. Rings are walked once.
    """
    start, causes = rows(n, effect, cause)
    seen = np.zeros(n, dtype=bool)
    seen[of] = True
    fresh = np.unique(of)
    steps = 0
    while len(fresh) and (most is None or steps < most):
        fresh = np.unique(_of_all(start, causes, fresh))
        fresh = fresh[~seen[fresh]]
        seen[fresh] = True
        steps += 1
    return np.flatnonzero(seen)


def _passed(n: int, cause: Ints, effect: Ints) -> tuple[Ints, Mask]:
    """Return the depth of each node that a topological pass reaches, and which it reaches."""
    start, effects = rows(n, cause, effect)
    waiting = np.bincount(effect, minlength=n)
    depth = np.zeros(n, dtype=np.int64)
    reached = waiting == 0
    ready = np.flatnonzero(reached)
    level = 0
    while len(ready) >= NARROW:
        level += 1
        below = _of_all(start, effects, ready)
        np.subtract.at(waiting, below, 1)
        ready = np.unique(below[waiting[below] == 0])
        depth[ready] = level
        reached[ready] = True
    if len(ready):
        _one_by_one(start, effects, waiting, depth, reached, ready)
    return depth, reached


def _one_by_one(start: Ints, effects: Ints, waiting: Ints, depth: Ints, reached: Mask, ready: Ints) -> None:
    """Go on with a pass a node at a time, in the order of levels; a level that grows wide is no harm."""
    level: list[int] = ready.tolist()
    number = int(depth[level[0]])
    while level:
        number += 1
        following: list[int] = []
        for node in level:
            for goal in effects[start[node] : start[node + 1]].tolist():
                waiting[goal] -= 1
                if not waiting[goal]:
                    following.append(goal)
        depth[following] = number
        reached[following] = True
        level = following


def _of_all(start: Ints, values: Ints, nodes: Ints) -> Ints:
    """Return the values of all `nodes`, one after the other."""
    length = start[nodes + 1] - start[nodes]
    begin = np.cumsum(length) - length
    at = np.arange(int(length.sum())) + np.repeat(start[nodes] - begin, length)
    found: Ints = values[at]
    return found

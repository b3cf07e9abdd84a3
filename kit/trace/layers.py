"""From edges to layers: cycles opened, every node below its causes, long edges cut into short ones."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

MOST_BENDS = 20_000
"""Bends up to this many are always made; more only while they are fewer than nodes and edges."""
BEND_WIDTH = 0.35
"""Space that a bend takes in a layer, in units of a node's."""


@dataclass(frozen=True)
class Network:
    """The graph with its back edges turned, long edges cut by one extra node per layer passed."""

    n: int
    source: Ints
    target: Ints
    layer: Ints
    component: Ints
    rank: Ints
    width: Floats  # 1 for a node, BEND_WIDTH for an extra one
    edge_of: Ints  # for extra node n + i, the edge it belongs to


def network(
    n: int,
    source: Ints,
    target: Ints,
    layer: Ints,
    back: NDArray[np.bool_],
    component: Ints,
    rank: Ints,
    bends: bool,
) -> Network:
    """Return the graph whose edges all lead to the next layer, but for edges too long to be worth bends."""
    edge = np.flatnonzero(source != target)
    source, target = np.where(back, target, source), np.where(back, source, target)
    span = layer[target[edge]] - layer[source[edge]]
    extra = np.where(span > 1, span - 1, 0)
    if not bends or int(extra.sum()) > max(MOST_BENDS, n + len(source)):
        extra = np.zeros_like(extra)
    total = int(extra.sum())
    owner = np.repeat(np.arange(len(edge)), extra)
    begin = np.cumsum(extra) - extra
    step = np.arange(total) - begin[owner] + 1
    new = n + np.arange(total)
    bent = extra > 0
    first, last = n + begin, n + begin + extra - 1
    inner = np.flatnonzero(step > 1)
    return Network(
        n=n + total,
        source=np.concatenate([source[edge], new[inner] - 1, last[bent]]),
        target=np.concatenate([np.where(bent, first, target[edge]), new[inner], target[edge][bent]]),
        layer=np.concatenate([layer, layer[source[edge]][owner] + step]),
        component=np.concatenate([component, component[source[edge]][owner]]),
        rank=np.concatenate([rank, rank[target[edge]][owner]]),
        width=np.concatenate([np.ones(n), np.full(total, BEND_WIDTH)]),
        edge_of=edge[owner],
    )


def layers_of(n: int, source: Ints, target: Ints, rank: Ints) -> tuple[Ints, NDArray[np.bool_]]:
    """Return the longest-path layer of each node, and which edges had to be turned for it to exist."""
    back = source == target
    start, edge = rows(n, source, np.arange(len(source)))
    waiting = np.bincount(target[~back], minlength=n)
    starts, edges, goals = start.tolist(), edge.tolist(), target.tolist()
    left: list[int] = waiting.tolist()
    skip: list[bool] = back.tolist()
    layer = [0] * n
    ready = [node for node in np.argsort(rank, kind="stable").tolist() if not left[node]]
    done = 0
    while True:
        while done < len(ready):
            node = ready[done]
            done += 1
            below = layer[node] + 1
            for i in edges[starts[node] : starts[node + 1]]:
                goal = goals[i]
                if skip[i]:
                    continue
                if layer[goal] < below:
                    layer[goal] = below
                left[goal] -= 1
                if not left[goal]:
                    ready.append(goal)
        if len(ready) == n:
            break
        # What is left lies on a cycle or behind one: cut the edges that return to their own path.
        stuck = np.flatnonzero(np.array(left) > 0)
        for i in _returning(stuck[np.argsort(rank[stuck])].tolist(), left, starts, edges, goals, skip):
            skip[i] = True
            left[goals[i]] -= 1
            if not left[goals[i]]:
                ready.append(goals[i])
    layers = np.array(layer, dtype=np.int64)
    return _pulled_down(layers, source, target, np.array(skip, dtype=bool)), np.array(skip, dtype=bool)


def _returning(
    nodes: list[int], left: list[int], starts: list[int], edges: list[int], goals: list[int], skip: list[bool]
) -> list[int]:
    """Return the edges that lead back to a node on the current path of a depth-first walk, in walk order."""
    found = []
    state = dict.fromkeys(nodes, 0)  # 0 not seen, 1 on the path, 2 done
    for first in nodes:
        if state[first]:
            continue
        state[first] = 1
        path = [(first, starts[first])]
        while path:
            node, at = path[-1]
            if at == starts[node + 1]:
                state[node] = 2
                path.pop()
                continue
            path[-1] = (node, at + 1)
            i = edges[at]
            goal = goals[i]
            if skip[i] or not left[goal]:
                continue
            if state[goal] == 1:
                found.append(i)
            elif state[goal] == 0:
                state[goal] = 1
                path.append((goal, starts[goal]))
    return found


def _pulled_down(layer: Ints, source: Ints, target: Ints, back: NDArray[np.bool_]) -> Ints:
    """Return `layer` with each root next to its nearest effect: a late second cause stands by its effect."""
    keep = ~back
    nearest = np.full(len(layer), np.iinfo(np.int64).max)
    np.minimum.at(nearest, source[keep], layer[target[keep]] - 1)
    is_root = np.bincount(target[keep], minlength=len(layer)) == 0
    moved = is_root & (nearest < np.iinfo(np.int64).max)
    return np.where(moved, nearest, layer)


def components(n: int, source: Ints, target: Ints, rank: Ints) -> Ints:
    """Return each node's weakly connected component, numbered by the best-ranked node in it."""
    label = rank.copy()
    while True:
        before = label
        low = np.minimum(label[source], label[target])
        label = label.copy()
        # Hook the labels themselves, not only the nodes, then jump: a chain needs log n rounds, not n.
        by_rank = np.arange(n)
        np.minimum.at(by_rank, before[source], low)
        np.minimum.at(by_rank, before[target], low)
        while True:
            jumped = by_rank[by_rank]
            if np.array_equal(jumped, by_rank):
                break
            by_rank = jumped
        label = by_rank[before]
        if np.array_equal(label, before):
            return np.unique(label, return_inverse=True)[1].astype(np.int64)


def rows(n: int, key: Ints, value: Ints) -> tuple[Ints, Ints]:
    """Return (start, values): the values of key k are `values[start[k]:start[k + 1]]`, in given order."""
    by_key = np.argsort(key, kind="stable")
    start = np.zeros(n + 1, dtype=np.int64)
    np.cumsum(np.bincount(key, minlength=n), out=start[1:])
    return start, value[by_key]

"""Cause before effect: when each event may be delivered, whatever the clocks said."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
UNTIMED = np.iinfo(np.int64).min
"""Stands for the time of an event without one: anything holds it back."""
ROUNDS = 64
"""After so many sweeps over all edges a chain is long, and is walked event by event."""


class Causal(NamedTuple):
    """When events are due, and in which order."""

    due: Ints
    order: Ints
    """Indices of the events in the order of delivery."""
    blame: Ints
    """The cause that holds an event back, -1 for none."""
    cut: int
    """Edges that were left out because they close a ring."""


def causal(at: Ints, tie: Ints, child: Ints, parent: Ints) -> Causal:
    """Return a delivery order in which no event comes before one of its causes.

    `at` is the time of each event, or UNTIMED; `tie` orders events of equal time; `child` and `parent` are the edges. An
    event is due at its time, or when the last of its causes is due. Order: due, then causes before effects, then
    `tie`. Edges on a ring are ignored among themselves.
    """
    due = _due(at, child, parent)
    rank, cut = _ranks(due, child, parent)
    late = np.flatnonzero((due[parent] == due[child]) & (at[child] < due[child]))
    blame = np.full(len(at), -1, np.int64)
    blame[child[late[::-1]]] = parent[late[::-1]]
    return Causal(due, np.lexsort((tie, rank, due)), blame, cut)


def _due(at: Ints, child: Ints, parent: Ints) -> Ints:
    due = at.copy()
    for _ in range(ROUNDS):
        late = np.flatnonzero(due[parent] > due[child])
        if not len(late):
            return due
        np.maximum.at(due, child[late], due[parent[late]])
    effects = _grouped(parent.tolist(), child.tolist())
    times = due.tolist()
    todo = set(parent[np.flatnonzero(due[parent] > due[child])].tolist())
    # The latest first: what it reaches is settled, and no event is looked at twice but by a later cause.
    for cause in sorted(todo, key=times.__getitem__, reverse=True):
        stack = [cause]
        while stack:
            one = stack.pop()
            for effect in effects.get(one, ()):
                if times[effect] < times[one]:
                    times[effect] = times[one]
                    stack.append(effect)
    return np.array(times, np.int64)


def _ranks(due: Ints, child: Ints, parent: Ints) -> tuple[Ints, int]:
    """Return for events that are due at once how many steps they are from the first; and the edges that were cut."""
    rank = np.zeros(len(due), np.int64)
    level = np.flatnonzero((due[parent] == due[child]) & (child != parent))
    if not len(level):
        return rank, 0
    ends, starts = child[level].tolist(), parent[level].tolist()
    effects, causes = _grouped(starts, ends), _grouped(ends, starts)
    waiting = {effect: len(found) for effect, found in causes.items()}
    ready = [node for node in effects if node not in waiting]
    steps: dict[int, int] = defaultdict(int)
    cut = 0
    while ready or waiting:
        if not ready:
            one = _on_ring(causes, waiting)
            cut += waiting.pop(one)
            ready.append(one)
        one = ready.pop()
        for effect in effects.get(one, ()):
            if effect in waiting:
                steps[effect] = max(steps[effect], steps[one] + 1)
                waiting[effect] -= 1
                if not waiting[effect]:
                    del waiting[effect]
                    ready.append(effect)
    for node, far in steps.items():
        rank[node] = far
    return rank, cut


def _on_ring(causes: dict[int, list[int]], waiting: dict[int, int]) -> int:
    """Return the first event of a ring among those that wait: who walks up along causes comes to one."""
    seen: set[int] = set()
    node = min(waiting)
    while node not in seen:
        seen.add(node)
        node = min(cause for cause in causes[node] if cause in waiting)
    ring, start = {node}, node
    while (node := min(cause for cause in causes[node] if cause in waiting)) != start:
        ring.add(node)
    return min(ring)


def _grouped(keys: Iterable[int], values: Iterable[int]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = defaultdict(list)
    for key, value in zip(keys, values, strict=True):
        found[key].append(value)
    return found

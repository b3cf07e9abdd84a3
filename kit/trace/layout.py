"""Layered layout of a directed graph: columns of edges in, columns of coordinates out.

The steps are those of Sugiyama, Tagawa and Toda (1981): turn the edges that close cycles, give every node
the layer of its longest path from a root, order each layer by barycentres so that few edges cross, then
place the nodes near the mean of their neighbours. Work per sweep is a few NumPy calls per layer, or
plain floats where layers are narrow, so that a chain of 100,000 and a star of 50,000 are both quick. The
same input gives the same coordinates on every machine; nothing is drawn at random.
"""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from kit.errors import ArgumentError
from kit.trace.layers import Floats, Ints, Network, components, layers_of, network, rows

if TYPE_CHECKING:
    import networkx as nx

NARROW = 64
"""Layers of up to this width on average are handled as lists of floats: NumPy's cost per call would be most of the time."""
MANY_PAIRS = 64
"""Up to so many edges between two layers, crossings are counted pair by pair."""
MOST_WORK = 600_000
"""Nodes and edges visited by all ordering sweeps together."""
COMPONENT_GAP = 1.0
"""Space between two components, beyond the distance of two nodes."""


@dataclass(frozen=True)
class Layout:
    """Coordinates of `n` nodes; one unit is the distance of two neighbours in a layer.

    `x` runs along a layer, from 0; `y` is minus the layer, so that causes are above their effects where y
    points up. `back` is true for each edge that closes a cycle: it was turned round to find the layers, so it
    points upwards (a self-loop stays where it is). `bend_edge`, `bend_x`, `bend_y` are the points at which
    edges longer than one layer pass the layers between, edge by edge and downwards. `component` numbers the
    weakly connected components in the order of their best-ranked node.
    """

    x: Floats
    y: Floats
    layer: Ints
    component: Ints
    back: NDArray[np.bool_]
    bend_edge: Ints
    bend_x: Floats
    bend_y: Floats
    bend_component: Ints


def layout(
    n: int, source: ArrayLike, target: ArrayLike, order: ArrayLike | None = None, *, bends: bool = True
) -> Layout:
    """Return coordinates for nodes 0 to n - 1 under the edges `source[i]` (cause) to `target[i]` (effect).

    `order` ranks the nodes (by time, say; default by number): it decides which edge of a cycle is turned, and
    who comes first where nothing else does. With `bends=False` long edges are straight lines and take no
    space. Components stand side by side, in the order of their first node. An empty graph has an empty
    layout. Raises ArgumentError where an edge names a node that is not there.
    """
    origin, goal = _ints(source), _ints(target)
    rank = _ranks(n, order)
    if len(origin) != len(goal):
        raise ArgumentError(f"source has {len(origin)} edges and target has {len(goal)}")
    if len(origin) and (min(origin.min(), goal.min()) < 0 or max(origin.max(), goal.max()) >= n):
        raise ArgumentError(f"an edge names a node outside 0..{n - 1}")
    component = components(n, origin, goal, rank)
    layer, back = layers_of(n, origin, goal, rank)
    net = network(n, origin, goal, layer, back, component, rank, bends)
    position = _place(net, _order(net))
    chain = np.arange(n, net.n)
    return Layout(
        x=position[:n],
        y=-layer.astype(np.float64),
        layer=layer,
        component=component,
        back=back,
        bend_edge=net.edge_of[chain - n],
        bend_x=position[chain],
        bend_y=-net.layer[chain].astype(np.float64),
        bend_component=net.component[chain],
    )


def shelved(placed: Layout, width: float) -> Layout:
    """Return the layout with its components in rows of at most `width` units, in order, a unit apart.

    A component wider than that has a row of its own. Within a row the tops are level.
    """
    if not len(placed.x):
        return placed
    count = int(placed.component.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    for x, component in ((placed.x, placed.component), (placed.bend_x, placed.bend_component)):
        np.minimum.at(low, component, x)
        np.maximum.at(high, component, x)
    depth = np.zeros(count)
    np.maximum.at(depth, placed.component, placed.layer + 1.0)
    right, down = np.zeros(count), np.zeros(count)
    at = top = tallest = 0.0
    for i, (wide, tall) in enumerate(zip((high - low + 1.0).tolist(), depth.tolist(), strict=True)):
        if at and at + wide > width:
            at, top, tallest = 0.0, top + tallest, 0.0
        right[i], down[i] = at, top
        at, tallest = at + wide, max(tallest, tall)
    owner, edge = placed.component, placed.bend_component
    return replace(
        placed,
        x=placed.x - low[owner] + right[owner],
        y=placed.y - down[owner],
        bend_x=placed.bend_x - low[edge] + right[edge],
        bend_y=placed.bend_y - down[edge],
    )


def layout_graph(graph: "nx.DiGraph[Any]") -> dict[Hashable, tuple[float, float]]:
    """Return `{node: (x, y)}` for drawing with y pointing up; ranks are those of the graph's node order."""
    number = {node: i for i, node in enumerate(graph)}
    edges = [(number[a], number[b]) for a, b in graph.edges()]
    placed = layout(len(number), [a for a, _ in edges], [b for _, b in edges])
    return {node: (float(placed.x[i]), float(placed.y[i])) for node, i in number.items()}


def preorder(n: int, source: ArrayLike, target: ArrayLike, order: ArrayLike | None = None) -> Ints:
    """Return each node's number in a depth-first walk from the roots: effects follow their cause.

    Nodes that no root reaches (cycles) come where their best-ranked node is first met. Arguments as of
    `layout`.
    """
    origin, goal = _ints(source), _ints(target)
    rank = _ranks(n, order)
    layer, back = layers_of(n, origin, goal, rank)
    component = components(n, origin, goal, rank)
    return _walk(network(n, origin, goal, layer, back, component, rank, bends=False))


def _ints(values: ArrayLike) -> Ints:
    return np.asarray(values, dtype=np.int64).reshape(-1)


def _ranks(n: int, order: ArrayLike | None) -> Ints:
    """Return 0..n-1 in the order of `order`; ties by number."""
    if order is None:
        return np.arange(n)
    keys = np.asarray(order)
    if keys.shape != (n,):
        raise ArgumentError(f"order has shape {keys.shape}, expected ({n},)")
    rank = np.empty(n, dtype=np.int64)
    rank[np.argsort(keys, kind="stable")] = np.arange(n)
    return rank


def _order(net: Network) -> Ints:
    """Return the nodes by layer, then component, then place in the layer."""
    place = _walk(net)
    by_place = np.lexsort((place, net.component, net.layer))
    if np.bincount(net.target, minlength=1).max(initial=0) <= 1:
        return by_place  # a forest in the order of a walk has no crossing
    best, fewest = by_place, crossings(net.layer, net.source, net.target, by_place)
    sweeps = int(np.clip(MOST_WORK // (net.n + len(net.source) + 1), 2, 24))
    for sweep in range(sweeps):
        if not fewest:
            break
        by_place = _swept(net, by_place, down=sweep % 2 == 0)
        count = crossings(net.layer, net.source, net.target, by_place)
        if count < fewest:
            best, fewest = by_place, count
    return best


def _walk(net: Network) -> Ints:
    """Return the number of each node in a depth-first walk from the roots, better-ranked nodes first."""
    by_rank = np.argsort(net.rank, kind="stable")
    edges = np.argsort(-net.rank[net.target], kind="stable")
    start, goals = rows(net.n, net.source[edges], net.target[edges])
    starts, targets = start.tolist(), goals.tolist()
    is_root = np.bincount(net.target, minlength=net.n) == 0
    number = [-1] * net.n
    count = 0
    for root in by_rank[is_root[by_rank]].tolist():
        stack = [root]
        while stack:
            node = stack.pop()
            if number[node] >= 0:
                continue
            number[node] = count
            count += 1
            stack.extend(targets[starts[node] : starts[node + 1]])
    return np.array(number, dtype=np.int64)


def crossings(layer: Ints, source: Ints, target: Ints, by_place: Ints) -> int:
    """Return how many pairs of edges between the same two layers cross, for nodes in the order `by_place`."""
    place = np.empty(len(by_place), dtype=np.int64)
    place[by_place] = np.arange(len(by_place))
    near = layer[target] - layer[source] == 1
    begin, end = place[source[near]], place[target[near]]
    sequence = end[np.lexsort((end, begin))]
    most = int(np.bincount(layer[source[near]], minlength=1).max())
    if most <= MANY_PAIRS:
        # Ends in different layers are in order: only the next few can be inverted with an end.
        return sum(int(np.count_nonzero(sequence[:-step] > sequence[step:])) for step in range(1, most))
    return _inversions(np.unique(sequence, return_inverse=True)[1].astype(np.int64))


def _inversions(sequence: Ints) -> int:
    """Return how many pairs i < j have sequence[i] > sequence[j]: a merge sort, a width at a time."""
    size, total, width = len(sequence), 0, 1
    index = np.arange(size)
    values = sequence
    spread = int(values.max(initial=0)) + 1
    while width < size:
        pair = index // (2 * width)
        is_left = index // width % 2 == 0
        # A left value is inverted with each smaller right one; at equal values the left one comes first.
        order = np.argsort(pair * (2 * spread) + 2 * values + ~is_left, kind="stable")
        lefts = is_left[order]
        rights_before = np.cumsum(~lefts) - np.concatenate([[0], np.cumsum(~is_left)])[pair[order] * 2 * width]
        total += int(rights_before[lefts].sum())
        values = values[order]
        width *= 2
    return total


def _swept(net: Network, by_place: Ints, *, down: bool) -> Ints:
    """Return the nodes reordered, layer by layer, by the mean place of causes (down) or effects (up)."""
    place = np.empty(net.n, dtype=np.float64)
    bounds = _bounds(net.layer[by_place])
    place[by_place] = np.arange(net.n) - np.repeat(bounds[:-1], np.diff(bounds))
    start, other = rows(net.n, *((net.target, net.source) if down else (net.source, net.target)))
    layers = range(1, len(bounds) - 1) if down else range(len(bounds) - 3, -1, -1)
    if _is_narrow(net.n, bounds):
        return _swept_plainly(net, by_place, place, bounds, start, other, layers)
    has = np.diff(start) > 0
    result = by_place.copy()
    for at in layers:
        nodes = result[bounds[at] : bounds[at + 1]]
        if len(nodes) < 2:
            continue
        wanted = np.where(has[nodes], _means(place, start, other, nodes), place[nodes])
        nodes = nodes[np.lexsort((wanted, net.component[nodes]))]
        result[bounds[at] : bounds[at + 1]] = nodes
        place[nodes] = np.arange(len(nodes))
    return result


def _swept_plainly(
    net: Network, by_place: Ints, place: Floats, bounds: Ints, start: Ints, other: Ints, layers: Sequence[int]
) -> Ints:
    """Do what `_swept` does, in lists."""
    result, places, component = by_place.tolist(), place.tolist(), net.component.tolist()
    begins, starts, others = bounds.tolist(), start.tolist(), other.tolist()
    for at in layers:
        low, high = begins[at], begins[at + 1]
        if high - low < 2:
            continue
        nodes = result[low:high]
        wanted = [(component[node], _mean(node, places, starts, others), i, node) for i, node in enumerate(nodes)]
        wanted.sort()
        for number, (*_, node) in enumerate(wanted):
            result[low + number] = node
            places[node] = float(number)
    return np.array(result, dtype=np.int64)


def _mean(node: int, values: list[float], start: list[int], other: list[int]) -> float:
    """Return the mean of `values` over the neighbours of a node, its own without neighbours."""
    low, high = start[node], start[node + 1]
    if high - low == 1:
        return values[other[low]]
    if low == high:
        return values[node]
    total = 0.0
    for neighbour in other[low:high]:
        total += values[neighbour]
    return total / (high - low)


def _is_narrow(n: int, bounds: Ints) -> bool:
    return n <= NARROW * (len(bounds) - 1)


def _bounds(sorted_keys: Ints) -> Ints:
    """Return where runs of equal keys begin, and the end."""
    if not len(sorted_keys):
        return np.zeros(1, dtype=np.int64)
    return np.concatenate([[0], np.flatnonzero(np.diff(sorted_keys)) + 1, [len(sorted_keys)]])


def _means(values: Floats, start: Ints, other: Ints, nodes: Ints) -> Floats:
    """Return, for each of `nodes`, the mean of `values` over its neighbours; 0 without neighbours."""
    count = start[nodes + 1] - start[nodes]
    owner = np.repeat(np.arange(len(nodes)), count)
    begin = np.cumsum(count) - count
    at = np.arange(len(owner)) - begin[owner] + start[nodes][owner]
    total = np.bincount(owner, weights=values[other[at]], minlength=len(nodes)).astype(np.float64)
    mean: Floats = total / np.maximum(count, 1)
    return mean


def _place(net: Network, by_place: Ints) -> Floats:
    """Return the coordinate of each node along its layer, clear of its neighbours."""
    if not net.n:
        return np.zeros(0)
    layers = net.layer[by_place]
    changes = (np.diff(layers) != 0) | (np.diff(net.component[by_place]) != 0)
    segment = np.concatenate([[0], np.cumsum(changes)])
    bounds = _bounds(layers)
    segments = _bounds(segment)
    # The place of each node if a layer were packed: two neighbours are half of both widths apart.
    wide = net.width[by_place]
    slot = np.cumsum(wide) - wide / 2
    x = np.empty(net.n)
    x[by_place] = slot - np.repeat(slot[segments[:-1]], np.diff(segments))
    downward = rows(net.n, net.target, net.source)
    upward = rows(net.n, net.source, net.target)
    count = len(bounds) - 1
    turns = [(upward, range(count - 2, -1, -1)), (downward, range(1, count))] * 3
    if _is_narrow(net.n, bounds):
        slots = (slot - np.repeat(slot[bounds[:-1]], np.diff(bounds))).tolist()
        fixed = (by_place.tolist(), slots, bounds.tolist(), segment.tolist())
        lists = {id(pair): (pair[0].tolist(), pair[1].tolist()) for pair in (upward, downward)}
        xs: list[float] = x.tolist()
        for pair, layers_in_turn in turns[:-1]:
            _pull_plainly(xs, *fixed, *lists[id(pair)], layers_in_turn)
        return _side_by_side(np.array(xs), net.component)
    for (start, other), layers_in_turn in turns[:-1]:
        _pull(x, by_place, slot, bounds, segment, start, other, layers_in_turn)
    return _side_by_side(x, net.component)


def _pull(
    x: Floats,
    by_place: Ints,
    slot: Floats,
    bounds: Ints,
    segment: Ints,
    start: Ints,
    other: Ints,
    layers: Sequence[int],
) -> None:
    """Move each layer's nodes, in turn, towards the mean of their neighbours, keeping order and distance."""
    has = np.diff(start) > 0
    begins: list[int] = bounds.tolist()
    for at in layers:
        low, high = begins[at], begins[at + 1]
        nodes = by_place[low:high]
        wanted = np.where(has[nodes], _means(x, start, other, nodes), x[nodes])
        x[nodes] = _spaced(wanted, slot[low:high] - slot[low], segment[low:high] - segment[low])


def _spaced(wanted: Floats, slot: Floats, segment: Ints) -> Floats:
    """Return places near `wanted`, in the given order and, within a segment, as far apart as the slots.

    The mean of the packing that never moves left and the one that never moves right: both keep the distances,
    so their mean does, and a heap of equal wishes is spread evenly around its place.
    """
    free = wanted - slot
    # Segments are kept apart by an offset larger than any coordinate, so that one scan serves all of them.
    apart = segment * (float(np.ptp(free)) + 1.0)
    right = np.maximum.accumulate(free + apart) - apart
    left = np.minimum.accumulate((free + apart)[::-1])[::-1] - apart
    placed: Floats = (left + right) / 2 + slot
    return placed


def _pull_plainly(
    x: list[float],
    by_place: list[int],
    slot: list[float],
    bounds: list[int],
    segment: list[int],
    start: list[int],
    other: list[int],
    layers: Sequence[int],
) -> None:
    """Do what `_pull` and `_spaced` do, in lists; `slot` is counted from the begin of each layer."""
    for at in layers:
        low, high = bounds[at], bounds[at + 1]
        if high - low == 1:
            x[by_place[low]] = _mean(by_place[low], x, start, other)
            continue
        nodes, slots, segments = by_place[low:high], slot[low:high], segment[low:high]
        free = [_mean(node, x, start, other) - own for node, own in zip(nodes, slots, strict=True)]
        right, furthest, last = [], 0.0, -1
        for wish, part in zip(free, segments, strict=True):
            furthest = wish if part != last or wish > furthest else furthest
            last = part
            right.append(furthest)
        last = -1
        for i in range(len(free) - 1, -1, -1):
            wish = free[i]
            furthest = wish if segments[i] != last or wish < furthest else furthest
            last = segments[i]
            x[nodes[i]] = (furthest + right[i]) / 2 + slots[i]


def _side_by_side(x: Floats, component: Ints) -> Floats:
    """Return `x` with each component moved right of the one before it; the first starts at 0."""
    count = int(component.max()) + 1
    low, high = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(low, component, x)
    np.maximum.at(high, component, x)
    width = high - low + 1.0 + COMPONENT_GAP
    begin = np.cumsum(width) - width
    moved: Floats = x - low[component] + begin[component]
    return moved

"""The layered layout: edges lead down, nothing overlaps, and long or wide graphs are quick."""

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kit.errors import ArgumentError
from kit.trace.layout import _inversions, crossings, layout, layout_graph, preorder, shelved


@st.composite
def graphs(draw: st.DrawFn) -> tuple[int, list[int], list[int]]:
    n = draw(st.integers(1, 25))
    node = st.integers(0, n - 1)
    edges = draw(st.lists(st.tuples(node, node), max_size=50))
    return n, [a for a, _ in edges], [b for _, b in edges]


@given(graphs())
def test_edges_lead_down_and_nodes_keep_their_distance(graph: tuple[int, list[int], list[int]]) -> None:
    n, source, target = graph
    placed = layout(n, source, target)
    layer = placed.layer
    for a, b, back in zip(source, target, placed.back.tolist(), strict=True):
        if a == b:
            assert back
        elif back:
            assert layer[a] > layer[b]
        else:
            assert layer[a] < layer[b]
    for level in set(layer.tolist()):
        gaps = np.diff(np.sort(placed.x[layer == level]))
        assert (gaps >= 1 - 1e-6).all()
    np.testing.assert_array_equal(placed.y, -layer)
    assert np.isfinite(placed.x).all()
    assert placed.x.min() >= 0


@given(graphs())
def test_only_edges_on_cycles_are_turned(graph: tuple[int, list[int], list[int]]) -> None:
    n, source, target = graph
    whole = nx.MultiDiGraph()
    whole.add_nodes_from(range(n))
    whole.add_edges_from(zip(source, target, strict=True))
    part = {node: i for i, nodes in enumerate(nx.strongly_connected_components(whole)) for node in nodes}
    for a, b, back in zip(source, target, layout(n, source, target).back.tolist(), strict=True):
        assert not back or part[a] == part[b]


@given(graphs())
def test_components_stand_side_by_side(graph: tuple[int, list[int], list[int]]) -> None:
    n, source, target = graph
    placed = layout(n, source, target)
    whole = nx.Graph()
    whole.add_nodes_from(range(n))
    whole.add_edges_from(zip(source, target, strict=True))
    expected = sorted(nx.connected_components(whole), key=min)
    for number, nodes in enumerate(expected):
        assert set(placed.component[sorted(nodes)].tolist()) == {number}
    right = -1.0
    for nodes in expected:
        xs = placed.x[sorted(nodes)]
        assert xs.min() > right
        right = xs.max()


@given(graphs(), st.integers(1, 30))
def test_shelves_keep_nodes_apart(graph: tuple[int, list[int], list[int]], width: int) -> None:
    placed = shelved(layout(*graph), width)
    points = {(round(x, 3), y) for x, y in zip(placed.x.tolist(), placed.y.tolist(), strict=True)}
    assert len(points) == graph[0]


@given(graphs())
def test_the_same_graph_has_the_same_layout(graph: tuple[int, list[int], list[int]]) -> None:
    one, other = layout(*graph), layout(*graph)
    np.testing.assert_array_equal(one.x, other.x)
    np.testing.assert_array_equal(one.bend_x, other.bend_x)


@given(st.lists(st.integers(0, 1_000), min_size=1, max_size=60))
def test_a_tree_has_no_crossing(picks: list[int]) -> None:
    target = np.arange(1, len(picks) + 1)
    source = np.array([pick % child for pick, child in zip(picks, target.tolist(), strict=True)])
    placed = layout(len(picks) + 1, source, target)
    by_place = np.lexsort((placed.x, placed.layer))
    assert crossings(placed.layer, source, target, by_place) == 0


@given(graphs())
def test_crossings_are_those_counted_pair_by_pair(graph: tuple[int, list[int], list[int]]) -> None:
    n, source, target = graph
    placed = layout(n, source, target, bends=False)
    near = [
        (placed.layer[a], placed.x[a], placed.x[b])
        for a, b in zip(source, target, strict=True)
        if placed.layer[b] - placed.layer[a] == 1
    ]
    expected = sum(
        first[0] == second[0] and (first[1] - second[1]) * (first[2] - second[2]) < 0
        for i, first in enumerate(near)
        for second in near[:i]
    )
    by_place = np.lexsort((placed.x, placed.layer))
    assert crossings(placed.layer, np.array(source, int), np.array(target, int), by_place) == expected


def test_sweeps_untangle_what_can_be_untangled() -> None:
    # Two layers whose ranks are against each other: in rank order every pair would cross.
    source = np.arange(10)
    target = 19 - np.arange(10)
    hub = np.r_[source, source[:-1]]
    ends = np.r_[target, target[1:]]
    placed = layout(20, hub, ends)
    assert crossings(placed.layer, hub, ends, np.lexsort((placed.x, placed.layer))) == 0


def test_the_order_decides_which_edge_of_a_cycle_is_turned() -> None:
    assert layout(3, [0, 1, 2], [1, 2, 0]).back.tolist() == [False, False, True]
    assert layout(3, [0, 1, 2], [1, 2, 0], order=[5, 1, 3]).back.tolist() == [True, False, False]


def test_a_long_edge_bends_at_each_layer_between() -> None:
    placed = layout(4, [0, 1, 2, 0], [1, 2, 3, 3])
    assert placed.bend_edge.tolist() == [3, 3]
    assert placed.bend_y.tolist() == [-1.0, -2.0]
    assert (abs(placed.bend_x - placed.x[1:3]) > 0.5).all()
    assert layout(4, [0, 1, 2, 0], [1, 2, 3, 3], bends=False).bend_edge.tolist() == []


def test_a_second_cause_stands_next_to_its_effect() -> None:
    assert layout(4, [0, 1, 3], [1, 2, 2]).layer.tolist() == [0, 1, 2, 1]


def test_a_walk_visits_effects_after_their_cause() -> None:
    assert preorder(5, [0, 0, 1], [1, 2, 3]).tolist() == [0, 1, 3, 2, 4]
    assert sorted(preorder(3, [0, 1, 2], [1, 2, 0]).tolist()) == [0, 1, 2]


def test_edge_cases() -> None:
    assert layout(0, [], []).x.tolist() == []
    assert shelved(layout(0, [], []), 5).x.tolist() == []
    assert layout(1, [0], [0]).back.tolist() == [True]
    with pytest.raises(ArgumentError, match=r"outside 0\.\.1"):
        layout(2, [0], [2])
    with pytest.raises(ArgumentError, match="3 edges and target has 1"):
        layout(4, [0, 1, 2], [1])
    with pytest.raises(ArgumentError, match="order has shape"):
        layout(2, [0], [1], order=[1])


def test_a_networkx_graph_gets_a_place_for_each_node() -> None:
    places = layout_graph(nx.DiGraph([("a", "b"), ("a", "c")]))
    assert places == {"a": (0.5, 0.0), "b": (0.0, -1.0), "c": (1.0, -1.0)}


def trees(n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(7)
    target = np.arange(1, n)
    return (target * random.random(n - 1)).astype(np.int64), target


def layered(n: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Two causes for each node, in the layer above."""
    target = np.arange(width, n)
    above = (target // width - 1) * width
    return np.r_[above + target * 3 % width, above + target * 5 % width], np.r_[target, target]


SHAPES = {
    "a tree of 50,000": (50_000, *trees(50_000)),
    "a star of 50,000": (50_000, np.zeros(49_999, dtype=np.int64), np.arange(1, 50_000)),
    "a chain of 100,000": (100_000, np.arange(99_999), np.arange(1, 100_000)),
    "a cycle of 50,000": (50_000, np.arange(50_000), np.roll(np.arange(50_000), -1)),
    "50,000 in 6,250 layers": (50_000, *layered(50_000, 8)),
    "50,000 alone": (50_000, np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)),
    "50,000 with two causes each": (
        50_000,
        np.r_[trees(50_000)[0], trees(50_000)[0][::-1] // 2],
        np.r_[np.arange(1, 50_000)].repeat(2),
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_large_graphs_are_placed(shape: str) -> None:
    n, source, target = SHAPES[shape]
    placed = layout(n, source, target)
    assert len(placed.x) == n
    down = ~placed.back
    assert (placed.layer[target[down]] > placed.layer[source[down]]).all()


@given(graphs())
def test_lists_and_arrays_give_the_same_layout(graph: tuple[int, list[int], list[int]]) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("kit.trace.layout.NARROW", 1_000_000)
        lists = layout(*graph)
        patched.setattr("kit.trace.layout.NARROW", 0)
        arrays = layout(*graph)
    np.testing.assert_allclose(lists.x, arrays.x, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(lists.layer, arrays.layer)


@given(st.lists(st.integers(0, 30), max_size=60))
def test_inversions_are_those_counted_pair_by_pair(sequence: list[int]) -> None:
    expected = sum(first > second for i, first in enumerate(sequence) for second in sequence[i + 1 :])
    assert _inversions(np.array(sequence, dtype=np.int64)) == expected

"""The trace DAG: what is drawn is what the graph holds, however odd its names are."""

import networkx as nx
import pyarrow as pa
import pytest
from matplotlib.figure import Figure

from kit.errors import ArgumentError
from kit.plot import dag, drawn
from kit.plot.style import Picture

TYPES = ("TASK", "TOOL_CALL", "TOOL_RESULT", "RECALL", "BID", "STOP", "NO_SUCH_TYPE")
HOSTILE = (
    "a_$x$_b",
    "y" * 200,
    "two\nlines",
    "研究 \U0001f600",
    "_under",
    "$",
    "\\frac{1}{2}",
    "<b>&",
    "\x00\ud800",
    "",
)


def tree(n: int, step: int = 3) -> "nx.DiGraph[str]":
    graph: nx.DiGraph[str] = nx.DiGraph()
    for i in range(n):
        graph.add_node(f"evt_{i:026d}", type=TYPES[i % len(TYPES)], neuron=f"neuron-{i % 4}", label="attached")
    nodes = list(graph)
    graph.add_edges_from(((nodes[(i - 1) // step], nodes[i]) for i in range(1, n)), why="parent")
    return graph


def edges(graph: "nx.DiGraph[str]") -> list[tuple[str, str, str]]:
    return sorted(graph.edges(data="why"), key=str)


def chain_of_fans(n: int) -> "nx.DiGraph[str]":
    """Too deep and too broad for boxes: each tenth node is the next step, the others hang on it."""
    graph = tree(n)
    graph.remove_edges_from(list(graph.edges()))
    nodes = list(graph)
    graph.add_edges_from(
        ((nodes[max(0, (i - 1) // 4 * 4 - 3 if i % 4 else i - 4)], nodes[i]) for i in range(1, n)),
        why="parent",
    )
    return graph


@pytest.mark.parametrize("graph", [tree(1), tree(23), tree(60, 12), chain_of_fans(60)], ids=str)
def test_nodes_and_edges_drawn_are_those_of_the_graph(graph: "nx.DiGraph[str]") -> None:
    figure = dag(graph)
    shown = drawn(figure)
    assert isinstance(figure, Figure)
    assert shown["kind"] == "dag"
    assert list(shown["nodes"]) == list(graph)
    assert shown["edges"] == edges(graph)
    for node, text in shown["nodes"].items():
        assert " ".join(text).startswith(graph.nodes[node]["type"])
        assert node[-4:] in " ".join(text)


def test_an_edge_that_is_dropped_is_missed() -> None:
    graph = tree(23)
    figure = dag(graph)
    [patch, *_] = [artist for artist in figure.axes[0].patches if artist.get_gid() == "edge:parent"]
    patch.remove()
    assert drawn(figure)["edges"] != edges(graph)


def test_an_edge_that_leads_elsewhere_is_seen() -> None:
    graph = tree(23)
    figure = dag(graph)
    patch = next(artist for artist in figure.axes[0].patches if artist.get_gid() == "edge:parent")
    patch.get_path().vertices[-1] += (0, 0.45)
    assert drawn(figure)["edges"] != edges(graph)


def test_a_box_that_moved_and_swapped_labels_are_seen() -> None:
    graph = tree(23)
    figure = dag(graph)
    before = drawn(figure)["nodes"]
    texts = [text for text in figure.axes[0].texts if str(text.get_gid()).startswith("text:")]
    texts[0].set_text(texts[1].get_text())
    assert drawn(figure)["nodes"] != before
    box = next(p for p in figure.axes[0].patches if str(p.get_gid()).startswith("node:"))
    box.set_x(box.get_x() + 3)
    assert drawn(figure)["edges"] != edges(graph)


def test_more_than_sixty_nodes_are_dots() -> None:
    graph = tree(500)
    shown = drawn(dag(graph, critical=list(graph)[:2], highlight=list(graph)[5:7]))
    assert sum(shown["nodes"].values()) == 500
    assert shown["edges"] == {"parent": 499}
    assert shown["critical"] == 1
    assert shown["highlighted"] == 2


def test_a_dot_or_a_line_that_is_gone_is_missed() -> None:
    graph = tree(500)
    figure = dag(graph)
    lines = next(c for c in figure.axes[0].collections if c.get_gid() == "edges:parent")
    lines.set_segments(lines.get_segments()[:-1])
    assert drawn(figure)["edges"] == {"parent": 498}
    dots = next(c for c in figure.axes[0].collections if c.get_gid() == "dots:lifecycle")
    dots.set_offsets(dots.get_offsets()[:-1])
    assert drawn(figure)["edges"]["parent"] < 498
    assert sum(drawn(figure)["nodes"].values()) == 499


def test_the_critical_path_is_marked_from_ids_or_a_table() -> None:
    graph = tree(23)
    path = [list(graph)[i] for i in (0, 1, 4)]
    expected = [(path[0], path[1]), (path[1], path[2])]
    assert drawn(dag(graph, critical=path))["critical"] == expected
    shown = drawn(dag(graph, critical=pa.table({"span_id": path})))
    assert shown["critical"] == expected
    assert "critical path" in shown["legend"]
    with pytest.raises(ArgumentError, match="critical needs the columns event_id or span_id or id"):
        dag(graph, critical=pa.table({"x": path}))


def test_findings_and_guesses_are_explained() -> None:
    graph = tree(5)
    nodes = list(graph)
    graph.nodes[nodes[1]]["label"] = "phantom"
    graph.nodes[nodes[2]]["label"] = "missing_parent"
    graph.edges[nodes[0], nodes[1]]["guessed"] = True
    legend = drawn(dag(graph))["legend"]
    assert {"phantom", "missing parent", "guessed, or closes a cycle"} <= set(legend)
    assert "cycle" not in legend


def test_a_stand_in_for_an_absent_cause_says_what_it_is() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("evt_gone", type=None, neuron=None, label="missing_parent")
    graph.add_node("evt_far", type=None, neuron=None, label="outside")
    graph.add_edge("evt_gone", "evt_a", why="parent")
    nodes = drawn(dag(graph))["nodes"]
    assert [nodes[name][0] for name in graph] == ["missing parent", "outside", "unknown"]


def test_cycles_and_self_parents_are_drawn() -> None:
    graph = nx.DiGraph([("a", "b"), ("b", "c"), ("c", "a"), ("c", "c")], why="parent")
    assert {edge[:2] for edge in drawn(dag(graph))["edges"]} == set(graph.edges())


@pytest.mark.parametrize("n", [10, 55, 300])
def test_hostile_names_neither_warn_nor_become_markup(n: int) -> None:
    graph = tree(n)
    names = {node: HOSTILE[i % len(HOSTILE)] + str(i) for i, node in enumerate(graph)}
    nx.set_node_attributes(graph, {node: HOSTILE[i % len(HOSTILE)] for i, node in enumerate(graph)}, "neuron")
    nx.set_node_attributes(graph, {node: HOSTILE[i % len(HOSTILE)] for i, node in enumerate(graph)}, "type")
    graph = nx.relabel_nodes(graph, names)
    nx.set_edge_attributes(graph, {edge: HOSTILE[i % 9] for i, edge in enumerate(graph.edges())}, "why")
    picture = dag(graph, title="$a_b$ \n")
    assert picture._repr_png_().startswith(b"\x89PNG")
    assert drawn(picture)["title"] == "$a_b$ \\n"


def test_text_stays_inside_the_picture() -> None:
    picture = dag(tree(60, 12))
    picture.draw_without_rendering()
    frame = picture.bbox
    for text in [*picture.axes[0].texts, *picture.texts, *picture.legends[0].get_texts()]:
        box = text.get_window_extent()
        assert frame.x0 <= box.x0
        assert box.x1 <= frame.x1
        assert frame.y0 <= box.y0
        assert box.y1 <= frame.y1


def test_labels_do_not_overlap() -> None:
    picture = dag(tree(40, 12))
    picture.draw_without_rendering()
    boxes = [text.get_window_extent() for text in picture.axes[0].texts if "text:" in str(text.get_gid())]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])


def test_an_empty_graph_is_an_explained_picture() -> None:
    picture = dag(nx.DiGraph())
    assert drawn(picture)["empty"] == "No signals to draw."
    assert picture._repr_png_().startswith(b"\x89PNG")


def test_a_foreign_figure_is_refused() -> None:
    with pytest.raises(ArgumentError, match="not one of the kit's"):
        drawn(Figure())


def test_a_picture_has_a_stable_repr() -> None:
    assert repr(dag(nx.DiGraph())) == "<Picture size 900x140 with 1 Axes>"
    assert isinstance(dag(nx.DiGraph()), Picture)

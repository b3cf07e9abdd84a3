import base64
from collections.abc import Iterator
from typing import Any

import networkx as nx
import numpy as np
import pytest
from widgets.headless import asked, recorded, update

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.widgets import DAG, Content
from kit.widgets.columns import unpack
from kit.widgets.dag import drawing


@pytest.fixture(autouse=True)
def _front_end() -> Iterator[None]:
    with recorded():
        yield


@pytest.fixture(scope="module")
def study() -> Any:
    return kit.load(kit.datasets.path("cosmonapse-small"))


@pytest.fixture
def view(study: Any) -> Iterator[DAG]:
    made = study.trace("JSXK6").view()
    yield made
    made.close()


def test_the_front_end_gets_every_node_and_edge_of_the_graph(study: Any, view: DAG) -> None:
    trace = study.trace("JSXK6")
    got = {name: unpack(*_columns(view, name)) for name in ("nodes", "edges", "bends")}
    nodes, edges = got["nodes"], got["edges"]
    assert nodes["id"] == list(trace.graph)
    assert nodes["type"] == [trace.graph.nodes[id]["type"] for id in trace.graph]
    pairs = {(nodes["id"][a], nodes["id"][b]) for a, b in zip(edges["source"], edges["target"], strict=True)}
    assert pairs == set(trace.graph.edges)
    assert edges["why"] == [data["why"] for _, _, data in trace.graph.edges(data=True)]
    for a, b in zip(edges["source"], edges["target"], strict=True):
        assert nodes["y"][a] < nodes["y"][b], "a cause is above its effect"
    critical = {id for id, on in zip(nodes["id"], nodes["critical"], strict=True) if on}
    assert {row["span_id"] for row in trace.critical_path().rows()} <= critical


def _columns(view: DAG, name: str, **params: Any) -> Any:
    content, buffers = asked(view, name, **params)
    return content["header"], buffers


def test_several_parents_are_several_edges() -> None:
    graph = nx.DiGraph([("a", "c"), ("b", "c"), ("c", "d"), ("a", "d")])
    view = DAG(graph, noun="record")
    assert view.around("c") == {"causes": ["a", "b"], "effects": ["d"]}
    edges, bends = view.drawing.edges, view.drawing.bends
    assert edges.num_rows == 4
    assert bends["edge"].to_pylist() == [
        edges.to_pylist().index(next(e for e in edges.to_pylist() if (e["source"], e["target"]) == (0, 3)))
    ]
    assert repr(view) == "<DAG 'Thread DAG: 4 records, 4 edges'>"
    view.close()


def test_rings_stay_and_are_marked() -> None:
    made = drawing(Content(nx.DiGraph([("a", "b"), ("b", "a"), ("b", "b")])))
    assert sorted(made.edges["back"].to_pylist()) == [False, True, True]


def test_search_takes_a_text_or_a_condition(view: DAG) -> None:
    bids = [row["id"] for row in view.drawing.nodes.to_pylist() if row["type"] == "BID"]
    assert view.search("bid") == bids
    assert view.search(bids[1][-6:]) == [bids[1]]
    assert view.search("type = 'BID' and neuron = 'solver-1'") == [bids[2]]
    assert view.search("critical and type = 'ERROR'") == [
        row["id"] for row in view.drawing.nodes.to_pylist() if row["type"] == "ERROR"
    ]
    assert view.query == "critical and type = 'ERROR'"
    assert view.search("") == view.search("no such thing") == []
    assert unpack(*_columns(view, "search", text="type = 'BID'"))["row"] == [1, 2, 3]


@pytest.mark.parametrize(
    "condition",
    [
        "type = ",
        "id = 'x'; DROP TABLE nodes",
        "nonsense > 1",
        "exists (select 1 from read_text('/etc/hostname'))",
        "getenv('HOME') = 'x'",
    ],
)
def test_a_condition_that_is_none_or_reads_elsewhere_is_refused(view: DAG, condition: str) -> None:
    with pytest.raises(ArgumentError, match="is no condition over"):
        view.search(condition)
    assert "is no condition over" in asked(view, "search", text=condition)[0]["error"]


def test_selecting_moves_the_time_cursor_as_a_click_does(view: DAG) -> None:
    row = view.drawing.nodes.to_pylist()[2]
    view.select(row["id"])
    assert view.selected == [row["id"]]
    assert view.cursor_us == row["ts"].timestamp() * 1e6
    view.select()
    assert view.selected == []


def test_what_is_collapsed_is_a_trait_and_must_be_there(view: DAG) -> None:
    root = view.drawing.nodes["id"][0].as_py()
    view.collapse(root)
    view.collapse(root)
    assert view.collapsed == [root]
    view.expand(root)
    assert view.collapsed == []
    with pytest.raises(NotFoundError, match="no signal 'evt_none' in this DAG"):
        view.collapse("evt_none")


def test_following_loads_the_delegated_traces(study: Any) -> None:
    chosen = max(study.traces().rows(), key=lambda row: row["children_traces"])
    view = study.trace(chosen["trace_id"], follow=False).view()
    alone, revision = view.drawing.nodes.num_rows, view.revision
    update(view, follow=True)
    assert view.settle()
    assert view.drawing.nodes.num_rows == len(study.trace(chosen["trace_id"]).graph) > alone
    assert view.revision > revision
    assert len(set(view.drawing.nodes["group"].to_pylist()) - {None}) == chosen["children_traces"] + 1
    view.close()


def test_findings_stand_at_their_events() -> None:
    graph = nx.DiGraph([("a", "b")])
    view = DAG(Content(graph, critical=["a"], findings={"b": "odd"}))
    assert view.drawing.nodes.select(["critical", "finding"]).to_pylist() == [
        {"critical": True, "finding": None},
        {"critical": False, "finding": "odd"},
    ]
    assert view.search("odd") == ["b"]
    view.close()


def test_fifty_thousand_nodes_travel_as_small_columns() -> None:
    rng = np.random.default_rng(3)
    graph = nx.DiGraph()
    graph.add_nodes_from((f"evt_{i:06}", {"type": "TASK", "neuron": f"n{i % 9}"}) for i in range(50_000))
    parent = np.maximum(np.arange(1, 50_000) - rng.integers(1, 300, 49_999), 0)
    graph.add_edges_from((f"evt_{a:06}", f"evt_{b:06}") for b, a in enumerate(parent.tolist(), 1))
    view = DAG(graph)
    content, buffers = asked(view, "nodes")
    assert content["header"]["rows"] == 50_000
    assert len(repr(content)) < 3_000, "columns do not travel as lists"
    assert sum(map(len, buffers)) < 3_000_000
    view.close()


def test_the_twin_is_a_picture_stored_as_ipython_stores_one(view: DAG) -> None:
    data, _ = view._repr_mimebundle_()
    assert data["text/plain"] == "<DAG 'Trace DAG: 9 signals, 8 edges'>"
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert max(map(len, data["image/png"].splitlines())) <= 76


def test_a_closed_view_holds_nothing(study: Any) -> None:
    view = study.trace("JSXK6").view()
    view.close()
    assert view.drawing.nodes.num_rows == 0


def test_one_of_content_and_load_is_asked_for() -> None:
    with pytest.raises(ArgumentError, match="one of the two"):
        DAG()

"""The events of a trace, its graph and its text tree."""

from itertools import pairwise
from pathlib import Path

import naive
import networkx as nx
import pytest

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.events import trace_events
from kit.trace.graph import acyclic, graph
from kit.trace.tree import tree
from tests.trace import generated

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"


def test_a_trace_is_followed_into_the_traces_it_delegated_to() -> None:
    made = generated.Made()
    names = generated.delegation(made, 4)
    generated.delegation(made, 1)
    store = generated.store_of(made)
    events = trace_events(store, names[1])
    assert set(events["trace_id"].to_pylist()) == set(names[1:])
    alone = trace_events(store, names[1], follow=False)
    assert set(alone["trace_id"].to_pylist()) == {names[1]}
    assert events["ts"].to_pylist() == sorted(events["ts"].to_pylist())


def test_work_delegated_from_an_unpublished_task_is_followed() -> None:
    made = generated.Made()
    trace, phantoms = generated.auctions(made, ["a"])
    child = made.new("trc")
    made.emit("TASK", child, phantoms[0], "b", label="cross_trace")
    events = trace_events(generated.store_of(made), trace)
    assert child in events["trace_id"].to_pylist()
    labels = dict(zip(events["id"].to_pylist(), events["label"].to_pylist(), strict=True))
    assert labels == made.labels


def test_traces_that_delegate_in_a_ring_are_each_followed_once() -> None:
    made = generated.Made()
    first, second = made.new(), made.new()
    made.emit("TASK", "trc_a", second, "a", event=first)
    made.emit("TASK", "trc_b", first, "b", event=second)
    events = trace_events(generated.store_of(made), "trc_a")
    assert sorted(events["id"].to_pylist()) == sorted([first, second])
    assert events["label"].to_pylist() == ["cycle", "cycle"]
    made_graph = graph(events)
    assert nx.is_directed_acyclic_graph(acyclic(made_graph))
    assert made_graph.number_of_edges() == 2


def test_an_unknown_trace_names_what_is_near() -> None:
    made = generated.Made()
    name = generated.delegation(made, 0)[0]
    store = generated.store_of(made)
    with pytest.raises(NotFoundError, match=rf"no trace '{name}X'.*{name}.*study\.traces"):
        trace_events(store, name + "X")
    with pytest.raises(NotFoundError, match="in run 'other'"):
        trace_events(store, name, run="other")
    with pytest.raises(NotFoundError, match=r"no trace 'trc_1'\. All"):
        trace_events(Store(), "trc_1")


def test_a_part_of_an_id_is_enough_where_only_one_trace_has_it() -> None:
    made = generated.Made()
    names = generated.delegation(made, 2)
    store = generated.store_of(made)
    assert trace_events(store, names[1][-6:], follow=False)["trace_id"].to_pylist()[0] == names[1]
    with pytest.raises(NotFoundError, match="several traces"):
        trace_events(store, "trc_0")


def test_a_trace_of_two_runs_needs_the_run() -> None:
    made = generated.Made()
    name = generated.delegation(made, 1)[0]
    store = generated.store_of(made, run="a")
    made.load(store, run="b")
    with pytest.raises(ArgumentError, match=r"'a', 'b'.*run='a'"):
        trace_events(store, name)
    events = trace_events(store, name, run="b")
    assert set(events["run"].to_pylist()) == {"b"}
    assert events.num_rows == len(made.signals)


def test_the_graph_has_a_second_edge_for_the_target_of_a_critique() -> None:
    made = generated.Made()
    odd = generated.oddities(made)
    shown = graph(trace_events(generated.store_of(made), odd["trace"]))
    why = nx.get_edge_attributes(shown, "why")
    assert sorted(why.values()).count("target") == 1
    lost = next(name for name, kind in shown.nodes(data="kind") if kind == "missing")
    assert shown.nodes[lost]["label"] == "missing_parent"
    assert shown.edges[odd["own"], odd["own"]]["back"]
    assert nx.is_directed_acyclic_graph(acyclic(shown))


def test_retries_are_guessed_edges_between_attempts() -> None:
    made = generated.Made()
    boss = generated.delegation(made, 0)
    task = made.signals[0]["id"]
    attempts = generated.retried(made, 3)
    for signal in made.signals:
        if signal["id"] in attempts:
            signal["parent_id"] = task  # run_with_retry inside a task
    shown = graph(trace_events(generated.store_of(made), boss[0]))
    guessed = [(cause, effect) for cause, effect, data in shown.edges(data=True) if data["guessed"]]
    assert guessed == list(pairwise(attempts))
    assert {shown.edges[edge]["why"] for edge in guessed} == {"retry"}


def test_why_tells_the_steps_of_an_auction_and_of_a_question() -> None:
    made = generated.Made()
    auction, _ = generated.auctions(made, ["a"], finals=True)
    asked, _ = generated.question(made, "CLARIFICATION", ("discrete", "task"))
    store = generated.store_of(made)
    words = set(trace_events(store, auction)["why"].to_pylist())
    assert words == {None, "offer", "decline", "award", "call", "answer", "result"}
    rows = trace_events(store, asked).to_pylist()
    assert [row["why"] for row in rows if row["type"] == "TASK"] == [None, "answer"]


def test_every_event_is_a_node_and_a_line_of_the_tree() -> None:
    made = generated.everything(4, rounds=1)
    store = generated.store_of(made)
    for trace in sorted({signal["trace_id"] for signal in made.signals}):
        events = trace_events(store, trace)
        shown = graph(events)
        assert [name for name, kind in shown.nodes(data="kind") if kind != "missing"] == events["id"].to_pylist()
        assert nx.is_directed_acyclic_graph(acyclic(shown))
        assert len(tree(events).splitlines()) == events.num_rows


def test_the_tree_of_a_delegated_task_reads_like_this() -> None:
    made = generated.Made()
    trace = made.emit("TASK", "trc_1", None, "boss")
    made.emit("TASK", "trc_2", trace, "leaf", label="cross_trace")
    made.emit("TOOL_CALL", "trc_2", made.signals[-1]["id"], "fs\x1b[31m")
    made.emit("AGENT_OUTPUT", "trc_1", trace, "boss")
    assert tree(trace_events(generated.store_of(made), "trc_1")) == (
        "TASK boss  +0.000 ms  …000001\n"
        "├─ TASK leaf  +1.000 ms  …000002 [cross_trace]\n"
        "│  └─ TOOL_CALL fs\\x1b[31m  +2.000 ms  …000003\n"
        "└─ AGENT_OUTPUT boss  +3.000 ms  …000004"
    )


def test_a_long_chain_is_cut_with_a_count_and_needs_no_recursion() -> None:
    made = generated.Made()
    parent = None
    for _ in range(5_000):
        parent = made.emit("PLAN", "trc_1", parent)
    events = trace_events(generated.store_of(made), "trc_1")
    assert tree(events, limit=10).splitlines()[-1] == "... 4,990 more"
    assert len(tree(events, limit=None).splitlines()) == 5_000
    assert nx.dag_longest_path_length(acyclic(graph(events)), weight=None, default_weight=1) == 4_999


def test_the_whole_sample_becomes_graphs() -> None:
    store = Store()
    naive.load(store, SAMPLE.read_bytes().splitlines())
    name = store.execute("SELECT trace_id FROM signals GROUP BY ALL ORDER BY count(*) DESC, trace_id LIMIT 1")[0][0]
    shown = graph(trace_events(store, name))
    assert nx.is_directed_acyclic_graph(shown)
    assert {"answer", "call"} <= set(nx.get_edge_attributes(shown, "why").values())

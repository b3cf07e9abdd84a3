"""The structure of records: labels, depth over several parents, rings, ancestry; on the sample and on made-up DAGs."""

import random
from collections import Counter
from collections.abc import Iterator

import networkx as nx
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.notebook.study import Study
from kit.trace.levels import ancestors, levels
from kit.trace.records import record_structure
from tests.records_in import Written, fill_sample


@pytest.fixture(scope="module")
def sample() -> Iterator[Study]:
    with kit.open() as study:
        fill_sample(study)
        yield study


def test_the_sample_has_the_stated_structure(sample: Study) -> None:
    """syncropel-26: 72 merges, 109 forks, 141 without a known parent, 182 leaves, longest path 9, no ring."""
    rows = sample.record_structure().rows()
    assert len(rows) == 819
    assert sum(len(row["parents"]) >= 2 for row in rows) == 72
    assert sum(row["children"] >= 2 for row in rows) == 109
    assert sum(not row["parents"] for row in rows) == 140
    assert sum(not row["known_parents"] for row in rows) == 141
    assert sum(not row["children"] for row in rows) == 182
    assert max(row["depth"] for row in rows) == 9
    assert Counter(row["label"] for row in rows) == {
        "attached": 663,
        "root": 140,
        "cross_trace": 15,
        "missing_parent": 1,
    }


def test_causes_come_before_effects(sample: Study) -> None:
    rows = sample.record_structure().rows()
    place = {row["id"]: i for i, row in enumerate(rows)}
    assert all(place[parent] < place[row["id"]] for row in rows for parent in row["parents"] if parent in place)


def test_deep_wide_dangling_and_forged_records_are_all_reported() -> None:
    """syncropel-26: a chain of 2,500, a merge of 60, a forged ring of 500, effects before causes in the file."""
    made = Written()
    chain = made.put()
    for _ in range(2499):
        chain = made.put(parents=[chain])
    wide = [made.put(parents=[chain]) for _ in range(60)]
    merge = made.put(parents=wide)
    far = made.put(thread="u", parents=[merge, "0" * 64])
    made.put(id="self", parents=["self"])
    for number in range(500):
        made.put(id=f"r{number}", parents=[f"r{(number - 1) % 500}"])
    below = made.put(parents=["r3"])
    made.records.reverse()
    with kit.open() as study:
        made.into(study)
        rows = {row["id"]: row for row in study.record_structure()}
        path = study.ancestry(far).rows()
    assert rows[chain]["depth"] == 2499
    assert (rows[merge]["depth"], rows[merge]["known_parents"]) == (2501, 60)
    assert (rows[far]["label"], rows[far]["ancestors_missing"]) == ("cross_trace", True)
    assert rows["self"]["label"] == "self_parent"
    assert {rows[f"r{number}"]["label"] for number in range(500)} == {"cycle"}
    assert (rows[below]["label"], rows[below]["depth"]) == ("attached", 1)
    assert Counter(row["label"] for row in rows.values())["cycle"] == 500
    assert len(path) == 2500 + 60 + 2
    assert [path[0]["depth"], path[-1]["id"]] == [0, far]


def test_an_unknown_or_ambiguous_record_is_refused(sample: Study) -> None:
    with pytest.raises(NotFoundError, match="no record 'ffffffffffff'"):
        sample.ancestry("ffffffffffff")
    [full] = sample.ancestry("388fbbe2cd99").rows()
    assert full["id"].startswith("388fbbe2cd99526a")
    with kit.open() as study:
        made = Written()
        id_ = made.put()
        made.into(study, "a")
        made.into(study, "b")
        with pytest.raises(ArgumentError, match="in the runs 'a', 'b'"):
            study.ancestry(id_)
        assert len(study.ancestry(id_, run="b")) == 1


def test_runs_are_woven_apart_and_an_empty_store_has_no_structure() -> None:
    with kit.open() as study:
        assert record_structure(study).num_rows == 0
        first, second = Written(), Written()
        root = first.put()
        first.put(parents=[root])
        second.put(parents=[root], clock=7)
        first.into(study, "a")
        second.into(study, "b")
        labels = [(row["run"], row["label"], row["depth"]) for row in study.record_structure()]
    assert labels == [("a", "root", 0), ("a", "attached", 1), ("b", "missing_parent", 0)]


EDGES = st.integers(1, 12).flatmap(
    lambda n: st.tuples(st.just(n), st.lists(st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)), max_size=25))
)


@given(EDGES)
@settings(max_examples=100)
def test_levels_agree_with_networkx(case: tuple[int, list[tuple[int, int]]]) -> None:
    n, edges = case
    graph = nx.DiGraph(edges)
    graph.add_nodes_from(range(n))
    cause, effect = (np.array([edge[i] for edge in edges], dtype=np.int64) for i in (0, 1))
    found = levels(n, cause, effect)
    on_ring = {node for part in nx.strongly_connected_components(graph) if len(part) > 1 for node in part}
    reaching = {node for node in graph if nx.descendants(graph, node) & on_ring or node in on_ring}
    reached = {node for node in graph if nx.ancestors(graph, node) & on_ring or node in on_ring}
    loops = {node for node in graph if graph.has_edge(node, node)}
    assert set(np.flatnonzero(found.ring).tolist()) == reaching & reached
    kept = nx.DiGraph([edge for edge, cut in zip(edges, found.cut.tolist(), strict=True) if not cut])
    kept.add_nodes_from(range(n))
    assert nx.is_directed_acyclic_graph(kept)
    assert {node for node in loops if not kept.has_edge(node, node)} == loops
    depth = dict.fromkeys(graph, 0)
    for node in nx.topological_sort(kept):
        depth[node] = max((depth[above] + 1 for above in kept.predecessors(node)), default=0)
    assert found.depth.tolist() == [depth[node] for node in range(n)]
    wanted = {0, *nx.ancestors(graph, 0)}
    assert set(ancestors(n, cause, effect, np.array([0])).tolist()) == wanted


@pytest.mark.parametrize("width", [1, 40])
def test_levels_of_deep_graphs_need_no_recursion(width: int) -> None:
    rows = 100_000 // width
    node = np.arange(rows * width).reshape(rows, width)
    cause, effect = node[:-1].ravel(), np.roll(node[1:], 1, axis=1).ravel()
    found = levels(rows * width, cause, effect)
    assert found.depth.tolist() == np.repeat(np.arange(rows), width).tolist()


def test_structure_does_not_depend_on_the_order_of_the_file() -> None:
    made = Written()
    ids: list[str] = []
    rng = random.Random(3)
    for number in range(60):
        ids.append(made.put(parents=rng.sample(ids, min(len(ids), rng.randrange(4))), thread=f"t{number % 3}"))
    with kit.open() as study:
        made.into(study, "a")
        rng.shuffle(made.records)
        made.into(study, "b")
        first, second = (record_structure(study, run).drop_columns(["run"]) for run in "ab")
    assert isinstance(first, pa.Table)
    assert first.equals(second)

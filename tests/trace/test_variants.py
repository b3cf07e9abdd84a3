"""Variants by sequence and by causal tree."""

import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lines import event, line, stored, trace

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.sequence import sequence
from kit.trace.variants import tree_hashes, variants

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()


def shape(items: list[dict[str, Any]]) -> tuple[Any, ...]:
    """Return the canonical form of the tree of types of one trace."""
    inside = {item["id"] for item in items}
    award = next((item["id"] for item in items if item["type"] == "TASK_AWARDED"), None)
    below = defaultdict(list)
    for item in items:
        up = item["parent_id"]
        lost = up is not None and up not in inside and award is not None
        below[up if up in inside else award if lost else None].append(item)

    def form(item: dict[str, Any]) -> tuple[Any, ...]:
        return item["type"], tuple(sorted(form(child) for child in below[item["id"]]))

    return tuple(sorted(form(item) for item in below[None]))


def test_tree_variants_of_the_sample_are_those_of_sorted_trees() -> None:
    traces = defaultdict(list)
    for text in LINES:
        item = json.loads(text)
        traces[item["trace_id"]].append(item)
    work = [items for items in traces.values() if {"TASK", "TASK_OFFER"} & {item["type"] for item in items}]
    want = Counter(shape(items) for items in work)
    with stored(*LINES) as store:
        rows = variants(store, by="tree").to_pylist()
    assert sorted(row["traces"] for row in rows) == sorted(want.values())
    assert {row["traces"] for row in rows if row["example"]} == set(want.values())
    for row in rows:
        assert want[shape(traces[row["example"]])] == row["traces"]
        assert row["share"] == row["traces"] / 138 and row["length"] == len(traces[row["example"]])


def test_the_most_frequent_sequence_of_the_sample() -> None:
    with stored(*LINES) as store:
        table = variants(store)
        assert sum(table["traces"].to_pylist()) == 138
        assert len(set(table["sequence"].to_pylist())) == table.num_rows
        assert table["sequence"].to_pylist()[0] == "TASK > AGENT_OUTPUT > FINAL"
        lengths = [text.count(" > ") + 1 for text in table["sequence"].to_pylist()]
        assert lengths == table["length"].to_pylist()


def test_siblings_are_unordered_in_a_tree_and_ordered_in_a_sequence() -> None:
    def run(name: str, first: int, kinds: list[str]) -> list[str]:
        return [
            line("TASK", first, on=name),
            *(line(kind, first + k, first, on=name) for k, kind in enumerate(kinds, 1)),
        ]

    lines = [
        *run("1", 10, ["PLAN", "RECALL"]),
        *run("2", 20, ["RECALL", "PLAN"]),
        *run("3", 30, ["PLAN", "PLAN", "RECALL"]),
    ]
    with stored(*lines) as store:
        assert variants(store)["traces"].to_pylist() == [1, 1, 1]
        [both, other] = variants(store, by="tree").to_pylist()
    assert (both["traces"], both["example"], both["sequence"]) == (2, trace("1"), "TASK > PLAN > RECALL")
    assert (other["traces"], other["length"], other["p50_ms"]) == (1, 4, 3.0)


def test_the_same_sequence_may_be_another_tree() -> None:
    lines = [
        line("TASK", 1),
        line("PLAN", 2, 1),
        line("PLAN", 3, 2),
        line("TASK", 4, on="2"),
        line("PLAN", 5, 4, on="2"),
        line("PLAN", 6, 4, on="2"),
    ]
    with stored(*lines) as store:
        assert variants(store)["traces"].to_pylist() == [2]
        assert variants(store, by="tree")["traces"].to_pylist() == [1, 1]


def test_neurons_tell_variants_apart_on_request() -> None:
    lines = [line("TASK", 1, to="a"), line("TASK", 2, on="2", to="b")]
    with stored(*lines) as store:
        assert variants(store)["traces"].to_pylist() == [2]
        assert variants(store, activity="type+neuron")["traces"].to_pylist() == [1, 1]
        assert set(variants(store, by="tree", activity="type+neuron")["sequence"].to_pylist()) == {"TASK a", "TASK b"}


def test_a_variant_has_the_same_name_in_every_store() -> None:
    with (
        stored(line("TASK", 1), line("AGENT_OUTPUT", 2, 1)) as store,
        stored(line("TASK", 7, on="9"), line("AGENT_OUTPUT", 8, 7, on="9"), line("TASK", 9, on="a")) as other,
    ):
        for by in ("sequence", "tree"):
            [name] = variants(store, by=by)["variant"].to_pylist()
            assert name in variants(other, by=by)["variant"].to_pylist() and len(name) == 32


def test_the_order_of_lines_does_not_matter() -> None:
    lines = list(LINES)
    random.Random(6).shuffle(lines)
    with stored(*LINES) as store, stored(*lines) as other:
        for by in ("sequence", "tree"):
            assert variants(other, by=by, activity="type+neuron").equals(variants(store, by=by, activity="type+neuron"))


def test_a_long_chain_is_one_tree() -> None:
    with stored(line("TASK", 1), *(line("TASK", n, n - 1) for n in range(2, 20_001))) as store:
        events = sequence(store)
    assert len(tree_hashes(events, 1)) == 1


@settings(deadline=None, max_examples=30)
@given(st.lists(st.integers(0, 2), min_size=2, max_size=7), st.randoms(use_true_random=False))
def test_trees_are_equal_exactly_when_their_sorted_forms_are(kinds: list[int], chance: random.Random) -> None:
    names = ["PLAN", "RECALL", "TASK"]

    def tree(first: int, name: str) -> list[str]:
        lines = [line("TASK", first, on=name)]
        for k, kind in enumerate(kinds, 1):
            lines.append(line(names[kind], first + k, first + chance.randrange(k), on=name, at=chance.randrange(99)))
        return lines

    a, b = tree(100, "1"), tree(200, "2")
    equal = shape([json.loads(text) for text in a]) == shape([json.loads(text) for text in b])
    with stored(*a, *b) as store:
        assert (variants(store, by="tree").num_rows == 1) == equal


def test_odd_arguments_and_empty_stores() -> None:
    with Store() as store:
        assert variants(store).num_rows == variants(store, by="tree").num_rows == 0
        with pytest.raises(ArgumentError, match="by='colour'"):
            variants(store, by="colour")  # type: ignore[arg-type]
    with stored(line("TASK", 1, 1), line("PLAN", 2, event(3)), line("PLAN", 3, 2)) as store:
        assert variants(store, by="tree")["length"].to_pylist() == [3]

"""The directly-follows graph and the order of events it rests on."""

import itertools
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lines import event, line, stored

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.dfg import activities, dfg, dfg_graph
from kit.trace.sequence import sequence, since_cause

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()


def ordered(lines: list[str]) -> dict[str, list[dict[str, Any]]]:
    """Return the events of each workflow trace, cause before time, by repeated choice of the earliest free event."""
    items = [json.loads(text) for text in lines]
    traces: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in sorted(items, key=lambda item: (item["ts"], item["id"])):
        traces[item["trace_id"]].append(item)
    done: dict[str, list[dict[str, Any]]] = {}
    for name, left in traces.items():
        if not {"TASK", "TASK_OFFER"} & {item["type"] for item in left}:
            continue
        out: list[dict[str, Any]] = []
        while left:
            waiting = {item["id"] for item in left}
            out.append(next(item for item in left if item["parent_id"] not in waiting))
            left.remove(out[-1])
        done[name] = out
    return done


@pytest.mark.parametrize("activity", ["type", "type+neuron"])
def test_the_graph_of_the_sample_is_that_of_a_plain_loop(activity: str) -> None:
    def name(item: dict[str, Any]) -> str:
        to = item["directed"] and item["directed"]["id"]
        return f"{item['type']} {to}" if activity != "type" and to else str(item["type"])

    steps: Counter[tuple[str, str]] = Counter()
    starts: Counter[str] = Counter()
    for items in ordered(LINES).values():
        starts[name(items[0])] += 1
        steps.update((name(a), name(b)) for a, b in itertools.pairwise(items))
    with stored(*LINES) as store:
        rows = dfg(store, activity=activity).to_pylist()
        nodes = activities(store, activity=activity).to_pylist()
        graph = dfg_graph(store, activity=activity)
    assert {(row["from"], row["to"]): row["count"] for row in rows} == steps
    assert {row["activity"]: row["starts"] for row in nodes if row["starts"]} == starts
    assert sum(row["ends"] for row in nodes) == 138
    assert {(a, b): count for a, b, count in graph.edges(data="count")} == steps
    assert all(graph.edges[row["from"], row["to"]]["p50_ms"] == row["p50_ms"] for row in rows)


def test_a_signal_never_stands_before_its_cause() -> None:
    lines = [
        line("TASK", 1, at=10),
        line("PLAN", 2, 1, at=1),
        line("CRITIQUE", 3, 2, at=5),
        line("AGENT_OUTPUT", 4, 1, at=20),
    ]
    with stored(*lines) as store:
        rows = dfg(store).to_pylist()
    assert [(row["from"], row["to"], row["p50_ms"]) for row in rows] == [
        ("CRITIQUE", "AGENT_OUTPUT", 15.0),
        ("PLAN", "CRITIQUE", 4.0),
        ("TASK", "PLAN", -9.0),
    ]


def test_awarded_work_follows_its_award() -> None:
    lines = [
        line("TASK_OFFER", 1),
        line("BID", 2, 1, to="a"),
        line("TASK_AWARDED", 5, 2, to="a"),
        line("AGENT_OUTPUT", 6, event(999), to="a", at=3),
    ]
    with stored(*lines) as store:
        assert [(row["from"], row["to"]) for row in dfg(store).to_pylist()] == [
            ("BID", "TASK_AWARDED"), ("TASK_AWARDED", "AGENT_OUTPUT"), ("TASK_OFFER", "BID")
        ]  # fmt: skip


def test_management_traces_and_rings_do_no_harm() -> None:
    lines = [line("REGISTER", 1, on="0", to="a"), line("TASK", 2, 3), line("TASK", 3, 2), line("TASK", 4, 4)]
    with stored(*lines) as store:
        assert [(row["activity"], row["count"]) for row in activities(store).to_pylist()] == [("TASK", 3)]
        assert dfg(store)["count"].to_pylist() == [2]


def test_the_order_of_lines_does_not_matter() -> None:
    lines = list(LINES)
    random.Random(4).shuffle(lines)
    with stored(*LINES) as store, stored(*lines) as other:
        assert dfg(other).equals(dfg(store))
        assert activities(other).equals(activities(store))


def test_several_runs_are_summed_in_the_graph() -> None:
    import naive

    with stored(line("TASK", 1), line("AGENT_OUTPUT", 2, 1), run="a") as store:
        naive.load(store, [line("TASK", 1), line("AGENT_OUTPUT", 3, 1)], "b")
        assert dfg_graph(store).edges["TASK", "AGENT_OUTPUT"] == {"count": 2}
        assert dfg_graph(store, "b").edges["TASK", "AGENT_OUTPUT"]["p50_ms"] == 2.0
        assert dfg_graph(store).nodes["TASK"] == {"count": 2, "starts": 2, "ends": 0}


def test_an_empty_store_gives_an_empty_graph() -> None:
    with Store() as store:
        assert dfg(store).num_rows == 0
        assert len(dfg_graph(store)) == 0
        with pytest.raises(ArgumentError, match="activity='colour'"):
            sequence(store, activity="colour")


@given(st.lists(st.integers(-9, 9), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_the_latest_time_above_is_that_of_a_walk(times: list[int], chance: random.Random) -> None:
    parent = [chance.randrange(-1, place) if place else -1 for place in range(len(times))]
    want = list(times)
    for place, up in enumerate(parent):
        want[place] = max(times[place], want[up]) if up >= 0 else times[place]
    assert since_cause(np.array(times), np.array(parent)).tolist() == want

"""The difference of two traces by causal position."""

import itertools
import json
import random
from collections import Counter
from pathlib import Path

import naive
import pytest
from lines import event, line, stored, trace

from kit.compare.traces import SCHEMA, difference
from kit.errors import ArgumentError, NotFoundError

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()

A = [
    line("TASK", 1, to="a"),
    line("TOOL_CALL", 2, 1, to="x"),
    line("TOOL_RESULT", 5, 2, to="x"),
    line("TOOL_CALL", 6, 1, to="x"),
    line("RECALL", 7, 1, to="e"),
    line("AGENT_OUTPUT", 9, 1, to="a"),
]
B = [
    line("TASK", 101, on="2", to="a"),
    line("TOOL_CALL", 102, 101, on="2", to="x"),
    line("TOOL_RESULT", 109, 102, on="2", to="x"),
    line("TOOL_CALL", 106, 101, on="2", to="x"),
    line("TOOL_RESULT", 108, 106, on="2", to="x"),
    line("AGENT_OUTPUT", 105, 101, on="2", to="a"),
]


def test_what_was_added_removed_slower_and_faster() -> None:
    with stored(*A, *B) as store:
        rows = difference(store, trace("1"), trace("2")).to_pylist()
    assert [(row["change"], row["position"], row["delta_ms"]) for row in rows] == [
        ("same", "TASK a", None),
        ("same", "TASK a / TOOL_CALL x", 0.0),
        ("slower", "TASK a / TOOL_CALL x / TOOL_RESULT x", 4.0),
        ("same", "TASK a / TOOL_CALL x #2", 0.0),
        ("removed", "TASK a / RECALL e", None),
        ("faster", "TASK a / AGENT_OUTPUT a", -4.0),
        ("added", "TASK a / TOOL_CALL x #2 / TOOL_RESULT x", None),
    ]
    slower = rows[2]
    assert (slower["id_a"], slower["id_b"]) == (event(5), event(109))
    assert (slower["wait_a_ms"], slower["wait_b_ms"]) == (3.0, 7.0)


def test_a_threshold_hides_small_changes() -> None:
    with stored(*A, *B) as store:
        changes = Counter(difference(store, trace("1"), trace("2"), min_ms=4.5)["change"].to_pylist())
        assert changes == {"same": 5, "removed": 1, "added": 1}
        with pytest.raises(ArgumentError, match="min_ms=-1"):
            difference(store, trace("1"), trace("2"), min_ms=-1)


def test_turned_around_it_says_the_opposite() -> None:
    turned = {"added": "removed", "removed": "added", "slower": "faster", "faster": "slower", "same": "same"}
    starts = [json.loads(text)["trace_id"] for text in LINES if '"type":"TASK"' in text and '"parent_id":null' in text]
    with stored(*LINES) as store:
        for a, b in itertools.pairwise(starts[:12]):
            there = difference(store, a, b).to_pylist()
            back = difference(store, b, a).to_pylist()
            assert Counter((turned[row["change"]], row["id_b"], row["id_a"]) for row in there) == Counter(
                (row["change"], row["id_a"], row["id_b"]) for row in back
            )
            assert {row["change"] for row in difference(store, a, a).to_pylist()} == {"same"}


def test_delegated_traces_belong_unless_cut() -> None:
    more = [line("TASK", 20, 1, on="3", to="b"), line("AGENT_OUTPUT", 21, 20, on="3", to="b")]
    with stored(*A, *B, *more) as store:
        with_child = difference(store, trace("1"), trace("2"))
        assert with_child["change"].to_pylist().count("removed") == 3
        assert difference(store, trace("1"), trace("2"), follow=False).num_rows == with_child.num_rows - 2
        assert difference(store, trace("3"), trace("3"))["position"].to_pylist()[0] == "TASK b"


def test_awarded_work_has_a_position_without_a_row_of_its_own() -> None:
    lines = [
        line("TASK_OFFER", 1),
        line("BID", 2, 1, to="w"),
        line("TASK_AWARDED", 3, 2, to="w"),
        line("AGENT_OUTPUT", 6, event(999), to="w"),
    ]
    with stored(*lines) as store:
        rows = difference(store, trace("1"), trace("1")).to_pylist()
    assert [row["type"] for row in rows] == ["TASK_OFFER", "BID", "TASK_AWARDED", "AGENT_OUTPUT"]
    assert rows[3]["position"] == "… / BID w / TASK_AWARDED w / TASK w / AGENT_OUTPUT w"


def test_the_run_is_asked_for_where_it_is_needed() -> None:
    with stored(*A, run="a") as store:
        naive.load(store, A[:3], "b")
        with pytest.raises(ArgumentError, match=r"is in the runs a, b: say which by run_a="):
            difference(store, trace("1"), trace("1"))
        changes = difference(store, trace("1"), trace("1"), run_a="a", run_b="b")["change"].to_pylist()
        assert Counter(changes) == {"same": 3, "removed": 3}
        with pytest.raises(NotFoundError, match=f"no trace '{trace('9')}' in run 'a'"):
            difference(store, trace("9"), trace("1"), run_a="a")


def test_the_order_of_lines_does_not_matter() -> None:
    lines = A + B
    with stored(*lines) as store:
        want = difference(store, trace("1"), trace("2"))
    assert want.schema == SCHEMA
    for seed in range(5):
        random.Random(seed).shuffle(lines)
        with stored(*lines) as store:
            assert difference(store, trace("1"), trace("2")).equals(want)


def test_rings_and_long_chains_are_compared_too() -> None:
    ring = [line("TASK", 1, 2, to="a"), line("TASK", 2, 1, to="b")]
    chain = [line("TASK", 10, on="2"), *(line("TASK", n, n - 1, on="2") for n in range(11, 3000))]
    with stored(*ring, *chain) as store:
        assert difference(store, trace("1"), trace("1")).num_rows == 2
        table = difference(store, trace("2"), trace("2"))
    assert table.num_rows == 2990 and max(table["depth"].to_pylist()) == 2989

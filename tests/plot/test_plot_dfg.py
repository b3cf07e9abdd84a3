"""The directly-follows graph: pairs and counts are those given."""

from itertools import pairwise

import networkx as nx
import pyarrow as pa
import pytest
from matplotlib.colors import to_hex

from kit import palette
from kit.errors import ArgumentError
from kit.plot import dfg, drawn

COUNTS = {
    ("TASK", "RECALL"): 20,
    ("RECALL", "RECALLED"): 30,
    ("RECALLED", "RECALL"): 10,
    ("RECALL", "RECALL"): 4,
    ("RECALLED", "AGENT_OUTPUT"): 1,
    ("TASK", "AGENT_OUTPUT"): 2000,
}


def table(counts: dict[tuple[str, str], int]) -> pa.Table:
    return pa.table({"from": [a for a, _ in counts], "to": [b for _, b in counts], "count": list(counts.values())})


def test_edges_and_counts_are_those_of_the_table() -> None:
    shown = drawn(dfg(table(COUNTS)))
    assert shown["edges"] == COUNTS
    assert shown["nodes"] == {name: name for name in ("TASK", "RECALL", "RECALLED", "AGENT_OUTPUT")}


def test_wider_edges_are_more_frequent() -> None:
    widths = drawn(dfg(table(COUNTS)))["widths"]
    assert sorted(widths, key=lambda pair: widths[pair]) == sorted(COUNTS, key=lambda pair: COUNTS[pair])


def test_a_graph_is_drawn_as_a_table_is() -> None:
    graph: nx.DiGraph[str] = nx.DiGraph()
    for (a, b), count in COUNTS.items():
        graph.add_edge(a, b, count=count)
    assert drawn(dfg(graph))["edges"] == COUNTS


def test_an_edge_that_is_dropped_and_a_count_that_is_changed_are_seen() -> None:
    figure = dfg(table(COUNTS))
    label = next(text for text in figure.axes[0].texts if text.get_text() == "2,000")
    label.set_text("7")
    assert drawn(figure)["edges"]["TASK", "AGENT_OUTPUT"] == 7
    figure = dfg(table(COUNTS))
    next(patch for patch in figure.axes[0].patches if patch.get_gid() == "edge:0").remove()
    assert drawn(figure)["edges"] != COUNTS


def test_an_error_and_acts_have_colours_of_their_own() -> None:
    figure = dfg(table({("TASK", "ERROR"): 1, ("TASK", "FINAL"): 2, ("INTEND", "DO"): 1, ("STEP", "DO"): 1}))
    edges = {
        str(patch.get_gid()).removeprefix("node:"): to_hex(patch.get_edgecolor()).upper()
        for patch in figure.axes[0].patches
        if str(patch.get_gid()).startswith("node:")
    }
    assert edges["ERROR"] == palette.STATUSES["failed"].colour
    assert edges["FINAL"] == edges["TASK"] == palette.GROUPS["lifecycle"]
    assert edges["DO"] == palette.ACTS["DO"].colour
    assert drawn(figure)["legend"][:5] == ["lifecycle", "other", "ERROR", "INTEND", "DO"]


def test_the_neuron_of_a_step_is_its_second_line() -> None:
    counts = {
        ("TASK coder", "AGENT_OUTPUT coder"): 3,
        ("AGENT_OUTPUT coder", "FINAL planner"): 2,
        ("a b", "TASK coder"): 1,
    }
    figure = dfg(table(counts))
    shown = drawn(figure)
    assert shown["edges"] == counts
    assert shown["nodes"] == {name: name for pair in counts for name in pair}
    notes = {text.get_gid(): text for text in figure.axes[0].texts if str(text.get_gid()).startswith("note:")}
    assert {gid: text.get_text() for gid, text in notes.items()} == {
        "note:TASK coder": "coder", "note:AGENT_OUTPUT coder": "coder", "note:FINAL planner": "planner",
    }  # fmt: skip
    assert shown["legend"][:2] == ["lifecycle", "other"]
    notes["note:TASK coder"].set_text("planner")
    assert drawn(figure)["nodes"] != shown["nodes"]


def test_rare_edges_give_way_where_all_do_not_fit() -> None:
    names = [f"STEP_{i:02d}" for i in range(30)]
    counts = {(a, b): 1 + i * 30 + j for i, a in enumerate(names) for j, b in enumerate(names) if i != j}
    shown = drawn(dfg(table(counts)))
    assert "rarer left out" in shown["title"]
    assert set(shown["edges"].items()) <= set(counts.items())
    assert max(counts.values()) in shown["edges"].values()


def test_hostile_names() -> None:
    names = ["$x_1$", "y" * 200, "two\nlines", "研究 \U0001f600", "_under", "\\alpha"]
    counts = dict.fromkeys(pairwise(names), 3)
    picture = dfg(table(counts))
    assert picture._repr_png_()
    assert len(drawn(picture)["edges"]) == 5


def test_no_rows_is_an_explained_picture() -> None:
    assert drawn(dfg(table(COUNTS).slice(0, 0)))["empty"] == "Nothing follows anything."
    assert drawn(dfg(nx.DiGraph()))["empty"]


def test_a_missing_column_is_named() -> None:
    with pytest.raises(ArgumentError, match="dfg needs the columns from, to, count; the table has strange"):
        dfg(pa.table({"strange": [1]}))

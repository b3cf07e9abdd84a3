"""The DAG of a thread: what is drawn is what the graph of records holds."""

from collections.abc import Iterator

import pytest

import kit
from kit import palette
from kit.notebook.study import Study
from kit.plot import drawn
from tests.records_in import Written, fill_sample


@pytest.fixture(scope="module")
def sample() -> Iterator[Study]:
    with kit.open() as study:
        fill_sample(study)
        yield study


def test_every_act_has_a_look_of_its_own() -> None:
    assert len({look.colour for look in palette.ACTS.values()}) == len(palette.ACTS) == 8
    assert len({look.marker for look in palette.ACTS.values()}) == 8
    assert {look.colour for look in palette.ACTS.values()} <= set(palette.GROUPS.values())


@pytest.mark.parametrize(("thread", "follow"), [("232063425", False), ("19af49f1a8", False), ("19af49f1a8", True)])
def test_nodes_and_edges_drawn_are_those_of_the_thread(sample: Study, thread: str, follow: bool) -> None:
    chosen = sample.thread(thread, follow)
    figure = chosen.plot()
    shown = drawn(figure)
    assert list(shown["nodes"]) == list(chosen.graph)
    assert shown["edges"] == sorted(chosen.graph.edges(data="why"), key=str)
    for node, text in shown["nodes"].items():
        assert " ".join(text).startswith(chosen.graph.nodes[node]["type"] or ("missing", "outside"))
        assert node[-4:] in " ".join(text)
    [patch, *_] = [artist for artist in figure.axes[0].patches if artist.get_gid() == "edge:parent"]
    patch.remove()
    assert drawn(figure)["edges"] != shown["edges"]


def test_the_legend_counts_acts_and_explains_reasons(sample: Study) -> None:
    shown = drawn(sample.thread("232063425").plot())
    assert shown["title"] == "Thread DAG: 16 records, 18 edges"
    assert {"INTEND (1)", "KNOW (4)", "PUT (3)", "parent", "fulfills", "missing parent"} <= set(shown["legend"])
    assert not any(key.startswith("unknown") for key in shown["legend"])


def test_actors_and_kinds_are_short_in_boxes(sample: Study) -> None:
    nodes = drawn(sample.thread("232063425").plot())["nodes"]
    assert next(iter(nodes.values())) == ["INTEND goal", "user:bo …01ef"]


def test_a_large_thread_is_dots_by_act() -> None:
    made = Written()
    goal = made.put("INTEND")
    work = [made.put("DO", parents=[goal]) for _ in range(60)]
    made.put("KNOW", parents=work, fulfills=goal)
    with kit.open() as study:
        made.into(study)
        figure = study.thread("t").plot()
    shown = drawn(figure)
    assert shown["nodes"] == {"INTEND": 1, "DO": 60, "KNOW": 1}
    assert shown["edges"] == {"parent": 120, "fulfills": 1}
    lines = next(c for c in figure.axes[0].collections if c.get_gid() == "edges:parent")
    lines.set_segments(lines.get_segments()[:-1])
    assert drawn(figure)["edges"]["parent"] == 119


def test_labels_of_a_thread_do_not_overlap(sample: Study) -> None:
    picture = sample.thread("232063425").plot()
    picture.draw_without_rendering()
    boxes = [text.get_window_extent() for text in picture.axes[0].texts if "text:" in str(text.get_gid())]
    assert not any(a.overlaps(b) for i, a in enumerate(boxes) for b in boxes[:i])

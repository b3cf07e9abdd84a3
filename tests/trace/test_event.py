"""`study.event(id)`: one event, whole."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.notebook.study import Study


@pytest.fixture(scope="module")
def study(small_capture: Path) -> Iterator[Study]:
    with kit.load(small_capture) as opened:
        yield opened


def test_every_event_of_the_sample_is_whole(study: Study) -> None:
    rows = {row["id"]: row for row in study.signals().rows()}
    children: dict[str, set[str]] = {}
    for row in rows.values():
        children.setdefault(row["parent_id"], set()).add(row["id"])
    for event_id in sorted(rows)[::41]:
        event, row = study.event(event_id), rows[event_id]
        assert (event.id, event.run, event.line) == (event_id, "capture", row["line"])
        assert event.signal["payload"] == json.loads(row["payload"])
        assert event.signal["meta"] == json.loads(row["meta"])
        assert Path(event.uri).name == "cosmonapse-small.jsonl"
        same_trace = {child for child in children.get(event_id, set()) if rows[child]["trace_id"] == row["trace_id"]}
        assert same_trace <= {child["id"] for child in event.children}
        assert {answer["id"] for answer in event.answers} <= {child["id"] for child in event.children}
        if row["parent_id"] in rows:
            assert event.parent is not None and event.parent["id"] == row["parent_id"]


def test_a_request_has_its_answer_and_its_span(study: Study) -> None:
    answer = study.sql(
        "select a.id, a.parent_id from signals a join signals t on t.id = a.parent_id "
        "where a.type = 'AGENT_OUTPUT' and t.type = 'TASK' and t.parent_id is null order by a.id limit 1"
    ).rows()[0]
    task = study.event(answer["parent_id"])
    assert [item["id"] for item in task.answers] == [answer["id"]]
    assert task.span is not None and task.span["span_id"] == task.id
    assert study.event(answer["id"]).span == task.span


def test_a_repr_tells_the_facts_and_no_folder(study: Study) -> None:
    event = study.event(study.signals(type="TASK").rows()[0]["id"])
    text, html = repr(event), event._repr_html_()
    names = [
        "event",
        "trace",
        "neuron",
        "time",
        "label",
        "parent",
        "children",
        "answers",
        "span",
        "flags",
        "payload",
        "meta",
        "source",
    ]
    assert [line.split()[0] for line in text.splitlines()] == names
    assert f"cosmonapse-small.jsonl, line {event.line}" in text
    assert str(Path(event.uri).parent) + "/" not in text + html


def test_text_of_a_capture_is_escaped() -> None:
    line = '{"id":"evt_<b>","trace_id":"trc_1","type":"TASK","payload":{"x":"<script>"}}'
    with kit.load([line]) as study:
        html = study.event("evt_<b>")._repr_html_()
        assert "<b>" not in html and "<script>" not in html and "&lt;script&gt;" in html


def test_an_unknown_event_and_one_of_several_runs(study: Study) -> None:
    with pytest.raises(NotFoundError, match="no event 'evt_gone'"):
        study.event("evt_gone")
    with kit.open() as two:
        for run, text in (("a", "one"), ("b", "two")):
            two.load(
                [json.dumps({"id": "evt_1", "trace_id": "trc_1", "type": "TASK", "payload": {"x": text}})], run=run
            )
        with pytest.raises(ArgumentError, match="is in the runs 'a', 'b': say which, as run='a'"):
            two.event("evt_1")
        assert two.event("evt_1", run="b").signal["payload"] == {"x": "two"}
        with pytest.raises(NotFoundError, match="in run 'c'"):
            two.event("evt_1", run="c")


def test_of_conflicting_rows_the_canonical_one_is_shown() -> None:
    lines = [json.dumps({"id": "evt_1", "trace_id": "trc_1", "type": "TASK", "payload": {"x": i}}) for i in range(3)]
    with kit.load(lines) as study:
        wanted = study.sql("select line from signals where canonical").rows()
        assert [study.event("evt_1").line] == [row["line"] for row in wanted]
        assert "conflicting_duplicate" in repr(study.event("evt_1"))


def test_a_parent_that_is_missing_or_in_another_trace() -> None:
    lines = [
        '{"id":"evt_1","trace_id":"trc_1","type":"TASK"}',
        '{"id":"evt_2","trace_id":"trc_2","type":"TASK","parent_id":"evt_1"}',
        '{"id":"evt_3","trace_id":"trc_2","type":"TASK","parent_id":"evt_0"}',
        '{"id":"evt_4","trace_id":"trc_2","type":"TASK","parent_id":"evt_4"}',
    ]
    with kit.load(lines) as study:
        parent = study.event("evt_2").parent
        assert parent is not None and (parent["id"], parent["trace_id"]) == ("evt_1", "trc_1")
        assert (study.event("evt_3").parent, study.event("evt_3").label) == (None, "missing_parent")
        assert study.event("evt_4").label == "self_parent"
        assert study.event("evt_4").children == ()

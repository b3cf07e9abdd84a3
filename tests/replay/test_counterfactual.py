"""New neurons on captured tasks: an identical one agrees everywhere, a changed one parts at exactly the changed step."""

import asyncio
import json
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import pytest

import kit
from kit.errors import ArgumentError, DivergenceError, NotFoundError
from kit.notebook.study import Study
from kit.replay.content import difference
from tests.replay.agents import TOOLS, Changed, coder, simulated

PARTS = {
    "prompt": ("changed", 2, "args.prompt: 'Summarise task 3' became 'Sum up task 3'"),
    "query": ("changed", 1, "query.text: 'task 3' became 'task 3 now'"),
    "output": ("output", 5, "output.known: 0 became 10"),
    "extra": ("extra", 4, "calls check of llm"),
    "missing": ("missing", 4, "does not do what it did: wrote to notes"),
    "exception": ("exception", 5, "fails (NEURON_EXCEPTION: no licence) where it replied"),
    "order": ("order", 2, "calls read of fs before it calls complete of llm"),
}
"""Of each change the kind of divergence, the step, and the words."""


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    with simulated() as made:
        yield made


def check(replayed: Any, change: str | None, neuron: str = "coder") -> None:
    """Assert that all parts where it must: the first three tasks agree, the others part at the changed step."""
    tasks = replayed.table.rows()
    if change is None:
        assert replayed.agrees and replayed.first is None and not replayed.divergences
        assert {row["verdict"] for row in tasks} == {"agrees"}
        assert all(row["agreed"] == row["steps"] for row in tasks)
        return
    kind, place, words = PARTS[change]
    assert [row["verdict"] for row in tasks] == ["agrees"] * 3 + ["parts"] * 5
    assert {(row["kind"], row["place"]) for row in tasks[3:]} == {(kind, place)}
    assert words in replayed.first.reason and replayed.first.reason.startswith(neuron)
    assert all(row["agreed"] == place - 1 for row in tasks[3:])


def test_an_identical_agent_does_what_was_captured(study: Study) -> None:
    replayed = study.replay({"coder": coder()})
    check(replayed, None)
    assert replayed.answers == {**dict.fromkeys(replayed.answers, 0), "content": 32}
    assert kit.assert_replays(study, coder()).agrees
    assert repr(replayed).startswith("8 tasks of coder in 8 traces of run 'capture': 8 agree, 0 part")


@pytest.mark.parametrize("change", [item.name for item in fields(Changed)])
def test_a_changed_agent_parts_at_exactly_that_step(study: Study, change: str) -> None:
    replayed = study.replay({"coder": coder(Changed(**{change: True}))})
    check(replayed, change)
    first = replayed.first
    recorded = study.event(first.recorded.id).signal
    assert recorded["trace_id"] == first.trace_id and recorded["parent_id"] == first.task_id
    with pytest.raises(DivergenceError, match="5 part") as error:
        kit.assert_replays(study, {"coder": coder(Changed(**{change: True}))})
    assert isinstance(error.value, AssertionError) and error.value.replay.divergences


def test_answers_are_by_content_then_by_position_and_a_miss_stops_the_task(study: Study) -> None:
    changed = study.replay({"coder": coder(Changed(prompt=True))})
    assert changed.answers["position"] == 5 and changed.answers["content"] == 27 and not changed.answers["missed"]
    extra = study.replay({"coder": coder(Changed(extra=True))})
    assert extra.answers["missed"] == 5
    assert "the recording has no answer to that" in extra.first.reason
    other = study.replay({"coder": coder(Changed(query=True))})
    assert other.answers["position"] == 5


def test_a_miss_can_be_answered_live_or_drawn(study: Study) -> None:
    asked: list[str] = []

    def check_text(text: str) -> bool:
        asked.append(text)
        return True

    neuron = {"coder": coder(Changed(extra=True))}
    live = study.replay(neuron, miss="live", live={"llm": {**TOOLS["llm"], "check": check_text}})
    assert live.answers["live"] == 5 and asked == [f"Summarise task {n}" for n in range(3, 8)]
    assert live.tracks[3].done[-1].payload["output"]["known"] == 0  # it came to its reply

    async def calls_something_else(input: Any, context: Any, *, call_tool: Any) -> Any:
        first = await call_tool("llm", tool="complete", args={"prompt": "new"})
        second = await call_tool("llm", tool="complete", args={"prompt": "newer"})
        return [first.result, second.result]

    drawn = study.replay({"coder": calls_something_else}, miss="model", seed=3)
    assert drawn.answers["position"] == 8 and drawn.answers["model"] == 8
    results = {track.done[-1].payload["output"]["value"][1] for track in drawn.tracks}
    assert results <= {f"SUMMARISE TASK {n}" for n in range(8)} and len(results) > 1
    again = study.replay({"coder": calls_something_else}, miss="model", seed=3)
    assert [track.done[-1].payload for track in again.tracks] == [track.done[-1].payload for track in drawn.tracks]


def test_the_same_request_of_another_task_answers_before_position(study: Study) -> None:
    async def reads_one(input: Any, context: Any, *, call_tool: Any) -> Any:
        return (await call_tool("fs", tool="read", args={"path": "/0"})).result

    replayed = study.replay({"coder": reads_one})
    assert replayed.answers["content"] == 1 and replayed.answers["elsewhere"] == 7
    assert all(track.done[-1].payload["output"] == {"path": "/0", "bytes": 2} for track in replayed.tracks)


def test_what_does_not_count_can_be_left_out(study: Study) -> None:
    assert study.replay({"coder": coder(Changed(prompt=True))}, ignore=["args.prompt"]).agrees
    assert study.replay({"coder": coder(Changed(output=True))}, ignore=["output.kn*"]).agrees
    assert not study.replay({"coder": coder(Changed(output=True))}, ignore=["args.*"]).agrees


def test_both_ways_are_shown_side_by_side(study: Study) -> None:
    replayed = study.replay({"coder": coder(Changed(prompt=True))})
    steps = replayed.steps().rows()
    assert [row["state"] for row in steps] == ["agrees", "parts", "after", "after", "after"]
    assert [row["recorded"] for row in steps] == [
        "recalls from notes", "calls complete of llm", "calls read of fs", "writes to notes", "replies",
    ]  # fmt: skip
    assert steps[1]["reason"] == replayed.first.reason
    trace = replayed.divergences[-1].trace_id
    assert replayed.steps(trace[-8:]).rows()[0]["task_id"] == replayed.divergences[-1].task_id
    with pytest.raises(NotFoundError, match="no trace"):
        replayed.steps("nowhere")
    with kit.open() as other:
        other.load(replayed.run, run="replay")
        assert other.signals(type="TASK").sql("select count(*) n from self").rows() == [{"n": 8}]


def test_a_run_or_some_traces_are_chosen_and_unknown_names_are_said(study: Study) -> None:
    traces = [row["trace_id"] for row in study.replay({"coder": coder()}).table.rows()]
    assert [row["trace_id"] for row in study.replay({"coder": coder()}, traces=[traces[2][-10:]]).table.rows()] == [
        traces[2]
    ]
    for given, words in (
        ({"tester": coder()}, "no neuron 'tester' worked on a task in run 'capture': there are 'coder'"),
        ({}, "at least one neuron"),
        ({"coder": 3}, "give its function"),
    ):
        with pytest.raises((ArgumentError, NotFoundError), match=words):
            study.replay(given)
    with pytest.raises(ArgumentError, match="miss='guess'"):
        study.replay({"coder": coder()}, miss="guess")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="takes \\(input, context\\)"):
        study.replay({"coder": lambda input: None})
    with pytest.raises(ArgumentError, match="stands for no neuron"):
        study.replay(lambda input, context: None)
    with pytest.raises(NotFoundError, match="no run 'x'"):
        study.replay({"coder": coder()}, run="x")


def test_a_new_neuron_that_hands_on_reaches_recorded_and_new_ones() -> None:
    ns = kit.Namespace("lab", seed=1)

    async def planner(input: Any, context: Any, *, dispatch: Any) -> Any:
        first = await dispatch(neuron="writer", input={"text": input["text"]})
        second = await dispatch(neuron="critic", input=first.payload["output"])
        return second.payload["output"]

    async def loud(input: Any, context: Any) -> Any:
        return {"text": input["text"].upper()}

    async def critic(input: Any, context: Any) -> Any:
        return {"good": len(input["text"])}

    for name, function in (("planner", planner), ("writer", loud), ("critic", critic)):
        ns.neuron(name)(function)

    async def main() -> None:
        for text in ("ab", "abc"):
            await ns.orchestrator.dispatch_and_wait(neuron="planner", input={"text": text})

    with kit.load(ns.run(until=main())) as study:
        assert study.replay({"planner": planner}).answers["content"] == 4
        both = study.replay({"planner": planner, "writer": loud})
        assert both.agrees and len(both.tracks) == 4

        async def quiet(input: Any, context: Any) -> Any:
            return {"text": input["text"] + "!"}

        parted = study.replay({"planner": planner, "writer": quiet})
        kinds = {(found.neuron, found.kind) for found in parted.divergences}
        assert kinds == {("writer", "output"), ("planner", "changed")}

        async def alone(input: Any, context: Any, *, dispatch: Any) -> Any:
            return (await dispatch(neuron="critic", input={"text": input["text"].upper()})).payload["output"]

        shorter = study.replay({"planner": alone, "writer": loud})
        assert {found.kind for found in shorter.divergences} == {"missing"}
        assert {track.state for track in shorter.tracks if track.work.neuron == "writer"} == {"not reached"}


def told(study: Study, neuron: str, change: int | None = None) -> Any:
    """Return a neuron that does what was captured, task by task, but that its request number `change` says more."""
    steps: dict[str, deque[list[dict[str, Any]]]] = defaultdict(deque)
    tasks = study.sql(
        f"""select id, payload from signals t where type = 'TASK' and (directed_id = '{neuron}' or exists (
                select 1 from signals r where r.parent_id = t.id and r.directed_id = '{neuron}'
                and r.type in ('AGENT_OUTPUT', 'ERROR')))
            union all select p.id, a.payload from phantoms p join signals a on a.id = p.parent_id
            where p.directed_id = '{neuron}' order by id"""
    ).rows()
    for task in tasks:
        rows = study.sql(
            f"select type, directed_id, directed_type, payload from signals where parent_id = '{task['id']}' order by ts, id"
        ).rows()
        steps[json.dumps(json.loads(task["payload"])["input"], sort_keys=True)].append(rows)
    asked = [0]

    async def done_again(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        for row in steps[json.dumps(input, sort_keys=True)].popleft():
            payload, name = json.loads(row["payload"]), row["directed_id"] or row["directed_type"]
            more = {}
            if row["type"] in ("RECALL", "IMPRINT", "TOOL_CALL"):
                more = {"more": 1} if asked[0] == change else {}
                asked[0] += 1
            if row["type"] == "RECALL":
                options = {key: value for key, value in payload.items() if key not in ("query",)}
                await recall(name, query={**payload["query"], **more}, **options)
            elif row["type"] == "IMPRINT":
                options = {key: value for key, value in payload.items() if key not in ("entry",)}
                await imprint(name, entry={**payload["entry"], **more}, await_ack=True, deadline_ms=2000, **options)
            elif row["type"] == "TOOL_CALL":
                await call_tool(
                    name,
                    tool=payload["tool"],
                    args={**payload["args"], **more},
                    call_id=payload.get("call_id"),
                    deadline_ms=60000,
                )
            elif row["type"] == "ERROR" and row["directed_id"] == neuron:
                if payload["code"] == "NEURON_EXCEPTION":
                    raise RuntimeError(payload["message"])
                return {"__error__": True, **payload}
            elif row["type"] in ("CLARIFICATION", "PERMISSION") and row["directed_id"] == neuron:
                return {f"__{row['type'].lower()}__": True, **payload}
            elif row["type"] == "AGENT_OUTPUT" and row["directed_id"] == neuron:
                return payload["output"]
        await asyncio.sleep(3600)
        return None

    return done_again


@pytest.mark.parametrize("neuron", ["coder", "researcher", "solver-3", "flaky", "summarizer-1", "reporter", "longrun"])
def test_neurons_of_the_shipped_capture_that_do_the_same_agree(neuron: str) -> None:
    with kit.load(kit.datasets.path("cosmonapse-small")) as study:
        replayed = study.replay({neuron: told(study, neuron)})
        assert replayed.agrees, replayed
        assert not replayed.answers["missed"] and not replayed.answers["position"] and not replayed.errors


def test_one_changed_request_in_the_shipped_capture_is_found() -> None:
    with kit.load(kit.datasets.path("cosmonapse-small")) as study:
        for neuron in ("coder", "researcher"):
            replayed = study.replay({neuron: told(study, neuron, change=3)})
            assert len(replayed.divergences) == 1
            assert replayed.first.kind == "changed" and "more: 1 is new" in replayed.first.reason


def test_damaged_captures_are_replayed_as_far_as_they_go(study: Study) -> None:
    lines = [row["raw"] for row in study.sql("select raw from signals order by line").rows()]
    no_terminals = [text for text in lines if '"type":"AGENT_OUTPUT"' not in text and '"type":"FINAL"' not in text]
    no_answers = [text for text in lines if '"type":"TOOL_RESULT"' not in text]
    twice = [*lines, *lines[::3], "{broken"]
    mixed = [text.replace('Z","payload"', '123Z","payload"') if n % 2 else text for n, text in enumerate(lines)]
    with kit.load(no_terminals) as cut:
        replayed = cut.replay({"coder": coder()})
        assert replayed.agrees and {row["verdict"] for row in replayed.table.rows()} == {"open"}
        assert replayed.left_out == ("8 tasks without a reply in the capture: compared as far as it goes",)
    with kit.load(no_answers) as cut:
        replayed = cut.replay({"coder": coder()})
        assert replayed.answers["silent"] == 16 and {found.kind for found in replayed.divergences} == {"missing"}
    with kit.load(twice) as doubled:
        assert doubled.replay({"coder": coder()}).agrees
    with kit.load(mixed) as dialects:
        assert dialects.replay({"coder": coder()}).agrees


def test_differences_are_told_in_words() -> None:
    assert difference({"a": [1, 2]}, {"a": [1, 3]}) == "a[1]: 2 became 3"
    assert difference({"a": 1}, {"a": 1, "b": 2}) == "b: 2 is new"
    assert difference({"a": 1, "b": 2}, {"a": 1}) == "b: 2 is gone"
    assert difference([1], [1, 2], "x") == "x: 1 items became 2"
    long = "Write a haiku about the sea, in the manner of somebody who has never seen it. " * 3
    words = difference({"p": long}, {"p": long.replace("never", "once")})
    assert (
        words
        == "p: '…ody who has never seen it. Write a haiku…' became '…ody who has once seen it. Write a haiku …' (at character 64)"
    )
    assert difference({"a": {"b": None}}, {"a": {"b": None}}) is None

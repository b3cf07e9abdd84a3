"""What neurons reply and what they ask (spec/cosmonapse.md 5.2, 5.6, 5.7)."""

import asyncio
from typing import Any

import cosmonapse
import pytest
from stage import Stage, axon
from virtual_loop import run_virtual

from kit.errors import (
    EngramCancelled,
    EngramNotBound,
    EngramTimeout,
)
from kit.sim import Engram, Envelope, Hit

# Replies


@pytest.mark.parametrize(
    "result",
    [
        {"ok": 1},
        None,
        [1],
        "text",
        {"__clarification__": True, "question": "which?", "context": {"a": 1}},
        {"__clarification__": True},
        {"__permission__": True, "action": "rm", "scope": {"p": 1}, "reason": "r", "context": {}},
        {"__error__": True, "code": "BUSY", "message": "later", "recoverable": 1},
        {"__error__": "boom"},
        {"__error__": {}},
        ValueError("no"),
    ],
    ids=repr,
)
def test_cosmonapse_26_replies_and_final_are_those_of_the_published_package(result: Any) -> None:
    async def neuron(input: Any, context: Any) -> Any:
        if isinstance(result, Exception):
            raise result
        return result

    async def theirs() -> list[Any]:
        import logging

        logging.disable(logging.CRITICAL)
        bus, seen = cosmonapse.MemorySynapse(), []

        async def tap(signal: Any) -> None:
            seen.append((signal.type.value, signal.payload))

        await bus.connect()
        await bus.subscribe("cosmonapse.default.>", tap)
        w = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="w")
        w.attach_axon(cosmonapse.Axon(neuron_id="a", neuron_fn=neuron))
        o = cosmonapse.Dendrite(synapse=bus, dendrite_id="o")
        await w.start()
        await o.start()
        await o.dispatch_task(neuron="a", input={"q": 1}, finalize=True)
        await asyncio.sleep(1)
        logging.disable(logging.NOTSET)
        return seen

    stage = Stage()
    w = stage.node("w", axon("a", fn=neuron))

    async def ours() -> None:
        await stage.o.dispatch_task(neuron="a", input={"q": 1}, finalize=True)
        await stage.bus.sleep(1)

    stage.run(ours(), w)
    assert [(row.kind, row.payload) for row in stage.bus.tape.rows] == run_virtual(theirs())


def test_hooks_change_the_input_and_detectors_find_the_reply() -> None:
    async def says(input: Any, context: Any) -> Any:
        return f"ASK {input['q']}"

    asker = axon("a", fn=says)

    @asker.before_task
    def louder(input: Any) -> Any:
        return {"q": input["q"].upper()}

    @asker.detects_clarification
    def asks(raw: Any) -> Any:
        return raw[4:] if raw.startswith("ASK ") else None

    stage = Stage()
    reply = stage.run(stage.o.dispatch_and_wait(neuron="a", input={"q": "why"}), stage.node("w", asker))
    assert (reply.kind, reply.payload) == ("CLARIFICATION", {"question": "WHY"})


def test_cosmonapse_27_a_nested_dispatch_has_a_trace_of_its_own_under_the_task() -> None:
    async def boss(input: Any, context: Any, *, dispatch: Any, dendrite: Any) -> Any:
        await dispatch(neuron="leaf", input={}, scope="terminal")
        await dendrite.emit_plan(steps=[{"do": 1}])
        return {}

    stage = Stage()
    d = stage.node("d", axon("boss", fn=boss), axon("leaf"), role="orchestrator")
    stage.run(stage.o.dispatch_and_wait(neuron="boss", input={}), d)
    outer, inner = stage.sent("TASK")
    (plan,) = stage.sent("PLAN")
    assert (inner.parent_id, inner.trace_id == outer.trace_id) == (outer.id, False)
    assert (plan.parent_id, plan.trace_id, plan.to) == (outer.id, outer.trace_id, "d")


def test_cosmonapse_28_follow_up_tasks_carry_the_question_and_the_answer() -> None:
    async def ask(input: Any, context: Any) -> Any:
        if "permission" in input or "clarification" in input:
            return input
        return {"__permission__": True, "action": "rm"} if input["q"] else {"__clarification__": True, "question": "?"}

    stage = Stage()
    w = stage.node("w", axon("a", fn=ask))

    async def main() -> list[Any]:
        asked = await stage.o.dispatch_and_wait(neuron="a", input={"q": 1})
        await stage.o.respond_to_permission(asked, granted=False, reason="no", ttl_ms=5, extra={"more": 1})
        question = await stage.o.dispatch_and_wait(neuron="a", input={"q": 0})
        await stage.o.respond_to_clarification(question, answer=[1])
        escalation = await stage.o.emit_escalation(
            trace_id=asked.trace_id, parent_id=asked.id, reason="stuck", target="a", neuron="b"
        )
        await stage.o.respond_to_escalation(escalation)
        return [asked.id, question.id, escalation.id]

    ids = stage.run(main(), w)
    tasks = [row for row in stage.sent("TASK") if row.parent_id is not None]
    assert [row.parent_id for row in tasks] == ids
    assert [row.payload["input"] for row in tasks] == [
        {"permission": {"action": "rm", "granted": False, "reason": "no", "ttl_ms": 5, "more": 1}},
        {"clarification": {"question": "?", "answer": [1]}},
        {"escalation": {"reason": "stuck", "context": None, "from": "b"}},
    ]


def test_a_decision_is_waited_for_and_remembered() -> None:
    async def ask(input: Any, context: Any) -> Any:
        return {"__permission__": True, "action": "rm"}

    stage = Stage()
    w = stage.node("w", axon("a", fn=ask))
    judge = stage.node("judge")

    @judge.on_permission
    async def grants(asked: Envelope) -> None:
        await stage.bus.sleep(1)
        await judge.grant_permission(asked, ttl_ms=100)

    async def main() -> list[Any]:
        pathway = await stage.o.dispatch(neuron="a", input={})
        asked = await pathway.wait(5)
        with pytest.raises(TimeoutError):
            await stage.o.await_decision(asked, timeout_s=0.5)
        decision = await stage.o.await_decision(asked)
        return [decision.payload, (await stage.o.await_decision(asked)).id == decision.id, decision.to]

    assert stage.run(main(), w, judge) == [{"granted": True, "ttl_ms": 100}, True, "judge"]


# Engrams from the caller's side


def test_cosmonapse_29_deadlines_modes_and_scores_of_a_recall() -> None:
    stage = Stage()
    host = stage.node("host")
    for name, score, after in (("e1", 0.3, 0.05), ("e2", 0.9, 0.0)):
        served = Engram.serve(engram_id=name, engram_kind="k")

        @served.on_recall
        async def finds(query: Any, name: str = name, score: float = score, after: float = after, **_: Any) -> Any:
            await stage.bus.sleep(after)
            return [Hit(name, {"id": name}, score)]

        host.attach_engram(served)

    async def main() -> list[Any]:
        found: list[Any] = []
        for mode in ("first", "merge", "all"):
            begun = stage.bus.now_s
            result = await stage.o.recall(engram_kind="k", query={}, recall_mode=mode, deadline_ms=200)
            found.append((mode, [hit.id for hit in result.hits], round(stage.bus.now_s - begun, 2)))
        nothing = await stage.o.recall(engram_kind="none", query={}, recall_mode="all", deadline_ms=200)
        with pytest.raises(EngramTimeout, match="RECALL elapsed its deadline"):
            await stage.o.recall(engram_kind="none", query={}, deadline_ms=200)
        return [*found, nothing.hits]

    # Unlike the published package, two Engrams of one Dendrite answer side by side.
    assert stage.run(main(), host) == [
        ("first", ["e2"], 0.0),
        ("merge", ["e2", "e1"], 0.2),
        ("all", ["e2", "e1"], 0.2),
        [],
    ]


@pytest.mark.parametrize("kind", ["FINAL", "ERROR", "STOP"])
def test_cosmonapse_34_the_end_of_a_trace_cancels_what_is_asked_on_it(kind: str) -> None:
    stage = Stage()

    async def main() -> None:
        trace = stage.bus.new_id("trc_")

        async def ends() -> None:
            await stage.bus.sleep(1)
            if kind == "FINAL":
                await stage.o.emit_final(trace_id=trace, parent_id=None, result={})
            elif kind == "ERROR":
                await stage.o.emit_error(trace_id=trace, parent_id=None, code="X", message="")
            else:
                await stage.o.emit_stop(trace_id=trace)

        stage.bus.spawn(ends())
        with pytest.raises(EngramCancelled):
            await stage.o.recall(engram_kind="none", query={}, trace_id=trace)

    stage.run(main())
    assert stage.bus.now_s == pytest.approx(1, abs=0.01)


def test_a_name_without_a_binding_is_refused() -> None:
    async def asks(input: Any, context: Any, *, recall: Any) -> Any:
        with pytest.raises(EngramNotBound, match=r"no Engram binding named 'zzz'; available: \[\]"):
            await recall("zzz", query={})
        return {}

    stage = Stage()
    assert stage.run(stage.o.dispatch_and_wait(neuron="a", input={}), stage.node("w", axon("a", fn=asks))).kind == (
        "AGENT_OUTPUT"
    )

"""What Dendrites do and refuse (spec/cosmonapse.md 3, 4, 5)."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import cosmonapse
import pytest
from virtual_loop import run_virtual

from kit.cosmonapse import register_signal
from kit.cosmonapse.registry import MemoryRegistryStore
from kit.cosmonapse.signal import directed_to
from kit.errors import (
    ArgumentError,
    DendriteProtocolError,
    EngramCancelled,
    EngramNotBound,
    EngramTimeout,
    PathwayClosedError,
)
from kit.sim import Axon, Dendrite, Engram, Envelope, Hit, InMemoryEngram, RetryStrategy, Synapse


async def echo(input: Any, context: Any) -> Any:
    return {"echo": input}


class Stage:
    """A bus with a worker, an orchestrator and what they sent."""

    def __init__(self, **options: Any) -> None:
        self.bus = Synapse(seed=7, **options)
        self.o = self.node("o", role="orchestrator")

    def node(self, name: str, *axons: Axon, role: str = "worker", **options: Any) -> Dendrite:
        made = Dendrite(synapse=self.bus, dendrite_id=name, role=role, **options)
        for axon in axons:
            made.attach_axon(axon)
        return made

    def run(self, body: Coroutine[Any, Any, Any], *nodes: Dendrite) -> Any:
        for node in (*nodes, self.o):
            node.begin()
        return self.bus.run(body)

    def sent(self, *kinds: str) -> list[Envelope]:
        return [row for row in self.bus.tape.rows if row.kind in kinds]


def axon(name: str, capabilities: str = "", fn: Any = echo, **options: Any) -> Axon:
    return Axon(neuron_id=name, neuron_fn=fn, capabilities=list(capabilities), **options)


# Addressing and delivery


@pytest.mark.parametrize(("fidelity", "who"), [("sdk", ["open"]), ("spec", ["typed"])])
def test_cosmonapse_18_a_task_for_a_type_reaches_open_axons_or_as_documented_typed_ones(
    fidelity: Any, who: list[str]
) -> None:
    stage = Stage(fidelity=fidelity)
    w = stage.node("w", axon("typed", neuron_kind="critic"))
    v = stage.node("v", axon("open", catch_all=True))

    async def main() -> None:
        stage.bus.send(stage.o, "TASK", {"input": {}}, None, None, None, "critic")
        await stage.bus.sleep(1)

    stage.run(main(), w, v)
    assert [row.to for row in stage.sent("AGENT_OUTPUT")] == who


def test_cosmonapse_19_a_routed_task_runs_once_a_group_and_its_members_take_turns() -> None:
    stage = Stage()
    nodes = [stage.node("n1", axon("a1", "xy")), stage.node("n2", axon("a2", "xy")), stage.node("n3", axon("b", "x"))]

    async def main() -> None:
        for _ in range(4):
            await stage.o.dispatch_task(capabilities=["x"], input={})
            await stage.bus.sleep(1)

    stage.run(main(), *nodes)
    assert [row.to for row in stage.sent("AGENT_OUTPUT")] == ["a1", "b", "a2", "b", "a1", "b", "a2", "b"]


def test_cosmonapse_20_the_axon_attached_first_wins_inside_one_dendrite() -> None:
    stage = Stage()
    w = stage.node("w", axon("late", "y"), axon("first", "xy"), axon("second", "x"))
    reply = stage.run(stage.o.dispatch_and_wait(capabilities=["x"], input={}), w)
    assert reply.to == "first"


def test_a_task_that_nobody_takes_is_dropped_and_the_wait_ends_in_a_timeout() -> None:
    stage = Stage()
    with pytest.raises(TimeoutError, match="within 2 s"):
        stage.run(stage.o.dispatch_and_wait(capabilities=["z"], input={}, timeout_s=2))
    assert stage.bus.now_s == pytest.approx(2, abs=0.01)


def test_deliveries_of_one_subscription_wait_for_each_other_where_they_must() -> None:
    async def slow(input: Any, context: Any, *, sleep: Any) -> Any:
        await sleep("1s")

    stage = Stage()
    w = stage.node("w", axon("a", fn=slow), max_in_flight=1)

    async def main() -> None:
        for _ in range(3):
            await stage.o.dispatch_task(neuron="a", input={})
        await stage.bus.sleep(10)

    stage.run(main(), w)
    assert [round((row.ts_us - stage.sent("TASK")[0].ts_us) / 1e6) for row in stage.sent("AGENT_OUTPUT")] == [1, 2, 3]


# Auctions


def bidder(stage: Stage, name: str, **bid: Any) -> Dendrite:
    node = stage.node(f"w-{name}", axon(name, "x"))

    @node.on_task_offer
    async def bids(offer: Envelope) -> None:
        await stage.bus.sleep(bid.get("after", 0))
        await node.bid(offer, neuron=name, **{key: value for key, value in bid.items() if key != "after"})

    return node


@pytest.mark.parametrize(
    ("select", "winner", "declined"),
    [("lowest_cost", "b", ["a", "c"]), ("highest_confidence", "a", ["b", "c"]), ("first_bid", "a", ["b"])],
)
def test_cosmonapse_21_who_wins_and_who_is_declined(select: str, winner: str, declined: list[str]) -> None:
    stage = Stage()
    nodes = [
        bidder(stage, "a", cost=2, confidence=0.9),
        bidder(stage, "b", cost=1, confidence=0.5),
        bidder(stage, "c", cost=1, confidence=0.9, after=0.05),
        bidder(stage, "late", cost=0, confidence=1.0, after=5),
    ]

    async def main() -> None:
        pathway = await stage.o.dispatch_offer(input={}, capabilities=["x"], select=select, deadline_ms=1000)
        await pathway.wait(5)
        await stage.bus.sleep(6)

    stage.run(main(), *nodes)
    assert [row.to for row in stage.sent("TASK_DECLINED")] == declined
    assert [row.to for row in stage.sent("TASK_AWARDED", "AGENT_OUTPUT")] == [winner, winner]
    assert max(row.ts_us for row in stage.sent("TASK_DECLINED")) < stage.sent("TASK_AWARDED")[0].ts_us


def test_cosmonapse_21_an_offer_without_bids_ends_in_a_timeout_and_dangles() -> None:
    stage = Stage()
    with pytest.raises(TimeoutError, match="no BID arrived within 100ms"):
        stage.run(stage.o.dispatch_offer(input={}, capabilities=["x"], deadline_ms=100))
    assert [row.kind for row in stage.bus.tape.rows] == ["TASK_OFFER"]


def test_a_dendrite_bids_by_itself_unless_it_is_told_not_to_or_has_a_handler() -> None:
    stage = Stage()
    nodes = [stage.node("n1", axon("a", "x")), stage.node("n2", axon("b", "x"), auto_bid=False)]
    stage.run(stage.o.dispatch_offer(input={}, capabilities=["x"]), *nodes)
    (bid,) = stage.sent("BID")
    assert (bid.to, bid.payload, bid.meta) == ("a", {"cost": 0.0, "confidence": 1.0}, {"auto_bid": True})


# Signs of life


def test_cosmonapse_23_a_tick_is_register_then_heartbeat_for_each_axon_and_for_axons_only() -> None:
    stage = Stage()
    w = stage.node("w", axon("a"), axon("b"), heartbeat_s=1)
    host = stage.node("host", heartbeat_s=1)
    host.attach_engram(InMemoryEngram(engram_id="notes"))
    stage.run(_sleep(stage, 1.5), w, host)
    later = [(row.kind, row.to) for row in stage.bus.tape.rows if row.ts_us > stage.bus.tape.rows[0].ts_us + 500_000]
    assert later == [("REGISTER", "a"), ("HEARTBEAT", "a"), ("REGISTER", "b"), ("HEARTBEAT", "b")]


async def _sleep(stage: Stage, seconds: float) -> None:
    await stage.bus.sleep(seconds)


@pytest.mark.parametrize(("with_axon", "status"), [(True, "deregistered"), (False, "ok")])
def test_cosmonapse_24_only_who_has_axons_and_a_store_sweeps_the_stale(with_axon: bool, status: str) -> None:
    stage = Stage()
    store = MemoryRegistryStore()
    keeper = stage.node("keeper", *([axon("k")] if with_axon else []), heartbeat_s=1, registry_store=store)
    w = stage.node("w", axon("a"), heartbeat_s=1)

    async def main() -> Any:
        await stage.bus.sleep(2.5)
        w.crash()
        before = len(stage.sent("DEREGISTER"))
        await stage.bus.sleep(10)
        assert len(stage.sent("DEREGISTER")) == before
        return await store.get("a")

    assert stage.run(main(), keeper, w).status == status


def test_cosmonapse_25_discover_is_answered_within_100_ms_by_axons_that_match() -> None:
    stage = Stage()
    w = stage.node("w", axon("a", "xy"), axon("b", "y"), heartbeat_s=0)
    w.attach_engram(InMemoryEngram(engram_id="notes"))

    async def main() -> int:
        await stage.bus.sleep(1)
        asked = stage.bus.send(stage.o, "DISCOVER", {"capabilities": ["x"]}, None, None, None, None, None)
        await stage.bus.sleep(1)
        return asked.ts_us

    at = stage.run(main(), w)
    answers = [row for row in stage.sent("REGISTER") if row.ts_us > at]
    assert [row.to for row in answers] == ["a"]
    assert 0 <= answers[0].ts_us - at <= 100_000 + 2 * 160


def test_cosmonapse_43_a_heartbeat_sets_its_status_and_a_register_sets_it_back() -> None:
    stage = Stage()
    store = MemoryRegistryStore()
    keeper = stage.node("keeper", registry_store=store)
    w = stage.node("w", axon("a"), heartbeat_s=1)

    async def main() -> list[Any]:
        found = []
        await stage.bus.sleep(1.5)
        found.append((await store.get("a")).status)  # type: ignore[union-attr]
        await w.stop("enough")
        await stage.bus.sleep(1)
        found.append((await store.get("a")).status)  # type: ignore[union-attr]
        await w.start()
        await stage.bus.sleep(0.5)
        found.append((await store.get("a")).status)  # type: ignore[union-attr]
        return found

    assert stage.run(main(), keeper, w) == ["ok", "deregistered", "registered"]
    assert stage.sent("DEREGISTER")[0].payload == {"reason": "enough"}


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


# Retry, stop, pathways


def test_cosmonapse_35_attempts_are_numbered_on_fresh_traces_and_each_is_stopped() -> None:
    async def stalls(input: Any, context: Any, *, sleep: Any) -> Any:
        await sleep("1h")

    stage = Stage()
    w = stage.node("w", axon("a", fn=stalls), heartbeat_s=0)
    strategy = RetryStrategy(max_attempts=3, timeout_s=1, backoff=lambda attempt: 10.0 * (attempt + 1))
    with pytest.raises(TimeoutError):
        stage.run(stage.o.run_with_retry(retry=strategy, neuron="a", input={}), w)
    tasks = stage.sent("TASK")
    assert [row.meta for row in tasks] == [{"attempt": 0}, {"attempt": 1}, {"attempt": 2}]
    assert len({row.trace_id for row in tasks}) == 3
    assert [row.trace_id for row in stage.sent("STOP")] == [row.trace_id for row in tasks]
    assert round(stage.bus.now_s) == 33


def test_cosmonapse_33_a_cancelled_neuron_publishes_no_reply() -> None:
    async def stalls(input: Any, context: Any, *, sleep: Any) -> Any:
        await sleep(1)
        return {}

    stage = Stage()
    w = stage.node("w", axon("a", fn=stalls))

    async def main() -> list[Any]:
        sent = await stage.o.dispatch_task(neuron="a", input={})
        await stage.bus.sleep(0.5)
        return await stage.o.stop_trace(sent.trace_id, collect_acks=True, timeout_s=2)

    acks = stage.run(main(), w)
    assert [ack.payload["cancelled"] for ack in acks] == [1]
    assert stage.sent("AGENT_OUTPUT", "ERROR") == []


def test_a_pathway_serves_what_came_before_it_closed_and_then_says_so() -> None:
    stage = Stage()

    async def main() -> list[Any]:
        pathway = await stage.o.dispatch(neuron="a", input={}, finalize=True)
        with pytest.raises(ArgumentError, match="observed already"):
            await stage.o.observe_pathway(pathway.trace_id)
        walked = [row.kind async for row in pathway]
        got = [(await pathway.wait()).kind, (await pathway.wait_for("FINAL")).kind]
        with pytest.raises(PathwayClosedError):
            await pathway.wait()
        return [walked, got]

    kinds = ["AGENT_OUTPUT", "FINAL"]
    assert stage.run(main(), stage.node("w", axon("a"))) == [kinds, kinds]


# Refusals


def test_cosmonapse_36_what_roles_and_types_may_not() -> None:
    stage = Stage()
    w = stage.node("w", axon("a"))

    async def main() -> None:
        reply = await stage.o.dispatch_and_wait(neuron="a", input={})
        trace = reply.trace_id
        refused = [
            w.dispatch_task(neuron="a", input={}),
            w.dispatch(neuron="a", input={}),
            w.dispatch_offer(input={}),
            w.run_with_retry(retry=RetryStrategy(), neuron="a", input={}),
            w.emit_stop(trace_id=trace),
            w.stop_trace(trace),
            w.emit(stage.sent("TASK")[0]),
            w.respond_to_clarification(reply, answer=1),
            stage.o.bid(reply, neuron="a", cost=1),
            stage.o.respond_to_clarification(reply, answer=1),
            stage.o.respond_to_permission(reply, granted=True),
            stage.o.respond_to_escalation(reply),
            stage.o.answer_clarification(reply, answer=1),
            stage.o.grant_permission(reply),
            stage.o.deny_permission(reply),
            stage.o.await_decision(reply),
            stage.o.emit(reply),
            stage.o.emit(register_signal(directed=directed_to("x"))),
        ]
        for call in refused:
            with pytest.raises(DendriteProtocolError):
                await call
        before = len(stage.bus.tape)
        await w.emit_plan(trace_id=trace, parent_id=reply.id, steps=[])
        await w.emit_final(trace_id=trace, parent_id=reply.id, result={})
        assert len(stage.bus.tape) == before + 2

    stage.run(main(), w)


def test_the_refusal_names_the_type() -> None:
    stage = Stage()
    with pytest.raises(DendriteProtocolError, match="refuses to emit 'REGISTER'"):
        stage.run(stage.o.emit(register_signal(directed=directed_to("x"))))


def test_an_error_of_a_handler_disturbs_nobody_and_is_kept() -> None:
    stage = Stage()

    @stage.o.on_agent_output(neuron="a")
    def breaks(signal: Envelope) -> None:
        raise KeyError("oops")

    stage.run(stage.o.dispatch_and_wait(neuron="a", input={}), stage.node("w", axon("a")))
    stage.bus.run(1)
    assert [(who, repr(error)) for who, error in stage.bus.errors] == [("o", "KeyError('oops')")]

"""What Dendrites do and refuse (spec/cosmonapse.md 3, 4, 5)."""

from typing import Any

import pytest
from stage import Stage, axon

from kit.cosmonapse import Signal, SignalType, new_trace_id, plan_signal, register_signal
from kit.cosmonapse.registry import MemoryRegistryStore
from kit.cosmonapse.signal import directed_to
from kit.errors import (
    ArgumentError,
    DendriteProtocolError,
    PathwayClosedError,
    SignalError,
)
from kit.sim import Dendrite, Effector, Envelope, InMemoryEngram, RetryStrategy

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


def test_signals_that_are_built_while_it_runs_have_ids_and_times_of_the_simulation() -> None:
    def sent() -> Envelope:
        stage = Stage()

        async def main() -> None:
            await stage.bus.sleep("1h")
            built = plan_signal(trace_id=new_trace_id(), parent_id=stage.bus.new_id("evt_"), steps=[{"do": 1}])
            await stage.o.emit(built)
            await stage.bus.sleep(1)

        stage.run(main())
        return stage.sent("PLAN")[0]

    first, again = sent(), sent()
    assert (first.id, first.trace_id, first.ts) == (again.id, again.trace_id, again.ts)
    assert first.ts.isoformat().startswith("2026-01-01T01:00:00")
    assert Signal.decode(first.encode()).payload == {"steps": [{"do": 1}]}
    assert first.reply(SignalType.CRITIQUE, {"x": 1}).parent_id == first.id


@pytest.mark.parametrize(
    "kind", ["RECALL", "IMPRINT", "TOOL_CALL", "BID", "STOP", "TASK_AWARDED", "TASK_OFFER", "RECALLED"]
)
def test_a_signal_that_makes_no_sense_ends_no_run(kind: str) -> None:
    stage = Stage()
    host = stage.node("host", axon("a"))
    host.attach_engram(InMemoryEngram(engram_id="notes"))
    host.attach_effector(Effector(effector_id="notes"))

    async def main() -> str:
        for payload in ({}, {"query": 3, "op": 3, "entry": 3, "tool": 3, "input": 3, "capabilities": 3, "hits": 3}):
            stage.bus.send(stage.o, kind, payload, None, None, "a" if kind == "TASK_AWARDED" else "notes")
        await stage.bus.sleep(1)
        return (await stage.o.dispatch_and_wait(neuron="a", input={})).kind

    assert stage.run(main(), host) == "AGENT_OUTPUT"


def test_an_id_that_would_break_a_line_is_refused() -> None:
    stage = Stage()
    with pytest.raises(SignalError, match="a simulated bus carries ids"):
        stage.run(stage.o.emit(plan_signal(trace_id='trc_"', parent_id="evt_1", steps=[])))


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

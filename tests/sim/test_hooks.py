"""Handlers, their filters, and the turns in the life of a Dendrite (spec/cosmonapse.md 3, 5.4, 5.12)."""

from typing import Any

import pytest
from stage import Stage, axon

from kit.cosmonapse import SignalType
from kit.cosmonapse.registry import MemoryRegistryStore
from kit.errors import ArgumentError
from kit.sim import Effector, Engram, Envelope, ImprintReceipt, RefreshEvent


def test_every_decorator_of_the_published_package_is_there() -> None:
    import cosmonapse

    from kit.sim import Dendrite

    theirs = {name for name in dir(cosmonapse.Dendrite) if name.startswith("on_")}
    assert theirs - set(dir(Dendrite)) == set()
    assert all(getattr(Dendrite, name).__doc__ for name in theirs)


def test_handlers_heed_their_filters() -> None:
    stage = Stage()
    seen: list[tuple[str, str | None]] = []
    w = stage.node("w", axon("a", "x"), axon("b", "y"), registry_store=MemoryRegistryStore())

    def keep(label: str) -> Any:
        return lambda signal: seen.append((label, signal.to))

    async def main() -> None:
        first = await stage.o.dispatch_task(neuron="a", input={})
        w.on_agent_output(keep("all"))
        w.on_agent_output(neuron="b")(keep("neuron"))
        w.on_agent_output(capability="y")(keep("capability"))
        w.on_trace(first.trace_id, SignalType.AGENT_OUTPUT)(keep("trace"))
        w.on_task_offer(capability="z")(keep("offer"))
        await stage.o.dispatch_task(neuron="b", input={})
        stage.bus.send(stage.o, "TASK_OFFER", {"input": {}, "capabilities": ["x"]}, None, None, None, None, None)
        stage.bus.send(stage.o, "TASK_OFFER", {"input": {}, "capabilities": ["z"]}, None, None, None, None, None)
        stage.bus.send(stage.o, "TASK_OFFER", {"input": {}}, None, None, None, None, None)
        await stage.bus.sleep(1)

    stage.run(main(), w)
    assert sorted(seen, key=str) == sorted(
        [
            ("all", "a"),
            ("trace", "a"),
            ("all", "b"),
            ("neuron", "b"),
            ("capability", "b"),
            ("offer", None),
            ("offer", None),
        ],
        key=str,
    )


def test_schedules_begin_after_one_interval_and_end_with_the_dendrite() -> None:
    stage = Stage()
    times: list[float] = []
    w = stage.node("w")

    @w.on_schedule(every_s=2)
    async def tick() -> None:
        times.append(round(stage.bus.now_s, 2))

    async def main() -> None:
        await stage.bus.sleep(7)
        await w.stop()
        await stage.bus.sleep(7)

    stage.run(main(), w)
    assert times == [2, 4, 6]
    with pytest.raises(ArgumentError, match="above 0"):
        w.on_schedule(every_s=0)


def test_a_dendrite_tells_what_changed_and_why() -> None:
    stage = Stage()
    told: list[tuple[str, str | None]] = []
    keeper = stage.node("keeper", axon("k"), heartbeat_s=1, registry_store=MemoryRegistryStore())
    w = stage.node("w", axon("a"), heartbeat_s=0)

    @keeper.on_refresh
    def note(event: RefreshEvent) -> None:
        told.append((event.reason, event.neuron_id))

    connected: list[str] = []
    keeper.on_connect(lambda: connected.append("keeper"))

    async def main() -> None:
        await stage.bus.sleep(0.5)
        await w.detach_axon("a", reason="enough")
        await keeper.refresh(extra={"x": 1})
        await stage.bus.sleep(1)

    stage.run(main(), keeper, w)
    assert connected == ["keeper"]
    assert [item for item in told if item[1] != "k"] == [
        ("register", "a"),
        ("register", "a"),  # its answer to the DISCOVER of the keeper
        ("manual", None),
        ("deregister", "a"),
        ("heartbeat", None),
    ]


def test_an_axon_added_live_registers_and_has_no_heartbeat_where_there_was_none() -> None:
    stage = Stage()
    w, v = stage.node("w", heartbeat_s=1), stage.node("v", axon("b"), heartbeat_s=1)

    async def main() -> str:
        await stage.bus.sleep(0.1)
        await w.add_axon(axon("a", "x"))
        await v.add_axon(axon("c", "y"))
        await stage.bus.sleep(1)
        return (await stage.o.dispatch_and_wait(capabilities=["x"], input={})).kind

    assert stage.run(main(), w, v) == "AGENT_OUTPUT"
    assert {row.to for row in stage.sent("REGISTER")} == {"a", "b", "c"}
    assert {row.to for row in stage.sent("HEARTBEAT")} == {"b", "c"}
    with pytest.raises(ArgumentError, match="add_axon"):
        w.attach_axon(axon("d"))


@pytest.mark.parametrize(("fidelity", "who"), [("sdk", []), ("spec", ["a"])])
def test_capabilities_in_the_address_route_as_documented_only(fidelity: Any, who: list[str]) -> None:
    stage = Stage(fidelity=fidelity)
    w = stage.node("w", axon("a", "xy"))

    async def main() -> None:
        stage.bus.send(stage.o, "TASK", {"input": {}}, None, None, None, None, ("x",))
        await stage.bus.sleep(1)

    stage.run(main(), w)
    assert [row.to for row in stage.sent("AGENT_OUTPUT")] == who


def test_stopping_with_drain_lets_work_come_to_its_end() -> None:
    async def slow(input: Any, context: Any, *, sleep: Any) -> Any:
        await sleep(input["s"])

    def outputs(drain: float | None) -> list[int]:
        stage = Stage()
        w = stage.node("w", axon("a", fn=slow))

        async def main() -> None:
            for s in (1, 5):
                await stage.o.dispatch_task(neuron="a", input={"s": s})
            await stage.bus.sleep(0.5)
            await w.stop(drain=drain)
            await stage.bus.sleep(9)

        stage.run(main(), w)
        assert [row.kind for row in stage.bus.tape.rows][-1] == "DEREGISTER"
        return [len(stage.sent("AGENT_OUTPUT"))]

    assert [outputs(None), outputs(2), outputs(9)] == [[0], [1], [2]]


def test_served_engrams_and_effectors_answer_with_what_functions_give() -> None:
    stage = Stage()
    host = stage.node("host")
    served, tools = Engram.serve(engram_id="e"), Effector.serve(effector_id="t")

    @served.on_imprint
    async def keeps(op: str, entry: Any, **_: Any) -> Any:
        if op == "delete":
            raise ValueError("never")
        return ImprintReceipt("e", op, id="eng_1", version=3) if op == "add" else None

    @tools.on_tool_call
    def answers(tool: str, args: Any, **_: Any) -> Any:
        if tool == "bad":
            raise KeyError("no")
        return args if tool == "echo" else None

    host.attach_engram(served)
    host.attach_effector(tools)

    async def main() -> list[Any]:
        receipts = [
            await stage.o.imprint(engram_id="e", op=op, entry={}, await_ack=True) for op in ("add", "append", "delete")
        ]
        outcomes = [
            await stage.o.call_tool(effector_id="t", tool=tool, args={"x": 1}) for tool in ("echo", "bad", "no")
        ]
        recalled = await stage.o.recall(engram_id="e", query={})
        return [
            [(receipt.version, receipt.error) for receipt in receipts if receipt is not None],
            [(outcome.result, outcome.error) for outcome in outcomes],
            recalled.hits,
        ]

    assert stage.run(main(), host) == [
        [(3, None), (None, "unhandled imprint op 'append'"), (None, "engram_exception: never")],
        [({"x": 1}, None), (None, "KeyError: 'no'"), (None, "unhandled tool 'no': no on_tool_call handler answered")],
        [],
    ]


def test_all_emitters_write_what_the_builders_of_the_kit_do() -> None:
    import kit.cosmonapse as builders

    common = {"trace_id": "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX", "parent_id": "evt_01ARZ3NDEKTSV4RRFFQ69G5FAW"}
    asked: dict[str, dict[str, Any]] = {
        "final": {"result": {"a": 1}, "cost": {"tokens": 1}},
        "error": {"code": "X", "message": "m", "recoverable": True},
        "plan": {"steps": [{"do": 1}], "rationale": "r"},
        "audit": {"kind": "GUARDED", "domain": "security", "outcome": "refused", "component": "c", "took_ms": 3},
        "thought_delta": {"delta": "d", "seq": 2},
        "tool_call": {"tool": "t", "args": {"x": 1}, "call_id": "c"},
        "tool_result": {"tool": "t", "result": 1, "call_id": "c"},
        "memory_append": {"key": "k", "value": None},
        "critique": {"target_event_id": "evt_1", "issues": [{"i": 1}], "verdict": "pass"},
        "escalation": {"reason": "r", "target": "t", "context": {}},
        "consensus": {"members": ["a"], "verdict": "pass", "votes": {"a": 1}},
        "context_sync": {"snapshot": {"s": 1}, "version": "1"},
    }
    stage = Stage()

    async def main() -> list[Envelope]:
        return [await getattr(stage.o, f"emit_{name}")(**common, **fields) for name, fields in asked.items()]

    for (name, fields), sent in zip(asked.items(), stage.run(main()), strict=True):
        built = getattr(builders, f"{name}_signal")(**common, **fields)
        assert (sent.type, list(sent.payload.items())) == (built.type, list(built.payload.items())), name
        assert (sent.trace_id, sent.parent_id) == (built.trace_id, built.parent_id)

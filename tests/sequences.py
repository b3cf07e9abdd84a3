"""The seven canonical sequences (spec/cosmonapse.md 5.15), as scripts for the published package and for the simulator.

Each script takes `api`, the module with the classes, `bus`, and `sleep`. `run_kit` and `run_peer` give what a tap saw:
(type, directed, line of the parent, trace, payload keys), as the specification writes it.
"""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from types import ModuleType
from typing import Any

import cosmonapse
from virtual_loop import run_virtual

from kit import sim
from kit.cosmonapse.registry import MemoryRegistryStore

Script = Callable[[Any, Any, Callable[[float], Any]], Coroutine[Any, Any, None]]
Line = tuple[str, str, int | str | None, int, tuple[str, ...]]


async def start(api: Any, bus: Any, sleep: Any) -> None:
    async def a(input: Any, context: Any) -> Any:
        return {"ok": 1}

    w = api.Dendrite(synapse=bus, role="worker", dendrite_id="w")
    w.attach_axon(api.Axon(neuron_id="a", neuron_fn=a, capabilities=["x"]))
    o = api.Dendrite(synapse=bus, dendrite_id="o", registry_store=api.MemoryRegistryStore())
    await w.start()
    await o.start()
    await sleep(0.2)
    await o.dispatch_and_wait(neuron="a", input={"q": 1}, scope="terminal")
    await w.stop()
    await sleep(0.1)


async def auction(api: Any, bus: Any, sleep: Any) -> None:
    async def work(input: Any, context: Any) -> Any:
        return {"ok": 1}

    o = api.Dendrite(synapse=bus, dendrite_id="o")
    for name, cost in (("a1", 1.0), ("a2", 0.5)):
        w = api.Dendrite(synapse=bus, role="worker", dendrite_id=f"w-{name}")
        w.attach_axon(api.Axon(neuron_id=name, neuron_fn=work, capabilities=["x"]))

        @w.on_task_offer
        async def bids(offer: Any, w: Any = w, name: str = name, cost: float = cost) -> None:
            await w.bid(offer, neuron=name, cost=cost, eta_ms=10, confidence=0.9)

        await w.start()
    await o.start()
    await sleep(0.1)
    options = {"input": {"q": 1}, "capabilities": ["x"], "deadline_ms": 100, "select": "lowest_cost"}
    pathway = await o.dispatch_offer(scope="terminal", **options)
    await pathway.wait(5)
    await sleep(0.1)


async def clarification(api: Any, bus: Any, sleep: Any) -> None:
    async def a(input: Any, context: Any) -> Any:
        return {"ok": 1} if "clarification" in input else {"__clarification__": True, "question": "which?"}

    w = api.Dendrite(synapse=bus, role="worker", dendrite_id="w")
    w.attach_axon(api.Axon(neuron_id="a", neuron_fn=a))
    o = api.Dendrite(synapse=bus, dendrite_id="o")

    @o.on_clarification
    async def answers(asked: Any) -> None:
        await o.answer_clarification(asked, answer="this")
        await o.respond_to_clarification(asked, answer="this")

    @o.on_agent_output
    async def ends(output: Any) -> None:
        await o.emit_final(trace_id=output.trace_id, parent_id=output.id, result={"done": True})

    await w.start()
    await o.start()
    await o.dispatch_task(neuron="a", input={"q": 1})
    await sleep(0.5)


async def permission(api: Any, bus: Any, sleep: Any) -> None:
    async def a(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        if "permission" not in input:
            await recall("grants", query={"merge_key": "rm"}, deadline_ms=300)
            return {"__permission__": True, "action": "rm"}
        await imprint("grants", op="upsert", entry={"content": {"ok": True}}, merge_key="rm", await_ack=True)
        await call_tool("disk", tool="rm", args={"path": "x"}, call_id="call_1")
        return {"ok": 1}

    w = api.Dendrite(synapse=bus, role="worker", dendrite_id="w")
    more = {} if api is sim_api else {"tool_standard": "auto"}
    w.attach_axon(
        api.Axon(
            neuron_id="a",
            neuron_fn=a,
            engrams=[api.EngramBinding("grants", directed_id="grants")],
            effectors=[api.EffectorBinding("disk", directed_type="filesystem")],
            **more,
        )
    )
    host = api.Dendrite(synapse=bus, role="worker", dendrite_id="host")
    host.attach_engram(api.InMemoryEngram(engram_id="grants"))
    fs = api.Effector.serve(effector_id="fs", effector_kind="filesystem")

    @fs.on_tool_call
    async def rm(tool: str, args: Any, **more: Any) -> Any:
        return {"removed": args["path"]}

    host.attach_effector(fs)
    o = api.Dendrite(synapse=bus, dendrite_id="o")

    @o.on_permission
    async def grants(asked: Any) -> None:
        await o.respond_to_permission(asked, granted=True)

    for node in (w, host, o):
        await node.start()
    await o.dispatch_task(neuron="a", input={"q": 1})
    await sleep(0.5)


async def retry(api: Any, bus: Any, sleep: Any) -> None:
    async def a(input: Any, context: Any) -> Any:
        turn.append(1)
        if len(turn) == 1:
            await sleep(60)
        if len(turn) == 2:
            return {"__error__": True, "code": "BUSY", "message": "later", "recoverable": True}
        return {"ok": 1}

    turn: list[int] = []
    w = api.Dendrite(synapse=bus, role="worker", dendrite_id="w")
    w.attach_axon(api.Axon(neuron_id="a", neuron_fn=a))
    o = api.Dendrite(synapse=bus, dendrite_id="o")
    await w.start()
    await o.start()
    await o.run_with_retry(retry=api.RetryStrategy(max_attempts=3, timeout_s=0.5), neuron="a", input={"q": 1})
    await sleep(0.5)


async def rollback(api: Any, bus: Any, sleep: Any) -> None:
    async def a(input: Any, context: Any, *, imprint: Any) -> Any:
        for n in range(3):
            await imprint("notes", op="upsert", entry={"content": {"n": n}}, merge_key="k", await_ack=True)
        await sleep(60)

    host = api.Dendrite(synapse=bus, role="worker", dendrite_id="host")
    notes = api.InMemoryEngram(engram_id="notes")
    host.attach_engram(notes)
    w = api.Dendrite(synapse=bus, role="worker", dendrite_id="w")
    w.attach_axon(api.Axon(neuron_id="a", neuron_fn=a, engrams=[api.EngramBinding("notes", directed_id="notes")]))
    o = api.Dendrite(synapse=bus, dendrite_id="o")
    for node in (host, w, o):
        await node.start()
    pathway = await o.dispatch(neuron="a", input={"q": 1})
    await sleep(0.5)
    await o.emit_stop(trace_id=pathway.trace_id, rollback=True)
    await sleep(0.5)
    assert await notes.recall({}) == []


async def nested(api: Any, bus: Any, sleep: Any) -> None:
    d = api.Dendrite(synapse=bus, dendrite_id="d", heartbeat_s=1.0)

    async def boss(input: Any, context: Any) -> Any:
        final = await d.dispatch_and_wait(neuron="leaf", input={"q": 2}, scope="terminal")
        return {"from": final.payload["result"]}

    async def leaf(input: Any, context: Any) -> Any:
        return {"ok": 1}

    d.attach_axon(api.Axon(neuron_id="boss", neuron_fn=boss))
    d.attach_axon(api.Axon(neuron_id="leaf", neuron_fn=leaf))
    await d.start()
    await sleep(0.1)
    await d.dispatch_and_wait(neuron="boss", input={"q": 1}, scope="terminal")
    await sleep(1.2)


SCRIPTS: dict[str, Script] = {
    "start": start,
    "auction": auction,
    "clarification": clarification,
    "permission": permission,
    "retry": retry,
    "rollback": rollback,
    "nested": nested,
}

sim_api = ModuleType("sim_api")
vars(sim_api).update({**vars(sim), "MemoryRegistryStore": MemoryRegistryStore})


def run_kit(script: Script, **options: Any) -> list[Line]:
    """Return what a tap on a simulated bus sees, as lines."""
    return lines(tapped_kit(script, **options))


def run_peer(script: Script) -> list[Line]:
    """Return what a tap on the bus of the published package sees, as lines."""
    return lines(tapped_peer(script))


def tapped_kit(script: Script, **options: Any) -> list[Any]:
    """Return what a tap on a simulated bus sees."""
    bus = sim.Synapse(seed=7, **options)
    bus.run(script(sim_api, bus, bus.sleep))
    assert bus.errors == []
    return list(bus.tape.rows)


def tapped_peer(script: Script) -> list[Any]:
    """Return what a tap on the in-process bus of the published package sees, on a virtual clock."""
    logging.disable(logging.CRITICAL)
    seen: list[Any] = []

    async def tap(signal: Any) -> None:
        seen.append(signal)

    async def main() -> None:
        bus = cosmonapse.MemorySynapse()
        await bus.connect()
        await bus.subscribe("cosmonapse.default.>", tap)
        await script(cosmonapse, bus, asyncio.sleep)

    try:
        run_virtual(main())
    finally:
        logging.disable(logging.NOTSET)
    return seen


def lines(signals: list[Any]) -> list[Line]:
    """Return signals in the notation of the specification; a parent that was never published is `X`."""
    number = {signal.id: n for n, signal in enumerate(signals, 1)}
    traces: dict[str, int] = {}
    made = []
    for signal in signals:
        directed = signal.directed
        address = "-" if directed is None else f"{directed.id or ''}{':' + directed.type if directed.type else ''}"
        parent = None if signal.parent_id is None else number.get(signal.parent_id, "X")
        trace = traces.setdefault(signal.trace_id, len(traces) + 1)
        made.append((signal.type.value, address, parent, trace, tuple(signal.payload)))
    return made


Shape = Counter[tuple[str, str | None, tuple[str, ...]]]


def shapes(signals: list[Any]) -> Counter[frozenset[Any]]:
    """Return what each trace is made of: how often which type under which type of parent with which payload keys."""
    kinds = {signal.id: signal.type.value for signal in signals}
    traces: dict[str, Shape] = {}
    for signal in signals:
        parent = None if signal.parent_id is None else kinds.get(signal.parent_id, "unpublished")
        part = (signal.type.value, parent, tuple(signal.payload))
        traces.setdefault(signal.trace_id, Counter())[part] += 1
    return Counter(frozenset(shape.items()) for shape in traces.values())

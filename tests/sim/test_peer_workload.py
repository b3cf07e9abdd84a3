"""The same workload on the published package's in-process bus and on ours: trace by trace the same signals."""

import asyncio
import random
from collections import Counter
from typing import Any

import pytest
from sequences import shapes, sim_api, tapped_kit, tapped_peer


async def workload(api: Any, bus: Any, sleep: Any, seed: int = 1, requests: int = 60) -> None:
    """Send requests of all kinds at times that do not depend on the answers."""
    rng = random.Random(seed)
    spawn = bus.spawn if api is sim_api else asyncio.ensure_future
    more = {} if api is sim_api else {"tool_standard": "auto"}
    engrams = [api.EngramBinding("notes", directed_id="notes"), api.EngramBinding("any", directed_type="keyvalue")]
    effectors = [api.EffectorBinding("fs", directed_type="filesystem")]

    async def worker(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        n = input.get("n", 0)
        if "clarification" in input or "permission" in input:
            return {"settled": True}
        await sleep(0.01 + 0.003 * (n % 5))
        if n % 3 == 0:
            await recall("notes", query={"merge_key": f"k{n % 4}"}, deadline_ms=400)
        if n % 3 == 1:
            await imprint("notes", op="upsert", entry={"content": {"n": n}}, merge_key=f"k{n % 4}", await_ack=True)
        if n % 4 == 0:
            await call_tool("fs", tool="read" if n % 8 else "none", args={"n": n})
        if n % 7 == 0:
            return {"__clarification__": True, "question": "which?"}
        if n % 11 == 0:
            return {"__permission__": True, "action": "rm", "reason": "so"}
        if n % 13 == 0:
            raise ValueError("broken")
        if n % 17 == 0:
            return {"__error__": True, "code": "BUSY", "message": "m", "recoverable": n % 2 == 0}
        if n % 19 == 0:
            await sleep(60)
        return {"n": n}

    host = api.Dendrite(synapse=bus, role="worker", dendrite_id="host")
    host.attach_engram(api.InMemoryEngram(engram_id="notes"))
    fs = api.Effector.serve(effector_id="fs", effector_kind="filesystem")

    @fs.on_tool_call
    async def tool(name: str, args: Any, **_: Any) -> Any:
        return {"text": "x"} if name == "read" else None

    host.attach_effector(fs)
    nodes = [host]
    for k in range(3):
        node = api.Dendrite(synapse=bus, role="worker", dendrite_id=f"w{k}", heartbeat_s=5.0)
        for name in (f"a{k}", f"b{k}"):
            capabilities = ["x"] if name[0] == "a" else ["x", "y"]
            node.attach_axon(
                api.Axon(
                    neuron_id=name,
                    neuron_fn=worker,
                    capabilities=capabilities,
                    engrams=engrams,
                    effectors=effectors,
                    **more,
                )
            )
        nodes.append(node)
    o = api.Dendrite(synapse=bus, dendrite_id="o", registry_store=api.MemoryRegistryStore())

    @o.on_clarification
    async def answer(asked: Any) -> None:
        await o.answer_clarification(asked, answer="a")
        await o.respond_to_clarification(asked, answer="a")

    @o.on_permission
    async def grant(asked: Any) -> None:
        await o.grant_permission(asked)
        await o.respond_to_permission(asked, granted=True)

    for node in (*nodes, o):
        await node.start()

    async def request(n: int, kind: str) -> None:
        try:
            await ask(n, kind)
        except (TimeoutError, RuntimeError):
            return

    async def ask(n: int, kind: str) -> None:
        input = {"n": n}
        if kind == "addressed":
            await o.dispatch_and_wait(neuron=f"a{n % 3}", input=input, scope="terminal", timeout_s=3)
        elif kind == "routed":
            await o.dispatch_and_wait(capabilities=["y"], input=input, timeout_s=3)
        elif kind == "retried":
            retry = api.RetryStrategy(max_attempts=2, timeout_s=1.0)
            await o.run_with_retry(retry=retry, neuron=f"b{n % 3}", input=input)
        elif kind == "stopped":
            pathway = await o.dispatch(neuron=f"b{n % 3}", input=input)
            await sleep(0.005)
            await o.emit_stop(trace_id=pathway.trace_id, rollback=True, reason="enough")
        else:
            pathway = await o.dispatch_offer(
                input=input, capabilities=["x"], deadline_ms=40, select=kind, finalize=n % 2 == 0
            )
            await pathway.wait(3)

    kinds = ["addressed", "routed", "retried", "stopped", "lowest_cost", "highest_confidence", "first_bid"]
    for n in range(1, requests + 1):
        spawn(request(n, rng.choice(kinds)))
        await sleep(0.2)
    await sleep(7.7)  # not on a beat
    for node in nodes:
        await node.stop("over")
    await sleep(0.5)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_workload_of_all_kinds_makes_the_same_traces_as_the_published_package(seed: int) -> None:
    def script(api: Any, bus: Any, sleep: Any) -> Any:
        return workload(api, bus, sleep, seed, 120)

    ours, theirs = shapes(tapped_kit(script)), shapes(tapped_peer(script))
    assert ours - theirs == Counter()
    assert theirs - ours == Counter()
    made = {kind for shape in ours for (kind, _, _), _ in shape}
    assert len(made) >= 22

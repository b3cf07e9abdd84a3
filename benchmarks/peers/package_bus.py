"""The published package on its in-process bus, on an asyncio loop in virtual time: the workload of benchmarks/simulation.py."""

import asyncio
import logging
import random
import selectors
import time
from typing import Any

from benchmarks.simulation import (
    CLASSES,
    HEARTBEAT_S,
    MEMBERS,
    PER_VIRTUAL_S,
    RATE_PER_S,
    SERVICE_MS,
    SIGMA,
)


class _Jump(selectors.SelectSelector):
    moved = 0.0

    def select(self, timeout: float | None = None) -> list[Any]:
        if timeout:
            self.moved += timeout
        return super().select(0)


class _VirtualLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self.jump = _Jump()
        super().__init__(self.jump)

    def time(self) -> float:
        return self.jump.moved


def package_run(signals: int, seed: int = 7) -> dict[str, float]:
    """Run about so many signals, and count them at a tap."""
    import cosmonapse

    logging.disable(logging.CRITICAL)
    seen = [0]
    lines: list[bytes] = []

    async def tap(signal: Any) -> None:
        seen[0] += 1
        lines.append(signal.encode())

    async def main() -> None:
        bus = cosmonapse.MemorySynapse()
        await bus.connect()
        await bus.subscribe("cosmonapse.default.>", tap)
        host = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="host")
        host.attach_engram(cosmonapse.InMemoryEngram(engram_id="notes"))
        fs = cosmonapse.Effector.serve(effector_id="fs")

        @fs.on_tool_call
        async def read(tool: str, args: Any, **_: Any) -> str:
            return "text"

        host.attach_effector(fs)
        await host.start()
        nodes = []
        for n in range(CLASSES * MEMBERS):
            rng = random.Random(f"{seed}/{n}")

            async def work(
                input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any, rng: Any = rng, n: int = n
            ) -> Any:
                await recall("notes", query={"merge_key": f"k{rng.randrange(64)}"})
                await call_tool("fs", tool="read", args={})
                await asyncio.sleep(rng.lognormvariate(0, SIGMA) * SERVICE_MS / 1000)
                entry = {"content": {"by": n}}
                await imprint("notes", op="upsert", entry=entry, merge_key=f"k{rng.randrange(64)}", await_ack=True)
                return {"ok": True}

            node = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id=f"d{n}", heartbeat_s=HEARTBEAT_S)
            node.attach_axon(
                cosmonapse.Axon(
                    neuron_id=f"neuron-{n:03}",
                    neuron_fn=work,
                    capabilities=[f"c{n % CLASSES}"],
                    engrams=[cosmonapse.EngramBinding("notes", directed_id="notes")],
                    effectors=[cosmonapse.EffectorBinding("fs", directed_id="fs")],
                    tool_standard="auto",
                )
            )
            await node.start()
            nodes.append(node)
        desk = cosmonapse.Dendrite(synapse=bus, dendrite_id="desk", registry_store=cosmonapse.MemoryRegistryStore())
        await desk.start()

        async def request(c: int, n: int) -> None:
            options: dict[str, Any] = {"input": {"q": f"r{c} {n}"}, "capabilities": [f"c{c}"], "finalize": True}
            if c % 2:
                pathway = await desk.dispatch_offer(select="lowest_cost", deadline_ms=50, **options)
            else:
                pathway = await desk.dispatch(**options)
            await pathway.wait(60)

        async def stream(c: int) -> None:
            rng = random.Random(f"{seed}/arrivals/{c}")
            for n in range(1 << 60):
                await asyncio.sleep(rng.expovariate(RATE_PER_S))
                asyncio.ensure_future(request(c, n))  # noqa: RUF006  they end with the loop

        streams = [asyncio.ensure_future(stream(c)) for c in range(CLASSES)]
        await asyncio.sleep(signals / PER_VIRTUAL_S)
        for task in streams:
            task.cancel()
        await asyncio.sleep(2)

    loop = _VirtualLoop()
    begun = time.process_time()
    loop.run_until_complete(main())
    seconds = time.process_time() - begun
    for task in asyncio.all_tasks(loop):
        task.cancel()
    return {"signals": seen[0], "seconds": seconds}

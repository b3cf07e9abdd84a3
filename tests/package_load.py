"""A capture of the published package under load: its in-process bus on a virtual clock, stamped by the tap.

A planner (two plans at once) recalls and plans; then one of three workers, each with one slot, works and calls a tool. How many
there are at once is a semaphore inside the functions, so that it shows on the bus only by its effect.
"""

import asyncio
import json
import logging
import random
from datetime import UTC, datetime, timedelta
from typing import Any

import cosmonapse
from virtual_loop import run_virtual

START = datetime(2026, 11, 2, 9, tzinfo=UTC)
PLAN_MS, PLAN_SIGMA, PLANS = 60, 0.4, 2
WORK_MS, WORK_SHAPE, WORKERS = 180, 2.5, 3
TOOL_MS, FAILS = 15, 0.04


def captured(seed: int, rates: list[float], seconds: float) -> list[list[str]]:
    """Return a list of lines for each rate: the requests of `seconds` at that rate, one after the other in one run.

    A line belongs to the rate under which its request came.
    """
    logging.disable(logging.CRITICAL)
    seen: list[tuple[str, str, float]] = []

    async def main() -> None:
        loop = asyncio.get_running_loop()
        bus = cosmonapse.MemorySynapse()
        await bus.connect()

        async def tap(signal: Any) -> None:
            seen.append((signal.trace_id, signal.encode(), loop.time()))

        await bus.subscribe("cosmonapse.default.>", tap)
        await _requests(await _started(bus, seed), seed, rates, seconds)

    try:
        run_virtual(main())
    finally:
        logging.disable(logging.NOTSET)
    return _halves(seen, len(rates), seconds)


def _halves(seen: list[tuple[str, str, float]], parts: int, seconds: float) -> list[list[str]]:
    came: dict[str, float] = {}
    made: list[list[str]] = [[] for _ in range(parts)]
    last = START
    for trace, text, at in seen:
        # The tap's clock goes up: what comes at one virtual moment is a microsecond apart.
        last = max(START + timedelta(seconds=at), last + timedelta(microseconds=1))
        envelope = json.loads(text) | {"ts": last.isoformat()}
        part = min(int(came.setdefault(trace, at) // seconds), parts - 1)
        made[part].append(json.dumps(envelope))
    return made


async def _started(bus: Any, seed: int) -> Any:
    host = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="host")
    host.attach_engram(cosmonapse.InMemoryEngram(engram_id="notes"))
    tools = cosmonapse.Effector.serve(effector_id="fs")
    draws = random.Random(f"{seed}/tool")

    @tools.on_tool_call
    async def read(tool: str, args: Any, **_: Any) -> str:
        await asyncio.sleep(draws.expovariate(1000 / TOOL_MS))
        return "text"

    host.attach_effector(tools)
    await host.start()
    plans, plan_draws = asyncio.Semaphore(PLANS), random.Random(f"{seed}/plan")

    async def plan(input: Any, context: Any, *, recall: Any) -> Any:
        async with plans:
            await recall("notes", query={"merge_key": "k"})
            await asyncio.sleep(plan_draws.lognormvariate(0, PLAN_SIGMA) * PLAN_MS / 1000)
            return {"plan": 1}

    await _axon(bus, "planner", plan, ["plan"])
    for n in range(1, WORKERS + 1):
        slot, work_draws = asyncio.Semaphore(1), random.Random(f"{seed}/work/{n}")

        async def work(
            input: Any, context: Any, *, call_tool: Any, slot: Any = slot, draws: random.Random = work_draws
        ) -> Any:
            async with slot:
                await asyncio.sleep(draws.gammavariate(WORK_SHAPE, WORK_MS / WORK_SHAPE) / 1000)
                await call_tool("fs", tool="read", args={})
                if draws.random() < FAILS:
                    return {"__error__": True, "code": "MODEL_ERROR", "message": "no", "recoverable": False}
                return {"done": 1}

        await _axon(bus, f"worker-{n}", work, ["work"])
    desk = cosmonapse.Dendrite(synapse=bus, dendrite_id="desk", registry_store=cosmonapse.MemoryRegistryStore())
    await desk.start()
    return desk


async def _axon(bus: Any, name: str, function: Any, capabilities: list[str]) -> None:
    node = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id=name, heartbeat_s=3600.0)
    engrams = [cosmonapse.EngramBinding("notes", directed_id="notes")]
    effectors = [cosmonapse.EffectorBinding("fs", directed_id="fs")]
    node.attach_axon(
        cosmonapse.Axon(
            neuron_id=name, neuron_fn=function, capabilities=capabilities, engrams=engrams, effectors=effectors,
            tool_standard="auto",
        )
    )  # fmt: skip
    await node.start()


async def _requests(desk: Any, seed: int, rates: list[float], seconds: float) -> None:
    loop = asyncio.get_running_loop()
    draws, tasks = random.Random(f"{seed}/arrivals"), []

    async def request(number: int) -> None:
        first = await desk.dispatch(capabilities=["plan"], input={"q": number})
        planned = await first.wait(600)
        second = await desk.dispatch(
            capabilities=["work"], input={"q": number}, trace_id=planned.trace_id, parent_id=planned.id, finalize=True
        )
        await second.wait(600)

    number = 0
    for part, rate in enumerate(rates):
        while True:
            await asyncio.sleep(draws.expovariate(rate))
            if loop.time() >= (part + 1) * seconds:
                break
            number += 1
            tasks.append(asyncio.ensure_future(request(number)))
    await asyncio.gather(*tasks)
    await asyncio.sleep(0.5)

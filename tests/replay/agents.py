"""An agent with everything that can differ, for tests of counterfactual replay; `Changed` says what does."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import kit
from kit.notebook.study import Study

Neuron = Callable[..., Any]


@dataclass(frozen=True)
class Changed:
    """What the agent does otherwise, in the fourth task and those after it."""

    prompt: bool = False
    query: bool = False
    output: bool = False
    extra: bool = False
    missing: bool = False
    exception: bool = False
    order: bool = False


def coder(changed: Changed = Changed(), sleep: Any = asyncio.sleep) -> Neuron:
    """Return the agent: a recall, two tools at once, an imprint, a reply."""

    async def coder(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        c = changed if input["n"] >= 3 else Changed()
        known = await recall(
            "notes", query={"text": f"task {input['n']}" + (" now" if c.query else "")}, deadline_ms=900
        )
        await sleep(0.01)
        prompt = f"{'Sum up' if c.prompt else 'Summarise'} task {input['n']}"
        calls = [("llm", "complete", {"prompt": prompt}), ("fs", "read", {"path": f"/{input['n']}"})]
        calls = calls[::-1] if c.order else calls
        answers = await asyncio.gather(*(call_tool(name, tool=tool, args=args) for name, tool, args in calls))
        results = {tool: answer.result for (_, tool, _), answer in zip(calls, answers, strict=True)}
        if c.extra:
            await call_tool("llm", tool="check", args={"text": prompt}, deadline_ms=500)
        if not c.missing:
            await imprint("notes", op="add", entry={"content": {"n": input["n"]}}, await_ack=True, deadline_ms=900)
        if c.exception:
            raise ValueError("no licence")
        return {
            "text": results["complete"],
            "read": results["read"],
            "known": len(known.hits) + (10 if c.output else 0),
        }

    return coder


TOOLS: dict[str, dict[str, Callable[..., Any]]] = {
    "llm": {"complete": lambda prompt: prompt.upper()},
    "fs": {"read": lambda path: {"path": path, "bytes": len(path)}},
}


def simulated(tasks: int = 8) -> Study:
    """Return the capture of a namespace that the kit simulates."""
    ns = kit.Namespace("lab", seed=5)
    ns.neuron("coder", capabilities=["code"])(coder())
    ns.engram("notes", service=kit.sim.lognormal(ms=3, sigma=0.3))
    for name, tools in TOOLS.items():
        ns.effector(name, tools=tools, service=kit.sim.lognormal(ms=20, sigma=0.4))

    async def main() -> None:
        for n in range(tasks):
            await ns.orchestrator.dispatch_and_wait(capabilities=["code"], input={"n": n})

    return kit.load(ns.run(until=main()))

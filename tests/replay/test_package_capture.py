"""A capture that the published package made, with real functions on its in-process bus, replayed by the kit."""

import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import cosmonapse
import pytest
from virtual_loop import run_virtual

import kit
from kit.notebook.study import Study
from tests.replay.agents import TOOLS, Changed, coder
from tests.replay.test_counterfactual import check


async def captured(tasks: int) -> list[str]:
    """Run the agent on the package's bus, and return the lines of a tap."""
    lines: list[str] = []

    async def tap(signal: Any) -> None:
        lines.append(signal.encode().decode())

    bus = cosmonapse.MemorySynapse()
    await bus.connect()
    await bus.subscribe("cosmonapse.default.>", tap)
    host = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="host")
    host.attach_engram(cosmonapse.InMemoryEngram(engram_id="notes"))
    for name, tools in TOOLS.items():
        effector = cosmonapse.Effector.serve(effector_id=name)

        async def call(tool: str, args: Any, tools: Any = tools, **_: Any) -> Any:
            return tools[tool](**args)

        effector.on_tool_call(call)
        host.attach_effector(effector)
    worker = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="worker")
    worker.attach_axon(
        cosmonapse.Axon(
            neuron_id="coder", neuron_fn=coder(), capabilities=["code"], tool_standard="auto",
            engrams=[cosmonapse.EngramBinding("notes", directed_id="notes")],
            effectors=[cosmonapse.EffectorBinding(name, directed_id=name) for name in TOOLS],
        )
    )  # fmt: skip
    desk = cosmonapse.Dendrite(synapse=bus, dendrite_id="desk")
    for node in (host, worker, desk):
        await node.start()
    for n in range(tasks):
        await desk.dispatch_and_wait(capabilities=["code"], input={"n": n})
    for node in (worker, host, desk):
        await node.stop()
    return lines


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    with kit.load(run_virtual(captured(8))) as made:
        yield made


def test_the_same_function_does_the_same_on_the_kits_bus(study: Study) -> None:
    assert {"RECALLED", "TOOL_RESULT", "IMPRINTED", "AGENT_OUTPUT"} <= {row["type"] for row in study.signals()}
    check(study.replay({"coder": coder()}), None)


@pytest.mark.parametrize("change", [item.name for item in fields(Changed)])
def test_a_changed_function_parts_at_exactly_that_step(study: Study, change: str) -> None:
    check(study.replay({"coder": coder(Changed(**{change: True}))}), change)


def test_the_five_lines_of_a_regression_test(study: Study, tmp_path: Any) -> None:
    path = tmp_path / "night.jsonl"
    path.write_text("\n".join(row["raw"] for row in study.sql("select raw from signals order by line").rows()))
    assert kit.assert_replays(path, coder()).agrees
    with pytest.raises(AssertionError, match="Summarise task 3' became 'Sum up task 3'"):
        kit.assert_replays(str(path), {"coder": coder(Changed(prompt=True))})
    assert json.loads(path.read_text().splitlines()[0])["v"] == "1"

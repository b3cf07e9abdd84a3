"""What a bus does to signals on their way, and neurons that leave in good order."""

import json
from typing import Any

import pytest

import kit
from kit import sim
from kit.cosmonapse.registry import MemoryRegistryStore
from kit.errors import ArgumentError
from kit.sim.delivery import LINE_BYTES


def namespace(count: int = 5, **options: Any) -> kit.Namespace:
    """A neuron whose answers are so many letters long that are two bytes each, and a task for it."""
    ns = kit.Namespace("lab", seed=3, **options)

    @ns.neuron("echo", capabilities=["echo"])
    async def echo(input: Any, context: Any) -> Any:
        return {"text": "é" * count}

    ns.arrivals(name="one", at=["1s"], neuron="echo", timeout="2s")
    return ns


def types(run: sim.Run) -> list[str]:
    return [json.loads(line)["type"] for line in run.lines()]


@pytest.mark.parametrize(("count", "arrives"), [(5_000, True), (10_500, True), (10_900, False), (70_000, False)])
def test_the_dev_bus_loses_what_is_longer_than_its_lines(count: int, arrives: bool) -> None:
    run = namespace(count, delivery="dev").run(until="5s")
    answers = [line for line in run.lines() if json.loads(line)["type"] == "AGENT_OUTPUT"]
    assert len(answers) == arrives
    assert [error for error in run.report.errors if "is lost" in error] == list(run.report.errors)
    assert bool(run.report.errors) is not arrives
    if arrives:
        # The frame is JSON in JSON, in ASCII.
        framed = json.dumps({"op": "pub", "subject": "cosmonapse.lab.AGENT_OUTPUT", "frame": answers[0]})
        assert len(framed) < LINE_BYTES


def test_other_buses_lose_nothing_and_give_the_lines_of_before() -> None:
    made = {name: namespace(70_000, delivery=name).run(until="5s") for name in ("memory", "nats", "kafka")}
    assert len({run.digest for run in made.values()}) == 1
    assert all(types(run).count("FINAL") == 1 for run in made.values())
    short = [namespace(5, delivery=name).run(until="5s").digest for name in ("memory", "dev")]
    assert short[0] == short[1]


@pytest.mark.parametrize(("delivery", "serial"), [("memory", False), ("nats", True), ("kafka", True)])
def test_nats_and_kafka_hand_over_one_task_after_the_other(delivery: str, serial: bool) -> None:
    ns = kit.Namespace("lab", seed=3, delivery=delivery)
    ns.model("slow", capabilities=["work"], service=sim.constant(s=1), workers=None)
    ns.arrivals(name="two", at=["1s", "1s"], neuron="slow")
    run = ns.run(until="10s")
    ended = [json.loads(line)["ts"] for line in run.lines() if json.loads(line)["type"] == "AGENT_OUTPUT"]
    assert [stamp[17:19] for stamp in ended] == (["02", "03"] if serial else ["02", "02"])


def test_a_scenario_keeps_its_bus_and_another_one_is_refused() -> None:
    scenario = sim.Scenario("lab", delivery="kafka")
    assert sim.Scenario.from_json(scenario.to_json()) == scenario
    assert scenario.namespace().synapse.delivery == "kafka"
    with pytest.raises(ArgumentError, match="delivery 'tcp': give 'memory', 'dev', 'nats', 'kafka'"):
        kit.Namespace("lab", delivery="tcp")


def drained(at: str = "3.5s", within: str = "60s") -> sim.Run:
    ns = kit.Namespace("lab", seed=3, heartbeat="1s", registry=MemoryRegistryStore())
    for name in ("first", "second"):
        ns.model(name, capabilities=["work"], service=sim.constant(s=2), workers=None)
    ns.arrivals(name="work", every="1s", capabilities=["work"])
    ns.drain("first", at=at, within=within)
    return ns.run(until="20s")


def test_who_drains_says_so_takes_nothing_new_and_finishes() -> None:
    signals = [json.loads(line) for line in drained().lines()]
    of_first = [s for s in signals if (s["directed"] or {}).get("id") == "first"]
    told = [s for s in of_first if s["type"] == "HEARTBEAT" and s["payload"] == {"status": "draining"}]
    gone = next(s for s in of_first if s["type"] == "DEREGISTER")
    assert told and gone["payload"] == {"reason": "drained"}
    answers = [s for s in of_first if s["type"] == "AGENT_OUTPUT"]
    asked = {s["id"]: s for s in signals if s["type"] == "TASK"}
    assert answers[-1]["ts"] < gone["ts"]
    assert any(told[0]["ts"] < s["ts"] for s in answers), "something was under way when it began to drain"
    assert all(asked[s["parent_id"]]["ts"] < told[0]["ts"] for s in answers)
    served = [s for s in signals if s["type"] == "FINAL"]
    assert len(served) == len(asked)


def test_a_registry_shows_who_drains() -> None:
    study = kit.load(drained())
    at = "2026-01-01T00:00:04Z"
    status = {row["neuron_id"]: row["status"] for row in study.neurons(as_of=at).rows()}
    assert (status["first"], status["second"]) == ("draining", "ok")
    study.close()


def test_what_takes_too_long_ends_without_a_reply() -> None:
    signals = [json.loads(line) for line in drained(within="500ms").lines()]
    gone = next(s for s in signals if s["type"] == "DEREGISTER" and s["directed"]["id"] == "first")
    assert gone["ts"][:21] == "2026-01-01T00:00:04.0"


def test_draining_is_refused_for_strangers_and_for_the_past() -> None:
    ns = namespace()
    with pytest.raises(ArgumentError, match="nobody is called 'nemo': there are echo"):
        ns.drain("nemo")
    ns.advance("5s")
    with pytest.raises(ArgumentError, match="has passed"):
        ns.drain("echo", at="2s")

"""What a bus does to signals on their way, and neurons that leave in good order."""

import asyncio
import contextlib
import gc
import json
from typing import Any

import cosmonapse
import dev_bus
import pytest

import kit
from kit import sim
from kit.cosmonapse.registry import MemoryRegistryStore
from kit.errors import ArgumentError
from kit.sim.delivery import LINE_BYTES, SUBSCRIPTION_BYTES


def types(run: sim.Run) -> list[str]:
    return [json.loads(line)["type"] for line in run.lines()]


def spoken(letter: str, count: int, **options: Any) -> kit.Namespace:
    """A neuron that answers with a letter so many times, and a task for it."""
    ns = kit.Namespace("lab", seed=3, **options)

    @ns.neuron("echo", capabilities=["echo"])
    async def echo(input: Any, context: Any) -> Any:
        return {"text": letter * count}

    ns.arrivals(name="one", at=["1s"], neuron="echo", timeout="2s")
    return ns


def longest(letter: str, limit: int) -> int:
    """Return how many of the letter the answer may have for its frame to have at most `limit` bytes."""
    (answer,) = [
        line for line in spoken(letter, 1).run(until="5s").lines() if json.loads(line)["type"] == "AGENT_OUTPUT"
    ]
    frame = {"op": "pub", "subject": "cosmonapse.lab.AGENT_OUTPUT", "frame": answer}
    each = len(json.dumps(letter)) - 2
    return 1 + (limit - len(json.dumps(frame, separators=(",", ":")))) // each


@pytest.mark.parametrize("letter", ["a", "é", "😀"])
def test_the_dev_bus_loses_what_its_lines_cannot_hold(letter: str) -> None:
    client, server = (longest(letter, limit) for limit in (LINE_BYTES - SUBSCRIPTION_BYTES, LINE_BYTES))
    found = {}
    for count in (client, client + 1, server, server + 1):
        ns, heard = spoken(letter, count, delivery="dev"), []

        @ns.orchestrator.on_agent_output
        async def hear(signal: Any, heard: list[Any] = heard) -> None:
            heard.append(signal)

        run = ns.run(until="5s")
        lost = [error for error in run.report.errors if "AGENT_OUTPUT" in error and "is lost" in error]
        found[count] = types(run).count("AGENT_OUTPUT"), len(heard), len(lost)
    assert found[client] == (1, 1, 0)
    assert found[client + 1] == found[server] == (1, 0, 1), "a tap sees it, and nobody else"
    assert found[server + 1] == (0, 0, 1)


@pytest.mark.servers
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("letter", ["a", pytest.param("😀", marks=pytest.mark.long)])
def test_the_bus_of_the_package_loses_the_same(letter: str) -> None:
    async def arrives(port: int, signal: Any) -> tuple[bool, bool]:
        """Whether a tap sees it, and whether a client of the package does."""
        tap, seen = dev_bus.Tap(port), asyncio.Event()
        listener, sender = [await cosmonapse.connect_synapse(f"cosmo://127.0.0.1:{port}") for _ in range(2)]

        async def hear(_: Any) -> None:
            seen.set()

        await listener.subscribe("cosmonapse.lab.AGENT_OUTPUT", hear)
        await asyncio.sleep(0.2)
        with contextlib.suppress(Exception):
            await asyncio.wait_for(sender.publish("cosmonapse.lab.AGENT_OUTPUT", signal), 5)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(seen.wait(), 2)
        tapped = tap.sees_something(1.0)
        tap.close()
        for bus in (listener, sender):
            with contextlib.suppress(Exception):
                await asyncio.wait_for(bus.close(), 1)
        return tapped, seen.is_set()

    (answer,) = [
        line for line in spoken(letter, 1).run(until="5s").lines() if json.loads(line)["type"] == "AGENT_OUTPUT"
    ]
    with dev_bus.running() as port:
        for limit, more, expected in (
            (LINE_BYTES - SUBSCRIPTION_BYTES, 0, (True, True)),
            (LINE_BYTES - SUBSCRIPTION_BYTES, 1, (True, False)),
            (LINE_BYTES, 0, (True, False)),
            (LINE_BYTES, 1, (False, False)),
        ):
            said = json.loads(answer)
            said["payload"]["output"]["text"] = letter * (longest(letter, limit) + more)
            signal = cosmonapse.Signal.decode(json.dumps(said, ensure_ascii=False))
            assert asyncio.run(arrives(port, signal)) == expected, (limit, more)
    gc.collect()  # the package leaves a connection open that the server has dropped


def test_other_buses_lose_nothing_and_give_the_lines_of_before() -> None:
    made = {name: spoken("é", 70_000, delivery=name).run(until="5s") for name in ("memory", "nats", "kafka")}
    assert len({run.digest for run in made.values()}) == 1
    assert all(types(run).count("FINAL") == 1 for run in made.values())
    short = [spoken("é", 5, delivery=name).run(until="5s").digest for name in ("memory", "dev")]
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
    ns = spoken("é", 5)
    with pytest.raises(ArgumentError, match="nobody is called 'nemo': there are echo"):
        ns.drain("nemo")
    ns.advance("5s")
    with pytest.raises(ArgumentError, match="has passed"):
        ns.drain("echo", at="2s")

"""asyncio on the clock of a simulation."""

import asyncio
from contextvars import ContextVar
from typing import Any

import cosmonapse
import pytest
from asynchronous import in_loop
from stage import Stage, axon
from virtual_loop import run_virtual

from kit import sim
from kit.errors import KernelError


def timed(bus: sim.Synapse, body: Any) -> tuple[Any, float]:
    begun = bus.now_s
    return bus.run(body), round(bus.now_s - begun, 3)


async def after(seconds: float, value: Any) -> Any:
    await asyncio.sleep(seconds)
    if isinstance(value, Exception):
        raise value
    return value


def test_sleep_gather_and_tasks_take_virtual_time() -> None:
    async def main() -> Any:
        task = asyncio.create_task(after(3, "c"))
        both = await asyncio.gather(after(1, "a"), after(2, "b"))
        await asyncio.sleep(0)
        return [*both, await task, asyncio.get_running_loop().time() > 1e9]

    assert timed(sim.Synapse(), main()) == (["a", "b", "c", True], 3.0)


def test_wait_for_gives_up_and_ends_what_it_waited_for() -> None:
    ended = []

    async def slow() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("closed")

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(slow(), 2)

    assert timed(sim.Synapse(), main()) == (None, 2.0)
    assert ended == ["closed"]


def test_errors_come_out_of_gather() -> None:
    async def main() -> Any:
        found = await asyncio.gather(after(1, ValueError("x")), after(2, 1), return_exceptions=True)
        with pytest.raises(ValueError, match="y"):
            await asyncio.gather(after(1, ValueError("y")), after(2, 1))
        return [repr(found[0]), found[1]]

    assert sim.Synapse().run(main()) == ["ValueError('x')", 1]


def test_events_locks_and_queues_work() -> None:
    async def main() -> list[Any]:
        log: list[Any] = []
        queue: asyncio.Queue[int] = asyncio.Queue(1)
        event, lock = asyncio.Event(), asyncio.Lock()

        async def puts() -> None:
            for n in range(3):
                await queue.put(n)
                await asyncio.sleep(1)
            event.set()

        async def holds(name: str) -> None:
            async with lock:
                await asyncio.sleep(1)
                log.append(name)

        tasks = [asyncio.create_task(puts()), asyncio.create_task(holds("p")), asyncio.create_task(holds("q"))]
        log += [await queue.get() for _ in range(3)]
        await event.wait()
        await asyncio.gather(*tasks)
        return log

    assert sorted(map(str, sim.Synapse().run(main()))) == ["0", "1", "2", "p", "q"]


def test_neurons_ask_side_by_side_and_nested_work_keeps_its_parent() -> None:
    async def boss(input: Any, context: Any, *, dispatch: Any, recall: Any) -> Any:
        replies = await asyncio.gather(*(dispatch(neuron="leaf", input={"n": n}) for n in range(3)))
        return [reply.payload["output"]["n"] for reply in replies]

    async def leaf(input: Any, context: Any) -> Any:
        await asyncio.sleep(1)
        return input

    stage = Stage()
    d = stage.node("d", axon("boss", fn=boss), axon("leaf", fn=leaf), role="orchestrator")
    reply = stage.run(stage.o.dispatch_and_wait(neuron="boss", input={}), d)
    outer, *inner = stage.sent("TASK")
    assert reply.payload == {"output": {"value": [0, 1, 2]}}
    assert {task.parent_id for task in inner} == {outer.id}
    assert stage.bus.now_s == pytest.approx(1, abs=0.01)


def test_what_a_callback_raises_is_kept() -> None:
    bus = sim.Synapse()

    async def main() -> None:
        asyncio.get_running_loop().call_later(1, {}.__getitem__, "missing")
        await asyncio.sleep(2)

    bus.run(main())
    assert [repr(error) for _, error in bus.errors] == ["KeyError('missing')"]


def test_a_wait_that_nothing_can_end_is_told() -> None:
    async def main() -> None:
        await asyncio.get_running_loop().create_future()

    with pytest.raises(KernelError, match="nothing is left to happen"):
        sim.Synapse().run(main())


@in_loop
async def test_a_running_loop_such_as_a_notebook_has_is_put_back() -> None:
    outer = asyncio.get_running_loop()
    assert sim.Synapse().run(after(5, "x")) == "x"
    assert asyncio.get_running_loop() is outer
    await asyncio.sleep(0)


async def searcher(input: Any, context: Any) -> Any:
    """A neuron as one writes it for the published package."""
    found = list(await asyncio.gather(after(60, "shelf"), after(3600, "cellar")))
    try:
        await asyncio.wait_for(after(86400, "attic"), timeout=600)
    except TimeoutError:
        found.append("not the attic")
    return {"found": found, "asked": input["q"]}


def test_a_neuron_of_the_published_package_runs_as_it_is() -> None:
    async def theirs() -> Any:
        bus = cosmonapse.MemorySynapse()
        await bus.connect()
        worker = cosmonapse.Dendrite(synapse=bus, role="worker", dendrite_id="w")
        worker.attach_axon(cosmonapse.Axon(neuron_id="searcher", neuron_fn=searcher))
        desk = cosmonapse.Dendrite(synapse=bus, dendrite_id="o")
        await worker.start()
        await desk.start()
        begun = asyncio.get_running_loop().time()
        reply = await desk.dispatch_and_wait(neuron="searcher", input={"q": "keys"}, timeout_s=None)
        return reply.payload, round(asyncio.get_running_loop().time() - begun)

    ns = sim.Namespace()
    ns.neuron("searcher")(searcher)
    reply = ns.ask(neuron="searcher", input={"q": "keys"}, timeout_s=None)
    assert (reply.payload, round(ns.now_s)) == run_virtual(theirs())
    assert reply.payload["output"]["found"] == ["shelf", "cellar", "not the attic"]


def test_a_task_knows_itself_and_can_be_cancelled_and_timed_out() -> None:
    async def main() -> Any:
        log: list[Any] = []

        async def careful() -> None:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                await asyncio.sleep(1)
                log.append("tidied")
                raise

        task = asyncio.create_task(careful(), name="careful")
        await asyncio.sleep(1)
        assert (task.get_name(), asyncio.current_task() is not task, task.cancel()) == ("careful", True, True)
        with pytest.raises(asyncio.CancelledError):
            await task
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2):
                await asyncio.sleep(60)
        with pytest.raises(ExceptionGroup) as failed:
            async with asyncio.TaskGroup() as group:
                group.create_task(careful())
                group.create_task(after(1, ValueError("x")))
        return log, task.cancelled(), [str(error) for error in failed.value.exceptions]

    assert timed(sim.Synapse(), main()) == ((["tidied", "tidied"], True, ["x"]), 6.0)


def test_what_waits_for_the_simulation_can_be_cancelled_too() -> None:
    bus = sim.Synapse()

    async def main() -> Any:
        async def waits() -> None:
            await bus.sleep("1h")

        async with asyncio.timeout(3):
            await asyncio.sleep(1)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(3):
                await bus.sleep("1h")
        task = asyncio.create_task(waits())
        await asyncio.sleep(1)
        task.cancel()
        return (await asyncio.gather(task, return_exceptions=True)), asyncio.current_task() is not None

    (found, known), seconds = timed(bus, main())
    assert ([type(error) for error in found], known, seconds) == ([asyncio.CancelledError], True, 5.0)


def test_context_variables_stay_in_their_neuron() -> None:
    who: ContextVar[str] = ContextVar("who", default="nobody")

    async def neuron(input: Any, context: Any) -> Any:
        before = who.get()
        who.set(input["name"])
        await asyncio.sleep(1)
        return {"before": before, "mine": who.get() == input["name"], "child": await asyncio.create_task(says())}

    async def says() -> str:
        return who.get()

    ns = sim.Namespace()
    ns.neuron("n")(neuron)
    replies = [ns.ask(neuron="n", input={"name": name}).payload["output"] for name in "ab"]
    assert replies == [{"before": "nobody", "mine": True, "child": name} for name in "ab"]
    assert who.get() == "nobody"

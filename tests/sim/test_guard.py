"""Rules of the protocol watched while a simulation runs: each is broken once on purpose, and the shrinker finds the culprit."""

from dataclasses import replace
from typing import Any

import pytest

import kit
from kit import sim
from kit.errors import ArgumentError, InvariantError


def shop(fidelity: Any = "sdk", seed: int = 7) -> kit.Namespace:
    """Two clerks, one of them bids, and requests for both."""
    ns = kit.Namespace("shop", seed=seed, fidelity=fidelity, latency=sim.constant(ms=1))
    ns.model("clerk", capabilities=["sell"], service=sim.exponential(ms=80), workers=4)
    ns.model("buyer", capabilities=["buy"], service=sim.constant(ms=300), bid=sim.uniform(1, 5), workers=4)
    ns.arrivals(name="sales", rate_per_s=5, capabilities=["sell"])
    ns.arrivals(name="buys", rate_per_s=1, capabilities=["buy"], offer="lowest_cost")
    return ns


def broken(ns: kit.Namespace, *rules: str, until: str = "1m", **options: Any) -> InvariantError:
    """What a guard says of a run that must break."""
    sim.guard(ns, *rules, **options)
    with pytest.raises(InvariantError) as caught:
        ns.run(until=until)
    return caught.value


@pytest.mark.parametrize("name", ["desk", "market"])
@pytest.mark.parametrize("fidelity", ["sdk", "spec"])
def test_shipped_scenarios_keep_all_rules_and_a_guard_changes_nothing(name: str, fidelity: Any) -> None:
    scenario = replace(sim.scenario(name), fidelity=fidelity)
    until = "1m" if name == "desk" else "5s"
    plain = scenario.run(3, until).digest
    ns = scenario.namespace(3)
    made = sim.guard(ns, within="20s")
    assert made.rules == ("award-once", "task-twice", "terminal-once", "work-after-stop", "task-open")
    assert ns.run(until=until).digest == plain
    assert repr(made) == f"<Guard of {name!r}: award-once, task-twice, terminal-once, work-after-stop, task-open>"


def test_a_task_that_is_delivered_twice_runs_twice_as_in_the_package_but_not_by_its_text() -> None:
    ns = shop()
    ns.faults.duplicate(0.3, types=["TASK"])
    error = broken(ns, "task-twice")
    assert error.rule == "task-twice"
    assert 0 < error.at_s < 60
    assert str(error).startswith(f"'task-twice' does not hold at {error.at_s:g} s of seed 7: AGENT_OUTPUT evt_")
    sent = {one.id: one for one in ns.synapse.tape.rows}
    assert sent[error.signal_id or ""].kind == "AGENT_OUTPUT"
    assert sent[error.signal_id or ""].trace_id == error.trace_id
    careful = shop("spec")
    careful.faults.duplicate(0.3, types=["TASK"])
    sim.guard(careful, "task-twice")
    assert careful.run(until="1m").report.signals > 1000


def test_an_offer_that_is_awarded_twice_is_found() -> None:
    ns = shop()

    async def again() -> None:
        lead = ns.orchestrator
        pathway = await lead.dispatch_offer(input={"q": "x"}, capabilities=["buy"], select="lowest_cost")
        (award,) = [
            one for one in ns.synapse.tape.rows if one.trace_id == pathway.trace_id and one.kind == "TASK_AWARDED"
        ]
        await ns.synapse.sleep("10ms")
        ns.synapse.send(lead, "TASK_AWARDED", award.payload, award.trace_id, award.parent_id, award.to)
        await ns.synapse.sleep("10ms")

    sim.guard(ns, "award-once")
    with pytest.raises(
        InvariantError, match=r"'award-once' .*TASK_AWARDED evt_\w+ \(buyer, trace .*was awarded by evt_"
    ):
        ns.run(until=again())


def test_a_trace_that_ends_twice_is_found() -> None:
    ns = shop()

    async def story() -> None:
        await ns.synapse.sleep("5s")
        await ns.orchestrator.dispatch(neuron="clerk", input={"q": "x"}, scope="terminal")
        await ns.synapse.sleep("2s")

    ns.faults.duplicate(1.0, types=["TASK"], at="5s")
    sim.guard(ns, "terminal-once")
    with pytest.raises(InvariantError) as caught:
        ns.run(until=story())
    error = caught.value
    assert "the trace had ended by evt_" in str(error)
    assert error.at_s > 5


def stopped(ns: kit.Namespace) -> Any:
    """A task that is stopped while it is worked on."""

    async def story() -> None:
        pathway = await ns.orchestrator.dispatch(neuron="buyer", input={"q": "x"})
        await ns.synapse.sleep("100ms")
        await ns.orchestrator.emit_stop(trace_id=pathway.trace_id)
        await ns.synapse.sleep("5s")

    return story()


def test_who_did_not_hear_of_a_stop_and_works_on_is_found_and_who_heard_is_not() -> None:
    calm = shop()
    sim.guard(calm, "work-after-stop", grace="50ms")
    calm.run(until=stopped(calm))
    ns = shop()
    ns.faults.drop(1.0, types=["STOP"])
    sim.guard(ns, "work-after-stop", grace="50ms")
    with pytest.raises(
        InvariantError, match=r"'work-after-stop' .* AGENT_OUTPUT .* acts 0\.20\d* s after the STOP evt_"
    ):
        ns.run(until=stopped(ns))
    patient = shop()
    patient.faults.drop(1.0, types=["STOP"])
    sim.guard(patient, "work-after-stop")  # a second of grace by default
    patient.run(until=stopped(patient))


def test_whoever_said_stopped_and_acts_is_found_at_once() -> None:
    ns = shop()
    buyer = ns.dendrites["buyer"]

    async def story() -> None:
        pathway = await ns.orchestrator.dispatch(neuron="buyer", input={"q": "x"})
        await ns.synapse.sleep("100ms")
        await ns.orchestrator.emit_stop(trace_id=pathway.trace_id)
        await ns.synapse.sleep("10ms")
        ns.synapse.send(buyer, "AGENT_OUTPUT", {"output": 1}, pathway.trace_id, None, "buyer")
        await ns.synapse.sleep("10ms")

    sim.guard(ns, "work-after-stop", grace="1m")
    with pytest.raises(InvariantError, match=r"'buyer' had said STOPPED to evt_"):
        ns.run(until=story())


def test_a_reply_is_due_within_a_bound_that_begins_when_the_last_fault_ends() -> None:
    ns = shop()
    ns.faults.crash("clerk", at="10s", for_="20s")
    error = broken(ns, "task-open", within="5s")
    assert 34.9 < error.at_s < 35.1  # what was sent in the crash is lost, and due 5 s after its end
    assert "TASK evt_" in str(error)
    assert "no reply and no STOP within 5 s" in str(error)
    for_ever = shop()
    for_ever.faults.crash("clerk", at="10s")
    sim.guard(for_ever, "task-open", within="5s")
    for_ever.run(until="1m")  # nothing is due under a fault that does not end


def test_an_award_is_due_too() -> None:
    ns = shop()
    ns.faults.drop(1.0, types=["AGENT_OUTPUT"], for_="1s")  # does not matter: it was sent
    ns.faults.drop(1.0, types=["TASK_AWARDED"], at="2s", for_="1s")
    error = broken(ns, "task-open", within="4s", until="20s")
    assert "TASK_AWARDED evt_" in str(error)
    assert 6.9 < error.at_s < 7.5


def test_a_rule_or_a_span_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ArgumentError, match="there is no rule 'award-twice'; there are award-once"):
        sim.guard(shop(), "award-twice")
    with pytest.raises(ArgumentError, match="within='0s'"):
        sim.guard(shop(), within="0s")


def test_a_guard_can_be_ended() -> None:
    ns = shop()
    ns.faults.duplicate(1.0, types=["TASK"])
    sim.guard(ns, "task-twice").end()
    ns.run(until="5s")


def test_the_shrinker_leaves_the_one_fault_that_breaks_a_rule_and_the_moment_it_does() -> None:
    desk = replace(
        sim.scenario("desk"),
        faults=(
            sim.Fault("pause", "courier", at="3s", for_="1s"),
            sim.Fault("duplicate", types=("TASK",), at="4s"),
            sim.Fault("slow", "planner", by="20ms"),
        ),
    )
    fails = sim.breaks("task-twice", seed=7)
    small, seconds = sim.shrink(desk, "20s", fails)
    assert [fault.kind for fault in small.faults] == ["duplicate"]
    assert len(small.arrivals) == 1
    assert fails(small, seconds)
    assert not fails(small, seconds - 0.001)
    made: dict[str, Any] = {}
    exec(small.code(7, seconds), made)
    assert made["scenario"] == replace(small, seed=7, until=seconds)
    assert made["run"].digest == small.run(7, seconds).digest
    ns = made["scenario"].namespace()
    sim.guard(ns, "task-twice")
    with pytest.raises(InvariantError) as caught:
        ns.run(until=seconds)
    assert seconds - 0.001 <= caught.value.at_s <= seconds


def test_the_code_of_a_scenario_can_be_pasted_whatever_is_in_it() -> None:
    hostile = sim.Scenario("it's '''so''' \\ \n", about='"""', seed="a 'seed'", until="2s")
    made: dict[str, Any] = {}
    exec(hostile.code(), made)
    assert made["scenario"] == hostile
    assert made["run"].digest == hostile.run().digest


def test_an_armed_fault_of_every_kind_is_in_a_share_of_the_runs() -> None:
    def strikes(seed: int) -> int:
        ns = shop(seed=seed)
        ns.engram("notes")
        ns.effector("disk", tools={})
        faults = ns.faults
        faults.crash("clerk", for_="1s", armed=0.5)
        faults.pause("clerk", for_="1s", armed=0.5)
        faults.slow("clerk", by="1ms", armed=0.5)
        faults.skew("clerk", by="1ms", armed=0.5)
        faults.partition(["clerk"], ["buyer"], armed=0.5)
        faults.engram("notes", armed=0.5)
        faults.effector("disk", armed=0.5)
        faults.drop(0.1, armed=0.5)
        ns.run(until="2s")
        return sum(word == "begins" for _, word, _ in faults.happened)

    counts = [strikes(seed) for seed in range(30)]
    assert 0.35 < sum(counts) / (30 * 8) < 0.65
    assert min(counts) < 4 < max(counts)

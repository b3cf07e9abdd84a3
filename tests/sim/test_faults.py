"""Faults: what each does, and that it leaves the draws of everybody else as they were."""

from collections.abc import Callable
from typing import Any

import pytest

import kit
from kit import sim
from kit.errors import ArgumentError
from kit.sim import Namespace


def pair(seed: int = 7, **service: Any) -> Namespace:
    """Return a namespace of two models with a stream of requests each, and memory."""
    ns = kit.Namespace("lab", seed=seed, heartbeat="5s")
    ns.engram("notes")
    ns.effector("fs", tools={"read": lambda: "text"})
    for name in "ab":
        took = service.get(name, sim.exponential(ms=80))
        ns.model(name, capabilities=[name], service=took, recalls="notes", calls=("fs", "read"), imprints="notes")
        ns.arrivals(name=name, rate_per_s=4, capabilities=[name], timeout="20s")
    return ns


def draws(run: sim.Run, name: str) -> list[float]:
    """Return how long each recall of a neuron was after its TASK began, and the keys it drew."""
    rows = run.signals.sql(
        f"SELECT payload FROM self WHERE type IN ('RECALL', 'IMPRINT') AND parent_id IN "
        f"(SELECT id FROM self WHERE type = 'TASK' AND payload LIKE '%\"{name} %') ORDER BY line"
    ).rows()
    return [row["payload"] for row in rows]


def arrivals(run: sim.Run, name: str) -> list[float]:
    """Return when the requests of a stream came, in whole milliseconds."""
    rows = run.signals.sql(
        f"SELECT ts FROM self WHERE type = 'TASK' AND payload LIKE '%\"{name} %' ORDER BY line"
    ).rows()
    return [round(row["ts"].timestamp(), 3) for row in rows]


CHANGES: dict[str, Callable[[], Namespace]] = {
    "a crash of the other": lambda: faulty("crash", "a", at="5s", for_="5s"),
    "drops to the other": lambda: faulty("drop", 0.5, receiver="a"),
    "a slow other": lambda: faulty("slow", "a", by=sim.exponential(ms=50)),
    "twice the service time of the other": lambda: pair(a=sim.exponential(ms=160)),
    "another model": lambda: with_third(),
}


def faulty(kind: str, *args: Any, **options: Any) -> Namespace:
    ns = pair()
    getattr(ns.faults, kind)(*args, **options)
    return ns


def with_third() -> Namespace:
    ns = pair()
    ns.model("c", capabilities=["c"], service=sim.exponential(ms=10))
    ns.arrivals(name="c", rate_per_s=9, capabilities=["c"])
    return ns


@pytest.fixture(scope="module")
def plain() -> sim.Run:
    return pair().run(until="20s")


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_in_one_place_leaves_the_draws_of_others_as_they_were(change: str, plain: sim.Run) -> None:
    changed = CHANGES[change]().run(until="20s")
    assert changed.digest != plain.digest
    assert draws(changed, "b") == draws(plain, "b")
    assert arrivals(changed, "b") == pytest.approx(arrivals(plain, "b"), abs=0.001)


def test_a_scaled_service_time_keeps_the_order_of_its_draws() -> None:
    service = sim.lognormal(ms=100, sigma=0.5)
    import random

    once, twice = service.sampler(random.Random("x")), service.scaled(2).sampler(random.Random("x"))
    assert [2 * once() for _ in range(50)] == pytest.approx([twice() for _ in range(50)])


def counted(ns: Namespace, until: str = "20s") -> dict[str, Any]:
    """Return what became of the requests to `a`, with counts of signals by type."""
    run = ns.run(until=until)
    return {**run.report.requests[0], **run.report.types, "run": run, "happened": ns.faults.happened}


def test_a_crashed_dendrite_is_silent_and_registers_when_it_is_back() -> None:
    found = counted(faulty("crash", "a", at="6s", for_="7s"))
    signals = found["run"].signals
    first = min(row["ts"] for row in signals.sql("SELECT min(ts) AS ts FROM self").rows())
    said = [
        (row["ts"] - first).total_seconds()
        for row in signals.sql("SELECT ts FROM self WHERE directed_id = 'a' AND type <> 'TASK' ORDER BY ts").rows()
    ]
    assert [second for second in said if 6 < second < 12.9] == []
    assert [kind for _, kind, _ in found["happened"]] == ["begins", "ends"]
    assert found["timed_out"] > 10
    back = signals.sql("SELECT count(*) AS n FROM self WHERE type = 'REGISTER' AND directed_id = 'a'").rows()
    assert back[0]["n"] >= 2


def test_a_paused_dendrite_handles_all_afterwards() -> None:
    found = counted(faulty("pause", "a", at="6s", for_="7s"))
    assert (found["timed_out"], found["failed"], found["completed"]) == (0, 0, found["started"])
    assert found["p99_ms"] > 6000


def test_lost_tasks_time_out_and_are_stopped() -> None:
    found = counted(faulty("drop", 0.3, receiver="a", types=["TASK"]))
    assert found["timed_out"] == found["STOP"] > 5


def test_a_duplicated_task_runs_twice_as_in_the_original() -> None:
    found = counted(faulty("duplicate", 1.0, receiver="a", types=["TASK"]))
    replies = found["run"].signals.sql("FROM self WHERE type IN ('AGENT_OUTPUT', 'ERROR') AND directed_id = 'a'")
    assert len(replies) == 2 * found["started"]
    assert found["ERROR"] > 10  # the FINAL of the first cancels what the second asks (spec/cosmonapse.md 5.10)


def test_a_duplicated_imprint_is_written_once() -> None:
    ns = faulty("duplicate", 1.0, receiver="notes", types=["IMPRINT"])
    versions = ns.run(until="20s").signals.sql(
        """SELECT max(CAST(payload ->> '$.version' AS INT)) AS v, count(*) AS n FROM self WHERE type = 'IMPRINTED'
           GROUP BY payload ->> '$.id'"""
    )
    assert {(row["v"] * 2, row["n"]) for row in versions.rows()} == {(row["n"], row["n"]) for row in versions.rows()}


def test_delays_and_overtaking_change_the_order_of_arrival() -> None:
    def seen(**fault: Any) -> list[str]:
        ns = kit.Namespace(seed=1)
        order: list[str] = []

        @ns.neuron("a")
        async def a(input: Any, context: Any) -> Any:
            order.append(input["q"])

        ns.arrivals(name="r", every="1ms", neuron="a", count=20)
        if fault:
            ns.faults.reorder(0.5, receiver="a", **fault)
        ns.run(until="1s")
        return order

    plain, mixed = seen(), seen(by="20ms")
    assert plain == [f"r {n}" for n in range(1, 21)]
    assert sorted(mixed) == sorted(plain)
    assert mixed != plain


def test_latency_delays_and_keeps_the_order_of_a_link() -> None:
    ns = kit.Namespace(seed=1, latency=sim.uniform(ms=(1, 50)))
    order: list[str] = []

    @ns.neuron("a")
    async def a(input: Any, context: Any) -> Any:
        order.append(input["q"])

    ns.arrivals(name="r", every="1ms", neuron="a", count=50)
    report = ns.run(until="1s").report
    assert order == [f"r {n}" for n in range(1, 51)]
    assert 10 < report.requests[0]["mean_ms"] < 110


def test_a_partition_cuts_two_groups_and_nobody_else() -> None:
    found = counted(faulty("partition", ["desk"], ["a"], at="5s", for_="5s"))
    assert found["timed_out"] > 5
    assert found["run"].report.requests[1]["timed_out"] == 0


def test_a_skewed_clock_stamps_ahead_or_behind() -> None:
    found = counted(faulty("skew", "a", by="2s", back=True))
    with kit.open() as study:
        study.load(found["run"])
        assert "clock-order" in {row["rule"] for row in study.check()}


def test_failing_memory_and_tools_are_seen_by_those_who_ask() -> None:
    ns = pair()
    ns.faults.engram("notes", at="5s", for_="5s")
    ns.faults.effector("fs", at="15s")
    found = counted(ns)
    assert found["RECALL"] > found["RECALLED"]
    errors = found["run"].signals.sql("FROM self WHERE type = 'TOOL_RESULT' AND payload LIKE '%EffectorError%'")
    assert len(errors) > 5


def test_a_poisoned_input_fails_its_neuron_alone() -> None:
    found = counted(faulty("poison", 0.2, neuron="a"))
    assert found["failed"] > 5
    assert found["run"].report.requests[1]["failed"] == 0


def test_drawn_faults_come_again_and_again_and_are_the_same_for_a_seed() -> None:
    def happened(seed: int) -> list[Any]:
        ns = pair(seed)
        ns.faults.crash("a", at="1s", every=sim.exponential(s=3), for_=sim.exponential(s=1))
        ns.run(until="30s", drain=0)
        return ns.faults.happened

    assert happened(7) == happened(7) != happened(8)
    assert len(happened(7)) > 6


def test_the_registry_notices_who_fell_silent() -> None:
    ns = pair()
    ns.model("keeper", capabilities=["k"], service=sim.constant(0))
    ns.dendrites["keeper"].registry_store = ns.store
    ns.faults.crash("a", at="6s")
    ns.start()
    ns.advance("40s")
    assert {record.neuron_id: record.status for record in ns.registry()}["a"] == "deregistered"


def test_an_armed_fault_is_there_in_a_share_of_the_runs_and_then_does_the_same() -> None:
    def hits(seed: int, armed: float) -> tuple[str, int]:
        ns = kit.Namespace("lab", seed=seed)
        ns.model("coder", capabilities=["code"], service=sim.constant(ms=5))
        ns.arrivals(name="work", every="100ms", capabilities=["code"], timeout="1s")
        ns.faults.drop(0.5, receiver="coder", types=("TASK",), armed=armed)
        run = ns.run(until="5s")
        return run.digest, len(ns.faults.happened)

    always = {seed: hits(seed, 1.0) for seed in range(20)}
    sometimes = {seed: hits(seed, 0.5) for seed in range(20)}
    never = {seed: hits(seed, 0.0) for seed in range(20)}
    there = [seed for seed, (_, happened) in sometimes.items() if happened]
    assert 4 <= len(there) <= 16
    assert all(sometimes[seed] == (always if seed in there else never)[seed] for seed in range(20))
    with pytest.raises(ArgumentError, match="armed=2"):
        sim.Fault("drop", armed=2)

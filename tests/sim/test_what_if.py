"""What if: the effect of a change agrees with queueing theory, is paired by seed, and stops at the precision asked for."""

import math

import pytest

from kit import sim
from kit.errors import ArgumentError
from kit.sim.what_if import altered


def queue(workers: int = 1, rate: float = 5.0) -> sim.Scenario:
    """Return an M/M/c queue with a mean service of 100 ms."""
    return sim.Scenario(
        "queue",
        models=(sim.Model("m", ("x",), sim.Behaviour(service=sim.exponential(ms=100)), workers=workers),),
        arrivals=(sim.Arrivals("r", rate_per_s=rate, capabilities=("x",), timeout="1h"),),
        heartbeat=0,
        stamp_us=(1, 1),
    )


def lab() -> sim.Scenario:
    """Return a planner and three workers, the first of whom is addressed by name."""
    work = sim.Behaviour(service=sim.gamma(ms=100, shape=2), cost_micro_usd=sim.constant(100))
    return sim.Scenario(
        "lab",
        models=(
            sim.Model("planner", ("plan",), sim.Behaviour(service=sim.exponential(ms=20))),
            *(sim.Model(f"worker-{n}", ("work",), work) for n in (1, 2, 3)),
        ),
        arrivals=(
            sim.Arrivals("r", rate_per_s=6, capabilities=("plan",), then=("work",)),
            sim.Arrivals("s", every=0.5, neuron="worker-3"),
            sim.Arrivals("t", gap=sim.gamma(ms=400, shape=3), capabilities=("plan",), then=("@worker-3",)),
        ),
        heartbeat=0,
    )


def test_more_load_on_one_worker_is_what_the_m_m_1_queue_says() -> None:
    """The time in an M/M/1 system is exponential with mean 1 / (mu - lambda)."""
    answer = queue().what_if(load=1.4, until="5m", least=8, most=8)
    for measure, share in (("p50_ms", 0.5), ("p90_ms", 0.9)):
        effect = answer[measure]
        before, after = (-math.log(1 - share) * 1000 / (10 - rate) for rate in (5.0, 7.0))
        assert effect.before_low < before < effect.before_high
        assert effect.after_low < after < effect.after_high
        # Three and a half standard errors: the answer is seeded, so this holds or it does not.
        assert abs(effect.change - (after - before)) < 1.5 * (effect.change_high - effect.change_low) / 2
    assert answer["busy m"].after == pytest.approx(0.7, abs=0.03)


@pytest.mark.long
def test_another_worker_is_what_erlang_says() -> None:
    answer = queue(2, 14.0).what_if(workers={"m": 3}, until="2m", least=6, most=6)

    def median(servers: int) -> float:
        offered = 1.4
        last = offered**servers / math.factorial(servers) * servers / (servers - offered)
        waits = last / (sum(offered**k / math.factorial(k) for k in range(servers)) + last)
        spare = servers * 10 - 14.0
        low, high = 0.0, 5.0
        for _ in range(60):
            t = (low + high) / 2
            served = math.exp(-10 * t)
            queued = (10 * math.exp(-spare * t) - spare * math.exp(-10 * t)) / (10 - spare)
            low, high = (t, high) if (1 - waits) * served + waits * queued > 0.5 else (low, t)
        return low * 1000

    effect = answer["p50_ms"]
    assert effect.before_low < median(2) < effect.before_high
    assert effect.after_low < median(3) < effect.after_high


def test_nothing_changes_where_nothing_is_asked() -> None:
    answer = lab().what_if(until=10, least=3, most=3)
    assert all(effect.change == 0 for effect in answer.effects)
    assert answer.question == "nothing changes"


def test_common_random_numbers_tell_small_changes_from_noise() -> None:
    effect = queue().what_if(service={"m": 0.97}, until="1m", least=6, most=6)["p50_ms"]
    assert effect.change_high < 0
    assert effect.change_high - effect.change_low < (effect.before_high - effect.before_low) / 4


def test_replications_are_added_until_the_precision_is_reached() -> None:
    rough = queue().what_if(load=1.2, until="1m", precision=0.5, least=3, most=30)
    fine = queue().what_if(load=1.2, until="1m", precision=0.12, least=3, most=30)
    assert rough.replications < fine.replications < 30
    assert rough.settled and fine.settled and max(fine.reached.values()) <= 0.12
    never = queue().what_if(load=1.2, until=5, precision=0.001, least=2, most=3)
    assert never.replications == 3 and not never.settled and "not reached" in repr(never)


def test_the_same_seed_gives_the_same_answer() -> None:
    first, second = (lab().what_if(load=1.5, until=10, least=3, most=3, seed=4) for _ in range(2))
    assert repr(first) == repr(second)
    assert first.runs.rows() == second.runs.rows()
    assert lab().what_if(load=1.5, until=10, least=3, most=3, seed=5).runs.rows() != first.runs.rows()


def test_requests_of_a_neuron_that_is_gone_go_to_who_can_do_the_same() -> None:
    made = altered(lab(), load={"r": 2.0}, remove="worker-3")
    r, s, t = made.arrivals
    assert (r.rate_per_s, s.every) == (12.0, 0.5)
    assert (s.neuron, s.capabilities) == (None, ("work",))
    assert t.then == ("work",)
    assert [model.id for model in made.models] == ["planner", "worker-1", "worker-2"]
    answer = lab().what_if(remove="worker-3", until=20, least=2, most=2)
    assert math.isnan(answer["busy worker-3"].after) and answer["success"].after == 1.0
    assert "- [-, -]" in repr(answer)


def test_load_brings_every_kind_of_arrivals_closer_together() -> None:
    r, s, t = altered(lab(), load=2.0).arrivals
    assert (r.rate_per_s, s.every) == (12.0, 0.25)
    assert t.gap is not None and t.gap.mean == pytest.approx(0.2)
    plain, busier = lab().run(seed=1, until=100), altered(lab(), load=2.0).run(seed=1, until=50)
    started = [run.report.requests[2]["started"] for run in (plain, busier)]
    assert abs(started[0] - started[1]) <= 1


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"remove": "planner"}, "nobody is left for plan|nobody else"),
        ({"remove": ("worker-1", "worker-2", "worker-3")}, "nobody is left for work, which"),
        ({"remove": "worker-9"}, "no 'worker-9'; there are"),
        ({"service": {"coder": 2}}, "service: no 'coder'"),
        ({"load": 0}, "a factor above 0"),
        ({"load": {"q": 2}}, "load: no 'q'"),
        ({"least": 1}, "at least 2 replications"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused_before_anything_runs(
    changes: dict[str, object], words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        lab().what_if(**changes)  # type: ignore[arg-type]


def test_a_fault_more_is_an_answer_too() -> None:
    crash = sim.Fault("crash", "worker-1", at="5s", for_="10s")
    answer = lab().what_if(faults=[crash], until=20, least=3, most=3)
    assert answer["p99_ms"].change > 0 or answer["success"].change < 0
    assert answer.question == "fault crash/worker-1"


def test_a_calibrated_scenario_is_drawn_anew_for_each_replication() -> None:
    import kit

    made = sim.calibrate(kit.load(lab().run(seed=1, until=40)))
    drawn = {made.drawn(seed).models[0].behaviour.service.mean for seed in range(5)}
    assert len(drawn) == 5
    assert made.drawn(3) == made.drawn(3)
    fitted = made.models[0].behaviour.service.mean
    assert all(abs(mean / fitted - 1) < 0.5 for mean in drawn)

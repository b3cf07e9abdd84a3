"""Two runs compared: what differs is found, what does not is left alone, and the distances are those of the definitions."""

import json
from functools import cache

import numpy as np
import pytest
from lines import line, stored

import kit
from kit import sim
from kit.compare import compare, wasserstein
from kit.compare.comparison import Comparison
from kit.compare.permutation import blocks, correlation_time, discoveries, p_values
from kit.errors import ArgumentError, NotFoundError


@cache
def run(
    seed: int, *, service: float = 60, fails: float = 0.03, rate: float = 4, seconds: float = 60, cost: float = 400
) -> sim.Run:
    """Return a run of a planner and two workers; the settings are what may differ."""
    ns = sim.Namespace("lab", seed=seed, heartbeat=0)
    ns.effector("fs", tools={"read": lambda: "text"}, service=sim.gamma(ms=12, shape=3))
    ns.model("planner", capabilities=["plan"], service=sim.lognormal(ms=30, sigma=0.3))
    for n in (1, 2):
        ns.model(
            f"worker-{n}",
            capabilities=["work"],
            service=sim.gamma(ms=service, shape=2),
            fails=fails,
            calls=("fs", "read"),
            cost_micro_usd=sim.lognormal(cost, sigma=0.3),
        )
    ns.arrivals(name="r", rate_per_s=rate, capabilities=["plan"], then=["work"], timeout="60s")
    return ns.run(until=seconds)


def compared(a: sim.Run, b: sim.Run, **options: object) -> Comparison:
    found = compare(a, b, **options)  # type: ignore[arg-type]
    assert isinstance(found, Comparison)
    return found


@pytest.fixture(scope="module")
def plain() -> sim.Run:
    return run(1, seconds=120)


def named(found: Comparison) -> set[tuple[str, str]]:
    return {(d.part, d.key) for d in found.found}


def test_a_run_and_itself_do_not_differ_and_are_no_distance_apart(plain: sim.Run) -> None:
    found = compared(plain, plain)
    assert not found.differs
    assert [d.value for d in found.distances] == [0.0] * 4
    assert all(d.delta == 0 and d.low <= 0 <= d.high for d in found.differences)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"service": 100}, {("time", "task worker-1"), ("time", "trace duration")}),
        ({"fails": 0.2}, {("outcome", "failed"), ("outcome", "MODEL_ERROR")}),
        ({"rate": 6}, {("load", "arrival gap")}),
        ({"cost": 600}, {("cost", "cost_micro_usd")}),
    ],
    ids=["service", "fails", "rate", "cost"],
)
def test_what_was_changed_is_found(plain: sim.Run, change: dict[str, float], expected: set[tuple[str, str]]) -> None:
    found = compared(plain, run(2, seconds=120, **change), conformance=False)  # type: ignore[arg-type]
    assert expected <= named(found)
    assert ("time", "task planner") not in named(found)
    assert found.headlines()


@pytest.mark.parametrize("pairs", [3, pytest.param(60, marks=pytest.mark.long)])
def test_a_shift_is_told_with_an_interval_that_holds_it_as_often_as_is_stated(pairs: int) -> None:
    missed = 0
    for n in range(pairs):
        found = compared(run(2000 + 2 * n), run(2001 + 2 * n, cost=600), conformance=False)
        (cost,) = [d for d in found.differences if d.key == "cost_micro_usd"]
        assert cost.q is not None and cost.p is not None and cost.p <= cost.q <= 0.05
        missed += not cost.low < 200 * np.exp(0.3**2 / 2) < cost.high
    # 5% of them, and three standard deviations.
    assert missed <= 0.05 * pairs + 3 * (0.05 * 0.95 * pairs) ** 0.5


def test_a_new_variant_and_one_that_vanished_are_told() -> None:
    def capture(*kinds: str) -> list[str]:
        made, number = [], 0
        for trace in range(40):
            cause = None
            for at, kind in enumerate(kinds if trace % 2 else ("TASK", "AGENT_OUTPUT", "FINAL")):
                number += 1
                made.append(line(kind, number, cause, on=str(trace), to="a", at=trace * 10 + at))
                cause = number
        return made

    with stored(*capture("TASK", "PLAN", "AGENT_OUTPUT", "FINAL")) as a, stored(*capture("TASK", "ERROR")) as b:
        found = compare(a, b, conformance=False)
    assert isinstance(found, Comparison)
    said = " | ".join(map(str, found.found))
    assert "variant TASK > ERROR: appears, 0.0% to 50.0% of traces" in said
    assert "variant TASK > PLAN > AGENT_OUTPUT > FINAL: vanishes, 50.0% to 0.0% of traces" in said
    assert {d.key for d in found.found} >= {"PLAN > AGENT_OUTPUT", "TASK > ERROR"}


@pytest.mark.parametrize(
    ("pairs", "load"),
    [
        (4, {}),
        pytest.param(60, {}, marks=pytest.mark.long),
        pytest.param(60, {"rate": 9, "service": 170}, marks=pytest.mark.long),
    ],
    ids=["few", "quiet", "busy"],
)
def test_equal_runs_differ_no_more_often_than_is_stated(pairs: int, load: dict[str, float]) -> None:
    both = ((run(1000 + 2 * n, **load), run(1001 + 2 * n, **load)) for n in range(pairs))  # type: ignore[arg-type]
    alarms = sum(compared(a, b, conformance=False).differs for a, b in both)
    # 5% of them, and three standard deviations.
    assert alarms <= 0.05 * pairs + 3 * (0.05 * 0.95 * pairs) ** 0.5


def test_p_values_of_exchangeable_blocks_are_uniform() -> None:
    rng = np.random.default_rng(4)
    found = []
    for _ in range(120):
        values = rng.exponential(size=(60, 1))
        found.append(p_values(values, np.ones((60, 1)), np.zeros(1, np.int64), 30, np.zeros((2, 1)), rng, 99)[0][0])
    for share in (0.05, 0.2, 0.5):
        assert np.mean(np.array(found) <= share) == pytest.approx(share, abs=3.5 * (share * (1 - share) / 120) ** 0.5)


def few_blocks(values: np.ndarray) -> tuple[float, np.ndarray]:
    """Return the p-value of the difference of means of ten blocks, five of each run, and the variances were they independent."""
    alone = values.reshape(2, 5, -1).var(axis=(1, 2)) / (5 * values.shape[1])
    sums = values.sum(axis=1, keepdims=True)
    rows = np.full((10, 1), float(values.shape[1]))
    rng = np.random.default_rng(7)
    return float(p_values(sums, rows, np.zeros(1, np.int64), 5, alone[:, None], rng, 999)[0][0]), alone


def test_of_few_blocks_a_small_p_value_is_as_rare_as_it_says() -> None:
    rng = np.random.default_rng(6)
    found = np.array([few_blocks(rng.normal(size=(10, 1)))[0] for _ in range(3000)])
    for share in (0.001, 0.01, 0.05):
        assert np.mean(found <= share) <= share + 3 * (share * (1 - share) / len(found)) ** 0.5


def test_of_few_blocks_one_run_far_from_the_other_is_told_more_surely_than_their_orders_can() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(size=(10, 1))
    values[5:] += 10
    assert few_blocks(values)[0] < 1e-4 < 2 / 252
    # The runs overlap: other orders are farther apart, and they alone count.
    values[0], values[9] = 10, 0
    assert few_blocks(values)[0] > 0.01


def test_no_p_value_is_0_however_far_two_runs_are_apart() -> None:
    tops = np.r_[np.full((100, 1), 1e6), np.full((100, 1), 2e6)] + np.arange(200)[:, None] % 7
    p = p_values(tops, np.ones((200, 1)), np.zeros(1, np.int64), 100, np.zeros((2, 1)), np.random.default_rng(1), 99)[0]
    assert 0 < p[0] < 1e-300


def test_few_events_beside_none_are_no_proof_however_evenly_they_fall() -> None:
    events = np.zeros((10, 100))
    events[5:, :2] = 1
    events[9, 2] = 1
    p, alone = few_blocks(events)
    assert alone[0] == 0 < alone[1]
    # 2 of 252 orders are as extreme. By the spread of the blocks alone, which is 1/11 of that of so many events, p would be 0.0004.
    assert p == pytest.approx(2 / 252, rel=0.6)


def test_the_false_discovery_rate_is_held_where_some_do_differ() -> None:
    rng = np.random.default_rng(9)
    wrong, told = 0, 0
    for _ in range(30):
        top = rng.normal(size=(80, 20))
        top[:40, :5] += 1.2
        q = discoveries(p_values(top, np.ones((80, 1)), np.zeros(20, np.int64), 40, np.zeros((2, 20)), rng, 999)[0])
        wrong += int((q[5:] <= 0.1).sum())
        told += int((q <= 0.1).sum())
    # At most 10% in the mean: 75% of it, since 5 of 20 differ, and three standard deviations.
    assert wrong / told <= 0.075 + 3 * (0.075 / 150) ** 0.5
    assert told >= 0.9 * 150


def test_traces_that_depend_on_each_other_are_exchanged_in_blocks() -> None:
    rng = np.random.default_rng(2)
    noise, slow = rng.normal(size=3000), np.zeros(3000)
    for n in range(1, 3000):
        slow[n] = 0.9 * slow[n - 1] + noise[n]
    assert correlation_time(noise) < 1.3
    assert correlation_time(slow) == pytest.approx(19, rel=0.35)  # (1 + 0.9) / (1 - 0.9)
    assert blocks(np.exp(noise[:250]), np.exp(noise[250:500])).length == 1
    assert blocks(np.exp(slow), np.exp(slow)).length > 50


def test_the_same_seed_gives_the_same_answer_and_the_text_holds_no_address(plain: sim.Run) -> None:
    other = run(2)
    first, second = compared(plain, other), compared(plain, other)
    assert repr(first) == repr(second)
    assert first.table().rows() == second.table().rows()
    assert "0x" not in repr(first)
    json.dumps(first.as_dict())


def test_the_wasserstein_distance_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(1)
    a = rng.exponential(size=500)
    assert wasserstein(a, a + 3.0) == pytest.approx(3.0)
    assert wasserstein(a, 2 * a) == pytest.approx(a.mean())
    b = rng.exponential(size=500)
    assert wasserstein(a, b) == pytest.approx(np.abs(np.sort(a) - np.sort(b)).mean())


def test_kit_compare_is_called_and_still_holds_its_parts(plain: sim.Run) -> None:
    study = kit.open()
    study.load(plain, run="before")
    study.load(run(2, fails=0.3), run="after")
    assert study.compare("before", "after").differs
    assert kit.compare(study, study, run_a="before", run_b="after").differs  # type: ignore[operator]
    assert kit.compare.runs.statuses(study, "before", "after").num_rows == 2
    with pytest.raises(ArgumentError, match="say it by run_a="):
        compare(study, plain)
    with pytest.raises(NotFoundError, match="'late'"):
        study.compare("before", "late")
    with pytest.raises(ArgumentError, match="a trace is compared to a trace"):
        compare(study.trace(study.traces(run="before").rows()[0]["trace_id"], run="before"), plain)


def test_captures_with_gaps_rings_and_skew_are_compared_with_a_statement() -> None:
    odd = [
        line("TASK", 1, to="a", at=0), line("AGENT_OUTPUT", 2, 1, to="a", at=-5), line("TASK", 3, 99, on="2", to="b", at=4),
        line("AGENT_OUTPUT", 4, 5, on="2", to="b", at=6), line("PLAN", 5, 4, on="2", at=7), line("PLAN", 6, 6, on="2", at=8),
    ]  # fmt: skip
    with stored(*odd, odd[0]) as a, stored(*odd) as b:
        found = compare(a, b)
    assert isinstance(found, Comparison) and not found.differs
    said = " ".join(found.notes)
    assert "1 signals whose cause is not in the capture" in said
    assert "3 signals on rings" in said


def test_two_traces_of_two_stores_are_compared_by_position(plain: sim.Run) -> None:
    first, second = kit.load(plain), kit.load(run(2, fails=1.0))
    done = next(row["trace_id"] for row in first.traces().rows() if row["status"] == "completed")
    failed = next(row["trace_id"] for row in second.traces().rows() if row["status"] == "failed")
    found = second.trace(failed) - first.trace(done)
    assert found.counts()["added"] == 1 and found.counts()["removed"] == 2
    assert found.headlines()[0].startswith("removed: ")
    assert (first.trace(done) - first.trace(done)).differs is False
    assert "<img" in found._repr_html_()

"""Sweeps over settings and seeds, invariants, and the smallest scenario that fails."""

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from kit import sim
from kit.errors import ArgumentError, InvariantError

SHOP = sim.Scenario(
    "shop",
    engrams=(sim.Memory("notes"),),
    models=(
        sim.Model("a", ("x",), sim.Behaviour(service=sim.exponential(ms=100))),
        sim.Model("b", ("y",), sim.Behaviour(service=sim.constant(ms=10))),
    ),
    arrivals=(
        sim.Arrivals("r", rate_per_s=8, capabilities=("x",)),
        sim.Arrivals("s", rate_per_s=2, capabilities=("y",)),
    ),
    faults=(sim.Fault("crash", "a", at="2s", for_="1s"), sim.Fault("drop", p=0.01)),
)


def test_an_experiment_is_a_row_per_combination_seed_and_stream(tmp_path: Path) -> None:
    experiment = sim.Experiment(
        SHOP,
        vary={"models.a.workers": [1, 4], "models.a.service": [sim.exponential(ms=50), sim.exponential(ms=100)]},
        seeds=range(2),
        until="5s",
    )
    path = tmp_path / "results.parquet"
    rows = experiment.run(path=path).rows()
    assert len(rows) == 2 * 2 * 2 * 2
    assert [row["stream"] for row in rows[:4]] == ["r", "s", "r", "s"]
    assert [row["seed"] for row in rows[:4]] == [0, 0, 1, 1]
    assert pq.read_table(path).to_pylist() == rows
    slow = {row["models.a.workers"]: row["mean_ms"] for row in rows if row["stream"] == "r" and row["seed"] == 0}
    assert slow[4] < slow[1]
    others = [row["started"] for row in rows if row["stream"] == "s" and row["seed"] == 1]
    assert len(set(others)) == 1  # common random numbers


@pytest.mark.servers
def test_more_processes_give_the_same_rows() -> None:
    experiment = sim.Experiment(SHOP, vary={"arrivals.r.rate_per_s": [2, 4, 8]}, seeds=(7,), until="2s")
    assert experiment.run(processes=2).rows() == experiment.run().rows()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("models.c.workers", 1, "no models 'c'"),
        ("models.a.wages", 1, "'wages' is no setting"),
        ("wages", 1, "'wages' is no setting"),
        ("workers.a.b", 1, "no such setting"),
        ("models.a.fails", 3, "probability"),
    ],
)
def test_a_setting_that_is_not_there_is_refused(path: str, value: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        sim.changed(SHOP, path, value)


def test_settings_of_all_parts_can_be_changed() -> None:
    assert sim.changed(SHOP, "faults.1.p", 0.5).faults[1].p == 0.5
    assert sim.changed(SHOP, "heartbeat", "1s").heartbeat == "1s"
    assert sim.changed(SHOP, "models.b.asks", 0.5).models[1].behaviour.asks == 0.5
    assert SHOP.faults[1].p == 0.01


def test_an_invariant_that_breaks_ends_the_run_and_says_when() -> None:
    ns = SHOP.namespace(7)
    sim.watch(ns, lambda ns: ns.callers["r"].in_flight < 8, every="100ms", name="few in flight")
    with pytest.raises(InvariantError, match=r"'few in flight' does not hold at [\d.]+ s of seed 7"):
        ns.run(until="1m")
    calm = SHOP.namespace(7)
    sim.watch(calm, lambda ns: None)
    assert calm.run(until="3s").report.signals > 0


def test_a_scenario_is_shrunk_to_what_makes_it_fail() -> None:
    def fails(scenario: sim.Scenario, until_s: float) -> bool:
        run = scenario.run(7, until_s, keep=False)
        return any(row["name"] == "r" and row["timed_out"] > 0 for row in run.report.requests)

    shop = sim.changed(SHOP, "arrivals.r.timeout", "2s")
    small, seconds = sim.shrink(shop, "20s", fails)
    assert [part.name for part in small.arrivals] == ["r"]
    assert len(small.faults) + len(small.models) <= 2
    assert (small.engrams, seconds < 20) == ((), True)
    assert fails(small, seconds)
    with pytest.raises(ArgumentError, match="nothing to shrink"):
        sim.shrink(shop, "20s", lambda scenario, until_s: False)

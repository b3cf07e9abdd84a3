"""Sweeps over settings and seeds, invariants, and the smallest scenario that fails."""

import subprocess
import sys
import time
from dataclasses import replace
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


def troubled(setup: str, **options: Any) -> sim.Experiment:
    return sim.Experiment(replace(SHOP, setup=(f"troubles:{setup}",)), until="3s", **options)


def test_a_run_that_fails_is_a_row_with_its_error() -> None:
    rows = troubled("by_seed", seeds=[0, 1, 4]).run(trust=True).rows()
    assert [(row["run"], row["seed"], row["stream"], row["error"]) for row in rows] == [
        (0, 0, "r", None),
        (0, 0, "s", None),
        (1, 1, None, "RuntimeError: no more"),
        (2, 4, "r", None),
        (2, 4, "s", None),
    ]
    assert (rows[2]["t"], rows[2]["digest"], rows[0]["t"] >= 3) == (1.0, None, True)
    assert 'raise RuntimeError("no more' in rows[2]["traceback"]


@pytest.mark.servers
def test_a_process_that_dies_or_hangs_is_a_row_and_the_others_go_on(tmp_path: Path) -> None:
    experiment = troubled("by_seed", seeds=range(6), time_limit_s=5)
    path = tmp_path / "results.parquet"
    rows = experiment.run(trust=True, processes=2, path=path).rows()
    errors = {row["seed"]: row["error"] for row in rows}
    assert {seed: error and error.split(" after ")[0] for seed, error in errors.items()} == {
        **dict.fromkeys((0, 4, 5)),
        1: "RuntimeError: no more",
        2: "process died: signal 9",
        3: "time limit: took more than 5 s of real time, and was ended",
    }
    alone = troubled("by_seed", seeds=[0, 4, 5], time_limit_s=5).run(trust=True).rows()
    digests = [row["digest"] for row in rows if row["error"] is None]
    assert digests == [row["digest"] for row in alone]
    assert pq.read_table(path).to_pylist() == rows
    assert len(list((tmp_path / "results.parquet.parts").iterdir())) == 6


def test_a_run_here_that_takes_too_long_says_when() -> None:
    row, *more = troubled("slowly", time_limit_s=0.06).run(trust=True).rows()
    assert (more, row["error"]) == ([], "time limit: took more than 0.06 s of real time")
    assert 0 < row["t"] < 3


def test_metrics_have_a_when_and_a_stop_ends_a_run() -> None:
    experiment = sim.Experiment(
        SHOP,
        seeds=[7],
        until="10s",
        metrics={
            "waiting": sim.Metric("callers.r.in_flight", every="2s"),
            "busy": sim.Metric("callers.r.in_flight", every="500ms", when=("callers.r.in_flight", ">", 1)),
            "all": "callers.r.started",
            "twice": lambda ns: 2 * ns.callers["r"].started,
        },
    )
    rows = experiment.run().rows()
    ended = rows[-1]
    assert [row["t"] for row in rows if row["waiting"] is not None] == [2, 4, 6, 8, 10]
    assert {row["busy"] for row in rows} - {None} and all(row["busy"] is None or row["busy"] > 1 for row in rows)
    assert [(row["all"], row["twice"]) for row in rows if row["all"] is not None] == [
        (ended_started(rows), 2 * ended_started(rows))
    ]
    plain = sim.Experiment(SHOP, seeds=[7], until="10s").run().rows()
    assert (ended["digest"], ended["t"]) == (plain[-1]["digest"], plain[-1]["t"])
    stopped = sim.Experiment(SHOP, seeds=[7], until="10s", stop=("callers.r.started", ">=", 5)).run().rows()
    assert stopped[0]["t"] < 4 and 5 <= stopped[0]["started"] < plain[0]["started"]


def ended_started(rows: list[dict[str, Any]]) -> int:
    return next(int(row["started"]) for row in rows if row["stream"] == "r")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"metrics": {"digest": "now_s"}}, "a column of that name"),
        ({"stop": ("now_s", "=", 1)}, "give a function, or a place"),
        ({"time_limit_s": 0}, "above 0"),
    ],
)
def test_what_an_experiment_cannot_measure_is_refused(options: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        sim.Experiment(SHOP, **options)
    row = sim.Experiment(SHOP, until=1, metrics={"x": "callers.q.started"}).run().rows()[0]
    assert row["error"] == "ArgumentError: 'callers.q.started': no 'q' there; there are r, s"


def test_ctrl_c_keeps_what_is_done_and_the_next_sweep_goes_on_from_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, ran = tmp_path / "results.parquet", []
    real = sim.Scenario.namespace

    def counted(self: Any, seed: Any, **options: Any) -> Any:
        ran.append(seed)
        if seed == 12 and ran.count(12) == 1:
            raise KeyboardInterrupt
        return real(self, seed, **options)

    monkeypatch.setattr(sim.Scenario, "namespace", counted)
    experiment = sim.Experiment(SHOP, seeds=[10, 11, 12, 13], until="2s")
    rows = experiment.run(path=path).rows()
    assert [(row["seed"], row["error"]) for row in rows if row["error"]] == [
        (12, "not done: interrupted"),
        (13, "not done: interrupted"),
    ]
    assert pq.read_table(path).to_pylist() == rows
    whole = experiment.run(path=path).rows()
    assert ran == [10, 11, 12, 12, 13]
    assert (whole[:4], [row["error"] for row in whole]) == (rows[:4], [None] * 8)
    assert [file.name for file in tmp_path.iterdir()] == ["results.parquet"]
    assert whole == experiment.run().rows()
    ran.clear()
    other = sim.Experiment(SHOP, seeds=[10, 11], until="3s")
    assert other.run(path=path).rows()[0]["digest"] != whole[0]["digest"]
    assert ran == [10, 11]


@pytest.mark.servers
def test_a_sweep_that_is_killed_leaves_its_finished_runs(tmp_path: Path) -> None:
    path = tmp_path / "results.parquet"
    program = (
        "from kit import sim\n"
        "made = sim.Experiment(sim.scenario('market'), seeds=range(50), until='20s')\n"
        f"made.run(path={str(path)!r}, processes=2)"
    )
    process = subprocess.Popen([sys.executable, "-c", program])
    parts = tmp_path / "results.parquet.parts"
    try:
        for _ in range(600):
            if parts.exists() and len(list(parts.glob("*.parquet"))) >= 2:
                break
            time.sleep(0.1)
    finally:
        process.kill()
        process.wait()
    (parts / ".000049-0.partial").write_bytes(b"PAR1")  # what a run leaves that was being written
    held = pq.read_table(parts).to_pylist()
    assert len({row["run"] for row in held}) >= 2  # whichever were over first
    assert not path.exists()
    first = sim.Experiment(sim.scenario("market"), seeds=[held[0]["seed"]], until="20s").run().rows()
    assert [row["digest"] for row in held if row["run"] == held[0]["run"]] == [row["digest"] for row in first]

"""`kit compare`, `kit calibrate`, `kit what-if`: answers, exit codes, JSON and pictures."""

import json
from pathlib import Path

import pytest
from commands import ROOT, call

from kit import sim

SMALL = ROOT / "datasets" / "cosmonapse-small.jsonl"


@pytest.fixture(scope="module")
def captures(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two captures of one namespace, the second with a worker that takes three times as long."""
    folder = tmp_path_factory.mktemp("captures")
    made = []
    for name, service in (("a.jsonl", 40), ("b.jsonl", 120)):
        ns = sim.Namespace("lab", seed=3, heartbeat=0)
        ns.model("worker", capabilities=["x"], service=sim.exponential(ms=service))
        ns.arrivals(name="r", rate_per_s=3, capabilities=["x"])
        made.append(ns.run(until=40).save(folder / name))
    return made[0], made[1]


def test_two_files_that_differ_are_a_finding(captures: tuple[Path, Path], tmp_path: Path) -> None:
    told = call("compare", *captures, "--plot", tmp_path / "d.png", code=1).stdout
    assert "'a.jsonl'" in told and "task worker is longer" in told
    assert (tmp_path / "d.png").stat().st_size > 5000
    found = json.loads(call("compare", *captures, "--json", code=1).stdout)
    assert found["differs"] and found["a"] == "a.jsonl"
    assert {row["measure"] for row in found["distances"]} >= {"cycle time", "arrival"}


def test_equal_files_and_two_runs_of_a_store_are_told_apart(captures: tuple[Path, Path], tmp_path: Path) -> None:
    assert "no difference" in call("compare", captures[0], captures[0]).stdout
    store = tmp_path / "s.duckdb"
    for name, path in zip(("before", "after"), captures, strict=True):
        call("load", path, "--store", store, "--run", name)
    assert "task worker" in call("compare", "before", "after", "--store", store, code=1).stdout
    assert "no run 'later'" in call("compare", "before", "later", "--store", store, code=2).stderr
    assert "share of false discoveries" in call("compare", *captures, "--alpha", "2", code=2).stderr


def test_a_capture_is_calibrated_and_its_scenario_asked(captures: tuple[Path, Path], tmp_path: Path) -> None:
    scenario, picture = tmp_path / "model.json", tmp_path / "c.png"
    told = call("calibrate", captures[0], "-o", scenario, "--plot", picture).stdout
    assert "service worker" in told and picture.stat().st_size > 5000
    assert json.loads(call("calibrate", captures[0], "--json").stdout)["requests"] > 50
    call("calibrate", captures[0], "--as-captured", "-o", tmp_path / "as-captured.json")
    assert all(stream["at"] for stream in json.loads((tmp_path / "as-captured.json").read_text())["arrivals"])
    asked = ("--load", "2", "--until", "10s", "--most", "2", "--service", "worker=0.5")
    answer = json.loads(call("what-if", scenario, *asked, "--json").stdout)
    assert answer["replications"] == 2
    assert answer["question"] == "2 times the load, service of worker times 0.5"
    assert "p95 ms" in call("what-if", captures[0], *asked, "--plot", tmp_path / "w.png").stdout
    assert "no 'nobody'" in call("what-if", scenario, "--remove", "nobody", code=2).stderr
    assert "give NEURON=NUMBER" in call("what-if", scenario, "--service", "worker", code=2).stderr


def test_a_capture_of_several_runs_needs_a_name(captures: tuple[Path, Path], tmp_path: Path) -> None:
    store = tmp_path / "s.duckdb"
    for name in ("one", "two"):
        call("load", SMALL, "--store", store, "--run", name)
    assert "say it by run=" in call("calibrate", "--store", store, code=2).stderr
    assert "not identified:" in call("calibrate", "--store", store, "--run", "one").stdout

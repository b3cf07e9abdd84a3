"""Scenarios as data, the shipped ones, and runs made again."""

import itertools
import json
import random
from pathlib import Path
from typing import Any

import cosmonapse
import pytest
from commands import call
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit import sim
from kit.errors import ArgumentError, NotFoundError, SourceError

counter = itertools.count()


async def honest(input: Any, context: Any) -> Any:
    return {"n": 1}


async def counting(input: Any, context: Any) -> Any:
    return {"n": next(counter)}


def one(function: str) -> sim.Scenario:
    return sim.Scenario(
        "one",
        neurons=(sim.Neuron("a", function, ("x",)),),
        arrivals=(sim.Arrivals("r", every="1s", capabilities=("x",)),),
        faults=(sim.Fault("crash", "a", at="3s", for_=sim.exponential(s=1), every="4s"),),
        latency=sim.uniform(ms=(1, 2)),
    )


@pytest.mark.parametrize("name", sim.SCENARIOS)
def test_a_scenario_comes_back_from_its_json(name: str) -> None:
    scenario = sim.scenario(name)
    assert sim.Scenario.from_json(scenario.to_json()) == scenario
    assert json.loads(scenario.to_json())["name"] == name


def test_a_scenario_of_ones_own_comes_back_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "one.json"
    path.write_text(one("m:f").to_json())
    assert sim.Scenario.load(path) == one("m:f")


TIMES = st.integers(0, 10**6).map(lambda n: f"{n}ms") | st.integers(0, 1000)


@given(
    st.lists(
        st.builds(sim.Memory, st.text(min_size=1), st.text(), st.none() | st.builds(sim.constant, s=st.floats(0, 9)))
    ),
    st.lists(st.builds(sim.Fault, st.just("drop"), at=TIMES, p=st.floats(0, 1), types=st.just(("TASK",)))),
    TIMES,
)
@settings(max_examples=50)
def test_any_scenario_comes_back_from_its_json(memory: Any, faults: Any, heartbeat: Any) -> None:
    made = sim.Scenario("s", engrams=tuple(memory), faults=tuple(faults), heartbeat=heartbeat)
    assert sim.Scenario.from_json(made.to_json()) == made


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "broken JSON"),
        ("[]", "an object is needed"),
        ("{}", "name"),
        ('{"name": "s", "nurons": []}', "'nurons' is not known"),
        ('{"name": "s", "models": [{"id": "a", "behaviour": {"fails": 2}}]}', "fails=2"),
        ('{"name": "s", "models": [{"id": "a"}, 3]}', r"scenario.models\[1\]: an object"),
        ('{"name": "s", "latency": {"distribution": "zipf", "values": [1]}}', "no distribution 'zipf'"),
        ('{"name": "s", "latency": {"distribution": "constant", "values": ["x"]}}', "is no distribution"),
    ],
)
def test_what_is_no_scenario_is_refused_with_the_place(text: str, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        sim.Scenario.from_json(text)


def test_a_scenario_from_elsewhere_runs_no_code_of_its_choice() -> None:
    with pytest.raises(ArgumentError, match="'os:abort' is not of the kit"):
        one("os:abort").run(1)
    with pytest.raises(ArgumentError, match="cannot be found"):
        one("kit.sim.shipped:nothing").run(1)
    assert one("mine").run(1, "5s", functions={"mine": honest}).report.types["AGENT_OUTPUT"] > 1
    assert one("json:dump").namespace(trust=True).axons["a"].neuron_fn is json.dump


def test_a_function_that_remembers_is_found_out() -> None:
    assert sim.check_determinism(one("f"), 7, until="5s", functions={"f": honest})
    found = sim.check_determinism(one("f"), 7, until="5s", functions={"f": counting})
    assert not found
    assert found.difference is not None
    assert '"output":{"n":' in found.difference[1]
    assert "2 digests" in repr(found)


@pytest.mark.servers
@pytest.mark.parametrize("name", sim.SCENARIOS)
def test_cosmonapse_47_the_shipped_scenarios_are_determined_in_any_process(name: str) -> None:
    found = sim.check_determinism(name, 7, until="10s", hash_seeds=(0, 4711))
    assert found.same, found
    assert len(found.digests) == 4


@pytest.mark.parametrize(("name", "until"), [("desk", "90s"), ("market", "10s")])
def test_the_shipped_scenarios_break_no_rule_and_pass_the_published_package(name: str, until: str) -> None:
    run = sim.scenario(name).run(7, until)
    lines = list(run.lines())
    assert [line for line in lines if cosmonapse.Signal.decode(line).encode() != line.encode()] == []
    with kit.open() as study:
        assert study.load(run).rows == len(lines)
        assert study.check().rows() == []
        (row,) = study.runs().rows()
        assert (row["kind"], row["seed"], row["digest"]) == ("simulation", 7, run.digest)
        assert sim.Scenario.from_json(row["scenario"]) == sim.scenario(name)


def test_every_type_of_the_published_package_occurs_on_the_desk() -> None:
    run = sim.scenario("desk").run(7, "90s")
    assert set(run.report.types) == {kind.value for kind in cosmonapse.SignalType}


def test_cosmonapse_22_the_tasks_of_awards_are_not_published_and_are_found_again() -> None:
    with kit.open() as study:
        study.load(sim.scenario("market").run(7, "5s"))
        labels = {row["label"] for row in study.structure()}
        awards = len(study.signals(type="TASK_AWARDED"))
        assert len(study.signals(type="TASK")) == 0
        assert labels <= {"root", "attached", "phantom"}
        assert awards > 50


def test_cosmonapse_50_a_stopped_trace_is_stopped() -> None:
    with kit.open() as study:
        study.load(sim.scenario("desk").run(7, "90s"))
        status = study.sql(
            "SELECT DISTINCT trace_id FROM signals WHERE type = 'STOP' AND payload ->> '$.reason' = 'timeout'"
        ).rows()
        assert len(status) > 2
        found = {row["trace_id"]: row["status"] for row in study.traces()}
        assert {found[row["trace_id"]] for row in status} == {"stopped"}


def test_a_saved_run_is_made_again(tmp_path: Path) -> None:
    path = sim.scenario("market").run(3, "5s").save(tmp_path / "m.jsonl")
    assert sim.rerun(path).digest == json.loads((tmp_path / "m.jsonl.run.json").read_text())["digest"]
    told = json.loads((tmp_path / "m.jsonl.run.json").read_text())
    (tmp_path / "m.jsonl.run.json").write_text(json.dumps({**told, "seed": 4}))
    with pytest.raises(SourceError, match="has digest"):
        sim.rerun(path)
    (tmp_path / "m.jsonl.run.json").write_text("{}")
    with pytest.raises(SourceError, match="does not say how"):
        sim.rerun(path)
    with pytest.raises(SourceError, match="cannot be read"):
        sim.rerun(tmp_path / "none.jsonl")


def test_an_unknown_scenario_is_told_with_those_there_are() -> None:
    with pytest.raises(NotFoundError, match="there are desk, market"):
        sim.scenario("bazaar")


# The command


def test_the_command_writes_the_lines_and_says_what_it_made(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    result = call("simulate", "market", "--seed", 7, "--until", "3s", "-o", path, "--json")
    told = json.loads(result.stdout)
    run = sim.scenario("market").run(7, "3s")
    assert told == {
        "signals": len(run),
        "events": told["events"],
        "virtual_s": run.virtual_s,
        "digest": run.digest,
    }
    assert told["events"] > 0
    assert path.read_text().splitlines() == list(run.lines())
    assert sim.rerun(path).digest == run.digest


def test_the_command_takes_a_file_and_pipes_lines(tmp_path: Path) -> None:
    path = tmp_path / "m.json"
    path.write_text(sim.scenario("market").to_json())
    piped = call("simulate", path, "--until", "2s", "-o", "-")
    assert piped.stdout.splitlines() == list(sim.scenario("market").run(0, "2s").lines())
    assert "digest" in call("simulate", "market", "--until", "2s").stdout


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("bazaar",), "there are desk, market"),
        (("market", "--until", "soon"), "no span of time"),
        (("none.json",), "none.json"),
    ],
)
def test_the_command_refuses_what_cannot_be(args: tuple[str, ...], says: str) -> None:
    assert says in call("simulate", *args, code=2).stderr


# Distributions


@pytest.mark.parametrize(
    "of",
    [
        sim.constant(ms=5),
        sim.uniform(ms=(10, 30)),
        sim.exponential(ms=20),
        sim.lognormal(ms=20, sigma=0.5),
        sim.gamma(ms=20, shape=3),
        sim.weibull(ms=20, shape=1.5),
        sim.pareto(ms=20, shape=3),
        sim.empirical(ms=[1, 2, 30]),
        sim.uniform(2, 8),
    ],
    ids=lambda of: of.name,
)
def test_draws_have_the_mean_that_is_told_and_come_back_from_json(of: sim.Distribution) -> None:
    draw = of.sampler(random.Random(5))
    drawn = [draw() for _ in range(20_000)]
    assert sum(drawn) / len(drawn) == pytest.approx(of.mean, rel=0.03)
    assert sim.Distribution.from_json(json.loads(json.dumps(of.as_json()))) == of

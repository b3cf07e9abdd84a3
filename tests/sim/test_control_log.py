"""The forms of a control log: code, JSON, the file of a run."""

import json
from pathlib import Path
from typing import Any

import pytest
from sim.test_control import desk, lab

import kit
from kit import sim
from kit.errors import ArgumentError, KernelError, SourceError
from kit.sim import Controller, ControlLog
from kit.sim.command import LOGGED, command_from_json


@pytest.mark.parametrize("name", ["desk", "market"])
def test_the_code_of_a_scenario_needs_nothing_else(name: str) -> None:
    control = Controller(kit.Namespace.from_scenario(name, seed=3))
    control.run_until("2s")
    control.crash(next(iter(control.namespace.axons)), for_="1s")
    control.dispatch("it's", capabilities=[control.namespace.orchestrator.dendrite_id])
    control.run_until("4s")
    code = control.code()
    assert f"from_scenario({name!r}, seed=3)" in code
    there: dict[str, Any] = {}
    exec(code, there)
    assert there["control"].digest == control.digest


def test_the_code_of_other_namespaces_takes_them_from_a_variable() -> None:
    own = sim.Scenario("mine", models=(sim.Model("a", ("x",)),), arrivals=(sim.Arrivals("r", every="1s", neuron="a"),))
    changed = kit.Namespace.from_scenario(own, seed=1)
    changed.model("b", capabilities=["y"])
    begun = desk()
    begun.advance("1s")
    for ns in (lab(), changed, begun):
        code = Controller(ns).code("my_lab")
        assert "from_scenario" not in code
        assert "control = kit.sim.Controller(my_lab)" in code
    control = Controller(kit.Namespace.from_scenario(own, seed="x y"))
    control.run_until("5s")
    exec(control.code(), {})
    control = Controller(begun_again := lab())
    assert begun_again.control is control
    control.run_until("2s")
    control.crash("tester")
    control.run_until("4s")
    exec(control.code("my_lab"), {"my_lab": lab()})


def test_a_saved_run_holds_its_log_and_is_made_again_with_it(tmp_path: Path) -> None:
    control = Controller(desk())
    control.run_until("5s")
    control.crash("writer", for_="2s")
    control.run_until("9s")
    path = control.snapshot().save(tmp_path / "desk.jsonl")
    assert sim.rerun(path).digest == control.digest
    told = path.with_name("desk.jsonl.run.json")
    data = json.loads(told.read_text())
    data["control"]["entries"] = []
    told.write_text(json.dumps(data))
    with pytest.raises((SourceError, KernelError)):
        sim.rerun(path)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ("{", "not a control log"),
        ("[]", "not a control log"),
        ({"entries": [{"do": "explode"}], "events": 0, "us": 0, "digest": ""}, "not a control log|is no command"),
        ({"entries": [{"do": "explode", "events": 1, "us": 1}], "events": 0, "us": 0, "digest": ""}, "is no command"),
        ({"entries": [{"do": "step", "by": 3, "events": 1, "us": 1}], "events": 0, "us": 0, "digest": ""}, "no 'step'"),
        ({"entries": [{"do": "inject", "events": 1, "us": 1}], "events": 0, "us": 0, "digest": ""}, "no 'inject'"),
        ({"entries": [{"do": "inject", "fault": {"kind": "__import__"}, "events": 1, "us": 1}]}, "not a|none of"),
        ({"entries": [7], "events": 0, "us": 0, "digest": ""}, "an object is needed"),
    ],
)
def test_a_broken_log_is_refused_in_words(data: Any, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        ControlLog.from_json(data)


def test_every_command_has_a_json_form_and_a_call_that_say_it_again() -> None:
    log = Controller(lab())
    calls = """play() pause() speed(10.0) speed() step(3) step(2,of='events') run_until('1s') next() at(1,2)
        break_at('TASK',neuron='a') break_at() dispatch('x',neuron='a') dispatch({'n':[1]},capabilities=['a','b'],offer='first_bid')
        answer('evt_1','x') answer('evt_1',granted=False,reason='no') inject('slow','a',by=kit.sim.exponential(ms=3),for_='1s')
        inject('partition',groups=[['a'],['b','c']]) inject('drop',p=0.5,types=['TASK']) crash('a') crash('a',for_='2s')
        stop_trace('trc_1') stop_trace('trc_1',rollback=True,reason='r') workers('a',None) workers('a',2) rate('a',1.5) finish()
        finish(drain='1s')"""
    seen: list[Any] = []
    log.do = seen.append  # type: ignore[method-assign]
    for call in calls.split():
        exec(f"log.{call}", {"log": log, "kit": kit})
        command = seen.pop()
        assert command_from_json(json.loads(json.dumps(command.as_json()))) == command
        exec(f"log.{command.call()}", {"log": log, "kit": kit})
        assert seen.pop() == command
    assert {call.partition("(")[0] for call in calls.split()} - {"crash"} == set(LOGGED)

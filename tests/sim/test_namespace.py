"""A simulated namespace, the short way, and its Run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cosmonapse
import pyarrow as pa
import pytest

import kit
from kit import sim
from kit.errors import ArgumentError, KernelError
from kit.sim.tape import BATCH, Tape


def read(path: str) -> str:
    return f"text of {path}"


def office(seed: int = 7, **options: Any) -> kit.Namespace:
    """Return the namespace of the guide: a function, a model, memory, a tool, requests."""
    ns = kit.Namespace("lab", seed=seed, **options)

    @ns.neuron("coder", capabilities=["code"])
    async def coder(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        hit = await recall("notes", query={"text": input["q"]})
        if hit.hits:
            return {"answer": hit.hits[0].entry}
        return {"answer": await call_tool("fs", "read_file", path="a.py")}

    ns.model("tester", capabilities=["test"], service=sim.lognormal(ms=120, sigma=0.4), fails=0.02, workers=3)
    ns.engram("notes")
    ns.effector("fs", kind="filesystem", tools={"read_file": read})
    ns.arrivals(rate_per_s=5, capabilities=["code"], then=["test"])
    return ns


@pytest.fixture(scope="module")
def run() -> sim.Run:
    ns = office()
    ns.faults.crash("tester", at="30s", for_="10s")
    return ns.run(until="1m")


def test_the_guide_works_as_it_stands(run: sim.Run) -> None:
    (requests,) = run.report.requests
    assert requests["started"] == requests["completed"] + requests["failed"] + requests["timed_out"]
    assert requests["timed_out"] > 0
    assert requests["in_flight"] == 0
    (call,) = run.signals.sql("SELECT payload FROM self WHERE type = 'TOOL_RESULT' ORDER BY line LIMIT 1").rows()
    assert json.loads(call["payload"]) == {"tool": "read_file", "result": "text of a.py"}
    assert f"digest {run.digest}" in repr(run)


def test_the_first_example_of_the_page_runs_as_it_stands() -> None:
    page = (Path(__file__).parents[2] / "docs" / "simulation.md").read_text()
    block = page.partition("```python\n")[2].partition("```")[0]
    assert 'until="10m"' in block
    names: dict[str, Any] = {}
    exec(block.replace('until="10m"', 'until="5s"'), names)
    assert len(names["study"].signals()) == len(names["run"]) > 100
    names["study"].close()


def test_a_run_loads_as_the_capture_of_it_would(run: sim.Run, tmp_path: Path) -> None:
    with kit.open() as study:
        report = study.load(run, run="before")
        assert (report.rows, report.lines, report.quarantined) == (len(run), len(run), 0)
        assert study.runs().rows() == [
            {"run": "before", "kind": "simulation", "scenario": None, "seed": 7, "digest": run.digest}
        ]
        loaded = study.sql("FROM signals ORDER BY line").arrow()
        made = run.arrow()
        for name in set(made.column_names) - {"run", "source_id"}:
            assert loaded[name].to_pylist() == made[name].to_pylist(), name
        study.load(run.save(tmp_path / "run.jsonl"), run="file")
        assert study.diff_runs("before", "file").df().equals(study.diff_runs("file", "before").df())


def test_cosmonapse_48_the_published_package_writes_every_line_to_the_same_bytes(run: sim.Run) -> None:
    lines = list(run.lines())
    assert len(lines) == len(run)
    assert [line for line in lines if cosmonapse.Signal.decode(line).encode() != line.encode()] == []
    assert [
        line for line in lines if kit.cosmonapse.Signal.decode(line, level="strict").encode() != line.encode()
    ] == []


@pytest.mark.servers
def test_cosmonapse_48_cosmo_validate_finds_no_error(run: sim.Run, tmp_path: Path) -> None:
    path = run.save(tmp_path / "run.jsonl")
    tool = Path(sys.executable).with_name("cosmo")
    done = subprocess.run([tool, "validate", path], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_healthy_run_breaks_no_rule() -> None:
    with kit.open() as study:
        study.load(office().run(until="1m"))
        assert study.check().rows() == []


def test_stamps_and_ids_go_up_together(run: sim.Run) -> None:
    table = run.arrow()
    stamps, ids = table["ts"].to_pylist(), table["id"].to_pylist()
    assert stamps == sorted(stamps)
    assert len(set(stamps)) == len(stamps)
    assert ids == sorted(ids)
    assert len(set(ids)) == len(ids)


def test_the_tape_spills_to_files_and_gives_the_same() -> None:
    def taped(spill_rows: int | None) -> Tape:
        bus = sim.Synapse(seed=7, tape=Tape(spill_rows=spill_rows))
        node = sim.Dendrite(synapse=bus, dendrite_id="n")
        node.begin()
        for n in range(BATCH * 2 + 100):
            bus.send(node, "PLAN", {"steps": [n]}, "trc_1", None, "é", None, ("a", "b") if n % 2 else None)
        return bus.tape

    kept, spilled = taped(None), taped(1)
    assert (kept.spilled, spilled.spilled) == (0, 2)
    assert pa.Table.from_batches(spilled.batches()) == pa.Table.from_batches(kept.batches())
    assert spilled.digest == kept.digest
    assert len(spilled) == BATCH * 2 + 100


def test_a_namespace_can_be_driven_step_by_step_to_the_same_end() -> None:
    whole, steps = office().run(until="30s"), office()
    for _ in range(30):
        steps.advance("1s")
    snapshot = steps.snapshot()
    assert steps.finish().digest == whole.digest
    assert len(snapshot) < len(whole)
    assert list(snapshot.lines()) == list(whole.lines())[: len(snapshot)]


def test_one_can_ask_and_go_on() -> None:
    ns = office()
    reply = ns.ask(neuron="coder", input={"q": "x"})
    assert json.loads(reply.encode())["payload"]["output"]["answer"]["result"] == "text of a.py"
    assert {record.neuron_id for record in ns.registry()} == {"coder", "tester", "fs"}
    ns.run(until="10s")
    with pytest.raises(KernelError, match="has run"):
        ns.run(until="20s")


def test_a_run_can_last_as_long_as_a_coroutine() -> None:
    ns = office()

    async def main() -> None:
        await ns.orchestrator.dispatch_and_wait(neuron="coder", input={"q": "mine"})
        await ns.synapse.sleep("2s")

    run = ns.run(main())
    assert 2 < run.virtual_s < 3
    assert run.until is None


def test_reprs_say_who_is_there() -> None:
    ns = office()
    assert repr(ns) == "<Namespace 'lab', seed 7: 2 neurons, 1 engrams, 1 effectors, 0 s, 0 signals>"
    assert "<td>fs</td><td>effector</td><td>filesystem</td>" in ns._repr_html_()
    assert ns.run(until=1)._repr_html_().startswith("<pre>run of &#x27;lab&#x27;")


def recalling(input: Any, context: Any, *, recal: Any) -> None: ...


@pytest.mark.parametrize(
    ("shown", "text"),
    [
        (sim.lognormal(ms=120, sigma=0.4), "lognormal(ms=120, sigma=0.4)"),
        (sim.uniform(1, 5), "uniform(1, 5)"),
        (sim.uniform(ms=(50, 150)), "uniform(ms=(50, 150))"),
        (sim.gamma(2, shape=3), "gamma(2, shape=3)"),
        (sim.empirical([1, 2]), "empirical((1, 2))"),
        (sim.empirical(s=range(9)), "empirical(s=(0, 1, 2, 3, … 9 values))"),
        (sim.Fault("crash", "a", at="1m", for_="2s"), "Fault(kind='crash', target='a', at='1m', for_='2s')"),
    ],
    ids=str,
)
def test_distributions_and_faults_show_as_they_are_written(shown: Any, text: str) -> None:
    assert repr(shown) == text


def test_callers_and_faults_say_what_came_of_them() -> None:
    ns = office()
    ns.faults.crash("coder", at="1s", for_="1s")
    caller = ns.arrivals(name="r", at=["10s"], capabilities=["code"])
    ns.run(until="20s")
    assert repr(caller) == "<Caller 'r': 1 started, 1 completed, 0 failed, 0 timed out, 0 unserved>"
    assert repr(ns.faults) == "<Faults: 1 planned, 2 beginnings and ends so far>"


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (lambda ns: ns.engram("coder"), "'coder' is taken"),
        (lambda ns: ns.model("m", fails=2), "probability"),
        (lambda ns: ns.model("m", bid="cheap"), "bid='cheap'"),
        (lambda ns: ns.model("m", service=sim.lognormal(ms=1, s=2, sigma=1)), "give one value"),
        (lambda ns: ns.model("m", service=sim.uniform(ms=(2, 1))), "cannot be drawn"),
        (lambda ns: ns.model("m", workers=0), "workers 0"),
        (lambda ns: ns.model("m", service=5), "service=5: give a distribution"),
        (lambda ns: ns.model("m", tokens_in="many"), "tokens_in='many': give a distribution"),
        (lambda ns: ns.model("m", asks_permission=2), "asks_permission=2: give a probability"),
        (lambda ns: ns.model("m", asks=0.8, asks_permission=0.3), "both together are at most 1"),
        (lambda ns: ns.effector("e", fails=-1), "effector 'e': fails=-1: give a probability"),
        (lambda ns: ns.model("m", servce=1), r"model\(\): 'servce' is not known; there are service, "),
        (lambda ns: ns.model("m", capabilities="x"), r"capabilities='x': give a list, \['x'\]"),
        (lambda ns: ns.neuron("n")(lambda: 1), "neuron 'n': too many positional arguments"),
        (lambda ns: ns.neuron("n")(recalling), r"missing a required.* argument: 'recal'; .*recall, imprint"),
        (lambda ns: ns.arrivals(rate=1, capabilities=["x"]), r"arrivals\(\): 'rate' is not known"),
        (lambda ns: ns.arrivals(rate_per_s=1, capabilities="x"), "capabilities='x': give a list"),
        (lambda ns: ns.arrivals(at="30s", capabilities=["x"]), "at='30s': give a list"),
        (lambda ns: sim.Arrivals("a", rate_per_s=1, capabilities="x"), "capabilities='x': give a list"),
        (lambda ns: ns.arrivals(rate_per_s=1, capabilities=["x"], then=["y"], attempts=2), "not with offer= or then="),
        (lambda ns: ns.arrivals(rate_per_s=1), "say for whom"),
        (lambda ns: ns.arrivals(capabilities=["x"]), "one of rate_per_s, every, gap and at"),
        (lambda ns: ns.arrivals(every=0, capabilities=["x"]), "never end"),
        (lambda ns: ns.arrivals(every="1 lightyear", capabilities=["x"]), "no span of time"),
        (lambda ns: ns.arrivals(rate_per_s=1, neuron="coder", offer="best"), "offer='best'"),
        (lambda ns: ns.faults.crash("nobody"), "nobody is called 'nobody'"),
        (lambda ns: ns.faults.drop(2), "no probability"),
        (lambda ns: ns.faults.partition(["coder"]), "two groups"),
        (lambda ns: kit.Namespace(fidelity="exact"), "neither 'sdk' nor 'spec'"),
    ],
)
def test_what_cannot_be_is_refused_with_a_reason(wrong: Any, says: str) -> None:
    with pytest.raises(ArgumentError, match=says):
        wrong(office())


def test_what_a_function_raises_in_a_handler_is_in_the_report() -> None:
    ns = office()

    @ns.orchestrator.on_final
    def breaks(signal: Any) -> None:
        raise KeyError("oops")

    assert "error: desk: KeyError('oops')" in repr(ns.run(until="1s"))


def test_cost_tokens_and_questions_of_models_are_on_the_wire() -> None:
    ns = kit.Namespace(seed=3)
    ns.model(
        "m",
        capabilities=["x"],
        service=sim.exponential(ms=5),
        asks=0.5,
        output_bytes=sim.constant(10),
        tokens_in=sim.constant(100),
        tokens_out=sim.uniform(1, 9),
        cost_micro_usd=sim.empirical([5, 7]),
        model="small",
        workers=None,
    )
    ns.arrivals(every="1s", capabilities=["x"], count=20)
    with kit.open() as study:
        study.load(ns.run(until="1m"))
        assert study.check().rows() == []
        (row,) = study.cost(by="neuron").rows()
        asked = len(study.signals(type="CLARIFICATION"))
        assert 0 < asked < 20
        assert (row["neuron"], row["signals"], row["tokens_in"]) == ("m", 20 + asked, 100 * (20 + asked))
        assert [r["status"] for r in study.traces()] == ["completed"] * 20


def test_load_bids_spread_the_work_of_an_auction() -> None:
    ns = kit.Namespace(seed=3)
    for name in "abc":
        ns.model(name, capabilities=["x"], service=sim.constant(s=1), bid="load")
    ns.arrivals(rate_per_s=2, capabilities=["x"], offer="lowest_cost", deadline_ms=50)
    with kit.open() as study:
        study.load(ns.run(until="2m"))
        assert study.check().rows() == []
        wins = {row["neuron"]: row["wins"] for row in study.bidders()}
    assert set(wins) == set("abc")
    assert min(wins.values()) > 30


def test_retries_of_a_caller_are_attempts_on_fresh_traces() -> None:
    ns = kit.Namespace(seed=3)
    ns.model("m", capabilities=["x"], service=sim.constant(ms=5), fails=0.5)
    ns.arrivals(every="1s", capabilities=["x"], attempts=5, count=30)
    with kit.open() as study:
        study.load(ns.run(until="1m"))
        assert study.check().rows() == []
        assert len(study.sql("FROM signals WHERE type = 'TASK' AND meta LIKE '%\"attempt\":1%'")) > 5


PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from test_namespace import office
print(office(int(sys.argv[2])).run(until="5s").digest)
"""


@pytest.mark.servers
def test_cosmonapse_47_a_seed_gives_the_same_bytes_in_any_process() -> None:
    def digest(seed: int, hashes: str) -> str:
        folder = Path(__file__).parent
        path = os.pathsep.join([str(folder.parents[1]), str(folder.parent)])
        env = {**os.environ, "PYTHONHASHSEED": hashes, "PYTHONPATH": path}
        command = [sys.executable, "-c", PROGRAM, str(folder), str(seed)]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=120).stdout.strip()

    here = office().run(until="5s").digest
    assert [digest(7, "1"), digest(7, "99")] == [here, here]
    assert digest(8, "1") != here


def test_cosmonapse_47_another_seed_gives_other_ids() -> None:
    first, second = (set(office(seed).run(until="10s").arrow()["id"].to_pylist()) for seed in (7, 8))
    assert first & second == set()

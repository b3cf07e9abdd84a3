"""Limits of what a Dendrite may send on a trace (spec/cosmonapse.md 5.11, checklist 36), and the AUDIT of a refusal."""

from typing import Any

import pytest

import kit
from kit import sim
from kit.errors import ArgumentError, DendriteProtocolError, TraceLimitExceeded


def office(tries: int = 5) -> tuple[kit.Namespace, list[Exception]]:
    """A coder who reads and notes down as often as it can, and what kept it from more."""
    ns, kept = kit.Namespace("lab", seed=1, heartbeat=0), []
    ns.effector("fs", tools={"read": lambda: "text"})
    ns.engram("notes")

    @ns.neuron("coder", capabilities=["code"])
    async def coder(input: Any, context: Any, *, call_tool: Any, imprint: Any, sleep: Any) -> Any:
        done = 0
        for _ in range(tries):
            try:
                await (
                    call_tool("fs", "read")
                    if input["q"] == "read"
                    else imprint("notes", op="add", entry={"content": "x"})
                )
            except TraceLimitExceeded as error:
                kept.append(error)
                await sleep("1s")
                break
            done += 1
        return {"done": done}

    return ns, kept


def sent(ns: kit.Namespace, kind: str) -> list[Any]:
    return [one for one in ns.synapse.tape.rows if one.kind == kind]


@pytest.mark.parametrize(
    ("word", "limit", "kind"), [("read", "max_tool_calls", "TOOL_CALL"), ("note", "max_imprints", "IMPRINT")]
)
def test_what_is_one_too_many_is_refused_and_an_audit_says_so(word: str, limit: str, kind: str) -> None:
    ns, kept = office()
    ns.limits("coder", **{limit: 3})
    for _ in range(2):  # each trace by itself
        reply = ns.ask(neuron="coder", input={"q": word})
        assert reply.payload["output"] == {"done": 3}
    assert len(sent(ns, kind)) == 6
    assert len(kept) == 2 and isinstance(kept[0], DendriteProtocolError)
    assert f"'coder' may send no {kind} on trace {sent(ns, kind)[0].trace_id}: {limit} is 3" in str(kept[0])
    first = sent(ns, "AUDIT")[0]
    assert first.payload == {
        "kind": "LIMIT_REFUSED", "domain": "governance", "outcome": "refused", "attempt": 1,
        "component": "coder", "signal": kind, "reason": f"{limit} 3",
    }  # fmt: skip
    assert (first.to, first.parent_id) == ("coder", sent(ns, "TASK")[0].id)
    with kit.load(ns.snapshot()) as study:
        assert study.load_report.rows == len(ns.synapse.tape)


def test_all_signals_count_but_for_management_and_a_reply_is_never_refused() -> None:
    ns, kept = office()
    ns.limits("coder", max_actions=2)
    reply = ns.ask(neuron="coder", input={"q": "read"}, finalize=True)
    assert reply.payload == {"result": {"done": 2}} or reply.payload["output"] == {"done": 2}
    assert len(sent(ns, "TOOL_CALL")) == 2
    assert len(kept) == len(sent(ns, "AUDIT")) == len(sent(ns, "FINAL")) == 1


def test_the_first_signal_of_a_trace_counts_too() -> None:
    ns, _ = office()
    ns.limits(ns.orchestrator.dendrite_id, max_actions=0)
    with pytest.raises(TraceLimitExceeded, match="may send no TASK on trace trc_"):
        ns.ask(neuron="coder", input={"q": "read"})
    assert not sent(ns, "TASK")
    assert [one.payload["signal"] for one in sent(ns, "AUDIT")] == ["TASK"]


def test_the_trace_can_be_stopped_once() -> None:
    ns, _ = office()
    ns.limits("coder", max_tool_calls=1, on_exceed="stop_trace")
    ns.start()

    async def story() -> Any:
        return await ns.orchestrator.dispatch(neuron="coder", input={"q": "read"})

    ns.synapse.run(story())
    ns.advance("5s")
    (stop,) = sent(ns, "STOP")
    assert stop.payload == {"rollback": False, "reason": "max_tool_calls exceeded"}
    assert stop.sender.dendrite_id == "coder"
    assert not sent(ns, "AGENT_OUTPUT")  # it was cancelled
    assert [one.payload["cancelled"] for one in sent(ns, "STOPPED") if one.sender.dendrite_id == "coder"] == [1]


def test_limits_are_part_of_a_scenario() -> None:
    scenario = sim.Scenario(
        "s",
        models=(sim.Model("a", ("x",), sim.Behaviour(calls=("fs", "read"))),),
        effectors=(sim.Tools("fs", tools={"read": "kit.sim.shipped:read"}),),
        arrivals=(sim.Arrivals("r", rate_per_s=2, capabilities=("x",)),),
        limits=(sim.Limits("a", max_tool_calls=0),),
    )
    assert sim.Scenario.from_json(scenario.to_json()) == scenario
    run = scenario.run(1, "5s")
    kinds = [row["type"] for row in run.signals]
    assert "TOOL_CALL" not in kinds and kinds.count("AUDIT") == kinds.count("TASK") > 3


def test_limits_that_make_no_sense_are_refused() -> None:
    ns, _ = office()
    with pytest.raises(ArgumentError, match="nobody is called 'nobody'; there are "):
        ns.limits("nobody", max_actions=1)
    with pytest.raises(ArgumentError, match="max_actions=-1 is below 0"):
        ns.limits("coder", max_actions=-1)
    with pytest.raises(ArgumentError, match="neither 'refuse' nor 'stop_trace'"):
        ns.limits("coder", max_actions=1, on_exceed="explode")  # type: ignore[arg-type]

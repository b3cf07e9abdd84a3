"""Scenarios that come with the kit: `desk`, an office of agents with all kinds of signals, and `market`."""

from typing import Any

from kit.errors import NotFoundError
from kit.sim.arrival import Arrivals
from kit.sim.distribution import constant, exponential, gamma, lognormal, uniform
from kit.sim.envelope import Envelope
from kit.sim.model import Behaviour
from kit.sim.namespace import Namespace
from kit.sim.scenario import Memory, Model, Neuron, Scenario, Tools

# The neurons and tools of the office


async def plan(input: Any, context: Any, *, recall: Any, dendrite: Any, sleep: Any) -> Any:
    """Look up what is known, make a plan, and tell it."""
    known = await recall("notes", query={"text": input["q"]}, deadline_ms=500)
    await sleep("20ms")
    await dendrite.emit_plan(steps=[{"do": "draft"}, {"do": "review"}], rationale=f"{len(known.hits)} notes")
    await dendrite.emit_context_sync(snapshot={"topic": input["q"]}, version="1")
    return {"steps": ["draft", "review"], "known": len(known.hits)}


async def draft(input: Any, context: Any, *, imprint: Any, call_tool: Any, sleep: Any) -> Any:
    """Ask what for where that is not said; then write and keep it."""
    number = int(str(input.get("q", "0")).rsplit(" ", 1)[-1])
    if "clarification" not in input and number % 4 == 0:
        return {"__clarification__": True, "question": "for whom?"}
    if "clarification" not in input and "permission" not in input and number % 4 == 1:
        return {"__permission__": True, "action": "publish", "reason": "it leaves the house"}
    found = await call_tool("disk", "read", path="style.md")
    await sleep("150ms")
    await imprint("notes", op="append", entry={"content": {"draft": number}, "tags": ["draft"]}, await_ack=True)
    return {"draft": number, "style": found.result}


async def review(input: Any, context: Any, *, dendrite: Any, dispatch: Any, sleep: Any) -> Any:
    """Judge a draft, with the help of a checker whose work is a trace of its own."""
    await sleep("60ms")
    checked = await dispatch(neuron="checker", input={"of": input["q"]}, scope="terminal")
    await dendrite.emit_critique(target_event_id=checked.id, issues=[{"line": 1}], verdict="revise")
    await dendrite.emit_audit(kind="EVAL_RETRY", domain="eval", outcome="recovered", component="reviewer", took_ms=3)
    await dendrite.emit_memory_append(key="reviews", value={"of": input["q"]})
    await dendrite.emit_consensus(members=["reviewer", "checker"], verdict="pass", votes={"pass": 2})
    if input["q"].endswith("7"):
        await dendrite.emit_escalation(reason="doubtful", target="lead", context={"of": input["q"]})
    return {"verdict": "pass"}


def read(path: str) -> str:
    """Return the text of a file that there is none of."""
    return f"text of {path}"


def answered(**args: Any) -> dict[str, Any]:
    """Return what a tool of a calibrated scenario does: nothing, whatever its arguments."""
    return {"ok": True}


def office(ns: Namespace) -> None:
    """Let the orchestrator hand what is escalated to whom it is meant for."""

    @ns.orchestrator.on_escalation
    async def handle(signal: Envelope) -> None:
        await ns.orchestrator.respond_to_escalation(signal)


def desk() -> Scenario:
    """Return the office: planner, writer, reviewer and their helpers, memory, tools, an auction, timeouts, retries."""
    translators = tuple(
        Model(
            f"translator-{n}",
            ("translate",),
            Behaviour(service=lognormal(ms=300, sigma=0.3), bid=uniform(1, 5), cost_micro_usd=uniform(200, 900)),
        )
        for n in (1, 2, 3)
    )
    return Scenario(
        "desk",
        about="An office of agents: every type of signal of the published package occurs.",
        engrams=(Memory("notes"), Memory("grants", service=exponential(ms=4))),
        effectors=(Tools("disk", "filesystem", {"read": f"{__name__}:read"}, service=gamma(ms=12, shape=3)),),
        neurons=(
            Neuron("planner", f"{__name__}:plan", ("plan",)),
            Neuron("writer", f"{__name__}:draft", ("write",), workers=4),
            Neuron("reviewer", f"{__name__}:review", ("review",), dendrite="reviews"),
        ),
        models=(
            Model("checker", ("check",), Behaviour(service=lognormal(ms=40, sigma=0.5)), dendrite="checks"),
            Model("lead", ("lead",), Behaviour(service=constant(ms=30))),
            Model(
                "researcher",
                ("search",),
                Behaviour(
                    service=lognormal(ms=900, sigma=0.9),
                    recalls="grants",
                    imprints="grants",
                    model="large",
                    tokens_in=lognormal(900, sigma=0.4),
                    tokens_out=lognormal(250, sigma=0.6),
                    cost_micro_usd=lognormal(4000, sigma=0.5),
                ),
                workers=3,
            ),
            Model("courier", ("deliver",), Behaviour(service=exponential(ms=50), fails=0.25)),
            *translators,
        ),
        arrivals=(
            Arrivals("letter", rate_per_s=0.8, capabilities=("plan",), then=("write", "review"), receptor="cli:desk"),
            Arrivals("question", rate_per_s=0.5, capabilities=("search",), timeout="3s"),
            Arrivals("parcel", every="3s", capabilities=("deliver",), attempts=3),
            Arrivals("text", rate_per_s=0.6, capabilities=("translate",), offer="lowest_cost"),
            Arrivals("memo", every="7s", neuron="writer", answers="both"),
        ),
        setup=(f"{__name__}:office",),
    )


def market(bidders: int = 20) -> Scenario:
    """Return auctions under load: bidders of different speed and price, three ways to choose, heavy tails."""
    models = tuple(
        Model(
            f"bidder-{n:02}",
            ("heavy", "light") if n % 4 == 0 else ("light",),
            Behaviour(
                service=lognormal(ms=80 + 15 * n, sigma=0.6),
                bid="load" if n % 2 else gamma(0.5 + n / 40, shape=2),
                fails=0.01,
                output_bytes=lognormal(120, sigma=0.5),
            ),
        )
        for n in range(1, bidders + 1)
    )
    return Scenario(
        "market",
        about="Auctions under load.",
        models=models,
        arrivals=(
            Arrivals("cheap", rate_per_s=12, capabilities=("light",), offer="lowest_cost", deadline_ms=40),
            Arrivals("quick", rate_per_s=6, capabilities=("light",), offer="first_bid", deadline_ms=40),
            Arrivals("sure", rate_per_s=3, capabilities=("heavy",), offer="highest_confidence", deadline_ms=80),
            Arrivals("rush", every="30s", burst=25, capabilities=("light",), offer="lowest_cost", timeout="2m"),
        ),
    )


SCENARIOS = {"desk": desk, "market": market}
"""The shipped scenarios by name."""


def scenario(name: str) -> Scenario:
    """Return a shipped scenario; NotFoundError where there is none of this name."""
    if name not in SCENARIOS:
        raise NotFoundError(f"no scenario {name!r} is shipped; there are {', '.join(SCENARIOS)}")
    return SCENARIOS[name]()

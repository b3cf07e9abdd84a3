"""Requests: when they come and which way they go, from the first TASKs of each trace."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.sim.arrival import Arrivals
from kit.sim.distribution import Distribution
from kit.sim.fit.named import Parameter, choose
from kit.sim.fit.observed import Observed
from kit.sim.fit.report import Part, Unidentified, number, part

STAGE, FOLLOW_UP, DELEGATED = "stage", "follow-up", "delegated"
RARE = 0.005
"""Ways that fewer requests went are left out, and said to be."""
DISPERSED = 21.67
"""1% point of chi squared with 9 degrees of freedom: ten windows of one rate stay below."""
PAUSE_US = 2000
"""An answer is followed at once where the next stage comes no later."""
FEWEST = 20
ATTENTION = 0.95
"""Share of auctions that a rule of selection has to explain."""

PATIENT = "of callers"

Step = tuple[str, tuple[str, ...]]
"""One stage: "neuron", "capabilities" or "offer", and to whom."""


@dataclass
class Stream:
    """Requests that went one way: when each came, how long their caller waited before a stop or the next stage, and attempts."""

    steps: tuple[Step, ...]
    kind: str
    came: list[int] = field(default_factory=list)
    stopped_us: list[int] = field(default_factory=list)
    paused_us: list[int] = field(default_factory=list)
    receptors: Counter[str] = field(default_factory=Counter)
    attempts: int = 1

    @property
    def name(self) -> str:
        """Its name: the stages in words."""
        words = [f"offer {'+'.join(to)}" if how == "offer" else "+".join(to) for how, to in self.steps]
        return " > ".join(words) + (" (delegated)" if self.kind == DELEGATED else "")


def role(task: dict[str, Any]) -> str:
    """Return what a task is: a stage of a request, the answer to a question, or work that a neuron handed on."""
    above = task["above"]
    if above in (None, "auction"):
        return STAGE
    if above in ("clarification", "permission"):
        return FOLLOW_UP
    if (
        above == "task"
        and task["above_until"] is not None
        and task["us"] is not None
        and task["us"] >= task["above_until"]
    ):
        return STAGE
    return DELEGATED


def step(task: dict[str, Any]) -> Step | None:
    """Return to whom a task went, None where nothing tells."""
    if task["above"] == "auction":
        return "offer", _listed(task["offered"])
    if task["addressed"]:
        return "neuron", (task["addressed"],)
    wanted = _listed(task["capabilities"])
    if wanted:
        return "capabilities", wanted
    return ("neuron", (task["neuron"],)) if task["neuron"] else None


def _listed(text: str | None) -> tuple[str, ...]:
    found = json.loads(text) if text else None
    return tuple(str(item) for item in found) if isinstance(found, list) else ()


def streams(seen: Observed, tasks: Sequence[dict[str, Any]]) -> Iterator[Stream]:
    """Yield the streams of requests, the busiest first; a request that ended early goes where the like of it went on to."""
    stops = {row["trace"]: row for row in seen.stops.to_pylist() if row["reason"] == "timeout"}
    by_trace: dict[str, list[dict[str, Any]]] = {}
    found: dict[tuple[str, tuple[Step, ...]], Stream] = {}
    again: Counter[tuple[Step, ...]] = Counter()
    for task in tasks:
        if task["us"] is None:
            continue
        if task["role"] == STAGE:
            by_trace.setdefault(task["trace"], []).append(task)
        elif task["role"] == DELEGATED and (way := step(task)) is not None:
            key = (DELEGATED, (way,))
            found.setdefault(key, Stream((way,), DELEGATED)).came.append(task["us"])
    whole: Counter[tuple[Step, ...]] = Counter()
    routes = {trace: tuple(way for way in map(step, stages) if way is not None) for trace, stages in by_trace.items()}
    for trace, stages in by_trace.items():
        if stages[-1]["status"] == "ok" and not _attempt(stages):
            whole[routes[trace]] += 1
    short: Counter[tuple[Step, ...]] = Counter()
    for trace, stages in by_trace.items():
        steps = routes[trace]
        if not steps:
            continue
        if _attempt(stages):
            again[steps] = max(again[steps], _attempt(stages) + 1)
            continue
        if stages[-1]["status"] != "ok":
            steps = _longest(steps, whole, short)
        stream = found.setdefault((STAGE, steps), Stream(steps, STAGE))
        first = stages[0]
        stream.came.append(first["above_us"] if first["above"] == "auction" else first["us"])
        stream.paused_us += [max(task["us"] - task["above_until"], 0) for task in stages if task["above"] == "task"]
        if first["receptor"]:
            stream.receptors[first["receptor"]] += 1
        if trace in stops:
            stream.stopped_us.append(stops[trace]["us"] - stages[-1]["us"])
    for (kind, steps), stream in found.items():
        if kind == STAGE:
            stream.attempts = max(1, again[steps])
    yield from sorted(found.values(), key=lambda stream: (-len(stream.came), stream.name))


def _attempt(stages: Sequence[dict[str, Any]]) -> int:
    return int(stages[0]["attempt"] or 0)


def _longest(
    steps: tuple[Step, ...], whole: Counter[tuple[Step, ...]], short: Counter[tuple[Step, ...]]
) -> tuple[Step, ...]:
    """Return the whole route that a request which stopped after `steps` would have taken: in turn, by their shares."""
    ways = [way for way in whole if way[: len(steps)] == steps]
    if not ways:
        return steps
    way = min(ways, key=lambda way: ((short[way] + 1) / whole[way], way))
    short[way] += 1
    return way


def fitted(
    seen: Observed, tasks: Sequence[dict[str, Any]], *, captured: bool = False
) -> tuple[list[Arrivals], list[Part], list[Unidentified]]:
    """Return the arrivals of a scenario, their parts of the report, and what could not be told.

    `captured` lets requests come at the very times at which they came, those of rare ways too.
    """
    made: list[Arrivals] = []
    parts: list[Part] = []
    missing: list[Unidentified] = []
    every = list(streams(seen, tasks))
    total = sum(len(stream.came) for stream in every)
    bids = seen.bids.to_pylist()
    rare = [stream for stream in every if not captured and len(stream.came) < max(2, RARE * total)]
    if rare:
        count = sum(len(stream.came) for stream in rare)
        missing.append(
            Unidentified("arrivals", f"{len(rare)} rare ways", f"{count} of {total} requests", "they do not come")
        )
    for stream in every:
        if stream in rare:
            continue
        when, found = _as_captured(stream, seen) if captured else _when(stream, seen)
        parts.append(found[0])
        missing += found[1]
        how, to = stream.steps[0]
        options: dict[str, Any] = {"neuron": to[0]} if how == "neuron" else {"capabilities": to}
        if how == "offer":
            rule, deadline, told = _selection(stream.name, [bid for bid in bids if _listed(bid["capabilities"]) == to])
            parts += told[0]
            missing += told[1]
            options |= {"offer": rule, "deadline_ms": deadline}
        then = tuple(f"@{names[0]}" if way == "neuron" else names[0] for way, names in stream.steps[1:])
        if any(len(names) > 1 for way, names in stream.steps[1:] if way != "neuron"):
            missing.append(
                Unidentified("routing", stream.name, "a later stage asks for several capabilities", "the first of them")
            )
        timeout, more = _timeout(stream, tasks)
        parts += more[0]
        missing += more[1]
        if stream.attempts > 1 and (then or how == "offer"):
            missing.append(
                Unidentified("retries", stream.name, "a request of several stages was tried again", "it is not")
            )
            stream.attempts = 1
        elif stream.attempts > 1:
            parts.append(Part("retries", stream.name, f"{stream.attempts} attempts", len(stream.came), ()))
        pause, more = _pause(stream)
        parts += more[0]
        missing += more[1]
        receptor = stream.receptors.most_common(1)[0][0] if stream.receptors else None
        made.append(
            Arrivals(
                stream.name,
                then=then,
                timeout=timeout,
                attempts=stream.attempts,
                receptor=receptor,
                pause=pause,
                **options,
                **when,
            )
        )
        if stream.kind == DELEGATED:
            why = "a neuron handed work on; a model of it cannot"
            missing.append(
                Unidentified("delegation", stream.name, why, "a stream of its own, at the rate that was seen")
            )
    shares = Counter({stream.name: len(stream.came) for stream in every if stream not in rare and stream.kind == STAGE})
    if len(shares) > 1:
        kept = sum(shares.values())
        parts += [
            Part("routing", name, f"{count / kept:.1%} of requests", count, ()) for name, count in shares.most_common()
        ]
    return made, parts, [*dict.fromkeys(missing)]


def _as_captured(stream: Stream, seen: Observed) -> tuple[dict[str, Any], tuple[Part, list[Unidentified]]]:
    """Return the times of the capture, in seconds since its first signal."""
    at = tuple((us - seen.first) / 1e6 for us in sorted(stream.came))
    return {"at": at}, (Part("arrivals", stream.name, "as captured", len(at), ()), [])


def _when(stream: Stream, seen: Observed) -> tuple[dict[str, Any], tuple[Part, list[Unidentified]]]:
    """Return the options that say when requests come, with the part of the report."""
    came = np.sort(np.array(stream.came, np.int64))
    gaps = np.diff(came) / 1000
    if len(gaps) < 5 or gaps.sum() <= 0:
        rate = len(came) / max(seen.seconds, 1e-3)
        told = Parameter("rate_per_s", rate, rate * 0.1, rate * 4)
        missing = Unidentified(
            "arrivals", stream.name, f"only {len(came)} requests", f"{rate:.3g} a second, at random times"
        )
        return {"rate_per_s": rate}, (number("arrivals", stream.name, f"{rate:.3g} /s", len(came), told), [missing])
    fit = choose(gaps, name="gap")
    missing_ = _changing(stream, came)
    found = part("arrivals", stream.name, fit, gaps, "ms")
    if fit.distribution.name == "exponential":
        rate = 1 / fit.distribution.mean
        low, high = (1000 / getattr(fit.parameters[0], side) for side in ("high", "low"))
        told = Parameter("rate_per_s", rate, low, high)
        chosen = f"Poisson, {rate:.4g} /s"
        made = Part(
            found.what, found.name, chosen, len(came), (told,), found.why, found.x, found.seen, found.made, "ms", fit
        )
        return {"rate_per_s": rate}, (made, missing_)
    if fit.distribution.name == "constant":
        return {"every": fit.distribution.mean}, (found, missing_)
    return {"gap": fit.distribution}, (found, missing_)


def _changing(stream: Stream, came: np.ndarray) -> list[Unidentified]:
    """Return a complaint where the rate is not the same in ten windows."""
    counts = np.histogram(came, bins=10)[0]
    if len(came) < 100 or 9 * counts.var(ddof=1) / counts.mean() <= DISPERSED:
        return []
    why = f"the rate changes: {counts.min()} to {counts.max()} requests in a tenth of the time"
    return [Unidentified("arrivals", stream.name, why, "its mean, all the time")]


def _timeout(stream: Stream, tasks: Sequence[dict[str, Any]]) -> tuple[float, tuple[list[Part], list[Unidentified]]]:
    """Return how long a caller waits, in seconds."""
    if len(stream.stopped_us) >= 3:
        waits = np.array(stream.stopped_us) / 1e6
        low, middle, high = np.quantile(waits, [0.1, 0.5, 0.9])
        if high - low <= 0.1 * middle:
            told = Parameter("timeout_s", float(middle), float(low), float(high))
            return float(middle), ([number("timeout", stream.name, f"{middle:.3g} s", len(waits), told)], [])
        why = f"callers gave up after {low:.3g} to {high:.3g} s"
        return float(middle), ([], [Unidentified("timeout", stream.name, why, f"{middle:.3g} s")])
    longest = max(
        (task["until"] - task["us"] for task in tasks if task["until"] is not None and task["us"] is not None),
        default=0,
    )
    assumed = max(60.0, 4 * longest / 1e6)
    return assumed, (
        [],
        [Unidentified("timeout", PATIENT, "nobody gave up often enough to see it", f"{assumed:.3g} s")],
    )


def _pause(stream: Stream) -> tuple[Distribution | None, tuple[list[Part], list[Unidentified]]]:
    """Return how long a caller waits from an answer to the next stage, None where it follows at once."""
    waits = np.array(stream.paused_us, np.int64)
    if not len(waits) or float(np.median(waits)) <= PAUSE_US:
        return None, ([], [])
    if len(waits) < FEWEST:
        why = f"the next stage follows {np.median(waits) / 1000:.3g} ms (median) after the answer, seen {len(waits)} times"
        return None, ([], [Unidentified("pauses", stream.name, why, "it follows at once")])
    fit = choose(waits / 1000)
    return fit.distribution, ([part("pauses", stream.name, fit, waits / 1000, "ms")], [])


def _selection(name: str, given: list[dict[str, Any]]) -> tuple[str, int, tuple[list[Part], list[Unidentified]]]:
    """Return which bid wins an auction, and how long it is open."""
    offers: dict[str, list[dict[str, Any]]] = {}
    for bid in given:
        offers.setdefault(bid["offer"], []).append(bid)
    several = [bids for bids in offers.values() if len(bids) > 1 and any(bid["won"] for bid in bids)]
    if not offers:
        return "first_bid", 250, ([], [])
    deadlines = [bids[0]["deadline_ms"] for bids in offers.values() if bids[0]["deadline_ms"] is not None]
    deadline = int(np.median(deadlines)) if deadlines else 250
    if not several:
        why = "no auction with two bids and a winner"
        return "first_bid", deadline, ([], [Unidentified("selection", name, why, "the first bid wins")])
    rules: dict[str, Callable[[list[dict[str, Any]]], dict[str, Any]]] = {
        "lowest_cost": lambda bids: min(bids, key=lambda bid: float("inf") if bid["cost"] is None else bid["cost"]),
        "highest_confidence": lambda bids: max(
            bids, key=lambda bid: -1.0 if bid["confidence"] is None else bid["confidence"]
        ),
        "first_bid": lambda bids: bids[0],
    }
    share = {name: sum(rule(bids)["won"] for bids in several) / len(several) for name, rule in rules.items()}
    best = max(share, key=lambda rule: share[rule])
    found = [Part("selection", name, f"{best} explains {share[best]:.1%}", len(several), ())]
    found.append(Part("deadline", name, f"{deadline} ms", len(deadlines), ()))
    if share[best] >= ATTENTION:
        return best, deadline, (found, [])
    why = f"no rule explains the winners; {best} does {share[best]:.0%}"
    return best, deadline, (found, [Unidentified("selection", name, why, best)])

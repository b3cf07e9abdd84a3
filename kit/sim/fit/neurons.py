"""Neurons: how long they work and wait, how many tasks at once, how often they fail and ask, what they bid and cost."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from kit.sim.distribution import Distribution
from kit.sim.fit.named import Fitted, Parameter, choose
from kit.sim.fit.observed import Observed
from kit.sim.fit.queue import WAITED, Served, in_system, served
from kit.sim.fit.report import Part, Unidentified, number, part, proportion
from kit.sim.fit.requests import FOLLOW_UP, STAGE
from kit.sim.model import Behaviour
from kit.sim.scenario import Memory, Model, Tools

ANSWERED = ("ok", "error", "clarification", "permission")
ALWAYS = 0.95
"""Share of tasks that have to ask a tool or memory exactly once for the model to do so."""
MOMENT_US = 1000
"""What takes no longer is stamping."""
AT_ONCE_US = 2000
"""Who asks no later than this after the task when nobody waits, asks first and works then."""
TOOL = "kit.sim.shipped:answered"
METERS = ("tokens_in", "tokens_out", "cost_micro_usd")


@dataclass
class Found:
    """What a part of the calibration gives."""

    models: list[Model] = field(default_factory=list)
    engrams: list[Memory] = field(default_factory=list)
    effectors: list[Tools] = field(default_factory=list)
    parts: list[Part] = field(default_factory=list)
    missing: list[Unidentified] = field(default_factory=list)


def fitted(seen: Observed, tasks: Sequence[dict[str, Any]]) -> Found:
    """Return the models, memories and tools of a scenario with their parts of the report."""
    found = Found()
    registered = {row["id"]: row for row in seen.registered.to_pylist()}
    asked: dict[str, list[dict[str, Any]]] = {}
    rows = [row for row in seen.asked.to_pylist() if row["us"] is not None]
    for row in rows:
        asked.setdefault(row["task"], []).append(row)
    work: dict[str, list[dict[str, Any]]] = {}
    for task in tasks:
        if task["neuron"] is not None:
            work.setdefault(task["neuron"], []).append(task)
    bids: dict[str, list[dict[str, Any]]] = {}
    for bid in seen.bids.to_pylist():
        bids.setdefault(bid["neuron"], []).append(bid)
    silent = [
        name for name, row in registered.items() if row["role"] == "neuron" and name not in work and name not in bids
    ]
    for name in silent:
        found.missing.append(Unidentified("service", name, "registered, but had no task", "it is not in the model"))
    hosts: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if row["host"] is not None:
            hosts.setdefault(("effector" if row["kind"] == "tool" else "engram", row["host"]), []).append(row)
    for name in sorted(work):
        _neuron(found, name, work[name], asked, bids.get(name, []), registered.get(name, {}))
    for (kind, host), rows in sorted(hosts.items()):
        _host(found, kind, host, rows, registered.get(host, {}))
    return found


def _neuron(
    found: Found,
    name: str,
    work: list[dict[str, Any]],
    asked: dict[str, list[dict[str, Any]]],
    bids: list[dict[str, Any]],
    registered: dict[str, Any],
) -> None:
    good = [
        task
        for task in work
        if task["status"] in ANSWERED
        and task["us"] is not None
        and task["until"] is not None
        and task["until"] >= task["us"]
    ]
    if len(good) < 2:
        found.missing.append(Unidentified("service", name, f"{len(good)} answered tasks", "it is not in the model"))
        return
    steps, inside = _asking(found, name, good, asked)
    arrived = np.array([task["us"] for task in good], np.int64)
    left = np.array([task["until"] for task in good], np.int64)
    first = np.array(
        [min((row["us"] for row in asked.get(task["span_id"], ())), default=-1) for task in good], np.int64
    )
    seen_to_begin = bool(inside.any()) and bool((first >= 0).mean() >= ALWAYS)
    if seen_to_begin and np.quantile((first - arrived)[first >= 0], 0.05) <= AT_ONCE_US:
        place = _at_work(arrived, np.where(first >= 0, first, arrived), left)
    else:
        place = served(arrived, left)
    if "calls" in steps:
        steps["calls_last"] = _late(good, asked, place.begun, left)
    waits = (place.begun - arrived) / 1000
    service = np.maximum((left - place.begun - inside) / 1000, 0.0)
    fit = choose(service, name="service")
    found.parts.append(part("service", name, fit, service, "ms"))
    if place.workers is None:
        found.missing.append(Unidentified("workers", name, place.why, "no limit"))
    else:
        told = Parameter("workers", float(place.workers), float(place.workers), float(place.workers))
        found.parts.append(number("workers", name, str(place.workers), len(good), told, place.why))
        found.parts.append(_waiting(name, waits))
    behaviour = _replies(found, name, good)
    behaviour |= {"service": fit.distribution, **steps}
    behaviour |= _bidding(found, name, bids, arrived, left)
    found.models.append(
        Model(
            name,
            _capabilities(registered, work),
            Behaviour(**behaviour),
            registered.get("kind") or "neuron",
            workers=place.workers,
        )
    )


def _late(
    good: list[dict[str, Any]], asked: dict[str, list[dict[str, Any]]], begun: np.ndarray, left: np.ndarray
) -> bool:
    """Whether more of the work comes before the call of a tool than after it, in most tasks."""
    votes = [
        row["us"] - start > end - row["until"]
        for task, start, end in zip(good, begun.tolist(), left.tolist(), strict=True)
        for row in asked.get(task["span_id"], ())
        if row["kind"] == "tool" and row["until"] is not None
    ]
    return bool(sum(votes) * 2 > len(votes))


def stamps(seen: Observed, tasks: Sequence[dict[str, Any]]) -> tuple[int, int] | None:
    """Return how many microseconds it takes to stamp a signal, least and most, from answers that come at once; None without any."""
    groups: dict[str | None, list[int]] = {}
    for row in seen.asked.to_pylist():
        if row["us"] is not None and row["until"] is not None:
            groups.setdefault(row["host"], []).append(row["until"] - row["us"])
    stages = [task for task in tasks if task["role"] == STAGE and task["above"] == "task"]
    groups["stages"] = [task["us"] - task["above_until"] for task in stages]
    took = [
        us for values in groups.values() if values and np.quantile(values, 0.9) <= MOMENT_US for us in values if us >= 0
    ]
    if len(took) < WAITED:
        return None
    low, high = np.quantile(took, [0.02, 0.98])
    return max(1, round(low)), max(1, round(high))


def _waiting(name: str, waits: np.ndarray) -> Part:
    """Return what was seen of waiting; it is no part of the model, which makes its own."""
    share = float((waits > 1).mean())
    told = Parameter("mean wait", float(waits.mean()), float(np.quantile(waits, 0.5)), float(np.quantile(waits, 0.95)))
    return Part(
        "waiting",
        name,
        f"{share:.0%} waited, {waits.mean():.3g} ms in the mean",
        len(waits),
        (),
        f"p95 {told.high:.3g} ms",
    )


def _at_work(arrived: np.ndarray, begun: np.ndarray, left: np.ndarray) -> Served:
    """Return the limit where the begin of each task shows on the wire."""
    order = np.argsort(begun, kind="stable")
    # The next one begins a moment before the answer of the one before it is on the wire.
    crowd = int(in_system(begun[order], left[order] - AT_ONCE_US).max(initial=0))
    if int((begun - arrived > AT_ONCE_US).sum()) < WAITED:
        return Served(None, begun, crowd, f"up to {crowd} tasks at a time, and none of them waited")
    return Served(crowd, begun, crowd, "most at once, where others waited")


def _asking(
    found: Found, name: str, good: list[dict[str, Any]], asked: dict[str, list[dict[str, Any]]]
) -> tuple[dict[str, Any], np.ndarray]:
    """Return what the model asks in each task, and the microseconds that this took of each."""
    steps: dict[str, Any] = {}
    inside = np.zeros(len(good), np.int64)
    for kind, option in (("recall", "recalls"), ("tool", "calls"), ("imprint", "imprints")):
        rows = [[row for row in asked.get(task["span_id"], ()) if row["kind"] == kind] for task in good]
        counts = Counter(len(of) for of in rows)
        if set(counts) == {0}:
            continue
        targets = Counter((row["host"], row["name"] if kind == "tool" else None) for of in rows for row in of)
        (host, tool), most = targets.most_common(1)[0]
        if counts[1] < ALWAYS * len(good) or most < ALWAYS * sum(targets.values()) or host is None:
            why = f"{min(counts)} to {max(counts)} a task, {len(targets)} kinds"
            found.missing.append(Unidentified(option, name, why, "their time is part of its service"))
            continue
        steps[option] = (host, tool) if kind == "tool" else host
        found.parts.append(
            Part(option, name, f"{host} {tool}" if tool and kind == "tool" else str(host), counts[1], ())
        )
        for place, of in enumerate(rows):
            inside[place] += sum(max(row["until"] - row["us"], 0) for row in of if row["until"] is not None)
    return steps, inside


def _replies(found: Found, name: str, good: list[dict[str, Any]]) -> dict[str, Any]:
    """Return how often it fails and asks, and what its answers say they used."""
    made: dict[str, Any] = {}
    errors = [task for task in good if task["status"] == "error"]
    told = proportion("fails", len(errors), len(good))
    found.parts.append(number("failures", name, f"{len(errors) / len(good):.2%}", len(good), told))
    made["fails"] = len(errors) / len(good)
    if errors:
        made["recoverable"] = sum(bool(task["recoverable"]) for task in errors) * 2 >= len(errors)
    fresh = [task for task in good if task["role"] != FOLLOW_UP]
    for status, option in (("clarification", "asks"), ("permission", "asks_permission")):
        asked = sum(task["status"] == status for task in fresh)
        if asked:
            told = proportion(option, asked, len(fresh))
            found.parts.append(number(f"questions ({status})", name, f"{asked / len(fresh):.2%}", len(fresh), told))
            made[option] = asked / len(fresh)
    for meter in METERS:
        values = np.array([task[meter] for task in good if task[meter] is not None and task[meter] >= 0], np.float64)
        if len(values) < max(2, len(good) / 2):
            continue
        fit = choose(values, unit="", name=meter)
        made[meter] = fit.distribution
        found.parts.append(part(meter, name, fit, values, ""))
    models = Counter(task["model"] for task in good if task["model"])
    if models:
        made["model"] = models.most_common(1)[0][0]
    return made


def _bidding(
    found: Found, name: str, bids: list[dict[str, Any]], arrived: np.ndarray, left: np.ndarray
) -> dict[str, Distribution | str]:
    """Return what it bids: the number of tasks before it, or a distribution of costs."""
    costs = np.array([bid["cost"] for bid in bids if bid["cost"] is not None], np.float64)
    if not len(costs):
        return {}
    when = np.array([bid["us"] for bid in bids if bid["cost"] is not None], np.int64)
    ahead = np.searchsorted(np.sort(arrived), when, side="right") - np.searchsorted(np.sort(left), when, side="right")
    if len(set(costs.tolist())) > 1 and (costs == ahead).mean() >= 0.9:
        found.parts.append(Part("bids", name, "the tasks before it", len(costs), ()))
        return {"bid": "load"}
    fit: Fitted = choose(np.maximum(costs, 0.0), unit="", name="bid")
    found.parts.append(part("bids", name, fit, costs, ""))
    return {"bid": fit.distribution}


def _capabilities(registered: dict[str, Any], work: list[dict[str, Any]]) -> tuple[str, ...]:
    """Return what it registered for; without, what the tasks that it worked on asked for."""
    listed = json.loads(registered["capabilities"]) if registered.get("capabilities") else None
    if listed is None:
        listed = sorted({name for task in work for name in json.loads(task["capabilities"] or "[]") or ()})
    return tuple(str(name) for name in listed)


def _host(found: Found, kind: str, host: str, rows: list[dict[str, Any]], registered: dict[str, Any]) -> None:
    """Add a memory or an effector, with how long an answer takes."""
    took = np.array([(row["until"] - row["us"]) / 1000 for row in rows if row["until"] is not None])
    took = took[took >= 0]
    over = [row for row in rows if row["until"] is not None]
    errors = sum(row["status"] == "error" for row in over)
    if errors and kind == "engram":
        why = f"{errors} of {len(over)} answers were errors"
        found.missing.append(Unidentified("failures", host, why, "it does not fail; the neurons' own failures count"))
    elif errors:
        told = proportion("fails", errors, len(over))
        found.parts.append(number("failures", host, f"{errors / len(over):.2%}", len(over), told))
        why = "what a neuron does about a tool that failed"
        found.missing.append(Unidentified("reaction", host, why, "it goes on, and fails as often as it was seen to"))
    service: Distribution | None = None
    if len(took) >= 2 and float(np.quantile(took, 0.9)) > 1.0:
        fit = choose(took, name="latency")
        found.parts.append(part("latency", host, fit, took, "ms"))
        service = fit.distribution
    elif len(took):
        found.parts.append(Part("latency", host, "at once", len(took), ()))
    else:
        found.missing.append(Unidentified("latency", host, "no answer was seen", "it answers at once"))
    if kind == "engram":
        found.engrams.append(Memory(host, registered.get("kind") or "keyvalue", service))
    else:
        tools = sorted({row["name"] for row in rows if row["name"]})
        fails = errors / len(over) if errors else 0.0
        kind_of = registered.get("kind") or "effector"
        found.effectors.append(Tools(host, kind_of, dict.fromkeys(tools, TOOL), service, fails=fails))

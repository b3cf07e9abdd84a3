"""A Scenario from a capture: `calibrate`, and the `Calibrated` that knows how well it is known."""

import random
from dataclasses import replace
from typing import Any, Literal

from kit.errors import ArgumentError
from kit.sim.arrival import Arrivals
from kit.sim.fit import neurons, requests
from kit.sim.fit.observed import observed
from kit.sim.fit.report import Calibration, Part, Unidentified
from kit.sim.model import Behaviour
from kit.sim.scenario import Model, Scenario
from kit.sim.synapse import STEPS_US
from kit.store.store import Store

SHOWN = 1e-4


class Calibrated(Scenario):
    """A Scenario that was fitted to a capture: `report` tells what was fitted and what was not."""

    @property
    def report(self) -> Calibration | None:
        """The account of the calibration; None once something of the scenario was changed."""
        found: Calibration | None = self.__dict__.get("_report")
        return found

    @property
    def typical_s(self) -> float | None:
        """How long the capture was, in seconds: what a question is asked about."""
        return None if self.report is None else max(self.report.seconds, 1.0)

    def drawn(self, seed: int) -> Scenario:
        """Return a scenario with its parameters drawn from what the capture leaves open (input uncertainty).

        Rates and parameters of distributions are drawn from their asymptotic distribution, failures from a Beta distribution; of
        an empirical distribution the scale. Source: Nelson, Foundations and Methods of Stochastic Simulation, 2013, 7.2.
        """
        report = self.report
        if report is None:
            return self
        known = {(part.what, part.name): part for part in report.parts}
        made: dict[str, Any] = {
            "models": tuple(_other_model(model, known, seed) for model in self.models),
            "arrivals": tuple(_other_stream(stream, known, seed) for stream in self.arrivals),
            "effectors": tuple(replace(one, fails=_fails(known, one.id, one.fails, seed)) for one in self.effectors),
        }
        return replace(self, **made)

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.name!r}>"
            if self.report is None
            else f"scenario {self.name!r}, {self.report!r}"
        )

    def _repr_html_(self) -> str:
        if self.report is None:
            return f"<pre>{self.name}</pre>"
        return self.report._repr_html_()


def calibrate(
    store: Store,
    *,
    run: str | None = None,
    name: str | None = None,
    arrivals: Literal["fitted", "captured"] = "fitted",
) -> Calibrated:
    """Return a Scenario that does what a run of the store shows; `.report` says how it was fitted and what is unknown.

    Arrivals, routing, service times (waiting apart), failures, retries, questions, bids, what tools and memory take, tokens and cost,
    pauses of callers, and how many tasks are worked on at once. Distributions are named ones, chosen by held-out likelihood,
    or empirical. `arrivals="captured"` lets requests come when they came, so that only the namespace is a model: the way to see
    what it would have done with the very same requests. What the capture does not tell is listed with its reason, and what the
    model does instead. The method: docs/what-if.md.

    NotFoundError for no such run, ArgumentError where a run holds no task, or where there are several and none is named.
    """
    if arrivals not in ("fitted", "captured"):
        raise ArgumentError(f"calibrate: arrivals={arrivals!r} is neither 'fitted' nor 'captured'")
    seen = observed(store, run)
    tasks = seen.tasks.to_pylist()
    for task in tasks:
        task["role"] = requests.role(task)
    found = neurons.fitted(seen, tasks)
    streams, parts, missing = requests.fitted(seen, tasks, captured=arrivals == "captured")
    there = {model.id for model in found.models}
    streams = [stream for stream in streams if stream.neuron is None or stream.neuron in there]
    made = Calibrated(
        name or seen.run,
        models=tuple(found.models),
        engrams=tuple(found.engrams),
        effectors=tuple(found.effectors),
        arrivals=tuple(streams),
        heartbeat=0,
        about=f"Calibrated from run {seen.run!r}.",
        until=max(round(seen.seconds, 3), 1.0),
    )
    stamp_us = neurons.stamps(seen, tasks)
    if stamp_us is None:
        nothing = "no answer came at once, so that the time to stamp a signal does not show"
        missing.append(Unidentified("stamps", "of signals", nothing, f"{STEPS_US[0]} to {STEPS_US[1]} microseconds"))
    else:
        made = replace(made, stamp_us=stamp_us)
        parts.append(Part("stamps", "of signals", f"{stamp_us[0]} to {stamp_us[1]} µs", 0, ()))
    count = sum(1 for task in tasks if task["role"] == requests.STAGE and task["above"] != "task")
    report = Calibration(
        seen.run, seen.signals, count, seen.seconds, (*parts, *found.parts), (*missing, *found.missing), seen.left_out
    )
    object.__setattr__(made, "_report", report)
    return made


Known = dict[tuple[str, str], Part]


def _rng(seed: int, *purpose: str) -> random.Random:
    return random.Random(f"{seed}/drawn/{'/'.join(purpose)}")


def _other_model(model: Model, known: Known, seed: int) -> Model:
    """Return a model with other parameters, a stream of random numbers for each."""
    changes: dict[str, Any] = {}
    service = known.get(("service", model.id))
    if service is not None and service.fitted is not None:
        changes["service"] = service.fitted.drawn(_rng(seed, "service", model.id))
    changes["fails"] = _fails(known, model.id, model.behaviour.fails, seed)
    behaviour: Behaviour = replace(model.behaviour, **changes)
    return replace(model, behaviour=behaviour)


def _fails(known: Known, name: str, was: float, seed: int) -> float:
    """Return another share of failures; 0 where none were seen, `was` where it was not fitted."""
    failures = known.get(("failures", name))
    if failures is None:
        return was
    hits = round(failures.parameters[0].value * failures.count)
    share = _rng(seed, "failures", name).betavariate(hits + 0.5, failures.count - hits + 0.5)
    return share if hits else 0.0


def _other_stream(stream: Arrivals, known: Known, seed: int) -> Arrivals:
    found = known.get(("arrivals", stream.name))
    if found is None or found.fitted is None:
        return stream
    other = found.fitted.drawn(_rng(seed, "arrivals", stream.name))
    if stream.rate_per_s is not None:
        return replace(stream, rate_per_s=1 / other.mean)
    if stream.gap is not None:
        return replace(stream, gap=other)
    return stream

"""What if: a scenario beside the same with something changed, under common random numbers, with intervals.

Every replication runs both with the same seed, so that their difference is not chance (common random numbers: Law, Simulation Modeling
and Analysis, 5th ed., 11.2). A calibrated scenario is drawn anew for each, from what its capture leaves open, so that the intervals
hold what is not known of the parameters. Replications are added until the mean of each target is known to the precision that was
asked for (sequential stopping: Law, 9.4.1; Chow and Robbins 1965).
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from kit.errors import ArgumentError
from kit.sim.arrival import Arrivals
from kit.sim.distribution import Distribution
from kit.sim.duration import Duration, microseconds
from kit.sim.faults import Fault
from kit.table import Table

if TYPE_CHECKING:
    from kit.sim.scenario import Scenario

QUANTILES = (0.5, 0.9, 0.95, 0.99)
TARGETS = ("p50_ms", "p95_ms")
"""Measures whose mean has to be known to the precision asked for."""
SHARES = ("success", "gave_up")
LEAST, MOST = 6, 40
DRAIN = "1h"
LEVEL = 0.95
FULL = 0.95
"""A neuron that is busier than this share of the time is said to be overloaded."""
IMPATIENT = 0.005
"""Share of requests that callers give up on, from which the answer says so."""
Many = str | Sequence[str]
Factors = float | Mapping[str, float]


@dataclass(frozen=True)
class Effect:
    """One measure: `before` and `after`, each a mean over replications with the range (`_low` to `_high`) that one run falls in with 95%;
    `change` is their difference within a seed, in the mean, with its 95% interval.
    """

    measure: str
    before: float
    before_low: float
    before_high: float
    after: float
    after_low: float
    after_high: float
    change: float
    change_low: float
    change_high: float


@dataclass(frozen=True)
class Answer:
    """What changes: an Effect per measure, from `replications` of `seconds` each; `reached` is the precision of the targets."""

    question: str
    effects: tuple[Effect, ...]
    replications: int
    seconds: float
    asked: float
    reached: Mapping[str, float]
    notes: tuple[str, ...]
    runs: Table
    """A row per replication and side, `seed, side` and the measures."""

    def __getitem__(self, measure: str) -> Effect:
        """Return the effect on a measure, such as "p95_ms"; KeyError where there is none."""
        for effect in self.effects:
            if effect.measure == measure:
                return effect
        raise KeyError(f"{measure!r}: there are {', '.join(effect.measure for effect in self.effects)}")

    def table(self) -> Table:
        """Return a row per measure: `measure, before, before_low, before_high, after, ..., change, change_low, change_high`."""
        return Table(pa.Table.from_pylist([vars(effect) for effect in self.effects]), name="what if")

    @property
    def settled(self) -> bool:
        """Whether the precision that was asked for was reached."""
        return all(value <= self.asked for value in self.reached.values())

    def _precision(self) -> str:
        told = ", ".join(f"{name} to {value:.1%}" for name, value in self.reached.items())
        return f"{self.replications} replications: the mean of {told} (asked {self.asked:.0%}{'' if self.settled else ', not reached'})"

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "question": self.question,
            "effects": [vars(effect) for effect in self.effects],
            "replications": self.replications,
            "seconds": self.seconds,
            "precision": {"asked": self.asked, "reached": dict(self.reached)},
            "notes": list(self.notes),
        }

    def _cells(self) -> list[tuple[str, str, str, str]]:
        cells = [("", "before [95% of runs]", "after [95% of runs]", "change [95% interval]")]
        for e in self.effects:
            show = _shown(e.measure)
            change = f"{show(e.change, True)} [{show(e.change_low, True)}, {show(e.change_high, True)}]"
            cells.append(
                (
                    e.measure.replace("_", " "),
                    f"{show(e.before)} [{show(e.before_low)}, {show(e.before_high)}]",
                    f"{show(e.after)} [{show(e.after_low)}, {show(e.after_high)}]",
                    change,
                )
            )
        return cells

    def __repr__(self) -> str:
        cells = self._cells()
        wide = [max(len(row[n]) for row in cells) for n in range(4)]
        lines = [f"what if: {self.question}"]
        lines += ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True)).rstrip() for row in cells]
        return "\n".join([*lines, self._precision(), *self.notes])

    def _repr_html_(self) -> str:
        head, *rows = self._cells()
        made = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        notes = "".join(f"<p>{escape(text)}</p>" for text in (self._precision(), *self.notes))
        return f"<p><b>what if: {escape(self.question)}</b></p><table><tr>{made}</tr>{body}</table>{notes}"


def _shown(measure: str) -> Callable[..., str]:
    """Return how values of a measure are written."""

    def show(value: float, signed: bool = False) -> str:
        if math.isnan(value):
            return "-"
        sign = "+" if signed else ""
        if measure in SHARES or measure.startswith("busy"):
            return f"{value:{sign}.1%}"
        return f"{value:{sign},.0f}" if abs(value) >= 100 else f"{value:{sign}.3g}"

    return show


def altered(
    scenario: "Scenario",
    *,
    load: Factors = 1.0,
    remove: Many = (),
    service: Mapping[str, float | Distribution] | None = None,
    workers: Mapping[str, int | None] | None = None,
    faults: Iterable[Fault] = (),
) -> "Scenario":
    """Return the scenario with other load, neurons, service times, workers or faults; see `Scenario.what_if`."""
    gone = (remove,) if isinstance(remove, str) else tuple(remove)
    made = _without(scenario, gone)
    factors = load if isinstance(load, Mapping) else dict.fromkeys((stream.name for stream in made.arrivals), load)
    _known("load", factors, [stream.name for stream in made.arrivals])
    arrivals = tuple(_busier(stream, float(factors.get(stream.name, 1.0))) for stream in made.arrivals)
    names = [model.id for model in made.models]
    _known("service", service or {}, names)
    _known("workers", workers or {}, names)
    models = []
    for model in made.models:
        other = (service or {}).get(model.id)
        if other is not None:
            now = model.behaviour.service
            behaviour = replace(
                model.behaviour, service=other if isinstance(other, Distribution) else now.scaled(float(other))
            )
            model = replace(model, behaviour=behaviour)
        if model.id in (workers or {}):
            model = replace(model, workers=(workers or {})[model.id])
        models.append(model)
    return replace(made, arrivals=arrivals, models=tuple(models), faults=(*made.faults, *faults))


def _known(what: str, given: Mapping[str, Any], names: Sequence[str]) -> None:
    unknown = [name for name in given if name not in names]
    if unknown:
        raise ArgumentError(
            f"{what}: no {', '.join(map(repr, unknown))}; there are {', '.join(map(repr, names)) or 'none'}"
        )


def _busier(stream: Arrivals, factor: float) -> Arrivals:
    """Return a stream with so many times the requests; the same draws, closer together."""
    if not factor > 0:
        raise ArgumentError(f"load={factor!r}: give a factor above 0, such as 2.0 for twice the load")
    if factor == 1.0:
        return stream
    if stream.rate_per_s is not None:
        return replace(stream, rate_per_s=stream.rate_per_s * factor)
    if stream.every is not None:
        return replace(stream, every=microseconds(stream.every) / 1e6 / factor)
    if stream.gap is not None:
        return replace(stream, gap=stream.gap.scaled(1 / factor))
    raise ArgumentError(f"load: the requests of {stream.name!r} come at given times; give it a rate_per_s to scale")


def _without(scenario: "Scenario", gone: tuple[str, ...]) -> "Scenario":
    """Return the scenario without some neurons; what was addressed to them goes to those with the same capabilities."""
    everybody = {model.id: tuple(model.capabilities) for model in scenario.models}
    everybody |= {neuron.id: tuple(neuron.capabilities) for neuron in scenario.neurons}
    _known("remove", dict.fromkeys(gone), list(everybody))
    if not gone:
        return scenario
    left = {id: names for id, names in everybody.items() if id not in gone}

    def instead(id: str, stream: str) -> tuple[str, ...]:
        wanted = everybody[id]
        if not wanted or not any(set(wanted) <= set(names) for names in left.values()):
            can = (
                f"can do {', '.join(map(repr, wanted))}"
                if wanted
                else "is known to do the same: it has no capabilities"
            )
            raise ArgumentError(f"remove={id!r}: nobody else {can}, which the requests {stream!r} need")
        return wanted

    arrivals = []
    for stream in scenario.arrivals:
        then = tuple(
            instead(name[1:], stream.name)[0] if name[:1] == "@" and name[1:] in gone else name for name in stream.then
        )
        if stream.neuron in gone:
            stream = replace(stream, neuron=None, capabilities=instead(stream.neuron, stream.name))
        wanted = [set(stream.capabilities), *({name} for name in then if name[:1] != "@")]
        for names in filter(None, wanted):
            if not any(names <= set(has) for has in left.values()):
                raise ArgumentError(
                    f"remove={list(gone)}: nobody is left for {', '.join(sorted(names))}, which {stream.name!r} needs"
                )
        arrivals.append(replace(stream, then=then))
    models = tuple(model for model in scenario.models if model.id not in gone)
    neurons = tuple(neuron for neuron in scenario.neurons if neuron.id not in gone)
    return replace(scenario, models=models, neurons=neurons, arrivals=tuple(arrivals))


def ask(
    scenario: "Scenario",
    changes: Mapping[str, Any],
    *,
    until: Duration | None = None,
    precision: float = 0.1,
    least: int = LEAST,
    most: int = MOST,
    seed: int = 0,
    **options: Any,
) -> Answer:
    """Return the Answer to a question; see `Scenario.what_if`."""
    if least < 2 or most < least or not precision > 0:
        raise ArgumentError(
            f"least={least!r}, most={most!r}, precision={precision!r}: at least 2 replications, and a precision above 0"
        )
    altered(scenario, **changes)  # what is wrong is said before anything runs
    typical: float | None = getattr(scenario, "typical_s", None)
    seconds = microseconds(until if until is not None else typical or "1m") / 1e6
    draw: Callable[[int], Scenario] = getattr(scenario, "drawn", lambda _seed: scenario)
    rows: list[dict[str, Any]] = []
    sides: tuple[list[dict[str, float]], list[dict[str, float]]] = [], []
    while True:
        drawn = draw(seed + len(sides[0]))
        for side, made, found in zip(("before", "after"), (drawn, altered(drawn, **changes)), sides, strict=True):
            found.append(measured(made, seed + len(found), seconds, **options))
            rows.append({"seed": seed + len(found) - 1, "side": side, **found[-1]})
        reached = _reached(sides)
        if len(sides[0]) >= most or (len(sides[0]) >= least and all(value <= precision for value in reached.values())):
            break
    effects = tuple(_effect(name, *sides) for name in _measures(*sides))
    notes = [
        f"{effect.measure.removeprefix('busy ')} is overloaded after the change: waiting grows for as long as it lasts"
        for effect in effects
        if effect.measure.startswith("busy ") and effect.after > FULL
    ]
    impatient = next((effect for effect in effects if effect.measure == "gave_up" and effect.after > IMPATIENT), None)
    report = getattr(scenario, "report", None)
    if impatient is not None:
        guessed = report is not None and any(open_.what == "timeout" for open_ in report.unidentified)
        notes.append(
            f"callers give up on {impatient.after:.1%} of requests"
            + (", by a timeout that was assumed" if guessed else "")
        )
    runs = Table(pa.Table.from_pylist(_even(rows)), name="replications")
    return Answer(worded(changes), effects, len(sides[0]), seconds, precision, reached, tuple(notes), runs)


def _even(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [{name: row.get(name) for name in names} for row in rows]


def measured(scenario: "Scenario", seed: int, seconds: float, **options: Any) -> dict[str, float]:
    """Return the measures of one run: latency quantiles, success, requests a second, cost, and how busy each neuron was."""
    ns = scenario.namespace(seed, keep=False, **options)
    run = ns.run(until=seconds, drain=DRAIN)
    callers = list(ns.callers.values())
    took = [np.frombuffer(caller.latencies_us, np.int64) for caller in callers if len(caller.latencies_us)]
    latencies = np.concatenate(took) / 1000 if took else np.zeros(0)
    over = sum(caller.started - caller.in_flight for caller in callers)
    found = {
        f"p{round(100 * q)}_ms": float(np.quantile(latencies, q)) if len(latencies) else math.nan for q in QUANTILES
    }
    found["success"] = sum(caller.completed for caller in callers) / over if over else math.nan
    found["gave_up"] = sum(caller.timed_out for caller in callers) / over if over else math.nan
    found["requests_per_s"] = sum(caller.completed for caller in callers) / max(run.virtual_s, 1e-9)
    spent = {model.id: model.behaviour.cost_micro_usd for model in scenario.models}
    if any(spent.values()):
        cost = sum(row["tasks"] * of.mean for row in run.report.neurons if (of := spent.get(row["neuron"])) is not None)
        found["cost_micro_usd"] = cost / max(sum(caller.started for caller in callers), 1)
    # What is cancelled in the middle of its work was counted whole.
    found |= {
        f"busy {row['neuron']}": min(row["utilisation"], 1.0)
        for row in run.report.neurons
        if ns.axons[row["neuron"]].workers
    }
    return found


def _measures(before: list[dict[str, float]], after: list[dict[str, float]]) -> list[str]:
    return [name for name in dict.fromkeys([*before[0], *after[0]]) if name in before[0] or name in after[0]]


def _reached(sides: Sequence[list[dict[str, float]]]) -> dict[str, float]:
    """Return the relative half-width of the 95% interval of the mean after the change, per target."""
    found = {}
    for name in TARGETS:
        values = np.array([row[name] for row in sides[1]])
        values = values[np.isfinite(values)]
        if len(values) < 2:
            found[name] = math.inf
            continue
        half = _t(len(values) - 1) * values.std(ddof=1) / math.sqrt(len(values))
        found[name] = float(half / max(abs(values.mean()), 1e-12))
    return found


def _effect(name: str, before: list[dict[str, float]], after: list[dict[str, float]]) -> Effect:
    first = np.array([row.get(name, math.nan) for row in before])
    second = np.array([row.get(name, math.nan) for row in after])
    difference = (second - first)[np.isfinite(second - first)]
    middle = float(difference.mean()) if len(difference) else math.nan
    half = (
        _t(len(difference) - 1) * float(difference.std(ddof=1)) / math.sqrt(len(difference))
        if len(difference) > 1
        else math.nan
    )
    return Effect(name, *_range(name, first), *_range(name, second), middle, middle - half, middle + half)


def _range(name: str, values: np.ndarray) -> tuple[float, float, float]:
    """Return the mean of replications, and the range that the next one falls in with 95%; of times by their logarithms."""
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan, math.nan
    mean = float(values.mean())
    if len(values) < 2:
        return mean, math.nan, math.nan
    wide = _t(len(values) - 1) * math.sqrt(1 + 1 / len(values))
    if name.endswith("_ms") and (values > 0).all():
        logs = np.log(values)
        return (
            mean,
            float(np.exp(logs.mean() - wide * logs.std(ddof=1))),
            float(np.exp(logs.mean() + wide * logs.std(ddof=1))),
        )
    half = wide * float(values.std(ddof=1))
    low, high = mean - half, mean + half
    if name in SHARES or name.startswith("busy "):
        return mean, max(low, 0.0), min(high, 1.0)
    return mean, max(low, 0.0), high


def _t(freedom: int) -> float:
    from scipy.special import stdtrit  # here, so that a simulation starts without it

    return float(stdtrit(freedom, (1 + LEVEL) / 2))


def worded(changes: Mapping[str, Any]) -> str:
    """Return a question in words.

    >>> worded({"load": 2.0, "remove": "worker-3", "service": {"planner": 0.5}})
    '2 times the load, without worker-3, service of planner times 0.5'
    """
    said = []
    load = changes.get("load", 1.0)
    if isinstance(load, Mapping):
        said += [f"{factor:g} times the load of {name}" for name, factor in load.items()]
    elif load != 1.0:
        said.append(f"{load:g} times the load")
    remove = changes.get("remove", ())
    said += [f"without {name}" for name in ((remove,) if isinstance(remove, str) else remove)]
    for name, other in (changes.get("service") or {}).items():
        said.append(
            f"service of {name} {other!r}" if isinstance(other, Distribution) else f"service of {name} times {other:g}"
        )
    said += [f"{count or 'any number of'} workers in {name}" for name, count in (changes.get("workers") or {}).items()]
    said += [f"fault {fault.name}" for fault in changes.get("faults") or ()]
    return ", ".join(said) or "nothing changes"

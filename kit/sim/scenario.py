"""Scenarios: a namespace as data, with a JSON form; functions are named as `module:name`.

    scenario = Scenario("two", models=(Model("a", ("x",), behaviour=Behaviour(service=exponential(ms=80))),),
                        arrivals=(Arrivals("r", rate_per_s=4, capabilities=("x",)),))
    run = scenario.run(seed=7, until="10m")
    Scenario.from_json(scenario.to_json()) == scenario

A scenario that came from elsewhere runs no code of its choice: names of functions are looked up in the mapping that the
caller gives, or among those that the kit ships; `trust=True` imports others.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass, replace
from datetime import timedelta
from pathlib import Path
from pkgutil import resolve_name
from typing import Any

from kit.errors import ArgumentError
from kit.sim.arrival import Arrivals
from kit.sim.delivery import Delivery
from kit.sim.distribution import Distribution
from kit.sim.duration import Duration, microseconds
from kit.sim.faults import Fault
from kit.sim.limits import Limits
from kit.sim.model import Behaviour
from kit.sim.namespace import Namespace
from kit.sim.run import Run
from kit.sim.synapse import STEPS_US, Fidelity
from kit.sim.what_if import LEAST, MOST, Answer, Factors, Many, ask

OURS = "kit.sim.shipped:"
"""Functions that a scenario may name without more ado."""
Functions = Mapping[str, Callable[..., Any]]


@dataclass(frozen=True)
class Neuron:
    """A neuron that is a function, `function` its name as `module:name`."""

    id: str
    function: str
    capabilities: tuple[str, ...] = ()
    kind: str = "neuron"
    version: str | None = None
    workers: int | None = None
    catch_all: bool = False
    dendrite: str | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True)
class Model:
    """A neuron that is a statistical model."""

    id: str
    capabilities: tuple[str, ...] = ()
    behaviour: Behaviour = field(default_factory=Behaviour)
    kind: str = "neuron"
    version: str | None = None
    workers: int | None = 1
    catch_all: bool = False
    dendrite: str | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True)
class Memory:
    """An Engram in memory."""

    id: str
    kind: str = "keyvalue"
    service: Distribution | None = None
    saga: bool = True
    dendrite: str | None = None


@dataclass(frozen=True)
class Tools:
    """An Effector, each of its tools a function by name; `fails` is how likely a call fails."""

    id: str
    kind: str = "effector"
    tools: Mapping[str, str] = field(default_factory=dict)
    service: Distribution | None = None
    dendrite: str | None = None
    fails: float = 0.0


@dataclass(frozen=True)
class Scenario:
    """A namespace as data. `setup` names functions that are called with the Namespace before it starts.

    `seed` and `until`, the horizon, are those of a run that does not say others.
    """

    name: str
    neurons: tuple[Neuron, ...] = ()
    models: tuple[Model, ...] = ()
    engrams: tuple[Memory, ...] = ()
    effectors: tuple[Tools, ...] = ()
    arrivals: tuple[Arrivals, ...] = ()
    faults: tuple[Fault, ...] = ()
    limits: tuple[Limits, ...] = ()
    setup: tuple[str, ...] = ()
    heartbeat: Duration = "30s"
    latency: Distribution | None = None
    delivery: Delivery = "memory"
    fidelity: Fidelity = "sdk"
    stamp_us: tuple[int, int] = STEPS_US
    about: str = ""
    seed: int | str = 0
    until: Duration = "1m"

    def namespace(
        self,
        seed: int | str | None = None,
        *,
        functions: Functions | None = None,
        trust: bool = False,
        make: Callable[..., Namespace] = Namespace,
        **options: Any,
    ) -> Namespace:
        """Return a new namespace of this scenario; ArgumentError for a function that may not or cannot be found."""
        find = _finder(functions or {}, trust)
        ns = make(
            self.name,
            seed=self.seed if seed is None else seed,
            fidelity=self.fidelity,
            latency=self.latency,
            delivery=self.delivery,
            heartbeat=self.heartbeat,
            stamp_us=self.stamp_us,
            **options,
        )
        ns.scenario = self.as_json()
        for memory in self.engrams:
            given = _given(memory, "id")
            ns.engram(memory.id, **given)
        for tools in self.effectors:
            made = {name: find(function) for name, function in tools.tools.items()}
            ns.effector(tools.id, **{**_given(tools, "id"), "tools": made})
        for neuron in self.neurons:
            ns.neuron(neuron.id, **_given(neuron, "id", "function"))(find(neuron.function))
        for model in self.models:
            ns.model(model.id, **_given(model, "id", "behaviour"), **_given(model.behaviour))
        for limit in self.limits:
            ns.limits(limit.dendrite, **_given(limit, "dendrite"))
        for stream in self.arrivals:
            ns.arrivals(**_given(stream))
        for fault in self.faults:
            ns.faults.add(fault)
        for name in self.setup:
            find(name)(ns)
        return ns

    def run(self, seed: int | str | None = None, until: Duration | None = None, **options: Any) -> Run:
        """Return a Run of this scenario; `options` as for `namespace`."""
        return self.namespace(seed, **options).run(until=self.until if until is None else until)

    def what_if(
        self,
        *,
        load: Factors = 1.0,
        remove: Many = (),
        service: Mapping[str, float | Distribution] | None = None,
        workers: Mapping[str, int | None] | None = None,
        faults: Iterable[Fault] = (),
        until: Duration | None = None,
        precision: float = 0.1,
        least: int = LEAST,
        most: int = MOST,
        seed: int = 0,
        functions: Functions | None = None,
        trust: bool = False,
    ) -> Answer:
        """Return what would change with other load, neurons, service times, workers or faults, with intervals.

        `load` is a factor for all requests, or for streams by name; `remove` neurons, whose requests go to who has their
        capabilities; `service` a factor, or a distribution, per model; `workers` how many tasks at once; `faults` are added. Each
        replication runs both sides with one seed for `until` of virtual time (the length of the capture, if it was calibrated, else
        1 minute) and lets all requests come to their end. Their number is at least `least`, at most `most`: it stops where the
        means of p50 and p95 after the change are known to `precision`, relative half-width of a 95% interval.

        ArgumentError for a neuron or stream that there is not, and where nobody is left for what requests need.
        """
        changes = {
            "load": load, "remove": remove, "service": service, "workers": workers, "faults": tuple(faults),
        }  # fmt: skip
        return ask(
            self, changes, until=until, precision=precision, least=least, most=most, seed=seed, functions=functions,
            trust=trust,
        )  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, without what is as it is by default."""
        return {"name": self.name, **_plain(self)}

    def to_json(self) -> str:
        """Return it as JSON text; `from_json` reads it."""
        return json.dumps(self.as_json(), ensure_ascii=False, indent=1)

    def code(self, seed: int | str | None = None, until: Duration | None = None) -> str:
        """Return Python that makes it again and runs it, to paste, with this seed and horizon where they are given.

        Functions of your own are named in it, and must be given to `run` as `functions=`.
        """
        told = replace(self, seed=self.seed if seed is None else seed, until=self.until if until is None else until)
        text = told.to_json()
        quoted = f"r'''{text}'''" if "'''" not in text else repr(text)
        return f"import kit\n\nscenario = kit.sim.Scenario.from_json({quoted})\nrun = scenario.run()\n"

    @classmethod
    def from_json(cls, data: str | Mapping[str, Any]) -> "Scenario":
        """Return the scenario in JSON text or plain values; ArgumentError that names what is wrong. It runs nothing."""
        try:
            plain = json.loads(data) if isinstance(data, str) else data
        except (ValueError, RecursionError) as error:
            raise ArgumentError(f"not a scenario: broken JSON, {error}") from None
        made: Scenario = _revived(cls, plain, "scenario")
        return made

    @classmethod
    def load(cls, path: str | Path) -> "Scenario":
        """Return the scenario in a file of JSON."""
        return cls.from_json(Path(path).read_text(encoding="utf-8"))


_PARTS: dict[tuple[type, str], type] = {
    (Scenario, "neurons"): Neuron,
    (Scenario, "models"): Model,
    (Scenario, "engrams"): Memory,
    (Scenario, "effectors"): Tools,
    (Scenario, "arrivals"): Arrivals,
    (Scenario, "faults"): Fault,
    (Scenario, "limits"): Limits,
    (Model, "behaviour"): Behaviour,
}


def _finder(functions: Functions, trust: bool) -> Callable[[str], Callable[..., Any]]:
    def find(name: str) -> Callable[..., Any]:
        if name in functions:
            return functions[name]
        if not (name.startswith(OURS) or trust):
            raise ArgumentError(
                f"function {name!r} is not of the kit; give it in functions={{{name!r}: ...}}, or say trust=True where you "
                "know who wrote the scenario: it imports the module"
            )
        try:
            found = resolve_name(name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ArgumentError(f"function {name!r} cannot be found: {error}") from None
        if not callable(found):
            raise ArgumentError(f"{name!r} is {found!r:.80}, and no function")
        made: Callable[..., Any] = found
        return made

    return find


def _given(of: Any, *without: str) -> dict[str, Any]:
    return {item.name: getattr(of, item.name) for item in fields(of) if item.name not in without}


def _plain(of: Any) -> dict[str, Any]:
    """Return the fields of a dataclass that differ from their default, as plain values."""
    made = {}
    for item in fields(of):
        value = getattr(of, item.name)
        default = item.default_factory() if callable(item.default_factory) else item.default
        if value != default:
            made[item.name] = _value(value)
    return made


def _value(value: Any) -> Any:
    if isinstance(value, Distribution):
        return value.as_json()
    if is_dataclass(value):
        return _plain(value)
    if isinstance(value, timedelta):
        return microseconds(value) / 1e6
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return dict(value) if isinstance(value, Mapping) else value


def _revived(cls: type, data: Any, where: str) -> Any:
    """Return an instance of a dataclass from plain values."""
    if not isinstance(data, Mapping):
        raise ArgumentError(f"{where}: an object is needed, not {data!r:.80}")
    known = {item.name for item in fields(cls)}
    unknown = sorted(set(data) - known)
    if unknown:
        raise ArgumentError(
            f"{where}: {', '.join(map(repr, unknown))} is not known; there are {', '.join(sorted(known))}"
        )
    made = {}
    for name, value in data.items():
        part = _PARTS.get((cls, name))
        place = f"{where}.{name}"
        if part is None:
            made[name] = _value_of(value)
        elif isinstance(value, list):
            made[name] = tuple(_revived(part, item, f"{place}[{n}]") for n, item in enumerate(value))
        else:
            made[name] = _revived(part, value, place)
    try:
        return cls(**made)
    except TypeError as error:
        raise ArgumentError(f"{where}: {error}") from None


def _value_of(value: Any) -> Any:
    if isinstance(value, Mapping) and "distribution" in value:
        return Distribution.from_json(value)
    if isinstance(value, list):
        return tuple(_value_of(item) for item in value)
    return dict(value) if isinstance(value, Mapping) else value

"""Faults, as data: what goes wrong, where, from when and for how long (each from a stream of random numbers of its own)."""

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

from kit.errors import ArgumentError
from kit.sim.axon import POISON
from kit.sim.distribution import Distribution, constant
from kit.sim.duration import Duration, microseconds
from kit.sim.envelope import Envelope

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite
    from kit.sim.node import Node
    from kit.sim.synapse import Synapse

Kind = Literal[
    "crash",
    "pause",
    "slow",
    "skew",
    "drop",
    "duplicate",
    "delay",
    "reorder",
    "partition",
    "engram",
    "effector",
    "poison",
]
Span = Duration | Distribution
OF_A_DENDRITE = ("crash", "pause", "slow", "skew")
OF_DELIVERIES = ("drop", "duplicate", "delay", "reorder", "partition", "poison")


@dataclass(frozen=True)
class Fault:
    """One fault: at `at` it begins, after `for_` it ends (None: never); with `every` it comes again and again.

    `every` and `for_` may be distributions: then the fault is drawn. `target` is a Dendrite, Engram or Effector,
    `p` the share of deliveries that it hits, `by` how much later, slower or further ahead. `sender`, `receiver` and
    `types` say which deliveries; `groups` are the sides of a partition, those named in none stay in touch with all.
    `armed` is the chance that it is there at all, drawn once a run: of the runs of a sweep some have the fault, and in these
    it strikes with `p`.
    """

    kind: Kind
    target: str | None = None
    at: Duration = 0
    for_: Span | None = None
    every: Span | None = None
    p: float = 1.0
    by: Span | None = None
    back: bool = False
    sender: str | None = None
    receiver: str | None = None
    types: tuple[str, ...] = ()
    groups: tuple[tuple[str, ...], ...] = ()
    armed: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.p <= 1:
            raise ArgumentError(f"{self.kind}: p={self.p!r} is no probability, from 0 to 1")
        if not 0 <= self.armed <= 1:
            raise ArgumentError(f"{self.kind}: armed={self.armed!r} is no probability, from 0 to 1")
        if self.every is not None and self.for_ is None:
            raise ArgumentError(f"{self.kind}: every= needs for_=, or the first would never end")
        microseconds(self.at)

    def __repr__(self) -> str:
        given = [
            f"{item.name}={getattr(self, item.name)!r}"
            for item in fields(self)
            if getattr(self, item.name) != item.default
        ]
        return f"Fault({', '.join(given)})"

    @property
    def name(self) -> str:
        """What its stream of random numbers is called after."""
        where = self.target or "/".join(filter(None, (self.sender, self.receiver, *self.types))) or "all"
        return f"{self.kind}/{where}"


class Faults:
    """The faults of a simulation: `ns.faults.crash("tester", at="30s", for_="10s")`."""

    def __init__(self, synapse: "Synapse", dendrites: "Mapping[str, Dendrite]") -> None:
        self.planned: list[Fault] = []
        self.happened: list[tuple[float, str, str]] = []
        """Virtual second, `begins` or `ends`, and the name of the fault."""
        self._synapse = synapse
        self._dendrites = dendrites
        self._open = True
        self._begun = False
        self._names: dict[str, int] = {}
        self._on = 0
        self._ended_us = 0

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {len(self.planned)} planned, {len(self.happened)} beginnings and ends so far>"

    @property
    def calm_us(self) -> int | None:
        """When the last fault ended, in microseconds of virtual time, 0 where there was none; None while one is on."""
        return None if self._on else self._ended_us

    # What can go wrong

    def crash(
        self,
        dendrite: str,
        *,
        at: Duration = 0,
        for_: Span | None = None,
        every: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """A Dendrite is gone without a word, and starts again after `for_`."""
        return self.add(Fault("crash", dendrite, at, for_, every, armed=armed))

    def pause(
        self, dendrite: str, *, at: Duration = 0, for_: Span, every: Span | None = None, armed: float = 1.0
    ) -> Fault:
        """A Dendrite handles nothing and gives no sign of life; afterwards it handles all that came."""
        return self.add(Fault("pause", dendrite, at, for_, every, armed=armed))

    def slow(
        self,
        dendrite: str,
        *,
        by: Span,
        at: Duration = 0,
        for_: Span | None = None,
        every: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """A Dendrite handles each delivery later by `by`."""
        return self.add(Fault("slow", dendrite, at, for_, every, by=by, armed=armed))

    def skew(
        self,
        dendrite: str,
        *,
        by: Duration,
        back: bool = False,
        at: Duration = 0,
        for_: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """The clock of a Dendrite is ahead by `by`, or behind with `back`."""
        return self.add(Fault("skew", dendrite, at, for_, by=by, back=back, armed=armed))

    def drop(self, p: float, **where: Any) -> Fault:
        """A share of deliveries is lost; `where`: sender, receiver, types, at, for_, every, armed."""
        return self.add(_delivery("drop", p, **where))

    def duplicate(self, p: float, **where: Any) -> Fault:
        """A share of deliveries comes twice."""
        return self.add(_delivery("duplicate", p, **where))

    def delay(self, p: float, *, by: Span, **where: Any) -> Fault:
        """A share of deliveries comes later by `by`, and may be overtaken."""
        return self.add(_delivery("delay", p, by=by, **where))

    def reorder(self, p: float, *, by: Span = "10ms", **where: Any) -> Fault:
        """A share of deliveries is overtaken by what comes within `by` behind them."""
        return self.add(_delivery("reorder", p, by=by, **where))

    def poison(self, p: float, *, neuron: str | None = None, **where: Any) -> Fault:
        """A share of TASKs has an input on which every neuron fails."""
        return self.add(_delivery("poison", p, target=neuron, types=("TASK", "TASK_AWARDED"), **where))

    def partition(
        self,
        *groups: Sequence[str],
        at: Duration = 0,
        for_: Span | None = None,
        every: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """Dendrites of different groups do not reach each other."""
        if len(groups) < 2:
            raise ArgumentError("partition() takes two groups of Dendrites or more")
        return self.add(Fault("partition", None, at, for_, every, groups=tuple(map(tuple, groups)), armed=armed))

    def engram(
        self,
        engram: str,
        *,
        at: Duration = 0,
        for_: Span | None = None,
        every: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """An Engram fails: a recall has no answer, an imprint an error."""
        return self.add(Fault("engram", engram, at, for_, every, armed=armed))

    def effector(
        self,
        effector: str,
        *,
        at: Duration = 0,
        for_: Span | None = None,
        every: Span | None = None,
        armed: float = 1.0,
    ) -> Fault:
        """An Effector fails: each call has an error."""
        return self.add(Fault("effector", effector, at, for_, every, armed=armed))

    def add(self, fault: Fault) -> Fault:
        """Plan a fault; ArgumentError where its target is not there."""
        if fault.kind in (*OF_A_DENDRITE, "engram", "effector"):
            self._targets(fault)
        self.planned.append(fault)
        if self._begun:
            self._plan(fault)
        return fault

    # How it goes

    def begin(self) -> None:
        """The simulation begins: plan them all."""
        self._begun = True
        for fault in self.planned:
            self._plan(fault)

    def end(self) -> None:
        """No fault begins from here on."""
        self._open = False

    def _plan(self, fault: Fault) -> None:
        number = self._names[fault.name] = self._names.get(fault.name, 0) + 1
        rng = self._synapse.random(f"faults/{fault.name}/{number}")
        # From a stream of its own: what an armed fault does is the same whatever its chance was.
        if fault.armed < 1 and self._synapse.random(f"faults/{fault.name}/{number}/armed").random() >= fault.armed:
            return
        self._synapse.kernel.call(microseconds(fault.at), self._occur, fault, rng)

    def _occur(self, fault: Fault, rng: random.Random) -> None:
        if not self._open:
            return
        undo = self._does(fault, rng)
        self.happened.append((self._synapse.now_s, "begins", fault.name))
        self._on += 1
        if fault.for_ is not None:
            self._synapse.kernel.call(_drawn(fault.for_, rng), self._over, fault, rng, undo)

    def _over(self, fault: Fault, rng: random.Random, undo: Callable[[], object]) -> None:
        undo()
        self.happened.append((self._synapse.now_s, "ends", fault.name))
        self._on -= 1
        self._ended_us = self._synapse.kernel.now
        if fault.every is not None:
            self._synapse.kernel.call(_drawn(fault.every, rng), self._occur, fault, rng)

    def _does(self, fault: Fault, rng: random.Random) -> Callable[[], object]:
        """Bring a fault about, and return what ends it."""
        if fault.kind in OF_DELIVERIES:
            fates = self._synapse.links.fates
            fate = partial(_FATES[fault.kind], fault, rng)
            fates.append(fate)
            return lambda: fates.remove(fate)
        if fault.kind in ("engram", "effector"):
            hosted = self._targets(fault)
            for one in hosted:
                one.failing = True

            def heal() -> None:
                for one in hosted:
                    one.failing = False

            return heal
        (node,) = self._targets(fault)
        effect: Callable[[Any, Fault, random.Random], Callable[[], object]] = _EFFECTS[fault.kind]
        return effect(node, fault, rng)

    def _targets(self, fault: Fault) -> list[Any]:
        nodes = self._dendrites.values()
        if fault.kind in OF_A_DENDRITE:
            found: list[Any] = [node for node in nodes if fault.target in (node.dendrite_id, *node.axons)]
        else:
            name = f"{fault.kind}s"
            found = [getattr(node, name)[fault.target] for node in nodes if fault.target in getattr(node, name)]
        if not found:
            raise ArgumentError(f"{fault.kind}: nobody is called {fault.target!r}; add it first")
        return found[:1]


def by_hand(kind: Kind, target: str | None, nodes: "Mapping[str, Dendrite]", **options: Any) -> Fault:
    """Return a fault that strikes one target: what that means depends on the kind.

    Of deliveries it strikes those to the target, without one all; a partition parts the target from everybody else.
    """
    if kind == "partition":
        if target is None or target not in nodes:
            raise ArgumentError(f"partition: nobody is called {target!r}; there are {', '.join(nodes)}")
        return Fault(kind, groups=((target,), tuple(name for name in nodes if name != target)), **options)
    if kind == "poison":
        return Fault(kind, target, types=("TASK", "TASK_AWARDED"), **options)
    if kind in OF_DELIVERIES:
        return Fault(kind, receiver=target, **options)
    return Fault(kind, target, **options)


def targets(kind: str, nodes: "Mapping[str, Dendrite]") -> tuple[str, ...]:
    """Return who can be the target of a fault of a kind."""
    if kind in ("engram", "effector"):
        return tuple(name for node in nodes.values() for name in getattr(node, f"{kind}s"))
    if kind == "poison":
        return tuple(name for node in nodes.values() for name in node.axons)
    if kind in OF_A_DENDRITE:
        return tuple(dict.fromkeys([*(name for node in nodes.values() for name in node.axons), *nodes]))
    return tuple(nodes)


def _delivery(kind: Kind, p: float, **options: Any) -> Fault:
    types = tuple(options.pop("types", ()))
    return Fault(kind, p=p, types=types, **options)


def _drawn(span: Span, rng: random.Random) -> int:
    return round(span.sampler(rng)() * 1e6) if isinstance(span, Distribution) else microseconds(span)


# Deliveries


def _hits(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> bool:
    """Whether a fault is for a delivery, and strikes: only those it is for draw."""
    if fault.types and envelope.kind not in fault.types:
        return False
    if fault.sender is not None and fault.sender != envelope.sender.dendrite_id:
        return False
    if fault.receiver is not None and fault.receiver != node.dendrite_id:
        return False
    return fault.p >= 1 or rng.random() < fault.p


def _drop(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    return [] if _hits(fault, rng, envelope, node) else None


def _duplicate(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    return [0, 0] if _hits(fault, rng, envelope, node) else None


def _delay(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    return [max(1, _drawn(fault.by or 0, rng))] if _hits(fault, rng, envelope, node) else None


def _reorder(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    if not _hits(fault, rng, envelope, node):
        return None
    return [1 + int(rng.random() * _drawn(fault.by or 0, rng))]


def _partition(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    sides = [
        next((n for n, group in enumerate(fault.groups) if name in group), None)
        for name in (envelope.sender.dendrite_id, node.dendrite_id)
    ]
    return [] if None not in sides and sides[0] != sides[1] else None


def _poison(fault: Fault, rng: random.Random, envelope: Envelope, node: "Node") -> list[int] | None:
    """Spoil the input on the way: what is on the tape stays as it was sent."""
    if (fault.target is None or fault.target in node.axons) and _hits(fault, rng, envelope, node):
        input = envelope.payload.get("input")
        envelope.payload = {**envelope.payload, "input": {**(input if isinstance(input, dict) else {}), POISON: True}}
    return None


_FATES: dict[str, Callable[..., list[int] | None]] = {
    "drop": _drop,
    "duplicate": _duplicate,
    "delay": _delay,
    "reorder": _reorder,
    "partition": _partition,
    "poison": _poison,
}


# Dendrites


def _crash(node: "Dendrite", fault: Fault, rng: random.Random) -> Callable[[], object]:
    node.crash()
    return node.begin


def _pause(node: "Dendrite", fault: Fault, rng: random.Random) -> Callable[[], object]:
    if node.held is None:
        node.held = []
    node.settle()

    def go_on() -> None:
        held, node.held = node.held or [], None
        node.settle()
        for envelope in held:
            node.take(envelope)

    return go_on


def _slow(node: "Dendrite", fault: Fault, rng: random.Random) -> Callable[[], object]:
    by = fault.by if isinstance(fault.by, Distribution) else constant(us=microseconds(fault.by or 0))
    node.slow = by.sampler(rng)
    node.settle()

    def hurry() -> None:
        node.slow = None
        node.settle()

    return hurry


def _skew(node: "Dendrite", fault: Fault, rng: random.Random) -> Callable[[], object]:
    node.skew_us = _drawn(fault.by or 0, rng) * (-1 if fault.back else 1)
    return lambda: setattr(node, "skew_us", 0)


_EFFECTS: dict[str, Callable[..., Callable[[], object]]] = {
    "crash": _crash,
    "pause": _pause,
    "slow": _slow,
    "skew": _skew,
}

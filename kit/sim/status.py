"""How a simulation stands, as plain values that a view may keep while it goes on."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from kit.cosmonapse.registry import NeuronRecord
from kit.sim.dendrite import Dendrite
from kit.sim.duration import START_US
from kit.sim.namespace import Namespace

ROLES = ("neuron", "engram", "effector")


class Member(NamedTuple):
    """Somebody of a namespace: how it is, and what the orchestrator's registry says of it."""

    name: str
    role: str
    what: str
    """Its capabilities or kind."""
    state: str
    """up, crashed, paused, slow, failing, not started."""
    registered: str
    """Its status in the registry; empty where the registry does not know it."""
    heard_s: float | None
    """The virtual second of its last sign of life."""
    working: int
    waiting: int
    workers: int | None


class Stream(NamedTuple):
    """A stream of requests."""

    name: str
    rate_per_s: float | None
    started: int
    completed: int
    failed: int
    timed_out: int
    in_flight: int


@dataclass(frozen=True)
class Status:
    """The state of a namespace at one moment."""

    virtual_s: float
    events: int
    signals: int
    in_flight: int
    """Tasks that are worked on or wait for a neuron."""
    members: tuple[Member, ...]
    streams: tuple[Stream, ...]
    faults: tuple[str, ...]
    """Faults that have begun and not ended."""


def status(ns: Namespace) -> Status:
    """Return how a namespace stands."""
    return Status(
        virtual_s=ns.now_s,
        events=ns.synapse.events,
        signals=len(ns.synapse.tape),
        in_flight=sum(len(stake.running) for node in ns.dendrites.values() for stake in node.stakes.values()),
        members=tuple(sorted(_members(ns), key=lambda member: ROLES.index(member.role))),
        streams=tuple(
            Stream(
                name,
                caller.rate_per_s,
                caller.started,
                caller.completed,
                caller.failed,
                caller.timed_out,
                caller.in_flight,
            )
            for name, caller in ns.callers.items()
        ),
        faults=_under_way(ns),
    )


def _members(ns: Namespace) -> Iterator[Member]:
    known = {record.neuron_id: record for record in ns.registry()}
    for node in ns.dendrites.values():
        state = state_of(node)
        for name, axon in node.axons.items():
            record, gate = known.get(name), node.gates[name]
            registered = "" if record is None else record.status
            what = ", ".join(axon.capabilities)
            waiting = sum(not job.over for job, _ in gate.waiting)
            heard = None if record is None else _heard(record)
            yield Member(name, "neuron", what, state, registered, heard, gate.busy, waiting, axon.workers)
        for name, engram in node.engrams.items():
            yield Member(name, "engram", engram.engram_kind, _failing(state, engram.failing), "", None, 0, 0, None)
        for name, effector in node.effectors.items():
            yield Member(
                name, "effector", effector.effector_kind, _failing(state, effector.failing), "", None, 0, 0, None
            )


def state_of(node: Dendrite) -> str:
    """Return how a Dendrite is, in a word."""
    if node.down:
        return "crashed"
    if not node.place:
        return "not started"
    if node.held is not None:
        return "paused"
    return "up" if node.slow is None else "slow"


def _failing(state: str, failing: bool) -> str:
    return "failing" if failing and state == "up" else state


def _heard(record: NeuronRecord) -> float | None:
    heard = record.last_heartbeat or record.registered_at
    return None if heard is None else heard.timestamp() - START_US / 1e6


def _under_way(ns: Namespace) -> tuple[str, ...]:
    begun: list[str] = []
    for _, what, name in ns.faults.happened:
        if what == "begins":
            begun.append(name)
        elif name in begun:
            begun.remove(name)
    return tuple(begun)

"""The virtual bus: who gets a signal, when, and in which order (spec/cosmonapse.md 3, 4).

Delivery is that of the in-process bus of the published package: `publish` returns at once, and the delivery follows
as an event of its own, to all who subscribe, and to one member of each queue group. Receivers are looked up by the
address of the signal, by its trace and by what they have handlers for, and not asked one by one whether it is theirs:
a signal costs the same among two hundred Dendrites as among two.
"""

import random
import sys
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator, Iterable, Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any, Literal

from pydantic_core import to_json

from kit import ids
from kit.errors import ArgumentError, KernelError
from kit.kernel import Kernel, Port, Process
from kit.kernel.event import Sleep
from kit.sim.collector import seldom_collected
from kit.sim.delivery import LINE_BYTES, Delivery, checked, frame_bytes, lost
from kit.sim.distribution import Distribution
from kit.sim.duration import START_US, Duration, microseconds
from kit.sim.envelope import Envelope, Json
from kit.sim.eventloop import KernelLoop, in_force
from kit.sim.link import Links
from kit.sim.mint import Mint
from kit.sim.outside import Outside
from kit.sim.recording import Recording
from kit.sim.shelf import Shelf
from kit.sim.tap import Raised, Tapped
from kit.sim.tape import BATCH, Tape
from kit.sim.task import KernelTask

if TYPE_CHECKING:
    from kit.sim.node import Node

Fidelity = Literal["sdk", "spec"]
NOBODY: "tuple[Node, ...]" = ()
KEPT_ERRORS = 20
STEPS_US = (9, 160)
"""Least and most microseconds that a Dendrite takes to stamp a signal (spec/cosmonapse.md 5.14)."""


class Synapse:
    """A bus in virtual time, with the clock, the ids and the tape of one simulation.

    `fidelity` is `sdk` for what the published package does, `spec` for what its documents say (docs/simulation.md).
    `latency` delays each delivery, drawn per link and in order on it; `stamp_us` is the least and the most that
    stamping a signal takes. `delivery` is the bus that is simulated: `memory`, or `dev`, which loses what is longer than
    64 KiB, or `nats`, `kafka`, whose Dendrites handle one delivery of a subscription after the other. All that is random
    comes from `seed`, a stream per purpose. What is awaited of the real world is in `recording` afterwards; a `recording`
    that is given answers in its place.
    """

    def __init__(
        self,
        *,
        seed: int | str = 0,
        fidelity: Fidelity = "sdk",
        latency: Distribution | None = None,
        delivery: Delivery = "memory",
        stamp_us: tuple[int, int] = STEPS_US,
        tape: Tape | None = None,
        recording: Recording | None = None,
    ) -> None:
        if fidelity not in ("sdk", "spec"):
            raise ArgumentError(f"fidelity {fidelity!r} is neither 'sdk' nor 'spec'")
        if not 1 <= stamp_us[0] <= stamp_us[1]:
            raise ArgumentError(f"stamp_us {stamp_us!r}: give the least and the most, from 1 microsecond on")
        self.seed = seed
        self.fidelity = fidelity
        self.delivery = checked(delivery)
        self.stamp_us = stamp_us
        self.kernel = kernel = Kernel(seed=seed, start=START_US)
        self.tape = Tape() if tape is None else tape
        self.links = Links(self, latency)
        self._delivery: Port | Tapped = self.kernel.port(self._deliver)
        self._port = self._delivery
        self._taps: list[Callable[[Envelope], object]] = []
        self.errors: list[tuple[str, BaseException]] = []
        """What handlers raised: the Dendrite and the error. As in the original it disturbs nobody else."""
        self.outside = Outside(self.kernel, recording)
        self.shelf = Shelf(lambda: kernel.now, self.random("registry"))
        weakref.finalize(self, self.shelf.close).atexit = False  # by then threads of stores are gone
        self._loop = KernelLoop(  # type: ignore[abstract]
            self.kernel, self.outside, lambda error: self.errors.append(("asyncio", error))
        )
        self.raised: deque[Raised] = deque(maxlen=KEPT_ERRORS)
        """The exceptions that neurons raised last; each became an ERROR, which has only their message."""
        self._ids = ids.driver(self.stamp, self.random("kit ids").getrandbits)
        self._mint = Mint(self.random("ids"))
        self._last_us = START_US
        self._nodes: list[Node] = []
        self._namespace: str | None = None
        # Who is where: by neuron, by trace, by kind of signal.
        self.neurons: dict[str, list[Node]] = {}
        self.by_trace: dict[str, list[Node]] = {}
        self.listeners: dict[str, list[Node]] = {}
        self.engrams: dict[str, list[Node]] = {}
        self.effectors: dict[str, list[Node]] = {}
        self._groups: dict[str, _Group] = {}
        self._routed = 0
        self._found: dict[tuple[str, frozenset[str]], list[Any]] = {}
        self._hosts: dict[str, Callable[[Envelope], Sequence[Node]]] = {
            "TASK": self._task_hosts,
            "TASK_AWARDED": lambda envelope: self.neurons.get(envelope.to or "", NOBODY),
            "TASK_OFFER": self._bidders,
            "RECALL": lambda envelope: self._kept(self.engrams, envelope),
            "IMPRINT": lambda envelope: self._kept(self.engrams, envelope),
            "TOOL_CALL": lambda envelope: self._kept(self.effectors, envelope),
            "DISCOVER": lambda _: [node for node in self._nodes if node.axons],
        }

    # The clock, chance and processes

    def random(self, purpose: str) -> random.Random:
        """Return the stream of random numbers for `purpose`."""
        return self.kernel.random(purpose)

    def steps(self, node_id: str) -> Callable[[], int]:
        """Return the supply of microseconds that a Dendrite takes for its stamps."""
        low, high = self.stamp_us
        if low == high:
            return lambda: low
        rng = self.random(f"stamps/{node_id}")
        choices = range(low, high + 1)
        return iter(_endless(rng, choices)).__next__

    def stamp(self, node: "Node | None" = None) -> int:
        """Return the next stamp, later than every earlier one."""
        us = self.kernel.now + (1 if node is None else node.step())
        if us <= self._last_us:
            us = self._last_us + 1
        self._last_us = us
        return us

    def new_id(self, prefix: str) -> str:
        """Return a new id of this moment."""
        return prefix + self._mint.at(self.stamp())

    def sleep(self, span: Duration) -> Sleep:
        """`await synapse.sleep("250ms")`: virtual time passes."""
        return self.kernel.sleep(microseconds(span))

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return (self.kernel.now - START_US) / 1e6

    def spawn(self, body: Coroutine[Any, Any, Any] | Generator[Any, Any, Any], name: str | None = None) -> Process:
        """Run a coroutine in virtual time; it may wait for what asyncio offers too."""
        return KernelTask(self._loop, self.kernel, body, name=name).process

    def run(self, until: "Duration | Coroutine[Any, Any, Any] | None" = None) -> Any:
        """Let virtual time pass: until a coroutine returns (its value is returned), up to a time, or to the end.

        Ids and times that `kit` makes meanwhile are those of the simulation.
        """
        with ExitStack() as stack:
            self._enter(stack)
            if isinstance(until, Coroutine):
                return self._run_to(self.spawn(until, "main"))
            return self.kernel.run(None if until is None else START_US + microseconds(until))

    def slice(
        self, until_us: int | None = None, events: int = sys.maxsize, enough: Callable[[], bool] | None = None
    ) -> int:
        """Let virtual time pass for a while, and return how many things happened; how it is sliced changes nothing.

        Up to the time `until_us`, in microseconds since 1970, which it is afterwards unless `events` things happened
        before, or `enough()` was true after one of them.
        """
        with ExitStack() as stack:
            self._enter(stack)
            if enough is None:
                return self.kernel.run(until_us, events)
            for happened in range(events):
                due = self.kernel.peek()
                if due is None or (until_us is not None and due > until_us):
                    if until_us is not None:
                        self.kernel.run(until_us)
                    return happened
                self.kernel.run(events=1)
                if enough():
                    return happened + 1
            return events

    def _enter(self, stack: ExitStack) -> None:
        """Make ids, times and asyncio those of the simulation."""
        stack.enter_context(self._ids())
        stack.enter_context(seldom_collected())
        stack.enter_context(in_force(self._loop))

    def note(self, neuron: str, task: Envelope, error: BaseException) -> None:
        """Keep what a neuron raised."""
        self.raised.append(Raised(neuron, task, self.kernel.now, error))

    @property
    def events(self) -> int:
        """How many things have happened."""
        return self.kernel.happened

    def tap(self, function: Callable[[Envelope], object]) -> Callable[[], None]:
        """Call a function with every signal from here on, at once as it is sent; the result ends that.

        It must not change anything. Delivery is not changed by it, so runs with and without a tap are the same.
        """
        self._taps.append(function)
        self._delivery = Tapped(self._port, self._taps)

        def end() -> None:
            if function in self._taps:
                self._taps.remove(function)
            if not self._taps:
                self._delivery = self._port

        return end

    def _run_to(self, process: Process) -> Any:
        """Let things happen one by one until a process is over, and return what it returned."""
        while not process.done:
            if not self.kernel.step():
                raise KernelError(f"nothing is left to happen, and {process!r} waits")
        return process.value

    @property
    def recording(self) -> Recording:
        """What was awaited of the real world so far, or what answers in its place."""
        return self.outside.recording

    # Who is there

    def enter(self, node: "Node") -> int:
        """Take a Dendrite in; its place in the order of starting is returned."""
        if self._namespace not in (None, node.namespace):
            raise ArgumentError(
                f"namespace {node.namespace!r}: this bus carries {self._namespace!r}; use one bus a namespace"
            )
        self._namespace = node.namespace
        self._nodes.append(node)
        return len(self._nodes)

    def leave(self, node: "Node") -> None:
        """A Dendrite is not served any more."""
        if node in self._nodes:
            self._nodes.remove(node)
        for table in (self.neurons, self.listeners, self.engrams, self.effectors, self.by_trace):
            for key in [key for key, nodes in table.items() if node in nodes]:
                self.drop(table, key, node)
        self.regroup(node, None)

    def add(self, table: "dict[str, list[Node]]", key: str, node: "Node") -> None:
        """Enter a Dendrite under a key of one of the tables, once."""
        nodes = table.setdefault(key, [])
        if node not in nodes:
            nodes.append(node)
        self._found.clear()

    def drop(self, table: "dict[str, list[Node]]", key: str, node: "Node") -> None:
        """Take a Dendrite out from under a key."""
        nodes = table.get(key)
        if nodes is not None and node in nodes:
            nodes.remove(node)
            if not nodes:
                del table[key]
        self._found.clear()

    def regroup(self, node: "Node", capabilities: frozenset[str] | None) -> None:
        """Put a Dendrite into the queue group of the union of its capabilities, None for no group."""
        self._found.clear()
        name = "caps:" + ",".join(sorted(capabilities or ()))
        for key in [key for key, group in self._groups.items() if node in group.members and key != name]:
            self._groups[key].members.remove(node)
            if not self._groups[key].members:
                del self._groups[key]
        if capabilities:
            group = self._groups.setdefault(name, _Group(capabilities, self._routed))
            if node not in group.members:
                group.members.append(node)

    # Sending

    def send(
        self,
        node: "Node",
        kind: str,
        payload: Json,
        trace_id: str | None = None,
        parent_id: str | None = None,
        to: str | None = None,
        to_type: str | None = None,
        capabilities: tuple[str, ...] | None = (),
        meta: Json | None = None,
        text: str | None = None,
    ) -> Envelope:
        """Stamp, record and publish a signal of `node`; `text` is its payload as JSON, where that is at hand.

        TraceLimitExceeded where the node has limits, and this is too much for the trace.
        """
        kernel = self.kernel
        us = kernel.now + node.step()
        if us <= self._last_us:
            us = self._last_us + 1
        self._last_us = us
        mint = self._mint
        envelope = Envelope(
            "evt_" + mint.at(us),
            "trc_" + mint.at(us) if trace_id is None else trace_id,
            parent_id,
            kind,
            to,
            to_type,
            capabilities,
            us + node.skew_us,
            payload,
            meta or {},
            node,
            to_json(payload).decode() if text is None else text,
        )
        if node.limited is not None:  # behind the making: the first signal of a trace counts for it
            node.limited.check(kind, envelope.trace_id)
        self._publish(envelope, us - kernel.now)
        return envelope

    def publish(self, envelope: Envelope) -> None:
        """Record and deliver an envelope that was made elsewhere; its stamp is kept."""
        if envelope.sender.limited is not None:
            envelope.sender.limited.check(envelope.kind, envelope.trace_id)
        envelope.text = to_json(envelope.payload).decode()
        self._publish(envelope, envelope.sender.step())

    def _publish(self, envelope: Envelope, delay: int) -> None:
        if envelope.sender.down:
            return
        size = frame_bytes(envelope, envelope.sender.namespace) if self.delivery == "dev" else 0
        if size > LINE_BYTES:
            self._lose(envelope, size)
            return
        rows = self.tape.rows
        rows.append(envelope)
        if len(rows) >= BATCH:
            self.tape.seal()
        if not (size and self._lose(envelope, size)):
            self._delivery.send(delay, envelope)

    def _lose(self, envelope: Envelope, size: int) -> bool:
        """Note a signal that the dev bus loses; whether it does."""
        error = lost(envelope, size)
        if error is not None:
            self.errors.append((envelope.sender.dendrite_id, error))
        return error is not None

    # Receiving

    def _deliver(self, envelope: Envelope) -> None:
        """Hand a signal to all it is for."""
        try:
            found = self.receivers(envelope)
        except TypeError as error:
            # Capabilities that are no list, in a signal that somebody built: it is for nobody.
            self.errors.append(("bus", error))
            return
        if self.links.plain:
            for node in found:
                if node.regular:
                    node.take(envelope)
                else:
                    node.receive(envelope)
        else:
            for node in found:
                self.links.carry(envelope, node)

    def receivers(self, envelope: Envelope) -> "Sequence[Node]":
        """Return the Dendrites that a signal is for, in the order of their start."""
        kind = envelope.kind
        hosts = self._hosts.get(kind)
        first = hosts(envelope) if hosts is not None else NOBODY
        second = self.by_trace.get(envelope.trace_id, NOBODY)
        third = self.listeners.get(kind, NOBODY)
        if not third:
            # A handler can change who is where while the signal is handed out, so lists are copied.
            if not second:
                return tuple(first)
            if not first:
                return tuple(second) if len(second) == 1 else sorted(second, key=_place)
            if len(first) == 1 == len(second):
                (one,), (other,) = first, second
                if one is other:
                    return (one,)
                return (one, other) if one.place < other.place else (other, one)
        return sorted({*first, *second, *third}, key=_place)

    def _task_hosts(self, envelope: Envelope) -> "Sequence[Node]":
        if envelope.to:
            return self.neurons.get(envelope.to, NOBODY)
        wanted = self.wanted(envelope)
        if wanted:
            return self._one_a_group(wanted)
        return self._typed(envelope.to_type if self.fidelity == "spec" else None)

    def wanted(self, envelope: Envelope) -> Iterable[str]:
        """Return the capabilities a TASK is routed by: of the payload; as documented, of the address."""
        if self.fidelity == "spec" and envelope.to_type:
            return ()
        asked: Iterable[str] = envelope.payload.get("capabilities") or ()
        return (envelope.capabilities or asked) if self.fidelity == "spec" else asked

    def _one_a_group(self, wanted: Iterable[str]) -> "list[Node]":
        """Return one member of each queue group that can have a match; groups take turns (spec/cosmonapse.md 4)."""
        self._routed += 1
        turn = self._routed - 1
        key = ("routed", frozenset(wanted))
        groups = self._found.get(key)
        if groups is None:
            groups = self._found[key] = [group for group in self._groups.values() if key[1] <= group.capabilities]
        return [group.members[(turn - group.since) % len(group.members)] for group in groups]

    def _typed(self, kind: str | None) -> "list[Node]":
        """Return the Dendrites with an Axon of a kind; without a kind, with one that takes open calls."""
        key = ("typed", frozenset((kind or "",)))
        if key not in self._found:
            self._found[key] = [
                node
                for node in self._nodes
                if not node.draining
                and any(axon.neuron_kind == kind if kind else axon.catch_all for axon in node.axons.values())
            ]
        return self._found[key]

    def _bidders(self, envelope: Envelope) -> "list[Node]":
        """Return the Dendrites that bid by themselves and have an Axon for an offer."""
        key = ("bidders", frozenset(envelope.payload.get("capabilities") or ()))
        if key not in self._found:
            self._found[key] = [
                node
                for node in self._nodes
                if node.auto_bid and not node.draining and node.axon_for(key[1], routed=False) is not None
            ]
        return self._found[key]

    def _kept(self, table: "dict[str, list[Node]]", envelope: Envelope) -> "Sequence[Node]":
        """Return the hosts of an Engram or Effector by its id, else by its kind."""
        return table.get(f"id {envelope.to}" if envelope.to else f"kind {envelope.to_type}", NOBODY)

    def __repr__(self) -> str:
        return f"<Synapse, seed {self.seed!r}, {self.now_s:g} s, {len(self.tape):,} signals>"


class _Group:
    """A queue group: its members in the order of subscribing, and how many routed TASKs there were before it."""

    def __init__(self, capabilities: frozenset[str], since: int) -> None:
        self.capabilities = capabilities
        self.since = since
        self.members: list[Node] = []


def _place(node: "Node") -> int:
    return node.place


def _endless(rng: random.Random, choices: range) -> Generator[int, None, None]:
    while True:
        yield from rng.choices(choices, k=256)

"""The short way to a simulated namespace: neurons, memory, tools and arrivals, each in a line.

ns = Namespace("lab", seed=7)

@ns.neuron("coder", capabilities=["code"])
async def coder(input, context, *, recall, call_tool):
    ...

ns.model("tester", capabilities=["test"], service=lognormal(ms=120, sigma=0.4), workers=3)
ns.engram("notes")
ns.arrivals(rate_per_s=5, capabilities=["code"], then=["test"])
run = ns.run(until="10m")
"""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from kit.cosmonapse.registry import MemoryRegistryStore, NeuronRecord, RegistryStore
from kit.errors import ArgumentError, KernelError
from kit.sim.arrival import Arrivals, Caller
from kit.sim.axon import Axon, NeuronFunction, several
from kit.sim.delivery import Delivery, at_once
from kit.sim.dendrite import Dendrite
from kit.sim.distribution import Distribution
from kit.sim.duration import START_US, Duration, microseconds
from kit.sim.effector import Effector
from kit.sim.engram import Engram, InMemoryEngram
from kit.sim.envelope import Envelope
from kit.sim.faults import Faults
from kit.sim.limits import Limited, Limits
from kit.sim.model import Behaviour, ModelAxon
from kit.sim.recording import Recording, held
from kit.sim.run import Run
from kit.sim.synapse import STEPS_US, Fidelity, Synapse
from kit.sim.tape import SPILL_ROWS, Tape

if TYPE_CHECKING:
    from kit.sim.control import Controller

DRAIN_STEP_US = 100_000
Part = TypeVar("Part", Arrivals, Behaviour)


class Namespace:
    """A simulated namespace: a bus in virtual time and everybody on it.

    Every neuron, Engram and Effector is hosted by a Dendrite of its own, of the same name, unless `dendrite=` names
    one to share; the orchestrator `desk` sends the requests of `arrivals` and keeps a registry. Nothing happens
    before `run`, or `start` and `advance`. One thread owns it. `recording` answers what is awaited of the real world;
    a path where there is no file yet is where the recording of this run goes when it ends. `registry` is the store of the
    orchestrator, in memory by default; one in a file or on a server gives the same run.
    """

    def __init__(
        self,
        name: str = "lab",
        *,
        seed: int | str = 0,
        fidelity: Fidelity = "sdk",
        latency: Distribution | None = None,
        delivery: Delivery = "memory",
        heartbeat: Duration = "30s",
        stamp_us: tuple[int, int] = STEPS_US,
        keep: bool = True,
        spill_rows: int | None = SPILL_ROWS,
        recording: Recording | str | Path | None = None,
        registry: RegistryStore | None = None,
    ) -> None:
        self.name = name
        self.seed = seed
        self.synapse = Synapse(
            seed=seed,
            fidelity=fidelity,
            latency=latency,
            delivery=delivery,
            stamp_us=stamp_us,
            tape=Tape(keep=keep, spill_rows=spill_rows),
            recording=held(recording),
        )
        self.heartbeat_s = microseconds(heartbeat) / 1e6
        self.store = MemoryRegistryStore() if registry is None else registry
        self.dendrites: dict[str, Dendrite] = {}
        self.callers: dict[str, Caller] = {}
        self.orchestrator = self._node("desk", role="orchestrator", registry_store=self.store)
        self.faults = Faults(self.synapse, self.dendrites)
        self.scenario: Mapping[str, Any] | None = None
        """The scenario that this was built from, as plain values."""
        self.until: Duration | None = None
        self._recorded_to = recording
        self.control: Controller | None = None
        """Who drives it by hand, and knows what was done."""
        self._started = self._finishing = self._finished = False

    # Who is there

    def _node(self, name: str, **options: Any) -> Dendrite:
        found = self.dendrites.get(name)
        if found is None:
            if options.get("max_in_flight") is None:
                options["max_in_flight"] = at_once(self.synapse.delivery)
            found = self.dendrites[name] = Dendrite(
                synapse=self.synapse, namespace=self.name, dendrite_id=name, heartbeat_s=self.heartbeat_s, **options
            )
        return found

    def _free(self, name: str) -> str:
        """Return a name that no neuron, Engram or Effector has."""
        for node in self.dendrites.values():
            if name in node.axons or name in node.engrams or name in node.effectors or name == "desk":
                raise ArgumentError(f"{name!r} is taken in namespace {self.name!r}; choose another name")
        if self._started:
            raise KernelError(f"namespace {self.name!r} has started; use its dendrites to add {name!r} while it runs")
        return name

    def _host(self, axon: Axon, dendrite: str | None, max_in_flight: int | None) -> None:
        axon.unbound = True
        self._free(axon.neuron_id)
        node = self._node(dendrite or axon.neuron_id, role="worker", max_in_flight=max_in_flight)
        if "dispatch" in axon.wants:
            # Only an orchestrator may dispatch (spec/cosmonapse.md 5.11).
            node.role = "orchestrator"
        node.attach_axon(axon)

    def neuron(
        self,
        neuron_id: str,
        *,
        capabilities: Sequence[str] = (),
        kind: str = "neuron",
        version: str | None = None,
        workers: int | None = None,
        catch_all: bool = False,
        dendrite: str | None = None,
        max_in_flight: int | None = None,
    ) -> Callable[[NeuronFunction], NeuronFunction]:
        """Decorate a function that is the neuron of this name; see `Axon` for what it gets and returns.

        Where it asks for `dispatch`, its Dendrite is an orchestrator.
        """

        def keep(function: NeuronFunction) -> NeuronFunction:
            axon = Axon(
                neuron_id=neuron_id,
                neuron_fn=function,
                capabilities=capabilities,
                neuron_kind=kind,
                version=version,
                workers=workers,
                catch_all=catch_all,
            )
            self._host(axon, dendrite, max_in_flight)
            return function

        return keep

    def model(
        self,
        neuron_id: str,
        *,
        capabilities: Sequence[str] = (),
        kind: str = "neuron",
        version: str | None = None,
        workers: int | None = 1,
        catch_all: bool = False,
        dendrite: str | None = None,
        max_in_flight: int | None = None,
        **behaviour: Any,
    ) -> ModelAxon:
        """Add a statistical neuron; `behaviour` are the fields of `Behaviour`, such as service, fails and bid.

        It works on one task at a time unless `workers` says otherwise.
        """
        axon = ModelAxon(
            neuron_id=neuron_id,
            behaviour=_built(Behaviour, "model()", behaviour),
            capabilities=capabilities,
            version=version,
            neuron_kind=kind,
            workers=workers,
            catch_all=catch_all,
        )
        self._host(axon, dendrite, max_in_flight)
        return axon

    def engram(
        self,
        engram_id: str,
        *,
        kind: str = "keyvalue",
        service: Distribution | None = None,
        saga: bool = True,
        dendrite: str | None = None,
    ) -> InMemoryEngram:
        """Add an Engram in memory."""
        made = InMemoryEngram(engram_id=self._free(engram_id), engram_kind=kind, service=service, saga=saga)
        self._node(dendrite or engram_id, role="worker").attach_engram(made)
        return made

    def effector(
        self,
        effector_id: str,
        *,
        kind: str = "effector",
        tools: Mapping[str, Callable[..., Any]] | None = None,
        service: Distribution | None = None,
        dendrite: str | None = None,
        fails: float = 0.0,
    ) -> Effector:
        """Add an Effector; `tools` maps the name of a tool to a function of its arguments, `fails` is how likely a call fails."""
        made = Effector(
            effector_id=self._free(effector_id), effector_kind=kind, tools=tools, service=service, fails=fails
        )
        self._node(dendrite or effector_id, role="worker").attach_effector(made)
        return made

    def limits(
        self,
        name: str,
        *,
        max_tool_calls: int | None = None,
        max_imprints: int | None = None,
        max_actions: int | None = None,
        on_exceed: Literal["refuse", "stop_trace"] = "refuse",
    ) -> Limits:
        """Limit what the Dendrite called `name`, or that of a neuron of this name, may send on one trace; see `kit.sim.Limits`."""
        made = Limits(name, max_tool_calls, max_imprints, max_actions, on_exceed)
        node = next((node for node in self.dendrites.values() if name in (node.dendrite_id, *node.axons)), None)
        if node is None:
            raise ArgumentError(f"limits: nobody is called {name!r}; there are {', '.join(self.dendrites)}")
        node.limited = Limited(node, made)
        return made

    def arrivals(
        self,
        *,
        name: str | None = None,
        capabilities: Sequence[str] = (),
        then: Sequence[str] = (),
        at: Sequence[Duration] = (),
        **options: Any,
    ) -> Caller:
        """Add a stream of requests; `options` are the other fields of `Arrivals`, such as rate_per_s, offer, timeout."""
        named = name or f"requests {len(self.callers) + 1}"
        if named in self.callers:
            raise ArgumentError(f"arrivals {named!r} are there already; give another name=")
        lists = {"capabilities": capabilities, "then": then, "at": at}
        given = {name: several(name, values) for name, values in lists.items()}
        stream = _built(Arrivals, "arrivals()", {"name": named, **given, **options})
        caller = self.callers[named] = Caller(self.orchestrator, stream)
        if self._started:
            caller.begin()
        return caller

    def drain(
        self, name: str, *, at: Duration | None = None, within: Duration = "60s", reason: str | None = "drained"
    ) -> None:
        """Let a neuron, or a whole Dendrite, take no new task, finish what it has, and deregister: from `at` on, or now.

        Its registry entry has the status `draining` meanwhile. `at` counts from the start; what is not through within `within`
        ends without a reply. It is no part of a scenario, nor of a control log. Raises ArgumentError for a name that is not
        there, or a time that has passed.
        """
        self._check_open()
        node = self.dendrites.get(name) or next((one for one in self.dendrites.values() if name in one.axons), None)
        if node is None:
            raise ArgumentError(f"nobody is called {name!r}: there are {', '.join(sorted(self.axons))}")
        microseconds(within)
        kernel = self.synapse.kernel
        wait = 0 if at is None else START_US + microseconds(at) - kernel.now
        if wait < 0:
            raise ArgumentError(f"at={at!r} has passed: it is {self.now_s:g} s")
        kernel.call(wait, lambda: self.synapse.spawn(node.drain(within, reason), f"drain {name}"))

    # Time

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self.synapse.now_s

    def start(self) -> None:
        """Start everybody: workers in the order they were added, then the orchestrator."""
        if self._started:
            return
        self._started = True
        first = [node for node in self.dendrites.values() if node is not self.orchestrator]
        for node in (*first, self.orchestrator):
            node.begin()
        for caller in self.callers.values():
            caller.begin()
        self.faults.begin()

    def advance(self, span: Duration) -> int:
        """Let virtual time pass; how many things happened."""
        self._check_open()
        self.start()
        until = self.synapse.kernel.now + microseconds(span) - START_US
        return int(self.synapse.run(until / 1e6))

    def ask(self, *, timeout_s: float = 30.0, **options: Any) -> Envelope:
        """Dispatch a TASK from the orchestrator and let time pass until its reply; see `dispatch_and_wait`."""
        self._check_open()
        self.start()
        reply: Envelope = self.synapse.run(self._asked(timeout_s, options))
        return reply

    async def _asked(self, timeout_s: float, options: dict[str, Any]) -> Envelope:
        return await self.orchestrator.dispatch_and_wait(timeout_s=timeout_s, **options)

    def run(self, until: Duration | Coroutine[Any, Any, Any] | None = None, *, drain: Duration = "60s") -> Run:
        """Run to a time since the start, or until a coroutine returns, and return the Run.

        Then no more requests arrive, those under way have `drain` of virtual time to come to their end, and everybody
        leaves. A namespace runs once; `advance` is for going step by step.
        """
        self._check_open()
        self.start()
        if until is not None and not isinstance(until, Coroutine):
            span = START_US + microseconds(until) - self.synapse.kernel.now
            if span < 0:
                raise ArgumentError(f"until={until!r} is past; it is {self.now_s:g} s")
            fresh = self.now_s == 0 and drain == "60s"
            self.synapse.run(microseconds(until) / 1e6)
            self.until = microseconds(until) / 1e6 if fresh else None
        elif until is not None:
            self.synapse.run(until)
        return self.finish(drain=drain)

    def finish(self, *, drain: Duration = "60s") -> Run:
        """End the simulation and return its Run."""
        self._check_open()
        self.start()
        self._finishing = True
        for caller in self.callers.values():
            caller.open = False
        self.faults.end()
        self.synapse.run(self._ended(microseconds(drain)))
        self._finished = True
        self.synapse.outside.close(self._recorded_to)
        return Run(self)

    async def _ended(self, drain_us: int) -> None:
        kernel = self.synapse.kernel
        last = kernel.now + drain_us
        while kernel.now < last and any(_works(node) for node in self.dendrites.values()):
            await kernel.sleep(min(DRAIN_STEP_US, last - kernel.now))
        for node in self.dendrites.values():
            await node.stop("simulation over")
        await kernel.sleep(self.synapse.stamp_us[1])

    def snapshot(self) -> Run:
        """Return what has happened so far as a Run, while it goes on."""
        return Run(self)

    def _check_open(self) -> None:
        if self._finished:
            raise KernelError(f"namespace {self.name!r} has run; make a new one, with another seed or the same")

    @property
    def over(self) -> bool:
        """True once the simulation ends or has ended."""
        return self._finishing

    # What is known of it

    def registry(self) -> list[NeuronRecord]:
        """Return what the orchestrator's registry holds now."""
        found: list[NeuronRecord] = self.synapse.shelf.take(self.store, self.store.list(include_deregistered=True))
        return found

    @property
    def engrams(self) -> dict[str, Engram]:
        """All Engrams by name."""
        return {name: engram for node in self.dendrites.values() for name, engram in node.engrams.items()}

    @property
    def axons(self) -> dict[str, Axon]:
        """All Axons by name."""
        return {name: axon for node in self.dendrites.values() for name, axon in node.axons.items()}

    def __repr__(self) -> str:
        axons, engrams = len(self.axons), len(self.engrams)
        effectors = sum(len(node.effectors) for node in self.dendrites.values())
        return (
            f"<{type(self).__name__} {self.name!r}, seed {self.seed!r}: {axons} neurons, {engrams} engrams, "
            f"{effectors} effectors, {self.now_s:g} s, {len(self.synapse.tape):,} signals>"
        )


def _built(cls: type[Part], call: str, options: Mapping[str, Any]) -> Part:
    """Return a part from the options of a call; ArgumentError for one that there is not."""
    known = [item.name for item in fields(cls)]
    unknown = [name for name in options if name not in known]
    if unknown:
        raise ArgumentError(f"{call}: {', '.join(map(repr, unknown))} is not known; there are {', '.join(known)}")
    return cls(**options)


def _works(node: Dendrite) -> bool:
    """Whether something is under way on a Dendrite."""
    return any(stake.running or stake.requests or stake.pathway for stake in node.stakes.values())

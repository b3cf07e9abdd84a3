"""A Dendrite: the one who publishes; it hosts Axons, Engrams and Effectors (spec/cosmonapse.md 5)."""

from functools import partial
from typing import TYPE_CHECKING, Any

from kit.cosmonapse.registry import RegistryStore
from kit.errors import ArgumentError
from kit.sim.asking import Asking
from kit.sim.axon import Axon, EffectorBinding, EngramBinding
from kit.sim.dispatching import Dispatching
from kit.sim.duration import Duration, microseconds
from kit.sim.effector import Effector, ToolOutcome
from kit.sim.emitters import Emitters
from kit.sim.engram import Engram, ImprintReceipt, RecallResult
from kit.sim.envelope import Envelope, Json
from kit.sim.gate import Gate, Job
from kit.sim.registration import Registration
from kit.sim.serving import Serving

if TYPE_CHECKING:
    from kit.sim.synapse import Synapse

DISCOVER_S = 0.1
"""An answer to DISCOVER comes within this time."""


class Dendrite(Registration, Dispatching, Emitters, Asking, Serving):
    """A Dendrite of a simulated namespace, with the constructor and the verbs of the published package.

    `max_in_flight` is how many deliveries of one subscription it handles at once, None for any number: 1 is what the
    adapters for NATS and Kafka do. Verbs are coroutines: `await` them in a function that runs in virtual time.
    """

    def __init__(
        self,
        *,
        synapse: "Synapse",
        registry_store: RegistryStore | None = None,
        namespace: str = "default",
        dendrite_id: str = "dendrite",
        heartbeat_s: float = 30.0,
        reregister_on_heartbeat: bool = True,
        role: str = "orchestrator",
        auto_bid: bool = True,
        stale_after_s: float | None = None,
        max_in_flight: int | None = None,
    ) -> None:
        super().__init__(synapse, namespace, dendrite_id, role)
        self.registry_store = registry_store
        self.heartbeat_us = microseconds(heartbeat_s)
        self.reregister_on_heartbeat = reregister_on_heartbeat
        self.auto_bid = auto_bid
        self.stale_after_us = 3 * self.heartbeat_us if stale_after_s is None else microseconds(stale_after_s)
        self.max_in_flight = max_in_flight
        self.gates: dict[str, Gate] = {}
        self.duties = {
            "TASK": self._on_task,
            "TASK_AWARDED": self._on_award,
            "TASK_OFFER": self._on_offer,
            "BID": self._on_bid,
            "RECALL": self.asked_recall,
            "IMPRINT": self.asked_imprint,
            "TOOL_CALL": self.asked_tool,
            "STOP": self._on_stop,
            "DISCOVER": self._on_discover,
            "CLARIFICATION_ANSWER": self.decided,
            "PERMISSION_DECISION": self.decided,
            "REGISTER": self.mirror,
            "DEREGISTER": self.mirror,
            "HEARTBEAT": self.mirror,
        }

    # Hosting

    def attach_axon(self, axon: Axon) -> None:
        """Host an Axon; before the start (`add_axon` does it later). ArgumentError for a second one of the same id."""
        if self.place:
            raise ArgumentError(f"{self.dendrite_id!r} has started; use `await add_axon(axon)`")
        self._host(axon)

    def _host(self, axon: Axon) -> None:
        if axon.neuron_id in self.axons:
            raise ArgumentError(f"{self.dendrite_id!r} hosts an Axon {axon.neuron_id!r} already")
        self.axons[axon.neuron_id] = axon
        axon.dendrite = self
        self.gates[axon.neuron_id] = Gate(axon.workers)

    async def add_axon(self, axon: Axon) -> None:
        """Host an Axon on a Dendrite that runs: it registers, and has heartbeats where there were Axons at the start."""
        self._host(axon)
        if self.place:
            self._serve(axon)
            self.register(axon)

    async def detach_axon(self, neuron_id: str, *, reason: str | None = None) -> None:
        """Host an Axon no longer; it deregisters."""
        axon = self.axons.pop(neuron_id, None)
        if axon is None:
            raise ArgumentError(f"{self.dendrite_id!r} hosts no Axon {neuron_id!r}")
        if self.place:
            self.synapse.drop(self.synapse.neurons, neuron_id, self)
            self.synapse.regroup(self, self._union())
            self.deregister(axon, reason)

    def attach_engram(self, engram: Engram) -> None:
        """Host an Engram."""
        if engram.engram_id in self.engrams:
            raise ArgumentError(f"{self.dendrite_id!r} hosts an Engram {engram.engram_id!r} already")
        self.engrams[engram.engram_id] = engram
        engram.dendrite = self
        if self.place:
            self.serve_engram(engram)

    def attach_effector(self, effector: Effector) -> None:
        """Host an Effector."""
        if effector.effector_id in self.effectors:
            raise ArgumentError(f"{self.dendrite_id!r} hosts an Effector {effector.effector_id!r} already")
        self.effectors[effector.effector_id] = effector
        effector.dendrite = self
        if self.place:
            self.serve_effector(effector)

    @property
    def capabilities(self) -> list[str]:
        """The capabilities of all its Axons, sorted."""
        return sorted(self._union())

    def _union(self) -> frozenset[str]:
        return frozenset(name for axon in self.axons.values() for name in axon.capabilities)

    # Life

    async def start(self) -> None:
        """Come up: register, serve, and begin to send heartbeats (spec/cosmonapse.md 5.4)."""
        self.begin()

    def begin(self) -> None:
        """Do what `start` does, at once."""
        if self.place:
            return
        self.down = self.draining = False
        self.place = self.synapse.enter(self)
        self.settle()
        for axon in self.axons.values():
            self._serve(axon)
            self.register(axon)
        for engram in self.engrams.values():
            self.serve_engram(engram)
        for effector in self.effectors.values():
            self.serve_effector(effector)
        for kind in self.handlers:
            self.listen(kind)
        if self.registry_store is not None:
            for kind in ("REGISTER", "DEREGISTER", "HEARTBEAT"):
                self.listen(kind)
        if self.axons and self.heartbeat_us:
            self.begin_heartbeats()
        if self.registry_store is not None:
            self.synapse.send(self, "DISCOVER", {}, None, None, None, None, None)
        for every, function in self._schedules:
            self._scheduled(every, function)
        for function in self._connects:
            self.call(function)

    async def drain(self, within: Duration = "60s", reason: str | None = "drained") -> None:
        """Take no new task, say so with heartbeats of the status `draining`, finish what is under way, and go.

        What is not through within `within` ends without a reply, as in `stop`.
        """
        if self.place:
            self.draining = True
            self.tell_alive()
            await self.stop(reason, drain=within)

    async def stop(self, reason: str | None = None, *, drain: Duration | None = None) -> None:
        """Go: what is under way ends without a reply, unless it is through within `drain`; every Axon deregisters."""
        if not self.place:
            return
        for axon in self.axons.values():
            self.synapse.drop(self.synapse.neurons, axon.neuron_id, self)
        self.synapse.regroup(self, None)
        if drain is not None:
            await self._drained(self.synapse.kernel.now + microseconds(drain))
        self.halt()
        for axon in self.axons.values():
            self.deregister(axon, reason)
        self.place = 0
        self.settle()

    async def _drained(self, until: int) -> None:
        """Wait until no task is under way, or until a time."""
        kernel = self.synapse.kernel
        while any(stake.running for stake in self.stakes.values()) and kernel.now < until:
            await kernel.sleep(min(1000, until - kernel.now))

    def halt(self) -> None:
        """End everything under way, without a word, and leave the bus."""
        for stake in list(self.stakes.values()):
            for job in stake.running:
                if job.cancel is not None:
                    job.cancel()
                job.over = True
            stake.running.clear()
            if stake.pathway is not None:
                stake.pathway.close()
            stake.cancel_requests("ended")
        for process in list(self._processes):
            if process is not self.synapse.kernel.process:
                self.kill(process)
        for gate in self.gates.values():
            gate.reset()
        self.synapse.leave(self)
        self.stakes.clear()

    def crash(self) -> None:
        """Be gone without a word; `begin` starts it again, with empty hands but for its Engrams."""
        if self.place:
            self.down = True
            self.halt()
            self.place = 0
            self.settle()

    def _serve(self, axon: Axon) -> None:
        self.synapse.add(self.synapse.neurons, axon.neuron_id, self)
        self.synapse.regroup(self, self._union())

    # Receiving

    def _on_task(self, task: Envelope) -> None:
        if task.to:
            axon, subscription = self.axons.get(task.to), "TASK"
        else:
            wanted = frozenset(self.synapse.wanted(task))
            kind = task.to_type if self.synapse.fidelity == "spec" else None
            subscription = "TASK.routed" if wanted else "TASK"
            if kind and not wanted:
                axon = next((one for one in self.axons.values() if one.neuron_kind == kind), None)
            else:
                axon = self.axon_for(wanted)
        if axon is not None:
            self.work(axon, task, subscription)

    def _on_award(self, award: Envelope) -> None:
        axon = self.axons.get(award.to or "")
        if axon is None:
            return
        payload: Json = {
            key: award.payload[key] for key in ("input", "context_ref", "finalize") if key in award.payload
        }
        # The TASK of an award is made where it is worked on, and never published (spec/cosmonapse.md 5.3).
        if self.synapse.fidelity == "spec":
            send = self.synapse.send
            send(self, "TASK", payload, award.trace_id, award.id, axon.neuron_id, None, (), award.meta)
            return
        id = self.synapse.new_id("evt_")
        us = self.synapse.kernel.now
        task = Envelope(
            id, award.trace_id, award.id, "TASK", axon.neuron_id, None, (), us, payload, award.meta, self, None
        )
        self.work(axon, task, "TASK_AWARDED")

    def _on_offer(self, offer: Envelope) -> None:
        if not self.auto_bid or not self.axons or "TASK_OFFER" in self.handlers:
            return
        axon = self.axon_for(offer.payload.get("capabilities") or (), routed=False)
        if axon is not None:
            axon.bid(self, offer)

    def _on_bid(self, bid: Envelope) -> None:
        auction = self.auctions.get(bid.trace_id)
        if auction is not None:
            auction.take(bid)

    def _on_stop(self, stop: Envelope) -> None:
        stake = self.stakes.get(stop.trace_id)
        rollback = bool(stop.payload.get("rollback"))
        made = None if stake is None else stake.stop(rollback)
        if made is not None:
            cancelled, compensated, _ = made
            counts = {"cancelled": cancelled, "compensated": compensated}
            payload = {"rolled_back": rollback, **counts, "node": self.namespace}
            self.synapse.send(self, "STOPPED", payload, stop.trace_id, stop.id, None, None, None)

    def _on_discover(self, signal: Envelope) -> None:
        if "DISCOVER" in self.handlers:
            return
        neuron, wanted = signal.payload.get("neuron"), frozenset(signal.payload.get("capabilities") or ())
        if any(self._found(axon, neuron, wanted) for axon in self.axons.values()):
            delay = self.synapse.random(f"discover/{self.dendrite_id}").uniform(0, DISCOVER_S)
            self.synapse.kernel.call(round(delay * 1e6), self._answer_discover, neuron, wanted)

    def _answer_discover(self, neuron: str | None, wanted: frozenset[str]) -> None:
        for axon in self.axons.values():
            if self.place and self._found(axon, neuron, wanted):
                self.register(axon, stored=False)

    async def respond_to_discover(self, signal: Envelope) -> None:
        """Register again every Axon that a DISCOVER asks for, at once."""
        self._answer_discover(signal.payload.get("neuron"), frozenset(signal.payload.get("capabilities") or ()))

    @staticmethod
    def _found(axon: Axon, neuron: str | None, wanted: frozenset[str]) -> bool:
        return (neuron is None or axon.neuron_id == neuron) and wanted <= axon.covers

    # Work

    def work(self, axon: Axon, task: Envelope, subscription: str) -> None:
        """Let a neuron do a task, as soon as it and its subscription have room."""
        job = Job()
        self.stake(task.trace_id).running.append(job)
        own = self.gates[axon.neuron_id]
        begin = partial(axon.begin, self, task, job)
        if self.max_in_flight is None:
            own.enter(job, begin)
        else:
            gate = self.gates.setdefault(f" {subscription}", Gate(self.max_in_flight))
            gate.enter(job, partial(own.enter, job, begin))

    def reply(
        self, axon: Axon, task: Envelope, job: Job, kind: str, payload: Json, text: str | None = None,
        meta: Json | None = None,
    ) -> None:  # fmt: skip
        """Publish what a neuron made of a task, and a FINAL where one was asked for."""
        if job.over or self.down:
            return
        send = self.synapse.send
        sent = send(self, kind, payload, task.trace_id, task.id, axon.neuron_id, None, (), meta, text)
        if kind == "AGENT_OUTPUT" and task.payload.get("finalize"):
            final = None if text is None else '{"result":' + text[len('{"output":') :]
            result = {"result": payload["output"]}
            send(self, "FINAL", result, task.trace_id, sent.id, axon.neuron_id, None, (), None, final)
        stake = self.stakes.get(task.trace_id)
        if stake is not None and job in stake.running:
            stake.running.remove(job)
            stake.release()
        job.end()

    def tools_for(self, axon: Axon, task: Envelope, names: tuple[str, ...]) -> Json:
        """Return the helpers that a neuron asks for, bound to its task."""
        made: Json = {
            "recall": partial(self._recall_for, axon, task),
            "imprint": partial(self._imprint_for, axon, task),
            "call_tool": partial(self._call_tool_for, axon, task),
            "dispatch": self.dispatch_and_wait,
            "sleep": self.synapse.sleep,
            "dendrite": self,
        }
        return {name: made[name] for name in names}

    async def _recall_for(
        self,
        axon: Axon,
        task: Envelope,
        name: str,
        *,
        query: Json,
        deadline_ms: int | None = None,
        recall_mode: str | None = None,
        **options: Any,
    ) -> RecallResult:
        bound: EngramBinding = self._bound(axon.engram(name), self.synapse.engrams)
        return await self.recall(
            engram_id=bound.directed_id,
            engram_kind=bound.directed_type,
            query=query,
            deadline_ms=bound.default_deadline_ms if deadline_ms is None else deadline_ms,
            recall_mode=recall_mode or bound.default_recall_mode,
            trace_id=task.trace_id,
            parent_id=task.id,
            **options,
        )

    async def _imprint_for(
        self, axon: Axon, task: Envelope, name: str, *, op: str, entry: Json, **options: Any
    ) -> ImprintReceipt | None:
        bound: EngramBinding = self._bound(axon.engram(name), self.synapse.engrams)
        return await self.imprint(
            engram_id=bound.directed_id,
            engram_kind=bound.directed_type,
            op=op,
            entry=entry,
            trace_id=task.trace_id,
            parent_id=task.id,
            **options,
        )

    async def _call_tool_for(
        self,
        axon: Axon,
        task: Envelope,
        name: str,
        tool: str,
        args: Json | None = None,
        call_id: str | None = None,
        deadline_ms: int | None = None,
        **arguments: Any,
    ) -> ToolOutcome:
        bound: EffectorBinding = self._bound(axon.effector(name), self.synapse.effectors)
        return await self.call_tool(
            effector_id=bound.directed_id,
            effector_kind=bound.directed_type,
            tool=tool,
            args={**(args or {}), **arguments},
            call_id=call_id,
            deadline_ms=bound.default_deadline_ms if deadline_ms is None else deadline_ms,
            trace_id=task.trace_id,
            parent_id=task.id,
        )

    @staticmethod
    def _bound(binding: Any, table: dict[str, Any]) -> Any:
        """Return a binding by id as one by kind, where the name is no id but a kind that somebody serves."""
        id = binding.directed_id
        if id is not None and f"id {id}" not in table and f"kind {id}" in table:
            return type(binding)(binding.name, directed_type=id)
        return binding

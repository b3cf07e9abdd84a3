"""Signs of life: REGISTER, HEARTBEAT, DEREGISTER, and the registry they are folded into (spec/cosmonapse.md 5.4)."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from kit.cosmonapse.registry import NeuronRecord, RegistryStore
from kit.errors import ArgumentError
from kit.sim.axon import Axon
from kit.sim.duration import moment
from kit.sim.envelope import Envelope, Json
from kit.sim.hooks import Hooks


class Registration(Hooks):
    """The part of a Dendrite that says who is there, and keeps a registry of who said so."""

    registry_store: RegistryStore | None
    heartbeat_us: int
    stale_after_us: int
    reregister_on_heartbeat: bool

    @property
    def _take(self) -> Callable[[RegistryStore, Coroutine[Any, Any, Any]], Any]:
        return self.synapse.shelf.take

    def register(self, axon: Axon, stored: bool = True) -> None:
        """Publish the REGISTER of an Axon, and enter it in the own registry."""
        if stored and self.registry_store is not None:
            now = moment(self.synapse.kernel.now)
            record = NeuronRecord(axon.neuron_id, list(axon.capabilities), axon.version, registered_at=now)
            self._take(self.registry_store, self.registry_store.upsert(record))
        payload: Json = {"role": "neuron", "capabilities": list(axon.capabilities)}
        if axon.version:
            payload["version"] = axon.version
        meta = {"catch_all": True} if axon.catch_all else None
        self.synapse.send(
            self,
            "REGISTER",
            payload,
            None,
            None,
            axon.neuron_id,
            axon.neuron_kind,
            axon.capabilities,
            meta,
        )

    def deregister(self, axon: Axon, reason: str | None) -> None:
        """Publish the DEREGISTER of an Axon."""
        if self.registry_store is not None:
            self._take(self.registry_store, self.registry_store.mark_deregistered(axon.neuron_id))
        payload = {"reason": reason} if reason else {}
        self.synapse.send(self, "DEREGISTER", payload, None, None, axon.neuron_id)

    def begin_heartbeats(self) -> None:
        """Send heartbeats from one interval on, as long as this life of the Dendrite lasts."""
        self.synapse.kernel.call(self.heartbeat_us, self._beat, self.place)

    def _beat(self, place: int) -> None:
        if self.place != place or self.down:
            return
        self.synapse.kernel.call(self.heartbeat_us, self._beat, place)
        if getattr(self, "held", None) is not None:
            return
        self.tell_alive()
        if self.registry_store is not None:
            self._sweep(self.registry_store)
        self.refreshed("heartbeat")

    def tell_alive(self) -> None:
        """Publish a HEARTBEAT of each Axon, and note it in the own registry."""
        status = "draining" if self.draining else "ok"
        for axon in self.axons.values():
            if self.reregister_on_heartbeat and not self.draining:
                self.register(axon, stored=False)
            self.synapse.send(
                self,
                "HEARTBEAT",
                {"status": status},
                None,
                None,
                axon.neuron_id,
                None,
                (),
                None,
                f'{{"status":"{status}"}}',
            )
            if self.registry_store is not None:
                told = status if self.draining else None
                now = moment(self.synapse.kernel.now)
                self._take(self.registry_store, self.registry_store.touch_heartbeat(axon.neuron_id, now, told))

    def _sweep(self, store: RegistryStore) -> None:
        """Mark who was silent for too long as deregistered, in the registry alone: nothing is published."""
        if not self.stale_after_us:
            return
        before = moment(self.synapse.kernel.now) - timedelta(microseconds=self.stale_after_us)
        for record in self._take(store, store.list()):
            if (record.last_heartbeat or record.registered_at) < before:
                self._take(store, store.mark_deregistered(record.neuron_id))
                self.refreshed("stale", record.neuron_id)

    def mirror(self, envelope: Envelope) -> None:
        """Fold a sign of life into the registry."""
        store = self.registry_store
        if store is None or not envelope.to:
            return
        payload = envelope.payload
        if envelope.kind == "HEARTBEAT":
            self._take(store, store.touch_heartbeat(envelope.to, envelope.ts, payload.get("status")))
        elif envelope.kind == "DEREGISTER":
            self._take(store, store.mark_deregistered(envelope.to))
            self.refreshed("deregister", envelope.to)
        elif payload.get("role") != "engram" and not payload.get("engram"):
            names = list(payload.get("capabilities") or ())
            record = NeuronRecord(
                envelope.to, names, payload.get("version"), last_heartbeat=envelope.ts, registered_at=envelope.ts
            )
            self._take(store, store.upsert(record))
            self.refreshed("register", envelope.to)

    def knows(self, neuron_id: str, capability: str) -> bool:
        """Whether the registry store has a neuron with a capability."""
        if self.registry_store is None:
            return False
        record = self._take(self.registry_store, self.registry_store.get(neuron_id))
        return record is not None and capability in record.capabilities

    async def find_neurons(
        self, *, capability: str | None = None, max_age_s: float | None = None
    ) -> list[NeuronRecord]:
        """Return the neurons of the registry that are there, those with a capability where one is given."""
        return await self.registry_snapshot(capability=capability, max_age_s=max_age_s)

    async def registry_snapshot(
        self, *, capability: str | None = None, include_deregistered: bool = False, max_age_s: float | None = None
    ) -> list[NeuronRecord]:
        """Return the records of the registry; with `max_age_s` those that gave a sign of life since."""
        if self.registry_store is None:
            raise ArgumentError(
                f"{self.dendrite_id!r} has no registry_store; give it one, such as MemoryRegistryStore()"
            )
        store = self.registry_store
        found: list[NeuronRecord] = self._take(
            store, store.list(capability=capability, include_deregistered=include_deregistered)
        )
        if max_age_s is None:
            return found
        since = moment(self.synapse.kernel.now) - timedelta(seconds=max_age_s)
        return [record for record in found if (record.last_heartbeat or record.registered_at) >= since]

"""A registry store in memory."""

from datetime import datetime

from kit.cosmonapse.registry.base import (
    DEREGISTERED,
    REGISTERED,
    NeuronRecord,
    Records,
    RegistryStore,
    check_record,
    check_text,
    check_time,
)


class MemoryRegistryStore(RegistryStore):
    """A registry for tests and orchestrators whose state may end with them; `close` forgets everything.

    As in the published package, it holds the records themselves: `upsert` of a known neuron sets `registered_at` of
    the record it is given, and a record that is changed later has changed in the store. It needs no `connect`.
    """

    def __init__(self) -> None:
        self._records: dict[str, NeuronRecord] = {}

    async def connect(self) -> None:
        """Do nothing: there is nothing to open."""

    async def close(self) -> None:
        """Forget all records."""
        self._records.clear()

    async def upsert(self, record: NeuronRecord) -> None:
        """Enter a record, or replace one; a known neuron keeps its `registered_at`."""
        check_record(record)
        known = self._records.get(record.neuron_id)
        if known is not None:
            record.registered_at = known.registered_at
        self._records[record.neuron_id] = record

    async def mark_deregistered(self, neuron_id: str) -> None:
        """Set the status of a neuron to `deregistered`; an unknown one stays unknown."""
        check_text("neuron_id", neuron_id)
        if neuron_id in self._records:
            self._records[neuron_id].status = DEREGISTERED

    async def touch_heartbeat(self, neuron_id: str, ts: datetime, status: str | None = None) -> None:
        """Set `last_heartbeat`, and the status where it is not empty; an unknown neuron gets a thin record."""
        check_text("neuron_id", neuron_id)
        check_time("ts", ts)
        if status is not None:
            check_text("status", status)
        record = self._records.get(neuron_id)
        if record is None:
            self._records[neuron_id] = NeuronRecord(neuron_id, status=status or REGISTERED, last_heartbeat=ts)
            return
        record.last_heartbeat = ts
        if status:
            record.status = status

    async def get(self, neuron_id: str) -> NeuronRecord | None:
        """Return the record of a neuron, None where it was never seen."""
        return self._records.get(neuron_id)

    async def list(self, *, capability: str | None = None, include_deregistered: bool = False) -> Records:
        """Return the records in the order of their first registration, those with a capability where one is given."""
        return [
            record
            for record in self._records.values()
            if (include_deregistered or record.status != DEREGISTERED)
            and (capability is None or capability in record.capabilities)
        ]

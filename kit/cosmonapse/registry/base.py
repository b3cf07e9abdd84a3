"""What a registry store is: the record of a neuron, and the interface that every backend has.

    store = SqliteRegistryStore("registry.db")          # or MemoryRegistryStore(), PostgresRegistryStore(dsn=...)
    await store.connect()
    await store.upsert(NeuronRecord("coder", ["code", "review"], version="1.2"))
    await store.touch_heartbeat("coder", datetime.now(UTC), status="ok")
    [record.neuron_id for record in await store.list(capability="review")]      # ['coder']
    await store.close()

All backends answer alike (spec/cosmonapse.md 6): an `upsert` replaces everything but `registered_at`, which keeps
its first value, and so brings a deregistered neuron back; a heartbeat of an unknown neuron makes a thin record of
it; to deregister an unknown neuron does nothing.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from kit.errors import ArgumentError
from kit.ids import now

REGISTERED, DEREGISTERED = "registered", "deregistered"


@dataclass
class NeuronRecord:
    """What a registry knows of one neuron.

    `status` is `registered`, `draining` or `deregistered`; a heartbeat that carries a status puts it there too,
    so `ok` is often met. A time without an offset counts as UTC.
    """

    neuron_id: str
    capabilities: list[str] = field(default_factory=list)
    version: str | None = None
    status: str = REGISTERED
    last_heartbeat: datetime | None = None
    registered_at: datetime = field(default_factory=now)

    def to_dict(self) -> dict[str, Any]:
        """Return the record as plain values for JSON, in the order of the fields.

        Times are ISO text with their offset as `+00:00`, not `Z`, and microseconds only where there are any.

        >>> NeuronRecord("a", ["x"], registered_at=datetime(2026, 1, 1, tzinfo=UTC)).to_dict()["registered_at"]
        '2026-01-01T00:00:00+00:00'
        """
        return {
            "neuron_id": self.neuron_id,
            "capabilities": list(self.capabilities),
            "version": self.version,
            "status": self.status,
            "last_heartbeat": None if self.last_heartbeat is None else self.last_heartbeat.isoformat(),
            "registered_at": self.registered_at.isoformat(),
        }


Records = list[NeuronRecord]
"""A list of records; by a name of its own, since the stores have a method `list`."""


class RegistryStore(ABC):
    """The interface of every backend; records are keyed by `neuron_id`.

    `connect` before the first use, `close` at the end; both may be called twice. Each call is one statement: it
    happens as a whole or not at all. Raises RegistryError and its children where the backend refuses, ArgumentError
    for a record that is none.
    """

    @abstractmethod
    async def connect(self) -> None:
        """Open the store, and create its table where there is none."""

    @abstractmethod
    async def close(self) -> None:
        """Release what the store holds; it can be connected again."""

    @abstractmethod
    async def upsert(self, record: NeuronRecord) -> None:
        """Enter a record, or replace one; a known neuron keeps its `registered_at`."""

    @abstractmethod
    async def mark_deregistered(self, neuron_id: str) -> None:
        """Set the status of a neuron to `deregistered`; an unknown one stays unknown."""

    @abstractmethod
    async def touch_heartbeat(self, neuron_id: str, ts: datetime, status: str | None = None) -> None:
        """Set `last_heartbeat`, and the status where one is given; an unknown neuron gets a thin record."""

    @abstractmethod
    async def get(self, neuron_id: str) -> NeuronRecord | None:
        """Return the record of a neuron, None where it was never seen."""

    @abstractmethod
    async def list(self, *, capability: str | None = None, include_deregistered: bool = False) -> Records:
        """Return the records in the order of their first registration, those with a capability where one is given."""


def check_record(record: NeuronRecord) -> None:
    """Raise ArgumentError, naming field and value, where a record could not be stored by every backend."""
    check_text("neuron_id", getattr(record, "neuron_id", None))
    names = record.capabilities
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"capabilities={names!r:.80} of {record.neuron_id!r}: a list of strings is needed")
    if record.version is not None:
        check_text("version", record.version)
    check_text("status", record.status)
    if record.last_heartbeat is not None:
        check_time("last_heartbeat", record.last_heartbeat)
    check_time("registered_at", record.registered_at)


def check_text(name: str, value: object) -> None:
    """Raise ArgumentError where a value is no text."""
    if not isinstance(value, str):
        raise ArgumentError(f"{name}={value!r:.80}: text is needed, not {type(value).__name__}")


def check_time(name: str, value: object) -> None:
    """Raise ArgumentError where a value is no datetime."""
    if not isinstance(value, datetime):
        raise ArgumentError(f"{name}={value!r:.80}: a datetime is needed, not {type(value).__name__}")


def with_offset(moment: datetime) -> datetime:
    """Return the moment with its offset; one without counts as UTC."""
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment

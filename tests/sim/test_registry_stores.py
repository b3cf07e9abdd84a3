"""A simulated namespace with each registry store."""

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from kit import sim
from kit.cosmonapse.registry import (
    MemoryRegistryStore,
    NeuronRecord,
    PostgresRegistryStore,
    RegistryStore,
    SqliteRegistryStore,
)
from kit.errors import RegistryError

Records = list[NeuronRecord]


class OwnStore(RegistryStore):
    """A store of a user, which waits within each call."""

    def __init__(self) -> None:
        self.inner = MemoryRegistryStore()

    async def connect(self) -> None:
        await self.inner.connect()

    async def close(self) -> None:
        await self.inner.close()

    async def upsert(self, record: NeuronRecord) -> None:
        await asyncio.sleep(0)
        await self.inner.upsert(record)

    async def mark_deregistered(self, neuron_id: str) -> None:
        await asyncio.sleep(0)
        await self.inner.mark_deregistered(neuron_id)

    async def touch_heartbeat(self, neuron_id: str, ts: Any, status: str | None = None) -> None:
        await asyncio.sleep(0)
        await self.inner.touch_heartbeat(neuron_id, ts, status)

    async def get(self, neuron_id: str) -> NeuronRecord | None:
        await asyncio.sleep(0)
        return await self.inner.get(neuron_id)

    async def list(self, *, capability: str | None = None, include_deregistered: bool = False) -> Records:
        await asyncio.sleep(0)
        return await self.inner.list(capability=capability, include_deregistered=include_deregistered)


@pytest.fixture(params=["sqlite", "own", pytest.param("postgres", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RegistryStore]:
    makes = {
        "sqlite": lambda: SqliteRegistryStore(tmp_path / "registry.db"),
        "own": OwnStore,
        "postgres": lambda: PostgresRegistryStore(dsn=request.getfixturevalue("dsn")),
    }
    yield makes[request.param]()


def office(store: RegistryStore) -> tuple[sim.Run, Records, list[Any]]:
    """Return the run of a namespace that uses its registry, what the registry holds then, and what neurons saw of it."""
    ns = sim.scenario("desk").namespace(7, registry=store)
    seen: list[Any] = []
    states: set[str] = set()

    @ns.orchestrator.on_final
    async def look(signal: Any) -> None:
        found = await ns.orchestrator.find_neurons(capability="write", max_age_s=40)
        seen.append((signal.id, [record.neuron_id for record in found]))

    @ns.neuron("clerk", dendrite="desk")  # with a neuron of its own the desk has heartbeats, and sweeps at each
    async def clerk(input: Any, context: Any) -> Any:
        return {}

    ns.synapse.kernel.call(290_000_000, lambda: states.update(record.status for record in ns.registry()))
    ns.faults.crash("planner", at="2m", for_="10m")  # silent for long, so it is swept out
    ns.faults.drop(0.5, types=["REGISTER"])  # heartbeats of neurons that nobody knows
    run = ns.run(until="5m")
    found = ns.registry()
    ns.synapse.shelf.close()
    assert states >= {"ok", "deregistered"}
    return run, found, seen


def test_each_store_gives_the_same_run_and_holds_the_same(store: RegistryStore) -> None:
    run, found, seen = office(MemoryRegistryStore())
    again, held, looked = office(store)
    assert (again.digest, again.report.errors) == (run.digest, ())
    assert looked == seen != []

    def told(records: Records) -> list[Any]:
        return sorted(
            (record.neuron_id, record.capabilities, record.status, record.last_heartbeat) for record in records
        )

    assert told(held) == told(found)
    begun = min(record.registered_at for record in held)
    assert begun.isoformat().startswith("2026-01-01T00:00:00")
    assert max(record.registered_at for record in held) - begun < timedelta(minutes=6)


def test_a_registry_file_of_a_run_can_be_read_by_others_afterwards(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    ns = sim.Namespace("lab", seed=7, registry=SqliteRegistryStore(path))
    ns.model("coder", capabilities=["code"], service=sim.constant(ms=5))
    run = ns.run(until="1m")
    with closing(sqlite3.connect(path)) as file:
        assert file.execute("SELECT neuron_id, capabilities FROM neurons").fetchall() == [("coder", '["code"]')]
    assert [record.status for record in ns.registry()] == ["ok"]
    assert len(run) > 0


def test_a_store_that_refuses_says_so(tmp_path: Path) -> None:
    ns = sim.Namespace("lab", registry=SqliteRegistryStore(tmp_path / "missing" / "registry.db"))
    ns.model("coder", capabilities=["code"])
    with pytest.raises(RegistryError, match=r"the folder .* does not exist"):
        ns.registry()
    ns.run(until="1s")
    assert "does not exist" in repr(ns.synapse.errors[0][1])

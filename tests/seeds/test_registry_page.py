"""What the reference page of the RegistryStore promises, statement by statement."""

import inspect
import subprocess
import sys
from abc import ABC
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from asynchronous import in_loop

import kit.cosmonapse
from kit.cosmonapse import (
    MemoryRegistryStore,
    NeuronRecord,
    PostgresRegistryStore,
    RegistryStore,
    SqliteRegistryStore,
)

ROOT = Path(__file__).resolve().parents[2]
BACKENDS = (MemoryRegistryStore, SqliteRegistryStore, PostgresRegistryStore)
METHODS: dict[str, tuple[list[tuple[str, Any, Any]], Any]] = {
    "connect": ([], type(None)),
    "close": ([], type(None)),
    "upsert": ([("record", NeuronRecord, ...)], type(None)),
    "mark_deregistered": ([("neuron_id", str, ...)], type(None)),
    "touch_heartbeat": ([("neuron_id", str, ...), ("ts", datetime, ...), ("status", str | None, None)], type(None)),
    "get": ([("neuron_id", str, ...)], NeuronRecord | None),
    "list": ([("capability", str | None, None), ("include_deregistered", bool, False)], list[NeuronRecord]),
}
"""The methods of the page: parameters with their types and defaults (... for none), and what they return."""


def test_the_interface_is_abstract_and_has_the_listed_methods_and_no_other() -> None:
    assert issubclass(RegistryStore, ABC)
    assert RegistryStore.__abstractmethods__ == METHODS.keys()
    with pytest.raises(TypeError, match="abstract"):
        RegistryStore()  # type: ignore[abstract]


@pytest.mark.parametrize("store", [RegistryStore, *BACKENDS])
@pytest.mark.parametrize("name", METHODS)
def test_each_method_is_a_coroutine_with_the_listed_parameters(store: type, name: str) -> None:
    method = getattr(store, name)
    assert inspect.iscoroutinefunction(method)
    parameters, result = METHODS[name]
    hints = get_type_hints(method)
    empty = inspect.Parameter.empty
    assert [
        (parameter.name, hints[parameter.name], ... if parameter.default is empty else parameter.default)
        for parameter in list(inspect.signature(method).parameters.values())[1:]
    ] == parameters
    assert hints["return"] == result


@pytest.mark.parametrize("store", [RegistryStore, *BACKENDS])
def test_the_filters_of_list_are_given_by_name(store: Any) -> None:
    kinds = [parameter.kind for parameter in inspect.signature(store.list).parameters.values()]
    assert kinds[1:] == [inspect.Parameter.KEYWORD_ONLY] * 2


@pytest.mark.parametrize("backend", BACKENDS)
def test_every_bundled_backend_satisfies_the_interface(backend: type) -> None:
    assert issubclass(backend, RegistryStore)
    assert not inspect.isabstract(backend)


def test_a_record_is_a_dataclass_with_the_listed_fields_and_defaults() -> None:
    assert is_dataclass(NeuronRecord)
    assert [field.name for field in fields(NeuronRecord)] == [
        "neuron_id",
        "capabilities",
        "version",
        "status",
        "last_heartbeat",
        "registered_at",
    ]
    assert get_type_hints(NeuronRecord) == {
        "neuron_id": str,
        "capabilities": list[str],
        "version": str | None,
        "status": str,
        "last_heartbeat": datetime | None,
        "registered_at": datetime,
    }
    record = NeuronRecord("a")
    assert (record.capabilities, record.version, record.status, record.last_heartbeat) == ([], None, "registered", None)
    assert record.capabilities is not NeuronRecord("b").capabilities
    assert record.registered_at.tzinfo is UTC
    with pytest.raises(TypeError):
        NeuronRecord()  # type: ignore[call-arg]


def test_to_dict_gives_a_dictionary() -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    record = NeuronRecord("a", ["x"], version="1", last_heartbeat=moment, registered_at=moment)
    assert record.to_dict() == {
        "neuron_id": "a",
        "capabilities": ["x"],
        "version": "1",
        "status": "registered",
        "last_heartbeat": "2026-01-01T00:00:00+00:00",
        "registered_at": "2026-01-01T00:00:00+00:00",
    }
    assert record.to_dict()["capabilities"] is not record.capabilities


def test_the_backends_are_made_as_on_the_page(tmp_path: Path) -> None:
    MemoryRegistryStore()
    SqliteRegistryStore(str(tmp_path / "registry.db"))
    PostgresRegistryStore(dsn="postgresql://user:pw@host/cosmonapse")


def test_the_names_are_public() -> None:
    assert {"NeuronRecord", "RegistryStore", *(backend.__name__ for backend in BACKENDS)} <= set(kit.cosmonapse.__all__)


@in_loop
async def test_memory_loses_its_state_and_a_file_keeps_it(tmp_path: Path) -> None:
    for store, kept in ((MemoryRegistryStore(), 0), (SqliteRegistryStore(str(tmp_path / "registry.db")), 1)):
        await store.connect()
        await store.upsert(NeuronRecord("a"))
        await store.close()
        await store.connect()
        assert len(await store.list()) == kept
        await store.close()


def test_sqlite_has_no_dependency_beyond_the_kit_and_asyncpg_is_imported_lazily() -> None:
    script = """
import asyncio, sys
sys.modules["asyncpg"] = None
from kit.cosmonapse import NeuronRecord, PostgresRegistryStore, SqliteRegistryStore
async def main():
    store = SqliteRegistryStore(":memory:")
    await store.connect()
    await store.upsert(NeuronRecord("a", ["x"]))
    assert [record.neuron_id for record in await store.list(capability="x")] == ["a"]
    await store.close()
    try:
        await PostgresRegistryStore(dsn="postgresql://user:pw@host/cosmonapse").connect()
    except ImportError as error:
        print(error)
asyncio.run(main())
"""
    run = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
    assert "pip install 'namespace-kit[postgres]'" in run.stdout


@pytest.mark.servers
@in_loop
async def test_postgres_takes_the_writes_of_more_than_one(dsn: str) -> None:
    one, other = PostgresRegistryStore(dsn=dsn), PostgresRegistryStore(dsn=dsn)
    await one.connect()
    await other.connect()
    await one.upsert(NeuronRecord("a", ["x"]))
    await other.touch_heartbeat("a", datetime(2026, 1, 1, tzinfo=UTC), status="draining")
    await other.upsert(NeuronRecord("b", ["x"]))
    await one.mark_deregistered("b")
    assert [(found.neuron_id, found.status) for found in await other.list(capability="x")] == [("a", "draining")]
    assert len(await one.list(include_deregistered=True)) == 2
    await one.close()
    await other.close()

"""The SQLite registry: what stands in its way, and several writers on one file."""

import asyncio
import os
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

import pytest
from asynchronous import in_loop

from kit.cosmonapse import NeuronRecord, SqliteRegistryStore
from kit.errors import ArgumentError, RegistryClosedError, RegistryError, RegistryTimeoutError

T0 = datetime(2026, 1, 1, tzinfo=UTC)


def contents(path: Path) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT * FROM neurons ORDER BY neuron_id").fetchall()
    connection.close()
    return rows


@in_loop
async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    store = SqliteRegistryStore(tmp_path / "no" / "registry.db")
    with pytest.raises(RegistryError, match=r"the folder '.*no' does not exist: create it first"):
        await store.connect()
    assert not (tmp_path / "no").exists()
    with pytest.raises(RegistryClosedError):
        await store.get("a")
    (tmp_path / "no").mkdir()
    await store.connect()
    assert await store.list() == []
    await store.close()


@in_loop
async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="is a folder"):
        await SqliteRegistryStore(tmp_path).connect()


@in_loop
async def test_a_file_of_another_kind_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, but long enough to be looked at as one\n" * 20)
    before = path.read_bytes()
    with pytest.raises(RegistryError, match="no SQLite file"):
        await SqliteRegistryStore(path).connect()
    assert path.read_bytes() == before


@in_loop
async def test_a_table_neurons_of_another_program_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "brain.db"
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE neurons (id INTEGER, weight REAL)")
    connection.commit()
    connection.close()
    before = path.read_bytes()
    with pytest.raises(RegistryError, match=r"of another program \(columns: id, weight\)"):
        await SqliteRegistryStore(path).connect()
    assert path.read_bytes() == before


@pytest.mark.parametrize("path", ["", None, 3])
def test_a_path_must_be_one(path: object) -> None:
    with pytest.raises(ArgumentError, match="give the path of a file"):
        SqliteRegistryStore(path)  # type: ignore[arg-type]


@in_loop
async def test_a_locked_file_is_told_and_works_again_when_it_is_free(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    store = SqliteRegistryStore(path, timeout_s=0.02)
    await store.connect()
    await store.upsert(NeuronRecord("a", ["x"], registered_at=T0))
    before = contents(path)
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    for call in (store.upsert(NeuronRecord("a", ["y"])), store.mark_deregistered("a"), store.get("a")):
        with pytest.raises(RegistryTimeoutError, match=r"another connection holds the file, for 0.02 s") as caught:
            await call
        assert isinstance(caught.value, TimeoutError)
    with pytest.raises(RegistryTimeoutError):
        await SqliteRegistryStore(path, timeout_s=0.02).connect()
    holder.execute("ROLLBACK")
    holder.close()
    assert contents(path) == before
    await store.mark_deregistered("a")
    found = await store.get("a")
    assert found is not None and found.status == "deregistered"
    await store.close()


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted on Windows")
@in_loop
async def test_a_file_that_was_deleted_is_told(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    store = SqliteRegistryStore(path)
    await store.connect()
    path.unlink()
    with pytest.raises(RegistryError, match="moved or deleted since"):
        await store.upsert(NeuronRecord("a"))
    await store.close()
    await store.connect()
    await store.upsert(NeuronRecord("a"))
    assert len(contents(path)) == 1
    await store.close()


@pytest.mark.parametrize(
    "row",
    [
        ("a", "[", None, "ok", None, "2026-01-01T00:00:00"),
        ("a", "[]", None, "ok", "soon", "2026-01-01T00:00:00"),
        ("a", "[]", None, "ok", None, b"\x00"),
    ],
)
@in_loop
async def test_a_row_that_cannot_be_read_is_named(tmp_path: Path, row: tuple[object, ...]) -> None:
    path = tmp_path / "registry.db"
    store = SqliteRegistryStore(path)
    await store.connect()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO neurons VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    with pytest.raises(RegistryError, match=r"the row of 'a' cannot be read .* upsert the neuron again"):
        await store.list()
    await store.close()


@in_loop
async def test_several_stores_write_to_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    stores = [SqliteRegistryStore(path) for _ in range(3)]
    await asyncio.gather(*(store.connect() for store in stores))

    async def write(number: int, store: SqliteRegistryStore) -> None:
        for i in range(6):
            await store.upsert(NeuronRecord(f"{number}-{i}", [str(number)]))
            await store.touch_heartbeat("shared", T0, str(number))

    await asyncio.gather(*(write(number, store) for number, store in enumerate(stores)))
    for number, store in enumerate(stores):
        assert len(await store.list()) == 3 * 6 + 1
        assert len(await store.list(capability=str(number))) == 6
    await asyncio.gather(*(store.close() for store in stores))


@in_loop
async def test_calls_of_one_store_are_done_in_the_order_they_were_made(tmp_path: Path) -> None:
    store = SqliteRegistryStore(tmp_path / "registry.db")
    await store.connect()
    await asyncio.gather(*(store.upsert(NeuronRecord(str(i))) for i in range(20)))
    assert [record.neuron_id for record in await store.list()] == [str(i) for i in range(20)]
    await store.close()


@in_loop
async def test_closing_waits_for_the_calls_under_way(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    store = SqliteRegistryStore(path)
    await store.connect()
    writes = asyncio.gather(*(store.upsert(NeuronRecord(str(i))) for i in range(5)))
    await asyncio.sleep(0)
    await store.close()
    await writes
    assert len(contents(path)) == 5


def test_a_store_can_be_used_in_one_event_loop_after_another() -> None:
    store = SqliteRegistryStore()
    asyncio.run(store.connect())
    asyncio.run(store.upsert(NeuronRecord("a")))
    assert len(asyncio.run(store.list())) == 1
    asyncio.run(store.close())

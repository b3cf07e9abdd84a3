"""The PostgreSQL registry on a real server: several writers, lost connections, closed doors."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from asynchronous import in_loop

from kit.cosmonapse import NeuronRecord, PostgresRegistryStore
from kit.cosmonapse.registry.dsn import without_password
from kit.errors import (
    ArgumentError,
    MissingExtraError,
    RegistryClosedError,
    RegistryConnectionError,
    RegistryError,
    RegistryTimeoutError,
)

ROOT = Path(__file__).resolve().parents[3]
T0 = datetime(2026, 1, 1, tzinfo=UTC)


@contextmanager
def without_asyncpg(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if asyncpg were not installed."""
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "asyncpg", None)
        patch.delitem(sys.modules, "kit.cosmonapse.registry.server", raising=False)
        yield


@in_loop
async def test_without_asyncpg_connect_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    store = PostgresRegistryStore(dsn="postgresql://user:pw@host/cosmonapse")
    with (
        without_asyncpg(monkeypatch),
        pytest.raises(MissingExtraError, match=r"pip install 'namespace-kit\[postgres\]'"),
    ):
        await store.connect()
    assert issubclass(MissingExtraError, ImportError)


def test_making_a_store_imports_no_asyncpg() -> None:
    script = (
        "import sys, kit.cosmonapse as k; k.PostgresRegistryStore(dsn='postgresql://h/d'); "
        "assert 'asyncpg' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


@pytest.mark.parametrize("dsn", ["", None])
def test_a_dsn_must_be_given(dsn: Any) -> None:
    with pytest.raises(ArgumentError, match="postgresql://user:password@host/database"):
        PostgresRegistryStore(dsn=dsn)


@pytest.mark.parametrize(("least", "most"), [(-1, 5), (6, 5), (0, 0)])
def test_a_pool_needs_a_size(least: int, most: int) -> None:
    with pytest.raises(ArgumentError, match=f"min_size={least}, max_size={most}"):
        PostgresRegistryStore(dsn="postgresql://h/d", min_size=least, max_size=most)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://ann:s3cret@host/db",
        "postgresql://ann:s3@cret@host/db",
        "postgres://:s3cret@/db?host=/run/pg",
        "postgresql://host/db?user=ann&password=s3cret",
        "postgresql://ann:x@host/db?PASSWORD=s3cret&sslmode=require",
    ],
)
def test_a_password_is_never_shown(dsn: str) -> None:
    shown = without_password(dsn)
    assert "s3" not in shown and "cret" not in shown and "***" in shown and "db" in shown
    assert "cret" not in repr(PostgresRegistryStore(dsn=dsn))


@pytest.mark.parametrize("dsn", ["postgresql://host/db", "postgresql://ann@host:5432/db?sslmode=require"])
def test_an_address_without_a_password_stays_as_it_is(dsn: str) -> None:
    assert without_password(dsn) == dsn


@in_loop
async def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    pytest.importorskip("asyncpg")
    store = PostgresRegistryStore(dsn="postgresql://ann:s3cret@127.0.0.1:1/db")
    with pytest.raises(RegistryConnectionError, match="no connection to the server") as caught:
        await store.connect()
    assert isinstance(caught.value, ConnectionError)
    assert "s3cret" not in str(caught.value)
    with pytest.raises(RegistryClosedError):
        await store.list()


@in_loop
async def test_what_is_no_address_of_a_server_is_told() -> None:
    pytest.importorskip("asyncpg")
    with pytest.raises(ArgumentError, match="no address of a server"):
        await PostgresRegistryStore(dsn="mysql://h/d").connect()


@pytest.mark.servers
@in_loop
async def test_a_wrong_password_is_told_and_the_right_one_works(dsn: str) -> None:
    wrong, right = (dsn.replace("postgres:@", f"guarded:{password}@") for password in ("wr0ng", "right"))
    with pytest.raises(RegistryConnectionError, match=r"lets nobody in .*password authentication failed") as caught:
        await PostgresRegistryStore(dsn=wrong).connect()
    assert "wr0ng" not in str(caught.value)
    store = PostgresRegistryStore(dsn=right)
    await store.connect()
    await store.upsert(NeuronRecord("a"))
    await store.close()


@pytest.mark.servers
@in_loop
async def test_a_database_that_is_not_there_is_told(dsn: str) -> None:
    with pytest.raises(RegistryConnectionError, match='database "nope" does not exist'):
        await PostgresRegistryStore(dsn=dsn.replace("/postgres?", "/nope?")).connect()


@pytest.mark.servers
@in_loop
async def test_several_writers_create_the_table_at_once_and_none_of_their_writes_is_lost(dsn: str) -> None:
    stores = [PostgresRegistryStore(dsn=dsn, max_size=2) for _ in range(6)]
    await asyncio.gather(*(store.connect() for store in stores))

    async def write(number: int, store: PostgresRegistryStore) -> None:
        for i in range(10):
            first = T0 + timedelta(days=number)
            await store.upsert(NeuronRecord("shared", [str(number)] * 3, str(number), registered_at=first))
            await store.upsert(NeuronRecord(f"{number}-{i}", [f"of {number}"]))
            await store.touch_heartbeat(f"thin-{i}", first)

    await asyncio.gather(*(write(number, store) for number, store in enumerate(stores)))
    for number, store in enumerate(stores):
        assert len(await store.list(capability=f"of {number}")) == 10
        assert len(await store.list()) == 1 + 6 * 10 + 10
    shared = await stores[0].get("shared")
    assert shared is not None and shared.version is not None
    # Of two writers one came first and one last; no row is a mixture of both.
    assert shared.capabilities == [shared.version] * 3
    assert shared.registered_at in {T0 + timedelta(days=number) for number in range(6)}
    await asyncio.gather(*(store.close() for store in stores))


@pytest.mark.servers
def test_several_processes_write_at_once(dsn: str) -> None:
    script = """
import asyncio, sys
from kit.cosmonapse import NeuronRecord, PostgresRegistryStore
async def main(dsn, me):
    store = PostgresRegistryStore(dsn=dsn)
    await store.connect()
    for i in range(20):
        await store.upsert(NeuronRecord(f"{me}-{i}", [me]))
        await store.upsert(NeuronRecord("shared", [me], me))
    await store.close()
asyncio.run(main(*sys.argv[1:]))
"""
    writers = [subprocess.Popen([sys.executable, "-c", script, dsn, me], cwd=ROOT) for me in "xy"]
    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]

    async def read() -> list[NeuronRecord]:
        store = PostgresRegistryStore(dsn=dsn)
        await store.connect()
        found = await store.list()
        await store.close()
        return found

    found = asyncio.run(read())
    assert len(found) == 41
    shared = next(record for record in found if record.neuron_id == "shared")
    assert shared.capabilities == [shared.version]


async def execute(dsn: str, sql: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    await connection.execute(sql)
    await connection.close()


KILL = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"""


@pytest.mark.servers
@in_loop
async def test_a_connection_that_was_cut_is_replaced(dsn: str) -> None:
    store = PostgresRegistryStore(dsn=dsn, min_size=2)
    await store.connect()
    await store.upsert(NeuronRecord("a", registered_at=T0))
    await execute(dsn, KILL)
    await store.touch_heartbeat("a", T0, "ok")
    await execute(dsn, KILL)
    assert await store.list() == [NeuronRecord("a", status="ok", last_heartbeat=T0, registered_at=T0)]
    await store.close()


SOCKET = ".s.PGSQL.5432"


@asynccontextmanager
async def never_hanging_up(dsn: str) -> AsyncIterator[str]:
    """The address of a go-between that passes on what the server says, but not that it closed the connection."""
    folder = parse_qs(urlsplit(dsn).query)["host"][0]
    ends: list[asyncio.StreamWriter] = []

    async def pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ends.append(writer)
        while part := await reader.read(1 << 16):
            writer.write(part)

    async def between(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        from_server, to_server = await asyncio.open_unix_connection(f"{folder}/{SOCKET}")
        await asyncio.gather(pass_on(reader, to_server), pass_on(from_server, writer), return_exceptions=True)

    with tempfile.TemporaryDirectory(dir=Path(folder).parent) as door:
        server = await asyncio.start_unix_server(between, f"{door}/{SOCKET}")
        try:
            yield dsn.replace(folder, door)
        finally:
            server.close()
            for end in ends:
                end.close()


@pytest.mark.servers
@in_loop
async def test_connections_that_were_cut_all_at_once_are_replaced_all_at_once(dsn: str) -> None:
    async with never_hanging_up(dsn) as through:
        store = PostgresRegistryStore(dsn=through, min_size=3)
        await store.connect()
        await store.upsert(NeuronRecord("a", registered_at=T0))
        await execute(dsn, KILL)
        await asyncio.sleep(0.05)
        found = await store.list()
        await store.close()
    assert found == [NeuronRecord("a", registered_at=T0)]


@pytest.mark.servers
@in_loop
async def test_a_server_that_went_away_is_told_and_the_pool_recovers_when_it_is_back(dsn: str, postgres: Any) -> None:
    store = PostgresRegistryStore(dsn=dsn)
    await store.connect()
    await store.upsert(NeuronRecord("a", registered_at=T0))
    postgres.stop()
    try:
        for call in (store.list(), store.upsert(NeuronRecord("b"))):
            with pytest.raises(RegistryConnectionError, match="Is it running"):
                await call
    finally:
        postgres.start()
    assert await store.list() == [NeuronRecord("a", registered_at=T0)]
    await store.close()


@pytest.mark.servers
@in_loop
async def test_a_locked_row_is_told_in_time_and_a_cancelled_write_leaves_nothing(dsn: str) -> None:
    import asyncpg

    store = PostgresRegistryStore(dsn=dsn, pool_kwargs={"command_timeout": 0.2})
    patient = PostgresRegistryStore(dsn=dsn)
    await store.connect()
    await patient.connect()
    await store.upsert(NeuronRecord("a", ["x"], registered_at=T0))
    holder = await asyncpg.connect(dsn)
    transaction = holder.transaction()
    await transaction.start()
    await holder.execute("UPDATE cosmonapse_neurons SET version = '2'")
    with pytest.raises(RegistryTimeoutError, match="no answer in time"):
        await store.upsert(NeuronRecord("a", ["y"]))
    waiting = asyncio.create_task(patient.upsert(NeuronRecord("a", ["z"])))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await transaction.rollback()
    await holder.close()
    for each in (store, patient):
        assert await each.list() == [NeuronRecord("a", ["x"], registered_at=T0)]
        await each.close()


@pytest.mark.servers
@in_loop
async def test_a_value_that_postgresql_cannot_hold_is_told_and_nothing_is_written(dsn: str) -> None:
    store = PostgresRegistryStore(dsn=dsn)
    await store.connect()
    for wrong in (NeuronRecord("a\0b"), NeuronRecord("a", ["\0"])):
        with pytest.raises(ArgumentError, match="a value that PostgreSQL cannot hold"):
            await store.upsert(wrong)
    assert await store.list() == []
    await store.close()


@pytest.mark.servers
@in_loop
async def test_a_reader_without_the_right_to_create_can_connect_and_is_told_what_it_may_not(dsn: str) -> None:
    owner = PostgresRegistryStore(dsn=dsn)
    await owner.connect()
    schema = dsn.rpartition("=")[2]
    await execute(dsn, f"REVOKE CREATE ON SCHEMA {schema} FROM guarded; GRANT SELECT ON cosmonapse_neurons TO guarded")
    store = PostgresRegistryStore(dsn=dsn.replace("postgres:@", "guarded:right@"))
    await store.connect()
    assert await store.list() == []
    with pytest.raises(RegistryError, match="permission denied for table cosmonapse_neurons"):
        await store.upsert(NeuronRecord("a"))
    await store.close()
    await owner.close()


@pytest.mark.servers
@in_loop
async def test_two_calls_of_connect_at_once_open_one_pool(dsn: str) -> None:
    store = PostgresRegistryStore(dsn=dsn)
    await asyncio.gather(store.connect(), store.connect(), store.connect())
    await store.upsert(NeuronRecord("a"))
    assert len(await store.list()) == 1
    await store.close()


@pytest.mark.servers
def test_a_store_of_another_event_loop_says_so_and_connects_in_this_one(dsn: str) -> None:
    store = PostgresRegistryStore(dsn=dsn)
    with asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(store.connect())
        first.run(store.upsert(NeuronRecord("a", registered_at=T0)))
        with pytest.raises(RegistryError, match="connected in another event loop"):
            second.run(store.list())
        second.run(store.connect())
        assert second.run(store.list()) == [NeuronRecord("a", registered_at=T0)]
        # The first loop lets its connections go when it runs again.
        first.run(asyncio.sleep(0))
        first.run(asyncio.sleep(0))
        second.run(store.close())


@pytest.mark.servers
@in_loop
async def test_a_pool_with_a_codec_for_json_works_too(dsn: str) -> None:
    async def with_codec(connection: Any) -> None:
        import json

        await connection.set_type_codec("jsonb", encoder=str, decoder=json.loads, schema="pg_catalog")

    store = PostgresRegistryStore(dsn=dsn, pool_kwargs={"init": with_codec})
    await store.connect()
    await store.upsert(NeuronRecord("a", ["x", "ü"], registered_at=T0))
    assert await store.list(capability="ü") == [NeuronRecord("a", ["x", "ü"], registered_at=T0)]
    await store.close()

"""The stores of the published package as peers: the same answers, files and tables that both can use."""

import asyncio
import sqlite3
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from asynchronous import in_loop
from hypothesis import given, settings
from hypothesis import strategies as st

import kit.cosmonapse as k

peer = pytest.importorskip("cosmonapse")

TIMES = (
    datetime(2026, 1, 1, tzinfo=UTC),
    datetime(2026, 1, 1, 0, 0, 0, 1, tzinfo=timezone(timedelta(hours=2))),
    datetime(2026, 5, 16, 14, 22, 1, 391000, tzinfo=UTC),
    datetime(2026, 5, 16, 14, 22, 1),
)
times = st.sampled_from(TIMES)
ids = st.sampled_from(["a", "b", "ü", ""])
capabilities = st.lists(st.sampled_from(["x", "y", 'ü"\\', "\U0001f600", ""]), max_size=3)
statuses = st.sampled_from(["registered", "draining", "deregistered", "ok", ""])
calls = st.one_of(
    st.tuples(st.just("upsert"), ids, capabilities, st.none() | st.just("1.0"), statuses, st.none() | times, times),
    st.tuples(st.just("mark_deregistered"), ids),
    st.tuples(st.just("touch_heartbeat"), ids, times, st.none() | statuses),
    st.tuples(st.just("get"), ids),
    st.tuples(st.just("list"), st.none() | st.sampled_from(["x", 'ü"\\', ""]), st.booleans()),
)


def shown(record: Any) -> Any:
    """Return a record as plain values; a time that the store made itself as a word."""
    if record is None:
        return None
    values = record.to_dict()
    given_times = {moment.isoformat() for moment in TIMES} | {f"{TIMES[3].isoformat()}+00:00"}
    return {**values, "registered_at": values["registered_at"] if values["registered_at"] in given_times else "made"}


async def answers(package: Any, store: Any, script: list[Any]) -> list[Any]:
    """Return what a store answers to each call, and what it holds in the end."""
    await store.connect()
    found = []
    for name, *arguments in script:
        if name == "upsert":
            await store.upsert(package.NeuronRecord(*arguments))
        elif name == "list":
            records = await store.list(capability=arguments[0], include_deregistered=arguments[1])
            found.append([shown(record) for record in records])
        else:
            found.append(shown(await getattr(store, name)(*arguments)))
    found.append([shown(record) for record in await store.list(include_deregistered=True)])
    await store.close()
    return found


@settings(max_examples=80)
@given(st.lists(calls, max_size=12))
def test_memory_answers_as_the_peer_does(script: list[Any]) -> None:
    ours = asyncio.run(answers(k, k.MemoryRegistryStore(), script))
    assert ours == asyncio.run(answers(peer, peer.MemoryRegistryStore(), script))


@settings(max_examples=60)
@given(st.lists(calls, max_size=12))
def test_sqlite_answers_as_the_peer_does(script: list[Any]) -> None:
    ours = asyncio.run(answers(k, k.SqliteRegistryStore(), script))
    assert ours == asyncio.run(answers(peer, peer.SqliteRegistryStore(), script))


SCRIPT: list[Any] = [
    ("upsert", "a", ["x", "ü", '"'], "1.0", "registered", None, TIMES[1]),
    ("upsert", "b", [], None, "draining", TIMES[3], TIMES[3]),
    ("touch_heartbeat", "a", TIMES[2], "ok"),
    ("upsert", "b", ["\U0001f600", "y"], None, "registered", None, TIMES[0]),
    ("mark_deregistered", "a"),
]


def stored(path: Path) -> tuple[Any, Any]:
    """Return the statements that made a file, and its rows as they are stored."""
    connection = sqlite3.connect(path)
    made = connection.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()
    rows = connection.execute("SELECT rowid, * FROM neurons ORDER BY rowid").fetchall()
    connection.close()
    return made, rows


def test_cosmonapse_39_a_file_has_the_statements_and_texts_of_the_peers(tmp_path: Path) -> None:
    asyncio.run(answers(k, k.SqliteRegistryStore(tmp_path / "ours.db"), SCRIPT))
    asyncio.run(answers(peer, peer.SqliteRegistryStore(str(tmp_path / "theirs.db")), SCRIPT))
    ours, theirs = stored(tmp_path / "ours.db"), stored(tmp_path / "theirs.db")
    assert ours == theirs
    assert ours[1][0][2] == '["x", "\\u00fc", "\\""]'


@pytest.mark.parametrize(("first", "second"), [(k, peer), (peer, k)], ids=["ours-theirs", "theirs-ours"])
def test_cosmonapse_39_a_file_of_one_opens_in_the_other_and_back(tmp_path: Path, first: Any, second: Any) -> None:
    path = str(tmp_path / "registry.db")
    written = asyncio.run(answers(first, first.SqliteRegistryStore(path), SCRIPT))[-1]
    assert asyncio.run(answers(second, second.SqliteRegistryStore(path), []))[-1] == written
    more: list[Any] = [("touch_heartbeat", "a", TIMES[0], None), ("upsert", "new", ["z"], None, "ok", None, TIMES[2])]
    changed = asyncio.run(answers(second, second.SqliteRegistryStore(path), more))[-1]
    assert asyncio.run(answers(first, first.SqliteRegistryStore(path), []))[-1] == changed
    assert [record["neuron_id"] for record in changed] == ["a", "b", "new"]


@in_loop
async def test_cosmonapse_39_what_the_typescript_sdk_writes_is_read(tmp_path: Path) -> None:
    store = k.SqliteRegistryStore(tmp_path / "registry.db")
    await store.connect()
    connection = sqlite3.connect(tmp_path / "registry.db")
    row = ("a", '["x","ü"]', None, "registered", "2026-05-16T14:22:01.391Z", "2026-05-16T14:22:01")
    connection.execute("INSERT INTO neurons VALUES (?, ?, ?, ?, ?, ?)", row)
    connection.commit()
    connection.close()
    seen = datetime(2026, 5, 16, 14, 22, 1, tzinfo=UTC)
    expected = k.NeuronRecord("a", ["x", "ü"], last_heartbeat=TIMES[2], registered_at=seen)
    assert await store.get("a") == expected
    await store.close()


def test_cosmonapse_41_to_dict_has_the_keys_and_times_of_the_peers() -> None:
    fields = ("a", ["x"], "1", "ok", TIMES[0], TIMES[2])
    ours, theirs = k.NeuronRecord(*fields).to_dict(), peer.NeuronRecord(*fields).to_dict()
    assert list(ours.items()) == list(theirs.items())
    assert ours["last_heartbeat"] == "2026-01-01T00:00:00+00:00"
    assert ours["registered_at"] == "2026-05-16T14:22:01.391000+00:00"


COLUMNS = """SELECT column_name, data_type, is_nullable, column_default, ordinal_position
FROM information_schema.columns WHERE table_name = 'cosmonapse_neurons' AND table_schema = current_schema()
ORDER BY ordinal_position"""
INDEXES = """SELECT indexname, replace(indexdef, current_schema() || '.', '') FROM pg_indexes
WHERE tablename = 'cosmonapse_neurons' AND schemaname = current_schema() ORDER BY indexname"""


async def described(dsn: str) -> Any:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    found = [[tuple(row) for row in await connection.fetch(sql)] for sql in (COLUMNS, INDEXES)]
    await connection.close()
    return found


@pytest.mark.servers
def test_cosmonapse_42_a_table_of_ours_is_made_as_the_peers_is(dsn: str, postgres: Any) -> None:
    other = postgres.schema()
    asyncio.run(answers(k, k.PostgresRegistryStore(dsn=dsn), []))
    asyncio.run(answers(peer, peer.PostgresRegistryStore(dsn=other), []))
    columns, indexes = asyncio.run(described(dsn))
    assert [columns, indexes] == asyncio.run(described(other))
    assert [row[:2] for row in columns[:2]] == [("neuron_id", "text"), ("capabilities", "jsonb")]
    assert [name for name, _ in indexes] == ["cosmonapse_neurons_pkey", "cosmonapse_neurons_status_idx"]


@pytest.mark.servers
@pytest.mark.parametrize(("first", "second"), [(k, peer), (peer, k)], ids=["ours-theirs", "theirs-ours"])
def test_cosmonapse_42_a_table_of_one_is_used_by_the_other_and_back(dsn: str, first: Any, second: Any) -> None:
    # A time without an offset is local to asyncpg, and so to the peer; ours takes it as UTC.
    aware = [tuple(TIMES[0] if item is TIMES[3] else item for item in call) for call in SCRIPT]
    written = asyncio.run(answers(first, first.PostgresRegistryStore(dsn=dsn), aware))[-1]
    assert by_id(asyncio.run(answers(second, second.PostgresRegistryStore(dsn=dsn), []))[-1]) == by_id(written)
    more: list[Any] = [("touch_heartbeat", "a", TIMES[0], "ok"), ("list", "ü", False)]
    found, changed = asyncio.run(answers(second, second.PostgresRegistryStore(dsn=dsn), more))[1:]
    assert [record["neuron_id"] for record in found] == ["a"]
    assert by_id(asyncio.run(answers(first, first.PostgresRegistryStore(dsn=dsn), []))[-1]) == by_id(changed)


def by_id(records: list[Any]) -> list[Any]:
    """Return records in an order: the peer's rows come as PostgreSQL keeps them."""
    return sorted(records, key=lambda record: record["neuron_id"])

"""Databases as sources: registries and engrams in SQLite files and on a PostgreSQL server."""

import asyncio
import gzip
import io
import json
import shutil
import sqlite3
import sys
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import kit
from kit.cli.sources import named
from kit.cosmonapse import NeuronRecord, PostgresRegistryStore, SqliteRegistryStore
from kit.errors import ArgumentError, MissingExtraError, SourceError
from kit.export import jsonl
from kit.io import sqlite as sqlite_source

T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
RECORDS = (
    NeuronRecord("coder", ["code", "ü"], "1.0", "ok", T1, T0),
    NeuronRecord("gone", [], None, "deregistered", None, T1),
)
ENGRAM = """
CREATE TABLE engram_entries (
    id TEXT PRIMARY KEY, engram_kind TEXT NOT NULL, merge_key TEXT, content TEXT NOT NULL, tags TEXT NOT NULL DEFAULT '[]',
    meta TEXT NOT NULL DEFAULT '{}', version INTEGER NOT NULL DEFAULT 1, created_at TEXT NOT NULL, updated_at TEXT NOT NULL,
    deleted_at TEXT);
CREATE TABLE engram_imprint_seen (imprint_id TEXT PRIMARY KEY, entry_id TEXT NOT NULL, seen_at TEXT NOT NULL);
INSERT INTO engram_entries VALUES ('eng_1', 'context', 'k', '{"text": "h\\u00e9", "n": 1.0}', '["a", "b"]', '{"m": 1}', 3,
    '2026-01-01T00:00:00+00:00', '2026-01-02T00:00:00.000001+00:00', '2026-01-03T00:00:00+00:00');
INSERT INTO engram_entries VALUES ('eng_2', 'context', NULL, '"plain"', '[]', '{}', 1,
    '2026-01-01T00:00:00+00:00', '2026-01-01T00:00:00+00:00', NULL);
INSERT INTO engram_imprint_seen VALUES ('evt_1', 'eng_1', '2026-01-02T00:00:00+00:00');
"""


async def fill(store: Any, *records: NeuronRecord) -> None:
    await store.connect()
    for record in records or RECORDS:
        await store.upsert(record)
    await store.close()


def script(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)


@pytest.fixture
def registry(tmp_path: Path) -> Path:
    path = tmp_path / "registry.db"
    asyncio.run(fill(SqliteRegistryStore(path)))
    return path


@pytest.fixture
def both(registry: Path) -> Path:
    """A file with a registry and an engram."""
    script(registry, ENGRAM)
    return registry


def records(study: kit.Study) -> list[NeuronRecord]:
    columns = "neuron_id, capabilities, version, status, last_heartbeat, registered_at"
    return [NeuronRecord(*row) for row in study.execute(f"SELECT {columns} FROM registry ORDER BY source_id, line")]


def folder(path: Path) -> dict[str, bytes]:
    """Return the files beside `path` with their bytes; that of the shared memory changes with its readers."""
    return {item.name: b"" if item.name.endswith("-shm") else item.read_bytes() for item in path.parent.iterdir()}


def test_a_registry_file_becomes_rows_of_registry(registry: Path) -> None:
    before = folder(registry)
    with kit.load(registry) as study:
        assert records(study) == list(RECORDS)
        assert study.execute("SELECT line, role FROM registry ORDER BY line") == [(1, None), (2, None)]
        assert study.execute("SELECT family, lines, rows, quarantined, complete FROM sources") == [
            ("database", 2, 2, 0, True)
        ]
        assert [row["neuron_id"] for row in study.neurons().rows()] == ["coder", "gone"]
        raw = study.raw("capture", 1, 1)
        assert raw is not None and json.loads(raw)["capabilities"] == '["code", "\\u00fc"]'
        assert study.execute("SELECT raw FROM registry WHERE line = 1") == [(raw.decode(),)]
    assert folder(registry) == before


def test_an_engram_becomes_entries_and_imprints(both: Path) -> None:
    with kit.load(both) as study:
        entries = study.execute("SELECT * EXCLUDE (run, source_id, raw) FROM engram_entries ORDER BY line")
        day = datetime(2026, 1, 1, tzinfo=UTC)
        assert [row[:9] for row in entries] == [
            (3, "eng_1", "context", "k", '{"text":"hé","n":1.0}', ["a", "b"], '{"m":1}', 3, day),
            (4, "eng_2", "context", None, '"plain"', [], "{}", 1, day),
        ]
        assert [row[9:] for row in entries] == [
            (day.replace(day=2, microsecond=1), day.replace(day=3)),
            (day, None),
        ]
        imprints = study.execute("SELECT line, imprint_id, entry_id, seen_at FROM engram_imprints")
        assert imprints == [(5, "evt_1", "eng_1", day.replace(day=2))]
        assert study.execute("SELECT content ->> '$.text' FROM engram_entries ORDER BY line") == [("hé",), (None,)]


def test_an_engram_of_the_published_package_joins_its_signals(tmp_path: Path) -> None:
    peer = pytest.importorskip("cosmonapse")
    path = tmp_path / "engram.db"

    async def remember() -> None:
        engram = peer.SqliteEngram(path=str(path))
        await engram.connect()
        await engram.imprint("upsert", {"content": {"x": 1}, "tags": ["t"]}, merge_key="k", imprint_id="evt_imprint")
        await engram.close()

    asyncio.run(remember())
    signal = {"v": "1", "id": "evt_imprint", "trace_id": "trc_1", "type": "IMPRINT", "payload": {"op": "upsert"}}
    with kit.load([json.dumps(signal)]) as study:
        study.load(path)
        found = study.execute(
            """SELECT s.trace_id, e.content ->> '$.x', e.tags FROM engram_imprints i
               JOIN signals s ON s.run = i.run AND s.id = i.imprint_id
               JOIN engram_entries e ON e.run = i.run AND e.id = i.entry_id"""
        )
        assert found == [("trc_1", "1", ["t"])]


def test_a_compressed_file_and_a_file_object_load_too(both: Path) -> None:
    packed = both.with_name("registry.db.gz")
    packed.write_bytes(gzip.compress(both.read_bytes()))
    for source in (packed, io.BytesIO(both.read_bytes())):
        with kit.load(source) as study:
            assert records(study) == list(RECORDS)
            assert study.load_report is not None and study.load_report.lines == 5


def test_rows_can_be_written_back_and_loaded_again(both: Path, tmp_path: Path) -> None:
    written = tmp_path / "rows.jsonl"
    with kit.load(both) as study:
        assert jsonl.write(study, written) == 5
    with kit.load(written) as study:
        assert records(study) == list(RECORDS)
        assert study.execute("SELECT family, lines, rows FROM sources") == [("database", 5, 5)]


def test_records_as_json_lines_load_as_a_registry() -> None:
    with kit.load([json.dumps(record.to_dict()) for record in RECORDS]) as study:
        assert records(study) == list(RECORDS)


def test_an_unchanged_file_adds_nothing_and_new_rows_are_added(registry: Path) -> None:
    with kit.load(registry) as study:
        study.load(registry)
        assert study.execute("SELECT count(*) FROM registry") == [(2,)]
        asyncio.run(fill(SqliteRegistryStore(registry), NeuronRecord("new", registered_at=T1)))
        report = study.load(registry)
        assert [(source.source_id, source.rows, source.new_lines) for source in report.sources] == [(1, 3, 1)]
        assert study.execute("SELECT source_id, line FROM registry ORDER BY ALL") == [(1, 1), (1, 2), (1, 3)]


def test_a_row_that_changed_makes_it_a_new_source_and_the_view_shows_the_latest(registry: Path) -> None:
    with kit.load(registry) as study:
        changed = NeuronRecord("coder", ["other"], "2.0", "ok", T1, T0)
        asyncio.run(fill(SqliteRegistryStore(registry), changed))
        report = study.load(registry)
        assert [(source.source_id, source.rows) for source in report.sources] == [(2, 2)]
        assert study.execute("SELECT capabilities, version FROM neurons WHERE neuron_id = 'coder'") == [
            (["other"], "2.0")
        ]
        assert study.remove(source=2) == 2
        assert records(study) == list(RECORDS)


def test_what_cannot_be_read_is_in_quarantine_and_the_counts_add_up(both: Path) -> None:
    with closing(sqlite3.connect(both)) as connection:
        rows: list[tuple[Any, ...]] = [
            (None, "[]", None, "ok", None, "2026"),
            ("caps", "no json", None, "ok", None, "2026-01-01"),
            ("number", "[1]", None, "ok", None, "2026-01-01"),
            ("object", "{}", None, "ok", None, "2026-01-01"),
            ("deep", "[" * 5000, None, "ok", None, "2026-01-01"),
            ("beat", "[]", None, "ok", "soon", "2026-01-01"),
            ("blob", b"\x00\x01", None, "ok", None, "2026-01-01"),
            ("status", "[]", None, 3, None, "2026-01-01"),
            ("fine", '["x","ü"]', None, "ok", "2026-05-16T14:22:01.391Z", "2026-05-16T14:22:01"),
        ]
        connection.executemany("INSERT INTO neurons VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("INSERT INTO neurons VALUES (CAST(x'ff61' AS TEXT), '[]', NULL, 'ok', NULL, '2026-01-01')")
        connection.execute("UPDATE engram_entries SET content = '{' WHERE id = 'eng_2'")
        connection.commit()
    with kit.load(both) as study:
        assert study.load_report is not None
        assert {reason: found.count for reason, found in study.load_report.reasons.items()} == {
            "bad_neuron_id": 1,
            "bad_capabilities": 5,
            "bad_last_heartbeat": 1,
            "bad_content": 1,
            "bad_json": 1,
        }
        # The column of a number has the affinity TEXT: SQLite itself made '3' of it.
        assert study.execute(
            "SELECT neuron_id, status FROM registry WHERE neuron_id IN ('status', 'fine') ORDER BY ALL"
        ) == [
            ("fine", "ok"),
            ("status", "3"),
        ]
        stamp = study.execute("SELECT last_heartbeat, registered_at FROM registry WHERE neuron_id = 'fine'")
        assert stamp == [(datetime(2026, 5, 16, 14, 22, 1, 391000, UTC), datetime(2026, 5, 16, 14, 22, 1, 0, UTC))]
        assert study.load_report.lines == study.load_report.rows + study.load_report.quarantined == 15


@pytest.mark.parametrize(
    ("sql", "told"),
    [
        ("CREATE TABLE songs (title); CREATE TABLE neurons (id, weight)", "it has the tables 'neurons', 'songs'"),
        ("VACUUM; CREATE TABLE x (y); DROP TABLE x", "it has no table"),
        ("CREATE TABLE x (y); CREATE VIEW neurons AS SELECT * FROM x", "it has the tables 'x'"),
    ],
)
def test_a_file_of_another_program_is_refused_by_its_tables(tmp_path: Path, sql: str, told: str) -> None:
    path = tmp_path / "songs.db"
    script(path, sql)
    before = folder(path)
    with kit.open() as study:
        with pytest.raises(SourceError, match=f"none of Cosmonapse: {told}. Looked for neurons, engram_entries"):
            study.load(path)
        assert study.execute("SELECT count(*) FROM sources") == [(0,)]
    assert folder(path) == before


def test_a_table_without_rowids_is_read_in_the_order_of_registration(tmp_path: Path) -> None:
    path = tmp_path / "registry.db"
    script(
        path,
        """CREATE TABLE neurons (neuron_id TEXT PRIMARY KEY, capabilities TEXT, version TEXT, status TEXT,
               last_heartbeat TEXT, registered_at TEXT) WITHOUT ROWID;
           INSERT INTO neurons VALUES ('a', '[]', NULL, 'ok', NULL, '2026-01-02'), ('b', '[]', NULL, 'ok', NULL, '2026-01-01')""",
    )
    with kit.load(path) as study:
        assert [record.neuron_id for record in records(study)] == ["b", "a"]


def test_a_write_ahead_log_is_read_while_its_writer_lives_and_nothing_is_left_behind(registry: Path) -> None:
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO neurons VALUES ('log', '[]', NULL, 'ok', NULL, '2026-01-03')")
        before = folder(registry)
        assert before.keys() == {"registry.db", "registry.db-wal", "registry.db-shm"}
        with kit.load(registry) as study:
            assert [record.neuron_id for record in records(study)] == ["coder", "gone", "log"]
        assert folder(registry) == before
    before = folder(registry)
    assert before.keys() == {"registry.db"}
    with kit.load(registry) as study:
        assert len(records(study)) == 3
    assert folder(registry) == before


def test_a_write_ahead_log_without_its_writer_is_read_and_left_as_it_is(registry: Path, tmp_path: Path) -> None:
    orphan = tmp_path / "orphan" / "registry.db"
    orphan.parent.mkdir()
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("PRAGMA journal_mode = WAL")
        writer.execute("INSERT INTO neurons VALUES ('log', '[]', NULL, 'ok', NULL, '2026-01-03')")
        for suffix in ("", "-wal"):
            shutil.copyfile(f"{registry}{suffix}", f"{orphan}{suffix}")
    before = folder(orphan)
    with kit.load(orphan) as study:
        assert [record.neuron_id for record in records(study)] == ["coder", "gone", "log"]
    assert folder(orphan) == before


def test_the_half_transaction_of_a_writer_that_died_is_not_read(registry: Path, tmp_path: Path) -> None:
    orphan = tmp_path / "orphan" / "registry.db"
    orphan.parent.mkdir()
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("PRAGMA cache_size = 1")
        writer.execute("BEGIN")
        for number in range(500):
            row = (f"half-{number}", json.dumps(["x" * 200]), "2026-01-03")
            writer.execute("INSERT INTO neurons VALUES (?, ?, NULL, 'ok', NULL, ?)", row)
        for suffix in ("", "-journal"):
            shutil.copyfile(f"{registry}{suffix}", f"{orphan}{suffix}")
        writer.execute("ROLLBACK")
    assert orphan.stat().st_size > 100_000
    before = folder(orphan)
    with kit.load(orphan) as study:
        assert records(study) == list(RECORDS)
    assert folder(orphan) == before


def test_a_file_is_not_locked_while_its_rows_are_read(registry: Path) -> None:
    with (
        registry.open("rb") as stream,
        sqlite_source.sqlite_rows(stream, registry, "registry.db") as rows,
        closing(sqlite3.connect(registry, timeout=0)) as writer,
    ):
        first = rows.read(10)
        writer.execute("DELETE FROM neurons")
        writer.commit()
        rest = b"".join(iter(lambda: rows.read(100), b""))
    assert [json.loads(line)["neuron_id"] for line in (first + rest).splitlines()] == ["coder", "gone"]


def test_a_file_that_stays_locked_is_told(registry: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_source, "WAIT_S", 0.02)
    with closing(sqlite3.connect(registry, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with kit.open() as study, pytest.raises(SourceError, match="another process is writing to it"):
            study.load(registry)
        writer.execute("ROLLBACK")


def test_a_damaged_file_gives_what_can_be_read_or_an_error_and_never_half_an_account(tmp_path: Path) -> None:
    path, names = tmp_path / "registry.db", [f"neuron-{number:03}" for number in range(300)]
    asyncio.run(fill(SqliteRegistryStore(path, timeout_s=1), RECORDS[0]))
    with closing(sqlite3.connect(path)) as connection:
        row = "INSERT INTO neurons VALUES (?, '[]', NULL, 'ok', NULL, '2026-01-01')"
        connection.executemany(row, [(name,) for name in names])
        connection.commit()
    whole = path.read_bytes()
    step = len(whole) // 7
    damaged = [whole[:at] + b"\xff" * 40 + whole[at + 40 :] for at in range(100, len(whole), step)]
    with kit.open() as study:
        outcomes = []
        for number, data in enumerate([*damaged, *(whole[:size] for size in (50, 600, len(whole) // 2))]):
            path.write_bytes(data)
            outcomes.append(outcome(study, path, f"run-{number}"))
    assert "error" in outcomes
    assert "incomplete" in outcomes


def outcome(study: kit.Study, path: Path, run: str) -> str:
    try:
        report = study.load(path, run=run)
    except SourceError:
        assert study.execute("SELECT count(*) FROM registry WHERE run = ?", [run]) == [(0,)]
        return "error"
    assert report.lines == report.rows + report.quarantined
    return "complete" if report.complete else "incomplete"


# PostgreSQL


def test_a_server_that_is_not_there_is_told_without_the_password() -> None:
    pytest.importorskip("asyncpg")
    with kit.open() as study, pytest.raises(SourceError, match="no connection to the server") as caught:
        study.load("postgresql://ann:s3cret@127.0.0.1:1/db")
    assert "s3cret" not in str(caught.value)


def test_the_command_line_takes_the_address_of_a_server() -> None:
    assert named(["postgresql://ann@host/db", "a.db"]) == ["postgresql://ann@host/db", Path("a.db")]


def test_an_odd_dsn_is_told() -> None:
    pytest.importorskip("asyncpg")
    with kit.open() as study, pytest.raises(ArgumentError, match="no address of a server"):
        study.load("postgresql://host:port/db")


def test_without_asyncpg_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    for name in ("kit.cosmonapse.registry.server", "kit.io.server"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    with kit.open() as study, pytest.raises(MissingExtraError, match=r"namespace-kit\[postgres\]"):
        study.load("postgresql://host/db")


PG_ENGRAM = """
CREATE TABLE cosmonapse_engram_entries (
    id TEXT PRIMARY KEY, engram_kind TEXT NOT NULL, merge_key TEXT, content JSONB NOT NULL, tags TEXT[] NOT NULL DEFAULT '{}',
    meta JSONB NOT NULL DEFAULT '{}', version INTEGER NOT NULL DEFAULT 1, created_at TIMESTAMPTZ NOT NULL,
    updated_at TIMESTAMPTZ NOT NULL, deleted_at TIMESTAMPTZ);
CREATE TABLE cosmonapse_engram_imprint_seen (imprint_id TEXT PRIMARY KEY, entry_id TEXT NOT NULL, seen_at TIMESTAMPTZ NOT NULL);
INSERT INTO cosmonapse_engram_entries SELECT 'eng_' || n, 'context', NULL, to_jsonb(n), ARRAY['a', 'ü'], '{}', 1,
    timestamptz '2026-01-01Z' + n * interval '1 second', timestamptz '2026-01-02Z', NULL FROM generate_series(1, 2500) n;
INSERT INTO cosmonapse_engram_imprint_seen VALUES ('evt_1', 'eng_1', '2026-01-02Z');
"""


async def execute(dsn: str, sql: str) -> None:
    import asyncpg

    connection = await asyncpg.connect(dsn)
    await connection.execute(sql)
    await connection.close()


@pytest.fixture
def server(dsn: str) -> str:
    """The address of a schema with a registry and an engram."""
    asyncio.run(fill(PostgresRegistryStore(dsn=dsn)))
    asyncio.run(execute(dsn, PG_ENGRAM))
    return dsn


@pytest.mark.servers
def test_a_server_gives_the_rows_of_its_registry_and_its_engram(server: str) -> None:
    with kit.load(server) as study:
        assert records(study) == list(RECORDS)
        first = study.execute(
            "SELECT line, id, content, tags, version, created_at FROM engram_entries ORDER BY line LIMIT 1"
        )
        assert first == [(3, "eng_1", "1", ["a", "ü"], 1, datetime(2026, 1, 1, 0, 0, 1, tzinfo=UTC))]
        assert study.execute("SELECT count(*), max(line) FROM engram_entries") == [(2500, 2502)]
        assert study.execute("SELECT line, entry_id FROM engram_imprints") == [(2503, "eng_1")]
        uri, lines = study.execute("SELECT uri, lines FROM sources")[0]
        assert lines == 2503 and uri.startswith("postgresql://")
        assert study.load(server).sources[0].new_lines == 0
        assert study.execute("SELECT count(*) FROM registry") == [(2,)]


@pytest.mark.servers
def test_a_password_is_not_kept_in_the_store(server: str) -> None:
    schema = server.rpartition("=")[2]
    grant = f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO guarded"
    asyncio.run(execute(server, grant))
    with kit.load(server.replace("postgres:@", "guarded:right@")) as study:
        assert study.load_report is not None and study.load_report.rows == 2503
        assert "right" not in repr(study.load_report) + str(study.execute("FROM sources"))
        assert "guarded:***@" in str(study.execute("FROM sources"))


@pytest.mark.servers
def test_a_server_loads_where_an_event_loop_is_running(server: str) -> None:
    async def cell() -> list[NeuronRecord]:
        with kit.load(server) as study:
            return records(study)

    assert asyncio.run(cell()) == list(RECORDS)


@pytest.mark.servers
def test_an_empty_schema_is_refused_by_its_tables(dsn: str) -> None:
    asyncio.run(execute(dsn, "CREATE TABLE songs (title TEXT)"))
    with kit.open() as study, pytest.raises(SourceError, match=r"it has 'songs'\. Looked for cosmonapse_neurons"):
        study.load(dsn)


@pytest.mark.servers
def test_reading_a_server_holds_up_no_writer(server: str) -> None:
    from kit.io.server import server_rows

    with closing(server_rows(server)) as rows:
        first = rows.read(10)
        asyncio.run(execute(server, "DELETE FROM cosmonapse_neurons; DELETE FROM cosmonapse_engram_entries"))
        rest = b"".join(iter(lambda: rows.read(1 << 16), b""))
    assert len((first + rest).splitlines()) == 2503

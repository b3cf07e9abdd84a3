"""`Store`: opening, closing, cursors, snapshots."""

import threading
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import kit
from kit import schema
from kit.errors import ArgumentError, StoreClosedError, StoreError
from kit.store import Store

LINE = '{"id":"evt_1","trace_id":"trc_1","type":"TASK"}'


def test_a_store_in_memory_or_in_a_file_has_all_tables(tmp_path: Path) -> None:
    for path in (None, tmp_path / "a.duckdb", str(tmp_path / "b.duckdb")):
        with kit.open(path) as study:
            tables = {row["table_name"] for row in study.sql("select table_name from duckdb_tables()").rows()}
            assert set(schema.TABLES) <= tables
            assert len(study.signals()) == len(study.traces()) == len(study.neurons()) == 0
            assert "runs: 0 of 0 rows" in repr(study)


def test_what_was_loaded_is_there_when_the_file_is_opened_again(small_capture: Path, tmp_path: Path) -> None:
    with kit.open(tmp_path / "a.duckdb") as study:
        study.load(small_capture)
        wanted = study.signals().rows()
    with kit.open(tmp_path / "a.duckdb", read_only=True) as again:
        assert again.signals().rows() == wanted


def test_a_read_only_store_cannot_be_changed(tmp_path: Path) -> None:
    kit.open(tmp_path / "a.duckdb").close()
    with kit.open(tmp_path / "a.duckdb", read_only=True) as study:
        with pytest.raises(StoreError, match="opened with read_only=True"):
            study.load([LINE])
        with pytest.raises(StoreError, match="opened with read_only=True"):
            study.remove(run="capture")
        assert study.sql("select 1 as x").rows() == [{"x": 1}]


def test_two_readers_may_have_one_file(tmp_path: Path) -> None:
    kit.open(tmp_path / "a.duckdb").close()
    with kit.open(tmp_path / "a.duckdb", read_only=True), kit.open(tmp_path / "a.duckdb", read_only=True) as study:
        assert len(study.runs()) == 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threads": 0}, "threads=0: at least 1"),
        ({"memory_limit": "much"}, "memory_limit must be like '2GB'"),
        ({"read_only": True}, "a store in memory cannot be read-only"),
    ],
)
def test_bad_options_are_argument_errors(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        kit.open(**options)


def test_memory_limit_and_threads_reach_duckdb() -> None:
    with kit.open(memory_limit="1GB", threads=1) as study:
        settings = study.execute("SELECT current_setting('threads'), current_setting('memory_limit')")[0]
        assert settings[0] == 1
        assert settings[1] in ("953.6 MiB", "1.0 GB", "1GB")


def test_extensions_are_never_fetched_and_times_are_utc() -> None:
    with kit.open() as study:
        names = ("autoinstall_known_extensions", "autoload_known_extensions")
        assert [study.execute(f"SELECT current_setting('{name}')")[0][0] for name in names] == [False, False]
        assert study.execute("SELECT current_setting('TimeZone')") == [("UTC",)]
        assert study.sql("select '2026-01-01'::timestamptz t").rows()[0]["t"].isoformat() == "2026-01-01T00:00:00+00:00"


def test_each_thread_has_a_cursor_of_its_own_in_utc() -> None:
    with kit.load([LINE]) as study:
        found: list[tuple[int, int, str]] = []

        def look() -> None:
            zone = study.execute("SELECT current_setting('TimeZone')")[0][0]
            found.append((id(study.connection), len(study.signals()), zone))

        threads = [threading.Thread(target=look) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry[1:] for entry in found] == [(1, "UTC")] * 4
        assert id(study.connection) not in {entry[0] for entry in found}
        assert study.connection is study.connection


def test_closing_releases_the_file_though_other_threads_have_cursors(tmp_path: Path) -> None:
    study = kit.open(tmp_path / "a.duckdb")
    go, done = threading.Event(), threading.Event()

    def hold() -> None:
        study.execute("SELECT 1")
        done.set()
        go.wait(20)

    thread = threading.Thread(target=hold)
    thread.start()
    assert done.wait(20)
    study.close()
    (tmp_path / "a.duckdb").rename(tmp_path / "b.duckdb")
    kit.open(tmp_path / "b.duckdb", threads=1).close()
    go.set()
    thread.join()


def test_a_closed_store_says_so_and_may_be_closed_again() -> None:
    with kit.load([LINE]) as study:
        lazy, taken = study.signals(), study.signals().arrow()
    study.close()
    for use in (
        lambda: study.connection,
        lambda: study.load([LINE]),
        lambda: study.sql("select 1"),
        lambda: study.execute("select 1"),
    ):
        with pytest.raises(StoreClosedError, match="the store is closed"):
            use()
    for use in (lazy.rows, lazy.df, lazy.__len__, lazy.__repr__):
        with pytest.raises(StoreClosedError, match=r"take .arrow"):
            use()
    assert taken.num_rows == 1


def test_a_snapshot_is_a_copy_of_all_tables(small_capture: Path, tmp_path: Path) -> None:
    with kit.open(tmp_path / "a.duckdb") as study:
        study.load(small_capture)
        study.load(["{", LINE, LINE], run="b")
        assert study.snapshot(tmp_path / "copy.duckdb") == tmp_path / "copy.duckdb"
        with kit.open(tmp_path / "copy.duckdb", read_only=True) as copy:
            for table in schema.TABLES:
                sql = f"select * from {table} order by all"
                assert copy.sql(sql).rows() == study.sql(sql).rows()
            assert copy.raw("b", 2, 1) == b"{"
            assert len(copy.traces(run="capture")) == len(study.traces(run="capture")) > 0
        with pytest.raises(ArgumentError, match="exists already"):
            study.snapshot(tmp_path / "copy.duckdb")
        with pytest.raises(StoreError):
            study.snapshot(tmp_path / "no such folder" / "copy.duckdb")


def test_a_snapshot_that_fails_leaves_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise RuntimeError("in the middle")

    with kit.load([LINE]) as study:
        monkeypatch.setattr("kit.store.store.append_rows", failing)
        with pytest.raises(RuntimeError):
            study.snapshot(tmp_path / "copy.duckdb")
    assert list(tmp_path.iterdir()) == []


def test_a_transaction_is_kept_or_undone_as_a_whole() -> None:
    with Store() as store:
        with pytest.raises(ValueError, match="stop"), store.transaction() as connection:
            connection.execute("INSERT INTO runs (run) VALUES ('a')")
            raise ValueError("stop")
        assert store.execute("SELECT count(*) FROM runs") == [(0,)]
        with store.transaction() as connection:
            connection.execute("INSERT INTO runs (run) VALUES ('a')")
        assert store.execute("SELECT run FROM runs") == [("a",)]


def test_rows_are_appended_by_name() -> None:
    with Store() as store:
        store.append("runs", pa.table({"kind": ["capture"], "run": ["a"]}))
        assert store.execute("SELECT run, kind, seed FROM runs") == [("a", "capture", None)]
        with pytest.raises(ArgumentError, match="no table 'nope': the tables are runs, sources"):
            store.append("nope", pa.table({"a": [1]}))


def test_values_are_bound_and_a_statement_without_rows_is_done() -> None:
    with kit.open() as study:
        assert study.sql("select ? as x", ["'; drop table runs"]).rows() == [{"x": "'; drop table runs"}]
        assert study.sql("select $a + 1 as x", {"a": 1}).rows() == [{"x": 2}]
        assert study.sql("create view mine as select 7 as x").rows() == []
        assert study.sql("from mine").rows() == [{"x": 7}]

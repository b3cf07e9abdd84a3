"""Faults: other processes, kills, full disks, files that are no stores (design.md section 4, testing.md layer 7)."""

import dataclasses
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

import kit
from benchmarks.generate import generate
from kit import schema
from kit.errors import StoreError, StoreFullError, StoreLockedError, StoreVersionError
from kit.io.families import FAMILIES
from kit.store import failures

LINE = '{"id":"evt_1","trace_id":"trc_1","type":"TASK"}'
ROOT = Path(__file__).resolve().parents[2]


def python(code: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    process = python(
        "import sys, kit; s = kit.open(sys.argv[1]); print('open', flush=True); sys.stdin.read()",
        str(tmp_path / "a.duckdb"),
    )
    assert process.stdout is not None and process.stdout.readline() == "open\n"
    yield process
    process.kill()
    process.communicate()


@pytest.mark.servers
@pytest.mark.parametrize("read_only", [False, True])
def test_a_second_process_is_told_who_has_the_file_and_what_to_do(
    holder: "subprocess.Popen[str]", tmp_path: Path, read_only: bool
) -> None:
    with pytest.raises(StoreLockedError) as caught:
        kit.open(tmp_path / "a.duckdb", read_only=read_only)
    message = str(caught.value)
    assert "a.duckdb: open by" in message and f"PID {holder.pid}" in message
    assert "study.close()" in message and "study.snapshot(path)" in message


KILLED = """
import dataclasses, os, signal, sys, kit
from importlib import import_module
load = import_module("kit.io.load")
where = sys.argv[3]
def kill(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
if where == "settling":
    load.FAMILIES["signals"] = dataclasses.replace(load.FAMILIES["signals"], settle=kill)
elif where == "finishing":
    load.findings = kill
elif where == "reading":
    read = load._Metered.read
    def half(self, size, calls=[]):
        calls.append(1)
        return kill() if len(calls) > 3 else read(self, size)
    load._Metered.read = half
kit.open(sys.argv[1]).load(sys.argv[2])
"""


@pytest.mark.servers
@pytest.mark.parametrize("where", ["reading", "settling", "finishing"])
def test_a_load_that_is_killed_leaves_the_store_as_it_was_and_can_be_repeated(tmp_path: Path, where: str) -> None:
    truth = generate(tmp_path / "capture.jsonl", 8_000, bad=0.02)
    store = tmp_path / "a.duckdb"
    with kit.open(store) as study:
        study.load([LINE], run="before")
        before = [study.sql(f"select * from {table} order by all").rows() for table in schema.TABLES]
    process = python(KILLED, str(store), str(tmp_path / "capture.jsonl"), where)
    process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL
    with kit.open(store) as study:
        assert [study.sql(f"select * from {table} order by all").rows() for table in schema.TABLES] == before
        report = study.load(tmp_path / "capture.jsonl")
        assert (report.rows, report.duplicates) == (truth["rows"], truth["duplicates"])


@pytest.mark.servers
@pytest.mark.long
def test_a_load_that_is_killed_at_any_moment_can_be_repeated(tmp_path: Path) -> None:
    truth = generate(tmp_path / "capture.jsonl", 60_000, bad=0.01)
    store = tmp_path / "a.duckdb"
    for wait in (0.05, 0.25, 0.45):
        code = (
            "import sys, kit; s = kit.open(sys.argv[1]); print('go', flush=True); s.load(sys.argv[2], run=sys.argv[3])"
        )
        process = python(code, str(store), str(tmp_path / "capture.jsonl"), f"run {wait}")
        assert process.stdout is not None and process.stdout.readline() == "go\n"
        time.sleep(wait)
        process.kill()
        process.communicate(timeout=60)
        with kit.open(store) as study:
            for row in study.sql(
                "select run, (select count(*) from signals s where s.run = r.run) n from runs r"
            ).rows():
                assert row["n"] == truth["rows"]
            assert study.sql("select count(*) n from signals where run not in (select run from runs)").rows() == [
                {"n": 0}
            ]
    with kit.open(store) as study:
        assert study.load(tmp_path / "capture.jsonl", run="last").rows == truth["rows"]


@pytest.mark.servers
def test_a_reader_is_told_that_a_killed_load_is_to_be_taken_out_first(tmp_path: Path) -> None:
    store = tmp_path / "a.duckdb"
    kit.open(store).close()
    (tmp_path / "capture.jsonl").write_text(LINE)
    process = python(KILLED, str(store), str(tmp_path / "capture.jsonl"), "settling")
    process.communicate(timeout=60)
    with pytest.raises(StoreError, match="a load was killed here"):
        kit.open(store, read_only=True)
    kit.open(store).close()
    with kit.open(store, read_only=True) as study:
        assert len(study.signals()) == len(study.runs()) == 0


def test_a_load_that_fails_between_its_transactions_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = dataclasses.replace(FAMILIES["signals"], settle=lambda *_: 1 / 0)
    with kit.open() as study:
        with monkeypatch.context() as patch:
            patch.setitem(FAMILIES, "signals", broken)
            with pytest.raises(ZeroDivisionError):
                study.load([LINE])
        assert [len(study.sql(f"from {table}")) for table in schema.TABLES] == [0] * len(schema.TABLES)
        assert study.load([LINE]).rows == 1


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 5 MB, where this machine lets us mount one."""
    with tempfile.TemporaryDirectory() as folder:
        mounted = os.name == "posix" and subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", folder], capture_output=True, check=False
        )
        if not mounted or mounted.returncode:
            pytest.skip("no file system can be mounted here; the limit of a file's size is tested instead")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", "-l", folder], check=True)


def test_a_full_disk_is_said_and_the_store_stays_usable(small_disk: Path, tmp_path: Path) -> None:
    generate(tmp_path / "capture.jsonl", 60_000)
    (small_disk / "ballast").write_bytes(bytes(1 << 18))
    with kit.open(small_disk / "a.duckdb") as study:
        study.load([LINE], run="before")
        with pytest.raises(StoreFullError, match=r"the disk is full\. Nothing of this load was kept") as caught:
            study.load(tmp_path / "capture.jsonl")
        assert isinstance(caught.value, OSError)
    (small_disk / "ballast").unlink()  # the failed load may have left no room at all
    with kit.open(small_disk / "a.duckdb") as study:
        assert [row["run"] for row in study.runs().rows()] == ["before"]
        assert study.load(['{"id":"evt_2","trace_id":"trc_1","type":"TASK"}'], run="after").rows == 1


LIMITED = """
import resource, signal, sys, kit
from kit.errors import StoreFullError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
study = kit.open(sys.argv[1])
study.load(['{"id":"evt_1","trace_id":"trc_1","type":"TASK"}'], run="before")
resource.setrlimit(resource.RLIMIT_FSIZE, (3 << 20, resource.RLIM_INFINITY))
try:
    study.load(sys.argv[2])
except StoreFullError as error:
    print("full", flush=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
study.close()
"""


@pytest.mark.servers
def test_a_file_that_may_not_grow_is_a_full_disk(tmp_path: Path) -> None:
    generate(tmp_path / "capture.jsonl", 30_000)
    process = python(LIMITED, str(tmp_path / "a.duckdb"), str(tmp_path / "capture.jsonl"))
    out, err = process.communicate(timeout=120)
    assert out == "full\n", err
    with kit.open(tmp_path / "a.duckdb") as study:
        assert [row["run"] for row in study.runs().rows()] == ["before"]
        assert study.load(tmp_path / "capture.jsonl").lines == 30_000


def test_what_cleaning_up_says_after_a_failure_does_not_hide_the_failure(tmp_path: Path) -> None:
    with pytest.raises(StoreFullError), failures.translated(tmp_path):
        try:
            raise duckdb.IOException("IO Error: Could not write file: No space left on device")
        finally:
            raise duckdb.TransactionException("TransactionContext Error: Current transaction is aborted")


@pytest.mark.parametrize("content", [b"no database at all", b"no database at all" * 1000, b"PAR1", bytes(10_000)])
def test_a_file_that_is_no_database_is_said_to_be_none_and_not_touched(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.duckdb").write_bytes(content)
    with pytest.raises(StoreVersionError, match=r"a\.duckdb: not a store this kit can open"):
        kit.open(tmp_path / "a.duckdb")
    assert (tmp_path / "a.duckdb").read_bytes() == content


def test_an_sqlite_file_is_no_store(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "a.db") as connection:
        connection.execute("CREATE TABLE t (a)")
    connection.close()
    with pytest.raises(StoreError):
        kit.open(tmp_path / "a.db")


@pytest.mark.parametrize("statement", ["CREATE TABLE theirs AS SELECT 1 AS a", "CREATE VIEW theirs AS SELECT 1 AS a"])
def test_a_database_of_somebody_else_is_refused_and_not_touched(tmp_path: Path, statement: str) -> None:
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        connection.execute(statement)
    with pytest.raises(StoreVersionError, match=r"no store of the kit \(tables: theirs\).*not touched"):
        kit.open(tmp_path / "a.duckdb")
    with duckdb.connect(str(tmp_path / "a.duckdb")) as connection:
        assert connection.execute("SELECT count(*) FROM duckdb_tables() WHERE table_name <> 'theirs'").fetchall() == [
            (0,)
        ]


@pytest.mark.parametrize("read_only", [False, True])
def test_a_store_of_a_newer_kit_asks_for_an_upgrade(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, read_only: bool
) -> None:
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    kit.open(tmp_path / "a.duckdb").close()
    monkeypatch.undo()
    with pytest.raises(StoreVersionError, match=r"written by a newer kit .* pip install -U namespace-kit"):
        kit.open(tmp_path / "a.duckdb", read_only=read_only)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_path_that_cannot_be_is_a_store_error(tmp_path: Path, read_only: bool) -> None:
    with pytest.raises(StoreError):
        kit.open(tmp_path / "no" / "such" / "folder.duckdb", read_only=read_only)
    with pytest.raises(StoreError):
        kit.open(tmp_path, read_only=read_only)
    with pytest.raises(StoreError):
        kit.open(tmp_path / "gone.duckdb", read_only=True)

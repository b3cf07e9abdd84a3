"""A store of an older kit opens after the schema has grown.

`tests/fixtures/store-v1.duckdb` was written by schema version 1. It is never written again: only before the first
release, where version 1 itself still changed, by `python tests/store/test_migration.py`.
"""

import shutil
from pathlib import Path

import duckdb
import pytest

import kit
from kit import schema
from kit.errors import StoreVersionError
from kit.schema import Column

ROOT = Path(__file__).resolve().parents[2]
FIXTURE = ROOT / "tests" / "fixtures" / "store-v1.duckdb"
LINES = 60


def sample() -> list[str]:
    lines = (ROOT / "datasets" / "cosmonapse-small.jsonl").read_text("utf-8").splitlines()[:LINES]
    return [*lines, lines[0], "{", "", lines[1].replace('"meta":{}', '"meta":{"again":true}')]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    return Path(shutil.copy(FIXTURE, tmp_path / "old.duckdb"))


@pytest.fixture
def grown(monkeypatch: pytest.MonkeyPatch) -> None:
    """A later kit: one more column, one more table."""
    added = (*schema.TABLES["signals"], Column("subject", "VARCHAR", "new"), Column("marks", "VARCHAR[]", "new"))
    monkeypatch.setitem(schema.TABLES, "signals", added)
    monkeypatch.setitem(schema.TABLES, "tapes", (Column("run", "VARCHAR", "new"), Column("at", "TIMESTAMPTZ", "new")))
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)


def version(path: Path) -> int:
    with duckdb.connect(str(path), read_only=True) as connection:
        return int(connection.execute("SELECT version FROM kit_schema").fetchall()[0][0])


def test_the_fixture_is_of_version_1_and_opens_with_the_tables_that_came_since(old: Path) -> None:
    assert FIXTURE.stat().st_size < 1_500_000
    assert version(old) == 1
    with kit.open(old) as study:
        assert len(study.signals()) == LINES + 1
        assert len(study.sql("from records")) == 0
    assert version(old) == schema.VERSION


@pytest.mark.usefixtures("grown")
def test_an_older_store_opens_with_all_it_had_and_takes_more(old: Path, small_capture: Path) -> None:
    with kit.open(old) as study:
        assert study.execute("SELECT version FROM kit_schema") == [(schema.VERSION,)]
        assert len(study.sql("select * from tapes")) == 0
        rows = study.sql("select raw, subject, marks, flags from signals order by line").rows()
        assert [row["raw"] for row in rows] == [
            line for i, line in enumerate(sample()) if i not in (LINES, LINES + 1, LINES + 2)
        ]
        assert {(row["subject"], row["marks"]) for row in rows} == {(None, None)}
        assert [row["raw"] for row in study.quarantine().rows()] == [b"{"]
        report = study.load(small_capture)
        assert (report.rows, report.duplicates) == (1037 - LINES, LINES)
        assert len(study.traces()) > 0
    with kit.open(old, read_only=True) as again:
        assert again.sql("select count(*) n from signals").rows() == [{"n": 1038}]


@pytest.mark.usefixtures("grown")
def test_an_older_store_is_not_completed_read_only_and_says_how(old: Path) -> None:
    before = old.read_bytes()
    with pytest.raises(
        StoreVersionError, match=rf"schema 1, this kit has {schema.VERSION}\. Open it once without read_only=True"
    ):
        kit.open(old, read_only=True)
    assert old.read_bytes() == before


@pytest.mark.usefixtures("grown")
def test_a_migration_that_fails_changes_nothing(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("kit.store.store._views", lambda: "CREATE VIEW broken AS SELECT * FROM nowhere")
        with pytest.raises(Exception, match="nowhere"):
            kit.open(old)
    assert version(old) == 1
    monkeypatch.undo()
    with kit.open(old) as study:
        assert "subject" not in study.signals().columns


if __name__ == "__main__":
    FIXTURE.unlink(missing_ok=True)
    FIXTURE.parent.mkdir(exist_ok=True)
    with duckdb.connect() as connection:
        # The smallest blocks there are, for a small file.
        connection.execute(f"ATTACH '{FIXTURE}' AS small (BLOCK_SIZE 16384)")
    with kit.open(FIXTURE, threads=1) as store:
        store.load(sample())

"""A store that was copied is the store that its SQL makes."""

import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from kit.store import Store, blank

CATALOG = {
    "tables": "SELECT table_name, sql FROM duckdb_tables() WHERE database_name = current_database()",
    "views": "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()",
    "macros": "SELECT function_name, parameters::VARCHAR, macro_definition FROM duckdb_functions() WHERE NOT internal",
    "columns": "SELECT table_name, column_name, data_type, column_default FROM duckdb_columns() WHERE NOT internal",
    "version": "SELECT version FROM kit_schema",
    "databases": "SELECT count(*) FROM duckdb_databases() WHERE NOT internal",
}


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Path | None]]:
    """No store was made yet."""
    files: dict[str, Path | None] = {}
    monkeypatch.setattr(blank, "_made", Counter())
    monkeypatch.setattr(blank, "_files", files)
    yield files


def catalog(store: Store) -> dict[str, list[tuple[Any, ...]]]:
    return {name: store.execute(f"{sql} ORDER BY ALL") for name, sql in CATALOG.items()}


def test_the_third_store_is_the_first(fresh: dict[str, Path | None], tmp_path: Path) -> None:
    with Store() as store:
        expected = catalog(store)
    assert not fresh
    for path in (None, None, tmp_path / "a.duckdb", tmp_path / 'it\'s "b".duckdb'):
        with Store(path) as store:
            assert catalog(store) == expected
            store.execute("INSERT INTO runs (run) VALUES ('a')")
    assert [file is not None and file.is_file() for file in fresh.values()] == [True]
    with Store(tmp_path / "a.duckdb", read_only=True) as store:
        assert catalog(store) == expected
        assert store.execute("SELECT run FROM runs") == [("a",)]


def test_without_the_file_the_sql_makes_the_store(fresh: dict[str, Path | None]) -> None:
    with Store() as store:
        expected = catalog(store)
    Store().close()
    [(sql, file)] = fresh.items()
    assert file is not None
    file.unlink()
    with Store() as store:
        assert catalog(store) == expected
    file.write_bytes(b"no database")
    with Store() as store:
        assert catalog(store) == expected
    fresh[sql] = None
    with Store() as store:
        assert catalog(store) == expected


def test_without_a_temporary_folder_the_sql_makes_the_store(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> str:
        raise OSError("no space")

    monkeypatch.setattr(blank.tempfile, "mkdtemp", full)
    for _ in range(3):
        with Store() as store:
            assert store.execute("SELECT count(*) FROM edges") == [(0,)]


def test_the_file_goes_with_the_process() -> None:
    code = "from kit.store import Store, blank; [Store().close() for _ in range(3)]; print(*blank._files.values())"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    assert told.endswith("blank.duckdb")
    assert not Path(told).parent.exists()

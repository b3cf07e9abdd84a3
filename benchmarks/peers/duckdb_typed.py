"""Peer: DuckDB's own typed `read_json` into a file. A floor, not a rival: it loses what it does not
understand.

With `ignore_errors` a broken line becomes a row of NULLs, wrong types pass or turn to NULL, unknown keys
vanish, and there is no line number and no raw text.
"""

import tempfile
from pathlib import Path
from typing import Any

import duckdb

_COLUMNS = {
    "v": "VARCHAR",
    "id": "VARCHAR",
    "trace_id": "VARCHAR",
    "parent_id": "VARCHAR",
    "type": "VARCHAR",
    "directed": "STRUCT(id VARCHAR, type VARCHAR, capabilities VARCHAR[])",
    "ts": "TIMESTAMPTZ",
    "payload": "JSON",
    "meta": "JSON",
}


def load(path: str) -> dict[str, Any]:
    """Loads into a temporary .duckdb file; counts `rows`, broken lines among them, and `rows_with_id`."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(Path(folder) / "floor.duckdb") as connection:
        connection.execute("SET TimeZone = 'UTC'")
        connection.execute("SET enable_progress_bar = false")
        connection.execute(
            "CREATE TABLE signals AS SELECT * FROM read_json(?, format = 'newline_delimited', columns = "
            f"{_COLUMNS}, ignore_errors = true)",
            [path],
        )
        connection.execute("CHECKPOINT")
        rows, with_id = connection.execute("SELECT count(*), count(id) FROM signals").fetchall()[0]
    return {"rows": rows, "rows_with_id": with_id}

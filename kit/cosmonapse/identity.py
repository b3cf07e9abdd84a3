"""When two lines with the same id are the same signal (the mechanism is in `kit.store.identity`)."""

import hashlib
import json
from typing import Any

import duckdb

from kit.cosmonapse.examine import examine
from kit.jsonline import Refusal

TABLE = "signals"
CONTENT = """sha256(to_json([s.v, s.trace_id, s.parent_id, s.type, s.directed_id, s.directed_type,
    to_json(s.directed_capabilities)::VARCHAR, epoch_us(s.ts)::VARCHAR, s.payload::VARCHAR,
    s.meta::VARCHAR, s.extra::VARCHAR])::VARCHAR)"""
"""Text that is equal where all columns are."""


def row(raw: str) -> dict[str, Any]:
    """Return the columns of a line that was a row once, without its place."""
    found = examine(raw)
    if isinstance(found, Refusal):  # it was taken once, so this is another version's doing
        raise RuntimeError(f"a duplicate that is no row: {found.detail}")
    return {**found, "text": raw}


def settled(connection: duckdb.DuckDBPyConnection, run: str) -> None:
    """Nothing is told of a signal that hangs on the others."""


def content_digest(raw: str) -> str:
    """Return a hash that two lines share when they are the same signal: equal columns, and equal JSON in them.

    Key order, spacing, escapes, the way a number or a time is written, and defaults spelled out or left
    out make no difference (`1.0` is `1`); NaN equals NaN.
    """
    row = examine(raw)
    if isinstance(row, Refusal):
        return hashlib.sha256(raw.encode()).hexdigest()
    ts = row["ts"]
    parts: dict[str, Any] = {
        **{name: row[name] for name in ("v", "trace_id", "parent_id", "type", "directed_id", "directed_type")},
        "directed_capabilities": row["directed_capabilities"],
        "ts": None if ts is None else ts.isoformat(),
        **{name: _plain(json.loads(row[name])) for name in ("payload", "meta")},
        "extra": None if row["extra"] is None else _plain(json.loads(row["extra"])),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    """Return `value` with integral floats as integers, so that numbers compare by value."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return value

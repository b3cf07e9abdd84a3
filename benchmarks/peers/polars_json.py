"""Peer: `polars.read_ndjson`, on the clean copy: one bad line fails the whole file."""

from typing import Any

import polars as pl


def load(path: str) -> dict[str, Any]:
    """Loads with objects as structs, their fields found in the first 20,000 lines; counts `rows`."""
    frame = pl.read_ndjson(path, infer_schema_length=20_000)
    return {"rows": _with_time(frame).height}


def load_strings(path: str) -> dict[str, Any]:
    """Loads with objects as JSON text, which asks for a schema; counts `rows`."""
    names = ("v", "id", "trace_id", "parent_id", "type", "directed", "ts", "payload", "meta")
    frame = pl.read_ndjson(path, schema=dict.fromkeys(names, pl.String))
    return {"rows": _with_time(frame).height}


def _with_time(frame: pl.DataFrame) -> pl.DataFrame:
    """`ts` as UTC microseconds; a whole second has no fraction."""
    return frame.with_columns(pl.col("ts").str.to_datetime("%Y-%m-%dT%H:%M:%S%.fZ", time_unit="us", time_zone="UTC"))

"""What a column is, and how its type is spelled for DuckDB and for Arrow."""

from typing import NamedTuple

import pyarrow as pa

ARROW = {
    "VARCHAR": pa.string(),
    "JSON": pa.string(),
    "VARCHAR[]": pa.list_(pa.string()),
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DOUBLE[]": pa.list_(pa.float64()),
    "FLOAT[]": pa.list_(pa.float32()),
    "BOOLEAN": pa.bool_(),
    "BLOB": pa.binary(),
    "TIMESTAMPTZ": pa.timestamp("us", tz="UTC"),
}


class Column(NamedTuple):
    """A column: its name, its DuckDB type (a key of `ARROW`) and what it holds."""

    name: str
    sql: str
    doc: str


PLACE = (
    Column("run", "VARCHAR", "the run the row belongs to"),
    Column("source_id", "BIGINT", "the source it came from"),
    Column("line", "BIGINT", "1-based line, array element or entry of the source"),
)

Tables = dict[str, tuple[Column, ...]]
"""Tables by name, each with its columns in order."""

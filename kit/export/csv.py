"""A table as CSV: UTF-8, a header, commas."""

import os
from pathlib import Path
from typing import BinaryIO

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from kit.export.rows import AnyTable, stream
from kit.export.target import target
from kit.table import DUCKDB_CONFIG


def write(table: AnyTable, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write `table` to `path` and return the path; a suffix .gz, .zst or .bz2 compresses.

    Times are ISO 8601 with T and Z, lists and structures JSON, bytes text with `\\xFF` escapes. A missing value is an
    empty field, an empty text is `""`. Rows are streamed. Raises ArgumentError where `path` exists and not `overwrite`,
    or cannot be written to.
    """
    with target(path, overwrite=overwrite) as file:
        dump(table, file)
    return Path(path)


def dump(table: AnyTable, file: BinaryIO) -> None:
    """Write `table` as CSV to an open binary file, in the form of `write`."""
    with stream(table) as rows, duckdb.connect(config=dict(DUCKDB_CONFIG)) as connection:
        schema = pa.schema([pa.field(field.name, _written(field.type)) for field in rows.schema])
        with pa.csv.CSVWriter(file, schema) as writer:
            for batch in rows:
                columns = [_column(connection, column) for column in batch.columns]
                writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=schema))


def _written(kind: pa.DataType) -> pa.DataType:
    """Return the type that a column has in CSV: plain ones stay, all others become text."""
    plain = pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_boolean(kind)
    return kind if plain or pa.types.is_string(kind) or pa.types.is_large_string(kind) else pa.string()


def _column(connection: duckdb.DuckDBPyConnection, column: pa.Array) -> pa.Array:
    if _written(column.type) == column.type:
        return column
    if pa.types.is_timestamp(column.type):
        return pc.replace_substring(pc.cast(column, pa.string()), " ", "T", max_replacements=1)
    value = "to_json(value)" if pa.types.is_nested(column.type) else "value"
    connection.register("cells", pa.table({"value": column}))
    try:
        found = connection.sql(f"SELECT CAST({value} AS VARCHAR) AS value FROM cells").to_arrow_table()  # noqa: S608
    finally:
        connection.unregister("cells")
    return pa.concat_arrays([*found["value"].chunks, pa.array([], pa.string())])

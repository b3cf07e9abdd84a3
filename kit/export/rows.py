"""Tables of any make as one stream of Arrow batches."""

from typing import TypeAlias

import pyarrow as pa

from kit.errors import ArgumentError
from kit.table import Table
from kit.typing import ArrowStream

BATCH_ROWS = 50_000

AnyTable: TypeAlias = Table | ArrowStream
"""A `kit.Table`, a `pyarrow.Table`, a DataFrame or a relation: whatever hands out Arrow."""


def stream(table: AnyTable) -> pa.RecordBatchReader:
    """Return the rows of `table` as a reader that holds few of them at a time; close it when done.

    While the reader of a lazy `kit.Table` is open, its store answers nothing else. Raises ArgumentError for what is no
    table.
    """
    if isinstance(table, Table):
        return table.batches(BATCH_ROWS)
    if isinstance(table, ArrowStream):
        return pa.RecordBatchReader.from_stream(table)
    raise ArgumentError(f"cannot export {type(table).__name__}: give a kit.Table, or anything with __arrow_c_stream__")

"""A table as a Parquet file, zstd-compressed; one of signals can be loaded again."""

import os
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kit.export.rows import BATCH_ROWS, AnyTable, stream
from kit.export.target import target


def write(table: AnyTable, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Write `table` to `path` and return the path; types and column names as they are, times in UTC.

    A file of the table `signals` loads again with `kit.load(path)`. Rows are streamed, 50,000 a row group. Raises
    ArgumentError where `path` exists and not `overwrite`, or cannot be written to.
    """
    with (
        target(path, overwrite=overwrite, compress=False) as file,
        stream(table) as rows,
        pq.ParquetWriter(file, rows.schema, compression="zstd") as writer,
    ):
        for group in _groups(rows):
            writer.write_table(group, row_group_size=BATCH_ROWS)
    return Path(path)


def _groups(rows: pa.RecordBatchReader) -> Iterator[pa.Table]:
    """Yield the rows in groups of about BATCH_ROWS: a stream may come in very small batches."""
    held: list[pa.RecordBatch] = []
    for batch in rows:
        held.append(batch)
        if sum(part.num_rows for part in held) >= BATCH_ROWS:
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)

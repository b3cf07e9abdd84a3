"""Loaded lines as JSON lines, byte for byte as they stood in their source."""

import os
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.errors import NotFoundError
from kit.export.target import target
from kit.store.store import Store

CHUNK_LINES = 4096
NEWLINE = "CAST('\\x0A' AS BLOB)"
ROW_TABLES = ("signals", "records", "registry", "policy_records", "engram_entries", "engram_imprints")

PLACES = """
SELECT source_id, run, max(line) AS last FROM ({tables})
WHERE ($run IS NULL OR run = $run) AND ($source IS NULL OR source_id = $source)
GROUP BY source_id, run ORDER BY source_id, run
"""
CHUNK = """
SELECT line, raw FROM ({tables})
WHERE run = $run AND source_id = $source AND line >= $first AND line < $first + $size ORDER BY line
"""


def write(
    store: Store,
    path: str | os.PathLike[str],
    *,
    run: str | None = None,
    source_id: int | None = None,
    duplicates: bool = False,
    quarantined: bool = False,
    overwrite: bool = False,
) -> int:
    """Write the lines of rows to `path`, each with its own bytes and a newline, and return how many.

    All rows of the store, or those of `run` or of one source, in the order (source_id, line). With `duplicates` the
    repeats of rows stand where they stood, with `quarantined` the refused lines too; with both, the file is its source
    but for blank and comment lines, a byte-order mark, and the newline that a last line gets. Elements of a JSON array
    and rows of Parquet are a line each.

    A suffix .gz, .zst or .bz2 compresses. Memory does not grow with the number of lines. Raises NotFoundError
    where there is no such run or source, and ArgumentError where `path` exists and not `overwrite`, or cannot be
    written to.
    """
    wanted = [*ROW_TABLES, *(["duplicates"] if duplicates else []), *(["quarantine"] if quarantined else [])]
    _require(store, run, source_id)
    written = 0
    with target(path, overwrite=overwrite) as file:
        for lines in _chunks(store, run, source_id, wanted):
            file.write(_joined(lines))
            written += len(lines)
    return written


def _require(store: Store, run: str | None, source_id: int | None) -> None:
    known = store.execute("SELECT run, source_id FROM sources ORDER BY ALL")
    if not known:
        # A store may hold rows that no source accounts for, as a simulation's.
        return
    if not any(run in (None, its_run) and source_id in (None, number) for its_run, number in known):
        listed = ", ".join(f"source {number} of run {its_run!r}" for its_run, number in known[:5])
        raise NotFoundError(f"nothing to export for run={run!r}, source_id={source_id!r}. There is: {listed}")


def _chunks(store: Store, run: str | None, source_id: int | None, tables: list[str]) -> Iterator[pa.Array]:
    """Yield the lines in order, each with its newline, as arrays of at most CHUNK_LINES."""
    # The lines of a chunk are found by their numbers: a sort of all texts would not fit into memory.
    places = PLACES.format(tables=_union(tables, "line"))
    for source, its_run, last in store.execute(places, {"run": run, "source": source_id}):
        chunk = CHUNK.format(tables=_union(tables, f"line, {{raw}} || {NEWLINE} AS raw"))
        for first in range(1, last + 1, CHUNK_LINES):
            found = store.arrow(chunk, {"run": its_run, "source": source, "first": first, "size": CHUNK_LINES})
            if found.num_rows:
                yield _whole(store, its_run, source, found)


def _union(tables: list[str], columns: str) -> str:
    """Return the rows of some tables as one; `{raw}` in `columns` is the bytes of the line."""
    raw = {table: "raw" if table == "quarantine" else "encode(raw)" for table in tables}
    arms = [f'SELECT run, source_id, {columns.format(raw=raw[table])} FROM "{table}"' for table in tables]  # noqa: S608
    return " UNION ALL ".join(arms)


def _whole(store: Store, run: str, source_id: int, found: pa.Table) -> pa.Array:
    """Return some lines as bytes; duplicates whose text only their row has are looked up."""
    lines = pa.concat_arrays([*found["raw"].chunks, pa.array([], pa.binary())])
    if not lines.null_count:
        return lines
    texts = lines.to_pylist()
    for index in np.flatnonzero(np.asarray(pc.is_null(lines))).tolist():
        texts[index] = (store.raw(run, source_id, found["line"][index].as_py()) or b"") + b"\n"
    return pa.array(texts, pa.binary())


def _joined(lines: pa.Array) -> memoryview:
    """Return the lines as one piece: the data of an Arrow column, nothing per line."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset : lines.offset + len(lines) + 1]
    return memoryview(lines.buffers()[2])[offsets[0] : offsets[-1]]

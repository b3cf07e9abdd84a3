"""Rows of Parquet or Arrow in our own schema as lines, with the interface of `LineReader`."""

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet as pq

from kit.errors import SourceError
from kit.io.array import SCHEMA
from kit.io.lines import Rejected
from kit.typing import ArrowStream, Reader

NEEDED = ("id", "trace_id", "type")
BATCH_ROWS = 20_000


@dataclass
class ColumnarReader:
    """Reads a table of signals, row by row a line: its `raw` text, or the line that its columns make.

    A table needs `raw`, or else `id`, `trace_id` and `type`; the other columns of `signals` are used where they
    are there. Rows are numbered from 1, and the offset of a row is its number less one.
    """

    stream: Reader
    table: ArrowStream | None
    container: str
    uri: str
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    bom: bool = False
    tail: int | None = None
    incomplete: str | None = None

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order as (line, byte_offset, text)."""
        for rows in self._rows():
            names = set(rows.schema.names)
            if "raw" not in names and not names.issuperset(NEEDED):
                raise SourceError(
                    f"{self.uri}: a table of signals needs the column raw, or {', '.join(NEEDED)}; "
                    f"it has {', '.join(rows.schema.names[:12])}"
                )
            texts = [_line(row) for row in rows.to_pylist()]
            if self.container == "table":
                self.digest.update("\n".join(texts).encode())
            numbers = range(self.line + 1, self.line + 1 + len(texts))
            self.line += len(texts)
            yield pa.RecordBatch.from_arrays(
                [
                    pa.array(numbers, pa.int64()),
                    pa.array([n - 1 for n in numbers], pa.int64()),
                    pa.array(texts, pa.string()),
                ],
                schema=SCHEMA,
            )

    def _rows(self) -> Iterator[pa.RecordBatch]:
        if self.table is not None:
            for batch in pa.RecordBatchReader.from_stream(self.table):
                for begin in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(begin, BATCH_ROWS)
            return
        data = io.BytesIO(self._all_bytes())
        try:
            if self.container == "parquet":
                yield from pq.ParquetFile(data).iter_batches(BATCH_ROWS)
            else:
                yield from _arrow_batches(data)
        except (pa.ArrowInvalid, OSError) as error:
            raise SourceError(f"{self.uri}: cannot be read as {self.container} ({error})") from error

    def _all_bytes(self) -> bytes:
        pieces = []
        while data := self.stream.read(1 << 20):
            self.digest.update(data)
            pieces.append(data)
        whole = b"".join(pieces)
        self.position = len(whole)
        return whole


def _arrow_batches(data: io.BytesIO) -> Iterator[pa.RecordBatch]:
    with pa.ipc.open_file(data) as file:
        for i in range(file.num_record_batches):
            yield file.get_batch(i)


def _line(row: dict[str, Any]) -> str:
    """Return the line of a row: its own text, or the envelope that its columns make."""
    raw = row.get("raw")
    if raw is not None:
        return raw if isinstance(raw, str) else bytes(raw).decode("utf-8", "replace")
    extra = _parsed(row.get("extra")) or {}
    directed = None
    if row.get("directed_capabilities") is not None or row.get("directed_id") or row.get("directed_type"):
        directed = {
            "id": row.get("directed_id"),
            "type": row.get("directed_type"),
            "capabilities": list(row.get("directed_capabilities") or []),
        }
    stamp = row.get("ts_text") or (row["ts"].isoformat() if row.get("ts") is not None else None)
    envelope = {
        "v": row.get("v") or "1",
        "id": row["id"],
        "trace_id": row["trace_id"],
        "parent_id": row.get("parent_id"),
        "type": row["type"],
        "directed": directed,
        **({"ts": stamp} if stamp else {}),
        "payload": _parsed(row.get("payload")) or {},
        "meta": _parsed(row.get("meta")) or {},
        **extra,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":"))


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value

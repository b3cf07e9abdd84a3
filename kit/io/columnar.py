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
from kit.io.streams import BrokenStreamError
from kit.typing import ArrowStream, Reader

NEEDED = ("id", "trace_id", "type")
BATCH_ROWS = 20_000


@dataclass
class ColumnarReader:
    """Reads a table of signals, row by row a line: its `raw` text, or the line that its columns make.

    A table needs `raw`, or else `id`, `trace_id` and `type`; the other columns of `signals` are used where they
    are there. Rows are numbered from 1, and the offset of a row is its number less one. Text and columns that
    make no line are in `rejected`.
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
    note: str | None = None
    tail: int | None = None
    incomplete: str | None = None

    def sha256(self) -> str:
        """Return the hash of the bytes read so far, in hex."""
        return self.digest.hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in order as (line, byte_offset, text); a batch is never empty."""
        for rows in self._rows():
            names = set(rows.schema.names)
            if "raw" not in names and not names.issuperset(NEEDED):
                raise SourceError(
                    f"{self.uri}: a table of signals needs the column raw, or {', '.join(NEEDED)}; "
                    f"it has {', '.join(rows.schema.names[:12])}"
                )
            lines = [(self.line, text) for row in _values(rows) if (text := self._text(row)) is not None]
            if lines:
                numbers = [number for number, _ in lines]
                yield pa.RecordBatch.from_arrays(
                    [
                        pa.array(numbers, pa.int64()),
                        pa.array([number - 1 for number in numbers], pa.int64()),
                        pa.array([text for _, text in lines], pa.string()),
                    ],
                    schema=SCHEMA,
                )

    def _text(self, row: dict[str, Any]) -> str | None:
        """Return the line of the next row, None where it makes none."""
        self.line += 1
        raw = row.get("raw")
        if isinstance(raw, str) and raw.strip():
            text = raw
        elif isinstance(raw, bytes) and raw.strip():
            try:
                text = raw.decode()
            except UnicodeDecodeError as error:
                self._reject("bad_utf8", f"byte {error.start} of the line: {error.reason}", raw)
                return None
        else:
            try:
                text = _envelope(row)
            except (ValueError, TypeError, RecursionError) as error:
                shown = repr(row).encode("utf-8", "replace")
                self._reject("bad_json", f"the columns make no line: {error}", shown)
                return None
        if self.container == "table":
            self.digest.update(text.encode() + b"\n")
        return text

    def _reject(self, reason: str, detail: str, raw: bytes) -> None:
        self.rejected.append(Rejected(self.line, self.line - 1, reason, detail, raw))

    def _rows(self) -> Iterator[pa.RecordBatch]:
        if self.table is not None:
            for batch in pa.RecordBatchReader.from_stream(self.table):
                for begin in range(0, batch.num_rows, BATCH_ROWS):
                    yield batch.slice(begin, BATCH_ROWS)
            return
        try:
            data = io.BytesIO(self._all_bytes())
            if self.container == "parquet":
                yield from pq.ParquetFile(data).iter_batches(BATCH_ROWS)
            else:
                yield from _arrow_batches(data, self.container)
        except (pa.ArrowInvalid, OSError, BrokenStreamError) as error:
            raise SourceError(f"{self.uri}: cannot be read as {self.container} ({error})") from error

    def _all_bytes(self) -> bytes:
        pieces = []
        while data := self.stream.read(1 << 20):
            self.digest.update(data)
            pieces.append(data)
        whole = b"".join(pieces)
        self.position = len(whole)
        return whole


def _arrow_batches(data: io.BytesIO, container: str) -> Iterator[pa.RecordBatch]:
    if container == "arrow_stream":
        with pa.ipc.open_stream(data) as stream:
            yield from stream
        return
    with pa.ipc.open_file(data) as file:
        for i in range(file.num_record_batches):
            yield file.get_batch(i)


def _values(rows: pa.RecordBatch) -> list[dict[str, Any]]:
    """Return the rows as dictionaries; text that is not UTF-8 as bytes."""
    try:
        found: list[dict[str, Any]] = rows.to_pylist()
    except UnicodeDecodeError:
        binary = [column.cast(pa.binary()) if pa.types.is_string(column.type) else column for column in rows.columns]
        return [
            {name: value if name == "raw" else _decoded(value) for name, value in row.items()}
            for row in pa.RecordBatch.from_arrays(binary, rows.schema.names).to_pylist()
        ]
    return found


def _decoded(value: Any) -> Any:
    return value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value


def _envelope(row: dict[str, Any]) -> str:
    """Return the line that the columns of a row make; what is NULL is left out where an envelope may lack it."""
    extra = _parsed(row.get("extra")) or {}
    directed = None
    if row.get("directed_capabilities") is not None or row.get("directed_id") or row.get("directed_type"):
        directed = {
            "id": row.get("directed_id"),
            "type": row.get("directed_type"),
            "capabilities": list(row.get("directed_capabilities") or []),
            **(extra.pop("directed", None) or {}),
        }
    stamp = row.get("ts_text") or (row["ts"].isoformat() if row.get("ts") is not None else None)
    envelope = {
        "v": row.get("v") or "1",
        **{name: row[name] for name in ("id", "trace_id") if row.get(name) is not None},
        "parent_id": row.get("parent_id"),
        **({"type": row["type"]} if row.get("type") is not None else {}),
        "directed": directed,
        **({"ts": stamp} if stamp else {}),
        "payload": _parsed(row.get("payload")) or {},
        "meta": _parsed(row.get("meta")) or {},
        **extra,
    }
    return json.dumps(envelope, ensure_ascii=False, separators=(",", ":")).encode().decode()


def _parsed(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value

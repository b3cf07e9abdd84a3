"""What was emitted, as columns: batches of Arrow, a rolling digest, and Parquet files where memory would not do."""

import hashlib
import shutil
import tempfile
import weakref
from collections.abc import Iterable, Iterator
from itertools import repeat
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kit.schema import arrow
from kit.sim.envelope import Envelope

BATCH = 16_384
"""Signals in a full batch; the digest depends on it, so it does not change."""
SPILL_ROWS = 250_000
"""Signals that stay in memory; what is older goes to Parquet files."""

_LIST = pa.list_(pa.string())
_SCHEMA = arrow("signals")
_SLOTS = ("id", "trace_id", "parent_id", "kind", "to", "to_type", "text")
_FIELDS = attrgetter(*_SLOTS)


class Tape:
    """The signals of a run in the order of emission; one writer, and any number of readers of what is there."""

    def __init__(self, *, keep: bool = True, spill_rows: int | None = SPILL_ROWS) -> None:
        self.rows: list[Envelope] = []
        """What is not yet in a batch; `add` is `rows.append`, and `seal` where it is full."""
        self.sealed = 0
        self._keep = keep
        self._spill_rows = spill_rows
        self._batches: list[pa.RecordBatch] = []
        self._held = 0
        self._folder: Path | None = None
        self._files: list[Path] = []
        self._digest = hashlib.sha256()

    def __len__(self) -> int:
        return self.sealed + len(self.rows)

    def seal(self) -> None:
        """Turn what is there into a batch."""
        rows, self.rows = self.rows, []
        columns = _columns(rows)
        _roll(self._digest, columns)
        if self._keep:
            self._batches.append(_batch(columns, self.sealed))
            self._held += len(rows)
        self.sealed += len(rows)
        if self._spill_rows is not None and self._held > self._spill_rows:
            self._spill()

    def _spill(self) -> None:
        """Write the batches in memory to a Parquet file in a folder that goes with the tape."""
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="kit-sim-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        path = self._folder / f"{len(self._files):06}.parquet"
        with pq.ParquetWriter(path, _SCHEMA, compression="zstd") as writer:
            for batch in self._batches:
                writer.write_batch(batch)
        self._files.append(path)
        self._batches, self._held = [], 0

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all signals as rows of the table `signals`, from files and from memory."""
        yield from read(self.parts())

    def parts(self) -> list[Path | pa.RecordBatch]:
        """Return where all signals so far are: files, then batches. It stays as it is while the run goes on."""
        last = [_batch(_columns(self.rows), self.sealed)] if self.rows and self._keep else []
        return [*self._files, *self._batches, *last]

    @property
    def digest(self) -> str:
        """The SHA-256 of all columns so far, batch by batch, in hex."""
        digest = self._digest.copy()
        if self.rows:
            _roll(digest, _columns(self.rows))
        return digest.hexdigest()

    @property
    def spilled(self) -> int:
        """How many files the tape was written to so far."""
        return len(self._files)


def read(parts: Iterable[Path | pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield the batches of what `Tape.parts` returned."""
    for part in parts:
        if isinstance(part, Path):
            with pq.ParquetFile(part) as file:
                for batch in file.iter_batches(BATCH):
                    yield batch.cast(_SCHEMA)
        else:
            yield part


Columns = dict[str, list[str | None]]


def _columns(rows: list[Envelope]) -> Columns:
    """Return the columns of some signals as lists of text; `directed_capabilities` as JSON, `ts_text` as written."""
    found: Columns = dict(zip(_SLOTS, map(list, zip(*map(_FIELDS, rows), strict=True)), strict=True))
    found["capabilities"] = [None if row.capabilities is None else "\0".join(row.capabilities) for row in rows]
    found["meta"] = [_json(row.meta) if row.meta else "{}" for row in rows]
    found["ts_text"] = stamps(np.fromiter((row.ts_us for row in rows), np.int64, len(rows)))
    return found


def _json(value: object) -> str:
    from pydantic_core import to_json

    return to_json(value).decode()


def stamps(us: "np.ndarray[tuple[int], np.dtype[np.int64]]") -> list[str | None]:
    """Return times as the Python SDK writes them: six digits of a fraction, or none where it is zero."""
    texts: list[str | None] = [text + "Z" for text in np.datetime_as_string(us.astype("datetime64[us]")).tolist()]
    for i in np.flatnonzero(us % 1_000_000 == 0).tolist():
        texts[i] = str(texts[i])[:19] + "Z"
    return texts


def _roll(digest: "hashlib._Hash", columns: Columns) -> None:
    for name in sorted(columns):
        text = "\n".join(["" if value is None else value for value in columns[name]])
        digest.update(f"{name}\0{text}\0".encode())


def _batch(columns: Columns, before: int) -> pa.RecordBatch:
    """Return columns as rows of the table `signals`, `before` of which came earlier."""
    count = len(columns["id"])
    known = {value: n for n, value in enumerate(dict.fromkeys(columns["capabilities"]))}
    lists = pa.array([value if value is None else value.split("\0") if value else [] for value in known], _LIST)
    capabilities = lists.take(pa.array([known[value] for value in columns["capabilities"]], pa.int32()))
    flags = pa.ListArray.from_arrays(pa.array(np.zeros(count + 1, np.int32)), pa.array([], pa.string()))
    ts_text = pa.array(columns["ts_text"], pa.string())
    made = {
        "run": pa.array(repeat("simulation", count), pa.string()),
        "source_id": pa.array(repeat(1, count), pa.int64()),
        "line": pa.array(np.arange(before + 1, before + count + 1)),
        "id": pa.array(columns["id"], pa.string()),
        "trace_id": pa.array(columns["trace_id"], pa.string()),
        "parent_id": pa.array(columns["parent_id"], pa.string()),
        "type": pa.array(columns["kind"], pa.string()),
        "v": pa.array(repeat("1", count), pa.string()),
        "directed_id": pa.array(columns["to"], pa.string()),
        "directed_type": pa.array(columns["to_type"], pa.string()),
        "directed_capabilities": capabilities,
        "ts": ts_text.cast(pa.timestamp("us", tz="UTC")),
        "ts_text": ts_text,
        "payload": pa.array(columns["text"], pa.string()),
        "meta": pa.array(columns["meta"], pa.string()),
        "extra": pa.nulls(count, pa.string()),
        "dialect": pa.array(repeat("python", count), pa.string()),
        "flags": flags,
        "canonical": pa.array(repeat(True, count), pa.bool_()),
        "text": pa.nulls(count, pa.string()),
    }
    return pa.RecordBatch.from_arrays([made[field.name] for field in _SCHEMA], schema=_SCHEMA)

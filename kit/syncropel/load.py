"""Record lines into the `records` table, in bulk.

Each batch of lines is hashed and turned into Arrow columns (`fast.py`); its text goes into the table as the reader
gave it. A line that is not an ordinary record with the right id is looked at exactly (`examine.py`).

Repeated keys are told without parsing again. Where no key has a space before its colon and no quote or colon is
written as `\\u0022` or `\\u003a`, the pairs of a quote and a colon are as many in the line as in the canonical body and
the known keys around it; a repeated key, which the parser drops, makes them more in the line.
"""

import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import chain, islice
from multiprocessing import get_context
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit import schema
from kit.jsonline import Refusal
from kit.syncropel.examine import Level, record_row
from kit.syncropel.fast import RecordReader, Row

READ = (
    "id",
    "act",
    "actor",
    "thread",
    "clock",
    "data_type",
    "parents",
    "kind",
    "body",
    "sequence",
    "judged_by",
    "namespace",
    "v",
    "wrapper",
)
"""Columns that the fast way reads off a line, in the order of its rows."""
QUOTE, COLON, BACKSLASH, SMALL_U, ZERO = map(ord, '":\\u0')
SPACES = np.isin(np.arange(256), np.frombuffer(b" \t\r\n", np.uint8))
Ints = NDArray[np.int64]


@dataclass
class Loading:
    """A load of record lines into one source of one run, on a connection that is in a transaction."""

    connection: duckdb.DuckDBPyConnection
    run: str
    source_id: int
    level: Level = "loose"
    processes: int = 1
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    _failure: Exception | None = None

    def load(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Load batches of (line, byte_offset, text); what cannot be a row is appended to `quarantine`."""
        made = pa.RecordBatchReader.from_batches(schema.arrow("records"), self._guarded(batches))
        self.connection.register("incoming_records", made)
        try:
            self.connection.execute("INSERT INTO records BY NAME SELECT * FROM incoming_records")
        finally:
            self.connection.unregister("incoming_records")
            if self._failure is not None:
                raise self._failure

    def _guarded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Yield rows; an error in making them is kept, since DuckDB would replace it by its own."""
        make = Maker(self.run, self.source_id, self.level)
        try:
            for rows, refused in _ahead(make, batches, self.processes) if self.processes > 1 else map(make, batches):
                self.quarantine += refused
                yield from rows
        except Exception as error:
            self._failure = error


Made = tuple[list[pa.RecordBatch], list[dict[str, Any]]]
"""Rows of `records`, and rows of `quarantine`."""


def _ahead(make: "Maker", batches: Iterator[pa.RecordBatch], processes: int) -> Iterator[Made]:
    """Yield what `make` makes of each batch, in order, made by other processes that are two batches each ahead.

    A source of fewer batches than that is not worth their start. They start anew (spawn): a copy of this process would
    have locks of DuckDB's threads and none of the threads.
    """
    first = list(islice(batches, 2 * processes))
    if len(first) < 2 * processes:
        yield from map(make, first)
        return
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        running: deque[Future[Made]] = deque()
        try:
            for batch in chain(first, batches):
                running.append(pool.submit(make, batch))
                if len(running) == 2 * processes:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


class _Own(threading.local):
    """What each thread has its own of."""

    def __init__(self) -> None:
        self.reader = RecordReader()


_own = _Own()


@dataclass(frozen=True)
class Maker:
    """Makes rows of lines; it can be sent to another process."""

    run: str
    source_id: int
    level: Level

    def __call__(self, batch: pa.RecordBatch) -> Made:
        """Return what becomes of a batch of (line, byte_offset, text)."""
        # Views of text cannot be chosen from (Arrow 26 has no kernel for it).
        batch = batch.set_column(2, "text", batch.column("text").cast(pa.string()))
        text = batch.column("text").view(pa.binary())
        rows = list(map(_own.reader.row, text.to_numpy(zero_copy_only=False)))
        plain = _plain(text, rows)
        made: list[pa.RecordBatch] = []
        refused: list[dict[str, Any]] = []
        if len(plain):
            chosen = batch if len(plain) == batch.num_rows else batch.take(pa.array(plain))
            made.append(self._columns(chosen, [row for i in plain.tolist() if (row := rows[i]) is not None]))
        if len(plain) < batch.num_rows:
            others, refused = self._examined(batch.take(pa.array(np.setdiff1d(np.arange(batch.num_rows), plain))))
            made.append(others)
        return made, refused

    def _columns(self, lines: pa.RecordBatch, rows: list[Row]) -> pa.RecordBatch:
        """Return the columns of lines that are ordinary; everything unusual is not there."""
        count = len(rows)
        read = dict(zip(READ, zip(*rows, strict=True), strict=False))
        body = pa.array(read.pop("body"), pa.binary()).view(pa.string())
        columns = {
            "run": pa.repeat(self.run, count),
            "source_id": pa.repeat(pa.scalar(self.source_id, pa.int64()), count),
            "line": lines.column("line"),
            "body": body,
            "integrity": pa.repeat("ok", count),
            "conflict": pa.repeat(False, count),
            "flags": pa.array([[]] * count, pa.list_(pa.string())),
            "canonical": pa.repeat(True, count),
            "raw": lines.column("text"),
            "clock_text": pa.array(map(str, read["clock"]), pa.string()),
        }
        shape = schema.arrow("records")
        return pa.RecordBatch.from_arrays(
            [
                columns[name] if name in columns else pa.array(read[name], kind)
                for name, kind in zip(shape.names, shape.types, strict=True)
            ],
            schema=shape,
        )

    def _examined(self, lines: pa.RecordBatch) -> tuple[pa.RecordBatch, list[dict[str, Any]]]:
        """Return rows of lines that are looked at exactly, and what is none."""
        rows, refused = [], []
        for line, offset, text in zip(*(column.to_pylist() for column in lines.columns), strict=True):
            place = {"run": self.run, "source_id": self.source_id, "line": line}
            outcome = record_row(text, self.level)
            if isinstance(outcome, Refusal):
                refused.append({**place, "byte_offset": offset, **outcome._asdict(), "raw": text.encode()})
            else:
                rows.append({**place, **outcome})
        return pa.RecordBatch.from_pylist(rows, schema=schema.arrow("records")), refused


def _plain(text: pa.BinaryArray, rows: list[Row | None]) -> Ints:
    """Return the indexes of lines that were read and have no repeated key."""
    read = [i for i, row in enumerate(rows) if row is not None]
    if not read:
        return np.empty(0, np.int64)
    taken = [row for row in rows if row is not None]
    bodies = pa.array([row[8] for row in taken], pa.binary())
    index = np.array(read)
    sites, doubtful = _sites(text)
    inside, _ = _sites(bodies)
    outside = np.array([row[-1] for row in taken])
    found: Ints = index[(sites[index] == inside + outside) & ~doubtful[index]]
    return found


def _sites(text: pa.BinaryArray) -> tuple[Ints, NDArray[np.bool_]]:
    """Return how many pairs of a quote and a colon are in each text, and which texts may hide some."""
    bounds = np.frombuffer(text.buffers()[1], np.int32)[text.offset : text.offset + len(text) + 1]
    octets = np.zeros(bounds[-1] + 6, np.uint8)  # six more, so that what follows a place is always there
    octets[: bounds[-1]] = np.frombuffer(text.buffers()[2], np.uint8)[: bounds[-1]]
    octets, following = octets[:-1], octets[1:]
    colons = following == COLON
    places = np.flatnonzero((octets == QUOTE) & colons)
    hidden = np.concatenate([np.flatnonzero(SPACES[octets] & colons), _escaped(octets, following)])
    doubtful = np.zeros(len(text), bool)
    doubtful[np.searchsorted(bounds, hidden, side="right") - 1] = True
    return np.diff(np.searchsorted(places, bounds)), doubtful


def _escaped(octets: NDArray[np.uint8], following: NDArray[np.uint8]) -> Ints:
    """Return where a quote or a colon is written as an escape with four digits."""
    places = np.flatnonzero((octets == BACKSLASH) & (following == SMALL_U))
    code = octets[places[:, None] + np.arange(2, 6)] | 0x20  # letters as small ones; digits stay as they are
    found: Ints = places[
        (code == np.frombuffer(b"0022", np.uint8)).all(1) | (code == np.frombuffer(b"003a", np.uint8)).all(1)
    ]
    return found

"""Logs as Arrow batches, entry by entry accounted for.

    recording = scan("captures/robot")
    for log in recording.logs:
        for table, batch in tables(log):
            ...

What cannot become a row is a row of `quarantine`: for each segment `lines = decoded + quarantined`, where a cut tail, and a
file that is no segment, count as one line.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.auki import rows
from kit.auki.columns import Bad, Decoded, Decoder
from kit.auki.documents import RAW_BYTES
from kit.auki.recording import Log, Recording, scan
from kit.auki.segment import HEADER, Block, blocks, index, read_payload
from kit.errors import ArgumentError, PayloadError, SegmentError
from kit.schema import arrow

OnError = Literal["raise", "skip_segment", "skip_entry"]
OrderBy = Literal["file", "time"]
ON_ERROR: tuple[OnError, ...] = ("raise", "skip_segment", "skip_entry")
TableBatch = tuple[str, pa.RecordBatch]
Ints = NDArray[np.int64]


@dataclass
class SegmentCounts:
    """The account of one segment, complete when its batches were taken: `lines = decoded + quarantined`.

    `rows` is more than `decoded` only where an entry of the old pose form holds several transforms.
    """

    path: Path
    source_id: int
    bytes: int = 0
    entries: int = 0
    """Whole entries: what the sequence numbers count."""
    lines: int = 0
    decoded: int = 0
    rows: int = 0
    quarantined: int = 0
    complete: bool = True
    """False where the file ends in the middle of an entry."""
    warnings: dict[str, int] = field(default_factory=dict)
    """What is odd about rows that were kept: `joint_count`, `partial_point`, `no_pose`, and how many."""


@dataclass
class LogReader:
    """Reads a log segment by segment, in order; sequence numbers and clock steps go on from one to the next."""

    log: Log
    run: str = "capture"
    on_error: OnError = "raise"
    counts: list[SegmentCounts] = field(default_factory=list)
    seq: int = 0
    last_offset_ns: int | None = None
    _decoder: Decoder | None = field(init=False, repr=False)
    """Kept from segment to segment, with what it has learnt of the layouts; None where nothing can be decoded."""

    def __post_init__(self) -> None:
        self._decoder = None if self.log.kind is None else Decoder(self.log.kind, self._fetched)
        if self.on_error not in ON_ERROR:
            raise ArgumentError(f"on_error={self.on_error!r}: give {', '.join(map(repr, ON_ERROR))}")

    def segment(self, path: Path, source_id: int) -> Iterator[TableBatch]:
        """Yield the batches of a segment: rows, then what is in quarantine. The last of `counts` is its account.

        Raises SegmentError or PayloadError where `on_error` is "raise"; otherwise the entry, or with "skip_segment"
        every entry of the segment, is in quarantine.
        """
        counts = SegmentCounts(path, source_id)
        self.counts.append(counts)
        try:
            counts.bytes = path.stat().st_size
            if self.on_error == "skip_segment":
                yield from self._whole_or_nothing(path, counts)
            else:
                yield from self._batches(path, counts)
        except (SegmentError, OSError) as error:
            if self.on_error == "raise":
                raise
            if self.on_error == "skip_segment":  # nothing of it was given out
                counts.lines = counts.decoded = counts.rows = counts.quarantined = 0
            yield self._unreadable(path, counts, error)

    def _batches(self, path: Path, counts: SegmentCounts) -> Iterator[TableBatch]:
        end = HEADER.size
        decoder = self._decoder
        for block in blocks(path, head=0 if decoder is None else decoder.head):
            end = int(block.offset[-1] + block.length[-1])
            decoded = None if decoder is None else decoder.decode(block)
            yield from self._rows(counts, block, decoded)
            counts.entries += len(block)
            counts.lines += len(block)
            self.seq += len(block)
        yield from self._tail(path, counts, end)

    def _fetched(self, block: Block, i: int) -> bytes:
        return read_payload(self.counts[-1].path, int(block.offset[i]), int(block.length[i]))

    def _rows(self, counts: SegmentCounts, block: Block, decoded: Decoded | None) -> Iterator[TableBatch]:
        place = rows.Place(self.run, counts.source_id, counts.entries, self.seq)
        if decoded is None:
            yield self._unknown(counts, block)
            return
        if decoded.bad and self.on_error == "raise":
            raise self._error(counts, block, decoded.bad[0])
        made = rows.batch(self.log, place, block, decoded, self.last_offset_ns)
        if self.log.kind == "time_transform" and len(decoded.row):
            self.last_offset_ns = int(decoded.values["offset_ns"][-1])
        for name, count in made.warnings.items():
            counts.warnings[name] = counts.warnings.get(name, 0) + count
        counts.decoded += len(block) - len(decoded.bad)
        counts.rows += made.batch.num_rows
        if made.batch.num_rows:
            yield made.table, made.batch
        if decoded.bad:
            yield self._bad(counts, block, decoded.bad)

    def _error(self, counts: SegmentCounts, block: Block, bad: Bad) -> PayloadError:
        line, at = counts.entries + bad.row + 1, int(block.offset[bad.row])
        return PayloadError(
            f"{counts.path}, entry {line} (payload at byte {at}): {bad.detail}. "
            "Read with on_error='skip_entry' to keep the others"
        )

    def _bad(
        self, counts: SegmentCounts, block: Block, found: Sequence[Bad], reason: str = "bad_payload"
    ) -> TableBatch:
        refused = []
        for bad in found:
            offset, length = int(block.offset[bad.row]), int(block.length[bad.row])
            raw = read_payload(counts.path, offset, min(length, RAW_BYTES))
            refused.append((counts.entries + bad.row + 1, offset, reason, bad.detail, raw))
        return self._quarantine(counts, refused)

    def _unknown(self, counts: SegmentCounts, block: Block) -> TableBatch:
        """Return entries whose kind is not known as a quarantine batch; their bytes stay in the file."""
        detail = (
            "what this sensor's entries hold is not known: its sensor is not registered and no catalog.json beside the log has "
            "a row of it; add one of them and load again (or scan(..., kinds={id: kind}))"
        )
        refused = [
            (counts.entries + i + 1, at, "unknown_kind", detail, None) for i, at in enumerate(block.offset.tolist())
        ]
        return self._quarantine(counts, refused)

    def _tail(self, path: Path, counts: SegmentCounts, end: int) -> Iterator[TableBatch]:
        """Yield the bytes after the last whole entry, one line that is in quarantine."""
        counts.bytes = max(counts.bytes, end)  # it may have grown since it was opened
        cut = counts.bytes - end
        if not cut:
            return
        raw = read_payload(path, end, min(cut, RAW_BYTES))
        counts.lines += 1
        counts.complete = False
        detail = f"{cut:,} bytes of an entry that is longer: the file was cut, or is being written"
        yield self._quarantine(counts, [(counts.entries + 1, end, "cut_tail", detail, raw)])

    def _unreadable(self, path: Path, counts: SegmentCounts, error: Exception) -> TableBatch:
        """Return a file that is no segment as one line in quarantine."""
        counts.lines, counts.complete = counts.lines + 1, False
        raw = b""
        if path.is_file():
            with path.open("rb") as file:
                raw = file.read(RAW_BYTES)
        return self._quarantine(counts, [(counts.lines, 0, _reason(error), _plain(error, path), raw)])

    def _whole_or_nothing(self, path: Path, counts: SegmentCounts) -> Iterator[TableBatch]:
        """Yield the batches of a segment, or all its entries as quarantine where one is bad."""
        before = self.seq, self.last_offset_ns
        held = list(self._batches(path, counts))
        bad = [batch for table, batch in held if table == "quarantine" for batch in [batch]]
        reasons = {reason for batch in bad for reason in batch.column("reason").to_pylist()}
        if not reasons - {"cut_tail"}:
            yield from held
            return
        known = {
            line: (at, reason, detail, raw)
            for batch in bad
            for line, at, reason, detail, raw in zip(
                *(batch.column(name).to_pylist() for name in ("line", "byte_offset", "reason", "detail", "raw")),
                strict=True,
            )
        }
        self.last_offset_ns = before[1]
        counts.decoded = counts.rows = counts.quarantined = 0
        other = ("segment_skipped", "another entry of its segment is bad", None)
        offsets = [*index(path).offset.tolist(), *[at for line, (at, *_) in known.items() if line > counts.entries]]
        yield self._quarantine(
            counts,
            [(line, at, *(known[line][1:] if line in known else other)) for line, at in enumerate(offsets, 1)],
        )

    def _quarantine(self, counts: SegmentCounts, refused: list[tuple[Any, ...]]) -> TableBatch:
        counts.quarantined += len(refused)
        schema = arrow("quarantine")
        columns = [[self.run] * len(refused), [counts.source_id] * len(refused), *zip(*refused, strict=True)]
        arrays = [pa.array(column, kind.type) for column, kind in zip(columns, schema, strict=True)]
        return "quarantine", pa.RecordBatch.from_arrays(arrays, schema=schema)


def _plain(error: Exception, path: Path) -> str:
    """Return what is wrong with a segment, without its path: the row has its source."""
    return str(error).replace(f"segment {path} ", "segment ", 1)


def _reason(error: Exception) -> str:
    for words, reason in (("too short", "short_header"), ("bad magic", "bad_magic"), ("version", "bad_version")):
        if words in str(error):
            return reason
    return "unreadable"


def tables(
    log: Log,
    *,
    run: str = "capture",
    sources: Callable[[Path], int] | None = None,
    on_error: OnError = "raise",
    counts: list[SegmentCounts] | None = None,
) -> Iterator[TableBatch]:
    """Yield the batches of a log, segment by segment, each with its table's name.

    `sources` gives the `source_id` of a segment; without it they are numbered from 1. The account of each segment is
    appended to `counts`.
    """
    reader = LogReader(log, run, on_error, [] if counts is None else counts)
    for number, path in enumerate(log.segments, 1):
        yield from reader.segment(path, number if sources is None else sources(path))


def table(log: Log, *, on_error: OnError = "raise", order_by: OrderBy = "file") -> pa.Table:
    """Return the rows of a log as one table; quarantine is left out.

    Rows are in the order of the files, which need not be that of time; `order_by` "time" sorts them by `ts_ns`, equal
    times in the order of the files. Raises ArgumentError for another order, and what `LogReader.segment` raises.
    """
    if order_by not in ("file", "time"):
        raise ArgumentError(f"order_by={order_by!r}: give 'file' or 'time'")
    name = rows.table_of(log)
    batches = [batch for table, batch in tables(log, on_error=on_error) if table == name]
    made = pa.Table.from_batches(batches, schema=batches[0].schema if batches else rows.schema(name))
    if order_by == "time":
        made = made.take(np.argsort(made.column("ts_ns").to_numpy(), kind="stable"))
    return made


__all__ = [
    "LogReader",
    "OnError",
    "Recording",
    "SegmentCounts",
    "read_payload",
    "scan",
    "table",
    "tables",
]

"""Peer: a typed msgspec decode of each line, to an Arrow table, with the same checks as the kit's loader.

A line as the Python SDK writes it passes on the fast way: msgspec checks syntax and JSON types, and because
all nine fields are there and the line is exactly as long as their compact encoding, it can hold no other key,
no key twice and no space. Repeated keys inside payload and meta are looked for by pattern first, since most hold none. What fails any
of this goes to `checks.examine`.
"""

import codecs
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from benchmarks.peers import checks

BLOCK = 2 << 20

_UTC = pa.timestamp("us", tz="UTC")
_SCHEMA = pa.schema(
    {
        "line": pa.int64(),
        "id": pa.string(),
        "trace_id": pa.string(),
        "parent_id": pa.string(),
        "type": pa.string(),
        "v": pa.string(),
        "directed_id": pa.string(),
        "directed_type": pa.string(),
        "directed_capabilities": pa.list_(pa.string()),
        "ts": _UTC,
        "ts_text": pa.string(),
        "payload": pa.string(),
        "meta": pa.string(),
        "extra": pa.string(),
        "flags": pa.list_(pa.string()),
        "raw": pa.string(),
    }
)
_COMPACT = len('{"v":"","id":"","trace_id":"","parent_id":,"type":"","directed":,"ts":"","payload":,"meta":}')
_KNOWN = pa.array(sorted(checks.KNOWN_TYPES))
_STAMP = r"^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{3}|\.\d{6})?Z$"


class Envelope(msgspec.Struct, gc=False):
    """A signal with all nine fields; objects stay JSON text."""

    v: str
    id: str
    trace_id: str
    parent_id: str | None
    type: str
    directed: msgspec.Raw
    ts: str
    payload: msgspec.Raw
    meta: msgspec.Raw


class Bad(NamedTuple):
    """A line in quarantine."""

    line: int
    byte_offset: int
    reason: str
    detail: str
    raw: bytes


class Capture(NamedTuple):
    """A capture in memory. `duplicates` are (line, id, reencoded)."""

    lines: int
    signals: pa.Table
    duplicates: list[tuple[int, str, bool]]
    quarantine: list[Bad]
    skipped: int


def load(path: str) -> dict[str, Any]:
    """Reads a capture and counts what became of its lines: the keys of the generator's truth."""
    capture = read(path)
    flags = capture.signals["flags"].combine_chunks().flatten()
    return {
        "lines": capture.lines,
        "rows": capture.signals.num_rows,
        "duplicates": len(capture.duplicates),
        "reencoded": sum(reencoded for _, _, reencoded in capture.duplicates),
        "quarantined": dict(sorted(Counter(bad.reason for bad in capture.quarantine).items())),
        "skipped": capture.skipped,
        "flags": dict(sorted(Counter(flags.to_pylist()).items())),
    }


def read(path: str) -> Capture:
    """Reads a capture into Arrow; see the module."""
    reader = _Reader()
    tables = [reader.block(offset, block) for offset, block in _blocks(path)]
    table = pa.concat_tables(tables) if tables else _SCHEMA.empty_table()
    signals, duplicates = _without_repeats(table, reader.hashes)
    return Capture(reader.lines, signals, duplicates, reader.quarantine, reader.skipped)


def _blocks(path: str) -> Iterator[tuple[int, bytes]]:
    """Whole lines in blocks of about BLOCK bytes, with the offset of each block."""
    offset = 0
    with Path(path).open("rb") as file:
        while chunk := file.read(BLOCK):
            block = chunk + file.readline()
            yield offset, block
            offset += len(block)


class _Reader:
    """Counts and quarantine of a capture, filled block by block."""

    def __init__(self) -> None:
        self.lines = 0
        self.skipped = 0
        self.quarantine: list[Bad] = []
        self.hashes: list[np.ndarray] = []

    def block(self, offset: int, block: bytes) -> pa.Table:
        """The rows of one block of lines; those that took the exact way come last."""
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        kept, signals, odd = _decode(lines)
        raw = _raw(block, lines)
        table, passed = _columns(kept, signals, raw, self.lines + 1)
        position = np.asarray(kept)
        try:
            raw.validate(full=True)
        except pa.ArrowInvalid:
            passed &= ~np.isin(position, _not_utf8(block))
        odd += position[~passed].tolist()
        hashes = np.array([hash(signal.id) for signal in signals], np.int64)
        self.hashes.append(hashes[passed] if odd else hashes)
        if odd:
            exact = self._examine(sorted(odd), lines, offset)
            table = pa.concat_tables([_without(table, np.flatnonzero(~passed).tolist()), exact])
            self.hashes.append(np.array([hash(event) for event in exact["id"].to_pylist()], np.int64))
        self.lines += len(lines)
        return table

    def _examine(self, odd: list[int], lines: list[bytes], offset: int) -> pa.Table:
        """The rows among odd lines; the others go to quarantine or are skipped."""
        starts = np.cumsum([offset, *map(len, lines)]) + np.arange(len(lines) + 1)
        rows: list[dict[str, Any]] = []
        for index in odd:
            raw, number = lines[index], self.lines + index + 1
            if checks.is_skipped(raw):
                self.skipped += 1
                continue
            try:
                row = checks.examine(raw)
            except checks.LineError as error:
                self.quarantine.append(Bad(number, int(starts[index]), error.reason, str(error), raw))
            else:
                rows.append(row._asdict() | {"line": number, "raw": raw.decode() + "\n"})
        return pa.Table.from_pylist(rows, schema=_SCHEMA)


def _decode(lines: list[bytes]) -> tuple[list[int] | range, list[Envelope], list[int]]:
    """Indices and signals of the lines that msgspec takes, and the indices of the others."""
    decode = msgspec.json.Decoder(Envelope).decode
    signals: list[Envelope] = []
    odd: list[int] = []
    keep = signals.append
    for index, line in enumerate(lines):
        try:
            keep(decode(line))
        except (msgspec.MsgspecError, UnicodeDecodeError):
            odd.append(index)
    if not odd:
        return range(len(lines)), signals, odd
    left = set(odd)
    return [index for index in range(len(lines)) if index not in left], signals, odd


def _columns(
    kept: list[int] | range, signals: list[Envelope], raw: pa.Array, first: int
) -> tuple[pa.Table, np.ndarray]:
    """Columns of decoded signals, and which are beyond doubt; values of the others mean nothing."""
    version = pa.array([s.v for s in signals], pa.string())
    event = pa.array([s.id for s in signals], pa.string())
    trace = pa.array([s.trace_id for s in signals], pa.string())
    parent = pa.array([s.parent_id for s in signals], pa.string())
    kind = pa.array([s.type for s in signals], pa.string())
    stamp = pa.array([s.ts for s in signals], pa.string())
    directed = pa.array([bytes(s.directed) for s in signals], pa.binary())
    payload = pa.array([bytes(s.payload) for s in signals], pa.binary())
    meta = pa.array([bytes(s.meta) for s in signals], pa.binary())
    lost = sorted(set(range(len(raw))).difference(kept)) if len(kept) < len(raw) else []
    text = pa.chunked_array([raw.slice(a + 1, b - a - 1) for a, b in pairwise([-1, *lost, len(raw)])])

    fixed = (version, event, trace, kind, stamp, directed, payload, meta)
    size = sum(_sizes(column) for column in fixed) + _sizes(parent) + np.where(_mask(parent.is_null()), 4, 2)
    address, address_ok = _addresses(directed)
    ts, ts_ok = _timestamps(stamp)
    passed = (
        (size + _COMPACT + 1 == _sizes(raw)[np.asarray(kept)])
        & _mask(pc.equal(version, "1"))
        & _mask(pc.starts_with(event, "evt_"))
        & _mask(pc.starts_with(trace, "trc_"))
        & _mask(pc.fill_null(pc.starts_with(parent, "evt_"), True))
        & _mask(pc.is_in(kind, _KNOWN))
        & _mask(pc.starts_with(payload, b"{"))
        & _mask(pc.starts_with(meta, b"{"))
        & ~np.array([checks.repeats_a_key(bytes(s.payload)) for s in signals], bool)
        & ~np.array([len(s.meta) > 2 and checks.repeats_a_key(bytes(s.meta)) for s in signals], bool)
        & address_ok
        & ts_ok
    )
    count = len(signals)
    table = pa.table(
        {
            "line": pa.array(np.asarray(kept, np.int64) + first),
            "id": event,
            "trace_id": trace,
            "parent_id": parent,
            "type": kind,
            "v": version,
            **address,
            "ts": ts,
            "ts_text": stamp,
            "payload": payload.view(pa.string()),
            "meta": meta.view(pa.string()),
            "extra": pa.nulls(count, pa.string()),
            "flags": pa.ListArray.from_arrays(np.zeros(count + 1, np.int32), pa.array([], pa.string())),
            "raw": text,
        },
        schema=_SCHEMA,
    )
    return table, passed


def _raw(block: bytes, lines: list[bytes]) -> pa.Array:
    """The lines with their newlines, as a view on the block: fresh memory is what costs most here."""
    offsets = np.zeros(len(lines) + 1, np.int32)
    np.cumsum(np.fromiter(map(len, lines), np.int32, len(lines)) + 1, out=offsets[1:])
    offsets[-1] = min(offsets[-1], len(block))
    return pa.StringArray.from_buffers(len(lines), pa.py_buffer(offsets), pa.py_buffer(block))


def _addresses(directed: pa.Array) -> tuple[dict[str, pa.Array], np.ndarray]:
    """The three columns of `directed`: a capture holds few different ones, so each is decoded once."""
    encoded = directed.dictionary_encode()
    values: list[tuple[str | None, str | None, list[str] | None]] = []
    good = []
    for text in encoded.dictionary.to_pylist():
        try:
            values.append(checks.check_directed(msgspec.json.decode(text)))
            good.append(True)
        except ValueError:
            values.append((None, None, None))
            good.append(False)
    columns = {}
    for place, name in enumerate(("directed_id", "directed_type", "directed_capabilities")):
        distinct = pa.array([value[place] for value in values], _SCHEMA.field(name).type)
        columns[name] = distinct.take(encoded.indices)
    return columns, np.array(good, bool)[encoded.indices.to_numpy()]


def _timestamps(stamp: pa.Array) -> tuple[pa.Array, np.ndarray]:
    """UTC microseconds of stamps that end in Z, and which could be read."""
    try:
        return stamp.cast(_UTC), np.ones(len(stamp), bool)
    except pa.ArrowInvalid:
        pass
    good = pc.match_substring_regex(stamp, _STAMP)
    try:
        return pc.if_else(good, stamp, None).cast(_UTC), _mask(good)
    except pa.ArrowInvalid:  # the 30th of February: leave all of them to the exact check
        return pa.nulls(len(stamp), _UTC), np.zeros(len(stamp), bool)


def _without_repeats(table: pa.Table, hashes: list[np.ndarray]) -> tuple[pa.Table, list[tuple[int, str, bool]]]:
    """The rows without repeats, conflicts flagged, and the repeats as (line, id, reencoded)."""
    codes = np.concatenate([np.zeros(0, np.int64), *hashes])
    order = np.argsort(codes)
    equal = np.flatnonzero(codes[order][1:] == codes[order][:-1])
    groups: dict[str, list[int]] = {}
    for row in sorted({*order[equal].tolist(), *order[equal + 1].tolist()}):
        groups.setdefault(table["id"][row].as_py(), []).append(row)
    repeats: list[tuple[int, str, bool]] = []
    drop: list[int] = []
    flagged: list[int] = []
    for rows in groups.values():
        first: list[int] = []  # one row for each content under this id
        raw = {row: table["raw"][row].as_py().removesuffix("\n") for row in rows}
        for row in rows:
            same = next((other for other in first if checks.same_content(raw[row], raw[other])), None)
            if same is None:
                first.append(row)
            else:
                drop.append(row)
                repeats.append((table["line"][row].as_py(), table["id"][row].as_py(), raw[row] != raw[same]))
        flagged += first if len(first) > 1 else []
    if flagged:
        table = _flag(table, flagged, "conflicting_duplicate")
    return _without(table, sorted(drop)), sorted(repeats)


def _flag(table: pa.Table, rows: list[int], flag: str) -> pa.Table:
    """Adds a flag to some rows; the list column is put together anew from its offsets."""
    flags = table["flags"].combine_chunks()
    sizes = np.diff(flags.offsets.to_numpy())
    place = np.cumsum(sizes)[rows]
    values = np.insert(flags.flatten().to_numpy(zero_copy_only=False).astype(object), place, flag)
    sizes[rows] += 1
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int32)
    column = pa.ListArray.from_arrays(offsets, pa.array(values, pa.string()))
    return table.set_column(table.schema.get_field_index("flags"), "flags", column)


def _sizes(column: pa.Array) -> np.ndarray:
    """Bytes of each value, 0 for null, straight from the offsets."""
    return np.diff(np.frombuffer(column.buffers()[1], np.int32, len(column) + 1, column.offset * 4))


def _mask(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)


def _without(table: pa.Table, rows: list[int]) -> pa.Table:
    """The table without some rows (ascending), as slices: a filter would copy sixteen columns."""
    edges = [-1, *rows, table.num_rows]
    return pa.concat_tables([table.slice(a + 1, b - a - 1) for a, b in pairwise(edges)])


def _not_utf8(block: bytes) -> list[int]:
    """Indices of the lines that are not UTF-8: the decoder tells where it stops."""
    found: list[int] = []
    view, start, passed = memoryview(block), 0, 0
    while start < len(block):
        try:
            codecs.utf_8_decode(view[start:], "strict", True)
            break
        except UnicodeDecodeError as error:
            stop = start + error.start
            passed += block.count(b"\n", start, stop)
            found.append(passed)
            end = block.find(b"\n", stop)
            start, passed = (end + 1 if end >= 0 else len(block)), passed + 1
    return found

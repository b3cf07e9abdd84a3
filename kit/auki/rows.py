"""Decoded columns as a batch of their table, with the place of each row."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.auki.columns import Decoded, Lists
from kit.auki.payload import decode
from kit.auki.payload_fields import Kind
from kit.auki.recording import Log
from kit.auki.segment import Block
from kit.errors import LogError
from kit.schema import arrow

Ints = NDArray[np.int64]

TABLE: dict[Kind, str] = {
    "camera": "camera_frames",
    "point_cloud": "point_clouds",
    "audio": "audio",
    "joints": "joints",
    "pose": "poses",
    "time_transform": "clock_offsets",
    "detection": "detections",
}
STEP_NS = 10_000_000
"""A clock offset that is this far from the one before it is a step (spec/auki.md 4.1)."""
SAMPLE_BYTES = {"pcm_s16le": 2, "pcm_s24le": 3, "pcm_s32le": 4, "pcm_f32le": 4, "pcm_f64le": 8}
SAMPLE_BYTES |= {name.removeprefix("pcm_"): width for name, width in SAMPLE_BYTES.items()}
MAX_INT = (1 << 31) - 1
SHARED_ROWS = 1 << 16
_NUMBERS = {pa.int32(): np.int32, pa.int64(): np.int64, pa.float32(): np.float32, pa.float64(): np.float64}
_CONSTANT = pa.dictionary(pa.int32(), pa.string())
_CONSTANTS = ("run", "log_id", "from_frame", "to_frame", "from_clock", "to_clock")


class Place(NamedTuple):
    """What a batch has in common: run, source, lines and entries before it."""

    run: str
    source_id: int
    lines: int
    seq: int


class Made(NamedTuple):
    """A batch of a table, and what is odd about its rows: a code and how many."""

    table: str
    batch: pa.RecordBatch
    warnings: dict[str, int]


def table_of(log: Log) -> str:
    """Return the table of a log's entries. Raises LogError where its kind is not known."""
    if log.kind is None:
        raise LogError(f"{log.log_id}: what its entries hold is not known; give scan(..., kinds={{sensor id: kind}})")
    return TABLE[log.kind]


def schema(table: str) -> pa.Schema:
    """Return the schema of the batches of a table: as it is declared, but texts that repeat are dictionaries."""
    declared = arrow(table)
    return pa.schema([field.with_type(_CONSTANT) if field.name in _CONSTANTS else field for field in declared])


def batch(log: Log, place: Place, block: Block, decoded: Decoded, last_offset_ns: int | None) -> Made:
    """Return the rows of a decoded block; `last_offset_ns` is the clock offset before them."""
    table = table_of(log)
    count = len(decoded.row)
    # Without bad entries the rows are the entries, and nothing is picked.
    every = count == len(block) and not decoded.bad and decoded.part is None
    pick: Callable[[Ints], Ints] = (lambda column: column) if every else (lambda column: column[decoded.row])
    columns: dict[str, Any] = {
        "run": _constant(place.run, count),
        "source_id": _same(place.source_id, count, pa.int64()),
        "line": decoded.row + (place.lines + 1),
        "log_id": _constant(log.log_id, count),
        "seq": decoded.row + place.seq,
        "ts_ns": pick(block.ts_ns),
        "offset": pick(block.offset),
        "length": pick(block.length),
    }
    warnings: dict[str, int] = {}
    columns |= {name: _nullable(column) for name, column in decoded.values.items()}
    columns |= {name: _lists(lists) for name, lists in decoded.lists.items()}
    columns |= _OWN[log.kind or "pose"](log, block, decoded, warnings, last_offset_ns)
    if "data_at" in columns:
        columns |= _data(pick(block.offset), decoded.values["data_at"])
    wanted = schema(table)
    arrays = [_array(columns[name], wanted.field(name).type) for name in wanted.names]
    return Made(table, pa.RecordBatch.from_arrays(arrays, schema=wanted), warnings)


def _array(column: Any, kind: pa.DataType) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    if isinstance(column, np.ndarray) and kind in _NUMBERS:
        return _numbers(column, kind)
    if isinstance(column, np.ndarray) and column.dtype == bool and pa.types.is_boolean(kind):
        return pa.Array.from_buffers(kind, len(column), [None, _bits(column)])
    return pa.array(column, kind, from_pandas=False)


def _numbers(column: NDArray[Any], kind: pa.DataType, there: NDArray[np.bool_] | None = None) -> pa.Array:
    """Return a column of numbers as it stands in memory, null where one is not `there`.

    `pa.array` would import pandas first: 0.5 s and 69 MB, more than the index of a log of 900 MB takes.
    """
    plain = np.ascontiguousarray(column, _NUMBERS[kind])
    valid = None if there is None or there.all() else _bits(there)
    return pa.Array.from_buffers(kind, len(plain), [valid, pa.py_buffer(plain)])


def _bits(flags: NDArray[np.bool_]) -> pa.Buffer:
    return pa.py_buffer(np.packbits(flags, bitorder="little"))


def _constant(text: str | None, count: int) -> pa.Array:
    """Return a text that every row has."""
    if text is None:
        return pa.nulls(count, _CONSTANT)
    data = text.encode()
    ends = pa.py_buffer(np.array([0, len(data)], np.int32))
    only = pa.StringArray.from_buffers(1, ends, pa.py_buffer(data))
    return pa.DictionaryArray.from_arrays(_same(0, count, pa.int32()), only)


def _same(number: int, count: int, kind: pa.DataType) -> pa.Array:
    """Return a number that every row has; the batches of a log share the memory of it."""
    size = max(SHARED_ROWS, 1 << (count - 1).bit_length() if count else 1)
    return _shared(number, size, kind).slice(0, count)


@lru_cache(maxsize=16)
def _shared(number: int, size: int, kind: pa.DataType) -> pa.Array:
    return _numbers(np.full(size, number), kind)


def _nullable(column: NDArray[Any]) -> Any:
    """Return a column with its Nones as nulls; others as they are."""
    return column.tolist() if column.dtype == object else column


def _lists(lists: Lists) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum(lists.counts)])
    if ends[-1] > MAX_INT:
        raise LogError(f"{ends[-1]:,} numbers in the lists of one block: more than a batch can hold")
    items = _numbers(lists.items, pa.from_numpy_dtype(lists.items.dtype))
    return pa.ListArray.from_arrays(_numbers(ends, pa.int32()), items)


def _data(offset: Ints, at: Ints) -> dict[str, Any]:
    """Return where the data of each row begins in the file; null where it is in pieces."""
    return {"data_offset": _numbers(offset + at, pa.int64(), there=at >= 0)}


def _pose(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    count = len(decoded.row)
    begin, end = log.manifest.ref("from_frame"), log.manifest.ref("to_frame")
    own: dict[str, Any] = {"part": _same(0, count, pa.int64()) if decoded.part is None else decoded.part}
    for name, ref in (("from_frame", begin), ("to_frame", end)):
        told = ref.id if ref else None
        if name in decoded.values:
            own[name] = pa.array([text or told for text in decoded.values[name]], pa.string()).dictionary_encode()
        else:
            own[name] = _constant(told, count)
    return own


def _joints(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    expected = log.sensor.get("joint_count")
    if isinstance(expected, int) and (wrong := int((decoded.lists["angles"].counts != expected).sum())):
        warnings["joint_count"] = wrong
    return {}


def _camera(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    return {}


def _audio(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    width = SAMPLE_BYTES.get(str(log.sensor.get("sample_format")), 0)
    channels, rate = (_positive(log.sensor, name) for name in ("channels", "sample_rate_hz"))
    if not width or not channels or not rate:
        return dict.fromkeys(("n_samples", "duration_ns"), pa.nulls(len(decoded.row), pa.int64()))
    length = decoded.values["data_length"].astype(np.int64)
    samples, rest = np.divmod(length, width * channels)
    _count(warnings, "partial_sample", rest)
    # In whole seconds and a rest: samples * 10^9 would leave 64 bits for long chunks.
    seconds, left = np.divmod(samples, rate)
    return {"n_samples": samples, "duration_ns": seconds * 1_000_000_000 + left * 1_000_000_000 // rate}


def _points(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    step = _positive(log.sensor, "point_step")
    if not step:
        return {"n_points": pa.nulls(len(decoded.row), pa.int64())}
    points, rest = np.divmod(decoded.values["data_length"].astype(np.int64), step)
    _count(warnings, "partial_point", rest)
    return {"n_points": points}


def _detection(log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None) -> dict[str, Any]:
    at, length = decoded.values["data_at"], decoded.values["data_length"]
    begin = block.start[decoded.row] + at
    data = [block.data[a : a + n] for a, n in zip(begin.tolist(), length.tolist(), strict=True)]
    for i in np.flatnonzero(at < 0).tolist():
        data[i] = _in_pieces(block, int(decoded.row[i]))
    return {"data": pa.array(data, pa.binary())}


def _in_pieces(block: Block, row: int) -> bytes:
    """Return the data of a detection that is not one range of bytes."""
    start = int(block.start[row])
    found: bytes = decode("detection", block.data[start : start + int(block.length[row])])[0]["data"]
    return found


def _time_transform(
    log: Log, block: Block, decoded: Decoded, warnings: dict[str, int], last: int | None
) -> dict[str, Any]:
    count = len(decoded.row)
    begin, end = log.manifest.ref("from_clock"), log.manifest.ref("to_clock")
    return {
        "from_clock": _constant(begin.id if begin else None, count),
        "to_clock": _constant(end.id if end else None, count),
        "discontinuous": steps(decoded.values["offset_ns"], last),
    }


def steps(offset_ns: NDArray[Any], before: int | None, threshold_ns: int = STEP_NS) -> NDArray[np.bool_]:
    """Return which offsets are `threshold_ns` or more from the one before; the first of a log is not."""
    offsets = offset_ns.astype(np.int64)
    found = np.zeros(len(offsets), bool)
    if not len(offsets):
        return found
    high, low = np.maximum(offsets[1:], offsets[:-1]), np.minimum(offsets[1:], offsets[:-1])
    # The difference of two int64 fits in uint64, whatever they are.
    found[1:] = (high.view(np.uint64) - low.view(np.uint64)) >= np.uint64(threshold_ns)
    found[0] = before is not None and abs(int(offsets[0]) - before) >= threshold_ns
    return found


def _positive(sensor: Mapping[str, Any], name: str) -> int:
    found = sensor.get(name)
    return found if isinstance(found, int) and 0 < found <= MAX_INT else 0


def _count(warnings: dict[str, int], name: str, rest: Ints) -> None:
    if odd := int((rest != 0).sum()):
        warnings[name] = odd


Own = Callable[[Log, Block, Decoded, dict[str, int], int | None], dict[str, Any]]
_OWN: dict[Kind, Own] = {
    "camera": _camera,
    "point_cloud": _points,
    "audio": _audio,
    "joints": _joints,
    "pose": _pose,
    "time_transform": _time_transform,
    "detection": _detection,
}

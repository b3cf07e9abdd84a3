"""`Scan`: the canonical signals of a store as columns of numbers, in the order of the table.

The texts are most of what there is to read, and to touch new memory is most of the time of reading them. So they come
in small batches, whose memory is used again: of ids the bytes are kept, since causes are looked for among them; of
trace ids each that differs; of parents where they stand, and the text of those that stand nowhere.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.errors import StoreError
from kit.trace.lookup import MOST_BYTES, Ids, Ints, Lookup, Slots, column, ints, plain

BATCH = 65_536
"""Rows read at a time: the ids of so many are 2 MB."""

ID_BYTES = 32
"""Room for each id at first: those of the SDKs have 30 bytes."""

NO_TIME = np.iinfo(np.int64).max
"""Stands for the time of an event without one: it sorts last."""

ROOT, MISSING = -1, -2
"""Places of a cause where there is none: no parent_id, and a parent that is not in the run."""


@dataclass(frozen=True, eq=False)
class Scan:
    """Events by number: their ids, and where they stand in `types`, in `traces` and among the runs (`ids.run`).

    `row` is the rowid in `signals`, `ts` microseconds since 1970, or NO_TIME. `traces`
    holds each trace id once, sorted.
    """

    ids: Ids
    row: Ints
    type: Slots
    ts: Ints
    trace: Slots
    traces: pa.Array


@dataclass(frozen=True, eq=False)
class Causes:
    """The place of the parent of each event, ROOT or MISSING; the events with a missing one, and the ids of those."""

    place: Slots
    orphans: Ints
    lost: Ids


def scan(connection: duckdb.DuckDBPyConnection, runs: Sequence[str], types: Sequence[str]) -> Scan:
    """Return the events of `runs`, which are all of the store or a single one; all types that they have are in `types`.

    Raises StoreError where another thread adds others while they are read.
    """
    room = _count(connection)
    columns = {name: _Filled(dtype, room) for name, dtype in _KEPT.items()}
    text, end = _Filled(np.uint8, ID_BYTES * room), _Filled(np.int64, room)
    traces = _Coded(room)
    for batch in _batches(connection, _EVENTS, runs, types):
        ends, data = _bytes(batch.column("id"))
        end.extend(ends + len(text))
        text.extend(data)
        traces.extend(batch.column("trace_id"))
        for name in set(columns).intersection(batch.schema.names):
            columns[name].extend(plain(batch.column(name)))
    run: npt.NDArray[Any] = columns["run"].values if len(runs) > 1 else np.zeros(len(end), np.int8)
    if (columns["type"].values < 0).any() or run.min(initial=0) < 0:
        raise StoreError(_CHANGED)
    names, trace = traces.ranked()
    ids = Ids(pa.chunked_array([_texts(end.values, text.values)]), columns["key"].values, run)
    return Scan(ids, columns["row"].values, columns["type"].values, columns["ts"].values, trace, names)


def causes(connection: duckdb.DuckDBPyConnection, events: Scan, find: Lookup, runs: Sequence[str]) -> Causes:
    """Return where the parents of `events` are, by a second pass over the same rows; `find` looks among their ids.

    Raises StoreError where the rows are not those of the first pass: another thread appended or removed some.
    """
    place = np.empty(len(events.row), np.int32)
    orphans: list[Ints] = []
    lost: list[Ids] = []
    held: list[pa.RecordBatch] = []
    start = 0

    def met(batch: pa.RecordBatch) -> None:
        nonlocal start
        here = slice(start, start + len(batch))
        if not np.array_equal(plain(batch.column("row")), events.row[here]):
            raise StoreError(_CHANGED)
        start = here.stop
        text, key, run = batch.column("parent_id"), plain(batch.column("key")), events.ids.run[here]
        found = find(Ids(pa.chunked_array([text]), key, run))
        place[here] = np.where(found >= 0, found, plain(batch.column("none")))
        alone = np.flatnonzero(place[here] == MISSING)
        if len(alone):
            orphans.append(alone + here.start)
            lost.append(Ids(pa.chunked_array([text.take(column(alone))]), key[alone], run[alone]))

    for batch in _batches(connection, _PARENTS, runs):
        # A join of texts reads all ids each time: then rather once for all that is left.
        held.append(batch) if not find.by_hash else met(batch)
    if held:
        met(pa.Table.from_batches(held).combine_chunks().to_batches()[0])
    if start != len(place):
        raise StoreError(_CHANGED)
    return Causes(place, np.concatenate([np.zeros(0, np.int64), *orphans]), _joined(lost))


class _Filled:
    """A column that grows: pages that nothing is written to yet take no memory."""

    def __init__(self, dtype: npt.DTypeLike, room: int) -> None:
        self._held = np.empty(room, dtype)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def extend(self, values: npt.NDArray[Any]) -> None:
        end = self._size + len(values)
        if end > len(self._held):
            larger = np.empty(2 * end, self._held.dtype)
            larger[: self._size] = self._held[: self._size]
            self._held = larger
        self._held[self._size : end] = values
        self._size = end

    @property
    def values(self) -> npt.NDArray[Any]:
        return self._held[: self._size]


class _Coded:
    """Texts as numbers, each batch by a dictionary of its own until all are there."""

    def __init__(self, room: int) -> None:
        self._codes = _Filled(np.int32, room)
        self._names: list[pa.Array] = []
        self._known = 0

    def extend(self, texts: pa.Array) -> None:
        coded = texts.dictionary_encode()
        self._codes.extend(plain(coded.indices) + np.int32(self._known))
        self._names.append(coded.dictionary)
        self._known += len(coded.dictionary)

    def ranked(self) -> tuple[pa.Array, Slots]:
        """Return the texts, sorted, and the place of each entry among them."""
        coded = pa.chunked_array(self._names, pa.string()).dictionary_encode().combine_chunks()
        order = ints(pc.sort_indices(coded.dictionary))
        rank = np.empty(len(order), np.int32)
        rank[order] = np.arange(len(order), dtype=np.int32)
        place: Slots = rank[plain(coded.indices)][self._codes.values]
        return coded.dictionary.take(column(order)), place


def _batches(
    connection: duckdb.DuckDBPyConnection, sql: str, runs: Sequence[str], types: Sequence[str] = ()
) -> Iterator[pa.RecordBatch]:
    """Yield the answer, rows in the order of the table: a join would bring them in another, and so there is none.

    A list costs next to nothing, since DuckDB looks up each different text once. The number of the run is asked for
    where there are several.
    """
    several = len(runs) > 1
    sql = sql.format(run=_RUN if several else "", only="" if several else "AND run = $run")
    given: dict[str, object] = {"runs": list(runs)} if several and types else {}
    given |= {"types": list(types)} if types else {}
    given |= {} if several else {"run": runs[0] if runs else None}
    yield from connection.sql(sql, params=given).to_arrow_reader(BATCH)


def _count(connection: duckdb.DuckDBPyConnection) -> int:
    return int(connection.sql("SELECT count(*) AS n FROM signals").to_arrow_table()["n"][0].as_py())


def _bytes(texts: pa.Array) -> tuple[Ints, npt.NDArray[np.uint8]]:
    """Return where each text ends, and the bytes of all."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    octets = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]] if ends[-1] else np.zeros(0, np.uint8)
    return ends[1:] - ends[0], octets


def _texts(ends: Ints, data: npt.NDArray[np.uint8]) -> pa.Array:
    """Return texts from their bytes, with wide offsets where there are more than 2 GB of them."""
    wide = len(data) > MOST_BYTES
    offsets = np.zeros(len(ends) + 1, np.int64 if wide else np.int32)
    offsets[1:] = ends
    kind = pa.large_string() if wide else pa.string()
    return pa.Array.from_buffers(kind, len(ends), [None, pa.py_buffer(offsets), pa.py_buffer(data)])


def _joined(pieces: list[Ids]) -> Ids:
    chunks = [chunk for piece in pieces for chunk in piece.text.chunks]
    key = np.concatenate([np.zeros(0, np.uint64), *(piece.key for piece in pieces)])
    run = np.concatenate([np.zeros(0, np.int8), *(piece.run for piece in pieces)])
    return Ids(pa.chunked_array(chunks, pa.string()), key, run)


_CHANGED = "signals were appended or removed by another thread while they were read: ask again"
_KEPT = {"key": np.uint64, "row": np.int64, "ts": np.int64, "type": np.int32, "run": np.int32}

_RUN = ", coalesce(list_position($runs, run), 0) - 1 AS run"

# The keys are for `Lookup`.
_EVENTS = """
SELECT rowid AS row, id, trace_id, hash(id) AS key, coalesce(list_position($types, type), 0) - 1 AS type,
       coalesce(epoch_us(ts), 9223372036854775807) AS ts {run}
FROM signals WHERE canonical {only}
"""

_PARENTS = """
SELECT rowid AS row, parent_id, hash(parent_id) AS key,
       CASE WHEN parent_id IS NULL THEN -1::TINYINT ELSE -2::TINYINT END AS none
FROM signals WHERE canonical {only}
"""


__all__ = ["BATCH", "MISSING", "NO_TIME", "ROOT", "Causes", "Scan", "causes", "scan"]

"""`Lookup`: where an id stands among the events, for a million ids at a time.

A join of texts would be most of the time of a structure pass. So ids are met by a hash of 64 bits, which DuckDB gives
out beside the text, in a hash table of NumPy, and each hit is then compared by its text. Where two ids share a hash,
Arrow joins the texts themselves, and the answer is the same.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Slots = npt.NDArray[np.int32]
Keys = npt.NDArray[np.uint64]

BLOCK = 65_536
"""Ids looked up at a time: what they take in memory fits into the cache of a core."""

_GOLDEN = 0x9E3779B97F4A7C15  # 2**64 by the golden ratio: an odd number without a pattern in its bits
_WORD = 2**64
_MOST_ROUNDS = 64
MOST_BYTES = 2**31 - 1  # of text in an Arrow array with offsets of 32 bits


@dataclass(frozen=True, eq=False)
class Ids:
    """Ids as columns: the text, a 64-bit hash of it (equal for equal texts), and the number of the run.

    A NULL among the texts is equal to nothing.
    """

    text: pa.ChunkedArray
    key: Keys
    run: Ints

    def __len__(self) -> int:
        return len(self.key)

    def blocks(self) -> Iterator[tuple[pa.Array, Keys, Ints]]:
        """Yield text, key with the run mixed in, and run of a block of ids after the other."""
        start = 0
        for chunk in self.text.chunks:
            for first in range(0, len(chunk), BLOCK):
                piece = chunk.slice(first, BLOCK)
                here = slice(start, start + len(piece))
                yield piece, mixed(self.key[here], self.run[here]), self.run[here]
                start = here.stop


class Lookup:
    """Finds (run, id) among `ids`, which are all different."""

    def __init__(self, ids: Ids) -> None:
        self._ids = ids
        self._text = text(ids.text)
        self._keys = mixed(ids.key, ids.run)
        self._rounds = _rounds(self._keys)
        self.by_hash = self._rounds is not None
        """False once two ids shared a hash: from then on all are joined by their texts."""

    def __call__(self, wanted: Ids) -> Slots:
        """Return the position of each of `wanted` among the ids, -1 where it is not there."""
        place = np.full(len(wanted), -1, dtype=np.int32)
        if not len(self._ids) or not len(wanted):
            return place
        if not self.by_hash:
            return joined(wanted, self._ids)
        start = 0
        for piece, key, run in wanted.blocks():
            met = self._met(key)
            if not self._is_same(piece, run, met):
                self.by_hash = False
                return joined(wanted, self._ids)
            place[start : start + len(met)] = met
            start += len(met)
        return place

    def _met(self, wanted: Keys) -> Slots:
        """Return the position of each key, -1 where no id has it."""
        place = np.full(len(wanted), -1, dtype=np.int32)
        rest = np.arange(len(wanted))
        for factor, bits, table in self._rounds or ():
            keys = wanted[rest]
            met = table[_slots(keys, factor, bits)]
            hit = (self._keys[met] == keys) & (met >= 0)
            place[rest[hit]] = met[hit]
            rest = rest[~hit]
        return place

    def _is_same(self, text: pa.Array, run: Ints, met: Slots) -> bool:
        """Return whether run and text are equal wherever keys are."""
        hit = met >= 0
        if (hit & (self._ids.run[met] != run)).any():
            return False
        known = pa.py_buffer(np.packbits(hit, bitorder="little"))
        where = pa.Array.from_buffers(pa.int32(), len(met), [known, pa.py_buffer(met)])
        same = pc.sum(pc.equal(self._text.take(where), text), min_count=0).as_py()
        return bool(same == np.count_nonzero(hit))


def joined(wanted: Ids, ids: Ids) -> Slots:
    """Return the position of each of `wanted` among `ids` by their texts alone, -1 where it is not there."""
    place = pc.index_in(_composed(wanted), value_set=_composed(ids))
    return plain(pc.fill_null(place, -1)).astype(np.int32, copy=False)


def mixed(key: Keys, run: Ints) -> Keys:
    """Return the keys with the run mixed in; run 0 changes nothing."""
    return key + run.astype(np.uint64) * np.uint64(_GOLDEN) if run.any() else key


def _composed(ids: Ids) -> pa.ChunkedArray:
    """Return run and id as one text; the run is a number, so a slash ends it."""
    run = column(ids.run).cast(pa.large_string())
    return pc.binary_join_element_wise(run, ids.text.cast(pa.large_string()), pa.scalar("/", pa.large_string()))


def _rounds(keys: Keys) -> list[tuple[int, int, Slots]] | None:
    """Return hash tables of positions, with the factor and the bits of their slots; None where two keys are equal.

    The last to be written into a slot of the first table stays there; those that lost theirs go to the next, smaller
    table by other bits, and so on: 12 tables or so for a million keys.
    """
    index = np.arange(len(keys), dtype=np.int32)
    found: list[tuple[int, int, Slots]] = []
    factor = 1
    while len(index) and len(found) < _MOST_ROUNDS:
        bits = max(1, (2 * len(index) - 1).bit_length())
        rest = keys if not found else keys[index]
        slots = _slots(rest, factor, bits)
        table = np.full(1 << bits, -1, dtype=np.int32)
        table[slots] = index
        holder = table[slots]
        lost = np.flatnonzero(holder != index)
        if (keys[holder[lost]] == rest[lost]).any():
            return None
        found.append((factor, bits, table))
        index, factor = index[lost], factor * _GOLDEN % _WORD
    return None if len(index) else found


def _slots(keys: Keys, factor: int, bits: int) -> Slots:
    """Return the upper `bits` bits of the keys times `factor`."""
    spread = keys if factor == 1 else keys * np.uint64(factor)
    return (spread >> np.uint64(64 - bits)).astype(np.int32)


def column(values: npt.NDArray[Any], known: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return whole numbers or truth values as Arrow, NULL where not `known`. `pa.array` would import pandas: 0.3 s."""
    wide = np.ascontiguousarray(values, dtype=np.int64)
    mask = None if known is None else pa.py_buffer(np.packbits(known, bitorder="little"))
    return pa.Array.from_buffers(pa.int64(), len(wide), [mask, pa.py_buffer(wide)])


def words(texts: Sequence[str]) -> pa.Array:
    """Return texts as Arrow; not by `pa.array`, as above."""
    data = [text.encode() for text in texts]
    ends = np.cumsum([0, *map(len, data)], dtype=np.int32)
    return pa.Array.from_buffers(pa.string(), len(data), [None, pa.py_buffer(ends), pa.py_buffer(b"".join(data))])


def text(column: pa.ChunkedArray) -> pa.Array:
    """Return a column of text as one array, with wide offsets where there is more than 2 GB of it."""
    if column.num_chunks == 1 and column.nbytes <= MOST_BYTES:
        return column.chunk(0)
    return (column.cast(pa.large_string()) if column.nbytes > MOST_BYTES else column).combine_chunks()


def ints(column: pa.ChunkedArray | pa.Array) -> Ints:
    """Return a column of whole numbers without NULL, widened. Not by `to_numpy`, for the same reason."""
    return plain(column).astype(np.int64, copy=False)


def plain(column: pa.ChunkedArray | pa.Array) -> npt.NDArray[Any]:
    """Return a column of whole numbers without NULL, as wide as it is."""
    if not len(column):
        return np.zeros(0, dtype=np.int64)
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return np.from_dlpack(array)


def picked(texts: pa.ChunkedArray, where: Ints) -> pa.ChunkedArray:
    """Return the texts at some positions, which grow. `ChunkedArray.take` would put all chunks together first."""
    ends = np.cumsum([0, *map(len, texts.chunks)])
    cuts = np.searchsorted(where, ends)
    pieces = [chunk.take(column(where[cuts[n] : cuts[n + 1]] - ends[n])) for n, chunk in enumerate(texts.chunks)]
    return pa.chunked_array(pieces, texts.type)


__all__ = [
    "BLOCK",
    "MOST_BYTES",
    "Ids",
    "Ints",
    "Keys",
    "Lookup",
    "Slots",
    "column",
    "ints",
    "joined",
    "mixed",
    "picked",
    "plain",
    "text",
    "words",
]

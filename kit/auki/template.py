"""Templates: payloads that differ in nothing but their values are read as columns, without a Python object each.

A template is made of one payload that was walked: its slots, and a mask of the bytes that are structure. Rows whose
structure is equal have their values at the same places.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from kit.auki.payload_fields import UINT32, Form, Slot

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]
Array = NDArray[Any]

WORD = 8


@dataclass(frozen=True)
class Rows:
    """Payloads, or their heads, of one width that stand at equal distances in `data`."""

    data: Any
    start: int
    stride: int
    count: int
    width: int
    length: Ints
    """The whole length of each payload."""

    def column(self, form: str, at: int) -> Array:
        """Return the values of a NumPy type at byte `at` of every row, without a copy."""
        return np.ndarray((self.count,), form, self.data, self.start + at, (self.stride,))

    def some(self, which: Mask | Ints) -> "Rows":
        """Return some of the rows, copied."""
        matrix = np.ndarray((self.count, self.width), np.uint8, self.data, self.start, (self.stride, 1))[which]
        matrix = np.ascontiguousarray(matrix)
        return Rows(matrix, 0, self.width, len(matrix), self.width, self.length[which])

    def payload(self, i: int) -> bytes:
        """Return the bytes of row `i`."""
        begin = self.start + i * self.stride
        return memoryview(self.data).cast("B")[begin : begin + self.width].tobytes()


class Word(NamedTuple):
    """Bytes that are compared at once: a NumPy type, where they stand, their bits of structure, and what these are."""

    form: str
    at: int
    mask: Any
    want: Any


@dataclass(frozen=True)
class Template:
    """The slots that payloads of one structure share, and how to tell such a payload."""

    slots: tuple[Slot, ...]
    wraps: bool
    """Whether integers that do not fit lose bits (protobuf) or are errors (CBOR)."""
    words: tuple[Word, ...]
    tail: tuple[Slot, int] | None
    """The slot of the length of a last run of bytes, and where the run begins."""

    def matches(self, rows: Rows) -> Mask:
        """Return which rows have this structure."""
        wrong = np.zeros(rows.count, np.uint64)
        for word in self.words:
            found = rows.column(word.form, word.at) ^ word.want
            found &= word.mask
            wrong |= found
        right: Mask = wrong == 0
        if self.tail is not None:
            slot, content = self.tail
            right &= numbers(slot, rows).astype(np.int64) == rows.length - content
        return right


def template(slots: list[Slot], payload: bytes, *, wraps: bool) -> Template:
    """Return the template of a payload (or its head) that was walked."""
    mask = bytearray(b"\xff" * len(payload))
    tail: tuple[Slot, int] | None = None
    for slot in slots:
        if slot.form == "const":
            continue
        end = len(payload) if slot.form == "tail" else slot.at + slot.width
        free = 0x80 if slot.form == "varint" else 0x00
        for at in range(slot.at, min(end, len(payload))):
            mask[at] = free
        if slot.column == "#length":
            tail = (slot, slots[slots.index(slot) + 1].at)
    values = tuple(slot for slot in slots if slot.column != "#length")
    return Template(values, wraps, tuple(_words(bytes(mask), payload)), tail)


def _words(mask: bytes, payload: bytes) -> Iterator[Word]:
    """Yield what to compare: words of eight bytes, the last of which may overlap, or bytes where there are fewer."""
    width = len(payload)
    size = WORD if width >= WORD else 1
    form = "<u8" if size == WORD else "u1"
    for begin in range(0, width, size):
        at = min(begin, width - size)
        bits = np.frombuffer(mask, form, 1, at)[0]
        if bits:
            yield Word(form, at, bits, np.frombuffer(payload, form, 1, at)[0])


def numbers(slot: Slot, rows: Rows) -> Array:
    """Return the numbers at a slot in every row: floats, integers, or unsigned integers of 64 bits as they stand."""
    if slot.form == "const":
        return np.full(rows.count, slot.value)
    if slot.form != "varint":
        return rows.column(slot.form.lstrip("-"), slot.at)
    found = np.zeros(rows.count, np.uint64)
    for number in range(slot.width):
        part = (rows.column("u1", slot.at + number) & np.uint8(0x7F)).astype(np.uint64)
        found |= part << np.uint64(7 * number)
    return found


def integers(slot: Slot, rows: Rows, form: Form, *, wraps: bool) -> tuple[Ints, Mask | None]:
    """Return the integers at a slot, and which of them fit in `form`; None where all do."""
    if slot.form == "const":
        return np.full(rows.count, slot.value, np.int64), None
    found = numbers(slot, rows).astype(np.uint64)
    if wraps:
        return (found if form == "int64" else found & np.uint64(0xFFFF_FFFF)).view(np.int64), None
    fits: Mask = found < np.uint64(1 << 63)
    plain = found.view(np.int64)
    signed = ~plain if slot.form[0] == "-" else plain
    if form == "uint32":
        fits &= (signed >= UINT32.start) & (signed < UINT32.stop)
    return signed, None if fits.all() else fits

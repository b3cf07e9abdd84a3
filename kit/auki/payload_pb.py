"""Protobuf payloads: where each value stands, and the bytes of a value (proto3 wire format; spec/auki.md 3.4 and 3.5).

Unknown fields are passed over, and so is a known one of another wire type; lists may be packed or not; pose numbers
and lists may be of 32 or 64 bits. What is absent has its default: zero, empty, and the identity for a pose.
"""

import struct
from collections.abc import Iterator, Mapping
from typing import Any

from kit.auki.payload_fields import FIELDS, LIST_FORMS, POINT_CLOUD_PB, Beyond, Field, Kind, Slot
from kit.errors import PayloadError

VARINT, I64, LEN, GROUP, GROUP_END, I32 = range(6)
MAX_VARINT = 10
FIXED = {I64: 8, I32: 4}
REALS = {I64: "<f8", I32: "<f4"}


def walk(kind: Kind, data: bytes, size: int | None = None) -> list[Slot]:
    """Return the slots of a payload. Raises PayloadError where it is no protobuf message.

    `data` may be the head of a payload of `size` bytes: Beyond is raised where the walk needs more of it.
    """
    whole = len(data) if size is None else size
    fields = POINT_CLOUD_PB if kind == "point_cloud" else FIELDS[kind]
    slots = _message(_Walker(data, whole), fields, whole)
    if kind == "point_cloud":
        slots = _one_of(slots)
    return slots


def _one_of(slots: list[Slot]) -> list[Slot]:
    """Return the slots without those of a default for a column that another field fills."""
    given = [slot for slot in slots if slot.at]
    return given or slots[:1]


def _message(walker: "_Walker", fields: tuple[Field, ...], end: int) -> list[Slot]:
    """Return the slots of the message up to `end`; of a field that stands twice, the last."""
    known = {field.number: field for field in fields}
    lists: list[Slot] = []
    found: dict[int, list[Slot]] = {}
    while walker.at < end:
        tag = walker.varint(end)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise PayloadError(f"field number 0 before byte {walker.at}")
        field = known.get(number)
        if field is None:
            walker.skip(wire, end)
        elif field.form in LIST_FORMS:
            lists += _list(walker, field, wire, end)
        elif field.form == "message" and wire == LEN:
            length = walker.length(end)
            made = _message(walker, field.fields, walker.at + length)
            found[number] = _merged(found.get(number, []), made)
        elif (slots := _value(walker, field, wire, end)) is not None:
            found[number] = slots
    for field in fields:
        if field.number not in found and field.form not in LIST_FORMS:
            found[field.number] = _default(field, end)
    return [slot for number in sorted(found) for slot in found[number]] + lists


def _merged(earlier: list[Slot], later: list[Slot]) -> list[Slot]:
    """Return the slots of a message that stands twice: what the later one sets counts, lists grow."""
    if not earlier:
        return later
    repeated = {slot.column for slot in earlier + later if slot.column == "distortion"}
    set_later = {slot.column for slot in later if slot.form != "const"} - repeated
    kept = [slot for slot in earlier if slot.column not in set_later]
    names = {slot.column for slot in kept}
    return kept + [slot for slot in later if slot.column not in names or slot.column in repeated]


def _default(field: Field, end: int) -> list[Slot]:
    if field.form == "message":
        return [Slot(column, "const", value=number) for column, number in field.absent or ()]
    if field.form == "bytes":
        return [Slot(field.column, "bytes", 0, 0)]
    return [Slot(field.column, "const", value="" if field.form == "text" else 0)]


def _value(walker: "_Walker", field: Field, wire: int, end: int) -> list[Slot] | None:
    """Return the slots of one value, or None where the wire type is another than the field's."""
    column = field.column
    if field.form == "double" and wire in REALS:
        return [Slot(column, REALS[wire], walker.fixed(wire, end), FIXED[wire])]
    if field.form in ("int64", "uint32") and wire == VARINT:
        begin = walker.at
        walker.varint(end)
        return [Slot(column, "varint", begin, walker.at - begin)]
    if field.form in ("bytes", "text") and wire == LEN:
        begin = walker.at
        length = walker.length(end)
        if field.form == "text":
            return [Slot(column, "const", value=walker.text(length, column))]
        content = walker.at
        walker.at += length
        if walker.at == walker.size:
            return [Slot("#length", "varint", begin, content - begin), Slot(column, "tail", content)]
        return [Slot(column, "bytes", content, length)]
    walker.skip(wire, end)
    return None


def _list(walker: "_Walker", field: Field, wire: int, end: int) -> list[Slot]:
    """Return the slots of one or more numbers of a list."""
    own = I32 if field.form == "floats" else I64
    if wire == LEN:
        length = walker.length(end)
        width = FIXED[own]
        if length % width:
            raise PayloadError(
                f"{field.column}: {length} packed bytes before byte {walker.at}, not a multiple of {width}"
            )
        begin = walker.at
        walker.at += length
        return [Slot(field.column, REALS[own], at, width) for at in range(begin, begin + length, width)]
    if wire == own:
        return [Slot(field.column, REALS[own], walker.fixed(wire, end), FIXED[own])]
    walker.skip(wire, end)
    return []


class _Walker:
    """A position in a payload, and what can be read there."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size
        self.at = 0

    def varint(self, end: int) -> int:
        """Return the varint that begins here."""
        number = 0
        begin = self.at
        for shift in range(MAX_VARINT):
            self.need(1, end)
            if self.at >= len(self.data):
                raise Beyond
            octet = self.data[self.at]
            self.at += 1
            number |= (octet & 0x7F) << (7 * shift)
            if octet < 0x80:
                return number & 0xFFFF_FFFF_FFFF_FFFF
        raise PayloadError(f"a varint of more than {MAX_VARINT} bytes at byte {begin}")

    def length(self, end: int) -> int:
        """Return a length whose bytes are there."""
        length = self.varint(end)
        self.need(length, end)
        return length

    def fixed(self, wire: int, end: int) -> int:
        """Return where a number of fixed width begins, and pass over it; its bytes must be in the head."""
        self.need(FIXED[wire], end)
        if self.at + FIXED[wire] > len(self.data):
            raise Beyond
        self.at += FIXED[wire]
        return self.at - FIXED[wire]

    def text(self, length: int, what: str) -> str:
        """Return the next bytes as text."""
        if self.at + length > len(self.data):
            raise Beyond
        begin = self.at
        self.at += length
        try:
            return self.data[begin : self.at].decode()
        except UnicodeDecodeError as error:
            raise PayloadError(f"{what}: not UTF-8 at byte {begin} ({error.reason})") from None

    def skip(self, wire: int, end: int) -> None:
        """Pass over a value of any wire type; groups, which proto3 does not have, are refused."""
        if wire == VARINT:
            self.varint(end)
        elif wire == LEN:
            length = self.length(end)
            self.at += length
        elif wire in FIXED:
            self.need(FIXED[wire], end)
            self.at += FIXED[wire]
        else:
            raise PayloadError(f"wire type {wire} before byte {self.at} is not of proto3")

    def need(self, count: int, end: int) -> None:
        """Raise where fewer than `count` bytes follow before `end`."""
        if self.at + count > end:
            raise PayloadError(f"ends early: {count} bytes wanted at byte {self.at} of {end}")


def encode(kind: Kind, values: Mapping[str, Any]) -> bytes:
    """Return the protobuf message of a payload's columns, in the order of the field numbers, defaults left out.

    A camera payload whose `fx` is None has no intrinsics; a translation of zeros is an empty message.
    """
    return b"".join(_parts(FIELDS[kind], values))


def _parts(fields: tuple[Field, ...], values: Mapping[str, Any]) -> Iterator[bytes]:
    for field in fields:
        if field.form == "message":
            if values[field.fields[0].column] is not None:
                yield _framed(field.number, b"".join(_parts(field.fields, values)))
            continue
        given = values[field.column]
        if field.form in ("bytes", "text", *LIST_FORMS):
            data = _octets(field, given)
            if data:
                yield _framed(field.number, data)
        elif field.form in ("int64", "uint32"):
            if given:
                yield _tag(field.number, VARINT) + _varint(given)
        elif (packed := struct.pack("<d", given)) != bytes(8):
            yield _tag(field.number, I64) + packed


def _octets(field: Field, given: Any) -> bytes:
    if field.form == "bytes":
        return bytes(given)
    if field.form == "text":
        return str(given).encode()
    try:
        return struct.pack(f"<{len(given)}{'f' if field.form == 'floats' else 'd'}", *given)
    except OverflowError:
        raise PayloadError(f"{field.column} {list(given)!r:.80}: not all are 32-bit floats") from None


def _framed(number: int, data: bytes) -> bytes:
    return _tag(number, LEN) + _varint(len(data)) + data


def _tag(number: int, wire: int) -> bytes:
    return _varint(number << 3 | wire)


def _varint(number: int) -> bytes:
    number &= 0xFFFF_FFFF_FFFF_FFFF
    out = bytearray()
    while number >= 0x80:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)

"""CBOR payloads: where each value stands, and the bytes of a value (RFC 8949; spec/auki.md 3.4 and 3.5).

The walk takes every width of integer and float, indefinite lengths, tags (the tagged value counts) and byte data that
is written as an array of integers. Unknown keys are passed over; containers inside each other end at 16.
"""

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from kit.auki.payload_fields import FIELDS, LIST_FORMS, NUMBER_FORMS, Beyond, Field, Kind, Slot
from kit.errors import PayloadError

MAX_DEPTH = 16
BREAK = 0xFF
UINT, NEGATIVE, BYTES, TEXT, ARRAY, MAP, TAG, SIMPLE = range(8)
NULLS = (22, 23)
WIDTHS = {24: 1, 25: 2, 26: 4, 27: 8}
INDEFINITE = 31
FLOATS = {25: ">f2", 26: ">f4", 27: ">f8"}
_TRANSFORM = {
    "translation": ("tx", "ty", "tz"),
    "rotation_quat": ("qx", "qy", "qz", "qw"),
    "parent_frame": ("from_frame",),
    "child_frame": ("to_frame",),
}


def walk(kind: Kind, data: bytes, size: int | None = None) -> list[Slot]:
    """Return the slots of a payload. Raises PayloadError where it is none of its kind.

    `data` may be the head of a payload of `size` bytes: Beyond is raised where the walk needs more of it. An old pose
    payload, a list of transforms, has the columns of each with its number before them: `0.tx`.
    """
    walker = _Walker(data, len(data) if size is None else size)
    slots = walker.message(FIELDS[kind], kind)
    if walker.at != walker.size:
        raise PayloadError(f"{walker.size - walker.at} bytes after the end of the CBOR map, at byte {walker.at}")
    return slots


class _Walker:
    """A position in a payload, and what can be read there."""

    def __init__(self, data: bytes, size: int) -> None:
        self.data = data
        self.size = size
        self.at = 0

    def message(self, fields: tuple[Field, ...], name: str) -> list[Slot]:
        """Return the slots of a map."""
        known = {field.key: field for field in fields}
        slots: list[Slot] = []
        seen: set[str] = set()
        for _ in self.items(MAP, name):
            key = self.text("a key")
            if key == "transforms" and name == "pose":
                slots += self.transforms()
                seen |= known.keys()
            elif key not in known:
                self.skip()
            elif key in seen:
                raise PayloadError(f"the key {key!r} stands twice, again before byte {self.at}")
            else:
                seen.add(key)
                slots += self.field(known[key])
        for field in fields:
            if field.key not in seen and _required(field):
                raise PayloadError(f"{name} lacks the key {field.key!r}")
            if field.key not in seen and field.form == "text":
                slots.append(Slot(field.column, "const", value=""))
        return slots

    def field(self, field: Field) -> list[Slot]:
        """Return the slots of the value of `field`."""
        if field.form == "message":
            return [] if field.absent is None and self.null() else self.message(field.fields, field.key)
        if field.form in NUMBER_FORMS:
            return [self.number(field.column, whole=field.form in ("int64", "uint32"))]
        if field.form in LIST_FORMS:
            return [self.number(field.column) for _ in self.items(ARRAY, field.key)]
        if field.form == "text":
            return [Slot(field.column, "const", value=self.text(field.key))]
        return self.octets(field.column)

    def transforms(self) -> list[Slot]:
        """Return the slots of the old pose payload, one transform after the other."""
        slots: list[Slot] = []
        for number, _ in enumerate(self.items(ARRAY, "transforms")):
            seen: set[str] = set()
            for _ in self.items(MAP, "a transform"):
                key = self.text("a key")
                columns = _TRANSFORM.get(key, ())
                if columns:
                    slots += self._transform(number, key, columns)
                    seen.add(key)
                else:
                    self.skip()
            if lacking := _TRANSFORM.keys() - seen:
                raise PayloadError(f"transform {number} lacks the key {min(lacking)!r}")
        return slots

    def _transform(self, number: int, key: str, columns: tuple[str, ...]) -> list[Slot]:
        if len(columns) == 1:
            return [Slot(f"{number}.{columns[0]}", "const", value=self.text(key))]
        names = iter(columns)
        slots = [self.number(f"{number}.{next(names, 'surplus')}") for _ in self.items(ARRAY, key)]
        if len(slots) != len(columns):
            raise PayloadError(f"{key} of transform {number} has {len(slots)} numbers, not {len(columns)}")
        return slots

    def number(self, column: str, *, whole: bool = False) -> Slot:
        """Return the slot of a number; floats are refused where it must be `whole`."""
        begin = self.at
        major, info, argument = self.head()
        width = WIDTHS.get(info, 0)
        if major == SIMPLE and info in FLOATS and not whole:
            return Slot(column, FLOATS[info], self.at - width, width)
        if major not in (UINT, NEGATIVE) or info == INDEFINITE:
            raise self.wrong(begin, f"{column}: not {'an integer' if whole else 'a number'}")
        if width:
            return Slot(column, ("" if major == UINT else "-") + f">u{width}", self.at - width, width)
        return Slot(column, "const", value=argument if major == UINT else -1 - argument)

    def octets(self, column: str) -> list[Slot]:
        """Return the slot of byte data; data that is not one range of bytes is a value of its own."""
        begin = self.at
        major, info, argument = self.head()
        if major == BYTES and info != INDEFINITE:
            content, width = self.at, WIDTHS.get(info, 0)
            self.pass_over(argument)
            if width and self.at == self.size:
                length = Slot("#length", f">u{width}", content - width, width)
                return [length, Slot(column, "tail", content)]
            return [Slot(column, "bytes", content, argument)]
        self.at = begin
        if major == BYTES:
            return [Slot(column, "const", value=b"".join(self.chunks(BYTES)))]
        if major != ARRAY:
            raise self.wrong(begin, f"{column}: not bytes")
        return [Slot(column, "const", value=bytes(self.small() for _ in self.items(ARRAY, column)))]

    def small(self) -> int:
        """Return an integer of 0 to 255."""
        begin = self.at
        major, _, argument = self.head()
        if major != UINT or argument > 255:
            raise self.wrong(begin, "not a byte of 0 to 255")
        return argument

    def text(self, what: str) -> str:
        """Return a text string, of any form."""
        begin = self.at
        try:
            return b"".join(self.chunks(TEXT)).decode()
        except UnicodeDecodeError as error:
            raise self.wrong(begin, f"{what}: not UTF-8 ({error.reason})") from None

    def chunks(self, wanted: int) -> Iterator[bytes]:
        """Yield the parts of a string, which is one for a definite length."""
        begin = self.at
        major, info, argument = self.head()
        if major != wanted:
            raise self.wrong(begin, "not a string")
        if info != INDEFINITE:
            yield self.take(argument)
            return
        while not self.broken():
            begin = self.at
            major, info, argument = self.head()
            if major != wanted or info == INDEFINITE:
                raise self.wrong(begin, "not a part of the string")
            yield self.take(argument)

    def items(self, wanted: int, what: str) -> Iterator[None]:
        """Yield once for each item of an array or each key of a map; the caller reads them."""
        begin = self.at
        major, info, argument = self.head()
        if major != wanted:
            raise self.wrong(begin, f"{what}: not {'a map' if wanted == MAP else 'an array'}")
        if info == INDEFINITE:
            while not self.broken():
                yield
            return
        self.at_most(argument * (2 if wanted == MAP else 1))
        for _ in range(argument):
            yield

    def null(self) -> bool:
        """Return whether null or undefined stands here, and pass over it."""
        if self.peek() in (0xE0 + NULLS[0], 0xE0 + NULLS[1]):
            self.at += 1
            return True
        return False

    def broken(self) -> bool:
        """Return whether a break stands here, and pass over it."""
        if self.peek() == BREAK:
            self.at += 1
            return True
        return False

    def skip(self) -> None:
        """Pass over one item of any kind."""
        open_items: list[float] = [1]
        while open_items:
            if open_items[-1] == float("inf") and self.broken():
                open_items.pop()
                continue
            if open_items[-1] == 0:
                open_items.pop()
                continue
            open_items[-1] -= 1
            begin = self.at
            major, info, argument = self.head()
            if major in (BYTES, TEXT) and info != INDEFINITE:
                self.pass_over(argument)
            elif major in (BYTES, TEXT):
                open_items.append(float("inf"))
            elif major in (ARRAY, MAP):
                open_items.append(float("inf") if info == INDEFINITE else argument * (2 if major == MAP else 1))
            if len(open_items) > MAX_DEPTH:
                raise self.wrong(begin, f"more than {MAX_DEPTH} containers inside each other")

    def head(self) -> tuple[int, int, int]:
        """Return type, form and argument of the item that begins here, tags passed over."""
        while True:
            begin = self.at
            first = self.peek()
            major, info = first >> 5, first & 0x1F
            self.at += 1
            if info < 24:
                argument = info
            elif info in WIDTHS:
                argument = int.from_bytes(self.take(WIDTHS[info]), "big")
            elif info == INDEFINITE and major in (BYTES, TEXT, ARRAY, MAP):
                argument = 0
            else:
                raise self.wrong(begin, "not the begin of a CBOR item")
            if major != TAG:
                return major, info, argument

    def peek(self) -> int:
        if self.at >= len(self.data):
            self.missing(1)
        return self.data[self.at]

    def take(self, count: int) -> bytes:
        """Return the next bytes. Raises before anything is made where they are not there."""
        if self.at + count > len(self.data):
            self.missing(count)
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def pass_over(self, count: int) -> None:
        """Go on by `count` bytes, which the payload must have but the head need not."""
        self.at_most(count)
        self.at += count

    def at_most(self, count: int) -> None:
        """Raise where fewer than `count` bytes follow."""
        if self.at + count > self.size:
            raise PayloadError(f"ends early: {count} bytes wanted at byte {self.at} of {self.size}")

    def missing(self, count: int) -> None:
        self.at_most(count)
        raise Beyond

    def wrong(self, at: int, what: str) -> PayloadError:
        return PayloadError(f"{what}: byte {at} is {self.data[at : at + 1].hex() or 'the end'}")


def _required(field: Field) -> bool:
    """Return whether CBOR must have `field`; an old detection has its data only."""
    return field.form != "text" and not (field.form == "message" and field.absent is None)


def encode(kind: Kind, values: Mapping[str, Any], *, shortest: bool = True) -> bytes:
    """Return the CBOR map of a payload's columns, keys in the order of the schema.

    Floats take the shortest width that keeps them, or 64 bits (32 for joints) where `shortest` is false. A camera
    payload whose `fx` is None has no intrinsics.
    """
    real = _shortest if shortest else _double
    return _map(_pairs(FIELDS[kind], values, real))


def _pairs(fields: tuple[Field, ...], values: Mapping[str, Any], real: Callable[[float], bytes]) -> Iterator[bytes]:
    for field in fields:
        key = _string(TEXT, field.key.encode())
        if field.form == "message":
            if values[field.fields[0].column] is not None:
                yield key + _map(_pairs(field.fields, values, real))
            continue
        yield key + _written(field, values[field.column], real)


def _written(field: Field, given: Any, real: Callable[[float], bytes]) -> bytes:
    if field.form == "bytes":
        return _string(BYTES, bytes(given))
    if field.form == "text":
        return _string(TEXT, given.encode())
    if field.form in ("int64", "uint32"):
        return _head(UINT, given) if given >= 0 else _head(NEGATIVE, -1 - given)
    if field.form == "floats":
        short = real if real is _shortest else _single
        return _head(ARRAY, len(given)) + b"".join(short(as_float32(item)) for item in given)
    if field.form == "doubles":
        return _head(ARRAY, len(given)) + b"".join(real(float(item)) for item in given)
    return real(float(given))


def as_float32(number: float) -> float:
    """Return the nearest 32-bit float. Raises PayloadError where there is none."""
    try:
        return float(struct.unpack(">f", struct.pack(">f", number))[0])
    except OverflowError:
        raise PayloadError(f"{number!r} is no 32-bit float") from None


def _map(pairs: Iterable[bytes]) -> bytes:
    held = list(pairs)
    return _head(MAP, len(held)) + b"".join(held)


def _string(major: int, data: bytes) -> bytes:
    return _head(major, len(data)) + data


def _head(major: int, argument: int) -> bytes:
    if argument < 24:
        return bytes([major << 5 | argument])
    for info, width in WIDTHS.items():
        if argument >> (8 * width) == 0:
            return bytes([major << 5 | info]) + argument.to_bytes(width, "big")
    raise PayloadError(f"{argument!r} does not fit in 64 bits")


def _double(number: float) -> bytes:
    return b"\xfb" + struct.pack(">d", number)


def _single(number: float) -> bytes:
    return b"\xfa" + struct.pack(">f", number)


def _shortest(number: float) -> bytes:
    whole = struct.pack(">d", number)
    for prefix, code in ((b"\xf9", ">e"), (b"\xfa", ">f")):
        try:
            short = struct.pack(code, number)
        except OverflowError:
            continue
        if struct.pack(">d", struct.unpack(code, short)[0]) == whole:
            return prefix + short
    return b"\xfb" + whole

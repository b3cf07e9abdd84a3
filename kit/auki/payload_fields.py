"""What the payloads of a log hold: fields with their CBOR key and protobuf number, and slots that say where a value stands.

A walk over a payload (`payload_cbor`, `payload_pb`) finds a slot for each value; `payload` makes one payload of
the slots, `columns` makes columns of the slots that many payloads share. The schemas are spec/auki.md 3.5.
"""

import struct
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from kit.errors import PayloadError

Kind = Literal["camera", "point_cloud", "audio", "joints", "pose", "time_transform", "detection"]
Form = Literal["double", "float", "int64", "uint32", "bytes", "text", "doubles", "floats", "message"]

INT64 = range(-(1 << 63), 1 << 63)
UINT32 = range(1 << 32)


class Field(NamedTuple):
    """A field of a payload; `absent` is what a message that is not there stands for, by column."""

    key: str
    number: int
    form: Form
    column: str = ""
    fields: tuple["Field", ...] = ()
    absent: tuple[tuple[str, float], ...] | None = None


class Slot(NamedTuple):
    """Where the value of a column stands in a payload.

    `form` is a NumPy type of the bytes `at` to `at + width`; `-` before it means the CBOR integer -1 - n; `varint`
    is protobuf's; `bytes` is the range itself; `tail` is all bytes from `at` to the end of the payload, whose
    length stands in the slot before it; `const` is `value`, wherever it stood.
    """

    column: str
    form: str
    at: int = 0
    width: int = 0
    value: Any = None


class Beyond(Exception):
    """The walk needs bytes after the head of the payload that it was given."""


_NUMBERS: tuple[Field, ...] = tuple(
    Field(name, n, "double", name) for n, name in enumerate(("fx", "fy", "cx", "cy"), 1)
)
_INTRINSICS = (*_NUMBERS, Field("distortion_coefficients", 5, "doubles", "distortion"))
_TRANSLATION = tuple(Field(name, n, "double", f"t{name}") for n, name in enumerate("xyz", 1))
_ORIENTATION = tuple(Field(name, n, "double", f"q{name}") for n, name in enumerate("xyzw", 1))
_DATA = (Field("data", 1, "bytes", "data"),)

FIELDS: dict[Kind, tuple[Field, ...]] = {
    "camera": (
        Field("dynamic_intrinsics", 1, "message", "", _INTRINSICS),
        Field("frame", 2, "bytes", "data"),
    ),
    "point_cloud": _DATA,
    "audio": _DATA,
    "joints": (Field("angles_rad", 1, "floats", "angles"),),
    "pose": (
        Field("translation", 1, "message", "", _TRANSLATION, (("tx", 0.0), ("ty", 0.0), ("tz", 0.0))),
        Field("orientation", 2, "message", "", _ORIENTATION, (("qx", 0.0), ("qy", 0.0), ("qz", 0.0), ("qw", 1.0))),
    ),
    "time_transform": (
        Field("offset_ns", 1, "int64", "offset_ns"),
        Field("uncertainty_ns", 2, "uint32", "uncertainty_ns"),
    ),
    "detection": (
        Field("data", 1, "bytes", "data"),
        Field("sensor_hash", 2, "text", "sensor_hash"),
        Field("type", 3, "text", "type"),
    ),
}

POINT_CLOUD_PB = (*_DATA, Field("data", 2, "bytes", "data"))
"""In protobuf, one revision had a `point_count` as field 1 and `data` as field 2; the wire type of field 1 tells."""

NUMBER_FORMS: frozenset[Form] = frozenset({"double", "float", "int64", "uint32"})
LIST_FORMS: frozenset[Form] = frozenset({"doubles", "floats"})


def leaves(fields: tuple[Field, ...]) -> Iterator[Field]:
    """Yield the fields that hold values, those of messages among them."""
    for field in fields:
        if field.form == "message":
            yield from leaves(field.fields)
        else:
            yield field


COLUMNS: dict[Kind, dict[str, Form]] = {
    kind: {field.column: field.form for field in leaves(fields)} for kind, fields in FIELDS.items()
}
"""The columns of each kind of payload, in order, with the form of each."""


def value(slot: Slot, data: bytes) -> Any:
    """Return the value at `slot` of the payload `data`."""
    if slot.form == "const":
        return slot.value
    if slot.form == "bytes":
        return data[slot.at : slot.at + slot.width]
    if slot.form == "tail":
        return data[slot.at :]
    if slot.form == "varint":
        return varint(data, slot)
    number = struct.unpack_from(_CODES[slot.form.lstrip("-")], data, slot.at)[0]
    return -1 - number if slot.form[0] == "-" else number


_CODES = {
    ">u1": ">B", ">u2": ">H", ">u4": ">I", ">u8": ">Q",
    ">f2": ">e", ">f4": ">f", ">f8": ">d", "<f4": "<f", "<f8": "<d",
}  # fmt: skip


def varint(data: bytes, slot: Slot) -> int:
    """Return the 64 bits of a protobuf varint, unsigned; bits beyond are dropped, as protobuf does."""
    number = 0
    for shift, octet in enumerate(data[slot.at : slot.at + slot.width]):
        number |= (octet & 0x7F) << (7 * shift)
    return number & 0xFFFF_FFFF_FFFF_FFFF


def checked(column: str, form: Form, number: Any, *, wraps: bool) -> Any:
    """Return a number of a payload as its form has it.

    Protobuf drops bits that do not fit (`wraps`); in CBOR they are an error: raises PayloadError.
    """
    if form == "double":
        return float(number)
    if form == "float":
        return struct.unpack("<f", struct.pack("<f", number))[0] if abs(number) < FLOAT_END else _infinite(number)
    if wraps and form == "int64":
        return number - (1 << 64) if number >> 63 else number
    if wraps:
        return number & 0xFFFF_FFFF
    if number not in (INT64 if form == "int64" else UINT32):
        raise PayloadError(f"{column} {number!r} is out of the range of {form}")
    return number


FLOAT_END = float.fromhex("0x1.ffffffp+127")
"""From here on a number rounds to infinity as a 32-bit float."""


def _infinite(number: float) -> float:
    """Return `number` where it is not a number, else infinity of its sign."""
    return float(number) if number != number else float("inf" if number > 0 else "-inf")

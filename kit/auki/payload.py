"""Payloads of log entries, CBOR or protobuf, told apart one by one (spec/auki.md 3.4 and 3.5)."""

from collections.abc import Mapping
from typing import Any, Literal

from kit.auki import payload_cbor, payload_pb
from kit.auki.payload_fields import COLUMNS, INT64, LIST_FORMS, UINT32, Beyond, Form, Kind, Slot, checked, value
from kit.errors import ArgumentError, PayloadError

Codec = Literal["pb", "cbor"]
Values = dict[str, Any]
"""A payload by column: `tx` to `qw` of a pose, `data` of an image, `angles` of joints, `offset_ns`, and so on."""

CODECS: tuple[Codec, ...] = ("pb", "cbor")
CBOR_MAP = 5
FRAME_COLUMNS = ("from_frame", "to_frame")
"""Columns that only the old pose payload fills."""


def sniff(head: bytes) -> Codec:
    """Return the codec of a payload by its first byte: a CBOR map, else protobuf, which may be empty.

    >>> sniff(bytes.fromhex("a164")), sniff(b"\\x0a\\x04"), sniff(b"")
    ('cbor', 'pb', 'pb')
    """
    return "cbor" if head and head[0] >> 5 == CBOR_MAP else "pb"


def walk(kind: Kind, data: bytes, size: int | None = None) -> list[Slot]:
    """Return where each value of a payload stands, of either codec; see the `walk` of each."""
    return payload_cbor.walk(kind, data, size) if sniff(data) == "cbor" else payload_pb.walk(kind, data, size)


def decode(kind: Kind, data: bytes) -> list[Values]:
    """Return the values of a payload: one row, but an old pose payload has one for each of its transforms.

    Lists are tuples; a camera payload without intrinsics has None for `fx` to `cy`. Raises PayloadError.

    >>> decode("time_transform", bytes.fromhex("08a4f4ffffffffffffff0110a403"))
    [{'offset_ns': -1500, 'uncertainty_ns': 420}]
    """
    return rows(kind, walk(kind, data), data)


def rows(kind: Kind, slots: list[Slot], data: bytes) -> list[Values]:
    """Return the values of a payload that was walked, as `decode` does."""
    if kind == "pose" and any(slot.column[0].isdigit() for slot in slots):
        return _transforms(slots, data)
    if kind == "pose" and not slots:
        return []  # an old payload of no transforms
    return [_values(kind, slots, data)]


def _values(kind: Kind, slots: list[Slot], data: bytes) -> Values:
    wraps = sniff(data) == "pb"
    forms = COLUMNS[kind]
    made: Values = {column: _empty(form) for column, form in forms.items()}
    lists: dict[str, list[float]] = {column: [] for column, form in forms.items() if form in LIST_FORMS}
    for slot in slots:
        if slot.column[0] == "#":
            continue
        form = forms[slot.column]
        if form in LIST_FORMS:
            one: Form = "float" if form == "floats" else "double"
            lists[slot.column].append(checked(slot.column, one, value(slot, data), wraps=wraps))
        elif form in ("bytes", "text"):
            made[slot.column] = value(slot, data)
        else:
            made[slot.column] = checked(slot.column, form, value(slot, data), wraps=wraps)
    return made | {column: tuple(items) for column, items in lists.items()}


def _empty(form: Form) -> Any:
    """Return what stands for a value that no slot gives: only intrinsics and old texts can lack."""
    return "" if form == "text" else None


def _transforms(slots: list[Slot], data: bytes) -> list[Values]:
    """Return the rows of an old pose payload; their frames are `from_frame` and `to_frame`."""
    rows: dict[str, Values] = {}
    for slot in slots:
        number, _, column = slot.column.partition(".")
        if not column:
            continue  # a payload of both shapes: the list counts
        found = value(slot, data)
        rows.setdefault(number, {})[column] = found if column in FRAME_COLUMNS else float(found)
    return list(rows.values())


def encode(kind: Kind, values: Mapping[str, Any], codec: Codec = "pb", *, shortest: bool = True) -> bytes:
    """Return the bytes of one payload, as the original writers write them.

    `values` are by column, as `decode` returns them; `shortest` is for CBOR floats, see `payload_cbor.encode`. Raises
    PayloadError for a value that is missing or does not fit, ArgumentError for a codec there is not.
    """
    if codec not in CODECS:
        raise ArgumentError(f"codec={codec!r}: give 'pb' or 'cbor'")
    checked_values = {column: _fitting(kind, column, form, values) for column, form in COLUMNS[kind].items()}
    if codec == "cbor":
        return payload_cbor.encode(kind, checked_values, shortest=shortest)
    return payload_pb.encode(kind, checked_values)


def _fitting(kind: Kind, column: str, form: Form, values: Mapping[str, Any]) -> Any:
    """Return the value of a column, refused where its form cannot hold it."""
    optional = kind == "camera" and form != "bytes"
    found = values.get(column)
    if found is None and form == "text":
        return ""
    if found is None and form in LIST_FORMS and optional:
        return ()
    if found is None and not optional:
        raise PayloadError(f"{kind} without {column!r}: give {', '.join(COLUMNS[kind])}")
    if form in ("int64", "uint32") and (
        isinstance(found, bool) or not isinstance(found, int) or found not in (INT64 if form == "int64" else UINT32)
    ):
        raise PayloadError(f"{column} {found!r} is out of the range of {form}")
    return found


__all__ = ["CODECS", "Beyond", "Codec", "Values", "decode", "encode", "rows", "sniff", "walk"]

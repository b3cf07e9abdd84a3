"""Requests as bytes: the frames that two peers would exchange (spec/auki.md 1.8 and V13 of 3.7).

A frame is a length of 4 bytes, big-endian, and so many bytes. Nothing in the simulation sends any; these are for
whoever compares with a capture, or speaks to a real peer.
"""

import struct
from collections.abc import Iterable, Iterator

from kit.auki.request import ReadFrom, StreamRequest
from kit.auki.resource import VARIANTS, ResourceEntry
from kit.auki.shape import Field, ShapeError, compact, many, one_of, parse, record
from kit.errors import ArgumentError, StreamProtocolError

MAX_MESSAGE_BYTES = 1 << 20
"""Of a catalog request or answer."""
MAX_FRAME_BYTES = 16 << 20
"""Of a stream."""

_LENGTH = struct.Struct(">I")
_ENVELOPE, _RESOURCE, _SOURCE, _LATEST, _FROM_START, _FROM_TIMESTAMP = 1, 2, 3, 4, 5, 6
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_POSITIONS = {"latest": _LATEST, "from_start": _FROM_START, "from_timestamp": _FROM_TIMESTAMP}
_CATALOG_REQUEST = record("ResourcesRequest", Field("variants", many(one_of(*VARIANTS)), required=False))


def frame(body: bytes, limit: int = MAX_FRAME_BYTES) -> bytes:
    """The body behind its length; `StreamProtocolError` for an empty one or one longer than `limit`."""
    return _LENGTH.pack(_checked(len(body), limit)) + body


def unframe(data: bytes, limit: int = MAX_FRAME_BYTES) -> bytes:
    """The body of one whole frame; `StreamProtocolError` where the bytes are not just that."""
    if len(data) < _LENGTH.size:
        raise StreamProtocolError(f"{len(data)} bytes are too few for a length of 4")
    (length,) = _LENGTH.unpack_from(data)
    if _checked(length, limit) != len(data) - _LENGTH.size:
        raise StreamProtocolError(f"a frame of {length:,} bytes has {len(data) - _LENGTH.size:,}")
    return data[_LENGTH.size :]


def _checked(length: int, limit: int) -> int:
    if not 0 < length <= limit:
        raise StreamProtocolError(f"a frame of {length:,} bytes: it must have 1 to {limit:,}")
    return length


def catalog_request(variants: Iterable[str] | None = None) -> bytes:
    """The frame that asks for a catalog.

    >>> catalog_request().hex()
    '000000027b7d'
    """
    wanted = list(variants or ())
    body = {"variants": wanted} if wanted else {}
    try:
        parse(compact(body), _CATALOG_REQUEST)
    except ShapeError as error:
        raise ArgumentError(f"invalid variants {wanted!r}: {error}") from None
    return frame(compact(body).encode(), MAX_MESSAGE_BYTES)


def catalog_answer(rows: Iterable[ResourceEntry]) -> bytes:
    """The frame that answers with rows."""
    body = f'{{"resources":[{",".join(row.to_json() for row in rows)}]}}'
    return frame(body.encode(), MAX_MESSAGE_BYTES)


def encode_request(request: StreamRequest) -> bytes:
    """The frame that opens a stream.

    >>> encode_request(StreamRequest("head_left_rgb", "galbot")).hex()
    '0000001b0a19120d686561645f6c6566745f7267621a0667616c626f742200'
    """
    position = b""
    if request.from_.timestamp_ns:
        position = _key(1, _VARINT) + _varint(request.from_.timestamp_ns & (2**64 - 1))
    body = _text(_RESOURCE, request.resource_id) + _text(_SOURCE, request.source_peer_id)
    body += _field(_POSITIONS[request.from_.kind], position)
    return frame(_field(_ENVELOPE, body))


def decode_request(data: bytes) -> StreamRequest:
    """The request of a frame; `StreamProtocolError` for bytes that are none. Unknown fields are passed over."""
    envelope = dict(_fields(unframe(data)))
    if not isinstance(body := envelope.get(_ENVELOPE), bytes):
        raise StreamProtocolError("the frame holds no stream request")
    names = {_RESOURCE: "", _SOURCE: ""}
    start = ReadFrom.latest()
    for number, value in _fields(body):
        if not isinstance(value, bytes):
            continue
        if number in names:
            names[number] = _decoded(value)
        elif number == _FROM_START:
            start = ReadFrom.from_start()
        elif number == _FROM_TIMESTAMP:
            stamp = dict(_fields(value)).get(1, 0)
            bits = stamp if isinstance(stamp, int) else 0
            start = ReadFrom.from_timestamp(bits - 2**64 if bits >> 63 else bits)
        elif number == _LATEST:
            start = ReadFrom.latest()
    return StreamRequest(names[_RESOURCE], names[_SOURCE], start)


def _decoded(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise StreamProtocolError(f"{value!r:.60} is no UTF-8: {error.reason}") from None


def _key(number: int, wire_type: int) -> bytes:
    return _varint(number << 3 | wire_type)


def _field(number: int, body: bytes) -> bytes:
    return _key(number, _BYTES) + _varint(len(body)) + body


def _text(number: int, value: str) -> bytes:
    return _field(number, value.encode()) if value else b""


def _varint(value: int) -> bytes:
    octets = bytearray()
    while value > 0x7F:
        octets.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*octets, value])


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message, by number."""
    at = 0
    while at < len(data):
        key, at = _read_varint(data, at)
        wire_type = key & 7
        if wire_type == _VARINT:
            value, at = _read_varint(data, at)
            yield key >> 3, value
            continue
        if wire_type not in (_BYTES, _FIXED32, _FIXED64):
            raise StreamProtocolError(f"field {key >> 3} has the wire type {wire_type}, which is none")
        length, at = _read_varint(data, at) if wire_type == _BYTES else (4 if wire_type == _FIXED32 else 8, at)
        if length > len(data) - at:
            raise StreamProtocolError(f"field {key >> 3} of {length:,} bytes has {len(data) - at:,}")
        yield key >> 3, data[at : at + length]
        at += length


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            break
        value |= (data[at] & 0x7F) << shift
        at += 1
        if not data[at - 1] & 0x80:
            return value & (2**64 - 1), at
    raise StreamProtocolError("a number that does not end")

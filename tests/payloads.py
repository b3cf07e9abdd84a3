"""Payload values for tests, and protobuf message classes of the schemas made by Google's library: a second opinion."""

import struct
from functools import cache
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from hypothesis import strategies as st

from kit.auki.payload_fields import FIELDS, Field, Kind

KINDS: tuple[Kind, ...] = tuple(FIELDS)
_TYPES = {
    "double": ("TYPE_DOUBLE", "LABEL_OPTIONAL"),
    "float": ("TYPE_FLOAT", "LABEL_OPTIONAL"),
    "int64": ("TYPE_INT64", "LABEL_OPTIONAL"),
    "uint32": ("TYPE_UINT32", "LABEL_OPTIONAL"),
    "bytes": ("TYPE_BYTES", "LABEL_OPTIONAL"),
    "text": ("TYPE_STRING", "LABEL_OPTIONAL"),
    "doubles": ("TYPE_DOUBLE", "LABEL_REPEATED"),
    "floats": ("TYPE_FLOAT", "LABEL_REPEATED"),
    "message": ("TYPE_MESSAGE", "LABEL_OPTIONAL"),
}

floats = st.floats(width=64, allow_nan=False)
texts = st.text("aZ0 é€😀\0", max_size=9)
singles = st.floats(width=32, allow_nan=False)
small = st.floats(-100, 100, width=32) | floats


def values(kind: Kind) -> st.SearchStrategy[dict[str, Any]]:
    """Return payload values of a kind."""
    numbers = dict.fromkeys(("tx", "ty", "tz", "qx", "qy", "qz", "qw"), small)
    data = st.binary(max_size=60) | st.binary(min_size=250, max_size=400)
    lens = dict.fromkeys(("fx", "fy", "cx", "cy"), small) | {"distortion": st.lists(small, max_size=6).map(tuple)}
    none = {name: st.none() for name in ("fx", "fy", "cx", "cy")} | {"distortion": st.just(())}
    return {
        "camera": st.fixed_dictionaries(lens | {"data": data}) | st.fixed_dictionaries(none | {"data": data}),
        "point_cloud": st.fixed_dictionaries({"data": data}),
        "audio": st.fixed_dictionaries({"data": data}),
        "joints": st.fixed_dictionaries({"angles": st.lists(singles, max_size=9).map(tuple)}),
        "pose": st.fixed_dictionaries(numbers),
        "time_transform": st.fixed_dictionaries(
            {"offset_ns": st.integers(-(2**63), 2**63 - 1), "uncertainty_ns": st.integers(0, 2**32 - 1)}
        ),
        "detection": st.fixed_dictionaries({"data": data, "sensor_hash": texts, "type": texts}),
    }[kind]


@cache
def messages() -> dict[str, Any]:
    """Return the message class of each kind."""
    file = descriptor_pb2.FileDescriptorProto(name="payloads.proto", package="payloads", syntax="proto3")
    for kind, fields in FIELDS.items():
        _declare(file, kind, fields)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return {kind: message_factory.GetMessageClass(pool.FindMessageTypeByName(f"payloads.{kind}")) for kind in FIELDS}


def _declare(file: Any, name: str, fields: tuple[Field, ...]) -> None:
    message = file.message_type.add(name=name)
    for field in fields:
        kind, label = (getattr(descriptor_pb2.FieldDescriptorProto, text) for text in _TYPES[field.form])
        added = message.field.add(name=field.key, number=field.number, type=kind, label=label)
        if field.form == "message":
            added.type_name = f".payloads.{name}_{field.key}"
            _declare(file, f"{name}_{field.key}", field.fields)


def protobuf(kind: Kind, given: dict[str, Any]) -> bytes:
    """Return what Google's library writes."""
    message = messages()[kind]()
    for field in FIELDS[kind]:
        if field.form != "message":
            _set(message, field, given)
        elif given[field.fields[0].column] is not None:
            inner = getattr(message, field.key)
            inner.SetInParent()
            for leaf in field.fields:
                _set(inner, leaf, given)
    return bytes(message.SerializeToString(deterministic=True))


def _set(message: Any, field: Field, given: dict[str, Any]) -> None:
    value = given[field.column]
    if field.form in ("doubles", "floats"):
        getattr(message, field.key).extend(value)
    else:
        setattr(message, field.key, value)


def plain(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values as the map that a CBOR payload is."""
    found: dict[str, Any] = {}
    for field in FIELDS[kind]:
        if field.form != "message":
            found[field.key] = _listed(given[field.column])
        elif given[field.fields[0].column] is not None:
            found[field.key] = {leaf.key: _listed(given[leaf.column]) for leaf in field.fields}
    return found


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def bits(value: Any) -> Any:
    """Return a value in which floats are their bits, so that -0.0 is not 0.0 and a NaN is equal to itself."""
    if isinstance(value, float):
        return struct.pack(">d", value)
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    return [bits(item) for item in value] if isinstance(value, list | tuple) else value

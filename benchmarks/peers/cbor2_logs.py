"""Peer: a loop over the entries of a log with cbor2 (or Google's protobuf), every payload decoded, then Arrow.

And two floors below it: copying all bytes, and reading the 12 bytes before each payload.
"""

import os
import struct
from pathlib import Path
from typing import Any

import cbor2
import pyarrow as pa
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

from kit.auki.segment import segment_paths

FRAMING = struct.Struct("<qI")


def poses(folder: str) -> dict[str, Any]:
    """Decode every pose with cbor2; return the number of rows and a sum over one column."""
    loads = cbor2.loads
    columns: list[list[Any]] = [[] for _ in range(8)]
    appends = [column.append for column in columns]
    for path in segment_paths(Path(folder) / "segments"):
        data = path.read_bytes()
        at = 16
        while at < len(data):
            ts, length = FRAMING.unpack_from(data, at)
            pose = loads(data[at + 12 : at + 12 + length])
            at += 12 + length
            t, q = pose["translation"], pose["orientation"]
            for append, value in zip(
                appends, (ts, t["x"], t["y"], t["z"], q["x"], q["y"], q["z"], q["w"]), strict=True
            ):
                append(value)
    return _told(columns)


def protobuf_poses(folder: str) -> dict[str, Any]:
    """Decode every pose with Google's protobuf; return the number of rows and a sum over one column."""
    parse = _message().FromString
    columns: list[list[Any]] = [[] for _ in range(8)]
    appends = [column.append for column in columns]
    for path in segment_paths(Path(folder) / "segments"):
        data = path.read_bytes()
        at = 16
        while at < len(data):
            ts, length = FRAMING.unpack_from(data, at)
            pose = parse(data[at + 12 : at + 12 + length])
            at += 12 + length
            t, q = pose.translation, pose.orientation
            for append, value in zip(appends, (ts, t.x, t.y, t.z, q.x, q.y, q.z, q.w), strict=True):
                append(value)
    return _told(columns)


def images(folder: str) -> dict[str, Any]:
    """Decode every image with cbor2; return the number of entries and the bytes of their payloads."""
    entries, size = 0, 0
    for path in segment_paths(Path(folder) / "segments"):
        with path.open("rb") as file:
            file.read(16)
            while framing := file.read(12):
                _, length = FRAMING.unpack(framing)
                cbor2.loads(file.read(length))
                entries += 1
                size += length
    return {"entries": entries, "bytes": size}


Places = list[tuple[Path, list[int]]]


def places(folder: str) -> Places:
    """Return the segments of a log, each with where its entries begin."""
    found = []
    for path in segment_paths(Path(folder) / "segments"):
        with path.open("rb") as file:
            at, begins, size = 16, [], path.stat().st_size
            while at < size:
                begins.append(at)
                file.seek(at)
                at += 12 + FRAMING.unpack(file.read(12))[1]
        found.append((path, begins))
    return found


def framings(found: Places) -> dict[str, Any]:
    """Read 12 bytes at each place and nothing more: what the reads alone take, if one knew where to read."""
    pread, entries, size = os.pread, 0, 0
    for path, begins in found:
        descriptor = os.open(path, os.O_RDONLY)
        held = [pread(descriptor, 12, at) for at in begins]
        size += os.fstat(descriptor).st_size - 16 - 12 * len(held)
        entries += len(held)
        os.close(descriptor)
    return {"entries": entries, "bytes": size}


def bandwidth(found: Places) -> dict[str, Any]:
    """Copy every byte of the segments out of the page cache, in blocks that stay in the processor's cache."""
    block = memoryview(bytearray(128 << 10))
    entries, size = 0, 0
    for path, begins in found:
        with path.open("rb", buffering=0) as file:
            while got := file.readinto(block):
                size += got
        entries += len(begins)
        size -= 16 + 12 * len(begins)
    return {"entries": entries, "bytes": size}


def _told(columns: list[list[Any]]) -> dict[str, Any]:
    table = pa.table({name: pa.array(column) for name, column in zip("abcdefgh", columns, strict=True)})
    return {"rows": table.num_rows, "tx": round(float(table["b"].to_numpy().sum()), 6)}


def _message() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="pose.proto", syntax="proto3")
    field = descriptor_pb2.FieldDescriptorProto
    for name, parts in (("Vec", "xyz"), ("Quat", "xyzw")):
        message = file.message_type.add(name=name)
        for number, part in enumerate(parts, 1):
            message.field.add(name=part, number=number, type=field.TYPE_DOUBLE, label=field.LABEL_OPTIONAL)
    pose = file.message_type.add(name="Pose")
    for number, (name, kind) in enumerate((("translation", ".Vec"), ("orientation", ".Quat")), 1):
        pose.field.add(name=name, number=number, type=field.TYPE_MESSAGE, label=field.LABEL_OPTIONAL, type_name=kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("Pose"))

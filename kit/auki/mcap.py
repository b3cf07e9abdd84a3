"""Recordings as MCAP files, one channel a log, and back (extra `robotics`).

MCAP (https://mcap.dev) is what Foxglove and others read. A channel has the log's id as its topic and its manifest as
metadata; messages are the payloads as they are, at the times of the log's clock. Protobuf payloads have a schema with
their channel, so that other tools decode them. Everything else of a recording travels as attachments: manifests, registry
entries, catalogs, segments that cannot be read, and the bytes of entries that were cut. So what comes back is the
recording, file by file and byte by byte.
"""

import json
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from kit.auki import manifest, segment
from kit.auki.documents import read_safely
from kit.auki.mcap_records import Writer
from kit.auki.payload import sniff
from kit.auki.payload_fields import FIELDS, Field, Form, Kind
from kit.auki.recording import Log, scan
from kit.auki.restore import LOG, MANIFEST, TAIL, Left, payloads, restore, unsigned
from kit.errors import ArgumentError, LogError, SegmentError, SourceError

PROFILE = "auki"
LIBRARY = "namespace-kit"
PROTO: dict[Form, tuple[int, bool]] = {
    "double": (FieldDescriptorProto.TYPE_DOUBLE, False),
    "float": (FieldDescriptorProto.TYPE_FLOAT, False),
    "int64": (FieldDescriptorProto.TYPE_INT64, False),
    "uint32": (FieldDescriptorProto.TYPE_UINT32, False),
    "bytes": (FieldDescriptorProto.TYPE_BYTES, False),
    "text": (FieldDescriptorProto.TYPE_STRING, False),
    "doubles": (FieldDescriptorProto.TYPE_DOUBLE, True),
    "floats": (FieldDescriptorProto.TYPE_FLOAT, True),
}
"""The protobuf type of a form of field, and whether it is repeated."""


def pack(folder: Path | str, path: Path | str) -> Path:
    """Write the recording under `folder` to an MCAP file and return its path.

    Every whole entry of every segment is a message, in the order of the log, with its number as sequence. Raises
    ArgumentError where the file is there already, SourceNotFoundError where the folder is none, LogError where no log is
    under it.
    """
    source, target = Path(folder), Path(path)
    if target.exists():
        raise ArgumentError(f"{target}: exists already; give another name")
    recording = scan(source)
    if not recording.logs:
        raise LogError(f"{source}: no log is under this folder")
    try:
        with target.open("xb") as file:
            writer = Writer(file)
            writer.start(PROFILE, LIBRARY)
            for document in recording.documents:
                for beside in _files(document.path):
                    _attach(writer, beside.relative_to(source).as_posix(), beside.read_bytes())
            for log in recording.logs:
                _write_log(writer, log, log.folder.relative_to(source).as_posix())
            writer.finish()
    except BaseException:
        target.unlink(missing_ok=True)
        raise
    return target


def unpack(path: Path | str, folder: Path | str) -> Path:
    """Write the recording of an MCAP file that `pack` made below a new folder, as it was, and return the folder.

    Raises ArgumentError where the folder holds something, and SourceError for a file that is no MCAP, or is damaged, or has
    channels that are no logs, which it names; what could be had is in the folder then.
    """
    source, target = Path(path), Path(folder)
    if target.exists() and any(target.iterdir()):
        raise ArgumentError(f"{target}: is not empty; give a new folder")
    left = restore(source, target)
    if left:
        more = f"; and {len(left) - 1:,} more" if len(left) > 1 else ""
        raise SourceError(f"{source}: {left[0].detail} (byte {left[0].byte_offset:,}){more}. The rest is in {target}")
    return target


def _files(document: Path) -> Iterator[Path]:
    """Yield the file of a document; of a manifest both names, where both are there."""
    if document.name not in manifest.NAMES:
        yield document
        return
    for name in manifest.NAMES:
        if (path := document.with_name(name)).is_file():
            yield path


def _attach(writer: Writer, name: str, data: bytes) -> None:
    kind = "application/json" if name.endswith(".json") else "application/octet-stream"
    writer.add_attachment(0, 0, name, kind, data)


def _write_log(writer: Writer, log: Log, place: str) -> None:
    body = manifest.find(log.folder)
    assert body is not None  # noqa: S101  a log that was found has one
    whole = [(path, index) for path in log.segments if (index := _index(writer, path, place)) is not None]
    told = {
        MANIFEST: read_safely(body)[0].decode("utf-8", "replace"),
        LOG: json.dumps({"path": place, "segments": [_told(path, len(index)) for path, index in whole]}),
    }
    channels: dict[str, int] = {}
    number = 0
    for path, index in whole:
        # The entries that were indexed: what was appended since then is left for the next file.
        for ts_ns, payload in islice(_entries(path), len(index)):
            codec = sniff(payload)
            if codec not in channels:
                channels[codec] = _channel(writer, log, codec, told)
            time = unsigned(ts_ns)
            writer.add_message(channels[codec], time, payload, time, number & 0xFFFF_FFFF)
            number += 1
        if index.cut_bytes:
            tail = segment.read_payload(path, index.end, index.cut_bytes)
            _attach(writer, f"{place}/segments/{path.name}{TAIL}", tail)
    if not channels:
        _channel(writer, log, "pb", told)


def _index(writer: Writer, path: Path, place: str) -> segment.Index | None:
    """Return where the entries of a segment are; one that cannot be read is attached as it is."""
    try:
        return segment.index(path)
    except SegmentError:
        _attach(writer, f"{place}/segments/{path.name}", path.read_bytes())
        return None


def _told(path: Path, entries: int) -> list[str | int]:
    """Return name and entries of a segment, and its header where that is not the one its name says."""
    with path.open("rb") as file:
        header = file.read(segment.HEADER.size)
    usual = segment.header(segment.start_ns(path)) if abs(segment.start_ns(path)) < 1 << 63 else b""
    return [path.name, entries, *([] if header == usual else [header.hex()])]


def _channel(writer: Writer, log: Log, codec: str, told: dict[str, str]) -> int:
    schema = 0
    if codec == "pb" and log.kind is not None:
        schema = writer.register_schema(f"auki.{log.kind}", "protobuf", descriptor(log.kind))
    return int(writer.register_channel(log.log_id, "protobuf" if codec == "pb" else "cbor", schema, told))


def _entries(path: Path) -> Iterator[tuple[int, bytes]]:
    for block in segment.blocks(path):
        for ts, start, length in zip(block.ts_ns.tolist(), block.start.tolist(), block.length.tolist(), strict=True):
            yield ts, block.data[start : start + length]


def descriptor(kind: Kind) -> bytes:
    """Return the schema of a kind of payload, a serialised FileDescriptorSet, as MCAP wants it."""
    file = FileDescriptorProto(name=f"auki/{kind}.proto", package="auki", syntax="proto3")
    _message(file, kind, FIELDS[kind])
    return bytes(FileDescriptorSet(file=[file]).SerializeToString())


def _message(file: FileDescriptorProto, name: str, fields: tuple[Field, ...]) -> None:
    made = file.message_type.add(name=name)
    for field in fields:
        if field.form == "message":
            inner = f"{name}_{field.key}"
            _message(file, inner, field.fields)
            made.field.add(
                name=field.key, number=field.number, type=FieldDescriptorProto.TYPE_MESSAGE,
                type_name=f".auki.{inner}", label=FieldDescriptorProto.LABEL_OPTIONAL,
            )  # fmt: skip
            continue
        kind, repeated = PROTO[field.form]
        label = FieldDescriptorProto.LABEL_REPEATED if repeated else FieldDescriptorProto.LABEL_OPTIONAL
        made.field.add(name=field.key, number=field.number, type=kind, label=label)


__all__ = ["Left", "descriptor", "pack", "payloads", "restore", "unpack"]

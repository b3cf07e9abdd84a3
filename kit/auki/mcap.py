"""Recordings as MCAP files, one channel a log, and back (extra `robotics`).

MCAP (https://mcap.dev) is what Foxglove and others read. A channel has the log's id as its topic and its manifest as
metadata; messages are the payloads as they are, at the times of the log's clock. Protobuf payloads have a schema with
their channel, so that other tools decode them. Registry entries and catalogs travel as attachments.
"""

from collections.abc import Iterator
from pathlib import Path

from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet

from kit.auki import manifest, segment
from kit.auki.documents import read_safely
from kit.auki.payload import sniff
from kit.auki.payload_fields import FIELDS, Field, Form, Kind
from kit.auki.recording import Log, scan
from kit.auki.writer import LogWriter
from kit.errors import ArgumentError, LogError, MissingExtraError, SourceError

try:
    from mcap.exceptions import McapError
    from mcap.reader import make_reader
    from mcap.writer import Writer
except ImportError as error:  # pragma: no cover
    raise MissingExtraError("MCAP needs the extra robotics: pip install 'namespace-kit[robotics]'") from error

PROFILE = "auki"
LIBRARY = "namespace-kit"
MANIFEST = "auki.manifest"
"""Metadata of a channel: the manifest of its log, as JSON."""
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

    Every whole entry of every segment is a message, in the order of the log; a cut tail is left out. Raises
    ArgumentError where the file is there already, SourceNotFoundError where the folder is none, LogError where no log is
    under it.
    """
    source, target = Path(folder), Path(path)
    if target.exists():
        raise ArgumentError(f"{target}: exists already; give another name")
    recording = scan(source)
    if not recording.logs:
        raise LogError(f"{source}: no log is under this folder")
    with target.open("wb") as file:
        writer = Writer(file)
        writer.start(PROFILE, LIBRARY)
        for log in recording.logs:
            _write_log(writer, log)
        for document in recording.documents:
            if document.table != "logs":
                data, _ = read_safely(document.path)
                name = document.path.relative_to(source).as_posix()
                writer.add_attachment(0, 0, name, "application/json", data)
        writer.finish()
    return target


def unpack(path: Path | str, folder: Path | str) -> Path:
    """Write the logs of an MCAP file that `pack` made below a new folder, which `study.load` takes, and return it.

    Payloads and times are those of the file. Segments are as long as the manifests say. Raises SourceError for a file that is
    no MCAP or is cut, and for channels without a manifest, which it names: those are other people's messages.
    """
    source, target = Path(path), Path(folder)
    if target.exists() and any(target.iterdir()):
        raise ArgumentError(f"{target}: is not empty; give a new folder")
    try:
        with source.open("rb") as file:
            reader = make_reader(file)
            for attachment in reader.iter_attachments():
                _write_document(target, attachment.name, attachment.data)
            foreign = _write_messages(reader.iter_messages(log_time_order=False), target)
    except (McapError, OSError) as error:
        raise SourceError(f"{source}: cannot be read as MCAP ({error})") from error
    if foreign:
        raise SourceError(
            f"{source}: {', '.join(map(repr, sorted(foreign)))} are no sensor logs of this kind (channels without "
            f"{MANIFEST}); the others are in {target}"
        )
    return target


def _write_log(writer: Writer, log: Log) -> None:
    body = manifest.find(log.folder)
    assert body is not None  # noqa: S101  a log that was found has one
    data, _ = read_safely(body)
    entries = (entry for path in log.segments for entry in _entries(path))
    channels: dict[str, int] = {}
    for number, (ts_ns, payload) in enumerate(entries):
        codec = sniff(payload)
        if codec not in channels:
            schema = 0
            if codec == "pb" and log.kind is not None:
                schema = writer.register_schema(f"auki.{log.kind}", "protobuf", descriptor(log.kind))
            encoding = "protobuf" if codec == "pb" else "cbor"
            channels[codec] = writer.register_channel(log.log_id, encoding, schema, {MANIFEST: data.decode()})
        writer.add_message(channels[codec], ts_ns, payload, ts_ns, number & 0xFFFFFFFF)


def _entries(path: Path) -> Iterator[tuple[int, bytes]]:
    for block in segment.blocks(path):
        for ts, start, length in zip(block.ts_ns.tolist(), block.start.tolist(), block.length.tolist(), strict=True):
            yield ts, block.data[start : start + length]


def _write_messages(messages: Iterator[tuple[object, object, object]], target: Path) -> set[str]:
    """Append each message to its log; return the topics that are none."""
    foreign: set[str] = set()
    writers: dict[str, LogWriter] = {}
    retention: dict[str, int] = {}
    try:
        for _, channel, message in messages:
            topic, told = channel.topic, channel.metadata.get(MANIFEST)  # type: ignore[attr-defined]
            if told is None:
                foreign.add(topic)
                continue
            if topic not in writers:
                read = manifest.parse(told.encode(), topic)
                place = target / "logs" / str(len(writers))
                # While it is written nothing is to be deleted; what the manifest says comes back at the end.
                writers[topic] = LogWriter(place, {**read.body, "retention_ns": 0})
                retention[topic] = read.retention_ns
            writers[topic].append(message.log_time, message.data)  # type: ignore[attr-defined]
    finally:
        for topic, writer in writers.items():
            writer.set_retention(retention[topic])
            writer.close()
    return foreign


def _write_document(target: Path, name: str, data: bytes) -> None:
    """Write an attachment below `target`; a name that leads elsewhere is refused."""
    parts = Path(name).parts
    if not parts or Path(name).is_absolute() or ".." in parts:
        raise SourceError(f"attachment {name!r} leads out of the folder; it was not written")
    place = target.joinpath(*parts)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_bytes(data)


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

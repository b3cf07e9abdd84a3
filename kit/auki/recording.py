"""`scan`: what a folder of logs holds, without reading any entry."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from kit.auki import documents, jcs, manifest
from kit.auki.discovery import SEGMENTS, discover, session_of
from kit.auki.documents import Document
from kit.auki.manifest import Manifest, Ref
from kit.auki.payload_fields import Kind
from kit.auki.registry import RegistryEntry, Section
from kit.auki.segment import segment_paths
from kit.errors import LogError, SourceNotFoundError
from kit.schema import arrow

SENSOR_KINDS: dict[str, Kind] = {
    "camera": "camera",
    "rangefinder": "point_cloud",
    "rf": "point_cloud",
    "audio": "audio",
    "joint_encoders": "joints",
}
"""What the entries of a sensor log hold, by the kind of its sensor."""
VARIANT_KINDS: dict[str, Kind] = {
    "pose_log": "pose",
    "time_transform_log": "time_transform",
    "detection_log": "detection",
}


class Problem(NamedTuple):
    """Something a scan found wrong that is not in a table: a file and a sentence."""

    path: Path
    detail: str


@dataclass(frozen=True)
class Log:
    """A log: where it is, what its manifest says, and the segments it had when it was found."""

    folder: Path
    manifest: Manifest
    session_id: str
    kind: Kind | None
    """What its entries hold; None where its sensor is not registered or of a kind without payloads."""
    sensor: Mapping[str, Any]
    """The registered body of its sensor, empty where there is none."""
    segments: tuple[Path, ...]

    @property
    def resource_id(self) -> str:
        """The id of the resource, rebuilt from the manifest."""
        return self.manifest.resource_id

    @property
    def log_id(self) -> str:
        """`peer/session/resource_id`; parts that the log does not tell are empty."""
        return f"{self.manifest.text('source_peer_id')}/{self.session_id}/{self.resource_id}"

    @property
    def clock(self) -> Ref | None:
        """The clock its timestamps are on."""
        return self.manifest.clock


@dataclass(frozen=True)
class Recording:
    """A folder of logs: the logs, the small JSON files around them, and what is wrong."""

    folder: Path
    logs: tuple[Log, ...]
    documents: tuple[Document, ...]
    """Manifests, registry entries and catalogs, each with its rows: tables logs, clocks, frames, sensors, detectors, resources."""
    registry: tuple[RegistryEntry, ...]
    problems: tuple[Problem, ...]

    def log(self, resource_id: str) -> Log:
        """Return the log of a resource (or log id). Raises LogError, naming the logs there are, where it is not one."""
        found = [log for log in self.logs if resource_id in (log.resource_id, log.log_id)]
        if len(found) != 1:
            names = ", ".join(repr(log.log_id) for log in found or self.logs)
            raise LogError(
                f"{len(found) or 'no'} logs {resource_id!r} under {self.folder}: there are {names or 'none'}"
            )
        return found[0]

    def entry(self, section: Section, ref: Ref | None) -> RegistryEntry | None:
        """Return the registry entry that a reference means, or None where it is not there."""
        return _Registry(list(self.registry)).find(section, ref)

    def rows(self, table: str, run: str = "capture") -> Iterator[pa.RecordBatch]:
        """Yield the rows of the documents of one table; their `source_id` counts the documents, from 1."""
        for source_id, document in enumerate(self.documents, 1):
            if document.table == table and document.rows:
                yield document.batch(run, source_id)


@dataclass
class _Registry:
    """Registry entries by what a reference names."""

    entries: list[RegistryEntry] = field(default_factory=list)

    def find(self, section: Section, ref: Ref | None) -> RegistryEntry | None:
        if ref is None:
            return None
        for entry in self.entries:
            same = entry.section == section and entry.id == ref.id
            if same and ref.hash in ("", entry.hash) and ref.peer_id in ("", entry.peer_id):
                return entry
        return None


def scan(folder: Path | str, *, kinds: Mapping[str, Kind] | None = None) -> Recording:
    """Return the logs under a folder, which may be one log, an app root, or a folder of many, in order of their paths.

    Damage is told, not raised: a log without a usable manifest is a problem, a bad registry file a refused document.
    `kinds` says what a log holds, by sensor id, where its sensor is not registered. Raises SourceNotFoundError where the
    folder is none.
    """
    root = Path(folder)
    if not root.is_dir():
        raise SourceNotFoundError(f"{str(folder)!r} is no folder: give the folder of a log or one that has logs in it")
    found = discover(root)
    registries = [documents.registered(section, path) for section, path in found.registries]
    entries = [entry for _, entry in registries if entry is not None]
    held = [document for document, _ in registries] + [documents.catalog(path) for path in found.catalogs]
    problems = [Problem(document.path, note) for document in held for note in document.notes]
    hints = _catalog_kinds(held) | dict(kinds or {})
    logs = []
    for path in found.logs:
        document, log = _log(root, path, _Registry(entries), hints)
        held.append(document)
        problems += [Problem(path, row["detail"]) for row in document.refused]
        if log is not None:
            problems += [Problem(path, note) for note in document.notes]
            logs.append(log)
    return Recording(root, tuple(logs), tuple(held), tuple(entries), (*problems, *_twice(logs)))


def _log(root: Path, path: Path, entries: _Registry, hints: Mapping[str, Kind]) -> tuple[Document, Log | None]:
    """Return the manifest of a log as a row, and the log; a manifest that cannot be used is refused."""
    where = manifest.find(path)
    assert where is not None  # noqa: S101  `discover` found one
    document = Document(where, "logs")
    data, problem = documents.read_safely(where)
    try:
        read = manifest.parse(data, where) if problem is None else None
    except LogError as error:
        read, problem = None, str(error)
    if read is None:
        document.refused.append(documents.refusal(data, "bad_manifest", (problem or "").removeprefix(f"{where}: ")))
        return document, None
    other = path / manifest.NAMES[1]
    if where.name == manifest.NAMES[0] and other.is_file() and documents.read_safely(other)[0] != data:
        document.notes.append(f"{other.name} differs from {where.name}, which counts")
    sensor = entries.find("sensors", read.ref("input_sensor" if read.variant == "detection_log" else "sensor"))
    body = {} if sensor is None else sensor.body
    session = read.text("session_id") or session_of(path)
    log = Log(path, read, session, _kind(read, body, hints), body, tuple(segment_paths(path / SEGMENTS)))
    document.notes += read.problems()
    document.rows.append(_row(root, log) | {"raw": data.decode(json.detect_encoding(data))})
    return document, log


def _kind(read: Manifest, sensor: Mapping[str, Any], hints: Mapping[str, Kind]) -> Kind | None:
    if read.variant != "sensor_log":
        return VARIANT_KINDS[read.variant]
    ref = read.ref("sensor")
    told = hints.get(ref.id) if ref is not None else None
    return told or SENSOR_KINDS.get(str(sensor.get("kind")))


def _catalog_kinds(held: list[Document]) -> dict[str, Kind]:
    """Return what sensors hold by the rows of catalogs, for logs whose sensor is not registered."""
    found: dict[str, Kind] = {}
    for document in held:
        for row in document.rows if document.table == "resources" else []:
            sensor = jcs.parse(row["sensor"].encode(), document.path) if row["sensor"] else {}
            if isinstance(sensor, dict) and (kind := SENSOR_KINDS.get(str(sensor.get("kind")))):
                found[str(sensor.get("sensor_id"))] = kind
    return found


def _row(root: Path, log: Log) -> dict[str, Any]:
    """Return the row of a log in the table `logs`, without its source."""
    read = log.manifest
    clock, sensor, frame = read.clock, read.ref("sensor") or read.ref("input_sensor"), read.ref("frame")
    begin = read.ref("from_clock") or read.ref("from_frame")
    end = read.ref("to_clock") or read.ref("to_frame")
    row: dict[str, Any] = dict.fromkeys(arrow("logs").names)
    row |= {name: read.text(name) or None for name in ("source_peer_id", "writer_peer_id", "app_id")}
    for prefix, ref in (("clock", clock), ("from", begin), ("to", end)):
        row |= {
            f"{prefix}_{part}": value for part, value in zip(("peer_id", "id", "hash"), ref or (None,) * 3, strict=True)
        }
    return row | {
        "line": 1,
        "log_id": log.log_id,
        "path": log.folder.relative_to(root).as_posix(),
        "variant": read.variant,
        "kind": log.kind,
        "session_id": log.session_id,
        "resource_id": log.resource_id,
        "sensor_id": sensor and sensor.id,
        "frame_id": frame and frame.id,
        "writer_mode": read.writer_mode,
        "segment_duration_ns": min(read.segment_duration_ns, (1 << 63) - 1),
        "retention_ns": min(read.retention_ns, (1 << 63) - 1),
        "segments": len(log.segments),
        "flags": ["old_manifest"] if read.problems() else [],
        "manifest": jcs.canonical(dict(read.body)).decode(),
    }


def _twice(logs: list[Log]) -> Iterator[Problem]:
    """Yield the logs that have the id of an earlier one: copies, as of a materialized log."""
    first: dict[str, Log] = {}
    for log in logs:
        earlier = first.setdefault(log.log_id, log)
        if earlier is not log:
            yield Problem(log.folder, f"a second log {log.log_id!r}, the first is {earlier.folder}: load one of them")

"""A log on disk as something a peer lists and streams, and its replay in virtual time (spec/auki.md 6.3 and 7.7)."""

from collections import deque
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from kit.auki import manifest, payload, registry
from kit.auki.catalog import SENSOR_STREAMS
from kit.auki.decision import StreamItem
from kit.auki.discovery import SEGMENTS
from kit.auki.payload_fields import Kind
from kit.auki.request import ReadFrom
from kit.auki.resource import ResourceEntry
from kit.auki.sample import StreamKind, sample_of
from kit.auki.segment import HEADER, Block, blocks, index, segment_paths, start_ns
from kit.auki.stream_manifest import StreamManifest
from kit.auki.writer import LogWriter
from kit.errors import LogError
from kit.kernel import Kernel

PAYLOADS: dict[StreamKind, Kind] = {
    "camera": "camera",
    "pointcloud": "point_cloud",
    "joint_encoders": "joints",
    "audio": "audio",
    "pose": "pose",
    "detection": "detection",
    "time_transform": "time_transform",
}
VARIANT_STREAMS: dict[str, StreamKind] = {
    "pose_log": "pose",
    "detection_log": "detection",
    "time_transform_log": "time_transform",
}


class ServedLog:
    """A log that a peer serves: its catalog row as it stands on the disk now, and streams of its entries.

    What a sensor log carries is in the registry above it; where there is none, `sensor` gives the sensor's body,
    `{"kind": "camera", "type": "rgb"}`. A sealed log ends its streams with `source_ended`; a rigid pose log is sealed
    unless said otherwise. Raises `LogError` where the manifest or the sensor cannot be read.
    """

    def __init__(self, folder: Path, *, sealed: bool | None = None, sensor: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.log = manifest.read(folder)
        self.sealed = self.log.writer_mode == "rigid" if sealed is None else sealed
        self._sensor = self._sensor_block(sensor) if self.log.variant == "sensor_log" else None
        self.kind: StreamKind = self._kind()
        self.manifest = self._stream_manifest()

    @property
    def resource_id(self) -> str:
        """The id of its row."""
        return self.log.resource_id

    @property
    def source_peer_id(self) -> str:
        """The peer its data comes from."""
        return self.log.text("source_peer_id")

    def open(self, start: ReadFrom) -> "LogFeed":
        """A feed of its entries from `start` on."""
        return LogFeed(self.folder, self.kind, start, sealed=self.sealed)

    def row(self) -> ResourceEntry:
        """The catalog row: `available.bytes` are those of the segment files, the times those of the entries."""
        indices = [index(path) for path in segment_paths(self.folder / SEGMENTS)]
        times = [part.ts_ns for part in indices if len(part)]
        first = min((int(ts.min()) for ts in times), default=0)
        last = max((int(ts.max()) for ts in times), default=first)
        row: dict[str, Any] = {
            "variant": self.log.variant,
            "source_peer_id": self.source_peer_id,
            "writer_peer_id": self.log.text("writer_peer_id"),
            "resource_id": self.resource_id,
            "state": "sealed" if self.sealed else "live",
            "available": {
                "bytes": sum(part.size for part in indices),
                "entries": sum(map(len, indices)),
                "duration_ns": last - first,
            },
            "sensor": self._sensor,
            "manifest": self._row_manifest(),
        }
        if self.log.variant == "pose_log":
            row["pose"] = {"writer_mode": self.log.writer_mode}
        if self.sealed:
            row["extent"] = {"start_at_ns": first, "finish_at_ns": last}
        elif self.log.retention_ns:
            row["head"] = {"kind": "rolling", "retention_ns": self.log.retention_ns}
        else:
            row["head"] = {"kind": "fixed", "started_at_ns": first}
        return ResourceEntry.from_dict(row)

    def _row_manifest(self) -> dict[str, Any]:
        names = ("clock", "frame", "from_frame", "to_frame", "from_clock", "to_clock", "detector", "input_sensor")
        refs = {name: ref._asdict() for name in names if (ref := self.log.ref(name)) is not None}
        body = self.log.body
        rest = {key: body[key] for key in ("source", "input_log", "instance_id", "cadence") if key in body}
        if self.log.variant == "pose_log":
            rest = {"source": {"kind": "manual"}, "expected_rate_hz": body.get("expected_rate_hz", 0)} | rest
        if self.log.variant == "time_transform_log":
            rest.setdefault("source", {"kind": "local_clock_read"})
        if self.log.variant == "detection_log" and "input_log" not in rest:
            rest["input_log"] = {"source_peer_id": self.source_peer_id, "resource_id": self.log.text("input_log_id")}
        return refs | rest

    def _sensor_block(self, given: dict[str, str] | None) -> dict[str, str]:
        ref = self.log.ref("sensor")
        peer_id, id, hash = ref or ("", "", "")
        body: Any = given
        if body is None:
            root = next((above for above in self.folder.absolute().parents if (above / "registries").is_dir()), None)
            if root is None:
                raise LogError(
                    f"{self.folder}: no registry above it says what sensor {id!r} is; give sensor={{'kind': ..}}"
                )
            body = registry.read(root, "sensors", peer_id, id, hash).body
        return {"kind": body["kind"], "type": str(body.get("type", "")), "sensor_id": id, "sensor_hash": hash}

    def _kind(self) -> StreamKind:
        if self._sensor is None:
            return VARIANT_STREAMS[self.log.variant]
        if self._sensor["kind"] not in SENSOR_STREAMS:
            raise LogError(
                f"{self.folder}: sensor kind {self._sensor['kind']!r} is none of {', '.join(SENSOR_STREAMS)}"
            )
        return SENSOR_STREAMS[self._sensor["kind"]]

    def _stream_manifest(self) -> StreamManifest:
        def parts(*names: str) -> dict[str, str]:
            found = {name: self.log.ref(name) for name in names}
            ids = {f"{name}_id": ref.id for name, ref in found.items() if ref is not None}
            return ids | {f"{name}_hash": ref.hash for name, ref in found.items() if ref is not None}

        if self.kind == "pose":
            return StreamManifest.pose_stream(
                **parts("from_frame", "to_frame", "clock"),
                resource_id=self.resource_id,
                writer_mode=self.log.writer_mode or "movable",
                expected_rate_hz=int(self.log.body.get("expected_rate_hz", 0)),
            )
        clock = self.log.clock
        fields: dict[str, Any] = parts("sensor", "frame")
        if clock is not None:
            fields |= {"clock_id": clock.id, "clock_hash": clock.hash}
        return StreamManifest(**fields, resource_id=self.resource_id, payload=PAYLOADS[self.kind])


class LogFeed:
    """Entries of a log in stored order, from a position on, as long as they come.

    The end of the log is noted when the feed is opened, and reading never goes back, so that nothing is lost or
    repeated where history passes into new entries. A segment that was evicted is passed over.
    """

    def __init__(self, folder: Path, kind: StreamKind, start: ReadFrom, *, sealed: bool = False) -> None:
        self._segments = folder / SEGMENTS
        self._kind = kind
        self._sealed = sealed
        self._ready: deque[StreamItem] = deque()
        paths = segment_paths(self._segments)
        newest = paths[-1] if paths else None
        self._end = (start_ns(newest), _end(newest)) if newest is not None else (-1, HEADER.size)
        self._not_before = start.timestamp_ns
        self._start, self._at = self._end if start.kind == "latest" else (-1, HEADER.size)
        self._path = newest if start.kind == "latest" else None

    def poll(self) -> StreamItem | None:
        """The next entry, or None while there is none; `StopIteration` at the end of a sealed log.

        Raises `LogError` for a segment or payload that cannot be read.
        """
        while not self._ready:
            if not (self._read() or self._move_on()):
                if self._sealed:
                    raise StopIteration
                return None
        return self._ready.popleft()

    def close(self) -> None:
        """Nothing is held open between two calls."""
        self._ready.clear()

    def _read(self) -> bool:
        """Takes the next block of the current segment; False at its end, or where it is gone."""
        if self._path is None:
            return False
        try:
            if self._path.stat().st_size <= self._at:
                return False  # nothing new; perhaps not even its header
            block = next(blocks(self._path, begin=self._at), None)
        except FileNotFoundError:
            return False  # evicted
        if block is None:
            return False
        self._take(block)
        self._at = int(block.offset[-1] + block.length[-1])
        return True

    def _take(self, block: Block) -> None:
        for ts, offset, at, length in zip(
            block.ts_ns.tolist(), block.offset.tolist(), block.start.tolist(), block.length.tolist(), strict=True
        ):
            is_history = (self._start, offset) < self._end
            if self._not_before is not None and is_history and ts < self._not_before:
                continue
            for values in payload.decode(PAYLOADS[self._kind], block.data[at : at + length]):
                self._ready.append(StreamItem(timestamp_ns=ts, payload=sample_of(self._kind, values)))

    def _move_on(self) -> bool:
        """Goes to the next segment there is; what was written to the current one before that was begun comes first."""
        following = [path for path in segment_paths(self._segments) if start_ns(path) > self._start]
        if not following:
            return False
        if self._read():
            return True
        self._path, self._start, self._at = following[0], start_ns(following[0]), HEADER.size
        return True


def _end(path: Path) -> int:
    """Where the next entry of a segment will begin; one that is being created has nothing yet."""
    return index(path).end if path.stat().st_size >= HEADER.size else HEADER.size


def replay(kernel: Kernel, source: Path, target: Path, speed: float) -> Generator[int, None, int]:
    """A process that appends the entries of one log to another as time passes; it returns how many.

    The first entry comes at once, the others after the distance of their times over `speed`, in stored order.
    """
    return _replay(kernel, source, LogWriter(target, manifest.read(source).body), speed)


def _replay(kernel: Kernel, source: Path, writer: LogWriter, speed: float) -> Generator[int, None, int]:
    begin, first, count = kernel.now, None, 0
    with writer:
        for ts, data in _entries(source):
            first = ts if first is None else first
            due = begin + round((ts - first) / speed)
            yield max(0, due - kernel.now)
            writer.append(ts, data)
            count += 1
    return count


def _entries(folder: Path) -> Iterator[tuple[int, bytes]]:
    for path in segment_paths(folder / SEGMENTS):
        for block in blocks(path):
            columns = (block.ts_ns.tolist(), block.start.tolist(), block.length.tolist())
            for ts, at, length in zip(*columns, strict=True):
                yield ts, block.data[at : at + length]

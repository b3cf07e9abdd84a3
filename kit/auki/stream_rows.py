"""Entries of a stream as rows of the tables that logs have."""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from kit.auki.producer import StreamEntry
from kit.auki.sample import (
    AudioFrame,
    CameraFrame,
    DetectionFrame,
    JointEncodersFrame,
    PointCloudFrame,
    SpatialTransformFrame,
    TimeTransformFrame,
)
from kit.auki.stream_manifest import StreamManifest
from kit.errors import ArgumentError

if TYPE_CHECKING:
    import pyarrow as pa

POSE = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")


def stream_rows(
    manifest: StreamManifest, entries: Iterable[StreamEntry], *, run: str = "live", peer: str = ""
) -> "tuple[str, pa.Table]":
    """Return the table that the entries of a stream belong to, and their rows, for `study.append(table, rows)`.

    Rows have the log id `peer//resource_id` and the numbers and times of the stream. Images, sound and points are not
    kept, only how much there was of them: a row says where in a file they stand, and a stream has none. Raises ArgumentError for no
    entries, or for entries of several kinds.
    """
    import pyarrow as pa  # here, so that a cluster runs without it

    from kit.schema import arrow

    held = list(entries)
    kinds = {type(entry.payload) for entry in held}
    if len(kinds) != 1:
        raise ArgumentError(f"{len(kinds)} kinds of entries: give at least one, all of one stream")
    table, values = _TABLES[kinds.pop()]
    place = {"run": run, "log_id": f"{peer}//{manifest.resource_id}"}
    rows = [
        {**place, "seq": entry.seq, "ts_ns": entry.timestamp_ns, **values(entry.payload, manifest)} for entry in held
    ]
    return table, pa.Table.from_pylist(rows, schema=arrow(table))


def _pose(sample: SpatialTransformFrame, manifest: StreamManifest) -> dict[str, Any]:
    frames = {"from_frame": manifest.from_frame_id, "to_frame": manifest.to_frame_id}
    return {**dict(zip(POSE, sample.values, strict=True)), **frames, "part": 0}


def _joints(sample: JointEncodersFrame, _: StreamManifest) -> dict[str, Any]:
    return {"angles": list(sample.angles_rad)}


def _camera(sample: CameraFrame, _: StreamManifest) -> dict[str, Any]:
    own = sample.dynamic_intrinsics
    if own is None:
        return {"data_length": len(sample), "distortion": []}
    numbers = {"fx": own.fx, "fy": own.fy, "cx": own.cx, "cy": own.cy}
    return {**numbers, "distortion": list(own.distortion_coefficients), "data_length": len(sample)}


def _bytes(sample: AudioFrame | PointCloudFrame, _: StreamManifest) -> dict[str, Any]:
    return {"data_length": len(sample)}


def _detection(sample: DetectionFrame, _: StreamManifest) -> dict[str, Any]:
    return {"data": sample.data, "sensor_hash": sample.sensor_hash, "type": sample.type}


def _offset(sample: TimeTransformFrame, manifest: StreamManifest) -> dict[str, Any]:
    return {"offset_ns": sample.offset_ns, "uncertainty_ns": sample.uncertainty_ns, "from_clock": manifest.clock_id}


_TABLES: dict[type, tuple[str, Callable[[Any, StreamManifest], dict[str, Any]]]] = {
    SpatialTransformFrame: ("poses", _pose),
    JointEncodersFrame: ("joints", _joints),
    CameraFrame: ("camera_frames", _camera),
    AudioFrame: ("audio", _bytes),
    PointCloudFrame: ("point_clouds", _bytes),
    DetectionFrame: ("detections", _detection),
    TimeTransformFrame: ("clock_offsets", _offset),
}

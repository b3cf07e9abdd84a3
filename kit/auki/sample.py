"""What streams carry: one payload of a camera, a microphone, a joint encoder and so on (spec/auki.md 2.4).

Values: equal when their contents are; `len()` is bytes, joints, or the 7 numbers of a pose.
"""

import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from kit.errors import ArgumentError

StreamKind = Literal["camera", "pointcloud", "joint_encoders", "audio", "pose", "detection", "time_transform"]


def _f32(value: float) -> float:
    (single,) = struct.unpack("<f", struct.pack("<f", value))
    return float(single)


@dataclass(frozen=True, init=False)
class DynamicIntrinsics:
    """Camera intrinsics that change from frame to frame, in pixels."""

    fx: float
    fy: float
    cx: float
    cy: float
    distortion_coefficients: list[float]

    def __init__(
        self, *, fx: float, fy: float, cx: float, cy: float, distortion_coefficients: Iterable[float] = ()
    ) -> None:
        for name, value in (("fx", fx), ("fy", fy), ("cx", cx), ("cy", cy)):
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "distortion_coefficients", [float(value) for value in distortion_coefficients])


@dataclass(frozen=True)
class CameraFrame:
    """An image as bytes, with its intrinsics where they change."""

    frame: bytes
    dynamic_intrinsics: DynamicIntrinsics | None = None

    def __len__(self) -> int:
        return len(self.frame)


@dataclass(frozen=True)
class PointCloudFrame:
    """A point cloud, or another range reading, as bytes; the registry entry of its sensor says how to read them."""

    bytes: bytes

    def __len__(self) -> int:
        return len(self.bytes)


@dataclass(frozen=True, init=False)
class JointEncodersFrame:
    """Joint angles in radians, rounded to 32-bit floats as on the wire."""

    angles_rad: list[float]

    def __init__(self, angles_rad: Iterable[float]) -> None:
        try:
            object.__setattr__(self, "angles_rad", [_f32(value) for value in angles_rad])
        except (struct.error, OverflowError) as error:
            raise ArgumentError(f"angles_rad holds what is no 32-bit float: {error}") from None

    def __len__(self) -> int:
        return len(self.angles_rad)


@dataclass(frozen=True)
class AudioFrame:
    """A chunk of interleaved PCM, or of another coding that the registry entry names."""

    data: bytes

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True, init=False)
class SpatialTransformFrame:
    """A transform as `[tx, ty, tz, qx, qy, qz, qw]`."""

    values: list[float]

    def __init__(self, values: Iterable[float]) -> None:
        made = [float(value) for value in values]
        if len(made) != 7:
            raise ArgumentError(f"values has {len(made)} numbers; a transform is [tx, ty, tz, qx, qy, qz, qw]")
        object.__setattr__(self, "values", made)

    def __len__(self) -> int:
        return 7


@dataclass(frozen=True)
class DetectionFrame:
    """What a detector found, as bytes of its own, with the hash of the sensor and the type of the detection."""

    data: bytes
    sensor_hash: str = ""
    type: str = ""

    def __len__(self) -> int:
        return len(self.data)


@dataclass(frozen=True)
class TimeTransformFrame:
    """A reading of one clock against another, in nanoseconds; a stream of the kit's own."""

    offset_ns: int
    uncertainty_ns: int = 0


Sample = (
    CameraFrame
    | PointCloudFrame
    | JointEncodersFrame
    | AudioFrame
    | SpatialTransformFrame
    | DetectionFrame
    | TimeTransformFrame
)

SAMPLE_TYPES: dict[StreamKind, type[Sample]] = {
    "camera": CameraFrame,
    "pointcloud": PointCloudFrame,
    "joint_encoders": JointEncodersFrame,
    "audio": AudioFrame,
    "pose": SpatialTransformFrame,
    "detection": DetectionFrame,
    "time_transform": TimeTransformFrame,
}


def sample_of(kind: StreamKind, values: Mapping[str, Any]) -> Sample:
    """The sample of a decoded log payload, whose values are named as `kit.auki.payload` names them."""
    if kind == "camera":
        intrinsics = None
        if values["fx"] is not None:
            numbers = {name: values[name] for name in ("fx", "fy", "cx", "cy")}
            intrinsics = DynamicIntrinsics(**numbers, distortion_coefficients=values["distortion"])
        return CameraFrame(values["data"], intrinsics)
    if kind == "joint_encoders":
        return JointEncodersFrame(values["angles"])
    if kind == "pose":
        return SpatialTransformFrame(values[name] for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw"))
    if kind == "detection":
        return DetectionFrame(values["data"], values["sensor_hash"], values["type"])
    if kind == "time_transform":
        return TimeTransformFrame(values["offset_ns"], values["uncertainty_ns"])
    return PointCloudFrame(values["data"]) if kind == "pointcloud" else AudioFrame(values["data"])


def values_of(sample: Sample) -> dict[str, Any]:
    """The values of a sample, named as `kit.auki.payload.encode` takes them; `sample_of` the other way."""
    if isinstance(sample, CameraFrame):
        seen = sample.dynamic_intrinsics
        if seen is None:
            return {"data": sample.frame, "fx": None, "fy": None, "cx": None, "cy": None, "distortion": ()}
        numbers = {"fx": seen.fx, "fy": seen.fy, "cx": seen.cx, "cy": seen.cy}
        return {"data": sample.frame, **numbers, "distortion": seen.distortion_coefficients}
    if isinstance(sample, JointEncodersFrame):
        return {"angles": sample.angles_rad}
    if isinstance(sample, SpatialTransformFrame):
        return dict(zip(("tx", "ty", "tz", "qx", "qy", "qz", "qw"), sample.values, strict=True))
    if isinstance(sample, DetectionFrame):
        return {"data": sample.data, "sensor_hash": sample.sensor_hash, "type": sample.type}
    if isinstance(sample, TimeTransformFrame):
        return {"offset_ns": sample.offset_ns, "uncertainty_ns": sample.uncertainty_ns}
    return {"data": sample.bytes if isinstance(sample, PointCloudFrame) else sample.data}

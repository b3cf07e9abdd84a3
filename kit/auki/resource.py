"""A catalog row: what a peer offers, in the wire shape `/auki/resources/0.2.0` (spec/auki.md 1)."""

import copy
import re
from collections.abc import Mapping
from typing import Any

from kit.auki.shape import (
    Field,
    Shape,
    ShapeError,
    compact,
    i64,
    many,
    one_of,
    parse,
    parse_value,
    record,
    tagged,
    text,
    u32,
    u64,
)
from kit.errors import ArgumentError, UnserialisableError

VARIANTS = ("sensor_log", "pose_log", "time_transform_log", "detection_log")
SENSOR_KINDS = ("camera", "rangefinder", "rf", "audio", "joint_encoders", "scalar")
WRITER_MODES = ("rigid", "movable")

_EMPTY: Shape = record("Empty")
_REF = record("RegistryRef", Field("peer_id", text), Field("id", text), Field("hash", text))
_LOG_REF = record("LogRef", Field("source_peer_id", text), Field("resource_id", text))
_HEAD = tagged(
    "kind",
    "Head",
    {"rolling": record("Rolling", Field("retention_ns", i64)), "fixed": record("Fixed", Field("started_at_ns", i64))},
)
_EXTENT = record("Extent", Field("start_at_ns", i64), Field("finish_at_ns", i64))
_AVAILABLE = record("Available", Field("bytes", u64), Field("entries", u64), Field("duration_ns", i64))
_SENSOR = record(
    "Sensor",
    Field("kind", one_of(*SENSOR_KINDS)),
    Field("type", text),
    Field("sensor_id", text),
    Field("sensor_hash", text),
)
_POSE = record("Pose", Field("writer_mode", one_of(*WRITER_MODES)))
_POSE_SOURCE = tagged(
    "kind", "PoseSource", {"manual": _EMPTY, "ros2_tf": record("Ros2Tf", Field("publishers", many(text)))}
)
_TIME_SOURCE = tagged("kind", "TimeTransformSource", {"local_clock_read": _EMPTY})
_CADENCE = tagged("kind", "Cadence", {"every_frame": _EMPTY, "periodic": record("Periodic", Field("period_ns", i64))})
_MANIFESTS: dict[str, Shape] = {
    "sensor_log": record("SensorLogManifest", Field("clock", _REF), Field("frame", _REF, required=False)),
    "pose_log": record(
        "PoseLogManifest",
        Field("from_frame", _REF),
        Field("to_frame", _REF),
        Field("clock", _REF),
        Field("source", _POSE_SOURCE),
        Field("expected_rate_hz", u32),
    ),
    "time_transform_log": record(
        "TimeTransformLogManifest", Field("from_clock", _REF), Field("to_clock", _REF), Field("source", _TIME_SOURCE)
    ),
    "detection_log": record(
        "DetectionLogManifest",
        Field("detector", _REF),
        Field("input_log", _LOG_REF),
        Field("input_sensor", _REF),
        Field("clock", _REF),
        Field("instance_id", text, required=False),
        Field("cadence", _CADENCE, required=False),
    ),
}
_COMMON = record(
    "ResourceEntry",
    Field("source_peer_id", text),
    Field("writer_peer_id", text),
    Field("resource_id", text),
    Field("state", text),
    Field("head", _HEAD, required=False),
    Field("extent", _EXTENT, required=False),
    Field("available", _AVAILABLE),
    Field("sensor", _SENSOR, required=False),
    Field("pose", _POSE, required=False),
)
_VARIANT = tagged(
    "variant",
    "ResourceVariant",
    {variant: record(variant, Field("manifest", shape)) for variant, shape in _MANIFESTS.items()},
)

DESIGN_KINDS = {
    "camera": ("sensor_log", "camera", "rgb"),
    "point_cloud": ("sensor_log", "rangefinder", "point_cloud"),
    "audio": ("sensor_log", "audio", "pcm"),
    "joint_encoders": ("sensor_log", "joint_encoders", "absolute"),
    "pose": ("pose_log", None, None),
    "time_transform": ("time_transform_log", None, None),
    "detection": ("detection_log", None, None),
}
"""The `kind` of the design document, as variant, sensor kind and usual sensor type (spec/auki.md 1.3)."""

_HASH = re.compile(r"[0-9a-f]{32}")
_BAD_ID = re.compile(r"[>@\s]")


def _is_ref(value: Any) -> bool:
    return isinstance(value, dict) and "hash" in value


def _row(value: Any, path: str) -> dict[str, Any]:
    row: dict[str, Any] = _COMMON(value, path)
    row |= _VARIANT(value, path)
    return row


class ResourceEntry:
    """One row of a peer's resource catalog; made by `from_dict` or `from_json`, and not changed afterwards.

    `variant` is sensor_log, pose_log, time_transform_log or detection_log. The blocks `head`, `extent`,
    `available`, `sensor`, `pose` and `manifest` are fresh dictionaries at each access, or None where the row has
    none. Rows are equal when their JSON is.
    """

    __slots__ = ("_row",)
    _row: dict[str, Any]

    def __init__(self) -> None:
        raise TypeError("ResourceEntry is made by ResourceEntry.from_dict(d) or ResourceEntry.from_json(s)")

    @classmethod
    def _of(cls, row: dict[str, Any]) -> "ResourceEntry":
        entry = cls.__new__(cls)
        entry._row = row
        return entry

    @staticmethod
    def from_json(s: str) -> "ResourceEntry":
        """A row from JSON text; `ValueError` "invalid ResourceEntry JSON: ..." with line and column.

        Unknown keys are ignored; whole numbers must fit their type (u64, i64, u32), and `5.0` is none
        (spec/auki.md 1.1).
        """
        try:
            return ResourceEntry._of(parse(s, _row))
        except ShapeError as error:
            raise ArgumentError(f"invalid ResourceEntry JSON: {error}") from None

    @staticmethod
    def from_dict(d: Mapping[str, Any]) -> "ResourceEntry":
        """A row from a mapping in the wire shape; `ValueError` "invalid ResourceEntry dict: ...".

        A value that JSON cannot hold is a ValueError that is a TypeError as well.

        >>> ResourceEntry.from_dict({"variant": "bogus"})
        Traceback (most recent call last):
        kit.errors.ArgumentError: invalid ResourceEntry dict: missing field `source_peer_id` at line 1 column 20
        """
        try:
            return ResourceEntry._of(parse_value(dict(d) if isinstance(d, Mapping) else d, _row))
        except ShapeError as error:
            raise ArgumentError(f"invalid ResourceEntry dict: {error}") from None
        except UnserialisableError as error:
            raise UnserialisableError(f"invalid ResourceEntry dict: {error}") from None

    @staticmethod
    def from_design_row(d: Mapping[str, Any]) -> "ResourceEntry":
        """A row from the shape of the design document, which tells rows apart by `kind` (spec/auki.md 1.3).

        `manifest.sensor` becomes the block `sensor`, with the usual type unless `type` says otherwise, and
        `manifest.writer_mode` the block `pose`. Raises what `from_dict` raises.
        """
        kind = d.get("kind")
        if kind not in DESIGN_KINDS:
            raise ArgumentError(f"invalid design row: kind {kind!r} is none of {', '.join(DESIGN_KINDS)}")
        variant, sensor_kind, usual_type = DESIGN_KINDS[kind]
        row = {key: value for key, value in d.items() if key not in ("kind", "type")} | {"variant": variant}
        manifest = dict(d.get("manifest") or {})
        ref = manifest.pop("sensor", None)
        if sensor_kind is not None and isinstance(ref, Mapping):
            block = {"kind": sensor_kind, "type": d.get("type", usual_type)}
            row["sensor"] = block | {"sensor_id": ref.get("id"), "sensor_hash": ref.get("hash")}
        if "writer_mode" in manifest:
            row["pose"] = {"writer_mode": manifest.pop("writer_mode")}
        return ResourceEntry.from_dict(row | {"manifest": manifest})

    def to_json(self) -> str:
        """Compact JSON, keys in the order of spec/auki.md 1.6, without what the row has not."""
        return compact(self._row)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, as a new dictionary."""
        return copy.deepcopy(self._row)

    @property
    def variant(self) -> str:
        """sensor_log, pose_log, time_transform_log or detection_log."""
        return str(self._row["variant"])

    @property
    def source_peer_id(self) -> str:
        """The peer the data comes from; it stays when the log is copied."""
        return str(self._row["source_peer_id"])

    @property
    def writer_peer_id(self) -> str:
        """The peer that wrote or serves this copy."""
        return str(self._row["writer_peer_id"])

    @property
    def resource_id(self) -> str:
        """The id within the source peer, such as `base_link->camera`."""
        return str(self._row["resource_id"])

    @property
    def state(self) -> str:
        """`live`, `sealed`, or a word of a later version."""
        return str(self._row["state"])

    @property
    def head(self) -> dict[str, Any] | None:
        """`{"kind": "rolling", "retention_ns"}` or `{"kind": "fixed", "started_at_ns"}`."""
        return self._block("head")

    @property
    def extent(self) -> dict[str, Any] | None:
        """`{"start_at_ns", "finish_at_ns"}`, both inclusive, on the log's own clock."""
        return self._block("extent")

    @property
    def available(self) -> dict[str, Any]:
        """`{"bytes", "entries", "duration_ns"}`."""
        return dict(self._row["available"])

    @property
    def sensor(self) -> dict[str, Any] | None:
        """`{"kind", "type", "sensor_id", "sensor_hash"}` of a sensor log."""
        return self._block("sensor")

    @property
    def pose(self) -> dict[str, Any] | None:
        """`{"writer_mode"}` of a pose log."""
        return self._block("pose")

    @property
    def manifest(self) -> dict[str, Any]:
        """References to clocks, frames and the like; that of a sensor log always has `frame`, if only None."""
        manifest: dict[str, Any] = copy.deepcopy(self._row["manifest"])
        return (
            {"clock": manifest["clock"], "frame": manifest.get("frame")} if self.variant == "sensor_log" else manifest
        )

    def _block(self, name: str) -> dict[str, Any] | None:
        block = self._row.get(name)
        return None if block is None else dict(block)

    def lint(self) -> list[str]:
        """What parses but is odd, a sentence each: blocks that lack or contradict, hashes and ids of wrong form."""
        return [*self._lint_blocks(), *self._lint_refs()]

    def _lint_blocks(self) -> list[str]:
        row = self._row
        extent = row.get("extent")
        checks = {
            "state is live, but there is no head": self.state == "live" and "head" not in row,
            "state is sealed, but there is no extent": self.state == "sealed" and extent is None,
            "head and extent are both present": "head" in row and extent is not None,
            "a sensor_log has no sensor block": self.variant == "sensor_log" and "sensor" not in row,
            f"a {self.variant} has a sensor block": self.variant != "sensor_log" and "sensor" in row,
            "a pose_log has no pose block": self.variant == "pose_log" and "pose" not in row,
            f"a {self.variant} has a pose block": self.variant != "pose_log" and "pose" in row,
            "extent starts after it finishes": extent is not None and extent["start_at_ns"] > extent["finish_at_ns"],
        }
        return [sentence for sentence, wrong in checks.items() if wrong]

    def _lint_refs(self) -> list[str]:
        refs = {f"manifest.{key}": ref for key, ref in self._row["manifest"].items() if _is_ref(ref)}
        if sensor := self._row.get("sensor"):
            refs["sensor"] = {"id": sensor["sensor_id"], "hash": sensor["sensor_hash"]}
        found = []
        for place, ref in refs.items():
            if not ref["id"] or _BAD_ID.search(ref["id"]):
                found.append(f"{place}: id {ref['id']!r} is empty or holds '>', '@' or white space")
            if not _HASH.fullmatch(ref["hash"]):
                found.append(f"{place}: hash {ref['hash']!r} is not 32 lower-case hex digits")
        return found

    def __eq__(self, other: object) -> bool:
        return self._row == other._row if isinstance(other, ResourceEntry) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.to_json())

    def __repr__(self) -> str:
        names = ("source_peer_id", "resource_id", "variant", "state")
        return f"ResourceEntry({', '.join(f'{name}={compact(self._row[name])}' for name in names)})"

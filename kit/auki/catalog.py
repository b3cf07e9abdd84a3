"""What a peer lists: the rows of its provider, what a row's stream carries, and entries of its registry."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from kit.auki.node import Node
from kit.auki.participant import SensorEntry
from kit.auki.registry import Section
from kit.auki.request import StreamRequest
from kit.auki.resource import VARIANTS, ResourceEntry
from kit.auki.sample import StreamKind
from kit.auki.shape import Field, ShapeError, parse, record, text
from kit.auki.stream_manifest import fetch_text
from kit.errors import ArgumentError, ResourceNotFoundError

SENSOR_STREAMS: dict[str, StreamKind] = {
    "camera": "camera",
    "audio": "audio",
    "joint_encoders": "joint_encoders",
    "rangefinder": "pointcloud",
    "rf": "pointcloud",
}

_FRAME = record("FrameRef", Field("peer_id", text), Field("id", text), Field("hash", text))
_SPATIAL = record("SensorBody", Field("frame", _FRAME, required=False))


def check_variants(variants: Iterable[str] | None) -> tuple[str, ...]:
    """The variants to filter by; none at all means every one. `ValueError` for an unknown one."""
    if isinstance(variants, str):
        raise ArgumentError(f"variants {variants!r} is one string; use a list of them")
    wanted = tuple(variants or ())
    for variant in wanted:
        if variant not in VARIANTS:
            raise ArgumentError(f'unknown variant "{variant}"; expected one of: {", ".join(VARIANTS)}')
    return wanted or VARIANTS


def rows(node: Node, variants: Iterable[str] = VARIANTS) -> list[ResourceEntry]:
    """The rows a node lists now: one call of its provider, then the logs it serves from disk.

    A provider that raises, or gives what is no row, gives no rows and a line on stderr (spec/auki.md 6.5).
    """
    provided = _provided(node.catalog_provider, ResourceEntry, "resource_catalog_provider")
    served = [log.row() for log in node.served]
    return [row for row in [*provided, *served] if row.variant in variants]


def _provided(provider: Any, row_type: type, name: str) -> list[Any]:
    if provider is None:
        return []
    try:
        found = list(provider())
        for row in found:
            if not isinstance(row, row_type):
                raise TypeError(f"{type(row).__name__} is no {row_type.__name__}")
    except Exception as error:
        print(f"auki-domain-py: {name} callable failed: {error}", file=sys.stderr)
        return []
    return found


def stream_kind(node: Node, request: StreamRequest) -> StreamKind:
    """What the stream of a request carries, by the first row of the node that fits it (spec/auki.md 6.1)."""
    source, wanted = request.source_peer_id, request.resource_id
    called = f'"{source}"/"{wanted}"' if source else f'"{wanted}"'
    for row in rows(node, ("sensor_log", "pose_log", "detection_log")):
        if row.resource_id != wanted or source not in ("", row.source_peer_id):
            continue
        if row.variant != "sensor_log":
            return "pose" if row.variant == "pose_log" else "detection"
        if row.sensor is None:
            raise ArgumentError(f"resource {called} has no sensor block, which says what its stream carries")
        if row.sensor["kind"] not in SENSOR_STREAMS:
            raise ArgumentError(f'resource {called} has sensor kind "{row.sensor["kind"]}", which no stream carries')
        return SENSOR_STREAMS[row.sensor["kind"]]
    raise ResourceNotFoundError(f"resource {called} not found in remote resource catalog")


def entry(node: Node, section: Section, id: str, hash: str, *, peer_id: str | None = None) -> str:
    """Canonical JSON of an entry in the node's registry, under its own peer id, or the name its daemon goes by."""
    failed: ResourceNotFoundError | FileNotFoundError | None = None
    for owner in (peer_id,) if peer_id else _owners(node):
        try:
            return fetch_text(node.app_root, section, owner, id, hash)
        except FileNotFoundError as error:
            failed = failed or error
    raise failed or ResourceNotFoundError(id)


def _owners(node: Node) -> list[str]:
    """The peers whose entries may stand in a node's registry: itself by either name, then any other there."""
    folders = set()
    if node.app_root is not None:
        folders = {path.name for path in node.app_root.glob("registries/*/*") if path.is_dir()}
    return list(dict.fromkeys([node.peer_id, node.daemon.name, *sorted(folders)]))


def sensors(node: Node, *, with_sensor: bool, with_frame: bool) -> list[SensorEntry]:
    """The rows of the older sensor catalog; entries that are not in the registry stay None."""
    found = _provided(node.sensor_provider, SensorEntry, "sensor_catalog_provider")
    return [_with_entries(node, row, with_sensor=with_sensor, with_frame=with_frame) for row in found]


def _with_entries(node: Node, row: SensorEntry, *, with_sensor: bool, with_frame: bool) -> SensorEntry:
    sensor = row.sensor_entry_json
    try:
        sensor = sensor or entry(node, "sensors", row.sensor_id, row.sensor_hash)
        ref = parse(sensor, _SPATIAL).get("frame")
        frame = row.frame_entry_json
        if ref and not frame:
            frame = entry(node, "frames", ref["id"], ref["hash"], peer_id=ref["peer_id"])
    except (FileNotFoundError, ValueError, ShapeError):
        frame = row.frame_entry_json
    return replace(
        row, sensor_entry_json=sensor if with_sensor else None, frame_entry_json=frame if with_frame else None
    )

"""What a stream carries, told by the producer when it accepts, and how to make that from a registry."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kit.auki import jcs, registry
from kit.auki.registry import Section
from kit.errors import ArgumentError, LogError, RegistryNotFoundError


@dataclass(frozen=True)
class StreamManifest:
    """The sensor, clock and frames of a stream; what does not apply is empty. Fixed once a stream is open."""

    sensor_id: str = ""
    sensor_hash: str = ""
    clock_id: str = ""
    clock_hash: str = ""
    frame_id: str = ""
    frame_hash: str = ""
    resource_id: str = ""
    payload: str = ""
    from_frame_id: str = ""
    from_frame_hash: str = ""
    to_frame_id: str = ""
    to_frame_hash: str = ""
    writer_mode: str = ""
    expected_rate_hz: int = 0

    @staticmethod
    def pose_stream(
        *,
        from_frame_id: str,
        from_frame_hash: str = "",
        to_frame_id: str,
        to_frame_hash: str = "",
        clock_id: str = "",
        clock_hash: str = "",
        resource_id: str = "",
        writer_mode: str = "movable",
        expected_rate_hz: int = 0,
    ) -> "StreamManifest":
        """The manifest of a pose stream: payload `spatial_transform`, writer_mode `movable` unless said otherwise."""
        return StreamManifest(
            clock_id=clock_id,
            clock_hash=clock_hash,
            resource_id=resource_id or f"{from_frame_id}->{to_frame_id}",
            payload="spatial_transform",
            from_frame_id=from_frame_id,
            from_frame_hash=from_frame_hash,
            to_frame_id=to_frame_id,
            to_frame_hash=to_frame_hash,
            writer_mode=writer_mode,
            expected_rate_hz=expected_rate_hz,
        )


class StreamManifestBuilder:
    """Makes the manifests that a producer gives to `StreamDecision.accept_camera` and the others."""

    @staticmethod
    def from_registry(
        app_root: str | os.PathLike[str],
        sensor_peer_id: str = "",
        sensor_id: str = "",
        sensor_hash: str = "",
        clock_id: str = "",
        clock_hash: str = "",
    ) -> StreamManifest:
        """The manifest of a registered sensor; of a spatial one with its frame (spec/auki.md 2.1).

        Without `sensor_peer_id`, by keyword, the older layout of registries is read. Raises `TypeError` for an
        app_root that is no path, `FileNotFoundError` for a sensor or frame that is not registered, `ValueError` for a
        malformed entry, and `OSError` where a file cannot be read.
        """
        if not isinstance(app_root, str | os.PathLike):
            raise TypeError(f"app_root must be str or os.PathLike, not {type(app_root).__name__}")
        root = Path(app_root)
        path = _find(root, "sensors", sensor_peer_id, sensor_id, sensor_hash)
        if path is None:
            raise RegistryNotFoundError(f'sensor registry entry missing for ("{sensor_id}", "{sensor_hash}")')
        frame = _frame(_entry(path, "sensors", sensor_id), path)
        if frame is not None and _find(root, "frames", *frame) is None:
            raise RegistryNotFoundError(f'frame registry entry missing for ("{frame[1]}", "{frame[2]}")')
        _, frame_id, frame_hash = frame or ("", "", "")
        return StreamManifest(sensor_id, sensor_hash, clock_id, clock_hash, frame_id, frame_hash)


def _find(root: Path, section: Section, peer_id: str, id: str, hash: str) -> Path | None:
    """Where an entry is kept, in the current layout or the older one without peers; None where it is not."""
    try:
        path = registry.path_of(root, section, peer_id or "peer", id, hash)
    except LogError:
        return None
    older = path.parents[2] / path.parent.name / path.name
    return next((file for file in ((path,) if peer_id else ()) + (older,) if file.is_file()), None)


def _entry(path: Path, section: Section, id: str) -> dict[str, Any]:
    try:
        body = jcs.parse_object(jcs.read_bytes(path), path)
    except LogError as error:
        raise ArgumentError(f"malformed registry entry: {error}") from None
    if body.get(registry.ID_KEYS[section]) != id:
        raise ArgumentError(f"malformed registry entry: {path} is not of {id!r}")
    return body


def _frame(body: dict[str, Any], path: Path) -> tuple[str, str, str] | None:
    """The frame reference of a spatial sensor as peer, id and hash."""
    frame = body.get("frame")
    if frame is None:
        return None
    parts = [frame.get(key) if isinstance(frame, dict) else None for key in ("peer_id", "id", "hash")]
    peer_id, id, hash = (part if isinstance(part, str) else "" for part in parts)
    if not id or not hash:
        raise ArgumentError(f"malformed registry entry: {path} names a frame with an empty id or hash")
    return peer_id, id, hash


def fetch_text(app_root: Path | None, section: Section, peer_id: str, id: str, hash: str) -> str:
    """The canonical JSON of a registry entry, after its hash was computed again (spec/auki.md 2.3).

    Raises `FileNotFoundError` where it is not there, `ValueError` for another hash or content that is no entry.
    """
    path = None if app_root is None else _find(app_root, section, peer_id, id, hash)
    if path is None:
        raise RegistryNotFoundError(f'registry entry not found: kind={section.removesuffix("s")} id="{id}" hash={hash}')
    try:
        body = jcs.parse_object(jcs.read_bytes(path), path)
        text = jcs.canonical(body)
    except LogError as error:
        raise ArgumentError(f"invalid registry envelope: {error}") from None
    if (actual := jcs.digest(text)) != hash:
        raise ArgumentError(f"registry hash mismatch: expected {hash}, got {actual}")
    if body.get(registry.ID_KEYS[section]) != id:
        raise ArgumentError(f"invalid registry envelope: {path} is not of {id!r}")
    return text.decode()

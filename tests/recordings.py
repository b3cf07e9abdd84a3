"""Recordings that tests make up: robots with any names, several sessions, clocks that drift, restart or lead nowhere."""

import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kit.auki import manifest, payload, registry, segment
from kit.auki.payload import Codec
from kit.auki.payload_fields import Kind

S = 1_000_000_000
SESSION = "01K99WFT3RTESTR0VND0000001"
Entries = Iterable[tuple[int, dict[str, Any] | bytes]]
Names = dict[str, str]


class Robot:
    """Writes the logs of one session of one robot below a folder, which other robots and sessions may share."""

    def __init__(self, root: Path, peer: str = "bot-1", session: str = SESSION, codec: Codec = "pb") -> None:
        self.root, self.peer, self.session, self.codec = root, peer, session, codec

    def clock(self, id: str, *, utc: bool = False, **more: Any) -> Names:
        """Register a clock."""
        kind = {"type": "utc_clock", "monotonic": False, "epoch": "1970-01-01T00:00:00Z"}
        if not utc:
            kind = {"type": "monotonic_clock", "monotonic": True, "epoch": None}
        return self._entry("clocks", clock_id=id, unit="ns", scope="device-local", **kind, **more)

    def frame(self, id: str, peer: str | None = None) -> Names:
        """Register a frame."""
        axes = {"x": "forward", "y": "left", "z": "up"}
        return self._entry("frames", peer, frame_id=id, handedness="right", axes=axes, units="meters")

    def poses(self, begin: Names, end: Names, clock: Names, entries: Entries, **more: Any) -> Path:
        """Write a pose log."""
        body = {"from_frame": begin, "to_frame": end, "clock": clock, "source": {"kind": "manual"}}
        body |= {"writer_mode": "movable", "expected_rate_hz": 50}
        return self._log(f"{begin['id']}->{end['id']}", body, "pose", entries, **more)

    def offsets(self, begin: Names, end: Names, entries: Entries) -> Path:
        """Write a time transform log."""
        body = {"from_clock": begin, "to_clock": end, "source": {"kind": "local_clock_read"}}
        return self._log(f"{begin['id']}->{end['id']}", body, "time_transform", entries)

    def images(self, clock: Names, entries: Entries, id: str = "eye", *, registered: bool = True) -> Path:
        """Write a camera log; where its sensor is not registered nobody knows that it is one."""
        sensor = {"peer_id": self.peer, "id": id, "hash": "00"}
        if registered:
            sensor = self._entry(
                "sensors", sensor_id=id, kind="camera", type="mono", width=8, height=6, frame_rate_hz=5,
                pixel_format="mono8", color_space="gray", intrinsics_model="pinhole", distortion_model="none",
                frame=self.frame(f"{id}_optical"),
            )  # fmt: skip
        return self._log(id, {"sensor": sensor, "clock": clock}, "camera", entries)

    def _entry(self, section: registry.Section, peer: str | None = None, **body: Any) -> Names:
        made = registry.write(self.root, section, {"peer_id": peer or self.peer, **body})
        return {"peer_id": made.peer_id, "id": made.id, "hash": made.hash}

    def _log(
        self, resource: str, body: dict[str, Any], kind: Kind, entries: Entries, duration_ns: int = 20 * S
    ) -> Path:
        folder = manifest.log_folder(self.root, self.session, self.peer, resource)
        (folder / "segments").mkdir(parents=True)
        common = {
            "source_peer_id": self.peer,
            "writer_peer_id": self.peer,
            "app_id": "tour",
            "session_id": self.session,
        }
        manifest.write(folder, {**common, "segment_duration_ns": duration_ns, "retention_ns": 0, **body})
        held: dict[int, bytearray] = {}
        for ts_ns, value in entries:
            data = value if isinstance(value, bytes) else payload.encode(kind, value, self.codec)
            start = ts_ns // duration_ns * duration_ns
            held.setdefault(start, bytearray()).extend(segment.FRAMING.pack(ts_ns, len(data)) + data)
        for start, data in held.items():
            (folder / "segments" / segment.file_name(start)).write_bytes(segment.header(start) + bytes(data))
        return folder


def pose(x: float, y: float, yaw: float, **changes: float) -> dict[str, float]:
    """Return a pose in the plane."""
    return {
        "tx": x,
        "ty": y,
        "tz": 0.0,
        "qx": 0.0,
        "qy": 0.0,
        "qz": math.sin(yaw / 2),
        "qw": math.cos(yaw / 2),
    } | changes


def ring(count: int, begin_ns: int = 5 * S, step_ns: int = S // 50) -> list[tuple[int, dict[str, float]]]:
    """Return poses on a circle."""
    return [(begin_ns + i * step_ns, pose(math.cos(i / 99), math.sin(i / 99), i / 99)) for i in range(count)]


def offsets(
    count: int, begin_ns: int = 0, offset_ns: int = 100 * S, ppm: float = 20
) -> list[tuple[int, dict[str, int]]]:
    """Return samples of a clock that drifts, one a second."""
    rows = ((begin_ns + i * S, round((begin_ns + i * S) * ppm / 1e6)) for i in range(count))
    return [(at, {"offset_ns": offset_ns + drift, "uncertainty_ns": 900}) for at, drift in rows]


def image(size: int = 48) -> dict[str, Any]:
    """Return an image of `size` bytes; 48 are what the sensor says."""
    return {"data": bytes(range(size)), **dict.fromkeys(("fx", "fy", "cx", "cy", "distortion"))}

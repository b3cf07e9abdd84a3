"""Logs that tests write, and the fixtures."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kit.auki import segment
from kit.auki.payload import Codec, encode
from kit.auki.payload_fields import Kind

DATA = Path(__file__).resolve().parent / "auki" / "data"
MISSION = Path(__file__).resolve().parents[1] / "datasets" / "mission"
PEER, SESSION = "rover-3", "01JSESSION"

POSE = {"tx": 1.5, "ty": -0.25, "tz": 0.0, "qx": 0.0, "qy": 0.0, "qz": 0.6, "qw": 0.8}


def expected(codec: str, name: str = "expected") -> Any:
    """Return a JSON file beside a fixture."""
    return json.loads((DATA / codec / f"{name}.json").read_text())


def ref(id: str, peer: str = PEER, hash: str = "00") -> dict[str, str]:
    return {"peer_id": peer, "id": id, "hash": hash}


def manifest(kind: Kind = "pose", **changes: Any) -> dict[str, Any]:
    """Return a manifest of a log of some kind."""
    common = {
        "source_peer_id": PEER,
        "writer_peer_id": PEER,
        "app_id": "app",
        "session_id": SESSION,
        "segment_duration_ns": 1_000_000_000,
        "retention_ns": 0,
    }
    own: dict[str, Any]
    if kind == "pose":
        own = {
            "from_frame": ref("map"),
            "to_frame": ref("chassis"),
            "clock": ref("sdk"),
            "source": {"kind": "manual"},
            "writer_mode": "movable",
            "expected_rate_hz": 50,
        }
    elif kind == "time_transform":
        own = {"from_clock": ref("sdk"), "to_clock": ref("wall"), "source": {"kind": "local_clock_read"}}
    elif kind == "detection":
        log = {"source_peer_id": PEER, "resource_id": "cam"}
        own = {"detector": ref("tags"), "input_log": log, "input_sensor": ref("cam"), "clock": ref("cam_clock")}
    else:
        own = {"sensor": ref(kind), "clock": ref("sdk")}
    return common | own | changes


def write_log(
    folder: Path, segments: dict[int, Iterable[tuple[int, bytes]]], body: dict[str, Any] | None = None
) -> Path:
    """Write a log of segments by their start, each of (ts_ns, payload)."""
    (folder / "segments").mkdir(parents=True)
    (folder / "log_manifest.json").write_text(json.dumps(body or manifest()))
    for start, entries in segments.items():
        (folder / "segments" / segment.file_name(start)).write_bytes(segment_bytes(entries, start))
    return folder


def segment_bytes(entries: Iterable[tuple[int, bytes]], start: int = 0) -> bytes:
    framed = [segment.FRAMING.pack(ts, len(payload)) + payload for ts, payload in entries]
    return segment.header(start) + b"".join(framed)


def pose(codec: Codec = "pb", **changes: float) -> bytes:
    return encode("pose", POSE | changes, codec)

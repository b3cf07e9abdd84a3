"""Generated sensor logs: poses in either codec and images, with values from a seed."""

import json
import struct
from pathlib import Path

import numpy as np

from kit.auki import manifest, segment
from kit.auki.payload import Codec, encode, walk

RATE_NS = 20_000_000
SEGMENT_ENTRIES = 50_000
IMAGE_BYTES = 100_000
IMAGES_A_SEGMENT = 300
NAMES = ("tx", "ty", "tz", "qx", "qy", "qz", "qw")


def poses(folder: Path, codec: Codec, count: int, seed: int = 5) -> Path:
    """Write a pose log of `count` entries, numbers of 64 bits, unless it is there; return its folder."""
    if (folder / manifest.NAMES[0]).exists():
        return folder
    rng = np.random.default_rng(seed)
    one = encode("pose", dict.fromkeys(NAMES, 0.1), codec, shortest=False)
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    for begin in range(0, count, SEGMENT_ENTRIES):
        number = np.arange(begin, min(begin + SEGMENT_ENTRIES, count))
        rows = np.zeros((len(number), 12 + len(one)), np.uint8)
        rows[:, :8] = octets((number * RATE_NS).astype("<i8"))
        rows[:, 8:] = np.frombuffer(struct.pack("<I", len(one)) + one, np.uint8)
        for slot in walk("pose", one):
            at = 12 + slot.at
            rows[:, at : at + slot.width] = octets((rng.random(len(number)) - 0.5).astype(slot.form))
        start = begin * RATE_NS
        (folder / "segments" / segment.file_name(start)).write_bytes(segment.header(start) + rows.tobytes())
    manifest.write(folder, body(SEGMENT_ENTRIES * RATE_NS))
    return folder


def octets(column: np.ndarray) -> np.ndarray:
    """Return the bytes of each number of a column, a row each."""
    return np.ascontiguousarray(column).view(np.uint8).reshape(len(column), -1)


def images(folder: Path, count: int, seed: int = 6) -> Path:
    """Write a camera log in CBOR of `count` images of 100 kB, unless it is there; return its folder."""
    if (folder / manifest.NAMES[0]).exists():
        return folder
    image = np.random.default_rng(seed).bytes(IMAGE_BYTES)
    lens = {"fx": 410.5, "fy": 411.0, "cx": 16.0, "cy": 12.0, "distortion": (0.1, -0.2)}
    (folder / "segments").mkdir(parents=True, exist_ok=True)
    for begin in range(0, count, IMAGES_A_SEGMENT):
        start = begin * RATE_NS
        with (folder / "segments" / segment.file_name(start)).open("wb") as file:
            file.write(segment.header(start))
            for number in range(begin, min(begin + IMAGES_A_SEGMENT, count)):
                # Images differ in length, as compressed ones do.
                payload = encode("camera", lens | {"data": image[number % 997 :]}, "cbor")
                file.write(segment.FRAMING.pack(number * RATE_NS, len(payload)) + payload)
    reference = {"peer_id": "rover-3", "id": "cam", "hash": "0"}
    common = {key: value for key, value in body(IMAGES_A_SEGMENT * RATE_NS).items() if key in COMMON}
    manifest.write(folder, common | {"sensor": reference, "clock": reference})
    return folder


def recording(folder: Path, poses_count: int, images_count: int) -> Path:
    """Write a recording of poses and images with the catalog that says what they are, unless it is there; return its folder."""
    poses(folder / "poses", "pb", poses_count)
    images(folder / "images", images_count)
    row = {
        "variant": "sensor_log", "source_peer_id": "rover-3", "writer_peer_id": "rover-3", "resource_id": "cam",
        "state": "sealed", "available": {}, "manifest": {},
        "sensor": {"kind": "camera", "type": "rgb", "sensor_id": "cam", "sensor_hash": "0"},
    }  # fmt: skip
    (folder / "catalog.json").write_text(json.dumps([row]))
    return folder


COMMON = ("source_peer_id", "writer_peer_id", "app_id", "session_id", "segment_duration_ns", "retention_ns")


def body(duration_ns: int) -> dict[str, object]:
    """Return the manifest of a pose log."""
    reference = {"peer_id": "rover-3", "id": "map", "hash": "0"}
    return {
        "source_peer_id": "rover-3",
        "writer_peer_id": "rover-3",
        "app_id": "bench",
        "session_id": "01JBENCH",
        "segment_duration_ns": duration_ns,
        "retention_ns": 0,
        "from_frame": reference,
        "to_frame": reference | {"id": "chassis"},
        "clock": reference | {"id": "sdk"},
        "source": {"kind": "manual"},
        "writer_mode": "movable",
        "expected_rate_hz": 50,
    }

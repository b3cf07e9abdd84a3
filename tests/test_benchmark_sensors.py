"""The cases of the sensor benchmarks give the answers of their peers, on small logs."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

for library in ("polars", "psutil", "scipy"):
    pytest.importorskip(library, reason=f"{library} comes with the extra `bench`")

from benchmarks import sensor_logs, sensors  # noqa: E402
from benchmarks.peers import cbor2_logs, pose_lookup  # noqa: E402


def test_loads_of_poses_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_logs, "SEGMENT_ENTRIES", 700)
    cbor = sensor_logs.poses(tmp_path / "cbor", "cbor", 2000)
    pb = sensor_logs.poses(tmp_path / "pb", "pb", 2000)
    assert sensors.load_poses(str(cbor)) == cbor2_logs.poses(str(cbor))
    assert sensors.load_poses(str(pb)) == cbor2_logs.protobuf_poses(str(pb))
    assert sensors.load_poses(str(pb)) == sensors.load_poses(str(cbor))
    assert sensor_logs.poses(tmp_path / "pb", "pb", 5) == pb  # it is there, so nothing is written


def test_indexes_of_images_agree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensor_logs, "IMAGES_A_SEGMENT", 4)
    folder = str(sensor_logs.images(tmp_path / "images", 10))
    assert sensors.index_images(folder) == sensors.load_images(folder) == cbor2_logs.images(folder)
    places = cbor2_logs.places(folder)
    assert cbor2_logs.framings(places) == cbor2_logs.bandwidth(places) == cbor2_logs.images(folder)


def test_lookups_agree() -> None:
    given = pose_lookup.samples(2000, 500)
    assert sensors.look_up(given) == pose_lookup.polars(given) == pose_lookup.scipy(given)

"""What a peer lists and lets others fetch (spec/auki.md 2.3 and 6.5)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import create, daemon, join, lab, row

from kit.auki import ResourceEntry, SensorEntry, StreamUnreachable, registry, sim


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    sim.reset()
    yield
    sim.reset()


def test_auki_14_the_provider_is_called_for_every_fetch() -> None:
    manager, peer = lab(2)
    rows: list[ResourceEntry] = [row("a")]
    calls: list[int] = []

    def provider() -> list[ResourceEntry]:
        calls.append(1)
        return list(rows)

    assert peer.fetch_resources_catalog(manager.local_peer_id) == []
    manager.set_resource_catalog_provider(provider)
    assert calls == []
    assert peer.fetch_resources_catalog(manager.local_peer_id) == [row("a")]
    rows.append(row("b"))
    assert [entry.resource_id for entry in peer.fetch_resources_catalog(manager.local_peer_id)] == ["a", "b"]
    assert len(calls) == 2
    with pytest.raises(FileNotFoundError):
        peer.open_stream(manager.local_peer_id, "missing")
    assert len(calls) == 3
    manager.set_resource_catalog_provider(lambda: iter([row("c")]))
    assert [entry.resource_id for entry in peer.fetch_resources_catalog(manager.local_peer_id)] == ["c"]
    assert len(calls) == 3
    with pytest.raises(TypeError, match="callable"):
        manager.set_resource_catalog_provider([row("a")])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "provider",
    [
        pytest.param(lambda: 1 / 0, id="auki-14-raises"),
        pytest.param(lambda: 5, id="auki-14-no-iterable"),
        pytest.param(lambda: [row(), "row"], id="auki-14-wrong-item"),
        pytest.param(lambda: None, id="auki-14-none"),
    ],
)
def test_a_provider_that_fails_gives_no_rows_and_a_line_on_stderr(
    provider: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    manager, peer = lab(2)
    manager.set_resource_catalog_provider(provider)
    assert peer.fetch_resources_catalog(manager.local_peer_id) == []
    assert capsys.readouterr().err.startswith("auki-domain-py: resource_catalog_provider callable failed: ")


def test_auki_15_rows_are_filtered_by_variant() -> None:
    manager, peer = lab(2)
    rows = [row("a"), row("b", "sensor_log"), row("c", "time_transform_log"), row("d")]
    manager.set_resource_catalog_provider(lambda: rows)

    def fetched(variants: Any) -> list[str]:
        return [entry.resource_id for entry in peer.fetch_resources_catalog(manager.local_peer_id, variants)]

    assert fetched(None) == fetched([]) == ["a", "b", "c", "d"]
    assert fetched(["pose_log"]) == ["a", "d"]
    assert fetched(["time_transform_log", "sensor_log"]) == ["b", "c"]
    assert fetched(("detection_log",)) == []
    with pytest.raises(
        ValueError,
        match=r'^unknown variant "x"; expected one of: sensor_log, pose_log, time_transform_log, detection_log$',
    ):
        fetched(["pose_log", "x"])
    with pytest.raises(ValueError, match="use a list"):
        fetched("pose_log")


def test_only_members_fetch() -> None:
    manager, _peer = lab(2)
    stranger = create(3, "other")
    for one, other in ((stranger, manager), (manager, stranger)):
        with pytest.raises(OSError, match="is no member of cluster"):
            one.fetch_resources_catalog(other.local_peer_id)
        with pytest.raises(StreamUnreachable, match="is no member of cluster"):
            one.open_stream(other.local_peer_id, "x")
    manager.set_resource_catalog_provider(lambda: [row()])
    assert manager.fetch_resources_catalog(manager.local_peer_id) == [row()]


def test_short_names_are_peer_ids_while_the_simulation_is_lenient() -> None:
    manager = create(1, daemon_info=daemon("galbot"))
    peer = join(2)
    manager.set_resource_catalog_provider(lambda: [row()])
    assert peer.fetch_resources_catalog("galbot") == [row()]
    with pytest.raises(OSError, match="peer nobody: is no member"):
        peer.fetch_resources_catalog("nobody")
    assert manager.admit_peer("nobody", []).peer_id.startswith("12D3KooW")
    sim.lenient_peer_ids = False
    with pytest.raises(ValueError, match=r'^invalid peer_id "galbot": '):
        peer.fetch_resources_catalog("galbot")
    assert peer.fetch_resources_catalog(manager.local_peer_id) == [row()]
    sim.reset()
    assert sim.lenient_peer_ids


def test_registry_entries_are_fetched_and_hashed_again(tmp_path: Path) -> None:
    manager, peer = lab(2)
    axes = {"x": "forward", "y": "left", "z": "up"}
    frame = registry.write(
        tmp_path, "frames", {"peer_id": "g", "frame_id": "base", "handedness": "right", "axes": axes, "units": "meters"}
    )
    ref = {"peer_id": "g", "id": "base", "hash": frame.hash}
    sensor = registry.write(
        tmp_path, "sensors", {"peer_id": "g", "sensor_id": "a/b", "kind": "rf", "type": "wifi", "frame": ref}
    )
    target = manager.local_peer_id
    with pytest.raises(FileNotFoundError, match=r'^registry entry not found: kind=frame id="base" hash=h$'):
        peer.fetch_frame_entry(target, "base", "h")
    manager.set_registry_app_root(tmp_path)
    text = peer.fetch_frame_entry(target, "base", frame.hash)
    assert json.loads(text) == frame.body and text.startswith('{"axes":{"x":"forward"')
    assert json.loads(peer.fetch_sensor_entry(target, "a/b", sensor.hash)) == sensor.body
    for fetch in (peer.fetch_clock_entry, peer.fetch_detector_entry):
        with pytest.raises(FileNotFoundError, match="registry entry not found: kind="):
            fetch(target, "base", frame.hash)
    manager.set_sensor_catalog_provider(lambda: [SensorEntry("a/b", sensor.hash, "rf"), SensorEntry("x", "h", "rf")])
    plain = peer.fetch_sensors_catalog(target)
    assert plain == [SensorEntry("a/b", sensor.hash, "rf"), SensorEntry("x", "h", "rf")]
    full = peer.fetch_sensors_catalog(target, include_registry_entries=True, include_frame_entries=True)
    assert json.loads(full[0].sensor_entry_json or "") == sensor.body
    assert full[0].frame_entry_json == text and full[1] == SensorEntry("x", "h", "rf")
    path = registry.path_of(tmp_path, "frames", "g", "base", frame.hash)
    path.write_text(path.read_text().replace("meters", "inches"))
    with pytest.raises(ValueError, match=f"^registry hash mismatch: expected {frame.hash}, got "):
        peer.fetch_frame_entry(target, "base", frame.hash)
    path.write_text("[1]")
    with pytest.raises(ValueError, match=r"^invalid registry envelope: "):
        peer.fetch_frame_entry(target, "base", frame.hash)

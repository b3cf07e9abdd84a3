"""Manifests, registries and where they are found, in every layout and spelling that was in use."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import DATA, PEER, SESSION, manifest, pose, ref, write_log

from kit.auki import jcs, registry
from kit.auki import manifest as manifests
from kit.auki.discovery import discover
from kit.auki.manifest import Ref
from kit.auki.recording import scan
from kit.errors import LogError, ManifestError, RegistryEntryError, SourceNotFoundError

HASHES = {
    "frame": (
        '{"axes":{"x":"forward","y":"left","z":"up"},"frame_id":"base_link","handedness":"right","peer_id":"galbot","units":"meters"}',
        "16645bd8584e5ca5fa1030b439da92dc",
    ),
    "detector": (
        '{"detector_id":"yolo_v8","model":"yolo_v8n","output_types":["object_detection"],"peer_id":"galbot","type":"object_detection"}',
        "031308c146a2f6f086713388dc01f60e",
    ),
    "source": (
        '{"kind":"ros2_tf","publishers":["amcl","robot_state_publisher","tf_broadcaster"]}',
        "f3d296341347589c72297a0cc7c81cd8",
    ),
    "clock": (
        '{"clock_id":"session/sdk_clock","epoch":null,"monotonic":true,"peer_id":"galbot","scope":"device-local","type":"monotonic_clock","unit":"ns"}',
        "71f32fdd85c0785d7946f20a97642077",
    ),
    "sensor": (
        '{"frame":{"hash":"16645bd8584e5ca5fa1030b439da92dc","id":"base_link","peer_id":"galbot"},"frame_rate_hz":50,"joint_count":7,"kind":"joint_encoders","peer_id":"galbot","sensor_id":"arm_joints","type":"absolute"}',
        "2d4b3f0979f3241b7e08a26afee3a751",
    ),
    "empty-object": ("{}", "dc7048f8f8747f561349cde127705c16"),
}  # fmt: skip
FRAME = json.loads(HASHES["frame"][0])
CLOCK = json.loads(HASHES["clock"][0])
SENSOR = json.loads(HASHES["sensor"][0])

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(-1e15, 1e15) | st.text('aé\n"😀', max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("bß\t😀", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("text", "digest"), [pytest.param(*case, id=f"auki-20-V12-{name}") for name, case in HASHES.items()]
)
def test_golden_hashes(text: str, digest: str) -> None:
    assert jcs.canonical(json.loads(text)).decode() == text
    assert jcs.hash_of(json.loads(text)) == digest


def test_the_hash_of_nothing() -> None:
    assert jcs.digest(b"") == "99aa06d3014798d86001c324468d497f"


@given(json_values)
@settings(max_examples=60)
def test_canonical_json_reads_back_and_does_not_change(value: Any) -> None:
    data = jcs.canonical(value)
    assert json.loads(data) == value
    assert jcs.canonical(json.loads(data)) == data


def test_canonical_json_sorts_by_utf16_and_keeps_large_integers() -> None:
    assert (
        jcs.canonical({"\ufb33": 1, "\U0001f600": 2, "a": 2**70}).decode()
        == '{"a":1180591620717411303424,"😀":2,"\ufb33":1}'
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"{", "not JSON"),
        (b"[1]", "not a JSON object but list"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":"\\ud800"}', "half a character"),
        (b'{"a":' + b"[" * 100 + b"]" * 100 + b"}", "nested deeper than 64"),
        (b'{"a":' + b"[" * 200_000, "nested too deeply"),
        (b"\xff", "not JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "not JSON"),
    ],
)
def test_json_of_strangers_is_refused_in_words(data: bytes, message: str) -> None:
    with pytest.raises(LogError, match=message):
        jcs.parse_object(data, "x.json")


# Manifests


@pytest.mark.parametrize(
    ("kind", "variant", "resource_id"),
    [
        ("pose", "pose_log", "map->chassis"),
        ("time_transform", "time_transform_log", "sdk->wall"),
        ("detection", "detection_log", "tags@cam"),
        ("camera", "sensor_log", "camera"),
    ],
)
def test_the_resource_id_is_rebuilt_from_the_manifest(kind: Any, variant: str, resource_id: str) -> None:
    read = manifests.of(manifest(kind))
    assert (read.variant, read.resource_id, read.problems()) == (variant, resource_id, [])


def test_an_instance_id_names_a_detection_log() -> None:
    assert (
        manifests.of(manifest("detection", instance_id="mine", cadence={"kind": "every_frame"})).resource_id == "mine"
    )


def test_the_flat_spelling_is_read_without_peers() -> None:
    flat = {"segment_duration_ns": 1, "retention_ns": 0, "from_frame_id": "a", "from_frame_hash": "1"}
    flat |= {"to_frame_id": "b", "to_frame_hash": "2", "clock_id": "c", "clock_hash": "3", "source": {"kind": "manual"}}
    read = manifests.of(flat)
    assert (read.variant, read.resource_id, read.clock) == ("pose_log", "a->b", Ref("", "c", "3"))
    detection = {
        "segment_duration_ns": 1,
        "retention_ns": 0,
        "detector_id": "d",
        "clock_id": "c",
        "input_log_id": "cam",
    }
    assert manifests.of(detection).resource_id == "d@cam"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"segment_duration_ns": None}, "manifest missing or non-integer segment_duration_ns"),
        ({"segment_duration_ns": 1.5}, "manifest missing or non-integer segment_duration_ns"),
        ({"segment_duration_ns": True}, "manifest missing or non-integer segment_duration_ns"),
        ({"retention_ns": "1"}, "manifest missing or non-integer retention_ns"),
        ({"segment_duration_ns": 0}, "invalid manifest field `segment_duration_ns`: must be greater than zero"),
        ({"retention_ns": -1}, "invalid manifest field `retention_ns`: must be greater than or equal to zero"),
        ({"from_frame": None}, "a manifest of no known log"),
    ],
)
def test_a_manifest_that_cannot_be_used_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message):
        manifests.parse(json.dumps(manifest(**changes)).encode())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"session_id": ""}, "invalid manifest field `session_id`: must not be empty"),
        ({"clock": ref("", hash="1")}, "invalid manifest field `clock.id`: must not be empty"),
        ({"writer_mode": "soft"}, "invalid manifest field `writer_mode`: must be one of rigid, movable"),
        ({"expected_rate_hz": -1}, "invalid manifest field `expected_rate_hz`: must be an integer of 0 to 4294967295"),
    ],
)
def test_what_the_format_asks_for_is_told(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    assert manifests.of(manifest(**changes)).problems() == [message]
    with pytest.raises(ManifestError, match=message):
        manifests.write(tmp_path, manifest(**changes))


def test_both_manifests_are_written_canonical_and_the_first_name_counts(tmp_path: Path) -> None:
    manifests.write(tmp_path, manifest())
    first, second = (tmp_path / name for name in manifests.NAMES)
    assert first.read_bytes() == second.read_bytes() == jcs.canonical(manifest())
    first.write_text(json.dumps(manifest(segment_duration_ns=7)))
    assert manifests.read(tmp_path).segment_duration_ns == 7
    first.unlink()
    assert manifests.read(tmp_path).segment_duration_ns == 1_000_000_000
    second.unlink()
    with pytest.raises(ManifestError, match=r"it has neither log_manifest\.json nor manifest\.json"):
        manifests.read(tmp_path)


@pytest.mark.parametrize("resource_id", ["../x", "a/../../b", "/etc", "a//b", "", "a/segments/b", "a\\b", "a\0"])
def test_an_id_cannot_lead_out_of_its_folder(resource_id: str) -> None:
    with pytest.raises(ManifestError, match="cannot be a path"):
        manifests.log_folder(Path("app"), SESSION, PEER, resource_id)


# Registries


def test_an_entry_is_written_under_its_hash_and_read_back(tmp_path: Path) -> None:
    frame = registry.write(tmp_path, "frames", FRAME)
    clock = registry.write(tmp_path, "clocks", CLOCK)
    assert (frame.hash, clock.hash) == (HASHES["frame"][1], HASHES["clock"][1])
    path = tmp_path / "registries/clocks/galbot/session__sdk_clock" / f"{clock.hash}.json"
    assert path.read_text() == HASHES["clock"][0]
    found = registry.read(tmp_path, "clocks", "galbot", "session/sdk_clock", clock.hash)
    assert (found.body, found.hash_ok) == (CLOCK, True)
    assert registry.write(tmp_path, "sensors", SENSOR).hash == HASHES["sensor"][1]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-26-null-epoch")])
def test_a_null_epoch_is_kept(_: None, tmp_path: Path) -> None:
    entry = registry.write(tmp_path, "clocks", CLOCK)
    assert '"epoch":null' in registry.path_of(tmp_path, "clocks", "galbot", entry.id, entry.hash).read_text()
    (row,) = next(scan(tmp_path).rows("clocks")).to_pylist()
    assert (row["epoch"], row["hash_ok"], row["monotonic"]) == (None, True, True)


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-26-tampered")])
def test_a_tampered_entry_is_flagged(_: None, tmp_path: Path) -> None:
    entry = registry.write(tmp_path, "frames", FRAME)
    path = registry.path_of(tmp_path, "frames", "galbot", "base_link", entry.hash)
    path.write_text(path.read_text().replace("meters", "millimeters"))
    with pytest.raises(RegistryEntryError, match=f"registry hash mismatch: expected {entry.hash}, got"):
        registry.read(tmp_path, "frames", "galbot", "base_link", entry.hash)
    recording = scan(tmp_path)
    assert [row["hash_ok"] for row in next(recording.rows("frames")).to_pylist()] == [False]
    assert "registry hash mismatch" in recording.problems[0].detail


def test_an_entry_in_another_folder_or_not_canonical_is_told(tmp_path: Path) -> None:
    entry = registry.write(tmp_path, "frames", FRAME)
    path = registry.path_of(tmp_path, "frames", "galbot", "base_link", entry.hash)
    other = path.parents[1] / "other" / path.name
    other.parent.mkdir()
    shutil.copy(path, other)
    with pytest.raises(RegistryEntryError, match="registry id mismatch: its folder is 'other'"):
        registry.read(tmp_path, "frames", "galbot", "other", entry.hash)
    path.write_text(json.dumps(FRAME, indent=1))
    found = registry.parse(path.read_bytes(), "frames", path)
    assert (found.hash_ok, found.problems) == (
        True,
        ("not written in canonical form, though its content has the right hash",),
    )
    with pytest.raises(RegistryEntryError, match="registry entry not found: kind=frame id='no' hash=0"):
        registry.read(tmp_path, "frames", "galbot", "no", "0")


@pytest.mark.parametrize(
    "text", [pytest.param(text, id=f"auki-26-{text!r}") for text in ("a>b", "a@b", "a b", "", "a\u2003b", "a\n")]
)
def test_ids_are_checked(text: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryEntryError, match="cannot be registered"):
        registry.write(tmp_path, "frames", FRAME | {"frame_id": text})


@pytest.mark.parametrize("text", ["..", ".", "a\\b", "a\0"])
def test_ids_cannot_lead_out_of_the_registry(text: str, tmp_path: Path) -> None:
    with pytest.raises(RegistryEntryError, match="cannot be a file name"):
        registry.path_of(tmp_path, "frames", text, "x", "0")


def test_frames_are_checked_and_come_before_their_sensors(tmp_path: Path) -> None:
    with pytest.raises(RegistryEntryError, match="not three different directions"):
        registry.write(tmp_path, "frames", FRAME | {"axes": {"x": "forward", "y": "backward", "z": "up"}})
    with pytest.raises(RegistryEntryError, match="which is not registered: register it first"):
        registry.write(tmp_path, "sensors", SENSOR)
    with pytest.raises(RegistryEntryError, match="without epoch"):
        registry.write(tmp_path, "clocks", {key: value for key, value in CLOCK.items() if key != "epoch"})


# Discovery


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-25")])
def test_logs_are_found_in_every_layout(_: None, tmp_path: Path) -> None:
    entry = {0: [(1, pose())]}
    layouts = [
        f"app/{SESSION}/logs/galbot/session/sdk_clock->wall_clock",
        f"app/{SESSION}/logs/galbot/session/sdk_clock->wall_clock/deeper",
        "app/logs/galbot/mic",
        f"app/{SESSION}/sensorlogs/01JLOG",
        f"app/{SESSION}/poselogs/map__chassis",
        f"app/{SESSION}/timetransform_logs/a__b",
        f"app/{SESSION}/detection_logs/d__cam",
    ]
    for number, layout in enumerate(layouts):
        log = write_log(tmp_path / layout, entry)
        if number % 2:
            (log / "log_manifest.json").rename(log / "manifest.json")
    registry.write(tmp_path / "app", "frames", FRAME)
    older = tmp_path / "app/registries/clocks/session__sdk_clock" / f"{HASHES['clock'][1]}.json"
    older.parent.mkdir(parents=True)
    older.write_text(HASHES["clock"][0])
    write_log(tmp_path / "app" / "logs" / "x" / "segments" / "hidden", entry)
    found = discover(tmp_path)
    assert sorted(path.relative_to(tmp_path).as_posix() for path in found.logs) == sorted(layouts)
    assert [section for section, _ in found.registries] == ["clocks", "frames"]
    assert registry.read(tmp_path / "app", "clocks", "galbot", "session/sdk_clock", HASHES["clock"][1]).hash_ok
    assert scan(tmp_path / layouts[4]).logs[0].resource_id == "map->chassis"


def test_a_folder_without_a_manifest_or_segments_is_no_log(tmp_path: Path) -> None:
    (tmp_path / "a" / "segments").mkdir(parents=True)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "manifest.json").write_text("{}")
    assert scan(tmp_path).logs == ()
    with pytest.raises(SourceNotFoundError, match="is no folder"):
        scan(tmp_path / "c")


def test_links_are_not_followed(tmp_path: Path) -> None:
    write_log(tmp_path / "elsewhere" / "log", {})
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "link").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    (tmp_path / "here" / "loop").symlink_to(tmp_path / "here", target_is_directory=True)
    assert scan(tmp_path / "here").logs == ()


def test_the_fixture_is_found_with_all_its_entries_right() -> None:
    for codec in ("cbor", "pb"):
        recording = scan(DATA / codec)
        assert recording.problems == ()
        assert len(recording.logs) == 9
        assert len(recording.registry) == 13
        assert all(entry.hash_ok for entry in recording.registry)
        assert [row["resource_id"] for row in next(recording.rows("resources")).to_pylist()][:1] == [
            "session/sdk_clock->wall_clock"
        ]


def test_a_session_that_the_manifest_does_not_name_is_taken_from_the_path(tmp_path: Path) -> None:
    flat = {
        "segment_duration_ns": 1,
        "retention_ns": 0,
        "sensor_id": "cam",
        "sensor_hash": "1",
        "clock_id": "c",
        "clock_hash": "3",
    }
    write_log(tmp_path / "app" / SESSION / "sensorlogs" / "x", {}, flat)
    (log,) = scan(tmp_path).logs
    assert (log.log_id, log.kind) == (f"/{SESSION}/cam", None)
    assert scan(tmp_path, kinds={"cam": "camera"}).logs[0].kind == "camera"


def test_a_document_that_is_too_long_is_refused_with_its_first_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jcs, "MAX_BYTES", 100)
    log = write_log(tmp_path / "log", {})
    recording = scan(tmp_path)
    (document,) = recording.documents
    assert (recording.logs, document.lines, document.rows) == ((), 1, [])
    assert document.refused[0]["raw"] == (log / "log_manifest.json").read_bytes()
    assert "longer than 100 bytes" in recording.problems[0].detail


def test_two_copies_of_a_log_are_told(tmp_path: Path) -> None:
    write_log(tmp_path / "a", {})
    write_log(tmp_path / "b", {})
    recording = scan(tmp_path)
    assert ["a second log" in problem.detail for problem in recording.problems] == [True]
    with pytest.raises(LogError, match="2 logs"):
        recording.log("map->chassis")
    with pytest.raises(LogError, match="no logs 'x'"):
        recording.log("x")


def test_a_catalog_keeps_its_good_rows_and_refuses_the_others(tmp_path: Path) -> None:
    rows = json.loads((DATA / "pb" / "catalog.json").read_text())
    rows += [{"kind": "camera"}, 5, rows[0] | {"available": None}, rows[0] | {"state": "archived"}]
    (tmp_path / "catalog.json").write_text(json.dumps({"resources": rows}))
    (document,) = scan(tmp_path).documents
    assert (document.lines, len(document.rows), len(document.refused)) == (13, 10, 3)
    assert [row["line"] for row in document.refused] == [10, 11, 12]
    assert "unknown variant None" in document.refused[0]["detail"]
    assert document.batch("r", 1).num_rows == 10
    (tmp_path / "catalog.json").write_text("{}")
    (document,) = scan(tmp_path).documents
    assert [row["reason"] for row in document.refused] == ["bad_catalog"]

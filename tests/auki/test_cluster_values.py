"""Members, participants, targets, requests, peer ids and stream manifests as values (spec/auki.md 2.1 and 2.4)."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.auki import (
    AudioFrame,
    CameraFrame,
    ClusterEntry,
    ClusterMember,
    ClusterMembership,
    ClusterTarget,
    DaemonInfo,
    DeclineReason,
    DetectionFrame,
    DynamicIntrinsics,
    EndReason,
    JointEncodersFrame,
    ParticipantInfo,
    PointCloudFrame,
    ReadFrom,
    SensorEntry,
    SpatialTransformFrame,
    StreamDecision,
    StreamEntry,
    StreamItem,
    StreamManifest,
    StreamManifestBuilder,
    StreamRequest,
    TimeTransformFrame,
    registry,
)
from kit.auki.peer import base58, check_multiaddr, from_base58, is_peer_id, peer_bytes, peer_of_seed
from kit.auki.sample import sample_of, values_of

ONE, TWO = peer_of_seed(bytes([1] * 32)), peer_of_seed(bytes([2] * 32))
ADDRESS = "/ip4/10.0.0.5/tcp/4001"


def test_auki_6_a_membership_survives_json_in_order_with_tokens() -> None:
    document = ClusterMembership("hagall")
    assert document.admit(ClusterMember(TWO, [ADDRESS], 5)) == 0
    assert document.admit(ClusterMember(ONE, [], -1, b"")) == 1
    assert document.admit(ClusterMember(TWO, [ADDRESS], 7, [1, 255])) == 2  # duplicates are the manager's business
    text = document.to_json()
    assert text == (
        '{"cluster_name":"hagall","peers":['
        f'{{"peer_id":"{TWO}","multiaddrs":["{ADDRESS}"],"join_ts_ns":5}},'
        f'{{"peer_id":"{ONE}","multiaddrs":[],"join_ts_ns":-1,"successor_token":[]}},'
        f'{{"peer_id":"{TWO}","multiaddrs":["{ADDRESS}"],"join_ts_ns":7,"successor_token":[1,255]}}]}}'
    )
    again = ClusterMembership.from_json(text)
    assert again == document and again.to_json() == text
    assert [peer.successor_token for peer in again.peers] == [None, b"", b"\x01\xff"]
    assert document != ClusterMembership("hagall") and document != text


def test_auki_6_the_file_name_is_the_clusters_name() -> None:
    assert ClusterMembership("hagall").filename == "hagall.json"
    assert ClusterMembership("").filename == ".json"
    assert repr(ClusterMembership("hagall")) == 'ClusterMembership(cluster_name="hagall", peers=0)'


def test_peers_is_a_copy() -> None:
    document = ClusterMembership("x")
    document.peers.append(ClusterMember(ONE, [], 1))
    assert document.peers == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"cluster_name":"x"}',
        '{"cluster_name":"x","peers":[{"peer_id":"nobody","multiaddrs":[],"join_ts_ns":1}]}',
        f'{{"cluster_name":"x","peers":[{{"peer_id":"{ONE}","multiaddrs":["nowhere"],"join_ts_ns":1}}]}}',
        f'{{"cluster_name":"x","peers":[{{"peer_id":"{ONE}","multiaddrs":[],"join_ts_ns":1.0}}]}}',
        f'{{"cluster_name":"x","peers":[{{"peer_id":"{ONE}","multiaddrs":[],"join_ts_ns":1,"successor_token":[256]}}]}}',
    ],
)
def test_auki_6_a_text_that_is_no_membership_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"^invalid ClusterMembership JSON: "):
        ClusterMembership.from_json(text)


def test_a_member_is_read_only_and_equal_by_all_fields() -> None:
    member = ClusterMember(ONE, [ADDRESS], 9, b"x")
    assert member == ClusterMember(peer_id=ONE, multiaddrs=[ADDRESS], join_ts_ns=9, successor_token=[120])
    assert member != ClusterMember(ONE, [ADDRESS], 9) and member != ClusterMember(ONE, [ADDRESS], 8, b"x")
    assert len({member, ClusterMember(ONE, [ADDRESS], 9, b"x")}) == 1
    member.multiaddrs.append("x")
    assert member.multiaddrs == [ADDRESS]
    with pytest.raises(AttributeError):
        member.peer_id = TWO  # type: ignore[misc]
    assert repr(member) == f'ClusterMember(peer_id="{ONE}", multiaddrs=["{ADDRESS}"], join_ts_ns=9)'


@pytest.mark.parametrize(
    ("peer_id", "addresses", "message"),
    [
        ("galbot", [], 'invalid peer_id "galbot": '),
        ("", [], 'invalid peer_id "": '),
        (ONE[:-1], [], "invalid peer_id "),
        ("0OIl", [], "no base58 digit"),
        ("1" * 5000, [], "too many"),
        (ONE, ["nowhere"], 'invalid multiaddr "nowhere": '),
        (ONE, ["/ip4/300.0.0.1/tcp/1"], 'invalid multiaddr "/ip4/300.0.0.1/tcp/1": '),
        (ONE, ["/ip4/10.0.0.1/tcp/70000"], "'70000' is no value for tcp"),
        (ONE, ["/ip4/10.0.0.1/tcp"], "tcp lacks its value"),
        (ONE, ["/gopher/x"], "unknown protocol 'gopher'"),
        (ONE, "/ip4/10.0.0.1", "use a list"),
    ],
)
def test_a_bad_peer_id_or_address_is_a_value_error_that_names_it(peer_id: str, addresses: Any, message: str) -> None:
    with pytest.raises(ValueError) as caught:
        ClusterMember(peer_id, addresses, 0)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "address",
    [
        ADDRESS,
        "/ip6/::1/udp/4001/quic-v1",
        "/dns4/relay.example.org/tcp/443/wss",
        f"/ip4/1.2.3.4/tcp/1/p2p/{ONE}/p2p-circuit/p2p/{TWO}",
        "/memory/7",
    ],
)
def test_common_addresses_are_taken(address: str) -> None:
    assert check_multiaddr(address) == address


def test_auki_9_equal_seeds_give_equal_peer_ids_of_the_real_form() -> None:
    assert peer_of_seed(bytes(range(32))) == peer_of_seed(list(range(32)))
    assert ONE != TWO and ONE.startswith("12D3KooW")
    assert peer_bytes(ONE)[:6] == bytes.fromhex("002408011220") and len(peer_bytes(ONE)) == 38
    assert is_peer_id("QmYwAPJzv5CZsnA625s3Xf2nemtYgPpHdWEz79ojWnPbdG")
    for seed in (bytes(31), bytes(33), b"", "x" * 32, 32, None, [1.5] * 32, [256] * 32):
        with pytest.raises(ValueError, match=r"^wallet_seed must be 32 bytes$"):
            peer_of_seed(seed)  # type: ignore[arg-type]


@settings(max_examples=60)
@given(st.binary(max_size=40))
def test_base58_turns_back_into_its_bytes(data: bytes) -> None:
    assert from_base58(base58(data)) == data


@settings(max_examples=60)
@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    st.lists(
        st.tuples(
            st.sampled_from([ONE, TWO]),
            st.lists(st.just(ADDRESS), max_size=2),
            st.integers(-(2**63), 2**63 - 1),
            st.none() | st.binary(max_size=4),
        ),
        max_size=4,
    ),
)
def test_auki_6_any_membership_survives_json(name: str, peers: list[tuple[Any, ...]]) -> None:
    document = ClusterMembership(name)
    for peer in peers:
        document.admit(ClusterMember(*peer))
    assert ClusterMembership.from_json(document.to_json()) == document


def test_auki_7_participant_info_has_eleven_keys_in_order() -> None:
    info = ParticipantInfo("app", "galbot", "s", "c", "h", 2**64 - 1, None, ONE, "a0b1", True, ONE)
    document = json.loads(info.to_json())
    assert list(document) == [
        "app",
        "name",
        "session_id",
        "session_clock_id",
        "session_clock_hash",
        "session_now_ns",
        "cluster_joined_at_ns",
        "peer_id",
        "app_instance",
        "is_manager",
        "manager_peer_id",
    ]
    assert document["cluster_joined_at_ns"] is None and document["session_now_ns"] == 2**64 - 1
    assert repr(info) == f'ParticipantInfo(app="app", peer_id="{ONE}", is_manager=true, manager_peer_id="{ONE}")'


def test_daemon_info_is_six_texts() -> None:
    info = DaemonInfo("app", "name", "session", "clock", "hash", "mac")
    assert info == DaemonInfo(
        app="app",
        name="name",
        session_id="session",
        session_clock_id="clock",
        session_clock_hash="hash",
        app_instance="mac",
    )
    with pytest.raises(TypeError):
        DaemonInfo("app")  # type: ignore[call-arg]


def test_a_sensor_entry_is_equal_by_value() -> None:
    entry = SensorEntry("s", "h", "camera", frame_entry_json="{}")
    assert entry == SensorEntry(
        sensor_id="s", sensor_hash="h", kind="camera", sensor_entry_json=None, frame_entry_json="{}"
    )
    assert repr(entry) == 'SensorEntry(sensor_id="s", sensor_hash="h", kind="camera")'


def test_auki_8_positions_have_kinds_and_reprs() -> None:
    positions = [ReadFrom.latest(), ReadFrom.from_start(), ReadFrom.from_timestamp(42)]
    assert [(p.kind, p.timestamp_ns) for p in positions] == [
        ("latest", None),
        ("from_start", None),
        ("from_timestamp", 42),
    ]
    assert [repr(p) for p in positions] == [
        "ReadFrom.latest()",
        "ReadFrom.from_start()",
        "ReadFrom.from_timestamp(42)",
    ]
    assert ReadFrom.from_timestamp(1) == ReadFrom.from_timestamp(1) != ReadFrom.from_timestamp(2)
    with pytest.raises(AttributeError):
        positions[0].kind = "from_start"  # type: ignore[misc]
    for wrong in (2**63, 1.0, True):
        with pytest.raises(ValueError, match="timestamp_ns"):
            ReadFrom.from_timestamp(wrong)  # type: ignore[arg-type]


def test_auki_8_a_request_has_defaults_and_a_quoted_repr() -> None:
    request = StreamRequest("x")
    assert (request.resource_id, request.source_peer_id, request.from_) == ("x", "", ReadFrom.latest())
    assert repr(request) == 'StreamRequest(source_peer_id="", resource_id="x", from_="ReadFrom.latest()")'
    full = StreamRequest(resource_id="x", source_peer_id="galbot", from_=ReadFrom.from_timestamp(7))
    assert repr(full) == 'StreamRequest(source_peer_id="galbot", resource_id="x", from_="ReadFrom.from_timestamp(7)")'
    assert full == StreamRequest("x", "galbot", ReadFrom.from_timestamp(7)) != request
    for wrong in ({"from_": "latest"}, {"source_peer_id": 5}):
        with pytest.raises(ValueError):
            StreamRequest("x", **wrong)  # type: ignore[arg-type]


def test_auki_8_targets_have_kinds_names_and_reprs() -> None:
    for kind in ("create", "join", "join_or_create", "most_recent_or_create"):
        target = getattr(ClusterTarget, kind)("hagall")
        assert (target.kind, target.name, repr(target)) == (kind, "hagall", f'ClusterTarget.{kind}("hagall")')
    assert ClusterTarget.most_recent_or_create(fallback_name="x").name == "x"


def test_a_cluster_entry_keeps_the_older_name_of_its_last_sign_of_life() -> None:
    assert ClusterEntry("a", ONE, [], [], 1, 5, 6).last_heartbeat_ns == 6


def test_samples_are_equal_by_value_and_have_lengths() -> None:
    intrinsics = DynamicIntrinsics(fx=1, fy=2, cx=3, cy=4)
    assert intrinsics.distortion_coefficients == []
    assert CameraFrame(b"abc", intrinsics) == CameraFrame(b"abc", DynamicIntrinsics(fx=1, fy=2, cx=3, cy=4))
    assert [len(sample) for sample in (CameraFrame(b"abc"), PointCloudFrame(b"ab"), AudioFrame(b"a"))] == [3, 2, 1]
    assert len(JointEncodersFrame([1, 2])) == 2 and len(DetectionFrame(b"xy", "h", "t")) == 2
    assert JointEncodersFrame([0.1]).angles_rad == [0.10000000149011612]
    pose = SpatialTransformFrame([1, 2, 3, 0, 0, 0, 1])
    assert (len(pose), pose.values) == (7, [1.0, 2.0, 3.0, 0.0, 0.0, 0.0, 1.0])
    assert PointCloudFrame(b"x").bytes == AudioFrame(b"x").data
    for wrong in (lambda: SpatialTransformFrame([1, 2]), lambda: JointEncodersFrame([1e300])):
        with pytest.raises(ValueError):
            wrong()


@pytest.mark.parametrize(
    ("kind", "sample"),
    [
        ("camera", CameraFrame(b"x", DynamicIntrinsics(fx=1, fy=2, cx=3, cy=4, distortion_coefficients=[0.5]))),
        ("camera", CameraFrame(b"x")),
        ("pointcloud", PointCloudFrame(b"x")),
        ("joint_encoders", JointEncodersFrame([0.5, -1])),
        ("audio", AudioFrame(b"x")),
        ("pose", SpatialTransformFrame(range(7))),
        ("detection", DetectionFrame(b"x", "h", "t")),
        ("time_transform", TimeTransformFrame(-5, 3)),
    ],
)
def test_a_sample_turns_into_payload_values_and_back(kind: Any, sample: Any) -> None:
    assert sample_of(kind, values_of(sample)) == sample


def test_items_take_keywords_and_entries_have_three_fields() -> None:
    item = StreamItem(timestamp_ns=5, payload=AudioFrame(b"x"))
    assert StreamEntry(5, 0, item.payload) == StreamEntry(timestamp_ns=5, seq=0, payload=AudioFrame(b"x"))
    with pytest.raises(TypeError):
        StreamItem(5, AudioFrame(b"x"))  # type: ignore[misc]


def test_reasons_have_kinds_and_details() -> None:
    for name in ("sensor_not_found", "sensor_unavailable", "producer_shutting_down"):
        reason = getattr(DeclineReason, name)()
        assert (reason.kind, reason.detail, repr(reason)) == (name, None, f"DeclineReason.{name}()")
    assert DeclineReason.other(detail="busy") == DeclineReason("other", "busy")
    for name in ("source_ended", "producer_shutting_down", "session_ended"):
        assert getattr(EndReason, name)().kind == name
    assert repr(EndReason.producer_error(detail="x")) == "EndReason.producer_error(detail='x')"


def test_a_decision_names_its_kind_and_refuses_what_is_no_source() -> None:
    for kind in ("camera", "pointcloud", "joint_encoders", "audio", "pose", "detection"):
        accept = getattr(StreamDecision, f"accept_{kind}")
        assert accept(manifest=StreamManifest(), source=[]).kind == kind
        with pytest.raises(TypeError, match="StreamManifest"):
            accept(manifest=None, source=[])
        with pytest.raises(TypeError, match="iterable"):
            accept(manifest=StreamManifest(), source=5)
    assert StreamDecision.decline(DeclineReason.sensor_unavailable()).kind == "decline"
    with pytest.raises(TypeError):
        StreamDecision.decline("no")  # type: ignore[arg-type]


def test_a_pose_stream_is_movable_unless_said_otherwise() -> None:
    manifest = StreamManifest.pose_stream(from_frame_id="world", to_frame_id="base_link", expected_rate_hz=50)
    assert (manifest.payload, manifest.writer_mode, manifest.resource_id) == (
        "spatial_transform",
        "movable",
        "world->base_link",
    )
    assert manifest.sensor_id == manifest.frame_id == ""


@pytest.fixture
def app_root(tmp_path: Path) -> Path:
    return tmp_path / "app"


def register(app_root: Path, *, spatial: bool = True) -> tuple[Any, Any]:
    axes = {"x": "forward", "y": "left", "z": "up"}
    frame = registry.write(
        app_root,
        "frames",
        {"peer_id": "galbot", "frame_id": "base", "handedness": "right", "axes": axes, "units": "meters"},
    )
    body: dict[str, Any] = {
        "peer_id": "galbot",
        "sensor_id": "arm/joints",
        "kind": "joint_encoders",
        "type": "absolute",
    }
    if spatial:
        body["frame"] = {"peer_id": "galbot", "id": "base", "hash": frame.hash}
    return registry.write(app_root, "sensors", body), frame


@pytest.mark.parametrize("as_text", [True, False])
def test_a_manifest_is_built_from_the_registry_with_its_frame(app_root: Path, as_text: bool) -> None:
    sensor, frame = register(app_root)
    root = str(app_root) if as_text else app_root
    made = StreamManifestBuilder.from_registry(root, "galbot", "arm/joints", sensor.hash, "clk", "ch")
    assert made == StreamManifest("arm/joints", sensor.hash, "clk", "ch", "base", frame.hash)


def test_a_sensor_without_a_frame_has_an_empty_one(app_root: Path) -> None:
    sensor, _ = register(app_root, spatial=False)
    made = StreamManifestBuilder.from_registry(app_root, "galbot", "arm/joints", sensor.hash, "clk", "ch")
    assert (made.frame_id, made.frame_hash) == ("", "")


def test_the_older_layout_is_read_by_keyword_without_a_peer(app_root: Path) -> None:
    sensor, _ = register(app_root, spatial=False)
    current = app_root / "registries" / "sensors" / "galbot" / "arm__joints"
    older = app_root / "registries" / "sensors" / "arm__joints"
    current.rename(older)
    made = StreamManifestBuilder.from_registry(
        app_root=app_root, sensor_id="arm/joints", sensor_hash=sensor.hash, clock_id="clk", clock_hash="ch"
    )
    assert made.sensor_id == "arm/joints"


def test_what_the_registry_lacks_is_a_file_not_found(app_root: Path) -> None:
    sensor, frame = register(app_root)
    with pytest.raises(FileNotFoundError, match=r'sensor registry entry missing for \("nobody", "00"\)'):
        StreamManifestBuilder.from_registry(app_root, "galbot", "nobody", "00", "clk", "ch")
    with pytest.raises(FileNotFoundError, match=r"sensor registry entry missing"):
        StreamManifestBuilder.from_registry(app_root, "galbot", "..", "..", "clk", "ch")
    registry.path_of(app_root, "frames", "galbot", "base", frame.hash).unlink()
    with pytest.raises(FileNotFoundError, match=rf'frame registry entry missing for \("base", "{frame.hash}"\)'):
        StreamManifestBuilder.from_registry(app_root, "galbot", "arm/joints", sensor.hash, "clk", "ch")


@pytest.mark.parametrize(
    "body", ["{", "[]", '{"sensor_id":"other"}', '{"sensor_id":"s","frame":{"peer_id":"p","id":"","hash":"h"}}']
)
def test_a_malformed_entry_is_a_value_error(app_root: Path, body: str) -> None:
    path = registry.path_of(app_root, "sensors", "galbot", "s", "00")
    path.parent.mkdir(parents=True)
    path.write_text(body)
    with pytest.raises(ValueError, match="malformed registry entry"):
        StreamManifestBuilder.from_registry(app_root, "galbot", "s", "00", "clk", "ch")


def test_an_app_root_that_is_no_path_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="app_root"):
        StreamManifestBuilder.from_registry(5, "galbot", "s", "00", "clk", "ch")  # type: ignore[arg-type]

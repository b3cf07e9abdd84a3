"""What the reference page of auki-domain-py promises, statement by statement, with only the import line changed."""

import inspect
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kit.auki
from kit.auki import registry

URL = "http://discovery.test"

SNIPPET = """
from kit.auki import ResourceEntry

entry = ResourceEntry.from_dict({
    "variant": "pose_log",
    "source_peer_id": "galbot",
    "writer_peer_id": "galbot",
    "resource_id": "base_link->head_left_camera_color_optical_frame",
    "state": "live",
    "head": {"kind": "rolling", "retention_ns": 5_000_000_000},
    "available": {"bytes": 0, "entries": 0, "duration_ns": 0},
    "pose": {"writer_mode": "movable"},
    "manifest": {
        "from_frame": {"peer_id": "galbot", "id": "base_link", "hash": "..."},
        "to_frame": {"peer_id": "galbot", "id": "head_left_camera_color_optical_frame", "hash": "..."},
        "clock": {"peer_id": "galbot", "id": "sdk_clock", "hash": "..."},
        "source": {"kind": "manual"},
        "expected_rate_hz": 10,
    },
})

# or from a JSON string:
entry2 = ResourceEntry.from_json(text)

# pass to ClusterManager:
manager.set_resource_catalog_provider(lambda: [entry])
"""


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    kit.auki.sim.reset()
    yield
    kit.auki.sim.reset()


def two() -> tuple[kit.auki.ClusterManager, kit.auki.ClusterManager]:
    return (
        kit.auki.ClusterManager.create_cluster(bytes(32), "lab", URL),
        kit.auki.ClusterManager.join_cluster(bytes([1] * 32), "lab", URL),
    )


def pose_row() -> dict[str, Any]:
    """The row of the example."""
    names: dict[str, Any] = {}
    exec(SNIPPET[: SNIPPET.index("# or from")], names)
    row: dict[str, Any] = names["entry"].to_dict()
    return row


def test_the_example_of_the_page_runs_with_only_the_import_line_changed() -> None:
    manager, peer = two()
    names: dict[str, Any] = {"manager": manager, "text": json.dumps(pose_row())}
    exec(SNIPPET, names)
    entry = names["entry"]
    assert entry == names["entry2"]
    assert (entry.variant, entry.state, entry.head) == (
        "pose_log",
        "live",
        {"kind": "rolling", "retention_ns": 5_000_000_000},
    )
    assert peer.fetch_resources_catalog(manager.local_peer_id) == [entry]


@pytest.mark.parametrize(
    "name",
    [
        "ClusterMember",
        "ClusterMembership",
        "DaemonInfo",
        "ParticipantInfo",
        "SensorEntry",
        "ResourceEntry",
        "ReadFrom",
        "StreamRequest",
        "ClusterTarget",
        "StreamManifestBuilder",
        "ClusterManager",
        "ClusterEntry",
    ],
)
def test_every_class_of_the_page_can_be_imported_from_one_module(name: str) -> None:
    assert name in kit.auki.__all__
    assert inspect.isclass(getattr(kit.auki, name))
    assert inspect.getdoc(getattr(kit.auki, name))


def test_the_membership_document_goes_through_json_with_its_members() -> None:
    manager, peer = two()
    document = manager.membership()
    assert kit.auki.ClusterMembership.from_json(document.to_json()) == document == peer.membership()
    assert all(isinstance(member, kit.auki.ClusterMember) for member in document.peers)


def test_participant_info_has_a_to_json() -> None:
    manager, peer = two()
    assert json.loads(manager.participant_info().to_json())["peer_id"] == manager.local_peer_id
    assert isinstance(peer.fetch_participant_info(manager.local_peer_id), kit.auki.ParticipantInfo)


@pytest.mark.parametrize("block", ["head", "extent", "available", "sensor", "pose", "manifest"])
def test_nested_blocks_are_python_dicts(block: str) -> None:
    row = pose_row() | {
        "extent": {"start_at_ns": 1, "finish_at_ns": 2},
        "sensor": {"kind": "camera", "type": "rgb", "sensor_id": "s", "sensor_hash": "h"},
    }
    entry = kit.auki.ResourceEntry.from_dict(row)
    assert type(getattr(entry, block)) is dict


def test_all_four_variants_are_accepted_and_the_variant_field_tells_them_apart() -> None:
    ref = {"peer_id": "p", "id": "i", "hash": "h"}
    manifests: dict[str, Any] = {
        "sensor_log": {"clock": ref},
        "pose_log": pose_row()["manifest"],
        "time_transform_log": {"from_clock": ref, "to_clock": ref, "source": {"kind": "local_clock_read"}},
        "detection_log": {
            "detector": ref,
            "input_log": {"source_peer_id": "p", "resource_id": "r"},
            "input_sensor": ref,
            "clock": ref,
        },
    }
    for variant, manifest in manifests.items():
        row = pose_row() | {"variant": variant, "manifest": manifest}
        assert kit.auki.ResourceEntry.from_dict(row).variant == variant
        assert kit.auki.ResourceEntry.from_json(json.dumps(row)).variant == variant


def test_invalid_input_raises_value_error() -> None:
    for text in ('{"variant": "pose_log", ...}', "{}", ""):
        with pytest.raises(ValueError):
            kit.auki.ResourceEntry.from_json(text)
    with pytest.raises(ValueError):
        kit.auki.ResourceEntry.from_dict({"variant": "sensor_stream"})
    with pytest.raises(ValueError):
        kit.auki.ResourceEntry.from_dict(pose_row() | {"state": object()})


def test_the_provider_is_kept_and_called_for_each_fetch() -> None:
    manager, peer = two()
    entry = kit.auki.ResourceEntry.from_dict(pose_row())
    ready: list[kit.auki.ResourceEntry] = []
    manager.set_resource_catalog_provider(lambda: ready)
    assert peer.fetch_resources_catalog(manager.local_peer_id) == []
    ready.append(entry)
    assert peer.fetch_resources_catalog(manager.local_peer_id) == [entry]
    ready.clear()  # unavailable now: left out, to come back under the same id
    assert peer.fetch_resources_catalog(manager.local_peer_id) == []
    ready.append(entry)
    (again,) = peer.fetch_resources_catalog(manager.local_peer_id, variants=None)
    assert again.resource_id == entry.resource_id


def test_stream_positions_and_the_handshake() -> None:
    for position in (
        kit.auki.ReadFrom.latest(),
        kit.auki.ReadFrom.from_start(),
        kit.auki.ReadFrom.from_timestamp(5),
    ):
        request = kit.auki.StreamRequest(resource_id="r", source_peer_id="s", from_=position)
        assert (request.resource_id, request.source_peer_id, request.from_) == ("r", "s", position)


def test_every_constructor_of_the_page_is_there_static_and_synchronous() -> None:
    manager = kit.auki.ClusterManager
    leading = {
        "bootstrap": ["target", "wallet_seed", "discovery_url"],
        "create_cluster": ["wallet_seed", "cluster_name", "discovery_url"],
        "create_cluster_with_relay_multiaddrs": ["wallet_seed", "cluster_name", "discovery_url"],
        "create_cluster_with_relay_reservation": ["wallet_seed", "cluster_name", "discovery_url"],
        "join_cluster": ["wallet_seed", "cluster_name", "discovery_url"],
        "list_clusters": ["discovery_url"],
    }
    for name, parameters in leading.items():
        assert isinstance(inspect.getattr_static(manager, name), staticmethod)
        signature = inspect.signature(getattr(manager, name))
        assert list(signature.parameters)[: len(parameters)] == parameters
        assert not inspect.iscoroutinefunction(getattr(manager, name))
    assert "relay_multiaddrs" in inspect.signature(manager.create_cluster_with_relay_multiaddrs).parameters
    reservation = inspect.signature(manager.create_cluster_with_relay_reservation).parameters
    assert {"relay_dial_multiaddr", "relay_advertise_multiaddr"} <= reservation.keys()


def test_all_constructors_make_a_member() -> None:
    relay = "/ip4/1.2.3.4/tcp/1"
    daemon = kit.auki.DaemonInfo("app", "name", "session", "clock", "hash", "mac")
    common: list[Any] = [["/ip4/10.0.0.5/tcp/4001"]]
    tail: list[Any] = ["agent/1", daemon, None, None]
    target, manager = kit.auki.ClusterTarget, kit.auki.ClusterManager
    made = [
        manager.bootstrap(target.most_recent_or_create("first"), bytes([1] * 32), URL, *common, *tail),
        manager.create_cluster(bytes([2] * 32), "second", URL, *common, *tail),
        manager.create_cluster_with_relay_multiaddrs(bytes([3] * 32), "third", URL, *common, [relay], *tail),
        manager.create_cluster_with_relay_reservation(bytes([4] * 32), "fourth", URL, *common, relay, relay, *tail),
        manager.join_cluster(bytes([5] * 32), "first", URL, *common, *tail),
    ]
    assert [one.cluster_name for one in made] == ["first", "second", "third", "fourth", "first"]
    entries = manager.list_clusters(URL)
    assert all(isinstance(entry, kit.auki.ClusterEntry) for entry in entries)
    assert [entry.name for entry in entries] == ["fourth", "third", "second", "first"]


METHODS: list[tuple[str, list[str]]] = [
    ("open_stream", ["peer_id", "resource_id"]),
    ("open_stream_with_request", ["peer_id", "request"]),
    ("open_camera_stream", ["peer_id", "resource_id"]),
    ("open_pointcloud_stream", ["peer_id", "resource_id"]),
    ("open_joint_encoders_stream", ["peer_id", "resource_id"]),
    ("open_audio_stream", ["peer_id", "resource_id"]),
    ("open_pose_stream", ["peer_id", "resource_id"]),
    ("fetch_resources_catalog", ["peer_id", "variants"]),
    ("fetch_sensor_entry", ["peer_id", "sensor_id", "sensor_hash"]),
    ("fetch_clock_entry", ["peer_id", "clock_id", "clock_hash"]),
    ("fetch_frame_entry", ["peer_id", "frame_id", "frame_hash"]),
]


@pytest.mark.parametrize(("name", "parameters"), METHODS)
def test_every_method_of_the_page_takes_what_it_says(name: str, parameters: list[str]) -> None:
    signature = inspect.signature(getattr(kit.auki.ClusterManager, name))
    assert list(signature.parameters)[1:] == parameters


def test_a_stream_is_dispatched_by_the_variant_in_the_catalog() -> None:
    def provider(_peer: str, request: Any) -> kit.auki.StreamDecision:
        item = kit.auki.StreamItem(timestamp_ns=1, payload=kit.auki.SpatialTransformFrame([0, 0, 0, 0, 0, 0, 1]))
        return kit.auki.StreamDecision.accept_pose(manifest=kit.auki.StreamManifest(), source=[item])

    entry = kit.auki.ResourceEntry.from_dict(pose_row())
    producer = kit.auki.ClusterManager.create_cluster(bytes(32), "lab", URL, stream_provider=provider)
    consumer = kit.auki.ClusterManager.join_cluster(bytes([1] * 32), "lab", URL)
    producer.set_resource_catalog_provider(lambda: [entry])
    peer_id, resource_id = producer.local_peer_id, entry.resource_id
    request = kit.auki.StreamRequest(resource_id, "galbot", kit.auki.ReadFrom.from_start())
    opens: list[Callable[[], kit.auki.StreamSubscription]] = [
        lambda: consumer.open_stream(peer_id, resource_id),
        lambda: consumer.open_stream_with_request(peer_id, request=request),
        lambda: consumer.open_pose_stream(peer_id, resource_id),
    ]
    for open_it in opens:
        assert isinstance(next(open_it().entries()).payload, kit.auki.SpatialTransformFrame)
    with pytest.raises(FileNotFoundError):
        consumer.open_stream_with_request(peer_id, kit.auki.StreamRequest(resource_id, "somebody else"))


def test_registry_entries_are_fetched_as_canonical_json(tmp_path: Path) -> None:
    producer, consumer = two()
    producer.set_registry_app_root(tmp_path)
    bodies: dict[str, dict[str, Any]] = {
        "sensor": {"peer_id": "g", "sensor_id": "mic", "kind": "audio", "type": "pcm"},
        "clock": {
            "peer_id": "g",
            "clock_id": "c",
            "type": "utc_clock",
            "unit": "ns",
            "monotonic": False,
            "epoch": None,
            "scope": "global",
        },
        "frame": {
            "peer_id": "g",
            "frame_id": "f",
            "handedness": "right",
            "axes": {"x": "forward", "y": "left", "z": "up"},
            "units": "meters",
        },
    }
    for kind, body in bodies.items():
        section: Any = f"{kind}s"
        made = registry.write(tmp_path, section, body)
        text = getattr(consumer, f"fetch_{kind}_entry")(producer.local_peer_id, made.id, made.hash)
        assert text == json.dumps(body, sort_keys=True, separators=(",", ":"))


def test_a_manifest_builder_serves_the_producers_side(tmp_path: Path) -> None:
    made = registry.write(tmp_path, "sensors", {"peer_id": "g", "sensor_id": "mic", "kind": "audio", "type": "pcm"})
    manifest = kit.auki.StreamManifestBuilder.from_registry(tmp_path, "g", "mic", made.hash, "c", "h")
    assert (manifest.sensor_id, manifest.clock_id) == ("mic", "c")


def test_the_classes_that_the_page_calls_deleted_are_not_there() -> None:
    for name in ("SensorStreamResource", "TransformEdgeResource", "PoseStreamResource"):
        assert not hasattr(kit.auki, name)

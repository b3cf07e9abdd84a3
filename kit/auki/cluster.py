"""`ClusterManager`: a daemon's handle on its cluster, over the simulated network (spec/auki.md 2.2, 2.3, 6 and 7).

Nothing leaves the process. A call takes no wall time; creating and joining take a millisecond of virtual time, and
heartbeats, elections and sweeps happen as virtual time passes (`kit.auki.sim`).
"""

import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from kit.auki import catalog, handshake
from kit.auki.directory import NameTaken
from kit.auki.membership import ClusterMember, ClusterMembership
from kit.auki.network import Network, locked, network
from kit.auki.node import Node
from kit.auki.participant import DaemonInfo, ParticipantInfo, SensorEntry
from kit.auki.peer import check_multiaddr, peer_of_seed, seed_bytes
from kit.auki.request import ReadFrom, StreamRequest
from kit.auki.resource import ResourceEntry
from kit.auki.sample import StreamKind
from kit.auki.stream import StreamSubscription
from kit.auki.target import ClusterEntry, ClusterTarget
from kit.errors import ArgumentError, ClusterError, TransportError

LISTEN = ("/ip4/127.0.0.1/tcp/0",)
AGENT = "kit/0"
SHUT_DOWN = "has been shut down"
DAEMON = DaemonInfo("kit", "", "", "", "", "")

Seed = bytes | Sequence[int]
StreamProvider = Callable[[str, StreamRequest], Any]


class ClusterManager:
    """One peer of a cluster; made by `bootstrap`, `create_cluster`, `join_cluster` and their kin.

    After `shutdown()` every property and method raises `RuntimeError`; after `sim.kill` every method does. Safe to
    use from several threads. Peer ids may be given by the `name` of a peer's `DaemonInfo` while
    `sim.lenient_peer_ids` is on.
    """

    def __init__(self) -> None:
        raise TypeError("ClusterManager is made by its static methods: bootstrap, create_cluster, join_cluster")

    _state: Node
    _gone: str | None = None

    @classmethod
    def _of(cls, node: Node) -> "ClusterManager":
        made = cls.__new__(cls)
        made._state = node
        return made

    # constructors

    @staticmethod
    def bootstrap(
        target: ClusterTarget,
        wallet_seed: Seed,
        discovery_url: str,
        listen_addresses: Iterable[str] = LISTEN,
        agent_version: str = AGENT,
        daemon_info: DaemonInfo = DAEMON,
        stream_provider: StreamProvider | None = None,
        external_addresses: Iterable[str] | None = None,
    ) -> "ClusterManager":
        """A manager by policy: create, join, or one where the other is not possible (spec/auki.md 7.2).

        Raises `ValueError` for a seed that is not 32 bytes, `RuntimeError` where a cluster is there that should not be
        or the other way round, `OSError` where the directory or the cluster's manager cannot be reached.
        """
        net = network()
        with locked(net):
            node = _new_node(
                net, wallet_seed, target.name, discovery_url, listen_addresses, daemon_info, external_addresses
            )
            node.stream_provider = stream_provider
            listed = net.directory(discovery_url).entries()
            names = [entry.name for entry in listed]
            if target.kind == "most_recent_or_create" and names:
                node.cluster_name = names[0]
            join = target.kind == "join" or (target.kind != "create" and node.cluster_name in names)
            if join and node.cluster_name not in names:
                raise ClusterError(f'cluster "{target.name}" not in Discovery directory')
            if join:
                _join(net, node)
            else:
                _create(net, node, "already exists in Discovery directory")
        return ClusterManager._of(node)

    @staticmethod
    def create_cluster(
        wallet_seed: Seed,
        cluster_name: str,
        discovery_url: str,
        listen_addresses: Iterable[str] = LISTEN,
        agent_version: str = AGENT,
        daemon_info: DaemonInfo = DAEMON,
        stream_provider: StreamProvider | None = None,
        external_addresses: Iterable[str] | None = None,
    ) -> "ClusterManager":
        """The manager of a new cluster, its first member. Raises what `bootstrap` raises."""
        return ClusterManager.create_cluster_with_relay_multiaddrs(
            wallet_seed,
            cluster_name,
            discovery_url,
            listen_addresses,
            (),
            agent_version,
            daemon_info,
            stream_provider,
            external_addresses,
        )

    @staticmethod
    def create_cluster_with_relay_multiaddrs(
        wallet_seed: Seed,
        cluster_name: str,
        discovery_url: str,
        listen_addresses: Iterable[str] = LISTEN,
        relay_multiaddrs: Iterable[str] = (),
        agent_version: str = AGENT,
        daemon_info: DaemonInfo = DAEMON,
        stream_provider: StreamProvider | None = None,
        external_addresses: Iterable[str] | None = None,
    ) -> "ClusterManager":
        """As `create_cluster`; the directory lists the relays beside the manager's own addresses."""
        net = network()
        with locked(net):
            relays = _addresses(relay_multiaddrs, seed=wallet_seed)
            node = _new_node(
                net,
                wallet_seed,
                cluster_name,
                discovery_url,
                listen_addresses,
                daemon_info,
                external_addresses,
                relays=relays,
            )
            node.stream_provider = stream_provider
            _create(net, node, "already exists; list and join instead")
        return ClusterManager._of(node)

    @staticmethod
    def create_cluster_with_relay_reservation(
        wallet_seed: Seed,
        cluster_name: str,
        discovery_url: str,
        listen_addresses: Iterable[str] = LISTEN,
        relay_dial_multiaddr: str = "",
        relay_advertise_multiaddr: str = "",
        agent_version: str = AGENT,
        daemon_info: DaemonInfo = DAEMON,
        stream_provider: StreamProvider | None = None,
        external_addresses: Iterable[str] | None = None,
        relay_reservation_timeout_ms: int = 10000,
    ) -> "ClusterManager":
        """As `create_cluster`, with a place at a relay: dialled at one address, listed under the other.

        A reservation succeeds within a round trip of a millisecond; with a timeout below that it is an `OSError`.
        """
        dial, advertise = _addresses((relay_dial_multiaddr, relay_advertise_multiaddr), seed=wallet_seed)
        if relay_reservation_timeout_ms < 1:
            raise TransportError(
                f"relay reservation failed: no answer from {dial} in {relay_reservation_timeout_ms} ms"
            )
        return ClusterManager.create_cluster_with_relay_multiaddrs(
            wallet_seed,
            cluster_name,
            discovery_url,
            listen_addresses,
            (advertise,),
            agent_version,
            daemon_info,
            stream_provider,
            external_addresses,
        )

    @staticmethod
    def join_cluster(
        wallet_seed: Seed,
        cluster_name: str,
        discovery_url: str,
        listen_addresses: Iterable[str] = LISTEN,
        agent_version: str = AGENT,
        daemon_info: DaemonInfo = DAEMON,
        stream_provider: StreamProvider | None = None,
        external_addresses: Iterable[str] | None = None,
    ) -> "ClusterManager":
        """A new member of a cluster that the directory lists. Raises what `bootstrap` raises."""
        net = network()
        with locked(net):
            node = _new_node(
                net, wallet_seed, cluster_name, discovery_url, listen_addresses, daemon_info, external_addresses
            )
            node.stream_provider = stream_provider
            _join(net, node)
        return ClusterManager._of(node)

    @staticmethod
    def list_clusters(discovery_url: str) -> list[ClusterEntry]:
        """The clusters that the directory lists, the newest first."""
        net = network()
        with locked(net):
            return net.directory(discovery_url).entries()

    # what it is

    @property
    def cluster_name(self) -> str:
        """The name of its cluster."""
        return self._node.cluster_name

    @property
    def local_peer_id(self) -> str:
        """Its own id; equal for equal wallet seeds."""
        return self._node.peer_id

    @property
    def is_manager(self) -> bool:
        """Whether it manages the cluster now."""
        return self._node.is_manager

    @property
    def manager_peer_id(self) -> str:
        """Who manages the cluster, as far as it knows."""
        return self._node.manager_peer_id

    @property
    def peer_count(self) -> int:
        """How many members it knows of, itself included."""
        return len(self._node.peers)

    def membership(self) -> ClusterMembership:
        """The members in the order of admission, as a copy."""
        with self._held() as node:
            return node.membership()

    def admit_peer(self, peer_id: str, multiaddrs: Iterable[str]) -> ClusterMember:
        """Adds a member by hand; `RuntimeError` unless it manages the cluster, `ValueError` for a member already there."""
        with self._held() as node:
            return node.admit(handshake.peer_id_of(node, peer_id), multiaddrs)

    def participant_info(self) -> ParticipantInfo:
        """How it sees itself at this moment."""
        with self._held() as node:
            return node.participant_info()

    def fetch_participant_info(self, peer_id: str) -> ParticipantInfo:
        """How another member sees itself; `OSError` where it cannot be reached."""
        with self._held() as node:
            return handshake.peer(node, peer_id).participant_info()

    def shutdown(self) -> None:
        """Leaves the cluster. The last member takes the directory's entry along; others elect in time.

        Streams that it serves end with `producer_shutting_down`. A second call raises `RuntimeError`.
        """
        with self._held() as node:
            self._gone = SHUT_DOWN
            node.leave()
            handshake.end_streams(node, vanished=False)

    # catalogs and registries

    def set_resource_catalog_provider(self, callable: Callable[[], Iterable[ResourceEntry]]) -> None:
        """`callable()` gives the rows of each fetch from this peer; setting again replaces (spec/auki.md 6.5).

        The callable itself is kept and called for every fetch, also for the one inside `open_stream`.
        """
        self._node.catalog_provider = _callable(callable)

    def set_sensor_catalog_provider(self, callable: Callable[[], Iterable[SensorEntry]]) -> None:
        """The same for the older sensor catalog."""
        self._node.sensor_provider = _callable(callable)

    def set_registry_app_root(self, path: str | os.PathLike[str]) -> None:
        """The folder with `registries/`, out of which entries are served."""
        self._node.app_root = Path(path)

    def fetch_resources_catalog(self, peer_id: str, variants: Iterable[str] | None = None) -> list[ResourceEntry]:
        """The rows a peer lists now, of these variants or of all; `ValueError` for an unknown variant."""
        wanted = catalog.check_variants(variants)
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.rows(target, wanted)

    def fetch_sensors_catalog(
        self, peer_id: str, include_registry_entries: bool = False, include_frame_entries: bool = False
    ) -> list[SensorEntry]:
        """The rows of the older sensor catalog, with the registry entries of sensors and frames where asked for."""
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.sensors(target, with_sensor=include_registry_entries, with_frame=include_frame_entries)

    def fetch_sensor_entry(self, peer_id: str, sensor_id: str, sensor_hash: str) -> str:
        """Canonical JSON of a sensor in a peer's registry; `FileNotFoundError`, or `ValueError` for another hash."""
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.entry(target, "sensors", sensor_id, sensor_hash)

    def fetch_clock_entry(self, peer_id: str, clock_id: str, clock_hash: str) -> str:
        """Canonical JSON of a clock in a peer's registry."""
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.entry(target, "clocks", clock_id, clock_hash)

    def fetch_frame_entry(self, peer_id: str, frame_id: str, frame_hash: str) -> str:
        """Canonical JSON of a frame in a peer's registry."""
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.entry(target, "frames", frame_id, frame_hash)

    def fetch_detector_entry(self, peer_id: str, detector_id: str, detector_hash: str) -> str:
        """Canonical JSON of a detector in a peer's registry."""
        with self._held() as node:
            target = handshake.peer(node, peer_id)
        return catalog.entry(target, "detectors", detector_id, detector_hash)

    # streams

    def open_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of the latest entries; the peer's catalog says what it carries (spec/auki.md 6.1).

        Raises `FileNotFoundError` for a resource that is not listed, `ValueError` for a row that no stream fits,
        `StreamDeclined`, and `StreamUnreachable`.
        """
        return self.open_stream_with_request(peer_id, StreamRequest(resource_id))

    def open_stream_with_request(self, peer_id: str, request: StreamRequest) -> StreamSubscription:
        """A stream from where the request says; a `source_peer_id` tells equal resource ids apart."""
        if not isinstance(request, StreamRequest):
            raise TypeError(f"request must be a StreamRequest, not {type(request).__name__}")
        with self._held() as node:
            target = handshake.stream_peer(node, peer_id)
        return handshake.open_stream(node, target, request, catalog.stream_kind(target, request))

    def open_camera_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `CameraFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "camera")

    def open_pointcloud_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `PointCloudFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "pointcloud")

    def open_joint_encoders_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `JointEncodersFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "joint_encoders")

    def open_audio_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `AudioFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "audio")

    def open_pose_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `SpatialTransformFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "pose")

    def open_detection_stream(self, peer_id: str, resource_id: str) -> StreamSubscription:
        """A stream of `DetectionFrame`, without a look into the catalog."""
        return self._open(peer_id, resource_id, "detection")

    def open_time_transform_stream(
        self, peer_id: str, resource_id: str, from_: ReadFrom | None = None
    ) -> StreamSubscription:
        """A stream of `TimeTransformFrame`, the readings of one clock against another; an addition of the kit."""
        return self._open(peer_id, resource_id, "time_transform", from_)

    def _open(
        self, peer_id: str, resource_id: str, kind: StreamKind, from_: ReadFrom | None = None
    ) -> StreamSubscription:
        with self._held() as node:
            target = handshake.stream_peer(node, peer_id)
        return handshake.open_stream(node, target, StreamRequest(resource_id, "", from_), kind)

    # inside

    @property
    def _node(self) -> Node:
        """The node, for what can still be read of a peer that was killed."""
        if self._gone == SHUT_DOWN:
            raise ClusterError(f"ClusterManager {self._gone}")
        return self._state

    def _held(self) -> "_Held":
        return _Held(self)

    def __repr__(self) -> str:
        node = self._state
        role = self._gone or ("manager" if node.is_manager else f"managed by {node.manager_peer_id}")
        return f'<ClusterManager {node.peer_id} in "{node.cluster_name}", {role}, {len(node.peers)} peers>'


class _Held:
    """The node of a manager that is still there, with the network held."""

    def __init__(self, manager: ClusterManager) -> None:
        self._manager = manager
        self._lock = locked(manager._state.net)

    def __enter__(self) -> Node:
        self._lock.__enter__()
        gone = self._manager._gone
        if gone is not None:
            self._lock.__exit__(None, None, None)
            raise ClusterError(f"ClusterManager {gone}")
        return self._manager._state

    def __exit__(self, *error: object) -> None:
        self._lock.__exit__(None, None, None)


def _callable(function: Any) -> Any:
    if not callable(function):
        raise TypeError(f"a provider must be callable, not {type(function).__name__}")
    return function


def _addresses(addresses: Iterable[str], *, seed: Seed) -> list[str]:
    """Checked addresses; the seed is looked at before them, as the SDK does."""
    seed_bytes(seed)
    if isinstance(addresses, str):
        raise ArgumentError(f"{addresses!r} is one address; use a list of them")
    return [check_multiaddr(address) for address in addresses]


def _new_node(
    net: Network,
    seed: Seed,
    name: str,
    url: str,
    listen: Iterable[str],
    daemon: DaemonInfo,
    external: Iterable[str] | None,
    *,
    relays: Sequence[str] = (),
) -> Node:
    """A node that is in no cluster yet, its arguments checked."""
    peer_id = peer_of_seed(seed)
    if not isinstance(daemon, DaemonInfo):
        raise TypeError(f"daemon_info must be a DaemonInfo, not {type(daemon).__name__}")
    listening = _addresses(listen, seed=seed)
    node = Node(net, url, name, peer_id, daemon)
    node.multiaddrs = _addresses(external, seed=seed) if external else listening
    node.relays = list(relays)
    if not (node.multiaddrs or node.relays):
        raise TransportError("no address to advertise: listen_addresses and external_addresses are empty")
    return node


def _create(net: Network, node: Node, taken: str) -> None:
    net.take_time()
    try:
        net.directory(node.url).create(node.cluster_name, node.peer_id, node.multiaddrs, node.relays)
    except NameTaken:
        raise ClusterError(f'cluster "{node.cluster_name}" {taken}') from None
    node.started_ns = net.now
    node.found()


def _join(net: Network, node: Node) -> None:
    net.take_time()
    entry = net.directory(node.url).look_up(node.cluster_name)
    if entry is None:
        raise ClusterError(f'cluster "{node.cluster_name}" not found in Discovery directory')
    if entry.manager_peer_id == node.peer_id:
        raise ClusterError(f"peer id collision: {node.peer_id} is the Manager of the cluster; use another wallet_seed")
    manager = net.node(node, entry.manager_peer_id)
    if manager is None:
        raise TransportError(f"join request: Manager {entry.manager_peer_id} does not answer")
    node.started_ns = net.now
    node.enter(manager.answer_join(node.peer_id, node.multiaddrs), manager.peer_id)

"""A peer inside a cluster: membership, heartbeats, elections (spec/auki.md 7.2 to 7.5).

Every 500 ms the manager sends a heartbeat to each peer and each peer one to the manager. Silence of 1500 ms is a
loss: the manager removes the peer and tells the others; a peer that loses the manager removes it and elects, and the
smallest (join time, peer id) of those left is the next. While the directory still hears from the lost manager, it is not
the manager that is lost but the way to it: the election is deferred, and looked at again every 750 ms.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kit.auki.directory import NotListed
from kit.auki.membership import ClusterMember, ClusterMembership
from kit.auki.network import Network
from kit.auki.participant import DaemonInfo, ParticipantInfo
from kit.auki.peer import peer_bytes
from kit.errors import ArgumentError, ClusterError, TransportError

if TYPE_CHECKING:
    from collections.abc import Callable

    from kit.auki.log_source import ServedLog

HEARTBEAT_NS = 500_000_000
LOSS_NS = 1_500_000_000
VOUCH_NS = 1_000_000_000
"""A manager that lives has vouched for its cluster within this time. One that died has not when its loss is noticed: its last
heartbeat was less than 500 ms before its death, and its last vouching not after it."""
DEFER_NS = 750_000_000


class Node:
    """The state of one peer. Every method is called with the lock of the network held."""

    def __init__(self, net: Network, url: str, cluster_name: str, peer_id: str, daemon: DaemonInfo) -> None:
        self.net = net
        self.number = net.number()
        self.url = url.rstrip("/")
        self.cluster_name = cluster_name
        self.peer_id = peer_id
        self.daemon = daemon
        self.multiaddrs: list[str] = []
        self.relays: list[str] = []
        self.peers: list[ClusterMember] = []
        self.manager_peer_id = peer_id
        self.started_ns = net.now
        self.joined_at_ns: int | None = None
        self.alive = True
        self.stream_provider: Callable[[str, Any], Any] | None = None
        self.catalog_provider: Callable[[], Any] | None = None
        self.sensor_provider: Callable[[], Any] | None = None
        self.app_root: Path | None = None
        self.served: list[ServedLog] = []
        self._heard: dict[str, int] = {}
        self._watches: dict[str, object] = {}

    @property
    def is_manager(self) -> bool:
        """Whether it is the manager, as it sees it."""
        return self.manager_peer_id == self.peer_id

    def member(self, peer_id: str) -> ClusterMember | None:
        """The member of that id, or None."""
        return next((peer for peer in self.peers if peer.peer_id == peer_id), None)

    # coming and going

    def found(self) -> None:
        """Becomes the first member and the manager of a new cluster that the directory has just listed."""
        self.peers = [ClusterMember(self.peer_id, self.multiaddrs, self.net.now, b"")]
        self._enter()
        self.net.chore(VOUCH_NS, self._vouch)

    def enter(self, peers: Iterable[ClusterMember], manager_peer_id: str) -> None:
        """Takes up the membership that the manager answered with."""
        self.peers = list(peers)
        self.manager_peer_id = manager_peer_id
        self._enter()

    def _enter(self) -> None:
        self.net.nodes[self.url, self.cluster_name, self.peer_id] = self
        self._watch()
        self._beat()

    def admit(self, peer_id: str, multiaddrs: Iterable[str]) -> ClusterMember:
        """Appends a member and tells the others; for the manager only, and no member twice."""
        if not self.is_manager:
            raise ClusterError(
                f'not the Manager of cluster "{self.cluster_name}"; manager_peer_id={self.manager_peer_id}'
            )
        if self.member(peer_id) is not None:
            raise ArgumentError(f"peer {peer_id} is already a cluster member")
        member = ClusterMember(peer_id, multiaddrs, self.net.now, b"")
        self.peers.append(member)
        self._watch()
        self._gossip()
        return member

    def answer_join(self, peer_id: str, multiaddrs: Iterable[str]) -> list[ClusterMember]:
        """What the manager answers to a peer that wants in; `ClusterError` `Manager rejected join: ..`."""
        if not self.is_manager:
            raise ClusterError("Manager rejected join: not the manager")
        if self.member(peer_id) is not None:
            raise ClusterError("Manager rejected join: already a member")
        self.admit(peer_id, multiaddrs)
        return list(self.peers)

    def leave(self) -> None:
        """Goes with a goodbye to the directory: the last member, if it is the manager, takes the entry along."""
        self.alive = False
        if self.is_manager and len(self.peers) == 1:
            try:
                self.net.directory(self.url).delete(self.cluster_name)
            except TransportError:
                return  # the directory sweeps the entry by itself

    # signs of life

    def _beat(self) -> None:
        if not self.alive:
            return
        for peer_id in self._watched():
            if (node := self.net.node(self, peer_id)) is not None:
                node._hear(self.peer_id)
        self.net.chore(HEARTBEAT_NS, self._beat)

    def _hear(self, peer_id: str) -> None:
        if peer_id in self._watches:
            self._heard[peer_id] = self.net.now

    def _watched(self) -> list[str]:
        """Whom it exchanges heartbeats with: the manager with all, others with the manager."""
        ids = [peer.peer_id for peer in self.peers if peer.peer_id != self.peer_id]
        return ids if self.is_manager else [peer_id for peer_id in ids if peer_id == self.manager_peer_id]

    def _watch(self) -> None:
        """Brings the watches in line with membership and manager; a new one starts as if just heard."""
        watched = self._watched()
        self._watches = {peer_id: watch for peer_id, watch in self._watches.items() if peer_id in watched}
        for peer_id in watched:
            if peer_id not in self._watches:
                self._watches[peer_id] = watch = object()
                self._heard[peer_id] = self.net.now
                self._look_in(LOSS_NS, peer_id, watch)

    def _look_in(self, delay_ns: int, peer_id: str, watch: object) -> None:
        self.net.chore(delay_ns, lambda: self._look(peer_id, watch))

    def _look(self, peer_id: str, watch: object, *, sure: bool = False) -> None:
        if not self.alive or self._watches.get(peer_id) is not watch:
            return
        left = self._heard[peer_id] + LOSS_NS - self.net.now
        if left > 0 or not sure:
            # a heartbeat that is due at this very moment comes first
            self.net.chore(max(0, left), lambda: self._look(peer_id, watch, sure=left <= 0))
            return
        if not self.is_manager and self._vouched(peer_id):
            self._look_in(DEFER_NS, peer_id, watch)
            return
        self.peers = [peer for peer in self.peers if peer.peer_id != peer_id]
        if self.is_manager:
            self._watch()
            self._gossip()
        else:
            self._elect()

    # gossip and elections

    def _gossip(self) -> None:
        """Sends the whole membership to every other member."""
        for peer in list(self.peers):
            node = self.net.node(self, peer.peer_id)
            if node is not None and node is not self:
                node._receive(list(self.peers), self.peer_id)

    def _receive(self, peers: list[ClusterMember], sender: str) -> None:
        """Takes a membership over, if it comes from the advertised manager and lists it (spec/auki.md 7.3)."""
        if sender not in (self.manager_peer_id, self._advertised()) or sender not in {p.peer_id for p in peers}:
            return
        self.peers = peers
        self.manager_peer_id = sender
        self._watch()

    def _vouched(self, manager: str) -> bool:
        """Whether the directory lists a manager as alive, so that an election is deferred (spec/auki.md 7.4)."""
        if not self.net.defer_elections:
            return False
        try:
            entry = self.net.directory(self.url).look_up(self.cluster_name)
        except TransportError:
            return False  # nothing is known of it then
        alive = entry is not None and self.net.now - entry.last_liveness_check_ns <= VOUCH_NS
        return alive and entry is not None and entry.manager_peer_id == manager

    def _advertised(self) -> str | None:
        try:
            entry = self.net.directory(self.url).look_up(self.cluster_name)
        except TransportError:
            return None
        return None if entry is None else entry.manager_peer_id

    def _elect(self) -> None:
        winner = min(self.peers, key=lambda peer: (peer.join_ts_ns, peer_bytes(peer.peer_id)))
        self.manager_peer_id = winner.peer_id
        self._watch()
        if self.is_manager:
            self._advertise()
            self.net.chore(VOUCH_NS, self._vouch)
            self._gossip()

    def _advertise(self) -> None:
        """Tells the directory who is the manager now; where the entry is gone, lists the cluster again."""
        directory, count = self.net.directory(self.url), len(self.peers)
        try:
            directory.rotate(self.cluster_name, self.peer_id, self.multiaddrs, count)
        except NotListed:
            directory.create(self.cluster_name, self.peer_id, self.multiaddrs, self.relays, peer_count=count)
        except TransportError:
            return  # the next sign of life tries again

    def _vouch(self) -> None:
        if not self.alive or not self.is_manager:
            return
        try:
            self.net.directory(self.url).vouch(self.cluster_name, len(self.peers))
        except NotListed:
            self._advertise()
        except TransportError:
            pass
        self.net.chore(VOUCH_NS, self._vouch)

    # what it tells of itself

    def membership(self) -> ClusterMembership:
        """The membership as it stands, as a copy."""
        return ClusterMembership._of(self.cluster_name, self.peers)

    def participant_info(self) -> ParticipantInfo:
        """How it sees itself now; the first call that sees another member fixes the time of joining."""
        session_now_ns = self.net.now - self.started_ns
        if self.joined_at_ns is None and len(self.peers) > 1:
            self.joined_at_ns = session_now_ns
        daemon = self.daemon
        return ParticipantInfo(
            daemon.app,
            daemon.name,
            daemon.session_id,
            daemon.session_clock_id,
            daemon.session_clock_hash,
            session_now_ns,
            self.joined_at_ns,
            self.peer_id,
            daemon.app_instance,
            self.is_manager,
            self.manager_peer_id,
        )

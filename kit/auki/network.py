"""The network that all simulated peers of this process are in: its clock, its lock, who reaches whom.

One lock guards the kernel and the state of all nodes. Providers and sources of users are called without it.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

from kit.auki.decision import EndReason
from kit.auki.directory import Directory
from kit.errors import StreamEndOfStream
from kit.kernel import Kernel

if TYPE_CHECKING:
    from kit.auki.node import Node
    from kit.auki.producer import Producer

START_NS = 1_767_225_600_000_000_000
"""2026-01-01T00:00:00Z: the virtual time at which a network starts."""
REQUEST_NS = 1_000_000
"""What creating or joining a cluster takes, so that no two peers join at the same time."""


class Network:
    """Peers, directories and partitions over one kernel of nanoseconds."""

    def __init__(self, seed: int | str = 0) -> None:
        self.kernel = Kernel(seed=seed, start=START_NS, unit="ns")
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.nodes: dict[tuple[str, str, str], Node] = {}
        self.directories: dict[str, Directory] = {}
        self.producers: list[Producer] = []
        self.dropped: list[Producer] = []
        self.lenient_peer_ids = True
        self.defer_elections = True
        self._cuts: set[frozenset[int]] = set()
        self._numbers = count()

    # time

    @property
    def now(self) -> int:
        """Unix nanoseconds of virtual time."""
        return self.kernel.now

    def chore(self, delay_ns: int, function: Callable[[], None]) -> None:
        """Schedules what only keeps the cluster alive: nobody waits for it as for a source."""
        self.kernel.call(delay_ns, self._do_chore, function)

    def _do_chore(self, function: Callable[[], None]) -> None:
        function()

    def take_time(self, ns: int = REQUEST_NS) -> None:
        """A request takes its time; what is due meanwhile happens."""
        with self.lock:
            self.kernel.run(until=self.kernel.now + ns)

    def advance(self, ns: int) -> None:
        """Time passes; then every producer runs ahead as far as the queues of its consumers allow."""
        with self.lock:
            self.sweep_dropped()
            self.kernel.run(until=self.kernel.now + ns)
            producers = list(self.producers)
            self.changed.notify_all()
        for producer in producers:
            producer.fill()

    def step(self) -> bool:
        """Lets time go on to the next thing that is no chore; False where there is none."""
        with self.lock:
            due = self.kernel.peek(but=self._do_chore)
            if due is None:
                return False
            self.kernel.run(until=due)
            return True

    # places

    def directory(self, url: str) -> Directory:
        """The directory of a URL, with or without a slash at the end."""
        url = url.rstrip("/")
        if url not in self.directories:
            self.directories[url] = Directory(url, lambda: self.now, self.chore)
        return self.directories[url]

    def number(self) -> int:
        """A number that no node had before."""
        return next(self._numbers)

    def node(self, cluster: "Node", peer_id: str) -> "Node | None":
        """The living node of that id in the cluster of another node, if the two reach each other."""
        node = self.nodes.get((cluster.url, cluster.cluster_name, peer_id))
        return node if node is not None and node.alive and self.reach(cluster, node) else None

    def cut(self, one: "Node", other: "Node") -> None:
        """Nothing passes between two nodes any more, in either direction."""
        self._cuts.add(frozenset((one.number, other.number)))

    def heal(self, one: "Node", other: "Node") -> None:
        """Two nodes that were cut off from each other are so no longer."""
        self._cuts.discard(frozenset((one.number, other.number)))

    def reach(self, one: "Node", other: "Node") -> bool:
        """Whether messages pass between two nodes."""
        return frozenset((one.number, other.number)) not in self._cuts

    # streams

    def sweep_dropped(self) -> None:
        """Closes the producers whose consumers were dropped while the lock was held elsewhere."""
        while self.dropped:
            self.dropped.pop().stop(StreamEndOfStream(EndReason.session_ended()))


_current = Network()


def network() -> Network:
    """The network that new clusters are in."""
    return _current


def new_network(seed: int | str = 0) -> Network:
    """Puts an empty network in place of the current one."""
    global _current
    _current = Network(seed)
    return _current


@contextmanager
def locked(net: Network) -> Iterator[Network]:
    """The network, held by the calling thread."""
    with net.lock:
        net.sweep_dropped()
        yield net

"""`sim`: the hand on the simulated network: time, failures, logs served and replayed (spec/auki.md 7.7)."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kit.auki import handshake
from kit.auki.cluster import ClusterManager
from kit.auki.network import START_NS, locked, network, new_network
from kit.auki.node import Node
from kit.auki.resource import ResourceEntry
from kit.errors import ArgumentError
from kit.kernel import Event, Process, Scheduled
from kit.kernel.event import Body, Sleep


class Clock:
    """The virtual clock of the current network, in unix nanoseconds from 2026-01-01T00:00:00Z on."""

    @property
    def now(self) -> int:
        """The time."""
        return network().now

    def advance(self, ns: int) -> int:
        """Lets `ns` nanoseconds pass: heartbeats, sweeps, elections and sources happen. Returns the time then."""
        if type(ns) is not int or ns < 0:
            raise ArgumentError(f"advance({ns!r}): give a whole number of nanoseconds, 0 or more")
        network().advance(ns)
        return network().now

    def sleep(self, ns: int) -> Sleep:
        """`await sim.clock.sleep(ns)` in an async source: its next item comes that much later."""
        return network().kernel.sleep(ns)

    def call(self, delay_ns: int, function: Callable[..., object], *args: Any) -> Scheduled:
        """Calls `function(*args)` when that much time has passed."""
        with locked(network()) as net:
            return net.kernel.call(delay_ns, function, *args)

    def spawn(self, body: Body, name: str | None = None) -> Process:
        """Runs a generator or coroutine in virtual time (`kit.kernel`)."""
        with locked(network()) as net:
            return net.kernel.spawn(body, name)

    def event(self, name: str = "") -> Event:
        """An event that sources can wait for."""
        return network().kernel.event(name)

    def __repr__(self) -> str:
        return f"<Clock at {self.now} ns, {self.now - START_NS} ns after the start>"


class Discovery:
    """The discovery directories, which can be switched off."""

    def down(self, url: str) -> None:
        """The directory of this URL is out of reach: calls that need it raise `OSError`."""
        with locked(network()) as net:
            net.directory(url).down = True

    def up(self, url: str) -> None:
        """It is back."""
        with locked(network()) as net:
            net.directory(url).down = False


class Simulation:
    """What happens to the peers of this process. There is one network at a time; `reset` puts a new one in place."""

    clock = Clock()
    discovery = Discovery()

    @property
    def lenient_peer_ids(self) -> bool:
        """Whether short names such as `galbot` are taken as peer ids; on until switched off, or after a reset."""
        return network().lenient_peer_ids

    @lenient_peer_ids.setter
    def lenient_peer_ids(self, on: bool) -> None:
        network().lenient_peer_ids = bool(on)

    @property
    def defer_elections(self) -> bool:
        """Whether a peer that loses its manager waits as long as the directory hears from it, as newer builds do.

        On until switched off, or after a reset; without it a peer that is cut off from a living manager elects another.
        """
        return network().defer_elections

    @defer_elections.setter
    def defer_elections(self, on: bool) -> None:
        network().defer_elections = bool(on)

    def reset(self, seed: int | str = 0) -> None:
        """An empty network with its clock at the start; managers made before stay in the old one."""
        new_network(seed)

    def kill(self, manager: ClusterManager) -> None:
        """The peer is gone without a goodbye: its streams are lost, and the others notice in time."""
        with manager._held() as node:
            manager._gone = "has been killed"
            node.alive = False
            handshake.end_streams(node, vanished=True)

    def partition(self, one: ClusterManager, other: ClusterManager) -> None:
        """Nothing passes between two peers any more; both still reach everybody else and the directory."""
        with _pair(one, other) as (a, b):
            a.net.cut(a, b)
            handshake.cut_streams(a, b)

    def heal(self, one: ClusterManager, other: ClusterManager) -> None:
        """Two peers that were partitioned reach each other again; who was removed meanwhile stays removed."""
        with _pair(one, other) as (a, b):
            a.net.heal(a, b)

    def serve_log(
        self,
        manager: ClusterManager,
        folder: str | os.PathLike[str],
        *,
        sealed: bool | None = None,
        sensor: dict[str, str] | None = None,
    ) -> ResourceEntry:
        """The peer lists the log in this folder and serves it; returns the catalog row.

        Entries that are appended to the log later reach open streams; a sealed log ends them. What a sensor log
        carries is in the registry above it, or in `sensor` (`{"kind": "camera", "type": "rgb"}`). Raises `LogError`
        where the manifest or the sensor cannot be read.
        """
        from kit.auki.log_source import ServedLog  # brings NumPy along

        log = ServedLog(Path(folder), sealed=sealed, sensor=sensor)
        with manager._held() as node:
            node.served = [other for other in node.served if other.folder != log.folder]
            node.served.append(log)
        return log.row()

    def replay(
        self, folder: str | os.PathLike[str], speed: float = 1.0, *, into: str | os.PathLike[str] | None = None
    ) -> Process:
        """Appends the entries of a log again as virtual time passes, by the distances of their times over `speed`.

        They go into the log in the folder `into`, which a peer may serve; without it, into a new folder beside the log,
        called as it with `.replay` at the end, so that a capture stays as it is. Returns the process.
        """
        from kit.auki.log_source import replay

        if not speed > 0:
            raise ArgumentError(f"speed {speed!r} must be above 0; 1.0 is as recorded, 10 ten times as fast")
        source = Path(folder)
        target = source.with_name(f"{source.name}.replay") if into is None else Path(into)
        with locked(network()) as net:
            return net.kernel.spawn(replay(net.kernel, source, target, speed), f"replay {source.name}")

    def __repr__(self) -> str:
        return f"<Simulation, {self.clock!r}>"


@contextmanager
def _pair(one: ClusterManager, other: ClusterManager) -> Iterator[tuple[Node, Node]]:
    """The nodes of two managers, with their network held."""
    with locked(one._state.net):
        yield one._state, other._state


sim = Simulation()

"""The discovery directory: which clusters there are, one directory per URL (spec/auki.md 7.1)."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from kit.auki.target import ClusterEntry
from kit.errors import ClusterError, TransportError

SWEEP_NS = 3_000_000_000
"""An entry goes when nobody has vouched for it for so long."""

_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


class NameTaken(ClusterError):
    """The directory lists a cluster of that name."""


class NotListed(ClusterError):
    """The directory lists no cluster of that name."""


@dataclass
class _Listing:
    """An entry while it is listed; `number` tells two of equal age apart."""

    number: int
    manager_peer_id: str
    manager_multiaddrs: list[str]
    relay_multiaddrs: list[str]
    peer_count: int
    created_ns: int
    vouched_ns: int


class Directory:
    """A directory on the virtual clock. `down` makes every call a `TransportError`, as if the server were off.

    `after(delay_ns, function)` schedules on that clock.
    """

    def __init__(self, url: str, now: Callable[[], int], after: Callable[[int, Callable[[], None]], None]) -> None:
        self.url = url
        self.down = False
        self._now = now
        self._after = after
        self._listings: dict[str, _Listing] = {}
        self._count = 0

    def entries(self) -> list[ClusterEntry]:
        """What is listed, the newest first."""
        self._reach()
        order = sorted(self._listings.items(), key=lambda item: (-item[1].created_ns, -item[1].number))
        return [self._entry(name, listing) for name, listing in order]

    def look_up(self, name: str) -> ClusterEntry | None:
        """The entry of that name, or None."""
        self._reach()
        listing = self._listings.get(name)
        return None if listing is None else self._entry(name, listing)

    def create(
        self, name: str, manager: str, multiaddrs: list[str], relays: list[str], *, peer_count: int = 1
    ) -> ClusterEntry:
        """Lists a cluster; raises `NameTaken`, or `ClusterError` `Discovery HTTP 400` for a name that cannot be one."""
        self._reach()
        if not _NAME.fullmatch(name):
            raise ClusterError(f"Discovery HTTP 400: name {name!r} must be 1 to 64 of A-Z a-z 0-9 _ -")
        if name in self._listings:
            raise NameTaken(name)
        self._count += 1
        now = self._now()
        listing = _Listing(self._count, manager, list(multiaddrs), list(relays), peer_count, now, now)
        self._listings[name] = listing
        self._after(SWEEP_NS, lambda: self._sweep(name, listing))
        return self._entry(name, listing)

    def vouch(self, name: str, peer_count: int) -> None:
        """The manager says that the cluster lives; `NotListed` when it was swept."""
        listing = self._listing(name)
        listing.vouched_ns = self._now()
        listing.peer_count = peer_count

    def rotate(self, name: str, manager: str, multiaddrs: list[str], peer_count: int) -> None:
        """Another peer is the manager now."""
        listing = self._listing(name)
        listing.manager_peer_id = manager
        listing.manager_multiaddrs = list(multiaddrs)
        listing.peer_count = peer_count
        listing.vouched_ns = self._now()

    def delete(self, name: str) -> None:
        """Takes a cluster off the list; one that is not there is no mistake."""
        self._reach()
        self._listings.pop(name, None)

    def _listing(self, name: str) -> _Listing:
        self._reach()
        if name not in self._listings:
            raise NotListed(name)
        return self._listings[name]

    def _reach(self) -> None:
        if self.down:
            raise TransportError(f"Discovery: {self.url} cannot be reached; sim.discovery.up(url) brings it back")

    def _sweep(self, name: str, listing: _Listing) -> None:
        """Runs when the entry could be too old; looks again later if somebody has vouched since."""
        if self._listings.get(name) is not listing:
            return
        left = listing.vouched_ns + SWEEP_NS - self._now()
        if left <= 0:
            del self._listings[name]
        else:
            self._after(left, lambda: self._sweep(name, listing))

    def _entry(self, name: str, listing: _Listing) -> ClusterEntry:
        return ClusterEntry(
            name,
            listing.manager_peer_id,
            list(listing.manager_multiaddrs),
            list(listing.relay_multiaddrs),
            listing.peer_count,
            listing.created_ns,
            listing.vouched_ns,
        )

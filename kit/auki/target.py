"""Which cluster to take part in, and what the discovery directory tells of one."""

from dataclasses import dataclass
from typing import Literal

Policy = Literal["create", "join", "join_or_create", "most_recent_or_create"]


@dataclass(frozen=True, repr=False)
class ClusterTarget:
    """The policy of `ClusterManager.bootstrap`: made by `create`, `join`, `join_or_create`, `most_recent_or_create`.

    >>> ClusterTarget.join("hagall")
    ClusterTarget.join("hagall")
    """

    kind: Policy
    name: str

    @staticmethod
    def create(name: str) -> "ClusterTarget":
        """Create the cluster; it must not exist."""
        return ClusterTarget("create", name)

    @staticmethod
    def join(name: str) -> "ClusterTarget":
        """Join the cluster; it must exist."""
        return ClusterTarget("join", name)

    @staticmethod
    def join_or_create(name: str) -> "ClusterTarget":
        """Join the cluster if it is listed, else create it."""
        return ClusterTarget("join_or_create", name)

    @staticmethod
    def most_recent_or_create(fallback_name: str) -> "ClusterTarget":
        """Join the newest cluster that is listed, whatever its name, else create `fallback_name`."""
        return ClusterTarget("most_recent_or_create", fallback_name)

    def __repr__(self) -> str:
        return f'ClusterTarget.{self.kind}("{self.name}")'


@dataclass(frozen=True)
class ClusterEntry:
    """A cluster as the discovery directory lists it; times are unix nanoseconds."""

    name: str
    manager_peer_id: str
    manager_multiaddrs: list[str]
    relay_multiaddrs: list[str]
    peer_count: int
    created_ns: int
    last_liveness_check_ns: int

    @property
    def last_heartbeat_ns(self) -> int:
        """The older name of `last_liveness_check_ns`."""
        return self.last_liveness_check_ns

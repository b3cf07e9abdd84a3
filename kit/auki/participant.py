"""Who a daemon says it is, what the manager of its cluster makes of that, and the older sensor rows."""

from dataclasses import dataclass

from kit.auki.shape import compact


@dataclass(frozen=True)
class DaemonInfo:
    """What a daemon says of itself; all texts are opaque. `app_instance` is by custom a MAC without separators."""

    app: str
    name: str
    session_id: str
    session_clock_id: str
    session_clock_hash: str
    app_instance: str


@dataclass(frozen=True, repr=False)
class ParticipantInfo:
    """A peer as it sees itself at one moment; made by a `ClusterManager` (spec/auki.md 2.1 and 7.5).

    `session_now_ns` counts from the start of that manager; `cluster_joined_at_ns` is its value when another member
    was first seen, and None while the peer is alone.
    """

    app: str
    name: str
    session_id: str
    session_clock_id: str
    session_clock_hash: str
    session_now_ns: int
    cluster_joined_at_ns: int | None
    peer_id: str
    app_instance: str
    is_manager: bool
    manager_peer_id: str

    def to_json(self) -> str:
        """Compact JSON of the 11 keys, in this order; a None is `null`."""
        return compact(self.__dict__)

    def __repr__(self) -> str:
        names = ("app", "peer_id", "is_manager", "manager_peer_id")
        return f"ParticipantInfo({', '.join(f'{name}={compact(getattr(self, name))}' for name in names)})"


@dataclass(frozen=True, repr=False)
class SensorEntry:
    """One row of a peer's sensor catalog, the older form of a catalog. The two texts are canonical JSON or None."""

    sensor_id: str
    sensor_hash: str
    kind: str
    sensor_entry_json: str | None = None
    frame_entry_json: str | None = None

    def __repr__(self) -> str:
        names = ("sensor_id", "sensor_hash", "kind")
        return f"SensorEntry({', '.join(f'{name}={compact(getattr(self, name))}' for name in names)})"

"""Clusters of simulated peers for tests."""

from typing import Any

from kit.auki import ClusterManager, DaemonInfo, ResourceEntry

URL = "http://discovery.test"
SECOND = 1_000_000_000


def seed(number: int) -> bytes:
    return number.to_bytes(32, "big")


def daemon(name: str) -> DaemonInfo:
    return DaemonInfo("app", name, "session", "clock", "hash", "a0b1c2d3e4f5")


def create(number: int = 1, cluster: str = "lab", **options: Any) -> ClusterManager:
    return ClusterManager.create_cluster(seed(number), cluster, URL, **options)


def join(number: int, cluster: str = "lab", **options: Any) -> ClusterManager:
    return ClusterManager.join_cluster(seed(number), cluster, URL, **options)


def lab(size: int) -> list[ClusterManager]:
    return [create(1), *(join(number) for number in range(2, size + 1))]


def row(resource_id: str = "a->b", variant: str = "pose_log") -> ResourceEntry:
    ref = {"peer_id": "p", "id": "x", "hash": "h"}
    manifests = {
        "pose_log": {
            "from_frame": ref,
            "to_frame": ref,
            "clock": ref,
            "source": {"kind": "manual"},
            "expected_rate_hz": 1,
        },
        "sensor_log": {"clock": ref},
        "time_transform_log": {"from_clock": ref, "to_clock": ref, "source": {"kind": "local_clock_read"}},
    }
    available = {"bytes": 0, "entries": 0, "duration_ns": 0}
    return ResourceEntry.from_dict(
        {"variant": variant, "source_peer_id": "p", "writer_peer_id": "p", "resource_id": resource_id, "state": "live"}
        | {"available": available, "manifest": manifests[variant]}
    )

"""Two simulated peers with streams between them, for tests."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from clusters import URL

from kit.auki import (
    CameraFrame,
    ClusterManager,
    ResourceEntry,
    StreamConnectionLost,
    StreamDecision,
    StreamEndOfStream,
    StreamEntry,
    StreamItem,
    StreamManifest,
    StreamRequest,
    StreamSubscription,
)

MANIFEST = StreamManifest(sensor_id="cam", clock_id="clk")
Provider = Callable[[str, StreamRequest], Any]


def pair(provider: Provider | None = None) -> tuple[ClusterManager, ClusterManager]:
    """A producer, which manages the cluster, and a consumer."""
    producer = ClusterManager.create_cluster(bytes([1] * 32), "lab", URL, stream_provider=provider)
    return producer, ClusterManager.join_cluster(bytes([2] * 32), "lab", URL)


def items(count: int, make: Callable[[int], Any] = lambda n: CameraFrame(bytes([n % 256]))) -> Iterator[StreamItem]:
    for number in range(count):
        yield StreamItem(timestamp_ns=number * 10, payload=make(number))


def camera(source: Any) -> Provider:
    return lambda _peer, _request: StreamDecision.accept_camera(manifest=MANIFEST, source=source)


def open_camera(provider: Provider) -> tuple[ClusterManager, ClusterManager, StreamSubscription]:
    producer, consumer = pair(provider)
    return producer, consumer, consumer.open_camera_stream(producer.local_peer_id, "cam")


def ending(entries: Iterator[StreamEntry]) -> tuple[list[StreamEntry], BaseException]:
    """Everything that is left, and the exception at the end, after which there is only StopIteration."""
    read: list[StreamEntry] = []
    try:
        while True:
            read.append(next(entries))
    except (StreamEndOfStream, StreamConnectionLost) as error:
        for _ in range(2):
            with pytest.raises(StopIteration):
                next(entries)
        return read, error


REF = {"peer_id": "p", "id": "x", "hash": "h"}
ROW = {
    "writer_peer_id": "p",
    "state": "live",
    "available": {"bytes": 0, "entries": 0, "duration_ns": 0},
}


def sensor_row(kind: str | None, resource_id: str = "r", source: str = "p") -> ResourceEntry:
    block = {"kind": kind, "type": "t", "sensor_id": "s", "sensor_hash": "h"} if kind else None
    row = {"variant": "sensor_log", "resource_id": resource_id, "source_peer_id": source, "sensor": block}
    return ResourceEntry.from_dict(ROW | row | {"manifest": {"clock": REF}})


def other_row(variant: str, resource_id: str = "r") -> ResourceEntry:
    manifests: dict[str, Any] = {
        "pose_log": {
            "from_frame": REF,
            "to_frame": REF,
            "clock": REF,
            "source": {"kind": "manual"},
            "expected_rate_hz": 1,
        },
        "detection_log": {
            "detector": REF,
            "input_log": {"source_peer_id": "p", "resource_id": "r"},
            "input_sensor": REF,
            "clock": REF,
        },
        "time_transform_log": {"from_clock": REF, "to_clock": REF, "source": {"kind": "local_clock_read"}},
    }
    row = {"variant": variant, "resource_id": resource_id, "source_peer_id": "p", "manifest": manifests[variant]}
    return ResourceEntry.from_dict(ROW | row)

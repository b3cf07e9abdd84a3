"""Auki sensor logs and clusters: segments, payloads, clocks and frames; catalog rows, peers and streams."""

from kit.auki.cluster import ClusterManager
from kit.auki.decision import DeclineReason, EndReason, LogSource, StreamDecision, StreamItem
from kit.auki.inventory import rows_from_logs
from kit.auki.membership import ClusterMember, ClusterMembership
from kit.auki.participant import DaemonInfo, ParticipantInfo, SensorEntry
from kit.auki.producer import StreamEntry
from kit.auki.request import ReadFrom, StreamRequest
from kit.auki.resource import ResourceEntry
from kit.auki.sample import (
    AudioFrame,
    CameraFrame,
    DetectionFrame,
    DynamicIntrinsics,
    JointEncodersFrame,
    PointCloudFrame,
    SpatialTransformFrame,
    TimeTransformFrame,
)
from kit.auki.simulation import sim
from kit.auki.stream import StreamSubscription
from kit.auki.stream_manifest import StreamManifest, StreamManifestBuilder
from kit.auki.stream_rows import stream_rows
from kit.auki.target import ClusterEntry, ClusterTarget
from kit.errors import (
    StreamConnectionLost,
    StreamDeclined,
    StreamEndOfStream,
    StreamIdleError,
    StreamProtocolError,
    StreamUnreachable,
)

__all__ = [
    "AudioFrame",
    "CameraFrame",
    "ClusterEntry",
    "ClusterManager",
    "ClusterMember",
    "ClusterMembership",
    "ClusterTarget",
    "DaemonInfo",
    "DeclineReason",
    "DetectionFrame",
    "DynamicIntrinsics",
    "EndReason",
    "JointEncodersFrame",
    "LogSource",
    "ParticipantInfo",
    "PointCloudFrame",
    "ReadFrom",
    "ResourceEntry",
    "SensorEntry",
    "SpatialTransformFrame",
    "StreamConnectionLost",
    "StreamDecision",
    "StreamDeclined",
    "StreamEndOfStream",
    "StreamEntry",
    "StreamIdleError",
    "StreamItem",
    "StreamManifest",
    "StreamManifestBuilder",
    "StreamProtocolError",
    "StreamRequest",
    "StreamSubscription",
    "StreamUnreachable",
    "TimeTransformFrame",
    "rows_from_logs",
    "sim",
    "stream_rows",
]

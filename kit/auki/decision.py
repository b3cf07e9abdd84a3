"""What a producer answers to a stream request, and why streams are declined or end (spec/auki.md 2.4 and 6)."""

from collections.abc import AsyncIterable, Iterable
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from kit.auki.request import ReadFrom
from kit.auki.sample import SAMPLE_TYPES, Sample, StreamKind
from kit.auki.stream_manifest import StreamManifest
from kit.errors import ArgumentError


@dataclass(frozen=True, kw_only=True)
class StreamItem:
    """What a producer yields: a payload and its time on the stream's clock. The sequence number comes later."""

    timestamp_ns: int
    payload: Sample


@dataclass(frozen=True, repr=False)
class DeclineReason:
    """Why a producer said no: `sensor_not_found`, `sensor_unavailable`, `producer_shutting_down` or `other`."""

    kind: Literal["sensor_not_found", "sensor_unavailable", "producer_shutting_down", "other"]
    detail: str | None = None

    @staticmethod
    def sensor_not_found() -> "DeclineReason":
        """There is no such sensor here."""
        return DeclineReason("sensor_not_found")

    @staticmethod
    def sensor_unavailable() -> "DeclineReason":
        """The sensor is here but gives nothing now."""
        return DeclineReason("sensor_unavailable")

    @staticmethod
    def producer_shutting_down() -> "DeclineReason":
        """The producer is about to leave."""
        return DeclineReason("producer_shutting_down")

    @staticmethod
    def other(*, detail: str) -> "DeclineReason":
        """Another reason, in words."""
        return DeclineReason("other", detail)

    def __repr__(self) -> str:
        return f"DeclineReason.{self.kind}({'' if self.detail is None else f'detail={self.detail!r}'})"


@dataclass(frozen=True, repr=False)
class EndReason:
    """Why a stream ended: `source_ended`, `producer_shutting_down`, `session_ended` or `producer_error`."""

    kind: Literal["source_ended", "producer_shutting_down", "session_ended", "producer_error"]
    detail: str | None = None

    @staticmethod
    def source_ended() -> "EndReason":
        """The source has no more."""
        return EndReason("source_ended")

    @staticmethod
    def producer_shutting_down() -> "EndReason":
        """The producer left the cluster."""
        return EndReason("producer_shutting_down")

    @staticmethod
    def session_ended() -> "EndReason":
        """The session that the stream belongs to is over; here, that the consumer itself left the cluster."""
        return EndReason("session_ended")

    @staticmethod
    def producer_error(*, detail: str) -> "EndReason":
        """The source raised, or yielded what the stream does not carry."""
        return EndReason("producer_error", detail)

    def __repr__(self) -> str:
        return f"EndReason.{self.kind}({'' if self.detail is None else f'detail={self.detail!r}'})"


class Feed(Protocol):
    """A source that is asked, and may have nothing for now."""

    def poll(self) -> StreamItem | None:
        """The next item, or None when there is none now; `StopIteration` when there will be none."""
        ...

    def close(self) -> None:
        """Nobody will ask again."""
        ...


class LogSource(Protocol):
    """A source that is a log: it has a kind and a manifest of its own, and can start in the past."""

    kind: StreamKind
    manifest: StreamManifest

    def open(self, start: ReadFrom) -> Feed:
        """Entries from `start` on; new ones follow as they are appended."""
        ...


Source = Iterable[StreamItem] | AsyncIterable[StreamItem]


class StreamDecision:
    """The answer to a stream request: an `accept_...` with a source of `StreamItem`, or `decline(reason)`.

    A source is an iterable or an async generator; what it awaits are delays and events of the virtual clock
    (`await sim.clock.sleep(ns)`). A decision serves one request.
    """

    def __init__(self, kind: str, manifest: StreamManifest | None, source: Any, reason: DeclineReason | None) -> None:
        self._kind = kind
        self._manifest = manifest
        self._source = source
        self._reason = reason
        self._is_log = False
        self._used = False

    @property
    def kind(self) -> str:
        """`camera`, `pointcloud`, `joint_encoders`, `audio`, `pose`, `detection`, `time_transform` or `decline`."""
        return self._kind

    @classmethod
    def _accept(cls, kind: StreamKind, manifest: StreamManifest, source: Source) -> "StreamDecision":
        if not isinstance(manifest, StreamManifest):
            raise TypeError(f"manifest must be a StreamManifest, not {type(manifest).__name__}")
        if not (hasattr(source, "__iter__") or hasattr(source, "__aiter__")):
            raise TypeError(f"source must be an iterable of StreamItem, not {type(source).__name__}")
        return cls(kind, manifest, source, None)

    @staticmethod
    def accept_camera(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `CameraFrame`."""
        return StreamDecision._accept("camera", manifest, source)

    @staticmethod
    def accept_pointcloud(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `PointCloudFrame`."""
        return StreamDecision._accept("pointcloud", manifest, source)

    @staticmethod
    def accept_joint_encoders(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `JointEncodersFrame`."""
        return StreamDecision._accept("joint_encoders", manifest, source)

    @staticmethod
    def accept_audio(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `AudioFrame`."""
        return StreamDecision._accept("audio", manifest, source)

    @staticmethod
    def accept_pose(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `SpatialTransformFrame`."""
        return StreamDecision._accept("pose", manifest, source)

    @staticmethod
    def accept_detection(*, manifest: StreamManifest, source: Source) -> "StreamDecision":
        """A stream of `DetectionFrame`."""
        return StreamDecision._accept("detection", manifest, source)

    @staticmethod
    def accept_source(log_source: LogSource) -> "StreamDecision":
        """A stream out of a log, which can start in the past (`ReadFrom`)."""
        if log_source.kind not in SAMPLE_TYPES:
            raise ArgumentError(
                f"log_source is of kind {log_source.kind!r}, which is none of {', '.join(SAMPLE_TYPES)}"
            )
        made = StreamDecision(log_source.kind, log_source.manifest, log_source, None)
        made._is_log = True
        return made

    @staticmethod
    def decline(reason: DeclineReason) -> "StreamDecision":
        """No stream, and why."""
        if not isinstance(reason, DeclineReason):
            raise TypeError(f"reason must be a DeclineReason, not {type(reason).__name__}")
        return StreamDecision("decline", None, None, reason)

    def _use(self) -> None:
        if self._used:
            raise ArgumentError("this StreamDecision has served a request before; make a new one for each")
        self._used = True

    def __repr__(self) -> str:
        return f"<StreamDecision {self._kind}>"

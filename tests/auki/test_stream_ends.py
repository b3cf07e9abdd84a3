"""How streams end, and why they do not open (spec/auki.md 6.1 and 6.2)."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from streams import MANIFEST, camera, ending, items, open_camera, pair

from kit.auki import (
    AudioFrame,
    CameraFrame,
    DeclineReason,
    EndReason,
    StreamConnectionLost,
    StreamDecision,
    StreamDeclined,
    StreamItem,
    StreamProtocolError,
    StreamUnreachable,
    sim,
)
from kit.errors import KitError


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    sim.reset()
    yield
    sim.reset()


def test_auki_18_entries_can_be_called_once() -> None:
    *_, subscription = open_camera(camera(items(1)))
    subscription.entries()
    with pytest.raises(RuntimeError, match=r"^StreamSubscription.entries\(\) can only be called once$"):
        subscription.entries()


def broken() -> Iterator[StreamItem]:
    yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"1"))
    raise OSError("lens cap on")


def wrong() -> Iterator[Any]:
    yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"1"))
    yield StreamItem(timestamp_ns=2, payload=AudioFrame(b"2"))


async def async_broken() -> AsyncIterator[StreamItem]:
    await sim.clock.sleep(5)
    yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"1"))
    raise OSError("lens cap on")


async def async_wrong() -> AsyncIterator[Any]:
    yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"1"))
    await sim.clock.sleep(5)
    yield "frame"


@pytest.mark.parametrize(
    ("source", "detail"),
    [
        pytest.param(broken, "OSError: lens cap on", id="auki-18-raises"),
        pytest.param(
            wrong, "the source yielded AudioFrame, the stream carries StreamItem of CameraFrame", id="auki-18-wrong"
        ),
        pytest.param(async_broken, "OSError: lens cap on", id="auki-18-async-raises"),
        pytest.param(async_wrong, "the source yielded str", id="auki-18-async-wrong"),
    ],
)
def test_a_producer_that_fails_ends_the_stream_with_its_error(source: Callable[[], Any], detail: str) -> None:
    *_, subscription = open_camera(camera(source()))
    read, end = ending(subscription.entries())
    assert len(read) == 1
    (reason,) = end.args
    assert reason.kind == "producer_error" and detail in reason.detail


def test_auki_18_a_producer_that_shuts_down_says_so_after_what_it_has_sent() -> None:
    closed: list[bool] = []

    def source() -> Iterator[StreamItem]:
        try:
            yield from items(100)
        finally:
            closed.append(True)

    producer, _consumer, subscription = open_camera(camera(source()))
    entries = subscription.entries()
    next(entries)
    sim.clock.advance(1)
    producer.shutdown()
    read, end = ending(entries)
    assert [entry.seq for entry in read] == list(range(1, 9))
    assert end.args == (EndReason.producer_shutting_down(),)
    assert closed == [True]


def test_auki_18_a_producer_that_vanishes_is_a_lost_connection() -> None:
    producer, _consumer, subscription = open_camera(camera(items(100)))
    entries = subscription.entries()
    next(entries)
    sim.kill(producer)
    read, end = ending(entries)
    assert read == [] and isinstance(end, StreamConnectionLost)


def test_auki_18_a_partition_loses_the_streams_across_it() -> None:
    producer, consumer, subscription = open_camera(camera(items(100)))
    sim.partition(producer, consumer)
    _, end = ending(subscription.entries())
    assert isinstance(end, StreamConnectionLost)
    with pytest.raises(StreamUnreachable, match="does not answer"):
        consumer.open_camera_stream(producer.local_peer_id, "cam")


def test_a_consumer_that_leaves_ends_its_own_streams() -> None:
    _producer, consumer, subscription = open_camera(camera(items(100)))
    consumer.shutdown()
    _, end = ending(subscription.entries())
    assert end.args == (EndReason.session_ended(),)


@pytest.mark.parametrize(
    ("provider", "kind", "detail"),
    [
        pytest.param(None, "sensor_not_found", None, id="auki-18-no-provider"),
        pytest.param(
            lambda *_: StreamDecision.decline(DeclineReason.sensor_unavailable()),
            "sensor_unavailable",
            None,
            id="auki-18-declines",
        ),
        pytest.param(lambda *_: 1 / 0, "other", "ZeroDivisionError: division by zero", id="auki-18-provider-raises"),
        pytest.param(lambda *_: None, "other", "stream_provider returned NoneType", id="auki-18-wrong-return"),
        pytest.param(
            lambda *_: StreamDecision.accept_audio(manifest=MANIFEST, source=[]),
            "other",
            "accepted audio, the request was for camera",
            id="auki-18-wrong-kind",
        ),
    ],
)
def test_a_declined_stream_tells_its_reason(provider: Any, kind: str, detail: str | None) -> None:
    producer, consumer = pair(provider)
    with pytest.raises(StreamDeclined) as caught:
        consumer.open_camera_stream(producer.local_peer_id, "cam")
    (reason,) = caught.value.args
    assert reason.kind == kind and (detail or "") in (reason.detail or "")
    assert isinstance(caught.value, KitError)


def test_a_decision_serves_one_request() -> None:
    decision = StreamDecision.accept_camera(manifest=MANIFEST, source=[])
    producer, consumer = pair(lambda *_: decision)
    consumer.open_camera_stream(producer.local_peer_id, "cam")
    with pytest.raises(StreamDeclined, match="has served a request before"):
        consumer.open_camera_stream(producer.local_peer_id, "cam")


def test_auki_18_a_dead_or_foreign_peer_is_unreachable() -> None:
    producer, consumer = pair(camera(items(1)))
    sim.kill(producer)
    assert not consumer.is_manager
    for call in (consumer.open_camera_stream, consumer.open_stream):
        with pytest.raises(StreamUnreachable, match="does not answer"):
            call(producer.local_peer_id, "cam")
    with pytest.raises(StreamUnreachable, match="is no member"):
        consumer.open_pose_stream("nobody", "cam")


def test_auki_18_a_frame_above_16_mib_breaks_the_protocol() -> None:
    frames = [bytes(16 << 20), bytes((16 << 20) + 1), b"never sent"]
    source = (StreamItem(timestamp_ns=0, payload=CameraFrame(frame)) for frame in frames)
    *_, subscription = open_camera(camera(source))
    entries = subscription.entries()
    assert len(next(entries).payload) == 16 << 20
    with pytest.raises(StreamProtocolError, match="16,777,217 bytes is longer than 16,777,216"):
        next(entries)
    with pytest.raises(StopIteration):
        next(entries)


def test_a_request_that_is_none_is_a_type_error() -> None:
    producer, consumer = pair(None)
    with pytest.raises(TypeError, match="request must be a StreamRequest, not str"):
        consumer.open_stream_with_request(producer.local_peer_id, "cam")  # type: ignore[arg-type]

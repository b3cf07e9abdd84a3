"""Streams between peers: opening, reading and flow control (spec/auki.md 6)."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from clusters import SECOND, URL
from streams import MANIFEST, camera, ending, items, open_camera, other_row, pair, sensor_row

from kit.auki import (
    AudioFrame,
    CameraFrame,
    ClusterManager,
    DetectionFrame,
    EndReason,
    JointEncodersFrame,
    PointCloudFrame,
    ReadFrom,
    ResourceEntry,
    SpatialTransformFrame,
    StreamDecision,
    StreamEndOfStream,
    StreamEntry,
    StreamIdleError,
    StreamItem,
    StreamRequest,
    sim,
)
from kit.errors import LogError


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    sim.reset()
    yield
    sim.reset()


KINDS: list[tuple[str, ResourceEntry, Any]] = [
    ("camera", sensor_row("camera"), CameraFrame(b"x")),
    ("pointcloud", sensor_row("rangefinder"), PointCloudFrame(b"x")),
    ("pointcloud", sensor_row("rf"), PointCloudFrame(b"x")),
    ("audio", sensor_row("audio"), AudioFrame(b"x")),
    ("joint_encoders", sensor_row("joint_encoders"), JointEncodersFrame([0.5])),
    ("pose", other_row("pose_log"), SpatialTransformFrame(range(7))),
    ("detection", other_row("detection_log"), DetectionFrame(b"x")),
]


@pytest.mark.parametrize(
    ("kind", "row", "sample"), [pytest.param(*case, id=f"auki-16-{case[0]}-{n}") for n, case in enumerate(KINDS)]
)
def test_a_stream_is_of_the_kind_that_the_catalog_says(kind: str, row: ResourceEntry, sample: Any) -> None:
    asked: list[tuple[str, StreamRequest]] = []

    def provider(peer_id: str, request: StreamRequest) -> StreamDecision:
        asked.append((peer_id, request))
        source = [StreamItem(timestamp_ns=7, payload=sample)]
        decision: StreamDecision = getattr(StreamDecision, f"accept_{kind}")(manifest=MANIFEST, source=source)
        return decision

    producer, consumer = pair(provider)
    producer.set_resource_catalog_provider(lambda: [row])
    subscription = consumer.open_stream(producer.local_peer_id, "r")
    assert subscription.manifest == MANIFEST
    assert asked == [(consumer.local_peer_id, StreamRequest("r"))]
    read, end = ending(subscription.entries())
    assert read == [StreamEntry(7, 0, sample)]
    assert isinstance(end, StreamEndOfStream) and end.args == (EndReason.source_ended(),)
    typed = getattr(consumer, f"open_{kind}_stream")(producer.local_peer_id, "anything")
    assert next(typed.entries()).payload == sample
    assert asked[1] == (consumer.local_peer_id, StreamRequest("anything"))


def test_auki_16_what_is_not_listed_is_a_file_not_found() -> None:
    producer, consumer = pair(camera(items(1)))
    with pytest.raises(FileNotFoundError, match=r'^resource "r" not found in remote resource catalog$'):
        consumer.open_stream(producer.local_peer_id, "r")
    producer.set_resource_catalog_provider(lambda: [sensor_row("camera"), other_row("time_transform_log", "t")])
    with pytest.raises(FileNotFoundError, match=r'^resource "q"/"r" not found in remote resource catalog$'):
        consumer.open_stream_with_request(producer.local_peer_id, StreamRequest("r", "q"))
    with pytest.raises(FileNotFoundError, match=r'^resource "t" not found'):
        consumer.open_stream(producer.local_peer_id, "t")


def test_auki_16_a_row_that_no_stream_fits_is_a_value_error() -> None:
    producer, consumer = pair(camera(items(1)))
    producer.set_resource_catalog_provider(lambda: [sensor_row(None), sensor_row("scalar", "s")])
    with pytest.raises(ValueError, match="has no sensor block"):
        consumer.open_stream(producer.local_peer_id, "r")
    with pytest.raises(ValueError, match='has sensor kind "scalar"'):
        consumer.open_stream(producer.local_peer_id, "s")


def test_auki_16_equal_ids_are_told_apart_by_their_source() -> None:
    def provider(_peer: str, request: StreamRequest) -> StreamDecision:
        if request.source_peer_id == "q":
            return StreamDecision.accept_audio(manifest=MANIFEST, source=items(1, lambda _: AudioFrame(b"q")))
        return StreamDecision.accept_camera(manifest=MANIFEST, source=items(1))

    producer, consumer = pair(provider)
    producer.set_resource_catalog_provider(lambda: [sensor_row("camera"), sensor_row("audio", source="q")])
    first = consumer.open_stream(producer.local_peer_id, "r")
    other = consumer.open_stream_with_request(producer.local_peer_id, StreamRequest("r", "q"))
    assert isinstance(next(first.entries()).payload, CameraFrame)
    assert next(other.entries()).payload == AudioFrame(b"q")


def test_auki_17_numbers_start_at_0_and_have_no_gaps() -> None:
    *_, subscription = open_camera(camera(items(40)))
    read, _ = ending(subscription.entries())
    assert [(entry.seq, entry.timestamp_ns, entry.payload) for entry in read] == [
        (n, n * 10, CameraFrame(bytes([n]))) for n in range(40)
    ]


def test_auki_19_a_producer_is_never_more_than_eight_and_one_ahead() -> None:
    made: list[int] = []

    def source() -> Iterator[StreamItem]:
        for number, item in enumerate(items(100)):
            made.append(number)
            yield item

    *_, subscription = open_camera(camera(source()))
    entries = subscription.entries()
    assert made == []
    for read in range(1, 60):
        assert next(entries).seq == read - 1
        assert len(made) - read <= 9
        if read % 3 == 0:
            sim.clock.advance(SECOND)
            assert len(made) - read == 9
    assert made == list(range(len(made)))


def test_auki_19_a_slow_consumer_does_not_hold_up_another() -> None:
    producer, consumer = pair(lambda *_: StreamDecision.accept_camera(manifest=MANIFEST, source=items(50)))
    slow = consumer.open_camera_stream(producer.local_peer_id, "cam").entries()
    fast = consumer.open_camera_stream(producer.local_peer_id, "cam").entries()
    next(slow)
    read, _ = ending(fast)
    assert len(read) == 50
    assert next(slow).seq == 1


def test_auki_19_an_async_source_lives_in_virtual_time_and_waits_for_room() -> None:
    made: list[int] = []

    async def source() -> AsyncIterator[StreamItem]:
        while True:
            await sim.clock.sleep(SECOND // 10)
            made.append(sim.clock.now)
            yield StreamItem(timestamp_ns=sim.clock.now, payload=CameraFrame(b"x"))

    *_, subscription = open_camera(camera(source()))
    entries = subscription.entries()
    start = sim.clock.now
    assert next(entries).timestamp_ns == start + SECOND // 10 == sim.clock.now  # time went on until it came
    sim.clock.advance(20 * SECOND)
    assert len(made) == 10
    times = [next(entries).timestamp_ns for _ in range(9)]
    assert times == made[1:]
    assert next(entries).timestamp_ns > sim.clock.now - SECOND
    assert [entry.seq for entry in (next(entries), next(entries))] == [11, 12]


def test_a_dropped_subscription_closes_the_source() -> None:
    closed: list[str] = []

    def source() -> Iterator[StreamItem]:
        try:
            yield from items(100)
        finally:
            closed.append("sync")

    async def async_source() -> AsyncIterator[StreamItem]:
        try:
            while True:
                await sim.clock.sleep(5)
                yield StreamItem(timestamp_ns=0, payload=CameraFrame(b""))
        finally:
            closed.append("async")

    sources = [source(), async_source()]
    producer, consumer = pair(lambda *_: StreamDecision.accept_camera(manifest=MANIFEST, source=sources.pop(0)))
    for name in ("sync", "async"):
        subscription = consumer.open_camera_stream(producer.local_peer_id, "cam")
        entries = subscription.entries()
        next(entries)
        del subscription
        assert name not in closed
        del entries
        assert closed[-1] == name


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_closed_subscription_closes_the_source_in_the_middle_of_a_wait(asynchronous: bool) -> None:
    closed: list[bool] = []

    async def source() -> AsyncIterator[StreamItem]:
        try:
            yield StreamItem(timestamp_ns=0, payload=CameraFrame(b""))
            await sim.clock.sleep(SECOND)
            yield StreamItem(timestamp_ns=0, payload=CameraFrame(b""))
        finally:
            if asynchronous:
                await sim.clock.sleep(1)
            closed.append(True)

    *_, subscription = open_camera(camera(source()))
    entries = subscription.entries()
    next(entries)
    sim.clock.advance(SECOND // 2)
    subscription.close()
    assert closed == [True]
    _, end = ending(entries)
    assert end.args == (EndReason.session_ended(),)
    sim.clock.advance(10 * SECOND)


def test_a_stream_can_be_relayed_in_one_thread() -> None:
    def relay_provider(_peer: str, _request: StreamRequest) -> StreamDecision:
        upstream = relay.open_camera_stream(producer.local_peer_id, "cam")

        def source() -> Iterator[StreamItem]:
            try:
                for entry in upstream.entries():
                    yield StreamItem(timestamp_ns=entry.timestamp_ns, payload=entry.payload)
            except StreamEndOfStream:
                return

        return StreamDecision.accept_camera(manifest=upstream.manifest, source=source())

    producer, consumer = pair(camera(items(30)))
    relay = ClusterManager.join_cluster(bytes([3] * 32), "lab", URL, stream_provider=relay_provider)
    read, _ = ending(consumer.open_camera_stream(relay.local_peer_id, "cam").entries())
    assert [entry.timestamp_ns for entry in read] == [n * 10 for n in range(30)]


def test_a_source_may_shut_its_own_producer_down() -> None:
    def source() -> Iterator[StreamItem]:
        yield from items(2)
        producer.shutdown()
        yield from items(2)

    producer, _consumer, subscription = open_camera(camera(source()))
    read, end = ending(subscription.entries())
    assert len(read) == 2 and end.args == (EndReason.producer_shutting_down(),)


def test_many_threads_read_and_time_passes_without_loss_or_deadlock() -> None:
    producer, consumer = pair(lambda *_: StreamDecision.accept_camera(manifest=MANIFEST, source=items(200)))
    results: list[list[int]] = []
    errors: list[BaseException] = []

    def read() -> None:
        try:
            entries = consumer.open_camera_stream(producer.local_peer_id, "cam").entries()
            results.append([entry.seq for entry in ending(entries)[0]])
        except BaseException as error:
            errors.append(error)

    def tick() -> None:
        try:
            for _ in range(100):
                sim.clock.advance(1_000_000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(6)] + [threading.Thread(target=tick) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == [] and not any(thread.is_alive() for thread in threads)
    assert results == [list(range(200))] * 6


def test_a_log_that_is_no_log_is_a_log_error(tmp_path: Path) -> None:
    producer, _ = pair()
    with pytest.raises(LogError, match="no log"):
        sim.serve_log(producer, tmp_path)


def test_nothing_to_come_is_an_idle_error_and_not_a_hang() -> None:
    async def source() -> AsyncIterator[StreamItem]:
        yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"1"))
        await gate
        yield StreamItem(timestamp_ns=2, payload=CameraFrame(b"2"))

    gate = sim.clock.event("gate")
    *_, subscription = open_camera(camera(source()))
    entries = subscription.entries()
    assert next(entries).timestamp_ns == 1
    with pytest.raises(StreamIdleError, match="nothing more can arrive at virtual time"):
        next(entries)
    sim.clock.call(SECOND, gate.trigger)
    assert next(entries).timestamp_ns == 2
    _, end = ending(entries)
    assert end.args == (EndReason.source_ended(),)
    assert ReadFrom.latest().kind == "latest"


def test_a_source_written_for_asyncio_runs_in_virtual_time() -> None:
    async def lens() -> bytes:
        await asyncio.sleep(0.05)
        return b"lens"

    async def source() -> AsyncIterator[StreamItem]:
        task = asyncio.create_task(lens())
        for number in range(3):
            await asyncio.sleep(0.1)
            await asyncio.sleep(0)
            yield StreamItem(timestamp_ns=sim.clock.now, payload=CameraFrame(bytes([number])))
        yield StreamItem(timestamp_ns=sim.clock.now, payload=CameraFrame(await task))
        both = await asyncio.gather(lens(), lens())
        yield StreamItem(timestamp_ns=sim.clock.now, payload=CameraFrame(both[1]))
        try:
            await asyncio.wait_for(asyncio.sleep(3600), timeout=0.5)
        except TimeoutError:
            yield StreamItem(timestamp_ns=sim.clock.now, payload=CameraFrame(b"late"))

    *_, subscription = open_camera(camera(source()))
    start = sim.clock.now
    read, end = ending(subscription.entries())
    tenth = SECOND // 10
    assert [(entry.timestamp_ns - start) / tenth for entry in read] == [1, 2, 3, 3, 3.5, 8.5]
    assert [entry.payload.frame for entry in read][3:] == [b"lens", b"lens", b"late"]
    assert end.args == (EndReason.source_ended(),)


def test_a_source_of_asyncio_runs_where_a_loop_runs_already() -> None:
    async def source() -> AsyncIterator[StreamItem]:
        while True:
            await asyncio.sleep(3600)
            yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"x"))

    async def notebook() -> int:
        *_, subscription = open_camera(camera(source()))
        entries = subscription.entries()
        read = [next(entries) for _ in range(3)]
        subscription.close()
        await asyncio.sleep(0)
        return len(read)

    assert asyncio.run(notebook()) == 3


def test_a_source_that_fails_in_asyncio_is_a_producer_error() -> None:
    async def source() -> AsyncIterator[StreamItem]:
        await asyncio.open_connection("127.0.0.1", 9)
        yield StreamItem(timestamp_ns=1, payload=CameraFrame(b"x"))

    *_, subscription = open_camera(camera(source()))
    _, end = ending(subscription.entries())
    assert end.args[0].kind == "producer_error"

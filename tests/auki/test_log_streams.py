"""Streams out of logs on disk: start positions, eviction, the seam between history and new entries, replays."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.auki import (
    AudioFrame,
    CameraFrame,
    ClusterManager,
    EndReason,
    JointEncodersFrame,
    ReadFrom,
    SpatialTransformFrame,
    StreamDecision,
    StreamEndOfStream,
    StreamEntry,
    StreamIdleError,
    StreamRequest,
    TimeTransformFrame,
    payload,
    registry,
    rows_from_logs,
    sim,
)
from kit.auki.discovery import discover
from kit.auki.log_source import LogFeed, ServedLog
from kit.auki.sample import values_of
from kit.auki.segment import segment_paths
from kit.auki.writer import LogWriter
from kit.errors import LogError

URL = "http://discovery.test"
SECOND = 1_000_000_000
REF = {"peer_id": "galbot", "id": "x", "hash": "0" * 32}
WHO = {"source_peer_id": "galbot", "writer_peer_id": "galbot", "app_id": "app", "session_id": "session"}


@pytest.fixture(autouse=True)
def fresh_network() -> Iterator[None]:
    sim.reset()
    yield
    sim.reset()


def body(retention_ns: int = 0, **keys: Any) -> dict[str, Any]:
    named = keys or {"sensor": REF | {"id": "mic"}, "clock": REF}
    return WHO | {"segment_duration_ns": SECOND, "retention_ns": retention_ns} | named


POSE = {
    "from_frame": REF | {"id": "world"},
    "to_frame": REF | {"id": "base"},
    "clock": REF,
    "source": {"kind": "manual"},
    "writer_mode": "movable",
    "expected_rate_hz": 10,
}


def audio(writer: LogWriter, ts: int) -> None:
    writer.append(ts, payload.encode("audio", {"data": str(ts).encode()}))


def sound(ts: int) -> AudioFrame:
    return AudioFrame(str(ts).encode())


def peers() -> tuple[ClusterManager, ClusterManager]:
    producer = ClusterManager.create_cluster(bytes([1] * 32), "lab", URL)
    return producer, ClusterManager.join_cluster(bytes([2] * 32), "lab", URL)


def opened(folder: Path, from_: ReadFrom, *, sealed: bool | None = None) -> Iterator[StreamEntry]:
    producer, consumer = peers()
    sim.serve_log(producer, folder, sealed=sealed, sensor={"kind": "audio", "type": "pcm"})
    request = StreamRequest("mic", "galbot", from_)
    return consumer.open_stream_with_request(producer.local_peer_id, request).entries()


def available(entries: Iterator[StreamEntry]) -> list[int]:
    """The times of what can be read now."""
    times = []
    try:
        while True:
            entry = next(entries)
            assert entry.payload == sound(entry.timestamp_ns)
            times.append(entry.timestamp_ns)
    except StreamIdleError:
        return times


def test_auki_17_latest_brings_what_is_appended_after_the_accept(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        audio(writer, 5)
        entries = opened(tmp_path / "mic", ReadFrom.latest())
        assert available(entries) == []
        audio(writer, 6)
        audio(writer, 2 * SECOND)
        assert available(entries) == [6, 2 * SECOND]
        assert available(entries) == []


def test_auki_17_from_start_brings_everything_then_what_comes(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for n in range(30):
            audio(writer, n * SECOND // 4)
        entries = opened(tmp_path / "mic", ReadFrom.from_start())
        first = [next(entries) for _ in range(10)]
        audio(writer, 100 * SECOND)
        rest = available(entries)
        audio(writer, 100 * SECOND + 1)
        more = available(entries)
    assert [entry.seq for entry in first] == list(range(10))
    expected = [n * SECOND // 4 for n in range(30)] + [100 * SECOND, 100 * SECOND + 1]
    assert [entry.timestamp_ns for entry in first] + rest + more == expected


def test_auki_17_from_a_time_skips_older_history_but_no_new_entry(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for ts in (10, 30, 20, SECOND + 5, SECOND + 1):
            audio(writer, ts)
        entries = opened(tmp_path / "mic", ReadFrom.from_timestamp(20))
        audio(writer, SECOND)  # new, though its time is old in its segment
        assert available(entries) == [30, 20, SECOND + 5, SECOND + 1, SECOND]
        late = opened_again(tmp_path / "mic", ReadFrom.from_timestamp(50 * SECOND))
        audio(writer, SECOND + 9)
        assert available(late) == [SECOND + 9]


def opened_again(folder: Path, from_: ReadFrom) -> Iterator[StreamEntry]:
    sim.reset()
    return opened(folder, from_)


def test_auki_17_after_eviction_history_begins_at_what_was_kept(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body(3 * SECOND)) as writer:
        for n in range(10):
            audio(writer, n * SECOND + 100)
        kept = [6 * SECOND + 100, 7 * SECOND + 100, 8 * SECOND + 100, 9 * SECOND + 100]
        assert available(opened(tmp_path / "mic", ReadFrom.from_start())) == kept
        assert available(opened_again(tmp_path / "mic", ReadFrom.from_timestamp(0))) == kept
        slow = opened_again(tmp_path / "mic", ReadFrom.from_start())
        assert next(slow).timestamp_ns == kept[0]
        for n in range(20, 24):  # what the slow reader has not read is evicted meanwhile
            audio(writer, n * SECOND)
        assert available(slow) == [n * SECOND for n in range(20, 24)]


def test_auki_17_a_sealed_log_ends_after_its_history(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        audio(writer, 1)
        audio(writer, 2)
    entries = opened(tmp_path / "mic", ReadFrom.from_start(), sealed=True)
    assert [next(entries).timestamp_ns, next(entries).timestamp_ns] == [1, 2]
    with pytest.raises(StreamEndOfStream) as caught:
        next(entries)
    assert caught.value.args == (EndReason.source_ended(),)
    latest = opened_again(tmp_path / "mic", ReadFrom.latest())
    assert available(latest) == []


def test_auki_17_an_empty_log_is_waited_on(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for position in (ReadFrom.latest(), ReadFrom.from_start()):
            sim.reset()
            entries = opened(tmp_path / "mic", position)
            assert available(entries) == []
            audio(writer, SECOND * 5)
            assert available(entries) == [SECOND * 5]
            writer.close()
            for path in segment_paths(tmp_path / "mic" / "segments"):
                path.unlink()
            writer = LogWriter(tmp_path / "mic")
        writer.close()


def test_a_cut_tail_is_left_until_it_is_whole(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        audio(writer, 1)
        audio(writer, 2)
    (path,) = segment_paths(tmp_path / "mic" / "segments")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    entries = opened(tmp_path / "mic", ReadFrom.from_start())
    assert available(entries) == [1]
    path.write_bytes(whole)
    assert available(entries) == [2]


def test_a_payload_that_cannot_be_read_is_a_producer_error(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        audio(writer, 1)
        writer.append(2, b"\xa1\x64data")
    entries = opened(tmp_path / "mic", ReadFrom.from_start())
    with pytest.raises(StreamEndOfStream) as caught:
        while True:
            next(entries)
    assert caught.value.args[0].kind == "producer_error"


def test_a_served_log_is_listed_as_it_stands_now(tmp_path: Path) -> None:
    producer, consumer = peers()
    with LogWriter(tmp_path / "pose", body(5 * SECOND, **POSE)) as writer:
        row = sim.serve_log(producer, tmp_path / "pose")
        assert (row.variant, row.resource_id, row.state, row.pose) == (
            "pose_log",
            "world->base",
            "live",
            {"writer_mode": "movable"},
        )
        assert row.head == {"kind": "rolling", "retention_ns": 5 * SECOND}
        assert row.available == {"bytes": 0, "entries": 0, "duration_ns": 0}
        values = [0.5, 0, 0, 0, 0, 0.6, 0.8]
        writer.append(7, payload.encode("pose", values_of(SpatialTransformFrame(values))))
        writer.append(9, payload.encode("pose", values_of(SpatialTransformFrame(values)), "cbor"))
        (row,) = consumer.fetch_resources_catalog(producer.local_peer_id)
        assert (row.available["entries"], row.available["duration_ns"]) == (2, 2)
        assert row.lint() == []
        subscription = consumer.open_stream_with_request(
            producer.local_peer_id, StreamRequest("world->base", from_=ReadFrom.from_start())
        )
        assert subscription.manifest.payload == "spatial_transform"
        assert (subscription.manifest.from_frame_id, subscription.manifest.expected_rate_hz) == ("world", 10)
        entries = subscription.entries()
        assert [next(entries).payload for _ in range(2)] == [SpatialTransformFrame(values)] * 2
        with pytest.raises(StreamIdleError):
            next(entries)
    rigid = tmp_path / "rigid"
    with LogWriter(rigid, body(**(POSE | {"writer_mode": "rigid"}))) as writer:
        writer.append(7, payload.encode("pose", values_of(SpatialTransformFrame(values))))
    sealed = sim.serve_log(producer, rigid)
    assert (sealed.state, sealed.extent, sealed.head) == ("sealed", {"start_at_ns": 7, "finish_at_ns": 7}, None)


def test_the_registry_above_a_log_says_what_its_sensor_is(tmp_path: Path) -> None:
    sensor = registry.write(
        tmp_path,
        "sensors",
        {"peer_id": "galbot", "sensor_id": "arm", "kind": "joint_encoders", "type": "absolute", "joint_count": 2},
    )
    folder = tmp_path / "session" / "logs" / "galbot" / "arm"
    ref = {"peer_id": "galbot", "id": "arm", "hash": sensor.hash}
    with LogWriter(folder, body(sensor=ref, clock=REF)) as writer:
        writer.append(1, payload.encode("joints", {"angles": [0.5, -1.25]}))
    producer, consumer = peers()
    row = sim.serve_log(producer, folder)
    assert row.sensor == {"kind": "joint_encoders", "type": "absolute", "sensor_id": "arm", "sensor_hash": sensor.hash}
    assert row.head == {"kind": "fixed", "started_at_ns": 1}
    request = StreamRequest("arm", from_=ReadFrom.from_start())
    subscription = consumer.open_stream_with_request(producer.local_peer_id, request)
    assert subscription.manifest.sensor_hash == sensor.hash
    assert next(subscription.entries()).payload == JointEncodersFrame([0.5, -1.25])
    with (
        pytest.raises(LogError, match="no registry above it"),
        LogWriter(tmp_path.parent / "alone" / tmp_path.name, body()),
    ):
        sim.serve_log(producer, tmp_path.parent / "alone" / tmp_path.name)


def test_a_log_of_clock_readings_is_served_by_a_provider_of_its_own(tmp_path: Path) -> None:
    refs = {"from_clock": REF | {"id": "a"}, "to_clock": REF | {"id": "b"}, "source": {"kind": "local_clock_read"}}
    with LogWriter(tmp_path / "t", body(**refs)) as writer:
        writer.append(1, payload.encode("time_transform", {"offset_ns": -1500, "uncertainty_ns": 420}))
    log = ServedLog(tmp_path / "t")
    assert log.row().resource_id == "a->b"
    producer, consumer = peers()
    producer._state.stream_provider = lambda *_: StreamDecision.accept_source(log)
    entries = consumer.open_time_transform_stream(producer.local_peer_id, "a->b", ReadFrom.from_start()).entries()
    assert next(entries).payload == TimeTransformFrame(-1500, 420)


def test_a_log_given_to_accept_source_starts_where_the_request_says(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for ts in range(5):
            audio(writer, ts)
    log = ServedLog(tmp_path / "mic", sensor={"kind": "audio", "type": "pcm"})
    producer, consumer = peers()
    producer._state.stream_provider = lambda *_: StreamDecision.accept_source(log)
    producer.set_resource_catalog_provider(lambda: [log.row()])
    request = StreamRequest("mic", from_=ReadFrom.from_timestamp(3))
    assert available(consumer.open_stream_with_request(producer.local_peer_id, request).entries()) == [3, 4]
    assert available(consumer.open_audio_stream(producer.local_peer_id, "mic").entries()) == []


def test_auki_19_reading_a_log_runs_at_most_eight_and_one_ahead(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for ts in range(100):
            audio(writer, ts)
    entries = opened(tmp_path / "mic", ReadFrom.from_start())
    next(entries)
    sim.clock.advance(SECOND)
    (producer,) = entries._line.net.producers  # type: ignore[attr-defined]
    assert len(producer._queue) == 8 and producer._in_hand is not None
    assert available(entries) == list(range(1, 100))


def test_a_replay_brings_the_entries_at_their_distances(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        for ts in (10 * SECOND, 11 * SECOND, 11 * SECOND + SECOND // 2, 15 * SECOND):
            audio(writer, ts)
    producer, consumer = peers()
    process = sim.replay(tmp_path / "mic", 2.0, into=tmp_path / "again")
    sim.serve_log(producer, tmp_path / "again", sensor={"kind": "audio", "type": "pcm"})
    start = sim.clock.now
    entries = consumer.open_stream_with_request(
        producer.local_peer_id, StreamRequest("mic", from_=ReadFrom.from_start())
    ).entries()
    seen = [(next(entries).timestamp_ns, sim.clock.now - start) for _ in range(4)]
    assert seen == [
        (10 * SECOND, 0),
        (11 * SECOND, SECOND // 2),
        (11 * SECOND + SECOND // 2, 3 * SECOND // 4),
        (15 * SECOND, 5 * SECOND // 2),
    ]
    sim.clock.advance(0)
    assert process.value == 4
    with pytest.raises(StreamIdleError):
        next(entries)
    originals = [path.read_bytes() for path in segment_paths(tmp_path / "mic" / "segments")]
    assert [path.read_bytes() for path in segment_paths(tmp_path / "again" / "segments")] == originals
    with pytest.raises(ValueError, match="speed"):
        sim.replay(tmp_path / "mic", 0)
    sim.replay(tmp_path / "mic")
    sim.clock.advance(60 * SECOND)
    assert [p.read_bytes() for p in segment_paths(tmp_path / "mic.replay" / "segments")] == originals


def test_a_reader_waits_for_a_writer_in_another_thread(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        producer, consumer = peers()
        sim.serve_log(producer, tmp_path / "mic", sensor={"kind": "audio", "type": "pcm"})
        subscription = consumer.open_audio_stream(producer.local_peer_id, "mic")
        entries = subscription.entries(wait_s=None)
        ready = threading.Event()

        def write() -> None:
            ready.wait(30)
            for ts in range(50):
                audio(writer, ts)

        thread = threading.Thread(target=write)
        thread.start()
        ready.set()
        assert [next(entries).timestamp_ns for _ in range(50)] == list(range(50))
        thread.join(30)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.integers(0, SECOND)),
        st.tuples(st.just("read"), st.integers(1, 5)),
        st.just(("advance", 0)),
    ),
    max_size=40,
)


@settings(max_examples=50)
@given(steps, st.integers(0, 15), st.sampled_from(["latest", "from_start"]))
def test_auki_17_no_entry_is_lost_or_repeated_at_the_seam(
    tmp_path_factory: pytest.TempPathFactory, plan: list[tuple[str, int]], history: int, position: str
) -> None:
    sim.reset()
    folder = tmp_path_factory.mktemp("seam") / "mic"
    clock = 0
    written: list[int] = []
    with LogWriter(folder, body()) as writer:
        for _ in range(history):
            clock += SECOND // 3
            audio(writer, clock)
            written.append(clock)
        entries = opened(folder, getattr(ReadFrom, position)())
        read: list[int] = []
        for what, amount in plan:
            if what == "append":
                clock += amount
                audio(writer, clock)
                written.append(clock)
            elif what == "advance":
                sim.clock.advance(1)
            else:
                for _ in range(amount):
                    try:
                        read.append(next(entries).timestamp_ns)
                    except StreamIdleError:
                        break
        read += available(entries)
    assert read == written[history if position == "latest" else 0 :]


def test_closing_a_feed_of_a_log_holds_no_file_open(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "mic", body()) as writer:
        audio(writer, 1)
    feed = LogFeed(tmp_path / "mic", "audio", ReadFrom.from_start())
    feed.poll()
    feed.close()
    for path in segment_paths(tmp_path / "mic" / "segments"):
        path.unlink()
    assert feed.poll() is None
    assert CameraFrame(b"").dynamic_intrinsics is None


@pytest.mark.parametrize("codec", ["pb", "cbor"])
def test_the_logs_of_the_sample_are_listed_as_its_catalog_says_and_stream_whole(codec: str) -> None:
    folder = Path(__file__).parent / "data" / codec
    catalog = {row["resource_id"]: row for row in json.loads((folder / "catalog.json").read_text())}
    producer, consumer = peers()
    for log in discover(folder).logs:
        sim.serve_log(producer, log)
    rows = consumer.fetch_resources_catalog(producer.local_peer_id)
    assert {row.resource_id for row in rows} == catalog.keys() and len(rows) == 9
    for row in rows:
        listed = catalog[row.resource_id]
        for block in ("variant", "state", "extent", "available", "sensor", "pose"):
            assert getattr(row, block) == listed.get(block)
        request = StreamRequest(row.resource_id, "galbot", ReadFrom.from_start())
        if row.variant == "time_transform_log":
            subscription = consumer.open_time_transform_stream(
                producer.local_peer_id, row.resource_id, ReadFrom.from_start()
            )
        else:
            subscription = consumer.open_stream_with_request(producer.local_peer_id, request)
        with pytest.raises(StreamEndOfStream if row.state == "sealed" else StreamIdleError):
            read = []
            for entry in subscription.entries():
                read.append(entry)
        assert [entry.seq for entry in read] == list(range(listed["available"]["entries"]))


@pytest.mark.parametrize("codec", ["pb", "cbor"])
def test_the_catalog_of_a_recording_is_made_from_its_logs(codec: str) -> None:
    folder = Path(__file__).parent / "data" / codec
    catalog = {row["resource_id"]: row for row in json.loads((folder / "catalog.json").read_text())}
    rows = rows_from_logs(folder)
    assert {row.resource_id for row in rows} == catalog.keys()
    for row in rows:
        assert (row.available, row.sensor) == (
            catalog[row.resource_id]["available"],
            catalog[row.resource_id].get("sensor"),
        )
    assert {row.state for row in rows_from_logs(folder, sealed=True)} == {"sealed"}
    assert all(row.extent is not None for row in rows_from_logs(folder, sealed=True))

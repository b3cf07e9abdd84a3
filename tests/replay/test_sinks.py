"""What is delivered arrives: in files, functions, simulated receivers, and on a live bus of the published package."""

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dev_bus
import pytest

import kit
from kit.auki import ClusterManager, sim
from kit.errors import ArgumentError, StreamIdleError, TransportError
from kit.notebook.study import Study
from kit.replay import Bus, Collect, File, Log, Player, Streams
from kit.syncropel.testing import MockKernel

FAST = float("inf")


@pytest.fixture(scope="module")
def desk() -> Iterator[Study]:
    with kit.load(kit.datasets.path("cosmonapse-small")) as study:
        yield study


def test_a_file_grows_line_by_line_and_loads_again(desk: Study, tmp_path: Path) -> None:
    path = tmp_path / "again.jsonl"
    path.write_text("# mine\n")
    with Player(desk, sink=File(path), rate=FAST) as player:
        player.run(until=100)
        assert path.read_bytes().count(b"\n") == 101
        with kit.open() as study:
            assert study.load(path).rows == 100
            player.run()
            assert study.load(path).rows == 1037  # a file that grew is continued
        player.seek(50)
        assert path.read_bytes().count(b"\n") == 51 and path.read_text().startswith("# mine\n")
        player.run()
    lines = path.read_text().splitlines()[1:]
    assert sorted(lines) == sorted(Path(kit.datasets.path("cosmonapse-small")).read_text().splitlines())


def test_async_functions_are_awaited_one_by_one_also_inside_a_running_loop(desk: Study) -> None:
    seen: list[int] = []
    under_way = 0

    async def sink(event: Any) -> None:
        nonlocal under_way
        under_way += 1
        assert under_way == 1
        await asyncio.sleep(0)
        seen.append(event.position)
        under_way -= 1

    async def cell() -> None:
        with Player(desk, sink=sink, rate=FAST) as player:
            player.run(until=40)
            player.play(until=80).wait(30)

    asyncio.run(cell())
    assert seen == list(range(80))
    assert "kit-player-sink" not in {thread.name for thread in threading.enumerate()}


def test_a_mock_kernel_takes_records_and_gives_their_ids() -> None:
    kernel = MockKernel.full()
    with kit.load(kit.datasets.path("mission")) as study:
        with Player(study, sink=kernel, rate=FAST) as player:
            player.run()
            assert player.sink.skipped == len(player) - 40
            stored = [record["id"] for record in kernel.records]
            wanted = {row["id"] for row in study.sql("select id from records").rows()}
            assert set(stored) == wanted and len(stored) == 40
            place = {id: n for n, id in enumerate(stored)}
            assert all(place[p] < place[r["id"]] for r in kernel.records for p in r["parents"])
            player.seek("20s")
            assert kernel.count() < 40
        kernel.fail_next_post()
        again = Player(study.sql("select run, id from records"), store=study, sink=kernel, rate=FAST)
        with pytest.raises(TransportError, match="did not take record"):
            again.run()
        kernel.clear()
        assert again.run().stopped == "end" and kernel.count() == 40


def test_a_namespace_hears_the_capture_and_speaks_for_itself(desk: Study) -> None:
    ns = kit.Namespace("lab", seed=1)
    heard: list[str] = []

    @ns.neuron("coder", capabilities=["code"])
    async def coder(input: Any, context: Any) -> Any:
        return {"mine": True}

    ns.orchestrator.on_signal("TOOL_RESULT", lambda signal: heard.append(signal.id))
    player = Player(desk, sink=ns, rate=FAST).run()
    run = ns.finish()
    said = run.signals.sql("select * from self where type = 'AGENT_OUTPUT' and directed_id = 'coder'").rows()
    tasks = {row["id"] for row in desk.sql("select id from signals where type='TASK' and directed_id='coder'").rows()}
    follow = (
        "select t.id from signals t join signals q on q.id = t.parent_id and q.type in ('CLARIFICATION', 'PERMISSION')"
    )
    tasks -= {row["id"] for row in desk.sql(f"{follow} where t.type = 'TASK'").rows()}  # nobody has asked here
    assert tasks and {row["parent_id"] for row in said} == tasks
    assert all(json.loads(row["payload"]) == {"output": {"mine": True}} for row in said)
    theirs = {
        row["id"] for row in desk.sql("select id from signals where type='AGENT_OUTPUT' and directed_id='coder'").rows()
    }
    played = set(run.signals.df()["id"])
    assert not theirs & played and player.sink.skipped > 0
    others = {row["id"] for row in desk.sql("select id from signals where directed_id = 'researcher'").rows()}
    assert others <= played
    assert (
        set(heard) <= {row["id"] for row in desk.sql("select id from signals where type='TOOL_RESULT'").rows()}
        and heard
    )
    assert run.virtual_s >= 129


def test_streams_of_a_cluster_carry_what_is_played() -> None:
    sim.reset()
    with kit.load(kit.datasets.path("mission")) as study:
        streams = Streams(study)
        url = "http://discovery.test"
        robot = ClusterManager.create_cluster(bytes([1] * 32), "lab", url, stream_provider=streams.provider)
        robot.set_resource_catalog_provider(streams.catalog)
        tablet = ClusterManager.join_cluster(bytes([2] * 32), "lab", url)
        rows = tablet.fetch_resources_catalog(robot.local_peer_id)
        assert {"mast_rgb", "world->base_link"} <= {row.resource_id for row in rows}
        images = tablet.open_stream(robot.local_peer_id, "mast_rgb").entries()
        poses = tablet.open_stream(robot.local_peer_id, "world->base_link").entries()
        player = Player([Log(study, "mast_rgb"), Log(study, "world->base_link")], sink=streams, rate=FAST)
        player.run(until="2s")
        seen = [next(images) for _ in range(3)]
        kept = study.sql("select seq, ts_ns from camera_frames order by seq limit 3").rows()
        assert [entry.timestamp_ns for entry in seen] == [row["ts_ns"] for row in kept]
        assert seen[0].payload.frame == study.payload("mast_rgb", 0)
        expected = study.sql(
            "select tx, ty, tz from poses where log_id like '%world->base_link' order by seq limit 1"
        ).rows()[0]
        assert next(poses).payload.values[:3] == pytest.approx(tuple(expected.values()))
        left = 0
        with pytest.raises(StreamIdleError):
            while True:
                next(images)
                left += 1
        assert left == len([e for e in player.timeline.read(0, player.position) if e.kind == "camera"]) - 3


# A live bus


@pytest.fixture(scope="module")
def synapse() -> Iterator[int]:
    with dev_bus.running() as port:
        yield port


@pytest.mark.servers
def test_a_live_bus_carries_the_captured_bytes_in_order(desk: Study, synapse: int) -> None:
    tap = dev_bus.Tap(synapse)
    with Player(desk, sink=Bus(f"cosmo://127.0.0.1:{synapse}", namespace="lab"), rate=FAST) as player:
        player.run()
        assert player.sink.published == 1037 and player.sink.skipped == 0
    frames = tap.take(1037)
    tap.close()
    order = Player(desk, sink=Collect(), rate=FAST).run().sink.events
    assert [frame["frame"].encode() for frame in frames] == [str(event.text).encode() for event in order]
    subjects = {frame["subject"] for frame in frames}
    assert {"cosmonapse.lab.TASK", "cosmonapse.lab.TASK.routed", "cosmonapse.lab.FINAL"} <= subjects


@pytest.mark.servers
def test_a_dendrite_of_the_published_package_acts_on_replayed_tasks(desk: Study, synapse: int) -> None:
    import cosmonapse

    asked: list[Any] = []

    async def coder(input: Any, context: Any) -> Any:
        asked.append(input)
        return {"done": True}

    async def main() -> list[str]:
        bus = await cosmonapse.connect_synapse(f"cosmo://127.0.0.1:{synapse}")
        node = cosmonapse.Dendrite(synapse=bus, namespace="lab", role="worker", dendrite_id="w")
        node.attach_axon(cosmonapse.Axon(neuron_id="coder", neuron_fn=coder, capabilities=["nothing"]))
        await node.start()
        answered: list[str] = []

        async def seen(signal: Any) -> None:
            if signal.payload.get("output") == {"done": True}:
                answered.append(signal.parent_id)

        await bus.subscribe("cosmonapse.lab.AGENT_OUTPUT", seen)
        await asyncio.sleep(0.3)
        sql = "select id from signals where type = 'TASK' and directed_id = 'coder'"
        player = Player(sql, store=desk, sink=Bus(f"127.0.0.1:{synapse}", namespace="lab"), rate=FAST)
        player.play()
        for _ in range(200):
            await asyncio.sleep(0.05)
            if len(answered) >= len(player):
                break
        player.close()
        await node.stop()
        await bus.close()
        return answered

    answered = asyncio.run(main())
    tasks = {
        row["id"] for row in desk.sql("select id from signals where type = 'TASK' and directed_id = 'coder'").rows()
    }
    assert set(answered) == tasks and len(asked) == len(tasks)


@pytest.mark.servers
def test_frames_that_are_too_long_for_the_bus_are_skipped_and_told(synapse: int) -> None:
    long = {"v": "1", "id": "evt_1", "trace_id": "trc_1", "parent_id": None, "type": "PLAN", "directed": None}
    long |= {"ts": "2026-05-16T14:22:00Z", "payload": {"steps": ["x" * 70_000]}, "meta": {}}
    short = long | {"id": "evt_2", "payload": {}}
    # A frame goes over the bus as JSON in JSON and in ASCII: 40,000 bytes of these letters become 140,000.
    wide = long | {"id": "evt_3", "payload": {"steps": ["é" * 20_000]}}
    whole = long | {"id": "evt_4", "payload": {"steps": ["é" * 9_000]}}
    lines = [json.dumps(one, ensure_ascii=False) for one in (long, short, wide, whole)]
    tap = dev_bus.Tap(synapse)
    with kit.load(lines) as study:
        bus = Bus(f"127.0.0.1:{synapse}", namespace="lab")
        Player(study, sink=bus, rate=FAST).run()
        bus.close()
        assert (bus.published, bus.skipped) == (2, 2)
    assert [json.loads(message["frame"])["id"] for message in tap.take(2)] == ["evt_2", "evt_4"]
    tap.close()


def test_a_bus_elsewhere_is_refused_and_a_missing_one_is_said() -> None:
    with pytest.raises(ArgumentError, match="not on this machine"):
        Bus("cosmo://10.0.0.8:7070")
    with pytest.raises(TransportError, match="cosmo synapse start memory"):
        Bus(f"cosmo://127.0.0.1:{dev_bus.free_port()}")

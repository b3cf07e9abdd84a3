"""The player: one order at any pace, places that equal playing there, stops, loops, threads and interrupts."""

import json
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.errors import ArgumentError, StoreError
from kit.notebook.study import Study
from kit.replay import Collect, Log, PlayedEvent, Player, Timeline, VirtualClock

FAST = float("inf")
MICRO = 1000


@pytest.fixture(scope="module")
def desk() -> Iterator[Study]:
    with kit.load(kit.datasets.path("cosmonapse-small")) as study:
        yield study


@pytest.fixture(scope="module")
def mission() -> Iterator[Study]:
    with kit.load(kit.datasets.path("mission")) as study:
        yield study


@pytest.fixture(scope="module")
def order(desk: Study) -> Timeline:
    return Player(desk).timeline


def line(number: int, parent: int | None = None, kind: str = "TASK", trace: str = "A", at: str | None = "00") -> str:
    ts = {} if at is None else {"ts": f"2026-05-16T14:22:{at}Z"}
    cause = None if parent is None else f"evt_{parent}"
    return json.dumps(
        {
            "v": "1",
            "id": f"evt_{number}",
            "trace_id": f"trc_{trace}",
            "parent_id": cause,
            "type": kind,
            "directed": None,
        }
        | ts
        | {"payload": {"n": number}, "meta": {}}
    )


def ids(player: Player) -> list[str]:
    assert isinstance(player.sink, Collect)
    return [event.id for event in player.sink.events]


def test_a_capture_is_played_whole_in_its_bytes_and_in_order(desk: Study) -> None:
    player = Player(desk, sink=Collect()).run(rate=FAST)
    events = player.sink.events
    raw = dict(desk.execute("SELECT id, raw FROM signals"))
    assert {event.id: event.text for event in events} == raw
    assert [event.position for event in events] == list(range(1037))
    assert player.stopped == "end" and player.delivered == 1037
    parents = dict(desk.execute("SELECT id, parent_id FROM signals"))
    place = {event.id: event.position for event in events}
    assert all(place[p] < place[c] for c, p in parents.items() if p in place)
    us = [event.at_ns for event in events]
    assert us == sorted(us)


@settings(max_examples=60)
@given(rate=st.sampled_from([0.01, 0.5, 1.0, 7.0, 1e6, FAST]), seed=st.integers(0, 1000))
def test_the_order_is_the_same_at_any_rate(desk: Study, rate: float, seed: int) -> None:
    trace = desk.traces().rows()[seed % 40]["trace_id"]
    slow = Player(desk.trace(trace), sink=Collect(), clock=VirtualClock()).run(rate=rate)
    assert slow.sink.events == Player(desk.trace(trace), sink=Collect()).run(rate=FAST).sink.events


def test_the_pace_is_that_of_the_capture(order: Timeline) -> None:
    clock = VirtualClock()
    seen: list[tuple[int, int]] = []
    player = Player(order, sink=lambda event: seen.append((clock.now_ns(), event.due_ns)), clock=clock, rate=2.0)
    player.run(until="10s")
    first = seen[0][1]
    assert len(seen) > 20
    assert all(abs(now - (due - first) / 2) <= 1 for now, due in seen)
    player.rate = 0.5
    start, at = clock.now_ns(), player.now_ns
    seen.clear()
    player.run(until="20s")
    assert all(abs(now - start - (due - at) * 2) <= 1 for now, due in seen)


@settings(max_examples=80)
@given(st.floats(0, 129), st.floats(0, 129))
def test_seeking_equals_playing(order: Timeline, first: float, second: float) -> None:
    sought = Player(order, sink=Collect())
    sought.seek(first).seek(second)
    played = Player(order, sink=Collect(), clock=VirtualClock()).run(until=second)
    assert sought.sink.events == played.sink.events
    assert (sought.position, sought.now_ns) == (played.position, played.now_ns)
    assert sought.next == played.next


def test_places_are_positions_times_and_events(order: Timeline) -> None:
    player = Player(order)
    middle = player.timeline.read(500, 501)[0]
    assert player.seek(500).next == middle
    assert player.seek(middle.id).position == player.seek(middle.id[-9:]).position == 500
    assert player.seek(player.now).position == 500  # the time of the event before
    assert (
        player.seek("2026-11-02T09:00:30+00:00").next.at_ns
        > 1793610030 * 10**9
        >= player.timeline.due[player.position - 1]
    )
    assert player.seek("1m").position == player.seek(60.0).position == player.seek(timedelta(minutes=1)).position
    for place, words in (
        (2000, "positions 0 to 1037"),
        ("1h", "outside the timeline"),
        ("nothing here", "no event"),
        (True, "no place"),
    ):
        with pytest.raises(ArgumentError, match=words):
            player.seek(place)


def test_a_function_is_not_called_for_what_is_skipped(order: Timeline) -> None:
    seen: list[PlayedEvent] = []
    player = Player(order, sink=seen.append)
    player.seek("1m")
    assert seen == []
    player.seek("65s", deliver=True)
    assert [event.position for event in seen] == list(range(player.position - len(seen), player.position)) and seen
    with pytest.raises(ArgumentError, match="cannot begin again"):
        player.seek(0, deliver=True)


def test_steps_are_events_traces_and_causal_levels(desk: Study) -> None:
    player = Player(desk.trace("JSXK6"), sink=Collect())
    [first] = player.step()
    assert first.kind == "TASK_OFFER"
    kinds = [[event.kind for event in player.step(by="level")] for _ in range(4)]
    assert kinds == [["BID", "BID", "BID"], ["TASK_DECLINED", "TASK_DECLINED", "TASK_AWARDED"], ["ERROR"], []]
    whole = Player(desk, sink=Collect())
    whole.seek(200)
    trace = whole.next.group_id
    done = whole.step(by="trace")
    assert done[-1].group_id == trace
    assert not any(event.group_id == trace for event in whole.timeline.read(whole.position, len(whole)))
    with pytest.raises(ArgumentError, match="none of event, trace, level"):
        player.step(by="year")  # type: ignore[arg-type]


def test_breakpoints_stop_before_the_event_and_are_passed_once(order: Timeline) -> None:
    player = Player(order, sink=Collect(), clock=VirtualClock())
    errors = [e.id for e in Player(order, sink=Collect()).run(rate=FAST).sink.events if e.kind == "ERROR"]
    for rate in (FAST, 1.0):
        player.seek(0)
        found = []
        known = player.break_on("type = 'ERROR'")
        while player.run(rate=rate).stopped != "end":
            found.append(player.next.id)
            assert (
                ids(player)[-1] != player.next.id
                and f"breakpoint type = 'ERROR' at ERROR {found[-1]}" == player.stopped
            )
        assert found == errors and len(player.sink.events) == 1037
        player.clear(known)
    player.seek(0)
    player.break_on(lambda event: event.kind == "FINAL" and event.payload["result"] == {})
    player.break_on("payload ->> '$.tool' = 'write'")
    player.run(rate=FAST)
    assert player.next.payload["tool"] == "write"
    player.clear()
    assert player.run(rate=FAST).stopped == "end"
    with pytest.raises(Exception, match="nonsense"):
        player.break_on("nonsense = 1")


def test_a_loop_begins_again_and_empties_what_can_be_emptied(order: Timeline) -> None:
    player = Player(order, sink=Collect(), loop=(10, 20), rate=FAST)

    def enough(event: PlayedEvent) -> None:
        if player.passes == 3 and event.position == 14:
            player.pause()

    player.sink = kit.replay.Call(enough)
    player.run()
    assert (player.position, player.passes, player.delivered) == (15, 3, 20 + 10 + 10 + 5)
    assert player.loop == (10, 20)
    with pytest.raises(ArgumentError, match="holds no event"):
        player.loop = (20, 10)


# Order


def test_an_effect_is_held_back_for_its_cause_and_that_is_said() -> None:
    skewed = [line(1, at="10"), line(2, 1, "TOOL_CALL", at="03.5"), line(3, 2, "TOOL_RESULT", at="11")]
    with kit.load(skewed) as study:
        player = Player(study, sink=Collect()).run(rate=FAST)
        assert ids(player) == ["evt_1", "evt_2", "evt_3"]
        assert (
            player.held().rows()[0] | {"position": 1, "id": "evt_2", "cause": "evt_1", "by_ms": 6500.0}
            == player.held().rows()[0]
        )
        assert any(
            "1 event held back for a cause whose clock is ahead, by up to 6,500" in note for note in player.notes
        )


def test_damaged_captures_are_played_with_a_word_on_what_was_left_out() -> None:
    lines = [
        line(1), line(1), line(1, kind="PLAN"), line(2, 99, "PLAN"), line(3, 4, "PLAN"), line(4, 3, "PLAN"), line(5, 5, "PLAN"),
        line(6, 1, "PLAN", at=None), line(7, None, "PLAN", at=None), "{broken",
        line(8, trace="B").replace("14:22:00Z", "14:22:00.391Z"),
    ]  # fmt: skip
    with kit.load(lines) as study:
        player = Player(study, sink=Collect()).run(rate=FAST)
        assert sorted(ids(player)) == [f"evt_{n}" for n in range(1, 9)]
        said = " ".join(player.notes)
        for words in (
            "1 signal with a cause that is not in the capture", "2 signals on a ring", "1 signal with itself",
            "further lines of the same id and other content", "2 events without a time", "1 line in quarantine",
            "without an end: no FINAL, ERROR or STOP",
        ):  # fmt: skip
            assert words in said, words
        assert ids(player).index("evt_6") > ids(player).index("evt_1")


def test_what_has_no_time_at_all_is_a_second_apart() -> None:
    with kit.load([line(2, 1, at=None), line(1, at=None)]) as study:
        player = Player(study, sink=Collect()).run(rate=FAST)
        assert ids(player) == ["evt_1", "evt_2"]
        assert any("a second apart" in note for note in player.notes)


# Sources


def test_sources_are_merged_on_one_timeline(mission: Study) -> None:
    player = Player(mission, sink=Collect()).run(rate=FAST)
    families = {event.family for event in player.sink.events}
    assert families == {"signals", "records", "logs"} and len(player.sink.events) == 263 + 40 + 7516
    due = [event.due_ns for event in player.sink.events]
    assert due == sorted(due)
    some = Player([mission.signals(type="TOOL_CALL"), Log(mission, "mast_rgb")], store=mission, sink=Collect())
    some.run(rate=FAST)
    assert {event.kind for event in some.sink.events} == {"TOOL_CALL", "camera"}
    image = next(event for event in some.sink.events if event.kind == "camera")
    assert some.payload(image) == mission.payload("mast_rgb", int(image.id.rpartition("#")[2]))
    with pytest.raises(ArgumentError, match="has no text"):
        _ = image.json


def test_queries_tables_traces_and_threads_are_played(desk: Study, mission: Study) -> None:
    sql = "from signals where type = 'ERROR' and directed_id = 'solver-3'"
    assert len(desk.player(sql)) == len(desk.player(desk.sql(sql))) == 4
    assert len(desk.player(desk.trace("JSXK6"))) == 8
    thread = mission.thread(mission.threads().rows()[0]["thread"])
    records = mission.player(thread, sink=Collect()).run(rate=FAST).sink.events
    assert {event.family for event in records} == {"records"} and records[0].payload
    own = pa.table({"ts_ns": [3_000_000_000, 1_000_000_000], "kind": ["b", "a"], "value": [2, 1]})
    rows = Player(own, sink=Collect()).run(rate=FAST).sink.events
    assert [(event.kind, event.payload["value"]) for event in rows] == [("a", 1), ("b", 2)]
    for bad, words in (
        (own.drop(["ts_ns"]), "by ids of a store or by a time"),
        (7, "cannot be played"),
        ([], "plays nothing"),
    ):
        with pytest.raises(ArgumentError, match=words):
            Player(bad)
    with pytest.raises(ArgumentError, match="asks a store"):
        Player(sql)
    with kit.open() as empty, pytest.raises(ArgumentError, match="holds nothing to play"):
        Player(empty)


def test_a_log_without_utc_is_played_on_its_own_clock_and_not_merged() -> None:
    with kit.load(kit.datasets.path("auki-small")) as study:
        names = [row["resource_id"] for row in study.logs() if row["kind"]]
        player = Player(Log(study, names[0]), sink=Collect()).run(rate=FAST)
        assert len(player.sink.events) == len(player) > 0


def test_a_store_that_changed_underneath_is_noticed(tmp_path: Path) -> None:
    with kit.open(tmp_path / "s.duckdb") as study:
        study.load([line(1), line(2, 1)], run="a")
        study.load([line(3), line(4, 3)], run="b")
        player = Player(study, run="b")
        study.remove(run="a")
        study.remove(run="b")
        with pytest.raises(StoreError, match="changed under the player"):
            player.run(rate=FAST)


# Threads and interrupts


def test_it_plays_in_the_background_while_the_cell_goes_on(order: Timeline) -> None:
    player = Player(order, sink=Collect(), rate=1.0)
    assert player.play() is player and player.playing
    assert not player.wait(0.01)
    player.rate = 200.0
    assert player.wait(30) and player.stopped == "end"
    assert len(player.sink.events) == 1037
    threads = {thread.name for thread in threading.enumerate()}
    assert "kit-player" not in threads


def test_orders_of_other_threads_are_followed_between_events(order: Timeline) -> None:
    seen: list[int] = []
    player = Player(order, sink=lambda event: seen.append(event.position), rate=1.0)
    player.play()
    player.seek(1000)
    player.pause()
    assert not player.playing and player.stopped == "pause" and player.position >= 1000
    assert all(position < 5 or position >= 1000 for position in seen)
    with pytest.raises(ArgumentError, match="outside the timeline"):
        player.seek("1h")
    player.play(rate=FAST)
    assert player.wait(30) and seen[-1] == 1036 and seen[-37:] == list(range(1000, 1037))


def test_a_slow_sink_slows_the_player_and_the_lag_is_shown(order: Timeline) -> None:
    clock = VirtualClock()
    seen = []

    def slow(event: PlayedEvent) -> None:
        seen.append(event.position)
        clock.advance(5_000_000_000 if event.position == 100 else 0)

    player = Player(order, sink=slow, clock=clock)
    player.run(until=110)
    assert seen == list(range(110))
    assert 0 < player.lag_s <= player.most_lag_s <= 5.0 and player.most_lag_s > 3.0
    player.run()
    assert player.lag_s == 0.0 and seen == list(range(1037))


class Failing:
    def __init__(self, error: BaseException, at: int) -> None:
        self.error: BaseException | None = error
        self.at = at
        self.seen: list[int] = []

    def __call__(self, event: PlayedEvent) -> None:
        if event.position == self.at and self.error is not None:
            error, self.error = self.error, None
            raise error
        self.seen.append(event.position)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ValueError("full")])
@pytest.mark.parametrize("rate", [FAST, 1e6])
def test_an_interrupt_or_a_failing_sink_leaves_all_of_it_usable(
    desk: Study, order: Timeline, error: BaseException, rate: float
) -> None:
    sink = Failing(error, 300)
    player = Player(order, sink=sink, rate=rate)
    with pytest.raises(type(error)):
        player.run()
    assert not player.playing and player.position == 300 and str(player.stopped).startswith(type(error).__name__)
    assert desk.execute("SELECT count(*) FROM signals") == [(1037,)]
    assert player.run().stopped == "end" and sink.seen == list(range(1037))


def test_what_the_sink_raises_in_the_background_is_raised_by_wait(order: Timeline) -> None:
    player = Player(order, sink=Failing(ValueError("full"), 10), rate=FAST)
    player.play()
    with pytest.raises(ValueError, match="full"):
        player.wait(30)
    assert player.play() and player.wait(30) and player.stopped == "end"


def test_what_makes_no_sense_is_refused(desk: Study) -> None:
    for rate in (0, -1, 0.001, float("nan")):
        with pytest.raises(ArgumentError, match=r"0\.01 or more"):
            Player(desk, rate=rate)
    with pytest.raises(ArgumentError, match="give a function"):
        Player(desk, sink=7)


def test_the_text_of_a_player_says_what_it_plays_and_where_it_is(desk: Study) -> None:
    player: Any = Player(desk, sink=print)
    assert repr(player).splitlines()[:2] == [
        "player of 1,037 signals over 129.265 s into print, rate 1",
        "at 0 of 1,037 (0.000 s)",
    ]
    assert sum(row["events"] for row in player.density(7)) == 1037
    time.sleep(0)

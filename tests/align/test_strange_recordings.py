"""Recordings as strangers make them: several robots and sessions, clocks that restart, logs that are empty or full of odd numbers."""

import itertools
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recordings import SESSION, Robot, S, image, offsets, pose, ring

import kit
from kit.errors import NoClockPath, NoFramePath, NotFoundError, NoUtcError, PayloadError

OTHER = "01K99WFT3RTESTR0VND0000002"


def loaded(folder: Path) -> kit.Study:
    study = kit.open(threads=1)
    study.load(folder)
    return study


def fleet(root: Path) -> Path:
    """Two robots, two sessions each, in one space; their clocks have equal names and go on from session to session."""
    for session, begin in ((SESSION, 5 * S), (OTHER, 1005 * S)):
        for peer, codec in (("ada", "pb"), ("bob", "cbor")):
            robot = Robot(root, peer, session, codec)
            clock, wall = robot.clock("boot"), robot.clock("wall", utc=True)
            robot.poses(robot.frame("map", "site"), robot.frame("base"), clock, ring(500, begin))
            robot.offsets(clock, wall, offsets(20, begin, 1_790_000_000 * S))
            robot.images(clock, [(begin + i * S // 5, image()) for i in range(9)])
    return root


def test_a_robot_is_found_in_the_session_that_the_instant_is_of(tmp_path: Path) -> None:
    with loaded(fleet(tmp_path)) as study:
        both = study.pose("ada/base", "map", at=[6 * S, 500 * S, 1006 * S], clock="ada/boot").rows()
        assert [row["tx"] is None for row in both] == [False, True, False]
        assert [row["extrapolated"] for row in both] == [False, True, False]
        held = study.pose("ada/base", "map", at=[500 * S], clock="ada/boot", extrapolate="hold").rows()
        last = study.pose("ada/base", "map", at=[5 * S + 499 * S // 50], clock="ada/boot").rows()
        assert [held[0][name] for name in ("tx", "ty", "qz")] == [last[0][name] for name in ("tx", "ty", "qz")]
        told = study.convert_time([6 * S, 1006 * S, 2000 * S], "bob/boot", "bob/wall").rows()
        assert [row["extrapolated"] for row in told] == [False, False, True]
        assert told[1]["to_ns"] - told[0]["to_ns"] == 1000 * S + 20_000_000  # 20 ppm of 1000 s
        images = study.align(f"bob/{OTHER}/eye", {"robot": ("bob/base", "map")}).rows()
        assert all(row["robot_tx"] is not None for row in images)


def test_what_is_ambiguous_is_listed_by_names_that_can_be_given(tmp_path: Path) -> None:
    with loaded(fleet(tmp_path)) as study:
        with pytest.raises(NoFramePath, match="'base' may be one of several: 'ada/base', 'bob/base'"):
            study.pose("base", "map", at=[S])
        with pytest.raises(NoClockPath, match="'boot' may be one of several: 'ada/boot', 'bob/boot'"):
            study.convert_time([S], "boot", "ada/wall")


def test_each_robot_of_a_fleet_has_utc_from_its_own_clock(tmp_path: Path) -> None:
    # Bob's wall clock is 2 s ahead of Ada's.
    for peer, ahead in (("ada", 0), ("bob", 2 * S)):
        robot = Robot(tmp_path, peer)
        clock, wall = robot.clock("boot"), robot.clock("wall", utc=True)
        robot.poses(robot.frame("map", "site"), robot.frame("base"), clock, ring(500, 5 * S))
        robot.offsets(clock, wall, offsets(20, 5 * S, 1_790_000_000 * S + ahead))
    base = pa.table({"ts": pa.array([1_790_000_010 * S // 1000], pa.timestamp("us", tz="UTC"))})
    with loaded(tmp_path) as study:
        for clock in (None, "wall"):
            row = study.align(base, {"ada": "ada/map->base", "bob": "bob/map->base"}, clock=clock).rows()[0]
            assert row["ada_ts_ns"] == pytest.approx(10 * S, abs=S // 10)
            assert row["bob_ts_ns"] == pytest.approx(8 * S, abs=S // 10)
        with pytest.raises(NoClockPath, match="bob/wall"):
            study.align(base, {"ada": "ada/map->base"}, clock="bob/wall")


def test_two_clocks_of_one_robot_that_are_utc_are_listed(tmp_path: Path) -> None:
    robot = Robot(tmp_path, "ada")
    clock = robot.clock("boot")
    robot.poses(robot.frame("map", "site"), robot.frame("base"), clock, ring(50, 5 * S))
    for name in ("gps", "wall"):
        robot.offsets(clock, robot.clock(name, utc=True), offsets(20, 5 * S, 1_790_000_000 * S))
    with loaded(tmp_path) as study, pytest.raises(NoUtcError, match="clock='ada/gps'"):
        study.align("signals", {"robot": ("base", "map")})


def test_clocks_of_equal_name_share_no_axis(tmp_path: Path) -> None:
    with loaded(fleet(tmp_path)) as study:
        assert set(study.log_coverage().df()["clock_id"]) == {"ada/boot", "bob/boot"}
        shown = kit.plot.drawn(kit.plot.logs(study.log_coverage(), study.logs()))
        assert {clock: len(logs) for clock, logs in shown["clocks"].items()} == {"ada/boot": 6, "bob/boot": 6}
        on_one = study.log_coverage(clock="ada/wall").rows()
        assert {row["source_peer_id"]: row["clock_id"] for row in on_one} == {"ada": "wall", "bob": "boot"}


def test_a_recording_of_weeks_is_drawn_with_seconds_in_full(tmp_path: Path) -> None:
    robot = Robot(tmp_path)
    rows = [(i * 3_600 * S, pose(i / 9, 0, 0)) for i in range(400)]
    robot.poses(robot.frame("map"), robot.frame("base"), robot.clock("boot"), rows, duration_ns=10**6 * S)
    with loaded(tmp_path) as study:
        for picture in (
            kit.plot.logs(study.log_coverage()),
            kit.plot.motion(study.pose("base", "map", at="map->base")),
        ):
            picture.canvas.draw()
            axes = picture.axes[-1]
            assert axes.xaxis.get_offset_text().get_text() == ""
            assert any(
                "1,000,000" in label.get_text() or "800,000" in label.get_text() for label in axes.get_xticklabels()
            )


def test_a_clock_that_was_set_up_anew_is_named_with_its_hash(tmp_path: Path) -> None:
    for session, offset in ((SESSION, 1000), (OTHER, 2000)):
        robot = Robot(tmp_path, session=session)
        clock, wall = robot.clock("boot", session_id=session), robot.clock("wall", utc=True)
        robot.poses(robot.frame("map"), robot.frame("base"), clock, ring(200))
        robot.offsets(clock, wall, offsets(20, 0, offset * S, ppm=0))
    with loaded(tmp_path) as study:
        with pytest.raises(NoClockPath, match="may be one of several: 'bot-1/boot@") as told:
            study.convert_time([6 * S], "boot", "wall")
        names = [part for part in str(told.value).split("'") if "@" in part]
        found = {row["to_ns"] for name in names for row in study.convert_time([6 * S], name, "wall")}
        assert found == {1006 * S, 2006 * S}
        # In the time of day both sessions are there, each on a clock of its own.
        instants = [1006 * S, 1500 * S, 2006 * S]
        tx = [row["tx"] for row in study.pose("base", "map", at=instants, clock="wall")]
        assert tx[0] is not None and tx[1] is None and tx[2] == pytest.approx(tx[0])
        for session in (SESSION, OTHER):
            assert len(study.pose("base", "map", at=f"bot-1/{session}/map->base").df().dropna()) == 200


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(1, 199), max_size=4, unique=True), data=st.data())
def test_a_log_in_pieces_says_what_the_whole_says(cuts: list[int], data: st.DataObject, tmp_path: Path) -> None:
    """But between two pieces, where there was no session and so no pose."""
    poses, ticks = ring(200, 0, S), offsets(200, 0, 7 * S, ppm=31)
    bounds = [0, *sorted(cuts), 200]
    for name in ("whole", "pieces"):
        shutil.rmtree(tmp_path / name, ignore_errors=True)
        pieces = [(0, 200)] if name == "whole" else list(itertools.pairwise(bounds))
        for number, (begin, end) in enumerate(pieces):
            robot = Robot(tmp_path / name, session=f"01K99WFT3RTESTR0VND000000{number}")
            clock, wall = robot.clock("boot"), robot.clock("wall")
            robot.poses(robot.frame("map"), robot.frame("base"), clock, poses[begin:end], duration_ns=1000 * S)
            robot.offsets(clock, wall, ticks[begin:end])
    at = data.draw(st.lists(st.integers(0, 199 * S), min_size=1, max_size=20))
    with loaded(tmp_path / "whole") as whole, loaded(tmp_path / "pieces") as pieces:
        assert whole.convert_time(at, "boot", "wall").rows() == pieces.convert_time(at, "boot", "wall").rows()
        for one, other in zip(*(study.pose("base", "map", at=at).rows() for study in (whole, pieces)), strict=True):
            between = any((cut - 1) * S < one["ts_ns"] < cut * S for cut in cuts)
            assert (other["tx"] is None) == between
            assert between or one == other


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_entries_that_are_no_pose_are_counted_and_left_out(data: st.DataObject, tmp_path: Path) -> None:
    odd = st.sampled_from([math.nan, math.inf, -math.inf])
    rows = ring(60, 0, S)
    struck = data.draw(
        st.dictionaries(st.integers(0, 59), st.sampled_from(["tx", "tz", "qx", "qw", "zero"]), max_size=20)
    )
    for number, what in struck.items():
        changes = {"qz": 0.0, "qw": 0.0} if what == "zero" else {what: data.draw(odd)}
        rows[number] = (rows[number][0], rows[number][1] | changes)
    shutil.rmtree(tmp_path / "odd", ignore_errors=True)
    robot = Robot(tmp_path / "odd", codec=data.draw(st.sampled_from(["pb", "cbor"])))
    robot.poses(robot.frame("map"), robot.frame("base"), robot.clock("boot"), rows, duration_ns=1000 * S)
    with kit.open(threads=1) as study:
        report = study.load(tmp_path / "odd")
        assert report.quarantined == 0 and len(study.sql("FROM poses")) == 60
        assert (f"{len(struck):,} entries: no_pose" in repr(report)) == bool(struck)
        kept = np.array([number * S for number in range(60) if number not in struck])
        found = study.pose("base", "map", at=kept).df()
        assert np.isfinite(found[["tx", "ty", "tz", "qx", "qy", "qz", "qw"]].to_numpy()).all()


def test_a_sensor_that_nobody_knows_is_told_with_the_way_out(tmp_path: Path) -> None:
    robot = Robot(tmp_path)
    folder = robot.images(robot.clock("boot"), [(i * S, image()) for i in range(3)], registered=False)
    with kit.open(threads=1) as study:
        report = study.load(tmp_path)
        assert report.reasons["unknown_kind"].count == 3 and "catalog.json" in repr(report)
        assert str(tmp_path) not in repr(report)
    row = {
        "variant": "sensor_log", "source_peer_id": "bot-1", "writer_peer_id": "bot-1", "resource_id": "eye",
        "state": "sealed", "available": {}, "manifest": {},
        "sensor": {"kind": "camera", "type": "mono", "sensor_id": "eye", "sensor_hash": "00"},
    }  # fmt: skip
    (folder.parent / "catalog.json").write_text(json.dumps([row]))
    with kit.open(threads=1) as study:
        assert study.load(tmp_path).quarantined == 0
        assert len(study.payload("eye", 2)) == 48


def test_clocks_and_frames_that_lead_nowhere_say_what_is_missing(tmp_path: Path) -> None:
    robot = Robot(tmp_path)
    clock = robot.clock("boot")
    robot.poses(robot.frame("map"), robot.frame("base"), clock, [])
    robot.offsets(clock, robot.clock("wall", utc=True), [])
    robot.images(clock, [(S, image(48)), (2 * S, image(13))])
    with loaded(tmp_path) as study:
        assert {row["resource_id"]: row["entries"] for row in study.logs()} == {
            "map->base": 0,
            "boot->wall": 0,
            "eye": 2,
        }
        with pytest.raises(NoFramePath, match="no pose log with samples is there"):
            study.pose("base", "map", at="eye")
        with pytest.raises(NoClockPath, match="no time transform log with samples is there"):
            study.convert_time([S], "boot", "wall")
        with pytest.raises(NotFoundError, match="it is empty"):
            study.payload("map->base", 0)
        with pytest.raises(PayloadError, match="13 bytes are no mono8"):
            study.payload("eye", 1, decode=True)
        # The clock of the logs themselves needs no other.
        assert len(study.log_coverage(clock="boot")) == 1
        for draw in (kit.plot.logs(study.log_coverage(), study.logs()), kit.plot.log_rates(study.logs())):
            assert kit.plot.drawn(draw)


@pytest.mark.parametrize("codec", ["pb", "cbor"])
def test_entries_out_of_order_and_twice_are_looked_up_by_time(codec: str, tmp_path: Path) -> None:
    robot = Robot(tmp_path, codec=codec)  # type: ignore[arg-type]
    rows = ring(20)
    shuffled = [rows[i] for i in (3, 1, 2, 0, 5, 4, *range(19, 5, -1))]
    again = (rows[7][0], pose(9, 9, 0))
    robot.poses(robot.frame("map"), robot.frame("base"), robot.clock("boot"), [*shuffled, again])
    with loaded(tmp_path) as study:
        found = study.transform("map", "base", at=[ts for ts, _ in rows]).rows()
        wanted = [9.0 if i == 7 else row["tx"] for i, (_, row) in enumerate(rows)]
        assert [row["tx"] for row in found] == pytest.approx(wanted)

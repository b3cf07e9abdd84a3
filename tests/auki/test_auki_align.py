"""Series of several sensors on one timeline, across clocks."""

import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import DATA, MISSION, expected

from kit.auki.align import Series, align, matches
from kit.auki.clock_graph import clock_graph
from kit.auki.frame import frame_graph
from kit.auki.load import table
from kit.auki.recording import scan
from kit.errors import ArgumentError

CAMERA, SDK = "head_left_rgb_clock", "session/sdk_clock"


@pytest.mark.parametrize("codec", [pytest.param("cbor", id="auki-32-cbor"), pytest.param("pb", id="auki-32-pb")])
def test_each_image_gets_its_joints_and_pose_across_clocks(codec: str) -> None:
    recording = scan(DATA / codec)
    clocks = clock_graph(recording)
    images, joints, poses, found = (
        table(recording.log(name), on_error="skip_entry")
        for name in ("head_left_rgb", "arm_joints", "world->base_link", "yolo_v8@head_left_rgb")
    )
    others = {
        "joints": Series(joints, SDK),
        "previous": Series(joints, SDK, "previous"),
        "pose": Series(poses, SDK, "previous"),
        "seen": Series(found, CAMERA, tolerance_ns=0),
    }
    made = align(images, CAMERA, others, clocks)
    assert made.num_rows == 60
    assert made["seen_seq"].null_count == 60 - expected(codec, "queries")["detections_join_camera_exact"]
    queries = expected(codec, "queries")["queries"]
    asked = align(pa.table({"ts_ns": [query["cam_clock_ns"] for query in queries]}), CAMERA, others, clocks)
    for query, row in zip(queries, asked.to_pylist(), strict=True):
        assert row["joints_ts_ns"] == query["joint_nearest_ts"]
        assert row["previous_ts_ns"] == query["joint_prev_ts"]
        assert row["joints_age_ns"] == query["sdk_ns"] - query["joint_nearest_ts"]
        assert 0 <= row["pose_age_ns"] < 25_000_000
        assert row["joints_uncertainty_ns"] > 0
        assert row["joints_flags"] == []
        assert len(row["joints_angles"]) == 7
    assert made.schema.field("ts_ns").type == made.schema.field("joints_ts_ns").type == pa.int64()


def test_the_mission_tells_where_the_robot_was_at_each_call() -> None:
    """From the wall clock of the signals to the session clock, and there to the pose: within the stated tolerance."""
    recording = scan(MISSION)
    clocks = clock_graph(recording)
    frames = frame_graph(recording, clocks)
    wanted = json.loads((MISSION / "expected.json").read_text())
    calls = wanted["tool_calls"]
    assert len(calls) == 17
    wall = np.array([call["wall_ns"] for call in calls])
    sdk = clocks.convert(wall, "wall_clock", "session/sdk_clock")
    assert np.abs(sdk.ns - [call["sdk_ns"] for call in calls]).max() <= wanted["tolerance"]["sdk_ns"]
    found = frames.at(wall, "base_link", "world", clock="wall_clock")
    assert found.known.all()
    assert np.abs(found.poses.t - [call["pose"]["t"] for call in calls]).max() <= wanted["tolerance"]["position_m"]
    turned = np.abs(np.einsum("ij,ij->i", found.poses.q, [call["pose"]["q_xyzw"] for call in calls]))
    assert 2 * np.arccos(np.minimum(turned, 1)).max() <= wanted["tolerance"]["yaw_rad"]


@given(
    st.lists(st.integers(0, 30), max_size=12), st.lists(st.integers(-3, 33), max_size=12), st.none() | st.integers(0, 4)
)
@settings(max_examples=100)
def test_matches_are_what_a_plain_search_finds(ts: list[int], wanted: list[int], tolerance: int | None) -> None:
    samples = [(t, i) for i, t in enumerate(ts)]
    for how in ("nearest", "previous", "next"):
        plain = []
        for w in wanted:
            around = [(t, i) for t, i in samples if how == "nearest" or (t <= w if how == "previous" else t >= w)]
            # The nearest, of equally near the earlier time, of equal times the last.
            best = min(around, key=lambda each: (abs(each[0] - w), each[0], -each[1]), default=None)
            plain.append(-1 if best is None or (tolerance is not None and abs(best[0] - w) > tolerance) else best[1])
        assert matches(np.array(ts, np.int64), np.array(wanted, np.int64), how, tolerance).tolist() == plain  # type: ignore[arg-type]


def test_what_cannot_be_aligned_is_refused() -> None:
    clocks = clock_graph(scan(DATA / "pb"))
    rows = pa.table({"ts_ns": [1]})
    with pytest.raises(ArgumentError, match="how='later' for 'x': give 'nearest'"):
        align(rows, SDK, {"x": Series(rows, SDK, "later")}, clocks)  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="x has no column ts_ns, only ns"):
        align(rows, SDK, {"x": Series(pa.table({"ns": [1]}), SDK)}, clocks)
    empty = align(rows, SDK, {"x": Series(rows.slice(0, 0), SDK)}, clocks)
    assert empty["x_ts_ns"].to_pylist() == [None]

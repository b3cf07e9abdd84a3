"""Logs of a store on one clock and in one frame: exact clocks, poses to 1e-9, one table of what belongs together."""

import hashlib
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from missions import Mission, mission

import kit
from kit.align import Utc
from kit.errors import (
    ArgumentError,
    ClockMappingWarning,
    NoClockPath,
    NoFramePath,
    NotFoundError,
    NoUtcError,
    SourceError,
)

DATA = Path(__file__).resolve().parents[1] / "auki" / "data"
QUERIES = json.loads((DATA / "cbor" / "queries.json").read_text())["queries"]
CAMERA, SESSION, WALL = "head_left_rgb_clock", "session/sdk_clock", "wall_clock"


@pytest.fixture(scope="module", params=["cbor", "pb"])
def study(request: pytest.FixtureRequest) -> Iterator[kit.Study]:
    with kit.open(threads=1) as opened:
        opened.load(DATA / request.param / "galbot-control-plane")
        yield opened


@pytest.fixture(scope="module")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Mission:
    return mission(tmp_path_factory.mktemp("tour"), 11, legs=4)


@pytest.fixture(scope="module")
def told(tour: Mission) -> Iterator[kit.Study]:
    with kit.open(threads=1) as opened:
        opened.load(tour.sources)
        yield opened


def test_clocks_convert_exactly_through_the_store_auki_27(study: kit.Study) -> None:
    at = np.array([query["cam_clock_ns"] for query in QUERIES])
    session = study.convert_time(at, CAMERA, SESSION).rows()
    wall = study.convert_time(at, CAMERA, WALL).rows()
    for query, on_session, on_wall in zip(QUERIES, session, wall, strict=True):
        assert (on_session["to_ns"], on_wall["to_ns"]) == (query["sdk_ns"], query["wall_ns"])
        assert on_wall["discontinuous"] == query["discontinuous"]
    back = study.convert_time([row["to_ns"] for row in wall], WALL, CAMERA).rows()
    for row, query in zip(back, QUERIES, strict=True):
        assert row["discontinuous"] or abs(row["to_ns"] - query["cam_clock_ns"]) <= 2
    assert [field.type for field in study.convert_time(at, CAMERA, WALL).arrow().schema][:3] == [pa.int64()] * 3


def test_poses_come_to_1e_9_across_clocks_auki_30(study: kit.Study) -> None:
    at = [query["cam_clock_ns"] for query in QUERIES]
    rows = study.transform("world", "head_left_rgb_optical", at=at, clock=CAMERA).rows()
    for query, row in zip(QUERIES, rows, strict=True):
        wanted = query["world_to_cam"]
        assert np.allclose([row["tx"], row["ty"], row["tz"]], wanted["t"], rtol=0, atol=1e-9)
        q = np.array([row["qx"], row["qy"], row["qz"], row["qw"]])
        assert min(np.abs(q - wanted["q_xyzw"]).max(), np.abs(q + wanted["q_xyzw"]).max()) < 1e-9
    moved = study.transform_points([1, 2, 0.5], "world", "head_left_rgb_optical", at=at[1], clock=CAMERA)
    assert np.allclose(moved, [QUERIES[1]["point_world_1_2_0.5_in_cam"]], rtol=0, atol=1e-9)
    camera = study.pose("head_left_rgb_optical", "world", at=at[1], clock=CAMERA).rows()[0]
    assert np.allclose([camera["tx"], camera["ty"], camera["tz"]], QUERIES[1]["cam_origin_in_world"], rtol=0, atol=1e-9)


def test_a_pose_outside_the_log_is_null_and_flagged_unless_it_is_held(study: kit.Study) -> None:
    asked = {"at": 0, "clock": SESSION}
    lost = study.pose("base_link", "world", **asked).rows()[0]
    assert lost["tx"] is None and lost["extrapolated"]
    held = study.pose("base_link", "world", extrapolate="hold", **asked).rows()[0]
    assert held["tx"] is not None and held["extrapolated"]
    points = study.transform_points([[0, 0, 0]], "base_link", "world", **asked)
    assert np.isnan(points).all()


def test_tf_semantics_turn_a_pose_log_round(study: kit.Study) -> None:
    # At a sample: between two, the line of the translations depends on the frame they are in.
    at = study.sql("SELECT min(ts_ns) AS ts FROM poses WHERE from_frame = 'world'").rows()[0]["ts"]
    plain = study.transform("world", "base_link", at=at, clock=SESSION).rows()[0]
    study.pose_semantics = {"world->base_link": "tf"}
    try:
        turned = study.transform("base_link", "world", at=at, clock=SESSION).rows()[0]
    finally:
        study.pose_semantics = "points"
    assert np.allclose([plain["tx"], plain["ty"], plain["tz"]], [turned["tx"], turned["ty"], turned["tz"]], atol=1e-9)


def test_three_sensors_are_one_table_across_clocks_auki_32(study: kit.Study) -> None:
    table = study.align(
        "head_left_rgb",
        {"joints": "arm_joints", "base": "world->base_link", "boxes": "yolo_v8@head_left_rgb"},
        method={"base": "previous"},
        tolerance_ns={"boxes": 0},
    )
    rows = table.rows()
    assert len(rows) == 60
    by_time = {row["ts_ns"]: row for row in rows}
    for query in QUERIES:
        row = by_time.get(query["cam_clock_ns"])
        if row is not None:
            assert row["joints_ts_ns"] == query["joint_nearest_ts"]
            assert row["joints_age_ns"] == query["sdk_ns"] - query["joint_nearest_ts"]
    assert sum(row["boxes_seq"] is not None for row in rows) == 30
    assert all(row["base_age_ns"] is None or row["base_age_ns"] >= 0 for row in rows)
    assert table.arrow().schema.field("joints_ts_ns").type == pa.int64()
    assert {"base_tx", "base_flags", "base_uncertainty_ns", "boxes_data", "joints_angles"} <= set(table.columns)


def test_a_linear_pose_is_the_transform_and_linear_joints_lie_between(study: kit.Study) -> None:
    table = study.align(
        "head_left_rgb", {"base": "world->base_link", "joints": "arm_joints"}, method="linear", clock=SESSION
    ).rows()
    rows = [row for row in table if row["base_tx"] is not None and not row["base_flags"]]
    assert len(rows) > 40
    located = study.transform("world", "base_link", at=[row["ts_ns"] for row in rows], clock=SESSION).rows()
    for row, there in zip(rows, located, strict=True):
        assert np.allclose([row["base_tx"], row["base_qw"]], [there["tx"], there["qw"]], atol=1e-12)
    nearest = study.align("head_left_rgb", {"joints": "arm_joints"}).rows()
    for between, near in zip(table, nearest, strict=True):
        if between["joints_angles"] is not None:
            assert np.abs(np.array(between["joints_angles"]) - near["joints_angles"]).max() < 0.2
            assert between["joints_age_ns"] >= 0


def test_both_encodings_give_equal_tables_auki_31() -> None:
    with kit.open(threads=1) as one, kit.open(threads=1) as two:
        one.load(DATA / "cbor" / "galbot-control-plane")
        two.load(DATA / "pb" / "galbot-control-plane")
        for table in ("poses", "clock_offsets", "joints", "detections", "audio", "point_clouds", "camera_frames"):
            places = '"offset", length' + (
                ", data_offset" if table in ("audio", "point_clouds", "camera_frames") else ""
            )
            # Every second image of the protobuf set has no intrinsics of its own.
            places += ", fx, fy, cx, cy, distortion" if table == "camera_frames" else ""
            query = f"SELECT * EXCLUDE ({places}, source_id) FROM {table} ORDER BY log_id, seq"
            assert one.sql(query).rows() == two.sql(query).rows(), table


def test_payloads_are_read_when_asked_and_decoded_by_the_registry(
    study: kit.Study, tour: Mission, told: kit.Study
) -> None:
    picture = told.payload(tour.image_log, 3)
    assert len(picture) == 192
    image = told.payload(tour.image_log, 3, decode=True)
    assert image.shape == (12, 16) and image.tobytes() == picture
    boxes = told.sql("SELECT log_id, seq FROM detections WHERE octet_length(data) > 20 ORDER BY seq LIMIT 1").rows()[0]
    assert told.payload(boxes["log_id"], boxes["seq"], decode=True)["detections"][0]["label"]
    sound = study.payload("mic", 0, decode=True)
    assert sound.ndim == 2 and sound.shape[0] * sound.shape[1] * sound.itemsize == len(study.payload("mic", 0))
    scan = study.payload("head_lidar", 5, decode=True)
    assert {"x", "y", "z"} <= set(scan.dtype.names)
    assert told.payload(tour.image_log, 3, decoders={"mono8": lambda data, _: len(data)}) == 192
    with pytest.raises(NotFoundError, match="its entries are 0 to"):
        study.payload("mic", 10_000)


def test_the_overview_has_damage_gaps_and_rates(study: kit.Study) -> None:
    rows = {row["resource_id"]: row for row in study.logs()}
    assert len(rows) == 9
    arm = rows["arm_joints"]
    assert (arm["entries"], arm["segments"], arm["damage"]) == (599, 13, 1)
    assert arm["rate_hz"] == pytest.approx(50, abs=0.1)
    assert rows["mic"]["damage"] == 0 and rows["mic"]["variant"] == "sensor_log"
    clocks = {row["from_clock"]: row for row in study.clocks()}
    assert clocks[f"galbot/{SESSION}"]["steps"] == 1
    assert clocks[f"galbot/{SESSION}"]["largest_step_ns"] == pytest.approx(25_000_000, rel=0.01)
    assert clocks[f"galbot/{CAMERA}"]["steps"] == 0
    stretches = [row for row in study.log_coverage() if row["resource_id"] == "mic"]
    assert sum(row["entries"] for row in stretches) == 240


def test_names_that_are_none_are_told_with_those_there_are(study: kit.Study) -> None:
    with pytest.raises(NoClockPath, match=r"no clock 'sundial'.*galbot/wall_clock"):
        study.convert_time(1, "sundial", WALL)
    with pytest.raises(NoFramePath, match=r"no frame 'moon'"):
        study.pose("moon", "world", at=1, clock=SESSION)
    with pytest.raises(NotFoundError, match=r"no log 'sonar': there are 'arm_joints'"):
        study.align("sonar", ["mic"])
    with pytest.raises(ArgumentError, match=r"method='spline'"):
        study.align("mic", ["arm_joints"], method="spline")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="readings of type float64"):
        study.convert_time([1.5], CAMERA, WALL)


# Signals and records beside sensors


def test_a_robot_is_where_it_truly_was_at_each_tool_call(tour: Mission, told: kit.Study) -> None:
    calls = told.signals(type="TOOL_CALL")
    rows = {row["id"]: row for row in told.align(calls, {"base": tour.pose_log}, method="linear")}
    assert len(rows) == len(tour.calls)
    for call in tour.calls:
        row = rows[call["signal_id"]]
        # Over a step of the wall clock its offset is held, and its drift of some ppm goes on for up to a second.
        slack = 100_000 if "discontinuous" in row["base_flags"] else 1_000
        assert abs(row["base_ts_ns"] - call["sdk_ns"]) <= row["base_uncertainty_ns"] + slack
        place = told.pose(tour.body, tour.world, at=row["base_ts_ns"], clock=tour.session_clock).rows()[0]
        assert np.hypot(place["tx"] - call["x"], place["ty"] - call["y"]) < 1e-3


def test_records_stand_beside_the_evidence_they_cite(tour: Mission, told: kit.Study) -> None:
    rows = told.align("records", {"picture": tour.image_log, "base": tour.pose_log}, method={"base": "linear"}).rows()
    findings = [row for row in rows if row["log"] == tour.image_log]
    assert len(findings) == 4 and all(row["picture_age_ns"] == 0 for row in findings)
    for row in findings:
        image = told.payload(tour.image_log, row["picture_seq"])
        body = json.loads(told.sql(f"SELECT body FROM records WHERE id = '{row['record_id']}'").rows()[0]["body"])
        assert body["_refs"][0]["id"] == f"sha256:{hashlib.sha256(image).hexdigest()}"


def test_without_a_clock_that_is_utc_signals_are_refused_until_somebody_says(tmp_path: Path) -> None:
    made = mission(tmp_path, 5, legs=2)
    for file in (tmp_path / "robot").rglob("registries/clocks/*/wall_clock/*.json"):
        file.unlink()
    with kit.open(threads=1) as study:
        study.load(made.sources)
        with pytest.raises(NoUtcError, match=r"no log leads to a clock that is declared as UTC.*Utc\("):
            study.align("signals", [made.pose_log])
        with pytest.raises(NoUtcError, match="is not declared as UTC"):
            study.align("signals", [made.pose_log], clock="wall_clock")
        rows = study.align("signals", {"base": made.pose_log}, clock=Utc("wall_clock", uncertainty_ns=5_000_000)).rows()
        assert all(row["base_uncertainty_ns"] > 5_000_000 for row in rows)
        assert {row["base_seq"] is None for row in rows} == {False}


@pytest.mark.parametrize("shift_s", [2.0, -2.0, 0.5])
def test_a_shifted_clock_does_not_pass_silently(tmp_path: Path, shift_s: float) -> None:
    made = mission(tmp_path, 6, shift_s=shift_s)
    with kit.open(threads=1) as study:
        study.load(made.sources)
        with pytest.warns(ClockMappingWarning, match="the clocks do not fit what was said"):
            study.align("signals", [made.pose_log])
        findings = study.crosscheck(["clock_mapping"]).rows()
        assert len(findings) == 1
        assert findings[0]["distance"] == pytest.approx(abs(shift_s), abs=0.1)


def test_logs_that_do_not_overlap_with_the_signals_are_told(tour: Mission, told: kit.Study) -> None:
    later = pa.table({"ts": pa.array([2_000_000_000_000_000], pa.timestamp("us", tz="UTC"))})
    with pytest.warns(ClockMappingWarning, match="none of the 1 rows is in the time"):
        rows = told.align(later, {"base": tour.pose_log}, method="linear").rows()
    assert rows[0]["base_tx"] is None and "extrapolated" in rows[0]["base_flags"]


def test_a_mapping_that_fits_warns_of_nothing(tour: Mission, told: kit.Study) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(told.align("signals", [tour.pose_log])) == len(told.signals())


def test_a_payload_whose_file_has_gone_says_where_it_was(tmp_path: Path) -> None:
    made = mission(tmp_path, 8, legs=1)
    with kit.open(threads=1) as study:
        study.load(made.sources)
        for file in (tmp_path / "robot").rglob("*.seg"):
            file.unlink()
        with pytest.raises(SourceError, match=r"the payload at byte .* stays in the file"):
            study.payload(made.image_log, 0)


def test_several_runs_with_logs_must_be_told_apart(tmp_path: Path) -> None:
    made = mission(tmp_path, 9, legs=1)
    with kit.open(threads=1) as study:
        study.load(made.sources, run="a")
        study.load(made.sources, run="b")
        with pytest.raises(ArgumentError, match="the runs 'a', 'b' have logs"):
            study.clocks()
        assert len(study.clocks(run="b")) == 2
        assert (
            study.align("signals", [made.pose_log], run="a").rows()
            == study.align("signals", [made.pose_log], run="b").rows()
        )

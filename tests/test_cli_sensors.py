"""The commands about sensor logs, called as a shell calls them."""

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from commands import call, shell

import kit
from kit import datasets

SMALL, MISSION = datasets.path("auki-small"), datasets.path("mission")
SDK = "session/sdk_clock"
EXPECTED = Path(__file__).parent / "auki" / "data"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the small recording."""
    return stored(SMALL, tmp_path_factory.mktemp("small"))


@pytest.fixture(scope="module")
def mission(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store of the mission."""
    return stored(MISSION, tmp_path_factory.mktemp("mission"))


def stored(source: Path, folder: Path) -> Path:
    path = folder / "study.duckdb"
    with kit.open(path) as study:
        study.load(source)
    return path


def wanted(name: str) -> Any:
    return json.loads((EXPECTED / name).read_text())


def test_logs_as_json_is_an_object_a_line_with_eight_keys() -> None:
    """Read from the folder itself: a damaged log is a finding."""
    told = call("logs", SMALL, "--json", code=1)
    rows = [json.loads(line) for line in told.stdout.splitlines()]
    keys = "source_peer_id resource_id variant entries segments first_ts_ns last_ts_ns damage"
    assert [" ".join(row) for row in rows] == [keys] * 9
    logs = wanted("pb/expected.json")["logs"]
    assert {row["resource_id"]: row["segments"] for row in rows} == {
        name: log["segments"] for name, log in logs.items()
    }
    assert {row["resource_id"]: row["first_ts_ns"] for row in rows} == {
        name: log["first_ts"] for name, log in logs.items()
    }
    assert {row["resource_id"] for row in rows if row["damage"]} == {"arm_joints"}


def test_logs_without_damage_are_clean_and_drawn(mission: Path, tmp_path: Path) -> None:
    told = call("logs", "--store", mission, "--plot", tmp_path / "logs.png", "--clock", SDK)
    assert "world->base_link" in told.stdout
    assert (tmp_path / "logs.png").read_bytes().startswith(b"\x89PNG")
    assert "give --plot" in call("logs", "--store", mission, "--clock", SDK, code=2).stderr


def test_logs_of_a_capture_without_logs_are_none(small_capture: Path) -> None:
    assert call("logs", small_capture, "--json").stdout == ""


def test_pose_tells_where_the_robot_truly_was(mission: Path) -> None:
    calls = wanted("mission/expected.json")["tool_calls"]
    asked = [part for its in calls for part in ("--at", its["wall_ns"])]
    told = call("pose", "base_link", "world", "--store", mission, *asked, "--clock", "wall_clock", "--json")
    rows = json.loads(told.stdout)
    assert [row["ts_ns"] for row in rows] == [its["wall_ns"] for its in calls]
    for row, its in zip(rows, calls, strict=True):
        assert [row["tx"], row["ty"], row["tz"]] == pytest.approx(its["pose"]["t"], abs=0.001)


def test_pose_as_text_has_whole_nanoseconds_and_six_digits(mission: Path) -> None:
    its = wanted("mission/expected.json")["tool_calls"][1]
    told = call("pose", "base_link", "world", "--store", mission, "--at", its["sdk_ns"], "--clock", SDK).stdout
    head, line = told.splitlines()
    assert head.split()[:3] == ["ts_ns", "tx", "ty"]
    assert line.split()[:2] == [str(its["sdk_ns"]), f"{float(line.split()[1]):.6f}"]


def test_pose_outside_the_samples_is_unknown_unless_held(mission: Path) -> None:
    asked = ["pose", "base_link", "world", "--store", mission, "--at", 1, "--clock", SDK, "--json"]
    assert json.loads(call(*asked).stdout)[0]["tx"] is None
    (held,) = json.loads(call(*asked, "--hold").stdout)
    assert held["extrapolated"] is True
    assert held["tx"] is not None


def test_pose_refuses_frames_and_instants_that_cannot_be(mission: Path) -> None:
    assert "base_link" in call("pose", "wheel", "world", "--store", mission, "--at", 1, code=2).stderr
    assert "64-bit" in call("pose", "base_link", "world", "--store", mission, "--at", 1 << 63, code=2).stderr


def test_align_writes_parquet_and_csv_with_the_same_rows(small: Path, tmp_path: Path) -> None:
    asked = ["align", "--base", "head_left_rgb", "--others", "world->base_link,arm_joints", "--store", small]
    told = call(*asked, "-o", tmp_path / "a.parquet", "--json")
    assert json.loads(told.stdout) == {"path": str(tmp_path / "a.parquet"), "format": "parquet", "rows": 60}
    table = pq.read_table(tmp_path / "a.parquet")
    queries = {query["cam_clock_ns"]: query for query in wanted("pb/queries.json")["queries"]}
    rows = [row for row in table.to_pylist() if row["ts_ns"] in queries]
    assert rows
    assert [row["arm_joints_ts_ns"] for row in rows] == [queries[row["ts_ns"]]["joint_nearest_ts"] for row in rows]
    assert "60 rows" in call(*asked, "--out", tmp_path / "a.csv").stdout
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 61
    assert "a.csv" in call(*asked, "-o", tmp_path / "a.csv", code=2).stderr
    assert "60 rows" in call(*asked, "-o", tmp_path / "a.csv", "--overwrite").stdout


def test_align_without_a_file_shows_the_first_rows(small: Path) -> None:
    asked = ["align", "--base", "head_lidar", "--others", "arm_joints", "--store", small]
    assert "the first 20 of 60 rows" in call(*asked).stdout
    near = json.loads(call(*asked, "--tolerance-ns", 1, "--json").stdout)
    assert len(near) == 60
    assert {row["arm_joints_ts_ns"] for row in near} == {None}


def test_align_refuses_other_files_logs_and_methods(small: Path, tmp_path: Path) -> None:
    asked = ["align", "--base", "head_lidar", "--store", small, "--others"]
    assert ".parquet or .csv" in call(*asked, "mic", "-o", tmp_path / "a.xlsx", code=2).stderr
    assert "radar" in call(*asked, "radar", code=2).stderr
    assert "'best'" in call(*asked, "mic", "--method", "best", code=2).stderr


def test_crosscheck_of_the_mission_finds_what_the_logs_contradict() -> None:
    told = call("crosscheck", MISSION, "--json", code=1)
    rows = json.loads(told.stdout)
    assert {tuple(row) for row in rows} == {("rule", "signal_id", "record_id", "log", "ts_ns", "detail")}
    assert [row["rule"] for row in rows] == [
        "moving_on_arrival",
        "other_instant",
        "label_not_detected",
        "other_picture",
    ]
    assert "north_gate" in rows[0]["detail"]


def test_crosscheck_by_rule_is_clean_where_nothing_breaks_it(mission: Path) -> None:
    asked = ["crosscheck", "--store", mission, "--rule"]
    assert call(*asked, "other_reading", "--json").stdout == "[]\n"
    told = call(*asked, "moving_on_arrival", code=1).stdout
    assert "1 findings" in told
    assert "472534909157" in told
    assert "no rule 'truth'" in call(*asked, "truth", code=2).stderr


def test_a_shell_sees_the_exit_code_of_a_damaged_log() -> None:
    ran = shell("logs", SMALL)
    assert ran.returncode == 1
    assert "arm_joints" in ran.stdout


def test_a_recording_becomes_an_mcap_file_and_a_folder_again(tmp_path: Path) -> None:
    packed, back = tmp_path / "a.mcap", tmp_path / "back"
    assert call("mcap", SMALL, "-o", packed).stdout.strip() == str(packed)
    # The folder and the file are the same to `logs`.
    assert call("logs", packed, "--json", code=1).stdout == call("logs", SMALL, "--json", code=1).stdout
    told = json.loads(call("mcap", packed, "-o", back, "--json").stdout)
    assert told == {"path": str(back), "format": "folder", "left": 0}
    assert call("logs", back, "--json", code=1).stdout == call("logs", SMALL, "--json", code=1).stdout
    assert "is not empty" in call("mcap", packed, "-o", back, code=2).stderr
    packed.write_bytes(packed.read_bytes()[: packed.stat().st_size // 2])
    cut = call("mcap", packed, "-o", tmp_path / "rest", code=1)
    assert "cut_tail" in cut.stderr and (tmp_path / "rest").is_dir()

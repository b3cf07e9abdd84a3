"""The verbs of a study about sensor logs, on the shipped recordings, and the page that explains them."""

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import kit
from kit.align.decode import image
from kit.crosscheck import RULES
from kit.errors import ArgumentError, NoClockPath, NoFramePath

ROOT = Path(__file__).resolve().parents[1]
SDK = "session/sdk_clock"
ROBOT = ("base_link", "world")


@pytest.fixture(scope="module")
def small() -> kit.Study:
    """The small recording."""
    return kit.load(kit.datasets.path("auki-small"))


@pytest.fixture(scope="module")
def mission() -> kit.Study:
    """Signals, records and logs of the mission."""
    return kit.load(kit.datasets.path("mission"))


def test_coverage_on_one_clock_is_the_converted_ends(small: kit.Study) -> None:
    own = {row["resource_id"]: row for row in small.log_coverage()}
    one = {row["resource_id"]: row for row in small.log_coverage(clock=SDK)}
    assert {row["clock_id"] for row in one.values()} == {SDK}
    camera = own["head_left_rgb"]
    ends = small.convert_time([camera["first_ts_ns"], camera["last_ts_ns"]], "head_left_rgb_clock", SDK)
    assert [row["to_ns"] for row in ends] == [one["head_left_rgb"][name] for name in ("first_ts_ns", "last_ts_ns")]
    assert one["mic"] == own["mic"]
    with pytest.raises(NoClockPath, match="sundial"):
        small.log_coverage(clock="sundial")


def test_a_log_whose_clock_nothing_joins_keeps_it(small: kit.Study) -> None:
    found = {row["resource_id"]: row for row in small.log_coverage(clock="wall_clock")}
    assert {row["clock_id"] for row in found.values()} == {"wall_clock"}
    assert found["mic"]["first_ts_ns"] > 1_700_000_000_000_000_000


def test_at_may_be_a_log_whose_entries_are_the_instants(small: kit.Study) -> None:
    at_images = small.pose(*ROBOT, at="head_left_rgb").rows()
    instants = [row["ts_ns"] for row in small.sql("SELECT ts_ns FROM camera_frames ORDER BY ts_ns")]
    assert [row["ts_ns"] for row in at_images] == instants
    assert at_images == small.pose(*ROBOT, at=instants, clock="head_left_rgb_clock").rows()
    back = small.transform("world", "base_link", at="world->base_link").arrow()
    stored = small.sql("SELECT tx, ty, tz FROM poses WHERE log_id LIKE '%world->base_link' ORDER BY ts_ns").arrow()
    assert np.allclose(back["tx"].to_numpy(), stored["tx"].to_numpy())
    with pytest.raises(ArgumentError, match="leave clock='wall_clock' out"):
        small.pose(*ROBOT, at="head_left_rgb", clock="wall_clock")


def test_a_pair_of_frames_among_the_others_is_the_pose_at_each_instant(small: kit.Study) -> None:
    aligned = small.align("head_left_rgb", {"robot": ROBOT, "arm": "arm_joints"})
    poses = small.pose(*ROBOT, at="head_left_rgb")
    for name in ("tx", "ty", "tz", "qx", "qy", "qz", "qw"):
        one, other = (table.arrow()[column].to_numpy() for table, column in ((aligned, f"robot_{name}"), (poses, name)))
        assert np.allclose(one, other)
    (row,) = small.convert_time(aligned.rows()[17]["ts_ns"], "head_left_rgb_clock", SDK)
    assert aligned.rows()[17]["robot_ts_ns"] == row["to_ns"]
    assert aligned.rows()[17]["robot_uncertainty_ns"] == row["uncertainty_ns"]
    assert aligned.columns.index("robot_tx") < aligned.columns.index("arm_angles")
    assert "base_link_tx" in small.align("head_left_rgb", [ROBOT]).columns


def test_poses_outside_the_log_are_unknown_and_say_so(small: kit.Study) -> None:
    begin = small.logs().sql("SELECT first_ts_ns FROM self WHERE resource_id = 'world->base_link'").rows()[0]
    asked = pd.DataFrame({"ts_ns": [begin["first_ts_ns"] - 1_000_000, begin["first_ts_ns"] + 1_000_000]})
    early, inside = small.align(asked, {"robot": ROBOT}, clock=SDK).rows()
    assert (early["robot_tx"], early["robot_flags"]) == (None, ["extrapolated"])
    assert inside["robot_tx"] is not None
    assert inside["robot_flags"] == []
    far, _ = small.align(asked.assign(ts_ns=asked.ts_ns + 5_000_000_000), {"robot": ROBOT}, clock=SDK, tolerance_ns=1)
    assert (far["robot_tx"], far["robot_flags"]) == (None, ["gap"])


def test_frames_that_cannot_be_aligned_are_told(small: kit.Study) -> None:
    with pytest.raises(ArgumentError, match="neither a log nor a pair of frames"):
        small.align("mic", {"robot": ("base_link", "world", "x")})  # type: ignore[dict-item]
    with pytest.raises(ArgumentError, match="seen from itself"):
        small.align("mic", {"robot": ("world", "world")})
    with pytest.raises(NoFramePath):
        small.align("mic", {"robot": ("wheel", "world")})


def test_signals_meet_poses_at_the_time_of_day(mission: kit.Study) -> None:
    calls = mission.signals(type="TOOL_CALL", payload={"tool": "capture_image"})
    aligned = mission.align(calls, {"robot": ROBOT, "frame": "mast_rgb"}).rows()
    assert [(round(row["robot_tx"], 2), round(row["robot_ty"], 2)) for row in aligned][:2] == [(6.0, 1.5), (11.3, 1.2)]
    assert all(abs(row["frame_age_ns"]) <= 100_000_000 for row in aligned)


def test_a_suspect_clock_silences_the_rules_that_rest_on_it(mission: kit.Study) -> None:
    shifted = kit.align.Utc("wall_clock", offset_ns=2_000_000_000)
    held = {row["rule"] for row in mission.crosscheck()}
    assert {row["rule"] for row in mission.crosscheck(clock=shifted)} == held | {"clock_mapping"}


@pytest.mark.parametrize("form", ["JPEG", "PNG"])
def test_a_compressed_image_is_taken_as_what_it_is(form: str) -> None:
    data = io.BytesIO()
    Image.new("RGB", (32, 24), (200, 10, 10)).save(data, form)
    pixels = image(data.getvalue(), {"pixel_format": "rgb8", "width": 32, "height": 24})
    assert pixels.shape == (24, 32, 3)
    assert abs(int(pixels[0, 0, 0]) - 200) < 5


def test_a_study_shows_the_runs_of_all_it_holds(mission: kit.Study, small: kit.Study) -> None:
    shown = repr(mission)
    assert [name in shown for name in ("runs: 1", "runs of records: 1", "runs of logs: 1")] == [True] * 3
    assert "runs: 1" not in repr(small)
    assert re.search(r"capture +9 +1 +1\n", repr(small))
    assert "runs of logs" in small._repr_html_()
    assert "runs: 0 of 0" in repr(kit.open())


def test_the_page_lists_the_rules_as_they_are() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*) \|$", (ROOT / "docs" / "sensors.md").read_text(), re.MULTILINE)
    assert rows == [(rule.id, rule.severity, rule.statement) for rule in RULES]

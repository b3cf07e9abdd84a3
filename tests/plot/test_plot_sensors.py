"""Logs, clocks, frames and ways: the marks are those of the rows, and an altered one is seen."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kit.errors import ArgumentError
from kit.plot import (
    clock_graph,
    clock_offsets,
    drawn,
    frame_graph,
    image,
    log_rates,
    logs,
    motion,
    scan,
    trajectory,
)

HOSTILE = ["$x_1$", "y" * 200, "y" * 199 + "z", "two\nlines", "研究 \U0001f600", "_under"]
S = 1_000_000_000

COVERAGE = pa.table(
    {
        "log_id": ["r/s/pose", "r/s/pose", "r/s/rgb", "r/s/mount"],
        "resource_id": ["pose", "pose", "rgb", "mount"],
        "clock_id": ["sdk", "sdk", "cam", "sdk"],
        "kind": ["pose", "pose", "camera", "pose"],
        "first_ts_ns": [5 * S, 9 * S, 1 << 62, 6 * S],
        "last_ts_ns": [7 * S, 10 * S, (1 << 62) + 3 * S, 6 * S],
    }
)
OVERVIEW = pa.table(
    {
        "log_id": ["r/s/pose", "r/s/rgb", "r/s/mount"],
        "resource_id": ["pose", "rgb", "mount"],
        "kind": ["pose", "camera", "pose"],
        "rate_hz": [50.0, 10.0, None],
        "longest_pause_ns": [2 * S, 100_000_000, None],
        "gaps": [1, 0, 0],
        "damage": [2, 0, 0],
    }
)


def artists(figure: Any, tag: str) -> list[Any]:
    found = [artist for axes in figure.axes for artist in axes.get_children()]
    return [artist for artist in found if str(artist.get_gid() or "").partition(":")[0] == tag]


# logs


def test_each_clock_has_a_panel_and_each_log_a_lane_with_its_stretches() -> None:
    figure = logs(COVERAGE, OVERVIEW)
    shown = drawn(figure)
    assert shown["title"] == "3 logs on 2 clocks, 1 gap"
    assert shown["clocks"] == {"sdk": ["pose", "mount"], "cam": ["rgb"]}
    assert shown["covers"] == {"pose": [(0.0, 2.0), (4.0, 5.0)], "rgb": [(0.0, 3.0)], "mount": [(1.0, 1.0)]}
    assert shown["damage"] == {"pose": 2}
    assert figure.axes[0].get_xlabel() == "s on sdk, from 5.000 s"


def test_a_stretch_that_grew_and_damage_that_moved_are_seen() -> None:
    figure = logs(COVERAGE, OVERVIEW)
    artists(figure, "cover")[1].set_width(9)
    assert drawn(figure)["covers"]["pose"] == [(0.0, 2.0), (4.0, 13.0)]
    artists(figure, "damage")[0].set_ydata([1.5])
    assert drawn(figure)["damage"] == {}


def test_logs_of_equal_name_are_told_apart_by_their_ids() -> None:
    two = COVERAGE.slice(0, 2).set_column(0, "log_id", pa.array(["a/s/pose", "b/s/pose"]))
    assert drawn(logs(two))["clocks"] == {"sdk": ["a/s/pose", "b/s/pose"]}


def test_rates_are_those_of_the_rows() -> None:
    figure = log_rates(OVERVIEW)
    shown = drawn(figure)
    assert shown["rates"] == {"pose": 50.0, "rgb": 10.0}
    assert shown["notes"]["pose"] == "50.00 Hz, longest pause 2,000.0 ms, 1 gap"
    assert shown["title"] == "Rates of 2 logs (1 without a rate left out)"
    artists(figure, "rate_hz")[0].set_width(49)
    assert drawn(figure)["rates"]["pose"] == 49.0


# clocks and frames


OFFSETS = pa.table(
    {
        "log_id": ["w"] * 4 + ["c"] * 2,
        "from_clock": ["r/sdk"] * 4 + ["r/cam"] * 2,
        "to_clock": ["r/wall"] * 4 + ["r/sdk"] * 2,
        "ts_ns": [3 * S, 4 * S, 5 * S, 6 * S, 0, S],
        "change_ns": [0, 12_000, 0, 12_500, 0, -40],
        "stretch": [0, 0, 1, 1, 0, 0],
        "uncertainty_ns": [600, 600, 600, None, 5, 5],
    }
)
CLOCKS = pa.table(
    {
        "log_id": ["w", "c"],
        "from_clock": ["r/sdk", "r/cam"],
        "to_clock": ["r/wall", "r/sdk"],
        "drift_ppm": [12.0, None],
        "steps": [1, 0],
        "largest_step_ns": [25_012_413, 0],
    }
)


def test_offsets_are_lines_per_stretch_with_the_step_between() -> None:
    figure = clock_offsets(OFFSETS, CLOCKS)
    shown = drawn(figure)
    assert shown["offsets"]["0"] == [[(0.0, 0.0), (1.0, 12_000.0)], [(2.0, 0.0), (3.0, 12_500.0)]]
    assert shown["offsets"]["1"] == [[(0.0, 0.0), (1.0, -40.0)]]
    assert shown["steps"] == {"0": [2.0]}
    assert shown["sizes"] == ["+25.012 ms"]
    assert shown["legend"][:2] == ["r/sdk to r/wall: +12.00 ppm, 1 step", "r/cam to r/sdk: drift unknown"]
    assert [axes.get_ylabel() for axes in figure.axes] == ["change (µs)", "change (ns)"]
    assert figure.axes[0].get_xlabel() == "s on r/sdk, from 3.000 s"


def test_an_offset_or_a_step_that_moved_is_seen() -> None:
    figure = clock_offsets(OFFSETS)
    line = artists(figure, "offset")[0]
    line.set_ydata([0, 13])
    assert drawn(figure)["offsets"]["0"][0] == [(0.0, 0.0), (1.0, 13_000.0)]
    artists(figure, "step")[0].set_xdata([1, 1])
    assert drawn(figure)["steps"] == {"0": [1.0]}


def test_graphs_join_what_the_logs_join() -> None:
    figure = clock_graph(CLOCKS)
    shown = drawn(figure)
    assert shown["edges"] == {("r/sdk", "r/wall"): "+12.0 ppm", ("r/cam", "r/sdk"): ""}
    assert shown["dashed"] == [("r/sdk", "r/wall")]
    table = pa.table(
        {
            "from_id": ["world", "base", None],
            "to_id": ["base", "cam", None],
            "kind": ["pose", "pose", "camera"],
            "writer_mode": ["movable", "rigid", None],
            "rate_hz": [50.0, None, 5.0],
        }
    )
    frames = frame_graph(table)
    assert drawn(frames)["edges"] == {("world", "base"): "50 Hz", ("base", "cam"): "rigid"}
    assert drawn(frames)["dashed"] == [("world", "base")]
    artists(frames, "edge")[0].set_linestyle("solid")
    assert drawn(frames)["dashed"] == []


# the way


POSES = pa.table(
    {
        "ts_ns": [0, S, 2 * S, 3 * S],
        "tx": [0.0, 1.0, None, 4.0],
        "ty": [0.0, 2.0, None, 3.0],
        "qx": [0.0, 0.0, None, 0.0],
        "qy": [0.0, 0.0, None, 0.0],
        "qz": [0.0, 1.0, None, -math.sqrt(0.5)],
        "qw": [1.0, 0.0, None, math.sqrt(0.5)],
        "speed": [0.0, 2.2, None, 0.1],
    }
)
MARKS = pd.DataFrame(
    {
        "ts_ns": [S, 3 * S, 3 * S],
        "tx": [1.0, 4.0, 4.0],
        "ty": [2.0, 3.0, 3.0],
        "label": ["move_to", "capture_image", "finding"],
        "note": [None, None, "not there"],
    }
)


def test_the_way_has_the_poses_that_are_known_with_headings_and_marks() -> None:
    figure = trajectory(POSES, MARKS)
    shown = drawn(figure)
    assert shown["way"] == [(0.0, 0.0), (1.0, 2.0), (4.0, 3.0)]
    assert (shown["start"], shown["end"]) == ((0.0, 0.0), (4.0, 3.0))
    assert shown["headings"] == pytest.approx([0.0, math.pi, -math.pi / 2])
    assert shown["marks"] == {"move_to": [(1.0, 2.0)], "capture_image": [(4.0, 3.0)], "finding": [(4.0, 3.0)]}
    assert shown["notes"] == ["not there"]
    assert shown["legend"][-1] == "finding (1)"
    axes = figure.axes[0]
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    box = axes.get_position()
    wide, tall = figure.get_size_inches()
    assert (right - left) / (box.width * wide) == pytest.approx((high - low) / (box.height * tall))


def test_a_way_or_a_mark_that_moved_is_seen() -> None:
    figure = trajectory(POSES, MARKS)
    artists(figure, "way")[0].set_xdata([0, 1, 2, 5])
    assert drawn(figure)["way"][-1] == (5.0, 3.0)
    artists(figure, "mark")[0].set_xdata([7])
    assert drawn(figure)["marks"]["move_to"] == [(7.0, 2.0)]
    artists(figure, "heading")[0].set_ydata([0, 1])
    assert drawn(figure)["headings"][0] != pytest.approx(0.0)


def test_motion_has_a_panel_a_column_and_yaw_goes_on() -> None:
    figure = motion(POSES, MARKS, extra={"speed": "speed (m/s)"})
    shown = drawn(figure)
    assert list(shown["lines"]) == ["x (m)", "y (m)", "yaw (rad)", "speed (m/s)"]
    assert shown["lines"]["x (m)"] == [(0.0, 0.0), (1.0, 1.0), (3.0, 4.0)]
    assert [value for _, value in shown["lines"]["yaw (rad)"]] == pytest.approx([0, math.pi, math.pi * 1.5])
    assert shown["marks"] == {"move_to": [1.0], "capture_image": [3.0], "finding": [3.0]}
    assert shown["notes"] == ["not there"]
    assert figure.axes[-1].get_xlabel() == "s from 0.000 s on the clock of the poses"
    next(line for line in artists(figure, "line") if line.get_gid() == "line:speed (m/s)").set_ydata([1, 1, 1, 1])
    assert {value for _, value in drawn(figure)["lines"]["speed (m/s)"]} == {1.0}
    artists(figure, "at")[0].set_xdata([2, 2])
    assert drawn(figure)["marks"]["move_to"] == [2.0]


def test_beyond_seven_labels_the_rest_is_one() -> None:
    marks = pa.table({"tx": [0.0] * 20, "ty": [1.0] * 20, "label": [f"tool {i:02}" for i in range(20)]})
    shown = drawn(trajectory(POSES, marks))["marks"]
    assert list(shown) == [*(f"tool {i:02}" for i in range(6)), "other"]
    assert len(shown["other"]) == 14


def test_marks_whose_place_is_unknown_are_left_out() -> None:
    marks = pa.table({"tx": [None, 1.0], "ty": [None, 2.0], "label": ["a", "b"]})
    assert drawn(trajectory(POSES, marks))["marks"] == {"b": [(1.0, 2.0)]}


# all


@pytest.mark.parametrize(
    ("draw", "table"),
    [
        (logs, COVERAGE),
        (log_rates, OVERVIEW),
        (clock_offsets, OFFSETS),
        (clock_graph, CLOCKS),
        (frame_graph, pa.table({"from_id": ["a"], "to_id": ["b"]})),
        (trajectory, POSES),
        (motion, POSES),
    ],
)
def test_nothing_is_a_picture_that_says_so_and_a_missing_column_is_told(draw: Any, table: pa.Table) -> None:
    figure = draw(table.slice(0, 0))
    assert drawn(figure)["empty"]
    assert figure._repr_png_().startswith(b"\x89PNG")
    with pytest.raises(ArgumentError, match="needs the columns"):
        draw(pa.table({"nothing": [1]}))


def test_any_text_is_drawn_as_it_is() -> None:
    count = len(HOSTILE)
    coverage = pa.table(
        {
            "resource_id": HOSTILE,
            "clock_id": HOSTILE,
            "kind": HOSTILE,
            "first_ts_ns": [0] * count,
            "last_ts_ns": [S] * count,
        }
    )
    assert logs(coverage)._repr_png_()
    marks = pa.table(
        {"ts_ns": [0] * count, "tx": [1.0] * count, "ty": [1.0] * count, "label": HOSTILE, "note": HOSTILE}
    )
    assert trajectory(POSES, marks)._repr_png_()
    assert motion(POSES, marks)._repr_png_()
    clocks = pa.table({"from_clock": HOSTILE, "to_clock": HOSTILE[::-1]})
    assert clock_graph(clocks)._repr_png_()
    offsets = pa.table(
        {
            "log_id": HOSTILE,
            "from_clock": HOSTILE,
            "to_clock": HOSTILE,
            "ts_ns": [0] * count,
            "change_ns": [0] * count,
            "stretch": [0] * count,
        }
    )
    assert clock_offsets(offsets)._repr_png_()


def test_ten_thousand_poses_and_marks_are_drawn() -> None:
    n = 10_000
    ts = [i * 20_000_000 for i in range(n)]
    poses = pa.table(
        {"ts_ns": ts, "tx": [math.cos(i / 500) for i in range(n)], "ty": [math.sin(i / 500) for i in range(n)]}
        | {name: [float(name == "qw")] * n for name in ("qx", "qy", "qz", "qw")}
    )
    marks = poses.slice(0, 500).append_column("label", pa.array(["call"] * 500))
    assert trajectory(poses, marks)._repr_png_()
    assert motion(poses, marks)._repr_png_()


# payloads


PIXELS = np.arange(12 * 16, dtype=np.uint8).reshape(12, 16)
FOUND = {"detections": [{"bbox_xywh": [4.8, 3.4, 3.0, 2.0], "label": "leak", "score": 0.846}]}


def test_an_image_has_its_pixels_and_the_boxes_of_what_was_found() -> None:
    figure = image(PIXELS, FOUND)
    shown = drawn(figure)
    assert (shown["pixels"] == PIXELS).all()
    assert shown["boxes"] == [("leak 0.85", 4.8, 3.4, 3.0, 2.0)]
    assert shown["title"] == "16 x 12 pixels, 1 detection"
    artists(figure, "box")[0].set_x(0)
    assert drawn(figure)["boxes"] != [("leak 0.85", 4.8, 3.4, 3.0, 2.0)]
    figure.axes[0].get_images()[0].set_data(PIXELS[::-1])
    assert not (drawn(figure)["pixels"] == PIXELS).all()


def test_images_of_colour_of_one_channel_and_none_are_drawn() -> None:
    assert image(np.zeros((2, 3, 3), np.uint8))._repr_png_()
    assert image(np.zeros((2, 3, 1), np.uint16), [])._repr_png_()
    assert drawn(image(np.zeros((0, 3))))["empty"]
    for wrong in (np.zeros(3), np.zeros((2, 2, 7))):
        with pytest.raises(ArgumentError, match="an image has the shape"):
            image(wrong)
    for boxes in ("boxes", [{"label": "x"}]):
        with pytest.raises(ArgumentError, match="detection"):
            image(PIXELS, boxes)


def test_a_scan_has_its_points_from_above() -> None:
    points = np.array([(1.0, 2.0, 3.0), (-4.0, 0.5, 0.0), (np.nan, 0, 0)], dtype=[(name, "<f4") for name in "xyz"])
    figure = scan(points)
    shown = drawn(figure)
    assert shown["points"] == [(1.0, 2.0), (-4.0, 0.5)]
    assert shown["title"] == "Scan from above: 2 points (1 without a place)"
    artists(figure, "points")[0].set_xdata([9, 9])
    assert drawn(figure)["points"] == [(9.0, 2.0), (9.0, 0.5)]
    assert drawn(scan(np.zeros((0, 3))))["empty"]
    with pytest.raises(ArgumentError, match="points have fields"):
        scan([1, 2, 3])

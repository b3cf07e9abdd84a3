"""Poses and frames: the algebra, the reference poses, and lookups over time against a plain implementation."""

from functools import cache
from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import DATA, POSE, expected, manifest, pose, ref, write_log

from kit.auki import convention, quaternion
from kit.auki.clock_graph import clock_graph
from kit.auki.convention import PRESETS, Convention
from kit.auki.frame import Frame, FrameGraph, frame_graph
from kit.auki.pose import Poses, apply, compose, from_flat, identity, inverse, poses, relative
from kit.auki.recording import scan
from kit.auki.track import DISCONTINUOUS, EXTRAPOLATED, GAP, UNKNOWN, track
from kit.errors import ArgumentError, GeometryError, NoFramePath

HALF = 0.5**0.5
A, B = poses([1, 0, 0], [0, 0, HALF, HALF]), poses([0, 2, 0], [HALF, 0, 0, HALF])
CAMERA = "head_left_rgb_clock"


@cache
def graph(codec: str) -> FrameGraph:
    recording = scan(DATA / codec)
    return frame_graph(recording, clock_graph(recording))


def same_rotation(one: Any, two: Any, tolerance: float = 1e-9) -> bool:
    one, two = np.asarray(one), np.asarray(two)
    return bool(np.minimum(np.abs(one - two).max(-1), np.abs(one + two).max(-1)).max() < tolerance)


# Algebra


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-29-compose")])
def test_the_examples_of_compose_inverse_and_relative(_: None) -> None:
    made = compose(A, B)
    assert np.allclose(made.t, (1, 2, 0), atol=1e-15)
    assert same_rotation(made.q, (0.5, -0.5, 0.5, 0.5))
    back = inverse(A)
    assert np.allclose(back.t, (0, 1, 0), atol=1e-15)
    assert same_rotation(back.q, (0, 0, -HALF, HALF))
    assert np.allclose(relative(A, B).matrix(), compose(inverse(A), B).matrix())


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-29-convention")])
def test_the_example_of_a_change_of_convention(_: None) -> None:
    optical, body = PRESETS["ros_optical"], PRESETS["ros_body"]
    assert convention.points([1, 2, 3], optical, body).tolist() == [3, -1, -2]
    turned = convention.poses(poses([[1, 2, 3]], [[HALF, 0, 0, HALF]]), optical, body)
    assert turned.t.tolist() == [[3, -1, -2]]
    assert same_rotation(turned.q, [[0, -HALF, 0, HALF]])  # optical x is right, which is minus body y


@pytest.mark.parametrize(
    ("q", "message"),
    [
        pytest.param([0, 0, 0, 0], "zero quaternion", id="auki-29-zero"),
        pytest.param([0, 0, 0, 1e-13], "zero quaternion", id="auki-29-tiny"),
        pytest.param([0, 0, 0, float("nan")], "zero quaternion", id="auki-29-nan"),
        pytest.param([0, 0, 1], "give x, y, z, w", id="auki-29-shape"),
    ],
)
def test_what_is_no_rotation_is_refused(q: list[float], message: str) -> None:
    with pytest.raises(GeometryError, match=message) as error:
        poses([0, 0, 0], q)
    assert isinstance(error.value, ValueError)


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        pytest.param(Convention("left", "forward", "left", "up"), "are right-handed, not 'left'", id="auki-29-left"),
        pytest.param(Convention("right", "right", "up", "forward"), "are left-handed, not 'right'", id="auki-29-right"),
        pytest.param(Convention("right", "right", "left", "up"), "are not orthogonal", id="auki-29-orthogonal"),
        pytest.param(Convention("right", "north", "left", "up"), "axis 'north': give right", id="auki-29-axis"),
    ],
)
def test_axes_that_are_no_frame_are_refused(frame: Convention, message: str) -> None:
    with pytest.raises(GeometryError, match=message):
        convention.directions([1, 0, 0], frame, PRESETS["ros_body"])


def test_units_count_for_points_and_not_for_directions() -> None:
    unity = convention.convention(
        {"handedness": "left", "axes": {"x": "right", "y": "up", "z": "forward"}, "units": "centimeters"}
    )
    assert convention.points([1, 2, 3], PRESETS["ros_body"], unity).tolist() == [-200, 300, 100]
    assert convention.directions([1, 2, 3], PRESETS["ros_body"], unity).tolist() == [-2, 3, 1]
    assert convention.convention("unity") == PRESETS["unity"]
    with pytest.raises(GeometryError, match="convention 'z_up': give ros_body"):
        convention.convention("z_up")
    with pytest.raises(GeometryError, match="units 'feet': give meters"):
        convention.points([1, 2, 3], PRESETS["ros_body"], unity._replace(units="feet"))


numbers = st.floats(-50, 50, allow_nan=False)
single = st.tuples(st.lists(numbers, min_size=3, max_size=3), st.lists(numbers, min_size=4, max_size=4)).filter(
    lambda given: sum(x * x for x in given[1]) > 1e-3
)
any_pose = single.map(lambda given: poses([given[0]], [given[1]]))


@given(any_pose, any_pose, any_pose, st.lists(numbers, min_size=3, max_size=3))
@settings(max_examples=60)
def test_poses_are_a_group_that_acts_on_points(a: Poses, b: Poses, c: Poses, point: list[float]) -> None:
    assert np.allclose(compose(compose(a, b), c).matrix(), compose(a, compose(b, c)).matrix(), atol=1e-9)
    assert np.allclose(compose(a, inverse(a)).matrix(), np.eye(4), atol=1e-9)
    assert np.allclose(apply(compose(a, b), [point]), apply(b, apply(a, [point])), atol=1e-9)
    assert np.allclose(compose(a, identity(1)).matrix(), a.matrix(), atol=1e-12)
    homogeneous = (a.matrix() @ [*point, 1])[:, :3]
    assert np.allclose(homogeneous, apply(a, [point]), atol=1e-9)
    assert same_rotation(quaternion.from_matrix(quaternion.matrix(a.q)), a.q)
    assert np.allclose(from_flat(a.flat()).flat(), a.flat())


@given(
    any_pose,
    st.sampled_from(sorted(PRESETS)),
    st.sampled_from(sorted(PRESETS)),
    st.lists(numbers, min_size=3, max_size=3),
)
@settings(max_examples=60)
def test_a_pose_in_another_convention_maps_the_same_points(a: Poses, one: str, two: str, point: list[float]) -> None:
    begin, end = PRESETS[one], PRESETS[two]
    moved = convention.points(apply(a, [point]), begin, end)
    assert np.allclose(moved, apply(convention.poses(a, begin, end), convention.points([point], begin, end)), atol=1e-9)
    assert np.allclose(convention.points(convention.points(point, begin, end), end, begin), point)


def test_rotations_agree_with_scipy() -> None:
    transform = pytest.importorskip("scipy.spatial.transform")
    rng = np.random.default_rng(5)
    a, b = (quaternion.normalised(rng.normal(size=(200, 4))) for _ in range(2))
    p = rng.normal(size=(200, 3))
    first, second = transform.Rotation.from_quat(a), transform.Rotation.from_quat(b)
    assert np.allclose(quaternion.rotate(a, p), first.apply(p))
    assert same_rotation(quaternion.multiply(a, b), (first * second).as_quat())
    assert np.allclose(quaternion.matrix(a), first.as_matrix())
    for i in range(20):
        path = transform.Slerp([0, 1], transform.Rotation.from_quat(np.stack([a[i], b[i]])))
        parts = np.linspace(0, 1, 7)
        assert same_rotation(
            quaternion.slerp(np.tile(a[i], (7, 1)), np.tile(b[i], (7, 1)), parts), path(parts).as_quat()
        )


# Lookups


@pytest.mark.parametrize("number", [pytest.param(i, id=f"auki-30-query-{i}") for i in range(10)])
@pytest.mark.parametrize("codec", ["cbor", "pb"])
def test_the_reference_poses_are_met(codec: str, number: int) -> None:
    query = expected(codec, "queries")["queries"][number]
    ns = query["cam_clock_ns"]
    for key, end in (("world_to_base", "base_link"), ("world_to_cam", "head_left_rgb_optical")):
        found = graph(codec).at(ns, "world", end, clock=CAMERA)
        assert found.flags.tolist() == [0]
        assert np.abs(found.poses.t[0] - query[key]["t"]).max() < 1e-9
        assert same_rotation(found.poses.q[0], query[key]["q_xyzw"])
    found = graph(codec).at(ns, "world", "head_left_rgb_optical", clock=CAMERA)
    assert np.abs(apply(found.poses, [1, 2, 0.5]) - query["point_world_1_2_0.5_in_cam"]).max() < 1e-9
    back = graph(codec).at(ns, "head_left_rgb_optical", "world", clock=CAMERA)
    assert np.abs(back.poses.t - query["cam_origin_in_world"]).max() < 1e-9


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-30-flips")])
def test_a_sign_flip_does_not_spin_the_path(_: None) -> None:
    plain = track([0, 10, 20], np.zeros((3, 3)), [[0, 0, 0, 1], [0, 0, 0.1, 1], [0, 0, 0.2, 1]])
    flipped = track([0, 10, 20], np.zeros((3, 3)), [[0, 0, 0, 1], [0, 0, -0.1, -1], [0, 0, 0.2, 1]])
    query = np.arange(21)
    assert same_rotation(plain.at(query).poses.q, flipped.at(query).poses.q, 1e-12)
    path = flipped.at(query).poses.q
    turns = np.degrees(2 * np.arccos(np.abs(np.einsum("ij,ij->i", path[1:], path[:-1]))))
    assert turns.max() < 2


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-30-rigid")])
def test_a_rigid_pose_holds_at_any_time(_: None) -> None:
    rigid = track([5, 9], [[0, 0, 0], [1, 2, 3]], [[0, 0, 0, 1], [0, 0, 0, 2]], rigid=True)
    found = rigid.at([-(2**60), 0, 2**60])
    assert (found.flags.tolist(), found.poses.t.tolist()) == ([0, 0, 0], [[1, 2, 3]] * 3)
    assert found.poses.q.tolist() == [[0, 0, 0, 1]] * 3
    assert rigid.moves
    assert not track([5, 9], np.ones((2, 3)), [[0, 0, 0, 1], [0, 0, 0, -1]], rigid=True).moves


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-30-extrapolation")])
def test_outside_the_samples_there_is_no_pose_unless_it_is_held(_: None) -> None:
    moving = track([10, 20], [[0, 0, 0], [1, 0, 0]], [[0, 0, 0, 1]] * 2)
    found = moving.at([9, 10, 20, 21])
    assert found.flags.tolist() == [EXTRAPOLATED | UNKNOWN, 0, 0, EXTRAPOLATED | UNKNOWN]
    assert found.arrow()["tx"].to_pylist() == [None, 0.0, 1.0, None]
    assert found.arrow()["extrapolated"].to_pylist() == [True, False, False, True]
    held = moving.at([9, 21], extrapolate="hold")
    assert (held.flags.tolist(), held.poses.t[:, 0].tolist()) == ([EXTRAPOLATED] * 2, [0.0, 1.0])
    with pytest.raises(ArgumentError, match="extrapolate='extend'"):
        moving.at([1], extrapolate="extend")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="give int64 nanoseconds"):
        moving.at([1.5])


def test_wide_gaps_have_no_pose_where_that_is_asked() -> None:
    moving = track([0, 10, 100], [[0, 0, 0], [1, 0, 0], [2, 0, 0]], [[0, 0, 0, 1]] * 3)
    found = moving.at([5, 10, 50, 100], max_gap_ns=20)
    assert found.flags.tolist() == [0, 0, GAP | UNKNOWN, 0]
    assert moving.at([50]).flags.tolist() == [0]


def test_instants_in_epoch_nanoseconds_lose_nothing() -> None:
    epoch = 1_733_836_800_000_000_000
    moving = track([epoch, epoch + 10], [[0, 0, 0], [10, 0, 0]], [[0, 0, 0, 1]] * 2)
    assert moving.at(epoch + np.arange(11)).poses.t[:, 0].tolist() == [float(i) for i in range(11)]


def test_samples_that_are_no_pose_are_left_out() -> None:
    where = [[3, 0, 0], [1, 0, 0], [9, 0, 0], [float("inf"), 0, 0], [2, 0, 0], [1e308, 1e308, 0]]
    turn = [[0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1], [0, 0, 0, 1e300]]
    held = track([30, 10, 20, 25, 10, 40], where, turn)
    assert (held.ts_ns.tolist(), held.poses.t[:, 0].tolist(), held.left_out) == ([10, 30], [2.0, 3.0], 4)
    with pytest.raises(GeometryError, match="without a pose that can be used: 0 samples"):
        track([], np.empty((0, 3)), np.empty((0, 4)))


def test_a_log_of_tf_poses_is_turned_round() -> None:
    plain = track([0], [[1, 0, 0]], [[0, 0, HALF, HALF]], rigid=True)
    turned = track([0], [[1, 0, 0]], [[0, 0, HALF, HALF]], rigid=True, pose_semantics="tf")
    assert np.allclose(turned.at([0]).poses.matrix(), np.linalg.inv(plain.at([0]).poses.matrix()))
    with pytest.raises(ArgumentError, match="pose_semantics='ros'"):
        track([0], [[1, 0, 0]], [[0, 0, 0, 1]], pose_semantics="ros")  # type: ignore[arg-type]


@given(st.data())
@settings(max_examples=50)
def test_lookups_are_what_a_plain_lookup_finds(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 6))
    rng = np.random.default_rng(data.draw(st.integers(0, 999)))
    ts = np.cumsum(rng.integers(1, 1000, size)) + 10**18
    t, q = rng.normal(size=(size, 3)), rng.normal(size=(size, 4))
    query = data.draw(st.lists(st.integers(int(ts[0]) - 5, int(ts[-1]) + 5), min_size=1, max_size=12))
    found = track(ts, t, q).at(query)
    for i, instant in enumerate(query):
        if not ts[0] <= instant <= ts[-1]:
            assert found.flags[i] == EXTRAPOLATED | UNKNOWN
            assert np.isnan(found.poses.flat()[i]).all()
            continue
        k = min(int(np.searchsorted(ts, instant, side="right")) - 1, max(size - 2, 0))
        j = min(k + 1, size - 1)
        part = int(instant - ts[k]) / int(max(ts[j] - ts[k], 1))
        assert np.allclose(found.poses.t[i], t[k] + part * (t[j] - t[k]), atol=1e-12)
        assert same_rotation(
            found.poses.q[i], plain_slerp(q[k] / np.linalg.norm(q[k]), q[j] / np.linalg.norm(q[j]), part)
        )


def plain_slerp(a: Any, b: Any, part: float) -> Any:
    b = -b if a @ b < 0 else b
    across = b - (a @ b) * a
    if np.linalg.norm(across) < 1e-12:
        return a
    angle = np.arctan2(np.linalg.norm(across), a @ b)
    return a * np.cos(part * angle) + across / np.linalg.norm(across) * np.sin(part * angle)


# The graph


def write_poses(folder: Path, begin: dict[str, str], end: dict[str, str], session: str, **values: float) -> None:
    entries = [(0, pose(**values)), (10, pose(**values))]
    write_log(folder / session, {0: entries}, manifest(from_frame=begin, to_frame=end, session_id=session))


def small(folder: Path) -> FrameGraph:
    recording = scan(folder)
    return frame_graph(recording, clock_graph(recording))


def test_a_path_goes_over_logs_in_both_ways_and_missing_links_are_named(tmp_path: Path) -> None:
    write_poses(tmp_path, ref("map"), ref("chassis"), "1", tx=1)
    write_poses(tmp_path, ref("tool"), ref("chassis"), "2", tx=5)
    write_poses(tmp_path, ref("x"), ref("y"), "3")
    made = small(tmp_path)
    legs = made.path("map", "tool")
    assert [(leg.edge.begin.id, leg.inverse) for leg in legs] == [("map", False), ("tool", True)]
    wanted = compose(
        from_flat([list((POSE | {"tx": 1}).values())]), inverse(from_flat([list((POSE | {"tx": 5}).values())]))
    )
    assert np.allclose(made.at([5], "map", "tool").poses.matrix(), wanted.matrix())
    assert np.allclose(made.at([5], "map", "map").poses.matrix(), np.eye(4))
    with pytest.raises(
        NoFramePath, match=r"joins one of rover-3/chassis, rover-3/map, rover-3/tool to one of rover-3/x, rover-3/y"
    ):
        made.at([5], "map", "y")
    with pytest.raises(NoFramePath, match="no frame 'sky': there are rover-3/chassis"):
        made.at([5], "map", "sky")


def test_rigid_logs_that_move_and_lost_samples_are_told(tmp_path: Path) -> None:
    moving = [(0, pose(tx=1)), (10, pose(tx=2)), (10, pose(tx=3))]
    write_log(tmp_path / "log", {0: moving}, manifest(writer_mode="rigid"))
    assert small(tmp_path).warnings() == [
        "rover-3/01JSESSION/map->chassis: rover-3/map -> rover-3/chassis is rigid, but its samples differ by 2; the last counts",
        "rover-3/01JSESSION/map->chassis: 1 samples of rover-3/map -> rover-3/chassis are left out",
    ]
    assert graph("pb").warnings() == []


def test_frames_of_equal_id_and_another_peer_are_others(tmp_path: Path) -> None:
    write_poses(tmp_path, ref("map"), ref("chassis"), "1")
    write_poses(tmp_path, ref("map", "depot"), ref("dock", "depot"), "2")
    made = small(tmp_path)
    with pytest.raises(NoFramePath, match="'map' may be one of several: 'depot/map', 'rover-3/map'"):
        made.path("map", "dock")
    assert len(made.path("depot/map", "dock")) == len(made.path(Frame("rover-3", "map"), "chassis")) == 1


def test_logs_on_several_clocks_need_to_be_told_which_is_meant(tmp_path: Path) -> None:
    write_poses(tmp_path, ref("map"), ref("chassis"), "1")
    body = manifest(from_frame=ref("chassis"), to_frame=ref("arm"), clock=ref("other"))
    write_log(tmp_path / "2", {0: [(0, pose()), (10, pose())]}, body)
    with pytest.raises(ArgumentError, match=r"on clocks rover-3/other, rover-3/sdk: say which is meant, clock="):
        small(tmp_path).at([5], "map", "arm")


def test_flags_of_the_clocks_reach_the_pose() -> None:
    made = graph("pb")
    step = 1_008_900_000_000
    wall = made.clocks.convert([step, 10**12], "session/sdk_clock", "wall_clock").ns
    found = made.at(wall, "world", "base_link", clock="wall_clock", extrapolate="hold")
    assert found.flags.tolist()[0] & DISCONTINUOUS
    assert found.flags.tolist()[1] & EXTRAPOLATED
    assert found.known.all()
    lost = made.at(wall[1:], "world", "base_link", clock="wall_clock")
    assert not lost.known.any()
    assert np.isnan(lost.poses.flat()).all()


def test_an_old_pose_log_gives_an_edge_for_each_pair_of_frames(tmp_path: Path) -> None:
    one = {"parent_frame": "a", "child_frame": "b", "translation": [1, 0, 0], "rotation_quat": [0, 0, 0, 1]}
    payload = cbor2.dumps({"transforms": [one, one | {"parent_frame": "b", "child_frame": "c"}]})
    write_log(tmp_path / "log", {0: [(0, payload), (10, payload)]})
    made = small(tmp_path)
    assert [(edge.begin.id, edge.end.id) for edge in made.edges] == [("a", "b"), ("b", "c")]
    assert made.at([5], "a", "c").poses.t.tolist() == [[2, 0, 0]]


def test_a_log_told_to_be_of_tf_poses_is_inverted_alone(tmp_path: Path) -> None:
    write_poses(tmp_path, ref("map"), ref("chassis"), "1")
    recording = scan(tmp_path)
    clocks = clock_graph(recording)
    plain = frame_graph(recording, clocks).at([5], "map", "chassis").poses.matrix()
    for semantics in ("tf", {"map->chassis": "tf"}):
        turned = frame_graph(recording, clocks, pose_semantics=semantics).at([5], "map", "chassis")  # type: ignore[arg-type]
        assert np.allclose(turned.poses.matrix(), np.linalg.inv(plain))
    kept = frame_graph(recording, clocks, pose_semantics={"other": "tf"}).at([5], "map", "chassis")
    assert np.allclose(kept.poses.matrix(), plain)

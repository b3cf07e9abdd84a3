"""Clocks: every conversion is exact, steps are held and flagged, and what leads nowhere is an error with a name."""

from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from logs import DATA, MISSION, expected, manifest, ref, write_log

from kit.auki.clock import (
    DISCONTINUOUS,
    EXTRAPOLATED,
    GAP,
    UNKNOWN,
    ClockSamples,
    add_offset,
    clock_samples,
    ratio,
)
from kit.auki.clock_graph import ClockGraph, clock_graph
from kit.auki.clock_report import Step, offsets, report
from kit.auki.manifest import Ref
from kit.auki.payload import encode
from kit.auki.recording import scan
from kit.auki.sync import DomainClock, SyncSample, SyncWindow, round_trip
from kit.errors import ArgumentError, ClockError, KitError, NoClockPath

CAMERA, SDK, WALL = "head_left_rgb_clock", "session/sdk_clock", "wall_clock"
STEP = 10_000_000


@cache
def graph(codec: str) -> ClockGraph:
    return clock_graph(scan(DATA / codec))


@pytest.mark.parametrize("number", [pytest.param(i, id=f"auki-27-query-{i}") for i in range(10)])
@pytest.mark.parametrize("codec", ["cbor", "pb"])
def test_the_reference_conversions_are_met_to_the_nanosecond(codec: str, number: int) -> None:
    query = expected(codec, "queries")["queries"][number]
    sdk = graph(codec).convert(query["cam_clock_ns"], CAMERA, SDK)
    wall = graph(codec).convert(query["cam_clock_ns"], CAMERA, WALL)
    assert (sdk.ns.tolist(), wall.ns.tolist()) == ([query["sdk_ns"]], [query["wall_ns"]])
    assert bool(wall.flagged(DISCONTINUOUS)[0]) == query["discontinuous"] == (query["mode"][1] == "held")
    back = graph(codec).convert(wall.ns, WALL, CAMERA)
    assert abs(int(back.ns[0]) - query["cam_clock_ns"]) <= 1


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-27-no-path")])
def test_clocks_that_nothing_joins_are_an_error_that_tells_what_each_reaches(_: None) -> None:
    a, b, c, d = (Ref("p", name, "0") for name in "abcd")
    samples = clock_samples([1, 2], [3, 4])
    from kit.auki.clock_graph import ClockEdge

    two = ClockGraph((ClockEdge("p/s/a->b", a, b, samples), ClockEdge("p/s/c->d", c, d, samples)))
    with pytest.raises(
        NoClockPath, match=r"from p/a to p/d: p/a reaches p/a, p/b; p/d is reached from p/c, p/d"
    ) as error:
        two.convert(1, "a", "d")
    assert isinstance(error.value, LookupError)
    assert isinstance(error.value, KitError)
    with pytest.raises(NoClockPath, match="no clock 'e': there are"):
        two.convert(1, "a", "e")


def test_another_hash_of_a_clock_is_another_clock() -> None:
    from kit.auki.clock_graph import ClockEdge

    samples = clock_samples([1, 2], [3, 4])
    edges = (
        ClockEdge("1", Ref("p", "a", "1"), Ref("p", "sdk", "1"), samples),
        ClockEdge("2", Ref("p", "sdk", "2"), Ref("p", "wall", "1"), samples),
    )
    with pytest.raises(NoClockPath):
        ClockGraph(edges).convert(1, "a", "wall")
    with pytest.raises(NoClockPath, match=r"'sdk' may be one of several: 'p/sdk@1', 'p/sdk@2'"):
        ClockGraph(edges).convert(1, "a", "sdk")
    assert ClockGraph(edges).convert(1, "a", Ref("p", "sdk", "1")).ns.tolist() == [4]


def test_the_shortest_path_counts_and_of_equal_ones_the_surest() -> None:
    from kit.auki.clock_graph import ClockEdge

    a, b, c, d = (Ref("p", name, "") for name in "abcd")

    def edge(name: str, begin: Ref, end: Ref, offset: int, uncertainty: int) -> ClockEdge:
        return ClockEdge(name, begin, end, clock_samples([0, 10], [offset, offset], [uncertainty, uncertainty]))

    edges = [edge("1", a, b, 1, 90), edge("2", b, d, 10, 90), edge("3", a, c, 100, 50), edge("4", d, c, -1000, 50)]
    found = ClockGraph(tuple(edges)).convert([5], a, d)
    assert found.ns.tolist() == [1105]
    assert found.uncertainty_ns.tolist() == [100]
    direct = ClockGraph((*edges, edge("5", a, d, 7, 1000)))
    assert direct.convert([5], "a", "d").ns.tolist() == [12]
    assert direct.convert([5], "a", "a").ns.tolist() == [5]


def knots(draw: st.DrawFn, steps: bool) -> ClockSamples:
    size = draw(st.integers(1, 8))
    gaps = draw(st.lists(st.integers(1, 10**12) | st.integers(1, 50), min_size=size, max_size=size))
    changes = st.integers(-STEP + 1, STEP - 1) | st.integers(-3, 3)
    if steps:
        changes |= st.sampled_from([STEP, -STEP, 10**12, -(10**12)])
    drift = draw(st.lists(changes, min_size=size, max_size=size))
    ts = draw(st.integers(-(10**18), 10**18)) + np.cumsum(gaps)
    return clock_samples(ts, draw(st.integers(-(10**18), 10**18)) + np.cumsum(drift), np.arange(size))


def exact(samples: ClockSamples, t: int) -> tuple[int, int, int]:
    """Return what the rules of spec/auki.md 4.3 say for one reading, by rational numbers: value, uncertainty, flags."""
    ts, offset, unsure = (column.tolist() for column in (samples.ts_ns, samples.offset_ns, samples.uncertainty_ns))
    if t < ts[0]:
        return t + offset[0], unsure[0], EXTRAPOLATED
    if t > ts[-1]:
        return t + offset[-1], unsure[-1], EXTRAPOLATED
    i = max(k for k in range(len(ts)) if ts[k] <= t)
    if ts[i] == t:
        return t + offset[i], unsure[i], 0
    change = offset[i + 1] - offset[i]
    if abs(change) >= STEP:
        return t + offset[i], unsure[i], DISCONTINUOUS
    between = round(Fraction(change * (t - ts[i]), ts[i + 1] - ts[i]))  # a Fraction rounds half to even
    return t + offset[i] + between, max(unsure[i], unsure[i + 1]), 0


def exact_back(samples: ClockSamples, q: int) -> tuple[int, int]:
    """Return the same for the way back: value and flags."""
    ts, offset = samples.ts_ns.tolist(), samples.offset_ns.tolist()
    images = [t + o for t, o in zip(ts, offset, strict=True)]
    below = [k for k in range(len(ts)) if images[k] <= q]
    if not below:
        return q - offset[0], EXTRAPOLATED
    i = below[-1]
    if i == len(ts) - 1:
        return q - offset[i], EXTRAPOLATED if q != images[i] else 0
    if q == images[i]:
        return ts[i], 0
    if abs(offset[i + 1] - offset[i]) >= STEP:
        held = q - offset[i]
        return (held, DISCONTINUOUS) if held < ts[i + 1] else (ts[i + 1], DISCONTINUOUS | GAP)
    part = Fraction((q - images[i]) * (ts[i + 1] - ts[i]), images[i + 1] - images[i])
    return ts[i] + round(part), 0


@given(st.data())
@settings(max_examples=80)
def test_conversions_are_those_of_rational_arithmetic(data: st.DataObject) -> None:
    samples = knots(data.draw, steps=True)
    low, high = int(samples.ts_ns[0]) - 100, int(samples.ts_ns[-1]) + 100
    query = data.draw(
        st.lists(st.integers(low, high) | st.sampled_from(samples.ts_ns.tolist()), min_size=1, max_size=20)
    )
    found = samples.convert(query)
    assert list(zip(found.ns.tolist(), found.uncertainty_ns.tolist(), found.flags.tolist(), strict=True)) == [
        exact(samples, t) for t in query
    ]
    back = samples.convert(found.ns, inverse=True)
    assert list(zip(back.ns.tolist(), back.flags.tolist(), strict=True)) == [
        exact_back(samples, q) for q in found.ns.tolist()
    ]


@given(st.data())
@settings(max_examples=60)
def test_there_and_back_is_one_nanosecond_at_most_where_nothing_steps(data: st.DataObject) -> None:
    samples = knots(data.draw, steps=False)
    knotted = samples.ts_ns + samples.offset_ns
    assume((np.diff(knotted) > 0).all())
    query = data.draw(st.lists(st.integers(int(samples.ts_ns[0]), int(samples.ts_ns[-1])), min_size=1, max_size=20))
    back = samples.convert(samples.convert(query).ns, inverse=True)
    slower = (np.diff(samples.ts_ns) > np.diff(knotted)).any() if len(samples) > 1 else False
    steepest = max([1.0, *(np.diff(samples.ts_ns) / np.diff(knotted)).tolist()])
    assert np.abs(back.ns - query).max() <= (steepest / 2 + 1 if slower else 1)


def test_a_step_forward_leaves_a_gap_and_a_step_back_has_two_instants() -> None:
    forward = clock_samples([0, 100], [0, STEP])
    assert forward.convert([0, 99, 100]).ns.tolist() == [0, 99, STEP + 100]
    found = forward.convert([99, 100, 5_000_000, STEP + 99, STEP + 100], inverse=True)
    assert found.ns.tolist() == [99, 100, 100, 100, 100]
    assert found.flagged(GAP).tolist() == [False, True, True, True, False]
    backward = clock_samples([0, 2 * STEP, 4 * STEP], [0, -STEP, -STEP])
    assert backward.convert([2 * STEP - 1, 2 * STEP]).ns.tolist() == [2 * STEP - 1, STEP]
    assert backward.convert([STEP - 1, STEP, 2 * STEP - 1], inverse=True).ns.tolist() == [
        STEP - 1,
        2 * STEP,
        3 * STEP - 1,
    ]


def test_halves_are_rounded_to_even() -> None:
    samples = clock_samples([0, 2, 4, 6], [0, 1, 4, 5])
    assert samples.convert([1, 3, 5]).ns.tolist() == [1, 6, 9]
    factors = np.array([1, -1, 3, -3, 5])
    assert ratio(factors, np.ones(5, np.int64), np.full(5, 2)).tolist() == [0, 0, 2, -2, 2]
    odd = np.ones(5, np.int64)
    assert ratio(factors, np.ones(5, np.int64), np.full(5, 2), odd).tolist() == [1, -1, 1, -1, 3]


def test_products_of_128_bits_are_exact() -> None:
    span = 10**17
    samples = clock_samples([0, span], [0, 9_999_999])
    query = [span // 3, span // 7, span - 1]
    assert samples.convert(query).ns.tolist() == [t + round(Fraction(9_999_999 * t, span)) for t in query]


def test_floats_would_lose_what_integers_keep() -> None:
    epoch = 1_733_836_800_000_000_000
    samples = clock_samples([epoch, epoch + 10**9], [0, 1000])
    assert samples.convert([epoch + 1_000_000]).ns.tolist() == [epoch + 1_000_001]
    with pytest.raises(ArgumentError, match="give int64 nanoseconds"):
        samples.convert([float(epoch)])


def test_methods_and_ends() -> None:
    samples = clock_samples([10, 20, 30], [0, 4, 8], [1, 2, 3])
    assert samples.convert([12, 15, 16], method="previous").ns.tolist() == [12, 15, 16]
    assert samples.convert([12, 15, 16], method="nearest").ns.tolist() == [12, 15, 20]
    assert samples.convert([12, 15, 16]).ns.tolist() == [13, 17, 18]
    ends = samples.convert([9, 10, 30, 31])
    assert ends.ns.tolist() == [9, 10, 38, 39]
    assert ends.flagged(EXTRAPOLATED).tolist() == [True, False, False, True]
    unknown = samples.convert([9, 10], extrapolate=False)
    assert unknown.known.tolist() == [False, True]
    assert unknown.arrow()["ns"].to_pylist() == [None, 10]
    with pytest.raises(ArgumentError, match="method='cubic'"):
        samples.convert([1], method="cubic")  # type: ignore[arg-type]


def test_samples_come_in_any_order_and_of_equal_times_the_last_counts() -> None:
    samples = clock_samples([20, 10, 20, 1 << 62], [1, 2, 3, 4], [5, 6, 7, 8])
    assert (samples.ts_ns.tolist(), samples.offset_ns.tolist(), samples.left_out) == ([10, 20], [2, 3], 2)
    with pytest.raises(ClockError, match="without samples that can be used: 1 are there"):
        clock_samples([1 << 62], [0])
    with pytest.raises(ClockError):
        clock_samples([], [])


def test_readings_out_of_range_are_unknown() -> None:
    samples = clock_samples([0, 10], [5, 5])
    found = samples.convert(np.array([-(2**63), 2**63 - 1, 3]))
    assert found.flagged(UNKNOWN).tolist() == [True, True, False]
    assert add_offset(2**63 - 1, 1) is None
    assert add_offset(5, -7) == -2


def test_a_log_with_one_sample_and_damaged_ones_still_join() -> None:
    samples = clock_samples([7], [3])
    assert samples.convert([6, 7, 8]).ns.tolist() == [9, 10, 11]
    assert samples.convert([9, 10, 11], inverse=True).ns.tolist() == [6, 7, 8]


def test_a_clock_log_without_samples_joins_nothing(tmp_path: object) -> None:
    from pathlib import Path

    folder = Path(str(tmp_path))
    write_log(folder / "a", {}, manifest("time_transform"))
    good = [(i, encode("time_transform", {"offset_ns": 5, "uncertainty_ns": 1})) for i in range(3)]
    write_log(folder / "b", {0: good}, manifest("time_transform", from_clock=ref("cam")))
    assert [edge.log_id for edge in clock_graph(scan(folder)).edges] == ["rover-3/01JSESSION/cam->wall"]


# Reports


def test_a_report_finds_drift_and_steps() -> None:
    ts = np.arange(0, 100 * 10**9, 10**9)
    offset = 5 + ts * 40 // 1_000_000
    offset[60:] += 25_000_000
    offset[30] += 5_000_000  # an outlier, and no step
    found = report(clock_samples(ts, offset, np.full(100, 800)))
    assert found.drift_ppm == pytest.approx(40, abs=1e-3)
    assert found.steps == (Step(59 * 10**9, 60 * 10**9, 25_040_000),)
    assert (found.samples, found.uncertainty_max_ns, found.longest_gap_ns) == (100, 800, 10**9)
    assert "drift +40.0000 ppm" in repr(found)
    assert "step of +25.040 ms" in repr(found)
    table = offsets(clock_samples(ts, offset))
    assert table["change_ns"][59].as_py() == 59 * 40_000
    assert (table["stretch"][59].as_py(), table["stretch"][60].as_py(), table["change_ns"][60].as_py()) == (0, 1, 0)


def test_a_report_of_one_sample_has_no_drift() -> None:
    assert report(clock_samples([1], [2])).drift_ppm is None
    many = np.arange(5000) * 10**9
    assert report(clock_samples(many, many // 1_000_000 * -7)).drift_ppm == pytest.approx(-7)


def test_the_fixture_has_its_step_where_it_should() -> None:
    edge = next(edge for edge in graph("pb").edges if "wall" in edge.log_id)
    (step,) = report(edge.samples).steps
    assert step.after_ns < 1_008_900_000_000 <= step.before_ns
    assert step.size_ns == pytest.approx(25_000_000, abs=100_000)


def test_the_mission_has_one_step_of_the_wall_clock() -> None:
    found = clock_graph(scan(MISSION))
    counts = {edge.log_id.rpartition("->")[2]: len(report(edge.samples).steps) for edge in found.edges}
    assert counts == {"session/sdk_clock": 0, "wall_clock": 1}


# Synchronising


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-28-example")])
def test_a_round_trip_is_half_and_half(_: None) -> None:
    assert round_trip(1000, 2080, 2120, 1060)[:2] == (1070, 20)
    assert round_trip(0, -3, -3, 0).offset_ns == -3
    assert round_trip(0, -2, -1, 2).offset_ns == -2  # -5 / 2, cut off toward zero


@pytest.mark.parametrize(
    ("times", "message"),
    [
        pytest.param((10, 0, 0, 9), "came 1 ns before it was asked", id="auki-28-local"),
        pytest.param((0, 5, 4, 9), "answered 1 ns before it was asked", id="auki-28-remote"),
        pytest.param((0, 0, 10, 9), "shorter than the 10 ns the peer took", id="auki-28-processing"),
    ],
)
def test_a_round_trip_that_cannot_be_is_refused(times: tuple[int, int, int, int], message: str) -> None:
    with pytest.raises(ClockError, match=message):
        round_trip(*times)


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-28-window")])
def test_a_window_keeps_the_newest_and_trusts_the_surest(_: None) -> None:
    window = SyncWindow()
    assert (window.estimate, window.stats(0)) == (None, None)
    assert not window.add(SyncSample(1, 500_000_001, 0), "h")
    assert window.add(SyncSample(1, 500_000_000, 0), "h")
    for number in range(1, 41):
        assert window.add(SyncSample(number, 100 - number // 2, number), "h")
    assert len(window) == 32
    assert window.estimate == SyncSample(40, 80, 40)
    window.add(SyncSample(41, 80, 41), "h")
    assert window.estimate == SyncSample(41, 80, 41)
    stats = window.stats(50)
    assert stats is not None
    assert (stats.samples, stats.offset_jitter_ns, stats.median_offset_ns, stats.stale) == (32, 31, 26, False)
    late = window.stats(41 + 10_000_000_001)
    assert late is not None and late.stale
    window.add(SyncSample(50, 90, 10_000_000_041), "h")
    assert len(window) == 2  # the one of 41 is 10 s old, the others are older
    assert not window.add(SyncSample(7, 1, 0), "h")
    window.add(SyncSample(8, 99, 1), "another")
    assert [len(window), window.estimate] == [1, SyncSample(8, 99, 1)]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-28-domain")])
def test_the_domain_clock_adds_its_offset_and_refuses_another_backing(_: None) -> None:
    backing, other = Ref("m", "m/s/monotonic", "1"), Ref("m", "m/s/monotonic", "2")
    domain = DomainClock("park", backing, 100)
    assert domain.id == "park/domain-clock"
    assert domain.offset(SyncSample(7, 5, 1), backing) == SyncSample(107, 5, 1)
    with pytest.raises(ClockError, match="sample that clock"):
        domain.offset(SyncSample(7, 5, 1), other)
    after = domain.handed_over(other, domain.offset(SyncSample(7, 5, 1), backing))
    assert (after.backing, after.backing_to_domain_ns) == (other, 107)
    window = SyncWindow()
    with pytest.raises(ClockError, match="holds nothing"):
        domain.now(5, window, backing)
    window.add(SyncSample(7, 5, 1), "1")
    assert domain.now(5, window, backing) == 112
    with pytest.raises(ClockError, match="stale"):
        domain.now(20_000_000_000, window, backing)

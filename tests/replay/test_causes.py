"""Whatever the clocks say, no event comes before one of its causes; where they agree, nothing is moved."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.replay.causes import ROUNDS, UNTIMED, causal


def edges(pairs: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    child, parent = zip(*pairs, strict=True) if pairs else ((), ())
    return np.array(child, np.int64), np.array(parent, np.int64)


@st.composite
def dags(draw: st.DrawFn) -> tuple[list[int], list[tuple[int, int]]]:
    """Times, at odds with the causes, and edges from a later index to an earlier one."""
    count = draw(st.integers(1, 30))
    times = draw(st.lists(st.integers(0, 12), min_size=count, max_size=count))
    pairs = st.tuples(st.integers(0, count - 1), st.integers(0, count - 1)).map(sorted)
    found = draw(st.lists(pairs, max_size=40))
    return times, [(high, low) for low, high in found if low != high]


@settings(max_examples=300)
@given(dags())
def test_causes_come_first_and_nothing_waits_longer_than_it_must(dag: tuple[list[int], list[tuple[int, int]]]) -> None:
    times, pairs = dag
    at = np.array(times, np.int64)
    made = causal(at, np.arange(len(at)), *edges(pairs))
    place = np.empty(len(at), np.int64)
    place[made.order] = np.arange(len(at))
    due = list(times)
    for child, parent in sorted(pairs):  # parents have lower indices, so one pass settles all
        due[child] = max(due[child], due[parent])
        assert place[parent] < place[child]
    assert made.due.tolist() == due
    assert [made.blame[n] >= 0 for n in range(len(at))] == [due[n] > times[n] for n in range(len(at))]
    assert made.cut == 0
    assert (np.diff(made.due[made.order]) >= 0).all()


def test_events_whose_clocks_agree_keep_their_order() -> None:
    at = np.array([30, 10, 20, 20])
    made = causal(at, np.array([3, 0, 2, 1]), *edges([(0, 1)]))
    assert made.order.tolist() == [1, 3, 2, 0]
    assert (made.blame < 0).all()


def test_a_long_chain_against_the_clock_is_put_right() -> None:
    count = 50 * ROUNDS
    at = np.arange(count, 0, -1)
    made = causal(at, np.arange(count), np.arange(1, count), np.arange(count - 1))
    assert made.order.tolist() == list(range(count))
    assert (made.due == count).all()


def test_a_ring_is_cut_once_and_what_hangs_off_it_still_waits() -> None:
    at = np.zeros(6, np.int64)
    ring = [(1, 0), (2, 1), (0, 2), (3, 2), (4, 3)]
    made = causal(at, np.array([5, 4, 3, 2, 1, 0]), *edges(ring))
    place = {event: n for n, event in enumerate(made.order.tolist())}
    assert made.cut == 1
    assert place[2] < place[3] < place[4]
    assert sum(place[parent] < place[child] for child, parent in ring[:3]) == 2


def test_an_event_without_a_time_comes_with_its_cause() -> None:
    made = causal(np.array([UNTIMED, 7, 9]), np.array([0, 1, 2]), *edges([(0, 1)]))
    assert made.order.tolist() == [1, 0, 2]
    assert made.due.tolist() == [7, 7, 9]

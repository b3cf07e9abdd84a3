"""How far apart two runs are, in the measures that simulation models of processes are judged by.

    control flow        n-gram distance of the types of signals (n = 3, with begin and end), from 0 to 1
    cycle time          first Wasserstein (Earth Mover's) distance of the durations of traces, in ms
    arrival             the same, of the times between the starts of traces
    relative times      the same, of the times of events since the start of their trace

Sources: Chapela-Campa, Benchekroun, Baron, Dumas, Krass, Senderovich, Can I Trust My Simulation Model? (BPM 2023) and A framework for
measuring the quality of business process simulation models (Information Systems 127, 2025); n-gram distance and cycle time of
Camargo, Dumas and Gonzalez-Rojas (2020); Earth Movers' Stochastic Conformance: Leemans, Syring and van der Aalst (BPM Forum 2019).

The yardstick is the capture itself: how far its halves are apart, over random halves of its blocks of traces. Halves are half as
large, so that they differ a little more by chance than whole runs do: who is within the yardstick is as near as can be told.
How long a block has to be for what a measure depends on is not known, so that lengths up to that of the tests are tried, each twice
the last, and the farthest halves count (blocking: Flyvbjerg and Petersen, J. Chem. Phys. 91, 1989): blocks that are too short hide
what neighbours share. Halves of few blocks are too alike, by as much as Student's t is wider than the normal distribution: what is
outside of the halves, but not by more than that, is left undecided.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kit.compare.permutation import MOST_BLOCKS, finest, halves, product, widened
from kit.compare.profile import Profile

Floats = npt.NDArray[np.float64]

EDGES = 400
SPLITS = 200
GRAMS = 2000
"""The most frequent n-grams that are told apart; others count as one."""
TIMES = (
    ("cycle time", "duration", "trace"),
    ("arrival", "gap", "arrival"),
    ("relative event times", "since start", "events"),
)


@dataclass(frozen=True)
class Distance:
    """How far two runs are apart (`value`), and halves of the first: `typical` (median), `most` (95%), and `limit`, which is `most` as
    wide as it may be for the few blocks it is known from (`widened`); `unit` is ms, or none."""

    measure: str
    unit: str
    value: float
    typical: float
    most: float
    limit: float

    @property
    def within(self) -> bool:
        """Whether the runs are no further apart than 95% of the halves of the first."""
        return self.value <= self.most

    @property
    def beyond(self) -> bool:
        """Whether they are further apart than such halves, and by more than few blocks explain."""
        return self.value > self.limit

    @property
    def verdict(self) -> str:
        """`within`, `beyond`, or `too few to tell` between the two."""
        return "within" if self.within else "beyond" if self.beyond else "too few to tell"


def wasserstein(a: Floats, b: Floats) -> float:
    """Return the first Wasserstein distance of two samples.

    >>> wasserstein(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    2.0
    """
    return _between(np.sort(a), np.sort(b))


def _between(a: Floats, b: Floats) -> float:
    """Return the distance of two sorted samples. Where values are equal the order is open, and nothing lies between them."""
    both = np.concatenate([a, b])
    order = np.argsort(both, kind="stable")  # two sorted runs: one merge
    first = np.cumsum(order < len(a))
    second = np.arange(1, len(both) + 1) - first
    return float(np.abs(first / len(a) - second / len(b))[:-1] @ np.diff(both[order]))


def quantiles(ordered: Floats, shares: Floats) -> Floats:
    """Return quantiles of sorted values, linear between two of them as `np.quantile`, which would sort again.

    >>> quantiles(np.array([1.0, 2.0, 4.0]), np.array([0.0, 0.5, 0.75, 1.0])).tolist()
    [1.0, 2.0, 3.0, 4.0]
    """
    at = shares * (len(ordered) - 1)
    low = at.astype(np.int64)
    first, second = ordered[low], ordered[np.minimum(low + 1, len(ordered) - 1)]
    found: Floats = first + (second - first) * (at - low)
    return found


def distances(a: Profile, b: Profile, longest: int, rng: np.random.Generator) -> list[Distance]:
    """Return the distances of two runs with the yardstick of the first; no block of it has more traces than `longest`."""
    measures = [_grams(a, b)]
    for word, measure, key in TIMES:
        if (measure, key) in a.timed and (measure, key) in b.timed:
            measures.append(_times(word, a, b, (measure, key)))
    length = math.ceil(len(a) / MOST_BLOCKS)
    splits = [(wide, halves(count, rng, SPLITS)) for wide, count in _lengths(len(a) // length, longest // length)]
    return [
        Distance(word, unit, value, *_yardstick(table, apart, splits)) for word, unit, value, table, apart in measures
    ]


Measured = tuple[str, str, float, Floats, Callable[[Floats, Floats], Floats]]
"""Name, unit and distance of a measure; a row of counts per block of the first run; and how far halves are apart, whose sums
of such rows are given."""


def _lengths(count: int, most: int) -> list[tuple[int, int]]:
    """Return how many of the shortest blocks make one of each length, at most `most`, and how many of that length there are.

    >>> _lengths(33, 6)
    [(1, 33), (2, 17), (4, 9), (6, 6)]
    """
    doubled = [1 << n for n in range(most.bit_length()) if 1 << n < most]
    return [(wide, math.ceil(count / wide)) for wide in (*doubled, max(most, 1))]


def _yardstick(
    table: Floats, apart: Callable[[Floats, Floats], Floats], splits: list[tuple[int, Floats]]
) -> tuple[float, float, float]:
    """Return the median and the 95% quantile of the distance of halves, of the length of block whose halves are farthest, and the
    farthest quantile once it is widened."""
    whole = table.sum(axis=0)
    found = []
    for wide, split in splits:
        one = product(split, np.add.reduceat(table, np.arange(0, len(table), wide), axis=0))
        values = apart(one, whole - one)
        found.append((float(np.quantile(values, 0.95)), float(np.median(values)), widened(len(split[0]))))
    most, typical, _ = max(found)
    return typical, most, max(high * factor for high, _, factor in found)


def _grams(a: Profile, b: Profile) -> Measured:
    number = {name: n for n, name in enumerate(sorted({*a.gram_names, *b.gram_names}))}
    wide = len(number)
    tables = []
    for side in (a, b):
        at = np.array([number[name] for name in side.gram_names], np.int64)
        of, count = finest(len(side))
        trace, gram = side.grams
        tables.append(np.bincount(of[trace] * wide + at[gram], minlength=count * wide).reshape(count, wide))
    frequent = np.argsort(-(tables[0].sum(axis=0) + tables[1].sum(axis=0)), kind="stable")[:GRAMS]
    first, second = (table[:, frequent].astype(np.float64) for table in tables)
    value = _apart(first.sum(axis=0)[None], second.sum(axis=0)[None])[0]
    return "control flow (3-grams)", "", float(value), first, _apart


def _apart(one: Floats, other: Floats) -> Floats:
    shares = [side / np.maximum(side.sum(axis=1, keepdims=True), 1e-12) for side in (one, other)]
    found: Floats = np.abs(shares[0] - shares[1]).sum(axis=1) / 2
    return found


def _times(word: str, a: Profile, b: Profile, key: tuple[str, str]) -> Measured:
    """Return a Wasserstein distance: exact of the two runs, over `EDGES` quantiles for the halves."""
    mine = a.timed[key]
    ordered = np.sort(mine.ms)
    value = _between(ordered, np.sort(b.timed[key].ms))
    edges = np.unique(quantiles(ordered, np.linspace(0, 1, EDGES + 1)))
    cells = max(len(edges) - 1, 1)
    at = np.clip(np.searchsorted(edges, mine.ms, side="left") - 1, 0, cells - 1)
    of, count = finest(len(a))
    table = np.bincount(of[mine.trace] * cells + at, minlength=count * cells).reshape(count, cells).astype(np.float64)

    def apart(one: Floats, other: Floats) -> Floats:
        if len(edges) < 2:
            return np.zeros(len(one))
        shares = [np.cumsum(side, axis=1) / np.maximum(side.sum(axis=1, keepdims=True), 1e-12) for side in (one, other)]
        # Between two edges both functions go straight: the mean of their differences at the ends.
        ends = np.abs(np.concatenate([np.zeros((len(one), 1)), shares[0] - shares[1]], axis=1))
        found: Floats = ((ends[:, 1:] + ends[:, :-1]) / 2) @ np.diff(edges)
        return found

    return word, "ms", value, table, apart

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
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kit.compare.permutation import Blocks, halves, product
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
    """`value` between two runs, `typical` and `most` (95%) between random halves of the first; `unit` is ms, or none."""

    measure: str
    unit: str
    value: float
    typical: float
    most: float

    @property
    def within(self) -> bool:
        """Whether it is no further than halves of the first run are from each other."""
        return self.value <= self.most


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


def distances(a: Profile, b: Profile, parts: Blocks, rng: np.random.Generator) -> list[Distance]:
    """Return the distances of two runs with the yardstick of the first."""
    splits = halves(parts.count[0], rng, SPLITS)
    found = [_grams(a, b, parts, splits)]
    for word, measure, key in TIMES:
        if (measure, key) in a.timed and (measure, key) in b.timed:
            found.append(_times(word, a, b, (measure, key), parts, splits))
    return found


def _yardstick(values: Floats) -> tuple[float, float]:
    return float(np.median(values)), float(np.quantile(values, 0.95))


def _grams(a: Profile, b: Profile, parts: Blocks, splits: Floats) -> Distance:
    number = {name: n for n, name in enumerate(sorted({*a.gram_names, *b.gram_names}))}
    wide = len(number)
    tables = []
    for side, of, count in zip((a, b), parts.of, parts.count, strict=True):
        at = np.array([number[name] for name in side.gram_names], np.int64)
        trace, gram = side.grams
        tables.append(
            np.bincount(of[trace] * wide + at[gram], minlength=count * wide).reshape(count, wide).astype(np.float64)
        )
    frequent = np.argsort(-(tables[0].sum(axis=0) + tables[1].sum(axis=0)), kind="stable")[:GRAMS]
    first, second = (table[:, frequent] for table in tables)
    whole = first.sum(axis=0)
    value = _apart(whole[None], second.sum(axis=0)[None])[0]
    one = product(splits, first)
    return Distance("control flow (3-grams)", "", float(value), *_yardstick(_apart(one, whole - one)))


def _apart(one: Floats, other: Floats) -> Floats:
    shares = [side / np.maximum(side.sum(axis=1, keepdims=True), 1e-12) for side in (one, other)]
    found: Floats = np.abs(shares[0] - shares[1]).sum(axis=1) / 2
    return found


def _times(word: str, a: Profile, b: Profile, key: tuple[str, str], parts: Blocks, splits: Floats) -> Distance:
    """Return a Wasserstein distance: exact of the two runs, over `EDGES` quantiles for the halves."""
    mine = a.timed[key]
    ordered = np.sort(mine.ms)
    value = _between(ordered, np.sort(b.timed[key].ms))
    edges = np.unique(quantiles(ordered, np.linspace(0, 1, EDGES + 1)))
    if len(edges) < 2:
        return Distance(word, "ms", value, 0.0, 0.0)
    at = np.clip(np.searchsorted(edges, mine.ms, side="left") - 1, 0, len(edges) - 2)
    cells = len(edges) - 1
    table = np.bincount(parts.of[0][mine.trace] * cells + at, minlength=parts.count[0] * cells)
    first = table.reshape(parts.count[0], cells).astype(np.float64)
    one = product(splits, first)
    other = first.sum(axis=0) - one
    shares = [np.cumsum(side, axis=1) / np.maximum(side.sum(axis=1, keepdims=True), 1e-12) for side in (one, other)]
    # Between two edges both functions go straight: the mean of their differences at the ends.
    ends = np.abs(np.concatenate([np.zeros((len(one), 1)), shares[0] - shares[1]], axis=1))
    apart = ((ends[:, 1:] + ends[:, :-1]) / 2) @ np.diff(edges)
    return Distance(word, "ms", value, *_yardstick(apart))

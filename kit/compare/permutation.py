"""Are two groups of traces alike? Permutation tests over blocks of traces, with the false discovery rate held.

The unit that is exchanged is a trace, since the spans inside one depend on each other; and where neighbouring traces depend on
each other too, as in a queue, a block of traces in the order of their start. How long a block has to be follows from how long
the durations of traces stay correlated (Geyer's initial positive sequence, Statistical Science 1992, 7:473), as they are or as
logarithms, whichever is longer: a queue that empties late shows in the long ones.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MOST_BLOCKS = 250
"""Blocks of a run: with more traces a block holds more of them, which costs no power worth naming."""
FEWEST_BLOCKS = 5
SPAN = 5
"""A block is so many correlation times long."""
CHUNK = 1000
SMALL = 1 << 18
"""Multiplications up to which OpenBLAS keeps a product of matrices on one thread."""


@dataclass(frozen=True)
class Blocks:
    """Which block each trace of two runs is in; `length` traces a block, `count` blocks of each run, `short` where they are too few
    for how long the traces stay correlated."""

    length: int
    of: tuple[Ints, Ints]
    count: tuple[int, int]
    short: bool


def correlation_time(values: Floats) -> float:
    """Return how many neighbours in a row are worth one independent value: 1 where they do not depend on each other.

    >>> round(correlation_time(np.random.default_rng(1).normal(size=4000)), 1)
    1.0
    """
    count = len(values)
    centred = values - values.mean()
    variance = float(centred @ centred)
    if count < 8 or variance <= 0:
        return 1.0
    size = 1 << (2 * count - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum), size)[: count // 3] / variance
    pairs = correlation[: len(correlation) // 2 * 2].reshape(-1, 2).sum(axis=1)
    # What is under the noise of so many values ends the sum.
    end = int(np.argmax(pairs <= 2 / math.sqrt(count))) if (pairs <= 2 / math.sqrt(count)).any() else len(pairs)
    return max(1.0, 2 * float(pairs[:end].sum()) - 1)


def blocks(a: Floats, b: Floats) -> Blocks:
    """Return the blocks of two runs, from the durations of their traces in the order of their start."""
    times = [max(correlation_time(values), correlation_time(np.log(np.maximum(values, 1e-3)))) for values in (a, b)]
    wanted = max(1 if time < 1.5 else math.ceil(SPAN * time) for time in times)
    length = max(wanted, math.ceil(max(len(a), len(b)) / MOST_BLOCKS))
    longest = max(1, min(len(a), len(b)) // FEWEST_BLOCKS)
    short = length > longest
    length = min(length, longest)
    (of_a, count_a), (of_b, count_b) = (_dealt(len(values), length) for values in (a, b))
    return Blocks(length, (of_a, of_b), (count_a, count_b), short)


def finest(traces: int) -> tuple[Ints, int]:
    """Return which of the shortest blocks each trace of a run is in, and how many blocks there are.

    >>> finest(3)
    (array([0, 1, 2]), 3)
    """
    return _dealt(traces, max(1, math.ceil(traces / MOST_BLOCKS)))


def _dealt(traces: int, length: int) -> tuple[Ints, int]:
    """Return the block of each trace and the number of blocks; what is left over goes to the last."""
    count = max(1, traces // length)
    return np.minimum(np.arange(traces) // length, count - 1), count


def widened(count: int) -> float:
    """Return by how much a 95% interval from `count` blocks has to be wider than resampling them tells: 1 for many.

    As wide as Student's t is beside the normal distribution, and since the spread of few blocks is too small.

    >>> [round(widened(count), 2) for count in (5, 10, 250)]
    [1.58, 1.22, 1.01]
    """
    from scipy.special import ndtri, stdtrit  # here, so that kit starts without it

    return float(stdtrit(count - 1, 0.975) / ndtri(0.975) * math.sqrt(count / (count - 1))) if count > 1 else 1.0


def sums(trace: Ints, value: Floats | None, of: Ints, count: int) -> Floats:
    """Return the sum per block of a value per trace, or how many there are where none is given."""
    return np.bincount(of[trace], weights=value, minlength=count).astype(np.float64)


def product(rows: Floats, table: Floats) -> Floats:
    """Return `rows @ table`, a few rows at a time.

    A small product is not worth a second thread, but OpenBLAS starts one above `SMALL`, and both then wait for each other: beside
    other work that took ten times as long.
    """
    count, wide = rows.shape
    few = max(1, SMALL // max(wide * table.shape[1], 1))
    whole = count // few * few
    stacked = rows[:whole].reshape(-1, few, wide) @ table
    found: Floats = stacked.reshape(whole, table.shape[1])
    return found if whole == count else np.concatenate([found, rows[whole:] @ table])


def p_values(
    numerators: Floats,
    denominators: Floats,
    under: Ints,
    first: int,
    alone: Floats,
    rng: np.random.Generator,
    rounds: int,
) -> tuple[Floats, Floats]:
    """Return the p-value of each difference of ratios, and its standard deviation were there none.

    Rows are blocks, the first `first` of them of one run. A statistic is the ratio of the sums of a column of `numerators` and of
    that of `denominators` which `under` names. Two-sided, with the observed order among the permutations (Phipson and
    Smyth 2010), so never 0. Ten blocks have few orders: where none is more extreme than that observed, how far it is out is told
    by Student's t of the same blocks (`_students`, with the variances `alone`).
    """
    count, wide = numerators.shape
    total = numerators.sum(axis=0), denominators.sum(axis=0)[under]
    observed = np.abs(
        _difference(numerators[:first].sum(axis=0), denominators[:first].sum(axis=0)[under], total[0], total[1])
    )
    hits, square, farther = np.zeros(wide), np.zeros(wide), np.zeros(wide, bool)
    both = np.hstack([numerators, denominators]).astype(np.float32)
    side = np.zeros(count, np.float32)
    side[:first] = 1
    done = 0
    while done < rounds:
        some = min(CHUNK, rounds - done)
        drawn = (rng.permuted(np.tile(side, (some, 1)), axis=1) @ both).astype(np.float64)
        found = _difference(drawn[:, :wide], drawn[:, wide:][:, under], total[0], total[1])
        hits += (np.abs(found) >= observed * (1 - 1e-5) - 1e-12).sum(axis=0)
        farther |= (np.abs(found) > observed * (1 + 1e-4) + 1e-12).any(axis=0)
        square += (found**2).sum(axis=0)
        done += some
    p = (hits + 1) / (rounds + 1)
    out = np.minimum(p, _students(numerators, denominators[:, under], first, alone))
    return np.where(farther, p, out), np.sqrt(square / rounds)


def _students(numerators: Floats, denominators: Floats, first: int, alone: Floats) -> Floats:
    """Return the two-sided p-value of each difference of ratios by Student's t, for two runs of unequal variance (Welch 1947).

    A variance of few blocks may be far too small, of rare events it may be 0: it counts as no less than that of `alone`, a row for
    each run, which it would have if no two values depended on each other.
    """
    from scipy.special import stdtr  # here, so that kit starts without it

    apart, variance, fewer = np.zeros(numerators.shape[1]), np.zeros(numerators.shape[1]), np.zeros(numerators.shape[1])
    for sign, top, bottom, least in zip(
        (1, -1), np.split(numerators, [first]), np.split(denominators, [first]), alone, strict=True
    ):
        count, total = len(top), np.maximum(bottom.sum(axis=0), 1e-9)
        if count < 2:
            return np.ones(numerators.shape[1])
        ratio = top.sum(axis=0) / total
        mine = np.maximum(((top - ratio * bottom) ** 2).sum(axis=0) * count / (count - 1) / total**2, least)
        apart += sign * ratio
        variance += mine
        fewer += mine**2 / (count - 1)
    known = variance > 0
    variance, fewer = np.where(known, variance, 1.0), np.where(known, fewer, 1.0)
    found: Floats = 2 * stdtr(variance**2 / fewer, -np.where(known, np.abs(apart) / np.sqrt(variance), 0.0))
    return np.maximum(found, np.finfo(np.float64).tiny)


def _difference(top: Floats, bottom: Floats, all_top: Floats, all_bottom: Floats) -> Floats:
    """Return the ratio of one side less that of the other; 0 where a side has nothing to divide by."""
    rest = all_bottom - bottom
    known = (bottom > 1e-9) & (rest > 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Floats = np.where(known, top / bottom - (all_top - top) / rest, 0.0)
    return found


def discoveries(p: Floats) -> Floats:
    """Return the q-value of each p-value: the least false discovery rate that it is a discovery at (Benjamini and Hochberg 1995).

    >>> discoveries(np.array([0.01, 0.04, 0.03])).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p, kind="stable")
    scaled = p[order] * len(p) / np.arange(1, len(p) + 1)
    found = np.empty(len(p))
    found[order] = np.minimum(np.minimum.accumulate(scaled[::-1])[::-1], 1.0)
    return found


def resampled(count: int, rng: np.random.Generator, rounds: int) -> Floats:
    """Return how often each of `count` blocks is drawn in each of `rounds` bootstrap samples."""
    return rng.multinomial(count, np.full(count, 1 / count), size=rounds).astype(np.float64)


def halves(count: int, rng: np.random.Generator, rounds: int) -> Floats:
    """Return which of `count` blocks are in the first half, in each of `rounds` random splits."""
    side = np.zeros(count)
    side[: count // 2] = 1
    return rng.permuted(np.tile(side, (rounds, 1)), axis=1)

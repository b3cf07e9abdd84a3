"""Clocks: readings of one clock as readings of another, by the samples of a time transform log (spec/auki.md 4.1 to 4.3).

All arithmetic is on integers of nanoseconds and exact: an offset between two samples is the rational number on the line
between theirs, rounded half to even. Where the offset steps, it is held, and the reading is flagged.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import ArrayLike, NDArray

from kit.errors import ArgumentError, ClockError

Ints = NDArray[np.int64]
Flags = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Method = Literal["linear", "previous", "nearest"]

METHODS: tuple[Method, ...] = ("linear", "previous", "nearest")
STEP_NS = 10_000_000
"""Two offsets that differ by this or more are a step of a clock."""
LIMIT = 1 << 62
"""Readings and offsets from here on are no clock's (it is 146 years); below, sums and differences fit in 64 bits."""
PRODUCT = float(1 << 62)

EXTRAPOLATED, DISCONTINUOUS, GAP, UNKNOWN = 1, 2, 4, 8
FLAGS = {EXTRAPOLATED: "extrapolated", DISCONTINUOUS: "discontinuous", GAP: "gap", UNKNOWN: "unknown"}
"""Bits of a reading's flags: before the first or after the last sample; at a step; where the other clock skipped the
instant; no reading, because it would be outside the samples or is out of range."""


@dataclass(frozen=True)
class Readings:
    """Readings of a clock: nanoseconds, the uncertainty of each, and flags (see `FLAGS`).

    Where a reading is flagged unknown, `ns` means nothing.
    """

    ns: Ints
    uncertainty_ns: Ints
    flags: Flags

    def __len__(self) -> int:
        return len(self.ns)

    @property
    def known(self) -> Mask:
        """Which readings there are."""
        mask: Mask = self.flags & UNKNOWN == 0
        return mask

    def flagged(self, flag: int) -> Mask:
        """Return which readings have a flag."""
        mask: Mask = self.flags & flag != 0
        return mask

    def arrow(self) -> pa.Table:
        """Return a table of ns (null where unknown), uncertainty_ns and a column of each flag."""
        unknown = ~self.known
        columns = {
            "ns": pa.array(self.ns, pa.int64(), mask=unknown),
            "uncertainty_ns": pa.array(self.uncertainty_ns, pa.int64(), mask=unknown),
        }
        return pa.table(
            columns | {name: pa.array(self.flagged(flag)) for flag, name in FLAGS.items() if flag != UNKNOWN}
        )


@dataclass(frozen=True)
class ClockSamples:
    """Samples of one clock against another, in order of time: at `ts_ns`, to = from + `offset_ns`.

    Make them with `clock_samples`.
    """

    ts_ns: Ints
    offset_ns: Ints
    uncertainty_ns: Ints
    step: Mask
    """For each sample but the last, whether the offset steps between it and the next."""
    left_out: int = 0
    """Samples that were not used: out of range, or another one had the same time."""

    def __len__(self) -> int:
        return len(self.ts_ns)

    def convert(
        self, ts_ns: ArrayLike, *, method: Method = "linear", extrapolate: bool = True, inverse: bool = False
    ) -> Readings:
        """Return readings of the from-clock as readings of the to-clock, or with `inverse` the other way.

        Before the first and after the last sample its offset is held and the reading flagged; without `extrapolate` it is
        unknown. A reading at a sample has the sample's offset. `previous` and `nearest` (of two equally near, the earlier)
        do not draw a line between samples; they are for the forward way. Raises ArgumentError for another method.
        """
        if method not in METHODS or (inverse and method != "linear"):
            raise ArgumentError(
                f"method={method!r}{', inverse' if inverse else ''}: give {', '.join(map(repr, METHODS))}"
            )
        wanted = np.atleast_1d(np.asarray(ts_ns))
        if wanted.dtype.kind not in "iu" and wanted.size:
            raise ArgumentError(
                f"readings of type {wanted.dtype}: give int64 nanoseconds; floats lose them after 104 days"
            )
        fits = (wanted < LIMIT) & (wanted > -LIMIT)
        query = np.where(fits, wanted, 0).astype(np.int64)
        found = self._backward(query) if inverse else self._forward(query, method)
        flags = found.flags | np.where(fits, 0, UNKNOWN).astype(np.uint8)
        if not extrapolate:
            flags |= np.where(found.flags & EXTRAPOLATED, UNKNOWN, 0).astype(np.uint8)
        return Readings(found.ns, found.uncertainty_ns, flags)

    def _forward(self, query: Ints, method: Method) -> Readings:
        last = len(self) - 1
        i = np.searchsorted(self.ts_ns, query, side="right") - 1
        outside = (i < 0) | ((i == last) & (query != self.ts_ns[last]))
        left = np.clip(i, 0, last)
        right = np.minimum(left + 1, last)
        past = np.where(outside, 0, query - self.ts_ns[left])
        between = ~outside & (past != 0)
        held = between & self.step[left]
        if method == "nearest":
            left = np.where(between & (self.ts_ns[right] - query < past), right, left)
        offset = self.offset_ns[left]
        uncertainty = self.uncertainty_ns[left]
        if method == "linear":
            line = np.flatnonzero(between & ~held)
            a, b = left[line], right[line]
            slope = self.offset_ns[b] - self.offset_ns[a]
            offset[line] += ratio(slope, past[line], self.ts_ns[b] - self.ts_ns[a])
            uncertainty[line] = np.maximum(self.uncertainty_ns[a], self.uncertainty_ns[b])
        return Readings(query + offset, uncertainty, _flags(outside, held))

    def _backward(self, query: Ints) -> Readings:
        """Return the last from-reading whose to-reading is `query`: each sample is a knot (ts, ts + offset).

        After a step back two instants have the same reading, the later one counts; a step forward skips readings, which
        are flagged as a gap and are those of the instant after it.
        """
        last = len(self) - 1
        knots = self.ts_ns + self.offset_ns
        # The last knot that is not above the query: knots may go down, so look among the lowest from each on.
        lowest = np.minimum.accumulate(knots[::-1])[::-1]
        i = np.searchsorted(lowest, query, side="right") - 1
        outside = (i < 0) | ((i == last) & (query != knots[last]))
        left = np.clip(i, 0, last)
        right = np.minimum(left + 1, last)
        found = query - self.offset_ns[left]
        uncertainty = self.uncertainty_ns[left]
        past = np.where(outside, 0, query - knots[left])
        between = ~outside & (past != 0)
        held = between & self.step[left]
        gap = held & (found >= self.ts_ns[right])
        found = np.where(gap, self.ts_ns[right], found)
        line = np.flatnonzero(between & ~held)
        a, b = left[line], right[line]
        slope = self.offset_ns[a] - self.offset_ns[b]
        found[line] = self.ts_ns[a] + past[line] + ratio(slope, past[line], knots[b] - knots[a], past[line])
        uncertainty[line] = np.maximum(self.uncertainty_ns[a], self.uncertainty_ns[b])
        return Readings(found, uncertainty, _flags(outside, held) | np.where(gap, GAP, 0).astype(np.uint8))


def clock_samples(
    ts_ns: ArrayLike, offset_ns: ArrayLike, uncertainty_ns: ArrayLike | None = None, *, step_ns: int = STEP_NS
) -> ClockSamples:
    """Return samples to convert by, from the columns of the entries of a time transform log, in any order.

    Of equal times the last counts. Times and offsets beyond 2^62 ns are left out. Raises ClockError where nothing is left.
    """
    ts, offset = (np.asarray(column, np.int64) for column in (ts_ns, offset_ns))
    uncertainty = np.zeros(len(ts), np.int64) if uncertainty_ns is None else np.asarray(uncertainty_ns, np.int64)
    fits = np.ones(len(ts), bool)
    for column in (ts, offset):
        fits &= (column > -LIMIT) & (column < LIMIT)
    fits &= np.abs(ts.astype(np.float64) + offset) < LIMIT
    order = np.flatnonzero(fits)
    order = order[np.argsort(ts[order], kind="stable")]
    if len(order):
        order = order[np.append(ts[order][1:] != ts[order][:-1], True)]
    if not len(order):
        raise ClockError(f"a clock log without samples that can be used: {len(ts)} are there, none within ±2^62 ns")
    offsets = offset[order]
    step = np.append(np.abs(np.diff(offsets)) >= step_ns, False)
    return ClockSamples(ts[order], offsets, uncertainty[order], step, len(ts) - len(order))


def _flags(outside: Mask, held: Mask) -> Flags:
    flags = np.where(outside, EXTRAPOLATED, 0) | np.where(held, DISCONTINUOUS, 0)
    return flags.astype(np.uint8)


def ratio(factor: Ints, times: Ints, over: Ints, base: Ints | None = None) -> Ints:
    """Return factor * times / over, rounded to the nearest integer and exact; `over` is positive.

    A half goes to where `base` plus the result is even. The product may have 128 bits: those that do not fit in 64 are
    worked out one by one.

    >>> ratio(np.array([1, 3, -1, 7]), np.array([1, 1, 1, 10**18]), np.array([2, 2, 2, 3])).tolist()
    [0, 2, 0, 2333333333333333333]
    """
    added = np.zeros(len(factor), np.int64) if base is None else base
    size = np.abs(factor.astype(np.float64)) * times
    found = np.zeros(len(factor), np.int64)
    plain = (size < PRODUCT) & (over < LIMIT)
    down, rest = np.divmod(np.where(plain, factor * np.where(plain, times, 0), 0), np.where(plain, over, 1))
    doubled = 2 * rest
    up = (doubled > over) | ((doubled == over) & ((down + added) % 2 != 0))
    found = np.where(plain, down + up, 0)
    for i in np.flatnonzero(~plain).tolist():
        found[i] = _ratio(int(factor[i]) * int(times[i]), int(over[i]), int(added[i]))
    return found


def _ratio(product: int, over: int, base: int) -> int:
    down, rest = divmod(product, over)
    return down + (2 * rest > over or (2 * rest == over and (down + base) % 2 != 0))


def add_offset(ts_ns: int, offset_ns: int) -> int | None:
    """Return a reading under a single transform, without any model of drift; None beyond 64 bits (spec/auki.md 4.2)."""
    found = ts_ns + offset_ns
    return found if -(1 << 63) <= found < 1 << 63 else None


def joined(readings: Sequence[Readings]) -> Readings:
    """Return the last of some conversions that were made one after the other: uncertainties add, flags are those of any."""
    last = readings[-1]
    uncertainty: Ints = np.stack([each.uncertainty_ns for each in readings]).sum(0, dtype=np.int64)
    flags = np.bitwise_or.reduce([each.flags for each in readings])
    return Readings(last.ns, uncertainty, flags)

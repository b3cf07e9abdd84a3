"""Does the mapping from UTC to the logs' clocks fit what was said?

A tool that cites an instant took it between its call and its answer. So each such pair bounds how far the mapping may be
off: call - cited <= error <= answer - cited. The error that most pairs allow is found as NTP finds the true time among
clocks (Marzullo 1984): where most of the intervals overlap.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.align.citations import Result
from kit.align.logs import find_log
from kit.align.mapping import Utc, UtcClocks
from kit.align.paths import Paths
from kit.auki.clock import DISCONTINUOUS, GAP
from kit.auki.clock_graph import ClockName
from kit.errors import ClockMappingWarning, KitError
from kit.store.store import Store

Ints = NDArray[np.int64]

SLACK_NS = 2_000_000
"""Stamps are made a little before or after what they are of; a clock that is this near to right is taken for right."""
MIN_PAIRS = 3
SHARE = 0.2


@dataclass(frozen=True)
class Residuals:
    """How far a mapping of UTC may be off by each pair of call and answer, in nanoseconds."""

    clock: ClockName
    """The clock that the logs have UTC from."""
    ids: tuple[str, ...]
    """Tool results, in order."""
    low: Ints
    high: Ints

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def fitting(self) -> int:
        """Pairs that the mapping fits as it is."""
        return int(((self.low <= 0) & (self.high >= 0)).sum())

    @property
    def consensus(self) -> tuple[int, int, int]:
        """How many pairs agree on one error, and from where to where that is."""
        edges = np.concatenate([self.low, self.high])
        kinds = np.concatenate([np.ones(len(self), np.int64), -np.ones(len(self), np.int64)])
        # Where one interval ends and another begins they still overlap.
        order = np.lexsort((-kinds, edges))
        depth = np.cumsum(kinds[order])
        at = int(depth.argmax())
        return int(depth[at]), int(edges[order][at]), int(edges[order][at + 1])

    @property
    def suspect(self) -> bool:
        """Whether many more pairs agree on another error than on none."""
        if len(self) < MIN_PAIRS:
            return False
        best, *_ = self.consensus
        return best - self.fitting >= max(MIN_PAIRS, SHARE * len(self)) or (self.fitting == 0 and best == len(self))

    def __str__(self) -> str:
        best, low, high = self.consensus
        return (
            f"{self.fitting:,} of {len(self):,} tool calls fit the mapping by {self.clock} as it is, {best:,} would fit one that is "
            f"{-high / 1e9:+.3f} to {-low / 1e9:+.3f} s further on"
        )


def residuals(store: Store, paths: Paths, utc: Utc | UtcClocks, found: Sequence[Result]) -> list[Residuals]:
    """Return the bounds by the tool results that cite an instant, one of Residuals a clock that the logs have UTC from.

    Results that cite an instant at a step of a clock bound nothing.
    """
    pairs: dict[ClockName, list[tuple[str, int, int]]] = {}
    for result in found:
        cited = result.cited
        if cited is None or result.call_ns is None or result.result_ns is None:
            continue
        try:
            clock = find_log(store, cited.log, paths.run, cited.peer).clock
            own = utc.of(paths, clock)
            read = own.from_clock(paths, np.array([cited.ts_ns]), clock)
        except KitError:
            continue
        if not read.known[0] or read.flagged(DISCONTINUOUS | GAP)[0]:
            continue
        slack = int(read.uncertainty_ns[0]) + SLACK_NS
        low, high = result.call_ns - int(read.ns[0]) - slack, result.result_ns - int(read.ns[0]) + slack
        pairs.setdefault(own.clock, []).append((result.id, low, high))
    made = []
    for name, bounds in pairs.items():
        ids, lows, highs = zip(*bounds, strict=True)
        made.append(Residuals(name, ids, np.array(lows, np.int64), np.array(highs, np.int64)))
    return made


def warn_if_suspect(found: Sequence[Residuals]) -> None:
    """Warn where what was said speaks against the mapping."""
    for one in found:
        if one.suspect:
            warnings.warn(
                f"the clocks do not fit what was said: {one}. Rows are aligned by the mapping as it is",
                ClockMappingWarning,
                stacklevel=4,
            )

"""Which clock of the logs is UTC, and whether what was said in the captures fits that."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.align.paths import Paths
from kit.align.time import readings
from kit.auki.clock import EXTRAPOLATED, Readings
from kit.auki.clock_graph import ClockName, means, names_of
from kit.errors import ClockMappingWarning, NoUtcError

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Utc:
    """How UTC comes from a clock of the logs: UTC = reading + `offset_ns`, known to `uncertainty_ns`.

    A clock declared as UTC (type `utc_clock` in the registry) has the offset 0. For another one somebody must know the
    offset: `Utc("session/sdk_clock", offset_ns=1_767_225_600_000_000_000, uncertainty_ns=5_000_000)`.
    """

    clock: ClockName
    offset_ns: int = 0
    uncertainty_ns: int = 0

    def to_clock(self, paths: Paths, utc_ns: Ints, clock: ClockName) -> Readings:
        """Return UTC nanoseconds as readings of `clock`."""
        read = readings(paths, utc_ns - self.offset_ns, self.clock, clock)
        return Readings(read.ns, read.uncertainty_ns + self.uncertainty_ns, read.flags)

    def from_clock(self, paths: Paths, ts_ns: Ints, clock: ClockName) -> Readings:
        """Return readings of `clock` as UTC nanoseconds."""
        read = readings(paths, ts_ns, clock, self.clock)
        return Readings(read.ns + self.offset_ns, read.uncertainty_ns + self.uncertainty_ns, read.flags)


def utc_mapping(paths: Paths, given: "Utc | ClockName | None" = None) -> Utc:
    """Return how UTC comes from the logs: as given, or by the only clock that is declared as UTC and that a log leads to.

    Raises NoUtcError where no clock is declared as UTC, or several are: a mapping is never guessed.
    """
    if isinstance(given, Utc):
        return given
    if given is not None:
        declared = [clock for clock in paths.utc if means(given, clock)]
        if declared:
            return Utc(declared[0] if declared[0] in paths.clocks.clocks() else given)
        known = ", ".join(map(str, paths.utc)) or "none"
        raise NoUtcError(
            f"clock {str(given)!r} is not declared as UTC (those are: {known}). If it is known how far it is from UTC, say so: "
            f"clock=kit.align.Utc({str(given)!r}, offset_ns=..., uncertainty_ns=...)"
        )
    reached = [clock for clock in paths.utc if clock in paths.clocks.clocks()]
    if len(reached) == 1:
        return Utc(reached[0])
    if reached:
        raise NoUtcError(
            f"the clocks {', '.join(names_of(reached))} are all declared as UTC: say which, as clock={names_of(reached)[0]!r}"
        )
    clocks = ", ".join(map(str, paths.clocks.clocks())) or "none"
    raise NoUtcError(
        f"no log leads to a clock that is declared as UTC (clocks: {clocks}). If it is known how far one of them is from UTC, "
        "say so: clock=kit.align.Utc('session/sdk_clock', offset_ns=..., uncertainty_ns=...)"
    )


def overlap_warning(read: Readings, what: str, log: str) -> None:
    """Warn where none of some instants, or not all, are in the time that a clock log covers."""
    outside = int(read.flagged(EXTRAPOLATED).sum())
    if len(read) and outside == len(read):
        warnings.warn(
            f"none of the {len(read):,} {what} is in the time that the clock logs to {log} cover: the offset at their end is "
            "held, and nothing says that it held",
            ClockMappingWarning,
            stacklevel=4,
        )

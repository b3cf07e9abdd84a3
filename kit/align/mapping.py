"""Which clock of the logs is UTC, and whether what was said in the captures fits that."""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kit.align.paths import Paths
from kit.align.time import readings
from kit.auki.clock import EXTRAPOLATED, Readings
from kit.auki.clock_graph import ClockName, means, names_of
from kit.auki.manifest import Ref
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

    def of(self, paths: Paths, clock: ClockName) -> "Utc":
        """Return itself: all clocks have UTC from this one."""
        return self

    def to_clock(self, paths: Paths, utc_ns: Ints, clock: ClockName) -> Readings:
        """Return UTC nanoseconds as readings of `clock`."""
        read = readings(paths, utc_ns - self.offset_ns, self.clock, clock)
        return Readings(read.ns, read.uncertainty_ns + self.uncertainty_ns, read.flags)

    def from_clock(self, paths: Paths, ts_ns: Ints, clock: ClockName) -> Readings:
        """Return readings of `clock` as UTC nanoseconds."""
        read = readings(paths, ts_ns, clock, self.clock)
        return Readings(read.ns + self.offset_ns, read.uncertainty_ns + self.uncertainty_ns, read.flags)


@dataclass(frozen=True)
class UtcClocks:
    """UTC by several clocks that are declared as UTC, as each robot of several has its own.

    A clock of the logs has UTC from the one of them that time transforms lead to.
    """

    clocks: tuple[Ref, ...]

    def of(self, paths: Paths, clock: ClockName) -> Utc:
        """Return how UTC comes from the logs that lead to `clock`.

        Raises NoUtcError where they lead to several that are declared as UTC, or to none, NoClockPath for an unknown clock.
        """
        reached = paths.clocks.reached(clock)
        found = [one for one in self.clocks if one in reached]
        if len(found) == 1:
            return Utc(found[0])
        if found:
            raise NoUtcError(
                f"from clock {clock} logs lead to several that are declared as UTC, {', '.join(names_of(found))}: say which, as "
                f"clock={names_of(found)[0]!r}"
            )
        raise NoUtcError(
            f"no log leads from clock {clock} to one that is declared as UTC (those are: {', '.join(names_of(list(self.clocks)))})"
        )

    def to_clock(self, paths: Paths, utc_ns: Ints, clock: ClockName) -> Readings:
        """Return UTC nanoseconds as readings of `clock`."""
        return self.of(paths, clock).to_clock(paths, utc_ns, clock)

    def from_clock(self, paths: Paths, ts_ns: Ints, clock: ClockName) -> Readings:
        """Return readings of `clock` as UTC nanoseconds."""
        return self.of(paths, clock).from_clock(paths, ts_ns, clock)


def utc_mapping(paths: Paths, given: "Utc | ClockName | None" = None) -> Utc | UtcClocks:
    """Return how UTC comes from the logs: as given, or by the clocks that are declared as UTC and that a log leads to.

    Raises NoUtcError where no clock is declared as UTC: a mapping is never guessed. Where logs lead from one clock to
    several that are declared as UTC, using the mapping for that clock raises it.
    """
    if isinstance(given, Utc):
        return given
    if given is not None:
        declared = [clock for clock in paths.utc if means(given, clock)]
        reached = [clock for clock in declared if clock in paths.clocks.clocks()]
        if declared:
            return _of_clocks(reached) if reached else Utc(given)
        known = ", ".join(map(str, paths.utc)) or "none"
        raise NoUtcError(
            f"clock {str(given)!r} is not declared as UTC (those are: {known}). If it is known how far it is from UTC, say so: "
            f"clock=kit.align.Utc({str(given)!r}, offset_ns=..., uncertainty_ns=...)"
        )
    reached = [clock for clock in paths.utc if clock in paths.clocks.clocks()]
    if reached:
        return _of_clocks(reached)
    clocks = ", ".join(map(str, paths.clocks.clocks())) or "none"
    raise NoUtcError(
        f"no log leads to a clock that is declared as UTC (clocks: {clocks}). If it is known how far one of them is from UTC, "
        "say so: clock=kit.align.Utc('session/sdk_clock', offset_ns=..., uncertainty_ns=...)"
    )


def _of_clocks(clocks: list[Ref]) -> Utc | UtcClocks:
    return Utc(clocks[0]) if len(clocks) == 1 else UtcClocks(tuple(clocks))


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

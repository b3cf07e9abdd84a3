"""`ClockGraph`: conversion between any two clocks, along the shortest path of time transform logs (spec/auki.md 4.3)."""

import heapq
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from kit.auki.clock import ClockSamples, Method, Readings, clock_samples, joined
from kit.auki.load import OnError, table
from kit.auki.manifest import Ref
from kit.auki.recording import Recording
from kit.errors import ClockError, NoClockPath

ClockName = Ref | str
"""A clock: a reference, or its id where only one clock has it, or `peer/id`; either with `@` and the first digits of its hash
where it was set up anew under the same name."""


class ClockEdge(NamedTuple):
    """Samples between two clocks: the log they are from, and both clocks."""

    log_id: str
    begin: Ref
    end: Ref
    samples: ClockSamples


class Leg(NamedTuple):
    """An edge as a path goes along it."""

    edge: ClockEdge
    inverse: bool


@dataclass(frozen=True)
class ClockGraph:
    """Clocks joined by time transform logs. A clock is peer, id and hash: another hash is another epoch."""

    edges: tuple[ClockEdge, ...]

    def clocks(self) -> list[Ref]:
        """Return the clocks, in order."""
        return sorted({clock for edge in self.edges for clock in (edge.begin, edge.end)})

    def clock(self, name: ClockName) -> Ref:
        """Return the clock of a name. Raises NoClockPath, naming the clocks there are, where it is none or several."""
        found = [clock for clock in self.clocks() if means(name, clock)]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(map(repr, names_of(found)))
            raise NoClockPath(f"clock {str(name)!r} may be one of several: {names}. Give one of these names")
        if not self.edges:
            raise NoClockPath(
                f"no clock {str(name)!r}: no time transform log with samples is there, so that no clock leads to another. "
                "Load the clock logs too, or ask on the clock of the log itself"
            )
        raise NoClockPath(f"no clock {str(name)!r}: there are {', '.join(names_of(self.clocks()))}")

    def reached(self, name: ClockName) -> set[Ref]:
        """Return the clocks that time transforms lead to from a clock, itself among them. Raises NoClockPath."""
        return set(self._search(self.clock(name)))

    def path(self, begin: ClockName, end: ClockName) -> list[Leg]:
        """Return the fewest logs that lead from one clock to another; of as many, those of the least uncertainty.

        Raises NoClockPath, with what each of the two reaches, where none do.
        """
        first, last = self.clock(begin), self.clock(end)
        legs = self._search(first)
        if last not in legs:
            reached, other = (sorted(map(str, self._search(clock))) for clock in (first, last))
            raise NoClockPath(
                f"no time transforms lead from {first} to {last}: {first} reaches {', '.join(reached)}; "
                f"{last} is reached from {', '.join(other)}"
            )
        return legs[last]

    def convert(
        self,
        ts_ns: ArrayLike,
        begin: ClockName,
        end: ClockName,
        *,
        method: Method = "linear",
        extrapolate: bool = True,
    ) -> Readings:
        """Return readings of clock `begin` as readings of `end`: exact, with the summed uncertainty and all flags.

        `method` counts for logs that are walked forward, see `ClockSamples.convert`. Logs between the same clocks that
        follow each other in time, as those of several sessions, are taken as one. Raises NoClockPath.
        """
        legs = self.path(begin, end)
        ns = np.atleast_1d(np.asarray(ts_ns))
        if not legs:
            ints = ns.astype(np.int64)
            return Readings(ints, np.zeros(len(ints), np.int64), np.zeros(len(ints), np.uint8))
        steps = []
        for edge, inverse in legs:
            how: Method = "linear" if inverse else method
            samples = self._sessions(edge)
            steps.append(samples.convert(ns, method=how, extrapolate=extrapolate, inverse=inverse))
            ns = steps[-1].ns
        return joined(steps)

    def _sessions(self, edge: ClockEdge) -> ClockSamples:
        """Return the samples of an edge and of the logs that go on with it; its own where they overlap."""
        same = [other.samples for other in self.edges if other[1:3] == edge[1:3]]
        same.sort(key=lambda samples: int(samples.ts_ns[0]))
        if len(same) == 1 or any(int(a.ts_ns[-1]) >= int(b.ts_ns[0]) for a, b in pairwise(same)):
            return edge.samples
        names = ("ts_ns", "offset_ns", "uncertainty_ns")
        return clock_samples(*(np.concatenate([getattr(samples, name) for samples in same]) for name in names))

    def _search(self, first: Ref) -> dict[Ref, list[Leg]]:
        """Return the best path to every clock that `first` reaches."""
        around = self._around()
        done: dict[Ref, list[Leg]] = {}
        pending: list[tuple[int, int, tuple[str, ...], Ref, list[Leg]]] = [(0, 0, (), first, [])]
        while pending:
            count, uncertainty, names, clock, legs = heapq.heappop(pending)
            if clock in done:
                continue
            done[clock] = legs
            for leg in around.get(clock, []):
                after = leg.edge.begin if leg.inverse else leg.edge.end
                cost = uncertainty + int(np.median(leg.edge.samples.uncertainty_ns))
                # Names make paths of equal cost sort the same way every time, and before legs are compared.
                reached = (count + 1, cost, (*names, leg.edge.log_id, str(leg.inverse)), after, [*legs, leg])
                if after not in done:
                    heapq.heappush(pending, reached)
        return done

    def _around(self) -> Mapping[Ref, list[Leg]]:
        found: dict[Ref, list[Leg]] = {}
        for edge in self.edges:
            found.setdefault(edge.begin, []).append(Leg(edge, False))
            found.setdefault(edge.end, []).append(Leg(edge, True))
        return found


def clock_graph(recording: Recording, *, on_error: OnError = "skip_entry") -> ClockGraph:
    """Return the clocks of a recording. A log without a sample that can be used joins nothing."""
    edges = []
    for log in recording.logs:
        begin, end = log.manifest.ref("from_clock"), log.manifest.ref("to_clock")
        if log.kind != "time_transform" or begin is None or end is None:
            continue
        rows = table(log, on_error=on_error)
        columns = [rows.column(name).to_numpy() for name in ("ts_ns", "offset_ns", "uncertainty_ns")]
        try:
            edges.append(ClockEdge(log.log_id, begin, end, clock_samples(*columns)))
        except ClockError:
            continue
    return ClockGraph(_distinct(edges))


def _distinct(edges: Iterable[ClockEdge]) -> tuple[ClockEdge, ...]:
    """Return the edges in order of their logs; of copies of a log the first."""
    found: dict[str, ClockEdge] = {}
    for edge in edges:
        found.setdefault(edge.log_id, edge)
    return tuple(found[log_id] for log_id in sorted(found))


def means(name: ClockName, clock: Ref) -> bool:
    """Return whether a clock may be meant by a name.

    >>> clock = Ref("rover", "boot", "5a83ff")
    >>> [means(name, clock) for name in ("boot", "rover/boot", "rover/boot@5a8", "boot@6", Ref("", "boot", ""))]
    [True, True, True, False, True]
    """
    if isinstance(name, Ref):
        return name.id == clock.id and name.peer_id in ("", clock.peer_id) and name.hash in ("", clock.hash)
    plain, mark, digits = name.partition("@")
    if mark and not (digits and clock.hash.startswith(digits)):
        return False
    return plain in (clock.id, str(clock))


def names_of(clocks: list[Ref]) -> list[str]:
    """Return a name for each clock that means no other of them: `peer/id`, and more only where two share that."""
    made = []
    for clock in clocks:
        same = [other.hash for other in clocks if str(other) == str(clock)]
        short = clock.hash[:8] if len({digits[:8] for digits in same}) == len(same) else clock.hash
        made.append(f"{clock}@{short}" if len(same) > 1 else str(clock))
    return made

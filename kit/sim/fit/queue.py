"""Waiting apart from service: when work on each task began, and how many are worked on at once.

Only the TASK and its answer are on the wire. Where tasks are taken in the order they came by `c` workers, task n begins when it
is there and all but c - 1 of the earlier ones are gone: `max(arrival[n], departure(n - c))`, departures in order. So for each c the
service times follow from the wire, and their likelihood is that of the departures, given the arrivals (the change of variables has
the Jacobian 1): the c of the greatest likelihood is taken, if any c that is tried contradicts nothing.
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kit.sim.fit.named import FITS, log_density

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

SLACK_US = 1000
"""Who begins no later than this has not waited: stamping takes as long."""
CONTRADICTED = 0.002
"""Share of services that end before they begin, above which a number of workers cannot be."""
WIDEST = 64
"""Numbers of workers that are tried."""
WAITED = 10
"""Tasks that have to have waited for a limit to be seen."""
GAIN = 4.0
"""What the logarithm of the likelihood must gain over no limit, for one worker; for `c` it is 2 log c more, as if they were 1/c^2 as
likely beforehand: without that one in ten captures in which nobody waited was given a limit."""


@dataclass(frozen=True)
class Served:
    """`workers` at once, or None where no limit was seen (`why` says so); `begun` is when each task began, in microseconds."""

    workers: int | None
    begun: Ints
    crowd: int
    why: str


def in_system(arrived: Ints, left: Ints) -> Ints:
    """Return how many tasks were there when each came, itself included; arrivals in order."""
    gone = np.searchsorted(np.sort(left), arrived, side="right")
    return np.arange(1, len(arrived) + 1) - gone


def begun_at(arrived: Ints, left: Ints, workers: int) -> Ints:
    """Return when work on each task began, if `workers` take them in order; arrivals in order.

    >>> begun_at(np.array([0, 1, 2]), np.array([5, 9, 12]), 1).tolist()
    [0, 5, 9]
    >>> begun_at(np.array([0, 1, 2]), np.array([5, 9, 12]), 2).tolist()
    [0, 1, 5]
    """
    begun = arrived.copy()
    begun[workers:] = np.maximum(arrived[workers:], np.sort(left)[: max(len(left) - workers, 0)])
    return begun


def served(arrived: Ints, left: Ints) -> Served:
    """Return how many worked at once, and when each task began; arrivals are in order, times in microseconds."""
    crowd = int(in_system(arrived, left).max(initial=0))
    if crowd <= 1:
        return Served(None, arrived, crowd, "never more than one task at a time, so that no limit shows")
    free = _likelihood(left - arrived)
    found: dict[int, tuple[float, int]] = {}
    for workers in range(1, min(crowd - 1, WIDEST) + 1):
        begun = begun_at(arrived, left, workers)
        service = left - begun
        if (service <= 0).mean() > CONTRADICTED:  # it overtook as many as there are workers, or more
            continue
        found[workers] = _likelihood(service), int((begun - arrived > SLACK_US).sum())
    possible = {workers: score for workers, (score, waited) in found.items() if waited >= WAITED}
    if not possible:
        return Served(None, arrived, crowd, f"up to {crowd} tasks at a time, and none of them waited")
    best = max(possible, key=lambda workers: (possible[workers], -workers))
    if possible[best] < free + GAIN + 2 * math.log(best):
        return Served(None, arrived, crowd, f"up to {crowd} tasks at a time fit no limit better than none")
    return Served(best, begun_at(arrived, left, best), crowd, f"the likeliest of 1 to {crowd}")


def _likelihood(service: Ints) -> float:
    """Return the greatest log-likelihood of service times over three families."""
    x = np.maximum(service.astype(np.float64), 20.0)
    # Times that are all alike would be infinitely likely: nothing is known closer than a hundredth.
    found = []
    for name in ("exponential", "lognormal", "gamma"):
        value, shape = FITS[name](x)
        shape = max(shape, 0.01) if name == "lognormal" else min(shape, 1e4)
        found.append(float(log_density(name, value, shape, x).sum()))
    return max(score for score in found if math.isfinite(score))

"""Synchronising two peers: samples of a round trip, the window they are kept in, and the domain clock (spec/auki.md 4.4, 4.5)."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from kit.auki.manifest import Ref
from kit.errors import ClockError

MAX_SAMPLES = 32
MAX_AGE_NS = 10_000_000_000
MAX_UNCERTAINTY_NS = 500_000_000


class SyncSample(NamedTuple):
    """An offset to another peer's clock, its uncertainty, and when it was taken on the local clock."""

    offset_ns: int
    uncertainty_ns: int
    taken_ns: int


class SyncStats(NamedTuple):
    """What a window holds: medians take the upper middle where there are two."""

    samples: int
    offset_jitter_ns: int
    median_offset_ns: int
    median_uncertainty_ns: int
    age_ns: int
    stale: bool


def round_trip(local_send_ns: int, remote_receive_ns: int, remote_send_ns: int, local_receive_ns: int) -> SyncSample:
    """Return the sample of a round trip, taken when the answer came. The half is cut off toward zero.

    Raises ClockError for times that cannot be.

    >>> round_trip(1000, 2080, 2120, 1060)
    SyncSample(offset_ns=1070, uncertainty_ns=20, taken_ns=1060)
    """
    elapsed, processing = local_receive_ns - local_send_ns, remote_send_ns - remote_receive_ns
    if elapsed < 0:
        raise ClockError(f"the answer came {-elapsed} ns before it was asked for, on the local clock")
    if processing < 0:
        raise ClockError(f"the peer answered {-processing} ns before it was asked, on its own clock")
    if processing > elapsed:
        raise ClockError(f"a round trip of {elapsed} ns is shorter than the {processing} ns the peer took of it")
    twice = (remote_receive_ns - local_send_ns) + (remote_send_ns - local_receive_ns)
    half = abs(twice) // 2
    return SyncSample(half if twice >= 0 else -half, elapsed - processing, local_receive_ns)


class SyncWindow:
    """The latest samples of one ordered pair of clocks: at most 32, none older than 10 s than the newest.

    Another hash of the remote clock is another epoch and empties the window.
    """

    def __init__(self) -> None:
        self._samples: list[SyncSample] = []
        self._hash: str | None = None

    def add(self, sample: SyncSample, clock_hash: str) -> bool:
        """Take a sample; return whether it was kept: one of more than 500 ms uncertainty is not, nor one too old."""
        if clock_hash != self._hash:
            self._samples.clear()
            self._hash = clock_hash
        if sample.uncertainty_ns > MAX_UNCERTAINTY_NS:
            return False
        self._samples.append(sample)
        newest = max(held.taken_ns for held in self._samples)
        self._samples = [held for held in self._samples if newest - held.taken_ns <= MAX_AGE_NS][-MAX_SAMPLES:]
        return sample in self._samples

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def estimate(self) -> SyncSample | None:
        """The sample of the lowest uncertainty, of equal ones the newest; None while there is none."""
        return min(self._samples, key=lambda held: (held.uncertainty_ns, -held.taken_ns), default=None)

    def stats(self, now_ns: int) -> SyncStats | None:
        """Return what the window holds at a local time, None while it is empty; older than 10 s is stale."""
        if not self._samples:
            return None
        offsets = [held.offset_ns for held in self._samples]
        age = now_ns - max(held.taken_ns for held in self._samples)
        return SyncStats(
            len(self._samples),
            max(offsets) - min(offsets),
            _upper_middle(offsets),
            _upper_middle(held.uncertainty_ns for held in self._samples),
            age,
            age > MAX_AGE_NS,
        )


@dataclass(frozen=True)
class DomainClock:
    """The clock of a cluster: the session clock of its manager, moved by an offset that hand-overs keep going."""

    cluster_name: str
    backing: Ref
    backing_to_domain_ns: int = 0

    @property
    def id(self) -> str:
        """Its clock id."""
        return f"{self.cluster_name}/domain-clock"

    def offset(self, local_to_backing: SyncSample, backing: Ref) -> SyncSample:
        """Return the offset from a local clock to the domain clock, by a sample against the backing clock.

        Raises ClockError where the sample is against another clock, or another epoch of it.
        """
        if backing != self.backing:
            raise ClockError(
                f"the sample is against {backing} ({backing.hash}), but {self.id} is backed by {self.backing} "
                f"({self.backing.hash}): sample that clock"
            )
        return local_to_backing._replace(offset_ns=local_to_backing.offset_ns + self.backing_to_domain_ns)

    def handed_over(self, backing: Ref, local_to_domain: SyncSample) -> "DomainClock":
        """Return the domain clock of a new manager: its own last offset keeps the time going."""
        return DomainClock(self.cluster_name, backing, local_to_domain.offset_ns)

    def now(self, local_ns: int, window: SyncWindow, backing: Ref) -> int:
        """Return the domain time at a local time. Raises ClockError where there is no estimate, or a stale one."""
        stats, estimate = window.stats(local_ns), window.estimate
        if estimate is None or stats is None or stats.stale:
            raise ClockError(
                f"no domain time of {self.id}: the window holds {'nothing' if stats is None else 'stale samples'}"
            )
        return local_ns + self.offset(estimate, backing).offset_ns


def _upper_middle(values: Iterable[int]) -> int:
    held = sorted(values)
    return held[len(held) // 2]

"""What the samples of a clock say about it: offset over time, drift, steps, uncertainty."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from kit.auki.clock import ClockSamples

Ints = NDArray[np.int64]

MAX_SAMPLES = 400
"""Samples of a stretch whose pairs give the drift; of longer stretches evenly spread ones."""


class Step(NamedTuple):
    """A step of a clock: between the samples at `after_ns` and `before_ns` its offset changed by `size_ns`."""

    after_ns: int
    before_ns: int
    size_ns: int


@dataclass(frozen=True)
class ClockReport:
    """What is to be known of a clock against another, over all samples."""

    samples: int
    first_ns: int
    last_ns: int
    drift_ppm: float | None
    """Theil-Sen slope of the offset within the stretches between steps; None where none has two samples."""
    steps: tuple[Step, ...]
    uncertainty_median_ns: int
    uncertainty_max_ns: int
    longest_gap_ns: int
    left_out: int

    def __repr__(self) -> str:
        drift = "unknown" if self.drift_ppm is None else f"{self.drift_ppm:+.4f} ppm"
        told = [
            f"{self.samples:,} samples over {(self.last_ns - self.first_ns) / 1e9:.3f} s, at most "
            f"{self.longest_gap_ns / 1e9:.3f} s apart",
            f"drift {drift}",
            f"uncertainty {self.uncertainty_median_ns:,} ns in the middle, {self.uncertainty_max_ns:,} ns at most",
            *(
                f"step of {step.size_ns / 1e6:+.3f} ms between {step.after_ns:,} and {step.before_ns:,} ns"
                for step in self.steps
            ),
        ]
        if self.left_out:
            told.append(f"{self.left_out:,} samples left out")
        return "\n".join(told)


def report(samples: ClockSamples) -> ClockReport:
    """Return the report of some samples; drift is robust against outliers (Theil 1950, Sen 1968)."""
    at = np.flatnonzero(samples.step)
    steps = tuple(
        Step(int(samples.ts_ns[i]), int(samples.ts_ns[i + 1]), int(samples.offset_ns[i + 1] - samples.offset_ns[i]))
        for i in at.tolist()
    )
    gaps = np.diff(samples.ts_ns)
    return ClockReport(
        len(samples),
        int(samples.ts_ns[0]),
        int(samples.ts_ns[-1]),
        _drift(samples, at),
        steps,
        int(np.median(samples.uncertainty_ns)),
        int(samples.uncertainty_ns.max()),
        int(gaps.max()) if len(gaps) else 0,
        samples.left_out,
    )


def offsets(samples: ClockSamples) -> pa.Table:
    """Return the samples as a table: ts_ns, offset_ns, change_ns since the first of its stretch, stretch, uncertainty_ns.

    Stretches lie between steps and are numbered from 0. `change_ns` is what a plot of drift shows.
    """
    stretch = np.append(0, np.cumsum(samples.step[:-1]))
    first = samples.offset_ns[np.searchsorted(stretch, stretch)]
    return pa.table(
        {
            "ts_ns": samples.ts_ns,
            "offset_ns": samples.offset_ns,
            "change_ns": samples.offset_ns - first,
            "stretch": stretch,
            "uncertainty_ns": samples.uncertainty_ns,
        }
    )


def _drift(samples: ClockSamples, steps: Ints) -> float | None:
    slopes = [
        _slopes(samples.ts_ns[part], samples.offset_ns[part]) for part in np.split(np.arange(len(samples)), steps + 1)
    ]
    every = np.concatenate(slopes)
    return float(np.median(every)) * 1e6 if len(every) else None


def _slopes(ts: Ints, offset: Ints) -> NDArray[np.float64]:
    """Return the slopes between all pairs of samples; integers are subtracted before anything is a float."""
    if len(ts) > MAX_SAMPLES:
        spread = np.linspace(0, len(ts) - 1, MAX_SAMPLES).astype(np.int64)
        ts, offset = ts[spread], offset[spread]
    i, j = np.triu_indices(len(ts), 1)
    return (offset[j] - offset[i]) / (ts[j] - ts[i])

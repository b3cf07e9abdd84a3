"""`compare`: what differs between two runs, what of it is more than chance, and the few differences that matter most."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from kit.compare.distance import Distance, distances, quantiles
from kit.compare.permutation import (
    MOST_BLOCKS,
    Blocks,
    blocks,
    discoveries,
    p_values,
    product,
    resampled,
    sums,
    widened,
)
from kit.compare.profile import Counted, Profile, Timed, both
from kit.errors import ArgumentError
from kit.table import Table

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

ALPHA = 0.05
PERMUTATIONS = 9999
BOOTSTRAPS = 400
LEAST = 5
"""Traces that have to have something for it to be tested."""
SHARES = np.array([0.5, 0.9])
BINS = 256
SPLIT = np.linspace(0, 1, BINS + 1)
STRIDE = 16
"""Edges between bins that are looked at first."""
RESOLUTION_MS = 0.05
"""Times that are no further apart are alike: stamping alone takes as long."""
TOLD = 5
TELLING = ("outcome", "time", "cost", "conformance", "structure", "load")
"""The parts; of equally clear differences the one of the first is told first."""

SCHEMA = pa.schema(
    [
        ("part", pa.string()), ("measure", pa.string()), ("key", pa.string()), ("a", pa.float64()), ("b", pa.float64()),
        ("delta", pa.float64()), ("low", pa.float64()), ("high", pa.float64()), ("p", pa.float64()), ("q", pa.float64()),
        ("differs", pa.bool_()), ("errors", pa.float64()),
    ]
)  # fmt: skip


@dataclass(frozen=True)
class Difference:
    """One measure in both runs; `delta` is b - a with its 95% bootstrap interval, `p` of the permutation test, `q` after the correction
    for many tests, `errors` the difference in its standard errors. What has too few traces is not tested: `p` and `q` are None.
    """

    part: str
    measure: str
    key: str
    a: float
    b: float
    low: float
    high: float
    p: float | None
    q: float | None
    differs: bool
    errors: float
    label: str

    @property
    def delta(self) -> float:
        """b - a."""
        return self.b - self.a

    def __str__(self) -> str:
        return sentence(self)


@dataclass(frozen=True)
class Comparison:
    """What two runs differ in: `differences` of all measures, `distances` beside the yardstick of the first, `notes`."""

    names: tuple[str, str]
    traces: tuple[int, int]
    differences: tuple[Difference, ...]
    distances: tuple[Distance, ...]
    alpha: float
    block: int
    notes: tuple[str, ...]

    @property
    def found(self) -> tuple[Difference, ...]:
        """The differences that are more than chance, the clearest first."""
        return tuple(
            sorted((d for d in self.differences if d.differs), key=lambda d: (-d.errors, d.part, d.measure, d.key))
        )

    @property
    def differs(self) -> bool:
        """Whether anything does."""
        return bool(self.found)

    def headlines(self, most: int = TOLD) -> list[str]:
        """Return the few clearest differences in words, one for each thing: not p50 and p90 of the same, nor what mirrors another."""
        return [sentence(difference) for difference in self.leading(most)]

    def leading(self, most: int = TOLD) -> list[Difference]:
        """Return the clearest differences, one for each thing."""
        said: dict[tuple[str, str], Difference] = {}
        seen: set[tuple[float, float]] = set()
        for d in sorted(
            self.found,
            key=lambda d: (-round(d.errors, 2), TELLING.index(d.part), "share" not in d.measure, d.measure, d.key),
        ):
            # The share that completes and the share that fails change by as much: one is said.
            mirror = round(abs(d.delta), 6), round(d.errors, 4)
            if mirror not in seen and (d.part, d.key) not in said:
                said[d.part, d.key] = d
            seen.add(mirror)
        return list(said.values())[:most]

    def table(self) -> Table:
        """Return a row per measure, the differing and clearest first."""
        order = sorted(self.differences, key=lambda d: (not d.differs, -d.errors, d.part, d.measure, d.key))
        rows = [{name: getattr(d, name) for name in SCHEMA.names} for d in order]
        return Table(pa.Table.from_pylist(rows, schema=SCHEMA), name="differences")

    def yardstick(self) -> Table:
        """Return the distances: `measure, unit, value, typical, most, limit, within, beyond`."""
        rows = [{**vars(d), "within": d.within, "beyond": d.beyond} for d in self.distances]
        return Table(pa.Table.from_pylist(rows), name="distances")

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "a": self.names[0], "b": self.names[1], "traces": list(self.traces), "differs": self.differs, "alpha": self.alpha,
            "block": self.block, "headlines": self.headlines(), "differences": self.table().rows(),
            "distances": self.yardstick().rows(), "notes": list(self.notes),
        }  # fmt: skip

    def _headline(self) -> str:
        a, b = (f"{name!r} ({count:,} traces)" for name, count in zip(self.names, self.traces, strict=True))
        tested = sum(d.p is not None for d in self.differences)
        verdict = (
            f"{len(self.found)} of {tested} measures differ" if self.differs else f"no difference in {tested} measures"
        )
        return f"{a} and {b}: {verdict} (false discoveries held to {self.alpha:.0%})"

    def _distances(self) -> list[tuple[str, str, str, str]]:
        rows = [("distance", "between them", "halves of the first (median, 95%, widened)", "")]
        for d in self.distances:
            unit = f" {d.unit}" if d.unit else ""
            rows.append(
                (d.measure, f"{d.value:.3g}{unit}", f"{d.typical:.3g}, {d.most:.3g}, {d.limit:.3g}{unit}", d.verdict)
            )
        return rows

    def __repr__(self) -> str:
        rows = self._distances()
        wide = [max(len(row[n]) for row in rows) for n in range(4)]
        lines = ["  ".join(f"{cell:<{w}}" for cell, w in zip(row, wide, strict=True)).rstrip() for row in rows]
        return "\n".join([self._headline(), *(f"  {text}" for text in self.headlines()), *lines, *self.notes])

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(text)}</li>" for text in self.headlines())
        head, *rows = self._distances()
        made = "".join(f"<th>{escape(cell)}</th>" for cell in head)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        notes = "".join(f"<p>{escape(text)}</p>" for text in self.notes)
        return f"<p><b>{escape(self._headline())}</b></p><ul>{said}</ul><table><tr>{made}</tr>{body}</table>{notes}"


def compared(a: Profile, b: Profile, *, alpha: float = ALPHA, seed: int = 0) -> Comparison:
    """Return the Comparison of two profiles; the same seed gives the same."""
    if not 0 < alpha < 1:
        raise ArgumentError(f"alpha={alpha!r}: give a share of false discoveries between 0 and 1, such as 0.05")
    rng = np.random.default_rng([seed, 20])
    parts = blocks(a.timed["duration", "trace"].ms, b.timed["duration", "trace"].ms)
    measures = [*_counted(a, b, parts), *_timed(a, b, parts)]
    top = np.column_stack([np.concatenate(m.top) for m in measures])
    # Many measures are divided by the same: each of it counts once.
    bottoms = {id(m.bottom): m.bottom for m in measures}
    place = {number: n for n, number in enumerate(bottoms)}
    under = np.array([place[id(m.bottom)] for m in measures])
    bottom = np.column_stack([np.concatenate(sides) for sides in bottoms.values()])
    alone = np.array([[m.alone(side) for m in measures] for side in (0, 1)])
    p, spread = p_values(top, bottom, under, parts.count[0], alone, rng, PERMUTATIONS)
    tested = np.array([m.tested for m in measures])
    q = np.ones(len(p))
    if tested.any():
        q[tested] = discoveries(p[tested])
    drawn = [resampled(count, rng, BOOTSTRAPS) for count in parts.count]
    low, high = _intervals(measures, drawn)
    made = []
    for n, m in enumerate(measures):
        differs = bool(tested[n] and q[n] <= alpha)
        ratio = abs(
            float(m.top[0].sum() / max(m.bottom[0].sum(), 1e-9) - m.top[1].sum() / max(m.bottom[1].sum(), 1e-9))
        )
        made.append(
            Difference(
                m.part,
                m.measure,
                m.key,
                m.a,
                m.b,
                float(low[n]),
                float(high[n]),
                float(p[n]) if tested[n] else None,
                float(q[n]) if tested[n] else None,
                differs,
                ratio / float(spread[n]) if spread[n] > 0 else 0.0,
                m.label,
            )
        )
    notes = [*a.notes, *b.notes]
    if parts.length > 1 and parts.length > math.ceil(max(len(a), len(b)) / MOST_BLOCKS):
        notes.append(f"neighbouring traces depend on each other: tested in blocks of {parts.length} traces")
    if parts.short:
        notes.append(
            "the runs are short for how long their traces depend on each other: small differences may be chance"
        )
    return Comparison(
        (a.name, b.name),
        (len(a), len(b)),
        tuple(made),
        tuple(distances(a, b, parts.length, rng)),
        alpha,
        parts.length,
        tuple(notes),
    )


@dataclass
class Measure:
    """A ratio of sums per block in both runs, that is tested; and what is told of it."""

    part: str
    measure: str
    key: str
    label: str
    a: float
    b: float
    top: tuple[Floats, Floats]
    bottom: tuple[Floats, Floats]
    squares: tuple[float, float]
    tested: bool
    spread: "Spread | None" = None
    share: float = 0.0

    def alone(self, side: int) -> float:
        """Return the variance of the ratio of a run, if no two of the values depended on each other; `squares` are theirs, summed."""
        count = max(float(self.bottom[side].sum()), 1e-9)
        return max(self.squares[side] / count - (float(self.top[side].sum()) / count) ** 2, 0.0) / count


@dataclass
class Spread:
    """Times of both runs by block, counted up to each of the edges between bins of their common quantiles."""

    edges: Floats
    below: tuple[Floats, Floats]

    def shift(self, share: float, drawn: list[Floats]) -> Floats:
        """Return the shift of a quantile in each bootstrap sample of blocks."""
        first, second = (self._quantile(table, times, share) for table, times in zip(self.below, drawn, strict=True))
        return second - first

    def _quantile(self, below: Floats, times: Floats, share: float) -> Floats:
        """Return the quantile in each sample. Samples lie near each other: a few edges tell between which the rest is looked for."""
        last = below.shape[1] - 1
        few = np.arange(STRIDE - 1, last, STRIDE)
        wanted = share * (times @ below[:, -1])[:, None]
        coarse = (product(times, below[:, few]) < wanted).sum(axis=1)
        start = int(coarse.min()) * STRIDE
        stop = min(int(coarse.max() + 1) * STRIDE, last + 1)
        # The column before the first stands for what is below all that is looked at.
        total = product(times, below[:, max(start - 1, 0) : stop])
        if not start:
            total = np.column_stack([np.zeros(len(times)), total])
        at = np.minimum((total[:, 1:] < wanted).sum(axis=1), stop - start - 1)
        rows = np.arange(len(times))
        before, upto = total[rows, at], total[rows, at + 1]
        inside = np.clip((wanted[:, 0] - before) / np.maximum(upto - before, 1e-9), 0, 1)
        found: Floats = self.edges[start + at] + inside * (self.edges[start + at + 1] - self.edges[start + at])
        return found


def _intervals(measures: "list[Measure]", drawn: list[Floats]) -> tuple[Floats, Floats]:
    """Return the ends of the 95% bootstrap interval (percentiles, `widened`) of the difference of each measure."""
    shifts = np.empty((len(drawn[0]), len(measures)))
    ratios = [n for n, m in enumerate(measures) if m.spread is None]
    if ratios:
        first, second = (
            (times @ np.column_stack([measures[n].top[side] for n in ratios]))
            / np.maximum(times @ np.column_stack([measures[n].bottom[side] for n in ratios]), 1e-9)
            for side, times in enumerate(drawn)
        )
        shifts[:, ratios] = second - first
    for n, m in enumerate(measures):
        if m.spread is not None:
            shifts[:, n] = m.spread.shift(m.share, drawn)
    low, middle, high = np.quantile(shifts, [0.025, 0.5, 0.975], axis=0)
    wide = widened(min(times.shape[1] for times in drawn))
    return middle + wide * (low - middle), middle + wide * (high - middle)


def _counted(a: Profile, b: Profile, parts: Blocks) -> Iterator[Measure]:
    """Yield the measures that are a number per trace."""
    first, second = (
        np.bincount(of, minlength=count).astype(np.float64) for of, count in zip(parts.of, parts.count, strict=True)
    )
    ones = first, second
    labels = b.variants | a.variants
    for (part, measure, key), mine, other in both(a, b):
        top = tuple(_per_block(side, n, parts) for n, side in enumerate((mine, other)))
        means = tuple(float(side.value.sum()) / len(of) for side, of in zip((mine, other), (a, b), strict=True))
        squares = float(mine.value @ mine.value), float(other.value @ other.value)
        tested = len(mine.trace) + len(other.trace) >= LEAST and not _always(mine, other, a, b)
        label = labels.get(key, key)
        yield Measure(part, measure, key, label, means[0], means[1], (top[0], top[1]), ones, squares, tested)


def _per_block(side: Counted, n: int, parts: Blocks) -> Floats:
    return sums(side.trace, side.value, parts.of[n], parts.count[n])


def _always(first: Counted, second: Counted, a: Profile, b: Profile) -> bool:
    """Whether each trace of both runs has the same of it: then there is nothing to test."""
    if len(first.trace) < len(a) or len(second.trace) < len(b):
        return False
    values = np.concatenate([first.value, second.value])
    return bool(values.min() == values.max())


def _timed(a: Profile, b: Profile, parts: Blocks) -> Iterator[Measure]:
    """Yield the measures of times: the median and the 90% quantile, tested by how many are longer than that of both together."""
    none = Timed(np.zeros(0, np.int64), np.zeros(0))
    for kind, key in sorted({*a.timed, *b.timed}):
        if kind == "since start":
            continue
        sides = a.timed.get((kind, key), none), b.timed.get((kind, key), none)
        if not (len(sides[0].ms) and len(sides[1].ms)):
            continue
        part = "load" if kind == "gap" else "time"
        name = f"{key} gap" if kind == "gap" else f"{key} duration" if kind == "duration" else f"{kind} {key}"
        ordered = [np.sort(side.ms) for side in sides]
        whole = np.sort(np.concatenate(ordered), kind="stable")  # two sorted runs: one merge
        below = (
            sums(sides[0].trace, None, parts.of[0], parts.count[0]),
            sums(sides[1].trace, None, parts.of[1], parts.count[1]),
        )
        edges = quantiles(whole, SPLIT)
        limits = quantiles(whole, SHARES) + RESOLUTION_MS
        tested = all(_many(side.trace) for side in sides) and bool(edges[-1] > edges[0])
        spread = Spread(edges, _below(sides, edges, parts))
        told = [quantiles(values, SHARES) for values in ordered]
        for at, share in enumerate(SHARES.tolist()):
            top = tuple(
                sums(side.trace[side.ms > limits[at]], None, parts.of[n], parts.count[n])
                for n, side in enumerate(sides)
            )
            yield Measure(
                part,
                f"p{round(100 * share)}_ms",
                name,
                name,
                float(told[0][at]),
                float(told[1][at]),
                (top[0], top[1]),
                below,
                (float(top[0].sum()), float(top[1].sum())),
                tested,
                spread,
                share,
            )


def _many(trace: Ints) -> bool:
    """Whether there are times of as many traces as a test needs."""
    return len(trace) >= LEAST and len(np.unique(trace)) >= LEAST


def _below(sides: tuple[Timed, Timed], edges: Floats, parts: Blocks) -> tuple[Floats, Floats]:
    """Return how many times of each block are not above each edge but the first, for both sides."""
    tables = []
    for n, side in enumerate(sides):
        at = np.clip(np.searchsorted(edges, side.ms, side="left") - 1, 0, BINS - 1)
        table = np.bincount(parts.of[n][side.trace] * BINS + at, minlength=parts.count[n] * BINS)
        tables.append(np.cumsum(table.reshape(parts.count[n], BINS), axis=1, dtype=np.float64))
    return tables[0], tables[1]


def sentence(d: Difference) -> str:
    """Return a difference in words."""
    if d.measure.endswith("_ms"):
        word = "longer" if d.delta > 0 else "shorter"
        change = f" ({d.delta / d.a:+.0%})" if d.a > 0 else ""
        shift = f"{_number(d.delta, '+')} ms [{_number(d.low, '+')}, {_number(d.high, '+')}]{change}"
        return f"{d.key} is {word}: {d.measure[:3]} {_ms(d.a)} to {_ms(d.b)}, {shift}"
    if d.measure in ("share", "share of variant"):
        what = f"variant {d.label}" if d.part == "structure" else f"{d.label} traces"
        word = "appears" if d.a == 0 else "vanishes" if d.b == 0 else "more often" if d.delta > 0 else "less often"
        return f"{what}: {word}, {d.a:.1%} to {d.b:.1%} of traces [{d.low:+.1%}, {d.high:+.1%}]"
    word = (
        "new"
        if d.a == 0
        else "gone"
        if d.b == 0
        else "more"
        if d.delta > 0
        else "fewer"
        if d.part != "cost"
        else "less"
    )
    return f"{d.label} ({d.measure}): {word}, {_number(d.a)} to {_number(d.b)} [{_number(d.low, '+')}, {_number(d.high, '+')}]"


def _ms(value: float) -> str:
    return f"{_number(value)} ms"


def _number(value: float, sign: str = "") -> str:
    return f"{value:{sign},.0f}" if abs(value) >= 100 else f"{value:{sign}.3g}"

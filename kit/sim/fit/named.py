"""Which named distribution fits some observations: by held-out likelihood, with intervals, and empirical where none does.

Candidates are fitted to one half of the observations and scored on the other, both ways round (cross-validated likelihood:
Smyth 2000, Statistics and Computing 10:63). Of those within one standard error of the best, the one with
the fewest parameters is taken. It stays only where the held-out half looks like it (Kolmogorov-Smirnov at 1%).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from kit.errors import ArgumentError
from kit.sim.distribution import SECONDS, Distribution

Floats = npt.NDArray[np.float64]

LEAST = 20
"""Observations below which no named distribution is chosen."""
KEPT = 512
"""Values that an empirical distribution keeps: all, or so many quantiles."""
CRITICAL = 1.63
"""Kolmogorov's 1% point, times the square root of the number of observations."""
CONSTANT = 0.01
"""Observations whose middle 98% spans less than this share of their median are one value with jitter."""
JITTER_S = 0.0004
"""What stamping alone spreads a constant time by, in seconds."""
CONTAMINATED = 0.001
"""Share of held-out observations that may come from anywhere."""
Z = 1.959964
PARAMETERS = {"exponential": 1, "lognormal": 2, "gamma": 2, "weibull": 2, "pareto": 2, "uniform": 2}


@dataclass(frozen=True)
class Parameter:
    """An estimate with its 95% interval; times are in milliseconds."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Fitted:
    """What was chosen for some observations.

    `scores` is the held-out log-likelihood of an observation for each candidate, the best first; `distance` the
    Kolmogorov-Smirnov distance of the choice to held-out observations, and `bound` what it may be. `spread` is the standard
    deviation of the logarithm of value and shape, from the information matrix; zero where there is none.
    """

    distribution: Distribution
    count: int
    parameters: tuple[Parameter, ...]
    scores: tuple[tuple[str, float], ...]
    distance: float
    bound: float
    spread: tuple[float, float]
    why: str

    def drawn(self, rng: Any) -> Distribution:
        """Return the distribution with its parameters drawn from what the observations leave open."""
        value, shape = self.spread
        of = self.distribution
        if not (value or shape):
            return of
        factor = math.exp(value * rng.gauss(0.0, 1.0))
        bent = None if of.shape is None else of.shape * math.exp(shape * rng.gauss(0.0, 1.0))
        return Distribution(of.name, tuple(v * factor for v in of.values), of.unit, bent)


def choose(values: Sequence[float] | Floats, *, unit: str = "ms", name: str = "value") -> Fitted:
    """Return the distribution of `values`, which are in `unit` ("" for plain numbers); not finite and negative ones are an error.

    Fewer than 20 values, or values that no named distribution fits, give an empirical one.
    """
    data = np.asarray(values, np.float64)
    if not len(data) or not np.isfinite(data).all() or (data < 0).any():
        raise ArgumentError(
            f"{name}: {len(data)} values to fit; they must be finite and not negative, and at least one"
        )
    low, middle, high = np.quantile(data, [0.01, 0.5, 0.99])
    jitter = JITTER_S / SECONDS[unit] if unit else 0.0
    if high - low <= max(CONSTANT * middle, jitter):
        return _constant(data, float(middle), unit)
    if len(data) < LEAST:
        return _empirical(data, unit, (), f"only {len(data)} observations")
    floor = max(float(data[data > 0].min(initial=np.inf)), 1e-9) if (data > 0).any() else 1e-9
    if (data <= 0).mean() > 0.01:
        return _empirical(data, unit, (), f"{(data <= 0).mean():.0%} of the observations are zero")
    positive = np.maximum(data, floor)
    halves = positive[0::2], positive[1::2]
    scores, single = _scored(halves)
    best = scores[0][0]
    for other, _ in scores[1:]:
        if PARAMETERS[other] < PARAMETERS[best] and _as_good(single[other], single[best]):
            best = other
            break
    distance, bound = _distance(best, halves)
    if distance > bound:
        why = f"the best named one, {best}, is {distance:.3f} away from held-out observations, more than {bound:.3f}"
        return _empirical(data, unit, scores, why)
    value, shape = FITS[best](positive)
    spread = _spread(best, shape, len(data))
    made = _made(best, value, shape, unit)
    told = (("value", value, spread[0]), ("shape", shape, spread[1]))
    scale = SECONDS[unit] * 1000 if unit else 1.0
    parameters = tuple(
        Parameter(
            f"{name} {_word(best, part)}",
            estimate * by,
            estimate * by * math.exp(-Z * s),
            estimate * by * math.exp(Z * s),
        )
        for (part, estimate, s), by in zip(told, (scale, 1.0), strict=True)
        if s
    )
    return Fitted(made, len(data), parameters, scores, distance, bound, spread, "held-out likelihood")


def _word(name: str, part: str) -> str:
    if part == "shape":
        return "sigma" if name == "lognormal" else "shape"
    return {"lognormal": "median", "pareto": "least"}.get(name, "mean")


def _made(name: str, value: float, shape: float | None, unit: str) -> Distribution:
    if name == "uniform":
        return Distribution("uniform", (value, float(shape or value)), unit)
    return Distribution(name, (value,), unit, None if name == "exponential" else shape)


def _constant(data: Floats, middle: float, unit: str) -> Fitted:
    error = float(data.std()) / math.sqrt(len(data)) / middle if middle else 0.0
    scale = SECONDS[unit] * 1000 if unit else 1.0
    told = Parameter("value", middle * scale, middle * (1 - Z * error) * scale, middle * (1 + Z * error) * scale)
    return Fitted(Distribution("constant", (middle,), unit), len(data), (told,), (), 0.0, 0.0, (0.0, 0.0), "all alike")


def _empirical(data: Floats, unit: str, scores: tuple[tuple[str, float], ...], why: str) -> Fitted:
    kept = np.sort(data) if len(data) <= KEPT else np.quantile(data, (np.arange(KEPT) + 0.5) / KEPT)
    made = Distribution("empirical", tuple(float(f"{value:.6g}") for value in kept), unit)
    error = float(data.std()) / math.sqrt(len(data)) / max(float(data.mean()), 1e-12)
    scale = SECONDS[unit] * 1000 if unit else 1.0
    mean = float(data.mean()) * scale
    told = Parameter("mean", mean, mean * math.exp(-Z * error), mean * math.exp(Z * error))
    return Fitted(made, len(data), (told,), scores, 0.0, 0.0, (error, 0.0), why)


# Fits by maximum likelihood: (value, shape) of positive observations


def _exponential(x: Floats) -> tuple[float, float]:
    return float(x.mean()), 1.0


def _lognormal(x: Floats) -> tuple[float, float]:
    logs = np.log(x)
    return float(np.exp(logs.mean())), max(float(logs.std()), 1e-6)


def _gamma(x: Floats) -> tuple[float, float]:
    from scipy.special import digamma, polygamma  # here, so that a simulation starts without it

    mean = float(x.mean())
    gap = max(math.log(mean) - float(np.log(x).mean()), 1e-9)
    shape = (3 - gap + math.sqrt((gap - 3) ** 2 + 24 * gap)) / (12 * gap)
    for _ in range(8):
        step = (math.log(shape) - float(digamma(shape)) - gap) / (1 / shape - float(polygamma(1, shape)))
        shape = max(shape - step, shape / 4)
    return mean, min(shape, 1e6)


def _weibull(x: Floats) -> tuple[float, float]:
    logs = np.log(x)
    logs -= (middle := float(logs.mean()))
    shape = 1.2825 / max(float(logs.std()), 1e-6)
    for _ in range(12):
        power = np.exp(shape * (logs - logs.max()))
        total, first, second = power.sum(), power @ logs, power @ (logs * logs)
        ratio = first / total
        slope = second / total - ratio**2 + 1 / shape**2
        shape = min(max(shape - float((ratio - 1 / shape) / slope), shape / 3), shape * 3)
    top = float(logs.max())
    scale = math.exp(middle + top + math.log(float(np.exp(shape * (logs - top)).mean())) / shape)
    return scale * math.gamma(1 + 1 / shape), shape


def _pareto(x: Floats) -> tuple[float, float]:
    least = float(x.min())
    return least, 1 / max(float(np.log(x / least).mean()), 1e-9)


def _uniform(x: Floats) -> tuple[float, float]:
    return float(x.min()), float(x.max())


FITS: dict[str, Callable[[Floats], tuple[float, float]]] = {
    "exponential": _exponential,
    "lognormal": _lognormal,
    "gamma": _gamma,
    "weibull": _weibull,
    "pareto": _pareto,
    "uniform": _uniform,
}


def log_density(name: str, value: float, shape: float, x: Floats) -> Floats:
    """Return the logarithm of the density at `x`, -inf outside of the support."""
    found: Floats
    with np.errstate(divide="ignore", invalid="ignore"):
        if name == "exponential":
            found = -math.log(value) - x / value
        elif name == "lognormal":
            found = -np.log(x) - math.log(shape * math.sqrt(2 * math.pi)) - (np.log(x / value) / shape) ** 2 / 2
        elif name == "gamma":
            rate = shape / value
            found = shape * math.log(rate) - math.lgamma(shape) + (shape - 1) * np.log(x) - rate * x
        elif name == "weibull":
            scale = value / math.gamma(1 + 1 / shape)
            found = math.log(shape / scale) + (shape - 1) * np.log(x / scale) - (x / scale) ** shape
        elif name == "pareto":
            found = np.where(x >= value, math.log(shape / value) - (shape + 1) * np.log(x / value), -np.inf)
        else:
            inside = (x >= value) & (x <= shape)
            found = np.where(inside, -math.log(max(shape - value, 1e-12)), -np.inf)
    return found


def cumulative(of: Distribution, x: Floats) -> Floats:
    """Return the share of draws that are at most `x`, which is in the unit of the distribution."""
    from scipy.special import gammainc, ndtr  # here, so that a simulation starts without it

    value, shape = of.values[0], of.shape or 1.0
    positive = np.maximum(x, 0.0)
    if of.name == "constant":
        return (x >= value).astype(np.float64)
    if of.name == "empirical":
        return np.searchsorted(np.sort(of.values), x, side="right") / len(of.values)
    if of.name == "uniform":
        return np.clip((x - value) / max(of.values[1] - value, 1e-12), 0, 1)
    if of.name == "exponential":
        return -np.expm1(-positive / value)
    if of.name == "weibull":
        return -np.expm1(-((positive * math.gamma(1 + 1 / shape) / value) ** shape))
    if of.name == "gamma":
        return np.asarray(gammainc(shape, positive * shape / value))
    if of.name == "pareto":
        return np.where(x >= value, 1 - (value / np.maximum(x, value)) ** shape, 0.0)
    return np.asarray(ndtr(np.log(np.maximum(positive, 1e-300) / value) / shape))


def _scored(halves: tuple[Floats, Floats]) -> tuple[tuple[tuple[str, float], ...], dict[str, Floats]]:
    """Return the candidates by their held-out score, the best first, and what each observation gave."""
    first, second = halves
    single = {
        name: np.concatenate([_robust(name, fit(first), first, second), _robust(name, fit(second), second, first)])
        for name, fit in FITS.items()
    }
    scores = [(name, float(found.mean())) for name, found in single.items()]
    return tuple(sorted(scores, key=lambda item: -item[1])), single


def _robust(name: str, fitted: tuple[float, float], train: Floats, test: Floats) -> Floats:
    """Return log densities, a thousandth of them exponential: a value beyond a bounded support is unlikely, not impossible."""
    wide = log_density("exponential", float(train.mean()), 1.0, test)
    found: Floats = np.logaddexp(
        math.log1p(-CONTAMINATED) + log_density(name, *fitted, test), math.log(CONTAMINATED) + wide
    )
    return found


def _as_good(simple: Floats, best: Floats) -> bool:
    """Whether a simpler candidate is within one standard error of the best."""
    gain = best - simple
    return bool(gain.mean() <= gain.std() / math.sqrt(len(gain)))


def _distance(name: str, halves: tuple[Floats, Floats]) -> tuple[float, float]:
    """Return how far each half is from the fit of the other, the mean of both, and what chance allows."""
    found = []
    for train, test in (halves, halves[::-1]):
        value, shape = FITS[name](train)
        ordered = np.sort(test)
        below = cumulative(_made(name, value, shape, ""), ordered)
        rank = np.arange(len(ordered))
        found.append(float(np.maximum(np.abs(below - rank / len(rank)), np.abs((rank + 1) / len(rank) - below)).max()))
    sizes = [1 / len(half) for half in halves]
    return sum(found) / 2, CRITICAL * math.sqrt(sum(sizes))


def _spread(name: str, shape: float, count: int) -> tuple[float, float]:
    """Return the standard deviation of the logarithms of value and shape (asymptotic, from Fisher's information)."""
    from scipy.special import digamma, polygamma  # here, so that a simulation starts without it

    if name == "exponential":
        return 1 / math.sqrt(count), 0.0
    if name == "lognormal":
        return shape / math.sqrt(count), 1 / math.sqrt(2 * count)
    if name == "gamma":
        curve = shape * float(polygamma(1, shape)) - 1
        return 1 / math.sqrt(shape * count), 1 / math.sqrt(max(curve, 1e-9) * shape * count)
    if name == "weibull":
        bend = -float(digamma(1 + 1 / shape)) / shape
        variance = 1.1087 / shape**2 + 0.6079 * bend**2 + 2 * 0.2570 / shape * bend
        return math.sqrt(max(variance, 0.0) / count), math.sqrt(0.6079 / count)
    if name == "pareto":
        return 0.0, 1 / math.sqrt(count)
    return 0.0, 0.0

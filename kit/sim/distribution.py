"""Named distributions of times, sizes and costs, as data: they draw, say their mean, and go to JSON and back.

    service = lognormal(ms=120, sigma=0.4)          # median 120 ms
    draw = service.sampler(random.Random("7/neuron/coder"))
    draw()                                          # seconds

A distribution of times is built with `s=`, `ms=` or `us=` and draws seconds; one of plain numbers (tokens, bytes,
millionths of a dollar) is built with a bare first argument and draws those.
"""

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kit.errors import ArgumentError

SECONDS = {"": 1.0, "s": 1.0, "ms": 1e-3, "us": 1e-6}
SHOWN = 4
"""Values that a repr shows."""
Number = int | float


@dataclass(frozen=True)
class Distribution:
    """A distribution: its name, its values in `unit` ("" for plain numbers, else s, ms, us), and a shape."""

    name: str
    values: tuple[float, ...]
    unit: str = ""
    shape: float | None = None

    def __post_init__(self) -> None:
        check = _CHECKS.get(self.name)
        if check is None:
            raise ArgumentError(f"no distribution {self.name!r}; there are {', '.join(sorted(_CHECKS))}")
        if self.unit not in SECONDS:
            raise ArgumentError(f"unit {self.unit!r} of {self.name} is none of '', 's', 'ms', 'us'")
        if not all(math.isfinite(value) and value >= 0 for value in self.values) or not check(self):
            raise ArgumentError(
                f"{self!r} cannot be drawn from: values are finite and not negative, a shape is positive"
            )

    def __repr__(self) -> str:
        shown = [f"{value:g}" for value in self.values]
        given = ", ".join(shown if len(shown) <= SHOWN else [*shown[:SHOWN], f"… {len(shown)} values"])
        if self.unit or self.name == "empirical":
            given = f"{self.unit and self.unit + '='}{given if len(shown) == 1 else f'({given})'}"
        word = "sigma" if self.name == "lognormal" else "shape"
        return f"{self.name}({given}{'' if self.shape is None else f', {word}={self.shape:g}'})"

    def sampler(self, rng: random.Random) -> Callable[[], float]:
        """Return a function that draws from `rng`, in seconds where the values are times."""
        scale = SECONDS[self.unit]
        return _SAMPLERS[self.name](rng, tuple(value * scale for value in self.values), self.shape or 0.0)

    @property
    def mean(self) -> float:
        """The mean, in seconds where the values are times."""
        return _MEANS[self.name](self.values, self.shape or 0.0) * SECONDS[self.unit]

    def scaled(self, factor: float) -> "Distribution":
        """Return the same distribution with every value `factor` times as large; its draws keep their order."""
        return Distribution(self.name, tuple(value * factor for value in self.values), self.unit, self.shape)

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values; `from_json` reads them."""
        shape = {} if self.shape is None else {"shape": self.shape}
        return {"distribution": self.name, "values": list(self.values), "unit": self.unit, **shape}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Distribution":
        """Return what `as_json` wrote; ArgumentError where it is none."""
        try:
            return cls(data["distribution"], tuple(map(float, data["values"])), data.get("unit", ""), data.get("shape"))
        except (KeyError, TypeError, ValueError) as error:
            raise ArgumentError(f"{data!r} is no distribution: {error}") from None


def _constant(_rng: random.Random, values: Sequence[float], _shape: float) -> Callable[[], float]:
    value = values[0]
    return lambda: value


def _uniform(rng: random.Random, values: Sequence[float], _shape: float) -> Callable[[], float]:
    low, width, draw = values[0], values[1] - values[0], rng.random
    return lambda: low + width * draw()


def _exponential(rng: random.Random, values: Sequence[float], _shape: float) -> Callable[[], float]:
    mean, draw, log = values[0], rng.random, math.log
    return lambda: -mean * log(1.0 - draw())


def _lognormal(rng: random.Random, values: Sequence[float], shape: float) -> Callable[[], float]:
    median, draw, exp = values[0], rng.gauss, math.exp
    return lambda: median * exp(draw(0.0, shape))


def _gamma(rng: random.Random, values: Sequence[float], shape: float) -> Callable[[], float]:
    scale, draw = values[0] / shape, rng.gammavariate
    return lambda: draw(shape, scale) if scale else 0.0


def _weibull(rng: random.Random, values: Sequence[float], shape: float) -> Callable[[], float]:
    scale, draw = values[0] / math.gamma(1 + 1 / shape), rng.weibullvariate
    return lambda: draw(scale, shape)


def _pareto(rng: random.Random, values: Sequence[float], shape: float) -> Callable[[], float]:
    least, draw = values[0], rng.paretovariate
    return lambda: least * draw(shape)


def _empirical(rng: random.Random, values: Sequence[float], _shape: float) -> Callable[[], float]:
    count, draw = len(values), rng.random
    return lambda: values[int(draw() * count)]


_SAMPLERS: dict[str, Callable[[random.Random, tuple[float, ...], float], Callable[[], float]]] = {
    "constant": _constant,
    "uniform": _uniform,
    "exponential": _exponential,
    "lognormal": _lognormal,
    "gamma": _gamma,
    "weibull": _weibull,
    "pareto": _pareto,
    "empirical": _empirical,
}
_MEANS: dict[str, Callable[[tuple[float, ...], float], float]] = {
    "constant": lambda values, _: values[0],
    "uniform": lambda values, _: (values[0] + values[1]) / 2,
    "exponential": lambda values, _: values[0],
    "lognormal": lambda values, shape: values[0] * math.exp(shape * shape / 2),
    "gamma": lambda values, _: values[0],
    "weibull": lambda values, _: values[0],
    "pareto": lambda values, shape: values[0] * shape / (shape - 1) if shape > 1 else math.inf,
    "empirical": lambda values, _: math.fsum(values) / len(values),
}


def _shaped(of: Distribution) -> bool:
    return len(of.values) == 1 and of.shape is not None and math.isfinite(of.shape) and of.shape > 0


_CHECKS: dict[str, Callable[[Distribution], bool]] = {
    "constant": lambda of: len(of.values) == 1,
    "uniform": lambda of: len(of.values) == 2 and of.values[0] <= of.values[1],
    "exponential": lambda of: len(of.values) == 1,
    "lognormal": _shaped,
    "gamma": _shaped,
    "weibull": _shaped,
    "pareto": _shaped,
    "empirical": lambda of: len(of.values) > 0,
}


def _given(name: str, plain: Any, units: Mapping[str, Any]) -> tuple[Any, str]:
    """Return the one value that was given and its unit."""
    given = [(value, unit) for unit, value in {"": plain, **units}.items() if value is not None]
    if len(given) != 1:
        raise ArgumentError(f"{name}: give one value, bare for plain numbers, or as s=, ms= or us=")
    return given[0]


def constant(
    value: Number | None = None, *, s: Number | None = None, ms: Number | None = None, us: Number | None = None
) -> Distribution:
    """Always the same value."""
    found, unit = _given("constant", value, {"s": s, "ms": ms, "us": us})
    return Distribution("constant", (float(found),), unit)


def exponential(
    mean: Number | None = None, *, s: Number | None = None, ms: Number | None = None, us: Number | None = None
) -> Distribution:
    """Exponential with this mean: waiting times without memory."""
    found, unit = _given("exponential", mean, {"s": s, "ms": ms, "us": us})
    return Distribution("exponential", (float(found),), unit)


Range = tuple[Number, Number]


def uniform(
    low: Number | None = None,
    high: Number | None = None,
    *,
    s: Range | None = None,
    ms: Range | None = None,
    us: Range | None = None,
) -> Distribution:
    """Anything from low to high alike: `uniform(1, 5)` for numbers, `uniform(ms=(50, 150))` for times."""
    plain = None if low is None or high is None else (low, high)
    found, unit = _given("uniform", plain, {"s": s, "ms": ms, "us": us})
    return Distribution("uniform", tuple(map(float, found)), unit)


def lognormal(
    median: Number | None = None,
    *,
    s: Number | None = None,
    ms: Number | None = None,
    us: Number | None = None,
    sigma: float,
) -> Distribution:
    """Log-normal with this median; `sigma` is the deviation of its logarithm."""
    found, unit = _given("lognormal", median, {"s": s, "ms": ms, "us": us})
    return Distribution("lognormal", (float(found),), unit, float(sigma))


def gamma(
    mean: Number | None = None,
    *,
    s: Number | None = None,
    ms: Number | None = None,
    us: Number | None = None,
    shape: float,
) -> Distribution:
    """Gamma with this mean; a whole `shape` k is Erlang's sum of k exponentials."""
    found, unit = _given("gamma", mean, {"s": s, "ms": ms, "us": us})
    return Distribution("gamma", (float(found),), unit, float(shape))


def weibull(
    mean: Number | None = None,
    *,
    s: Number | None = None,
    ms: Number | None = None,
    us: Number | None = None,
    shape: float,
) -> Distribution:
    """Weibull with this mean; a shape under 1 has a heavy tail."""
    found, unit = _given("weibull", mean, {"s": s, "ms": ms, "us": us})
    return Distribution("weibull", (float(found),), unit, float(shape))


def pareto(
    least: Number | None = None,
    *,
    s: Number | None = None,
    ms: Number | None = None,
    us: Number | None = None,
    shape: float,
) -> Distribution:
    """Pareto from this least value on; with a shape of 1 or less its mean is infinite."""
    found, unit = _given("pareto", least, {"s": s, "ms": ms, "us": us})
    return Distribution("pareto", (float(found),), unit, float(shape))


def empirical(
    values: Sequence[Number] | None = None,
    *,
    s: Sequence[Number] | None = None,
    ms: Sequence[Number] | None = None,
    us: Sequence[Number] | None = None,
) -> Distribution:
    """What was measured, each value as likely as another, drawn with replacement."""
    found, unit = _given("empirical", values, {"s": s, "ms": ms, "us": us})
    return Distribution("empirical", tuple(map(float, found)), unit)

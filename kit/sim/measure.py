"""What an experiment looks at while a run goes on: metrics, each with a when, and the condition that ends it."""

import operator
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kit.errors import ArgumentError
from kit.sim.duration import Duration, microseconds
from kit.sim.namespace import Namespace

Value = str | Callable[[Namespace], Any]
"""A number of a namespace: its place, such as `callers.r.in_flight`, or a function."""
Condition = tuple[str, str, float] | Callable[[Namespace], Any]
"""`("callers.r.in_flight", ">=", 50)`, or a function."""
COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
LOOKS_US = 1_000_000
"""How often a condition is looked at, and a time limit, unless said otherwise."""


class TimeLimitReached(Exception):
    """A run took longer than it may; it becomes the error of its row."""


class Stopped(Exception):
    """The condition holds, so the run ends."""


@dataclass(frozen=True)
class Metric:
    """A number that a run is asked for: at its end, or every so often; with `when`, whenever that condition holds then."""

    value: Value
    every: Duration | None = None
    when: Condition | None = None

    def __post_init__(self) -> None:
        if self.every is not None and microseconds(self.every) == 0:
            raise ArgumentError(f"every={self.every!r} of metric {self.value!r}: give a span above 0")
        if self.when is not None:
            checked(self.when)

    @property
    def every_s(self) -> float | None:
        """Seconds between two looks, where they are given."""
        return None if self.every is None else microseconds(self.every) / 1e6

    @property
    def span_us(self) -> int | None:
        """Microseconds between two looks; None for the end only."""
        if self.every is None:
            return None if self.when is None else LOOKS_US
        return microseconds(self.every)


def checked(condition: Condition) -> Condition:
    """Return a condition; ArgumentError for one that cannot be."""
    if not callable(condition) and (len(condition) != 3 or condition[1] not in COMPARED):
        raise ArgumentError(
            f"condition {condition!r}: give a function, or a place, one of {' '.join(COMPARED)} and a number"
        )
    return condition


def found(namespace: Namespace, value: Value) -> float:
    """Return a number of a namespace; ArgumentError where there is none at that place."""
    if callable(value):
        return float(value(namespace))
    at: Any = namespace
    for part in value.split("."):
        try:
            at = at[part] if isinstance(at, Mapping) else getattr(at, part)
        except (KeyError, AttributeError):
            known = sorted(at) if isinstance(at, Mapping) else [n for n in vars(at) if not n.startswith("_")]
            raise ArgumentError(f"{value!r}: no {part!r} there; there are {', '.join(map(str, known))}") from None
    try:
        return float(at)
    except (TypeError, ValueError):
        raise ArgumentError(f"{value!r} is no number but {at!r:.60}") from None


def holds(namespace: Namespace, condition: Condition) -> bool:
    """Whether a condition holds now."""
    if callable(condition):
        return bool(condition(namespace))
    place, how, number = condition
    return COMPARED[how](found(namespace, place), number)


class Observer:
    """Looks at a namespace while it runs; `rows` is what it saw: virtual seconds, and metrics by name."""

    def __init__(
        self, namespace: Namespace, metrics: Mapping[str, Metric], stop: Condition | None, limit_s: float | None
    ) -> None:
        self.rows: dict[float, dict[str, float]] = {}
        self._namespace = namespace
        self._metrics = metrics
        self._stop = stop
        for name, metric in metrics.items():
            if metric.span_us is not None:
                self._every(metric.span_us, self._measure, name, metric)
        if stop is not None:
            self._every(LOOKS_US, self._look, stop)
        if limit_s is not None:
            self._every(LOOKS_US // 10, self._hurry, limit_s, time.monotonic() + limit_s)

    def _every(self, span: int, look: Callable[..., None], *args: Any) -> None:
        kernel = self._namespace.synapse.kernel

        def again() -> None:
            look(*args)
            if not self._namespace.over:
                kernel.call(span, again)

        kernel.call(span, again)

    def _measure(self, name: str, metric: Metric) -> None:
        if not self._namespace.over and (metric.when is None or holds(self._namespace, metric.when)):
            self.rows.setdefault(self._namespace.now_s, {})[name] = found(self._namespace, metric.value)

    def _look(self, stop: Condition) -> None:
        if not self._namespace.over and holds(self._namespace, stop):
            raise Stopped

    def _hurry(self, limit_s: float, end: float) -> None:
        if time.monotonic() > end:
            raise TimeLimitReached(f"took more than {limit_s:g} s of real time")

    def ended(self) -> None:
        """Take the metrics of the end."""
        for name, metric in self._metrics.items():
            if metric.span_us is None:
                self.rows.setdefault(self._namespace.now_s, {})[name] = found(self._namespace, metric.value)

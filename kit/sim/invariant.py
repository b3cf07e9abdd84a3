"""What must hold while a simulation runs, and the smallest scenario in which something still goes wrong."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil
from typing import Any

from kit.errors import ArgumentError, InvariantError
from kit.sim.duration import Duration, microseconds
from kit.sim.namespace import Namespace
from kit.sim.scenario import Scenario

Condition = Callable[[Namespace], bool | str | None]
"""True or None where it holds; False, or what is wrong in words, where it does not."""
Fails = Callable[[Scenario, float], bool]
LEAST_S = 0.001
PARTS = ("faults", "arrivals", "setup", "models", "neurons", "effectors", "engrams")


def watch(namespace: Namespace, condition: Condition, *, every: Duration = "1s", name: str | None = None) -> None:
    """Look at a condition again and again while the namespace runs; InvariantError ends the run where it does not hold.

    The condition gets the namespace and must not change it.
    """
    span = microseconds(every)
    if span == 0:
        raise ArgumentError(f"every={every!r}: give a span above 0")
    label = name or str(getattr(condition, "__name__", "condition"))

    def look() -> None:
        found = condition(namespace)
        if found is False or isinstance(found, str):
            said = f": {found}" if isinstance(found, str) else ""
            at_s = namespace.now_s
            message = f"{label!r} does not hold at {at_s:g} s of seed {namespace.seed!r}{said}"
            raise InvariantError(message, rule=label, at_s=at_s)
        if not namespace.over:
            namespace.synapse.kernel.call(span, look)

    namespace.synapse.kernel.call(span, look)


def shrink(scenario: Scenario, until: Duration, fails: Fails) -> tuple[Scenario, float]:
    """Return the smallest scenario, and the shortest time in seconds, for which `fails(scenario, until_s)` is still true.

    Parts are taken out one by one as long as it fails without them, and the time is halved; then all again, until nothing
    more can go. In the end the time is cut to the millisecond before which it does not fail. A part that others need makes `fails`
    raise, which counts as not failing. `breaks` is a `fails` for the rules of the protocol, and `Scenario.code` writes down
    what is left. ArgumentError where it does not fail to begin with.
    """
    seconds = microseconds(until) / 1e6
    if not fails(scenario, seconds):
        raise ArgumentError(
            f"scenario {scenario.name!r} does not fail within {seconds:g} s; there is nothing to shrink"
        )
    while True:
        before = (scenario, seconds)
        for part in PARTS:
            scenario = _without(scenario, part, seconds, fails)
        while seconds > LEAST_S and _still(fails, scenario, seconds / 2):
            seconds /= 2
        if (scenario, seconds) == before:
            return scenario, _earliest(scenario, seconds, fails)


def _earliest(scenario: Scenario, seconds: float, fails: Fails) -> float:
    """Return the end of the first millisecond in which it fails, given that it does not within half of the time."""
    good, bad = int(seconds / 2 / LEAST_S), ceil(seconds / LEAST_S)
    while bad - good > 1:
        middle = (good + bad) // 2
        if _still(fails, scenario, middle * LEAST_S):
            bad = middle
        else:
            good = middle
    found = round(bad * LEAST_S, 3)
    return found if found < seconds else seconds


def _without(scenario: Scenario, part: str, seconds: float, fails: Fails) -> Scenario:
    at = 0
    while at < len(getattr(scenario, part)):
        items: tuple[Any, ...] = getattr(scenario, part)
        rest: dict[str, Any] = {part: (*items[:at], *items[at + 1 :])}
        smaller = replace(scenario, **rest)
        if _still(fails, smaller, seconds):
            scenario = smaller
        else:
            at += 1
    return scenario


def _still(fails: Fails, scenario: Scenario, seconds: float) -> bool:
    try:
        return fails(scenario, seconds)
    except Exception:
        return False

"""Comparing two runs of 1M signals, beside one structure pass over the same, and calibrating 100k and 1M signals."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import Case, Summary
from benchmarks.structure import structure

HERE = "benchmarks.compare"


def passes(path: str) -> int:
    """Make the structure pass over both runs, and return how many events that is."""
    return sum(len(structure(path)["event_depth"]) for _ in range(2))


def compared(path: str) -> int:
    """Compare two runs of a million signals, and return how many measures that is."""
    from kit.compare import compare_runs
    from kit.store.store import Store

    with Store(path, read_only=True) as a:
        return len(compare_runs(a, a).differences)


def calibrated(path: str) -> int:
    """Calibrate from a capture, and return how many parts that is."""
    from kit.sim import calibrate
    from kit.store.store import Store

    with Store(path, read_only=True) as store:
        report = calibrate(store).report
        return 0 if report is None else len(report.parts)


def section(
    stored: Callable[[int], Path],
    run: Callable[[dict[str, Case], int], dict[str, Summary]],
    goal: Callable[..., str],
    markdown: Callable[..., str],
    rounds: int,
) -> str:
    """Return the section of the page."""
    small, large = stored(100_000), stored(1_000_000)
    found: dict[str, Any] = run(
        {
            "structure of both runs": Case(f"{HERE}:passes", [str(large)], warm=[large]),
            "compare two runs of 1M signals": Case(f"{HERE}:compared", [str(large)], warm=[large]),
            "calibrate 100k signals": Case(f"{HERE}:calibrated", [str(small)], warm=[small]),
            "calibrate 1M signals": Case(f"{HERE}:calibrated", [str(large)], warm=[large]),
        },
        rounds,
    )
    s = {name: summary.seconds for name, summary in found.items()}
    growth = s["calibrate 1M signals"] / s["calibrate 100k signals"] / 10
    goals = [
        goal(
            "compare / structure of both",
            s["compare two runs of 1M signals"] / s["structure of both runs"],
            3,
            least=False,
        ),
        goal("calibrate, time a signal, 1M / 100k", growth, 1.3, least=False),
    ]
    return "\n".join(["## Comparing and calibrating", "", markdown(found), "", *goals])

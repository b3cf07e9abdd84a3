"""What can be compared: a store with a run, a simulated run, a file, or a trace; `compare` takes two of them."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from kit import io
from kit.compare.comparison import ALPHA, Comparison, compared
from kit.compare.difference import TraceDifference, difference
from kit.compare.profile import profile
from kit.errors import ArgumentError, NotFoundError
from kit.sim.run import Run
from kit.store.store import Store


def compare(
    a: Any,
    b: Any,
    *,
    run_a: str | None = None,
    run_b: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
    conformance: bool | None = None,
) -> Comparison | TraceDifference:
    """Return what differs between two runs, or between two traces.

    `a` and `b` are a store (with `run_a`, `run_b` where it holds several runs), a simulated Run, a path or other source of
    signals, or both a Trace. Structure, time, outcome, cost, conformance and load are tested by permutation of traces, false
    discoveries held to `alpha`; distances stand beside the distance of halves of `a`. The same `seed` gives the
    same answer. `conformance` is looked at up to 300,000 signals, or where it is True. The method: docs/what-if.md.

    ArgumentError for sides that do not go together, and for a store of several runs where none is named.
    """
    traces = [_is_trace(side) for side in (a, b)]
    if all(traces):
        return difference(a, b)
    if any(traces):
        raise ArgumentError("a trace is compared to a trace; give two traces, or two runs")
    return compare_runs(a, b, run_a=run_a, run_b=run_b, alpha=alpha, seed=seed, conformance=conformance)


def compare_runs(
    a: Any,
    b: Any,
    *,
    run_a: str | None = None,
    run_b: str | None = None,
    alpha: float = ALPHA,
    seed: int = 0,
    conformance: bool | None = None,
    names: tuple[str, str] | None = None,
) -> Comparison:
    """Return what differs between two runs; see `compare`. `names` are what they are called in the answer."""
    with ExitStack() as open_, ThreadPoolExecutor(1) as beside:  # NumPy lets go of the interpreter: two cores are busy
        sides = [open_.enter_context(_opened(*one)) for one in ((a, run_a, "a"), (b, run_b, "b"))]
        told = names or (sides[0][2], sides[1][2])
        first = beside.submit(profile, *sides[0][:2], name=told[0], conformance=conformance)
        second = profile(*sides[1][:2], name=told[1], conformance=conformance)
        return compared(first.result(), second, alpha=alpha, seed=seed)


def _is_trace(side: Any) -> bool:
    return hasattr(side, "critical_path") and hasattr(side, "events")


@contextmanager
def _opened(side: Any, run: str | None, name: str) -> Iterator[tuple[Store, str, str]]:
    """Give a store, the run in it and a name for it; what was loaded for this is closed at the end."""
    if isinstance(side, Store):
        chosen = _run(side, run, name)
        yield side, chosen, chosen
        return
    with Store() as store:
        io.load(store, Path(side) if isinstance(side, str) else side, run=name)
        shown = (
            f"{side.name}, seed {side.seed}"
            if isinstance(side, Run)
            else Path(side).name
            if isinstance(side, str | Path)
            else name
        )
        yield store, _run(store, name, name), shown


def _run(store: Store, run: str | None, name: str) -> str:
    known = [row[0] for row in store.execute("SELECT DISTINCT run FROM signals ORDER BY run")]
    if run is not None and run not in known:
        raise NotFoundError(f"no run {run!r} with signals: there is {', '.join(map(repr, known)) or 'none'}")
    if run is None and len(known) != 1:
        raise ArgumentError(
            f"{name}: which run? There are {', '.join(map(repr, known)) or 'none'}; say it by run_{name}="
        )
    return known[0] if run is None else run

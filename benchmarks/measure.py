"""Cases side by side: each run in a fresh process, the cases taking turns, medians and ratios of one sitting.

    python benchmarks/measure.py benchmarks.peers.msgspec_loop:load '["benchmarks/data/signals-1M.jsonl"]'

A case is a function of a module with JSON arguments. Only the function is timed: imports come before, that of pandas among
them, which pyarrow would import for its first array, and so does `prepare`, a second function whose result becomes the
function's only argument.
"""

import hashlib
import importlib
import json
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:  # run as a script: sys.path holds this folder and not its parent
    sys.path[0] = str(ROOT)

SAMPLE_S = 0.005
TOUCHED_BYTES = 2 << 30
"""Memory that is touched and freed before a run: a virtual machine is given memory by its host when it is first used, and
that time would be counted against the first case."""
_MARK = "measured: "


@dataclass(frozen=True)
class Case:
    """A function to measure, "module:function", with JSON arguments.

    `prepare` is run before the clock starts, with `args`; its result is then the only argument. `warm` are
    files that are read once before the run, so that they come from the page cache.
    """

    function: str
    args: Sequence[Any] = ()
    prepare: str | None = None
    warm: Sequence[str | Path] = ()


@dataclass(frozen=True)
class Run:
    """One run: seconds of the function, megabytes of RSS at its peak above those before it, and what it
    returned.

    Arrays in the result are replaced by a hash of their values, so that results of two cases can be compared.
    """

    seconds: float
    rss_increment_mb: float
    result: Any


@dataclass
class Summary:
    """The runs of a case."""

    name: str
    runs: list[Run] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return statistics.median(run.seconds for run in self.runs)

    @property
    def rss_increment_mb(self) -> float:
        return statistics.median(run.rss_increment_mb for run in self.runs)

    @property
    def result(self) -> Any:
        """The result of the first run."""
        return self.runs[0].result


def compare(cases: dict[str, Case], rounds: int = 5, told: Callable[[str], None] | None = None) -> dict[str, Summary]:
    """Runs all cases once a round, in turn, so that a slow minute of the machine meets them all."""
    summaries = {name: Summary(name) for name in cases}
    for number in range(rounds):
        for name, case in cases.items():
            run = measure(case)
            summaries[name].runs.append(run)
            if told:
                told(f"round {number + 1}/{rounds}  {name}: {run.seconds:.2f} s, {run.rss_increment_mb:.0f} MB")
    return summaries


def measure(case: Case) -> Run:
    """Runs a case once in a fresh process; raises RuntimeError with its last words where it fails."""
    for path in case.warm:
        _warm(Path(path))
    _touch()
    order = json.dumps({"function": case.function, "args": list(case.args), "prepare": case.prepare})
    child = subprocess.run(
        [sys.executable, str(Path(__file__).resolve()), "--child"],
        input=order,
        text=True,
        capture_output=True,
        cwd=ROOT,
    )
    if child.returncode or _MARK not in child.stdout:
        raise RuntimeError(f"{case.function} failed with exit code {child.returncode}:\n{child.stderr[-2000:]}")
    return Run(**json.loads(child.stdout.rpartition(_MARK)[2]))


def ratios(summaries: dict[str, Summary], of: str) -> dict[str, float]:
    """How many times as long as case `of` each case takes, by medians."""
    return {name: summary.seconds / summaries[of].seconds for name, summary in summaries.items()}


def markdown(summaries: dict[str, Summary], of: str | None = None) -> str:
    """A Markdown table, fastest first: median and spread of seconds, median of memory, ratio to case `of`."""
    times = ratios(summaries, of) if of else {}
    lines = [f"| case | seconds, median | min to max | memory, MB |{f' times {of} |' if of else ''}"]
    lines.append("|---|---:|---:|---:|" + ("---:|" if of else ""))
    for summary in sorted(summaries.values(), key=lambda summary: summary.seconds):
        seconds = [run.seconds for run in summary.runs]
        row = [
            summary.name, f"{summary.seconds:.3f}", f"{min(seconds):.3f} to {max(seconds):.3f}",
            f"{summary.rss_increment_mb:.0f}", *([f"{times[summary.name]:.2f}"] if of else []),
        ]  # fmt: skip
        lines.append(f"| {' | '.join(row)} |")
    return "\n".join(lines)


class PeakMemory:
    """The peak of this process's RSS within a `with` block, above the RSS before it, sampled by a thread."""

    def __init__(self) -> None:
        import psutil

        self._rss = lambda: psutil.Process().memory_info().rss
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "PeakMemory":
        self.before = self.peak = self._rss()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self.peak = max(self.peak, self._rss())

    @property
    def increment_mb(self) -> float:
        return (self.peak - self.before) / 1e6

    def _sample(self) -> None:
        while not self._done.wait(SAMPLE_S):
            self.peak = max(self.peak, self._rss())


def _child() -> None:
    """Runs the case on stdin and prints what `Run` holds."""
    order = json.load(sys.stdin)
    function, args = _named(order["function"]), order["args"]
    importlib.import_module("pandas")
    if order["prepare"]:
        args = [_named(order["prepare"])(*args)]
    with PeakMemory() as memory:
        start = time.perf_counter()
        result = function(*args)
        seconds = time.perf_counter() - start
    told = {"seconds": seconds, "rss_increment_mb": memory.increment_mb, "result": result}
    print(_MARK + json.dumps(told, default=_digest))


def _named(name: str) -> Callable[..., Any]:
    module, _, function = name.partition(":")
    found: Callable[..., Any] = getattr(importlib.import_module(module), function)
    return found


def _digest(value: Any) -> Any:
    """A hash of the values of a NumPy or Arrow array, the value of a NumPy number, else the repr."""
    if hasattr(value, "to_pylist"):
        return "sha256:" + hashlib.sha256(json.dumps(value.to_pylist()).encode()).hexdigest()
    if hasattr(value, "tolist"):
        values = value.tolist()
        return "sha256:" + hashlib.sha256(json.dumps(values).encode()).hexdigest() if value.ndim else values
    return repr(value)


def _warm(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(1 << 24):
            pass


def _touch() -> None:
    bytes(b"\1" * TOUCHED_BYTES)  # written, and given back


def main() -> None:
    if sys.argv[1:] == ["--child"]:
        _child()
        return
    function, args = sys.argv[1], json.loads(sys.argv[2]) if len(sys.argv) > 2 else []
    print(measure(Case(function, args)))


if __name__ == "__main__":
    main()

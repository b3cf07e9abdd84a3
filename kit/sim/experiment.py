"""Experiments: a scenario run for every combination of some settings and several seeds, as one table of results.

    experiment = Experiment(
        scenario("market"),
        vary={"arrivals.cheap.rate_per_s": [6, 12, 24], "models.bidder-01.workers": [1, 2]},
        seeds=range(5),
        until="2m",
    )
    results = experiment.run(processes=2, path="results.parquet")
    results.df().groupby(["arrivals.cheap.rate_per_s", "stream"])["p99_ms"].mean()

The seeds are the same for every combination (common random numbers), so that a difference between two combinations is not chance.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kit.errors import ArgumentError
from kit.sim.distribution import Distribution
from kit.sim.duration import Duration, microseconds
from kit.sim.run import Run
from kit.sim.scenario import Functions, Scenario
from kit.table import Table

ROOT = Path(__file__).resolve().parents[2]
"""The folder that the kit is imported from."""


def changed(scenario: Scenario, path: str, value: Any) -> Scenario:
    """Return a scenario with one setting changed; `path` is `heartbeat`, or part, id and field: `models.tester.workers`.

    Fields of a model's behaviour stand beside its own: `models.tester.service`. Faults, which have no id, go by their
    number from 0. ArgumentError where there is no such setting.
    """
    head, _, rest = path.partition(".")
    if not rest:
        whole: Scenario = _with(scenario, path, head, value)
        return whole
    parts = getattr(scenario, head, None)
    id, _, name = rest.rpartition(".")
    if not isinstance(parts, tuple) or not parts or not is_dataclass(parts[0]) or not id:
        raise ArgumentError(f"{path!r}: a scenario has no such setting; give a field, or part.id.field")
    at = [n for n, part in enumerate(parts) if id in (getattr(part, "id", None), getattr(part, "name", None), str(n))]
    if not at:
        raise ArgumentError(f"{path!r}: no {head} {id!r} in scenario {scenario.name!r}")
    part = parts[at[0]]
    behaviour = getattr(part, "behaviour", None)
    if behaviour is not None and name in {item.name for item in fields(behaviour)}:
        made = replace(part, behaviour=_with(behaviour, path, name, value))
    else:
        made = _with(part, path, name, value)
    others: dict[str, Any] = {head: (*parts[: at[0]], made, *parts[at[0] + 1 :])}
    return replace(scenario, **others)


def _with(of: Any, path: str, name: str, value: Any) -> Any:
    known = sorted(item.name for item in fields(of))
    if name not in known:
        raise ArgumentError(f"{path!r}: {name!r} is no setting; there are {', '.join(known)}")
    return replace(of, **{name: value})


@dataclass(frozen=True)
class Experiment:
    """A scenario, settings to vary (see `changed`), seeds, and how long each run is."""

    scenario: Scenario
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: Iterable[int] = (0,)
    until: Duration = "1m"

    def points(self) -> list[dict[str, Any]]:
        """Return every combination of the settings, the last one changing fastest."""
        return [dict(zip(self.vary, values, strict=True)) for values in product(*self.vary.values())]

    def scenarios(self) -> Iterator[tuple[dict[str, Any], Scenario]]:
        """Yield each combination with its scenario."""
        for point in self.points():
            made = self.scenario
            for path, value in point.items():
                made = changed(made, path, value)
            yield point, made

    def run(
        self,
        *,
        processes: int = 1,
        path: str | Path | None = None,
        functions: Functions | None = None,
        trust: bool = False,
    ) -> Table:
        """Return a row per combination, seed and stream of requests, in that order, whatever the number of processes.

        With `path` they are written there as Parquet too. `functions` works in this process only.
        """
        if processes < 1:
            raise ArgumentError(f"processes={processes!r}: give 1 or more")
        if processes > 1 and functions:
            raise ArgumentError("functions cannot go to other processes; name them module:name, with trust=True")
        seeds, seconds = list(self.seeds), microseconds(self.until) / 1e6
        jobs = [(point, made, seed) for point, made in self.scenarios() for seed in seeds]
        if processes == 1:
            results = [
                measured(made.run(seed, seconds, functions=functions, trust=trust, keep=False))
                for _, made, seed in jobs
            ]
        else:
            results = _elsewhere([(made, seed) for _, made, seed in jobs], seconds, processes, trust)
        rows = [
            {**{name: _shown(value) for name, value in point.items()}, "seed": seed, **row}
            for (point, _, seed), found in zip(jobs, results, strict=True)
            for row in found
        ]
        table = pa.Table.from_pylist(rows)
        if path is not None:
            pq.write_table(table, Path(path), compression="zstd")
        return Table(table, name="results")


def _shown(value: Any) -> Any:
    """Return a setting as a cell of a table."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return json.dumps(value.as_json()) if isinstance(value, Distribution) else repr(value)


def measured(run: Run) -> list[dict[str, Any]]:
    """Return what a run gives to the table: a row per stream of requests."""
    whole = {"signals": len(run), "virtual_s": run.virtual_s, "digest": run.digest}
    return [
        {"stream": row["name"], **{k: v for k, v in row.items() if k != "name"}, **whole} for row in run.report.requests
    ]


_PROGRAM = """
import json, sys
from kit.sim.experiment import measured
from kit.sim.scenario import Scenario
told = json.load(sys.stdin)
for number, scenario, seed in told["jobs"]:
    run = Scenario.from_json(scenario).run(seed, told["until"], trust=told["trust"], keep=False)
    print(json.dumps([number, measured(run)]), flush=True)
"""


def _elsewhere(
    jobs: list[tuple[Scenario, int]], until: float, processes: int, trust: bool
) -> list[list[dict[str, Any]]]:
    """Run jobs in processes of their own, each with every n-th of them, and return the results in order."""
    told = [[number, made.as_json(), seed] for number, (made, seed) in enumerate(jobs)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    running = []
    for n in range(min(processes, len(told))):
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            text=True,
        )
        running.append((process, json.dumps({"jobs": told[n::processes], "until": until, "trust": trust})))
    for process, text in running:
        if process.stdin is not None:
            process.stdin.write(text)
            process.stdin.close()
            process.stdin = None
    found: dict[int, list[dict[str, Any]]] = {}
    failed = []
    for process, _ in running:
        out, error = process.communicate()
        found.update((number, rows) for number, rows in map(json.loads, out.splitlines()))
        if process.returncode:
            failed.append(error.strip()[-400:])
    if failed:
        raise ArgumentError(f"a run in a process of its own failed: {failed[0]}")
    return [found[number] for number in range(len(jobs))]

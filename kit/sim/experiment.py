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
from kit.sim.measure import Condition, Metric, Value, checked
from kit.sim.scenario import OURS, Functions, Scenario
from kit.sim.sweep import Job, Parts, Rows, each
from kit.table import Table

_STREAM = {
    "stream": pa.string(),
    **dict.fromkeys(("started", "completed", "failed", "timed_out", "unserved", "in_flight"), pa.int64()),
    **dict.fromkeys(("mean_ms", "p50_ms", "p90_ms", "p99_ms"), pa.float64()),
    "signals": pa.int64(),
    "virtual_s": pa.float64(),
    "digest": pa.string(),
}


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
    """A scenario, settings to vary (see `changed`), seeds, and how long each run is.

    `metrics` are numbers that each run is asked for, at its end or as a `Metric` says; `stop` is a condition, looked at
    every virtual second, that ends a run before `until`; `time_limit_s` is the real time that a run may take. A place such as
    `callers.r.in_flight` is read in any process, a function in this one only.
    """

    scenario: Scenario
    vary: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    seeds: Iterable[int] = (0,)
    until: Duration = "1m"
    metrics: Mapping[str, Metric | Value] = field(default_factory=dict)
    stop: Condition | None = None
    time_limit_s: float | None = None

    def __post_init__(self) -> None:
        taken = {"run", "seed", "t", "error", "traceback", *_STREAM, *self.vary} & set(self.metrics)
        if taken:
            raise ArgumentError(f"metric {min(taken)!r}: the results have a column of that name; choose another")
        if self.stop is not None:
            checked(self.stop)
        if self.time_limit_s is not None and not self.time_limit_s > 0:
            raise ArgumentError(f"time_limit_s={self.time_limit_s!r}: give seconds above 0, or None for no limit")

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
        resume: bool = True,
    ) -> Table:
        """Return the results, keyed by run, t and stream, in that order, whatever the number of processes.

        A run has a row per time at which a metric was measured, and a row per stream of requests at its end. One that fails
        has a row with its `error` and `traceback`, one that was not begun when Ctrl-C came has an `error` that says so;
        a run whose process dies has failed. With `path` the results are written there as Parquet at the end, and each run
        to a file in `path.parts` as soon as it is over, which stays where the sweep was interrupted or a run failed:
        the next one takes from there the runs that are done, unless functions of yours take part, or `resume=False`.
        Functions work in this process only; a time limit ends a function that hangs in other processes only.
        """
        if processes < 1:
            raise ArgumentError(f"processes={processes!r}: give 1 or more")
        metrics = {name: made if isinstance(made, Metric) else Metric(made) for name, made in self.metrics.items()}
        own = [metric.value for metric in metrics.values()] + [metric.when for metric in metrics.values()] + [self.stop]
        local = bool(functions) or any(map(callable, own))
        if processes > 1 and local:
            raise ArgumentError(
                "functions cannot go to other processes; name those of the scenario module:name, with trust=True, and give "
                "metrics and stop as places, such as 'callers.r.in_flight'"
            )
        seeds, seconds = list(self.seeds), microseconds(self.until) / 1e6
        points = [(point, made, seed) for point, made in self.scenarios() for seed in seeds]
        jobs = [
            Job(number, made, seed, seconds, metrics, self.stop, self.time_limit_s)
            for number, (_, made, seed) in enumerate(points)
        ]
        results: dict[int, Rows] = {}
        schema = self._schema(points, list(metrics))
        pure = not local and not _named(self.scenario)
        parts = None if path is None else Parts(Path(path), schema, reuse=resume and pure)

        def filled(job: Job, rows: Rows) -> Rows:
            shown = {name: _shown(value) for name, value in points[job.number][0].items()}
            return [{"run": job.number, **shown, "seed": job.seed, **row} for row in rows]

        def took(job: Job, rows: Rows) -> None:
            results[job.number] = filled(job, rows)
            if parts is not None:
                parts.keep(job, results[job.number])

        for job in jobs:
            held = None if parts is None else parts.held(job)
            if held is not None:
                results[job.number] = held
        try:
            each([job for job in jobs if job.number not in results], processes, functions, trust, took)
        except KeyboardInterrupt:
            for job in jobs:
                results.setdefault(job.number, filled(job, [{"error": "not done: interrupted"}]))
        rows = [row for number in range(len(jobs)) for row in results[number]]
        table = pa.Table.from_pylist(rows, schema=schema)
        if path is not None and parts is not None:
            pq.write_table(table, Path(path), compression="zstd")
            if not any(row.get("error") for row in rows):
                parts.drop()
        return Table(table, name="results")

    def _schema(self, points: Sequence[tuple[dict[str, Any], Scenario, int]], metrics: Sequence[str]) -> pa.Schema:
        """Return the columns of the results, the same for a run and for all of them."""
        varied = {name: pa.array([_shown(value) for value in values]).type for name, values in self.vary.items()}
        last = {"error": pa.string(), "traceback": pa.string()}
        numbers = dict.fromkeys(metrics, pa.float64())
        return pa.schema(
            {"run": pa.int64(), **varied, "seed": pa.int64(), "t": pa.float64(), **numbers, **_STREAM, **last}
        )


def _named(scenario: Scenario) -> bool:
    """Whether a scenario names functions that are not of the kit: they may be others the next time."""
    names = [neuron.function for neuron in scenario.neurons] + list(scenario.setup)
    names += [function for tools in scenario.effectors for function in tools.tools.values()]
    return not all(name.startswith(OURS) for name in names)


def _shown(value: Any) -> Any:
    """Return a setting as a cell of a table."""
    if isinstance(value, str | int | float | bool) or value is None:
        return value
    return json.dumps(value.as_json()) if isinstance(value, Distribution) else repr(value)

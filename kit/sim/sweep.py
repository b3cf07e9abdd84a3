"""The runs of an experiment, one by one here or in other processes, each kept in a file as soon as it is over."""

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kit.sim.measure import Condition, Metric, Observer, Stopped, TimeLimitReached
from kit.sim.run import Run
from kit.sim.scenario import Functions, Scenario

ROOT = Path(__file__).resolve().parents[2]
"""The folder that the kit is imported from."""
Rows = list[dict[str, Any]]
GRACE_S = 5.0
"""Seconds beyond its limit that a run in another process has to say so itself."""


@dataclass(frozen=True)
class Job:
    """A run of an experiment: which one, of what, and how."""

    number: int
    scenario: Scenario
    seed: int
    until_s: float
    metrics: Mapping[str, Metric] = field(default_factory=dict)
    stop: Condition | None = None
    limit_s: float | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as plain values, but for functions."""
        metrics = {name: [metric.value, metric.every_s, metric.when] for name, metric in self.metrics.items()}
        plain = {"seed": self.seed, "until_s": self.until_s, "stop": self.stop, "limit_s": self.limit_s}
        return {"number": self.number, "scenario": self.scenario.as_json(), "metrics": metrics, **plain}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Job":
        """Return the job in plain values."""
        metrics = {
            name: Metric(value, every, None if when is None else tuple(when))
            for name, (value, every, when) in data["metrics"].items()
        }
        stop = None if data["stop"] is None else tuple(data["stop"])
        scenario = Scenario.from_json(data["scenario"])
        return cls(data["number"], scenario, data["seed"], data["until_s"], metrics, stop, data["limit_s"])


def measured(run: Run) -> Rows:
    """Return what a run gives to the table: a row per stream of requests, at least one."""
    whole = {"t": run.virtual_s, "signals": len(run), "virtual_s": run.virtual_s, "digest": run.digest}
    rows = [
        {"stream": row["name"], **{k: v for k, v in row.items() if k != "name"}, **whole} for row in run.report.requests
    ]
    return rows or [whole]


def done(job: Job, functions: Functions | None = None, trust: bool = False) -> Rows:
    """Return the rows of a run: its metrics in the order of their times, then its streams; of one that fails, its error."""
    observer, now = None, 0.0
    try:
        ns = job.scenario.namespace(job.seed, functions=functions, trust=trust, keep=False)
        observer = Observer(ns, job.metrics, job.stop, job.limit_s)
        try:
            run = ns.run(until=job.until_s)
        except Stopped:
            run = ns.finish()
        except BaseException:
            now = ns.now_s
            raise
        now = ns.now_s
        observer.ended()
    except Exception as error:
        seen = [] if observer is None else observed(observer)
        name = "time limit" if isinstance(error, TimeLimitReached) else type(error).__name__
        said = "".join(traceback.format_exception(error))
        return [
            *seen,
            {"t": now, "error": f"{name}: {str(error).splitlines()[0] if str(error) else ''}", "traceback": said},
        ]
    return [*observed(observer), *measured(run)]


def observed(observer: Observer) -> Rows:
    """Return a row per time at which something was measured."""
    return [{"t": at, **values} for at, values in sorted(observer.rows.items())]


# In files


class Parts:
    """Files of finished runs beside where the results go; another sweep over the same runs takes them from there."""

    def __init__(self, path: Path, schema: pa.Schema, *, reuse: bool) -> None:
        self.folder = path.with_name(path.name + ".parts")
        self._schema = schema
        self._reuse = reuse
        self.folder.mkdir(parents=True, exist_ok=True)

    def _file(self, job: Job) -> Path:
        text = json.dumps([job.as_json(), self._schema.names], sort_keys=True, default=repr)
        return self.folder / f"{job.number:06}-{sha256(text.encode()).hexdigest()[:16]}.parquet"

    def held(self, job: Job) -> Rows | None:
        """Return the rows of a run that was over before, None where it was not, or where it failed."""
        path = self._file(job)
        if not self._reuse or not path.exists():
            return None
        rows: Rows = pq.read_table(path).to_pylist()
        return None if any(row["error"] for row in rows) else rows

    def keep(self, job: Job, rows: Rows) -> None:
        """Write the rows of a run, all or nothing."""
        path = self._file(job)
        partial = path.with_name(f".{path.stem}.partial")  # a name that who reads the folder passes over
        pq.write_table(pa.Table.from_pylist(rows, schema=self._schema), partial, compression="zstd")
        partial.replace(path)

    def drop(self) -> None:
        """Remove the files: all of it is in the results."""
        for path in self.folder.glob("*.p*"):
            path.unlink()
        self.folder.rmdir()


# In other processes

_PROGRAM = """
import json, os, sys
sys.path[:0] = [sys.argv[1]]
out = os.fdopen(os.dup(1), "w", encoding="utf-8")
os.dup2(2, 1)  # what a function prints is no answer
from kit.sim.sweep import Job, done
for line in sys.stdin:
    told = json.loads(line)
    print(json.dumps(done(Job.from_json(told["job"]), trust=told["trust"])), file=out, flush=True)
"""


class Worker:
    """A process that does one job after another; where it dies, the job has failed and another process takes over."""

    def __init__(self, trust: bool) -> None:
        self._trust = trust
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115
        self._process: subprocess.Popen[str] | None = None

    def _running(self) -> "subprocess.Popen[str]":
        if self._process is None:
            path = os.pathsep.join([str(ROOT), *filter(None, sys.path)])  # what can be imported here can be there
            self._process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(ROOT)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                env={**os.environ, "PYTHONPATH": path},
                text=True,
                encoding="utf-8",
                start_new_session=True,  # Ctrl-C is for the process that reads the results
            )
        return self._process

    def done(self, job: Job) -> Rows:
        """Return the rows of a job; where the process dies or takes too long, a row that says so."""
        begun, late = time.monotonic(), threading.Event()
        process = self._running()

        def too_late() -> None:
            late.set()
            process.kill()

        timer = None
        if job.limit_s is not None:
            timer = threading.Timer(job.limit_s + GRACE_S, too_late)
            timer.daemon = True
            timer.start()
        try:
            line = self._answer(process, job)
        finally:
            if timer is not None:
                timer.cancel()
        if line:
            rows: Rows = json.loads(line)
            return rows
        code = process.wait()
        self.close()
        if late.is_set():
            told = f"time limit: took more than {job.limit_s:g} s of real time, and was ended"
        else:
            how = f"signal {-code}" if code < 0 else f"exit code {code}"
            told = f"process died: {how} after {time.monotonic() - begun:.1f} s"
        return [{"t": None, "error": told, "traceback": self._said()}]

    def _answer(self, process: "subprocess.Popen[str]", job: Job) -> str:
        if process.stdin is None or process.stdout is None:
            return ""
        try:
            process.stdin.write(json.dumps({"job": job.as_json(), "trust": self._trust}) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):
            return ""
        return line if line.endswith("\n") else ""

    def _said(self) -> str:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4000))
        said = self._errors.read().decode("utf-8", "replace")
        self._errors.truncate(0)
        return said

    def close(self) -> None:
        """End the process."""
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                try:
                    stream.close()
                except OSError:  # what was not read by a process that died
                    continue

    def __del__(self) -> None:
        self._errors.close()


@contextmanager
def workers(count: int, jobs: Sequence[Job], trust: bool) -> Iterator["SimpleQueue[tuple[Job, Rows]]"]:
    """Do jobs in so many processes, and yield the queue to which their rows come; at its end the processes are gone."""
    waiting: SimpleQueue[Job] = SimpleQueue()
    came: SimpleQueue[tuple[Job, Rows]] = SimpleQueue()
    for job in jobs:
        waiting.put(job)
    crew = [Worker(trust) for _ in range(min(count, len(jobs)))]
    ending = threading.Event()

    def serve(worker: Worker) -> None:
        while not ending.is_set():
            try:
                job = waiting.get_nowait()
            except Empty:
                return
            rows = worker.done(job)
            if not ending.is_set():
                came.put((job, rows))

    threads = [threading.Thread(target=serve, args=(worker,), daemon=True) for worker in crew]
    for thread in threads:
        thread.start()
    try:
        yield came
    finally:
        ending.set()
        for worker in crew:
            worker.close()
        for thread in threads:
            thread.join()
        for worker in crew:
            worker.close()


def each(
    jobs: Sequence[Job], processes: int, functions: Functions | None, trust: bool, took: Callable[[Job, Rows], None]
) -> None:
    """Do jobs, and hand on the rows of each as soon as it is over."""
    if processes == 1:
        for job in jobs:
            took(job, done(job, functions, trust))
        return
    with workers(processes, jobs, trust) as came:
        for _ in jobs:
            took(*came.get())

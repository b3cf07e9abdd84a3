"""Whether a scenario is determined by its seed: the same bytes again, here and in other processes."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from kit.errors import ArgumentError, SourceError
from kit.sim.control import ControlLog
from kit.sim.duration import Duration
from kit.sim.recording import Recording
from kit.sim.run import Run, beside
from kit.sim.scenario import Functions, Scenario
from kit.sim.shipped import scenario as shipped

ROOT = Path(__file__).resolve().parents[2]
"""The folder that the kit is imported from."""


@dataclass(frozen=True)
class Determinism:
    """The digests of some runs, and the first line in which two of them differ: its number and both lines."""

    digests: tuple[str, ...]
    difference: tuple[int, str, str] | None = None

    @property
    def same(self) -> bool:
        """Whether all runs gave the same bytes."""
        return len(set(self.digests)) == 1

    def __bool__(self) -> bool:
        return self.same

    def __repr__(self) -> str:
        if self.same:
            return f"{len(self.digests)} runs, one digest: {self.digests[0]}"
        line = "" if self.difference is None else "\nline {}:\n  {}\n  {}".format(*self.difference)
        return f"{len(self.digests)} runs, {len(set(self.digests))} digests{line}"


def check_determinism(
    scenario: Scenario | str,
    seed: int | str = 0,
    *,
    until: Duration = "1m",
    hash_seeds: Sequence[int] = (),
    functions: Functions | None = None,
    trust: bool = False,
) -> Determinism:
    """Run a scenario twice here, and once in a process of its own for each of `hash_seeds` (PYTHONHASHSEED).

    A difference comes from a function of the user that uses something else than what it is given: a clock of its
    own, module-level `random`, the order of a set. Scenarios with `functions` cannot be run in another process.
    """
    wanted = shipped(scenario) if isinstance(scenario, str) else scenario
    if hash_seeds and functions:
        raise ArgumentError(
            "hash_seeds runs other processes, which do not have functions; name them module:name, trust=True"
        )
    runs = [wanted.run(seed, until, functions=functions, trust=trust) for _ in range(2)]
    digests = [run.digest for run in runs]
    digests += [_elsewhere(wanted, seed, until, number, trust) for number in hash_seeds]
    return Determinism(tuple(digests), _difference(*runs) if digests[0] != digests[1] else None)


def _difference(first: Run, second: Run) -> tuple[int, str, str] | None:
    for number, (a, b) in enumerate(zip_longest(first.lines(), second.lines(), fillvalue=""), 1):
        if a != b:
            return number, a, b
    return None


_PROGRAM = """
import json, sys
from kit.sim.scenario import Scenario
told = json.load(sys.stdin)
print(Scenario.from_json(told["scenario"]).run(told["seed"], told["until"], trust=told["trust"]).digest)
"""


def _elsewhere(scenario: Scenario, seed: int | str, until: Duration, hash_seed: int, trust: bool) -> str:
    told = {"scenario": scenario.as_json(), "seed": seed, "until": until, "trust": trust}
    path = os.pathsep.join([str(ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM],
        input=json.dumps(told),
        env={**os.environ, "PYTHONHASHSEED": str(hash_seed), "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ArgumentError(f"the scenario does not run in a process of its own: {done.stderr.strip()[-400:]}")
    return done.stdout.strip()


def rerun(path: str | Path, *, functions: Functions | None = None, trust: bool = False) -> Run:
    """Return the run that was saved at `path`, made again from its scenario and seed; the same bytes, or SourceError.

    `path` is what `run.save(path)` wrote. What was done by hand is done again, at the same places. What the run awaited of
    the real world is answered from its recording, nothing is asked anew; RecordingError where it does not hold what is
    awaited. Only runs of a scenario can be made again, ArgumentError for others.
    """
    target = beside(Path(path))
    try:
        told: dict[str, Any] = json.loads(target.read_text(encoding="utf-8"))
        scenario, seed, until, digest = (told[name] for name in ("scenario", "seed", "until", "digest"))
    except OSError as error:
        raise SourceError(
            f"{str(target)!r} cannot be read ({error.strerror}); run.save() writes it beside the lines"
        ) from None
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"{str(target)!r} does not say how the run was made: {error!r}") from None
    control = told.get("control")
    if scenario is None or (until is None and control is None):
        raise ArgumentError(f"{str(path)!r} is no run of a scenario up to a time; build its namespace again instead")
    wanted = Scenario.from_json(scenario)
    name = told.get("recording")
    recording = Recording() if name is None else Recording.load(target.with_name(Path(name).name))
    if control is None:
        made = wanted.run(seed, until, functions=functions, trust=trust, recording=recording)
    else:
        namespace = wanted.namespace(seed, functions=functions, trust=trust, recording=recording)
        made = ControlLog.from_json(control).replay(namespace).snapshot()
    if made.digest != digest:
        raise SourceError(f"{str(path)!r}: the run made again has digest {made.digest}, the saved one {digest}")
    return made

"""A Run: what a simulation made, as tables, as lines, and as a report."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.schema import arrow
from kit.sim.line import blocks
from kit.sim.model import ModelAxon
from kit.sim.tape import read
from kit.table import Table

if TYPE_CHECKING:
    from kit.sim.namespace import Namespace

QUANTILES = (0.5, 0.9, 0.99)


@dataclass(frozen=True)
class RunReport:
    """The account of a run: signals by type, requests by stream, work by statistical neuron."""

    name: str
    seed: int | str
    signals: int
    virtual_s: float
    digest: str
    types: Mapping[str, int]
    requests: tuple[Mapping[str, Any], ...]
    neurons: tuple[Mapping[str, Any], ...]
    errors: tuple[str, ...]
    """What handlers of the user raised, the first few."""

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {**vars(self), "types": dict(self.types), "requests": [*self.requests], "neurons": [*self.neurons]}

    def __repr__(self) -> str:
        lines = [f"run of {self.name!r}, seed {self.seed!r}: {self.signals:,} signals in {self.virtual_s:,.3f} s"]
        lines.append(", ".join(f"{kind} {count:,}" for kind, count in self.types.items()))
        for row in self.requests:
            spread = ", ".join(f"p{round(100 * q)} {row[f'p{round(100 * q)}_ms']:,.1f}" for q in QUANTILES)
            lines.append(
                f"{row['name']}: {row['started']:,} started, {row['completed']:,} completed, {row['failed']:,} failed, "
                f"{row['timed_out']:,} timed out, {row['unserved']:,} unserved"
                + (f"; ms {spread}" if row["completed"] else "")
            )
        for row in self.neurons:
            lines.append(f"{row['neuron']}: {row['tasks']:,} tasks, busy {row['utilisation']:.1%}")
        lines += [f"error: {error}" for error in self.errors]
        return "\n".join([*lines, f"digest {self.digest}"])

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


class Run:
    """What a simulation made. `study.load(run, run="before")` gives the tables that a capture would."""

    unrepeated = True
    """Its lines are written from dictionaries, in which no key stands twice, and `load` does not look for that.

    A dictionary with the keys 1 and "1" is written with the key "1" twice; such a row has no flag `duplicate_keys` then."""

    def __init__(self, namespace: "Namespace") -> None:
        self.name = namespace.name
        self.seed = namespace.seed
        self.scenario = namespace.scenario
        self.virtual_s = namespace.now_s
        self.until = namespace.until
        """The time it was told to run to; None where it was driven in another way."""
        self.control = None if namespace.control is None else namespace.control.log
        """What was done by hand and when, where a Controller or a panel drove it; else None."""
        self.events = namespace.synapse.events
        """How many things happened: deliveries, timers, steps of functions."""
        self.recording = namespace.synapse.recording
        """What the real world answered, where something was awaited of it."""
        self._tape = namespace.synapse.tape
        self.digest = self._tape.digest
        self._count = len(self._tape)
        self._parts = self._tape.parts()
        self.report = self._reported(namespace)

    def __len__(self) -> int:
        return self._count

    def arrow(self) -> pa.Table:
        """Return all signals as an Arrow table with the columns of `signals` in a store."""
        return pa.Table.from_batches(self.batches(), schema=arrow("signals"))

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the signals in batches, for what is larger than memory."""
        yield from read(self._parts)

    @property
    def signals(self) -> Table:
        """All signals as a Table."""
        return Table(self.arrow(), name="signals")

    def lines(self) -> Iterator[str]:
        """Yield the signals as a tap on the bus would have written them, a line of JSON each."""
        for block in self.blocks():
            yield from block.decode("utf-8", "surrogatepass").split("\n")[:-1]

    def blocks(self) -> Iterator[bytes]:
        """Yield the same lines as UTF-8, some thousands at once, each with its newline."""
        for batch in self.batches():
            yield from blocks(batch)

    def save(self, path: str | Path) -> Path:
        """Write the lines to a file, and return its path; `kit.sim.rerun` repeats a run of a scenario from it.

        The scenario, the seed and the digest go into a file beside it, of the same name with `.run.json` at its end; what
        the real world answered into another, with `.recording.jsonl`.
        """
        target = Path(path)
        with target.open("wb") as file:
            file.writelines(self.blocks())
        told = {**self.run_row(), "seed": self.seed, "until": self.until, "signals": self._count}
        told["recording"] = None
        if len(self.recording):
            told["recording"] = self.recording.save(target.with_name(f"{target.name}.recording.jsonl")).name
        if self.control is not None:
            told["control"] = self.control.as_json()
        beside(target).write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return target

    def run_row(self) -> dict[str, Any]:
        """Return what the table `runs` of a store says of it."""
        return {
            "kind": "simulation",
            "scenario": None if self.scenario is None else dict(self.scenario),
            "seed": self.seed if isinstance(self.seed, int) else None,
            "digest": self.digest,
        }

    def _reported(self, namespace: "Namespace") -> RunReport:
        counts: dict[str, int] = {}
        for batch in self.batches():
            for item in pc.value_counts(batch["type"]).to_pylist():
                counts[item["values"]] = counts.get(item["values"], 0) + item["counts"]
        requests = tuple(_requests(name, caller) for name, caller in namespace.callers.items())
        span = max(1e-9, self.virtual_s)
        neurons = tuple(
            {"neuron": name, "tasks": axon.tasks, "utilisation": axon.busy_us / 1e6 / span / (axon.workers or 1)}
            for name, axon in namespace.axons.items()
            if isinstance(axon, ModelAxon)
        )
        errors = tuple(f"{who}: {error!r}" for who, error in namespace.synapse.errors[:5])
        types = dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
        return RunReport(
            self.name, self.seed, self._count, self.virtual_s, self.digest, types, requests, neurons, errors
        )

    def __repr__(self) -> str:
        return repr(self.report)

    def _repr_html_(self) -> str:
        return self.report._repr_html_()


def _requests(name: str, caller: Any) -> dict[str, Any]:
    latencies = np.frombuffer(caller.latencies_us, np.int64) if len(caller.latencies_us) else np.zeros(1, np.int64)
    spread = np.quantile(latencies, QUANTILES) / 1000
    return {
        "name": name,
        "started": caller.started,
        "completed": caller.completed,
        "failed": caller.failed,
        "timed_out": caller.timed_out,
        "unserved": caller.unserved,
        "in_flight": caller.in_flight,
        "mean_ms": float(latencies.mean() / 1000),
        **{f"p{round(100 * q)}_ms": float(value) for q, value in zip(QUANTILES, spread, strict=True)},
    }


def beside(path: Path) -> Path:
    """Return the path of the file that says how a saved run was made."""
    return path.with_name(f"{path.name}.run.json")

"""What the kit is measured on, as functions with JSON arguments for `measure.py`."""

import contextlib
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

import kit.cosmonapse
import kit.io
import kit.plot  # noqa: F401
from kit.notebook.study import Study
from kit.syncropel.fast import integrities
from kit.trace.layout import layout


def load(path: str, memory_limit: str | None = None, processes: int = 1) -> dict[str, Any]:
    """Load a capture into a new file-backed store, all checks and the account of lines included, and close it."""
    with (
        tempfile.TemporaryDirectory() as folder,
        Study(Path(folder) / "store.duckdb", memory_limit=memory_limit) as study,
    ):
        report = study.load(path, processes=processes, progress=False)
    counts = ("lines", "rows", "duplicates", "quarantined", "skipped")
    return {name: getattr(report, name) for name in counts} | {"flags": dict(report.flags)}


def verify(lines: list[bytes]) -> dict[str, Any]:
    """Verify record lines that are in memory: how many have the right id, and the numbers of the others."""
    found = integrities(lines)
    wrong = [number for number, word in enumerate(found, start=1) if word != "ok"]
    return {"verified": len(lines) - len(wrong), "wrong": wrong}


def store(path: str, target: str) -> None:
    """Write the store that the other cases read, unless it is there."""
    if not Path(target).exists():
        with Study(target) as study:
            study.load(path, progress=False)


def reopen(path: str) -> int:
    """Open a store and count its signals."""
    with Study(path) as study:
        return int(study.execute("SELECT count(*) FROM signals")[0][0])


def lay_out(nodes: int) -> float:
    """Lay out a random tree with a second cause for every twentieth node."""
    chance = np.random.default_rng(7)
    child = np.arange(1, nodes)
    parent = (chance.random(nodes - 1) * child).astype(np.int64)
    second = child[::20]
    source = np.concatenate([parent, (chance.random(len(second)) * second).astype(np.int64)])
    return float(layout(nodes, source, np.concatenate([child, second])).y.max())


def lay_out_layers(nodes: int, layers: int) -> float:
    """Lay out a DAG of that many layers, with two causes in the layer above for each node."""
    chance = np.random.default_rng(7)
    width = nodes // layers
    child = np.arange(width, nodes)
    above = (child // width - 1) * width
    source = np.concatenate([above + chance.integers(0, width, len(child)) for _ in range(2)])
    return float(layout(nodes, source, np.concatenate([child, child])).y.min())


def first_plot(path: str) -> int:
    """From a new interpreter: import kit, load, and draw one trace to PNG; returns the size of the picture."""
    script = (
        "import io, sys, kit\n"
        "study = kit.load(sys.argv[1])\n"
        "trace = study.traces().rows()[0]['trace_id']\n"
        "picture = io.BytesIO()\n"
        "study.trace(trace).plot().savefig(picture)\n"
        "print(len(picture.getvalue()))\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", script, path], capture_output=True, text=True, check=True, env={**os.environ}
    )
    return int(run.stdout)


def bare_import(modules: str) -> None:
    """Import `modules` (comma-separated) in a new interpreter."""
    with contextlib.suppress(KeyError):
        os.environ.pop("PYTHONPROFILEIMPORTTIME")
    subprocess.run([sys.executable, "-c", f"import {modules}"], check=True)

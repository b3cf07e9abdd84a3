"""A namespace of 200 neurons with auctions, recalls, tools and heartbeats: signals per CPU second.

Each run is a process of its own; kit and the published package (its in-process bus on a virtual asyncio clock, in
`benchmarks/peers/package_bus.py`) take turns. Only CPU time of the simulation counts: imports come before.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
CLASSES, MEMBERS = 20, 10
RATE_PER_S = 4.0
SERVICE_MS, SIGMA = 120, 0.4
HEARTBEAT_S = 30.0
PER_VIRTUAL_S = 1_580
"""About how many signals a virtual second has."""


LATENCY = """
    SELECT reply.directed_id AS neuron, count(*) AS replies, sum(epoch_us(reply.ts) - epoch_us(task.ts))::BIGINT AS us
    FROM signals reply JOIN signals task ON task.id = reply.parent_id
    WHERE reply.type = 'AGENT_OUTPUT' AND task.type = 'TASK' GROUP BY ALL ORDER BY ALL
"""
"""Replies and their time by neuron."""


def kit_run(signals: int, seed: int = 7) -> dict[str, float]:
    """Simulate about so many signals with the kit, spilled to Parquet where there are many."""
    from kit import sim

    sim.Namespace("warm").run(until=0)
    begun = time.process_time()
    run = simulated(signals, seed)
    seconds = time.process_time() - begun
    return {"signals": len(run), "seconds": seconds}


def simulated(signals: int, seed: int = 7) -> Any:
    """Return a run of about so many signals."""
    from kit import sim

    ns = sim.Namespace("bench", seed=seed, heartbeat=HEARTBEAT_S)
    ns.engram("notes")
    ns.effector("fs", tools={"read": lambda: "text"})
    service = sim.lognormal(ms=SERVICE_MS, sigma=SIGMA)
    for n in range(CLASSES * MEMBERS):
        capabilities = [f"c{n % CLASSES}"]
        asks = {"recalls": "notes", "calls": ("fs", "read"), "imprints": "notes"}
        ns.model(f"neuron-{n:03}", capabilities=capabilities, service=service, workers=None, **asks)
    for c in range(CLASSES):
        offer = "lowest_cost" if c % 2 else None
        ns.arrivals(name=f"r{c}", rate_per_s=RATE_PER_S, capabilities=[f"c{c}"], offer=offer, deadline_ms=50)
    return ns.run(until=signals / PER_VIRTUAL_S)


def load_run(signals: int) -> dict[str, float]:
    """Load a run into the store of a new file and ask for latencies; the peer reads it from Parquet into a DuckDB file.

    The peer has the same rows and columns, one Parquet file with zstd, and no lines to keep, hash and check. Both answer
    the same query with the same rows. CPU seconds of all threads, opening and closing of the files included.
    """
    import duckdb
    import pyarrow.parquet as pq

    import kit

    run = simulated(signals)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        with pq.ParquetWriter(path / "run.parquet", next(run.batches()).schema, compression="zstd") as writer:
            for batch in run.batches():
                writer.write_batch(batch)
        begun = time.process_time()
        plain = duckdb.connect(str(path / "plain.duckdb"))
        plain.execute(f"CREATE TABLE signals AS FROM read_parquet('{path / 'run.parquet'}')")
        plain.execute("CHECKPOINT")
        read = time.process_time() - begun
        expected = plain.execute(LATENCY).fetchall()
        plain.close()
        begun = time.process_time()
        study = kit.open(path / "study.duckdb")
        study.load(run, run="run")
        loaded = time.process_time() - begun
        begun = time.process_time()
        found = study.sql(LATENCY).rows()
        asked = time.process_time() - begun
        study.close()
    if [tuple(row.values()) for row in found] != expected or not expected:
        raise AssertionError("the store and the plain table give different latencies")
    return {"signals": len(run), "load": loaded, "read": read, "query": asked, "seconds": loaded}


def measured(which: str, signals: int) -> dict[str, float]:
    """Return one run, in a process of its own."""
    module = "benchmarks.peers.package_bus" if which == "package" else "benchmarks.simulation"
    name = {"kit": "kit_run", "package": "package_run", "load": "load_run"}[which]
    program = (
        f"import json; from benchmarks.measure import PeakMemory; from {module} import {name}\n"
        f"with PeakMemory() as memory: found = {name}({signals})\n"
        "print(json.dumps(found | {'peak_mb': memory.peak / 1e6}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def rate(runs: list[dict[str, float]]) -> float:
    """Return the median of signals per CPU second."""
    return statistics.median(run["signals"] / run["seconds"] for run in runs)


def section(rounds: int, goal: Callable[..., str], small: int = 100_000, large: int = 1_000_000) -> str:
    """Measure kit and package in turns, and a larger run of the kit, and return the section of the page."""
    kit: list[dict[str, float]] = []
    package: list[dict[str, float]] = []
    for _ in range(rounds):
        kit.append(measured("kit", small))
        package.append(measured("package", small // 10))
    big = measured("kit", large)
    lines = [
        "## Simulating a namespace of 200 neurons, CPU time of one process",
        "",
        "| case | signals | CPU seconds | signals per CPU second | peak MB |",
        "|---|---:|---:|---:|---:|",
    ]
    for name, run in (("kit", kit[0]), ("kit, larger", big), ("published package, in-process bus", package[0])):
        per = run["signals"] / run["seconds"]
        lines.append(f"| {name} | {run['signals']:,.0f} | {run['seconds']:.2f} | {per:,.0f} | {run['peak_mb']:,.0f} |")
    load = measured("load", large)
    growth = rate(kit) / (big["signals"] / big["seconds"])
    lines += [
        "",
        goal("kit / package, signals per CPU second", rate(kit) / rate(package), 20, least=True),
        goal(f"time a signal, {large:,} / {small:,} signals", growth, 1.2, least=False),
        "",
        f"A run of {load['signals']:,.0f} signals, CPU seconds of all threads: loaded and indexed in the store of a new file "
        f"{load['load']:.2f}, then replies and latency by neuron {load['query']:.2f}; "
        f"its Parquet read into a DuckDB file {load['read']:.2f}.",
        "",
        goal("load of a run / Parquet read of it", load["load"] / load["read"], 3, least=False),
    ]
    return "\n".join(lines)

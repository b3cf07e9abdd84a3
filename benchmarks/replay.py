"""Replay: how exactly and how fast events are delivered, and captured tasks done again by a new neuron.

The pace is wall time, so it needs a quiet machine; the rest is CPU time of one process. The peer of "as fast as possible" is
a bare loop over the same lines, parsed by nobody, with the same function called.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

FAST = float("inf")


def paced(seconds: float = 4.0, per_s: int = 1000) -> dict[str, float]:
    """Play events at so many a second, and return how late they came, in ms: median and 99th percentile."""
    import pyarrow as pa

    from kit.replay import Player

    count = int(seconds * per_s)
    table = pa.table({"ts_ns": [n * 1_000_000_000 // per_s for n in range(count)]})
    after: list[int] = []
    Player(table, sink=lambda event: after.append(time.perf_counter_ns() - event.due_ns)).run()
    # The most punctual event is taken for punctual: the clock of the player itself starts unseen.
    soonest = min(after)
    ms = sorted((ns - soonest) / 1e6 for ns in after)
    return {"median_ms": statistics.median(ms), "p99_ms": ms[int(len(ms) * 0.99)], "events": count}


def at_once(store: str) -> dict[str, float]:
    """Play a whole store into a function that does nothing: events, CPU seconds to play, and to make the timeline."""
    import kit

    with kit.open(store, read_only=True) as study:
        begun = time.process_time()
        player = study.player(sink=lambda event: None)
        made = time.process_time()
        wall = time.perf_counter()
        player.run(rate=FAST)
        return {
            "events": len(player),
            "timeline_s": made - begun,
            "cpu_s": time.process_time() - made,
            "wall_s": time.perf_counter() - wall,
        }


def bare(capture: str) -> dict[str, float]:
    """Call the same function with each line of a file, in the order of the file."""

    def sink(line: bytes) -> None:
        return None

    begun = time.process_time()
    count = 0
    with Path(capture).open("rb") as file:
        for line in file:
            sink(line)
            count += 1
    return {"events": count, "cpu_s": time.process_time() - begun}


def simulate(signals: int, seed: int = 7) -> Any:
    """Return the capture of a namespace in which eight neurons recall, call a tool and write, task by task, in memory."""
    import kit

    ns = kit.Namespace("bench", seed=seed)
    ns.engram("notes")
    ns.effector("fs", tools={"read": lambda path: {"path": path}})
    for n in range(8):
        ns.neuron(f"worker-{n}", capabilities=[f"c{n}"])(worker())
        ns.arrivals(name=f"r{n}", rate_per_s=40, capabilities=[f"c{n}"])
    return ns.run(until=signals / (8 * 40 * 9))


def worker(changed: bool = False) -> Callable[..., Any]:
    """Return the neuron; the changed one asks for another file in one task of a hundred."""

    async def work(input: Any, context: Any, *, recall: Any, imprint: Any, call_tool: Any) -> Any:
        await recall("notes", query={"merge_key": input["q"]})
        other = changed and input["q"].endswith("00")
        read = await call_tool("fs", tool="read", args={"path": f"/{input['q']}{'.new' if other else ''}"})
        await imprint("notes", op="upsert", entry={"content": {"q": input["q"]}}, merge_key=input["q"], await_ack=True)
        return {"read": read.result["path"]}

    return work


def recorded(signals: int, folder: Path) -> Path:
    """Return the store of a simulated run of about so many signals; it is made where it is not there."""
    import kit

    path = folder / f"replay-{signals}.duckdb"
    if not path.exists():
        made = path.with_suffix(".part")
        made.unlink(missing_ok=True)
        with kit.open(made) as study:
            study.load(simulate(signals))
        made.rename(path)
    return path


def again(store: str, neurons: int) -> dict[str, float]:
    """Do the tasks of a simulated run again, by the same functions and by changed ones, and return CPU seconds."""
    import kit

    with kit.open(store, read_only=True) as study:
        signals = study.execute("SELECT count(*) FROM signals")[0][0]
        begun = time.process_time()
        same = study.replay({f"worker-{n}": worker() for n in range(neurons)})
        tasks, agrees = len(same.tracks), same.agrees
        del same  # a replay holds its namespace
        middle = time.process_time()
        changed = study.replay({f"worker-{n}": worker(True) for n in range(neurons)})
        ended = time.process_time()
        assert agrees and not changed.agrees
        assert all(found.kind == "changed" for found in changed.divergences)
        return {
            "signals": signals,
            "tasks": tasks,
            "same_s": middle - begun,
            "changed_s": ended - middle,
            "parted": len(changed.divergences),
        }


def section(
    rounds: int, goal: Callable[..., str], run: Callable[..., Any], case: Any, capture: str, store: str, folder: Path
) -> str:
    """Measure all of it, each in a process of its own, and return the section of the page."""
    module = "benchmarks.replay"
    large, small = (str(recorded(signals, folder)) for signals in (1_000_000, 100_000))
    found = run(
        {
            "pace, 1,000 events/s": case(f"{module}:paced", []),
            "as fast as possible, 1M signals": case(f"{module}:at_once", [store]),
            "bare loop over the lines": case(f"{module}:bare", [capture]),
        },
        rounds,
    )
    found |= run(
        {
            "one neuron of eight, 1M signals": case(f"{module}:again", [large, 1]),
            "all eight neurons, 100k signals": case(f"{module}:again", [small, 8]),
        },
        1,
    )
    pace, quick, loop, one, every = (summary.runs[0].result for summary in found.values())
    lines = [
        "## Replay",
        "",
        "| case | result |",
        "|---|---:|",
        f"| lateness at 1,000 events/s, median | {pace['median_ms']:.3f} ms |",
        f"| lateness at 1,000 events/s, 99 of 100 | {pace['p99_ms']:.3f} ms |",
        f"| timeline of {quick['events']:,} signals, CPU | {quick['timeline_s']:.2f} s |",
        f"| into a function that does nothing, events per wall second | {quick['events'] / quick['wall_s']:,.0f} |",
        f"| bare loop over the lines of the file, lines per CPU second | {loop['events'] / loop['cpu_s']:,.0f} |",
        *(
            f"| {name}: {done['tasks']:,} tasks of a run of {done['signals']:,} signals done again, CPU; the same, and changed "
            f"({done['parted']:,} traces part) | {done['same_s']:.1f} s, {done['changed_s']:.1f} s |"
            for name, done in (("one neuron of eight", one), ("all eight", every))
        ),
        "",
        goal("lateness at the median, ms", pace["median_ms"], 2.0, least=False),
        goal("lateness of 99 of 100, ms", pace["p99_ms"], 20.0, least=False),
        goal("events per second into a no-op", quick["events"] / quick["wall_s"], 200_000, least=True),
    ]
    return "\n".join(lines)

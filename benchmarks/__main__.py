"""`make bench`: every figure of docs/benchmarks.md, the kit beside its peers in one run.

    python -m benchmarks [--rounds 3] [--large] [--only load structure ...]

Captures are generated once into benchmarks/data. `--large` adds 5 and 10 million lines (4 GB of disk, a quarter
of an hour). The table is written to docs/benchmarks.md only when all sections ran.
"""

import argparse
import platform
import sys
from collections.abc import Callable
from pathlib import Path

from benchmarks import browser, canvases, generate, records, replay, sensors, simulation
from benchmarks import compare as comparing
from benchmarks.measure import Case, Summary, compare, markdown

HERE = Path(__file__).parent
DATA = HERE / "data"
PAGE = HERE.parent / "docs" / "benchmarks.md"
KIT = "benchmarks.kit_cases"
PEERS = "benchmarks.peers"
ROUNDS = 3

Section = Callable[[int], str]


def capture(lines: int) -> Path:
    """Return the generated capture of that many lines, with its compressed and clean copies."""
    path = DATA / f"signals-{lines}.jsonl"
    if not path.exists():
        print(f"generating {lines:,} lines", file=sys.stderr)
        DATA.mkdir(exist_ok=True)
        clean = path.with_suffix(".clean.jsonl") if lines == 1_000_000 else None
        generate.generate(path, lines, clean=clean)
        if clean is not None:
            generate.compress(path, ".gz")
            generate.compress(path, ".zst")
    return path


def record_capture(lines: int) -> Path:
    """Return the generated capture of that many records."""
    path = DATA / f"records-{lines}.jsonl"
    if not path.exists():
        print(f"generating {lines:,} records", file=sys.stderr)
        DATA.mkdir(exist_ok=True)
        records.generate(path, lines)
    return path


def stored(lines: int) -> Path:
    """Return the store of the capture of that many lines."""
    from benchmarks import kit_cases

    target = DATA / f"signals-{lines}.duckdb"
    kit_cases.store(str(capture(lines)), str(target))
    return target


def run(cases: dict[str, Case], rounds: int) -> dict[str, Summary]:
    """Measure the cases in turns, saying how far it has come."""
    return compare(cases, rounds, told=lambda text: print(text, file=sys.stderr))


def goal(text: str, ratio: float, bound: float, *, least: bool) -> str:
    """Return a line that says what was asked, what was measured, and whether it is met."""
    met = ratio >= bound if least else ratio <= bound
    return f"- {text}: asked {'at least' if least else 'at most'} {bound:g}, measured {ratio:.2f}{'' if met else ' — **not met**'}"


def loading(rounds: int) -> str:
    """1M lines from file to store, beside the peers."""
    path = capture(1_000_000)
    clean = path.with_suffix(".clean.jsonl")
    fast = {
        "kit": Case(f"{KIT}:load", [str(path)], warm=[path]),
        "msgspec loop to Arrow, same checks": Case(f"{PEERS}.msgspec_loop:load", [str(path)], warm=[path]),
        "DuckDB read_json, typed and lossy": Case(f"{PEERS}.duckdb_typed:load", [str(path)], warm=[path]),
        "polars, strings (clean copy)": Case(f"{PEERS}.polars_json:load_strings", [str(clean)], warm=[clean]),
        "pyarrow.json (clean copy)": Case(f"{PEERS}.pyarrow_json:load", [str(clean)], warm=[clean]),
        "kit, gzip": Case(f"{KIT}:load", [f"{path}.gz"], warm=[f"{path}.gz"]),
        "kit, zstd": Case(f"{KIT}:load", [f"{path}.zst"], warm=[f"{path}.zst"]),
    }
    slow = {
        "Signal.decode loop": Case(f"{PEERS}.signal_decode:load", [str(path)], warm=[path]),
        "polars, structs (clean copy)": Case(f"{PEERS}.polars_json:load", [str(clean)], warm=[clean]),
        "pandas (clean copy)": Case(f"{PEERS}.pandas_json:load", [str(clean)], warm=[clean]),
    }
    found = run(fast, rounds)
    found |= run(slow, 1)
    s = {name: summary.seconds for name, summary in found.items()}
    kit = s["kit"]
    goals = [
        goal("Signal.decode loop / kit", s["Signal.decode loop"] / kit, 15, least=True),
        goal("msgspec loop / kit", s["msgspec loop to Arrow, same checks"] / kit, 1.5, least=True),
        goal("kit / DuckDB typed and lossy", kit / s["DuckDB read_json, typed and lossy"], 3, least=False),
        goal("pandas / kit", s["pandas (clean copy)"] / kit, 1, least=True),
        goal("polars with structs / kit", s["polars, structs (clean copy)"] / kit, 1, least=True),
        goal("pyarrow.json / kit", s["pyarrow.json (clean copy)"] / kit, 1, least=True),
        goal("kit gzip / plain", s["kit, gzip"] / kit, 1.3, least=False),
        goal("kit zstd / plain", s["kit, zstd"] / kit, 1.3, least=False),
        goal("memory of kit, GB", found["kit"].rss_increment_mb / 1000, 1, least=False),
    ]
    reopened = run({"reopen and count": Case(f"{KIT}:reopen", [str(stored(1_000_000))])}, rounds)
    goals.append(goal("loading / reopening and counting", kit / reopened["reopen and count"].seconds, 50, least=True))
    return "\n".join(
        [
            "## Loading 1M lines (353 MB, 0.1 % odd lines of 38 kinds)",
            "",
            markdown(found | reopened, of="kit"),
            "",
            *goals,
        ]
    )


def large(rounds: int) -> str:
    """10M lines under a memory limit."""
    path = capture(10_000_000)
    found = run({"kit, memory_limit=2GB": Case(f"{KIT}:load", [str(path), "2GB"], warm=[])}, 1)
    increment = found["kit, memory_limit=2GB"].rss_increment_mb / 1000
    lines = ["## Loading 10M lines", "", markdown(found), "", goal("memory of kit, GB", increment, 2.5, least=False)]
    return "\n".join(lines)


def structure(rounds: int) -> str:
    """The full structure pass on 1M signals, beside NetworkX and rustworkx."""
    target = stored(1_000_000)
    peers = {"NetworkX, trace by trace": "networkx_traces", "rustworkx": "rustworkx_traces"}
    cases = {"kit": Case("benchmarks.structure:structure", [str(target)], warm=[target])}
    for name, module in peers.items():
        cases[name] = Case(f"{PEERS}.{module}:from_store", [str(target)], warm=[target])
    found = run(cases, rounds)
    s = {name: summary.seconds for name, summary in found.items()}
    kit = s["kit"]
    same = {name: summary.result["labels"] for name, summary in found.items()}
    agree = all(labels == same["kit"] for labels in same.values())
    goals = [
        goal("NetworkX / kit", s["NetworkX, trace by trace"] / kit, 8, least=True),
        goal("rustworkx / kit", s["rustworkx"] / kit, 1.5, least=True),
        f"- labels of all three {'are equal' if agree else f'DIFFER: {same}'}",
    ]
    return "\n".join(
        ["## Structure of 1M signals, each from the same store file", "", markdown(found, of="kit"), "", *goals]
    )


def growth(rounds: int) -> str:
    """The structure pass on 5M signals against 1M."""
    sizes = (1_000_000, 5_000_000)
    found = run(
        {f"{n // 1_000_000}M signals": Case("benchmarks.structure:structure", [str(stored(n))]) for n in sizes}, rounds
    )
    s = [summary.seconds / n for summary, n in zip(found.values(), sizes, strict=True)]
    return "\n".join(
        ["## Structure, growth", "", markdown(found), "", goal("time a signal, 5M / 1M", s[1] / s[0], 1.3, least=False)]
    )


def first_look(rounds: int) -> str:
    """Importing, the first plot, and the layout of a large DAG."""
    cases = {
        "import duckdb, pyarrow": Case(f"{KIT}:bare_import", ["duckdb,pyarrow"]),
        "import duckdb, pyarrow, kit": Case(f"{KIT}:bare_import", ["duckdb,pyarrow,kit"]),
        "new interpreter to first plot, 1k lines": Case(f"{KIT}:first_plot", [str(capture(1_000))]),
        "new interpreter to first plot, 100k lines": Case(f"{KIT}:first_plot", [str(capture(100_000))]),
        "layout of 50k nodes": Case(f"{KIT}:lay_out", [50_000]),
        "layout of 50k nodes in 6,000 layers": Case(f"{KIT}:lay_out_layers", [50_000, 6_000]),
    }
    found = run(cases, rounds)
    s = {name: summary.seconds for name, summary in found.items()}
    goals = [
        goal(
            "import kit beyond duckdb and pyarrow, s",
            s["import duckdb, pyarrow, kit"] - s["import duckdb, pyarrow"],
            0.25,
            least=False,
        ),
        goal("layout of 50k nodes, s", s["layout of 50k nodes"], 1, least=False),
        goal("layout of 50k nodes in 6,000 layers, s", s["layout of 50k nodes in 6,000 layers"], 1, least=False),
    ]
    return "\n".join(["## First look", "", markdown(found), "", *goals])


def sensor_logs(rounds: int) -> str:
    """Poses, images and lookups of sensor logs."""
    return sensors.section(DATA, run, goal, markdown, rounds)


def verifying(rounds: int) -> str:
    """500,000 record lines to verdicts on one core, and 1M records from file to store."""
    lines = f"{PEERS}.syncropel_verify:lines"
    path, large = record_capture(500_000), record_capture(1_000_000)
    cases = {
        "kit": Case(f"{KIT}:verify", [str(path)], prepare=lines),
        "syncropel package, parse, canonicalise and hash": Case(
            f"{PEERS}.syncropel_verify:verify", [str(path)], prepare=lines
        ),
    }
    found = run(cases, rounds)
    kit, peer = found.values()
    if kit.result != peer.result:
        raise AssertionError("the verdicts of the kit are not those of the package")
    stores = {
        "kit, 1M records into a store": Case(f"{KIT}:load", [str(large)], warm=[large]),
        "kit, 1M records into a store, two processes": Case(f"{KIT}:load", [str(large), None, 2], warm=[large]),
    }
    stored = run(stores, rounds)
    one, two = (summary.seconds for summary in stored.values())
    memory = stored["kit, 1M records into a store"].rss_increment_mb / 1000
    goals = [
        goal("package / kit", peer.seconds / kit.seconds, 4, least=True),
        goal("memory of loading 1M records, GB", memory, 1, least=False),
        goal("one process / two", one / two, 1, least=True),
        f"- verdicts of both on each line are equal ({len(kit.result['wrong'])} forged lines found)",
    ]
    return "\n".join(
        ["## Verifying 500,000 records, from lines to verdict", "", markdown(found | stored, of="kit"), "", *goals]
    )


def kernel(rounds: int) -> str:
    """Events and messages of the virtual-time kernel, beside a bare heap and SimPy."""
    sizes = {"timeouts": [1000, 1_000_000], "messages": [100, 2000], "bursts": [100, 2000]}
    peers = {"timeouts": ["bare_heap", "simpy_models"], "messages": ["simpy_models"], "bursts": ["simpy_models"]}
    names = {"bare_heap": "bare heap", "simpy_models": "SimPy"}
    cases = {}
    for model, size in sizes.items():
        cases[f"kit, {model}"] = Case(f"benchmarks.kernel:{model}", size)
        cases |= {f"{names[peer]}, {model}": Case(f"{PEERS}.{peer}:{model}", size) for peer in peers[model]}
    found = run(cases, rounds)
    s = {name: summary.seconds for name, summary in found.items()}
    goals = [
        goal("bare heap / kit, timeouts", s["bare heap, timeouts"] / s["kit, timeouts"], 0.8, least=True),
        goal("SimPy / kit, timeouts", s["SimPy, timeouts"] / s["kit, timeouts"], 1, least=True),
        goal("SimPy / kit, stores (ten messages a delay)", s["SimPy, bursts"] / s["kit, bursts"], 4, least=True),
        goal("SimPy / kit, a message a delay", s["SimPy, messages"] / s["kit, messages"], 1, least=True),
    ]
    title = "## Virtual time: 1M timeouts of 1,000 processes, 200k messages over 100 queues"
    return "\n".join([title, "", markdown(found), "", *goals])


def simulated(rounds: int) -> str:
    """Signals per CPU second of a simulated namespace, beside the published package."""
    return simulation.section(rounds, goal)


def in_the_browser(rounds: int) -> str:
    """Pages of a table of 5M rows in JupyterLab, and what the canvases take; without Chromium it says so."""
    missing = browser.missing()
    if missing:
        return f"## In the browser\n\nNot measured: {missing}"
    return browser.section(DATA, goal) + "\n\n" + canvases.section(rounds).rstrip()


def replayed(rounds: int) -> str:
    """How exactly and how fast events are delivered, and tasks done again."""
    return replay.section(rounds, goal, run, Case, str(capture(1_000_000)), str(stored(1_000_000)), DATA)


def compared(rounds: int) -> str:
    """Two runs of 1M signals compared, and calibrating."""
    return comparing.section(stored, run, goal, markdown, rounds)


SECTIONS: dict[str, Section] = {
    "load": loading,
    "structure": structure,
    "first": first_look,
    "verify": verifying,
    "sensors": sensor_logs,
    "kernel": kernel,
    "simulation": simulated,
    "replay": replayed,
    "compare": compared,
    "browser": in_the_browser,
}
LARGE: dict[str, Section] = {"load-10M": large, "structure-5M": growth}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--large", action="store_true")
    parser.add_argument("--only", nargs="*", choices=[*SECTIONS, *LARGE], default=None)
    args = parser.parse_args()
    wanted = SECTIONS | (LARGE if args.large else {})
    if args.only:
        wanted = {name: section for name, section in (SECTIONS | LARGE).items() if name in args.only}
    texts = []
    for section in wanted.values():
        texts.append(section(args.rounds))
        print(texts[-1] + "\n", flush=True)
    if args.only is None:
        PAGE.write_text(page(texts, args), "utf-8")


def page(texts: list[str], args: argparse.Namespace) -> str:
    """Return docs/benchmarks.md."""
    options = [*(["--large"] if args.large else []), *([f"--rounds {args.rounds}"] if args.rounds != ROUNDS else [])]
    command = "make bench" + (f' BENCH_ARGS="{" ".join(options)}"' if options else "")
    missing = "" if args.large else " What `--large` adds (5 and 10 million lines) was not measured in this run."
    head = (
        "# Benchmarks\n\n"
        f"Written by `{command}` ({args.rounds} round{'s' * (args.rounds != 1)}, cases in turns, a fresh process a run; "
        f"slow peers run once). Machine: 2 shared cores, Python {platform.python_version()}. Only ratios within one run "
        f"mean something. Memory is the peak of the process above what it had after its imports.{missing}\n"
    )
    return "\n\n".join([head.rstrip(), *texts]) + "\n"


if __name__ == "__main__":
    main()

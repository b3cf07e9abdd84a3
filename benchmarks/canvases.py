"""The canvases in headless Chromium without a GPU: first paint and frames of a DAG of 50,000 nodes, and of a timeline.

The graph has the shape of the generated captures (bushy traces with some merges). The page is an HTML file as
`trace.to_html` writes it, so that the figures are of the front ends alone: no kernel, no network. Beside it, the still
picture of the same graph by matplotlib (`kit.plot.dag`), which is what a notebook had before.
"""

import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

NODES = 50_000
EVENTS = 1_000_000
SHOWN_EVENTS = 5_000
FRAMES = 40
ARGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking"]
MOVE = """async (kind) => {
  const view = document.querySelector(`.kit-${kind}`).kitView;
  view.times.length = 0;
  for (let i = 0; i < %d; i++) {
    view.zoom(i %% 20 < 10 ? 1.25 : 0.8);
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  }
  return [view.first(), [...view.times]];
}"""


def graph(nodes: int = NODES) -> Any:
    """Return a graph of traces: each event has a cause among the last ones, every fiftieth has two."""
    import networkx as nx

    rng = np.random.default_rng(5)
    types = np.array(["TASK", "TOOL_CALL", "TOOL_RESULT", "BID", "AGENT_OUTPUT", "RECALL", "ERROR"])
    kind = types[rng.integers(0, len(types), nodes)]
    made: Any = nx.DiGraph()
    made.add_nodes_from(
        (f"evt_{i:026}", {"type": str(kind[i]), "neuron": f"n{i % 40}", "label": "attached"}) for i in range(nodes)
    )
    cause = np.maximum(np.arange(nodes) - rng.integers(1, 400, nodes), 0)
    begins = rng.random(nodes) < 0.002
    made.add_edges_from(
        (f"evt_{cause[i]:026}", f"evt_{i:026}", {"why": "parent"}) for i in range(1, nodes) if not begins[i]
    )
    second = np.arange(50, nodes, 50)
    made.add_edges_from((f"evt_{max(i - 37, 0):026}", f"evt_{i:026}", {"why": "target"}) for i in second.tolist())
    return made


def events(count: int) -> pa.Table:
    """Return spans and points of 40 lanes."""
    rng = np.random.default_rng(6)
    start = np.sort(rng.integers(0, count * 500, count)).astype(float)
    end = np.where(rng.random(count) < 0.5, start + rng.exponential(5_000, count), np.nan)
    return pa.table(
        {
            "lane": np.char.add("neuron-", (rng.integers(0, 40, count)).astype(str)),
            "start": start,
            "end": pa.array(end, from_pandas=True),
            "kind": np.array(["task", "tool", "BID", "recall"])[rng.integers(0, 4, count)],
            "id": np.char.add("evt_", np.arange(count).astype(str)),
        }
    )


def measured(rounds: int) -> dict[str, list[float]]:
    """Return milliseconds by row of the table, each a list over all rounds."""
    from playwright.sync_api import sync_playwright

    from kit import plot
    from kit.widgets import DAG, Page, Timeline

    found: dict[str, list[float]] = {}
    whole = graph()
    dag, lanes = DAG(whole, title="bench"), Timeline(events(SHOWN_EVENTS), title="bench")
    many = Timeline(events(EVENTS))
    program = os.environ.get("KIT_BROWSER") or shutil.which("chromium") or shutil.which("chromium-browser")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as play:
        pages = {
            "dag": Page("bench", [dag], NODES).write(Path(folder) / "dag.html"),
            "timeline": Page("bench", [lanes], SHOWN_EVENTS).write(Path(folder) / "timeline.html"),
        }
        browser = play.chromium.launch(executable_path=program, headless=True, args=ARGS)
        for _ in range(rounds):
            for kind, path in pages.items():
                page = browser.new_page(viewport={"width": 1280, "height": 800})
                page.goto(path.as_uri())
                page.wait_for_function(f"document.querySelector('.kit-{kind}')?.kitView?.first() > 0")
                page.wait_for_timeout(500)
                first, frames = page.evaluate(MOVE % FRAMES, kind)
                found.setdefault(f"{kind} first", []).append(first)
                found.setdefault(f"{kind} frame", []).extend(frames)
                page.close()
            begun = time.perf_counter()
            plot.dag(whole)._repr_png_()
            found.setdefault("matplotlib", []).append((time.perf_counter() - begun) * 1000)
            low, high = many.extent_us or (0.0, 1.0)
            for share in (1.0, 0.3, 0.1, 0.01, 0.001):
                middle = (low + high) / 2
                begun = time.perf_counter()
                many.window(middle - (high - low) * share / 2, middle + (high - low) * share / 2, 600)
                found.setdefault("window", []).append((time.perf_counter() - begun) * 1000)
        browser.close()
    for view in (dag, lanes, many):
        view.close()
    return found


def section(rounds: int) -> str:
    """Return the section of docs/benchmarks.md, with what was asked for."""
    found = measured(rounds)
    p95 = {name: float(np.percentile(values, 95)) for name, values in found.items()}
    middle = {name: statistics.median(values) for name, values in found.items()}
    named = {
        "dag first": f"DAG of {NODES:,} nodes, from start to first paint",
        "dag frame": "the same, a frame while zooming",
        "matplotlib": "the same graph as a still picture, `kit.plot.dag` (matplotlib)",
        "timeline first": f"timeline of {SHOWN_EVENTS:,} events one by one, from start to first paint",
        "timeline frame": "the same, a frame while zooming",
        "window": f"timeline of {EVENTS:,} events: what a window holds, from DuckDB, five zoom levels",
    }
    rows = [f"| {text} | {middle[name]:.0f} | {p95[name]:.0f} |" for name, text in named.items()]
    goals = [("DAG first paint", middle["dag first"], 200), ("DAG frame", middle["dag frame"], 50)]
    met = [
        f"- {name}: asked at most {bound} ms, measured {ms:.0f}{'' if ms <= bound else ' — **not met**'}"
        for name, ms, bound in goals
    ]
    head = "## Canvases in the browser\n\nHeadless Chromium, no GPU, 1280 x 800.\n\n| what | median ms | p95 ms |\n|---|---|---|\n"
    return head + "\n".join(rows) + "\n\n" + "\n".join(met) + "\n"

"""Views in JupyterLab in headless Chromium without a GPU: pages of a table of 5M rows, first paint and frames of a DAG.

There is no peer for these figures: each stands beside its goal. A page is timed from the front end asking for the rows at
a place nobody has looked at to their being drawn; it includes the comm, the kernel and DuckDB. A first paint goes
from the view being opened, its columns not yet asked for, to the canvas being drawn; a frame is one step of a zoom.
"""

import random
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb

ROWS = 5_000_000
NODES = 50_000
JUMPS = 60
FRAMES = 60
TESTS = Path(__file__).resolve().parents[1] / "tests"

MADE = f"""CREATE TABLE events AS SELECT
    'evt_' || lpad((hash(i) % 10000000000000)::VARCHAR, 13, '0') || lpad(i::VARCHAR, 13, '0') AS id,
    'trc_' || lpad((hash(i // 29) % 10000000000)::VARCHAR, 26, '0') AS trace_id,
    (['TASK', 'AGENT_OUTPUT', 'FINAL', 'RECALL', 'RECALLED', 'TOOL_CALL', 'TOOL_RESULT', 'ERROR'])[1 + (hash(i * 7) % 8)::INT] AS type,
    'neuron-' || (hash(i * 3) % 200)::VARCHAR AS directed_id,
    make_timestamptz(1763715662000000 + i * 1000 + (hash(i) % 1000)::BIGINT) AS ts,
    1763715662000000000 + i * 1000003 AS ts_ns, (hash(i * 11) % 1000000) / 1000.0 AS ms,
    CASE WHEN i % 10 = 0 THEN NULL ELSE (hash(i * 13) % 5000)::INT END AS n,
    '{{"input":{{"q":"question ' || (hash(i * 17) % 1000000)::VARCHAR || '","step":' || i % 7 || '}}}}' AS payload
    FROM range({ROWS}) t(i)"""
"""Signals in kind: ids that differ, text, times, numbers with every digit, JSON."""

TABLE = """import kit
study = kit.open({path!r}, read_only=True)
table = study.explore("events")
table"""
GRAPH = f"""import networkx as nx, numpy as np, kit.widgets
graph = nx.DiGraph()
graph.add_nodes_from((f"evt_{{i:06}}", {{"type": "TASK" if i % 3 else "BID", "neuron": f"n{{i % 9}}"}}) for i in range({NODES}))
parents = np.maximum(np.arange(1, {NODES}) - np.random.default_rng(7).integers(1, 300, {NODES} - 1), 0)
graph.add_edges_from((f"evt_{{p:06}}", f"evt_{{i:06}}") for i, p in enumerate(parents.tolist(), 1))
dag = kit.widgets.DAG(graph)
dag"""
VIEW = "document.querySelector('.kit-{}').kitView"
STEP = (
    "(k) => new Promise((done) => { "
    + VIEW.format("dag")
    + ".zoom(k); requestAnimationFrame(() => requestAnimationFrame(done)); })"
)

Goal = Callable[..., str]


def section(data: Path, goal: Goal) -> str:
    """Return the section of the page; where there is no browser, a sentence that says so."""
    title = "## In the browser: JupyterLab in headless Chromium, no GPU"
    sys.path.insert(0, str(TESTS))
    import chromium
    import lab_server
    import pytest

    try:
        with chromium.running() as browser, lab_server.running("lab") as server:
            pages = _pages(browser, server, stored(data))
            first, frames = _graph(browser, server)
    except pytest.skip.Exception as skipped:
        return f"{title}\n\nNot measured: {skipped.msg}"
    rows = [
        f"| {what} | {_shown(ms)} |"
        for what, ms in (*pages.items(), (f"DAG of {NODES:,} nodes, a frame of a zoom", frames))
    ]
    goals = [goal(f"p95 of {what}, ms", _p(ms, 0.95), 100, least=False) for what, ms in pages.items()]
    goals.append(goal("first paint of the DAG, ms", first, 200, least=False))
    goals.append(goal("p95 of a frame of the DAG, ms", _p(frames, 0.95), 50, least=False))
    head = ["| what | p50 ms | p95 ms | times |", "|---|---:|---:|---:|"]
    paint = f"| DAG of {NODES:,} nodes, first paint | {first:.0f} | | 1 |"
    return "\n".join([title, "", *head, *rows, paint, "", *goals])


def stored(data: Path) -> Path:
    """Return the store of 5M rows."""
    path = data / f"browser-{ROWS}.duckdb"
    if not path.exists():
        print(f"generating {ROWS:,} rows", file=sys.stderr)
        data.mkdir(exist_ok=True)
        from kit.store.store import Store

        part = path.with_suffix(".part")
        part.unlink(missing_ok=True)
        Store(part).close()
        with duckdb.connect(str(part)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute(MADE)
        part.replace(path)
    return path


def _pages(browser: Any, server: Any, path: Path) -> dict[str, list[float]]:
    """Return the times of pages at random places: in the order of the table, sorted by a number, sorted by a text."""
    shown = _opened(browser, server, "table.ipynb", TABLE.format(path=str(path)))
    view = VIEW.format("table")
    shown.page.wait_for_function(f"{view}?.ready()", timeout=120_000)
    # Summaries are for the first look; pages that are asked for beside them would wait for one at most.
    shown.page.wait_for_function("document.querySelectorAll('.kit-grid-facts').length === 9", timeout=120_000)
    found = {}
    orders = {
        "a page of 5M rows as they are": "[]",
        "a page of 5M rows sorted by number": "[['ms', 'asc']]",
        "a page of 5M rows sorted by text": "[['id', 'desc']]",
    }
    chance = random.Random("browser/pages")
    for what, sort in orders.items():
        shown.run(f"table.sort = {sort}\nlen(table)")
        shown.page.wait_for_timeout(1000)
        shown.page.wait_for_function(
            f"{view}.ready() && document.querySelectorAll('.kit-grid-facts').length === 9", timeout=120_000
        )
        found[what] = [_jump(shown.page, view, chance.randrange(ROWS)) for _ in range(JUMPS)]
    shown.shut_down()
    shown.close()
    return found


def _jump(page: Any, view: str, row: int) -> float:
    page.evaluate(f"{view}.times.length = 0; {view}.go({row})")
    page.wait_for_function(f"{view}.ready() && {view}.times.length > 0", timeout=60_000)
    page.wait_for_timeout(150)  # the pages beside it are fetched too
    return float(page.evaluate(f"{view}.times.reduce((a, b) => a + b, 0)"))


def _graph(browser: Any, server: Any) -> tuple[float, list[float]]:
    """Return the time of the first paint, and those of frames."""
    shown = _opened(browser, server, "dag.ipynb", GRAPH)
    view = VIEW.format("dag")
    shown.page.wait_for_function(f"{view}?.first() > 0", timeout=120_000)
    first = float(shown.page.evaluate(f"{view}.first()"))
    shown.page.evaluate(f"{view}.times.length = 0")
    for n in range(FRAMES):
        shown.page.evaluate(STEP, 1.08 if n < FRAMES // 2 else 1 / 1.08)
    frames = [float(ms) for ms in shown.page.evaluate(f"{view}.times")]
    shown.shut_down()
    shown.close()
    return first, frames


def _opened(browser: Any, server: Any, name: str, cell: str) -> Any:
    from chromium import NotebookPage

    server.write(name, [cell])
    shown = NotebookPage(browser, server, name)
    shown.run_all()
    return shown


def _p(times: Sequence[float], share: float) -> float:
    return statistics.quantiles(times, n=100)[round(100 * share) - 1]


def _shown(times: Sequence[float]) -> str:
    return f"{statistics.median(times):.0f} | {_p(times, 0.95):.0f} | {len(times)}"

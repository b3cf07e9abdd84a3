"""Pages of a table of 5M rows in JupyterLab, in headless Chromium without a GPU.

There is no peer for these figures: each stands beside its goal. A page is timed from the front end asking for the rows at a
place nobody has looked at to their being drawn; it includes the comm, the kernel and DuckDB.
"""

import os
import random
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import duckdb

ROWS = 5_000_000
JUMPS = 60
PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
TESTS = Path(__file__).resolve().parents[1] / "tests"

MADE = f"""CREATE TABLE bench AS SELECT
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
table = study.explore("bench")
table"""
VIEW = "document.querySelector('.kit-{}').kitView"

Goal = Callable[..., str]


def missing() -> str:
    """Return what is not here to measure with, empty where nothing is missing."""
    if not (os.environ.get("KIT_BROWSER") or any(map(shutil.which, PROGRAMS))):
        return "there is no Chromium; on Debian and Ubuntu: apt-get install chromium, or KIT_BROWSER=path"
    absent = [name for name in ("playwright", "jupyterlab", "pytest") if find_spec(name) is None]
    return f"{', '.join(absent)} not installed" if absent else ""


def section(data: Path, goal: Goal) -> str:
    """Return the section of the page: the times of pages, each beside its goal."""
    sys.path.insert(0, str(TESTS))
    import chromium
    import lab_server

    with chromium.running() as browser, lab_server.running("lab") as server:
        pages = _pages(browser, server, stored(data))
    rows = [f"| {what} | {_shown(ms)} |" for what, ms in pages.items()]
    goals = [goal(f"p95 of {what}, ms", _p(ms, 0.95), 100, least=False) for what, ms in pages.items()]
    title = "## Pages of a table in JupyterLab, headless Chromium, no GPU"
    return "\n".join([title, "", "| what | p50 ms | p95 ms | times |", "|---|---:|---:|---:|", *rows, "", *goals])


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

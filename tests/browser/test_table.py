"""The table explorer in JupyterLab: what is scrolled, filtered, sorted and chosen there is a fact in the kernel."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import chromium
import pytest
from chromium import NotebookPage, Watched
from lab_server import LabServer
from playwright.sync_api import Locator, expect

from kit import datasets
from kit.notebook.study import Study
from kit.widgets import Page

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]

OPEN = (
    "import kit\nfrom kit import datasets\nstudy = kit.open()\n"
    "report = study.load(datasets.path('cosmonapse-small'), progress=False)"
)
MILLIONS = 5
BIG = (
    "import kit\nstudy = kit.open()\n"
    "_ = study.execute(\"CREATE TABLE big AS SELECT 'id-' || i AS id, i AS n, 1763715662000000000 + i AS ts_ns, "
    f"(i * 7919) % 1000003 AS x FROM range({MILLIONS}_000_000) r(i)\")\nbig = study.explore('big')\nbig"
)
PATIENCE_MS = 90_000
expect.set_options(timeout=30_000)  # two cores may have much else to do
HOSTILE = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


def settled(grid: Locator) -> None:
    """Wait until all rows that are seen are there."""
    expect(grid).to_have_attribute("aria-busy", "false", timeout=PATIENCE_MS)
    expect(grid.locator(".kit-grid-rows")).to_have_attribute("data-waiting", "false", timeout=PATIENCE_MS)


def column(grid: Locator, name: str) -> list[str]:
    """Return the cells of a column that are seen."""
    header = grid.locator(f"[role=columnheader][aria-label^='{name},']")
    number = header.get_attribute("aria-colindex")
    return grid.locator(f".kit-grid-rows [role=gridcell][aria-colindex='{number}']").all_inner_texts()


@pytest.mark.parametrize("subshells", ["perCommTarget", pytest.param("disabled", marks=pytest.mark.long)])
def test_what_is_done_in_the_browser_is_read_in_the_kernel(
    lab_page: Callable[..., NotebookPage], subshells: str
) -> None:
    shown = lab_page([OPEN, "signals = study.explore('signals', height=320)\nsignals"], subshells=subshells)
    page = shown.page
    grid = page.get_by_role("grid", name="signals")
    settled(grid)
    first = shown.fact("[row['line'] for row in signals.rows(0, 200)]")
    assert column(grid, "line")[:3] == first[:3]

    grid.hover(position={"x": 200, "y": 200})
    page.mouse.wheel(0, 24 * 100)
    expect(grid.locator("[role=row][aria-rowindex='102']")).to_be_visible()
    settled(grid)
    assert column(grid, "line")[:5] == first[100:105]

    page.get_by_label("Column to filter").select_option("type")
    page.get_by_label("How to compare").select_option("=")
    page.get_by_label("Value to compare with").fill("TASK")
    page.get_by_role("button", name="Add the filter").click()
    expect(page.get_by_role("button", name="Remove the filter type = TASK")).to_be_visible()
    settled(grid)
    assert shown.fact("signals.filters") == [["type", "=", "TASK"]]
    told = shown.fact("len(study.signals(type='TASK'))")
    expect(grid).to_have_attribute("aria-rowcount", str(told + 1))

    grid.get_by_role("columnheader", name="line, BIGINT").click()
    grid.get_by_role("columnheader", name="line, BIGINT").click()
    expect(grid.get_by_role("columnheader", name="line, BIGINT")).to_have_attribute("aria-sort", "descending")
    settled(grid)
    assert shown.fact("signals.sort") == [["line", "desc"]]
    lines = [int(text) for text in column(grid, "line")]
    assert lines == shown.fact("[row['line'] for row in study.sql(signals.sql).rows()]")[: len(lines)]

    grid.locator(".kit-grid-row").nth(2).locator("[role=gridcell]").nth(3).click()
    expect(grid.locator(".kit-grid-row").nth(2)).to_have_attribute("aria-selected", "true")
    assert shown.fact("[row['line'] for row in signals.selection.rows()]") == [lines[2]]
    page.get_by_role("button", name="Remove the filter type = TASK").click()
    expect(grid).to_have_attribute("aria-rowcount", "1038")


@pytest.mark.long
def test_five_million_rows_from_end_to_end_by_keys(lab_page: Callable[..., NotebookPage]) -> None:
    shown = lab_page([BIG])
    page = shown.page
    grid = page.get_by_role("grid", name="big")
    settled(grid)
    grid.focus()
    page.keyboard.press("Control+End")
    expect(grid.locator(f"[role=row][aria-rowindex='{MILLIONS * 10**6 + 1}']")).to_be_visible()
    settled(grid)
    assert column(grid, "n")[-1] == str(MILLIONS * 10**6 - 1)
    assert column(grid, "ts_ns")[-1] == str(1763715662000000000 + MILLIONS * 10**6 - 1), "every digit is there"
    page.keyboard.press("Control+Home")
    settled(grid)
    assert column(grid, "n")[0] == "0"

    page.get_by_label("Go to a row by number or key").fill("2,500,001")
    page.get_by_role("button", name="Go to the row").click()
    settled(grid)
    assert "2500000" in column(grid, "n")
    page.get_by_label("Go to a row by number or key").fill("id-4321000")
    page.keyboard.press("Enter")
    expect(grid.get_by_text("id-4321000", exact=True)).to_be_visible(timeout=PATIENCE_MS)

    page.keyboard.press("ArrowRight")
    page.keyboard.press("s")
    expect(grid.get_by_role("columnheader", name="n, BIGINT")).to_have_attribute("aria-sort", "ascending")
    page.keyboard.press("s")
    expect(grid.get_by_role("columnheader", name="n, BIGINT")).to_have_attribute("aria-sort", "descending")
    settled(grid)
    assert column(grid, "n")[0] == str(MILLIONS * 10**6 - 1)
    page.keyboard.press("Control+End")
    settled(grid)
    assert column(grid, "n")[-1] == "0"
    page.keyboard.press(" ")
    expect(grid.locator("[aria-selected=true]")).to_be_visible()
    assert shown.fact("[row['n'] for row in big.selection.rows()]") == [0]


@pytest.mark.long
def test_a_view_answers_while_a_cell_is_busy(lab_page: Callable[..., NotebookPage], lab: LabServer) -> None:
    shown = lab_page([OPEN, "signals = study.explore('signals')\nsignals"])
    grid = shown.page.get_by_role("grid", name="signals")
    settled(grid)
    # Summaries come last; before them the kernel may still be making the subshell that answers beside a cell.
    expect(grid.locator(".kit-grid-facts")).to_have_count(21, timeout=PATIENCE_MS)
    shown.page.evaluate(
        """code => {
            window.cellIsDone = false;
            const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
            kernel.requestExecute({code}).done.then(() => { window.cellIsDone = true; });
        }""",
        "import pathlib, time\nwhile not pathlib.Path('go-on').exists(): time.sleep(0.05)\ndone = 1",
    )
    grid.focus()
    shown.page.keyboard.press("Control+End")
    expect(grid.locator("[role=row][aria-rowindex='1038']")).to_be_visible()
    expect(grid.locator(".kit-grid-rows")).to_have_attribute("data-waiting", "false", timeout=10_000)
    assert shown.page.evaluate("window.cellIsDone") is False
    (lab.folder / "go-on").touch()
    assert shown.fact("done") == 1


@pytest.mark.long
def test_another_view_moves_the_table_to_its_row(lab_page: Callable[..., NotebookPage]) -> None:
    cells = [
        OPEN,
        "from kit import widgets\na, b = study.explore('signals', title='a'), study.explore('signals', title='b')\n"
        "linked = widgets.link(a, b)\nimport ipywidgets\nipywidgets.VBox([a, b])",
    ]
    shown = lab_page(cells)
    a, b = (shown.page.get_by_role("grid", name=name, exact=True) for name in "ab")
    settled(a)
    settled(b)
    b.focus()
    shown.page.keyboard.press("Control+End")
    settled(b)
    shown.page.keyboard.press(" ")
    expect(a.locator("[role=row][aria-rowindex='1038']")).to_have_attribute("aria-selected", "true")
    shown.run("a.select(study.execute('SELECT id FROM signals WHERE line = 500')[0][0])")
    place = shown.fact("a.find(a.selected[0])")
    for grid in (a, b):
        expect(grid.locator(f"[role=row][aria-rowindex='{place + 2}']")).to_have_attribute("aria-selected", "true")


def test_a_file_of_html_holds_the_first_rows(watched: Watched, tmp_path: Path) -> None:
    with Study() as study:
        study.load(datasets.path("cosmonapse-small"), progress=False)
        explorer = study.explore("signals", sort=[["id", "desc"]])
        Page("signals", [explorer], 100).write(tmp_path / "a.html")
        ids = [row["id"] for row in explorer.rows(0, 100)]
        explorer.close()
    page = watched.open_file(tmp_path / "a.html")
    grid = page.get_by_role("grid", name="signals")
    settled(grid)
    assert column(grid, "id")[:3] == ids[:3]
    expect(grid).to_have_attribute("aria-rowcount", "101")
    grid.focus()
    page.keyboard.press("Control+End")
    assert column(grid, "id")[-1] == ids[-1]
    expect(page.get_by_text("The first 100 of 1,037 rows of signals.")).to_be_visible()


@pytest.mark.long
def test_text_from_captures_is_text_and_every_control_has_a_name(lab_page: Callable[..., NotebookPage]) -> None:
    cells = [
        f"import pyarrow as pa, kit\nfrom kit import widgets\nbad = {HOSTILE!r}\n"
        "t = widgets.TableExplorer(pa.table({bad: [bad, None, bad], 'b': [1, 2, 3]}), title=bad)\nt"
    ]
    shown = lab_page(cells)
    grid = shown.page.get_by_role("grid").first
    settled(grid)
    assert grid.locator("[role=gridcell]").first.inner_text() == HOSTILE
    shown.page.wait_for_timeout(500)
    assert shown.page.title() != "owned" and grid.locator("img[src], script").count() == 0
    grid.focus()
    shown.page.keyboard.press("Enter")
    expect(shown.page.get_by_role("region", name="Whole cell")).to_contain_text("onerror")
    shown.page.keyboard.press("Escape")
    controls: Any = chromium.names_of_controls(shown.page, ".kit-table")
    assert len(controls) > 5 and all(name for _, name in controls)

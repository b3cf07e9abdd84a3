"""The tutorials in a browser: live views after Run All, and what a reader without a kernel sees in their place."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from chromium import NotebookPage
from nbconvert import HTMLExporter
from playwright.sync_api import Browser, Locator

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TUTORIALS = ("02-signals", "03-records", "04-sensors")
PANELS = ("05-simulation", "06-replay")
VIEWS = ("<DAG", "<Timeline", "<Browser", "panel of", "player of")
SWEPT = dict.fromkeys(TUTORIALS[:-1], pytest.mark.long)
"""Run in `make test-long`."""


def views(path: Path) -> list[dict[str, Any]]:
    """Return the outputs of a stored notebook that stand for a view."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "data" in output]
    return [output for output in outputs if "".join(output["data"].get("text/plain", "")).startswith(VIEWS)]


@pytest.mark.parametrize("name", [pytest.param(name, marks=SWEPT.get(name, ())) for name in TUTORIALS + PANELS])
def test_html_of_a_tutorial_has_no_blank_view(browser: Browser, tmp_path: Path, name: str) -> None:
    stored = views(NOTEBOOKS / f"{name}.ipynb")
    assert stored, "the tutorial has views"
    pictures = [output for output in stored if "image/png" in output["data"]]
    tables = [output for output in stored if "text/html" in output["data"]]
    # A player that is no view, without its panel, is text alone.
    assert len(pictures) + len(tables) == len(stored) if name in TUTORIALS else pictures or tables
    text, _ = HTMLExporter().from_filename(str(NOTEBOOKS / f"{name}.ipynb"))
    target = tmp_path / "tutorial.html"
    target.write_text(text, "utf-8")
    page = browser.new_page()
    try:
        page.route("http*://**/*", lambda route: route.abort())  # the reader is offline
        page.goto(target.as_uri(), wait_until="domcontentloaded")
        widths = page.evaluate(
            "[...document.querySelectorAll('.jp-OutputArea-output img')].map((image) => image.naturalWidth)"
        )
        assert len(widths) >= len(pictures)
        assert min(widths) > 100
        if tables:
            box = page.locator(".kit-panel").first.bounding_box()
            assert box is not None
            assert box["height"] > 100
        assert page.get_by_text("Error displaying widget").count() == 0
    finally:
        page.close()


def test_a_stored_tutorial_opens_with_its_pictures_and_no_error(lab_page: Any, lab: Any) -> None:
    shutil.copy(NOTEBOOKS / "03-records.ipynb", lab.folder / "stored.ipynb")
    shown: NotebookPage = lab_page(name="stored.ipynb", run=False)
    page = shown.page
    page.evaluate("jupyterapp.commands.execute('notebook:move-cursor-up')")
    last = page.locator(".jp-Cell", has_text="lanes = thread.timeline()").first
    page.evaluate(
        "jupyterapp.shell.currentWidget.content.scrollToItem(jupyterapp.shell.currentWidget.content.widgets.length - 7)"
    )
    last.locator(".jp-OutputArea-output img").first.wait_for()
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".kit-view").count() == 0


@pytest.mark.parametrize("name", [pytest.param(name, marks=SWEPT.get(name, ())) for name in TUTORIALS])
def test_run_all_of_a_tutorial_ends_with_live_views(lab_page: Any, lab: Any, name: str) -> None:
    shown = run_all_of(name, lab_page, lab, until="'browser' in globals() and browser.opened")
    page = shown.page
    lanes = cell_with("browser.show(", name, shown).locator(".kit-timeline")
    lanes.scroll_into_view_if_needed()
    id = shown.fact("browser.timeline.window(*browser.timeline.extent_us)['id'].to_pylist()")[0]
    handle = lanes.element_handle()
    page.wait_for_function("([lanes, id]) => lanes.kitView?.ready() && lanes.kitView.place(id)", arg=[handle, id])
    lanes.locator(".kit-canvas").click(position=lanes.evaluate("(lanes, id) => lanes.kitView.place(id)", id))
    shown.until(f"browser.timeline.selected == [{id!r}]")
    assert page.get_by_text("The kernel behind this view is gone").count() == 0


@pytest.mark.long
def test_run_all_of_the_simulation_ends_with_a_panel_that_goes_on(lab_page: Any, lab: Any) -> None:
    name = "05-simulation"
    shown = run_all_of(name, lab_page, lab, until="'again' in globals()")
    panel = cell_with("panel = ns.panel()", name, shown)
    panel.get_by_role("button", name="Step", exact=True).click()
    shown.until("[entry.command.word for entry in panel.log.entries][-1] == 'step'")
    panel.get_by_role("button", name="Play", exact=True).click()
    shown.until("panel.now_s > 61")
    panel.get_by_role("button", name="Pause", exact=True).click()
    shown.until("panel.log.replay(kit.Namespace.from_scenario('desk', seed=7)).digest == panel.digest")


def run_all_of(name: str, lab_page: Any, lab: Any, *, until: str) -> NotebookPage:
    """Run all cells of a tutorial in JupyterLab; what is true in the kernel then is waited for."""
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", lab.folder / f"{name}.ipynb")
    datasets = lab.folder.parent / "datasets"
    if not datasets.exists():
        datasets.symlink_to(NOTEBOOKS.parent / "datasets")
    shown: NotebookPage = lab_page(name=f"{name}.ipynb", run=False)
    shown.run_all(wait=False)
    shown.until(until)
    shown.wait_idle()
    return shown


def cell_with(text: str, name: str, shown: NotebookPage) -> Locator:
    """Return the first cell of a tutorial that has the text, scrolled into sight: far from it, it is not on the page."""
    number = next(n for n, cell in enumerate(cells(NOTEBOOKS / f"{name}.ipynb")) if text in cell)
    shown.page.evaluate(f"jupyterapp.shell.currentWidget.content.scrollToItem({number}, 'center')")
    return shown.page.locator(".jp-CodeCell", has_text=text).first


def cells(path: Path) -> list[str]:
    """Return the sources of the cells of a notebook."""
    return ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]]

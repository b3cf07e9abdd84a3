"""The tutorials in a browser: live views after Run All, and what a reader without a kernel sees in their place."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from chromium import NotebookPage
from nbconvert import HTMLExporter
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
TUTORIALS = ("02-signals", "03-records", "04-sensors")
VIEWS = ("<DAG", "<Timeline", "<Browser")


def views(path: Path) -> list[dict[str, Any]]:
    """Return the outputs of a stored notebook that stand for a view."""
    cells = json.loads(path.read_text("utf-8"))["cells"]
    outputs = [output for cell in cells for output in cell.get("outputs", []) if "data" in output]
    return [output for output in outputs if "".join(output["data"].get("text/plain", "")).startswith(VIEWS)]


@pytest.mark.parametrize("name", TUTORIALS)
def test_html_of_a_tutorial_has_no_blank_view(browser: Browser, tmp_path: Path, name: str) -> None:
    stored = views(NOTEBOOKS / f"{name}.ipynb")
    assert stored, "the tutorial ends with views"
    assert all("image/png" in output["data"] for output in stored)
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
        assert len(widths) >= len(stored)
        assert min(widths) > 100
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


@pytest.mark.parametrize("name", TUTORIALS)
def test_run_all_of_a_tutorial_ends_with_live_views(lab_page: Any, lab: Any, name: str) -> None:
    shutil.copy(NOTEBOOKS / f"{name}.ipynb", lab.folder / f"{name}.ipynb")
    datasets = lab.folder.parent / "datasets"
    if not datasets.exists():
        datasets.symlink_to(NOTEBOOKS.parent / "datasets")
    shown: NotebookPage = lab_page(name=f"{name}.ipynb", run=False)
    page = shown.page
    shown.run_all(wait=False)
    shown.until("'browser' in globals() and browser.opened")
    shown.wait_idle()
    number = next(n for n, cell in enumerate(cells(NOTEBOOKS / f"{name}.ipynb")) if "browser.show(" in cell)
    page.evaluate(f"jupyterapp.shell.currentWidget.content.scrollToItem({number}, 'center')")
    lanes = page.locator(".jp-CodeCell", has_text="browser.show(").locator(".kit-timeline")
    lanes.scroll_into_view_if_needed()
    id = shown.fact("browser.timeline.window(*browser.timeline.extent_us)['id'].to_pylist()")[0]
    handle = lanes.element_handle()
    page.wait_for_function("([lanes, id]) => lanes.kitView?.ready() && lanes.kitView.place(id)", arg=[handle, id])
    lanes.locator(".kit-canvas").click(position=lanes.evaluate("(lanes, id) => lanes.kitView.place(id)", id))
    shown.until(f"browser.timeline.selected == [{id!r}]")
    assert page.get_by_text("The kernel behind this view is gone").count() == 0


def cells(path: Path) -> list[str]:
    """Return the sources of the cells of a notebook."""
    return ["".join(cell["source"]) for cell in json.loads(path.read_text("utf-8"))["cells"]]

"""The tutorials without their kernels: what a reader of the stored notebook, or of its HTML, sees in place of a view."""

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
        "jupyterapp.shell.currentWidget.content.scrollToItem(jupyterapp.shell.currentWidget.content.widgets.length - 3)"
    )
    last.locator(".jp-OutputArea-output img").first.wait_for()
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.locator(".kit-view").count() == 0

"""Pictures of the views for the docs: `python docs/view_shots.py [folder]`, else into docs/img. Needs chromium.

`browse.png` is the trace browser in JupyterLab, light and wide; `browse-dark.png` the HTML file of the same study, dark and
narrow. Both show the same trace with the same event selected.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import chromium  # noqa: E402  from tests
import lab_server  # noqa: E402  from tests
from chromium import NotebookPage, Watched  # noqa: E402
from playwright.sync_api import Page  # noqa: E402

import kit  # noqa: E402

TRACE = "6J2ZHA"
CELLS = [
    "import kit\nstudy = kit.load(kit.datasets.path('cosmonapse-small'))",
    f"browser = study.browse()\nbrowser.show('{TRACE}')\nbrowser.select(*browser.dag.search(\"type = 'TOOL_CALL'\")[:1])\n"
    "browser.dag.query = ''\nbrowser",
]
READY = (
    "document.querySelector('.kit-dag')?.kitView?.ready() && document.querySelector('.kit-timeline')?.kitView?.ready()"
)


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""
    with chromium.running() as browser, lab_server.running("lab") as server:
        server.write("shots.ipynb", CELLS)
        server.use_theme("JupyterLab Light")
        lab = NotebookPage(browser, server, "shots.ipynb", viewport={"width": 1400, "height": 1250})
        lab.run_all()
        _settled(lab.page)
        lab.page.locator(".jp-OutputArea-output", has=lab.page.locator(".kit-dag")).first.screenshot(
            path=folder / "browse.png"
        )
        lab.shut_down()
        lab.check()
        lab.close()
        with tempfile.TemporaryDirectory() as made:
            path = Path(made) / "study.html"
            study = kit.load(kit.datasets.path("cosmonapse-small"))
            view = study.browse()
            view.show(TRACE)
            chosen = view.dag.search("type = 'TOOL_CALL'")[0]
            view.dag.query = ""
            view.to_html(path, rows=200)
            view.close()
            page = Watched(browser, viewport={"width": 640, "height": 900}, color_scheme="dark")
            page.open_file(path)
            page.page.wait_for_selector("html[data-kit-ready]")
            page.page.get_by_role("searchbox", name="Filter Traces").fill(TRACE)
            page.page.locator(".kit-listing tbody tr[data-row='0']").first.click()
            _settled(page.page)
            place = page.page.evaluate(f"document.querySelector('.kit-dag').kitView.place({chosen!r})")
            page.page.locator(".kit-dag .kit-canvas").click(position=place)
            _settled(page.page)
            page.page.screenshot(path=folder / "browse-dark.png", full_page=True)
            page.check()
            page.close()


def _settled(page: Page) -> None:
    page.wait_for_function(READY)
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")

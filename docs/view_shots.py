"""Pictures of the views for the docs: `python docs/view_shots.py [folder]`, else into docs/img. Needs chromium.

The trace browser, the table explorer and the seek bar of a player in JupyterLab, each light and dark, wide and narrow
(`browse.png`, `browse-dark.png`, `browse-narrow.png`, `browse-narrow-dark.png`, ...), and `file-dark.png`, the HTML file of the
trace browser's study with the same event selected.
"""

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import chromium  # noqa: E402  from tests
import lab_server  # noqa: E402  from tests
from chromium import NotebookPage, Watched  # noqa: E402
from playwright.sync_api import Browser, Page  # noqa: E402

import kit  # noqa: E402

TRACE = "6J2ZHA"
STUDY = "import kit\nstudy = kit.load(kit.datasets.path('cosmonapse-small'))"
BROWSE = f"""browser = study.browse()
browser.show('{TRACE}')
browser.select(*browser.dag.search("type = 'TOOL_CALL'")[:1])
browser.dag.query = ''
browser"""
EXPLORE = """table = study.explore("signals", height=420)
table.filters = [["type", "!=", "HEARTBEAT"]]
table.sort = [["ts", "desc"]]
table.select(table.rows(3, 1)[0]["id"])
table"""
PLAY = """from kit.replay import Collect

mission = kit.load(kit.datasets.path("mission"))
player = mission.player(sink=Collect(), rate=20)
player.seek(40)
player.panel()"""
VIEWS = {
    "browse": (
        BROWSE,
        ".kit-dag",
        "document.querySelector('.kit-dag')?.kitView?.ready() && document.querySelector('.kit-timeline')?.kitView?.ready()",
    ),
    "table": (EXPLORE, ".kit-table", "document.querySelectorAll('.kit-grid-facts').length > 3"),
    "player": (PLAY, ".kit-seek", "document.querySelector('.kit-seek canvas')"),
}
"""Of each view the cell, a part of it by which its output is found, and when it is there."""
WAYS = {
    "": ("JupyterLab Light", 1400),
    "-dark": ("JupyterLab Dark", 1400),
    "-narrow": ("JupyterLab Light", 700),
    "-narrow-dark": ("JupyterLab Dark", 700),
}


def main(folder: Path) -> None:
    """Write the pictures into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium.running() as browser, lab_server.running("lab") as server:
        for way, (theme, width) in WAYS.items():
            server.use_theme(theme)
            for name, (cell, part, ready) in VIEWS.items():
                server.write("shots.ipynb", [STUDY, cell])
                viewport = {"width": width, "height": 2600 if width < 800 else 1250}
                lab = NotebookPage(browser, server, "shots.ipynb", viewport=viewport)
                lab.run_all()
                _settled(lab.page, ready)
                shown = lab.page.locator(".jp-OutputArea-output", has=lab.page.locator(part)).first
                shown.screenshot(path=folder / f"{name}{way}.png")
                lab.shut_down()
                lab.check()
                lab.close()
        _file(browser, folder / "file-dark.png")


def _file(browser: Browser, picture: Path) -> None:
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
        ready = VIEWS["browse"][2]
        _settled(page.page, ready)
        place = page.page.evaluate(f"document.querySelector('.kit-dag').kitView.place({chosen!r})")
        page.page.locator(".kit-dag .kit-canvas").click(position=place)
        _settled(page.page, ready)
        page.page.screenshot(path=picture, full_page=True)
        page.check()
        page.close()


def _settled(page: Page, ready: str) -> None:
    page.wait_for_function(ready)
    page.mouse.move(2, 2)
    page.wait_for_timeout(1500)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "img")

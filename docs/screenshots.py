"""Take the pictures of what runs in a browser: `python docs/screenshots.py [folder]`, else into docs/img. Needs chromium.

They show live views, so two runs differ in a few pixels; nothing compares them.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tests"))

import chromium  # noqa: E402  from tests
import lab_server  # noqa: E402  from tests
from chromium import NotebookPage  # noqa: E402
from lab_server import LabServer  # noqa: E402
from playwright.sync_api import Browser  # noqa: E402

PANEL = 'import kit\n\nns = kit.Namespace.from_scenario("desk", seed=7)\npanel = ns.panel()\npanel'
STORY = """
panel.run_until("14s")
task = panel.dispatch("draft 2", neuron="writer")
panel.step(5)
panel.stop_trace(task, rollback=True)
panel.run_until("17s")
panel.crash("researcher", for_="20s")
panel.dispatch("draft 4", neuron="writer")
panel.run_until("20s")
"""
SHOTS = {
    "panel": ("JupyterLab Light", 1400),
    "panel-dark": ("JupyterLab Dark", 1400),
    "panel-narrow": ("JupyterLab Light", 620),
    "panel-narrow-dark": ("JupyterLab Dark", 620),
}


def panel(browser: Browser, server: LabServer, path: Path, theme: str, width: int) -> None:
    """Take a picture of the panel over a namespace that goes on."""
    server.use_theme(theme)
    server.use_subshells(lab_server.SUBSHELLS[0])
    server.write("panel.ipynb", [PANEL])
    shown = NotebookPage(
        browser, server, "panel.ipynb", viewport={"width": width, "height": 3200 if width < 800 else 1700}
    )
    shown.run_all()
    shown.run(STORY)
    shown.page.get_by_label("Speed", exact=True).select_option("real time x1")
    shown.page.get_by_role("button", name="Play", exact=True).click()
    shown.page.get_by_role("button", name="Pause", exact=True).wait_for()
    shown.page.wait_for_timeout(1500)
    shown.page.locator(".kit-panel").first.screenshot(path=path, animations="disabled")
    shown.check()
    shown.shut_down()
    shown.close()


def main(folder: Path) -> None:
    """Write one PNG a picture."""
    folder.mkdir(parents=True, exist_ok=True)
    with chromium.running() as browser, lab_server.running("lab") as server:
        for name, (theme, width) in SHOTS.items():
            panel(browser, server, folder / f"{name}.png", theme, width)
            print(folder / f"{name}.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("img"))

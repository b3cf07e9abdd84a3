"""The browser, the server and what they note can be relied on."""

from collections.abc import Callable
from pathlib import Path

import chromium
import pytest
from chromium import NotebookPage, Watched
from playwright.sync_api import Browser

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
CLICKS = [
    "import ipywidgets\nclicks = []\nbutton = ipywidgets.Button(description='Go')\n"
    "button.on_click(lambda _: clicks.append(1))\nbutton",
    "import time\nlater = 1",
]


def test_a_click_in_the_page_is_a_fact_in_the_kernel(lab_page: Callable[..., NotebookPage]) -> None:
    shown = lab_page(CLICKS)
    go = shown.page.get_by_role("button", name="Go")
    go.click()
    go.click()
    assert shown.fact("len(clicks)") == 2
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        shown.run("1 / 0")
    assert chromium.names_of_controls(shown.page, ".jp-OutputArea-output .jupyter-widgets") == [("button", "Go")]


def test_errors_and_requests_to_elsewhere_are_noted(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "bad.html"
    path.write_text("<img src='http://192.0.2.1/x.png'><script>console.error('oh'); throw new Error('no')</script>")
    page = Watched(browser)
    page.open_file(path)
    assert "console: oh" in page.errors
    assert "page error: no" in page.errors
    assert page.foreign == ["http://192.0.2.1/x.png"]
    page.close()


def test_a_plain_file_is_fine(watched: Watched, tmp_path: Path) -> None:
    path = tmp_path / "good.html"
    path.write_text("<!doctype html><title>t</title><p>here</p>")
    assert watched.open_file(path).get_by_text("here").is_visible()


def test_a_missing_browser_is_a_skip_or_where_it_is_asked_for_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chromium, "PROGRAMS", ("no-such-browser",))
    monkeypatch.delenv("KIT_BROWSER", raising=False)
    monkeypatch.setenv("KIT_REQUIRE_BROWSER", "")
    with pytest.raises(pytest.skip.Exception, match="there is no Chromium"), chromium.running():
        pass
    monkeypatch.setenv("KIT_REQUIRE_BROWSER", "1")
    with pytest.raises(pytest.fail.Exception, match="apt-get install chromium"), chromium.running():
        pass

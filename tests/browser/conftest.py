"""One browser and one JupyterLab for all tests of a worker; each test has a notebook and a kernel of its own.

    def test_it(lab_page):
        shown = lab_page(["import ipywidgets", "ipywidgets.Button(description='Go')"])
        shown.page.get_by_role("button", name="Go").click()
        assert shown.fact("1 + 1") == 2

When a test ends, each page must be without an error and without a request to elsewhere. Notebooks of the same settings are
opened one after the other in the same page of JupyterLab.
Modules here say `pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]`.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import chromium
import lab_server
import pytest
from chromium import NotebookPage, Watched
from lab_server import LabServer
from playwright.sync_api import Browser

OpenNotebook = Callable[..., NotebookPage]


class Shared:
    """What several tests use: begun by the first that asks for it, ended before the first test of another folder.

    A fixture of the session would go on, and with it the event loop of playwright: then no other test could run one.
    """

    def __init__(self) -> None:
        self._held: dict[str, Any] = {}
        self._ends = ExitStack()
        self.idle: dict[Any, list[NotebookPage]] = {}
        """Pages of JupyterLab without a notebook, by their settings."""

    def get(self, name: str, begin: Callable[[], AbstractContextManager[Any]]) -> Any:
        """Return what is held under the name; begin it where there is none."""
        if name not in self._held:
            self._held[name] = self._ends.enter_context(begin())
        return self._held[name]

    def end(self) -> None:
        """End all of it, the latest first."""
        self.idle.clear()
        self._held.clear()
        self._ends.close()


shared = Shared()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Iterator[None]:
    """End what is shared when the next test is none of this folder."""
    try:
        return (yield)
    finally:
        if nextitem is None or Path(__file__).parent not in nextitem.path.parents:
            shared.end()


@pytest.fixture
def browser() -> Browser:
    """Headless Chromium."""
    started: Browser = shared.get("browser", chromium.running)
    return started


@pytest.fixture
def lab(browser: Browser) -> LabServer:
    """A JupyterLab; it asks for the browser first, so that none starts where there is no browser."""
    server: LabServer = shared.get("lab", lambda: lab_server.running("lab"))
    return server


@pytest.fixture
def notebook7(browser: Browser) -> LabServer:
    """A Notebook 7."""
    pytest.importorskip("notebook", reason="Notebook 7 is not installed; it is in the extra `test`")
    server: LabServer = shared.get("notebook", lambda: lab_server.running("notebook"))
    return server


@pytest.fixture
def watched(browser: Browser) -> Iterator[Watched]:
    """A page that may open files from disk."""
    page = Watched(browser)
    yield page
    page.check()
    page.close()


@pytest.fixture
def lab_page(browser: Browser, lab: LabServer) -> Iterator[OpenNotebook]:
    """Opens a notebook of code cells in JupyterLab and runs it: `lab_page(cells, subshells="disabled")`."""
    yield from opener(browser, lab)


@pytest.fixture
def notebook7_page(browser: Browser, notebook7: LabServer) -> Iterator[OpenNotebook]:
    """Opens a notebook of code cells in Notebook 7 and runs it."""
    yield from opener(browser, notebook7)


_numbers = itertools.count(1)


def opener(browser: Browser, server: LabServer) -> Iterator[OpenNotebook]:
    """Yield the function that opens notebooks on a server; look through them and close them in the end."""
    opened: list[tuple[tuple[str, ...] | None, NotebookPage]] = []

    def open_notebook(
        cells: Sequence[str] | None = None,
        *,
        name: str | None = None,
        subshells: str = lab_server.SUBSHELLS[0],
        theme: str = "JupyterLab Light",
        run: bool = True,
        **options: Any,
    ) -> NotebookPage:
        """Open new cells, or with `name` a notebook that is there already."""
        server.use_subshells(subshells)
        server.use_theme(theme)
        if cells is not None:
            name = name or f"notebook-{next(_numbers)}.ipynb"
            server.write(name, cells)
        assert name is not None
        settings = (subshells, theme) if server.app == "lab" and not options else None
        if shared.idle.get(settings):
            page = shared.idle[settings].pop()
            page.show(name)
        else:
            page = NotebookPage(browser, server, name, **options)
        opened.append((settings, page))
        if run:
            page.run_all()
        return page

    try:
        yield open_notebook
        for _, page in opened:
            page.shut_down()
        for _, page in opened:
            page.check()
    except BaseException:
        for _, page in opened:
            page.close()
        raise
    for settings, page in opened:
        if settings is None:
            page.close()
        else:
            page.put_away()
            shared.idle.setdefault(settings, []).append(page)

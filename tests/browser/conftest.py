"""One browser and one JupyterLab for all tests of a worker; each test has a page of its own.

    def test_it(lab_page):
        shown = lab_page(["import ipywidgets", "ipywidgets.Button(description='Go')"])
        shown.page.get_by_role("button", name="Go").click()
        assert shown.fact("1 + 1") == 2

The fixtures end with this folder, which is a package for that: while playwright runs, its event loop does, and no other test
could run one. When a test ends, each page must be without an error and without a request to elsewhere.
Modules here say `pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]`.
"""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import chromium
import lab_server
import pytest
from chromium import NotebookPage, Watched
from lab_server import LabServer
from playwright.sync_api import Browser

OpenNotebook = Callable[..., NotebookPage]


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    """Headless Chromium."""
    with chromium.running() as started:
        yield started


@pytest.fixture(scope="package")
def lab(browser: Browser) -> Iterator[LabServer]:
    """A JupyterLab; it asks for the browser first, so that none starts where there is no browser."""
    with lab_server.running("lab") as server:
        yield server


@pytest.fixture(scope="package")
def notebook7(browser: Browser) -> Iterator[LabServer]:
    """A Notebook 7."""
    pytest.importorskip("notebook", reason="Notebook 7 is not installed; it is in the extra `test`")
    with lab_server.running("notebook") as server:
        yield server


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
    opened: list[NotebookPage] = []

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
        page = NotebookPage(browser, server, name, **options)
        opened.append(page)
        if run:
            page.run_all()
        return page

    yield open_notebook
    for page in opened:
        page.shut_down()
    try:
        for page in opened:
            page.check()
    finally:
        for page in opened:
            page.close()

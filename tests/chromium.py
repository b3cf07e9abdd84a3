"""Pages in headless Chromium that note every error and every request that leaves this machine."""

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import pytest
from lab_server import LabServer
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
)
PATIENCE_MS = 30_000
expect.set_options(timeout=PATIENCE_MS)
HERE = ("127.0.0.1", "localhost")
NOT_OURS = (
    "console: Failed to load resource: the server responded with a status of 404",
    "console: Could not restore the debugger state: Canceled future for debug_request",
)
"""Told by JupyterLab itself: workspaces and settings that are not there yet; a kernel shut down at once."""
NOTEBOOK_7 = "page error: Cannot read properties of undefined (reading 'schema')"
"""Told by Notebook 7 itself, with a notebook of one cell `1 + 1` too; anywhere else it counts."""

STATUS = "jupyterapp.shell.currentWidget?.sessionContext?.session?.kernel?.status"
EXECUTE = """async (code) => {
    const kernel = jupyterapp.shell.currentWidget.sessionContext.session.kernel;
    const future = kernel.requestExecute({code, store_history: false});
    let text = '';
    future.onIOPub = (message) => {
        if (message.header.msg_type === 'stream') text += message.content.text;
        if (message.header.msg_type === 'error') text += message.content.traceback.join('\\n');
    };
    const late = new Promise((_, fail) => setTimeout(() => fail(new Error('the kernel does not answer')), 60000));
    const reply = await Promise.race([future.done, late]);
    return [reply.content.status, text];
}"""


OPEN = """async (path) => {
    const opened = await jupyterapp.commands.execute('docmanager:open', {path});
    await opened.context.ready;
    jupyterapp.shell.activateById(opened.id);
}"""


@contextmanager
def running() -> Iterator[Browser]:
    """Chromium without a window. Where it is missing, tests are skipped; with KIT_REQUIRE_BROWSER=1 they fail."""
    program = os.environ.get("KIT_BROWSER") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        reason = "there is no Chromium; on Debian and Ubuntu: apt-get install chromium, or KIT_BROWSER=path"
        if os.environ.get("KIT_REQUIRE_BROWSER") == "1":
            pytest.fail(f"KIT_REQUIRE_BROWSER=1 and {reason}")
        pytest.skip(reason)
    with sync_playwright() as player:
        browser = player.chromium.launch(executable_path=program, headless=True, args=list(FLAGS))
        try:
            yield browser
        finally:
            browser.close()


class Watched:
    """A page with what went wrong on it: errors of scripts, errors on the console, requests to elsewhere."""

    def __init__(self, browser: Browser, **options: Any) -> None:
        self.context = browser.new_context(**options)
        self.context.set_default_timeout(PATIENCE_MS)
        self.page: Page = self.context.new_page()
        self.errors: list[str] = []
        self.foreign: list[str] = []
        self.page.on("pageerror", lambda error: self._note(f"page error: {error}"))
        self.page.on("console", self._on_console)
        self.page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._note(f"console: {message.text}")

    def _note(self, text: str) -> None:
        theirs = "/notebooks/" in self.page.url and text == NOTEBOOK_7
        if not (theirs or text.startswith(NOT_OURS)):
            self.errors.append(text)

    def _on_request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in ("data", "blob", "file", "about") and parts.hostname not in HERE:
            self.foreign.append(request.url)

    def open_file(self, path: Path) -> Page:
        """Open a file of HTML from disk."""
        self.page.goto(path.as_uri())
        return self.page

    def check(self) -> None:
        """Fail where there was an error, or a request that left this machine."""
        assert self.errors == [], self.errors
        assert self.foreign == [], self.foreign

    def close(self) -> None:
        """Forget the page."""
        self.context.close()


class NotebookPage(Watched):
    """A notebook open in a browser: run it, act on `page`, and ask the kernel for facts."""

    def __init__(self, browser: Browser, server: LabServer, name: str, **options: Any) -> None:
        super().__init__(browser, viewport=options.pop("viewport", {"width": 1280, "height": 900}), **options)
        self.path = server.folder / name
        self.page.goto(server.url(name))
        self.page.wait_for_selector(".jp-Notebook")

    def show(self, name: str) -> None:
        """Open another notebook of the folder, after `put_away`; loading JupyterLab anew takes five seconds of two cores."""
        self.errors.clear()
        self.foreign.clear()
        self.path = self.path.with_name(name)
        self.page.evaluate(OPEN, name)
        self.page.wait_for_selector(".jp-Notebook")

    def put_away(self) -> None:
        """Close the notebook, whatever was changed in it."""
        self.page.evaluate("jupyterapp.shell.currentWidget.dispose()")
        expect(self.page.locator(".jp-Notebook")).to_have_count(0)

    def wait_idle(self) -> None:
        """Wait until the kernel has nothing to do."""
        self.page.wait_for_function(f"{STATUS} === 'idle'")

    def run_all(self, *, wait: bool = True) -> None:
        """Run all cells, and wait until they are through."""
        self.wait_idle()
        # Not awaited: its promise is kept when the last cell is through.
        self.page.evaluate("() => { jupyterapp.commands.execute('notebook:run-all-cells') }")
        if wait:
            cells = ".jp-Notebook .jp-CodeCell"
            done = "[...document.querySelectorAll('{}')].every(e => /\\[\\d+\\]/.test(e.innerText))"
            self.page.wait_for_function(done.format(f"{cells} .jp-InputPrompt"))
            self.wait_idle()

    def run(self, code: str) -> str:
        """Run code in the kernel and return what it printed; AssertionError with the traceback where it raises.

        It waits for a cell that is running.
        """
        status, text = self.page.evaluate(EXECUTE, code)
        assert status == "ok", text
        return str(text)

    def fact(self, expression: str) -> Any:
        """Return the value of an expression in the kernel, which JSON must be able to hold."""
        return json.loads(self.run(f"import json; print(json.dumps({expression}))"))

    def until(self, expression: str) -> None:
        """Wait until an expression in the kernel is true: what is done in the page gets there a little later."""
        end = monotonic() + PATIENCE_MS / 1000
        while not self.fact(f"bool({expression})"):
            assert monotonic() < end, f"{expression} did not come true"

    def save(self) -> None:
        """Save the notebook."""
        self.page.evaluate("jupyterapp.commands.execute('docmanager:save')")
        self.page.wait_for_function("!jupyterapp.shell.currentWidget.context.model.dirty")

    def shut_down(self) -> None:
        """Shut the kernel down, so that none is left when the page is gone."""
        session = "jupyterapp.shell.currentWidget?.sessionContext"
        late = "new Promise(done => setTimeout(done, 15000))"
        self.page.evaluate(
            f"(async () => {{ if ({session}?.session) await Promise.race([{session}.shutdown(), {late}]) }})()"
        )


def names_of_controls(page: Page, within: str) -> Sequence[tuple[str, str]]:
    """Return role and accessible name of each control under a selector, as assistive technology is told them."""
    found = page.locator(within).first.aria_snapshot()
    roles = ("button", "combobox", "textbox", "spinbutton", "checkbox", "slider", "radio", "tab")
    lines = [line.strip().removeprefix("- ") for line in found.splitlines()]
    made = []
    for line in lines:
        role, _, rest = line.partition(" ")
        if role.rstrip(":") in roles:
            made.append((role.rstrip(":"), rest.split('"')[1] if rest.startswith('"') else ""))
    return made

"""The control panel in a real browser: clicks and keys on one side, facts in the kernel on the other."""

import json
import time
from collections.abc import Callable

import chromium
import lab_server
import pytest
from chromium import NotebookPage
from playwright.sync_api import Page, expect

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
OpenNotebook = Callable[..., NotebookPage]
MAKE = "import kit\nns = kit.Namespace.from_scenario('desk', seed=7)\npanel = ns.panel()\npanel"
BUSY = "while [entry.command.word for entry in ns.control.entries].count('pause') < 2:\n    sum(range(100_000))"
"""Busy until somebody has pressed Pause again: without a second thread it would never end."""
FRESH = "kit.Namespace.from_scenario('desk', seed=7)"
REPLAYED = f"panel.log.replay({FRESH}).digest == panel.log.digest"


def figure(page: Page, name: str) -> float:
    """The value of a counter of the panel, as it stands there."""
    text = page.locator(f".kit-panel .kit-strip span:has(> .kit-name:text-is('{name}')) .kit-figure").first.inner_text()
    return float(text.removesuffix(" s").replace(",", "").split(":")[-1])


def button(page: Page, name: str) -> object:
    """A button of the panel."""
    return page.get_by_role("button", name=name, exact=True)


def inject_and_play(shown: NotebookPage) -> None:
    """What the tests of both modes do first: play with a key, and let a neuron crash with clicks."""
    page = shown.page
    play = page.get_by_role("button", name="Play", exact=True)
    play.focus()
    page.keyboard.press("Space")
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    page.get_by_label("Target", exact=True).select_option("courier")
    page.get_by_label("Target", exact=True).select_option("writer")
    page.get_by_label("Lasts", exact=True).fill("3s")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Inject", exact=True).click()
    expect(page.locator(".kit-log")).to_contain_text("crash('writer', for_='3s')")


def test_it_is_driven_by_clicks_and_keys_while_a_cell_is_busy(lab_page: OpenNotebook) -> None:
    shown = lab_page([MAKE])
    page = shown.page
    shown.until("panel._controls.reader._here")  # the page has told the kernel that the panel is there
    execute = "code => { jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}) }"
    page.evaluate(execute, BUSY)
    inject_and_play(shown)
    page.get_by_role("button", name="Inject", exact=True).click()
    page.wait_for_function("document.querySelector('.kit-log').innerText.split('crash(').length == 3")
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    page.get_by_role("button", name="Step", exact=True).click()
    expect(page.get_by_text("‖ stepped")).to_be_visible()
    page.get_by_role("button", name="Play", exact=True).click()
    expect(page.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    before = figure(page, "events")
    page.wait_for_timeout(600)
    assert figure(page, "events") > before  # beside the busy cell it goes on, and the view with it
    page.get_by_role("button", name="Pause", exact=True).click()
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    words = shown.fact("[entry.command.word for entry in panel.log.entries]")
    # Messages of different controls may overtake each other: what was done is certain, the order is what the log says.
    assert [words.count(word) for word in ("play", "inject", "pause", "step")] == [2, 2, 2, 1]
    assert shown.fact(REPLAYED)


@pytest.mark.long
def test_without_subshells_it_goes_on_while_a_cell_is_busy_and_clicks_follow(lab_page: OpenNotebook) -> None:
    shown = lab_page([MAKE], subshells="disabled")
    page = shown.page
    inject_and_play(shown)
    page.evaluate(
        "code => { jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code}) }",
        "import time; start = panel.now_s; time.sleep(3); end = panel.now_s",
    )
    page.get_by_role("button", name="Pause", exact=True).click()
    before = figure(page, "events")
    page.wait_for_timeout(800)
    assert figure(page, "events") > before
    expect(page.get_by_role("button", name="Play", exact=True)).to_be_visible()  # when the cell was through
    assert shown.fact("end - start > 10")
    assert shown.fact("[entry.command.word for entry in panel.log.entries]") == ["play", "inject", "pause"]
    assert shown.fact(REPLAYED)


@pytest.mark.long
def test_a_new_user_stops_a_trace_and_pastes_the_code_into_a_fresh_kernel(lab_page: OpenNotebook) -> None:
    shown = lab_page([MAKE])
    page = shown.page
    assert all(name for _, name in chromium.names_of_controls(page, ".kit-panel"))
    inject_and_play(shown)
    page.wait_for_timeout(500)
    page.get_by_role("button", name="Pause", exact=True).click()
    page.get_by_label("For", exact=True).select_option("writer")
    page.get_by_label("Input", exact=True).fill("draft 2")
    page.keyboard.press("Tab")
    expect(page.locator(".kit-wire")).to_contain_text('TASK → writer {"input":{"q":"draft 2"}} (')
    page.get_by_role("button", name="Dispatch", exact=True).click()
    # Few steps: when it was paused is up to the machine, and the task must be under way still.
    page.get_by_role("button", name="Step", exact=True).click()
    trace = page.get_by_label("Trace", exact=True)
    expect(trace.locator("option", has_text="task for writer").first).to_be_attached()
    label = trace.locator("option", has_text="task for writer").first.inner_text()
    trace.select_option(label=label)
    page.get_by_role("button", name="Stop trace", exact=True).click()
    page.get_by_label("N", exact=True).fill("8")
    page.keyboard.press("Tab")
    page.get_by_role("button", name="Step N", exact=True).click()
    expect(page.locator(".kit-log")).to_contain_text("STOPPED:")
    shown.run("study = kit.load(panel.snapshot())")
    assert label[-6:] in shown.fact("[one['trace_id'][-6:] for one in study.signals(type='STOPPED').rows()]")
    page.get_by_role("button", name="Copy as code", exact=True).click()
    expect(page.get_by_role("status").filter(has_text="Copied.")).to_be_visible()
    code = page.get_by_label("Code", exact=True).input_value()
    digest = shown.fact("panel.digest")
    assert digest in code
    fresh = lab_page([code])
    assert fresh.fact("panel.digest") == digest
    assert fresh.fact("panel.log.acts[-1].command.word") == "stop_trace"


@pytest.mark.long
def test_two_panels_and_a_restart_of_the_kernel(lab_page: OpenNotebook) -> None:
    shown = lab_page([MAKE, "other = kit.Namespace.from_scenario('market', seed=1).panel()\nother"])
    page = shown.page
    first, second = page.locator(".kit-panel").nth(0), page.locator(".kit-panel").nth(1)
    second.get_by_role("button", name="Step", exact=True).click()
    first.get_by_role("button", name="Play", exact=True).click()
    expect(first.get_by_role("button", name="Pause", exact=True)).to_be_visible()
    second.get_by_role("button", name="Step", exact=True).click()
    first.get_by_role("button", name="Pause", exact=True).click()
    expect(first.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert shown.fact("[len(panel.log), len(other.log), other.playing]") == [2, 2, False]
    lost = page.get_by_text("The kernel of this panel is gone or was restarted.")
    expect(lost.first).to_be_hidden()
    page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    expect(lost.first).to_be_visible()
    expect(lost.nth(1)).to_be_visible()
    shown.wait_idle()
    shown.run_all()
    expect(page.get_by_role("button", name="Play", exact=True).first).to_be_visible()
    assert shown.fact("panel.log.events") == 0


@pytest.mark.long
def test_a_stored_notebook_shows_the_twin_without_its_kernel(lab_page: OpenNotebook, lab: lab_server.LabServer) -> None:
    shown = lab_page([f"{MAKE[:-6]}\npanel.run_until('10s')\npanel.crash('writer')\npanel.step(3)\npanel"])
    shown.save()
    stored = json.loads(shown.path.read_text())
    for cell in stored["cells"]:  # what `make notebooks` does
        for output in cell["outputs"]:
            output.get("data", {}).pop("application/vnd.jupyter.widget-view+json", None)
    (lab.folder / "stored.ipynb").write_text(json.dumps(stored))
    reopened = lab_page(name="stored.ipynb", run=False)
    page = reopened.page
    expect(page.get_by_text("✖ crashed")).to_be_visible()
    expect(page.locator(".kit-log")).to_contain_text("crash('writer')")
    assert page.get_by_text("Error displaying widget").count() == 0
    assert page.get_by_text("Loading widget").count() == 0


@pytest.mark.long
def test_it_works_in_notebook_7(notebook7_page: OpenNotebook) -> None:
    shown = notebook7_page([MAKE])
    inject_and_play(shown)
    time.sleep(0.5)
    shown.page.get_by_role("button", name="Pause", exact=True).click()
    expect(shown.page.get_by_role("button", name="Play", exact=True)).to_be_visible()
    assert shown.fact(REPLAYED)

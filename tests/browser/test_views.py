"""DAG, timeline and trace browser in JupyterLab: what is drawn, what a click and a key do, and what the kernel then knows."""

from typing import Any

import chromium
import pytest
from chromium import NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
LOAD = "import kit\nstudy = kit.load(kit.datasets.path('cosmonapse-small'))\ntrace = study.trace('JSXK6')"
COLOURS = """(selector) => {
  const canvas = document.querySelector(selector);
  const pixels = new Uint32Array(canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data.buffer);
  return new Set(pixels).size;
}"""
VIEW = "document.querySelector('.kit-{}').kitView"


def ready(page: Any, kind: str) -> None:
    """Wait until a view has drawn its data."""
    page.wait_for_function(f"document.querySelector('.kit-{kind}')?.kitView?.ready()")
    page.wait_for_function(f"Number(document.querySelector('.kit-{kind} .kit-canvas').dataset.painted) > 0")


def click(page: Any, kind: str, id: str) -> None:
    """Click where the view says that it has drawn an event."""
    place = page.evaluate(f"{VIEW.format(kind)}.place({id!r})")
    assert place is not None, f"{id} is not drawn"
    page.locator(f".kit-{kind} .kit-canvas").click(position=place)


@pytest.mark.parametrize("subshells", ["perCommTarget", pytest.param("disabled", marks=pytest.mark.long)])
def test_a_click_on_a_node_selects_it_in_the_kernel_and_in_the_timeline(lab_page: Any, subshells: str) -> None:
    shown: NotebookPage = lab_page(
        [
            LOAD,
            "dag, lanes = trace.view(height=300), trace.timeline()\nlinked = kit.widgets.link(dag, lanes)\ndag",
            "lanes",
        ],
        subshells=subshells,
    )
    page = shown.page
    ready(page, "dag")
    ready(page, "timeline")
    assert page.evaluate(COLOURS, ".kit-dag .kit-canvas") > 20
    assert page.evaluate(COLOURS, ".kit-timeline .kit-canvas") > 20
    for kind in ("dag", "timeline"):
        theme = page.evaluate(f"(({{dark, paper, ink}}) => [dark, paper, ink])({VIEW.format(kind)}.theme())")
        assert theme == [False, "#ffffff", "#000000"], "the colours of the page, not those before it was there"
    ids = shown.fact("dag.drawing.nodes['id'].to_pylist()")
    for id in (ids[1], ids[-1]):
        place = page.evaluate(f"{VIEW.format('dag')}.place({id!r})")
        assert page.evaluate(f"{VIEW.format('dag')}.hit({place['x']}, {place['y']})") == id
        click(page, "dag", id)
        page.wait_for_function(
            "text => document.querySelector('.kit-dag .kit-status').textContent.includes(text)", arg=id
        )
        assert shown.fact("[dag.selected, lanes.selected]") == [[id], [id]]
    assert shown.fact("lanes.cursor_us == dag.cursor_us is not None")
    span = shown.fact("trace.spans().rows()[0]['span_id']")
    click(page, "timeline", span)
    page.wait_for_function(
        "text => document.querySelector('.kit-dag .kit-status').textContent.includes(text)", arg=span
    )
    assert shown.fact("dag.selected") == [span]


@pytest.mark.long
def test_keys_walk_the_graph_search_it_and_fold_it(lab_page: Any) -> None:
    shown: NotebookPage = lab_page([LOAD, "dag = trace.view()\ndag"])
    page = shown.page
    ready(page, "dag")
    canvas = page.get_by_role("application", name="Graph of causes and effects")
    canvas.focus()
    root = shown.fact("dag.drawing.nodes['id'][0].as_py()")
    canvas.press("ArrowDown")
    shown.until(f"dag.selected == [{root!r}]")
    canvas.press("ArrowDown")
    shown.until(f"dag.selected[0] in dag.around({root!r})['effects']")
    canvas.press("ArrowUp")
    shown.until(f"dag.selected == [{root!r}]")
    canvas.press("c")
    page.wait_for_function(
        f"{VIEW.format('dag')}.folded() === {len(shown.fact('dag.drawing.nodes.num_rows * [0]')) - 1}"
    )
    assert shown.fact("dag.collapsed") == [root]
    canvas.press("c")
    page.wait_for_function(f"{VIEW.format('dag')}.folded() === 0")
    box = page.get_by_role("searchbox", name="Search by id, text or SQL condition")
    box.fill("type = 'BID' and neuron = 'solver-1'")
    box.press("Enter")
    page.wait_for_function(f"{VIEW.format('dag')}.found().length === 1")
    assert page.evaluate(f"{VIEW.format('dag')}.found()") == shown.fact(
        "[n['id'] for n in dag.drawing.nodes.to_pylist() if n['type'] == 'BID' and n['neuron'] == 'solver-1']"
    )
    box.fill("type = ")
    box.press("Enter")
    page.locator(".kit-dag .kit-notice", has_text="is no condition over").wait_for()
    names = chromium.names_of_controls(page, ".kit-dag")
    assert [name for _, name in names if not name] == []
    assert {"Zoom in", "Zoom out", "Fit all"} <= {name for _, name in names}


@pytest.mark.long
def test_a_brush_in_the_timeline_moves_other_views_while_a_cell_is_busy(lab_page: Any) -> None:
    shown: NotebookPage = lab_page(
        [LOAD, "lanes, dag = trace.timeline(), trace.view()\nlinked = kit.widgets.link(lanes, dag)\nlanes", "dag"]
    )
    page = shown.page
    ready(page, "timeline")
    ready(page, "dag")
    canvas = page.locator(".kit-timeline .kit-canvas")
    canvas.scroll_into_view_if_needed()
    before = page.evaluate("document.querySelector('.kit-dag .kit-canvas').toDataURL()")
    shown.page.evaluate(
        "jupyterapp.shell.currentWidget.sessionContext.session.kernel.requestExecute({code: 'import time; time.sleep(4)'}) && 0"
    )
    box = canvas.bounding_box()
    assert box is not None
    page.get_by_role("button", name="Mark a stretch of time by dragging").click()
    page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] + 20)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 20, steps=4)
    page.mouse.up()
    # The busy cell does not keep the kernel from passing the brush on.
    page.wait_for_function(
        "before => document.querySelector('.kit-dag .kit-canvas').toDataURL() !== before", arg=before
    )
    first, last = shown.fact("list(lanes.extent_us)")
    low, high = shown.fact("dag.window_us")
    assert first < low < high <= last + (last - first) * 0.1


@pytest.mark.long
def test_rows_that_come_in_are_drawn_and_a_million_are_counted(lab_page: Any) -> None:
    shown: NotebookPage = lab_page(
        [
            "import numpy as np, pyarrow as pa, kit.widgets\nlanes = kit.widgets.Timeline()\nlanes",
            """def chunk(start, n):
    at = start + np.arange(n)
    return pa.table({'lane': np.char.add('neuron-', (at % 7).astype(str)), 'start': at * 1000.0,
                     'kind': np.where(at % 3 == 0, 'TASK', 'BID'), 'id': np.char.add('evt_', at.astype(str))})
_ = lanes.append(chunk(0, 10))""",
        ]
    )
    page = shown.page
    page.wait_for_function(f"{VIEW.format('timeline')}?.rows() === 10")
    shown.run("lanes.append(chunk(10, 5))")
    page.wait_for_function(f"{VIEW.format('timeline')}.rows() === 15")
    shown.run("lanes.append(chunk(15, 999_985))")
    page.wait_for_function(f"{VIEW.format('timeline')}.counts()")
    assert "1,000,000 events in 7 lanes" in page.locator(".kit-timeline .kit-title").inner_text()
    shown.run("lanes.zoom(500_000_000, 500_100_000)")
    page.wait_for_function(f"!{VIEW.format('timeline')}.counts()")
    click(page, "timeline", "evt_500050")
    page.wait_for_function("document.querySelector('.kit-timeline .kit-status').textContent.includes('evt_500050')")
    assert shown.fact("lanes.selected") == ["evt_500050"]


def test_the_browser_opens_what_is_chosen_and_writes_events_out(lab_page: Any) -> None:
    shown: NotebookPage = lab_page([LOAD, "browser = study.browse()\nbrowser"])
    page = shown.page
    ready(page, "dag")
    rows = page.locator(".kit-listing").first
    rows.get_by_role("searchbox", name="Filter Traces").fill("JSXK6")
    rows.locator("tbody tr[data-row='0']").click()
    page.locator(".kit-dag .kit-title", has_text="9 signals").wait_for()
    assert shown.fact("browser.opened").endswith("JSXK6")
    id = shown.fact("browser.dag.drawing.nodes['id'].to_pylist()")[0]
    click(page, "dag", id)
    page.locator(".kit-detail pre", has_text=id).first.wait_for()
    assert shown.fact("browser.detail.shown()['type']") == "TASK_OFFER"
    names = chromium.names_of_controls(page, ".jp-OutputArea-output .jupyter-widgets")
    assert [name for _, name in names if not name] == []


@pytest.mark.long
def test_a_view_says_that_its_kernel_is_gone(lab_page: Any) -> None:
    shown: NotebookPage = lab_page([LOAD, "trace.view()"])
    ready(shown.page, "dag")
    shown.page.evaluate("jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()")
    shown.page.get_by_text("The kernel behind this view is gone: run its cell again.").wait_for()
    # JupyterLab complains where a page is closed while its kernel is on its way back.
    shown.wait_idle()
    shown.page.wait_for_timeout(1000)


@pytest.mark.long
def test_a_saved_notebook_shows_twins_without_a_kernel(lab_page: Any) -> None:
    shown: NotebookPage = lab_page([LOAD, "trace.view()", "trace.timeline()"])
    ready(shown.page, "timeline")
    shown.save()
    content = shown.path.read_text()
    assert content.count('"image/png"') == 2
    assert "<DAG 'Trace DAG: 9 signals, 8 edges'>" in content

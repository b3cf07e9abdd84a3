"""An HTML file of the kit, opened from disk: the same views without a kernel, and text that cannot run."""

from pathlib import Path
from typing import Any

import chromium
import networkx as nx
import pyarrow as pa
import pytest
from browser.test_views import COLOURS, VIEW, click
from chromium import Watched

import kit
from kit.widgets import DAG, Content, Page, Timeline

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
HOSTILE = [
    "</script><script>window.hurt = 1</script>",
    "<img src=x onerror='window.hurt = 1'>",
    "\u2028window.hurt = 1;\u2029",
    '"><svg onload="window.hurt=1">',
]


def opened(watched: Watched, path: Path) -> Any:
    """Return the page of a file, ready."""
    page = watched.open_file(path)
    page.wait_for_selector("html[data-kit-ready]")
    return page


def test_a_file_opens_from_disk_with_all_views_linked(watched: Watched, tmp_path: Path) -> None:
    study = kit.load(kit.datasets.path("mission"))
    page = opened(watched, study.report(tmp_path / "study.html"))
    threads = page.get_by_role("group", name="Threads")
    thread = study.threads().rows()[1]
    threads.get_by_text(thread["goal"]).click()
    page.locator(".kit-dag .kit-title", has_text=f"{len(study.thread(thread['thread']).graph)} records").wait_for()
    assert page.evaluate(COLOURS, ".kit-dag .kit-canvas") > 20
    id = study.thread(thread["thread"]).table().rows()[0]["id"]
    click(page, "dag", id)
    page.locator(".kit-detail pre", has_text=id).first.wait_for()
    assert id in page.locator(".kit-timeline .kit-status").inner_text()
    page.get_by_role("group", name="Clocks").get_by_text("session/sdk_clock").click()
    page.locator(".kit-dag").wait_for(state="hidden")
    assert page.evaluate(COLOURS, ".kit-timeline .kit-canvas") > 20
    assert [name for _, name in chromium.names_of_controls(page, "#kit-views") if not name] == []


def test_a_brush_in_the_file_makes_other_nodes_faint(watched: Watched, tmp_path: Path) -> None:
    trace = kit.load(kit.datasets.path("cosmonapse-small")).trace("JSXK6")
    page = opened(watched, trace.to_html(tmp_path / "trace.html"))
    before = page.evaluate("document.querySelector('.kit-dag .kit-canvas').toDataURL()")
    canvas = page.locator(".kit-timeline .kit-canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    page.keyboard.down("Shift")
    page.mouse.move(box["x"] + box["width"] * 0.6, box["y"] + 30)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, box["y"] + 30, steps=4)
    page.mouse.up()
    page.keyboard.up("Shift")
    page.wait_for_function(
        "before => document.querySelector('.kit-dag .kit-canvas').toDataURL() !== before", arg=before
    )
    assert page.get_by_role("button", name="Clear the marked stretch").is_enabled()


def test_search_in_a_file_finds_texts_and_says_that_sql_needs_a_kernel(watched: Watched, tmp_path: Path) -> None:
    trace = kit.load(kit.datasets.path("cosmonapse-small")).trace("JSXK6")
    page = opened(watched, trace.to_html(tmp_path / "trace.html"))
    box = page.get_by_role("searchbox", name="Search by id, text or SQL condition")
    box.fill("bid")
    box.press("Enter")
    page.wait_for_function(f"{VIEW.format('dag')}.found().length === 3")
    box.fill("type = 'BID'")
    box.press("Enter")
    page.get_by_text("A condition in SQL needs a kernel").wait_for()


@pytest.mark.parametrize("text", HOSTILE)
def test_text_of_a_capture_does_not_run(watched: Watched, tmp_path: Path, text: str) -> None:
    graph = nx.DiGraph()
    graph.add_node(text, type=text, neuron=text, label=text)
    graph.add_edge(text, "b", why=text)
    view = DAG(Content(graph, critical=[text], findings={text: text}), title=text)
    made = Page(text, [view])
    made.note(text)
    page = opened(watched, made.write(tmp_path / "hostile.html"))
    page.wait_for_function(f"{VIEW.format('dag')}.ready()")
    assert page.evaluate("window.hurt") is None
    assert page.locator("img, svg").count() == 0
    assert page.evaluate(f"{VIEW.format('dag')}.place({text!r})" if "'" not in text else "1") is not None
    view.close()


def test_the_policy_of_the_page_stops_other_scripts_and_requests(watched: Watched, tmp_path: Path) -> None:
    path = kit.load(kit.datasets.path("cosmonapse-small")).trace("JSXK6").to_html(tmp_path / "trace.html")
    path.write_text(
        path.read_text("utf-8").replace(
            "</body>", "<script>window.hurt = 1</script><img src='http://192.0.2.1/x.png'></body>"
        ),
        "utf-8",
    )
    refused: list[str | None] = []
    watched.page.on("requestfailed", lambda request: refused.append(request.failure))
    page = opened(watched, path)
    page.wait_for_timeout(300)
    assert page.evaluate("window.hurt") is None
    assert refused == ["csp"]
    assert len(watched.errors) == 2, "the browser tells what it refused"
    watched.errors.clear()
    watched.foreign.clear()


def test_a_timeline_tells_an_error_from_what_ends_well(watched: Watched, tmp_path: Path) -> None:
    kinds = ["TASK", "FINAL", "ERROR", "STOP"]
    view = Timeline(pa.table({"lane": ["a"] * 4, "start": [0.0, 10.0, 20.0, 30.0], "kind": kinds}))
    page = opened(watched, Page("ends", [view]).write(tmp_path / "ends.html"))
    page.wait_for_function(f"{VIEW.format('timeline')}.ready()")
    legend = page.locator(".kit-timeline .kit-legend span")
    assert legend.all_inner_texts() == ["ERROR", "FINAL, TASK", "STOP"]
    view.close()


def test_fifty_thousand_nodes_are_drawn_hit_and_zoomed(watched: Watched, tmp_path: Path) -> None:
    graph = nx.DiGraph()
    graph.add_nodes_from((f"evt_{i:06}", {"type": "TASK" if i % 3 else "BID"}) for i in range(50_000))
    graph.add_edges_from((f"evt_{max(i - 1 - i % 211, 0):06}", f"evt_{i:06}") for i in range(1, 50_000))
    view = DAG(graph)
    page = opened(watched, Page("large", [view], rows=50_000).write(tmp_path / "large.html"))
    page.wait_for_function(f"{VIEW.format('dag')}.first() > 0")
    assert page.evaluate(COLOURS, ".kit-dag .kit-canvas") >= 4
    for id in ("evt_000000", "evt_049999"):
        place = page.evaluate(f"{VIEW.format('dag')}.place({id!r})")
        assert page.evaluate(f"{VIEW.format('dag')}.hit({place['x']}, {place['y']})") is not None
    page.evaluate(f"{VIEW.format('dag')}.zoom(40)")
    page.wait_for_timeout(200)
    assert page.evaluate(COLOURS, ".kit-dag .kit-canvas") >= 4
    view.close()

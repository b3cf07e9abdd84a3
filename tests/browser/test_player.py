"""The seek bar in JupyterLab: a press on it is a place in the kernel."""

from collections.abc import Callable

import pytest
from chromium import NotebookPage

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("browser")]
CELLS = [
    "import kit\nstudy = kit.load(kit.datasets.path('mission'))\nplayer = study.player(sink=kit.replay.Collect())\n"
    "_ = player.break_on(\"type = 'TOOL_CALL'\")\npanel = player.panel()\npanel",
    "import time\nbusy = lambda: time.sleep(3)",
]


def test_a_press_on_the_bar_goes_there_and_buttons_play_and_step(lab_page: Callable[..., NotebookPage]) -> None:
    shown = lab_page(CELLS)
    bar = shown.page.get_by_role("slider", name="Events over time; press to go there")
    bar.wait_for()
    box = bar.bounding_box()
    assert box is not None
    bar.click(position={"x": 92 + (box["width"] - 102) / 2, "y": 30})
    shown.page.wait_for_function("document.querySelector('.kit-seek canvas').getAttribute('aria-valuenow') > 40")
    middle = shown.fact("(player.now_ns - player.start_ns) / 1e9")
    assert middle == pytest.approx(95.026 / 2, abs=0.5)
    assert shown.fact("len(player.sink.events) == player.position")
    step = shown.page.get_by_role("button", name="Step")
    place = shown.fact("player.position")
    step.click()
    step.click()
    shown.page.wait_for_timeout(300)
    assert shown.fact("panel.settle() and player.position") == place + 2
    bar.focus()
    bar.press("Home")
    shown.page.wait_for_function("document.querySelector('.kit-seek canvas').getAttribute('aria-valuenow') == 0")
    assert shown.fact("panel.settle() and player.now_ns == player.start_ns")
    shown.page.get_by_role("combobox", name="Rate").select_option("as fast as possible")
    shown.page.get_by_role("button", name="Play").click()
    shown.page.get_by_text("breakpoint type = 'TOOL_CALL'").wait_for()
    assert shown.fact("player.next.kind") == "TOOL_CALL"

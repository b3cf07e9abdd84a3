"""The controls of a player without a browser: what a click does, what is shown, and what stays when they are closed."""

import threading
from collections.abc import Iterator

import pytest
from widgets.headless import asked, custom, recorded, update

import kit
from kit.errors import ArgumentError
from kit.replay import Collect, PlayedEvent
from kit.widgets import Playing
from kit.widgets.columns import unpack


@pytest.fixture
def panel() -> Iterator[Playing]:
    with kit.load(kit.datasets.path("cosmonapse-small")) as study, recorded():
        made = study.player(sink=Collect(), rate=1.0).panel()
        yield made
        made.close()


def test_buttons_do_what_the_methods_do(panel: Playing) -> None:
    player = panel.player
    panel.press("step")
    assert player.position == 1
    panel._unit.value = "level"
    panel.press("step")
    assert player.position > 1
    custom(panel._buttons["play"], {"event": "click"})
    panel.settle()
    assert player.playing
    update(panel._rate, index=list(dict(panel._rate.options).values()).index(float("inf")))
    assert panel.wait(30) and player.position == 1037 and "stopped: end" in panel._state.value
    panel.press("play")  # from the end it begins again
    panel.wait(30)
    assert player.delivered == 2 * 1037
    panel.press("start")
    assert player.position == 0
    with pytest.raises(ArgumentError, match="play, pause, step, start"):
        panel.press("rewind")


def test_the_bar_shows_the_density_and_a_press_goes_there(panel: Playing) -> None:
    bar, player = panel.seek_bar, panel.player
    answer, buffers = asked(bar, "density", bins=50)
    columns = unpack(answer["header"], buffers)
    assert sum(columns["events"]) == 1037 and set(columns["family"]) == {"signals"}
    assert min(columns["start_us"]) == bar.start_us and max(columns["end_us"]) == pytest.approx(bar.end_us)
    update(bar, asked=[bar.start_us + 60e6, 1])
    panel.settle()
    assert bar.now_us == bar.start_us + 60e6 == player.now_ns / 1000
    assert len(player.sink.events) == player.position > 0
    bar.go(bar.end_us + 1e9)  # beyond the end is the end
    panel.settle()
    assert player.position == 1037
    player.break_on("type = 'ERROR'")
    panel.settle()
    errors = [event.due_ns / 1000 for event in player.timeline.read(0, 1037) if event.kind == "ERROR"]
    assert bar.breaks_us == errors
    assert "no data called" in asked(bar, "nothing")[0]["error"]


def test_a_failing_sink_and_a_busy_cell_are_shown_and_nothing_hangs() -> None:
    seen: list[int] = []
    failed: list[int] = []

    def failing(event: PlayedEvent) -> None:
        if event.position == 3 and not failed:
            failed.append(3)
            raise ValueError("<full>")
        seen.append(event.position)

    with kit.load(kit.datasets.path("cosmonapse-small")) as study, recorded():
        panel = study.player(sink=failing, rate=float("inf")).panel()
        panel.press("play")
        with pytest.raises(ValueError, match="full"):
            panel.wait(30)
        panel.settle()
        assert "ValueError: &lt;full&gt;" in panel._state.value
        panel.close()
        panel.close()
        panel.player.run(until=6)
        assert seen == [0, 1, 2, 3, 4, 5]
        assert not [thread for thread in threading.enumerate() if "panel of a player" in thread.name]


def test_without_a_kernel_a_picture_stands_in(panel: Playing) -> None:
    data = panel._repr_mimebundle_()[0]
    assert data["text/plain"].startswith("player of 1,037 signals")
    assert data["image/png"].startswith(b"\x89PNG") or data["image/png"].startswith("iVBOR")

"""The life of a panel: made, closed, made again, and used from two threads."""

import gc
import re
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ipywidgets.widgets.widget import _instances
from widgets.headless import custom, recorded
from widgets.test_panel import button, every, field, lab, replays

import kit
from kit.errors import KitError, ViewClosedError
from kit.widgets.panel import Panel


@pytest.fixture(autouse=True)
def comms() -> Iterator[None]:
    """Widgets talk to comms that record."""
    with recorded():
        yield


def test_names_from_outside_are_text() -> None:
    ns = kit.Namespace("<b>lab</b>", seed=1)
    ns.model("<img src=x onerror=alert(1)>", capabilities=["<i>x</i>"])
    panel = ns.panel()
    panel.dispatch("<script>", neuron="<img src=x onerror=alert(1)>")
    panel.run_until("1s")
    html = panel._repr_mimebundle_()[0]["text/html"] + "".join(part.value for part in panel._html.values())
    assert not re.search(r"<(b|i|img|script)\b(?!>desk)", html.replace("<b>&lt;b&gt;lab", ""))
    panel.close()


def test_a_namespace_has_one_panel_until_it_is_closed_and_the_log_goes_on() -> None:
    ns = lab()
    first = ns.panel()
    assert ns.panel() is first
    first.run_until("2s")
    first.crash("tester", for_="1s")
    first.close()
    second = ns.panel()
    assert second is not first
    second.run_until("4s")
    assert len(second.log) == 3
    assert replays(second)
    second.close()


def test_closing_frees_the_thread_and_every_widget() -> None:
    before = {one.model_id for one in _instances.values()}
    threads = threading.active_count()
    panel = lab().panel()
    panel.play()
    assert threading.active_count() == threads + 1
    parts = every(panel)
    panel.close()
    panel.close()
    assert threading.active_count() == threads
    assert all(part.comm is None for part in parts)
    gc.collect()
    left = {one.model_id for one in _instances.values()} - before
    assert left == set()
    with pytest.raises(ViewClosedError, match="panel of 'lab' is closed"):
        panel.step()
    assert panel.digest == panel.log.digest
    assert "tasks in flight; paused" in repr(panel)


CLICKS = st.lists(
    st.sampled_from(
        [
            "play",
            "pause",
            "step",
            "step n",
            "dispatch",
            "inject",
            "stop",
            "set rate",
            "set workers",
            "answer",
            "speed",
            "copy",
        ]
    ),
    max_size=12,
)


METHODS: dict[str, Callable[[Panel], Any]] = {
    "ask": lambda panel: panel.dispatch("ask", neuron="writer"),
    "crash": lambda panel: panel.crash("tester", for_="0.5s"),
    "answer": lambda panel: panel.answer(answer="x"),
    "stop": lambda panel: panel.stop_trace(panel.dispatch("a", neuron="writer"), rollback=True),
    "step": lambda panel: panel.step(7, "events"),
    "play": lambda panel: panel.play(),
    "max": lambda panel: panel.speed(None),
    "rate": lambda panel: panel.rate("request", 30),
    "nobody": lambda panel: panel.crash("nobody"),
    "look": lambda panel: repr(panel),
}


@settings(max_examples=30)
@given(CLICKS, st.lists(st.sampled_from(sorted(METHODS)), max_size=12))
def test_any_sequence_of_commands_from_two_threads_is_replayed_by_the_log(
    clicks: list[str], methods: list[str]
) -> None:
    with recorded():
        panel = lab().panel()

        def in_browser() -> None:
            for name in clicks:
                panel._used(name) if name not in panel._controls.buttons else custom(
                    panel._controls.buttons[name], {"event": "click"}
                )

        front = threading.Thread(target=in_browser)
        front.start()
        for name in methods:
            try:
                METHODS[name](panel)
            except KitError:
                continue
        front.join()
        panel.pause()
        log = panel.log
        panel.close()
    assert kit.sim.ControlLog.from_json(log.to_json()).replay(lab()).digest == log.digest


def test_the_page_is_asked_for_the_fields_of_a_button_and_one_answer_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    panel = lab().panel()
    reader = panel._controls.reader
    custom(reader, {"here": True})
    custom(button(panel, "Stop trace"), {"event": "click"})
    asked = reader.comm.sent[-1][0]["content"]
    assert asked == {"read": "1", "fields": ["trace", "rollback"]}
    assert set(reader.fields) >= {"trace", "rollback", "unit"}
    assert reader.fields["trace"] == field(panel, "Trace").model_id
    custom(button(panel, "Step"), {"event": "click"})
    for _ in range(2):  # a panel that is shown twice answers twice
        custom(reader, {"read": "2", "fields": {"unit": {"label": "events"}}})
    custom(reader, "what a page would never say")
    assert panel.wait(30)
    assert [str(entry.command) for entry in panel.log.entries] == ["step(of='events')"]
    monkeypatch.setattr("kit.widgets.form.PATIENCE_S", 0.01)  # a page that was closed in between
    custom(button(panel, "Step"), {"event": "click"})
    while len(panel.log.entries) < 2:
        time.sleep(0.01)
    assert repr(reader).startswith("<FormReader of unit, count")
    assert repr(panel._controls.task) == "<TaskPreview>"
    panel.close()

"""The control panel without a browser: every control, every method, two threads, the log and the twin."""

import re
import time
from collections.abc import Callable, Iterator
from html import unescape
from typing import Any

import ipywidgets
import pytest
from widgets.headless import custom, recorded, update

import kit
from kit import sim
from kit.errors import ArgumentError, KitError
from kit.sim.marking import SIGNS_OF_LIFE
from kit.widgets.controls import EVERYBODY
from kit.widgets.form import FormButton
from kit.widgets.panel import Panel

TALL = 15


@pytest.fixture(autouse=True)
def comms() -> Iterator[None]:
    """Widgets talk to comms that record."""
    with recorded():
        yield


def lab(seed: int = 7) -> kit.Namespace:
    """A namespace with a writer who asks and fails, a tester, memory, a tool and requests."""
    ns = kit.Namespace("lab", seed=seed)

    @ns.neuron("writer", capabilities=["write"], workers=2)
    async def writer(input: Any, context: Any, *, imprint: Any, sleep: Any) -> Any:
        if input["q"] == "raise":
            raise RuntimeError("no <ink>")
        if input["q"] == "may I" and "permission" not in input:
            return {"__permission__": True, "action": "publish"}
        if input["q"] == "ask" and "clarification" not in input:
            return {"__clarification__": True, "question": "for <whom>?"}
        await imprint("notes", op="append", entry={"content": input["q"]}, await_ack=True)
        await sleep("500ms")
        return {"done": True}

    ns.model("tester", capabilities=["test"], service=sim.exponential(ms=150), bid=sim.uniform(1, 5))
    ns.engram("notes")
    ns.effector("disk")
    ns.arrivals(name="request", rate_per_s=3, capabilities=["test"])
    return ns


@pytest.fixture
def panel() -> Iterator[Panel]:
    """A panel of `lab`, closed in the end."""
    made = lab().panel()
    yield made
    made.close()


def button(panel: Panel, name: str) -> Any:
    """The button of a description."""
    return next(one for one in every(panel) if isinstance(one, FormButton) and one.description == name)


def field(panel: Panel, name: str) -> Any:
    """The field of a description."""
    return next(one for one in every(panel) if getattr(one, "description", None) == name)


def every(widget: Any) -> list[Any]:
    """A widget and all that are in it."""
    return [widget, *(one for child in getattr(widget, "children", ()) for one in every(child))]


def choose(panel: Panel, name: str, label: str) -> None:
    """Choose an option of a dropdown as a browser does, by its index."""
    drop = field(panel, name)
    labels = [option if isinstance(option, str) else option[0] for option in drop.options]
    update(drop, index=next(n for n, one in enumerate(labels) if one.startswith(label)))


def click(panel: Panel, name: str, **fields: Any) -> None:
    """Click a button as a browser does, answer what the panel asks of the page, and wait for what it does."""
    reader = panel._controls.reader
    before = len(reader.comm.sent)
    custom(button(panel, name), {"event": "click"})
    for data, _ in reader.comm.sent[before:]:
        custom(reader, {"read": data["content"]["read"], "fields": fields})
    assert panel.wait(30)


def shown(panel: Panel, name: str) -> str:
    """The text of a part of the panel."""
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", panel._html[name].value)))


def replays(panel: Panel) -> bool:
    """Whether the log makes the same bytes again."""
    log = panel.log
    return log.replay(lab()).digest == log.digest


def test_play_and_pause_are_clicks_of_one_button(panel: Panel) -> None:
    play = field(panel, "Play")
    update(field(panel, "Speed"), index=2)  # max
    update(play, value=True)
    panel.break_at("FINAL")
    panel.wait(30)
    assert not panel.playing
    assert (play.value, play.description) == (False, "Play")
    assert panel.sheet.why.startswith("breakpoint: FINAL")
    panel.break_at()
    update(play, value=True)
    panel.step(1)  # a step ends playing
    assert panel.sheet.why == "stepped"
    assert replays(panel)


def test_the_panel_moves_its_own_controls_without_doing_it_again(panel: Panel) -> None:
    panel.play()
    panel.pause()
    assert [entry.command.word for entry in panel.log.entries] == ["play", "pause"]


def test_a_click_acts_on_what_stands_on_the_page_not_on_what_the_kernel_heard_last(panel: Panel) -> None:
    custom(panel._controls.reader, {"here": True})
    choose(panel, "Target", "tester")  # its successor, "writer", is still under way when the click comes
    click(panel, "Inject", fault={"label": "crash"}, target={"label": "writer"}, lasts={"value": "3s"})
    assert str(panel.log.acts[-1].command) == "crash('writer', for_='3s')"
    assert field(panel, "Target").value == "writer"
    click(panel, "Step N", count={"value": 3}, unit={"label": "events"})
    assert field(panel, "N").value == 3
    before = panel.log
    click(panel, "Inject", target={"label": "somebody who left"})
    assert "Target: 'somebody who left' is no longer there; choose again" in shown(panel, "troubles")
    click(panel, "Step N", count={"value": "many"})
    assert "N: " in shown(panel, "troubles")
    assert panel.log == before
    click(panel, "Inject", target={"label": None}, lasts="no such form", unknown={"value": 1})
    assert str(panel.log.acts[-1].command) == "crash('writer', for_='3s')"
    button(panel, "Step").click()
    assert panel.wait(30)
    assert replays(panel)


def test_steps_and_times(panel: Panel) -> None:
    before = panel.sheet.status.signals
    click(panel, "Step")
    assert panel.sheet.status.signals == before + 1
    update(field(panel, "N"), value=20)
    update(field(panel, "of"), index=1)
    events = panel.sheet.status.events
    click(panel, "Step N")
    assert panel.sheet.status.events == events + 20
    update(field(panel, "Until"), value=" 12.5s ")
    click(panel, "Run until")
    assert panel.now_s == 12.5
    assert "12.500 s" in shown(panel, "counters")
    click(panel, "Run until")  # there already
    update(field(panel, "Until"), value="yesterday")
    click(panel, "Run until")
    assert "'yesterday' is no span of time" in shown(panel, "troubles")
    click(panel, "Step")
    assert "yesterday" not in shown(panel, "troubles")
    assert replays(panel)


def test_a_task_goes_to_a_neuron_to_a_capability_or_to_an_auction(panel: Panel) -> None:
    choose(panel, "For", "writer")
    update(field(panel, "Input"), value='{"q": "a", "n": 1}')
    click(panel, "Dispatch")
    choose(panel, "Send", "by capability")
    choose(panel, "For", "write")
    update(field(panel, "Input"), value="b c")
    click(panel, "Dispatch")
    choose(panel, "Send", "offer, lowest_cost")
    choose(panel, "For", "test")
    click(panel, "Dispatch")
    panel.run_until("3s")
    calls = [entry.command.call() for entry in panel.log.acts]
    assert calls == [
        "dispatch(input={'q': 'a', 'n': 1}, neuron='writer')",
        "dispatch(input={'q': 'b c'}, capabilities=['write'])",
        "dispatch(input={'q': 'b c'}, capabilities=['test'], offer='lowest_cost')",
    ]
    signals = panel.snapshot().signals
    assert signals.sql("SELECT count(*) n FROM self WHERE type IN ('TASK_OFFER', 'TASK_AWARDED')").rows() == [{"n": 2}]
    assert replays(panel)


def test_questions_are_answered_and_permissions_decided(panel: Panel) -> None:
    click(panel, "Answer")
    assert "choose a question first" in shown(panel, "troubles")
    panel.dispatch("ask", neuron="writer")
    panel.dispatch("may I", neuron="writer")
    panel.run_until("1s")
    assert "questions that wait: 2" in shown(panel, "state")
    choose(panel, "Question", "writer: for <whom>?")
    update(field(panel, "Answer with"), value="ana")
    click(panel, "Grant")
    assert "is a CLARIFICATION; give answer=" in shown(panel, "troubles")
    click(panel, "Answer")
    panel.run_until("2s")
    choose(panel, "Question", "writer: may I publish?")
    update(field(panel, "Answer with"), value="too late")
    click(panel, "Deny")
    panel.run_until("4s")
    assert panel.sheet.questions == ()
    denied = panel.log.acts[-1].command
    assert denied.call().endswith("granted=False, reason='too late')")
    assert replays(panel)


@pytest.mark.parametrize(
    ("kind", "target", "state"),
    [
        ("crash", "writer", "crashed"),
        ("pause", "writer", "paused"),
        ("slow", "writer", "slow"),
        ("engram", "notes", "failing"),
    ],
)
def test_a_fault_shows_in_the_registry_and_ends(panel: Panel, kind: str, target: str, state: str) -> None:
    choose(panel, "Fault", kind)
    choose(panel, "Target", target)
    update(field(panel, "Lasts"), value="2s")
    assert field(panel, "By").disabled == (kind != "slow")
    click(panel, "Inject")
    panel.run_until("1s")
    assert {one.name: one.state for one in panel.sheet.status.members}[target] == state
    assert f"faults: {kind}/{target}" in shown(panel, "state")
    assert state in shown(panel, "registry")
    panel.run_until("3s")
    assert {one.state for one in panel.sheet.status.members} == {"up"}
    assert "faults" not in shown(panel, "state")
    assert replays(panel)


def test_faults_of_deliveries_have_a_share_and_may_be_for_everybody(panel: Panel) -> None:
    for kind, target in (("drop", EVERYBODY), ("delay", "tester"), ("poison", "tester"), ("partition", "tester")):
        choose(panel, "Fault", kind)
        choose(panel, "Target", target)
        assert field(panel, "Share").disabled == (kind == "partition")
        update(field(panel, "Share"), value=0.25)
        update(field(panel, "Lasts"), value="")
        click(panel, "Inject")
    faults = [entry.command.fault for entry in panel.log.acts]  # type: ignore[attr-defined]
    assert [(one.kind, one.p, one.receiver, one.target, one.for_) for one in faults] == [
        ("drop", 0.25, None, None, None),
        ("delay", 0.25, "tester", None, None),
        ("poison", 0.25, None, "tester", None),
        ("partition", 1.0, None, None, None),
    ]
    assert faults[3].groups == (("tester",), ("desk", "writer", "notes", "disk"))
    panel.run_until("5s")
    assert replays(panel)


@pytest.mark.parametrize("rollback", [True, False])
def test_a_trace_is_stopped_and_the_log_tells_what_came_back(panel: Panel, rollback: bool) -> None:
    trace = panel.dispatch("a", neuron="writer")
    panel.run_until("0.1s")
    choose(panel, "Trace", "task for writer")
    update(field(panel, "with rollback"), value=rollback)
    click(panel, "Stop trace")
    panel.run_until("1s")
    assert panel.log.acts[-1].command.trace_id == trace  # type: ignore[attr-defined]
    assert f"{3 if rollback else 2} STOPPED: 1 cancelled, {int(rollback)} undone" in shown(panel, "log")
    stopped = kit.load(panel.snapshot()).signals(type="STOPPED", trace=trace)
    assert len(stopped) == (3 if rollback else 2)
    assert replays(panel)


def test_a_trace_that_was_chosen_stays_chosen_when_it_is_over(panel: Panel) -> None:
    trace = panel.dispatch("a", neuron="writer")
    panel.dispatch("later", capabilities=["nobody"])
    panel.run_until("0.1s")
    choose(panel, "Trace", "task for writer")
    panel.run_until("20s")
    drop = field(panel, "Trace")
    assert drop.value == trace
    assert drop.options[0][0].endswith("over")


def test_load_is_changed(panel: Panel) -> None:
    assert field(panel, "per second").value == 3.0  # as it is
    update(field(panel, "per second"), value=12.0)
    click(panel, "Set rate")
    choose(panel, "Neuron", "writer")
    assert field(panel, "workers, 0 for any").value == 2
    update(field(panel, "workers, 0 for any"), value=0)
    click(panel, "Set workers")
    assert [entry.command.call() for entry in panel.log.acts] == [
        "rate(stream='request', per_s=12.0)",
        "workers(neuron='writer')",
    ]
    assert panel.sheet.status.streams[0].rate_per_s == 12.0
    panel.run_until("10s")
    assert replays(panel)


def test_breakpoints_are_chosen_and_met(panel: Panel) -> None:
    choose(panel, "Break at", "FINAL")
    click(panel, "Next break or fault")
    assert "breakpoint: FINAL" in shown(panel, "state")
    assert panel.sheet.recent[-1].kind == "FINAL"
    choose(panel, "Break at", "no signal")
    panel.namespace.faults.crash("tester", at="2s", for_="1s")
    click(panel, "Next break or fault")
    assert "fault crash/tester begins" in shown(panel, "state")


def test_what_a_neuron_raises_shows_with_its_place_and_escaped(panel: Panel) -> None:
    panel.dispatch("raise", neuron="writer")
    panel.run_until("1s")
    html = panel._html["troubles"].value
    assert "RuntimeError" in html
    assert "no &lt;ink&gt;" in html
    assert "<ink>" not in html
    assert "test_panel.py" in html  # where


def test_an_error_of_the_simulation_stands_it_still_and_shows(panel: Panel) -> None:
    sim.watch(panel.namespace, lambda ns: ns.now_s < 2 or "late", every="1s", name="early")
    panel.play()
    panel.speed(None)
    panel.wait(30)
    assert not panel.playing
    assert "InvariantError" in shown(panel, "state")
    assert "'early' does not hold at 2 s" in shown(panel, "troubles")
    with pytest.raises(KitError, match="is past"):
        panel.run_until("1s")


def test_every_control_has_a_name(panel: Panel) -> None:
    kinds = (
        *(FormButton, ipywidgets.ToggleButton, ipywidgets.Dropdown, ipywidgets.Text, ipywidgets.Textarea),
        *(ipywidgets.BoundedIntText, ipywidgets.BoundedFloatText, ipywidgets.Checkbox),
    )
    named = [one.description for one in every(panel) if isinstance(one, kinds)]
    assert len(named) == len(set(named)) > 30
    assert all(named)


@pytest.mark.parametrize(
    "name", ["play", "pause", "step", "step n", "run until", "speed", "break at", "dispatch", "inject", "copy"]
)
def test_every_button_can_be_pressed_by_its_name(panel: Panel, name: str) -> None:
    panel.press(name)
    panel.pause()
    assert replays(panel)


def test_pressing_says_what_a_click_would(panel: Panel) -> None:
    with pytest.raises(ArgumentError, match="there is no control 'explode'; there are play, pause"):
        panel.press("explode")
    with pytest.raises(ArgumentError, match="choose a trace first"):
        panel.press("stop")


def test_copy_gives_the_code_to_the_field_and_to_the_browser(panel: Panel) -> None:
    panel.run_until("2s")
    panel.crash("tester", for_="1s")
    custom(panel._copy, {"wanted": True})
    assert panel.wait(30)
    code = panel._code.value
    assert code == panel.code()
    assert "panel.at(events=" in code
    messages = [data for data, _ in panel._copy.comm.sent if data.get("method") == "custom"]
    assert messages == [{"method": "custom", "content": {"text": code}}]
    again: dict[str, Any] = {"ns": lab()}
    exec(code, again)  # it asserts the digest itself
    again["panel"].close()


def test_the_twin_and_the_text_tell_all_without_time_or_machine(panel: Panel) -> None:
    panel.run_until("3s")
    panel.crash("writer", for_="5s")
    panel.step(TALL)
    bundle, _ = panel._repr_mimebundle_()
    assert bundle["text/plain"] == repr(panel)
    assert "application/vnd.jupyter.widget-view+json" in bundle
    html = bundle["text/html"]
    assert "✖ crashed" in html
    assert "crash(&#x27;writer&#x27;, for_=&#x27;5s&#x27;)" in html
    assert "signals/s" not in html
    again = lab().panel()
    again.run_until("3s")
    again.crash("writer", for_="5s")
    again.step(TALL)
    assert again._repr_mimebundle_()[0]["text/html"] == html
    assert repr(again) == repr(panel)
    again.close()
    panel.close()
    bundle, _ = panel._repr_mimebundle_()
    assert bundle.keys() == {"text/plain", "text/html"}


def test_the_timeline_has_every_signal_and_each_task_as_a_span(panel: Panel) -> None:
    panel.dispatch("a", neuron="writer")
    panel.dispatch("b", capabilities=["test"], offer="lowest_cost")
    panel.run_until("10s")
    start, end = panel.timeline.extent_us
    drawn = panel.timeline.window(start, end + 1).to_pylist()
    signals = panel.snapshot().signals.sql("SELECT type, count(*)::INT n FROM self GROUP BY ALL").rows()
    told = {row["type"]: row["n"] for row in signals}
    points = [row["kind"] for row in drawn if row["end"] is None]
    assert {kind: points.count(kind) for kind in set(points)} == {
        kind: count for kind, count in told.items() if kind not in SIGNS_OF_LIFE
    }
    spans = [row for row in drawn if row["end"] is not None]
    assert len(spans) == told["AGENT_OUTPUT"]
    by_lane = {
        lane: [row for row in spans if panel.timeline.lanes[row["lane"]] == lane] for lane in ("writer", "tester")
    }
    (written,) = by_lane["writer"]
    assert 500_000 < written["end"] - written["start"] < 510_000
    assert len(by_lane["tester"]) == told["AGENT_OUTPUT"] - 1


def test_the_timeline_follows_until_somebody_moves_it(panel: Panel) -> None:
    panel.speed(1)
    panel.play()
    until(lambda: panel.timeline.view_us is not None)
    start, end = panel.timeline.view_us
    assert end - start == 20e6
    moved = [1767225600e6, 1767225601e6]
    while panel._following:
        update(panel.timeline, view_us=moved)
        time.sleep(0.05)
    time.sleep(0.3)
    assert panel.playing
    assert panel.timeline.view_us == moved


def until(condition: Callable[[], bool]) -> None:
    """Wait for something that the owner does by itself."""
    late = time.monotonic() + 30
    while not condition() and time.monotonic() < late:
        time.sleep(0.02)
    assert condition()


def test_it_can_be_composed_and_observed(panel: Panel) -> None:
    seen: list[Any] = []
    panel._html["counters"].observe(seen.append, "value")
    box = ipywidgets.HBox([panel, ipywidgets.HTML("beside")])
    panel.run_until("1s")
    assert len(seen) == 1
    view = ipywidgets.HTML("a view of mine")
    panel.timeline = view
    assert panel.timeline is view
    assert view in every(panel)
    box.children = ()
    box.close()


def test_a_method_called_by_an_observer_does_not_wait_for_itself(panel: Panel) -> None:
    def stop(_: Any) -> None:
        if panel.now_s > 1 and not done:
            done.append(1)
            panel.crash("tester")
            panel.step(3)

    done: list[int] = []
    panel._html["counters"].observe(stop, "value")
    panel.run_until("2s")
    assert panel.wait(30)
    assert done
    assert replays(panel)


def test_two_panels_do_not_know_of_each_other(panel: Panel) -> None:
    other = lab(seed=8).panel()
    panel.play()
    other.run_until("5s")
    panel.run_until("20s")
    assert other.now_s == 5
    assert replays(panel)
    assert other.log.replay(lab(seed=8)).digest == other.digest
    other.close()

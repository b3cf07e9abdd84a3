"""`Panel`: the control panel of a simulated namespace.

All that the panel shows is set by its owner thread, all that a click does is a command for it, and every command that
the panel takes is written into the control log of the Controller (kit.sim.control). Whatever the mouse can do, a
method does: those of `Verbs`, and `press(name)` for a button.
"""

from collections.abc import Mapping
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic
from typing import Any

import ipywidgets
import pyarrow as pa
from IPython import get_ipython

from kit.errors import KitError, ViewClosedError
from kit.sim.command import FAULTS, Command, Pause, Play, Snapshot
from kit.sim.control import Controller, ControlLog, Goal
from kit.sim.duration import START_US
from kit.sim.faults import Fault, by_hand, targets
from kit.sim.marking import Marking
from kit.sim.namespace import Namespace
from kit.sim.verbs import Verbs
from kit.widgets import sheet as sheets
from kit.widgets.controls import Choices, Controls
from kit.widgets.copy import STATIC, CopyButton
from kit.widgets.owner import Owner
from kit.widgets.sheet import Sheet
from kit.widgets.timeline import Timeline

CSS = (STATIC / "panel.css").read_text(encoding="utf-8")
REFRESH_S = 0.2
"""Real time between two looks at a simulation that goes on."""
TIMELINE_HEIGHT = 330
FOLLOWED_S = 20
"""Virtual seconds that the timeline keeps in sight while it plays."""
MARKS = pa.schema(
    [
        pa.field("lane", pa.string()),
        *(pa.field(name, pa.float64()) for name in ("start", "end")),
        *(pa.field(name, pa.string()) for name in ("kind", "status", "id", "name")),
    ]
)
LOST = "The kernel of this panel is gone or was restarted. Run the cell again for a new panel."


@dataclass(frozen=True)
class Complain:
    """Show a text: a form makes no sense as it is."""

    text: str


@dataclass(frozen=True)
class Look:
    """Return the sheet as it is now."""


@dataclass(frozen=True)
class Read:
    """Return the control log as it is now."""


@dataclass(frozen=True)
class Copy:
    """Return the code that does it all again, and hand it to the browser where it was asked for there."""

    to_browser: bool = False


@dataclass(frozen=True)
class Show:
    """Nothing; when it is done, what came before is shown: a turn, which shows it, comes between two commands."""


Order = Command | Complain | Look | Read | Copy | Show


class Panel(ipywidgets.VBox, Verbs):  # type: ignore[misc]
    """Play, pause, step, dispatch, answer, injure, stop: a simulated namespace in the hands of a researcher.

    `Namespace.panel()` makes it. The simulation runs on a thread of its own and goes on while a cell is busy; methods
    return when they are done. In a notebook it is a widget, elsewhere and in a stored notebook a table. `close()` ends
    the thread; the namespace stays where it is, and `Namespace.panel()` makes a new panel that goes on with its log.
    """

    def __init__(self, namespace: Namespace) -> None:
        self._controller = namespace.control or Controller(namespace)
        self._controller.speed_now = 10.0
        self._owner: Owner[Order] = Owner(
            self._carry_out, turn=self._turn, failed=self._failed, name=f"panel of {namespace.name!r}"
        )
        self._controls = Controls(self._used)
        self._message = ""
        self._due = 0.0
        self._counted = (monotonic(), self._controller.signals)
        self._rate = 0.0
        self._shown = sheets.sheet(self._controller)
        self._copy = CopyButton(lambda: self._post(Copy(to_browser=True)), label="Copy as code")
        self._code = ipywidgets.Textarea(
            description="Code",
            placeholder="Copy as code writes here the Python that does all of this again.",
            layout=ipywidgets.Layout(width="100%", height="96px"),
            style={"description_width": "initial"},
        )
        self._html = {
            name: ipywidgets.HTML() for name in ("counters", "state", "registry", "latest", "log", "troubles")
        }
        self._marking = Marking()
        self._end_tap = namespace.synapse.tap(self._marking.see)
        self._timeline = Timeline(height=TIMELINE_HEIGHT, axis="virtual time", title="Signals and tasks by neuron")
        self._following = False
        self._window: list[float] | None = None
        self._slot = ipywidgets.VBox([self._timeline])
        super().__init__(self._composed())
        self.add_class("kit-panel")
        self._refresh()

    # How it is put together

    def _composed(self) -> list[Any]:
        own, press = self._controls, self._controls.buttons
        lost = ipywidgets.HTML(LOST)
        lost.add_class("kit-lost")
        style = ipywidgets.HTML(f"<style>{CSS}</style>", layout=ipywidgets.Layout(display="none"))
        go = _row(
            own.play, own.speed, press["step"], own.count, own.unit, press["step n"], own.time, press["run until"]
        )
        halt = _row(own.stop_at, press["next"])
        forms = ipywidgets.VBox(
            [
                _form("Task", own.way, own.whom, own.input, press["dispatch"], own.task),
                _form("Question", own.question, own.reply, press["answer"], press["grant"], press["deny"]),
                _form("Fault", own.fault, own.target, own.lasts, own.by, own.share, press["inject"]),
                _form("Stop", own.trace, own.rollback, press["stop"]),
                _form("Load", own.stream, own.rate, press["set rate"], own.neuron, own.workers, press["set workers"]),
            ],
            layout=ipywidgets.Layout(flex="1 1 420px", min_width="280px"),
        )
        tables = ipywidgets.VBox(
            [
                _titled("Who is there", self._html["registry"], "300px"),
                _titled("Latest signals", self._html["latest"], "190px"),
            ],
            layout=ipywidgets.Layout(flex="1 1 460px", min_width="280px"),
        )
        body = ipywidgets.Box(
            [tables, forms], layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="flex-start")
        )
        body.layout.grid_gap = "0 24px"
        own.reader.beside.append(self._copy)
        log = _titled("Control log", self._html["log"], "160px")
        shown = (self._html["counters"], self._html["state"], self._html["troubles"])
        return [style, lost, *shown[:2], go, halt, shown[2], self._slot, body, log, self._copy, self._code, own.reader]

    @property
    def namespace(self) -> Namespace:
        """The namespace; while it plays, only the panel may touch it."""
        return self._controller.namespace

    @property
    def timeline(self) -> Any:
        """The view that stands between the controls and the tables; None for none. A panel closes it with itself.

        At first it is a Timeline that shows every signal and task as they come.
        """
        return self._slot.children[0] if self._slot.children else None

    @timeline.setter
    def timeline(self, view: Any) -> None:
        self._slot.children = () if view is None else (view,)

    # Commands

    def do(self, command: Command) -> Any:
        """Do a command, wait for its end where it has one, and return its result.

        Ctrl-C while it waits makes the simulation stand still. On the owner's own thread it does not wait.
        """
        made = self._awaited(command, self._owner.call(command))
        if not self._owner.mine:
            self._owner.call(Show())
        return made

    def _awaited(self, command: Command, made: Any) -> Any:
        if not isinstance(made, Goal):
            return made
        if command.ends and not self._owner.mine:
            try:
                made.over.wait()
            except KeyboardInterrupt:
                self._post(Pause())
                raise
            if made.error is not None:
                self._owner.call(Show())
                raise made.error
        return None

    def press(self, name: str) -> None:
        """Do what a click on a control does, with the fields as they are, and wait for the end of it.

        Names: play, pause, step, step n, next, run until, speed, break at, dispatch, answer, grant, deny, inject, stop,
        set rate, set workers, copy.
        """
        if name == "copy":
            self.code()
            return
        self.do(self._command(name))

    def _command(self, name: str) -> Command:
        nodes = self.namespace.dendrites

        def make(kind: Any, target: str | None, **given: Any) -> Fault:
            return by_hand(kind, target, nodes, **given)

        return self._controls.command(name, make)

    def _used(self, name: str, fields: Mapping[str, Any] | None = None) -> None:
        """A control was used, on whatever thread: only put the command into the queue."""
        if self._owner.mine:
            return  # the panel itself moved the control
        try:
            self._controls.take(name, fields or {})
            order: Order = self._command(name)
        except KitError as error:
            order = Complain(f"{name}: {error}")
        self._post(order)

    def _post(self, order: Order) -> "Future[Any] | None":
        with suppress(ViewClosedError):  # a last click may cross the closing
            return self._owner.post(order)
        return None

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait until all that was asked for is done and it stands still; False where it does not in time."""
        return self._owner.wait(timeout_s)

    # What there is

    @property
    def sheet(self) -> Sheet:
        """What it shows now, as values."""
        if not self._owner.closed:
            with suppress(ViewClosedError):
                self._shown = self._owner.call(Look())
        return self._shown

    @property
    def log(self) -> ControlLog:
        """What was done by hand so far, and the place that is reached; `log.replay(namespace)` does it again."""
        return self._controller.log if self._owner.closed else self._owner.call(Read())

    @property
    def digest(self) -> str:
        """The digest of all signals so far."""
        return self.log.digest

    @property
    def playing(self) -> bool:
        """Whether it goes on by itself."""
        return self._controller.playing

    @property
    def now_s(self) -> float:
        """Virtual seconds since the start."""
        return self._controller.us / 1e6

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._owner.closed

    def code(self) -> str:
        """Return the Python that does it all again, in a fresh kernel."""
        return self._coded() if self._owner.closed else self._owner.call(Copy())

    def close(self) -> None:
        """Stand still, end the thread, and close every control; harmless when repeated."""
        if not self._owner.closed:
            self._owner.close()
            self._end_tap()
            if self._controller.playing:
                self._controller.stand("paused")
            self._shown = sheets.sheet(self._controller)
            for child in [*self.children]:
                _close(child)
            self.layout.close()
        super().close()
        self.__dict__.pop("_repr_mimebundle_", None)  # ipywidgets takes it away; the table can still be shown

    # On the thread of the owner

    def _carry_out(self, order: Order) -> Any:
        if isinstance(order, Look):
            return sheets.sheet(self._controller)
        if isinstance(order, Read):
            return self._controller.log
        if isinstance(order, Show):
            return None
        if isinstance(order, Copy):
            code = self._coded()
            self._code.value = code
            if order.to_browser:
                self._copy.give(code)
            return code
        if isinstance(order, Complain):
            self._message = order.text
            self._refresh()
            return None
        if not isinstance(order, Snapshot):
            self._message = ""
        if isinstance(order, Play):
            self._following, self._window = True, self._timeline.view_us
        made = self._controller.apply(order)
        self._due = 0.0
        return made

    def _coded(self) -> str:
        return self._controller.code(_variable(self.namespace), driver="{}.panel()", name="panel")

    def _turn(self) -> float | None:
        delay = self._controller.turn()
        if delay is None or monotonic() >= self._due:
            self._refresh()
        return delay

    def _failed(self, order: Order | None, error: BaseException) -> None:
        self._message = f"{'' if order is None else f'{order}: '}{error}"
        self._refresh()

    def _draw(self) -> None:
        """Hand the timeline what is new."""
        marks = self._marking.take()
        if marks is not None and self._slot.children == (self._timeline,):
            self._timeline.append(pa.table(marks, schema=MARKS))
        self._follow()

    def _follow(self) -> None:
        """Keep the last seconds in sight while it plays, unless somebody has moved the timeline since Play."""
        view = self._timeline.view_us
        if not self._following or not self._controller.playing:
            return
        self._following = view is None if self._window is None else view == self._window
        if self._following:
            now = float(START_US + self._controller.us)
            self._timeline.zoom(now - FOLLOWED_S * 1e6, now)
            self._window = self._timeline.view_us

    def _refresh(self) -> None:
        """Show how it stands."""
        self._draw()
        now = monotonic()
        self._due = now + REFRESH_S
        of = self._shown = sheets.sheet(self._controller)
        took = now - self._counted[0]
        if took > 0:
            self._rate = (of.status.signals - self._counted[1]) / took if of.playing else 0.0
            self._counted = (now, of.status.signals)
        shown = {
            "counters": sheets.counters(of, self._rate),
            "state": sheets.state(of),
            "registry": sheets.registry(of),
            "latest": sheets.latest(of),
            "log": sheets.log(of),
            "troubles": sheets.troubles(of, self._message),
        }
        for name, html in shown.items():
            if self._html[name].value != html:
                self._html[name].value = html
        own = self._controls
        own.play.value, own.play.description = of.playing, "Pause" if of.playing else "Play"
        own.offer(_choices(of, self.namespace))

    # Without a front end

    def __repr__(self) -> str:
        return sheets.text(self.sheet)

    def _repr_mimebundle_(self, **options: Any) -> Any:
        made = super()._repr_mimebundle_(**options)
        bundle, metadata = made if isinstance(made, tuple) else (made, {})
        if bundle is None or self._owner.closed:
            bundle = {}
        of = self.sheet
        return {**bundle, "text/plain": sheets.text(of), "text/html": sheets.twin(of, CSS)}, metadata


def _row(*controls: Any) -> Any:
    return ipywidgets.Box(
        list(controls),
        layout=ipywidgets.Layout(display="flex", flex_flow="row wrap", align_items="center", grid_gap="0 6px"),
    )


def _titled(title: str, body: Any, height: str) -> Any:
    """Return a title over something that scrolls in a box of its own."""
    box = ipywidgets.Box([body], layout=ipywidgets.Layout(max_height=height, overflow="auto", width="100%"))
    return ipywidgets.VBox([ipywidgets.HTML(f"<h4>{title}</h4>"), box])


def _form(title: str, *controls: Any) -> Any:
    return ipywidgets.VBox([ipywidgets.HTML(f"<h4>{title}</h4>"), _row(*controls)])


def _close(widget: Any) -> None:
    """Close a widget with all that are in it, its layout and its style."""
    for child in [*getattr(widget, "children", ())]:
        _close(child)
    for part in (getattr(widget, "layout", None), getattr(widget, "style", None)):
        if isinstance(part, ipywidgets.Widget):
            part.close()
    widget.close()


def _choices(of: Sheet, ns: Namespace) -> Choices:
    """Return what the forms can offer."""
    neurons = {member.name: member.workers for member in of.status.members if member.role == "neuron"}
    capabilities = sorted({name for axon in ns.axons.values() for name in axon.capabilities})
    return Choices(
        neurons=neurons,
        capabilities=tuple(capabilities),
        traces=tuple(
            (f"{one.what}, {sheets.seconds(one.us - START_US)}, {sheets.short(one.trace_id)}", one.trace_id)
            for one in of.open
        ),
        questions=tuple((f"{one.to}: {_asks(one)} {sheets.short(one.id)}", one.id) for one in of.questions),
        streams={one.name: one.rate_per_s for one in of.status.streams if one.rate_per_s is not None},
        targets={kind: targets(kind, ns.dendrites) for kind in FAULTS},
    )


def _asks(question: Any) -> str:
    asked = question.payload.get("question") or f"may I {question.payload.get('action')}?"
    return str(asked)[:60]


def _variable(namespace: Namespace) -> str | None:
    """Return the name under which a notebook holds a namespace."""
    shell = get_ipython()
    known = {} if shell is None else dict(shell.user_ns)
    return next((name for name, value in known.items() if value is namespace and not name.startswith("_")), None)

"""The controls of a panel: plain ipywidgets, each with a name of its own, and what each of them stands for as a command.

Nothing here touches a simulation. `Controls.command(name)` reads the fields of a form and returns the command; what
fits into the choices, `Choices`, is told by the panel.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from threading import get_ident
from typing import Any

import ipywidgets

from kit.cosmonapse.types import SignalType
from kit.errors import ArgumentError
from kit.sim.command import (
    FAULTS,
    Answer,
    BreakAt,
    Command,
    Dispatch,
    Inject,
    Next,
    Pause,
    Play,
    Rate,
    RunUntil,
    Speed,
    Step,
    StopTrace,
    Workers,
)
from kit.sim.dispatching import SELECTIONS
from kit.sim.duration import microseconds
from kit.sim.faults import OF_DELIVERIES, Fault
from kit.widgets.form import FormButton, FormReader, TaskPreview, fill_in

EVERYBODY = "everybody"
NO_BREAK = "no signal"
SPEEDS: tuple[tuple[str, float | None], ...] = (("real time x1", 1.0), ("x10", 10.0), ("max", None))
WAYS = ("to a neuron", "by capability", *(f"offer, {word}" for word in SELECTIONS))
WITH_BY = ("slow", "skew", "delay", "reorder")
FORMS: dict[str, tuple[str, ...]] = {
    "step": ("unit",),
    "step n": ("count", "unit"),
    "run until": ("time",),
    "dispatch": ("way", "whom", "input"),
    "answer": ("question", "reply"),
    "grant": ("question",),
    "deny": ("question", "reply"),
    "inject": ("fault", "target", "lasts", "by", "share"),
    "stop": ("trace", "rollback"),
    "set rate": ("stream", "rate"),
    "set workers": ("neuron", "workers"),
}
"""Fields that a button goes with, each behind those that its choices hang on."""
Choice = tuple[tuple[str, str], ...]
"""Labels and values of a dropdown."""
FaultMaker = Callable[..., Fault]


@dataclass(frozen=True)
class Choices:
    """What can be chosen now."""

    neurons: Mapping[str, int | None] = field(default_factory=dict)
    """Neurons, with the number of their workers."""
    capabilities: tuple[str, ...] = ()
    traces: Choice = ()
    questions: Choice = ()
    streams: Mapping[str, float] = field(default_factory=dict)
    """Streams of requests, with their rate a second."""
    targets: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Targets of each kind of fault."""


def _wide(width: str, **more: Any) -> ipywidgets.Layout:
    return ipywidgets.Layout(width=width, **more)


class Controls:
    """All controls of a panel by name; `used(name, fields)` of the panel is called when one is used."""

    def __init__(self, used: Callable[..., object]) -> None:
        named = {"style": {"description_width": "initial"}}
        drop = ipywidgets.Dropdown
        # Sent when it is left, in one piece.
        line = partial(ipywidgets.Text, continuous_update=False)
        self.play = ipywidgets.ToggleButton(description="Play", tooltip="Go on, and stand still", layout=_wide("92px"))
        self.speed = drop(description="Speed", options=SPEEDS, value=10.0, layout=_wide("170px"), **named)
        self.count = ipywidgets.BoundedIntText(
            description="N", value=10, min=1, max=1_000_000, layout=_wide("110px"), **named
        )
        self.unit = drop(description="of", options=["signals", "events"], layout=_wide("120px"), **named)
        self.time = line(description="Until", value="1m", placeholder="90s, 10m", layout=_wide("120px"), **named)
        self.stop_at = drop(
            description="Break at",
            options=[NO_BREAK, *sorted(kind.value for kind in SignalType)],
            layout=_wide("250px"),
            **named,
        )
        # A task
        self.way = drop(description="Send", options=WAYS, layout=_wide("230px"), **named)
        self.whom = drop(description="For", layout=_wide("200px"), **named)
        self.input = line(
            description="Input", value="hello", placeholder="a text, or JSON", layout=_wide("230px"), **named
        )
        # Questions
        self.question = drop(description="Question", layout=_wide("330px"), **named)
        self.reply = line(description="Answer with", value="the first", layout=_wide("230px"), **named)
        # A fault
        self.fault = drop(description="Fault", options=FAULTS, layout=_wide("150px"), **named)
        self.target = drop(description="Target", layout=_wide("200px"), **named)
        self.lasts = line(description="Lasts", value="10s", placeholder="for ever", layout=_wide("120px"), **named)
        self.by = line(description="By", value="200ms", layout=_wide("110px"), disabled=True, **named)
        self.share = ipywidgets.BoundedFloatText(
            description="Share", value=1.0, min=0.0, max=1.0, step=0.1, layout=_wide("110px"), disabled=True, **named
        )
        # STOP
        self.trace = drop(description="Trace", layout=_wide("330px"), **named)
        self.rollback = ipywidgets.Checkbox(
            description="with rollback", value=True, indent=False, layout=_wide("130px")
        )
        # Load
        self.stream = drop(description="Requests", layout=_wide("190px"), **named)
        self.rate = ipywidgets.BoundedFloatText(
            description="per second", value=1.0, min=0.0, max=1e6, step=0.5, layout=_wide("160px"), **named
        )
        self.neuron = drop(description="Neuron", layout=_wide("190px"), **named)
        self.workers = ipywidgets.BoundedIntText(
            description="workers, 0 for any", value=1, min=0, max=1000, layout=_wide("190px"), **named
        )
        said = {
            "step": ("Step", "Go on by one signal or event"),
            "step n": ("Step N", "Go on by N signals or events"),
            "next": ("Next break or fault", "Go on to the next breakpoint, or to where a fault begins or ends"),
            "run until": ("Run until", "Go on to a virtual time since the start"),
            "dispatch": ("Dispatch", "Send this task"),
            "answer": ("Answer", "Answer the question"),
            "grant": ("Grant", "Give the permission"),
            "deny": ("Deny", "Refuse the permission"),
            "inject": ("Inject", "Let this fault begin"),
            "stop": ("Stop trace", "Send a STOP for this trace"),
            "set rate": ("Set rate", "Let so many requests arrive a second"),
            "set workers": ("Set workers", "Let so many tasks be worked on at once"),
        }
        self.reader = FormReader({name: getattr(self, name) for form in FORMS.values() for name in form})
        self.task = TaskPreview(way=self.way, whom=self.whom, input=self.input)
        self.buttons = {
            name: FormButton(
                partial(used, name),
                self.reader,
                FORMS.get(name, ()),
                description=text,
                tooltip=tooltip,
                layout=_wide("auto"),
            )
            for name, (text, tooltip) in said.items()
        }
        fields = [field for field in vars(self).values() if isinstance(field, ipywidgets.DOMWidget)]
        self.reader.beside = [*fields, *self.buttons.values()]
        self.play.observe(lambda change: used("play" if change["new"] else "pause"), "value")
        self.speed.observe(lambda _: used("speed"), "value")
        self.stop_at.observe(lambda _: used("break at"), "value")
        self.way.observe(lambda _: self._fill_whom(), "value")
        self.fault.observe(lambda _: self._fill_target(), "value")
        self.stream.observe(lambda _: self._show_rate(), "value")
        self.neuron.observe(lambda _: self._show_workers(), "value")
        self.trace.observe(lambda change: self._pick(change["new"]), "value")
        self._choices = Choices()
        self._filler = 0
        self._picked: str | None = None

    # What a control stands for

    def command(self, name: str, make_fault: FaultMaker) -> Command:
        """Return the command of a control, from the fields beside it; ArgumentError where they make no sense."""
        made: dict[str, Callable[[], Command]] = {
            "play": Play,
            "pause": Pause,
            "speed": lambda: Speed(self.speed.value),
            "step": lambda: Step(1, self.unit.value),
            "step n": lambda: Step(self.count.value, self.unit.value),
            "next": Next,
            "run until": lambda: RunUntil(self.time.value.strip()),
            "break at": lambda: BreakAt() if self.stop_at.value == NO_BREAK else BreakAt(self.stop_at.value),
            "dispatch": self._dispatch,
            "answer": lambda: Answer(self._chosen(self.question, "a question"), self.reply.value),
            "grant": lambda: Answer(self._chosen(self.question, "a permission"), granted=True),
            "deny": lambda: Answer(self._chosen(self.question, "a permission"), granted=False, reason=self.reply.value),
            "inject": lambda: Inject(self._fault(make_fault)),
            "stop": lambda: StopTrace(self._chosen(self.trace, "a trace"), self.rollback.value, "by hand"),
            "set rate": lambda: Rate(self._chosen(self.stream, "requests"), self.rate.value),
            "set workers": lambda: Workers(self._chosen(self.neuron, "a neuron"), self.workers.value or None),
        }
        if name not in made:
            raise ArgumentError(f"there is no control {name!r}; there are {', '.join(made)}")
        return made[name]()

    def take(self, name: str, fields: Mapping[str, Any]) -> None:
        """Set the fields of a button to what stood on the page; ArgumentError where that is no longer to be had."""
        for field_name in FORMS.get(name, ()):
            if field_name in fields:
                fill_in(getattr(self, field_name), fields[field_name])

    def _dispatch(self) -> Command:
        whom = self._chosen(self.whom, "whom the task is for")
        if self.way.value == WAYS[0]:
            return Dispatch(self.input.value, neuron=whom)
        offer = None if self.way.value == WAYS[1] else self.way.value.partition(", ")[2]
        return Dispatch(self.input.value, capabilities=(whom,), offer=offer)

    def _fault(self, make: FaultMaker) -> Fault:
        kind = self.fault.value
        given: dict[str, Any] = {"for_": self.lasts.value.strip() or None}
        if given["for_"] is not None:
            microseconds(given["for_"])
        if kind in WITH_BY:
            microseconds(self.by.value.strip())
            given["by"] = self.by.value.strip()
        if kind in OF_DELIVERIES and kind != "partition":
            given["p"] = self.share.value
        target = self._chosen(self.target, "a target")
        return make(kind, None if target == EVERYBODY else target, **given)

    @staticmethod
    def _chosen(control: Any, what: str) -> str:
        if control.value is None:
            raise ArgumentError(f"{control.description}: choose {what} first; there is none to choose now")
        return str(control.value)

    # What can be chosen

    def offer(self, choices: Choices) -> None:
        """Show what can be chosen now; what is chosen stays chosen where it can."""
        self._choices = choices
        self._filler = get_ident()
        self._fill_whom()
        self._fill_target()
        _fill(self.trace, _kept(self.trace, choices.traces) if self._picked else choices.traces)
        _fill(self.question, choices.questions)
        _fill(self.stream, _same(tuple(choices.streams)))
        _fill(self.neuron, _same(tuple(choices.neurons)))
        self._filler = 0

    def _pick(self, trace_id: str | None) -> None:
        """Somebody chose a trace, if it was not the panel itself."""
        if self._filler != get_ident():
            self._picked = trace_id

    def _show_rate(self) -> None:
        self.rate.value = self._choices.streams.get(self.stream.value, self.rate.value)

    def _show_workers(self) -> None:
        self.workers.value = self._choices.neurons.get(self.neuron.value) or 0

    def _fill_whom(self) -> None:
        known = tuple(self._choices.neurons) if self.way.value == WAYS[0] else self._choices.capabilities
        _fill(self.whom, _same(known))

    def _fill_target(self) -> None:
        kind = self.fault.value
        found = self._choices.targets.get(kind, ())
        everybody = kind in OF_DELIVERIES and kind != "partition"
        _fill(self.target, _same((EVERYBODY, *found) if everybody else found))
        self.by.disabled = kind not in WITH_BY
        self.share.disabled = not everybody


def _kept(control: Any, choice: Choice) -> Choice:
    """Return a choice with what is chosen in it, also when it is over: a STOP must not go to another trace."""
    if control.value is None or control.value in [value for _, value in choice]:
        return choice
    label = next(label for label, value in control.options if value == control.value)
    return ((f"{label.removesuffix(', over')}, over", control.value), *choice)


def _same(names: tuple[str, ...]) -> Choice:
    return tuple((name, name) for name in names)


def _fill(control: Any, choice: Choice) -> None:
    """Set the options of a dropdown where they have changed; the first one is chosen where the chosen one is gone."""
    if tuple(control.options) == choice:
        return
    chosen = control.value
    control.options = choice
    values = [value for _, value in choice]
    wanted = chosen if chosen in values else values[0] if values else None
    if control.value != wanted:
        control.value = wanted

"""Buttons of a form that act on what stands on the page.

A button and the fields beside it are models of their own, and a field that changes twice sends its last state only when the kernel
has done with the first. A click goes out at once. So the kernel could act on what stood there before: crash the wrong neuron, stop
the wrong trace. A click on a `FormButton` therefore lets a `FormReader` ask the page for the fields, and acts on the answer:

    kernel      {"read": key, "fields": ["target", "lasts"]}
    front end   {"read": key, "fields": {"target": {"label": "writer"}, "lasts": {"value": "3s"}}}

A choice goes by its label, not its place: the kernel may have other choices by then.

A kernel with subshells hands what a control says to the subshell, and so past a busy cell, from when the kernel has last told that control
something there; until then it waits for the cell. So when the reader has appeared, the controls `beside` it are told what they
know already. (ipykernel 7.4, `BaseComm._reply_subshell_for`.)
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets

from kit.errors import ArgumentError
from kit.widgets.compose import compose

Then = Callable[[Mapping[str, Any]], object]
PATIENCE_S = 3.0
"""How long a page may take to answer; then what the kernel knows of the fields must do."""


class FormReader(anywidget.AnyWidget):
    """Reads fields on the page; it shows nothing, and stands somewhere beside them."""

    _esm: ClassVar[str] = compose("form.js")
    fields: Any = traitlets.Dict(traitlets.Unicode()).tag(sync=True)
    """Models of the fields by the name of each."""

    def __init__(self, fields: Mapping[str, ipywidgets.Widget]) -> None:
        super().__init__(
            fields={name: field.model_id for name, field in fields.items()},
            layout=ipywidgets.Layout(display="none"),
        )
        self.beside: list[ipywidgets.DOMWidget] = []
        """Controls that work past a busy cell once this has appeared on a page."""
        self._here = False
        self._numbers = count(1)
        self._open: dict[str, tuple[Then, threading.Timer]] = {}
        self._lock = threading.Lock()
        self.on_msg(self._received)

    def read(self, names: Sequence[str], then: Then) -> None:
        """Call `then` with what stands in these fields; at once with nothing, where no page has shown up."""
        if not self._here:
            then({})
            return
        key = str(next(self._numbers))
        late = threading.Timer(PATIENCE_S, self._answered, (key, {}))
        late.daemon = True
        with self._lock:
            self._open[key] = then, late
        late.start()
        self.send({"read": key, "fields": list(names)})

    def _received(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict):
            return
        if content.get("here"):
            self._here = True
            for control in self.beside:
                control.send_state("tooltip")
        elif isinstance(content.get("read"), str):
            fields = content.get("fields")
            self._answered(content["read"], fields if isinstance(fields, dict) else {})

    def _answered(self, key: str, fields: Mapping[str, Any]) -> None:
        """Go on with the first answer; a panel that is shown twice gives two."""
        with self._lock:
            then, late = self._open.pop(key, (None, None))
        if then is not None and late is not None:
            late.cancel()
            then(fields)

    def close(self) -> None:
        """Wait for no answer any more, and close the comm."""
        if self.comm is not None:
            with self._lock:
                left, self._open = list(self._open.values()), {}
            for _, late in left:
                late.cancel()
        super().close()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {', '.join(self.fields)}>"


class FormButton(ipywidgets.Button):  # type: ignore[misc]
    """A Button; `clicked(fields)` is called with what stands in the `fields` of its form, after `click()` with nothing."""

    def __init__(self, clicked: Then, reader: FormReader, fields: Sequence[str] = (), **traits: Any) -> None:
        super().__init__(**traits)
        self.form = tuple(fields)
        self._clicked = clicked
        self._reader = reader
        self.on_click(lambda _: clicked({}))

    def _handle_button_msg(self, _: Any, content: Any, buffers: Any) -> None:
        """A click on the page."""
        if content.get("event") == "click":
            self._reader.read(self.form, self._clicked)


class TaskPreview(anywidget.AnyWidget):
    """The signal that the task form would send, made and checked in the browser by `static/signal.js`."""

    _esm: ClassVar[str] = compose("task.js")
    fields: Any = traitlets.Dict(traitlets.Unicode()).tag(sync=True)

    def __init__(self, **fields: ipywidgets.Widget) -> None:
        super().__init__(fields={name: field.model_id for name, field in fields.items()})

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"


def fill_in(control: Any, given: Any) -> None:
    """Set a field to what stands on the page; ArgumentError where that is no longer to be had, or no such value."""
    stated = given if isinstance(given, dict) else {}
    label = stated.get("label")
    if isinstance(control, ipywidgets.Dropdown):
        if label is None or control.label == label:
            return
        if label not in control._options_labels:
            raise ArgumentError(f"{control.description}: {label!r} is no longer there; choose again")
        control.label = label
    elif "value" in stated:
        try:
            control.value = stated["value"]
        except traitlets.TraitError as error:
            raise ArgumentError(f"{control.description}: {error}") from None

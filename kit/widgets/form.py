"""`FormButton`: a button that carries the fields of its form in the click itself.

A plain Button and the fields beside it are models of their own, and a field that changes twice sends its last state only when
the kernel has done with the first. A click goes out at once. So the kernel could act on what stood there before: crash the wrong
neuron, stop the wrong trace. This button sends what stands on the page, in one message:

    front end   {"event": "click", "fields": {"target": {"label": "writer"}, "lasts": {"value": "3s"}}}

A choice goes by its label, not its place: the kernel may have other choices by then.
"""

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import anywidget
import ipywidgets
import traitlets

from kit.errors import ArgumentError
from kit.widgets.compose import compose


class FormButton(anywidget.AnyWidget):
    """A button; `clicked(fields)` is called at each click, with what the front end read from the fields."""

    _esm: ClassVar[str] = compose("button.js")
    description = traitlets.Unicode("").tag(sync=True)
    tooltip = traitlets.Unicode("").tag(sync=True)
    icon = traitlets.Unicode("").tag(sync=True)
    """Name of a Font Awesome icon, as of a Button."""
    disabled = traitlets.Bool(False).tag(sync=True)
    fields: Any = traitlets.Dict(traitlets.Unicode()).tag(sync=True)
    """Models of the fields by the name of each."""

    def __init__(self, clicked: Callable[[Mapping[str, Any]], object], **traits: Any) -> None:
        super().__init__(**traits)
        self._clicked = clicked
        self.on_msg(self._received)

    def click(self) -> None:
        """Do what a click does, with the fields as the kernel knows them."""
        self._clicked({})

    def _received(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("event") == "click":
            fields = content.get("fields")
            self._clicked(fields if isinstance(fields, dict) else {})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.description!r}>"


class TaskButton(FormButton):
    """The button that dispatches: below it the signal that it would send, made and checked by `signal.js`."""

    _esm: ClassVar[str] = compose("task.js")


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

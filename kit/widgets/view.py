"""`View`: what all canvases share, and the contract between Python and a front end.

**State** is traits, a few small values: `selected`, `cursor_us`, `window_us`, `theme`, `title`, `height`, and what a
subclass adds. Python and the front end both set them; each listens to the other. All that a click does is a trait or
a method, so that a view works without a browser.

**Data** never is a trait. A front end asks for it by name, and gets columns:

    front end   {"ask": key, "name": name, "params": {...}}
    kernel      {"answer": key, "header": {...}} and binary buffers, in the form of `kit.widgets.columns`
                {"answer": key, "error": "what went wrong"}

A subclass gives the answers in `answer(name, params)`, which returns an Arrow table and is called on the owner thread of
the view, never in a widget callback. In an HTML file the same front end asks the same names, and the tables that
`embedded(limit)` returned answer; there, `params={"id": ...}` chooses the rows whose column `id` is that. When the data has
changed, Python raises `revision` and the front end asks again. `static/source.js` is the other side.

**A front end** is a module of `kit/widgets/static` with `export default { render }`, put together by
`kit.widgets.compose`; `static/view.js` gives it the frame: title, status line, keyboard help, theme, message when the
kernel is gone, clean-up. Colours come from `kit.palette` through `LOOKS`; for a dark page the front end lightens them until they
stand out by 3:1. Text is set as text, never as HTML.

**Without a kernel** a stored notebook shows the static twin: `twin()` returns a picture or HTML by MIME type, beside the stable
text of `repr`. `close()` ends the thread, drops the data and closes the comm.
"""

import json
from base64 import encodebytes
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, ClassVar

import anywidget
import pyarrow as pa
import traitlets

from kit import palette
from kit.errors import ArgumentError, KitError, ViewClosedError
from kit.widgets.columns import Header, pack
from kit.widgets.compose import source
from kit.widgets.offpage import comms
from kit.widgets.owner import Owner

Command = Callable[[], object]
WIDGET_VIEW = "application/vnd.jupyter.widget-view+json"
TEXT_LIMIT = 300
"""Longest error text that a front end is told."""

LOOKS: dict[str, Any] = {
    "marks": {name: [look.colour, look.marker] for name, look in palette.MARKS.items()},
    "kinds": {name: [look.colour, look.marker] for name, look in palette.KINDS.items()},
    "findings": {name: [look.colour, look.marker, list(look.dash)] for name, look in palette.FINDINGS.items()},
    "statuses": {name: [look.colour, look.marker] for name, look in palette.STATUSES.items()},
    "dashes": {name: list(dash) for name, dash in palette.DASHES.items()},
    "series": [[look.colour, look.marker] for look in palette.SERIES],
    "groups": palette.TYPES,
    "ink": palette.INK,
    "other_dash": list(palette.OTHER_DASH),
}
"""Colours, markers and dashes by meaning, as every front end gets them."""


class View(anywidget.AnyWidget):
    """A canvas in a notebook; see the module for what a subclass gives."""

    _css: ClassVar[str] = source("view.css")

    title = traitlets.Unicode("").tag(sync=True)
    theme = traitlets.Enum(["auto", "light", "dark"], "auto").tag(sync=True)
    height = traitlets.Int(360, min=80, max=4000).tag(sync=True)
    selected: Any = traitlets.List(traitlets.Unicode()).tag(sync=True)
    """Ids that are chosen, the one that was chosen last in front."""
    cursor_us = traitlets.Float(None, allow_none=True).tag(sync=True)
    """The time under the cursor, in microseconds since 1970."""
    window_us: Any = traitlets.List(traitlets.Float(), default_value=None, allow_none=True).tag(sync=True)
    """The brushed stretch of time, [from, to), or None."""
    notice = traitlets.Unicode("").tag(sync=True)
    """A sentence below the canvas: what is left out, what went wrong."""
    revision = traitlets.Int(0).tag(sync=True)
    looks: Any = traitlets.Dict(LOOKS).tag(sync=True)

    _shut = True  # until it is made: one whose arguments were refused has nothing to close

    def __init__(self, **traits: Any) -> None:
        self._owner: Owner[Command] = Owner(lambda command: command(), failed=self._failed, name=type(self).__name__)
        self._shut = False
        super().__init__(**comms(), **traits)
        self.on_msg(self._received)

    # What a subclass gives

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return the table that the front end asked for by `name`; raises ArgumentError for another name."""
        raise ArgumentError(f"{type(self).__name__} has no data called {name!r}")

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return the tables to put into an HTML file, of at most `limit` rows each, and a sentence on what is left out."""
        raise ArgumentError(f"{type(self).__name__} has no form for an HTML file")

    def twin(self) -> dict[str, Any]:
        """Return the static twin by MIME type, `image/png` or `text/html`."""
        return {}

    # Selection

    def select(self, *ids: str) -> None:
        """Choose ids, or none, as a click does."""
        self.selected = list(ids)

    @traitlets.validate("window_us")
    def _ordered(self, proposal: Any) -> Any:
        window = proposal["value"]
        if window is None:
            return None
        if len(window) != 2:
            raise traitlets.TraitError(f"window_us={window!r}: two times, [from, to), or None")
        return sorted(window)

    # Life

    def post(self, command: Command) -> "Future[Any]":
        """Run a command on the thread of this view, in turn; ViewClosedError once the view is closed."""
        return self._owner.post(command)

    def settle(self, timeout_s: float = 30) -> bool:
        """Wait until everything that was posted, questions of the front end included, is done; False after `timeout_s`."""
        return self._owner.wait(timeout_s)

    def refresh(self) -> None:
        """Let the front end ask for its data again."""
        self.revision += 1

    def close(self) -> None:
        """End the thread, drop the data and close the comm; harmless when repeated."""
        if not self._shut:
            self._shut = True
            self._owner.close()
            self._release()
            self.unobserve_all()
        super().close()

    def _release(self) -> None:
        """Drop what the view holds."""

    # The front end

    def _received(self, _: Any, content: Any, buffers: Any) -> None:
        if not isinstance(content, dict) or not isinstance(content.get("ask"), str):
            return
        key, name, params = content["ask"], str(content.get("name")), content.get("params")
        given = params if isinstance(params, dict) else {}
        with suppress(ViewClosedError):  # a last message may cross the closing
            self.post(lambda: self._reply(key, lambda: self.answer(name, given)))

    def _reply(self, key: str, made: Callable[[], pa.Table]) -> None:
        try:
            header, buffers = pack(made())
        except Exception as error:
            self.send({"answer": key, "error": _short(error)})
            if not isinstance(error, KitError):
                raise
            return
        self.send({"answer": key, "header": header}, buffers)

    def _failed(self, _: Command | None, error: BaseException) -> None:
        self.notice = _short(error)

    # Showing

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.title!r}>" if self.title else f"<{type(self).__name__}>"

    def _repr_mimebundle_(self, **_: Any) -> Any:
        data: dict[str, Any] = {"text/plain": repr(self), **stored(self.twin())}
        data[WIDGET_VIEW] = {"version_major": 2, "version_minor": 0, "model_id": self.model_id}
        return data, {}


def stored(twin: Mapping[str, Any]) -> dict[str, Any]:
    """Return a twin as IPython would store it: bytes as base64 in lines of 76 characters.

    One long line would do as well for a front end, but not for the patterns that notebooks are compared by.
    """
    return {kind: encodebytes(value).decode() if isinstance(value, bytes) else value for kind, value in twin.items()}


def embed_state(view: View) -> dict[str, Any]:
    """Return the traits of a view that its front end reads, as plain JSON values."""
    hidden = {"layout", "tabbable", "tooltip", "revision", "comm"}
    state = {name: view._trait_to_json(getattr(view, name), view) for name in view.keys if name not in hidden}
    return {name: value for name, value in state.items() if not name.startswith("_") and _plain(value)}


def _plain(value: object) -> bool:
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return True


def _short(error: BaseException) -> str:
    text = str(error) or type(error).__name__
    return text if len(text) <= TEXT_LIMIT else text[: TEXT_LIMIT - 1] + "…"


__all__ = ["LOOKS", "WIDGET_VIEW", "Header", "View", "embed_state", "stored"]

"""`CopyButton`: a button that puts a text on the clipboard, made when it is wanted."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import anywidget
import traitlets

STATIC = Path(__file__).with_name("static")


class CopyButton(anywidget.AnyWidget):
    """Asks `wanted()` at each click; `give(text)` then hands the text to the browser."""

    _esm: ClassVar[str] = (STATIC / "copy.js").read_text(encoding="utf-8")
    label = traitlets.Unicode("Copy").tag(sync=True)

    def __init__(self, wanted: Callable[[], object], **traits: Any) -> None:
        super().__init__(**traits)
        self._wanted = wanted
        self.on_msg(self._received)

    def _received(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("wanted"):
            self._wanted()

    def give(self, text: str) -> None:
        """Put a text on the clipboard of whoever looks."""
        self.send({"text": text})

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.label!r}>"

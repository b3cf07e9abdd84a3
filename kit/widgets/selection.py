"""A selection and a time cursor that several views share."""

import threading
from typing import Any

from kit.errors import ArgumentError

SHARED = ("selected", "cursor_us", "window_us")
"""Traits that move together: the chosen ids, the time under the cursor, the brushed stretch of time."""


class Link:
    """Views of which each follows the others; see `link`. `unlink()` ends it, and so does closing all views but one."""

    def __init__(self, views: tuple[Any, ...]) -> None:
        self.views = views
        self._moving = threading.local()
        for view in views:
            view.observe(self._moved, names=[name for name in SHARED if view.has_trait(name)])

    def unlink(self) -> None:
        """Let the views go their own ways; harmless when repeated."""
        for view in self.views:
            view.unobserve(self._moved, names=[name for name in SHARED if view.has_trait(name)])
        self.views = ()

    def _moved(self, change: Any) -> None:
        if getattr(self._moving, "busy", False):
            return
        self._moving.busy = True
        try:
            for view in self.views:
                if view is not change["owner"] and view.has_trait(change["name"]):
                    setattr(view, change["name"], change["new"])
        finally:
            self._moving.busy = False

    def __repr__(self) -> str:
        return f"<link of {', '.join(type(view).__name__ for view in self.views) or 'nothing'}>"


def link(*views: Any) -> Link:
    """Link views: an id selected in one is selected in all, and so with the time cursor and the brushed window.

    Views are anything with some of the traits in SHARED: `selected` (list of ids), `cursor_us` (microseconds since 1970, or
    None) and `window_us` (a list of two such times, or None). The others take over what the first has set already.
    Raises ArgumentError for fewer than two, and for one without any of these traits.
    """
    if len(views) < 2:
        raise ArgumentError(f"link{views!r}: at least two views")
    for view in views:
        if not any(callable(getattr(view, "has_trait", None)) and view.has_trait(name) for name in SHARED):
            raise ArgumentError(f"{view!r} has none of the traits {', '.join(SHARED)}, so nothing can be linked")
    for name in SHARED:
        held = [view for view in views if view.has_trait(name)]
        for view in held[1:]:
            if getattr(held[0], name) not in (None, []):
                setattr(view, name, getattr(held[0], name))
    return Link(views)


__all__ = ["SHARED", "Link", "link"]

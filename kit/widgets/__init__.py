"""Views of a notebook that run in the browser: canvases over tables and graphs, linked with each other."""

from kit.widgets import compose
from kit.widgets.selection import Link, link
from kit.widgets.view import View

__all__ = ["Link", "View", "compose", "link"]

"""Views of a notebook that run in the browser: canvases over tables and graphs, linked with each other."""

from kit.widgets import compose
from kit.widgets.browse import Browser
from kit.widgets.dag import DAG, Content
from kit.widgets.html import Page
from kit.widgets.listing import Detail, Listing
from kit.widgets.offpage import off_page
from kit.widgets.opened import dag_view, timeline_view, write_scene
from kit.widgets.owner import Owner
from kit.widgets.player import Playing, SeekBar
from kit.widgets.scene import Scene, clock_scene, signal_marks, thread_scene, trace_scene
from kit.widgets.selection import Link, link
from kit.widgets.table import TableExplorer
from kit.widgets.timeline import Timeline
from kit.widgets.view import View

__all__ = [
    "DAG",
    "Browser",
    "Content",
    "Detail",
    "Link",
    "Listing",
    "Owner",
    "Page",
    "Playing",
    "Scene",
    "SeekBar",
    "TableExplorer",
    "Timeline",
    "View",
    "clock_scene",
    "compose",
    "dag_view",
    "link",
    "off_page",
    "signal_marks",
    "thread_scene",
    "timeline_view",
    "trace_scene",
    "write_scene",
]

"""A scene in views of its own: as a DAG, as a timeline, or as an HTML file with both."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.widgets.dag import DAG, Content
from kit.widgets.html import EMBEDDED_ROWS, Page
from kit.widgets.listing import Detail
from kit.widgets.offpage import off_page
from kit.widgets.scene import Scene, record_rows, signal_rows
from kit.widgets.selection import link
from kit.widgets.timeline import Timeline

ROWS = {"signal": signal_rows, "record": record_rows}


def dag_view(scene: Callable[[bool], Scene], *, follow: bool = True, **options: Any) -> DAG:
    """Return the DAG of a scene; `scene(follow)` gives it with or without what it delegated to."""

    def load(follow: bool) -> Content:
        content = scene(follow).content
        if content is None:
            raise ArgumentError("sensor logs have no causes: there is no DAG of them")
        return content

    return DAG(load=load, follow=follow, **options)


def timeline_view(scene: Scene, **options: Any) -> Timeline:
    """Return the timeline of a scene."""
    return Timeline(scene.marks, picture=scene.picture, **{"axis": scene.axis, **options})


def write_scene(
    path: str | Path, scene: Scene, store: Store, run: str, *, title: str, rows: int = EMBEDDED_ROWS
) -> Path:
    """Write a scene with timeline, DAG and what its events hold as one HTML file, at most `rows` of each; return the path."""
    content = scene.content
    if content is None:
        raise ArgumentError("sensor logs have no causes: write them with study.report()")
    ids = [str(node) for node in content.graph][:rows]

    def every(limit: int) -> pa.Table:
        return ROWS[scene.noun](store, run, ids[:limit])

    with off_page():
        dag = DAG(content, noun=scene.noun)
        timeline = timeline_view(scene, height=260)
        detail = Detail(lambda id: ROWS[scene.noun](store, run, [id]), every, title="Event")
    views = [timeline, dag, detail]
    linked = link(*views)
    try:
        return Page(title, views, rows).write(path)
    finally:
        linked.unlink()
        for view in views:
            view.close()

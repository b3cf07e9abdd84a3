"""One event, whole: its signal, its place in the DAG and in its source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import PurePath
from typing import Any

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.events import trace_events
from kit.trace.forest import Forest
from kit.trace.graph import graph
from kit.trace.spans import spans

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Event:
    """A signal with its parent, children and answers (rows of `trace_events`), its span, label and source line."""

    id: str
    run: str
    signal: Row
    """The row of `signals`; payload and meta are parsed."""
    label: str
    depth: int
    parent: Row | None
    children: tuple[Row, ...]
    answers: tuple[Row, ...]
    """The children that answer this signal."""
    span: Row | None
    """The span this signal opens or closes, if any."""
    uri: str
    line: int

    def __repr__(self) -> str:
        return "\n".join(f"{name:9} {text}" for name, text in self._facts())

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in self._facts())
        return f"<table>{rows}</table>"

    def _facts(self) -> list[tuple[str, str]]:
        signal = self.signal
        span = self.span
        return [
            ("event", f"{self.id} ({signal['type']})"),
            ("trace", str(signal["trace_id"])),
            ("neuron", str(signal["directed_id"] or "-")),
            ("time", str(signal["ts_text"] or "-")),
            ("label", f"{self.label}, depth {self.depth}"),
            ("parent", "-" if self.parent is None else _named(self.parent)),
            ("children", ", ".join(map(_named, self.children)) or "-"),
            ("answers", ", ".join(map(_named, self.answers)) or "-"),
            ("span", "-" if span is None else f"{span['kind']} {span['name']}, {_duration(span)}, {span['status']}"),
            ("flags", ", ".join(signal["flags"]) or "-"),
            ("payload", _shown(signal["payload"])),
            ("meta", _shown(signal["meta"])),
            ("source", f"{PurePath(self.uri).name}, line {self.line:,}"),
        ]


def event(store: Store, event_id: str, *, run: str | None = None, grown: Forest | None = None) -> Event:
    """Return the event with id `event_id`; of conflicting rows the canonical one.

    Raises NotFoundError for an unknown id, ArgumentError where several runs have it.
    """
    row = _canonical(store, event_id, run)
    events = trace_events(store, row["trace_id"], run=row["run"], grown=grown)
    rows = {item["id"]: item for item in events.to_pylist()}
    here = rows[event_id]
    node = graph(events)
    children = tuple(rows[child] for child in node.successors(event_id) if child in rows and child != event_id)
    answers = tuple(child for child in children if node.edges[event_id, child["id"]]["why"] in ("answer", "result"))
    found = spans(store, run=row["run"], traces=[row["trace_id"]], grown=grown).to_pylist()
    span = next((item for item in found if event_id in (item["span_id"], item["close_id"])), None)
    uri = store.execute("SELECT uri FROM sources WHERE run = ? AND source_id = ?", [row["run"], row["source_id"]])
    return Event(
        id=event_id,
        run=row["run"],
        signal={**row, "payload": json.loads(row["payload"]), "meta": json.loads(row["meta"])},
        label=here["label"],
        depth=here["depth"],
        parent=_parent(store, row, rows),
        children=children,
        answers=answers,
        span=span,
        uri=uri[0][0] if uri else "-",
        line=row["line"],
    )


def _canonical(store: Store, event_id: str, run: str | None) -> dict[str, Any]:
    found = store.arrow(
        "SELECT * FROM signals WHERE canonical AND id = $id AND ($run IS NULL OR run = $run) ORDER BY run",
        {"id": event_id, "run": run},
    ).to_pylist()
    if not found:
        raise NotFoundError(
            f"no event {event_id!r}" + ("" if run is None else f" in run {run!r}") + ": ids are in study.signals()"
        )
    if len(found) > 1:
        runs = ", ".join(repr(row["run"]) for row in found)
        raise ArgumentError(f"event {event_id!r} is in the runs {runs}: say which, as run={found[0]['run']!r}")
    row: dict[str, Any] = found[0]
    return row


def _parent(store: Store, row: Row, rows: Mapping[str, Row]) -> Row | None:
    """Return the parent, from this trace or from another one; None where it was never seen."""
    parent = row["parent_id"]
    if parent is None or parent in rows:
        return rows.get(parent) if parent is not None else None
    found = store.arrow(
        "SELECT id, type, directed_id, trace_id, ts FROM signals WHERE canonical AND run = ? AND id = ?",
        [row["run"], parent],
    ).to_pylist()
    return found[0] if found else None


def _named(row: Row) -> str:
    return f"{row['type']} {row['id']}"


def _duration(span: Row) -> str:
    return "open" if span["duration_ms"] is None else f"{span['duration_ms']:.3f} ms"


def _shown(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 200 else text[:199] + "…"

"""A trace as a NetworkX graph, from cause to effect."""

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

import pyarrow as pa

if TYPE_CHECKING:
    import networkx as nx

Graph: TypeAlias = "nx.DiGraph[str]"

NODE = ("trace_id", "type", "ts", "label", "depth", "line", "payload")
"""Columns of `trace_events` that become attributes of a node, as they are."""


def graph(events: pa.Table) -> Graph:
    """Return the graph of the events of `trace_events`: a node per event id, an edge from each cause to its effect.

    Nodes carry type, neuron, ts, trace_id, label, depth, line, payload (JSON text) and `kind`: event, phantom, or
    missing for the stand-in of a parent that is not among the events (its other attributes are None, its label
    missing_parent, or outside where the parent is known but in a trace that was not followed). Edges carry `why` (see
    views.sql), `guessed` and `back`. Beside the parents there are the targets of CRITIQUEs and guessed retries: tasks
    with equal input and target and following `meta.attempt` (spec/cosmonapse.md 5.9). Where two reasons join the same
    pair the first stays, in the order parent, target, retry.

    Published parents may form rings and self-loops; they are kept. `back` marks edges that close a ring, so that
    `acyclic(graph)` can be walked. Nodes and edges are in the order of the events.
    """
    import networkx as nx  # here, so that a store opens without it

    made: Graph = nx.DiGraph()
    rows: list[dict[str, Any]] = events.to_pylist()
    for row in rows:
        kind = "phantom" if row["label"] == "phantom" else "event"
        attributes = {name: row[name] for name in NODE}
        made.add_node(row["id"], kind=kind, neuron=row["directed_id"], **attributes)
    for row in rows:
        if row["parent_id"] is not None:
            outside = "outside" if row["label"] == "cross_trace" else "missing_parent"
            _join(made, row["parent_id"], row["id"], row["why"], outside)
    for row in rows:
        if row["target_id"] is not None:
            _join(made, row["target_id"], row["id"], "target", "missing_parent")
    for cause, effect in retries(rows):
        _join(made, cause, effect, "retry", "missing_parent", guessed=True)
    mark_rings(made)
    return made


def mark_rings(made: Graph) -> None:
    """Set `back` of the edges that close a ring."""
    for cause, effect in _closing(made):
        made.edges[cause, effect]["back"] = True


def acyclic(whole: Graph) -> Graph:
    """Return a view of `whole` without the edges that close a ring: a directed acyclic graph with all nodes."""
    import networkx as nx

    walkable: Graph = nx.subgraph_view(whole, filter_edge=lambda cause, effect: not whole.edges[cause, effect]["back"])
    return walkable


def retries(rows: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Return pairs (attempt, next attempt) of TASK ids among rows with id, type, directed_id, payload and meta.

    A guess, since nothing on the wire links attempts: equal input, same target, `meta.attempt` one higher, the nearest
    earlier one in the order of the rows.
    """
    latest: defaultdict[tuple[str, str, int], str] = defaultdict(str)
    found: list[tuple[str, str]] = []
    for row in rows:
        attempt = _object(row["meta"]).get("attempt") if row["type"] == "TASK" and row["meta"] else None
        if not isinstance(attempt, int) or isinstance(attempt, bool):
            continue
        text = json.dumps(_object(row["payload"]).get("input"), sort_keys=True)
        task = (str(row["directed_id"]), text)
        earlier = latest[*task, attempt - 1]
        if earlier:
            found.append((earlier, row["id"]))
        latest[*task, attempt] = row["id"]
    return found


def _object(text: str | None) -> dict[str, Any]:
    """Return a JSON object, empty where the text is none; nesting too deep to read counts as none."""
    try:
        value = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _join(made: Graph, cause: str, effect: str, why: str, absent: str, *, guessed: bool = False) -> None:
    """Add an edge, and a stand-in for a cause that is not there."""
    if cause not in made:
        made.add_node(cause, kind="missing", neuron=None, **{**dict.fromkeys(NODE), "label": absent})
    if not made.has_edge(cause, effect):
        made.add_edge(cause, effect, why=why, guessed=guessed, back=False)


def _closing(made: Graph) -> list[tuple[str, str]]:
    """Return the edges that close a ring: those a depth-first walk in node order meets on the path it stands on.

    Edges of second reasons are walked too. No recursion: a trace may be a chain of any length.
    """
    closing: list[tuple[str, str]] = []
    on_path: dict[str, bool] = {}
    for start in sorted(made, key=lambda node: made.in_degree(node) > 0):
        if start in on_path:
            continue
        on_path[start] = True
        stack = [(start, iter(made.successors(start)))]
        while stack:
            node, effects = stack[-1]
            for effect in effects:
                if effect not in on_path:
                    on_path[effect] = True
                    stack.append((effect, iter(made.successors(effect))))
                    break
                if on_path[effect]:
                    closing.append((node, effect))
            else:
                on_path[node] = False
                stack.pop()
    return closing

"""Peer: the structure of a capture with rustworkx, in one graph for all traces.

One graph, since 34,000 small ones cost more to make than to check. rustworkx builds it, walks it by layers
and finds the rings; NumPy does the counting.
"""

from typing import Any

import numpy as np
import pyarrow as pa
import rustworkx as rx

from benchmarks.peers import events as peer


def from_store(path: str) -> dict[str, Any]:
    """`structure` of the signals in a store of the kit, reading included."""
    return structure(peer.from_store(path))


def structure(table: pa.Table) -> dict[str, Any]:
    """Labels, depth, children, critical paths and latencies: `events.result` says what and in which order."""
    events = peer.prepare(table)
    label, parent, tree = events.label.copy(), events.parent.copy(), events.inside
    graph = rx.PyDiGraph(node_count_hint=len(tree), edge_count_hint=len(tree))
    graph.add_nodes_from(range(len(tree)))
    below = np.flatnonzero(tree >= 0)
    graph.add_edges_from_no_data(list(zip(tree[below].tolist(), below.tolist(), strict=True)))
    depth = np.full(len(tree), -1, np.int64)
    for number, nodes in enumerate(rx.layers(graph, np.flatnonzero(tree < 0).tolist(), index_output=True)):
        depth[np.asarray(nodes, np.int64)] = number
    ring = _rings(graph, depth)
    label[ring] = peer.CYCLE
    parent[ring] = tree[ring] = -1
    traces, levels = len(events.duplicates), int(depth.max(initial=0)) + 1
    width = np.bincount(events.trace * levels + depth, minlength=traces * levels).reshape(traces, levels).max(axis=1)
    critical, top = _climb(tree, events.last)
    return peer.result(events, label, parent, depth, width, critical, top)


def _rings(graph: rx.PyDiGraph, level: np.ndarray) -> list[int]:
    """The members of rings; fills in the levels that no walk from a root has reached."""
    part, numbers = graph.subgraph_with_nodemap(np.flatnonzero(level < 0).tolist())
    rings = [node for ring in rx.strongly_connected_components(part) if len(ring) > 1 for node in ring]
    part.remove_edges_from([edge[:2] for node in rings for edge in part.in_edges(node)])
    for number, nodes in enumerate(rx.layers(part, rings, index_output=True) if rings else ()):
        level[[numbers[node] for node in nodes]] = number
    return sorted(numbers[node] for node in rings)


def _climb(tree: np.ndarray, last: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Length in events and first event of the path to each trace's last event, all at once."""
    length = (last >= 0).astype(np.int64)
    top = np.maximum(last, 0)
    going = np.flatnonzero(last >= 0)
    while len(going):
        above = tree[top[going]]
        going, above = going[above >= 0], above[above >= 0]
        top[going] = above
        length[going] += 1
    return length, top

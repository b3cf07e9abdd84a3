"""Peer: the structure of a capture with NetworkX, one DiGraph for each trace."""

from typing import Any

import networkx as nx
import numpy as np
import pyarrow as pa

from benchmarks.peers import events as peer


def from_store(path: str) -> dict[str, Any]:
    """`structure` of the signals in a store of the kit, reading included."""
    return structure(peer.from_store(path))


def structure(table: pa.Table) -> dict[str, Any]:
    """Labels, depth, children, critical paths and latencies: `events.result` says what and in which order."""
    events = peer.prepare(table)
    label, parent = events.label.copy(), events.parent.copy()
    depth = np.zeros(len(parent), np.int64)
    traces = len(events.starts) - 1
    width, critical, top = (np.zeros(traces, np.int64) for _ in range(3))
    inside, last, starts = events.inside.tolist(), events.last.tolist(), events.starts.tolist()
    for k in range(traces):
        begin, end = starts[k], starts[k + 1]
        graph = nx.DiGraph()
        graph.add_nodes_from(range(begin, end))
        graph.add_edges_from((inside[event], event) for event in range(begin, end) if inside[event] >= 0)
        try:
            generations = list(nx.topological_generations(graph))
        except nx.NetworkXUnfeasible:
            generations = _without_rings(graph, label, parent)
        for level, nodes in enumerate(generations):
            depth[nodes] = level
        width[k] = max(map(len, generations))
        if last[k] >= 0:
            critical[k], top[k] = _climb(graph, last[k])
    return peer.result(events, label, parent, depth, width, critical, top)


def _without_rings(graph: nx.DiGraph, label: np.ndarray, parent: np.ndarray) -> list[list[int]]:
    """Generations after the rings have been labelled and cut."""
    for ring in list(nx.strongly_connected_components(graph)):
        if len(ring) > 1:
            members = sorted(ring)
            label[members] = peer.CYCLE
            parent[members] = -1
            graph.remove_edges_from([(cause, event) for event in members for cause in list(graph.pred[event])])
    return list(nx.topological_generations(graph))


def _climb(graph: nx.DiGraph, event: int) -> tuple[int, int]:
    """Length in events and first event of the path that leads to an event."""
    length, above = 1, graph.pred[event]
    while above:
        event = next(iter(above))
        length += 1
        above = graph.pred[event]
    return length, event

"""Pictures: a table or a graph in, a matplotlib Figure out; `drawn` reads back what a figure shows.

No function here computes an analysis or opens a window; in a notebook the figure is the cell's value.
"""

from kit.plot.clock_offsets import clock_offsets
from kit.plot.cost import cost
from kit.plot.dag import dag
from kit.plot.dfg import dfg
from kit.plot.drawn import drawn
from kit.plot.joins import clock_graph, frame_graph
from kit.plot.lanes import lanes
from kit.plot.latency import latency
from kit.plot.logs import log_rates, logs
from kit.plot.payloads import image, scan
from kit.plot.rates import rates
from kit.plot.registry import registry
from kit.plot.trajectory import motion, trajectory
from kit.plot.waterfall import waterfall

__all__ = [
    "clock_graph",
    "clock_offsets",
    "cost",
    "dag",
    "dfg",
    "drawn",
    "frame_graph",
    "image",
    "lanes",
    "latency",
    "log_rates",
    "logs",
    "motion",
    "rates",
    "registry",
    "scan",
    "trajectory",
    "waterfall",
]

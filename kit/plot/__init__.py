"""Pictures: a table or a graph in, a matplotlib Figure out; `drawn` reads back what a figure shows.

No function here computes an analysis or opens a window; in a notebook the figure is the cell's value.
"""

from kit.plot.calibration import calibration
from kit.plot.clock_offsets import clock_offsets
from kit.plot.cost import cost
from kit.plot.dag import dag
from kit.plot.dfg import dfg
from kit.plot.differences import differences, trace_difference
from kit.plot.divergence import divergence
from kit.plot.drawn import drawn
from kit.plot.joins import clock_graph, frame_graph
from kit.plot.lanes import lanes
from kit.plot.latency import latency
from kit.plot.logs import log_rates, logs
from kit.plot.payloads import image, scan
from kit.plot.rates import rates
from kit.plot.registry import registry
from kit.plot.timeline import timeline
from kit.plot.trajectory import motion, trajectory
from kit.plot.waterfall import waterfall
from kit.plot.what_if import what_if

__all__ = [
    "calibration",
    "clock_graph",
    "clock_offsets",
    "cost",
    "dag",
    "dfg",
    "differences",
    "divergence",
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
    "timeline",
    "trace_difference",
    "trajectory",
    "waterfall",
    "what_if",
]

"""Pictures: a table or a graph in, a matplotlib Figure out; `drawn` reads back what a figure shows.

No function here computes an analysis or opens a window; in a notebook the figure is the cell's value.
"""

from kit.plot.cost import cost
from kit.plot.dag import dag
from kit.plot.dfg import dfg
from kit.plot.drawn import drawn
from kit.plot.latency import latency
from kit.plot.rates import rates
from kit.plot.registry import registry
from kit.plot.waterfall import waterfall

__all__ = ["cost", "dag", "dfg", "drawn", "latency", "rates", "registry", "waterfall"]

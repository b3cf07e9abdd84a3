"""Measures of a store as tables, one function each: `name(store, run=None) -> pyarrow.Table`."""

from kit.trace.metrics.edges import fan_out, latency
from kit.trace.metrics.engrams import memory
from kit.trace.metrics.market import auctions, bidders
from kit.trace.metrics.pace import rates
from kit.trace.metrics.ways import consistency
from kit.trace.metrics.workload import composition, in_flight

__all__ = [
    "auctions",
    "bidders",
    "composition",
    "consistency",
    "fan_out",
    "in_flight",
    "latency",
    "memory",
    "rates",
]

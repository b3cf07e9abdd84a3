"""Sensor logs of a store on one clock and in one frame, and beside what agents and records say."""

from kit.align.decode import decoded
from kit.align.join import align
from kit.align.locate import pose, transform, transform_points
from kit.align.logs import LogEntry, find_log, instants, payload
from kit.align.mapping import Utc, utc_mapping
from kit.align.overview import log_coverage, log_overview
from kit.align.paths import Paths, paths
from kit.align.time import clock_offsets, clock_reports, convert_time, spans_on, with_clock_names

__all__ = [
    "LogEntry",
    "Paths",
    "Utc",
    "align",
    "clock_offsets",
    "clock_reports",
    "convert_time",
    "decoded",
    "find_log",
    "instants",
    "log_coverage",
    "log_overview",
    "paths",
    "payload",
    "pose",
    "spans_on",
    "transform",
    "transform_points",
    "utc_mapping",
    "with_clock_names",
]

"""Replay: captured events into a sink, at any pace, causes first."""

from kit.replay.bus import Bus
from kit.replay.clock import Clock, VirtualClock, WallClock
from kit.replay.event import PlayedEvent
from kit.replay.feeds import Kernel, Simulated, Streams
from kit.replay.player import Breakpoint, Player
from kit.replay.sink import AsyncCall, Call, Collect, File, Sink
from kit.replay.sinks import sink_of
from kit.replay.source import Log
from kit.replay.timeline import Timeline

__all__ = [
    "AsyncCall",
    "Breakpoint",
    "Bus",
    "Call",
    "Clock",
    "Collect",
    "File",
    "Kernel",
    "Log",
    "PlayedEvent",
    "Player",
    "Simulated",
    "Sink",
    "Streams",
    "Timeline",
    "VirtualClock",
    "WallClock",
    "sink_of",
]

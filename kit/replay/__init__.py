"""Replay: captured events into a sink, at any pace, causes first; captured tasks into new neurons."""

from kit.replay.bus import Bus
from kit.replay.clock import Clock, VirtualClock, WallClock
from kit.replay.comparison import Divergence
from kit.replay.content import Step
from kit.replay.counterfactual import replay
from kit.replay.driving import Breakpoint
from kit.replay.event import PlayedEvent
from kit.replay.feeds import Kernel, Simulated, Streams
from kit.replay.outcome import Replay, Track
from kit.replay.player import Player
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
    "Divergence",
    "File",
    "Kernel",
    "Log",
    "PlayedEvent",
    "Player",
    "Replay",
    "Simulated",
    "Sink",
    "Step",
    "Streams",
    "Timeline",
    "Track",
    "VirtualClock",
    "WallClock",
    "replay",
    "sink_of",
]

"""Looking on while a simulation runs: every signal as it is sent, and what neurons raised."""

from collections.abc import Callable
from typing import NamedTuple

from kit.kernel import Port
from kit.sim.envelope import Envelope


class Raised(NamedTuple):
    """An exception of a neuron, with the task that it was raised on and when, in microseconds since 1970."""

    neuron: str
    task: Envelope
    us: int
    error: BaseException


class Tapped:
    """The delivery of signals while somebody looks on."""

    __slots__ = ("_port", "_taps")

    def __init__(self, port: Port, taps: list[Callable[[Envelope], object]]) -> None:
        self._port = port
        self._taps = taps

    def send(self, delay: int, envelope: Envelope) -> None:
        """Deliver a signal, and tell of it."""
        self._port.send(delay, envelope)
        for function in self._taps:
            function(envelope)

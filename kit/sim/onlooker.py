"""Who looks on while a simulation runs: what is open, what was asked, what came to be, and where to stand still."""

from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

from kit.sim.command import BreakAt
from kit.sim.envelope import Envelope

RECENT = 12
MOST_OPEN = 10_000
"""Open traces that are remembered, the latest ones."""
QUESTIONS = ("CLARIFICATION", "PERMISSION")
STARTS = ("TASK", "TASK_OFFER")


class Opened(NamedTuple):
    """A trace that has begun and has no FINAL, ERROR or STOP yet."""

    trace_id: str
    us: int
    what: str


@dataclass
class Stopped:
    """What came back on a STOP."""

    answers: int = 0
    cancelled: int = 0
    compensated: int = 0


class Onlooker:
    """Sees every signal as it is sent; it changes nothing."""

    def __init__(self) -> None:
        self.recent: deque[Envelope] = deque(maxlen=RECENT)
        self.open: dict[str, Opened] = {}
        self._over: dict[str, None] = {}
        self.questions: dict[str, Envelope] = {}
        """Questions without an answer, by the id of the signal."""
        self.stops: dict[str, Stopped] = {}
        """Answers to the STOPs of the panel, by trace."""
        self.breaks: tuple[BreakAt, ...] = ()
        self.hit: Envelope | None = None
        """The signal at which a breakpoint was met; whoever looks takes it away."""
        self._duties = {
            "TASK": self._begun,
            "TASK_OFFER": self._begun,
            "CLARIFICATION": self._asked,
            "PERMISSION": self._asked,
            "CLARIFICATION_ANSWER": self._answered,
            "PERMISSION_DECISION": self._answered,
            "FINAL": self._ended,
            "ERROR": self._ended,
            "STOP": self._ended,
            "STOPPED": self._stopped,
        }

    def see(self, envelope: Envelope) -> None:
        """Take note of a signal."""
        self.recent.append(envelope)
        duty = self._duties.get(envelope.kind)
        if duty is not None:
            duty(envelope)
        if self.breaks and self.hit is None and any(_meets(point, envelope) for point in self.breaks):
            self.hit = envelope

    def _begun(self, envelope: Envelope) -> None:
        if self.questions and envelope.parent_id in self.questions:
            del self.questions[envelope.parent_id]
        if envelope.trace_id not in self.open and envelope.trace_id not in self._over:
            wanted = envelope.payload.get("capabilities") or ()
            whom = envelope.to or (", ".join(map(str, wanted)) if isinstance(wanted, list | tuple) else "anybody")
            word = "offer" if envelope.kind == "TASK_OFFER" else "task"
            self.open[envelope.trace_id] = Opened(envelope.trace_id, envelope.ts_us, f"{word} for {whom}")
            _shorten(self.open)

    def _asked(self, envelope: Envelope) -> None:
        self.questions[envelope.id] = envelope

    def _answered(self, envelope: Envelope) -> None:
        self.questions.pop(envelope.parent_id or "", None)

    def _ended(self, envelope: Envelope) -> None:
        self.open.pop(envelope.trace_id, None)
        self._over[envelope.trace_id] = None
        _shorten(self._over)
        for id in [id for id, asked in self.questions.items() if asked.trace_id == envelope.trace_id]:
            del self.questions[id]

    def _stopped(self, envelope: Envelope) -> None:
        told = self.stops.get(envelope.trace_id)
        if told is not None:
            told.answers += 1
            told.cancelled += int(envelope.payload.get("cancelled") or 0)
            told.compensated += int(envelope.payload.get("compensated") or 0)


def _shorten(of: "dict[str, Any]") -> None:
    if len(of) > MOST_OPEN:
        del of[next(iter(of))]


def _meets(point: BreakAt, envelope: Envelope) -> bool:
    return (
        (point.type is None or point.type == envelope.kind)
        and (point.neuron is None or point.neuron == envelope.to)
        and (point.trace_id is None or point.trace_id == envelope.trace_id)
    )

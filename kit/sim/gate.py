"""Gates: how many jobs may be worked on at once; the others wait in the order they came."""

import sys
from collections import deque
from collections.abc import Callable
from typing import Any


class Job:
    """A task that a neuron works on, or will; `over` when it replied or was cancelled."""

    __slots__ = ("cancel", "gates", "over")

    def __init__(self) -> None:
        self.over = False
        self.cancel: Callable[[], Any] | None = None
        """Ends what is under way; None before it began."""
        self.gates: list[Gate] = []

    def end(self) -> None:
        """It is over: the gates it went through are open for others."""
        self.over = True
        gates, self.gates = self.gates, []
        for gate in gates:
            gate.leave()


class Gate:
    """Lets `limit` jobs in at once, None for any number."""

    __slots__ = ("busy", "limit", "waiting")

    def __init__(self, limit: int | None = None) -> None:
        self.limit = sys.maxsize if limit is None else limit
        self.busy = 0
        self.waiting: deque[tuple[Job, Callable[[], Any]]] = deque()

    def enter(self, job: Job, begin: Callable[[], Any]) -> None:
        """Call `begin` now, or when there is room, unless the job is over by then."""
        if self.busy < self.limit:
            self.busy += 1
            job.gates.append(self)
            begin()
        else:
            self.waiting.append((job, begin))

    def leave(self) -> None:
        """A job is through."""
        self.busy -= 1
        self._admit()

    def _admit(self) -> None:
        while self.waiting and self.busy < self.limit:
            job, begin = self.waiting.popleft()
            if not job.over:
                self.enter(job, begin)

    def resize(self, limit: int | None) -> None:
        """Let another number in from here on; who is inside stays."""
        self.limit = sys.maxsize if limit is None else limit
        self._admit()

    def reset(self) -> None:
        """Everybody is out, and nobody waits."""
        self.busy = 0
        self.waiting.clear()

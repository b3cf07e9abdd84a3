"""What passes between a kernel and the ways to reach it."""

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from kit.syncropel.watch import Watch

__all__ = ["Answer", "Broken", "Kernel"]


class Answer(NamedTuple):
    """What a kernel answers: a status, and JSON, text as it is, or a stream."""

    status: int
    content: bytes | Watch


class Broken(Exception):
    """A connection that breaks without an answer: `stored` where the request was heeded before."""

    def __init__(self, message: str, stored: bool = False) -> None:
        super().__init__(message)
        self.stored = stored


class Kernel(Protocol):
    """What can be asked."""

    latency_s: float

    def answer(
        self, method: str, path: str, query: Mapping[str, str], body: bytes, last_event_id: str | None
    ) -> Answer: ...

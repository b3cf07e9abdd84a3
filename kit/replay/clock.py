"""The clocks a player waits on: the wall, or a virtual one on which waiting takes no time."""

import threading
import time
from typing import Protocol


class Clock(Protocol):
    """What a player asks of a clock."""

    def now_ns(self) -> int:
        """Nanoseconds of a clock that never goes back."""
        ...

    def wait(self, until_ns: int, wake: threading.Condition) -> None:
        """Return at a time of this clock, or earlier where `wake`, which is held, is notified."""
        ...


class WallClock:
    """Real time: the monotonic clock of this machine."""

    def now_ns(self) -> int:
        """Return monotonic nanoseconds."""
        return time.perf_counter_ns()

    def wait(self, until_ns: int, wake: threading.Condition) -> None:
        """Sleep until a time, or until notified."""
        left = until_ns - time.perf_counter_ns()
        if left > 0:
            wake.wait(left / 1e9)


class VirtualClock:
    """A clock that jumps to whatever is waited for; `advance` moves it by hand, as a slow sink would."""

    def __init__(self, start_ns: int = 0) -> None:
        self._now_ns = start_ns

    def now_ns(self) -> int:
        """Return its time."""
        return self._now_ns

    def wait(self, until_ns: int, wake: threading.Condition) -> None:
        """Be there at once."""
        self._now_ns = max(self._now_ns, until_ns)

    def advance(self, ns: int) -> None:
        """Let time pass."""
        self._now_ns += ns

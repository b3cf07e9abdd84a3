"""The garbage collector during runs, of which there may be several at once, on threads of their own."""

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

GC_EVERY = 100_000
"""New objects between two looks of the garbage collector, during a run."""


class _Seldom:
    """Runs under way, on any thread, and what the garbage collector was set to before the first of them."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.runs = 0
        self.before: tuple[int, int, int] = (0, 0, 0)


_seldom = _Seldom()


@contextmanager
def seldom_collected() -> Iterator[None]:
    """Let the garbage collector look less often: many young objects live as long as their batch, and it took a fifth of a run."""
    with _seldom.lock:
        if _seldom.runs == 0:
            _seldom.before = before = gc.get_threshold()
            gc.set_threshold(max(before[0], GC_EVERY) if before[0] else 0, *before[1:])
        _seldom.runs += 1
    try:
        yield
    finally:
        with _seldom.lock:
            _seldom.runs -= 1
            if _seldom.runs == 0:
                gc.set_threshold(*_seldom.before)

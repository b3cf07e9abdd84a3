"""Identifiers and the clock they use: real by default, repeatable after `seeded(n)`.

One source per context gives both times and ULIDs, so a signal's id and its time always agree in order.
A reading is never at or before the previous one: when the system clock is set back, the source goes on
in steps of one microsecond until real time has caught up. Nothing else in the kit reads a clock or draws
an id.
"""

import os
import random
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from contextvars import ContextVar
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import count
from types import TracebackType

__all__ = ["driven", "driver", "new_id", "now", "now_ms", "random_bits", "seeded", "ulid"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SEEDED_START = datetime(2026, 1, 1, tzinfo=UTC)
_SEEDED_STEP_US = 100
_RANDOM_BITS = 80


class _Source:
    """A clock in microseconds and a supply of random bits, read under one lock."""

    def __init__(self, clock_us: Callable[[], int], bits: Callable[[int], int]) -> None:
        self._clock_us = clock_us
        self._bits = bits
        self._last_us = -1
        self._last_ms = -1
        self._tail = 0
        self.unlock()

    def unlock(self) -> None:
        """A free lock and fresh randomness, so that a forked child does not repeat its parent's next id."""
        self._lock = threading.Lock()
        self._last_ms = -1

    def read_us(self) -> int:
        """Microseconds since 1970, later than every earlier reading."""
        with self._lock:
            return self._tick()

    def random_bits(self, count: int) -> int:
        """A number of `count` random bits."""
        with self._lock:
            return self._bits(count)

    def ulid_number(self) -> int:
        """The next ULID as a 128-bit number, greater than every earlier one of this source."""
        with self._lock:
            ms = self._tick() // 1000
            if ms == self._last_ms:
                self._tail += 1
                if self._tail >> _RANDOM_BITS:
                    ms += 1
                    self._last_us = ms * 1000
            if ms != self._last_ms:
                self._last_ms = ms
                self._tail = self._bits(_RANDOM_BITS)
            return ms << _RANDOM_BITS | self._tail

    def _tick(self) -> int:
        us = self._clock_us()
        if us <= self._last_us:
            us = self._last_us + 1
        self._last_us = us
        return us


def _system_us() -> int:
    return time.time_ns() // 1000


_real = _Source(_system_us, random.SystemRandom().getrandbits)
_source: ContextVar[_Source] = ContextVar("kit_ids_source", default=_real)

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_real.unlock)


class _Seeding(AbstractContextManager[None]):
    """In force from its construction; leaving a `with` block puts the earlier source back."""

    def __init__(self, source: _Source) -> None:
        self._before = _source.get()
        _source.set(source)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None, /
    ) -> None:
        _source.set(self._before)


@cache
def _crockford() -> Callable[[bytes], str]:
    # Importing ulid takes 70 ms (it looks up its own version), and `import kit` reads this module.
    from ulid import base32

    return base32.encode


def seeded(n: int) -> AbstractContextManager[None]:
    """Ids and times that are the same on every run with the same `n`.

    As a statement, `seeded(7)` holds from here on in this context: this thread or task, and tasks it starts.
    As `with seeded(7):` it ends with the block. The clock starts at 2026-01-01T00:00:00Z and moves on by
    100 microseconds with each reading. A new thread starts with the real source again.

    >>> with seeded(7):
    ...     first = new_id("evt_"), now().isoformat()
    >>> with seeded(7):
    ...     first == (new_id("evt_"), now().isoformat())
    True
    """
    start_us = (_SEEDED_START - _EPOCH) // timedelta(microseconds=1)
    ticks = count(start_us, _SEEDED_STEP_US)
    return _Seeding(_Source(ticks.__next__, random.Random(f"{n}/ids").getrandbits))


def driven(clock_us: Callable[[], int], bits: Callable[[int], int]) -> AbstractContextManager[None]:
    """Ids and times of a clock that somebody else moves: `clock_us()` is microseconds since 1970, `bits(n)` n random bits.

    In force as `seeded` is, from here on or for a `with` block; a simulation uses it while it runs.

    >>> with driven(iter(range(10**15, 10**16)).__next__, lambda count: 0):
    ...     now().isoformat()
    '2001-09-09T01:46:40+00:00'
    """
    return driver(clock_us, bits)()


def driver(clock_us: Callable[[], int], bits: Callable[[int], int]) -> Callable[[], AbstractContextManager[None]]:
    """What `driven` does, to be in force again and again: each call of the result goes on where the one before ended."""
    return partial(_Seeding, _Source(clock_us, bits))


def now() -> datetime:
    """The current time in UTC with microseconds; later than every earlier reading in this context."""
    return _EPOCH + timedelta(0, 0, _source.get().read_us())


def now_ms() -> int:
    """Whole milliseconds since 1970; readings within one millisecond are equal."""
    return _source.get().read_us() // 1000


def random_bits(count: int) -> int:
    """A number of `count` random bits, from the system or, after `seeded(n)`, the same on every run."""
    return _source.get().random_bits(count)


def ulid() -> str:
    """A new ULID: 26 upper-case Crockford characters, sorted after every earlier one in this context.

    10 characters of milliseconds, 16 of randomness; within one millisecond the random part counts up
    (spec/cosmonapse.md 1.3).
    """
    return _crockford()(_source.get().ulid_number().to_bytes(16, "big"))


def new_id(prefix: str) -> str:
    """`prefix` followed by a new ULID, such as `evt_01ARZ3NDEKTSV4RRFFQ69G5FAV`."""
    return prefix + ulid()

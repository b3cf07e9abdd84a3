"""Spans of virtual time as people write them: "30s", "10m", 1.5, timedelta."""

import re
from datetime import UTC, datetime, timedelta

from kit.errors import ArgumentError

START = datetime(2026, 1, 1, tzinfo=UTC)
"""When every simulation begins, on its own calendar."""
START_US = int(START.timestamp()) * 1_000_000
_PER_UNIT = {
    "": 1_000_000,
    "us": 1,
    "ms": 1000,
    "s": 1_000_000,
    "m": 60_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
}
_TEXT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*")

Duration = str | int | float | timedelta
"""Seconds as a number, a text such as "250ms", "30s", "10m", "1.5h", or a timedelta."""


def microseconds(value: Duration) -> int:
    """Return a span in whole microseconds, a bare number is seconds; ArgumentError for one that is negative or no span.

    >>> microseconds("10m"), microseconds(0.25), microseconds("120 ms"), microseconds("90")
    (600000000, 250000, 120000, 90000000)
    """
    found = _TEXT.fullmatch(value) if isinstance(value, str) else None
    if found is not None and found[2] in _PER_UNIT:
        return round(float(found[1]) * _PER_UNIT[found[2]])
    if isinstance(value, timedelta) and value >= timedelta(0):
        return value // timedelta(microseconds=1)
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1e12:
        return round(value * 1_000_000)
    raise ArgumentError(f"{value!r} is no span of time; give seconds as a number, or a text like '250ms', '30s', '10m'")


def moment(us: int) -> datetime:
    """Return the time of `us` microseconds since 1970, in UTC."""
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=us)

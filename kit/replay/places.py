"""Places on a timeline, and the steps from one to the next."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

from kit.errors import ArgumentError
from kit.replay.timeline import Timeline
from kit.sim.duration import microseconds

Place = int | float | str | datetime | timedelta
"""A position; seconds, a span or "10s" from the start; a datetime or ISO text; the id of an event, or the end of one."""


def place_of(line: Timeline, to: Place) -> tuple[int, int | None]:
    """Return a place as the position of the next event, and the time where a time was meant.

    The events at a time are before it. Raises ArgumentError for what is outside the timeline, or no place at all.
    """
    if isinstance(to, bool):
        raise ArgumentError(f"{to!r} is no place on the timeline")
    if isinstance(to, int):
        if not 0 <= to <= len(line):
            raise ArgumentError(f"position {to!r}: the timeline has positions 0 to {len(line)}")
        return to, None
    start, end = (int(line.due[0]), int(line.due[-1])) if len(line) else (0, 0)
    if isinstance(to, str):
        ns = _parsed(to, start)
        if ns is None:
            return line.find(to), None
    elif isinstance(to, datetime):
        ns = _nanoseconds(to)
    else:
        ns = start + microseconds(to) * 1000
    if not start <= ns <= end:
        raise ArgumentError(
            f"{to!r} is outside the timeline, which goes from {_shown(start)} to {_shown(end)} ({(end - start) / 1e9:,.3f} s)"
        )
    return int(np.searchsorted(line.due, ns, "right")), ns


def _nanoseconds(moment: datetime) -> int:
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    whole = aware - datetime(1970, 1, 1, tzinfo=UTC)
    return (whole.days * 86_400 + whole.seconds) * 1_000_000_000 + whole.microseconds * 1000


def _parsed(text: str, start_ns: int) -> int | None:
    """Return the nanoseconds that a text means, None where it is no time."""
    try:
        return _nanoseconds(datetime.fromisoformat(text))
    except ValueError:
        pass
    try:
        return start_ns + microseconds(text) * 1000
    except ArgumentError:
        return None


def _shown(ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=ns // 1000)).isoformat()


def _event_step(line: Timeline, position: int) -> int:
    return position + 1


def _trace_step(line: Timeline, position: int) -> int:
    return int(np.flatnonzero(line.group == line.group[position])[-1]) + 1


def _level_step(line: Timeline, position: int) -> int:
    stop = position + 1
    while stop < len(line):
        causes = line.causes[line.cause_of[stop] : line.cause_of[stop + 1]]
        if (causes >= position).any():
            break
        stop += 1
    return stop


STEPS: dict[str, Callable[[Timeline, int], int]] = {"event": _event_step, "trace": _trace_step, "level": _level_step}
"""How far each kind of step goes: the position behind it."""

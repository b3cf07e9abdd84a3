"""A length of time given in words."""

import duckdb

from kit.errors import ArgumentError
from kit.store.store import Store


def interval_us(store: Store, text: str, name: str) -> int:
    """Return the length of an interval in words ("90 seconds", "1 minute") in microseconds.

    Raises ArgumentError where it is no interval, not positive, or has months, whose length varies.
    """
    try:
        [(width, months)] = store.execute(
            "SELECT epoch_us(i), datepart('month', i) + datepart('year', i) FROM (SELECT $text::INTERVAL AS i)",
            {"text": text},
        )
    except duckdb.Error:
        width, months = None, 0
    if width is None or width <= 0 or months != 0:
        raise ArgumentError(f"{name}={text!r}: give a length of time, such as '10 seconds' or '1 hour'")
    return int(width)

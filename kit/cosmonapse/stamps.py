"""Time stamps of the three lengths that the SDKs write, read eight bytes at a time.

`2026-05-16T14:22:01Z`, with milliseconds (TypeScript) or with microseconds (Python). Any other way of writing
a time is left to others.
"""

from functools import cache

import numpy as np

from kit.cosmonapse.block import Block, Ints, Mask, Words

PLAIN, MILLI, MICRO = 20, 24, 27
"""Bytes of a stamp."""


class _Form:
    """What a word must look like: `0` stands for a digit, anything else for itself."""

    def __init__(self, form: str) -> None:
        text = form.encode()
        self.pattern = np.uint64(int.from_bytes(text, "little"))
        self.mask = np.uint64(int.from_bytes((0xF0 if char == ord("0") else 0xFF for char in text), "little"))
        self.six = np.uint64(int.from_bytes((6 if char == ord("0") else 0 for char in text), "little"))

    def read(self, word: Words) -> tuple[Words, Mask]:
        """Return the word with its digits as numbers 0 to 9, a byte each, and whether it has the form.

        A digit without `0` is below 16, and it stays so with 6 added to it unless it is more than 9.
        """
        digits = word ^ self.pattern
        return digits, ((digits | (digits + self.six)) & self.mask) == 0


DATE, TIME, SECOND = _Form("0000-00-"), _Form("00T00:00"), _Form(":00Z")
SECOND_MILLI, SECOND_MICRO, FRACTION = _Form(":00.000Z"), _Form(":00.0000"), _Form(".000000Z")


def stamps(block: Block, starts: Ints, ends: Ints) -> tuple[Ints, Mask]:
    """Return the microseconds since 1970 of each stamp, and which of them have one of the forms and are a time."""
    size = ends - starts
    words = block.wide(starts, 4)
    second = words[:, 2]
    date, good = DATE.read(words[:, 0])
    time, right = TIME.read(words[:, 1])
    good &= right
    second_milli, is_milli = SECOND_MILLI.read(second)
    # The last eight of 27 bytes begin three bytes into the third word.
    fraction, is_micro = FRACTION.read((second >> np.uint64(24)) | (words[:, 3] << np.uint64(40)))
    good &= np.select(
        [size == MICRO, size == MILLI, size == PLAIN],
        [is_micro & SECOND_MICRO.read(second)[1], is_milli, SECOND.read(second)[1]],
        False,
    )
    year = 100 * _two(date, 0) + _two(date, 2)
    month, day = _two(date, 5), _two(time, 0)
    hour, minute, seconds = _two(time, 3), _two(time, 6), _two(second_milli, 1)
    good &= (year >= 1) & (month >= 1) & (month <= 12) & (hour < 24) & (minute < 60) & (seconds < 60)
    # Where it is no good, any month will do.
    number = np.where(good, 12 * year + month - 13, 0)
    first = _month_begins()[number]
    good &= (day >= 1) & (day <= _month_begins()[number + 1] - first)
    micro = np.where(size == MICRO, 10_000 * _two(fraction, 1) + 100 * _two(fraction, 3) + _two(fraction, 5), 0)
    milli = np.where(size == MILLI, 10_000 * _two(second_milli, 4) + 1_000 * _one(second_milli, 6), 0)
    minutes = ((first + day - 1) * 24 + hour) * 60 + minute
    return (minutes * 60 + seconds) * 1_000_000 + micro + milli, good


def _one(digits: Words, at: int) -> Ints:
    return ((digits >> np.uint64(8 * at)) & np.uint64(15)).astype(np.int64)


def _two(digits: Words, at: int) -> Ints:
    return 10 * _one(digits, at) + _one(digits, at + 1)


@cache
def _month_begins() -> Ints:
    """Return the days since 1970 with which the months of the years 1 to 9999 begin, and the one after."""
    months = np.arange(-1969 * 12, (10_000 - 1970) * 12 + 1)
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)

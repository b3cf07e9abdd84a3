"""Objects to look at closely, told from the bytes of JSON without spaces: they may hold a key twice, or a number that is none.

To look for these in SQL, by `json_keys` and by pattern as `plain` does, takes longer than to read the line (measured, DuckDB
2.0). Here two keys are alike if their length and their last eight bytes are, and a value is no finite number by how it begins.
Nothing goes unseen: the texts must be written in the one way that DuckDB writes them, so that equal keys are equal bytes,
a colon follows each, and a value its colon, comma or bracket. A text that is named without need (keys of two objects in
it are alike, or a string looks like a key or a number) costs time and nothing else.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Octets = NDArray[np.uint8]

QUOTE, COLON, COMMA, BRACKET, MINUS = ord('"'), ord(":"), ord(","), ord("["), ord("-")
BEGINS = np.isin(np.arange(256), np.frombuffer(b"nNiI-", np.uint8))
"""By byte: how `null` begins, and `NaN`, `-inf` and what else DuckDB takes for a number."""
LOWER = 0x20
"""Bit that makes a letter a small one."""
WORD = 8
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2 ** 64 over the golden ratio: a product with it spreads the bits (Knuth, TAOCP 6.4)."""
TEXT_BITS = 24
"""How many bits number the texts of one array; DuckDB hands over 2,048 at a time."""


def suspect(texts: pa.ChunkedArray) -> pa.Array:
    """Return which of the texts, strings without NULLs, may have a key twice in one object, or a number that is not finite."""
    ends, octets = _bytes(texts.combine_chunks())
    found = np.zeros(len(texts), bool)
    found[_repeating(ends, octets)] = True
    found[np.searchsorted(ends, _nonfinite(octets), side="right")] = True
    return pa.array(found)


def _repeating(ends: Ints, octets: Octets) -> Ints:
    """Return the numbers of the texts in which two keys are alike."""
    quotes = np.flatnonzero(octets == QUOTE)
    # In JSON without spaces, a colon follows the second quote of each key, and some other quotes.
    named = np.flatnonzero(octets[quotes + 1] == COLON)
    key = quotes[named]
    # From the quote before it: within a key that has a quote in it, which is so for all keys equal to it.
    size = key - quotes[named - 1]
    words: NDArray[np.uint64] = np.ndarray((len(octets) - WORD + 1,), "<u8", octets, strides=(1,))
    short = np.clip(WORD + 1 - size, 0, WORD - 1).astype(np.uint64)
    sign = ((words[key - WORD] >> (short * np.uint64(WORD))) ^ (size.astype(np.uint64) << np.uint64(56))) * MIX
    text = np.repeat(np.arange(len(ends), dtype=np.uint64), np.diff(np.searchsorted(key, ends), prepend=0))
    both = np.sort((text << np.uint64(64 - TEXT_BITS)) | (sign >> np.uint64(TEXT_BITS)))
    alike: Ints = (both[1:][both[1:] == both[:-1]] >> np.uint64(64 - TEXT_BITS)).astype(np.int64)
    return alike


def _nonfinite(octets: Octets) -> Ints:
    """Return the places of values that begin like no finite number, in strings or not."""
    value = np.flatnonzero((octets == COLON) | (octets == COMMA) | (octets == BRACKET)) + 1
    value = value[BEGINS[octets[value]]]
    value += octets[value] == MINUS
    first, second = octets[value] | LOWER, octets[value + 1] | LOWER
    odd: Ints = value[(first == ord("i")) | ((first == ord("n")) & (second == ord("a")))]
    return odd


def _bytes(texts: pa.Array) -> tuple[Ints, Octets]:
    """Return the bytes of all texts with a word of nothing before and after them, and where in them each text ends."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    octets = np.zeros(ends[-1] - ends[0] + 2 * WORD, np.uint8)
    if ends[-1] > ends[0]:
        octets[WORD:-WORD] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return ends[1:] - ends[0] + WORD, octets

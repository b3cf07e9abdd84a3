"""Objects that may hold a key twice, told from the bytes of JSON without spaces.

To look for them by `json_keys`, as `plain` does, takes longer than to read the line (measured, DuckDB 2.0). Here two keys are
alike if their length and their last eight bytes are. No repeat goes unseen: the texts must be written in the one way that
DuckDB writes them, so that equal keys are equal bytes and a colon follows each. A text that is named without need
(keys of two objects in it are alike, or a string looks like a key) costs time and nothing else.
"""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]

QUOTE, COLON = ord('"'), ord(":")
WORD = 8
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2 ** 64 over the golden ratio: a product with it spreads the bits (Knuth, TAOCP 6.4)."""
TEXT_BITS = 24
"""How many bits number the texts of one array; DuckDB hands over 2,048 at a time."""


def repeats(texts: pa.ChunkedArray) -> pa.Array:
    """Return which of the texts, strings without NULLs, may have a key twice in one object."""
    ends, octets = _bytes(texts.combine_chunks())
    quotes = np.flatnonzero(octets == QUOTE)
    # In JSON without spaces, a colon follows the second quote of each key, and some other quotes.
    named = np.flatnonzero(octets[quotes + 1] == COLON)
    key = quotes[named]
    # From the quote before it: within a key that has a quote in it, which is so for all keys equal to it.
    size = key - quotes[named - 1]
    words: NDArray[np.uint64] = np.ndarray((len(octets) - WORD + 1,), "<u8", octets, strides=(1,))
    short = np.clip(WORD + 1 - size, 0, WORD - 1).astype(np.uint64)
    sign = ((words[key - WORD] >> (short * np.uint64(WORD))) ^ (size.astype(np.uint64) << np.uint64(56))) * MIX
    text = np.searchsorted(ends, key, side="right").astype(np.uint64)
    both = np.sort((text << np.uint64(64 - TEXT_BITS)) | (sign >> np.uint64(TEXT_BITS)))
    found = np.zeros(len(texts), bool)
    found[(both[1:][both[1:] == both[:-1]] >> np.uint64(64 - TEXT_BITS)).astype(np.int64)] = True
    return pa.array(found)


def _bytes(texts: pa.Array) -> tuple[Ints, NDArray[np.uint8]]:
    """Return the bytes of all texts with a word of nothing before and after them, and where in them each text ends."""
    _, offsets, data = texts.buffers()
    ends = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1].astype(np.int64)
    octets = np.zeros(ends[-1] - ends[0] + 2 * WORD, np.uint8)
    if ends[-1] > ends[0]:
        octets[WORD:-WORD] = np.frombuffer(data, np.uint8)[ends[0] : ends[-1]]
    return ends[1:] - ends[0] + WORD, octets

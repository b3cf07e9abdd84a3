"""A block of bytes that NumPy can be asked about at many places at once."""

from functools import cached_property

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Words = NDArray[np.uint64]
Mask = NDArray[np.bool_]

WORD = 8
QUOTE = ord('"')
BEYOND = 128
"""Places after the last quote that may be asked for; each stands at the end of the block."""
INLINE_BYTES = 12


class Block:
    """Bytes, read as 8-byte words at any place.

    A word that would reach past the end is the last one instead: whoever asks must know that the place lies
    `WORD` bytes or more before the end, or throw the answer away.
    """

    def __init__(self, data: pa.Buffer) -> None:
        self.data = data
        self.octets = np.frombuffer(data, np.uint8)
        self._words: Words = np.ndarray((data.size - WORD + 1,), "<u8", data, strides=(1,))
        self._last = data.size - WORD

    @cached_property
    def quotes(self) -> Ints:
        """The places of all quotes, in order, and some more past the last."""
        found = np.flatnonzero(self.octets == QUOTE)
        return np.concatenate([found, np.full(BEYOND, self.data.size)])

    def wide(self, at: Ints, words: int) -> Words:
        """Return the `words` words that begin at each place as a row; the last such row of the block where one would reach past its end."""
        size = WORD * words
        rows = np.ndarray((self.data.size - size + 1,), f"V{size}", self.data, strides=(1,))
        found: Words = rows[np.minimum(at, len(rows) - 1)].view("<u8").reshape(-1, words)
        return found

    def word(self, at: Ints) -> Words:
        """Return the eight bytes at each place, the first one lowest."""
        found: Words = self._words[np.minimum(at, self._last)]
        return found

    def says(self, at: Ints, text: bytes) -> Mask:
        """Return where `text` stands."""
        if len(text) < WORD:
            short: Mask = (self.word(at) & LOW[len(text)]) == number(text)
            return short
        # The last piece overlaps the one before it where the text is no whole number of words.
        pieces = (*range(0, len(text) - WORD, WORD), len(text) - WORD)
        found: Mask = np.logical_and.reduce([self.word(at + i) == number(text[i : i + WORD]) for i in pieces])
        return found

    def views(self, starts: Ints, ends: Ints, valid: Mask | None = None) -> pa.Array:
        """Return the texts as an Arrow string view array on the bytes of the block: nothing long is copied.

        A view is 16 bytes: length, then either up to 12 bytes of text, or its first four bytes, the number of the
        buffer and the offset in it (Arrow columnar format, variable-size binary view layout).
        """
        lengths = ends - starts
        head = self.word(starts)
        views = np.zeros((len(starts), 4), np.int32)
        views[:, 0] = lengths
        views[:, 1] = head.view(np.int32)[::2]
        views[:, 3] = starts
        short = np.flatnonzero(lengths <= INLINE_BYTES)
        if len(short):
            size = lengths[short]
            text = np.empty((len(short), 2), np.uint64)
            text[:, 0] = head[short] & LOW[np.minimum(size, WORD)]
            text[:, 1] = self.word(starts[short] + WORD) & LOW[np.maximum(size - WORD, 0)]
            views[short, 1:] = text.view(np.int32)[:, :3]
        validity = None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))
        return pa.Array.from_buffers(pa.string_view(), len(starts), [validity, pa.py_buffer(views), self.data])


def number(text: bytes) -> np.uint64:
    """Return a text of at most eight bytes as the number that a word of it is."""
    return np.uint64(int.from_bytes(text, "little"))


LOW = np.array([(1 << 8 * size) - 1 for size in range(WORD + 1)], np.uint64)
"""By number of bytes: the mask of that many first bytes of a word."""

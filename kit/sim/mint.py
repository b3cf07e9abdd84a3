"""ULIDs on the virtual clock: seeded, monotonic, and quick to write (spec/cosmonapse.md 1.3)."""

import random
from itertools import product

_ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_THREE = tuple(map("".join, product(_ALPHABET, repeat=3)))
"""Every three characters, by their 15 bits: an id is put together from six of these and two letters."""
_LOW = (1 << 15) - 1
_TAIL_BITS = 80


class Mint:
    """A supply of ULIDs; within one millisecond the random part counts up, so that ids sort in the order of minting."""

    def __init__(self, rng: random.Random) -> None:
        self._bits = rng.getrandbits
        self._ms = -1
        self._tail = 0
        self._high = -1
        self._high_text = ""
        self._lead = -1
        self._lead_text = ""
        self._time_text = ""

    def at(self, us: int) -> str:
        """Return a new ULID of the time `us`, which is not before that of the call before."""
        ms = us // 1000
        if ms == self._ms:
            self._tail += 1
            if self._tail >> _TAIL_BITS:
                return self.at(us + 1000)
        else:
            self._ms = ms
            self._tail = self._bits(_TAIL_BITS)
            lead = ms >> 15
            if lead != self._lead:
                self._lead = lead
                self._lead_text = _ALPHABET[lead >> 30] + _THREE[lead >> 15 & _LOW] + _THREE[lead & _LOW]
            self._time_text = self._lead_text + _THREE[ms & _LOW]
            self._high = -1
        tail = self._tail
        high = tail >> 15
        if high != self._high:
            self._high = high
            self._high_text = (
                self._time_text
                + _ALPHABET[high >> 60]
                + _THREE[high >> 45 & _LOW]
                + _THREE[high >> 30 & _LOW]
                + _THREE[high >> 15 & _LOW]
                + _THREE[high & _LOW]
            )
        return self._high_text + _THREE[tail & _LOW]

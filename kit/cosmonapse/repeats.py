"""Keys that may stand twice in one object, told from the bytes of JSON without spaces.

To look for them by `json_keys`, as `plain` does, takes ten times as long as to read the line (measured, DuckDB 2.0). Here two keys
are alike if their length and their last eight bytes are. No repeat goes unseen: the lines must be written in the one way that
DuckDB writes them (`plain` sees to it), so that equal keys are equal bytes. A line that is named without need costs
time and nothing else.
"""

from typing import NamedTuple

import numpy as np

from kit.cosmonapse.block import WORD, Block, Ints, Mask, Words

QUOTE, BACKSLASH = ord('"'), ord("\\")
OPEN, CLOSE, CASE = ord("{"), ord("}"), 0x20
"""Brackets differ from braces by the bit that sets lower-case letters apart."""
MIX = np.uint64(0x9E3779B97F4A7C15)
"""2 ** 64 over the golden ratio: a product with it spreads the bits (Knuth, TAOCP 6.4)."""
LINE_BITS, PLACE_BITS, DEPTH_BITS = 24, 20, 15
"""How a line (or a brace) of the block, a place in the line and a depth share a number; longer lines are not looked at."""


class Keys(NamedTuple):
    """The keys of a block, in order."""

    line: Ints
    end: Ints
    """Where the quote stands that ends a key."""
    size: Ints
    """From the quote before it: within a key that has a quote in it, which is so for all keys equal to it."""
    tail: Words
    """The eight bytes before its end."""


def repeats(block: Block, keys: Keys, begin: Ints, end: Ints) -> Mask:
    """Return which lines may have a key twice in one object between `begin` and `end`."""
    short = np.clip(WORD + 1 - keys.size, 0, WORD - 1).astype(np.uint64)
    sign = ((keys.tail >> (short * np.uint64(WORD))) ^ (keys.size.astype(np.uint64) << np.uint64(56))) * MIX
    alike = np.zeros(len(begin), bool)
    alike[_twice(keys.line, sign)] = True
    alike &= end > begin
    # Most of these have it in two objects; where those begin and end is worth a look only here.
    looked = alike & ((end - begin) >> PLACE_BITS == 0)
    seen, chosen = np.flatnonzero(looked), looked[keys.line]
    if len(seen):
        line = (np.cumsum(looked) - 1)[keys.line[chosen]]
        alike[seen] = _in_one_object(block, line, keys.end[chosen], sign[chosen], begin[seen], end[seen])
    return alike


def _twice(group: Ints, sign: Words) -> Ints:
    """Return the groups that have a sign twice, by the high bits of the signs."""
    key = np.sort((group.astype(np.uint64) << np.uint64(LINE_BITS + 16)) | (sign >> np.uint64(64 - 16 - LINE_BITS)))
    found: Ints = (key[1:][key[1:] == key[:-1]] >> np.uint64(LINE_BITS + 16)).astype(np.int64)
    return found


def _in_one_object(block: Block, line: Ints, key_end: Ints, sign: Words, begin: Ints, end: Ints) -> Mask:
    """Return which lines may have two alike keys in one object; `line` counts the lines given by `begin` and `end`."""
    size = end - begin
    unclear = np.zeros(len(size), bool)
    first = np.cumsum(size) - size
    owner = np.repeat(np.arange(len(size)), size)
    octets = block.octets[np.arange(len(owner)) + np.repeat(begin - first, size)]
    unclear[owner[octets == BACKSLASH]] = True
    # Without escapes, what follows an even number of quotes is outside of strings.
    quotes = np.concatenate([[0], np.cumsum(octets == QUOTE)])
    kind = octets | CASE
    braces = np.flatnonzero((kind == OPEN) | (kind == CLOSE))
    braces = braces[(quotes[braces] - quotes[first[owner[braces]]]) % 2 == 0]
    opens = kind[braces] == OPEN
    depth = np.concatenate([[0], np.cumsum(np.where(opens, 1, -1))])
    before = depth[np.searchsorted(braces, first)]
    key_place = first[line] + key_end - begin[line]
    key_depth = depth[np.searchsorted(braces, key_place)] - before[line]
    brace_line = owner[braces[opens]]
    brace_depth = depth[1:][opens] - before[brace_line]
    depths = np.concatenate([brace_depth, key_depth])
    lines = np.concatenate([brace_line, line])
    unclear[lines[(depths < 0) | (depths >> DEPTH_BITS > 0)]] = True
    depths = np.clip(depths, 0, (1 << DEPTH_BITS) - 1)
    places = np.concatenate([braces[opens], key_place]) - first[lines]
    order = np.argsort((lines << (PLACE_BITS + DEPTH_BITS)) | (depths << PLACE_BITS) | places)
    # Of the braces of one depth, the last one before a key opened its object.
    is_key = order >= len(brace_line)
    opened: Ints = np.cumsum(~is_key, dtype=np.int64)[is_key]
    keys = order[is_key] - len(brace_line)
    inside = opened > 0
    unclear[lines[order[~is_key]][_twice(opened[inside], sign[keys[inside]]) - 1]] = True
    return unclear

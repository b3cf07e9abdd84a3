"""The fields of lines as both SDKs write them, found in a whole block of lines at a time.

The SDKs write the nine fields of an envelope in one order and without a space (spec/cosmonapse.md 1.5). So such a line is
taken apart by where its quotes stand: NumPy compares the fixed texts between the fields, and Arrow gets views on the bytes
where they lie.

Only what is proved is claimed. `fits` means: up to the payload the line is what an SDK writes, none of its strings
holds an escape or a control character, and type, time stamp and `directed` are right. If moreover payload and meta,
as cut out here, are each one JSON object, then there is no other way to read the line, since JSON is read from
left to right. Whether they are is asked in SQL (`plain.py`), and there a line that does not fit is read as a whole.
"""

import json
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kit.cosmonapse.block import BEYOND, LOW, WORD, Block, Ints, Mask, Words, number
from kit.cosmonapse.examine import DIRECTED, compact
from kit.cosmonapse.repeats import Keys, repeats
from kit.cosmonapse.stamps import MILLI, stamps
from kit.cosmonapse.types import SignalType

SCHEMA = pa.schema(
    [
        ("line", pa.int64()),
        ("byte_offset", pa.int64()),
        ("text", pa.string_view()),
        ("fits", pa.bool_()),
        ("repeats", pa.bool_()),
        ("long", pa.bool_()),
        ("id", pa.string_view()),
        ("trace_id", pa.string_view()),
        ("parent_id", pa.string_view()),
        ("type", pa.dictionary(pa.int32(), pa.string())),
        ("directed_id", pa.dictionary(pa.int32(), pa.string())),
        ("directed_type", pa.dictionary(pa.int32(), pa.string())),
        ("directed_capabilities", pa.list_(pa.string())),
        ("ts", pa.timestamp("us", tz="UTC")),
        ("ts_text", pa.string_view()),
        ("dialect", pa.dictionary(pa.int8(), pa.string())),
        ("payload", pa.string_view()),
        ("meta", pa.string_view()),
    ]
)
"""A line and its fields. Where `fits` is false, the fields hold nothing of use. `repeats` says that payload and meta
may repeat a key; where it is false they do not. `long` says that they are `LONG_BYTES` long."""

TYPES = pa.array(list(SignalType.__members__), pa.string())
DIALECTS = pa.array(["python", "typescript"])
LONG_BYTES = 400
"""From here on payload and meta may be nested too deep or hold too long a number: two bytes a level are needed, and one a digit."""
MAX_ADDRESSES = 1_000
"""Different texts of `directed` that are looked at in one batch: agents are few, and one is looked at in Python."""
MAX_CAPABILITIES = 32
COLON, OPEN, CLOSE = ord(":"), ord("{"), ord("}")
MARGIN = 4 * WORD
"""Bytes that must follow a line in its block, so that no word is read past the end; the last line goes without."""

DIRECTED_KEY = number(b'","direc'), number(b'ted":')
PAYLOAD_KEY = number(b'","paylo'), number(b'ad":{')
NULL = number(b'ted":nul')
META_KEY = number(b',"meta')


class Span(NamedTuple):
    """Where a field begins and ends in the block, for each line."""

    begin: Ints
    end: Ints


class Head(NamedTuple):
    """The fields up to the payload. `fits` tells where they are what the names say."""

    fits: Mask
    id: Span
    trace_id: Span
    parent_id: Span
    has_parent: Mask
    type: Span
    directed: Span
    ts: Span
    payload: Ints
    """Where the payload begins."""
    quote: Ints
    """The number of the first quote after that."""


class Tail(NamedTuple):
    """Payload and meta, which divide the rest of the line between them where `fits`."""

    fits: Mask
    payload: Span
    meta: Span
    repeats: Mask


def split(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch of (line, byte_offset, text) as one of `SCHEMA`."""
    texts = batch.column("text")
    block = _block(texts)
    if block is None:
        return _unknown(batch)
    lines, whole = _lines(block, texts)
    head = _head(block, lines)
    tail = _tail(block, lines, head)
    ts, is_time = stamps(block, *head.ts)
    fits = whole & head.fits & tail.fits & is_time

    def field(span: Span, valid: Mask | None = None) -> pa.Array:
        return block.views(np.where(fits, span.begin, 0), np.where(fits, span.end, 0), valid)

    types = pc.index_in(field(head.type).cast(pa.string()), TYPES)
    addresses, number = _addresses(field(head.directed))
    fits &= ~np.asarray(types.is_null()) & (number >= 0)
    numbers = pa.array(number, pa.int32(), mask=number < 0)
    return pa.RecordBatch.from_arrays(
        [
            batch.column("line"),
            batch.column("byte_offset"),
            texts,
            pa.array(fits),
            pa.array(tail.repeats),
            pa.array(lines.end - head.payload >= LONG_BYTES),
            field(head.id),
            field(head.trace_id),
            field(head.parent_id, head.has_parent),
            pa.DictionaryArray.from_arrays(types, TYPES),
            *(pa.DictionaryArray.from_arrays(numbers, addresses.field(i)) for i in (0, 1)),
            addresses.field(2).take(numbers),
            pa.array(ts).cast(pa.timestamp("us")).cast(pa.timestamp("us", tz="UTC")),
            field(head.ts),
            pa.DictionaryArray.from_arrays(pa.array((head.ts.end - head.ts.begin == MILLI).astype(np.int8)), DIALECTS),
            field(tail.payload, fits),
            field(tail.meta, fits),
        ],
        schema=SCHEMA,
    )


def _unknown(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch of which no line is known to fit."""
    count = batch.num_rows
    known = {"line": batch.column("line"), "byte_offset": batch.column("byte_offset")}
    known |= {"text": batch.column("text").cast(pa.string_view())}
    known |= {name: pa.array(np.zeros(count, bool)) for name in ("fits", "repeats", "long")}
    columns = [known.get(field.name, pa.nulls(count, field.type)) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMA)


def _block(texts: pa.Array) -> Block | None:
    """Return the one buffer that the texts are views on; None where they are not."""
    if texts.type != pa.string_view() or texts.null_count or texts.offset or len(texts) == 0:
        return None
    _, _, *data = texts.buffers()
    return Block(data[0]) if len(data) == 1 and data[0].size >= WORD * WORDS else None


def _lines(block: Block, texts: pa.Array) -> tuple[Span, Mask]:
    """Return where the lines stand in the block; short ones, and those at the end of the block, are left out."""
    views = np.frombuffer(texts.buffers()[1], np.int32).reshape(-1, 4)[: len(texts)].astype(np.int64)
    size, begin = views[:, 0], views[:, 3]
    whole = (size >= WORD * WORDS) & (begin + size + MARGIN <= block.data.size)
    return Span(np.where(whole, begin, 0), np.where(whole, begin + size, 0)), whole


class _Form:
    """The text with which a line begins, up to the type; `#` stands for a character of a ULID."""

    def __init__(self, text: str) -> None:
        form = text.encode().ljust(WORD * WORDS, b"?")
        self.size = len(text)
        self.fixed = _words(bytes(0 if char in b"#?" else 0xFF for char in form))
        self.text = _words(form) & self.fixed
        self.high = _words(bytes(0x80 if char in b"#" else 0 for char in form))
        self.low = ~self.high
        self.above = _words(bytes(0x80 - ord("0") if char in b"#" else 0 for char in form))
        self.below = _words(bytes(0x7F - ord("Z") if char in b"#" else 0 for char in form))

    def fits(self, words: Words) -> Mask:
        """Return which rows have the form; what stands for a ULID is from `0` to `Z`: no quote, escape or control character."""
        # In place: the arrays are larger than the cache for anything else to be fast.
        wrong = words & self.fixed
        wrong ^= self.text
        odd = words + self.below
        odd |= words
        odd &= self.high
        wrong |= odd
        np.bitwise_and(words, self.low, out=odd)
        odd += self.above
        np.invert(odd, out=odd)
        odd &= self.high
        wrong |= odd
        found: Mask = np.bitwise_or.reduce(wrong, axis=1) == 0
        return found


def _words(text: bytes) -> Words:
    return np.frombuffer(text, "<u8")


WORDS = 19
"""Words of the longer form."""
ULID = "#" * 26
ROOT = _Form(f'{{"v":"1","id":"evt_{ULID}","trace_id":"trc_{ULID}","parent_id":null,"type":"')
CHILD = _Form(f'{{"v":"1","id":"evt_{ULID}","trace_id":"trc_{ULID}","parent_id":"evt_{ULID}","type":"')
ID, TRACE_ID, PARENT_ID, ID_BYTES = 15, 59, 104, 30
"""Where the ids begin in a line, and their length."""


def _head(block: Block, lines: Span) -> Head:
    """Find the fields before the payload: the ids by their places, the rest by quotes."""
    words = block.wide(lines.begin, WORDS)
    child = CHILD.fits(words)
    fits = child.copy()
    others = np.flatnonzero(~child)
    fits[others] = ROOT.fits(words[others])
    ident, trace, parent = (Span(lines.begin + at, lines.begin + at + ID_BYTES) for at in (ID, TRACE_ID, PARENT_ID))
    begin = lines.begin + np.where(child, CHILD.size, ROOT.size)
    number = np.searchsorted(block.quotes, begin)
    kind = Span(begin, block.quotes[number])
    name = block.wide(kind.end, 2)
    fits &= (name[:, 0] == DIRECTED_KEY[0]) & (name[:, 1] & LOW[5] == DIRECTED_KEY[1])
    directed, number, found = _directed(block, kind.end + 13, number + np.where(name[:, 1] == NULL, 3, 9))
    stamp = Span(directed.end + 7, block.quotes[number + 3])
    name = block.wide(stamp.end, 2)
    fits &= (name[:, 0] == PAYLOAD_KEY[0]) & (name[:, 1] & LOW[5] == PAYLOAD_KEY[1])
    payload = stamp.end + 12
    fits &= found & (payload < lines.end)
    return Head(fits, ident, trace, parent, child, kind, directed, stamp, payload, number + 6)


def _directed(block: Block, begin: Ints, number: Ints) -> tuple[Span, Ints, Mask]:
    """Find where `directed` ends: before the key `ts`. Return that, the number of the key's quote, and where it was found.

    The strings before it have two quotes each, so every other quote from `number` on is looked at.
    """
    number = np.minimum(number, len(block.quotes) - BEYOND)
    sought = np.arange(len(number))
    for _ in range(2 + MAX_CAPABILITIES):
        sought = sought[~block.says(block.quotes[number[sought]] - 1, b',"ts":"')]
        if not len(sought):
            break
        number[sought] += 2
    found = np.ones(len(number), bool)
    found[sought] = False
    return Span(begin, block.quotes[number] - 1), number, found


def _tail(block: Block, lines: Span, head: Head) -> Tail:
    """Divide the rest of the line at its last key `meta` that holds an object."""
    until = np.searchsorted(block.quotes, lines.end)
    count = np.where(head.fits, np.maximum(until - head.quote, 0), 0)
    line = np.repeat(np.arange(len(count)), count)
    number = np.arange(len(line)) + np.repeat(head.quote - np.cumsum(count) + count, count)
    place = block.quotes[number]
    # In JSON without spaces, a colon follows the second quote of each key, and some other quotes.
    keys = np.flatnonzero(block.octets[place + 1] == COLON)
    line, end, size = line[keys], place[keys], place[keys] - block.quotes[number[keys] - 1]
    tail = block.word(end - WORD)
    named = np.flatnonzero(tail >> np.uint64(16) == META_KEY)
    named = named[block.octets[end[named] + 2] == OPEN]
    meta = np.zeros(len(count), np.int64)
    # Of several, the last one stays.
    meta[line[named]] = end[named] + 2
    fits = head.fits & (meta > head.payload) & (block.octets[lines.end - 1] == CLOSE)
    inner = lines.end - 1
    found = repeats(block, Keys(line, end, size, tail), np.where(fits, head.payload, inner), inner)
    return Tail(fits, Span(head.payload, meta - 8), Span(meta, inner), found)


def _addresses(texts: pa.Array) -> tuple[pa.StructArray, Ints]:
    """Return the different values of `directed` and which of them each text is, -1 where it is not as an SDK writes it."""
    coded = pc.dictionary_encode(texts.cast(pa.string()))
    found = coded.dictionary.to_pylist()
    read = [_address(text) if len(found) <= MAX_ADDRESSES else None for text in found]
    good = np.array([address is not None for address in read], bool)
    number = np.asarray(coded.indices).astype(np.int64)
    return pa.array([address or NOBODY for address in read], ADDRESS), np.where(good[number], number, -1)


ADDRESS = pa.struct([("id", pa.string()), ("type", pa.string()), ("capabilities", pa.list_(pa.string()))])
NOBODY: dict[str, object] = {"id": None, "type": None, "capabilities": None}


@lru_cache(maxsize=4 * MAX_ADDRESSES)
def _address(text: str) -> dict[str, object] | None:
    """Return the value of `directed` where `text` is the way an SDK writes it, and nothing in it is escaped."""
    if text == "null":
        return NOBODY
    try:
        value = json.loads(text)
    except ValueError:
        return None
    if not isinstance(value, dict) or tuple(value) != DIRECTED or "\\" in text or compact(value) != text:
        return None
    names = value["capabilities"]
    strings = isinstance(names, list) and all(isinstance(name, str) for name in names)
    return value if strings and all(isinstance(value[key], str | None) for key in ("id", "type")) else None

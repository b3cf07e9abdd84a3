"""Record lines to rows and verdicts in a few microseconds each, where the exact way is sure to say the same.

A line is decoded by msgspec, its body written out by orjson, and the two are put together to the canonical text. Where
the two libraries differ from canonical JSON is dealt with here, or the line is left to `examine`:

- orjson writes floats below 1e-4 and integral floats its own way, and no integer beyond 64 bits: these are replaced,
  by integers or by their text.
- msgspec refuses NaN, lone surrogates, and fields of other types than they should have; a number beyond a double
  is refused by the hook.
- Both sort keys alike: the order of UTF-8 bytes is that of code points.

`tests/syncropel/test_record_paths.py` holds the two ways against each other.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Annotated, Any

import msgspec
import orjson
from msgspec import UNSET, UnsetType

from kit.syncropel.examine import ACTS, DATA_TYPES, record_row

Integer = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
"""What fits a BIGINT."""
TINY = 1e-4
"""Below it, Python writes a float with an exponent and orjson does not."""
EXACT = float(1 << 53)
"""Integral floats up to here are the integer that they print as in 64 bits."""
SHORT = 6
"""Characters of a float that is likely to come again."""
REMEMBERED = 10_000
"""Floats to keep at most."""


LEAST, MOST = -(1 << 63), (1 << 64) - 1
"""Integers that orjson writes."""


class Outside(ValueError):
    """A number without a canonical form."""


class _Record(msgspec.Struct, gc=False):
    """A record with all seven fields, each of its type, and what servers add to it."""

    id: str
    act: str
    actor: str
    body: dict[str, Any]
    clock: Integer
    data_type: str
    parents: list[str]
    thread: str
    object: str | UnsetType = UNSET
    sequence: Integer | UnsetType | None = UNSET
    judged_by: str | UnsetType | None = UNSET
    namespace: str | UnsetType | None = UNSET
    created_at: str | float | UnsetType | None = UNSET
    score: float | UnsetType | None = UNSET


class _Wrapped(msgspec.Struct, gc=False):
    """A record in a changes feed or an audit export."""

    record: _Record
    id: str | UnsetType = UNSET
    category: str | UnsetType = UNSET
    thread: str | UnsetType = UNSET
    act: Any = UNSET


Row = tuple[
    str, str, str, str, int, str, list[str], str | None, bytes, int | None, str | None, str | None, str | None, str, int
]
"""id, act, actor, thread, clock, data_type, parents, kind, body, sequence, judged_by, namespace, v, wrapper, and how many
keys are outside of the body, each counted once. A plain tuple: a named one takes as long to make as all that is in it."""


class _Floats(dict[str, Any]):
    """What stands for a float literal in canonical text; a mapping, since a lookup costs less than a call.

    Only what is short or odd is kept: captures repeat those, and hardly ever a measured value with many digits.
    """

    def __missing__(self, digits: str) -> Any:
        value = float(digits)
        if TINY <= value <= EXACT and len(digits) > SHORT and not value.is_integer():
            return value
        found = _number(value)
        if len(self) >= REMEMBERED:
            self.clear()
        self[digits] = found
        return found


def _number(value: float) -> Any:
    if value.is_integer():
        return int(value) if -EXACT <= value <= EXACT else orjson.Fragment(str(int(value)))
    if -TINY < value < TINY:
        return orjson.Fragment(repr(value))
    if value - value != 0:
        raise Outside(value)
    return value


REFUSED = (msgspec.MsgspecError, TypeError, ValueError, RecursionError)
"""What msgspec, orjson and the hooks raise for a line that they do not take."""


class RecordReader:
    """Reads record lines, bare or wrapped; one for each thread, as it keeps what it has seen last."""

    def __init__(self) -> None:
        hook = _Floats().__getitem__
        self._bare: Callable[[bytes], _Record] = msgspec.json.Decoder(_Record, float_hook=hook).decode
        self._inner: Callable[[bytes], _Wrapped] = msgspec.json.Decoder(_Wrapped, float_hook=hook).decode
        self._wrapped_last = False

    def row(self, line: bytes) -> Row | None:
        """Return the row of a line, or None where `examine` has to look at it."""
        try:
            record, wrapper, keys = self._record(line)
            body = _body(record)
        except REFUSED:
            return None
        if (
            hashlib.sha256(_canonical(record, body)).hexdigest() != record.id
            or record.act not in ACTS
            or record.data_type not in DATA_TYPES
            or record.clock < 0
            or not record.actor
            or not record.thread
        ):
            return None
        kind, version = record.body.get("kind"), record.body.get("_v")
        if (version is not None or "_v" in record.body) and type(version) is not int:
            return None
        sequence, judged_by, namespace = record.sequence, record.judged_by, record.namespace
        return (
            record.id,
            record.act,
            record.actor,
            record.thread,
            record.clock,
            record.data_type,
            record.parents,
            kind if type(kind) is str else None,
            body,
            None if sequence is UNSET else sequence,
            None if judged_by is UNSET else judged_by,
            None if namespace is UNSET else namespace,
            None if version is None else str(version),
            wrapper,
            keys + _added(record),
        )

    def verified(self, line: bytes) -> bool:
        """Return whether the id of the record in `line` is that of its content; False also where in doubt."""
        try:
            record, _, _ = self._record(line)
            text = _whole(record)
        except REFUSED:
            return False
        return hashlib.sha256(text).hexdigest() == record.id

    def _record(self, line: bytes) -> tuple[_Record, str, int]:
        """Return the record of a line, what it is wrapped in, and how many keys are certain to be there."""
        if not self._wrapped_last:
            try:
                return self._bare(line), "bare", 8
            except msgspec.ValidationError:
                pass
        try:
            outer = self._inner(line)
        except msgspec.ValidationError:
            if not self._wrapped_last:
                raise
            self._wrapped_last = False
            return self._bare(line), "bare", 8
        if outer.act is not UNSET or (outer.id is not UNSET and outer.id != outer.record.id):
            raise Outside("a record and its wrapper are not told apart")
        self._wrapped_last = True
        keys = 9 + (outer.id is not UNSET) + (outer.category is not UNSET) + (outer.thread is not UNSET)
        return outer.record, "envelope" if outer.category is UNSET else "audit", keys


def _body(record: _Record) -> bytes:
    """Return the canonical text of a body; integers beyond 64 bits, which orjson refuses, are spelled out in it."""
    try:
        return orjson.dumps(record.body, None, orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        _spell_out(record.body)
        return orjson.dumps(record.body, None, orjson.OPT_SORT_KEYS)


def _whole(record: _Record) -> bytes:
    """Return the canonical text of a record at once, where its body is not asked for by itself."""
    fields = {
        "act": record.act,
        "actor": record.actor,
        "body": record.body,
        "clock": record.clock,
        "data_type": record.data_type,
        "parents": record.parents,
        "thread": record.thread,
    }
    try:
        return orjson.dumps(fields, None, orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:
        _spell_out(record.body)
        return orjson.dumps(fields, None, orjson.OPT_SORT_KEYS)


def _spell_out(body: dict[str, Any]) -> None:
    waiting: list[dict[str, Any] | list[Any]] = [body]
    while waiting:
        node = waiting.pop()
        items: Iterable[tuple[Any, Any]] = node.items() if isinstance(node, dict) else enumerate(node)
        for key, value in items:
            if isinstance(value, dict | list):
                waiting.append(value)
            elif type(value) is int and not LEAST <= value <= MOST:
                node[key] = orjson.Fragment(str(value))


def _canonical(record: _Record, body: bytes) -> bytes:
    """Return the canonical text of a record; the keys stand in their order here."""
    return orjson.dumps(
        {
            "act": record.act,
            "actor": record.actor,
            "body": orjson.Fragment(body),
            "clock": record.clock,
            "data_type": record.data_type,
            "parents": record.parents,
            "thread": record.thread,
        }
    )


def _added(record: _Record) -> int:
    """Return how many of the keys that are no field are there."""
    return (
        (record.object is not UNSET)
        + (record.sequence is not UNSET)
        + (record.judged_by is not UNSET)
        + (record.namespace is not UNSET)
        + (record.created_at is not UNSET)
        + (record.score is not UNSET)
    )


def integrities(lines: Iterable[bytes]) -> list[str]:
    """Return how the id of each record line stands to its content: `ok`, `ok6`, `mismatch`, ... or `bad_line`.

    The words are those of the column `integrity`; a line that holds no record is `bad_line`.
    """
    verified = RecordReader().verified
    return ["ok" if verified(line) else _integrity(line) for line in lines]


def _integrity(line: bytes) -> str:
    try:
        row = record_row(line.decode())
    except UnicodeDecodeError:
        return "bad_line"
    return str(row["integrity"]) if isinstance(row, dict) else "bad_line"

"""Canonical JSON and the hashes made from it: the id of a record and its four levels (spec/syncropel.md 2).

The rules are those of the published SDK, to the byte: keys sorted by code point, no spaces, no escape
that JSON does not demand, floats of integer value written as integers, other floats as Python writes
them, and no Unicode normalisation (NFC and NFD text have different hashes).
"""

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from kit.syncropel.record import HASHED_FIELDS, Record

SAFE_INTEGER = 1 << 53
"""Integers beyond it are no longer exact in a language whose numbers are doubles."""


def canonical_value(value: Any) -> Any:
    """Return `value` ready for the canonical text: keys sorted, floats of integer value as integers.

    Raises ValueError for NaN and the infinities; TypeError for what JSON has no form for (tuples and
    bytes too) and for keys that cannot be sorted together; RecursionError for hundreds of levels.
    """
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"NaN and Infinity not allowed in canonical JSON: {value}")
        return int(value) if value.is_integer() else value
    if isinstance(value, dict):
        return {key: canonical_value(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [canonical_value(item) for item in value]
    raise TypeError(f"Unsupported type: {type(value).__name__}")


def canonical_json(value: Any) -> str:
    """Return the canonical text of `value`.

        >>> canonical_json({"b": 1.0, "a": [1e-5, "é", None]})
        '{"a":[1e-05,"é",null],"b":1}'

    Raises what `canonical_value` raises. A lone surrogate passes here; it has no UTF-8 form, so hashing
    the text raises UnicodeEncodeError.
    """
    return json.dumps(canonical_value(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"))


def sha256_hex(data: str) -> str:
    """Return the SHA-256 of the UTF-8 bytes of `data` in lowercase hex."""
    return hashlib.sha256(data.encode()).hexdigest()


def record_id(record: Record | Mapping[str, Any], *, fields: int = 6) -> str:
    """Return the hash of a Record over six fields, or over the seven that servers use with `fields=7`.

    A mapping is hashed whole, as given, whatever `fields` says: an `id` key inside changes the hash. That
    is the published SDK's rule, kept so that its callers get the same ids. For the id a server gives a
    stored record, use `server_id`.
    """
    if isinstance(record, Record):
        return sha256_hex(canonical_json(record.to_dict() if fields == 6 else record.to_dict_7field()))
    return sha256_hex(canonical_json(record))


def server_id(record: Mapping[str, Any]) -> str:
    """Return the id that a server gives a record as it is stored: the hash of the present ones of the seven keys.

    Fields are hashed as written: parents are not sorted, defaults are not filled in, and keys like `id`,
    `judged_by` or `sequence` never matter (spec/syncropel.md 1, verification). Raises what
    `canonical_json` raises, and UnicodeEncodeError for a lone surrogate.
    """
    return sha256_hex(canonical_json({key: record[key] for key in HASHED_FIELDS if key in record}))


class HashLevels(NamedTuple):
    """Four hashes of one act, from exact to coarse; equal at a level means equal at every later one."""

    l0: str
    """exact; must not leave its namespace"""
    l1: str
    """structure: domain, operation, shapes and act"""
    l2: str
    """flow: shapes and act"""
    l3: str
    """intent: shapes only"""


def hash_levels(act: str, body: Mapping[str, Any]) -> HashLevels:
    """Return the hashes of `act` on `body` at levels L0 to L3 (spec/syncropel.md 2.3).

    Defaults stand in for absent keys only: an empty string stays an empty string.
    """
    shapes = {"in": body.get("input_shape", "VOID"), "out": body.get("output_shape", "VOID")}
    operation = body.get("operation", act.lower())
    named = ("operation", "input_shape", "output_shape")
    levels = (
        {**shapes, "p": act, "op": operation, "params": {key: body[key] for key in body if key not in named}},
        {**shapes, "p": act, "op": operation, "d": body.get("domain", "")},
        {**shapes, "p": act},
        shapes,
    )
    return HashLevels(*(sha256_hex(canonical_json(level)) for level in levels))


class PortabilityWarning(NamedTuple):
    """A value that a canonical writer in another language may spell otherwise, and so hash otherwise."""

    path: str
    """where it is, like `$.runs[2].loss`"""
    value: Any
    reason: str
    """why, in words"""


def portability_warnings(body: Any) -> list[PortabilityWarning]:
    """Return the values in `body` whose canonical text hangs on the language (spec/syncropel.md 2).

        >>> [(w.path, w.reason) for w in portability_warnings({"lr": 1e-5, "n": 3})]
        [('$.lr', 'Python writes 1e-05, JavaScript 0.00001')]

    Numbers that JavaScript writes otherwise, key orders that differ in UTF-16, and what has no hash at
    all (NaN, lone surrogates). In order of the document; `[]` where nothing is in doubt.
    """
    return [PortabilityWarning(path, value, reason) for path, value in _walk(body) for reason in _doubts(value)]


def _walk(body: Any) -> Iterator[tuple[str, Any]]:
    """Yield each value with its path, parents first, without recursion."""
    waiting = [("$", body)]
    while waiting:
        path, value = waiting.pop()
        yield path, value
        if isinstance(value, Mapping):
            waiting += reversed([(f"{path}.{key}", item) for key, item in value.items()])
        elif isinstance(value, list):
            waiting += reversed([(f"{path}[{index}]", item) for index, item in enumerate(value)])


def _doubts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if _lone_surrogate(value):
            yield "a lone surrogate has no UTF-8 form and no hash"
    elif isinstance(value, float):
        yield from _float_doubts(value)
    elif isinstance(value, int):
        if abs(value) > SAFE_INTEGER:
            yield "an integer beyond 2^53 is not exact where numbers are doubles"
    elif isinstance(value, Mapping):
        keys = [key for key in value if isinstance(key, str)]
        if any(map(_lone_surrogate, keys)):
            yield "a lone surrogate in a key has no UTF-8 form and no hash"
        elif sorted(keys) != sorted(keys, key=lambda key: key.encode("utf-16-be")):
            yield "keys sort otherwise by UTF-16 units than by code points"


def _float_doubts(value: float) -> Iterator[str]:
    if not math.isfinite(value):
        yield "not a finite number, so it has no canonical form"
    elif value.is_integer():
        if abs(value) >= 1e21 or int(value) != int(Decimal(repr(value))):
            yield f"Python writes all digits of {value!r}, JavaScript the shortest that read back"
    elif 1e-10 < abs(value) < 1e-4 and "e-0" in repr(value):
        yield f"Python writes {value!r}, JavaScript {_javascript(value)}"


def _javascript(value: float) -> str:
    """Return how JavaScript writes a float below 1e-4: plain digits down to 1e-6, else an exponent without a zero."""
    if abs(value) >= 1e-6:
        return f"{Decimal(repr(value)):f}"
    return repr(value).replace("e-0", "e-")


def _lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)

"""JSON as JavaScript writes and reads it: `JSON.stringify` and `JSON.parse` for Python values.

Differs from Python's own writer in the order of integer-like keys, in numbers, and in lone surrogates
(spec/cosmonapse.md 1.5; ECMA-262 SerializeJSONProperty, Number::toString, OrdinaryOwnPropertyKeys).
"""

import json
import math
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from json.encoder import encode_basestring
from typing import Any

import pydantic_core

from kit.errors import SignalError

MAX_DEPTH = 400
"""Objects and lists inside each other that `stringify` writes; the Python SDK stops at half of that."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_INDEX = re.compile("0|[1-9][0-9]{0,9}")
_MAX_INDEX = 2**32 - 2
_EXACT = 2**53


def stringify(value: object) -> str:
    """What `JSON.stringify` writes for `value`.

    Values that JSON lacks are written as pydantic writes them, but a datetime as `Date.toISOString` does.
    Raises SignalError for a value nested deeper than `MAX_DEPTH` (one that holds itself is) and for one of
    unknown type.
    """
    return _value(value, 0)


def number(value: int | float) -> str:
    """The digits JavaScript prints for `value`, a double to it; NaN and infinities are `null`.

    >>> number(1.0), number(-0.0), number(1e21), number(0.000001), number(2**53 + 1)
    ('1', '0', '1e+21', '0.000001', '9007199254740992')
    """
    if isinstance(value, int) and -_EXACT <= value <= _EXACT:
        return str(int(value))
    try:
        value = float(value)
    except OverflowError:
        return "null"
    if not math.isfinite(value):
        return "null"
    if value == 0:
        return "0"
    return "-" + _positive(-value) if value < 0 else _positive(value)


def string(value: str) -> str:
    """`value` in quotes: escapes as in Python, and lone surrogates as `\\ud800`."""
    try:
        value.encode()
    except UnicodeEncodeError:
        paired = value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")
        return _SURROGATE.sub(lambda match: f"\\u{ord(match[0]):04x}", encode_basestring(paired))
    return encode_basestring(value)


def iso_millis(moment: datetime) -> str:
    """`moment` as `Date.toISOString` prints it: UTC, three digits, cut off; naive times count as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"


def parse(text: str) -> Any:
    """What `JSON.parse` reads; ValueError for NaN, a byte order mark, raw control characters.

    Integers stay exact; `number` makes doubles of them on the way out. Of equal keys the last one wins.
    """
    try:
        return json.loads(text, parse_constant=_reject, parse_int=_integer)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _value(value: object, depth: int) -> str:
    if value is None:
        return "null"
    if value is True:
        return "true"
    if value is False:
        return "false"
    kind = type(value)
    if kind is str:
        return string(value)  # type: ignore[arg-type]
    if kind is int or kind is float:
        return number(value)  # type: ignore[arg-type]
    if depth > MAX_DEPTH:
        raise SignalError(f"a payload nested deeper than {MAX_DEPTH} levels cannot be written; flatten it")
    if isinstance(value, dict):
        return "{" + ",".join(_members(value, depth + 1)) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_value(item, depth + 1) for item in value]) + "]"
    if isinstance(value, datetime):
        return string(iso_millis(value))
    return _value(_plain(value), depth + 1)


def _members(value: dict[Any, Any], depth: int) -> Iterable[str]:
    if not all(type(key) is str for key in value):
        value = {_key(key): item for key, item in value.items()}
    indexes = [key for key in value if _is_index(key)]
    if indexes:
        first = {key: value[key] for key in sorted(indexes, key=int)}
        value = first | value
    return [f"{string(key)}:{_value(item, depth)}" for key, item in value.items()]


def _is_index(key: str) -> bool:
    return _INDEX.fullmatch(key) is not None and int(key) <= _MAX_INDEX


def _key(key: object) -> str:
    return key if type(key) is str else str(next(iter(_plain({key: None}))))


def _plain(value: object) -> Any:
    try:
        return pydantic_core.to_jsonable_python(value)
    except (ValueError, RecursionError) as error:
        raise SignalError(f"{value!r:.80} cannot be written as JSON: {error}; give plain values") from error


def _positive(value: float) -> str:
    mantissa, _, exponent = repr(value).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = int(exponent or 0) + (len(whole) if whole != "0" else len(digits) - len(fraction))
    digits = digits.rstrip("0")
    if len(digits) <= point <= 21:
        return digits.ljust(point, "0")
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return "0." + "0" * -point + digits
    tail = f".{digits[1:]}" if len(digits) > 1 else ""
    return f"{digits[0]}{tail}e{point - 1:+d}"


def _reject(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _integer(digits: str) -> int | float:
    try:
        return int(digits)
    except ValueError:  # more digits than int() reads; far beyond the largest double
        return float(digits)

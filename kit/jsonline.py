"""One line of JSON, read exactly: the object it holds, or why it holds none.

The SDKs read their lines with `json`. What that takes without a word (a key that stands twice, NaN) is told here, and what it
fails at in ways of its own (depth, digits) is refused.
"""

import json
import re
from collections.abc import Callable
from typing import Any, NamedTuple

MAX_DIGITS = 4300
"""Digits of an integer that Python reads."""
BRACKETS = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]', re.DOTALL)
SHOWN = 60


class Refusal(NamedTuple):
    """Why a line is kept in quarantine: a code and a sentence."""

    reason: str
    detail: str


def read_object(
    text: str,
    flags: set[str],
    *,
    levels: int,
    parse_float: Callable[[str], float] = float,
    parse_constant: Callable[[str], float] = float,
) -> dict[str, Any] | Refusal:
    """Return the object that `text` holds, with nothing but space around it; repeated keys (the last counts) go to `flags`.

    `levels` is how many objects and lists may be open at once.

    >>> read_object('{"a": 1, "a": 2}', flags := set(), levels=9), flags
    ({'a': 2}, {'duplicate_keys'})
    >>> read_object("[]", set(), levels=9)
    Refusal(reason='not_object', detail="an object is needed, this line is '[]'")
    """

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(items)
        if len(found) < len(items):
            flags.add("duplicate_keys")
        return found

    if depth(text, levels) > levels:
        return Refusal("bad_json", f"nested deeper than {levels} levels")
    decoder = json.JSONDecoder(
        object_pairs_hook=pairs, parse_float=parse_float, parse_int=_integer, parse_constant=parse_constant
    )
    begin = len(text) - len(text.lstrip(" \t\n\r"))
    try:
        value, end = decoder.raw_decode(text, begin)
    except json.JSONDecodeError as error:
        return Refusal("bad_json", f"{error.msg.removesuffix(' at')} at character {error.pos} of the line")
    except ValueError as error:
        return Refusal("bad_json", str(error))
    rest = text[end:].strip(" \t\n\r")
    if rest:
        return Refusal("trailing_data", f"after a complete value, {short(rest)} follows at character {end}")
    if not isinstance(value, dict):
        return Refusal("not_object", f"an object is needed, this line is {short(text.strip())}")
    return value


def depth(text: str, levels: int) -> int:
    """Return how many objects and lists are open at once at most, 0 where there are too few brackets for more than `levels`.

    It is told by brackets, whatever else `text` is.
    """
    deepest = level = 0
    if text.count("[") + text.count("{") > levels:
        for token in BRACKETS.finditer(text):
            if len(token[0]) == 1:
                level += 1 if token[0] in "[{" else -1
                deepest = max(deepest, level)
    return deepest


def encodable(text: str) -> bool:
    """Return whether a text has a form in UTF-8: lone surrogates have none."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def short(value: object) -> str:
    """Return a value as it is quoted in a message, 60 characters of it at most."""
    if isinstance(value, str) and len(value) > SHOWN:
        return f"{value[: SHOWN - 3]!r}..."
    shown = repr(value)
    return shown if len(shown) <= SHOWN else shown[: SHOWN - 3] + "..."


def _integer(digits: str) -> int:
    if len(digits) > MAX_DIGITS and len(digits.removeprefix("-")) > MAX_DIGITS:
        raise ValueError(f"an integer of more than {MAX_DIGITS:,} digits")
    return int(digits)

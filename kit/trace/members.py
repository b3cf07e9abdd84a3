"""The members of a JSON object as text: values are replaced without reading and writing the others anew.

A number that is read and written again may be spelled otherwise, and would no longer hash to the id of its record.
"""

import json

from kit.errors import ArgumentError

_DECODER = json.JSONDecoder()
_BLANK = " \t\r\n"


def members(text: str) -> dict[str, str]:
    """Return the members of the JSON object `text`, name to the text of its value; of equal names the last.

    Raises ArgumentError where it is no object, or one that is nested too deep to be read.

    >>> members('{"lr": 1e-07, "n": [1, 2]}')
    {'lr': '1e-07', 'n': '[1, 2]'}
    """
    try:
        return _members(text)
    except (ValueError, IndexError, RecursionError):
        raise ArgumentError(f"{text[:60]!r} is no JSON object that can be read") from None


def _members(text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    at = _after_blanks(text, 0)
    if text[at] != "{":
        raise ValueError(text)
    at = _after_blanks(text, at + 1)
    while text[at] != "}":
        if text[at] != '"':
            raise ValueError(text)
        name, at = _DECODER.raw_decode(text, at)
        at = _after_blanks(text, at)
        if text[at] != ":":
            raise ValueError(text)
        start = _after_blanks(text, at + 1)
        _, end = _DECODER.raw_decode(text, start)
        found[name] = text[start:end]
        at = _after_blanks(text, end)
        if text[at] == ",":
            at = _after_blanks(text, at + 1)
        elif text[at] != "}":
            raise ValueError(text)
    return found


def joined(found: dict[str, str]) -> str:
    """Return the JSON object of `found`, names in the order of their code points, as canonical JSON has them."""
    return "{" + ",".join(f"{_name(name)}:{found[name]}" for name in sorted(found)) + "}"


def strings(text: str | None) -> list[str]:
    """Return what a JSON text names: the string it is, or the different strings in the array it is; else nothing."""
    value = json.loads(text) if text is not None else None
    items = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    return list(dict.fromkeys(item for item in items if isinstance(item, str)))


def string(text: str | None) -> str | None:
    """Return the string that a JSON text is, None for any other value."""
    value = json.loads(text) if text is not None and text.startswith('"') else None
    return value if isinstance(value, str) else None


def _name(name: str) -> str:
    """Return a name as JSON, escaped where it holds a lone surrogate, which has no UTF-8 form."""
    return json.dumps(name, ensure_ascii=any("\ud800" <= char <= "\udfff" for char in name))


def _after_blanks(text: str, at: int) -> int:
    while text[at] in _BLANK:
        at += 1
    return at

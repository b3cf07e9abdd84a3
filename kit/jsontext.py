"""Where things stand in a JSON text, for readers that keep each element as it was written."""

import json
import re
from collections.abc import Collection

SPACE = re.compile(r"[ \t\r\n]*")
DECODER = json.JSONDecoder()


def array_begin(text: str, names: Collection[str]) -> int | None:
    """Return where the first array among some members of an object begins, None without; a cut text will do.

    >>> array_begin('{"object": "list", "data": [{"id": "a"}', ["data"]), array_begin('{"data": 3}', ["data"])
    (27, None)
    """
    at = after_space(text, 0)
    if not text.startswith("{", at):
        return None
    at = after_space(text, at + 1)
    while True:
        try:
            name, at = DECODER.raw_decode(text, at)
            at = after_space(text, at)
            if not isinstance(name, str) or not text.startswith(":", at):
                return None
            at = after_space(text, at + 1)
            if name in names and text.startswith("[", at):
                return at
            _, at = DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            return None
        at = after_space(text, at)
        if not text.startswith(",", at):
            return None
        at = after_space(text, at + 1)


def elements(text: str, begin: int) -> list[tuple[int, int]] | None:
    """Return begin and end of each element of the array at `begin`, None where the text is no JSON from there on."""
    found = []
    at = after_space(text, begin + 1)
    if not text.startswith("]", at):
        while True:
            try:
                _, end = DECODER.raw_decode(text, at)
            except (ValueError, RecursionError):
                return None
            found.append((at, end))
            at = after_space(text, end)
            if text.startswith("]", at):
                break
            if not text.startswith(",", at):
                return None
            at = after_space(text, at + 1)
    try:
        json.loads(text[:begin] + "[]" + text[at + 1 :])
    except (ValueError, RecursionError):
        return None
    return found


def after_space(text: str, at: int) -> int:
    found = SPACE.match(text, at)
    return found.end() if found else at

"""What a share takes out of payloads: paths, how often each was met, and the text that went with them."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from kit.errors import ArgumentError
from kit.trace.search import path_of

WORTH_LOOKING_FOR = 4
"""Characters of a removed text from which on it is looked for in what stays; shorter ones stand everywhere."""


class Redaction:
    """Paths as `study.signals(payload={"hits.0.id": ...})` writes them: dots lead into objects, a number picks from a list.

    A name that meets a list goes into each element of it, so that "hits.entry" reaches every hit. A key is taken out
    of its object; an element of a list becomes null, so that the others keep their places. Raises ArgumentError for an
    empty path and for one that begins with "$".
    """

    def __init__(self, paths: Iterable[str]) -> None:
        self.counts: dict[str, int] = {}
        """Of each path, the places it was met at."""
        self.removed: set[str] = set()
        """Strings that were taken out, but for very short ones."""
        self._parts: list[tuple[str, list[str]]] = []
        for path in paths:
            path_of(path, "redact")
            if path.startswith("$"):
                raise ArgumentError(f"redact path {path!r}: give names joined by dots, without '$', like 'input.q'")
            self.counts[path] = 0
            self._parts.append((path, path.split(".")))

    def __bool__(self) -> bool:
        return bool(self._parts)

    def apply(self, value: Any) -> None:
        """Take every path out of a parsed payload, in place."""
        for path, parts in self._parts:
            for gone in _taken(value, parts):
                self.counts[path] += 1
                self.removed.update(text for text, _ in texts(gone) if len(text) >= WORTH_LOOKING_FOR)

    def remaining(self, value: Any) -> Counter[str]:
        """Return the paths at which removed text still stands in a payload, word for word, and how often."""
        return Counter(path for text, path in texts(value) if text in self.removed)


def texts(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each string in a parsed JSON value, with its path; numbers of elements are left out of it."""
    if isinstance(value, str):
        yield value, path
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from texts(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item, path)


def _taken(value: Any, parts: list[str]) -> Iterator[Any]:
    """Take out what a path leads to, and yield it."""
    name, rest = parts[0], parts[1:]
    if isinstance(value, list):
        if not name.isdecimal():
            for item in value:
                yield from _taken(item, parts)
        elif int(name) < len(value):
            if rest:
                yield from _taken(value[int(name)], rest)
            else:
                yield value[int(name)]
                value[int(name)] = None
    elif isinstance(value, dict) and name in value:
        if rest:
            yield from _taken(value[name], rest)
        else:
            yield value.pop(name)

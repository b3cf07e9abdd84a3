"""What a neuron's step says, without what differs from run to run; and how two of them differ, in words."""

import json
from fnmatch import fnmatchcase
from typing import Any

import orjson

SHOWN = 60
VOLATILE = {"TOOL_CALL": ("call_id",), "TASK": ("finalize",), "CRITIQUE": ("target_event_id",)}
"""Keys of payloads that name a call and say nothing of it, or that steer the bus."""
VERBS = {
    "RECALL": "recalls from",
    "IMPRINT": "writes to",
    "TOOL_CALL": "calls",
    "TASK": "hands on to",
    "AGENT_OUTPUT": "replies",
    "ERROR": "fails",
    "CLARIFICATION": "asks back",
    "PERMISSION": "asks for permission",
}


class Step:
    """A request, a remark or the reply of a neuron at work on a task. Times are microseconds since 1970."""

    __slots__ = ("_key", "about", "at_us", "id", "kind", "payload", "to", "to_type")

    def __init__(
        self, kind: str, to: str | None, to_type: str | None, payload: dict[str, Any], id: str, at_us: int | None
    ) -> None:
        self.kind = kind
        self.to = to
        self.to_type = to_type
        self.payload = payload
        self.id = id
        self.at_us = at_us
        self.about = (kind, to, to_type, payload.get("tool") if kind == "TOOL_CALL" else None)
        """Whom it is for, and of a tool call which tool."""
        self._key: tuple[Any, ...] | None = None

    @property
    def key(self) -> tuple[Any, ...]:
        """What two equal steps have in common."""
        if self._key is None:
            self._key = (self.about, canonical(self.content))
        return self._key

    @property
    def target(self) -> str:
        """Whom it is for, in words."""
        who = self.to or self.to_type or ("whoever can" if self.kind == "TASK" else "")
        if self.kind == "TOOL_CALL":
            return f"{self.payload.get('tool')!s} of {who}"
        return who

    @property
    def name(self) -> str:
        """What it is, in words: `calls read of filesystem`."""
        verb = VERBS.get(self.kind, f"says {self.kind}")
        return f"{verb} {self.target}" if self.target else verb

    @property
    def content(self) -> dict[str, Any]:
        """The payload without what differs from run to run."""
        dropped = VOLATILE.get(self.kind)
        if dropped is None or not any(name in self.payload for name in dropped):
            return self.payload
        return {name: value for name, value in self.payload.items() if name not in dropped}

    def __repr__(self) -> str:
        return f"<Step {self.name}, {self.id}>"


def key_of(step: Step, ignore: tuple[str, ...] = ()) -> tuple[Any, ...]:
    """Return what two equal steps have in common; `ignore` are patterns of paths in the payload, as `args.*.stamp`."""
    return (step.about, canonical(without(step.content, ignore))) if ignore else step.key


def canonical(value: Any) -> bytes:
    """Return a value as JSON whose keys are sorted."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    except TypeError:
        return json.dumps(value, sort_keys=True, default=str).encode()


def without(value: Any, ignore: tuple[str, ...], path: str = "") -> Any:
    """Return a value without the parts whose path fits a pattern."""
    if isinstance(value, dict):
        inner = [(f"{path}.{name}" if path else name, name, item) for name, item in value.items()]
        kept = [part for part in inner if not any(fnmatchcase(part[0], pattern) for pattern in ignore)]
        return {name: without(item, ignore, at) for at, name, item in kept}
    if isinstance(value, list):
        return [without(item, ignore, f"{path}[{n}]") for n, item in enumerate(value)]
    return value


def difference(before: Any, after: Any, path: str = "") -> str | None:
    """Return the first difference of two values in words, None where they are equal.

    >>> difference({"args": {"n": 1, "q": "a"}}, {"args": {"n": 1, "q": "b"}})
    "args.q: 'a' became 'b'"
    """
    if isinstance(before, dict) and isinstance(after, dict):
        for name in dict.fromkeys([*before, *after]):
            at = f"{path}.{name}" if path else str(name)
            if name not in after:
                return f"{at}: {shown(before[name])} is gone"
            if name not in before:
                return f"{at}: {shown(after[name])} is new"
            found = difference(before[name], after[name], at)
            if found:
                return found
        return None
    if isinstance(before, list) and isinstance(after, list):
        for n, (one, other) in enumerate(zip(before, after, strict=False)):
            found = difference(one, other, f"{path}[{n}]")
            if found:
                return found
        if len(before) != len(after):
            return f"{path}: {len(before)} items became {len(after)}"
        return None
    if canonical(before) == canonical(after):
        return None
    if isinstance(before, str) and isinstance(after, str) and max(len(before), len(after)) > SHOWN:
        return f"{path}: {_part(before, after)}"
    return f"{path or 'it'}: {shown(before)} became {shown(after)}"


def shown(value: Any) -> str:
    """Return a value in few words; what is cut keeps its last letter, the quote or bracket that closes it."""
    text = (
        repr(value)
        if isinstance(value, str | int | float | bool | type(None))
        else canonical(value).decode("utf-8", "replace")
    )
    return text if len(text) <= SHOWN else f"{text[: SHOWN - 2]}…{text[-1]}"


def counted(count: int, noun: str) -> str:
    """Return a number of things in words.

    >>> counted(1, "trace"), counted(2000, "log entry")
    ('1 trace', '2,000 log entries')
    """
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun[:-1] + 'ies' if noun.endswith('y') else noun + 's'}"


def _part(before: str, after: str) -> str:
    """Return where two long texts part, with a few letters around."""
    at = next((n for n, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), min(len(before), len(after)))
    start = max(0, at - 12)
    lead = "…" if start else ""
    ends = [f"{lead}{text[start : at + 28]}{'…' if len(text) > at + 28 else ''}" for text in (before, after)]
    return f"{ends[0]!r} became {ends[1]!r} (at character {at + 1:,})"

"""The seven keys that go on the wire for one record (spec/syncropel.md 5, 8)."""

import json
import threading
from collections.abc import Iterable, Mapping
from typing import Any

from kit import ids
from kit.errors import ArgumentError
from kit.syncropel.kind import has_explicit_version, validate_kind
from kit.syncropel.ref import merge_refs

__all__ = ["Clocks", "build", "encode", "random_thread_id", "require_text_keys", "typed_body"]

THREAD_ID_BITS = 256


class Clocks:
    """The clock of the next record, per thread: wall-clock milliseconds, but always above the one before.

    It knows one client only; a clock that a caller sets himself does not move it (spec/syncropel.md 3).
    """

    def __init__(self) -> None:
        self._last: dict[str, int] = {}
        self._lock = threading.Lock()

    def next(self, thread: str) -> int:
        """The next clock of `thread`."""
        with self._lock:
            last = self._last.get(thread, 0)
            clock = max(ids.now_ms(), last + 1)
            self._last[thread] = clock
            return clock


def random_thread_id() -> str:
    """`th_` and 64 random hexadecimal digits."""
    return f"th_{ids.random_bits(THREAD_ID_BITS):064x}"


def typed_body(kind: str, body: dict[str, Any], refs: Iterable[Mapping[str, Any]] | None) -> dict[str, Any]:
    """A copy of `body` with `kind`, with `_v: 1` unless it or the kind has a version, and with `refs`."""
    typed = {**body, "kind": kind}
    if not has_explicit_version(kind) and "_v" not in typed:
        typed["_v"] = 1
    return merge_refs(typed, refs)


def build(
    clocks: Clocks,
    *,
    act: str,
    actor: str,
    kind: str,
    body: dict[str, Any],
    thread: str,
    refs: Iterable[Mapping[str, Any]] | None,
    parents: Iterable[str] | None,
    data_type: str,
    clock: int | None,
) -> dict[str, Any]:
    """The envelope of one record, its keys in the order of the wire.

    `kind` replaces `body["kind"]`; the body given is not changed. Parents are sorted, repeats kept. The clock is
    filled in last, so that a call that raises takes none. Raises `SyncropelKindError` first, then ValueError for an
    empty act or thread, then TypeError for a body that is no dict.
    """
    validate_kind(kind)
    if not act:
        raise ArgumentError("emit requires a non-empty `act`")
    if not thread:
        raise ArgumentError("emit requires a non-empty `thread`")
    if not isinstance(body, dict):
        raise TypeError(f"body must be a dict; got {type(body).__name__}")
    typed = typed_body(kind, body, refs)
    ordered = sorted(parents or [])
    return {
        "act": act,
        "actor": actor,
        "body": typed,
        "clock": clocks.next(thread) if clock is None else clock,
        "data_type": data_type,
        "parents": ordered,
        "thread": thread,
    }


def encode(envelope: Mapping[str, Any]) -> bytes:
    """The envelope as JSON in UTF-8, without spaces, keys in their order.

    Raises TypeError for what JSON has no form for, ValueError for NaN and infinities and for a body that nests
    too deeply, UnicodeEncodeError for half a surrogate pair.
    """
    try:
        text = json.dumps(envelope, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    except RecursionError:
        raise ArgumentError("the body nests too deeply to be written as JSON; flatten it") from None
    return text.encode()


def require_text_keys(body: Mapping[str, Any]) -> None:
    """None where all keys of all objects in `body` are text; JSON would turn others into text of its own form.

    `body` must have passed `encode`: it holds no ring. Raises TypeError.
    """
    waiting: list[Any] = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, Mapping):
            for key in value:
                if not isinstance(key, str):
                    raise TypeError(f"body keys must be strings, got {key!r} ({type(key).__name__}); write str(key)")
            waiting.extend(value.values())
        elif isinstance(value, list | tuple):
            waiting.extend(value)

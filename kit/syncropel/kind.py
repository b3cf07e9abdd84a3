"""The grammar of kinds, `scope.category.entity[.version]`, and of scopes (spec/syncropel.md 5).

`validate_kind` accepts exactly what the published package accepts, with its two oddities: a newline at the
end of a segment passes, and a version may have digits of any script. `strict=True` refuses both.
"""

import re

from kit.errors import SyncropelKindError

__all__ = ["has_explicit_version", "validate_kind", "validate_scope"]

MIN_SEGMENTS, MAX_SEGMENTS = 2, 4

# `$` also matches before a newline at the end and `\d` any decimal digit: on purpose, see the module's text.
_IDENTIFIER = re.compile(r"^[a-z0-9_-]+$")
_VERSION = re.compile(r"^v\d+$")
_STRICT_IDENTIFIER = re.compile(r"[a-z0-9_-]+\Z")
_STRICT_VERSION = re.compile(r"v[0-9]+\Z")


def validate_kind(kind: str, *, strict: bool = False) -> None:
    """None for a kind that keeps the grammar.

    Two to four segments between dots. Two are for the scopes `core` and `@<community>` alone; the fourth is a
    version, `v` and digits. `strict` also refuses a newline at the end of a segment and digits beyond ASCII.
    Raises `SyncropelKindError`, a ValueError, which names the segment.
    """
    if not isinstance(kind, str):
        raise SyncropelKindError(f"kind must be a string such as 'music.catalog.track'; got {type(kind).__name__}")
    if not kind:
        raise SyncropelKindError("kind is empty; it must be scope.category.entity[.version]")
    segments = kind.split(".")
    if not MIN_SEGMENTS <= len(segments) <= MAX_SEGMENTS:
        raise _broken(kind, f"it has {len(segments)} segment(s) where 2 to 4 may stand")
    scope, *names = segments
    wrong = _scope_problem(scope, strict)
    if wrong:
        raise _broken(kind, wrong)
    if len(segments) == MIN_SEGMENTS and scope != "core" and not scope.startswith("@"):
        raise _broken(kind, f"two segments are for the scopes core and @<community>, not {scope!r}")
    if len(segments) == MAX_SEGMENTS and not _is_version(names.pop(), strict):
        raise _broken(kind, f"the fourth segment {segments[-1]!r} is no version such as 'v2'")
    for name in names:
        if not _is_identifier(name, strict):
            raise _broken(kind, f"segment {name!r} is not made of a-z, 0-9, '_' and '-'")


def validate_scope(scope: str, *, strict: bool = False) -> None:
    """None for a scope: `core`, `x`, `@<community>` or `<publisher>`, one segment of a-z, 0-9, `_` and `-`.

    Raises `SyncropelKindError`.
    """
    if not isinstance(scope, str):
        raise SyncropelKindError(f"scope must be a string such as 'music' or '@music'; got {type(scope).__name__}")
    wrong = _scope_problem(scope, strict)
    if wrong:
        raise SyncropelKindError(f"{scope!r} is not a scope: {wrong}")


def has_explicit_version(kind: str) -> bool:
    """Whether the kind has four segments, the last a version; `core.alias.v1` has three, so it has none."""
    segments = kind.split(".")
    return len(segments) == MAX_SEGMENTS and _is_version(segments[-1], False)


def _scope_problem(scope: str, strict: bool) -> str:
    if not scope:
        return "the scope is empty"
    name = scope.removeprefix("@")
    if _is_identifier(name, strict):
        return ""
    if scope.startswith("@"):
        return f"the community {name!r} is not made of a-z, 0-9, '_' and '-'"
    return f"the scope {scope!r} is not made of a-z, 0-9, '_' and '-'"


def _is_identifier(text: str, strict: bool) -> bool:
    return bool((_STRICT_IDENTIFIER if strict else _IDENTIFIER).match(text))


def _is_version(text: str, strict: bool) -> bool:
    return bool((_STRICT_VERSION if strict else _VERSION).match(text))


def _broken(kind: str, why: str) -> SyncropelKindError:
    return SyncropelKindError(f"kind {kind!r} breaks the grammar scope.category.entity[.version]: {why}")

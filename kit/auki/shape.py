"""JSON of a declared shape: what is wrong with a value, in the words of the Rust parser behind the SDK.

A shape is a function of a value and its path that returns the value in canonical form, its keys in order and
unknown ones dropped, or raises `ShapeError`. Messages follow spec/auki.md 1.5, after the path where there is one:
`available.bytes: invalid value: integer `-1`, expected u64`.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

from kit.errors import UnserialisableError

Shape = Callable[[Any, str], Any]

_BITS = {"i64": (-(2**63), 2**63 - 1), "u64": (0, 2**64 - 1), "u32": (0, 2**32 - 1), "u8": (0, 255)}
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")
_OPEN = {"{": "an object", "[": "a list"}


class ShapeError(ValueError):
    """A value that has not the declared shape; the text says where and what was expected."""


class Field(NamedTuple):
    """A key of an object. One that is not required may be absent or null, and is left out then."""

    key: str
    shape: Shape
    required: bool = True


def _fail(path: str, detail: str) -> NoReturn:
    raise ShapeError(f"{path}: {detail}" if path else detail)


def unexpected(value: Any) -> str:
    """What a JSON value is, as the parser says it: "integer `5`", "string "x"", "map".

    >>> unexpected(5.0), unexpected(True), unexpected(None)
    ('floating point `5.0`', 'boolean `true`', 'null')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"boolean `{str(value).lower()}`"
    if isinstance(value, int):
        return f"integer `{value}`"
    if isinstance(value, float):
        return f"floating point `{value}`"
    if isinstance(value, str):
        return f"string {json.dumps(value, ensure_ascii=False)}"
    return "map" if isinstance(value, dict) else "sequence"


def text(value: Any, path: str) -> str:
    """Any string that UTF-8 can hold."""
    if not isinstance(value, str):
        _fail(path, f"invalid type: {unexpected(value)}, expected a string")
    if _LONE_SURROGATE.search(value):
        _fail(path, "lone leading surrogate in hex escape")
    return value


def integer(kind: str) -> Shape:
    """A whole number of kind i64, u64, u32 or u8; neither `true` nor `5.0` is one."""
    low, high = _BITS[kind]

    def shape(value: Any, path: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            _fail(path, f"invalid type: {unexpected(value)}, expected {kind}")
        if not low <= value <= high:
            _fail(path, f"invalid value: integer `{value}`, expected {kind}")
        return value

    return shape


i64, u64, u32, u8 = (integer(kind) for kind in ("i64", "u64", "u32", "u8"))


def boolean(value: Any, path: str) -> bool:
    """`true` or `false`."""
    if not isinstance(value, bool):
        _fail(path, f"invalid type: {unexpected(value)}, expected a boolean")
    return value


def one_of(*names: str) -> Shape:
    """A string out of a closed set."""

    def shape(value: Any, path: str) -> str:
        name = text(value, path)
        if name not in names:
            _fail(path, f"unknown variant `{name}`, expected {_choice(names)}")
        return name

    return shape


def _choice(names: Iterable[str]) -> str:
    quoted = [f"`{name}`" for name in names]
    if len(quoted) == 1:
        return quoted[0]
    return " or ".join(quoted) if len(quoted) == 2 else f"one of {', '.join(quoted)}"


def many(shape: Shape) -> Shape:
    """A list of values of one shape."""

    def all_of(value: Any, path: str) -> list[Any]:
        if not isinstance(value, list):
            _fail(path, f"invalid type: {unexpected(value)}, expected a sequence")
        return [shape(item, f"{path}[{index}]") for index, item in enumerate(value)]

    return all_of


def record(name: str, *fields: Field) -> Shape:
    """An object with these keys, in this order; others are ignored."""

    def shape(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _fail(path, f"invalid type: {unexpected(value)}, expected struct {name}")
        made = {}
        for key, of, required in fields:
            if value.get(key) is not None or (required and key in value):
                made[key] = of(value[key], f"{path}.{key}" if path else key)
            elif required:
                _fail(path, f"missing field `{key}`")
        return made

    return shape


def tagged(tag: str, name: str, variants: Mapping[str, Shape]) -> Shape:
    """An object whose key `tag` says which shape the rest has; the tag comes first."""

    def shape(value: Any, path: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            _fail(path, f"invalid type: {unexpected(value)}, expected internally tagged enum {name}")
        if tag not in value:
            _fail(path, f"missing field `{tag}`")
        kind = text(value[tag], f"{path}.{tag}" if path else tag)
        if kind not in variants:
            _fail(path, f"unknown variant `{kind}`, expected {_choice(variants)}")
        made: dict[str, Any] = {tag: kind}
        made |= variants[kind](value, path)
        return made

    return shape


def parse(document: str, shape: Shape) -> Any:
    """The value of a JSON text in canonical form; `ShapeError` ends with the line and column."""
    if not isinstance(document, str):
        raise ShapeError(f"{document!r} is no text")
    try:
        value = json.loads(document, parse_constant=_no_constant, object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        raise ShapeError(_syntax(document, error)) from None
    except RecursionError:
        raise ShapeError(f"recursion limit exceeded{_at(document, len(document))}") from None
    except ValueError as error:
        raise ShapeError(f"{error}{_at(document, len(document))}") from None
    try:
        return shape(value, "")
    except ShapeError as error:
        raise ShapeError(f"{error}{_at(document, len(document.rstrip()))}") from None


def parse_value(value: Any, shape: Shape) -> Any:
    """A Python value in canonical form, by way of its JSON text, as the SDK does it.

    Raises `UnserialisableError` for what JSON cannot hold.
    """
    try:
        document = json.dumps(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise UnserialisableError(str(error)) from None
    return parse(document, shape)


def compact(value: Any) -> str:
    """JSON without spaces, keys as they stand."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"expected value, not `{name}`")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"duplicate field `{twice}`")
    return made


def _syntax(document: str, error: json.JSONDecodeError) -> str:
    if error.pos >= len(document.rstrip()) or error.msg.startswith("Unterminated string"):
        return f"EOF while parsing {_unfinished(document)}{_at(document, len(document))}"
    message = "trailing characters" if error.msg == "Extra data" else error.msg[0].lower() + error.msg[1:]
    return f"{message}{_at(document, error.pos + 1)}"


def _unfinished(document: str) -> str:
    """What was open when the text ended."""
    opened: list[str] = []
    in_string = escaped = False
    for char in document:
        if in_string:
            in_string, escaped = escaped or char != '"', char == "\\" and not escaped
        elif char == '"':
            in_string = True
        elif char in "{[":
            opened.append(char)
        elif char in "}]" and opened:
            opened.pop()
    return "a string" if in_string else _OPEN[opened[-1]] if opened else "a value"


def _at(document: str, position: int) -> str:
    """The place of a position, lines from 1 and columns as the parser counts them: characters read so far."""
    before = document[:position]
    return f" at line {before.count(chr(10)) + 1} column {position - before.rfind(chr(10)) - 1}"

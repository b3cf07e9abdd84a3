"""What a stream holds, told from its first bytes."""

import json
from collections import Counter
from typing import Any, NamedTuple

from kit.cosmonapse.database import is_database_row
from kit.io.lines import BOM

ARROW_FILE, ARROW_STREAM, PARQUET = b"ARROW1", b"\xff\xff\xff\xff", b"PAR1"
SQLITE = b"SQLite format 3\0"
LOOK_AT_LINES = 50


class Kind(NamedTuple):
    """The container (`lines`, `array`, `parquet`, `arrow`, `arrow_stream`, `sqlite`) and the family of what is in it."""

    container: str
    family: str


def kind(head: bytes) -> Kind:
    """Return what begins with `head`, the first bytes of a decompressed stream; signal lines where in doubt."""
    if head.startswith(PARQUET):
        return Kind("parquet", "signals")
    if head.startswith(ARROW_FILE):
        return Kind("arrow", "signals")
    if head.startswith(ARROW_STREAM):
        return Kind("arrow_stream", "signals")
    if head.startswith(SQLITE):
        return Kind("sqlite", "database")
    text = head.removeprefix(BOM).lstrip(b" \t\r\n")
    if text.startswith(b"[") and not _first_line_is_whole(text):
        first = text[1:].lstrip(b" \t\r\n")
        return Kind("array", _family(_leading_object(first)))
    objects = [found for line in text.split(b"\n")[:LOOK_AT_LINES] if (found := _leading_object(line))]
    # One odd line must not decide for all the others.
    families = Counter(map(_family, objects)).most_common(1)
    return Kind("lines", families[0][0] if families else "signals")


def _first_line_is_whole(text: bytes) -> bool:
    """Whether the first of several lines is complete JSON by itself, so that the array is a line among lines."""
    line, newline, rest = text.partition(b"\n")
    if not newline or not rest.strip():
        return False
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _leading_object(text: bytes) -> dict[str, Any]:
    """Return the object that `text` begins with, empty where it is none."""
    try:
        value, _ = json.JSONDecoder().raw_decode(text.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _family(item: dict[str, Any]) -> str:
    """Return the family of an object by its keys (spec/cosmonapse.md 7)."""
    if "card_id" in item and "direction" in item and "type" not in item:
        return "glia_journal"
    if {"id", "kind", "role"} <= item.keys() and "trace_id" not in item:
        return "registry"
    if is_database_row(item):
        return "database"
    return "signals"

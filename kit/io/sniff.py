"""What a stream holds, told from its first bytes."""

import json
from collections import Counter
from typing import Any, NamedTuple

from kit.cosmonapse.database import is_database_row
from kit.io.lines import BOM
from kit.io.members import is_tar
from kit.io.pages import NAMES
from kit.jsontext import array_begin

ARROW_FILE, ARROW_STREAM, PARQUET = b"ARROW1", b"\xff\xff\xff\xff", b"PAR1"
SQLITE = b"SQLite format 3\0"
LOOK_AT_LINES = 50
ACTIONS = frozenset({"index", "create", "update", "delete"})
"""Single keys of the action lines of a bulk export (spec/syncropel.md 11)."""
PAGE_HEAD_BYTES = 4096
"""Where the array of a page has begun, if it is one."""


class Kind(NamedTuple):
    """The container and the family of what is in it.

    Containers: `lines`, `array`, `pages`, `document`, `tar`, `parquet`, `arrow`, `arrow_stream`, `sqlite`.
    """

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
    if is_tar(head):
        return Kind("tar", "records")
    if head.startswith(SQLITE):
        return Kind("sqlite", "database")
    text = head.removeprefix(BOM).lstrip(b" \t\r\n")
    if text.startswith(b"[") and not _first_line_is_whole(text):
        first = text[1:].lstrip(b" \t\r\n")
        return Kind("array", _family(_leading_object(first)))
    begin = text[:PAGE_HEAD_BYTES].decode("utf-8", "replace")
    if (array := array_begin(begin, NAMES)) is not None:
        # A page on a line of its own, or one that is the whole document.
        return Kind("document" if "\n" in begin[:array] or b"\n" not in text else "pages", "records")
    if text.startswith(b"{") and not _first_line_is_whole(text) and _opens_document(text):
        return Kind("document", _family(_leading_object(text)))
    objects = [found for line in text.split(b"\n")[:LOOK_AT_LINES] if (found := _leading_object(line))]
    # One odd line must not decide for all the others, nor those between the records of a bulk export.
    told = [item for item in objects if not ACTIONS.issuperset(item)] or objects
    families = Counter(map(_family, told)).most_common(1)
    return Kind("lines", families[0][0] if families else "signals")


def _opens_document(text: bytes) -> bool:
    """Whether the first line breaks off inside an object that goes on with a key on the next."""
    line, _, rest = text.partition(b"\n")
    return line.strip().endswith((b",", b"{")) and rest.lstrip(b" \t\r\n").startswith(b'"')


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
    """Return the family of an object by its keys (spec/cosmonapse.md 7, spec/syncropel.md 1 and 11)."""
    if "card_id" in item and "direction" in item and "type" not in item:
        return "glia_journal"
    if {"id", "kind", "role"} <= item.keys() and "trace_id" not in item:
        return "registry"
    inner = item.get("record")
    record = inner if isinstance(inner, dict) else item
    if {"act", "actor"} <= record.keys() and "trace_id" not in record:
        return "records"
    if is_database_row(item):
        return "database"
    return "signals"

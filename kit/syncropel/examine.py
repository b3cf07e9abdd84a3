"""One line, looked at exactly: the record row it becomes, or why it cannot become one.

The bulk loader (`load.py`) sends only unusual lines here; both give the same row for any line that both take
(`tests/syncropel/test_record_paths.py`). What is hashed is what the line says: nothing is sorted, filled in or
normalised first (spec/syncropel.md 1, verification).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from kit.jsonline import Refusal, encodable, read_object, short
from kit.syncropel.record import HASHED_FIELDS, ActType, DataType

Level = Literal["loose", "validate", "strict"]

FLAGS = (
    "duplicate_keys",
    "lone_surrogate",
    "nonfinite",
    "odd_body",
    "odd_clock",
    "odd_version",
    "other_id",
    "parents_unsorted",
    "unknown_act",
    "unknown_data_type",
    "conflicting_duplicate",
)
"""What a row can be flagged with, in the order of a flags list; the last is given when ids are settled."""

ACTS = frozenset(ActType.__members__)
DATA_TYPES = frozenset(DataType.__members__)
TEXTS = ("id", "act", "actor", "thread", "data_type")
TOLD = ("judged_by", "namespace")
"""What a server adds and never hashes; it is kept as text, whatever it is."""
SIX_FIELDS = tuple(name for name in HASHED_FIELDS if name != "data_type")
REDACTED = '{"redacted":true}'
"""The canonical body of a record that came from another namespace without consent (spec/syncropel.md 11)."""
MAX_DEPTH = 400
"""Objects and lists inside each other, the line's own among them; the published SDK gives up somewhat later."""
BIGINT = range(-(1 << 63), 1 << 63)
SURROGATE = re.compile("[\ud800-\udfff]")


def record_row(text: str, level: Level = "loose") -> dict[str, Any] | Refusal:
    """Return the `records` columns of one line (without its place), or the Refusal that explains it.

    Takes a record, `{id, record}` of a changes feed and `{category, thread, record}` of an audit export.
    `body` is the canonical text of the body: what was hashed, repeated keys resolved; `raw` is the line.
    """
    flags: set[str] = set()
    parsed = parse(text, flags)
    if isinstance(parsed, Refusal):
        return parsed
    record, wrapper = unwrapped(parsed, flags)
    refusal = _not_a_record(record) or _bad_field(record)
    if refusal is not None:
        return refusal
    integrity = _integrity(record, flags)
    row = {**_columns(record, flags), "integrity": integrity, "wrapper": wrapper, "raw": text}
    refusal = _below(row, level)
    if refusal is not None:
        return refusal
    return {**row, "conflict": False, "flags": [flag for flag in FLAGS if flag in flags], "canonical": True}


def content_digest(raw: str) -> str:
    """Return a hash that two lines share when they hold the same record: the id that a server gives it.

    Spacing, key order, escapes, the way a number is written, the wrapper, and keys that are never hashed
    (`sequence`, `judged_by`) make no difference. What cannot be hashed has the hash of its text instead.
    """
    parsed = parse(raw, set())
    if isinstance(parsed, Refusal):
        return hashlib.sha256(raw.encode()).hexdigest()
    record, _ = unwrapped(parsed, set())
    return _hash(record, HASHED_FIELDS) or hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()


def parse(text: str, flags: set[str]) -> dict[str, Any] | Refusal:
    """Return the object that `text` holds, floats of integer value as integers.

    Repeated keys (the last counts) are noted in `flags`. NaN and numbers beyond a double are read as such.
    """
    return read_object(text, flags, levels=MAX_DEPTH, parse_float=_number)


def unwrapped(parsed: Mapping[str, Any], flags: set[str]) -> tuple[Mapping[str, Any], str]:
    """Return the record in an object and what it was wrapped in: `bare`, `envelope` or `audit`.

    An id that stands outside is the record's own where that has none; where the two differ, the record's counts.
    """
    record = parsed.get("record")
    if "act" in parsed or not isinstance(record, dict):
        return parsed, "bare"
    outer = parsed.get("id")
    if outer is not None:
        inner = record.get("id")
        if inner is None:
            record = {**record, "id": outer}
        elif inner != outer:
            flags.add("other_id")
    return record, "audit" if "category" in parsed else "envelope"


def _not_a_record(record: Mapping[str, Any]) -> Refusal | None:
    if "act" in record or "actor" in record:
        return None
    page = next((key for key in ("data", "records") if isinstance(record.get(key), list)), None)
    if page is not None:
        return Refusal("not_a_record", f"a page with {len(record[page]):,} entries in {page!r} among lines of records")
    keys = ", ".join(map(short, list(record)[:4])) or "no key"
    return Refusal("not_a_record", f"a record has act and actor, here is {keys}")


def _bad_field(record: Mapping[str, Any]) -> Refusal | None:
    """Return why a field cannot stand in its column, or None."""
    for field in TEXTS:
        value = record.get(field)
        if value is not None and not isinstance(value, str):
            return Refusal(f"bad_{field}", f"{field} {short(value)} is not a string")
        if value is not None and not encodable(value):
            return Refusal(f"bad_{field}", f"{field} {short(value)} holds a lone surrogate, which has no UTF-8 form")
    parents = record.get("parents")
    if parents is None:
        return None
    if not isinstance(parents, list) or not all(isinstance(parent, str) for parent in parents):
        return Refusal("bad_parents", f"parents {short(parents)} is not a list of strings")
    if not all(map(encodable, parents)):
        return Refusal("bad_parents", "a parent holds a lone surrogate, which has no UTF-8 form")
    return None


def _integrity(record: Mapping[str, Any], flags: set[str]) -> str:
    """Return how the id of `record` stands to its content (spec/syncropel.md 1, verification)."""
    claimed = record.get("id")
    if claimed is None:
        return "no_id"
    found = _hash(record, HASHED_FIELDS)
    if found is None:
        return "unhashable"
    if found == claimed:
        return "ok"
    if _hash(record, SIX_FIELDS) == claimed:
        return "ok6"
    if _json(record.get("body"), set()) == REDACTED:
        return "redacted"
    parents = record.get("parents")
    if parents and _hash({**record, "parents": sorted(parents)}, HASHED_FIELDS) == claimed:
        flags.add("parents_unsorted")
    return "mismatch"


def _hash(record: Mapping[str, Any], fields: tuple[str, ...]) -> str | None:
    """Return the hash of the present ones of `fields`, or None where they have none."""
    try:
        text = json.dumps({name: record[name] for name in fields if name in record}, allow_nan=False, **CANONICAL)
        return hashlib.sha256(text.encode()).hexdigest()
    except ValueError:
        return None


CANONICAL: dict[str, Any] = {"ensure_ascii": False, "sort_keys": True, "separators": (",", ":")}
"""How `canonical_json` writes values that `parse` has read."""


def _columns(record: Mapping[str, Any], flags: set[str]) -> dict[str, Any]:
    body = record.get("body", {})
    inner = body if isinstance(body, dict) else {}
    kind, version = inner.get("kind"), inner.get("_v")
    clock, sequence = record.get("clock"), record.get("sequence")
    if not isinstance(body, dict):
        flags.add("odd_body")
    if "clock" in record and not _is_bigint(clock):
        flags.add("odd_clock")
    if "_v" in inner and (not isinstance(version, int) or isinstance(version, bool)):
        flags.add("odd_version")
    for field, known in (("act", ACTS), ("data_type", DATA_TYPES)):
        if record.get(field) is not None and record[field] not in known:
            flags.add(f"unknown_{field}")
    return {
        "id": record.get("id"),
        "act": record.get("act"),
        "actor": record.get("actor"),
        "thread": record.get("thread"),
        "clock": clock if _is_bigint(clock) else None,
        "clock_text": _text(clock, flags) if "clock" in record else None,
        "data_type": record.get("data_type"),
        "parents": record.get("parents") or [],
        "kind": kind if isinstance(kind, str) and encodable(kind) else None,
        "body": _json(body, flags) if "body" in record else None,
        "sequence": sequence if _is_bigint(sequence) else None,
        **{name: _text(record[name], flags) if record.get(name) is not None else None for name in TOLD},
        "v": _text(version, flags) if "_v" in inner else None,
    }


def _text(value: Any, flags: set[str]) -> str:
    """Return a string as it is, anything else as canonical JSON text."""
    return _storable(value, flags) if isinstance(value, str) else _json(value, flags)


def _json(value: Any, flags: set[str]) -> str:
    """Return the canonical text of `value`; where it has none, text that comes as near as can be stored."""
    text = _storable(json.dumps(value, **CANONICAL), flags)
    if any(name in text for name in ("NaN", "Infinity")):
        try:
            json.dumps(value, allow_nan=False)
        except ValueError:
            flags.add("nonfinite")
    return text


def _storable(text: str, flags: set[str]) -> str:
    """Return `text` with U+FFFD for each lone surrogate: neither UTF-8 nor DuckDB's JSON has a form for one."""
    if encodable(text):
        return text
    flags.add("lone_surrogate")
    return SURROGATE.sub("\ufffd", text)


def _below(row: Mapping[str, Any], level: Level) -> Refusal | None:
    """Return what a level asks for that the row lacks; `loose` asks for nothing."""
    if level == "loose":
        return None
    for field, known in (("act", ACTS), ("data_type", DATA_TYPES)):
        if row[field] not in known:
            return Refusal(f"bad_{field}", f"{field} {short(row[field])} is none of {', '.join(sorted(known))}")
    if row["clock"] is None or row["clock"] < 0:
        return Refusal("bad_clock", f"clock {short(row['clock_text'])} is not an integer from 0 on")
    for field in ("actor", "thread"):
        if not row[field]:
            return Refusal(f"bad_{field}", f"{field} {short(row[field])} is empty")
    if not (row["body"] or "").startswith("{"):
        return Refusal("bad_body", f"body {short(row['body'])} is not an object")
    if level == "strict" and row["integrity"] != "ok":
        return Refusal(row["integrity"], f"id {short(row['id'])} is not the hash of the record")
    return None


def _is_bigint(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in BIGINT


def _number(digits: str) -> float | int:
    value = float(digits)
    return int(value) if value.is_integer() else value

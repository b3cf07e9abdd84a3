"""Rows of the databases of a Cosmonapse installation: registries and engrams (spec/cosmonapse.md 6 and 7).

A row comes as a line of JSON, its columns as they are stored; what it is shows by its columns.
"""

import json
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

from kit.cosmonapse.examine import MAX_DEPTH, compact, in_utc, parse
from kit.cosmonapse.wire import wire_time
from kit.jsonline import Refusal, depth

MAX_INTEGER = 2**63


class Stored(NamedTuple):
    """A table of a database: its names there, the columns it must have, and where its rows go."""

    sqlite: str
    postgres: str
    columns: frozenset[str]
    order: str
    """Columns that give the rows of a PostgreSQL table an order; in SQLite they have one."""
    table: str


STORED = (
    Stored(
        "neurons",
        "cosmonapse_neurons",
        frozenset({"neuron_id", "capabilities", "version", "status", "last_heartbeat", "registered_at"}),
        "registered_at, neuron_id",
        "registry",
    ),
    Stored(
        "engram_entries",
        "cosmonapse_engram_entries",
        frozenset({"id", "engram_kind", "merge_key", "content", "tags", "meta", "version", "created_at", "updated_at"}),
        "created_at, id",
        "engram_entries",
    ),
    Stored(
        "engram_imprint_seen",
        "cosmonapse_engram_imprint_seen",
        frozenset({"imprint_id", "entry_id", "seen_at"}),
        "seen_at, imprint_id",
        "engram_imprints",
    ),
)

Columns = Mapping[str, Any]


def is_database_row(item: Columns) -> bool:
    """Whether an object has the columns of such a row, or is `NeuronRecord.to_dict()`."""
    return any(stored.columns <= item.keys() for stored in STORED) and "trace_id" not in item


def database_row(text: str) -> tuple[str, dict[str, Any]] | Refusal:
    """Return the table that a row goes to and its columns there, or why it cannot go anywhere."""
    item = parse(text, set())
    if isinstance(item, Refusal):
        return item
    for stored in STORED:
        if next(iter(KEYS[stored.table])) in item and stored.columns & item.keys() == stored.columns:
            return _made(stored.table, item)
    return Refusal("unknown_row", f"a row with the columns {', '.join(item)[:200]} is of no table that is known here")


def _made(table: str, item: Columns) -> tuple[str, dict[str, Any]] | Refusal:
    row: dict[str, Any] = {}
    for target, (source, read, needed) in KEYS[table].items():
        value = item.get(source)
        if value is None and not needed:
            row[target] = None
            continue
        try:
            row[target] = read(value)
        except (ValueError, OverflowError, RecursionError) as error:
            return Refusal(f"bad_{source}", f"{source} {value!r:.60}: {error}")
    return table, row


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is needed")
    return value


def _moment(value: object) -> datetime:
    """Return a time in UTC; one without an offset is taken as UTC, as the stores do."""
    return in_utc(wire_time(_text(value)), set())


def _integer(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not -MAX_INTEGER <= value < MAX_INTEGER:
        raise ValueError("an integer of 64 bits is needed")
    return value


def _value(value: object) -> Any:
    """Return what a column of JSON holds: its text is parsed, what came parsed stays."""
    if not isinstance(value, str):
        return value
    if depth(value, MAX_DEPTH) > MAX_DEPTH:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return json.loads(value)


def _json(value: object) -> str:
    text = compact(_value(value))
    text.encode()
    return text


def _names(value: object) -> list[str]:
    names = _value(value)
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise ValueError("a list of strings is needed")
    for name in names:
        name.encode()
    return names


Read = Callable[[object], Any]

KEYS: dict[str, dict[str, tuple[str, Read, bool]]] = {
    "registry": {
        "neuron_id": ("neuron_id", _text, True),
        "capabilities": ("capabilities", _names, True),
        "version": ("version", _text, False),
        "status": ("status", _text, True),
        "last_heartbeat": ("last_heartbeat", _moment, False),
        "registered_at": ("registered_at", _moment, False),
    },
    "engram_entries": {
        "id": ("id", _text, True),
        "engram_kind": ("engram_kind", _text, True),
        "merge_key": ("merge_key", _text, False),
        "content": ("content", _json, True),
        "tags": ("tags", _names, True),
        "meta": ("meta", _json, True),
        "version": ("version", _integer, True),
        "created_at": ("created_at", _moment, False),
        "updated_at": ("updated_at", _moment, False),
        "deleted_at": ("deleted_at", _moment, False),
    },
    "engram_imprints": {
        "imprint_id": ("imprint_id", _text, True),
        "entry_id": ("entry_id", _text, True),
        "seen_at": ("seen_at", _moment, False),
    },
}
"""By table: each column, the column of the row it is made of, how that is read, and whether it must be there."""

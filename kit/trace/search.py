"""Signals found by plain arguments instead of SQL."""

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from typing import Any

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.table import Table

FIRST = "run, ts, type, directed_id, trace_id, id, parent_id"
"""Columns that lead a table of found signals, payload closes it, so that a short view of it shows who said what when."""

Many = str | Iterable[str] | None


def signals(
    store: Store,
    *,
    type: Many = None,
    neuron: Many = None,
    trace: Many = None,
    run: Many = None,
    since: date | str | None = None,
    until: date | str | None = None,
    payload: Mapping[str, Any] | None = None,
    where: str | None = None,
) -> Table:
    """Return the signals that match all arguments, as a lazy Table in (run, ts, id) order, those without a time last.

    type, neuron, trace, run  a value or several; `neuron` is `directed_id`, the addressee or the producer
    since, until              times, ISO text, date or datetime; UTC where no offset is given; `since` is included,
                              `until` is not
    payload                   {"path": value}: dots lead into objects, a number picks from a list ("hits.0.id");
                              numbers compare by value, None matches a JSON null, an object or list equal content
                              in any spacing
    where                     an SQL condition over the columns of `signals`, for all else

    Raises ArgumentError for an unreadable time or an empty path.
    """
    tests: list[str] = []
    values: dict[str, Any] = {}

    def bind(value: object) -> str:
        values[f"p{len(values)}"] = value
        return f"$p{len(values) - 1}"

    for column, wanted in (("type", type), ("directed_id", neuron), ("trace_id", trace), ("run", run)):
        if wanted is not None:
            tests.append(f"list_contains({bind(named(wanted))}::VARCHAR[], {column})")
    for operator, moment in ((">=", since), ("<", until)):
        if moment is not None:
            tests.append(f"ts {operator} {bind(moment_of(moment).isoformat())}::TIMESTAMPTZ")
    for path, value in (payload or {}).items():
        tests.append(matches("payload", bind(path_of(path, "payload")), value, bind))
    if where is not None:
        tests.append(f"(\n{where}\n)")
    condition = " AND ".join(tests) or "true"
    sql = f"""SELECT {FIRST}, * EXCLUDE ({FIRST}, payload), payload FROM signals
              WHERE {condition} ORDER BY run, ts NULLS LAST, id, source_id, line"""  # noqa: S608
    # What the caller gives is bound; `where` is SQL by its meaning.
    found = store.query(sql, values or None)
    found.name = "signals"
    return found


def matches(column: str, path: str, value: Any, bind: Any) -> str:
    """Return the SQL that compares the JSON at `path` of a column with `value`."""
    found = f"json_extract({column}, {path})"
    if value is None:
        return f"json_type({column}, {path}) = 'NULL'"
    if isinstance(value, str):
        return f"(json_type({column}, {path}) = 'VARCHAR' AND json_extract_string({column}, {path}) = {bind(value)})"
    if isinstance(value, bool):
        return f"{found}::VARCHAR = {bind('true' if value else 'false')}"
    if isinstance(value, int | float):
        try:
            near = f"try_cast({found} AS DOUBLE) = {bind(float(value))}"
        except OverflowError:
            near = "false"
        # A double cannot tell integers above 2^53 apart; those that DuckDB calls DOUBLE have more than 64 bits.
        exact = near
        if isinstance(value, int) and abs(value) < 2**126:
            exact = f"try_cast({found} AS HUGEINT) = {bind(value)}::HUGEINT"
        return (
            f"CASE json_type({column}, {path}) WHEN 'DOUBLE' THEN {near} "
            f"WHEN 'BIGINT' THEN {exact} WHEN 'UBIGINT' THEN {exact} ELSE false END"
        )
    return f"{found} = json({bind(json.dumps(value, ensure_ascii=False))})"


def path_of(text: str, what: str) -> str:
    """Return the JSON pointer for dotted `text` (RFC 6901): unlike in a path, no character in it is a wildcard."""
    if not isinstance(text, str) or not text or "" in text.split("."):
        raise ArgumentError(f"{what} path {text!r}: give names joined by dots, like 'input.q' or 'hits.0.id'")
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in text.split("."))


def moment_of(value: date | str) -> datetime:
    """Return a time, UTC where no offset is given. Raises ArgumentError for what is no time."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_iso(value))
    except (TypeError, ValueError):
        raise ArgumentError(f"{value!r} is no time: give a datetime or ISO text like '2026-11-02T09:00:30Z'") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def named(wanted: str | Iterable[str]) -> list[str]:
    """Return a name, or several, as a list of plain text."""
    # SignalType is a str whose str() is "SignalType.TASK".
    return [str.__str__(name) for name in ([wanted] if isinstance(wanted, str) else wanted)]


def _iso(value: date | str) -> str:
    return value.isoformat() if isinstance(value, date) else value

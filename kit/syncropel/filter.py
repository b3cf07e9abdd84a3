"""Filters over records, as `POST /v1/records/query` takes them (spec/syncropel.md 11).

A filter is an object of columns and operators, `{"act": "PUT", "body.n": {"$gt": 3}}`; all of it must hold. Columns
are those of a record, or `body.<path>`. What is not there is null: it equals null, and is neither greater nor less.
"""

import operator
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kit.errors import ArgumentError

__all__ = ["compile_filter", "select", "sort_key", "value_at"]

LIMIT, LIMIT_AT_MOST = 100, 1000

COLUMNS = {"id", "thread", "actor", "act", "clock", "data_type", "namespace", "created_at"}
BODY_PATH = re.compile(r"body(\.[A-Za-z0-9_-]+)+\Z")
DEEPEST = 32
"""How far `$and`, `$or` and `$not` may nest."""

Test = Callable[[Mapping[str, Any]], bool]


def select(records: Sequence[dict[str, Any]], asked: Any) -> dict[str, Any]:
    """The answer to a query: `data`, and `capped` where more records match than it holds.

    `asked` has `filter`, and may have `thread`, `sort` (one column to 1 or -1), `limit`, `offset`, `explain`.
    Raises ArgumentError.
    """
    if not isinstance(asked, dict):
        raise ArgumentError(f"a query is an object, got {asked!r:.60}")
    matches = compile_filter(asked.get("filter"))
    thread = asked.get("thread")
    found = [record for record in records if matches(record) and thread in (None, record.get("thread"))]
    if asked.get("sort"):
        column, descending = _order(asked["sort"])
        found.sort(key=lambda record: sort_key(value_at(record, column)), reverse=descending)
    offset = _whole(asked, "offset", 0)
    shown = found[offset : offset + min(_whole(asked, "limit", LIMIT), LIMIT_AT_MOST)]
    answer = {"object": "list", "data": shown, "capped": offset + len(shown) < len(found)}
    if asked.get("explain"):
        answer["plan"] = {"rows_scanned": len(records), "rows_matched": len(found)}
    return answer


def compile_filter(filter: object, depth: int = 0) -> Test:
    """A function that tells whether a record matches. Raises ArgumentError for what is no filter."""
    if not isinstance(filter, dict):
        raise ArgumentError(f"a filter is an object, got {filter!r:.60}")
    if depth > DEEPEST:
        raise ArgumentError(f"the filter nests more than {DEEPEST} levels deep")
    tests = [_part(name, wanted, depth) for name, wanted in filter.items()]
    return lambda record: all(test(record) for test in tests)


def value_at(record: Mapping[str, Any], column: str) -> Any:
    """What a record holds at a column, None where there is nothing. Raises ArgumentError for an unknown column."""
    if column in COLUMNS:
        return record.get(column)
    if not BODY_PATH.match(column):
        raise ArgumentError(f"no column {column!r}; there are {', '.join(sorted(COLUMNS))} and body.<path>")
    value: Any = record
    for name in column.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def sort_key(value: Any) -> tuple[int, Any]:
    """A key that puts null first, then false and true, numbers, texts, and all else as equal."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 1, value
    if isinstance(value, int | float):
        return 2, value
    return (3, value) if isinstance(value, str) else (4, 0)


def _order(sort: Any) -> tuple[str, bool]:
    if not isinstance(sort, dict) or len(sort) != 1 or next(iter(sort.values())) not in (1, -1):
        raise ArgumentError(f"sort takes one column and 1 or -1, got {sort!r:.60}")
    column, direction = next(iter(sort.items()))
    value_at({}, column)
    return column, direction == -1


def _whole(asked: Mapping[str, Any], name: str, default: int) -> int:
    value = asked.get(name)
    if value is None:
        return default
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ArgumentError(f"{name} is a whole number from 0 on, got {value!r:.60}")
    return value


def _part(name: str, wanted: Any, depth: int) -> Test:
    if name in ("$and", "$or"):
        if not isinstance(wanted, list):
            raise ArgumentError(f"{name} takes a list of filters, got {wanted!r:.60}")
        tests = [compile_filter(one, depth + 1) for one in wanted]
        joined = all if name == "$and" else any
        return lambda record: joined(test(record) for test in tests)
    if name == "$not":
        test = compile_filter(wanted, depth + 1)
        return lambda record: not test(record)
    if name.startswith("$"):
        raise ArgumentError(f"no operator {name!r} here; there are $and, $or and $not")
    value_at({}, name)
    conditions = wanted if isinstance(wanted, dict) and any(key.startswith("$") for key in wanted) else {"$eq": wanted}
    tests_of_value = [_condition(key, operand) for key, operand in conditions.items()]
    return lambda record: all(test(value_at(record, name)) for test in tests_of_value)


def _condition(name: str, operand: Any) -> Callable[[Any], bool]:
    if name in _COMPARISONS:
        compare = _COMPARISONS[name]
        return lambda value: _comparable(value, operand) and bool(compare(value, operand))
    if name in ("$in", "$nin"):
        if not isinstance(operand, list):
            raise ArgumentError(f"{name} takes a list, got {operand!r:.60}")
        return lambda value: any(_equal(value, one) for one in operand) == (name == "$in")
    if name in ("$like", "$ilike"):
        if not isinstance(operand, str):
            raise ArgumentError(f"{name} takes a text with % and _, got {operand!r:.60}")
        fold = str.casefold if name == "$ilike" else str
        pattern = fold(operand)
        return lambda value: isinstance(value, str) and _like(fold(value), pattern)
    if name == "$exists":
        return lambda value: (value is not None) == bool(operand)
    if name in ("$eq", "$ne"):
        return lambda value: _equal(value, operand) == (name == "$eq")
    raise ArgumentError(f"no operator {name!r}; there are {', '.join(_OPERATORS)}")


def _equal(left: Any, right: Any) -> bool:
    # In JSON true is no number.
    return isinstance(left, bool) == isinstance(right, bool) and bool(left == right)


def _comparable(left: Any, right: Any) -> bool:
    rank = sort_key(left)[0]
    return rank in (2, 3) and rank == sort_key(right)[0]


def _like(text: str, pattern: str) -> bool:
    """Return whether SQL's LIKE holds, in time that grows with both lengths multiplied at worst."""
    at = mark = 0
    star = -1
    wanted = 0
    while at < len(text):
        if wanted < len(pattern) and pattern[wanted] == "%":
            star, mark = wanted, at
            wanted += 1
        elif wanted < len(pattern) and pattern[wanted] in ("_", text[at]):
            at, wanted = at + 1, wanted + 1
        elif star >= 0:
            mark += 1
            at, wanted = mark, star + 1
        else:
            return False
    return not pattern[wanted:].strip("%")


_COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "$gt": operator.gt,
    "$gte": operator.ge,
    "$lt": operator.lt,
    "$lte": operator.le,
}
_OPERATORS = ("$eq", "$ne", *_COMPARISONS, "$in", "$nin", "$like", "$ilike", "$exists")

"""What the commands print: plain text in columns, and JSON. Text of a capture never reaches a terminal unescaped."""

import json
import math
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import typer

CELL_WIDTH = 60
STYLES = {"failed": "red", "error": "red", "stopped": "yellow", "warning": "yellow"}
"""Words that a terminal shows in colour where they are a cell."""


def say(message: str) -> None:
    """Print a message about the run on standard error."""
    typer.echo(printable(message), err=True)


def text(block: str = "") -> None:
    """Print text on standard output."""
    typer.echo(printable(block))


def heading(title: str) -> None:
    """Print a title, bold in a terminal."""
    typer.echo(typer.style(printable(title), bold=True) if sys.stdout.isatty() else printable(title))


def line(values: object) -> None:
    """Print one JSON value on one line of standard output."""
    typer.echo(_json(values))


def array(values: Iterable[object]) -> None:
    """Print a JSON array, an element a line, as the elements come."""
    lead = "["
    for value in values:
        typer.echo(lead + _json(value), nl=False)
        lead = ",\n"
    typer.echo("[]" if lead == "[" else "]")


def grid(rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> None:
    """Print `rows` in aligned columns under a head line, numbers to the right; a long cell is cut, but for ids."""
    colours = sys.stdout.isatty()
    numeric = [_is_numeric([row[name] for row in rows]) for name in columns]
    cells = [[cell(row[name]) for name in columns] for row in rows]
    heads = [printable(name, newlines=False) for name in columns]
    widths = [max(len(shown[i]) for shown in [heads, *cells]) for i in range(len(columns))]
    for number, shown in enumerate([heads, *cells]):
        parts = []
        for value, width, right in zip(shown, widths, numeric, strict=True):
            part = value.rjust(width) if right else value.ljust(width)
            if colours and (number == 0 or value in STYLES):
                part = typer.style(part, bold=number == 0, fg=None if number == 0 else STYLES[value])
            parts.append(part)
        typer.echo("  ".join(parts).rstrip())


def cell(value: Any) -> str:
    """Return a value as short text on one line, numbers with thousands separators."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float | Decimal):
        return f"{value:,.3f}".rstrip("0").rstrip(".") if math.isfinite(value) else str(value)
    plain = plain_value(value)
    shown = plain if isinstance(plain, str) else ", ".join(map(str, plain)) if _flat(plain) else _json(plain)
    shown = printable(shown, newlines=False)
    return shown if len(shown) <= CELL_WIDTH else shown[: CELL_WIDTH - 1] + "…"


def printable(value: str, *, newlines: bool = True) -> str:
    """Return `value` with everything escaped that steers a terminal; line ends may stay."""
    return "".join(char if char.isprintable() or (newlines and char == "\n") else repr(char)[1:-1] for char in value)


def plain_value(value: Any) -> Any:
    """Return `value` as JSON has it: times ISO 8601 in UTC with Z, bytes as text, what is no number null."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z" if value.tzinfo else value.isoformat()
    if isinstance(value, Mapping):
        return {str(key): plain_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain_value(item) for item in value]
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, str | bool | int):
        return value
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def plain_rows(batches: Iterable[Any]) -> Iterator[dict[str, Any]]:
    """Yield the rows of Arrow batches as JSON has them."""
    for batch in batches:
        for row in batch.to_pylist():
            yield plain_value(row)


def _json(value: object) -> str:
    # ASCII alone: no terminal and no encoding can make anything else of it.
    return json.dumps(plain_value(value), ensure_ascii=True, allow_nan=False)


def _is_numeric(values: Sequence[object]) -> bool:
    present = [value for value in values if value is not None]
    return bool(present) and all(isinstance(v, int | float | Decimal) and not isinstance(v, bool) for v in present)


def _flat(value: object) -> bool:
    return isinstance(value, list) and not any(isinstance(item, list | dict) for item in value)

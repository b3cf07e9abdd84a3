"""The tables of a store: the one place where columns are written down (see docs/tables.md).

`TABLES` maps a table's name to its columns; `arrow(name)` is the Arrow schema and `ddl(name)` the
SQL of a table. A table only ever grows: a new column goes to the end with a NULL for old rows, and
`VERSION` goes up, so that a store of an older kit can be opened (`kit.store`).
"""

import pyarrow as pa

from kit.schema import account, records, sensors, signals
from kit.schema.column import ARROW, Column, Tables
from kit.schema.signals import APPENDING, REBUILT

__all__ = [
    "APPENDING",
    "ARROW",
    "FIRST_OF_LINE",
    "GENERATED",
    "REBUILT",
    "ROW_TABLES",
    "TABLES",
    "VERSION",
    "Column",
    "arrow",
    "columns",
    "ddl",
    "declaration",
]

VERSION = 2
"""Schema version, written into every store."""

ZSTD = frozenset({"id", "trace_id", "parent_id", "ts_text", "payload", "text", "raw", "record", "body"})
"""Text columns stored with zstd: DuckDB's own choice, FSST, takes three times as long to write them (measured, 2.0)."""

TABLES: Tables = {**account.TABLES, **signals.TABLES, **records.TABLES, **sensors.TABLES}

ROW_TABLES = (*signals.TABLES, *records.TABLES, *sensors.TABLES)
"""Tables whose rows stand for lines of a source."""

FIRST_OF_LINE = {"poses": "part = 0"}
"""Where a line can have several rows: the condition that one of them meets."""

GENERATED = dict(signals.GENERATED)
"""Text columns that are computed when they are read; appending `raw` to such a table stores it as `text`."""


def columns(table: str) -> tuple[str, ...]:
    """Return the column names of `table`, in order."""
    return tuple(column.name for column in TABLES[table])


def arrow(table: str) -> pa.Schema:
    """Return the Arrow schema of the stored columns of `table`; JSON is text."""
    return pa.schema([pa.field(column.name, ARROW[column.sql]) for column in TABLES[table]])


def ddl(table: str) -> str:
    """Return the SQL that creates `table`; quoting is not needed, the names are ours."""
    made = [f'"{name}" VARCHAR GENERATED ALWAYS AS ({sql}) VIRTUAL' for name, sql in GENERATED.get(table, {}).items()]
    return f'CREATE TABLE "{table}" ({", ".join([*map(declaration, TABLES[table]), *made])})'


def declaration(column: Column) -> str:
    """Return the SQL that declares `column` in a table."""
    compression = " USING COMPRESSION zstd" if column.name in ZSTD and column.sql in ("VARCHAR", "JSON") else ""
    return f'"{column.name}" {column.sql}{compression}'

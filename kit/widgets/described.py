"""A column of a relation as a table explorer knows it, and names and texts as SQL."""

from typing import NamedTuple

from kit.errors import ArgumentError


class Column(NamedTuple):
    """A column of the relation: its name, DuckDB type, and what a front end makes of it."""

    name: str
    sql: str
    kind: str
    """number, time, text, json, bool or blob"""

    @property
    def quoted(self) -> str:
        """The name as SQL."""
        return quoted(self.name)

    @property
    def text(self) -> str:
        """SQL of a cell as text."""
        if self.kind == "json" and self.sql != "JSON":
            return f"to_json({self.quoted})::VARCHAR"
        if self.kind == "blob":
            return f"'x' || lower(hex({self.quoted}))"
        return f"{self.quoted}::VARCHAR"


def quoted(name: str) -> str:
    """Return a name as SQL."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a text as SQL."""
    if "\0" in value:
        raise ArgumentError(f"{value!r} holds a NUL, which no text in SQL can")
    return "'" + value.replace("'", "''") + "'"


def kind_of(sql: str) -> str:
    """Return what a front end makes of a DuckDB type."""
    if sql == "JSON" or sql.endswith("]") or sql.startswith(("STRUCT", "MAP", "UNION", "VARIANT")):
        return "json"
    if sql.startswith(("TIMESTAMP", "DATE")):
        return "time"
    if sql.endswith("INT") or sql in ("INTEGER", "UINTEGER", "DOUBLE", "FLOAT") or sql.startswith("DECIMAL"):
        return "number"
    return {"BOOLEAN": "bool", "BLOB": "blob"}.get(sql, "text")

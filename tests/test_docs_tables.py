"""docs/tables.md says what kit/schema/ says, and what a store has.

To write a section anew: `python tests/test_docs_tables.py` prints all of them.
"""

import re
from pathlib import Path

import pytest

import kit
from kit.schema import TABLES

PAGE = Path(__file__).resolve().parents[1] / "docs" / "tables.md"
ROW = re.compile(r"^\| `(\w+)` \| ([^|]+) \| ", re.MULTILINE)
VIEWS = ("events", "edges", "neurons", "record_refs", "record_edges", "intent_ends", "verdicts", "amendments")


def rows(table: str) -> str:
    """Return the rows of the page for the declared columns of `table`."""
    return "\n".join(f"| `{column.name}` | {column.sql} | {column.doc} |" for column in TABLES[table])


def section(name: str) -> str:
    """Return what the page says below the heading of `name`."""
    _, heading, rest = PAGE.read_text().partition(f"\n## `{name}`\n")
    assert heading, f"docs/tables.md has no heading for {name}"
    return rest.partition("\n## ")[0]


@pytest.mark.parametrize("table", TABLES)
def test_the_page_has_the_declared_columns(table: str) -> None:
    assert rows(table) in section(table)


@pytest.mark.parametrize("name", [*TABLES, *VIEWS])
def test_a_store_has_the_columns_of_the_page(name: str) -> None:
    with kit.open() as study:
        held = {row["column_name"]: row["column_type"] for row in study.sql(f"DESCRIBE {name}")}
    short = {"TIMESTAMP WITH TIME ZONE": "TIMESTAMPTZ"}
    assert dict(ROW.findall(section(name))) == {column: short.get(kind, kind) for column, kind in held.items()}


def test_the_page_has_no_other_section() -> None:
    assert set(re.findall(r"^## `(\w+)`$", PAGE.read_text(), re.MULTILINE)) == {*TABLES, *VIEWS}


if __name__ == "__main__":
    for table in TABLES:
        print(f"\n## `{table}`\n\n| column | type | holds |\n|---|---|---|\n{rows(table)}")

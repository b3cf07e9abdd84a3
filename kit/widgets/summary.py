"""What the header of a table explorer tells of a column: missing, different, a histogram or the values met most."""

import duckdb
import pyarrow as pa

from kit.widgets.described import Column

BINS = 24
TOP = 5
EXACT_ROWS = 1_000_000
"""Tables up to this many rows are read whole; of larger ones about as many rows, in blocks, always the same ones."""
BLOCK = 2048

SCHEMA = pa.schema(
    [
        ("label", pa.string()),
        ("count", pa.float64()),
        ("rows", pa.float64()),
        ("nulls", pa.float64()),
        ("distinct", pa.float64()),
        ("low", pa.string()),
        ("high", pa.string()),
        ("form", pa.string()),
    ]
)
"""A row per bin, in order, or per value, the frequent ones first; the other columns are the same in each. `form` is bins,
values, or none, where there is one row without a label. `rows` is how many rows were looked at."""


def summary(connection: duckdb.DuckDBPyConnection, base: str, where: str, column: Column, total: int) -> pa.Table:
    """Return the summary of a column in the rows that meet a condition, in the form of SCHEMA.

    `distinct` is an estimate. Numbers and times have bins of equal width between the least and the greatest finite value.
    """
    # Not TABLESAMPLE: with several threads a second query gets another sample (DuckDB 2.0), whatever its seed.
    part = [f"(rowid // {BLOCK}) % {-(-total // EXACT_ROWS)} = 0"] if total > EXACT_ROWS else []
    tests = [*part, *([f"({where})"] if where else [])]
    condition = f" WHERE {' AND '.join(tests)}" if tests else ""
    name = column.quoted
    shown = column.text if column.kind in ("json", "blob", "text", "bool") else name
    seen = f"(SELECT {shown} AS x FROM {base}{condition})"  # noqa: S608
    rows, there, distinct, low, high = connection.execute(
        f"SELECT count(*), count(x), approx_count_distinct(x), min(x)::VARCHAR, max(x)::VARCHAR FROM {seen}"  # noqa: S608
    ).fetchall()[0]
    facts = [float(rows), float(rows - there), float(min(distinct, there)), _short(low), _short(high)]
    found, form = [], "none"
    if column.kind in ("number", "time") and there:
        found, form = _bins(connection, seen, column), "bins"
    elif column.kind in ("text", "bool", "json") and there and distinct < max(there / 2, 50):
        form = "values"
        found = connection.execute(
            f"""SELECT left(x, 80), count(*) AS n FROM {seen} WHERE x IS NOT NULL
                GROUP BY x ORDER BY n DESC, x LIMIT {TOP}"""  # noqa: S608
        ).fetchall()
    lines = [(label, float(count), *facts, form) for label, count in found] or [(None, 0.0, *facts, "none")]
    return pa.table(dict(zip(SCHEMA.names, map(list, zip(*lines, strict=True)), strict=True)), schema=SCHEMA)


def _bins(connection: duckdb.DuckDBPyConnection, seen: str, column: Column) -> list[tuple[str, int]]:
    number = "epoch_us(x)::DOUBLE" if column.kind == "time" else "x::DOUBLE"
    found = dict(
        connection.execute(
            f"""WITH v AS (SELECT {number} AS y FROM {seen} WHERE x IS NOT NULL AND isfinite({number})),
                     ends AS (SELECT min(y) AS low, max(y) AS high FROM v)
                SELECT CASE WHEN high > low THEN least(floor((y - low) / (high - low) * {BINS}), {BINS - 1}) ELSE 0 END::INT,
                       count(*) FROM v, ends GROUP BY 1"""  # noqa: S608
        ).fetchall()
    )
    return [(str(n), int(found.get(n, 0))) for n in range(BINS)] if found else []


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= 40 else text[:39] + "…"

"""Pages of a relation of any size, in any order: what a table explorer shows, without a browser.

A base table is never sorted itself. A filter or an order makes one array of row numbers, sorted by DuckDB (5 million
numbers take about a second, texts three); a page is then the few rows with the next numbers, fetched by number, so that
every place is as near as the first one. In the order of the table itself a page is a range of numbers, and nothing is
prepared. Views, queries and Arrow tables are first written to a table of their own, once.

Cells travel as the text that DuckDB has for them: 64-bit integers keep every digit, times their zone.
"""

import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.table import DUCKDB_CONFIG, Table
from kit.widgets.described import Column, kind_of, literal, quoted
from kit.widgets.summary import summary

Numbers = npt.NDArray[np.int64]

CELL_CHARACTERS = 240
"""Longest text of a cell in a page; the whole of it is asked for by itself."""
WHOLE_CHARACTERS = 1_000_000
NEAR = 20_000
"""Rows whose numbers are no further apart than this are read as a range."""
KEPT_ORDERS = 4
KEYS = ("id", "event_id", "record_id", "trace_id", "thread", "log_id", "neuron_id")
"""Columns that name a row, the first that is there."""
TIMES = ("ts", "start", "first", "at")

OPERATORS = {
    "=": "{x} = {v}",
    "!=": "{x} IS DISTINCT FROM {v}",
    "<": "{x} < {v}",
    "<=": "{x} <= {v}",
    ">": "{x} > {v}",
    ">=": "{x} >= {v}",
    "contains": "contains(lower({t}), lower({s}))",
    "starts with": "starts_with({t}, {s})",
    "is null": "{x} IS NULL",
    "is not null": "{x} IS NOT NULL",
}
"""Of each operator its SQL: x the column, t its text, v the value in the column's type, s as text."""


class State(NamedTuple):
    """What is shown of the relation, and in which order."""

    filters: tuple[tuple[str, str, str], ...] = ()
    where: str = ""
    sort: tuple[tuple[str, str], ...] = ()
    window_us: tuple[float, float] | None = None


class Pages:
    """Pages of one relation. Its methods but `sql` and `relation` belong to one thread, the owner's of a view.

    base      the table that pages are read from, as SQL
    named     what the relation is called in `sql`: a table, a query in brackets, or `self`
    cursor    the connection of the calling thread
    """

    def __init__(
        self, base: str, named: str, cursor: Callable[[], duckdb.DuckDBPyConnection], *, key: str | None = None,
        prepare: str | None = None,
    ) -> None:  # fmt: skip
        self.named = named
        self._base = base
        self._cursor = cursor
        self._prepare = prepare
        self._orders: dict[State, Numbers | None] = {}
        self._preparing: tuple[duckdb.DuckDBPyConnection, State | None] | None = None
        self._ahead: duckdb.DuckDBPyConnection | None = None
        self._overtaking = threading.Lock()
        described = cursor().sql(f"DESCRIBE SELECT * FROM {named if prepare else base}").fetchall()  # noqa: S608  names are quoted, values are literals or bound
        self.columns = {str(row[0]): Column(str(row[0]), str(row[1]), kind_of(str(row[1]))) for row in described}
        if key is not None and key not in self.columns:
            raise ArgumentError(f"key={key!r}: the columns are {', '.join(self.columns)}")
        self.key = key or next((name for name in KEYS if name in self.columns), None)
        times = [name for name, column in self.columns.items() if column.kind == "time"]
        self.time = next((name for name in (*TIMES, *times) if name in times), None)
        self._total: int | None = None
        self._gaps = False

    # For any thread

    def sql(self, state: State) -> str:
        """Return the query whose answer is what the state shows; it needs nothing but the relation."""
        where = self.condition(state)
        return "\n".join(
            [
                f"SELECT * FROM {self.named}",  # noqa: S608  names are quoted, values are literals or bound
                *([f"WHERE {where}"] if where else []),
                *([f"ORDER BY {self.order(state)}"] if state.sort else []),
            ]
        )

    def relation(self, state: State) -> duckdb.DuckDBPyRelation:
        """Return the answer to `sql` as a relation of the calling thread."""
        return self._cursor().sql(self.sql(state))

    def rows(self, ids: Sequence[str]) -> Table:
        """Return the rows that have one of some keys; where no column is the key, those with these numbers."""
        name = quoted(self.key) if self.key else "rowid"
        source = self.named if self.key else self._base
        query = f"SELECT * FROM {source} WHERE list_contains($ids::VARCHAR[], {name}::VARCHAR)"  # noqa: S608  names are quoted, values are literals or bound
        return Table(self._cursor().sql(query, params={"ids": list(ids)}).to_arrow_table(), name="selection")

    def condition(self, state: State) -> str:
        """Return the SQL condition of a state, empty where it shows everything. Values are literals in it."""
        tests = [self._test(*item) for item in state.filters]
        if state.window_us is not None and self.time is not None:
            moment = f"epoch_us({quoted(self.time)})"
            tests.append(f"{moment} >= {int(state.window_us[0])} AND {moment} < {int(state.window_us[1])}")
        if state.where.strip():
            tests.append(f"(\n{state.where}\n)")
        return " AND ".join(tests)

    def order(self, state: State) -> str:
        """Return the SQL of the order; what is NULL comes last in both directions."""
        return ", ".join(
            f"{self._column(name).quoted} {'DESC' if way == 'desc' else 'ASC'} NULLS LAST" for name, way in state.sort
        )

    def interrupt(self, wanted: State) -> None:
        """Break off the order that is being prepared, if it is that of another state."""
        if (preparing := self._preparing) is not None and preparing[1] not in (None, wanted):
            preparing[0].interrupt()

    def overtake(self) -> None:
        """Break off a page that is read ahead: somebody waits for another one."""
        with self._overtaking:
            if self._ahead is not None:
                self._ahead.interrupt()

    # For the owner

    def total(self) -> int:
        """Return how many rows the relation has; views and queries are written to a table first."""
        if self._total is None:
            connection = self._cursor()
            if self._prepare is not None:
                self._preparing = (connection, None)
                try:
                    connection.execute(self._prepare)
                finally:
                    self._preparing = None
                self._prepare = None
            count, last = connection.execute(f"SELECT count(*), max(rowid) FROM {self._base}").fetchall()[0]  # noqa: S608  names are quoted, values are literals or bound
            self._total = int(count)
            # Rows that were deleted leave gaps, and then a place is no number.
            self._gaps = count > 0 and last != count - 1
        return self._total

    def count(self, state: State) -> int:
        """Return how many rows a state shows; its order is prepared here."""
        total = self.total()
        order = self._order(state)
        return total if order is None else len(order)

    def ahead(self, state: State, first: int, count: int, columns: tuple[int, int] | None = None) -> pa.Table:
        """Return a page as `page` does, for later: `overtake` breaks it off, and then it raises duckdb.InterruptException."""
        self.count(state)
        with self._overtaking:
            self._ahead = self._cursor()
        try:
            return self.page(state, first, count, columns)
        finally:
            with self._overtaking:
                self._ahead = None

    def page(self, state: State, first: int, count: int, columns: tuple[int, int] | None = None) -> pa.Table:
        """Return rows `first` to `first + count` of a state, each cell as text: place, rowid, key, then the columns.

        With `columns` only those from one number up to another: c3 and c4 for (3, 5).
        """
        total = self.total()
        order = self._order(state)
        wanted = range(len(self.columns)) if columns is None else range(*columns)
        cells = "".join(
            f", {_cell(column)} AS {quoted(f'c{n}')}" for n, column in enumerate(self.columns.values()) if n in wanted
        )
        key = f"{quoted(self.key)}::VARCHAR" if self.key else "rowid::VARCHAR"
        moment = f"epoch_us({quoted(self.time)})::DOUBLE" if self.time else "NULL::DOUBLE"
        chosen = f"SELECT rowid AS r, {key} AS k, {moment} AS us{cells} FROM {self._base}"  # noqa: S608  names are quoted, values are literals or bound
        if order is None:
            end = min(first + count, total)
            found = self._arrow(f"{chosen} WHERE rowid >= {int(first)} AND rowid < {int(end)} ORDER BY rowid")
            return _placed(found, first)
        numbers = order[first : first + count]
        if not len(numbers):
            found = self._arrow(f"{chosen} WHERE false")
        elif int(numbers.max()) - int(numbers.min()) < NEAR:
            found = self._arrow(f"{chosen} WHERE rowid BETWEEN {numbers.min()} AND {numbers.max()}")
        else:
            found = self._arrow(f"{chosen} WHERE rowid IN (SELECT unnest($rows::BIGINT[]))", {"rows": numbers.tolist()})
        # They come in the order of the table; the array says where each belongs.
        at = np.argsort(found["r"].to_numpy(), kind="stable")
        place = np.searchsorted(found["r"].to_numpy()[at], numbers)
        found = found.take(pa.array(at[place])) if len(numbers) else found
        return _placed(found, first)

    def place(self, state: State, id_: str) -> int:
        """Return where the row with a key stands in a state, -1 where it is not shown."""
        name = quoted(self.key) if self.key else "rowid"
        query = f"SELECT min(rowid) FROM {self._base} WHERE {name}::VARCHAR = $id"  # noqa: S608  names are quoted, values are literals or bound
        self.total()
        found = self._cursor().execute(query, {"id": id_}).fetchall()[0][0]
        if found is None:
            return -1
        order = self._order(state)
        if order is None:
            return int(found)
        met = np.flatnonzero(order == found)
        return int(met[0]) if len(met) else -1

    def cell(self, rowid: int, column: str) -> str | None:
        """Return the whole text of a cell, of at most a million characters."""
        query = f"SELECT left({self._column(column).text}, {WHOLE_CHARACTERS}) FROM {self._base} WHERE rowid = $row"  # noqa: S608  names are quoted, values are literals or bound
        found = self._cursor().execute(query, {"row": rowid}).fetchall()
        return None if not found or found[0][0] is None else str(found[0][0])

    def summary(self, state: State, column: str) -> pa.Table:
        """Return what the header tells of a column; see `kit.widgets.summary`."""
        return summary(self._cursor(), self._base, self.condition(state), self._column(column), self.total())

    def _order(self, state: State) -> Numbers | None:
        """Return the numbers of the rows that a state shows, in its order; None where that is the table as it is."""
        if state not in self._orders:
            where, order = self.condition(state), self.order(state)
            if not where and not order and not self._gaps:
                return None
            query = f"SELECT rowid FROM {self._base} {f'WHERE {where}' if where else ''} ORDER BY {order + ', ' if order else ''}rowid"  # noqa: S608  names are quoted, values are literals or bound
            self._preparing = (self._cursor(), state)
            try:
                numbers = self._arrow(query)["rowid"].to_numpy().astype(np.int64, copy=False)
            finally:
                self._preparing = None
            while len(self._orders) >= KEPT_ORDERS:
                del self._orders[next(iter(self._orders))]
            self._orders[state] = numbers
        return self._orders[state]

    def _arrow(self, query: str, params: dict[str, Any] | None = None) -> pa.Table:
        return self._cursor().sql(query, params=params).to_arrow_table()

    def _column(self, name: str) -> Column:
        if name not in self.columns:
            raise ArgumentError(f"no column {name!r}: there are {', '.join(self.columns)}")
        return self.columns[name]

    def _test(self, name: str, operator: str, value: str) -> str:
        column = self._column(name)
        if operator not in OPERATORS:
            raise ArgumentError(f"filter {name!r} {operator!r}: the operators are {', '.join(OPERATORS)}")
        if "{v}" in OPERATORS[operator]:
            self._require_value(column, value)
        typed = literal(value) if column.kind in ("text", "json", "blob") else f"CAST({literal(value)} AS {column.sql})"
        name_or_text = column.text if column.kind in ("json", "blob") else column.quoted
        return OPERATORS[operator].format(x=name_or_text, t=column.text, v=typed, s=literal(value))

    def _require_value(self, column: Column, value: str) -> None:
        if column.kind in ("number", "time", "bool"):
            fits = f"SELECT try_cast({literal(value)} AS {column.sql}) IS NOT NULL"
            if not self._cursor().execute(fits).fetchall()[0][0]:
                raise ArgumentError(f"filter on {column.name!r}: {value!r} is no {column.sql}")

    def close(self) -> None:
        """Drop the arrays of row numbers."""
        self._orders.clear()


def of_store(store: Store, what: str, key: str | None = None) -> Pages:
    """Return pages of a table of a store, by its name, or of a view or a query, which is written to a table first."""
    tables = {str(name) for (name,) in store.execute("SELECT table_name FROM duckdb_tables() WHERE NOT internal")}
    if what in tables:
        return Pages(quoted(what), quoted(what), lambda: store.connection, key=key)
    views = {str(name) for (name,) in store.execute("SELECT view_name FROM duckdb_views()")}
    named = quoted(what) if what in views else f"(\n{what.strip().rstrip(';')}\n)"
    # A temporary table is seen by its cursor alone: that of the owner thread, which reads the pages.
    made = f"CREATE OR REPLACE TEMP TABLE kit_explored AS SELECT * FROM {named}"  # noqa: S608  names are quoted, values are literals or bound
    return Pages("kit_explored", named, lambda: store.connection, key=key, prepare=made)


def of_table(table: Any, key: str | None = None) -> Pages:
    """Return pages of a kit.Table, an Arrow table, a DataFrame or a relation; it is copied into a database in memory."""
    source = table if hasattr(table, "__arrow_c_stream__") else None
    if source is None and hasattr(table, "to_arrow_table"):
        source = table.to_arrow_table()
    if source is None:
        raise ArgumentError(
            f"cannot explore {type(table).__name__}: give a kit.Table, or anything with __arrow_c_stream__; "
            "tables of a store by name, as study.explore('signals')"
        )
    connection = duckdb.connect(":memory:", config={**DUCKDB_CONFIG})
    connection.execute("SET TimeZone = 'UTC'")
    connection.register("incoming", pa.RecordBatchReader.from_stream(source))
    connection.execute('CREATE TABLE "self" AS SELECT * FROM incoming')
    connection.unregister("incoming")
    cursors = threading.local()

    def cursor() -> duckdb.DuckDBPyConnection:
        if not hasattr(cursors, "value"):
            cursors.value = connection.cursor()
            cursors.value.execute("SET TimeZone = 'UTC'")
        held: duckdb.DuckDBPyConnection = cursors.value
        return held

    return Pages('"self"', "self", cursor, key=key)


def _placed(found: pa.Table, first: int) -> pa.Table:
    """Return the rows of a page with their places, and with cells as they are shown."""
    head = [("place", pa.array(range(first, first + len(found)), pa.int64()))]
    cells = [
        (name, _ended(found[name]) if pa.types.is_string(found[name].type) else found[name])
        for name in found.column_names
    ]
    return pa.table(dict(head + cells))


def _cell(column: Column) -> str:
    """Return the SQL of a cell's text in a page, of a character more than is shown where it can be long.

    It is as simple as it can be: DuckDB binds it anew for each page, and a page is a few rows.
    """
    if column.kind in ("number", "time", "bool"):
        return column.text
    return f"left({column.quoted if column.sql == 'VARCHAR' else column.text}, {CELL_CHARACTERS + 1})"


def _ended(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return the texts of a page, those that were cut with an ellipsis at the end."""
    long = pc.greater(pc.utf8_length(cells), CELL_CHARACTERS)
    if not pc.any(long).as_py():
        return cells
    return pc.if_else(
        long, pc.binary_join_element_wise(pc.utf8_slice_codeunits(cells, 0, CELL_CHARACTERS), "…", ""), cells
    )

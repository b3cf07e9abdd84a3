"""`TableExplorer`: a relation of any size in the browser, to scroll, filter and sort, with the state given back as SQL."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from html import escape
from typing import Any, ClassVar

import duckdb
import pyarrow as pa
import traitlets

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.table import Table
from kit.widgets.compose import compose
from kit.widgets.described import Column
from kit.widgets.pages import OPERATORS, Pages, State, of_store, of_table
from kit.widgets.view import View

PAGE_ROWS = 40
"""Rows that the front end asks for at a time; more only where they are all at hand."""
TWIN_ROWS = 10


class TableExplorer(View):
    """A table of a store by name, a view or a query of it, or a kit.Table, Arrow table, DataFrame or relation.

        explorer = study.explore("signals")
        explorer.filters = [["type", "=", "ERROR"]]
        explorer.sort = [["ts", "desc"]]
        explorer.sql                       # the same as SQL; explorer.relation() runs it
        explorer.selection                 # the chosen rows, a kit.Table

    filters   [column, operator, value] each; operators are those of `kit.widgets.pages.OPERATORS`, values are texts
    where     an SQL condition over the columns, for all else
    sort      [column, "asc" or "desc"] each; what is NULL comes last
    selected  keys of the chosen rows: values of the column `key` (`id`, `trace_id`, ... where none is given), else numbers
              of rows. Linked with other views by `kit.widgets.link`; a brushed time filters, where a column is a time.
    """

    _esm: ClassVar[str] = compose("table.js")

    sort: Any = traitlets.List().tag(sync=True)
    filters: Any = traitlets.List().tag(sync=True)
    where = traitlets.Unicode("").tag(sync=True)
    key = traitlets.Unicode("").tag(sync=True)
    operators: Any = traitlets.List(list(OPERATORS)).tag(sync=True)

    def __init__(self, source: Any, what: str | None = None, *, key: str | None = None, **traits: Any) -> None:
        if isinstance(source, Store):
            if what is None:
                raise ArgumentError("which table of the store? Give its name, or SQL: study.explore('signals')")
            self._pages = of_store(source, what, key)
            traits.setdefault("title", what if len(what) < 60 else "query")
        else:
            self._pages = of_table(source, key)
            traits.setdefault("title", getattr(source, "name", "table"))
        super().__init__(key=self._pages.key or "", **traits)
        self.observe(self._changed, ["sort", "filters", "where", "window_us"])

    # The state, given back to code

    @property
    def columns(self) -> tuple[Column, ...]:
        """The columns with their types."""
        return tuple(self._pages.columns.values())

    @property
    def state(self) -> State:
        """Filters and order as they are now; raises ArgumentError where they cannot be read."""
        return _state({name: getattr(self, name) for name in ("filters", "where", "sort", "window_us")})

    @property
    def sql(self) -> str:
        """The query of what is shown. A table that was given as such is called `self` in it, as in `Table.sql`."""
        return self._pages.sql(self.state)

    def relation(self) -> duckdb.DuckDBPyRelation:
        """Return what is shown as a DuckDB relation of the calling thread."""
        return self._pages.relation(self.state)

    @property
    def selection(self) -> Table:
        """The chosen rows, whether or not they are shown just now."""
        # On the owner's thread: the table that a query was written to is seen by its cursor alone.
        return self.post(lambda: self._pages.rows(self.selected)).result()  # type: ignore[no-any-return]

    def find(self, id_: str) -> int:
        """Return the place, from 0, of the row with a key in what is shown; -1 where it is not there."""
        return int(self.post(lambda: self._pages.place(self.state, id_)).result())

    def rows(self, first: int = 0, count: int = PAGE_ROWS) -> list[dict[str, str | None]]:
        """Return the cells of some rows in the order shown, as the texts that the browser shows."""
        found = self.post(lambda: self._pages.page(self.state, first, count)).result().to_pylist()
        return [{name: row[f"c{n}"] for n, name in enumerate(self._pages.columns)} for row in found]

    def __len__(self) -> int:
        """How many rows are shown."""
        return int(self.post(lambda: self._pages.count(self.state)).result())

    # The front end

    def _changed(self, _: Any) -> None:
        with suppress(ArgumentError):  # told where it is asked for
            self._pages.interrupt(self.state)

    def _received(self, widget: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and content.get("name") == "page" and not _told_ahead(content.get("params")):
            self._pages.overtake()
        super()._received(widget, content, buffers)

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return columns, shape, a page, a summary, the place of a key, or a whole cell."""
        try:
            return self._answer(name, params)
        except duckdb.InterruptException:
            raise ArgumentError("broken off by what is wanted now") from None
        except duckdb.Error as error:
            raise ArgumentError(str(error).partition("\n")[0]) from error

    def _answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        pages, told = self._pages, params.get("state")
        # The front end sends its state along, since a changed trait may arrive after the question.
        state = _state(told) if isinstance(told, Mapping) else self.state
        if name == "columns":
            return _columns(pages)
        if name == "shape":
            return pa.table({"shown": [float(pages.count(state))], "total": [float(pages.total())]})
        if name == "page":
            read = pages.ahead if params.get("ahead") else pages.page
            begin, end = params.get("columns") or (0, len(pages.columns))
            return read(state, max(0, int(params["first"])), min(int(params["count"]), 1000), (int(begin), int(end)))
        if name == "summary":
            return pages.summary(state, str(params["column"]))
        if name == "place":
            return pa.table({"place": [float(pages.place(state, str(params["key"])))]})
        if name == "cell":
            return pa.table({"text": [pages.cell(int(params["row"]), str(params["column"]))]})
        return super().answer(name, params)

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return columns, shape and the first rows of what is shown."""
        total = len(self)
        page = self.post(lambda: self._pages.page(self.state, 0, limit)).result()
        kept = page.num_rows
        shape = pa.table({"shown": [float(kept)], "total": [float(total)]})
        left = f"The first {kept:,} of {total:,} rows of {self.title}." if kept < total else ""
        return {"columns": _columns(self._pages), "shape": shape, "page": page}, left

    def twin(self) -> dict[str, Any]:
        """Return the first rows of what is shown as an HTML table."""
        try:
            head = self.relation().limit(TWIN_ROWS).to_arrow_table()
            return {"text/html": f"<div><b>{escape(self.title)}</b>{Table(head, name=self.title)._repr_html_()}</div>"}
        except (duckdb.Error, ArgumentError) as error:
            return {"text/html": f"<pre>{escape(str(error))}</pre>"}

    def _release(self) -> None:
        self._pages.close()


def _told_ahead(params: Any) -> bool:
    return isinstance(params, Mapping) and bool(params.get("ahead"))


def _columns(pages: Pages) -> pa.Table:
    columns = pages.columns.values()
    return pa.table(
        {name: pa.array([getattr(column, name) for column in columns], pa.string()) for name in ("name", "sql", "kind")}
    )


def _state(told: Mapping[str, Any]) -> State:
    window, filters, sort = told.get("window_us"), told.get("filters") or (), told.get("sort") or ()
    return State(
        tuple(map(_filter, filters)),
        str(told.get("where") or ""),
        tuple(map(_order, sort)),
        None if window is None else (float(window[0]), float(window[1])),
    )


def _filter(item: Any) -> tuple[str, str, str]:
    if not (isinstance(item, Iterable) and not isinstance(item, str) and len(parts := list(item)) in (2, 3)):
        raise ArgumentError(f"filter {item!r}: give [column, operator, value], like ['type', '=', 'ERROR']")
    column, operator, *value = parts
    return str(column), str(operator), str(value[0]) if value and value[0] is not None else ""


def _order(item: Any) -> tuple[str, str]:
    if not (isinstance(item, Iterable) and not isinstance(item, str) and len(parts := list(item)) == 2):
        raise ArgumentError(f"sort {item!r}: give [column, 'asc' or 'desc']")
    if parts[1] not in ("asc", "desc"):
        raise ArgumentError(f"sort {item!r}: the direction is 'asc' or 'desc'")
    return str(parts[0]), str(parts[1])

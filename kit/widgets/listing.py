"""`Listing` and `Detail`: rows to choose from, and one row written out. The plain companions of the canvases."""

from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import pyarrow as pa
import traitlets

from kit.errors import ArgumentError, NotFoundError
from kit.table import Table
from kit.widgets.compose import compose
from kit.widgets.view import View

MOST_ROWS = 20_000
"""A listing sends so many rows at once; a table explorer pages through more."""


class Listing(View):
    """A table from which a row is chosen; `chosen` is the value of its `key` column.

    A row that is chosen sets `chosen`, not `selected`, unless `selects` is true: then the ids in the column `key`, one or a list of
    them, become the selection. Typing in the filter keeps the rows that have the text in any column.
    """

    _esm = compose("listing.js")

    chosen = traitlets.Unicode("").tag(sync=True)
    key = traitlets.Unicode("id").tag(sync=True)
    selects = traitlets.Bool(False).tag(sync=True)

    def __init__(self, table: Any, *, key: str, **traits: Any) -> None:
        super().__init__(key=key, **traits)
        self.show(table)

    def show(self, table: Any) -> None:
        """Show another table; raises ArgumentError where it lacks the column `key`."""
        found = pa.table(table)
        if self.key not in found.column_names:
            raise ArgumentError(f"no column {self.key!r} to choose by: the columns are {', '.join(found.column_names)}")
        self._table = found.slice(0, MOST_ROWS)
        left = found.num_rows - self._table.num_rows
        self.notice = f"{left:,} of {found.num_rows:,} rows are left out." if left else ""
        self.refresh()

    def __len__(self) -> int:
        return int(self._table.num_rows)

    def choose(self, key: str) -> None:
        """Choose the row with this key, as a click does; NotFoundError where there is none."""
        if key not in self._table[self.key].cast(pa.string()).to_pylist():
            raise NotFoundError(f"no row with {self.key} {key!r} in {self.title!r}")
        self.chosen = key

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return the `rows`."""
        return self._table if name == "rows" else super().answer(name, params)

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return the first `limit` rows."""
        left = self._table.num_rows - limit
        told = f"{left:,} of {self._table.num_rows:,} rows are left out of {self.title!r}." if left > 0 else ""
        return {"rows": self._table.slice(0, limit)}, told

    def twin(self) -> dict[str, Any]:
        """Return the first rows as HTML."""
        return {"text/html": Table(self._table, name=self.title or "rows")._repr_html_()}

    def _release(self) -> None:
        self._table = self._table.schema.empty_table()


class Detail(View):
    """One event written out, that which was selected last: names and texts, payloads as indented JSON.

    `look_up(id)` returns a table with a row for the id, or an empty one; it runs on the thread of the view. `everything(limit)` returns
    the rows to embed in an HTML file, with a column `id`.
    """

    _esm = compose("detail.js")

    def __init__(
        self,
        look_up: Callable[[str], pa.Table],
        everything: Callable[[int], pa.Table] | None = None,
        **traits: Any,
    ) -> None:
        self._look_up: Callable[[str], pa.Table] | None = look_up
        self._everything = everything
        super().__init__(**traits)

    def shown(self) -> dict[str, Any]:
        """Return what is shown, by name; nothing where nothing is selected, or it is not known here."""
        if not self.selected or self._look_up is None:
            return {}
        rows: list[dict[str, Any]] = self._look_up(self.selected[0]).to_pylist()
        return rows[0] if rows else {}

    def answer(self, name: str, params: Mapping[str, Any]) -> pa.Table:
        """Return for `detail` the row of the event `id`."""
        if name == "detail" and self._look_up is not None:
            return self._look_up(str(params.get("id", "")))
        return super().answer(name, params)

    def embedded(self, limit: int) -> tuple[dict[str, pa.Table], str]:
        """Return the first `limit` rows of what can be looked up."""
        if self._everything is None:
            return {"detail": pa.table({"id": pa.array([], pa.string())})}, "What an event holds is left out."
        return {"detail": self._everything(limit)}, ""

    def twin(self) -> dict[str, Any]:
        """Return the shown event as an HTML table."""
        rows = "".join(
            f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>"
            for name, value in self.shown().items()
            if value is not None
        )
        return {"text/html": f"<table>{rows}</table>" if rows else "<p>Nothing selected.</p>"}

    def _release(self) -> None:
        self._look_up = self._everything = None

"""`Table`: what every table-valued call returns."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from kit.errors import ArgumentError, StoreClosedError

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 10
SHOWN_WIDTH = 36
MAX_WIDTH = 160
EXACT_FLOAT = 2**53


class Table:
    """Rows of declared columns behind `.df()`, `.arrow()`, `.rows()` and `.sql()`.

    It holds an Arrow table, or a lazy DuckDB relation that is run each time rows are asked for.
    Column order and row order are those of the query; a repr shows the first ten rows of N.
    """

    explorer: "ClassVar[Callable[..., Any] | None]" = None
    """What `explore` calls; `kit.notebook` sets it."""

    def __init__(self, source: pa.Table | duckdb.DuckDBPyRelation, *, name: str = "table") -> None:
        self._source = source
        self.name = name

    @property
    def columns(self) -> tuple[str, ...]:
        """Column names, in order."""
        if isinstance(self._source, pa.Table):
            return tuple(self._source.column_names)
        return tuple(self._source.columns)

    def __len__(self) -> int:
        if isinstance(self._source, pa.Table):
            return int(self._source.num_rows)
        with _open():
            return int(self._source.aggregate("count(*)").fetchall()[0][0])

    def arrow(self) -> pa.Table:
        """Return all rows as a `pyarrow.Table`; times are UTC microseconds, JSON is text."""
        if isinstance(self._source, pa.Table):
            return self._source
        with _open():
            return _plain_integers(self._source.to_arrow_table())

    def df(self, expand: str | Sequence[str] | None = None) -> "pd.DataFrame":
        """Return all rows as a pandas DataFrame.

        Times are `datetime64[us, UTC]`, lists are Python lists; what is missing is what `isna()` finds. `expand` names one or
        more JSON columns to spread into `column.key.key` columns (lists stay whole); a key that a
        row lacks is missing there. Raises ArgumentError where `expand` is not a column of JSON objects.
        """
        table = self.arrow()
        frame: pd.DataFrame = table.to_pandas()
        for field in table.schema:
            if pa.types.is_list(field.type):
                values = table[field.name].to_pylist()
                frame[field.name] = _object_series(values, frame.index)
        for name in [expand] if isinstance(expand, str) else list(expand or ()):
            frame = _expanded(frame, name)
        return frame

    def rows(self) -> list[dict[str, Any]]:
        """Return all rows as dictionaries of Python values."""
        rows: list[dict[str, Any]] = self.arrow().to_pylist()
        return rows

    def sql(self, query: str) -> "Table":
        """Return the answer to `query`, in which this table is called `self`."""
        if isinstance(self._source, pa.Table):
            # DuckDB finds the Arrow table by its name in this scope.
            connection = duckdb.connect(config={**DUCKDB_CONFIG})
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("self", self._source)
            return Table(connection.sql(query).to_arrow_table())
        return Table(self._source.query("self", query))

    def explore(self, **options: Any) -> Any:
        """Return all rows as a `kit.widgets.TableExplorer`, to scroll, filter and sort in the browser; they are copied."""
        if Table.explorer is None:
            raise ArgumentError("explore() belongs to a notebook: import kit.notebook.study, or use kit.open() first")
        return Table.explorer(self, **options)

    def batches(self, rows: int = 50_000) -> pa.RecordBatchReader:
        """Return the rows as a stream of Arrow batches of at most about `rows` rows, for tables larger than memory.

        Close it, or use it in a `with` block: until then the store of a lazy table answers nothing else.
        """
        if isinstance(self._source, pa.Table):
            return self._source.to_reader(max_chunksize=rows)
        return self._source.to_arrow_reader(rows)

    def to_csv(self, path: str | Path) -> Path:
        """Write all rows as CSV with a header; lists and JSON as JSON text, times in ISO 8601. Returns the path."""
        table = self.arrow()
        columns = [_for_csv(column) for column in table.columns]
        pacsv.write_csv(pa.Table.from_arrays(columns, names=table.column_names), Path(path))
        return Path(path)

    def to_parquet(self, path: str | Path) -> Path:
        """Write all rows as Parquet, zstd-compressed. Returns the path."""
        pq.write_table(self.arrow(), Path(path), compression="zstd")
        return Path(path)

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        return self.arrow().__arrow_c_stream__(requested_schema)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows())

    def _head(self, rows: int = SHOWN_ROWS) -> pa.Table:
        if isinstance(self._source, pa.Table):
            return self._source.slice(0, min(rows, self._source.num_rows))
        with _open():
            return _plain_integers(self._source.limit(rows).to_arrow_table())

    def __repr__(self) -> str:
        head, total = self._head(), len(self)
        table = [list(head.column_names), *([_cell(value) for value in row] for row in _rows(head))]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        left, right = _fitting(widths)
        gap = ["…"] if left + right < len(widths) else []
        shown = [[*line[:left], *gap, *line[len(line) - right :]] for line in table]
        room = [*widths[:left], *(1 for _ in gap), *widths[len(widths) - right :]]
        lines = ["  ".join(map(str.ljust, line, room)).rstrip() for line in shown]
        return "\n".join([*lines, self._caption(head, total, len(widths) - left - right)])

    def _repr_html_(self) -> str:
        head, total = self._head(), len(self)
        names, rows = head.column_names, [[_cell(value) for value in row] for row in _rows(head)]
        left, right = _fitting([max(map(len, column)) for column in zip(names, *rows, strict=True)])
        hidden = len(names) - left - right

        def line(tag: str, cells: Sequence[str]) -> str:
            shown = [*cells[:left], *(["…"] if hidden else []), *cells[len(cells) - right :]]
            return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in shown) + "</tr>"

        body = "".join(line("td", row) for row in rows)
        caption = escape(self._caption(head, total, hidden))
        return f"<table><thead>{line('th', names)}</thead><tbody>{body}</tbody></table><p>{caption}</p>"

    def _caption(self, head: pa.Table, total: int, hidden: int) -> str:
        more = f", {hidden:,} of {head.num_columns:,} columns hidden" if hidden else ""
        return f"{self.name}: {head.num_rows:,} of {total:,} rows{more}"


DUCKDB_CONFIG: Mapping[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


@contextmanager
def _open() -> Iterator[None]:
    """Say it in the kit's terms where the store behind a lazy table is closed."""
    try:
        yield
    except duckdb.ConnectionException as error:
        raise StoreClosedError("the store of this table is closed: take .arrow() or .df() before closing it") from error


def _rows(table: pa.Table) -> list[tuple[object, ...]]:
    """Return the rows as tuples, whatever the columns are called."""
    return list(zip(*(column.to_pylist() for column in table.columns), strict=True))


def _fitting(widths: Sequence[int]) -> tuple[int, int]:
    """Return how many columns from the left and from the right fit into the width of a repr; all, if they do."""
    room = MAX_WIDTH + 2 - sum(width + 2 for width in widths)
    if room >= 0:
        return len(widths), 0
    left = right = 0
    room = MAX_WIDTH + 2 - len("…  ")
    while left + right < len(widths):
        # Two from the left, where the keys are, for one from the right.
        at = len(widths) - 1 - right if right * 2 < left - 1 else left
        room -= widths[at] + 2
        if room < 0:
            break
        left, right = (left, right + 1) if at != left else (left + 1, right)
    return max(left, 1), right


def _plain_integers(table: pa.Table) -> pa.Table:
    """Return a table with the 128-bit integers that DuckDB makes of sums as 64-bit ones, where they fit."""
    for i, field in enumerate(table.schema):
        if pa.types.is_decimal128(field.type) and field.type.precision == 38 and field.type.scale == 0:
            try:
                table = table.set_column(i, pa.field(field.name, pa.int64()), table.column(i).cast(pa.int64()))
            except pa.ArrowInvalid:
                continue
    return table


def _for_csv(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as CSV can hold it: times in ISO 8601, lists as JSON, bytes as text."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(column, format="%Y-%m-%dT%H:%M:%S" + ("Z" if kind.tz == "UTC" else "%z" if kind.tz else ""))
    if pa.types.is_nested(kind):
        texts = [None if v is None else json.dumps(v, ensure_ascii=False, default=str) for v in column.to_pylist()]
        return pa.chunked_array([texts], pa.string())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        texts = [None if v is None else v.decode("utf-8", "backslashreplace") for v in column.to_pylist()]
        return pa.chunked_array([texts], pa.string())
    return column


def _cell(value: object, width: int = SHOWN_WIDTH) -> str:
    """Return `value` as short stable text; control characters are shown escaped."""
    if value is None:
        return "-"
    if isinstance(value, float):
        text = f"{value:.6g}"
    elif isinstance(value, bytes):
        text = value.decode("utf-8", "backslashreplace")
    elif hasattr(value, "isoformat"):
        text = value.isoformat(sep=" ")
    else:
        text = str(value)
    text = "".join(char if char.isprintable() else repr(char)[1:-1] for char in text[: width + 1])
    return text if len(text) <= width else text[: width - 1] + "…"


def _object_series(values: list[Any], index: Any) -> Any:
    import pandas as pd

    return pd.Series(values, index=index, dtype=object)


def _expanded(frame: "pd.DataFrame", name: str) -> "pd.DataFrame":
    import pandas as pd

    if name not in frame.columns:
        raise ArgumentError(f"cannot expand {name!r}: the columns are {', '.join(map(str, frame.columns))}")
    if any(isinstance(value, list) for value in frame[name]):
        raise ArgumentError(f"cannot expand {name!r}: it holds lists, not JSON text")
    flat = [_flattened(name, text) for text in frame[name]]
    spread = pd.DataFrame(flat, index=frame.index)
    for column in spread.columns:
        # pandas makes floats of integers beside missing values; the large ones would change.
        if any(isinstance(row.get(column), int) and abs(row[column]) > EXACT_FLOAT for row in flat):
            spread[column] = _object_series([row.get(column) for row in flat], frame.index)
    return pd.concat([frame.drop(columns=[name]), spread], axis=1)


def _flattened(prefix: str, text: object) -> dict[str, Any]:
    """Return `{prefix.key.key: value}` of a JSON text; lists stay whole, a non-object stays under `prefix`."""
    if not isinstance(text, str):
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArgumentError(f"cannot expand {prefix!r}: {text[:60]!r} is not JSON ({error})") from None
    flat: dict[str, Any] = {}
    stack = [(prefix, value)]
    while stack:
        path, item = stack.pop()
        if isinstance(item, dict) and item:
            stack.extend((f"{path}.{key}", child) for key, child in reversed(list(item.items())))
        elif not isinstance(item, dict):
            flat[path] = item
    return flat

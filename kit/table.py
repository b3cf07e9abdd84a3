"""`Table`: what every table-valued call returns."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from kit.errors import ArgumentError

if TYPE_CHECKING:
    import pandas as pd

SHOWN_ROWS = 10
SHOWN_WIDTH = 36


class Table:
    """Rows of declared columns behind `.df()`, `.arrow()`, `.rows()` and `.sql()`.

    It holds an Arrow table, or a lazy DuckDB relation that is run each time rows are asked for.
    Column order and row order are those of the query; a repr shows the first ten rows of N.
    """

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
        return int(self._source.aggregate("count(*)").fetchall()[0][0])

    def arrow(self) -> pa.Table:
        """Return all rows as a `pyarrow.Table`; times are UTC microseconds, JSON is text."""
        if isinstance(self._source, pa.Table):
            return self._source
        return self._source.to_arrow_table()

    def df(self, expand: str | Sequence[str] | None = None) -> "pd.DataFrame":
        """Return all rows as a pandas DataFrame.

        Times are `datetime64[us, UTC]`, lists are Python lists, missing text is None. `expand` names one or
        more JSON columns to spread into `column.key.key` columns (lists stay whole); a key that a
        row lacks is missing there. Raises ArgumentError where `expand` is not a column of JSON objects.
        """
        table = self.arrow()
        frame = table.to_pandas()
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
            connection = duckdb.connect(config=DUCKDB_CONFIG)
            connection.execute("SET TimeZone = 'UTC'")
            connection.register("self", self._source)
            return Table(connection.sql(query).to_arrow_table())
        return Table(self._source.query("self", query))

    def batches(self, rows: int = 50_000) -> pa.RecordBatchReader:
        """Return the rows as a stream of Arrow batches of at most about `rows` rows, for tables larger than memory.

        Close it, or use it in a `with` block: until then the store of a lazy table answers nothing else.
        """
        if isinstance(self._source, pa.Table):
            return self._source.to_reader(max_chunksize=rows)
        return self._source.to_arrow_reader(rows)

    def to_csv(self, path: str | Path) -> Path:
        """Write all rows as CSV with a header; lists and JSON as JSON text, times in ISO 8601. Returns the path."""
        frame = self.df()
        for name in self.columns:
            if frame[name].map(lambda value: isinstance(value, list | dict)).any():
                frame[name] = frame[name].map(lambda v: json.dumps(v, ensure_ascii=False) if v is not None else v)
        frame.to_csv(Path(path), index=False)
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
            return self._source.slice(0, rows)
        return self._source.limit(rows).to_arrow_table()

    def __repr__(self) -> str:
        head, total = self._head(), len(self)
        cells = [list(head.column_names)] + [[_cell(v) for v in row.values()] for row in head.to_pylist()]
        widths = [max(len(line[i]) for line in cells) for i in range(len(self.columns))]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([*lines, f"{self.name}: {head.num_rows:,} of {total:,} rows"])

    def _repr_html_(self) -> str:
        head, total = self._head(), len(self)
        header = "".join(f"<th>{escape(name)}</th>" for name in head.column_names)
        body = "".join(
            "<tr>" + "".join(f"<td>{escape(_cell(value, 80))}</td>" for value in row.values()) + "</tr>"
            for row in head.to_pylist()
        )
        caption = f"{escape(self.name)}: {head.num_rows:,} of {total:,} rows"
        return f"<table><thead><tr>{header}</tr></thead><tbody>{body}</tbody></table><p>{caption}</p>"


DUCKDB_CONFIG: Mapping[str, str] = {
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
}


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
    flat = [_flattened(name, text) for text in frame[name]]
    spread = pd.DataFrame(flat, index=frame.index)
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

"""Arrow tables as a short header and binary columns: the form in which data reaches a front end.

The buffers are those of Arrow, little-endian: a front end lays typed arrays over them and copies nothing. Of a column
there are, in this order and only where the header says so, `valid` (one byte a row, 0 is missing), `offsets`
(uint32, rows + 1) and `data`. The kinds:

    f8 f4 i4 u4 u2 u1    numbers; int64 and uint64 travel as f8, so keep them below 2^53; booleans are u1
    us                   a time, as f8: microseconds since 1970 (UTC)
    text                 UTF-8 with offsets
    code                 a dictionary column: u2 or u4 numbers into `words`, a text column of its own

Lists, structs and other kinds are given as JSON text, cell by cell. `static/columns.js` reads this form.
"""

import json
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

Header = dict[str, Any]
NUMBERS = {"double": "f8", "float": "f4", "int32": "i4", "uint32": "u4", "uint16": "u2", "uint8": "u1"}
DTYPES = {"f8": "<f8", "f4": "<f4", "i4": "<i4", "u4": "<u4", "u2": "<u2", "u1": "u1", "us": "<f8"}


def pack(table: pa.Table) -> tuple[Header, list[bytes]]:
    """Return header and buffers of a table.

    The header is `{"rows": n, "columns": [{"name", "kind", "parts": [...], "words"?: {...}}]}`, plain JSON values;
    `parts` names the buffers that follow for the column.
    """
    buffers: list[bytes] = []
    columns = [_column(name, table[name], buffers) for name in table.column_names]
    return {"rows": table.num_rows, "columns": columns}, buffers


def unpack(header: Header, buffers: "list[bytes]") -> dict[str, list[Any]]:
    """Return the columns as Python lists, missing values as None: what a front end reads, for tests and tools."""
    left = list(buffers)
    return {column["name"]: _values(column, header["rows"], left) for column in header["columns"]}


def _column(name: str, column: pa.ChunkedArray, buffers: list[bytes]) -> Header:
    array = _one(column)
    parts: list[str] = []
    if array.null_count:
        parts.append("valid")
        buffers.append(pc.is_valid(array).cast(pa.uint8()).to_numpy(zero_copy_only=False).tobytes())
    header: Header = {"name": name, "kind": "", "parts": parts}
    if pa.types.is_dictionary(array.type):
        words = array.dictionary
        width = "u2" if len(words) < 2**16 else "u4"
        numbers = pc.fill_null(array.indices, 0).cast(pa.uint32()).to_numpy(zero_copy_only=False)
        buffers.append(numbers.astype(DTYPES[width]).tobytes())
        parts.append("data")
        header |= {"kind": "code", "width": width}
        header["words"] = _column("words", pa.chunked_array([words.cast(pa.string())]), buffers)
        header["words"]["rows"] = len(words)
    elif kind := _number_kind(array.type):
        buffers.append(_numbers(array, kind))
        parts.append("data")
        header["kind"] = kind
    else:
        buffers.extend(_text(array))
        parts.extend(["offsets", "data"])
        header["kind"] = "text"
    return header


def _one(column: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array that starts at its buffers' beginning."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # a dictionary column may stay in chunks
        array = pa.concat_arrays(array.unify_dictionaries().chunks) if array.num_chunks else pa.array([], column.type)
    return array


def _number_kind(kind: pa.DataType) -> str | None:
    if pa.types.is_timestamp(kind):
        return "us"
    if pa.types.is_boolean(kind):
        return "u1"
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        return NUMBERS.get(str(kind), "f8")
    return None


def _numbers(array: pa.Array, kind: str) -> bytes:
    if pa.types.is_timestamp(array.type):
        array = array.cast(pa.timestamp("us", tz=array.type.tz), safe=False).cast(pa.int64())
    if pa.types.is_boolean(array.type):
        array = array.cast(pa.uint8())
    plain = pc.fill_null(array, 0) if array.null_count else array
    return bytes(plain.to_numpy(zero_copy_only=False).astype(DTYPES[kind]).tobytes())


def _text(array: pa.Array) -> tuple[bytes, bytes]:
    if not (pa.types.is_string(array.type) or pa.types.is_large_string(array.type)):
        array = pa.array([_json(value) for value in array.to_pylist()], pa.string())
    plain = pc.fill_null(array.cast(pa.large_string()), "")
    offsets = np.frombuffer(plain.buffers()[1], dtype="<i8", count=len(plain) + 1, offset=plain.offset * 8)
    data = plain.buffers()[2]
    held = b"" if data is None else memoryview(data)[int(offsets[0]) : int(offsets[-1])].tobytes()
    return (offsets - offsets[0]).astype("<u4").tobytes(), held


def _json(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _values(column: Header, rows: int, left: list[bytes]) -> list[Any]:
    held = {part: left.pop(0) for part in column["parts"]}
    if column["kind"] == "text":
        ends = np.frombuffer(held["offsets"], "<u4").tolist()
        data = bytes(held["data"])
        values: list[Any] = [data[a:b].decode() for a, b in pairwise(ends)]
    elif column["kind"] == "code":
        words = _values(column["words"], column["words"]["rows"], left)
        values = [words[i] if words else None for i in np.frombuffer(held["data"], DTYPES[column["width"]]).tolist()]
    else:
        values = np.frombuffer(held["data"], DTYPES[column["kind"]]).tolist()
    valid = held.get("valid", b"\1" * rows)
    return [value if there else None for value, there in zip(values, bytes(valid), strict=True)]

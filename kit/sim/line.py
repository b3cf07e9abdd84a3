"""Rows of the table `signals` as the lines that the Python SDK writes, whole batches at a time."""

from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic_core import to_json

ROWS = 4096
"""Rows of a block of text."""


def blocks(batch: pa.RecordBatch) -> Iterator[bytes]:
    """Yield the lines of a batch as UTF-8, many at once, each with its newline.

    Ids, types and stamps are written as they are: a simulated bus carries none that JSON would have to escape.
    """
    for begin in range(0, batch.num_rows, ROWS):
        texts = _texts(batch.slice(begin, ROWS))
        yield "".join(texts.to_pylist()).encode("utf-8", "surrogatepass")


def _texts(batch: pa.RecordBatch) -> pa.Array:
    def column(name: str) -> pa.Array:
        return batch.column(name)

    parent = pc.binary_join_element_wise('"', column("parent_id"), '"', "")
    texts: pa.Array = pc.binary_join_element_wise(
        '{"v":"1","id":"',
        column("id"),
        '","trace_id":"',
        column("trace_id"),
        '","parent_id":',
        pc.coalesce(parent, "null"),
        ',"type":"',
        column("type"),
        '","directed":',
        _directed(batch),
        ',"ts":"',
        column("ts_text"),
        '","payload":',
        column("payload"),
        ',"meta":',
        column("meta"),
        "}\n",
        "",
    )
    return texts


def _directed(batch: pa.RecordBatch) -> pa.Array:
    """Return the addresses as JSON, null where a signal has none."""
    capabilities = pc.binary_join(batch.column("directed_capabilities"), "\0")
    address = pc.binary_join_element_wise(
        '{"id":',
        _each(batch.column("directed_id"), _json),
        ',"type":',
        _each(batch.column("directed_type"), _json),
        ',"capabilities":',
        _each(capabilities, lambda names: _json(names.split("\0") if names else [])),
        "}",
        "",
    )
    return pc.if_else(pc.is_null(capabilities), "null", address)


def _each(texts: pa.Array, function: Callable[[Any], str]) -> pa.Array:
    """Return what a function makes of texts, each of which comes many times; "null" for those that are not there."""
    known = texts.dictionary_encode()
    made = pa.array([function(text) for text in known.dictionary.to_pylist()], pa.string())
    return pc.coalesce(made.take(known.indices), "null")


def _json(value: Any) -> str:
    return to_json(value).decode()

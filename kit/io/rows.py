"""Rows of a database as a byte stream of JSON lines."""

import json
from collections.abc import Generator, Mapping
from typing import Any

from kit.io.inputs import Lines


class RowLines(Lines):
    """Lines that a generator makes; `close` ends it, and with it what it holds open."""

    def __init__(self, lines: Generator[bytes, None, None]) -> None:
        super().__init__(lines)
        self._generator = lines

    def close(self) -> None:
        """Make no more lines."""
        self._generator.close()


def row_line(row: Mapping[str, Any]) -> bytes:
    """Return a row as a line of JSON, its columns in their order; bytes as an object with their hex digits.

    >>> row_line({"neuron_id": "a", "version": None, "odd": b"\\x01"})
    b'{"neuron_id": "a", "version": null, "odd": {"hex": "01"}}\\n'
    """
    try:
        return json.dumps(row, ensure_ascii=False, default=_plain).encode() + b"\n"
    except UnicodeEncodeError:
        # Text that was not UTF-8 in the database; as an escape it gets as far as the quarantine.
        return json.dumps(row, default=_plain).encode() + b"\n"


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"hex": value.hex()}
    return value.isoformat() if hasattr(value, "isoformat") else str(value)

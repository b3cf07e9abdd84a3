"""Lines of a signal capture into the `signals` table, in bulk.

DuckDB parses the lines as they come from the reader, in one statement, and takes those that are provably one
well-formed signal with nothing odd about it (`plain.py`). A line in doubt is handed to a function of ours, and
`examine` looks at it exactly. The two agree on every line that both take
(tests/cosmonapse/test_load_paths.py).
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa
from duckdb.func import ARROW

from kit import schema
from kit.cosmonapse import plain
from kit.cosmonapse.examine import examine
from kit.cosmonapse.suspect import suspect
from kit.cosmonapse.wire import Level
from kit.jsonline import Refusal

CHUNK_BYTES = 1 << 30
"""Text to take in one statement; lines in doubt are held until it ends."""


@dataclass
class Loading:
    """A load of signal lines into one source of one run, on a connection that is in a transaction."""

    connection: duckdb.DuckDBPyConnection
    run: str
    source_id: int
    level: Level = "loose"
    unrepeated: bool = False
    """Whether the writer of the lines says that no key stands twice in an object: then nobody looks for one."""
    quarantine: list[dict[str, Any]] = field(default_factory=list)
    _rows: list[dict[str, Any]] = field(default_factory=list)
    _failure: Exception | None = None

    def load(self, batches: Iterator[pa.RecordBatch]) -> None:
        """Load batches of (line, byte_offset, text); what cannot be a row is appended to `quarantine`."""
        place = ["BIGINT", "BIGINT", "VARCHAR"]
        with (
            self._function("doubtful", self._doubtful, place, side_effects=True) as doubtful,
            self._function("suspect", suspect, ["VARCHAR"]) as suspected,
        ):
            statement = plain.statement(self.level, doubtful, None if self.unrepeated else suspected)
            for batch in batches:
                self._load_chunk(_until(chain([batch], batches), CHUNK_BYTES), batch.schema, statement)
                self._append_examined()

    @contextmanager
    def _function(
        self, name: str, function: Callable[..., pa.Array], takes: Sequence[str], side_effects: bool = False
    ) -> Iterator[str]:
        """Let SQL call a function that tells yes or no by the name that is returned."""
        name = f"kit_{name}_{self.source_id}"
        self.connection.create_function(name, function, list(takes), "BOOLEAN", type=ARROW, side_effects=side_effects)
        try:
            yield name
        finally:
            self.connection.remove_function(name)

    def _load_chunk(self, batches: Iterator[pa.RecordBatch], shape: pa.Schema, statement: str) -> None:
        self.connection.register("incoming_lines", pa.RecordBatchReader.from_batches(shape, self._guarded(batches)))
        self.connection.execute(f"SET VARIABLE {schema.APPENDING} = true")
        try:
            self.connection.execute(statement, [self.run, self.source_id])
            self.connection.execute(f"RESET VARIABLE {schema.APPENDING}")
        finally:
            self.connection.unregister("incoming_lines")
        if self._failure is not None:
            raise self._failure

    def _append_examined(self) -> None:
        if self._rows:
            # Threads hand lines over in any order.
            self._rows.sort(key=lambda row: row["line"])
            self.connection.register("examined_lines", pa.Table.from_pylist(self._rows, schema=schema.arrow("signals")))
            self.connection.execute("INSERT INTO signals BY NAME SELECT * FROM examined_lines")
            self.connection.unregister("examined_lines")
            self._rows = []

    def _guarded(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Pass the batches on; an error in reading them is kept, since DuckDB would replace it by its own."""
        try:
            yield from batches
        except Exception as error:
            self._failure = error

    def _doubtful(self, lines: pa.Array, offsets: pa.Array, texts: pa.Array) -> pa.Array:
        """Look at each line exactly; called by DuckDB, from its threads, which the interpreter lock keeps apart."""
        for line, offset, text in zip(lines.to_pylist(), offsets.to_pylist(), texts.to_pylist(), strict=True):
            place = {"run": self.run, "source_id": self.source_id, "line": line}
            outcome = examine(text, self.level)
            if isinstance(outcome, Refusal):
                self.quarantine.append({**place, "byte_offset": offset, **outcome._asdict(), "raw": text.encode()})
            else:
                self._rows.append({**place, **outcome, "text": text})
        return pa.array([False] * len(lines), pa.bool_())


def _until(batches: Iterator[pa.RecordBatch], size: int) -> Iterator[pa.RecordBatch]:
    """Yield batches until their text amounts to `size` bytes."""
    for batch in batches:
        yield batch
        size -= batch.nbytes
        if size <= 0:
            return

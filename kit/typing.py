"""Protocols for what goes in and out, so that callers need not share our classes."""

from collections.abc import Iterator
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class ArrowStream(Protocol):
    """Anything that hands out its rows through the Arrow C stream interface."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object: ...


@runtime_checkable
class LineSource(Protocol):
    """Something that holds captured lines, as a mock kernel or a simulated run does.

    It may say more of itself: `uri`, the name of the source in the store, and `family`, what its lines are (`signals`,
    `records`), which is else told from the first of them, have `blocks()`, the same lines as bytes, many at once, and be
    `unrepeated`: it wrote the lines itself, from dictionaries, so that nobody need look for a key that stands twice in an object.
    """

    def lines(self) -> Iterator[str]: ...


@runtime_checkable
class RunSource(Protocol):
    """Lines of a simulation, which can say what it was: the columns kind, scenario, seed and digest of `runs`."""

    def lines(self) -> Iterator[str]: ...

    def run_row(self) -> "Row": ...


class Progress(Protocol):
    """Told how far a load has come; `kit.io` has one for terminals and notebooks."""

    def start(self, uri: str, total_bytes: int | None) -> None: ...

    def advance(self, read_bytes: int, lines: int) -> None: ...

    def finish(self) -> None: ...


class Reader(Protocol):
    """A binary stream: `read(n)` returns at most `n` bytes, and none at the end."""

    def read(self, n: int, /) -> bytes: ...


Row = dict[str, Any]
Rows = Iterator[Row]

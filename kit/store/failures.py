"""DuckDB's failures said in the kit's terms: who holds the file, that the disk is full."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kit.errors import ArgumentError, StoreError, StoreFullError, StoreLockedError, StoreVersionError

HOLDER = re.compile(r"Conflicting lock is held in (.+?)\.? See also")
FULL = re.compile(
    r"No space left on device|disk quota exceeded|Could not write all bytes|File too large|database file limit"
    r"|Could not write file",
    re.IGNORECASE,
)
FOREIGN = re.compile(r"not a valid DuckDB database file|Serialization|older version|newer version", re.IGNORECASE)


@contextmanager
def translated(path: Path | None) -> Iterator[None]:
    """Turn DuckDB's errors about the file at `path` into the kit's, with the way out in the message."""
    try:
        yield
    except duckdb.Error as error:
        for cause in _chain(error):
            known = _known(str(cause), path)
            if known is not None:
                raise known from error
        raise


def _chain(error: BaseException | None) -> Iterator[duckdb.Error]:
    """Yield an error and those it came up in: once a transaction has failed, cleaning up in it fails too."""
    while error is not None:
        if isinstance(error, duckdb.Error):
            yield error
        error = error.__cause__ or error.__context__


def _known(message: str, path: Path | None) -> Exception | None:
    where = path or "the store in memory"
    holder = HOLDER.search(message)
    if holder or "Could not set lock" in message:
        by = f" by {holder.group(1)}" if holder else " by another process"
        return StoreLockedError(
            f"{where}: open{by}. DuckDB lets one process at a time open a file that has a writer, even to read. "
            "Close it there (study.close()), or write a copy there with study.snapshot(path) and open that."
        )
    if FULL.search(message):
        return StoreFullError(
            f"{where}: the disk is full. Nothing of this load was kept; free some space and repeat it."
        )
    if FOREIGN.search(message):
        return StoreVersionError(f"{where}: not a store this kit can open ({message.splitlines()[0]})")
    if "Cannot open file" in message or "database does not exist" in message or "Is a directory" in message:
        return StoreError(f"{where}: cannot be opened ({message.splitlines()[0]})")
    if "Memory must have a number" in message or "Memory limit" in message:
        return ArgumentError(f"memory_limit must be like '2GB': {message.splitlines()[0]}")
    return None

"""The file that an export makes: written beside its place, compressed by its name, there only when it is whole."""

import bz2
import gzip
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import count
from pathlib import Path
from typing import Any, BinaryIO

import zstandard

from kit.errors import ArgumentError

COMPRESSED: dict[str, Callable[[BinaryIO], Any]] = {
    # No name and no time in the header: the same content is the same file.
    ".gz": lambda file: gzip.GzipFile("", "wb", fileobj=file, mtime=0),
    ".zst": lambda file: zstandard.ZstdCompressor().stream_writer(file, closefd=False),
    ".zstd": lambda file: zstandard.ZstdCompressor().stream_writer(file, closefd=False),
    ".bz2": lambda file: bz2.BZ2File(file, "wb"),
}


@contextmanager
def target(path: str | os.PathLike[str], *, overwrite: bool = False, compress: bool = True) -> Iterator[BinaryIO]:
    """Give a binary file to write to; it becomes `path` at the end of the block, or vanishes where the block raises.

    It stands in the folder of `path`, hidden, until then. With `compress` the suffixes .gz, .zst, .zstd and .bz2
    say how it is packed. Raises ArgumentError where `path` exists (unless `overwrite`), is a folder or has none to be
    in, and OSError where the disk refuses.
    """
    place = checked(path, overwrite=overwrite)
    part, file = _part(place)
    try:
        with file, ExitStack() as packed:
            pack = COMPRESSED.get(place.suffix.lower()) if compress else None
            yield packed.enter_context(pack(file)) if pack else file
        part.replace(place)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def checked(path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
    """Return where to write `path`, links followed. Raises ArgumentError where that cannot be."""
    place = Path(os.path.realpath(Path(path).expanduser()))
    if place.is_dir():
        raise ArgumentError(f"{str(path)!r} is a folder: name a file in it")
    if place.exists() and not (overwrite and place.is_file()):
        raise ArgumentError(
            f"{str(path)!r} exists already: choose another name, or overwrite it (--overwrite, overwrite=True)"
        )
    if not place.parent.is_dir():
        raise ArgumentError(f"{str(path)!r}: there is no folder {str(place.parent)!r}; make it first")
    return place


def _part(place: Path) -> tuple[Path, BinaryIO]:
    """Return a new hidden file beside `place`; one left behind by a killed process is passed over."""
    for number in count():
        part = place.with_name(f".{place.name[:200]}.{os.getpid()}-{number}.part")
        try:
            return part, part.open("xb")
        except FileExistsError:
            continue
    raise AssertionError("count() has no end")

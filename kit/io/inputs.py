"""What a user may hand to `load`, as a list of inputs to be read one by one."""

import glob
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from kit.cosmonapse.registry.dsn import is_dsn, without_password
from kit.errors import ArgumentError, SourceError, SourceNotFoundError
from kit.io.members import MANIFEST, FolderBytes, folder_files
from kit.io.recordings import Part, is_mcap, mcap_parts, parts
from kit.typing import ArrowStream, LineSource, Reader

SUFFIXES = (".jsonl", ".ndjson", ".json", ".log", ".txt", ".parquet", ".arrow", ".feather", ".ipc", ".mcap")
COMPRESSIONS = (".gz", ".zst", ".zstd", ".bz2")


@dataclass(frozen=True)
class Input:
    """One thing to read: its name, how to open it, its size on disk where that is known."""

    uri: str
    open: Callable[[], "BinaryIO | Reader"]
    size: int | None = None
    path: Path | None = None
    table: ArrowStream | None = None
    folder: Path | None = None
    """The folder whose JSON files are the entries of this one source."""
    part: Part | None = None
    """A file of a recording, read by its own reader."""
    dsn: str | None = None
    """Address of a database server; there is nothing to `open` then."""
    family: str | None = None
    """What its lines are, where the source says so itself."""
    unrepeated: bool = False
    """Whether the source says that no key stands twice in an object."""

    @property
    def lasting(self) -> bool:
        """Whether it can be read again under its name, and compared with what was read before."""
        return self.path is not None or self.dsn is not None


def inputs(source: Any) -> list[Input]:
    """Return the inputs behind `source`: a path, a glob, a folder, a list, a file object, lines, Arrow, or a dsn.

    Files of a glob or a folder come sorted by name; a folder gives the captures directly in it. A folder that has
    none, but JSON files further down, is one source: an export of one file a record. A folder with sensor logs under it
    gives each of their files as well, and so does an MCAP file with sensor logs in it.
    Raises SourceNotFoundError where nothing is found, ArgumentError for what cannot be a source.
    """
    if isinstance(source, str | os.PathLike):
        text = os.fspath(source)
        return [Input(without_password(text), lambda: io.BytesIO(), dsn=text)] if is_dsn(text) else _paths(text)
    if isinstance(source, bytes | bytearray | memoryview):
        raise ArgumentError("bytes are neither a path nor a stream: wrap them in io.BytesIO, or split them into lines")
    if isinstance(source, LineSource):
        uri = getattr(source, "uri", f"<{type(source).__name__}>")
        lines = getattr(source, "blocks", source.lines)  # many lines at once, where it can
        unrepeated = getattr(source, "unrepeated", False)
        return [Input(uri, lambda: Lines(iter(lines())), family=getattr(source, "family", None), unrepeated=unrepeated)]
    if isinstance(source, ArrowStream):
        return [Input("<table>", lambda: io.BytesIO(), table=source)]
    if hasattr(source, "read"):
        return [_file_object(source)]
    if isinstance(source, list | tuple) and source and all(_names_a_source(item) for item in source):
        return _once([found for item in source for found in inputs(item)])
    if isinstance(source, Iterable) and not isinstance(source, Mapping):
        lines = iter(source)
        return [Input("<lines>", lambda: Lines(lines))]
    raise ArgumentError(
        f"cannot load {type(source).__name__}: give a path, a glob, a folder, a list of these, a file object, "
        "an iterable of lines, something with lines(), an Arrow table, or the address of a PostgreSQL server"
    )


def _once(found: list[Input]) -> list[Input]:
    """Return the inputs with each file once, where it is named several times."""
    return list({item.uri if item.path is not None else number: item for number, item in enumerate(found)}.values())


def _names_a_source(item: object) -> bool:
    if isinstance(item, str):
        return not item.lstrip().startswith(("{", "["))
    return isinstance(item, os.PathLike | ArrowStream | LineSource) or hasattr(item, "read")


def _paths(text: str) -> list[Input]:
    path = Path(text).expanduser()
    if path.is_dir():
        recording = [replace(_file(part.path, str(part.path)), part=part) for part in parts(path)]
        taken = {item.path for item in recording}
        found = sorted(
            child for child in path.iterdir() if child.is_file() and is_capture(child) and child not in taken
        )
        if recording:
            return [*(item for child in found for item in _files(child, str(child))), *recording]
        if not [child for child in found if child.name != MANIFEST] and [
            child for child in folder_files(path) if child.name != MANIFEST
        ]:
            return [Input(text, lambda: FolderBytes(path), None, path, folder=path)]
        if not found:
            raise SourceNotFoundError(f"{text}: the folder holds no capture (looked for {', '.join(SUFFIXES)})")
        return [item for child in found for item in _files(child, str(child))]
    if path.exists():
        return _files(path, text)
    if glob.has_magic(text):
        matches = sorted(glob.glob(os.fspath(path), recursive=True))  # noqa: PTH207  Path.glob takes no absolute pattern
        files = [Path(match) for match in matches if Path(match).is_file()]
        if not files:
            raise SourceNotFoundError(f"{text}: the pattern matches no file in {Path.cwd().name or 'this folder'}")
        return [item for match in files for item in _files(match, str(match))]
    near = sorted(child.name for child in path.parent.iterdir()) if path.parent.is_dir() else []
    hint = f"; beside it are {', '.join(near[:5])}" if near else ""
    raise SourceNotFoundError(f"{text}: no such file{hint}")


def is_capture(path: Path) -> bool:
    """Whether a file of a folder looks like a capture, by its suffixes."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in COMPRESSIONS:
        suffixes.pop()
    return bool(suffixes) and suffixes[-1] in SUFFIXES


def _files(path: Path, uri: str) -> list[Input]:
    """Return a file as an input; one that holds a recording as an input for each file of that too."""
    if path.suffix.lower() != ".mcap" and not is_mcap(path):
        return [_file(path, uri)]
    return [replace(_file(part.path, part.uri), part=part) for part in mcap_parts(path, uri)]


def _file(path: Path, uri: str) -> Input:
    def open_file() -> BinaryIO:
        try:
            return path.open("rb", buffering=0)
        except FileNotFoundError:
            raise SourceNotFoundError(f"{uri}: the file has gone since it was listed") from None
        except OSError as error:
            raise SourceError(f"{uri}: cannot be read ({error.strerror})") from error

    try:
        size = path.stat().st_size
    except OSError:
        # Opening it tells what is wrong.
        size = None
    return Input(uri, open_file, size, path)


def _file_object(stream: Any) -> Input:
    name = getattr(stream, "name", None)
    uri = name if isinstance(name, str) else "<stream>"
    return Input(uri, lambda: Borrowed(stream))


class Borrowed:
    """A file object of the caller, binary or text, as bytes; whoever opened it closes it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end; text is encoded as UTF-8."""
        data = self._stream.read(size)
        if isinstance(data, str):
            return data.encode("utf-8", "surrogatepass")
        if not isinstance(data, bytes | bytearray | memoryview):
            raise ArgumentError(f"{self._stream!r:.60}.read() gave {type(data).__name__}, not bytes or text")
        return bytes(data)


class Lines:
    """Lines, text or bytes, with or without their newlines, as a byte stream; one item may hold several."""

    def __init__(self, lines: Iterator[Any]) -> None:
        self._lines = lines
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none when the lines are used up."""
        pieces = [self._held]
        held = len(self._held)
        while held < size and (line := next(self._lines, None)) is not None:
            data = self._encoded(line)
            pieces.append(data)
            held += len(data)
        data = b"".join(pieces)
        self._held = data[size:]
        return data[:size]

    @staticmethod
    def _encoded(line: Any) -> bytes:
        if isinstance(line, str):
            data = line.encode("utf-8", "surrogatepass")
        elif isinstance(line, bytes | bytearray | memoryview):
            data = bytes(line)
        elif hasattr(line, "encode"):
            data = line.encode()
        else:
            raise ArgumentError(f"a line must be text, bytes or a Signal, not {type(line).__name__}: {line!r:.60}")
        return data if data.endswith(b"\n") else data + b"\n"

"""Exports of one JSON file a record, in a tar archive or a folder, with the interface of `LineReader`.

The layout is `manifest.json` beside `records/<thread>/<id>.json` (spec/syncropel.md 11), but any names will do. An
archive is read as a stream; nothing is written to disk, and names of members are never used as paths.
"""

import hashlib
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa

from kit.errors import SourceError
from kit.io.array import batched
from kit.io.lines import MAX_LINE_BYTES, Rejected
from kit.io.streams import PEEK_BYTES, BrokenStreamError
from kit.typing import Reader

READ_BYTES = 1 << 20
MANIFEST = "manifest.json"
MAGIC, MAGIC_AT = b"ustar", 257


class Member(NamedTuple):
    """A file of an export: its name, where it begins, its size, and as many of its bytes as are there."""

    name: str
    offset: int
    size: int
    data: bytes
    problem: str | None = None
    """Why it is no file."""


def is_tar(head: bytes) -> bool:
    """Whether a stream that begins with `head` is a tar archive."""
    return head[MAGIC_AT : MAGIC_AT + len(MAGIC)] == MAGIC


@dataclass
class MemberReader:
    """Reads an export once; each file in it is a line, in the order of the archive, or of the names in a folder.

    `manifest.json` is not a line: what it says of the number of records is compared, and `note` tells the outcome.
    What is no file (a link, a device), no text or cut is in `rejected`; an archive that is cut is `incomplete`.
    """

    stream: Reader
    folder: Path | None = None
    line: int = 0
    position: int = 0
    skipped: int = 0
    rejected: list[Rejected] = field(default_factory=list)
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    bom: bool = False
    tail: int | None = None
    incomplete: str | None = None
    note: str | None = None

    def sha256(self) -> str:
        """Return the hash of the bytes read so far, in hex."""
        return self.digest.hexdigest()

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Return the texts of the members in order; a batch is never empty."""
        return batched(self._rows())

    def _rows(self) -> Iterator[tuple[int, int, str]]:
        manifest: dict[str, object] | None = None
        for member in self._in_archive() if self.folder is None else self._in_folder(self.folder):
            if member.name.removeprefix("./") == MANIFEST:
                manifest = _object(member.data)
                continue
            self.line += 1
            if (problem := _problem(member)) is None:
                yield self.line, member.offset, member.data.decode().strip(" \t\r\n")
                continue
            reason, detail = problem
            detail = f"{member.name!r:.80}: {detail}"
            self.rejected.append(Rejected(self.line, member.offset, reason, detail, member.data[:MAX_LINE_BYTES]))
        self.note = self._compared(manifest)

    def _in_archive(self) -> Iterator[Member]:
        source: Any = _Counted(self)
        try:
            with tarfile.open(fileobj=source, mode="r|") as archive:
                for item in archive:
                    if not item.isdir():
                        yield self._member(archive, item)
        except (tarfile.TarError, BrokenStreamError, EOFError) as error:
            self._break(str(error))
        # What follows the end of the archive belongs to the source as well.
        try:
            while source.read(READ_BYTES):
                pass
        except BrokenStreamError as error:
            self._break(str(error))

    def _member(self, archive: tarfile.TarFile, item: tarfile.TarInfo) -> Member:
        """Return a member with at most one byte more than a line may have; with fewer where the archive is cut."""
        file = archive.extractfile(item) if item.isfile() else None
        if file is None:
            return Member(item.name, item.offset_data, item.size, item.name.encode(), "a link or a device")
        pieces: list[bytes] = []
        left = min(item.size, MAX_LINE_BYTES + 1)
        try:
            while left > 0 and (data := file.read(min(left, READ_BYTES))):
                pieces.append(data)
                left -= len(data)
        except (tarfile.TarError, BrokenStreamError) as error:
            self._break(str(error))
        return Member(item.name, item.offset_data, item.size, b"".join(pieces))

    def _in_folder(self, folder: Path) -> Iterator[Member]:
        for path in folder_files(folder):
            try:
                data = path.read_bytes()
            except OSError as error:
                raise SourceError(f"{path}: cannot be read ({error.strerror or error})") from error
            self.digest.update(data)
            yield Member(path.relative_to(folder).as_posix(), self.position, len(data), data)
            self.position += len(data)

    def _break(self, detail: str) -> None:
        self.incomplete = self.incomplete or detail or "the archive is cut"

    def _compared(self, manifest: dict[str, object] | None) -> str | None:
        """Return what the manifest says of the number of records, where it does not agree with what is there."""
        promised = None if manifest is None else manifest.get("record_count")
        if isinstance(promised, int) and promised != self.line:
            return f"the manifest promises {promised:,} records, there are {self.line:,}"
        return None


def folder_files(folder: Path) -> list[Path]:
    """Return the JSON files below `folder`, sorted by their relative names; links are not followed."""
    found = [path for path in folder.rglob("*.json") if path.is_file() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())


def folder_head(folder: Path) -> bytes:
    """Return how the first entry below `folder` begins; the manifest is none."""
    first = next((path for path in folder_files(folder) if path.name != MANIFEST), None)
    if first is None:
        return b""
    with first.open("rb") as file:
        return file.read(PEEK_BYTES)


class FolderBytes:
    """The JSON files below a folder, one after another, as one stream."""

    def __init__(self, folder: Path) -> None:
        self._files = iter(folder_files(folder))
        self._held = b""

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        while not self._held and (path := next(self._files, None)) is not None:
            self._held = path.read_bytes()
        data, self._held = self._held[:size], self._held[size:]
        return data


class _Counted:
    """The stream of a reader, which counts and hashes what is read of it."""

    def __init__(self, reader: MemberReader) -> None:
        self._reader = reader

    def read(self, size: int) -> bytes:
        pieces, left = [], size
        # tarfile takes a short answer for the end of the archive.
        while left > 0 and (data := self._reader.stream.read(left)):
            pieces.append(data)
            left -= len(data)
        whole = b"".join(pieces)
        self._reader.position += len(whole)
        self._reader.digest.update(whole)
        return whole


def _problem(member: Member) -> tuple[str, str] | None:
    """Return reason and detail where a member is no text."""
    if member.problem is not None:
        return "not_a_file", member.problem
    if len(member.data) < min(member.size, MAX_LINE_BYTES + 1):
        return "cut", f"{member.size:,} bytes, of which {len(member.data):,} are there"
    if len(member.data) > MAX_LINE_BYTES:
        return (
            "too_long",
            f"{member.size:,} bytes; the first {MAX_LINE_BYTES:,} are kept here, the rest is in the source",
        )
    try:
        member.data.decode()
    except UnicodeDecodeError as error:
        return "bad_utf8", f"byte {error.start}: {error.reason}"
    return None


def _object(data: bytes) -> dict[str, object]:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}

"""The records of an MCAP file, as far as they are whole: channels, messages and attachments, and what is damaged (extra `robotics`).

The format is https://mcap.dev/spec. Where a chunk or a record is broken the next one is gone on with, since each says how
long it is; only where that length is wrong, or the file was cut, the rest is lost.
"""

import os
import struct
import zlib
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, NamedTuple

import zstandard

from kit.errors import MissingExtraError, SourceError

try:
    from mcap.data_stream import ReadDataStream
    from mcap.exceptions import McapError
    from mcap.opcode import Opcode
    from mcap.reader import make_reader
    from mcap.records import Attachment, Channel, Chunk, McapRecord, Message, Schema
    from mcap.stream_reader import breakup_chunk
    from mcap.writer import Writer
except ImportError as error:  # pragma: no cover
    raise MissingExtraError("MCAP needs the extra robotics: pip install 'namespace-kit[robotics]'") from error

__all__ = ["Attachment", "Channel", "Damage", "Message", "Schema", "Writer", "around", "walk"]

MAGIC = b"\x89MCAP0\r\n"
HEAD = struct.Struct("<BQ")
RAW_BYTES = 64 << 10
MAX_CHUNK_BYTES = 1 << 30
"""A chunk that says it is larger when decompressed is not."""
BROKEN = (McapError, ValueError, struct.error, zstandard.ZstdError, MemoryError, RuntimeError)
"""What reading a broken record can raise: a wrong length, text or checksum, compressed bytes that are none."""


class Damage(NamedTuple):
    """A part of the file that cannot be read: where, a code, a sentence, and its first bytes."""

    byte_offset: int
    reason: str
    detail: str
    raw: bytes


Record = Channel | Schema | Message | Attachment | Damage


def walk(path: Path, *, outside_chunks: bool = False) -> Iterator[Record]:
    """Yield the records of a file in its order, those of chunks among them (but for `outside_chunks`), and its damage.

    Raises SourceError for a file that does not begin as MCAP, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(MAGIC)) != MAGIC:
                raise SourceError(f"{path}: is no MCAP file: it does not begin with {MAGIC!r}")
            yield from _records(file, os.fstat(file.fileno()).st_size, outside_chunks)
    except OSError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror})") from error


def _records(file: BinaryIO, size: int, outside_chunks: bool) -> Iterator[Record]:
    at, ended = len(MAGIC), False
    while at + HEAD.size <= size:
        file.seek(at)
        opcode, length = HEAD.unpack(file.read(HEAD.size))
        if opcode == Opcode.FOOTER:
            return
        if length > size - at - HEAD.size:
            break
        if opcode in READ and not (outside_chunks and opcode == Opcode.CHUNK):
            yield from _read(opcode, file.read(length), at)
        ended = ended or opcode == Opcode.DATA_END
        at += HEAD.size + length
    if not ended:
        file.seek(at)
        detail = f"{size - at:,} bytes without an end: the file was cut, is being written, or a length in it is wrong"
        yield Damage(at, "cut_tail", detail, file.read(RAW_BYTES))


def around(path: Path, log_time: int) -> list[Record] | None:
    """Return the channels of a file and what the chunks hold whose times are around `log_time`, by its index.

    None where it has no index, or where a chunk is damaged; `walk` it then. Raises SourceError where it cannot be read.
    """
    found: list[Record] = []
    try:
        with path.open("rb") as file:
            summary = make_reader(file).get_summary()
            if summary is None or not summary.chunk_indexes:
                return None
            found += summary.channels.values()
            for index in sorted(summary.chunk_indexes, key=lambda index: index.chunk_start_offset):
                if index.message_start_time <= log_time <= index.message_end_time:
                    file.seek(index.chunk_start_offset + HEAD.size)
                    found += _read(Opcode.CHUNK, file.read(index.chunk_length - HEAD.size), index.chunk_start_offset)
    except FileNotFoundError as error:
        raise SourceError(f"{path}: cannot be read ({error.strerror}); what is asked for stays in it") from error
    except (*BROKEN, OSError):
        return None  # a file that cannot be read at all is told by `walk`
    return None if any(isinstance(record, Damage) for record in found) else found


READ = (Opcode.CHUNK, Opcode.CHANNEL, Opcode.SCHEMA, Opcode.MESSAGE, Opcode.ATTACHMENT)


def _read(opcode: int, body: bytes, at: int) -> list[Record]:
    """Return the records that a record at byte `at` is, or holds; damage where it cannot be read."""
    try:
        if opcode == Opcode.CHUNK:
            return [record for record in _chunk(body) if isinstance(record, Channel | Schema | Message)]
        return [_single(opcode, body)]
    except BROKEN as error:
        code = "bad_chunk" if opcode == Opcode.CHUNK else "bad_record"
        what = "the chunk" if opcode == Opcode.CHUNK else f"the record of kind {Opcode(opcode).name.lower()}"
        return [Damage(at, code, f"{what} of {len(body):,} bytes cannot be read: {_said(error)}", body[:RAW_BYTES])]


def _chunk(body: bytes) -> list[McapRecord]:
    chunk = Chunk.read(_stream(body))
    told = zstandard.frame_content_size(chunk.data) if chunk.compression == "zstd" else 0
    if max(chunk.uncompressed_size, told) > MAX_CHUNK_BYTES:
        raise ValueError(f"it says that it holds {max(chunk.uncompressed_size, told):,} bytes")
    return breakup_chunk(chunk, validate_crc=True)


def _single(opcode: int, body: bytes) -> Record:
    record: Record
    if opcode == Opcode.CHANNEL:
        record = Channel.read(_stream(body))
    elif opcode == Opcode.SCHEMA:
        record = Schema.read(_stream(body))
    elif opcode == Opcode.MESSAGE:
        record = Message.read(_stream(body), len(body))
    else:
        wanted = int.from_bytes(body[-4:], "little")
        if wanted and zlib.crc32(body[:-4]) != wanted:
            raise ValueError(f"its checksum is {zlib.crc32(body[:-4]):#010x}, not {wanted:#010x}")
        record = Attachment.read(_stream(body))
    return record


def _stream(body: bytes) -> ReadDataStream:
    return ReadDataStream(BytesIO(body))


def _said(error: BaseException) -> str:
    return str(error) or type(error).__name__

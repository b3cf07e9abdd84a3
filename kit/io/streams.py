"""Byte streams behind paths and file objects, decompressed, with a cut or corrupt end told as such."""

import bz2
import gzip
import io
import zlib
from typing import BinaryIO

import zstandard

from kit.errors import KitError
from kit.typing import Reader

GZIP, ZSTD, BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh"
PEEK_BYTES = 64 << 10


class BrokenStreamError(KitError):
    """A compressed stream ends early or is corrupt; what came before it stands."""


class Peekable:
    """A binary stream whose first bytes can be looked at before they are read."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._held = b""

    def peek(self, size: int = PEEK_BYTES) -> bytes:
        """Return up to `size` bytes without taking them; fewer only at the end of the stream."""
        while len(self._held) < size and (data := self._stream.read(size - len(self._held))):
            self._held += data
        return self._held[:size]

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end."""
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
            return data
        return self._stream.read(size)


class _Gzip:
    """Members of a gzip file, one after another; a wrong checksum or a cut end is a broken stream."""

    def __init__(self, raw: Reader) -> None:
        self._file = gzip.GzipFile(fileobj=_Buffered(raw))

    def read(self, size: int) -> bytes:
        try:
            # read1 gives what is there, so that a break loses no byte before it.
            return self._file.read1(size)
        except EOFError:
            raise BrokenStreamError("the gzip stream is cut before its end") from None
        except (gzip.BadGzipFile, zlib.error) as error:
            raise BrokenStreamError(f"the gzip stream is corrupt: {error}") from None


class _Incremental:
    """A stream through a decompressor that takes frames one after another."""

    def __init__(self, raw: Reader, name: str) -> None:
        self._raw = raw
        self._name = name
        self._decompressor = self._new()
        self._started = False
        self._input = b""

    def _new(self) -> "zstandard.ZstdDecompressionObj | bz2.BZ2Decompressor":
        if self._name == "zstd":
            return zstandard.ZstdDecompressor().decompressobj()
        return bz2.BZ2Decompressor()

    def read(self, size: int) -> bytes:
        while True:
            if not self._input:
                self._input = self._raw.read(size // 8 or 1)
            if not self._input:
                if self._started:
                    raise BrokenStreamError(f"the {self._name} stream is cut before its end")
                return b""
            self._started = True
            data, self._input = self._input, b""
            try:
                out = self._decompressor.decompress(data)
            except (zstandard.ZstdError, OSError) as error:
                raise BrokenStreamError(f"the {self._name} stream is corrupt: {error}") from None
            if self._decompressor.eof:
                self._input = self._decompressor.unused_data
                self._decompressor = self._new()
                self._started = False
            if out:
                return out


class _Buffered(io.RawIOBase):
    """A `Reader` as the raw file that `gzip` wants."""

    def __init__(self, raw: Reader) -> None:
        self._source = raw

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        return self._source.read(size if size >= 0 else 1 << 20)


def decompressed(stream: BinaryIO | Reader) -> Peekable:
    """Return the stream as plain bytes, whatever of gzip, zstd, bzip2 or nothing its first bytes show.

    Reading it raises BrokenStreamError where the compressed stream is cut or corrupt.
    """
    raw = Peekable(stream)
    head = raw.peek(4)
    if head.startswith(GZIP):
        return Peekable(_Gzip(raw))
    if head.startswith(ZSTD):
        return Peekable(_Incremental(raw, "zstd"))
    if head.startswith(BZIP2):
        return Peekable(_Incremental(raw, "bzip2"))
    return raw

"""Byte streams behind paths and file objects, decompressed, with a cut or corrupt end told as such."""

import bz2
import zlib
from typing import BinaryIO, Protocol

import zstandard

from kit.errors import KitError
from kit.typing import Reader

GZIP, ZSTD, BZIP2 = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"BZh"
ZSTD_SKIPPABLE = b"\x2a\x4d\x18"
"""Bytes 1 to 3 of a frame without content, with which parallel writers begin (RFC 8878 3.1.2)."""
PEEK_BYTES = 64 << 10
RAW_BYTES = 256 << 10
PIECE_BYTES = 4 << 10
"""Compressed bytes to decompress in one call: where it fails, what the call had made is lost."""
OUTPUT_BYTES = 1 << 20
REPLAY_BYTES = 8 << 20
"""Compressed bytes of a frame that are held, so that the last good byte before an error can be found."""


class BrokenStreamError(KitError):
    """A compressed stream ends early or is corrupt; what came before it stands."""


class Peekable:
    """A binary stream whose first bytes can be looked at before they are read."""

    def __init__(self, stream: Reader) -> None:
        self._stream = stream
        self._held = b""
        self._broken: BrokenStreamError | None = None

    def peek(self, size: int = PEEK_BYTES) -> bytes:
        """Return up to `size` bytes without taking them; fewer at the end of the stream, or where it breaks."""
        while len(self._held) < size and (data := self._next(size - len(self._held))):
            self._held += data
        return self._held[:size]

    def read(self, size: int) -> bytes:
        """Return at most `size` bytes, none at the end; BrokenStreamError once all before the break is read."""
        if self._held:
            data, self._held = self._held[:size], self._held[size:]
            return data
        if self._broken is not None:
            raise self._broken
        data = self._stream.read(size)
        data, self._held = data[:size], data[size:]
        return data

    @property
    def broken(self) -> BrokenStreamError | None:
        """The break that `peek` came upon."""
        return self._broken

    def _next(self, size: int) -> bytes:
        if self._broken is not None:
            return b""
        try:
            return self._stream.read(size)
        except BrokenStreamError as error:
            self._broken = error
            return b""


class _Decompressor(Protocol):
    """What zlib, bz2 and zstandard have in common: one frame at a time."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def decompress(self, data: bytes, /) -> bytes: ...


class _Bzip2:
    """A bzip2 stream that gives its output in parts: a few bytes can hold gigabytes."""

    def __init__(self) -> None:
        self._inner = bz2.BZ2Decompressor()

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data

    @property
    def needs_input(self) -> bool:
        return self._inner.needs_input

    def decompress(self, data: bytes, /) -> bytes:
        return self._inner.decompress(data, OUTPUT_BYTES)


class _Decompressed:
    """The frames (members, streams) of a compressed stream, one after another."""

    def __init__(self, raw: Reader, name: str) -> None:
        self._raw = raw
        self._name = name
        self._input = b""
        self._broken: BrokenStreamError | None = None
        self._ended = False
        self._begin()

    def _new(self) -> _Decompressor:
        if self._name == "gzip":
            return zlib.decompressobj(wbits=31)
        return zstandard.ZstdDecompressor().decompressobj() if self._name == "zstd" else _Bzip2()

    def _begin(self) -> None:
        self._decompressor = self._new()
        self._frame: list[bytes] = []
        self._frame_bytes = self._made = 0

    def read(self, size: int) -> bytes:
        """Return at least `size` bytes, fewer only before the end or a break."""
        pieces: list[bytes] = []
        while size > 0 and self._broken is None and not self._ended:
            data = self._step()
            pieces.append(data)
            size -= len(data)
        if self._broken is not None and not any(pieces):
            raise self._broken
        return b"".join(pieces)

    def _step(self) -> bytes:
        """Return what the next compressed bytes make, perhaps nothing."""
        piece = self._piece()
        if piece is None:
            return b""
        self._frame_bytes += len(piece)
        if self._frame_bytes <= REPLAY_BYTES:
            self._frame.append(piece)
        try:
            made = self._decompressor.decompress(piece)
        except (zlib.error, zstandard.ZstdError, OSError) as error:
            self._broken = BrokenStreamError(f"the {self._name} stream is corrupt: {error}")
            return self._replayed() if self._frame_bytes <= REPLAY_BYTES else b""
        self._made += len(made)
        if self._decompressor.eof:
            self._input = self._decompressor.unused_data + self._input
            self._begin()
        return made

    def _piece(self) -> bytes | None:
        """Return compressed bytes, or None where there are none: the end, or a cut."""
        if getattr(self._decompressor, "needs_input", True) is False:
            return b""
        if not self._input:
            self._input = self._raw.read(RAW_BYTES)
        if self._name == "gzip" and not self._frame_bytes:
            # Zeros after a member are padding, of tapes once (as Python's own gzip has it).
            while self._input.startswith(b"\0"):
                self._input = self._input.lstrip(b"\0") or self._raw.read(RAW_BYTES)
        if not self._input:
            self._ended = True
            if self._frame_bytes:
                self._broken = BrokenStreamError(f"the {self._name} stream is cut before its end")
            return None
        piece, self._input = self._input[:PIECE_BYTES], self._input[PIECE_BYTES:]
        return piece

    def _replayed(self) -> bytes:
        """Return what the piece that failed makes up to the byte that cannot be: the frame again, byte by byte."""
        again = self._new()
        made: list[bytes] = []
        try:
            for piece in self._frame[:-1]:
                made.append(again.decompress(piece))
            for i in range(len(self._frame[-1])):
                made.append(again.decompress(self._frame[-1][i : i + 1]))
                while getattr(again, "needs_input", True) is False and not again.eof:
                    made.append(again.decompress(b""))
        except (zlib.error, zstandard.ZstdError, OSError):
            pass
        return b"".join(made)[self._made :]


def decompressed(stream: BinaryIO | Reader) -> Peekable:
    """Return the stream as plain bytes, whatever of gzip, zstd, bzip2 or nothing its first bytes show.

    Reading it raises BrokenStreamError where the compressed stream is cut or corrupt, after the last byte before that.
    """
    raw = Peekable(stream)
    head = raw.peek(4)
    if head.startswith(GZIP):
        return Peekable(_Decompressed(raw, "gzip"))
    if head.startswith(ZSTD) or (head[1:] == ZSTD_SKIPPABLE and 0x50 <= head[0] <= 0x5F):
        return Peekable(_Decompressed(raw, "zstd"))
    if head.startswith(BZIP2):
        return Peekable(_Decompressed(raw, "bzip2"))
    return raw

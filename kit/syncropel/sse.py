"""Server-sent events: bytes in, frames out, whatever the chunks they come in (spec/syncropel.md 10)."""

from typing import NamedTuple

from kit.errors import SourceError

__all__ = ["Frame", "FrameReader"]

MAX_FRAME_BYTES = 64 << 20
"""A longer frame is refused, as a line of a capture would be."""


class Frame(NamedTuple):
    """One event: its name, `""` where it has none, its data lines joined, and its id if it has one."""

    event: str
    data: str
    id: str | None


class FrameReader:
    """Cuts a stream into frames. It holds no more than one unfinished frame, of at most `max_bytes`.

    Lines end with LF or CRLF, frames with an empty line. Comments, `retry` and frames without data give nothing.
    """

    def __init__(self, max_bytes: int = MAX_FRAME_BYTES) -> None:
        self._max_bytes = max_bytes
        self._pieces: list[bytes] = []
        self._begun = False
        self._start_frame()

    def feed(self, chunk: bytes) -> list[Frame]:
        """The frames that `chunk` completes. Raises SourceError for one that is too long or no UTF-8."""
        *lines, rest = chunk.split(b"\n")
        frames = []
        for line in lines:
            self._pieces.append(line)
            whole = b"".join(self._pieces).removesuffix(b"\r")
            self._pieces = []
            self._count(len(line))
            frame = self._line(whole)
            if frame is not None:
                frames.append(frame)
        if rest:
            self._pieces.append(rest)
            self._count(len(rest))
        return frames

    def _start_frame(self) -> None:
        self._event = ""
        self._data: list[str] = []
        self._id: str | None = None
        self._bytes = 0

    def _count(self, length: int) -> None:
        # A byte more for each piece, so that a frame of empty lines or bytes one by one is bounded as well.
        self._bytes += length + 1
        if self._bytes > self._max_bytes:
            raise SourceError(f"an event is longer than {self._max_bytes:,} bytes")

    def _line(self, line: bytes) -> Frame | None:
        if not self._begun:
            self._begun = True
            line = line.removeprefix(b"\xef\xbb\xbf")
        if not line:
            frame = Frame(self._event, "\n".join(self._data), self._id) if self._data else None
            self._start_frame()
            return frame
        try:
            name, _, value = line.decode().partition(":")
        except UnicodeDecodeError as error:
            raise SourceError(f"an event is no UTF-8: {error}") from None
        value = value.removeprefix(" ")
        if name == "event":
            self._event = value
        elif name == "data":
            self._data.append(value)
        elif name == "id" and "\0" not in value:
            self._id = value
        return None

"""A file that was loaded before: is it the same, has it grown, or is it another one now?"""

import hashlib
from typing import NamedTuple

from kit.io.lines import LineReader
from kit.io.streams import BrokenStreamError, Peekable
from kit.store.transaction import Known
from kit.typing import Reader

READ_BYTES = 1 << 20


class Compared(NamedTuple):
    """What a stream is to an earlier load: `same`, `grown`, or `other`; and what is needed to go on."""

    verdict: str
    digest: "hashlib._Hash"
    """Over the bytes before the point where reading goes on."""
    tail: bytes
    """The last line of the earlier load where no newline ended it: it may have grown and is read again."""
    broken: str | None
    """Where it is the same: why the stream breaks off after it, None where it ends there."""


def compare(stream: Peekable, known: Known) -> Compared:
    """Read as many bytes as the earlier load had and compare them by SHA-256."""
    end = known.bytes if known.tail is None else known.tail
    whole, before_tail, tail = hashlib.sha256(), hashlib.sha256(), []
    done = 0
    try:
        while done < known.bytes and (data := stream.read(min(known.bytes - done, READ_BYTES))):
            whole.update(data)
            cut = max(min(end - done, len(data)), 0)
            before_tail.update(data[:cut])
            tail.append(data[cut:])
            done += len(data)
        same = done == known.bytes and whole.hexdigest() == known.sha256
        verdict = ("grown" if stream.peek(1) else "same") if same else "other"
        broken = str(stream.broken) if verdict == "same" and stream.broken else None
    except BrokenStreamError:
        # It had more once: what is readable now is another source.
        verdict, broken = "other", None
    return Compared(verdict, before_tail, b"".join(tail), broken)


def resumed(stream: Peekable, known: Known, compared: Compared) -> LineReader:
    """Return a reader of the lines that an earlier load did not have whole."""
    if known.tail is None:
        return LineReader(stream, line=known.lines, position=known.bytes, digest=compared.digest)
    return LineReader(_Joined(compared.tail, stream), line=known.lines - 1, position=known.tail, digest=compared.digest)


class _Joined:
    """Bytes that were read already, then the rest of their stream."""

    def __init__(self, head: bytes, rest: Reader) -> None:
        self._head = head
        self._rest = rest

    def read(self, size: int) -> bytes:
        if self._head:
            data, self._head = self._head[:size], self._head[size:]
            return data
        return self._rest.read(size)

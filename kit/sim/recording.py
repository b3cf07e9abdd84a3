"""What a simulation was told by the real world: kept in the order in which it came, and told again to a later run.

An entry is something that came over a connection: that it was made, bytes, its end; the answer to a look-up of a name. It
stands under where the connection goes and what had been written since the entry before it. Of what was written only a hash is
kept, and its first line without a query: headers can hold keys.
"""

import json
import re
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from kit.errors import RecordingError, SourceError, SourceNotFoundError

FORMAT = "namespace-kit recording"
SHOWN = 100


@dataclass(frozen=True)
class Written:
    """What was written to a connection between two entries: its SHA-256, its length, and how it begins."""

    sha256: str
    length: int
    begins: str

    @classmethod
    def of(cls, data: bytes) -> "Written":
        """Return what is kept of some bytes."""
        first = data[:400].split(b"\r\n")[0].split(b"\n")[0].decode("ascii", "replace")
        shown = "".join(letter if letter.isprintable() and letter != "\ufffd" else "." for letter in first)
        return cls(sha256(data).hexdigest(), len(data), re.sub(r"\?\S*", "?...", shown)[:SHOWN])

    def __str__(self) -> str:
        return f"{self.begins!r} ({self.length:,} bytes)" if self.length else "nothing written"


NOTHING = Written.of(b"")


@dataclass(frozen=True)
class Entry:
    """Something that came from the real world."""

    channel: int
    to: str
    kind: str
    value: Any = None
    wrote: Written | None = None
    """What was written before it on its channel; None where nothing was since the entry before."""


@dataclass
class Recording:
    """The entries of a run, in the order in which they came. `save` writes them as lines of JSON, `load` reads them."""

    entries: list[Entry] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.entries)

    def requests(self) -> list[tuple[str, str]]:
        """Return where and what was asked, in the order of the answers."""
        return [(entry.to, entry.wrote.begins) for entry in self.entries if entry.wrote and entry.wrote.length]

    def save(self, path: str | Path) -> Path:
        """Write it to a file, in place of what is there, and return the path."""
        target = Path(path)
        partial = target.with_name(target.name + ".partial")
        with partial.open("w", encoding="utf-8", newline="\n") as file:
            for line in self._lines():
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
        partial.replace(target)
        return target

    def _lines(self) -> Iterator[dict[str, Any]]:
        yield {"format": FORMAT, "version": 1}
        for entry in self.entries:
            line: dict[str, Any] = {"channel": entry.channel, "to": entry.to, "kind": entry.kind}
            if entry.wrote is not None:
                line["wrote"] = vars(entry.wrote)
            yield {**line, **_told(entry.value)}

    @classmethod
    def load(cls, path: str | Path) -> "Recording":
        """Return what a file holds; SourceError that says which line is wrong."""
        source = Path(path)
        try:
            lines = source.read_text(encoding="utf-8").split("\n")
        except FileNotFoundError:
            raise SourceNotFoundError(f"no recording {str(source)!r}; a run without it makes one") from None
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{str(source)!r} cannot be read as a recording: {error}") from None
        number = 1
        entries = []
        try:
            head = json.loads(lines[0])
            if head["format"] != FORMAT or head["version"] != 1:
                raise ValueError(f"format {head['format']!r}, version {head['version']!r}")
            for text in filter(None, lines[1:]):
                number += 1
                entries.append(_entry(json.loads(text)))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise SourceError(f"{str(source)!r}, line {number}: no line of a recording: {error!r}") from None
        return cls(entries)

    def __repr__(self) -> str:
        connections = sum(entry.kind == "connected" for entry in self.entries)
        return f"<Recording: {len(self.requests())} requests on {connections} connections>"


def held(recording: Recording | str | Path | None) -> Recording | None:
    """Return a recording to answer from: what is given, or what is in a file; None where there is no file yet."""
    if isinstance(recording, str | Path):
        return Recording.load(recording) if Path(recording).exists() else None
    return recording


def _told(value: Any) -> dict[str, Any]:
    if not isinstance(value, bytes):
        return {} if value is None else {"value": value}
    try:
        return {"text": value.decode()}
    except UnicodeDecodeError:
        return {"base64": b64encode(value).decode()}


def _entry(line: dict[str, Any]) -> Entry:
    value = line.get("value")
    if "text" in line:
        value = line["text"].encode()
    elif "base64" in line:
        value = b64decode(line["base64"], validate=True)
    wrote = None if line.get("wrote") is None else Written(**line["wrote"])
    return Entry(int(line["channel"]), str(line["to"]), str(line["kind"]), value, wrote)


class Answers:
    """Tells a run what a recording holds: entry by entry, in the order of the recording as far as the run asks in it.

    What a connection is told next is the rest of the answer it is at. After a write, it is the answer to the same bytes
    at the same address: the one that follows on the recorded connection, otherwise the first that nobody had.
    """

    def __init__(self, recording: Recording) -> None:
        self._entries = recording.entries
        self._next: list[int | None] = [None] * len(self._entries)  # the entry after it on its channel
        self._silences = deque(n for n, entry in enumerate(self._entries) if entry.kind == "silence")
        self._begins: dict[tuple[str, Written], deque[int]] = {}  # where the answers to some bytes begin
        self._used = [False] * len(self._entries)
        self._at: dict[int, int] = {}  # the entry that a channel of the run had last
        last: dict[int, int] = {}
        for number, entry in enumerate(self._entries):
            before = last.get(entry.channel)
            if before is not None:
                self._next[before] = number
            last[entry.channel] = number
            if entry.wrote is not None:
                self._begins.setdefault((entry.to, entry.wrote), deque()).append(number)

    def seek(self, channel: int, to: str, wrote: Written | None) -> int | None:
        """Return the number of the entry that a channel gets next, None where there is none."""
        at = self._at.get(channel)
        follows = None if at is None else self._next[at]
        if wrote is None:
            return None if follows is None or self._entries[follows].wrote is not None else follows
        while follows is not None and self._entries[follows].wrote is None:
            follows = self._next[follows]  # what was left of the answer before
        if follows is not None and self._entries[follows].wrote == wrote and not self._used[follows]:
            return follows
        others = self._begins.get((to, wrote), deque())
        while others and self._used[others[0]]:
            others.popleft()
        return others[0] if others else None

    def take(self, channel: int, number: int) -> Entry:
        """Return an entry, and remember that the channel had it."""
        self._used[number] = True
        self._at[channel] = number
        return self._entries[number]

    def silence(self, before: int | None) -> bool:
        """Whether time went on before an entry because nothing came; it is used up."""
        if self._silences and (before is None or self._silences[0] < before):
            self._silences.popleft()
            return True
        return False

    def missing(self, asked: Iterable[tuple[str, Written | None]]) -> RecordingError:
        """Return the error that says which requests have no answer."""
        told = "; ".join(f"{wrote or 'more of an answer'} to {to}" for to, wrote in asked)
        held = [f"{entry.wrote} to {entry.to}" for entry in self._entries if entry.wrote and entry.wrote.length]
        shown = ", ".join(dict.fromkeys(held[:5])) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
        return RecordingError(
            f"the recording holds no answer, or none that is left, to {told}; it holds {shown or 'no requests'}. "
            "Run without it, with the server up, to record anew"
        )

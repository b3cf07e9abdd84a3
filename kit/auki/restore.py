"""The recording in an MCAP file as the folder it was, and what of the file is no recording (extra `robotics`).

`kit.auki.mcap.pack` tells with each channel where its log stood and how many entries each segment had; a message's
sequence number is the number of its entry in the log, so that each comes back to its segment, whatever was lost before it.
"""

import json
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate, chain
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from kit.auki import manifest, segment
from kit.auki.mcap_records import Attachment, Channel, Damage, Message, Schema, around, walk

MANIFEST = "auki.manifest"
"""Metadata of a channel: the manifest of its log, as JSON."""
LOG = "auki.log"
"""Metadata of a channel: the folder of its log, and of each segment name, entries, and its header where that is odd."""
TAIL = ".tail"
"""Ends the name of an attachment with the bytes of a cut entry, which follow the whole ones of a segment."""
HELD_BYTES = 8 << 20


class Left(NamedTuple):
    """What of a file did not become part of the recording: where, a code, a sentence, and its first bytes."""

    byte_offset: int
    reason: str
    detail: str
    raw: bytes = b""


@dataclass
class _Place:
    """Where the messages of a channel go: segment paths, and how many entries come before the end of each."""

    folder: Path
    manifest: str
    segments: list[Path]
    ends: list[int]
    headers: list[bytes]

    def segment(self, sequence: int) -> Path:
        """Return the segment of an entry by its number."""
        return self.segments[min(bisect_right(self.ends, sequence), len(self.segments) - 1)]


@dataclass
class _Restoring:
    """What is known of a file while it is read."""

    target: Path
    places: dict[int, _Place] = field(default_factory=dict)
    others: dict[int, str] = field(default_factory=dict)
    """Channels that are no logs: what they are."""
    schemas: dict[int, str] = field(default_factory=dict)
    messages: Counter[int] = field(default_factory=Counter)
    """Of channels that are no logs, how many messages."""
    attached: int = 0
    tails: dict[Path, bytes] = field(default_factory=dict)
    held: dict[Path, bytearray] = field(default_factory=dict)
    held_bytes: int = 0
    left: list[Left] = field(default_factory=list)


def restore(path: Path, target: Path) -> list[Left]:
    """Write the recording of an MCAP file below `target`, an empty or new folder; return what else the file holds.

    That is, in the order of the file, its damage, then its channels that are no logs. Raises SourceError for a file that is
    no MCAP or cannot be read.
    """
    state = _Restoring(target)
    # The end of a file repeats its channels: a damaged chunk in which one is declared does not cost the others.
    for record in walk(path, outside_chunks=True):
        _declare(state, record)
    for record in walk(path):
        _declare(state, record)
        if isinstance(record, Message):
            _put(state, record)
        elif isinstance(record, Attachment):
            _attachment(state, record)
        elif isinstance(record, Damage):
            state.left.append(Left(*record))
    _flush(state)
    for place, tail in state.tails.items():
        if place.is_file():
            with place.open("ab") as file:
                file.write(tail)
    for found in state.places.values():
        if manifest.find(found.folder) is None:
            (found.folder / manifest.NAMES[0]).write_text(found.manifest, encoding="utf-8")
    return [*state.left, *_foreign(state)]


def _declare(state: _Restoring, record: object) -> None:
    """Take note of a schema or channel; a channel that is a log gets its folder and segments, still empty."""
    if isinstance(record, Schema):
        state.schemas.setdefault(record.id, record.name)
    if not isinstance(record, Channel) or record.id in state.places or record.id in state.others:
        return
    schema = state.schemas.get(record.schema_id)
    what = ", ".join(text for text in (record.message_encoding, schema) if text)
    state.others[record.id] = f"{record.topic!r} ({what or 'nothing said of its messages'})"
    if LOG not in record.metadata:
        return
    try:
        place = _place(state.target, record.metadata)
        (place.folder / "segments").mkdir(parents=True, exist_ok=True)
        for path, header in zip(place.segments, place.headers, strict=True):
            if not path.exists():  # two channels where a log has both encodings
                path.write_bytes(header)
    except (ValueError, TypeError, KeyError, OSError) as error:
        state.left.append(Left(0, "bad_channel", f"{record.topic!r} says of its log what cannot be: {error!r:.200}"))
        return
    del state.others[record.id]
    state.places[record.id] = place


def _place(target: Path, metadata: dict[str, str]) -> _Place:
    told: dict[str, Any] = json.loads(metadata[LOG])
    folder = _inside(target, str(told["path"]))
    names = [str(entry[0]) for entry in told["segments"]]
    if odd := [name for name in names if segment.NAME.fullmatch(name) is None]:
        raise ValueError(f"{odd[0]!r} is no name of a segment")
    headers = [
        bytes.fromhex(entry[2]) if len(entry) > 2 else segment.header(int(str(entry[0]).removesuffix(segment.SUFFIX)))
        for entry in told["segments"]
    ]
    ends = list(accumulate(int(entry[1]) for entry in told["segments"]))
    return _Place(folder, metadata[MANIFEST], [folder / "segments" / name for name in names], ends, headers)


def _inside(target: Path, name: str) -> Path:
    """Return a path below `target`. Raises ValueError for a name that leads elsewhere."""
    parts = PurePosixPath(name).parts
    if PurePosixPath(name).is_absolute() or ".." in parts or "\0" in name or "\\" in name or ":" in name:
        raise ValueError(f"{name!r} leads out of the folder")
    return target.joinpath(*parts)


def _put(state: _Restoring, message: Message) -> None:
    place = state.places.get(message.channel_id)
    if place is None or not place.segments:
        state.messages[message.channel_id] += 1
        return
    framing = segment.FRAMING.pack(signed(message.log_time), len(message.data))
    path = place.segment(message.sequence)
    held = state.held.setdefault(path, bytearray())
    held += framing
    held += message.data
    state.held_bytes += len(framing) + len(message.data)
    if state.held_bytes > HELD_BYTES:
        _flush(state)


def _flush(state: _Restoring) -> None:
    for path, data in state.held.items():
        with path.open("ab") as file:
            file.write(data)
    state.held.clear()
    state.held_bytes = 0


def _attachment(state: _Restoring, record: Attachment) -> None:
    """Write an attachment below the folder; a name that leads elsewhere, or cannot be one, is left."""
    try:
        place = _inside(state.target, record.name)
        if record.name.endswith(TAIL):
            state.tails[place.with_name(place.name.removesuffix(TAIL))] = record.data
            return
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(record.data)
    except (OSError, ValueError) as error:
        detail = f"attachment {record.name!r:.200} was not written: {error}"
        state.left.append(Left(0, "bad_attachment", detail, record.data[: 64 << 10]))


def _foreign(state: _Restoring) -> Iterator[Left]:
    for number in sorted(state.others.keys() | state.messages.keys()):
        what = state.others.get(number, f"number {number}, which nothing tells of")
        detail = (
            f"channel {what}: {state.messages[number]:,} messages that are no sensor log of this kind (only channels with "
            f"{LOG} are); they stay in the file"
        )
        yield Left(0, "foreign_channel", detail)


def payloads(path: Path, log: str, ts_ns: int) -> list[bytes]:
    """Return the payloads that a log (by its folder in the recording) has at an instant, in the order of its entries.

    Only the chunks around the instant are read, where the file has an index. Raises SourceError for a file that is no MCAP.
    """
    wanted = unsigned(ts_ns)
    known = around(path, wanted)
    # The end of a file repeats the channels that its chunks declare, one of which may be lost.
    records = chain(walk(path, outside_chunks=True), walk(path)) if known is None else known
    found, channels = [], set()
    for record in records:
        if isinstance(record, Channel) and _is_log(record.metadata, log):
            channels.add(record.id)
        elif isinstance(record, Message) and record.channel_id in channels and record.log_time == wanted:
            found.append(record.data)
    return found


def _is_log(metadata: dict[str, str], log: str) -> bool:
    try:
        return str(json.loads(metadata[LOG])["path"]) == log
    except (KeyError, ValueError, TypeError):
        return False


def unsigned(ts_ns: int) -> int:
    """Return a time as MCAP keeps it: its 64 bits without a sign.

    >>> unsigned(-1) == 2**64 - 1, signed(unsigned(-5))
    (True, -5)
    """
    return ts_ns & 0xFFFF_FFFF_FFFF_FFFF


def signed(log_time: int) -> int:
    """Return a time of MCAP as that of an entry."""
    return log_time - (1 << 64) if log_time >> 63 else log_time

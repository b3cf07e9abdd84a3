"""What a consumer asks of a producer: which stream, and from where."""

from dataclasses import dataclass
from typing import Literal

from kit.auki.shape import ShapeError, i64
from kit.errors import ArgumentError

Position = Literal["latest", "from_start", "from_timestamp"]


@dataclass(frozen=True, repr=False)
class ReadFrom:
    """Where a stream starts: made by `latest()`, `from_start()` or `from_timestamp(ns)` (spec/auki.md 6.3).

    >>> ReadFrom.from_timestamp(42)
    ReadFrom.from_timestamp(42)
    """

    kind: Position
    timestamp_ns: int | None = None

    @staticmethod
    def latest() -> "ReadFrom":
        """Nothing that is past: entries from now on."""
        return ReadFrom("latest")

    @staticmethod
    def from_start() -> "ReadFrom":
        """Everything that is still there, then entries as they come."""
        return ReadFrom("from_start")

    @staticmethod
    def from_timestamp(ns: int) -> "ReadFrom":
        """Entries at or after `ns` on the log's clock (int64) that are still there, then entries as they come."""
        try:
            return ReadFrom("from_timestamp", i64(ns, "timestamp_ns"))
        except ShapeError as error:
            raise ArgumentError(str(error)) from None

    def __repr__(self) -> str:
        return f"ReadFrom.{self.kind}({'' if self.timestamp_ns is None else self.timestamp_ns})"


class StreamRequest:
    """The handshake of a stream: `resource_id`, `source_peer_id` ("" is any) and `from_` (the latest by default)."""

    __slots__ = ("_from", "_resource_id", "_source_peer_id")

    def __init__(self, resource_id: str, source_peer_id: str = "", from_: ReadFrom | None = None) -> None:
        if not isinstance(resource_id, str) or not isinstance(source_peer_id, str):
            raise ArgumentError(f"resource_id {resource_id!r} and source_peer_id {source_peer_id!r} must be strings")
        if from_ is not None and not isinstance(from_, ReadFrom):
            raise ArgumentError(f"from_ {from_!r} is no ReadFrom; use ReadFrom.latest() and the like")
        self._resource_id = resource_id
        self._source_peer_id = source_peer_id
        self._from = ReadFrom.latest() if from_ is None else from_

    @property
    def resource_id(self) -> str:
        """The resource, by its id within the source peer."""
        return self._resource_id

    @property
    def source_peer_id(self) -> str:
        """The peer the data comes from, or "" where the id alone decides."""
        return self._source_peer_id

    @property
    def from_(self) -> ReadFrom:
        """Where to start."""
        return self._from

    def _key(self) -> tuple[str, str, ReadFrom]:
        return self._resource_id, self._source_peer_id, self._from

    def __eq__(self, other: object) -> bool:
        return self._key() == other._key() if isinstance(other, StreamRequest) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return (
            f'StreamRequest(source_peer_id="{self._source_peer_id}", resource_id="{self._resource_id}", '
            f'from_="{self._from!r}")'
        )

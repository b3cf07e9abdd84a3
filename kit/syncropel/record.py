"""A Syncropel record, its acts and its data types (spec/syncropel.md 1 and 3)."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

HASHED_FIELDS = ("act", "actor", "body", "clock", "data_type", "parents", "thread")
"""The keys that a server hashes; no other key of a stored record has a part in its id."""


class ActType(str, Enum):  # noqa: UP042  its str() is that of the published SDK
    """What a record does: four effects, four acts of coordination."""

    GET = "GET"
    PUT = "PUT"
    CALL = "CALL"
    MAP = "MAP"
    INTEND = "INTEND"
    DO = "DO"
    KNOW = "KNOW"
    LEARN = "LEARN"


class DataType(str, Enum):  # noqa: UP042  its str() is that of the published SDK
    """What a record's body stands for."""

    SCALAR = "SCALAR"
    FORMULA = "FORMULA"
    DISTRIBUTION = "DISTRIBUTION"
    REFERENCE = "REFERENCE"
    MORPHISM = "MORPHISM"
    VOID = "VOID"


@dataclass
class Record:
    """One record; its id is computed (`record_id`), not held.

    Nothing is checked: an act or a data type that the protocol does not know is kept and hashed as it
    is. `clock` counts per thread and actor. Parents are sorted on the way out, repeats kept.
    """

    act: str | ActType
    actor: str
    body: dict[str, Any] = field(default_factory=dict)
    clock: int = 0
    parents: Sequence[str] = field(default_factory=list)
    thread: str = ""
    data_type: str | DataType = DataType.SCALAR
    judged_by: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the six fields of the short hash, parents sorted."""
        return {
            "act": _text(self.act),
            "actor": self.actor,
            "body": self.body,
            "clock": self.clock,
            "parents": sorted(self.parents),
            "thread": self.thread,
        }

    def to_dict_7field(self) -> dict[str, Any]:
        """Return the seven fields that a server hashes, parents sorted."""
        return {**self.to_dict(), "data_type": _text(self.data_type)}

    def to_api_dict(self) -> dict[str, Any]:
        """Return what the API carries: the seven fields, and `judged_by` where it is not None."""
        return {**self.to_dict_7field(), **({} if self.judged_by is None else {"judged_by": self.judged_by})}


def _text(value: Any) -> Any:
    return value.value if isinstance(value, Enum) else value

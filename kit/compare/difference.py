"""The difference of two traces in words, over the table of `kit.compare.traces`."""

from dataclasses import dataclass
from html import escape
from typing import Any

import pyarrow as pa

from kit.compare.traces import difference as positions
from kit.errors import ArgumentError
from kit.table import Table

TOLD = 5


@dataclass(frozen=True)
class TraceDifference:
    """What two traces differ in: `events`, a row per causal position (see `kit.compare.traces`)."""

    names: tuple[str, str]
    events: pa.Table

    def table(self) -> Table:
        """Return the rows: `change, position, depth, type, neuron, id_a, id_b, wait_a_ms, wait_b_ms, delta_ms`."""
        return Table(self.events, name="difference")

    def counts(self) -> dict[str, int]:
        """Return how many positions changed in which way, `same` among them."""
        words = self.events["change"].to_pylist()
        return {word: words.count(word) for word in ("same", "slower", "faster", "added", "removed")}

    @property
    def differs(self) -> bool:
        """Whether any position does."""
        return self.counts()["same"] < len(self.events)

    def headlines(self, most: int = TOLD) -> list[str]:
        """Return the first position that only one of them has, and the greatest shifts, in words."""
        rows = self.events.to_pylist()
        only = [row for row in rows if row["change"] in ("added", "removed")]
        said = [f"{row['change']}: {row['position']}" for row in only[:1]]
        if len(only) > 1:
            said[0] += f" (and {len(only) - 1} more)"
        moved = sorted(
            (row for row in rows if row["change"] in ("slower", "faster")), key=lambda row: -abs(row["delta_ms"])
        )
        said += [
            f"{row['change']}: {row['position']}, {row['wait_a_ms']:,.4g} to {row['wait_b_ms']:,.4g} ms after its cause"
            for row in moved
        ]
        return said[:most]

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "a": self.names[0], "b": self.names[1], "differs": self.differs, "counts": self.counts(),
            "headlines": self.headlines(), "events": self.events.to_pylist(),
        }  # fmt: skip

    def _headline(self) -> str:
        told = ", ".join(f"{count} {word}" for word, count in self.counts().items() if count)
        return f"{self.names[0]} to {self.names[1]}: {told or 'nothing in either'}"

    def __repr__(self) -> str:
        return "\n".join([self._headline(), *(f"  {text}" for text in self.headlines())])

    def _repr_html_(self) -> str:
        said = "".join(f"<li>{escape(text)}</li>" for text in self.headlines())
        return f"<p><b>{escape(self._headline())}</b></p><ul>{said}</ul>"


def difference(a: Any, b: Any) -> TraceDifference:
    """Return what is added, removed, slower or faster in trace `b` than in `a`; they may be of different stores."""
    if not (hasattr(a, "store") and hasattr(b, "store")):
        raise ArgumentError(f"{type(a).__name__} and {type(b).__name__}: give two traces of study.trace(id)")
    found = positions(a.store, a.id, b.id, run_a=a.run, run_b=b.run, follow=a.follow and b.follow, store_b=b.store)
    return TraceDifference((a.id, b.id), found)

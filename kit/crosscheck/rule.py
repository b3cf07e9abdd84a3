"""`Rule` and `Finding`: what is checked, and what breaks it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from kit.crosscheck.evidence import Evidence

Severity = Literal["error", "warning", "info"]
"""`error`: a statement that the sensors contradict; `warning`: evidence that cannot be trusted; `info`: it cannot be told."""


@dataclass(frozen=True)
class Finding:
    """One statement that does not hold: its three pieces of evidence, as far as they are there, and how far apart they are."""

    signal_id: str | None
    record_id: str | None
    log: str | None
    ts_ns: int | None
    """The instant, on the log's clock."""
    detail: str
    distance: float | None = None
    """How far apart statement and evidence are, in `unit`."""
    tolerance: float | None = None
    unit: str | None = None


@dataclass(frozen=True)
class Rule:
    """A rule: `check` yields what breaks it."""

    id: str
    severity: Severity
    statement: str
    check: "Callable[[Evidence], Iterator[Finding]]"

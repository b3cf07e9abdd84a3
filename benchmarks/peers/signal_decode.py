"""Peer: `Signal.decode` of the published `cosmonapse` package in a loop.

It keeps the signals, and the bad lines with number and reason. It checks less than the kit: unknown keys and
repeated keys pass unseen, missing ids and times are made up, and nothing is compared with what was read
before.
"""

from pathlib import Path
from typing import Any

from cosmonapse import Signal


def load(path: str) -> dict[str, Any]:
    """Decodes every line; counts `lines`, `rows`, `quarantined` (a number, not by reason) and `skipped`."""
    signals: list[Signal] = []
    bad: list[tuple[int, str]] = []
    skipped = number = 0
    keep, decode = signals.append, Signal.decode
    with Path(path).open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                keep(decode(line))
            except ValueError as error:
                if line.strip():
                    bad.append((number, str(error)))
                else:
                    skipped += 1
    return {"lines": number, "rows": len(signals), "quarantined": len(bad), "skipped": skipped}

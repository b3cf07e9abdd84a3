"""What a player hands to its sink: one event of the timeline, with its text as captured."""

import json
from typing import Any, NamedTuple

from kit.cosmonapse.signal import Signal
from kit.errors import ArgumentError


class PlayedEvent(NamedTuple):
    """One event. Times are nanoseconds UTC, or of the clock that the player names where nothing is mapped to UTC."""

    position: int
    """Its place on the timeline, from 0."""
    due_ns: int
    """When it is delivered: its own time, or that of a cause which is later."""
    at_ns: int | None
    """Its own time, None without one."""
    family: str
    """`signals`, `records`, `logs`, or `rows` for rows of a table of yours."""
    run: str
    id: str
    """Id of the signal or record; of a log entry `log_id#seq`."""
    group_id: str
    """Trace, thread or log."""
    kind: str
    """Type of the signal, kind (else act) of the record, what the log holds."""
    actor: str | None
    text: str | None
    """The line as captured; JSON of the row for `rows`; None for a log entry, whose data is `player.payload(event)`."""

    @property
    def json(self) -> Any:
        """The captured line, parsed; raises ArgumentError for a log entry, which has none."""
        if self.text is None:
            raise ArgumentError(f"{self.id!r} is an entry of a log and has no text; ask player.payload(event)")
        return json.loads(self.text)

    @property
    def payload(self) -> dict[str, Any]:
        """The payload of a signal, the body of a record, a row as it is."""
        whole: dict[str, Any] = self.json
        key = {"signals": "payload", "records": "body"}.get(self.family)
        return whole if key is None else whole.get(key) or {}

    @property
    def signal(self) -> Signal:
        """The event as a `Signal`; raises ArgumentError where it is none."""
        if self.family != "signals" or self.text is None:
            raise ArgumentError(f"{self.id!r} is of the {self.family}, and no signal")
        return Signal.decode(self.text)

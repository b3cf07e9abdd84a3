"""Marks of a timeline while a simulation runs: a point for each signal, a span for each task from its TASK to its reply."""

from kit.sim.envelope import Envelope

REPLIES = {
    "AGENT_OUTPUT": "completed",
    "CLARIFICATION": "completed",
    "PERMISSION": "completed",
    "ERROR": "failed",
}
SIGNS_OF_LIFE = ("HEARTBEAT", "REGISTER", "DISCOVER")
"""Not drawn: every neuron sends them all the time."""
COLUMNS = ("lane", "start", "end", "kind", "status", "id", "name")
MOST_BEGUN = 10_000
Marks = dict[str, list[str | float | None]]


class Marking:
    """Notes the marks of signals as they are sent; `take` hands them over, a column each. Times are microseconds since 1970."""

    def __init__(self) -> None:
        self._rows: list[tuple[str | float | None, ...]] = []
        self._begun: dict[str, int] = {}

    def see(self, envelope: Envelope) -> None:
        """Take note of a signal."""
        kind = envelope.kind
        if kind in SIGNS_OF_LIFE:
            return
        sender: str = envelope.sender.dendrite_id
        lane = envelope.to or sender
        if kind == "TASK":
            self._begin(envelope.id, envelope.ts_us)
        elif kind == "TASK_AWARDED":
            self._begin(f"{envelope.trace_id} {envelope.to}", envelope.ts_us)
        elif kind in REPLIES:
            # The TASK of an award is never published: the award itself is where it began (spec/cosmonapse.md 5.3).
            start = self._begun.pop(envelope.parent_id or "", None)
            if start is None:
                start = self._begun.pop(f"{envelope.trace_id} {envelope.to}", None)
            if start is not None:
                row = (lane, float(start), float(envelope.ts_us), "task", REPLIES[kind], envelope.parent_id, "task")
                self._rows.append(row)
        self._rows.append((lane, float(envelope.ts_us), None, kind, None, envelope.id, kind))

    def _begin(self, key: str, us: int) -> None:
        self._begun[key] = us
        if len(self._begun) > MOST_BEGUN:
            del self._begun[next(iter(self._begun))]

    def take(self) -> Marks | None:
        """Return the marks since the last time, None for none."""
        rows, self._rows = self._rows, []
        return (
            {name: list(column) for name, column in zip(COLUMNS, zip(*rows, strict=True), strict=True)}
            if rows
            else None
        )

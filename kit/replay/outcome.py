"""`Replay`: what came of a counterfactual replay, trace by trace."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kit.errors import NotFoundError
from kit.replay.comparison import Divergence
from kit.replay.content import Step, counted, shown
from kit.replay.recording import Work
from kit.sim.run import Run
from kit.table import Table

if TYPE_CHECKING:
    from kit.sim import Namespace

SHOWN = 5
TRACES = pa.schema(
    [
        ("trace_id", pa.string()),
        ("verdict", pa.string()),
        ("tasks", pa.int64()),
        ("steps", pa.int64()),
        ("agreed", pa.int64()),
        ("neuron", pa.string()),
        ("task_id", pa.string()),
        ("place", pa.int64()),
        ("kind", pa.string()),
        ("reason", pa.string()),
        ("recorded_id", pa.string()),
        ("replayed_id", pa.string()),
    ]
)
STEPS = pa.schema(
    [
        ("task_id", pa.string()),
        ("neuron", pa.string()),
        ("place", pa.int64()),
        ("state", pa.string()),
        ("recorded", pa.string()),
        ("recorded_says", pa.string()),
        ("recorded_id", pa.string()),
        ("replayed", pa.string()),
        ("replayed_says", pa.string()),
        ("replayed_id", pa.string()),
        ("reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class Track:
    """A task done again: its work in the capture, its steps now, and where they part.

    `state` is agrees, parts, open (no reply in the capture; agrees as far as that goes) or "not reached" (a new neuron
    that handed it on does not any more).
    """

    work: Work
    done: tuple[Step, ...]
    state: str
    agreed: int
    parted: Divergence | None
    stopped_at: str | None


@dataclass(frozen=True, eq=False)
class Replay:
    """What new neurons made of the tasks of a capture.

    `answers` counts how requests were answered: content, elsewhere, position, live, model, silent, missed (see `replay`).
    `left_out` says in words what could not be replayed or compared. `errors` are those of handlers.
    """

    capture: str
    neurons: tuple[str, ...]
    tracks: tuple[Track, ...]
    answers: Mapping[str, int]
    left_out: tuple[str, ...]
    errors: tuple[str, ...]
    namespace: "Namespace"

    @property
    def agrees(self) -> bool:
        """True where no task parts from the capture."""
        return not any(track.parted for track in self.tracks)

    @cached_property
    def divergences(self) -> tuple[Divergence, ...]:
        """The first divergence of each trace that has one, in the order of the capture."""
        first: dict[str, Divergence] = {}
        for parted in sorted((t.parted for t in self.tracks if t.parted), key=lambda found: (found.at_us, found.place)):
            first.setdefault(parted.trace_id, parted)
        return tuple(first.values())

    @property
    def first(self) -> Divergence | None:
        """The first divergence of all, None where there is none."""
        return self.divergences[0] if self.divergences else None

    @property
    def table(self) -> Table:
        """One row per trace: verdict (agrees, parts, open), tasks, steps, agreed, and where it parts first and why."""
        by_trace: dict[str, list[Track]] = {}
        for track in self.tracks:
            by_trace.setdefault(track.work.trace_id, []).append(track)
        first = {found.trace_id: found for found in self.divergences}
        rows = [_row(trace, tracks, first.get(trace)) for trace, tracks in by_trace.items()]
        return Table(pa.Table.from_pylist(rows, schema=TRACES), name="traces")

    def steps(self, trace: str | None = None, *, every: bool = False) -> Table:
        """Return the steps of the task where a trace parts first, captured beside replayed: what `plot` draws.

        `trace` is an id, or the end of one; the first that parts without it. `every` gives all tasks of the trace. Columns:
        task_id, neuron, place, state (agrees, parts, after, open), recorded, recorded_says, recorded_id, the same of
        replayed, and reason. Raises NotFoundError for an unknown trace, and where nothing parts and no trace is given.
        """
        tracks = [track for track in self._of(trace) if every or self._shown(track)]
        rows = [row for track in tracks or self._of(trace)[:1] for row in _aligned(track)]
        return Table(pa.Table.from_pylist(rows, schema=STEPS), name="steps")

    def _shown(self, track: Track) -> bool:
        found = {parted.trace_id: parted for parted in self.divergences}.get(track.work.trace_id)
        return found is not None and track.parted is found

    def _of(self, trace: str | None) -> list[Track]:
        if trace is None:
            if self.first is None:
                raise NotFoundError("no trace parts from the capture: name one, as steps('...')")
            trace = self.first.trace_id
        ids = {track.work.trace_id for track in self.tracks}
        named = [trace] if trace in ids else sorted(id for id in ids if id.endswith(trace))
        if len(named) != 1:
            raise NotFoundError(f"{trace!r} is {'several traces' if named else 'no trace'} of this replay")
        return [track for track in self.tracks if track.work.trace_id == named[0]]

    @cached_property
    def run(self) -> Run:
        """The signals of the replay as a Run: `study.load(replay.run, run="replay")`."""
        return Run(self.namespace)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, without the agreeing steps."""
        return {
            "capture": self.capture,
            "neurons": list(self.neurons),
            "agrees": self.agrees,
            "tasks": len(self.tracks),
            "answers": dict(self.answers),
            "left_out": list(self.left_out),
            "traces": self.table.rows(),
        }

    def _lines(self) -> list[str]:
        traces = {track.work.trace_id for track in self.tracks}
        parting = len(self.divergences)
        lines = [
            f"{counted(len(self.tracks), 'task')} of {', '.join(self.neurons)} in {counted(len(traces), 'trace')} of run "
            f"{self.capture!r}: {len(traces) - parting:,} agree, {parting:,} part"
        ]
        asked = ", ".join(f"{count:,} {WORDS[way]}" for way, count in self.answers.items() if count)
        lines.append(f"answers: {asked or 'none asked for'}")
        lines += [f"{found}" for found in self.divergences[:SHOWN]]
        if parting > SHOWN:
            lines.append(f"and {parting - SHOWN:,} more: replay.table")
        lines += [f"left out: {note}" for note in self.left_out]
        return lines + [f"error: {error}" for error in self.errors[:SHOWN]]

    def __repr__(self) -> str:
        return "\n".join(self._lines())

    def _repr_html_(self) -> str:
        return f"<pre>{escape(repr(self))}</pre>"


WORDS = {
    "content": "by content",
    "elsewhere": "by content from another task",
    "position": "by position",
    "live": "live",
    "model": "drawn from the recording",
    "silent": "unanswered as in the capture",
    "missed": "missing",
}


def _row(trace: str, tracks: list[Track], parted: Divergence | None) -> dict[str, Any]:
    open_only = all(track.state == "open" for track in tracks)
    row: dict[str, Any] = {
        "trace_id": trace,
        "verdict": "parts" if parted else "open" if open_only else "agrees",
        "tasks": len(tracks),
        "steps": sum(len(track.work.steps) for track in tracks),
        "agreed": sum(track.agreed for track in tracks),
        "neuron": tracks[0].work.neuron if len({track.work.neuron for track in tracks}) == 1 else None,
    }
    if parted is not None:
        row |= {name: getattr(parted, name) for name in ("neuron", "task_id", "place", "kind", "reason")}
        row["recorded_id"] = parted.recorded.id if parted.recorded else None
        row["replayed_id"] = parted.replayed.id if parted.replayed else None
    return row


def _aligned(track: Track) -> list[dict[str, Any]]:
    before, now = track.work.steps, track.done
    rows = []
    for n in range(max(len(before), len(now))):
        old = before[n] if n < len(before) else None
        new = now[n] if n < len(now) else None
        parts = track.parted is not None and n == track.parted.place - 1
        state = "parts" if parts else "agrees" if n < track.agreed else "after" if track.parted else "open"
        rows.append(
            {
                "task_id": track.work.task_id,
                "neuron": track.work.neuron,
                "place": n + 1,
                "state": state,
                "recorded": old.name if old else None,
                "recorded_says": _said(old) if old else None,
                "recorded_id": old.id if old else None,
                "replayed": new.name if new else None,
                "replayed_says": _said(new) if new else None,
                "replayed_id": new.id if new else None,
                "reason": track.parted.reason if parts and track.parted else None,
            }
        )
    return rows


def _said(step: Step) -> str:
    content = {name: value for name, value in step.content.items() if not (step.kind == "TOOL_CALL" and name == "tool")}
    inner = next(iter(content.values())) if len(content) == 1 else content
    return shown(inner)

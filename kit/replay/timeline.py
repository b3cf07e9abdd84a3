"""The timeline: all events of the sources in the order of delivery, and what that order had to do to them."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from kit.align import LogEntry, find_log
from kit.errors import ArgumentError, StoreError
from kit.replay.causes import UNTIMED, causal
from kit.replay.content import counted
from kit.replay.event import PlayedEvent
from kit.replay.garbage import uncollected
from kit.replay.source import Part, notes_of
from kit.store.store import Store
from kit.trace.forest import Lent

Ints = NDArray[np.int64]
SECOND = 1_000_000_000
_MAKE = partial(tuple.__new__, PlayedEvent)
"""Makes an event of a tuple of its fields, as `PlayedEvent._make` does, in a third of its time: no frame of Python an event."""
REPEATED = ("family", "run", "group_id", "kind", "actor")
TEXTS = {"signals": "raw", "records": "raw"}


@dataclass(frozen=True, eq=False)
class Timeline:
    """Events as columns, in the order of delivery; `part` numbers the parts they came from.

    `due` is when each is delivered, `at` its own time (UNTIMED without), `cause_of` / `causes` its causes in compressed
    form: those of event i are `causes[cause_of[i]:cause_of[i + 1]]`. `group` numbers traces, threads and logs.
    """

    events: pa.Table
    part: Ints
    due: Ints
    at: Ints
    cause_of: Ints
    causes: Ints
    blame: Ints
    """The position of the cause that held an event back, -1 for none."""
    group: Ints
    parts: tuple[Part, ...]
    clock: str
    notes: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.due)

    # What was done to the order

    def held(self) -> pa.Table:
        """Return one row per event that had to wait for a cause, worst first.

        Columns: position, id, kind, actor, group_id, cause, cause_kind, cause_actor, by_ms.

        `by_ms` is how much later than its own time it comes: how far the clocks of both disagree at least.
        """
        chosen = np.flatnonzero((self.blame >= 0) & (self.at != UNTIMED))
        by = (self.due[chosen] - self.at[chosen]) / 1e6
        chosen, by = chosen[order := np.lexsort((chosen, -by))], by[order]
        found = self.events.take(pa.array(chosen))
        cause = self.events.take(pa.array(self.blame[chosen]))
        return pa.table(
            {
                "position": pa.array(chosen),
                "id": found["id"],
                "kind": found["kind"],
                "actor": found["actor"],
                "group_id": found["group_id"],
                "cause": cause["id"],
                "cause_kind": cause["kind"],
                "cause_actor": cause["actor"],
                "by_ms": pa.array(by, pa.float64()),
            }
        )

    # Reading

    def read(self, start: int, stop: int) -> list[PlayedEvent]:
        """Return the events from `start` up to, without, `stop`, with their texts."""
        with uncollected():
            return self._read(start, stop)

    def _read(self, start: int, stop: int) -> list[PlayedEvent]:
        chunk = self.events.slice(start, stop - start)
        family, run, group_id, kind, actor = (_words(chunk[name]) for name in REPEATED)
        at = [None if ns == UNTIMED else ns for ns in self.at[start:stop].tolist()]
        texts = self._texts(chunk, self.part[start:stop])
        positions, ids = range(start, start + len(chunk)), chunk["id"].to_pylist()
        due = self.due[start:stop].tolist()
        return list(map(_MAKE, zip(positions, due, at, family, run, ids, group_id, kind, actor, texts, strict=True)))

    def _texts(self, chunk: pa.Table, part: Ints) -> list[str | None]:
        made: list[str | None] = [None] * len(chunk)
        rows = chunk["row"].to_numpy()
        for number in np.unique(part).tolist():
            own = self.parts[number]
            here = np.flatnonzero(part == number)
            if own.texts is not None:
                for at in here.tolist():
                    made[at] = own.texts[rows[at]]
                continue
            family = str(chunk["family"][int(here[0])])
            if family in TEXTS and own.store is not None:
                self._fetch(own.store, family, here, rows[here], chunk["id"].take(pa.array(here)), made)
        return made

    @staticmethod
    def _fetch(store: Store, family: str, here: Ints, rows: Ints, ids: Any, made: list[str | None]) -> None:
        with Lent(store) as lent:
            lent("player_rows", pa.table({"row": rows, "here": here}))
            low, high = int(rows.min()), int(rows.max())
            found = store.arrow(
                f"""SELECT w.here, s.id, s.{TEXTS[family]} AS text FROM {family} s JOIN player_rows w ON w.row = s.rowid
                    WHERE s.rowid BETWEEN {low} AND {high} ORDER BY w.here""",  # noqa: S608  our names and numbers
            )
        if not found["id"].combine_chunks().equals(pa.chunked_array(ids).combine_chunks()):
            raise StoreError("the store has changed under the player: rows were removed. Make a new player of it")
        for at, text in zip(found["here"].to_pylist(), found["text"].to_pylist(), strict=True):
            made[at] = text

    def store_of(self, position: int) -> Store | None:
        """Return the store that an event is from."""
        return self.parts[int(self.part[position])].store

    def log_of(self, position: int) -> tuple[Store, LogEntry, int]:
        """Return the store, the log and the number of a log entry; ArgumentError where the event is none."""
        row = self.events.slice(position, 1).to_pylist()[0]
        store = self.store_of(position)
        if row["family"] != "logs" or store is None:
            raise ArgumentError(f"{row['id']!r} is of the {row['family']}, and no entry of a log")
        return store, find_log(store, row["group_id"], row["run"]), int(row["id"].rpartition("#")[2])

    # Asking

    def where(self, predicate: str) -> Ints:
        """Return the positions of the events for which a SQL predicate is true, in order.

        Columns: position, family, run, id, group_id, kind, actor, ts, and of signals type, trace_id, parent_id,
        directed_id, payload, meta, flags; of records act, thread, payload (the body).
        """
        found = [self._where(number, own, predicate) for number, own in enumerate(self.parts)]
        return np.unique(np.concatenate([*found, np.array([], np.int64)]))

    def _where(self, number: int, own: Part, predicate: str) -> Ints:
        here = np.flatnonzero(self.part == number)
        if not len(here):
            return here
        store = own.store or Store()
        chosen = self.events.take(pa.array(here)).append_column("position", pa.array(here))
        us = pa.array(self.due[here] // 1000).cast(pa.timestamp("us", tz="UTC"))
        chosen = chosen.append_column("ts", us)
        family = str(chosen["family"][0])
        with Lent(store) as lent:
            lent("played", chosen.drop_columns(["place", "at_ns"]))
            sql = f"SELECT position FROM ({PLAYED[family]}) WHERE ({predicate}) ORDER BY position"  # noqa: S608  the user's SQL
            return np.asarray(store.arrow(sql)["position"].to_numpy())

    def find(self, id: str) -> int:
        """Return the position of an event by its id, whole or by an end that only it has; ArgumentError where none is."""
        found = pc.index(self.events["id"], id).as_py()
        if found < 0:
            matches = pc.ends_with(self.events["id"], id).to_numpy() if len(id) > 3 else np.zeros(0)
            ends = np.flatnonzero(matches)
            if len(ends) != 1:
                raise ArgumentError(
                    f"{id!r} is {'the end of several ids' if len(ends) else 'no event'} of this timeline"
                )
            found = int(ends[0])
        return int(found)

    def density(self, bins: int = 120) -> pa.Table:
        """Return how many events each family has in equal stretches of time: columns bin, start_ns, family, events."""
        if not len(self):
            return pa.table({"bin": pa.array([], pa.int64()), "start_ns": pa.array([], pa.int64())}).append_column(
                "family", pa.array([], pa.string())
            ).append_column("events", pa.array([], pa.int64()))  # fmt: skip
        first, last = int(self.due[0]), int(self.due[-1])
        span = max(last - first, 1)
        number = np.minimum((self.due - first).astype(np.float64) / span * bins, bins - 1).astype(np.int64)
        families = self.events["family"].combine_chunks().dictionary_encode()
        names = families.dictionary.to_pylist()
        counts = np.bincount(families.indices.to_numpy() * bins + number, minlength=bins * len(names))
        some = np.flatnonzero(counts)
        at = some % bins
        return pa.table(
            {
                "bin": pa.array(at),
                "start_ns": pa.array(first + (at * (span / bins)).astype(np.int64)),
                "family": pa.array([names[n] for n in (some // bins).tolist()], pa.string()),
                "events": pa.array(counts[some]),
            }
        )


def _words(column: pa.ChunkedArray) -> list[str | None]:
    """Return texts as a list in which equal ones are one object."""
    coded = column.combine_chunks().dictionary_encode()
    words = coded.dictionary.to_pylist()
    if len(words) * 2 > len(column):
        found: list[str | None] = column.to_pylist()
        return found
    return [None if at is None else words[at] for at in coded.indices.to_pylist()]


PLAYED = {
    "signals": """SELECT p.position, p.family, p.run, p.id, p.group_id, p.kind, p.actor, p.ts, s.type, s.trace_id, s.parent_id,
                         s.directed_id, s.payload, s.meta, s.flags, NULL::VARCHAR AS act, NULL::VARCHAR AS thread
                  FROM played p JOIN signals s ON s.rowid = p.row""",
    "records": """SELECT p.position, p.family, p.run, p.id, p.group_id, p.kind, p.actor, p.ts, NULL::VARCHAR AS type,
                         NULL::VARCHAR AS trace_id, NULL::VARCHAR AS parent_id, NULL::VARCHAR AS directed_id,
                         s.body AS payload, NULL::JSON AS meta, s.flags, s.act, s.thread
                  FROM played p JOIN records s ON s.rowid = p.row""",
}
PLAYED["logs"] = PLAYED["rows"] = """
SELECT position, family, run, id, group_id, kind, actor, ts, NULL::VARCHAR AS type, NULL::VARCHAR AS trace_id,
       NULL::VARCHAR AS parent_id, NULL::VARCHAR AS directed_id, NULL::JSON AS payload, NULL::JSON AS meta,
       NULL::VARCHAR[] AS flags, NULL::VARCHAR AS act, NULL::VARCHAR AS thread FROM played"""


def timeline(parts: list[Part]) -> Timeline:
    """Return the events of all parts in the order of delivery: due, then causes before effects, then time, then id.

    An event without a time comes right behind its causes; without causes, where the line before it of the same source
    does. Where nothing has a time, events are a second apart. Raises ArgumentError for clocks that cannot be merged.
    """
    clocks = sorted({part.clock for part in parts if len(part.events)})
    if len(clocks) > 1:
        raise ArgumentError(
            f"the sources are on the clocks {', '.join(map(repr, clocks))}, which no log joins: play them one by one, or say "
            "clock=kit.align.Utc(...)"
        )
    events = pa.concat_tables([part.events for part in parts]).combine_chunks()
    starts = np.cumsum([0, *(len(part.events) for part in parts)])
    part = np.repeat(np.arange(len(parts)), np.diff(starts))
    child = np.concatenate([p.causes["child"].to_numpy() + at for p, at in zip(parts, starts, strict=False)])
    parent = np.concatenate([p.causes["parent"].to_numpy() + at for p, at in zip(parts, starts, strict=False)])
    own = np.asarray(events["at_ns"].fill_null(UNTIMED).to_numpy(), np.int64)
    at, notes = _placed(own, events, part, child)
    tie = np.empty(len(events), np.int64)
    by = pa.table({"at": own, "run": events["run"], "id": events["id"]})
    tie[pc.sort_indices(by, [("at", "ascending"), ("run", "ascending"), ("id", "ascending")]).to_numpy()] = np.arange(
        len(events)
    )
    made = causal(at, tie, child, parent)
    order = made.order
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    child, parent = place[child], place[parent]
    by_child = np.lexsort((parent, child))
    blame = made.blame[order]
    if made.cut:
        notes.append(f"{counted(made.cut, 'cause')} on a ring: not waited for")
    codes = pa.chunked_array(pc.binary_join_element_wise(events["run"], events["group_id"].fill_null(""), "\0"))
    group = codes.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)
    return Timeline(
        events=events.take(pa.array(order)),
        part=part[order],
        due=made.due[order],
        at=own[order],
        cause_of=np.searchsorted(child[by_child], np.arange(len(order) + 1)),
        causes=parent[by_child],
        blame=np.where(blame >= 0, place[np.maximum(blame, 0)], -1),
        group=group[order],
        parts=tuple(parts),
        clock=clocks[0] if clocks else "utc",
        notes=(*notes_of(parts), *notes),
    )


def _placed(own: Ints, events: pa.Table, part: Ints, child: Ints) -> tuple[Ints, list[str]]:
    """Return times in which no event that waits for nothing is without one."""
    untimed = own == UNTIMED
    if not untimed.any():
        return own, []
    count = int(untimed.sum())
    at = own.copy()
    order = np.lexsort((events["place"].to_numpy(), part))
    if untimed.all():
        at[order] = np.arange(len(at)) * SECOND
        return at, ["no event has a time: all are a second apart, in the order of their lines"]
    free = untimed.copy()
    free[child] = False
    sorted_at, sorted_part = own[order], part[order]
    timed = np.flatnonzero(sorted_at != UNTIMED)
    latest = np.maximum.accumulate(np.where(sorted_at != UNTIMED, np.arange(len(at)), -1))
    before = np.where(latest >= 0, latest, timed[0])
    other = sorted_part[before] != sorted_part
    filled = np.where(other, own[~untimed].min(), sorted_at[before])
    found = np.empty_like(at)
    found[order] = filled
    at[free] = found[free]
    return at, [f"{counted(count, 'event')} without a time: right behind its causes, or behind the line before"]

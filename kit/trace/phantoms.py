"""Phantoms: the unpublished TASK of an award, known by the events that wait for it (spec/cosmonapse.md 5.3).

The rule is that of the macro `awarded_tasks` (kit/cosmonapse/views.sql), which answers for a store; here it answers for
columns that are in memory already, in a tenth of the time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from kit.store.store import Store
from kit.trace.lookup import Ints, column, ints, picked, plain
from kit.trace.scan import NO_TIME, Causes, Scan

Mask = npt.NDArray[np.bool_]

PHANTOMS = pa.schema(
    [
        ("run", pa.string()),
        ("id", pa.string()),
        ("trace_id", pa.string()),
        ("parent_id", pa.string()),
        ("directed_id", pa.string()),
        ("ts", pa.timestamp("us", tz="UTC")),
    ]
)
"""Columns of `Forest.phantoms`: `parent_id` is the award, with the neuron and the time of it."""

AWARD = "TASK_AWARDED"
UPSTREAM = ("BID", "TASK_AWARDED", "TASK_DECLINED")
"""Who answers an offer names the offer, not a task: what has such a child is none."""
REQUESTS = ("TASK", "TASK_OFFER", "TOOL_CALL", "RECALL", "IMPRINT")
"""`directed` of these names who is asked, and not who acts."""


class Phantoms(NamedTuple):
    """Phantoms in (run, id) order: as a table, the position of the award of each, and whom they are a parent of."""

    table: pa.Table
    award: Ints
    child: Ints
    """Positions of the events that wait for one."""
    of: Ints
    """For each of these, the number of the phantom."""


class _Lost(NamedTuple):
    """Events whose parent is missing, and the parents that are: `number` says which each event waits for."""

    event: Ints
    number: Ints
    names: pa.Array
    run: Ints


def phantoms(store: Store, read: Scan, found: Causes, traces: pa.Table, trace: Ints, types: list[str]) -> Phantoms:
    """Return the phantoms among the missing parents; `trace` numbers the rows of `traces`, for each event."""
    awards = np.flatnonzero(read.type == types.index(AWARD)) if AWARD in types else np.zeros(0, np.int64)
    awards = awards[np.argsort(trace[awards], kind="stable")]
    lost = _lost(read, found, awards, trace)
    if not len(lost.event):
        none = np.zeros(0, np.int64)
        return Phantoms(PHANTOMS.empty_table(), none, none, none)
    actor, names = _actors(store, read, np.union1d(lost.event, awards))
    first = np.full(len(lost.names), NO_TIME)
    np.minimum.at(first, lost.number, read.ts[lost.event])
    upstream = np.zeros(len(lost.names), bool)
    upstream[lost.number[_of(read, lost.event, types, UPSTREAM)]] = True

    begin = np.searchsorted(trace[awards], trace[lost.event])
    rivals = np.searchsorted(trace[awards], trace[lost.event], side="right") - begin
    rivals[upstream[lost.number]] = 0
    pair = np.repeat(np.arange(len(lost.event)), rivals)
    award = awards[np.arange(len(pair)) - np.repeat(np.cumsum(rivals) - rivals - begin, rivals)]
    event, number = lost.event[pair], lost.number[pair]
    known = (read.ts[award] != NO_TIME) & (first[number] != NO_TIME)
    before = read.ts[award] <= first[number]
    by_name = (actor(award) == actor(event)) & (actor(award) >= 0) & ~_of(read, event, types, REQUESTS)
    alone = (rivals[pair] == 1) & (before | ~known)
    fits = np.flatnonzero(by_name | alone)
    rank = np.where(known, np.where(before, 0, 1), 2)
    chosen = _first(number[fits], rank[fits], read.ts[award[fits]], _by_id(read, award[fits]))
    lot, award = number[fits][chosen], award[fits][chosen]

    order = ints(pc.sort_indices(pa.table({"run": column(lost.run[lot]), "id": lost.names.take(column(lot))}),
                                 sort_keys=[("run", "ascending"), ("id", "ascending")]))  # fmt: skip
    lot, award = lot[order], award[order]
    of = np.full(len(lost.names), -1)
    of[lot] = np.arange(len(lot))
    waits = of[lost.number] >= 0
    columns = {
        "run": traces["run"].take(column(trace[award])),
        "id": lost.names.take(column(lot)),
        "trace_id": traces["trace_id"].take(column(trace[award])),
        "parent_id": read.ids.text.take(column(award)),
        "directed_id": names.take(column(actor(award), known=actor(award) >= 0)),
        "ts": column(read.ts[award], known=read.ts[award] != NO_TIME).cast(PHANTOMS.field("ts").type),
    }
    return Phantoms(pa.table(columns, schema=PHANTOMS), award, lost.event[waits], of[lost.number[waits]])


def _lost(read: Scan, found: Causes, awards: Ints, trace: Ints) -> _Lost:
    """Return the missing parents that an event on a trace with an award waits for, and all that wait for them."""
    awarded = np.zeros(int(trace.max(initial=-1)) + 1, bool)
    awarded[trace[awards]] = True
    # By hash: one that shares it without being the same comes along, and is its own parent to wait for.
    held = np.isin(found.lost.key, found.lost.key[awarded[trace[found.orphans]]])
    event, run = found.orphans[held], found.lost.run[held].astype(np.int64)
    coded = picked(found.lost.text, np.flatnonzero(held)).combine_chunks().dictionary_encode()
    many = max(len(coded.dictionary), 1)
    pairs, number = np.unique(run * many + ints(coded.indices), return_inverse=True)
    return _Lost(event, number, coded.dictionary.take(column(pairs % many)), pairs // many)


class _Actors:
    """The `directed.id` of some events as a number, -1 where there is none."""

    def __init__(self, event: Ints, code: Ints) -> None:
        self._event = event
        self._code = code

    def __call__(self, event: Ints) -> Ints:
        code: Ints = self._code[np.searchsorted(self._event, event)]
        return code


def _actors(store: Store, read: Scan, event: Ints) -> tuple[_Actors, pa.Array]:
    """Return the actors of events, which are in ascending order as their rows are, and their names by number."""
    store.connection.register("phantom_rows", pa.table({"row": column(read.row[event])}))
    try:
        told = store.arrow(
            "SELECT directed_id FROM signals WHERE rowid IN (SELECT row FROM phantom_rows) ORDER BY rowid"
        )
    finally:
        store.connection.unregister("phantom_rows")
    coded = told["directed_id"].combine_chunks().dictionary_encode(null_encoding="encode")
    none = plain(coded.dictionary.is_null().cast(pa.int8())) > 0
    return _Actors(event, np.where(none, -1, np.arange(len(none)))[ints(coded.indices)]), coded.dictionary


def _of(read: Scan, event: Ints, types: list[str], names: tuple[str, ...]) -> Mask:
    """Return which of the events are of one of some types."""
    wanted = np.array([name in names for name in types], dtype=bool)
    return wanted[read.type[event]]


def _by_id(read: Scan, event: Ints) -> Ints:
    """Return numbers in the order of the ids of events."""
    each, place = np.unique(event, return_inverse=True)
    rank = np.empty(len(each), np.int64)
    rank[ints(pc.sort_indices(picked(read.ids.text, each)))] = np.arange(len(each))
    return rank[place]


def _first(group: Ints, rank: Ints, ts: Ints, by_id: Ints) -> Ints:
    """Return one place for each group: the lowest rank, of these the latest time (none is last), then the greatest id."""
    late = np.where(ts == NO_TIME, NO_TIME, -ts)
    order = np.lexsort((-by_id, late, rank, group))
    return order[np.flatnonzero(np.diff(group[order], prepend=-1))]


__all__ = ["PHANTOMS", "Phantoms", "phantoms"]

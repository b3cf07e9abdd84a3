"""The records of one thread, with what they say of it: who took part, what was judged, what waits; and its graph."""

import json
from collections import defaultdict
from typing import Any

import numpy as np
import pyarrow as pa

from kit.errors import ArgumentError, NotFoundError
from kit.store.store import Store
from kit.trace.forest import LABELS, Lent
from kit.trace.graph import Graph, mark_rings
from kit.trace.records import Weave, weave

NEAR = 3
"""How many near matches the message about an unknown thread names."""
NODE = ("thread", "kind", "clock", "ts", "depth", "line", "body")
"""Columns of `thread_records` that become attributes of a node, as they are."""

PARTICIPANTS = pa.schema(
    [
        ("actor", pa.string()),
        ("roles", pa.list_(pa.string())),
        ("records", pa.int64()),
        ("acts", pa.list_(pa.string())),
        ("first_clock", pa.int64()),
        ("last_clock", pa.int64()),
    ]
)


def thread_records(
    store: Store, thread: str, *, run: str | None = None, follow: bool = False, woven: Weave | None = None
) -> pa.Table:
    """Return the records of a thread, causes before effects: by depth, then clock, then id.

    With `follow` the threads that its INTENDs name in `sub_thread` are included, and theirs. Columns: run, id, thread, act,
    actor, kind, parents, clock, clock_text, ts (NULL unless the clock is a time), body, integrity, flags, source_id,
    line, then label and depth (as in `record_structure`), fulfills and cancels (ids of the INTENDs it ends), outside (its
    parents that are in other threads), sub_thread (the thread that an INTEND names) and verdict.

    `thread` may be a prefix that only one thread has. Raises NotFoundError where there is no such thread and ArgumentError
    where several runs have it.
    """
    run, thread = find_thread(store, thread, run)
    names = _followed(store, run, thread) if follow else [thread]
    woven = weave(store, run) if woven is None else woven
    lent_rows = pa.table(
        {
            "row": woven.row,
            "place": np.arange(len(woven)),
            "depth": woven.depth,
            "label": pa.array(np.array(LABELS, dtype=object)[woven.label], pa.string()),
        }
    )
    with Lent(store) as lent:
        lent("woven_rows", lent_rows)
        return store.arrow(_RECORDS, {"run": run, "threads": names})


def find_thread(store: Store, thread: str, run: str | None = None) -> tuple[str, str]:
    """Return the run and the full name of a thread, named whole or by a prefix of at least 4 characters of its own.

    A prefix may leave out `th_`. Raises NotFoundError, naming what is near, and ArgumentError where several runs have it.
    """
    found = store.execute(_EXACT, {"thread": thread, "run": run})
    found = found or store.execute(_PARTIAL, {"thread": thread, "run": run})
    names = sorted({str(name) for _, name in found})
    if len(names) == 1 and len(found) > 1:
        runs = ", ".join(repr(name) for name, _ in found)
        raise ArgumentError(f"thread {names[0]!r} is in the runs {runs}: say which, as run={found[0][0]!r}")
    if len(names) == 1:
        return str(found[0][0]), names[0]
    where = "" if run is None else f" in run {run!r}"
    if names:
        raise NotFoundError(f"{thread!r} is the start of several threads{where}: {_listed(names)}")
    near = [str(row[0]) for row in store.execute(_NEAR, {"thread": thread, "run": run, "near": NEAR})]
    hint = f" The nearest are {_listed(near)}." if near else ""
    raise NotFoundError(f"no thread {thread!r}{where}.{hint} All of them: study.threads()")


def thread_graph(records: pa.Table) -> Graph:
    """Return the graph of the records of `thread_records`: a node per record id, an edge from each cause to its effect.

    The attributes are those of a trace (`kit.trace.graph`): `type` is the act, `neuron` the actor, `label` and `kind` (event,
    or missing for the stand-in of a parent that is not among the records: its label is missing_parent, or outside
    where the parent is known but in a thread that is not here); beside them thread, clock, ts, depth, line, body,
    `body_kind`. Edges carry `why`: fulfills or cancels where the record says that of its cause, else parent; what is ended
    without being a parent has an edge too. An INTEND that names a thread
    in `sub_thread` has an edge `delegation` to the first INTEND of that thread, where it is among the records. `guessed` is
    False throughout; `back` marks edges that close a ring.
    """
    import networkx as nx  # here, so that a store opens without it

    made: Graph = nx.DiGraph()
    rows: list[dict[str, Any]] = records.to_pylist()
    for row in rows:
        attributes = {name: row[name] for name in NODE if name != "kind"}
        made.add_node(
            row["id"],
            kind="event",
            type=row["act"],
            neuron=row["actor"],
            label=row["label"],
            body_kind=row["kind"],
            **attributes,
        )
    outside = {row["id"]: set(row["outside"]) for row in rows}
    for row in rows:
        ends = dict.fromkeys(row["cancels"], "cancels") | dict.fromkeys(row["fulfills"], "fulfills")
        for cause in [*row["parents"], *ends]:
            if cause not in made:
                label = "outside" if cause in outside[row["id"]] else "missing_parent"
                attributes = dict.fromkeys([*NODE, "type", "neuron", "body_kind"])
                made.add_node(cause, **{**attributes, "kind": "missing", "label": label})
            if not made.has_edge(cause, row["id"]):
                made.add_edge(cause, row["id"], why=ends.get(cause, "parent"), guessed=False, back=False)
    openers: dict[str, str] = {}
    for row in rows:
        if row["act"] == "INTEND":
            openers.setdefault(row["thread"], row["id"])
    for row in rows:
        opener = openers.get(row["sub_thread"])
        if opener is not None and not made.has_edge(row["id"], opener):
            made.add_edge(row["id"], opener, why="delegation", guessed=False, back=False)
    mark_rings(made)
    return made


def participants(records: pa.Table) -> pa.Table:
    """Return one row per actor of `thread_records`, in the order of their first record.

    `roles`: opener (wrote the first INTEND), closer (a KNOW that fulfills one), canceller, reviewer (wrote a verdict), else
    contributor. `acts` is which acts it used, sorted; clocks are its least and greatest.
    """
    by_actor: defaultdict[str | None, list[dict[str, Any]]] = defaultdict(list)
    rows = records.to_pylist()
    for row in rows:
        by_actor[row["actor"]].append(row)
    opener = next((row["actor"] for row in rows if row["act"] == "INTEND"), None)
    found = []
    for actor, held in by_actor.items():
        roles = [
            role
            for role, has in (
                ("opener", actor == opener and opener is not None),
                ("closer", any(row["fulfills"] for row in held)),
                ("canceller", any(row["cancels"] for row in held)),
                ("reviewer", any(row["verdict"] for row in held)),
            )
            if has
        ]
        clocks = [row["clock"] for row in held if row["clock"] is not None]
        found.append(
            {
                "actor": actor, "roles": roles or ["contributor"], "records": len(held),
                "acts": sorted({str(row["act"]) for row in held}),
                "first_clock": min(clocks, default=None), "last_clock": max(clocks, default=None),
            }
        )  # fmt: skip
    return pa.Table.from_pylist(found, schema=PARTICIPANTS)


def thread_verdicts(store: Store, records: pa.Table) -> pa.Table:
    """Return the verdicts of the records of `thread_records`, in their order: rows of the view `verdicts`."""
    ids = records["id"].to_pylist()
    return store.arrow(_VERDICTS, {"run": records["run"][0].as_py(), "ids": ids})


def unfulfilled(records: pa.Table) -> pa.Table:
    """Return the INTENDs of `thread_records` that no KNOW of their thread fulfills: id, actor, goal, clock, cancelled."""
    rows = records.to_pylist()
    fulfilled = {(row["thread"], intent) for row in rows for intent in row["fulfills"]}
    cancelled = {(row["thread"], intent) for row in rows for intent in row["cancels"]}
    waiting = [row for row in rows if row["act"] == "INTEND" and (row["thread"], row["id"]) not in fulfilled]
    return pa.table(
        {
            "id": pa.array([row["id"] for row in waiting], pa.string()),
            "actor": pa.array([row["actor"] for row in waiting], pa.string()),
            "goal": pa.array([_goal(row["body"]) for row in waiting], pa.string()),
            "clock": pa.array([row["clock"] for row in waiting], pa.int64()),
            "cancelled": pa.array([(row["thread"], row["id"]) in cancelled for row in waiting], pa.bool_()),
        }
    )


def _goal(body: str | None) -> str | None:
    try:
        value = json.loads(body or "{}")
    except (ValueError, RecursionError):
        return None
    goal = value.get("goal") if isinstance(value, dict) else None
    return goal if goal is None or isinstance(goal, str) else json.dumps(goal)


def _followed(store: Store, run: str, thread: str) -> list[str]:
    """Return a thread and those its INTENDs name, transitively, in the order found."""
    pairs = store.execute(_SUB_THREADS, {"run": run})
    below: defaultdict[str, list[str]] = defaultdict(list)
    for above, name in pairs:
        below[above].append(name)
    names = dict.fromkeys([thread])
    fresh = [thread]
    while fresh:
        fresh = [name for above in fresh for name in below[above] if name not in names]
        names.update(dict.fromkeys(fresh))
    return list(names)


def _listed(names: list[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:NEAR])
    return shown if len(names) <= NEAR else f"{shown} and {len(names) - NEAR} more"


_EXACT = """
SELECT DISTINCT run, thread FROM records WHERE canonical AND thread = $thread AND ($run IS NULL OR run = $run) ORDER BY run
"""

_PARTIAL = """
SELECT DISTINCT run, thread FROM records
WHERE canonical AND ($run IS NULL OR run = $run) AND length($thread) >= 4
  AND (starts_with(thread, $thread) OR starts_with(thread, 'th_' || $thread))
ORDER BY thread, run
"""

_NEAR = """
SELECT thread FROM records WHERE canonical AND thread IS NOT NULL AND ($run IS NULL OR run = $run) GROUP BY thread
ORDER BY jaro_winkler_similarity(thread, $thread) DESC, thread LIMIT $near
"""

_VERDICTS = """
SELECT * EXCLUDE run FROM verdicts WHERE run = $run AND list_contains($ids, id)
ORDER BY list_position($ids, id), judged
"""

_SUB_THREADS = """
SELECT DISTINCT thread, json_extract_string(body, '$.sub_thread') AS name FROM records
WHERE canonical AND run = $run AND act = 'INTEND' AND json_type(body, '$.sub_thread') = 'VARCHAR' ORDER BY ALL
"""

_RECORDS = """
WITH held AS (
    SELECT r.*, w.label, w.depth, w.place FROM records r JOIN woven_rows w ON w.row = r.rowid
    WHERE r.run = $run AND list_contains($threads, r.thread)
), ends AS (
    SELECT e.id, list(e.intent ORDER BY e.intent) FILTER (WHERE e.how = 'fulfills') AS fulfills,
           list(e.intent ORDER BY e.intent) FILTER (WHERE e.how = 'cancels') AS cancels
    FROM intent_ends e WHERE e.run = $run AND e.counts AND list_contains($threads, e.thread) GROUP BY e.id
), outer_parents AS (
    SELECT c.id, list(p.id ORDER BY p.id) AS outside
    FROM (SELECT id, unnest(parents) AS parent FROM held) c
    JOIN records p ON p.canonical AND p.run = $run AND p.id = c.parent
    WHERE NOT list_contains($threads, coalesce(p.thread, '')) GROUP BY c.id
)
SELECT
    h.run, h.id, h.thread, h.act, h.actor, h.kind, h.parents, h.clock, h.clock_text, wall_time(h.clock) AS ts, h.body,
    h.integrity, h.flags, h.source_id, h.line, h.label, h.depth, coalesce(e.fulfills, []) AS fulfills,
    coalesce(e.cancels, []) AS cancels, coalesce(o.outside, []) AS outside,
    CASE WHEN h.act = 'INTEND' THEN json_extract_string(h.body, '$.sub_thread') END AS sub_thread,
    CASE WHEN h.act = 'KNOW' AND json_extract_string(h.body, '$.verdict') IN ('accept', 'reject')
         THEN json_extract_string(h.body, '$.verdict') END AS verdict
FROM held h LEFT JOIN ends e ON e.id = h.id LEFT JOIN outer_parents o ON o.id = h.id
ORDER BY h.place
"""

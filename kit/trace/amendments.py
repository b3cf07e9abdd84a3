"""What the amendments of a run come to: corrections, erasures, aliases, claims and transfers, folded in order.

No text defines how a reader is to apply them, so the rules are the kit's (spec/syncropel.md 4). Amendments are read by
(clock, actor, id), never in the order of a file; the later wins. Only amendments and the records they aim at are looked at
here, one by one; a view of all records (`kit.trace.record_view`) joins the outcome in SQL.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

import numpy as np

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.levels import levels
from kit.trace.members import joined, members, string, strings

Row = dict[str, Any]
FOREVER = 253_402_300_800_000
"""Milliseconds after which nothing comes: the year 10000."""


class View(NamedTuple):
    """Which amendments count: a view of the records. Without any, the records are as they were written."""

    corrected: bool = True
    erased: bool = True
    aliased: bool = True
    as_of: datetime | None = None
    """Erasures that take effect later do not count; all of them without."""
    same_actor: bool = False
    """Only corrections by the actor of the corrected record."""
    since: bool = False
    """An alias counts only for records whose clock is a time at or after its `since`."""


RAW = View(corrected=False, erased=False, aliased=False)


@dataclass
class Fold:
    """What the amendments of one run come to in a view."""

    run: str
    outcomes: list[Row] = field(default_factory=list)
    """Rows of `amendments` with `outcome` and, for a scope, `owner` after it."""
    bodies: dict[str, str] = field(default_factory=dict)
    """Id to the body as the view shows it, where it differs."""
    corrected_by: dict[str, list[str]] = field(default_factory=dict)
    erased: dict[str, Row] = field(default_factory=dict)
    """Id to the first erasure of it."""
    veiled: set[str] = field(default_factory=set)
    """Ids of corrections whose revised fields are hidden, since they are aimed at an erased record."""
    kinds: list[Row] = field(default_factory=list)
    """Old kind to new (NULL on a cycle), from one time on and until another, in ms."""
    conflicts: list[Row] = field(default_factory=list)
    """Fields that different actors set."""


def fold(store: Store, run: str, view: View) -> Fold:
    """Return what the amendments of `run` come to in `view`.

    The outcome of an amendment, per target, is `applied`, or why it is not: `unresolved` (the target is not in the
    run), `malformed` (no target, or no revised fields), `unreadable` (the target's body is no object), `switched_off` (by the
    view), `not_in_force` (an erasure after `as_of`), `erased` (it was erased itself), `erased_target`, `erasure_stands` (a
    correction of an erasure), `other_actor` (with `same_actor`), `cycle` (corrections or aliases that lead back to
    themselves), `retargeted` (a correction of it took the target away), `overridden` (a later alias for the same
    kind), `already_claimed`, `not_owner`.

    What is an amendment is decided by the records as written. An erasure stands as it was written: neither a correction
    nor an erasure of it brings anything back. Any other amendment that was erased does not count.
    """
    made = Fold(run)
    rows = store.arrow("SELECT * FROM amendments WHERE run = $run ORDER BY place, target", {"run": run}).to_pylist()
    if not rows:
        return made
    made.outcomes = [{**row, "outcome": "switched_off", "owner": None} for row in rows]
    held = _held(store, run, made.outcomes)
    if view.erased:
        _erase(made, held, view)
    if view.corrected:
        _correct(made, held, view)
    if view.aliased:
        _alias(made, held, view)
    _own(made, held)
    for row in made.outcomes:
        if row["what"] == "cancellation":
            # What a cancellation does is the state of its thread; it changes no record.
            row["outcome"] = "applied" if row["known"] else "unresolved"
    return made


class _Held(NamedTuple):
    actor: str | None
    body: str | None


def _held(store: Store, run: str, rows: Iterable[Row]) -> dict[str, _Held]:
    """Return actor and body of the amendments and of what they aim at."""
    ids = {row["id"] for row in rows} | {row["target"] for row in rows if row["known"]}
    ids.update(target for row in rows for target in _new_targets(row["revised_fields"]))
    found = store.execute(
        """SELECT id, actor, body::VARCHAR FROM records
           WHERE canonical AND run = $run AND list_contains($ids, id) ORDER BY id""",
        {"run": run, "ids": sorted(ids)},
    )
    return {id_: _Held(actor, body) for id_, actor, body in found}


def _new_targets(revised: str | None) -> list[str]:
    """Return the ids that revised fields name in `corrects`, at whatever depth of corrections of corrections."""
    found: list[str] = []
    while revised is not None and revised.startswith("{"):
        inner = _fields(revised, older=False) or {}
        found += strings(inner.get("corrects"))
        revised = inner.get("revised_fields")
    return found


def _erase(made: Fold, held: Mapping[str, _Held], view: View) -> None:
    for row in made.outcomes:
        if row["what"] != "erasure":
            continue
        if row["target"] is None:
            row["outcome"] = "malformed"
        elif row["effective_at"] is not None and view.as_of is not None and row["effective_at"] > view.as_of:
            row["outcome"] = "not_in_force"
        else:
            row["outcome"] = "applied" if row["target"] in held else "unresolved"
            if row["outcome"] == "applied":
                made.erased.setdefault(row["target"], row)


def _correct(made: Fold, held: Mapping[str, _Held], view: View) -> None:
    """Apply corrections of amendments first, those nearest to the end of a chain before the others."""
    by_id: defaultdict[str, list[Row]] = defaultdict(list)
    for row in made.outcomes:
        if row["what"] == "correction":
            by_id[row["id"]].append(row)
    erasures = {row["id"] for row in made.outcomes if row["what"] == "erasure"}
    aimed: defaultdict[str, list[Row]] = defaultdict(list)
    setters: defaultdict[tuple[str, str], list[Row]] = defaultdict(list)
    settled: set[str] = set()
    for id_ in _order(by_id):
        settled.add(id_)
        _apply(made, held, aimed.pop(id_, []), id_, setters)
        current = _body(made, held, id_)
        if id_ in by_id:
            _aim(made, held, view, by_id[id_], current, aimed, erasures, settled)
        for row in by_id.get(id_, ()):
            row["revised_fields"] = None if id_ in made.veiled or id_ in made.erased else current.get("revised_fields")
    for target in sorted(aimed):
        _apply(made, held, aimed[target], target, setters)
    made.conflicts = [
        {
            "run": made.run, "target": target, "field": name, "winner": rows[-1]["id"], "value": rows[-1]["set"][name],
            "corrections": [row["id"] for row in rows], "actors": sorted({str(row["actor"]) for row in rows}),
        }
        for (target, name), rows in sorted(setters.items())
        if len({row["actor"] for row in rows}) > 1
    ]  # fmt: skip
    for row in made.outcomes:
        row.pop("set", None)


def _order(by_id: Mapping[str, list[Row]]) -> list[str]:
    """Return the corrections in an order in which each comes after those aimed at it; rings are cut, and say so."""
    names = sorted(by_id)
    number = {name: i for i, name in enumerate(names)}
    edges = [row for name in names for row in by_id[name] if row["target"] in number]
    cause = np.array([number[row["id"]] for row in edges], dtype=np.int64)
    effect = np.array([number[row["target"]] for row in edges], dtype=np.int64)
    found = levels(len(names), cause, effect)
    for row, cut in zip(edges, found.cut.tolist(), strict=True):
        if cut:
            row["outcome"] = "cycle"
    return [names[i] for i in np.lexsort((np.arange(len(names)), found.depth)).tolist()]


def _aim(
    made: Fold, held: Mapping[str, _Held], view: View, rows: list[Row], current: Mapping[str, str],
    aimed: defaultdict[str, list[Row]], erasures: set[str], settled: set[str],
) -> None:  # fmt: skip
    """Decide what becomes of one correction, whose body is `current` by now, at each of its targets."""
    older = rows[0]["older"]
    targets = None if older else strings(current.get("corrects"))
    fields = _fields(current.get("revised_fields"), older)
    known = {row["target"] for row in rows}
    for target in targets or []:
        # A target that a correction of this one added: corrections that are settled by now stay as they are.
        if target not in known:
            outcome = "cycle" if target in settled else "switched_off"
            added = {**rows[0], "target": target, "known": target in held, "outcome": outcome}
            made.outcomes.append(added)
            rows.append(added)
    for row in rows:
        target = row["target"]
        if targets is not None and target not in targets and target is not None:
            row["outcome"] = "retargeted"
        elif row["id"] in made.erased:
            row["outcome"] = "erased"
        elif row["outcome"] == "cycle":
            continue
        elif target is None or fields is None:
            row["outcome"] = "malformed"
        elif target not in held:
            row["outcome"] = "unresolved"
        elif target in made.erased:
            row["outcome"] = "erased_target"
            made.veiled.add(row["id"])
        elif target in erasures:
            row["outcome"] = "erasure_stands"
        elif view.same_actor and row["actor"] != held[target].actor:
            row["outcome"] = "other_actor"
        else:
            row["outcome"] = "applied"
            row["set"] = fields
            aimed[target].append(row)


def _fields(text: str | None, older: bool) -> dict[str, str] | None:
    """Return the revised fields, None where they are none; a correction of the older style need not have any."""
    try:
        return {} if text is None and older else members(text or "")
    except ArgumentError:
        return None


def _apply(
    made: Fold, held: Mapping[str, _Held], rows: list[Row], target: str,
    setters: defaultdict[tuple[str, str], list[Row]],
) -> None:  # fmt: skip
    """Set the fields of one record as its corrections say, in their order."""
    if not rows:
        return
    body = _body(made, held, target)
    if not body and (held[target].body or "{}") != "{}":
        for row in rows:
            row["outcome"] = "unreadable"
        return
    for row in sorted(rows, key=lambda row: int(row["place"])):
        body.update(row["set"])
        made.corrected_by.setdefault(target, []).append(row["id"])
        for name in row["set"]:
            setters[target, name].append(row)
    made.bodies[target] = joined(body)


def _body(made: Fold, held: Mapping[str, _Held], id_: str) -> dict[str, str]:
    """Return the members of a body as they are by now; of one that cannot be read, none."""
    try:
        return members(made.bodies.get(id_) or held[id_].body or "{}")
    except ArgumentError:
        return {}


def _alias(made: Fold, held: Mapping[str, _Held], view: View) -> None:
    rows = [row for row in made.outcomes if row["what"] == "alias"]
    found: list[tuple[Row, str, str]] = []
    for row in rows:
        body = _body(made, held, row["id"])
        old, new = string(body.get("old_kind")), string(body.get("new_kind"))
        row["old_kind"], row["new_kind"] = old, new
        if row["id"] in made.erased:
            row["outcome"] = "erased"
        elif old is None or new is None:
            row["outcome"] = "malformed"
        else:
            row["outcome"] = "applied"
            found.append((row, old, new))
    starts = sorted({_ms(row["effective_at"]) for row, _, _ in found}) if view.since else [0]
    for start, until in zip(starts, [*starts[1:], FOREVER], strict=True):
        latest: dict[str, tuple[str, Row]] = {}
        for row, old, new in found:
            if not view.since or _ms(row["effective_at"]) <= start:
                if old in latest:
                    latest[old][1]["outcome"] = "overridden"
                latest[old] = new, row
        for old, new_kind in _ends({old: new for old, (new, _) in latest.items()}).items():
            if new_kind is None:
                latest[old][1]["outcome"] = "cycle"
            times = {"since": start, "until": until} if view.since else {"since": None, "until": None}
            made.kinds.append({"run": made.run, "old": old, "new": new_kind, **times})


def _ends(steps: Mapping[str, str]) -> dict[str, str | None]:
    """Return where each chain of renamings ends, None for one that runs into a ring.

    >>> _ends({"a": "b", "b": "c", "x": "y", "y": "x"})
    {'a': 'c', 'b': 'c', 'x': None, 'y': None}
    """
    ends: dict[str, str | None] = {}
    for first in steps:
        path: list[str] = []
        on_path: set[str] = set()
        at = first
        while at in steps and at not in ends and at not in on_path:
            path.append(at)
            on_path.add(at)
            at = steps[at]
        end = None if at in on_path else ends.get(at, at)
        ends.update(dict.fromkeys(path, end))
    return {old: ends[old] for old in steps}


def _own(made: Fold, held: Mapping[str, _Held]) -> None:
    """Fold claims and transfers of scopes, by (effective_at, clock, id): the first claim wins, only an owner hands on."""
    rows = [row for row in made.outcomes if row["what"] in ("scope_claim", "scope_transfer")]
    owners: dict[str, str] = {}
    for row in sorted(rows, key=lambda row: (_ms(row["effective_at"]), _clock(row), row["id"])):
        body = _body(made, held, row["id"])
        claimant = string(body.get("claimant")) or row["actor"]
        scope = string(body.get("scope"))
        value = claimant if row["what"] == "scope_claim" else string(body.get("to_publisher"))
        row["scope"], row["to_publisher"] = scope, value
        if row["id"] in made.erased:
            row["outcome"] = "erased"
        elif scope is None or value is None:
            row["outcome"] = "malformed"
        elif row["what"] == "scope_claim" and scope in owners:
            row["outcome"] = "already_claimed"
        elif row["what"] == "scope_transfer" and owners.get(scope) != string(body.get("from_publisher")):
            row["outcome"] = "not_owner"
        else:
            row["outcome"] = "applied"
            owners[scope] = value
        row["owner"] = owners.get(scope) if scope is not None else None


def _ms(moment: datetime | None) -> int:
    """Return a time in ms; one that is missing comes after all others."""
    return FOREVER if moment is None else round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1000)


def _clock(row: Row) -> int:
    return 2**63 if row["clock"] is None else int(row["clock"])

"""Records found by plain arguments instead of SQL, as they were written or as their amendments leave them."""

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

import pyarrow as pa

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.table import Table
from kit.trace.amendments import View
from kit.trace.record_view import view_sql
from kit.trace.search import Many, matches, moment_of, named, path_of

FIRST = "run, thread, clock, act, kind, actor, id, parents"
"""Columns that lead a table of found records; the body closes it."""

Ref = str | Mapping[str, str]


def records(
    store: Store,
    *,
    kind: Many = None,
    actor: Many = None,
    thread: Many = None,
    act: Many = None,
    ref: Ref | Iterable[Ref] | None = None,
    body: Mapping[str, Any] | None = None,
    run: Many = None,
    where: str | None = None,
    view: View | None = None,
) -> Table:
    """Return the records that match all arguments, as a lazy Table in (run, thread, clock, actor, id) order.

    kind, actor, thread, act, run  a value or several
    ref     what the body refers to: an id such as "isrc:USJI19810404", or {"kind": ..., "id": ...}, or several of them;
            ids are compared by the view's `ref_key`, so that case and hyphens do not matter where they mean nothing
    body    {"path": value}, as `payload` of `study.signals`
    where   an SQL condition over the columns of the answer, for all else
    view    which amendments count; without one the records are as they were written. The other arguments look at what the
            view shows, and the columns of `records_view` are there too; amendments made later do not change the answer.

    Raises ArgumentError for an empty path or a reference that names nothing.
    """
    tests: list[str] = []
    values: dict[str, Any] = {}

    def bind(value: object) -> str:
        values[f"p{len(values)}"] = value
        return f"$p{len(values) - 1}"

    # One run may be looked at alone; of several, the view folds each.
    source = "SELECT * FROM records"
    if view is not None:
        source, values = view_sql(store, run if isinstance(run, str) else None, view)
    for column, wanted in (("kind", kind), ("actor", actor), ("thread", thread), ("act", act), ("run", run)):
        if wanted is not None:
            tests.append(f"list_contains({bind(named(wanted))}::VARCHAR[], {column})")
    if ref is not None:
        tests.append(_refers([ref] if isinstance(ref, str | Mapping) else list(ref), bind))
    for path, value in (body or {}).items():
        tests.append(matches("body", bind(path_of(path, "body")), value, bind))
    if where is not None:
        tests.append(f"(\n{where}\n)")
    sql = f"""SELECT {FIRST}, * EXCLUDE ({FIRST}, body), body FROM ({source})
              WHERE {" AND ".join(tests) or "true"}
              ORDER BY run, thread, clock NULLS LAST, actor, id, source_id, line"""  # noqa: S608
    # What the caller gives is bound; `where` is SQL by its meaning.
    found = store.query(sql, values or None)
    found.name = "records"
    return found


def refs(
    store: Store, *, kind: Many = None, ref: Ref | Iterable[Ref] | None = None, run: str | None = None,
    view: View | None = None,
) -> Table:  # fmt: skip
    """Return one row per reference of a record: the first columns of `record_refs`, then thread, actor and act of the record.

    With a view the references are those of the bodies that it shows: an erased record has none.
    """
    found = records(store, ref=ref, run=run, view=view, where="canonical AND id IS NOT NULL")
    table = found.sql(
        """SELECT run, id, position, item.kind AS kind, item.ref_id AS ref_id, ref_key(item.ref_id) AS ref_key, thread, actor, act
           FROM (SELECT run, id, thread, actor, act, generate_subscripts(refs, 1)::BIGINT - 1 AS position, unnest(refs) AS item
                 FROM (SELECT *, body_refs(body) AS refs FROM self))
           ORDER BY run, id, position"""
    ).arrow()
    if kind is not None:
        table = table.filter(pa.compute.is_in(table["kind"], pa.array(named(kind), pa.string())))
    return Table(table, name="refs")


def record_levels(store: Store, run: str | None = None, thread: str | None = None) -> pa.Table:
    """Return the hashes of each record's act and body at levels L0 to L3 (spec/syncropel.md 2.3): run, id, l0, l1, l2, l3.

    Records are hashed one by one, by the canonical text that is stored; a body that is no object, or that has no canonical
    form, has no hashes; records without an id, which no row could name, are left out. L0 is exact and must not leave its namespace.
    """
    import json

    from kit.syncropel.canonical import hash_levels  # here, so that a store opens without the family

    found = store.execute(
        """SELECT run, id, act, body::VARCHAR FROM records
           WHERE canonical AND id IS NOT NULL AND ($run IS NULL OR run = $run) AND ($thread IS NULL OR thread = $thread)
           ORDER BY run, id""",
        {"run": run, "thread": thread},
    )
    rows = []
    for its_run, id_, act, text in found:
        try:
            value = json.loads(text or "{}")
            hashes: tuple[str | None, ...] = hash_levels(act or "", value) if isinstance(value, dict) else (None,) * 4
        except (ValueError, TypeError, RecursionError):
            hashes = (None,) * 4
        rows.append((its_run, id_, *hashes))
    names = ("run", "id", "l0", "l1", "l2", "l3")
    return pa.table({name: pa.array([row[i] for row in rows], pa.string()) for i, name in enumerate(names)})


def view_of(
    *,
    corrected: bool,
    erased: bool,
    aliased: bool,
    as_of: date | str | None,
    same_actor: bool = False,
    since: bool = False,
) -> View | None:
    """Return the view that these switches ask for, None where all are off. Raises ArgumentError for a time that is none."""
    if as_of is not None and not erased:
        raise ArgumentError(f"as_of={as_of!r} says which erasures are in force: it needs erased=True")
    if not (corrected or erased or aliased):
        return None
    moment = None if as_of is None else moment_of(as_of)
    return View(corrected, erased, aliased, moment, same_actor, since)


def _refers(wanted: Iterable[Ref], bind: Any) -> str:
    tests = []
    for ref in wanted:
        id_, kind = (ref, None) if isinstance(ref, str) else (ref.get("id"), ref.get("kind"))
        if not id_ and not kind:
            raise ArgumentError(f"ref={ref!r}: give an id like 'isrc:USJI19810404', or {{'kind': ..., 'id': ...}}")
        parts = [f"ref_key(item.ref_id) = ref_key({bind(id_)})"] if id_ else []
        parts += [f"item.kind = {bind(kind)}"] if kind else []
        tests.append(" AND ".join(parts))
    return f"len(list_filter(body_refs(body), lambda item: {' OR '.join(tests) or 'false'})) > 0"

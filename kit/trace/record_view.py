"""Records as their amendments leave them: corrected, erased, renamed. The tables stay as they are."""

import json
from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from kit.store.store import Store
from kit.table import Table
from kit.trace.amendments import RAW, Fold, View, fold
from kit.trace.members import joined, members

AMENDED = pa.schema(
    [
        ("run", pa.string()),
        ("place", pa.int64()),
        ("id", pa.string()),
        ("what", pa.string()),
        ("older", pa.bool_()),
        ("target", pa.string()),
        ("outcome", pa.string()),
        ("old_kind", pa.string()),
        ("new_kind", pa.string()),
        ("scope", pa.string()),
        ("to_publisher", pa.string()),
        ("owner", pa.string()),
        ("revised_fields", pa.string()),
        ("actor", pa.string()),
        ("by", pa.string()),
        ("thread", pa.string()),
        ("clock", pa.int64()),
        ("effective_at", pa.timestamp("us", tz="UTC")),
        ("reason", pa.string()),
    ]
)
CONFLICTS = pa.schema(
    [
        ("run", pa.string()),
        ("target", pa.string()),
        ("field", pa.string()),
        ("winner", pa.string()),
        ("value", pa.string()),
        ("corrections", pa.list_(pa.string())),
        ("actors", pa.list_(pa.string())),
    ]
)
DIFFERENCES = pa.schema(
    [
        ("run", pa.string()),
        ("id", pa.string()),
        ("field", pa.string()),
        ("before", pa.string()),
        ("after", pa.string()),
    ]
)


def records_view(store: Store, run: str | None = None, view: View | None = None) -> Table:
    """Return all records as `view` shows them, lazily, in (run, line) order.

    The columns are those of `records`, `kind`, `v`, `body` and `raw` as the view shows them, then `kind_raw`,
    `corrected_by` (ids of the corrections that made the body), `erased`, `erased_by`, `erased_at` and `alias_cycle`. Of an
    erased record body, kind, version and raw line are NULL; all else stays, so that the graph is whole. A correction
    aimed at an erased record has no revised fields and no raw line.
    """
    sql, values = view_sql(store, run, View() if view is None else view)
    found = store.query(f"{sql} ORDER BY run, source_id, line", values)
    found.name = "records"
    return found


def amended(store: Store, run: str | None = None, view: View | None = None) -> pa.Table:
    """Return one row per amendment and target with its `outcome` in `view`, see `kit.trace.amendments.fold`.

    `owner` is who owns the scope after a claim or a transfer; `revised_fields` is JSON text.
    """
    rows = [row for made in _folds(store, run, View() if view is None else view) for row in made.outcomes]
    return pa.Table.from_pylist(rows, schema=AMENDED)


def conflicts(store: Store, run: str | None = None, view: View | None = None) -> pa.Table:
    """Return the fields of records that corrections by different actors set, with the correction that wins."""
    rows = [row for made in _folds(store, run, View() if view is None else view) for row in made.conflicts]
    return pa.Table.from_pylist(rows, schema=CONFLICTS)


def view_difference(store: Store, a: View = RAW, b: View | None = None, run: str | None = None) -> pa.Table:
    """Return what view `b` shows otherwise than view `a`: a row per record and field, values as JSON text.

    Fields are `body.NAME`, `kind` and `erased`; of an erased record only the latter two are told. A value that one view
    lacks is NULL there.
    """
    first, second = _shown(store, run, a), _shown(store, run, View() if b is None else b)
    rows: list[dict[str, Any]] = []
    for key in sorted(first.keys() | second.keys()):
        before, after = first.get(key), second.get(key)
        if before is None or after is None:
            other = _shown_raw(store, *key)
            before, after = before or other, after or other
        for name in sorted(before.keys() | after.keys()):
            if before.get(name) != after.get(name) and not _veiled(name, before, after):
                place = {"run": key[0], "id": key[1], "field": name}
                rows.append({**place, "before": before.get(name), "after": after.get(name)})
    return pa.Table.from_pylist(rows, schema=DIFFERENCES)


def view_sql(store: Store, run: str | None, view: View) -> tuple[str, dict[str, Any]]:
    """Return the query of a view without an order, and the values it binds: the amendments folded as they stand now."""
    folds = list(_folds(store, run, view))
    changes = [row for made in folds for row in _changes(store, made)]
    values = {
        "run": run,
        "changes": json.dumps(changes),
        "kinds": json.dumps([row for made in folds for row in made.kinds]),
    }
    return _VIEW, values


def _folds(store: Store, run: str | None, view: View) -> Iterator[Fold]:
    runs = [row[0] for row in store.execute("SELECT DISTINCT run FROM records ORDER BY run")] if run is None else [run]
    for name in runs:
        yield fold(store, name, view)


def _changes(store: Store, made: Fold) -> Iterator[dict[str, Any]]:
    """Yield what the view shows otherwise, a row per record."""
    unveiled = sorted(made.veiled - made.bodies.keys() - made.erased.keys())
    bodies = {**made.bodies, **_bodies(store, made.run, unveiled)}
    for id_ in sorted({*bodies, *made.erased}):
        erasure = made.erased.get(id_)
        body = None if erasure is not None else bodies[id_]
        if body is not None and id_ in made.veiled:
            body = joined({**members(body), "revised_fields": "null"})
        yield {
            "run": made.run,
            "id": id_,
            "body": body,
            "corrected_by": made.corrected_by.get(id_, []),
            "erased_by": None if erasure is None else erasure["id"],
            "erased_at": None
            if erasure is None or erasure["effective_at"] is None
            else erasure["effective_at"].isoformat(),
            "veiled": id_ in made.veiled or erasure is not None,
        }


def _bodies(store: Store, run: str, ids: list[str]) -> dict[str, str]:
    found = store.execute(
        """SELECT id, body::VARCHAR FROM records
           WHERE canonical AND run = $run AND list_contains($ids, id) AND body IS NOT NULL""",
        {"run": run, "ids": ids},
    )
    return dict(found)


Shown = dict[str, str | None]


def _shown(store: Store, run: str | None, view: View) -> dict[tuple[str, str], Shown]:
    """Return the records that a view changes, as fields."""
    sql, values = view_sql(store, run, view)
    found = store.execute(
        f"""SELECT run, id, kind, body::VARCHAR, erased FROM ({sql})
            WHERE canonical AND (erased OR len(corrected_by) > 0 OR kind IS DISTINCT FROM kind_raw OR veiled)""",  # noqa: S608
        values,
    )
    return {(row[0], row[1]): _fields(*row[2:]) for row in found}


def _shown_raw(store: Store, run: str, id_: str) -> Shown:
    [row] = store.execute(
        "SELECT kind, body::VARCHAR, false FROM records WHERE canonical AND run = ? AND id = ?", [run, id_]
    )
    return _fields(*row)


def _fields(kind: str | None, body: str | None, erased: bool) -> Shown:
    inner = members(body) if body is not None and body.startswith("{") else {}
    fields: Shown = {f"body.{name}": text for name, text in inner.items() if name != "kind"}
    return {**fields, "kind": None if kind is None else json.dumps(kind), "erased": json.dumps(erased)}


def _veiled(name: str, before: Shown, after: Shown) -> bool:
    """Return whether a field is only gone, or only there, by an erasure."""
    return name not in ("erased", "kind") and "true" in (before["erased"], after["erased"])


_VIEW = """
SELECT
    r.* REPLACE (
        CASE WHEN c.erased_by IS NOT NULL THEN NULL ELSE coalesce(a.new, c.kind, r.kind) END AS kind,
        CASE WHEN c.body IS NOT NULL THEN c.v WHEN c.erased_by IS NULL THEN r.v END AS v,
        CASE WHEN c.erased_by IS NULL THEN coalesce(c.body, r.body) END AS body,
        CASE WHEN c.veiled IS NOT TRUE THEN r.raw END AS raw
    ),
    CASE WHEN c.erased_by IS NULL THEN r.kind END AS kind_raw,
    coalesce(c.corrected_by, []) AS corrected_by, c.erased_by IS NOT NULL AS erased, c.erased_by,
    c.erased_at::TIMESTAMPTZ AS erased_at, a.old IS NOT NULL AND a.new IS NULL AS alias_cycle,
    coalesce(c.veiled, false) AS veiled
FROM records r
LEFT JOIN (
    SELECT
        run, id, body::JSON AS body, corrected_by, erased_by, erased_at, veiled,
        CASE WHEN json_type(body, '$.kind') = 'VARCHAR' THEN json_extract_string(body, '$.kind') END AS kind,
        json_extract_string(body, '$._v') AS v
    FROM (SELECT unnest(from_json($changes, '[{"run": "VARCHAR", "id": "VARCHAR", "body": "VARCHAR", "corrected_by":
        ["VARCHAR"], "erased_by": "VARCHAR", "erased_at": "VARCHAR", "veiled": "BOOLEAN"}]'), recursive := true))
) c ON c.run = r.run AND c.id = r.id
LEFT JOIN (
    SELECT unnest(from_json($kinds, '[{"run": "VARCHAR", "old": "VARCHAR", "new": "VARCHAR", "since": "BIGINT",
        "until": "BIGINT"}]'), recursive := true)
) a ON a.run = r.run AND a.old = coalesce(c.kind, r.kind)
    AND (a.since IS NULL OR (wall_time(r.clock) IS NOT NULL AND r.clock >= a.since AND r.clock < a.until))
WHERE $run IS NULL OR r.run = $run
"""

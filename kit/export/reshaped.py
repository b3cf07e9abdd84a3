"""The lines of a share: signals and records with paths taken out and names replaced, in the wire format of their family."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from kit import ids
from kit.cosmonapse.examine import compact
from kit.export.pseudonyms import Pseudonyms
from kit.export.redaction import Redaction, texts
from kit.store.store import Store
from kit.syncropel.canonical import canonical_json
from kit.syncropel.examine import REDACTED, SIX_FIELDS, parse, unwrapped
from kit.syncropel.record import HASHED_FIELDS

BATCH_ROWS = 10_000
WRITTEN = (*HASHED_FIELDS, "id", "object", "sequence", "judged_by")
"""Keys of a record that a share keeps; a wrapper and what it adds go."""

SIGNALS = """
SELECT v, id, trace_id, parent_id, type, directed_id, directed_type, directed_capabilities, ts_text,
       payload::VARCHAR AS payload, meta::VARCHAR AS meta
FROM signals WHERE rowid IN (SELECT row FROM share_signals WHERE run = $run) ORDER BY source_id, line, id
"""
RECORDS = """
SELECT raw, integrity FROM records
WHERE rowid IN (SELECT row FROM share_records WHERE run = $run) ORDER BY source_id, line
"""


class Reshaping(NamedTuple):
    """What is done to the lines of a share."""

    redaction: Redaction
    names: Pseudonyms

    def __bool__(self) -> bool:
        return bool(self.redaction) or bool(self.names)


def signals(store: Store, run: str, reshaping: Reshaping) -> Iterator[tuple[str, Any]]:
    """Yield each chosen signal as a line of the Python SDK's form, and its payload as it is in it.

    Ids, times and types stay. Unknown keys beside the nine of an envelope are left out.
    """
    redaction, names = reshaping
    with store.query(SIGNALS, {"run": run}).batches(BATCH_ROWS) as reader:
        for batch in reader:
            for row in batch.to_pylist():
                payload = json.loads(row["payload"])
                redaction.apply(payload)
                payload = names.fields(payload)
                yield compact(_envelope(row, payload, names)), payload


def _envelope(row: Mapping[str, Any], payload: Any, names: Pseudonyms) -> dict[str, Any]:
    directed = None
    if row["directed_capabilities"] is not None:
        parts = {name: row[f"directed_{name}"] for name in ("id", "type", "capabilities")}
        directed = {name: names.value(part) for name, part in parts.items()}
    return {
        **{name: row[name] for name in ("v", "id", "trace_id", "parent_id", "type")},
        "directed": directed,
        **({} if row["ts_text"] is None else {"ts": row["ts_text"]}),
        "payload": payload,
        "meta": names.fields(json.loads(row["meta"])),
    }


def records(store: Store, run: str, reshaping: Reshaping) -> Iterator[tuple[str, Any]]:
    """Yield each chosen record as a line, and its body as it is in it; all of them are held in memory.

    The id of a record is the hash of its content, so a changed record gets a new one, and so does whatever names it:
    parents, and strings in bodies that are an id. What verified before verifies again, and the graph is the same. An id
    that is no hash of its record, and one of a record that is not in the share, is replaced by random letters: kept, it
    would let a reader confirm a guess at the content. Where nothing is redacted and nobody renamed, records are written
    as they stand.
    """
    found = store.execute(RECORDS, {"run": run})
    if not reshaping:
        for raw, _ in found:
            record = dict(unwrapped(_parsed(raw), set())[0])
            yield compact(record), record.get("body")
        return
    told = {str(id_) for (id_,) in store.execute("SELECT id FROM records WHERE run = ? AND id IS NOT NULL", [run])}
    for record in _renamed([_reshaped(_parsed(raw), str(integrity), reshaping) for raw, integrity in found], told):
        yield compact(record), record.get("body")


class _Record(NamedTuple):
    content: dict[str, Any]
    integrity: str
    sorted: bool
    """Whether its parents stood in order, as a server writes them."""


def _parsed(raw: str) -> Mapping[str, Any]:
    parsed = parse(raw, set())
    if not isinstance(parsed, dict):  # it was taken once, so this is another version's doing
        raise RuntimeError(f"a record that is no row: {parsed.detail}")
    return parsed


def _reshaped(parsed: Mapping[str, Any], integrity: str, reshaping: Reshaping) -> _Record:
    record, _ = unwrapped(parsed, set())
    content = {name: record[name] for name in WRITTEN if name in record}
    if canonical_body(content) != REDACTED:
        reshaping.redaction.apply(content.get("body"))
        content["body"] = reshaping.names.fields(content.get("body"))
    for name in ("actor", "thread", "judged_by"):
        if name in content:
            content[name] = reshaping.names.value(content[name])
    parents = content.get("parents") or []
    return _Record(content, integrity, parents == sorted(parents))


def canonical_body(record: Mapping[str, Any]) -> str | None:
    """Return the canonical text of a record's body, None where it has none."""
    try:
        return canonical_json(record.get("body"))
    except (ValueError, TypeError, RecursionError):
        return None


def _renamed(found: list[_Record], told: set[str]) -> list[dict[str, Any]]:
    """Return the records with new ids, and with these wherever one of `told` is named; causes are hashed before effects."""
    key = ids.random_bits(256).to_bytes(32, "big")
    honest = {record.content["id"]: n for n, record in enumerate(found) if record.integrity in ("ok", "ok6")}
    known = told.union(*(record.content.get("parents") or () for record in found))
    new = {id_: hashlib.sha256(key + id_.encode()).hexdigest() for id_ in known if id_ not in honest}
    made: list[dict[str, Any] | None] = [None] * len(found)
    for n in _causes_first(found, honest):
        record = found[n]
        content = _with_ids(record, new)
        if record.integrity in ("ok", "ok6"):
            fields = HASHED_FIELDS if record.integrity == "ok" else SIX_FIELDS
            text = canonical_json({name: content[name] for name in fields if name in content})
            new[record.content["id"]] = hashlib.sha256(text.encode()).hexdigest()
        if content.get("id") is not None:
            content["id"] = new[record.content["id"]]
        made[n] = content
    return [content for content in made if content is not None]


def _causes_first(found: list[_Record], honest: Mapping[str, int]) -> Iterator[int]:
    """Yield the numbers of the records, each after the honest ones that it names: a hash cannot be on a ring of hashes."""
    done: set[int] = set()
    for start in range(len(found)):
        stack = [start]
        while stack:
            n = stack[-1]
            named = {honest[id_] for id_ in _mentioned(found[n].content) if id_ in honest}
            waiting = named - done - {n}
            if waiting and n not in done:
                stack.extend(sorted(waiting))
                continue
            stack.pop()
            if n not in done:
                done.add(n)
                yield n


def _mentioned(content: Mapping[str, Any]) -> Iterator[str]:
    """Yield what may be an id in the part of a record that is hashed."""
    yield from content.get("parents") or ()
    yield from (text for text, _ in texts(content.get("body")))


def _with_ids(record: _Record, new: Mapping[str, str]) -> dict[str, Any]:
    content = dict(record.content)
    content["body"] = _replaced(content.get("body"), new)
    if "body" not in record.content:
        del content["body"]
    if content.get("parents"):
        parents = [new.get(id_, id_) for id_ in content["parents"]]
        content["parents"] = sorted(parents) if record.sorted else parents
    return content


def _replaced(value: Any, new: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return new.get(value, value)
    if isinstance(value, dict):
        return {name: _replaced(item, new) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, new) for item in value]
    return value

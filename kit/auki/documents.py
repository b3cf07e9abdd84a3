"""Manifests, registry entries and catalogs as rows: the small JSON files around the logs."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from kit.auki import jcs, registry
from kit.auki.registry import RegistryEntry, Section
from kit.errors import LogError
from kit.jsontext import after_space, array_begin, elements
from kit.schema import arrow

VARIANTS = ("sensor_log", "pose_log", "time_transform_log", "detection_log")
RAW_BYTES = 64 << 10
_TEXTS = ("source_peer_id", "writer_peer_id", "resource_id", "state")
_BLOCKS = ("head", "extent", "available", "sensor", "pose", "manifest")


@dataclass
class Document:
    """A JSON file as rows of one table. Each of its `lines` is a row or refused."""

    path: Path
    table: str
    lines: int = 1
    rows: list[dict[str, Any]] = field(default_factory=list)
    refused: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What is wrong with rows that were kept, as sentences."""
    incomplete: str | None = None
    """Why a part of the file could not be read at all."""

    def batch(self, run: str, source_id: int) -> pa.RecordBatch:
        """Return the rows as a batch of their table."""
        place = {"run": run, "source_id": source_id}
        return pa.RecordBatch.from_pylist([row | place for row in self.rows], schema=arrow(self.table))

    def quarantine(self, run: str, source_id: int) -> pa.RecordBatch:
        """Return what was refused as a batch of `quarantine`."""
        place = {"run": run, "source_id": source_id}
        return pa.RecordBatch.from_pylist([row | place for row in self.refused], schema=arrow("quarantine"))


def refusal(data: bytes, reason: str, detail: str, *, line: int = 1, byte_offset: int = 0) -> dict[str, Any]:
    """Return a row of `quarantine`, without its source."""
    return {"line": line, "byte_offset": byte_offset, "reason": reason, "detail": detail, "raw": data[:RAW_BYTES]}


def read_safely(path: Path) -> tuple[bytes, str | None]:
    """Return the bytes of a small file, and why they cannot be used: then only the first are there."""
    try:
        return jcs.read_bytes(path), None
    except LogError as error:
        return _begin(path), str(error)


def _begin(path: Path) -> bytes:
    """Return the first bytes of a file, or none where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(RAW_BYTES)
    except OSError:
        return b""


def registered(section: Section, path: Path) -> tuple[Document, RegistryEntry | None]:
    """Return a registry file as a row of its table, and as an entry; one that cannot be read is refused."""
    document = Document(path, section)
    data, problem = read_safely(path)
    if problem is None:
        try:
            entry = registry.parse(data, section, path)
        except LogError as error:
            problem = str(error)
        else:
            document.rows.append(_registry_row(entry) | {"raw": data.decode(json.detect_encoding(data))})
            document.notes += entry.problems
            return document, entry
    document.refused.append(refusal(data, "bad_registry_entry", problem))
    return document, None


def _registry_row(entry: RegistryEntry) -> dict[str, Any]:
    body = entry.body
    row = {
        "line": 1,
        "peer_id": entry.peer_id,
        "id": entry.id,
        "hash": entry.hash,
        "hash_ok": entry.hash_ok,
        "body": jcs.canonical(dict(body)).decode(),
    }
    return row | _OWN[entry.section](body)


def _clock(body: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {name: _text(body.get(name)) for name in ("type", "unit", "epoch", "scope")}
    monotonic = body.get("monotonic")
    return found | {"monotonic": monotonic if isinstance(monotonic, bool) else None}


def _frame(body: Mapping[str, Any]) -> dict[str, Any]:
    axes = _object(body.get("axes"))
    return {name: _text(body.get(name)) for name in ("handedness", "units")} | {n: _text(axes.get(n)) for n in "xyz"}


def _sensor(body: Mapping[str, Any]) -> dict[str, Any]:
    frame = _object(body.get("frame"))
    own = {name: _text(body.get(name)) for name in ("kind", "type")}
    return own | {f"frame_{name}": _text(frame.get(name)) for name in ("peer_id", "id", "hash")}


def _detector(body: Mapping[str, Any]) -> dict[str, Any]:
    types = body.get("output_types")
    texts = types if isinstance(types, list) and all(isinstance(item, str) for item in types) else None
    return {"type": _text(body.get("type")), "output_types": texts}


_OWN: dict[Section, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "clocks": _clock,
    "frames": _frame,
    "sensors": _sensor,
    "detectors": _detector,
}


def catalog(path: Path) -> Document:
    """Return a catalog, a JSON array of resource rows or an object that has it as `resources`; bad rows are refused."""
    document = Document(path, "resources")
    data, problem = read_safely(path)
    try:
        value = jcs.parse(data, path) if problem is None else None
    except LogError as error:
        problem = str(error)
    listed = (
        value.get("resources") if problem is None and isinstance(value, dict) else value if problem is None else None
    )
    if not isinstance(listed, list):
        document.refused.append(
            refusal(data, "bad_catalog", problem or "neither an array nor an object with `resources`")
        )
        return document
    document.lines = len(listed)
    for line, (item, raw) in enumerate(zip(listed, _element_texts(data), strict=True), 1):
        wrong = _wrong_resource(item)
        if wrong:
            document.refused.append(refusal(raw.encode(), "bad_resource", wrong, line=line))
        else:
            texts = {"raw": raw} | {name: item[name] for name in ("variant", *_TEXTS)}
            document.rows.append({"line": line} | texts | {name: _json(item.get(name)) for name in _BLOCKS})
    return document


def _element_texts(data: bytes) -> list[str]:
    """Return the rows of a catalog that could be read, each as it is written."""
    text = data.decode(json.detect_encoding(data))
    begin = array_begin(text, ["resources"])
    found = elements(text, after_space(text, 0) if begin is None else begin) or []
    return [text[start:end] for start, end in found]


def _wrong_resource(item: Any) -> str | None:
    """Return why a resource row cannot be one, or None."""
    if not isinstance(item, dict):
        return "not an object"
    if item.get("variant") not in VARIANTS:
        return f"unknown variant {item.get('variant')!r:.80}, expected one of {', '.join(VARIANTS)}"
    if lacking := [name for name in _TEXTS if not isinstance(item.get(name), str)]:
        return f"missing field `{lacking[0]}`, or it is no text"
    if lacking := [name for name in ("available", "manifest") if not isinstance(item.get(name), dict)]:
        return f"missing field `{lacking[0]}`, or it is no object"
    return None


def _json(value: Any) -> str | None:
    return None if value is None else json.dumps(value, ensure_ascii=True, separators=(",", ":"))


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def _object(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}

"""A plain loader of well-formed signal lines, one Python object a row: the oracle of the bulk loader."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import pyarrow as pa

from kit import schema
from kit.store.store import Store


def row(line: bytes | str, number: int, run: str = "capture", source_id: int = 1) -> dict[str, object]:
    """Return the `signals` row of one regular line."""
    text = line.decode() if isinstance(line, bytes) else line
    item = json.loads(text)
    directed = item.get("directed")
    stamp = item.get("ts")
    return {
        "run": run,
        "source_id": source_id,
        "line": number,
        "id": item["id"],
        "trace_id": item["trace_id"],
        "parent_id": item.get("parent_id"),
        "type": item["type"],
        "v": item.get("v", "1"),
        "directed_id": directed and directed.get("id"),
        "directed_type": directed and directed.get("type"),
        "directed_capabilities": None if directed is None else directed.get("capabilities", []),
        "ts": None if stamp is None else datetime.fromisoformat(stamp).astimezone(UTC),
        "ts_text": stamp,
        "payload": json.dumps(item.get("payload", {}), ensure_ascii=False, separators=(",", ":")),
        "meta": json.dumps(item.get("meta", {}), ensure_ascii=False, separators=(",", ":")),
        "extra": None,
        "dialect": "python",
        "flags": [],
        "canonical": True,
        "raw": text,
    }


def load(store: Store, lines: Iterable[bytes | str], run: str = "capture") -> None:
    """Append well-formed lines, with a `runs` and a `sources` row."""
    rows = [row(line, number, run) for number, line in enumerate(lines, 1)]
    store.append("runs", pa.table({"run": [run], "kind": ["capture"]}))
    store.append(
        "sources",
        pa.table(
            {
                "run": [run],
                "source_id": [1],
                "uri": ["memory"],
                "family": ["signals"],
                "lines": [len(rows)],
                "rows": [len(rows)],
                "complete": [True],
            }
        ),
    )
    store.append("signals", pa.Table.from_pylist(rows, schema=schema.arrow("signals")))

"""Record lines into a store, without the loader: for tests of what is made of the table."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa

from kit import schema
from kit.store import Store
from kit.syncropel import server_id
from kit.syncropel.examine import Refusal, record_row

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "syncropel-small.jsonl"


def fill(store: Store, lines: Iterable[str], run: str = "capture") -> Store:
    """Append lines to `records`; an id that was there already goes to `duplicates`."""
    rows: list[dict[str, Any]] = []
    repeats: list[dict[str, Any]] = []
    seen: set[str] = set()
    for number, line in enumerate(lines, 1):
        found = record_row(line)
        assert not isinstance(found, Refusal), found
        place = {"run": run, "source_id": 1, "line": number}
        if found["id"] in seen:
            repeats.append({**place, "id": found["id"], "reencoded": False})
        else:
            rows.append({**place, **found})
            seen.add(found["id"])
    for table, made in (("records", rows), ("duplicates", repeats)):
        store.append(table, pa.Table.from_pylist(made, schema=schema.arrow(table)))
    store.append("runs", pa.table({"run": [run], "kind": ["capture"]}))
    counts = {"rows": len(rows), "duplicates": len(repeats), "lines": len(rows) + len(repeats)}
    source = {"run": run, "source_id": 1, "uri": f"{run}.jsonl", "family": "records", **counts}
    store.append("sources", pa.Table.from_pylist([{**source, "complete": True}], schema=schema.arrow("sources")))
    return store


def fill_sample(store: Store, run: str = "capture") -> Store:
    """Append the shipped capture."""
    return fill(store, SAMPLE.read_text("utf-8").split("\n")[:-1], run)


class Written:
    """Records written by a test, each with the id that a server gives it."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def put(
        self, act: str = "PUT", *, actor: str = "did:a", thread: str = "t", clock: int | None = None,
        parents: Iterable[str] = (), id: str | None = None, **body: Any,
    ) -> str:  # fmt: skip
        """Append a record and return its id; a given `id` is a forged one."""
        record = {
            "act": act, "actor": actor, "body": body, "clock": len(self.records) if clock is None else clock,
            "data_type": "SCALAR", "parents": sorted(parents), "thread": thread,
        }  # fmt: skip
        record["id"] = server_id(record) if id is None else id
        self.records.append(record)
        return str(record["id"])

    def lines(self) -> list[str]:
        return [json.dumps(record) for record in self.records]

    def into(self, store: Store, run: str = "capture") -> Store:
        return fill(store, self.lines(), run)

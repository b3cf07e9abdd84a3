"""Record lines into a store: the shipped capture, and records that a test writes."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kit import io
from kit.store import Store
from kit.syncropel import server_id

SAMPLE = Path(__file__).resolve().parents[1] / "datasets" / "syncropel-small.jsonl"


def fill_sample(store: Store, run: str = "capture") -> None:
    """Load the shipped capture."""
    io.load(store, SAMPLE, run=run)


class Written:
    """Records written by a test, each with the id that a server gives it."""

    def __init__(self) -> None:
        self.records: list[dict[str, Any]] = []

    def put(
        self,
        act: str = "PUT",
        *,
        actor: str = "did:a",
        thread: str = "t",
        clock: int | None = None,
        parents: Iterable[str] = (),
        id: str | None = None,
        **body: Any,
    ) -> str:
        """Append a record and return its id; a given `id` is a forged one. The clock counts up where none is given."""
        record = {
            "act": act,
            "actor": actor,
            "body": body,
            "clock": len(self.records) if clock is None else clock,
            "data_type": "SCALAR",
            "parents": sorted(parents),
            "thread": thread,
        }
        record["id"] = server_id(record) if id is None else id
        self.records.append(record)
        return str(record["id"])

    def into(self, store: Store, run: str = "capture") -> None:
        """Load the records, all of which must become rows or repeats of one."""
        report = io.load(store, [json.dumps(record) for record in self.records], run=run)
        assert not report.quarantined, report

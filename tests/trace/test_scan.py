"""What a forest is made of: columns read in batches, rings, and phantoms by the rule of the SQL macro."""

import random
from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.errors import StoreError
from kit.store import Store
from kit.trace import forest as forests
from kit.trace import scan as scans
from kit.trace.forest import forest, on_ring
from kit.trace.structure import structure

LOST = """
CREATE OR REPLACE TEMP VIEW lost AS
SELECT s.* FROM signals s LEFT JOIN signals p ON p.canonical AND p.run = s.run AND p.id = s.parent_id
WHERE s.canonical AND s.parent_id IS NOT NULL AND p.id IS NULL
"""
TYPES = ("TASK_AWARDED", "TASK_AWARDED", "TOOL_CALL", "TOOL_RESULT", "AGENT_OUTPUT", "TASK", "BID")


def rows(seed: int, runs: int, events: int) -> list[dict[str, object]]:
    """Awards and events on few traces, that wait for few lost parents; some without a time or a neuron."""
    chance = random.Random(seed)
    made: list[dict[str, object]] = []
    for run in range(runs):
        ids = [f"evt_{number:03d}é" for number in range(events)]
        for number, name in enumerate(ids):
            moment = datetime(2026, 1, 1, 0, 0, chance.randint(0, 5), tzinfo=UTC)
            made.append(
                {
                    "run": f"r{run:03d}",
                    "source_id": 1,
                    "line": number + 1,
                    "id": name,
                    "trace_id": f"trc_{chance.randint(0, 2)}",
                    "parent_id": chance.choice([None, "evt_lost_a", "evt_lost_b", chance.choice(ids)]),
                    "type": chance.choice(TYPES),
                    "directed_id": chance.choice([None, "a", "b"]),
                    "ts": chance.choice([None, moment, moment, moment]),
                    "canonical": True,
                }
            )
    return made


def stored(made: list[dict[str, object]]) -> Store:
    store = Store()
    store.append("signals", pa.Table.from_pylist(made))
    return store


def test_phantoms_are_those_of_the_sql_macro() -> None:
    with stored(rows(3, runs=400, events=9)) as store:
        store.execute(LOST)
        expected = store.arrow("SELECT * EXCLUDE (award_row) FROM awarded_tasks('lost') ORDER BY run, id")
        assert expected.num_rows > 50
        assert forest(store).phantoms.to_pylist() == expected.to_pylist()
        one = forest(store, "r007").phantoms.to_pylist()
        assert one == [row for row in expected.to_pylist() if row["run"] == "r007"]


def test_batches_of_any_size_make_the_same_structure(monkeypatch: pytest.MonkeyPatch) -> None:
    with stored(rows(4, runs=3, events=40)) as store:
        expected = structure(store)
        monkeypatch.setattr(scans, "BATCH", 2048)
        monkeypatch.setattr(scans, "ID_BYTES", 1)
        assert structure(store).equals(expected)


@pytest.mark.parametrize(
    "change", ["DELETE FROM signals WHERE id = 'evt_003é'", "UPDATE signals SET canonical = id < 'evt_008'"]
)
def test_rows_that_change_between_the_passes_are_told(monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    with stored(rows(5, runs=1, events=9)) as store:
        lookup = forests.Lookup

        def meanwhile(ids: forests.Ids) -> forests.Lookup:
            store.execute(change)
            return lookup(ids)

        monkeypatch.setattr(forests, "Lookup", meanwhile)
        with pytest.raises(StoreError, match="ask again"):
            forest(store)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(-1, 30), min_size=1, max_size=31), st.integers(1, 40))
def test_rings_are_found_from_their_suspects(parents: list[int], near: int) -> None:
    up = np.array([parent if parent < len(parents) and parent != n else -1 for n, parent in enumerate(parents)])
    expected = []
    for start in range(len(up)):
        walk = up[start]
        for _ in range(len(up)):
            walk = up[walk] if walk not in (-1, start) else walk
        expected.append(walk == start)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forests, "NEAR", near)
        for few in (0, 16):
            patch.setattr(forests, "FEW", few)
            assert on_ring(up, np.flatnonzero(up > np.arange(len(up)))).tolist() == expected

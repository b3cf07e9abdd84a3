"""The registry over time: as of a moment, as intervals, and the silences in between."""

import random
from datetime import datetime, timedelta
from pathlib import Path

import naive
import pytest
from lines import START, line, stored

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.registry import neurons, registry_history, silences

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"


def at(ms: float) -> datetime:
    return START + timedelta(milliseconds=ms)


@pytest.fixture(scope="module")
def sample() -> Store:
    store = Store()
    naive.load(store, SAMPLE.read_text("utf-8").splitlines())
    return store


def life() -> list[str]:
    return [
        line("DEREGISTER", 1, on="1", to="a"),
        line("REGISTER", 10, on="2", to="a"),
        line("HEARTBEAT", 20, on="3", to="a"),
        line("HEARTBEAT", 30, on="4", to="a", payload={"status": "load"}),
        line("HEARTBEAT", 40, on="5", to="a", payload={"status": ""}),
        line("DEREGISTER", 50, on="6", to="a"),
        line("REGISTER", 60, on="7", to="a"),
        line("REGISTER", 5, on="8", to="memory", directed_type="context", payload={"role": "engram", "engram": True}),
    ]


def test_history_is_what_a_registry_store_would_have_held() -> None:
    with stored(*life()) as store:
        rows = registry_history(store).to_pylist()
    assert [(row["status"], row["from"], row["to"]) for row in rows] == [
        ("registered", at(10), at(20)),
        ("ok", at(20), at(30)),
        ("load", at(30), at(50)),
        ("deregistered", at(50), at(60)),
        ("registered", at(60), None),
    ]
    assert {row["neuron_id"] for row in rows} == {"a"}


def test_history_and_the_registry_of_a_moment_agree(sample: Store) -> None:
    history = registry_history(sample).to_pylist()
    for second in range(0, 130, 7):
        moment = START + timedelta(seconds=second)
        standing = {
            row["neuron_id"]: row["status"]
            for row in history
            if row["from"] <= moment and (row["to"] is None or moment < row["to"])
        }
        assert {row["neuron_id"]: row["status"] for row in neurons(sample, moment).to_pylist()} == standing


def test_the_registry_of_a_moment_takes_text_and_defaults_to_the_end(sample: Store) -> None:
    assert neurons(sample, "2026-11-02 08:59:59").num_rows == 0
    assert set(neurons(sample)["status"].to_pylist()) <= {"deregistered", "registered", "ok"}
    assert neurons(sample).equals(neurons(sample, "2100-01-01 00:00:00+00"))
    with pytest.raises(ArgumentError, match="as_of='soon'"):
        neurons(sample, "soon")


def test_silence_ends_with_a_sign_or_with_the_capture() -> None:
    lines = [
        line("REGISTER", 0, on="1", to="a"),
        line("HEARTBEAT", 1, on="2", to="a", at=200_000),
        line("DEREGISTER", 2, on="3", to="a", at=210_000),
        line("REGISTER", 3, on="4", to="b", at=1000),
        line("REGISTER", 4, on="5", to="e", payload={"role": "engram"}),
        line("TASK", 5, on="6", at=500_000),
    ]
    with stored(*lines) as store:
        found = [
            (row["neuron_id"], row["from"], row["to"], row["gap_ms"], row["ended_by"])
            for row in silences(store).to_pylist()
        ]
        assert found == [
            ("a", at(0), at(200_000), 200_000.0, "HEARTBEAT"),
            ("b", at(1000), at(500_000), 499_000.0, None),
        ]
        assert silences(store, longer_than="499 seconds").num_rows == 0
        for bad in ("soon", "-1 second", "0 seconds", "1 month"):
            with pytest.raises(ArgumentError, match="longer_than="):
                silences(store, longer_than=bad)


def test_nobody_is_silent_for_long_in_the_sample(sample: Store) -> None:
    assert silences(sample).num_rows == 0
    rows = silences(sample, longer_than="25 seconds").to_pylist()
    assert rows and {row["ended_by"] for row in rows} <= {"REGISTER", "HEARTBEAT", "DEREGISTER", None}


def test_the_order_of_lines_does_not_matter(sample: Store) -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    random.Random(3).shuffle(lines)
    with stored(*lines) as other:
        assert registry_history(other).equals(registry_history(sample))
        assert silences(other, longer_than="20 seconds").equals(silences(sample, longer_than="20 seconds"))


def test_runs_are_kept_apart() -> None:
    with stored(*life(), run="a") as store:
        naive.load(store, life(), "b")
        assert registry_history(store, "a").num_rows == 5
        assert registry_history(store).num_rows == 10
        assert set(neurons(store, run="b")["run"].to_pylist()) == {"b"}

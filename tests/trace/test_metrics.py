"""Metrics against a plain loop over the sample, and on small captures of which the truth is known."""

import itertools
import json
import random
from collections import Counter, defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import naive
import pytest
from lines import START, event, line, stored, trace

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace import metrics

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()
TABLES = [getattr(metrics, name) for name in metrics.__all__]


@pytest.fixture(scope="module")
def sample() -> Store:
    return stored(*LINES)


@pytest.fixture(scope="module")
def items() -> list[dict[str, Any]]:
    return [json.loads(text) for text in LINES]


def us(item: dict[str, Any]) -> int:
    return (datetime.fromisoformat(item["ts"]) - START) // timedelta(microseconds=1)


def neuron(item: dict[str, Any]) -> str | None:
    return item["directed"] and item["directed"]["id"]


def causes(items: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return the parent of each event; the unpublished TASK of an award stands at its award."""
    by_id = {item["id"]: item for item in items}
    awards = {item["trace_id"]: item for item in items if item["type"] == "TASK_AWARDED"}
    found = {}
    for item in items:
        if item["parent_id"] in by_id:
            found[item["id"]] = by_id[item["parent_id"]]
        elif item["parent_id"]:
            found[item["id"]] = {**awards[item["trace_id"]], "id": item["parent_id"], "type": "TASK"}
    return found


@pytest.mark.parametrize("table", TABLES)
def test_tables_do_not_depend_on_the_order_of_lines(table: Any, sample: Store) -> None:
    lines = list(LINES)
    random.Random(table.__name__).shuffle(lines)
    with stored(*lines) as other:
        assert table(other).equals(table(sample))


@pytest.mark.parametrize("table", TABLES)
def test_runs_are_kept_apart(table: Any, sample: Store) -> None:
    with stored(*LINES) as store:
        naive.load(store, LINES, "again")
        again = table(store, "again").drop_columns(["run"])
        assert again.equals(table(sample).drop_columns(["run"]))
        assert table(store).num_rows == 2 * again.num_rows
        assert table(store, "nothing").num_rows == 0


@pytest.mark.parametrize("table", TABLES)
def test_an_empty_store_gives_an_empty_table(table: Any, sample: Store) -> None:
    with Store() as store:
        assert table(store).schema == table(sample).schema
        assert table(store).num_rows == 0


def test_latency_is_that_of_a_plain_loop(sample: Store, items: list[dict[str, Any]]) -> None:
    parent = causes(items)
    times: dict[tuple[str, str, str | None], list[int]] = defaultdict(list)
    for item in items:
        if item["id"] in parent:
            cause = parent[item["id"]]
            times[cause["type"], item["type"], neuron(item)].append(us(item) - us(cause))
    rows = metrics.latency(sample).to_pylist()
    assert {(row["parent_type"], row["type"], row["neuron"]): row["count"] for row in rows} == {
        key: len(values) for key, values in times.items()
    }
    for row in rows:
        values = times[row["parent_type"], row["type"], row["neuron"]]
        cuts = quantiles(values, n=100, method="inclusive") if len(values) > 1 else values * 99
        want = [cuts[49] / 1000, cuts[89] / 1000, cuts[98] / 1000, max(values) / 1000]
        assert [row[name] for name in ("p50_ms", "p90_ms", "p99_ms", "max_ms")] == pytest.approx(want, rel=1e-9)


def test_fan_out_is_that_of_a_plain_loop(sample: Store, items: list[dict[str, Any]]) -> None:
    parent = causes(items)
    children = Counter(cause["id"] for cause in parent.values())
    phantoms = {cause["id"]: cause for cause in parent.values()} | {item["id"]: item for item in items}
    awarded = {item["trace_id"] for item in items if item["type"] == "TASK_AWARDED"}
    hidden = [cause for key, cause in phantoms.items() if key not in {item["id"] for item in items}]
    assert len(hidden) == len(awarded)
    for item in items:
        children[item["id"]] += item["type"] == "TASK_AWARDED"
    want = Counter((item["type"], children[item["id"]]) for item in [*items, *hidden])
    rows = metrics.fan_out(sample).to_pylist()
    assert {(row["type"], row["children"]): row["events"] for row in rows} == want


def test_memory_is_that_of_a_plain_loop(sample: Store, items: list[dict[str, Any]]) -> None:
    asked = {item["id"] for item in items if item["type"] == "RECALL"}
    answers = [item for item in items if item["type"] == "RECALLED" and item["parent_id"] in asked]
    answered = Counter(item["payload"]["engram_id"] for item in answers)
    hits = Counter(item["payload"]["engram_id"] for item in answers if item["payload"]["hits"])
    saved = Counter(item["payload"]["engram_id"] for item in items if item["type"] == "IMPRINTED")
    for row in metrics.memory(sample).to_pylist():
        assert row["answered"] == answered[row["engram"]] and row["hits"] == hits[row["engram"]]
        assert row["imprints_ok"] == saved[row["engram"]]
        assert row["recalls"] == row["answered"] + row["unanswered"]
        assert row["answered"] == row["hits"] + row["misses"] + row["recall_errors"]


def test_memory_counts_errors_late_and_unanswered() -> None:
    lines = [
        line("RECALL", 1, to="e", payload={"deadline_ms": 5}),
        line("RECALLED", 8, 1, payload={"hits": [{}]}),
        line("RECALL", 2, to="e"),
        line("RECALL", 3, directed_type="context"),
        line("RECALLED", 9, 3, to="e", payload={"error": "broken"}),
        line("RECALL", 4, directed_type="graph"),
        line("IMPRINT", 5, to="e"),
        line("IMPRINTED", 6, 5, payload={"error": "full"}),
        line("IMPRINT", 7, to="e"),
    ]
    with stored(*lines) as store:
        first, second = metrics.memory(store).to_pylist()
    assert (first["engram"], first["recalls"], first["answered"], first["hits"], first["recall_errors"]) == (
        "e",
        3,
        2,
        1,
        1,
    )
    assert (first["unanswered"], first["late"], first["hit_rate"], first["recall_p50_ms"]) == (1, 1, 0.5, 6.5)
    assert (first["imprints"], first["imprint_errors"], first["imprints_unanswered"]) == (2, 1, 1)
    assert (second["engram"], second["kind"], second["unanswered"]) == (None, "graph", 1)


def test_auctions_of_the_sample(sample: Store, items: list[dict[str, Any]]) -> None:
    bids = Counter(item["parent_id"] for item in items if item["type"] == "BID")
    offer = {item["id"]: item for item in items if item["type"] == "TASK_OFFER"}
    bid = {item["id"]: item for item in items if item["type"] == "BID"}
    won = {bid[item["parent_id"]]["parent_id"]: item for item in items if item["type"] == "TASK_AWARDED"}
    rows = metrics.auctions(sample).to_pylist()
    assert len(rows) == len(offer) == 14
    for row in rows:
        award = won[row["offer_id"]]
        assert row["bids"] == len(row["bidders"]) == bids[row["offer_id"]]
        assert (row["winner"], row["awards"]) == (neuron(award), 1)
        assert row["award_latency_ms"] == (us(award) - us(offer[row["offer_id"]])) / 1000
    sums = metrics.bidders(sample).to_pylist()
    assert sum(row["bids"] for row in sums) == 39 and sum(row["wins"] for row in sums) == 14
    assert sum(row["declined"] for row in sums) == 13 and sum(row["self_declined"] for row in sums) == 3


def test_a_dangling_offer_has_no_winner() -> None:
    with stored(line("TASK_OFFER", 1), line("BID", 2, 1, to="a"), line("TASK_DECLINED", 3, 1, to="b")) as store:
        [row] = metrics.auctions(store).to_pylist()
        assert (row["bids"], row["awards"], row["winner"], row["self_declined"]) == (1, 0, None, 1)
        a, b = metrics.bidders(store).to_pylist()
    assert (a["bids"], a["unanswered"], a["win_rate"]) == (1, 1, 0.0)
    assert (b["bids"], b["self_declined"], b["win_rate"]) == (0, 1, None)


def test_in_flight_counts_open_tasks_at_each_moment() -> None:
    lines = [
        line("TASK", 1, to="a"),
        line("TASK", 2, on="2", to="b"),
        line("AGENT_OUTPUT", 5, 1, to="a"),
        line("ERROR", 8, 2, on="2", to="b"),
        line("TASK", 9, on="3", to="a"),
    ]
    with stored(*lines) as store:
        rows = metrics.in_flight(store).to_pylist()
        assert [((row["ts"] - START) / timedelta(milliseconds=1), row["in_flight"]) for row in rows] == [
            (1, 1), (2, 2), (5, 1), (8, 0), (9, 1)
        ]  # fmt: skip
        each = metrics.in_flight(store, per_neuron=True).to_pylist()
    assert [(row["neuron"], row["in_flight"]) for row in each] == [("a", 1), ("a", 0), ("a", 1), ("b", 1), ("b", 0)]


def test_composition_counts_overlaps_once_and_adds_up() -> None:
    lines = [
        line("TASK", 1, to="a", at=0),
        line("TOOL_CALL", 2, 1, at=10, payload={"call_id": "1"}),
        line("TOOL_CALL", 3, 1, at=15, payload={"call_id": "2"}),
        line("RECALL", 4, 1, to="e", at=18),
        line("TOOL_RESULT", 5, 2, at=20, payload={"call_id": "1"}),
        line("TOOL_RESULT", 6, 3, at=25, payload={"call_id": "2"}),
        line("RECALLED", 7, 4, at=30),
        line("IMPRINT", 8, 1, to="e", at=40),
        line("IMPRINTED", 9, 8, at=47),
        line("PERMISSION", 10, 1, to="a", at=50),
        line("PERMISSION_DECISION", 11, 10, at=80),
        line("RECALL", 12, 1, to="e", at=85),
        line("AGENT_OUTPUT", 13, 1, to="a", at=100),
    ]
    with stored(*lines) as store:
        [row] = metrics.composition(store).to_pylist()
    assert {key: row[key] for key in row if key.endswith("_ms")} == {
        "duration_ms": 100.0, "tool_ms": 15.0, "recall_ms": 5.0, "write_ms": 7.0, "wait_ms": 30.0, "other_ms": 43.0,
    }  # fmt: skip


def test_composition_of_the_sample_adds_up_to_the_microsecond(sample: Store, items: list[dict[str, Any]]) -> None:
    times: dict[str, list[int]] = defaultdict(list)
    for item in items:
        times[item["trace_id"]].append(us(item))
    rows = metrics.composition(sample).to_pylist()
    assert len(rows) == 138
    for row in rows:
        parts = [round(row[f"{part}_ms"] * 1000) for part in ("tool", "recall", "write", "wait", "other")]
        assert min(parts) >= 0
        assert (
            sum(parts) == round(row["duration_ms"] * 1000) == max(times[row["trace_id"]]) - min(times[row["trace_id"]])
        )


def jaccard(a: set[str], b: set[str]) -> float:
    return len(a & b) / len(a | b) if a | b else 1.0


def test_consistency_is_the_mean_over_pairs() -> None:
    def run(n: int, name: str, tools: list[str]) -> list[str]:
        first = line("TASK", n, on=name, to="a", payload={"input": {"prompt": "  Do\n IT "}})
        calls = [line("TOOL_CALL", n + k, n, on=name, to=tool) for k, tool in enumerate(tools, 1)]
        return [first, *calls, line("AGENT_OUTPUT", n + 9, n, on=name, to="a")]

    ways = {"1": ["x"], "2": ["x", "y"], "3": ["x", "x"], "4": []}
    lines = [text for k, (name, tools) in enumerate(ways.items()) for text in run(10 * k + 10, name, tools)]
    lines.append(line("TASK", 99, on="5", to="b", payload={"input": {"n": 1}}))
    signatures = [
        {"caller->a#task", "a->caller#output", *(f"a->{tool}#tool" for tool in tools)} for tools in ways.values()
    ]
    scores = [jaccard(a, b) for a, b in itertools.combinations(signatures, 2)]
    with stored(*lines) as store:
        prompt, target, every = metrics.consistency(store).to_pylist()
    assert (prompt["grouping"], prompt["key"], prompt["traces"], prompt["signatures"]) == ("prompt", "do it", 4, 3)
    assert prompt["pairs"] == 6 and prompt["score"] == pytest.approx(sum(scores) / 6)
    assert (target["grouping"], target["key"], target["pairs"], target["score"]) == ("target", "b", 0, None)
    assert (every["grouping"], every["traces"], every["score"]) == ("all", 5, prompt["score"])


def test_consistency_sees_replies_and_awarded_work() -> None:
    lines = [
        line("TASK_OFFER", 1, payload={"input": "same"}), line("BID", 2, 1, to="w"), line("TASK_AWARDED", 3, 2, to="w"),
        line("RECALL", 4, event(999), to="e"), line("RECALLED", 5, 4, to="e"),
        line("AGENT_OUTPUT", 6, event(999), to="w"),
        line("TASK", 7, on="2", to="w", payload={"input": "same"}),
        line("RECALL", 8, 7, on="2", to="e"), line("RECALLED", 9, 8, on="2", to="e"),
    ]  # fmt: skip
    with stored(*lines) as store:
        [row, _] = metrics.consistency(store).to_pylist()
    # caller->w#task, w->e#recall and e->w#recall reply are common, w->caller#output is of one
    assert row["traces"] == 2 and row["score"] == pytest.approx(3 / 4)


def test_rates_are_counts_in_buckets(sample: Store, items: list[dict[str, Any]]) -> None:
    want = Counter((START + timedelta(seconds=us(item) // 10_000_000 * 10), item["type"]) for item in items)
    rows = metrics.rates(sample, bucket="10 seconds").to_pylist()
    assert {(row["bucket"], row["type"]): row["signals"] for row in rows} == want
    with pytest.raises(ArgumentError, match="bucket='often'"):
        metrics.rates(sample, bucket="often")


def test_a_trace_of_its_own_is_what_composition_measures() -> None:
    with stored(
        line("TASK", 1, to="a"), line("TASK", 5, 1, on="2", to="b"), line("AGENT_OUTPUT", 9, 5, on="2", to="b")
    ) as store:
        rows = {row["trace_id"]: row["duration_ms"] for row in metrics.composition(store).to_pylist()}
    assert rows == {trace("1"): 0.0, trace("2"): 4.0}

"""Tokens and cost: what is read, where, and that whole numbers stay whole."""

import json
import random
from collections import Counter
from pathlib import Path

import naive
import pytest
from lines import line, stored, trace

from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.cost import cost_by_neuron, cost_by_trace, cost_histogram, cost_signals, offered

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
SPENT = {"tokens": {"in": 5, "out": 7}, "cost_micro_usd": 11, "model": "m"}


@pytest.fixture(scope="module")
def sample() -> Store:
    store = Store()
    naive.load(store, SAMPLE.read_text("utf-8").splitlines())
    return store


def test_sums_on_the_sample_are_those_of_a_plain_loop(sample: Store) -> None:
    spent: Counter[tuple[str, str]] = Counter()
    traces: Counter[str] = Counter()
    for text in SAMPLE.read_text("utf-8").splitlines():
        item = json.loads(text)
        if "cost_micro_usd" in item["meta"]:
            spent[item["directed"]["id"], "cost_micro_usd"] += item["meta"]["cost_micro_usd"]
            spent[item["directed"]["id"], "tokens_in"] += item["meta"]["tokens"]["in"]
            spent[item["directed"]["id"], "tokens_out"] += item["meta"]["tokens"]["out"]
            traces[item["trace_id"]] += item["meta"]["cost_micro_usd"]
    rows = cost_by_neuron(sample).to_pylist()
    assert {
        (row["neuron"], key): row[key] for row in rows for key in ("cost_micro_usd", "tokens_in", "tokens_out")
    } == spent
    assert {row["trace_id"]: row["cost_micro_usd"] for row in cost_by_trace(sample).to_pylist()} == traces
    assert sum(cost_histogram(sample)["count"].to_pylist()) == len(traces)


@pytest.mark.parametrize(
    ("kind", "meta", "payload", "want"),
    [
        ("PLAN", SPENT, {}, (5, 7, 11, "m")),
        ("PLAN", {"tokens.in": 5, "tokens.out": 7}, {}, (5, 7, None, None)),
        ("PLAN", {"tokens_in": 5, "tokens_out": 7}, {}, (5, 7, None, None)),
        ("FINAL", {}, {"cost": {"tokens": {"in": 1, "out": 2}, "cost_micro_usd": 3}}, (1, 2, 3, None)),
        ("FINAL", SPENT, {"cost": {"cost_micro_usd": 99}}, (5, 7, 11, "m")),
        ("FINAL", {}, {"cost": {"euro": 1}}, (None, None, None, None)),
        ("PLAN", {"tokens": {"in": 2**53 + 1}}, {}, (2**53 + 1, None, None, None)),
        ("PLAN", {"tokens": {"in": "many"}, "cost_micro_usd": 1.6}, {}, (None, None, 2, None)),
    ],
)
def test_what_a_signal_states(
    kind: str, meta: dict[str, object], payload: dict[str, object], want: tuple[object, ...]
) -> None:
    with stored(line(kind, 1, to="a", meta=meta, payload=payload)) as store:
        [row] = cost_signals(store).to_pylist()
    assert (row["tokens_in"], row["tokens_out"], row["cost_micro_usd"], row["model"]) == want


def test_a_bid_is_an_offer_and_no_cost() -> None:
    lines = [
        line("TASK_OFFER", 1),
        line("BID", 2, 1, to="a", payload={"cost": 0.5}),
        line("BID", 3, 1, to="a", payload={"cost": 1.5}),
        line("TASK_AWARDED", 4, 2, to="a"),
    ]
    with stored(*lines) as store:
        assert cost_signals(store).num_rows == 0
        [row] = offered(store).to_pylist()
    assert row == {
        "run": "capture",
        "neuron": "a",
        "bids": 2,
        "priced": 2,
        "won": 1,
        "min_price": 0.5,
        "p50_price": 1.0,
        "max_price": 1.5,
        "won_p50_price": 0.5,
    }


def test_integers_beyond_double_are_summed_exactly() -> None:
    big = 2**53 + 1
    lines = [line("PLAN", n, to="a", meta={"cost_micro_usd": big}) for n in (1, 2, 3)]
    with stored(*lines) as store:
        assert cost_by_neuron(store)["cost_micro_usd"].to_pylist() == [3 * big]
        assert cost_by_trace(store)["trace_id"].to_pylist() == [trace("1")]


def test_bins_are_half_open_and_cover_everything() -> None:
    lines = [line("PLAN", n, on=str(n), to="a", meta={"cost_micro_usd": cost}) for n, cost in enumerate([0, 4, 5, 9])]
    with stored(*lines) as store:
        rows = cost_histogram(store, bins=2).to_pylist()
        assert [(row["lower"], row["upper"], row["count"]) for row in rows] == [(0, 5, 2), (5, 10, 2)]
        assert cost_histogram(store, per="neuron").to_pylist() == [
            {"run": "capture", "lower": 18, "upper": 19, "count": 1}
        ]
        assert cost_histogram(store, of="tokens_in").num_rows == 0
        for wrong in ({"bins": 0}, {"of": "tokens"}, {"per": "day"}):
            with pytest.raises(ArgumentError):
                cost_histogram(store, **wrong)  # type: ignore[arg-type]


def test_the_order_of_lines_does_not_matter(sample: Store) -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    random.Random(5).shuffle(lines)
    with stored(*lines) as other:
        for table in (cost_signals, cost_by_neuron, cost_by_trace, cost_histogram, offered):
            assert table(other).equals(table(sample))


def test_an_empty_store_has_no_cost() -> None:
    with Store() as store:
        for table in (cost_signals, cost_by_neuron, cost_by_trace, cost_histogram, offered):
            assert table(store).num_rows == 0

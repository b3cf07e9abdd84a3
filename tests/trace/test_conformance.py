"""`check` on captures: the clean sample, broken ones, order, runs, rules of one's own."""

import random
from pathlib import Path

import naive
import pytest
from lines import event, line, stored, trace

from kit.cosmonapse.rules import RULES, Rule
from kit.errors import ArgumentError
from kit.store.store import Store
from kit.trace.conformance import FINDINGS, check, rules_table

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"
LINES = SAMPLE.read_text("utf-8").splitlines()

BROKEN = [
    line("TASK", 1, to="a"),
    line("AGENT_OUTPUT", 2, 1, to="b"),
    line("RECALL", 3, 1),
    line("TASK_OFFER", 4, on="2"),
    line("FINAL", 5, 2, to="b"),
    line("FINAL", 6, 2, to="b"),
]


def test_the_sample_breaks_no_rule() -> None:
    with stored(*LINES) as store:
        assert check(store).to_pylist() == []


def test_dropping_an_answer_is_found_and_nothing_else() -> None:
    dropped = next(text for text in LINES if '"type":"TOOL_RESULT"' in text)
    with stored(*(text for text in LINES if text != dropped)) as store:
        [row] = check(store).to_pylist()
    assert row["rule"] == "tool-unanswered" and row["severity"] == "warning"


def test_findings_come_in_the_order_of_the_rules() -> None:
    with stored(*BROKEN) as store:
        table = check(store)
    assert table.schema == FINDINGS
    assert table["rule"].to_pylist() == [
        "request-address", "reply-neuron", "recall-unanswered", "offer-dangling", "terminal-once",
    ]  # fmt: skip
    assert table["events"].to_pylist() == [
        [event(3)],
        [event(1), event(2)],
        [event(3)],
        [event(4)],
        [event(5), event(6)],
    ]
    assert table["trace_id"].to_pylist() == [trace("1"), trace("1"), trace("1"), trace("2"), trace("1")]


def test_findings_do_not_depend_on_the_order_of_lines() -> None:
    kept = [text for number, text in enumerate(LINES) if number % 7]
    with stored(*kept) as store:
        want = check(store)
    assert want.num_rows > 20
    random.Random(2).shuffle(kept)
    with stored(*kept) as store:
        assert check(store).equals(want)


def test_runs_are_kept_apart() -> None:
    with stored(*BROKEN, run="a") as store:
        naive.load(store, LINES, "b")
        assert check(store, "b").num_rows == 0
        assert check(store).equals(check(store, "a"))
        assert set(check(store)["run"].to_pylist()) == {"a"}


def test_rules_are_chosen_by_id_or_given() -> None:
    own = Rule(
        "no-plan",
        "info",
        "Nobody plans.",
        "ours",
        "SELECT run, trace_id, [id] AS events, 'planned' AS message FROM signal WHERE type = 'PLAN'",
    )
    with stored(line("PLAN", 1), *BROKEN[1:]) as store:
        assert set(check(store, rules=["terminal-once"])["rule"].to_pylist()) == {"terminal-once"}
        assert check(store, rules=[own]).to_pylist() == [
            {
                "rule": "no-plan",
                "severity": "info",
                "trace_id": trace("1"),
                "events": [event(1)],
                "message": "planned",
                "run": "capture",
            }
        ]
        assert check(store, rules=[]).equals(FINDINGS.empty_table())
        with pytest.raises(ArgumentError, match="no rule 'be-nice'"):
            check(store, rules=["be-nice"])


def test_nothing_is_left_behind(tmp_path: Path) -> None:
    path = tmp_path / "study.duckdb"
    with Store(path) as store:
        naive.load(store, BROKEN)
        want = check(store)
        assert store.execute("SELECT count(*) FROM duckdb_tables() WHERE temporary") == [(0,)]
    with Store(path, read_only=True) as store:
        assert check(store).equals(want)


def test_the_table_of_rules_lists_them_all() -> None:
    assert rules_table()["rule"].to_pylist() == [rule.id for rule in RULES]
    assert rules_table().column_names == ["rule", "severity", "statement", "source"]


def test_an_empty_store_breaks_no_rule() -> None:
    with Store() as store:
        assert check(store).equals(FINDINGS.empty_table())

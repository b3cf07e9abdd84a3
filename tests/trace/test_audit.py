"""Audit history: AUDIT signals, judged replies and journal records joined by hash and trace."""

import random
from pathlib import Path

import naive
import pyarrow as pa
from lines import START, event, line, stored, trace

from kit.store.store import Store
from kit.trace.audit import audits

SAMPLE = Path(__file__).parents[2] / "datasets" / "cosmonapse-small.jsonl"


def judged(number: int, hash: str | None, verdict: str = "redact") -> str:
    return line("AGENT_OUTPUT", number, 1, to="a", meta={"glia": {"verdict": verdict, "mode": "enforce", "hash": hash}})


def audit(number: int, hash: str | None) -> str:
    return line("AUDIT", number, 1, to="a", payload={"hash": hash} if hash else {})


def journal(store: Store, *entries: tuple[str, str | None]) -> None:
    rows = [
        {
            "run": "capture",
            "source_id": 2,
            "line": n,
            "ts": START,
            "trace_id": name,
            "hash": hash,
            "effective": "redact",
            "applied": "redact",
            "declared": "redact",
            "raw": f"{n}",
        }
        for n, (name, hash) in enumerate(entries, 1)
    ]
    store.append("policy_records", pa.Table.from_pylist(rows))


def test_the_three_witnesses_are_one_row() -> None:
    with stored(audit(3, "h1"), judged(2, "h1")) as store:
        journal(store, (trace("1"), "h1"))
        [row] = audits(store).to_pylist()
    assert (row["audit_id"], row["reply_id"], row["record_source"], row["record_line"]) == (event(3), event(2), 2, 1)
    assert (row["outcome"], row["verdict"], row["applied"], row["mode"]) == ("redacted", "redact", "redact", "enforce")
    assert row["hash"] == "h1" and row["component"] == "a"


def test_repeats_are_joined_in_order_and_the_rest_stands_alone() -> None:
    with stored(audit(3, "h1"), audit(5, "h1"), judged(4, "h1"), audit(7, None), judged(8, "h2", "allow")) as store:
        journal(store, (trace("1"), "h1"), (trace("2"), "h1"), (trace("1"), None))
        rows = audits(store).to_pylist()
    assert sorted((row["audit_id"] or "", row["reply_id"] or "", row["record_line"] or 0) for row in rows) == [
        ("", "", 2),
        ("", "", 3),
        ("", event(8), 0),
        (event(3), event(4), 1),
        (event(5), "", 0),
        (event(7), "", 0),
    ]


def test_a_card_on_a_registration_is_no_verdict() -> None:
    with stored(line("REGISTER", 1, to="a", meta={"glia": {"card_id": "c", "mode": "enforce"}})) as store:
        assert audits(store).num_rows == 0


def test_the_sample_has_four_redactions() -> None:
    lines = SAMPLE.read_text("utf-8").splitlines()
    with stored(*lines) as store:
        table = audits(store)
        assert table["outcome"].to_pylist() == ["redacted"] * 4
        assert table["verdict"].to_pylist() == ["redact"] * 4
        assert None not in table["reply_id"].to_pylist()
    random.Random(1).shuffle(lines)
    with stored(*lines) as other:
        assert audits(other).equals(table)


def test_runs_are_kept_apart() -> None:
    with stored(audit(3, "h1"), run="a") as store:
        naive.load(store, [judged(2, "h1")], "b")
        assert [(row["run"], row["audit_id"], row["reply_id"]) for row in audits(store).to_pylist()] == [
            ("a", event(3), None),
            ("b", None, event(2)),
        ]
        assert audits(store, "b").num_rows == 1

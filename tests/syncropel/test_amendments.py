"""Corrections, erasures, aliases and scopes, folded into views: switchable, and never touching what was written."""

import json
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

import kit
from kit.errors import ArgumentError
from kit.notebook.study import Study
from kit.trace.amendments import View
from kit.trace.members import joined, members
from kit.trace.record_view import records_view
from tests.records_in import Written, fill_sample

ALL = {"corrected": True, "erased": True, "aliased": True}


class Ledger(Written):
    """Records with amendments among them."""

    def correct(self, *targets: str, actor: str = "did:a", **fields: Any) -> str:
        body = {"kind": "core.correction", "corrects": list(targets), "revised_fields": fields}
        return self.put(actor=actor, **body)

    def erase(self, *targets: str, **more: Any) -> str:
        return self.put(**{"kind": "core.erasure", "erases": list(targets), **more})

    def alias(self, old: str, new: str, **more: Any) -> str:
        return self.put(**{"kind": "core.alias", "old_kind": old, "new_kind": new, **more})


def shown(made: Written, **switches: Any) -> dict[str, dict[str, Any]]:
    """Return each record as the view shows it, the body parsed."""
    with kit.open() as study:
        made.into(study)
        rows = study.records(**(switches or ALL)).rows()
    return {row["id"]: {**row, "body": None if row["body"] is None else json.loads(row["body"])} for row in rows}


def outcomes(made: Written, **options: Any) -> dict[tuple[str, str], str]:
    with kit.open() as study:
        made.into(study)
        return {(row["id"], row["target"] or row["old_kind"]): row["outcome"] for row in study.amendments(**options)}


@pytest.fixture(scope="module")
def sample() -> Iterator[Study]:
    with kit.open() as study:
        fill_sample(study)
        yield study


@pytest.fixture(scope="module")
def store() -> Iterator[Study]:
    with kit.open() as study:
        yield study


def test_the_sample_is_amended_as_stated(sample: Study) -> None:
    """syncropel-27: 86 and 60 records take another kind; 24 are erased; 38 corrected."""
    kinds = Counter((row["kind_raw"], row["kind"]) for row in sample.records(aliased=True))
    renamed = {pair: count for pair, count in kinds.items() if pair[0] != pair[1]}
    assert renamed == {("lab.study.step", "lab.experiment.action"): 86, ("lab.tool.call.v2", "lab.tool.call.v3"): 60}
    rows = sample.records(**ALL).rows()
    assert sum(row["erased"] for row in rows) == 24
    assert sum(bool(row["corrected_by"]) for row in rows) == 38
    assert [row["target"][:6] for row in sample.conflicts()] == ["6fae2b"]
    found = Counter((row["what"], row["outcome"]) for row in sample.amendments())
    assert found["correction", "unresolved"] == 8
    assert found["erasure", "unresolved"] == 8
    assert found["scope_transfer", "applied"] == 1


def test_a_correction_replaces_whole_top_level_fields() -> None:
    made = Ledger()
    target = made.put(a=1, b={"x": 1, "y": 2}, c="kept", kind="k.l.m", _v=1)
    fix = made.correct(target, a=None, b={"x": 5}, d="new", kind="k.l.n", _v=2)
    row = shown(made)[target]
    assert row["body"] == {"a": None, "b": {"x": 5}, "c": "kept", "d": "new", "kind": "k.l.n", "_v": 2}
    assert (row["kind"], row["kind_raw"], row["v"]) == ("k.l.n", "k.l.m", "2")
    assert row["corrected_by"] == [fix]
    assert (row["act"], row["clock"], row["parents"]) == ("PUT", 0, [])


def test_a_correction_leaves_the_spelling_of_other_numbers() -> None:
    made = Ledger()
    target = made.put(lr=1e-07, big=10**20, near=0.1)
    made.correct(target, near=3e-05)
    with kit.open() as study:
        made.into(study)
        bodies = {row["id"]: row["body"] for row in study.records(corrected=True)}
    assert bodies[target] == '{"big":100000000000000000000,"lr":1e-07,"near":3e-05}'


def test_the_later_correction_wins_by_clock_not_by_file_and_actors_conflict() -> None:
    """syncropel-27: amendments are read by (clock, actor, id)."""
    made = Ledger()
    target = made.put(note="raw", other=1)
    late = made.correct(target, actor="did:b", note="late")
    early = made.correct(target, actor="did:a", note="early", other=2)
    made.records[1]["clock"], made.records[2]["clock"] = 90, 80
    row = shown(made)[target]
    assert row["body"] == {"note": "late", "other": 2}
    assert row["corrected_by"] == [early, late]
    with kit.open() as study:
        made.into(study)
        [conflict] = study.conflicts().rows()
    assert (conflict["field"], conflict["winner"], conflict["value"]) == ("note", late, '"late"')
    assert conflict["actors"] == ["did:a", "did:b"]


def test_one_actor_is_in_no_conflict_with_itself() -> None:
    made = Ledger()
    target = made.put(note="raw")
    made.correct(target, note="1")
    made.correct(target, note="2")
    with kit.open() as study:
        made.into(study)
        assert study.conflicts().rows() == []


def test_a_correction_is_corrected_first() -> None:
    """syncropel-27: correction of correction, three deep, in any order of the file."""
    made = Ledger()
    target = made.put(note="raw")
    first = made.correct(target, note="1")
    second = made.correct(first, revised_fields={"note": "2"})
    made.correct(second, revised_fields={"revised_fields": {"note": "3"}})
    assert shown(made)[target]["body"] == {"note": "3"}
    made.records.reverse()
    assert shown(made)[target]["body"] == {"note": "3"}


def test_a_correction_can_take_a_target_away_or_give_one() -> None:
    made = Ledger()
    wrong, right = made.put(note="wrong"), made.put(note="right")
    fix = made.correct(wrong, note="fixed")
    made.correct(fix, corrects=[right])
    rows = shown(made)
    assert (rows[wrong]["body"]["note"], rows[right]["body"]["note"]) == ("wrong", "fixed")
    found = outcomes(made)
    assert (found[fix, wrong], found[fix, right]) == ("retargeted", "applied")


def test_corrections_in_a_ring_are_not_applied_to_each_other() -> None:
    made = Ledger()
    target = made.put(note="raw")
    for name, other in (("a", "b"), ("b", "a")):
        body = {"kind": "core.correction", "corrects": [other, target], "revised_fields": {"note": name}}
        made.put(id=name, **body)
    found = outcomes(made)
    assert {found["a", "b"], found["b", "a"]} == {"cycle"}
    assert found["a", target] == found["b", target] == "applied"
    assert shown(made)[target]["body"] == {"note": "b"}


def test_a_long_chain_of_corrections_needs_no_recursion() -> None:
    made = Ledger()
    target = made.put(note="raw")
    last = made.correct(target, note="0")
    for number in range(1, 1500):
        last = made.correct(last, reason=str(number))
    assert shown(made)[target]["body"] == {"note": "0"}


def test_an_erasure_hides_the_body_over_corrections() -> None:
    """syncropel-27: erasure over correction: body, raw line and the fields of the correction are hidden; the rest stays."""
    made = Ledger()
    parent = made.put()
    target = made.put(parents=[parent], secret="s3cret", kind="k.l.m", _refs=[{"kind": "r", "id": "1"}])
    fix = made.correct(target, secret="s3cret too")
    gone = made.erase(target, effective_at="2026-01-02T00:00:00Z")
    rows = shown(made)
    row = rows[target]
    assert (row["body"], row["kind"], row["v"], row["raw"]) == (None, None, None, None)
    assert (row["erased"], row["erased_by"], row["parents"]) == (True, gone, [parent])
    assert row["erased_at"] == datetime(2026, 1, 2, tzinfo=UTC)
    assert rows[fix]["body"]["revised_fields"] is None
    assert "s3cret" not in json.dumps(rows, default=str)
    assert outcomes(made)[fix, target] == "erased_target"
    with kit.open() as study:
        made.into(study)
        assert len(study.refs()) == 1
        assert len(study.refs(erased=True)) == 0
        assert not any("s3cret" in str(row) for row in study.amendments())
        assert len(study.record_structure()) == 4


def test_an_erased_correction_does_not_count() -> None:
    made = Ledger()
    target = made.put(note="raw")
    fix = made.correct(target, note="fixed")
    made.erase(fix)
    rows = shown(made)
    assert rows[target]["body"] == {"note": "raw"}
    assert rows[fix]["body"] is None
    assert shown(made, corrected=True)[target]["body"] == {"note": "fixed"}


def test_nothing_brings_erased_data_back() -> None:
    made = Ledger()
    target = made.put(note="raw")
    gone = made.erase(target)
    made.erase(gone)
    undo = made.correct(gone, erases=[])
    assert shown(made)[target]["body"] is None
    found = outcomes(made)
    assert (found[gone, target], found[undo, gone]) == ("applied", "erased_target")
    made.records.pop(2)
    assert outcomes(made)[undo, gone] == "erasure_stands"
    assert shown(made)[target]["body"] is None


def test_an_erasure_is_in_force_from_its_time_on() -> None:
    made = Ledger()
    soon, later, always = made.put(a=1), made.put(a=2), made.put(a=3)
    made.erase(soon, effective_at="2026-01-01T00:00:00Z")
    made.erase(later, effective_at="2026-06-01T00:00:00Z")
    made.erase(always, effective_at="some day")
    for as_of, hidden in (
        ("2025-12-31T23:59:59Z", {always}),
        ("2026-01-01T00:00:00Z", {soon, always}),
        (datetime(2026, 7, 1, tzinfo=UTC), {soon, later, always}),
        (None, {soon, later, always}),
    ):
        rows = shown(made, erased=True, as_of=as_of)
        assert {id_ for id_, row in rows.items() if row["erased"]} == hidden
    assert Counter(outcomes(made, as_of="2026-02-01").values()) == {"applied": 2, "not_in_force": 1}
    with kit.open() as study, pytest.raises(ArgumentError, match="needs erased=True"):
        study.records(corrected=True, as_of="2026-01-01")


def test_targets_that_are_not_in_the_run_are_listed() -> None:
    made = Ledger()
    made.correct("0" * 64, a=1)
    made.erase("1" * 64)
    assert Counter(outcomes(made).values()) == {"unresolved": 2}


def test_corrections_by_others_can_be_left_out() -> None:
    made = Ledger()
    target = made.put(actor="did:me", note="raw")
    mine = made.correct(target, actor="did:me", note="mine")
    theirs = made.correct(target, actor="did:them", note="theirs")
    assert shown(made)[target]["body"]["note"] == "theirs"
    assert shown(made, corrected=True, same_actor=True)[target]["body"]["note"] == "mine"
    found = outcomes(made, same_actor=True)
    assert (found[mine, target], found[theirs, target]) == ("applied", "other_actor")


def test_kinds_follow_chains_of_aliases() -> None:
    """syncropel-27: alias chain, a later alias for the same kind, and a ring of aliases, which keeps the raw kind."""
    made = Ledger()
    ids = {kind: made.put(kind=kind) for kind in ("a.b.c", "a.b.d", "r.r.r", "s.s.s", "x.x.x")}
    lost = made.alias("a.b.c", "never.a.b")
    made.alias("a.b.d", "a.b.e")
    made.alias("a.b.c", "a.b.d")
    ring = made.alias("r.r.r", "s.s.s")
    made.alias("s.s.s", "r.r.r")
    made.alias("x.x.x", "r.r.r")
    rows = shown(made, aliased=True)
    assert [rows[ids[kind]]["kind"] for kind in ids] == ["a.b.e", "a.b.e", "r.r.r", "s.s.s", "x.x.x"]
    assert [rows[ids[kind]]["alias_cycle"] for kind in ids] == [False, False, True, True, True]
    assert {row["kind_raw"] for row in rows.values()} >= set(ids)
    found = outcomes(made)
    assert (found[lost, "a.b.c"], found[ring, "r.r.r"]) == ("overridden", "cycle")


def test_an_alias_counts_from_its_time_on_where_that_is_asked() -> None:
    made = Ledger()
    clocks = {"counter": 5, "early": 1767225600000, "late": 1767312000000}
    ids = {name: made.put(kind="a.b.c", clock=clock, thread=name) for name, clock in clocks.items()}
    made.alias("a.b.c", "a.b.d", since="2026-01-01T12:00:00Z")
    with kit.open() as study:
        made.into(study)
        rows = {row["id"]: row["kind"] for row in records_view(study, view=View(since=True))}
        always = {row["id"]: row["kind"] for row in records_view(study)}
    assert [rows[ids[name]] for name in clocks] == ["a.b.c", "a.b.c", "a.b.d"]
    assert [always[ids[name]] for name in clocks] == ["a.b.d"] * 3


def test_a_scope_belongs_to_its_first_claimant_and_is_handed_on_by_its_owner() -> None:
    made = Ledger()
    claim = {"kind": "core.scope_claim", "scope": "lab"}
    hand = {"kind": "core.scope_transfer", "scope": "lab"}
    late = made.put(actor="did:b", claimant="did:b", effective_at="2026-01-02T00:00:00Z", **claim)
    first = made.put(actor="did:a", effective_at="2026-01-01T00:00:00Z", **claim)
    stolen = made.put(from_publisher="did:x", to_publisher="did:x", effective_at="2026-01-03T00:00:00Z", **hand)
    given = made.put(from_publisher="did:a", to_publisher="did:c", effective_at="2026-01-04T00:00:00Z", **hand)
    with kit.open() as study:
        made.into(study)
        rows = {row["id"]: (row["outcome"], row["owner"]) for row in study.amendments()}
    assert rows[first] == ("applied", "did:a")
    assert rows[late] == ("already_claimed", "did:a")
    assert rows[stolen] == ("not_owner", "did:a")
    assert rows[given] == ("applied", "did:c")


def test_two_views_are_compared_field_by_field(sample: Study) -> None:
    made = Ledger()
    target, hidden = made.put(note="raw", kind="a.b.c"), made.put(note="x", kind="a.b.c")
    made.correct(target, note="fixed", more=[1])
    made.erase(hidden)
    made.alias("a.b.c", "a.b.d")
    with kit.open() as study:
        made.into(study)
        rows = {(row["id"], row["field"]): (row["before"], row["after"]) for row in study.diff_views()}
        nothing = study.diff_views(corrected=False, erased=False, aliased=False).rows()
    assert rows == {
        (target, "body.note"): ('"raw"', '"fixed"'),
        (target, "body.more"): (None, "[1]"),
        (target, "kind"): ('"a.b.c"', '"a.b.d"'),
        (hidden, "erased"): ("false", "true"),
        (hidden, "kind"): ('"a.b.c"', None),
    }
    assert nothing == []
    renamed = sample.diff_views(corrected=False, erased=False)
    assert Counter(row["field"] for row in renamed) == {"kind": 146}


def test_runs_are_amended_apart() -> None:
    made = Ledger()
    target = made.put(note="raw")
    plain = Ledger()
    plain.records = list(made.records)
    made.correct(target, note="fixed")
    with kit.open() as study:
        made.into(study, "a")
        plain.into(study, "b")
        rows = study.records(corrected=True, thread="t", where=f"id = '{target}'").rows()
    assert [(row["run"], json.loads(row["body"])["note"]) for row in rows] == [("a", "fixed"), ("b", "raw")]


@given(
    st.dictionaries(st.text(), st.lists(st.none() | st.integers() | st.text(), max_size=3) | st.floats(allow_nan=False))
)
@settings(max_examples=40)
def test_members_put_together_are_the_object(value: dict[str, Any]) -> None:
    for text in (json.dumps(value), json.dumps(value, indent=1), json.dumps(value, ensure_ascii=False)):
        assert json.loads(joined(members(text))) == value


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a"}', '{"a":1', '{"a":1 "b":2}', "{a:1}", '{"a":' + "[" * 99_999])
def test_what_is_no_object_has_no_members(text: str) -> None:
    with pytest.raises(ArgumentError, match="no JSON object"):
        members(text)


RUNS = count()


@given(data=st.data())
@settings(max_examples=10, phases=[Phase.generate])
def test_the_fold_does_not_depend_on_the_order_of_the_file(data: st.DataObject, store: Study) -> None:
    made = Ledger()
    ids = [made.put(note=str(number), kind=f"k.k.k{number % 3}") for number in range(4)]
    for number in range(data.draw(st.integers(1, 8))):
        targets = data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=2, unique=True))
        if data.draw(st.booleans()):
            actor = data.draw(st.sampled_from(["did:a", "did:b"]))
            ids.append(made.correct(*targets, actor=actor, note=f"fix {number}", revised_fields={"note": "again"}))
        else:
            ids.append(made.erase(*targets))
    expected = without_places(made, store)
    made.records = data.draw(st.permutations(made.records))
    assert without_places(made, store) == expected


def without_places(made: Ledger, store: Study) -> list[dict[str, Any]]:
    run = str(next(RUNS))
    made.into(store, run)
    return [{**row, "line": 0, "source_id": 0, "run": ""} for row in store.records(run=run, where="true", **ALL)]

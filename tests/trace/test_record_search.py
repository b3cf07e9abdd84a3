"""`study.records(...)`: records found by plain arguments, as written or as amended."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

import kit
from kit.errors import ArgumentError
from kit.notebook.study import Study
from kit.syncropel import hash_levels
from tests.records_in import Written

BODIES: list[dict[str, Any]] = [
    {
        "kind": "a.b.c",
        "n": 1,
        "deep": {"q": "x"},
        "list": [1, {"id": "y"}],
        "_refs": [{"kind": "@music.track", "id": "isrc:AB"}],
    },
    {"kind": "a.b.c", "n": 2, "deep": {"q": None}, "_refs": [{"kind": "@doc.text", "id": "isrc:AB"}]},
    {"kind": "a.b.d", "n": True},
    {"kind": "core.correction", "n": "1"},
]


@pytest.fixture(scope="module")
def study() -> Iterator[Study]:
    made = Written()
    ids = [
        made.put(["DO", "KNOW", "GET", "PUT"][i], actor=f"did:{i % 2}", thread=f"t{i // 2}", **body)
        for i, body in enumerate(BODIES)
    ]
    made.records[3]["body"] |= {"corrects": [ids[2]], "revised_fields": {"kind": "a.b.c", "n": 7}}
    changed = Written()
    for record in made.records:
        fields = {key: record[key] for key in ("actor", "thread", "clock", "parents")}
        changed.put(record["act"], **fields, **record["body"])
    with kit.open() as opened:
        changed.into(opened)
        yield opened


def found(study: Study, **options: Any) -> str:
    return "".join(str(row["clock"]) for row in study.records(**options))


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, "0123"),
        ({"kind": "a.b.c"}, "01"),
        ({"kind": ["a.b.d", "core.correction"]}, "23"),
        ({"actor": "did:0"}, "02"),
        ({"thread": "t1"}, "23"),
        ({"act": ("DO", "GET")}, "02"),
        ({"act": []}, ""),
        ({"run": "other"}, ""),
        ({"ref": "isrc:ab"}, "01"),
        ({"ref": {"kind": "@doc.text", "id": "isrc:A-B"}}, "1"),
        ({"ref": [{"kind": "@doc.text"}, {"kind": "@music.track"}]}, "01"),
        ({"ref": []}, ""),
        ({"body": {"n": 1}}, "0"),
        ({"body": {"n": True}}, "2"),
        ({"body": {"deep.q": "x", "n": 1.0}}, "0"),
        ({"body": {"deep.q": None}}, "1"),
        ({"body": {"list.1.id": "y"}}, "0"),
        ({"where": "clock > 1 OR act = 'DO' -- or so"}, "023"),
        ({"kind": "a.b.c", "corrected": True}, "012"),
        ({"body": {"n": 7}, "corrected": True}, "2"),
        ({"where": "len(corrected_by) > 0", "corrected": True}, "2"),
    ],
    ids=str,
)
def test_records_match_all_arguments(study: Study, options: dict[str, Any], wanted: str) -> None:
    assert found(study, **options) == wanted


def test_the_body_is_spread_into_columns(study: Study) -> None:
    frame = study.records(kind="a.b.c").df(expand="body")
    assert frame["body.n"].tolist() == [1, 2]
    assert frame["body.deep.q"][0] == "x"


def test_values_are_bound_not_pasted(study: Study) -> None:
    assert found(study, kind="' OR true --") == ""
    assert found(study, ref="') OR true --") == ""
    assert found(study, body={"' OR true --": 1}) == ""


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"body": {"a..b": 1}}, "body path 'a..b'"),
        ({"ref": {"name": "x"}}, "give an id like"),
        ({"erased": True, "as_of": "noon"}, "'noon' is no time"),
        ({"as_of": "2026-01-01"}, "needs erased=True"),
    ],
    ids=str,
)
def test_what_cannot_be_meant_is_refused(study: Study, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        study.records(**options)


def test_references_are_filtered_by_kind(study: Study) -> None:
    assert sorted(row["kind"] for row in study.refs()) == ["@doc.text", "@music.track"]
    assert [row["clock"] for row in study.refs(kind="@doc.text").sql("SELECT 1 AS clock FROM self")] == [1]
    assert [row["actor"] for row in study.refs(kind="@doc.text")] == ["did:1"]


def test_hash_levels_are_those_of_act_and_body(study: Study) -> None:
    """syncropel-3."""
    levels = {row["id"]: row for row in study.hash_levels()}
    assert len(levels) == 4
    for row in study.records():
        expected = hash_levels(row["act"], json.loads(row["body"]))
        assert tuple(levels[row["id"]][name] for name in ("l0", "l1", "l2", "l3")) == tuple(expected)


def test_a_lazy_answer_stays_what_it_was(study: Study) -> None:
    answer = study.records(corrected=True, aliased=True)
    assert answer.rows() == answer.rows()
    assert answer.sql("SELECT count(*) AS n FROM self").rows() == [{"n": 4}]

"""The views over records: references, edges, what ends an INTEND, amendments, the timeline of all families."""

import json
from collections import Counter
from collections.abc import Iterator

import pytest

import kit
from kit.notebook.study import Study
from tests.records_in import SAMPLE, Written, fill_sample


@pytest.fixture(scope="module")
def sample() -> Iterator[Study]:
    with kit.open() as study:
        fill_sample(study)
        yield study


def test_the_sample_has_its_references(sample: Study) -> None:
    assert sample.execute("SELECT count(*), count(DISTINCT (kind, ref_id)) FROM record_refs") == [(390, 91)]


def test_the_sample_has_its_edges(sample: Study) -> None:
    """syncropel-26: 821 parent edges, 1 dangling, 15 to another thread."""
    states = dict(sample.execute("SELECT state, count(*) FROM record_edges GROUP BY state"))
    assert states == {"attached": 805, "cross_trace": 15, "missing_parent": 1}


def test_the_sample_has_its_amendments(sample: Study) -> None:
    """syncropel-27: 40 corrections naming 46 targets, 38 of them present; 24 erasures naming 32, 24 present."""
    rows = sample.execute("""
        SELECT what, count(DISTINCT id), count(DISTINCT target), count(DISTINCT CASE WHEN known THEN target END)
        FROM amendments GROUP BY what ORDER BY what""")
    assert rows == [
        ("alias", 4, 0, 0),
        ("cancellation", 6, 6, 6),
        ("correction", 40, 46, 38),
        ("erasure", 24, 32, 24),
        ("scope_claim", 1, 0, 0),
        ("scope_transfer", 1, 0, 0),
    ]
    twice = "SELECT target FROM amendments WHERE what = 'correction' GROUP BY target HAVING count(DISTINCT id) > 1"
    assert len(sample.execute(twice)) == 2
    corrected_corrections = """
        SELECT count(DISTINCT a.target) FROM amendments a JOIN amendments b ON b.id = a.target
        WHERE a.what = 'correction' AND b.what = 'correction'"""
    assert sample.execute(corrected_corrections) == [(8,)]


def test_a_clock_is_a_time_only_where_it_counts_milliseconds(sample: Study) -> None:
    rows = sample.execute("SELECT clock_name, count(*), count(ts) FROM events GROUP BY ALL ORDER BY ALL")
    assert rows == [("logical", 319, 0), ("unix_ms", 500, 500)]
    with kit.open() as study:
        made = Written()
        for clock in (100_000_000_000, 100_000_000_001, 2**62):
            made.put(clock=clock)
        made.into(study)
        found = study.execute("SELECT clock_name, ts::VARCHAR FROM record_events ORDER BY clock_value::BIGINT")
    assert found == [("logical", None), ("unix_ms", "1973-03-03 09:46:40.001+00"), ("logical", None)]


def test_events_and_edges_hold_all_families(sample: Study) -> None:
    with kit.open() as study:
        study.load(SAMPLE.parent / "cosmonapse-small.jsonl", run="signals")
        fill_sample(study, "records")
        families = dict(study.execute("SELECT family, count(*) FROM events GROUP BY family"))
        edges = dict(study.execute("SELECT family, count(*) FROM edges GROUP BY family"))
        own = study.execute("SELECT count(*) FROM signal_edges")[0][0]
    assert families == {"signals": 1037, "records": 819}
    # 821 parents, and 105 verdicts and outcomes that fulfill what is none of their parents.
    assert edges == {"signals": own, "records": 821 + 105}


REFS = [
    ([{"kind": "@music.track", "id": "isrc:us-jI1-98-10404"}], [("@music.track", "isrc:USJI19810404")]),
    ([{"kind": "@doc.text", "id": "doi:10.1/ABC "}], [("@doc.text", "doi:10.1/abc")]),
    ([{"kind": "@doc.text", "id": "DOI:https://doi.org/10.1/X"}], [("@doc.text", "doi:10.1/x")]),
    ([{"kind": "@social.person", "id": "email:A@B.c"}], [("@social.person", "email:a@b.c")]),
    ([{"kind": "@media.photo", "id": "SHA256:AB"}], [("@media.photo", "sha256:ab")]),
    ([{"kind": "@code.file", "id": "github:O/R:a.py"}], [("@code.file", "github:O/R:a.py")]),
    ([{"kind": "a.b", "id": "x"}, {"kind": "a.b", "id": "x"}], [("a.b", "x"), ("a.b", "x")]),
    ({"kind": "a.b", "id": "x"}, [("a.b", "x")]),
    ({"music_artist": "mbid:1"}, [("music_artist", "mbid:1")]),
    (
        {"a/b~c.d": {"id": "1"}, "other": [{"kind": "k", "id": "2"}, "3"]},
        [("a/b~c.d", "1"), ("k", "2"), ("other", "3")],
    ),
    (["x", 5, None, {"kind": 5, "id": "y"}], [(None, "x"), (None, None), (None, None), (None, "y")]),
    ([], []),
    ("text", []),
    (None, []),
]


@pytest.mark.parametrize(("refs", "wanted"), REFS, ids=str)
def test_references_are_read_in_every_form(refs: object, wanted: list[tuple[str | None, str | None]]) -> None:
    made = Written()
    made.put(_refs=refs)
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT kind, ref_key, position FROM record_refs ORDER BY position")
    assert rows == [(*pair, place) for place, pair in enumerate(wanted)]


def test_a_reference_is_found_whatever_its_spelling() -> None:
    made = Written()
    first = made.put(_refs=[{"kind": "@music.track", "id": "isrc:USJI19810404"}])
    second = made.put(_refs=[{"kind": "@music.track", "id": "isrc:us-ji1-98-10404"}])
    with kit.open() as study:
        made.into(study)
        found = {row["id"] for row in study.records(ref="ISRC:usji19810404")}
        stored = {row["ref_id"] for row in study.refs()}
    assert found == {first, second}
    assert stored == {"isrc:USJI19810404", "isrc:us-ji1-98-10404"}


def test_every_odd_parent_has_its_state() -> None:
    """syncropel-26: dangling, cross-thread, self and forged rings in one file, children before parents."""
    made = Written()
    root = made.put("INTEND")
    made.put(parents=[root, root, "0" * 64])
    made.put(thread="u", parents=[root])
    made.put(id="self", parents=["self", root])
    made.put(id="b", parents=["a"])
    made.put(id="a", parents=["c"])
    made.put(id="c", parents=["b", root])
    below = made.put(parents=["c"])
    made.records.reverse()
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT child, parent, state FROM record_edges WHERE child <> parent")
        states = Counter(state for (state,) in study.execute("SELECT state FROM record_edges"))
    assert states == {"attached": 5, "missing_parent": 1, "cross_trace": 1, "self_parent": 1, "cycle": 3}
    assert {(child, parent) for child, parent, state in rows if state == "cycle"} == {
        ("b", "a"),
        ("a", "c"),
        ("c", "b"),
    }
    assert (below, "c", "attached") in rows


def test_a_chain_above_a_forged_ring_is_no_ring() -> None:
    made = Written()
    above = made.put()
    for number in range(300):
        above = made.put(id=f"x{number}", parents=[above])
    for number in range(40):
        made.put(id=f"r{number}", parents=[f"r{(number + 1) % 40}", *([above] if not number else [])])
    below = "r7"
    for number in range(300):
        below = made.put(id=f"y{number}", parents=[below])
    with kit.open() as study:
        made.into(study)
        states = dict(study.execute("SELECT state, count(*) FROM record_edges GROUP BY state"))
    assert states == {"attached": 300 + 1 + 300, "cycle": 40}


def test_an_intent_is_ended_only_in_its_own_thread() -> None:
    made = Written()
    goal = made.put("INTEND", thread="t")
    other = made.put("PUT", thread="t")
    made.put("KNOW", thread="u", fulfills=goal)
    made.put("KNOW", thread="t", fulfills=[other, goal, "gone", 5])
    made.put("PUT", thread="t", fulfills=goal)
    made.put("DO", thread="t", cancels=goal)
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT thread, how, intent, counts FROM intent_ends")
    assert set(rows) == {
        ("u", "fulfills", goal, False),
        ("t", "fulfills", other, False),
        ("t", "fulfills", goal, True),
        ("t", "fulfills", "gone", False),
        ("t", "cancels", goal, True),
    }


def test_the_older_style_of_amendments_is_read() -> None:
    made = Written()
    bad = made.put("KNOW", observation="x")
    made.put("KNOW", parents=[bad], topic="correction", observation="y")
    goal = made.put("INTEND")
    made.put("DO", cancels=goal)
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT what, older, target, known FROM amendments ORDER BY place")
    assert rows == [("correction", True, bad, True), ("cancellation", True, goal, True)]


def test_amendments_without_a_target_are_kept() -> None:
    made = Written()
    for body in ({"kind": "core.correction"}, {"kind": "core.erasure", "erases": []}, {"kind": "core.alias"}):
        made.put(**body)
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT what, target FROM amendments ORDER BY place")
        outcomes = {row["outcome"] for row in study.amendments()}
    assert rows == [("correction", None), ("erasure", None), ("alias", None)]
    assert outcomes == {"malformed"}


def test_a_verdict_is_about_what_it_reviews_or_else_its_parents() -> None:
    made = Written()
    goal = made.put("INTEND", actor="did:opener", domain="code")
    work = made.put("DO", actor="did:worker", parents=[goal])
    more = made.put("DO", actor="did:helper", parents=[goal])
    made.put("KNOW", actor="did:judge", parents=[more], reviews=work, verdict="accept", fulfills=goal)
    made.put("KNOW", actor="did:helper", parents=[work, more], verdict="reject", domain="art")
    made.put("KNOW", actor="did:judge", parents=[work], verdict="maybe")
    made.put("DO", actor="did:judge", parents=[work], verdict="accept")
    with kit.open() as study:
        made.into(study)
        rows = study.execute("SELECT verdict, judged_actor, own, domain FROM verdicts ORDER BY ALL")
    assert rows == [
        ("accept", "did:worker", False, "code"),
        ("reject", "did:helper", True, "art"),
        ("reject", "did:worker", False, "art"),
    ]


def test_the_views_leave_the_table_as_it_is(sample: Study) -> None:
    before = sample.execute("SELECT sum(hash(COLUMNS(*))) FROM records")
    len(sample.records(corrected=True, erased=True, aliased=True))
    len(sample.amendments())
    len(sample.refs(corrected=True, erased=True))
    assert sample.execute("SELECT sum(hash(COLUMNS(*))) FROM records") == before
    raw = [line for (line,) in sample.execute("SELECT raw FROM records ORDER BY line")]
    assert set(raw) == set(SAMPLE.read_text("utf-8").split("\n")[:-1])
    assert json.loads(raw[0])["act"] == "INTEND"

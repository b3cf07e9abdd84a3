"""Record captures into a store: every line accounted for, nothing altered, forgeries seen (spec/syncropel.md 11, 12)."""

import hashlib
import io
import json
from collections.abc import Callable, Iterator
from itertools import permutations
from pathlib import Path
from random import Random
from typing import Any

import duckdb
import pytest
from syncropel_lines import SAMPLE

import kit
from kit import schema
from kit.io.lines import LineReader
from kit.notebook.study import Study
from kit.syncropel import server_id
from kit.syncropel.load import Loading
from kit.syncropel.verify import STATUSES, findings, verify

Only = Callable[[str], dict[str, Any]]
LINES = SAMPLE.read_text("utf-8").split("\n")[:-1]
RECORD = {
    "act": "PUT",
    "actor": "did:example:me",
    "body": {"n": 1.0, "s": "é", "kind": "lab.study.note", "_v": 1},
    "clock": 4,
    "data_type": "SCALAR",
    "parents": ["a", "b"],
    "thread": "t",
}


def dump(record: dict[str, Any], **style: Any) -> str:
    return json.dumps(record, **({"ensure_ascii": False, "separators": (",", ":")} | style))


def stored(record: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"object": "record", "id": server_id(record), **record, **more}


def loaded(*files: list[str], level: str = "loose") -> Study:
    study = kit.open(threads=1)
    for lines in filter(None, files):
        study.load([*lines, "# so that a list is never taken for paths"], level=level)
    return study


@pytest.fixture(scope="module")
def only() -> Iterator[Callable[[str], dict[str, Any]]]:
    """Loads one line, without settling ids, and gives its row."""
    with duckdb.connect() as connection:
        connection.execute(schema.ddl("records"))

        def load(text: str) -> dict[str, Any]:
            connection.execute("DELETE FROM records")
            Loading(connection, "r", 1).load(LineReader(io.BytesIO(text.encode())).batches())
            (row,) = connection.sql("SELECT * FROM records").to_arrow_table().to_pylist()
            return dict(row)

        yield load


@pytest.fixture(scope="module")
def sample() -> Any:
    with kit.open() as study:
        study.load(SAMPLE)
        yield study


def count(study: Study, sql: str) -> Any:
    return study.execute(sql)[0][0]


EXPECTED = {
    "rows": ("SELECT count(*) FROM records", 819),
    "verified": ("SELECT count(*) FROM records WHERE integrity = 'ok' AND flags = []", 819),
    "ids": ("SELECT count(DISTINCT id) FROM records", 819),
    "threads": ("SELECT count(DISTINCT thread) FROM records", 77),
    "actors": ("SELECT count(DISTINCT actor) FROM records", 8),
    "parent edges": ("SELECT sum(len(parents)) FROM records", 821),
    "merges": ("SELECT count(*) FROM records WHERE len(parents) > 1", 72),
    "empty parents": ("SELECT count(*) FROM records WHERE parents = []", 140),
    "dangling": ("SELECT count(*) FROM (SELECT unnest(parents) AS id FROM records) ANTI JOIN records USING (id)", 1),
    "cross-thread": (
        "SELECT count(*) FROM (SELECT thread AS child, unnest(parents) AS id FROM records) JOIN records USING (id) "
        "WHERE child <> thread",
        15,
    ),
    "conflicts": ("SELECT count(*) FROM records WHERE conflict", 0),
    "without _v": ("SELECT count(*) FROM records WHERE v IS NULL", 60),
    "refs": ("SELECT count(*) FROM record_refs", 390),
    "distinct refs": ("SELECT count(DISTINCT (kind, ref_id)) FROM record_refs", 91),
    "corrections": ("SELECT count(DISTINCT id) FROM amendments WHERE what = 'correction'", 40),
    "corrected": ("SELECT count(DISTINCT target) FROM amendments WHERE what = 'correction'", 46),
    "corrected twice": (
        "SELECT count(*) FROM (SELECT target FROM amendments WHERE what = 'correction' GROUP BY ALL HAVING count(*) > 1)",
        2,
    ),
    "erasures": ("SELECT count(DISTINCT id) FROM amendments WHERE what = 'erasure'", 24),
    "erased": ("SELECT count(DISTINCT target) FROM amendments WHERE what = 'erasure'", 32),
    "erased here": (
        "SELECT count(*) FROM (SELECT DISTINCT target AS id FROM amendments WHERE what = 'erasure') SEMI JOIN records USING (id)",
        24,
    ),
    "corrected here": (
        "SELECT count(*) FROM (SELECT DISTINCT target AS id FROM amendments WHERE what = 'correction') SEMI JOIN records USING (id)",
        38,
    ),
    "aliases": ("SELECT count(*) FROM amendments WHERE what = 'alias' AND old_kind <> new_kind", 4),
}


@pytest.mark.parametrize(
    ("sql", "expected"), [pytest.param(*case, id=f"syncropel-24-{name}") for name, case in EXPECTED.items()]
)
def test_the_sample_has_the_expected_numbers(sample: Study, sql: str, expected: int) -> None:
    assert count(sample, sql) == expected


def test_syncropel_24_the_sample_adds_up_and_its_acts_are_counted(sample: Study) -> None:
    (source,) = sample.sql("SELECT lines, rows, duplicates, quarantined, skipped, family FROM sources").rows()
    assert list(source.values()) == [820, 819, 1, 0, 0, "records"]
    acts = dict(sample.execute("SELECT act, count(*) FROM records GROUP BY act"))
    assert acts == {"GET": 77, "PUT": 135, "CALL": 60, "MAP": 57, "INTEND": 83, "DO": 173, "KNOW": 184, "LEARN": 50}


def test_syncropel_24_every_line_is_kept_byte_for_byte(sample: Study) -> None:
    kept = dict(sample.execute("SELECT line, raw FROM records UNION ALL SELECT line, raw FROM duplicates"))
    assert [kept[number] for number in sorted(kept)] == LINES
    assert len("\n".join(LINES).splitlines()) > len(LINES)


def test_syncropel_24_the_body_is_the_text_that_was_hashed(sample: Study) -> None:
    for raw, body in sample.execute("SELECT raw, body::VARCHAR FROM records"):
        record = json.loads(raw)
        texts = [f'"{key}":{kit.syncropel.canonical_json(record[key])}' for key in ("act", "actor")]
        rest = [
            f'"{key}":{kit.syncropel.canonical_json(record[key])}'
            for key in ("clock", "data_type", "parents", "thread")
        ]
        text = "{" + ",".join([*texts, f'"body":{body}', *rest]) + "}"
        assert hashlib.sha256(text.encode()).hexdigest() == record["id"]


BENIGN = [
    pytest.param(text, id=f"syncropel-25-{name}")
    for name, text in {
        "key order": dump(dict(reversed(stored(RECORD).items()))),
        "sorted keys": dump(stored(RECORD), sort_keys=True),
        "spacing": dump(stored(RECORD), separators=(" , ", " : ")),
        "ascii escapes": dump(stored(RECORD), ensure_ascii=True),
        "slash escape": dump(stored(RECORD)).replace("lab.study", "\\u006cab.study"),
        "integer": dump(stored(RECORD)).replace("1.0", "1"),
        "exponent": dump(stored(RECORD)).replace("1.0", "10e-1"),
        "added keys": dump(stored(RECORD, judged_by="x", sequence=5, namespace="n", created_at="2026", score=0.5)),
        "unknown key": dump(stored(RECORD, more={"a": [1]})),
        "no object": dump({key: value for key, value in stored(RECORD).items() if key != "object"}),
        "feed": dump({"id": server_id(RECORD), "record": RECORD}),
        "audit": dump({"category": "system", "thread": "t", "record": stored(RECORD)}),
        "carriage return": dump(stored(RECORD)) + "\r",
    }.items()
]


@pytest.mark.parametrize("text", BENIGN)
def test_a_benign_rewriting_is_verified(only: Only, text: str) -> None:
    row = only(text)
    assert (row["integrity"], row["id"], row["raw"]) == ("ok", server_id(RECORD), text)


def flips(text: str) -> list[str]:
    """The line with one character of a hashed field, or of the id, changed in each place where it stays JSON."""
    chance = Random(7)
    found = []
    for place in range(text.index('"id"') + 6, len(text) - 1):
        if text[place].isalnum():
            other = chance.choice("0123456789" if text[place].isdigit() else "bcdfghjk")
            if other != text[place]:
                found.append(text[:place] + other + text[place + 1 :])
    return found


def test_syncropel_25_a_flipped_character_is_found_wherever_it_is() -> None:
    text = dump(stored({**RECORD, "body": {**RECORD["body"], "n": 17}}))
    texts = flips(text)
    assert len(texts) > 120
    with loaded(texts) as study:
        assert study.execute("SELECT raw FROM records WHERE integrity = 'ok'") == []
        assert count(study, "SELECT count(*) FROM records WHERE integrity = 'mismatch'") > 100
        refused = study.execute("SELECT DISTINCT reason FROM quarantine")
        assert {reason for (reason,) in refused} <= {"bad_json", "not_a_record"}


INTEGRITY = [
    (dump(stored(RECORD)), "ok", []),
    (dump({**stored(RECORD), "id": server_id({k: v for k, v in RECORD.items() if k != "data_type"})}), "ok6", []),
    (dump({**stored(RECORD), "id": server_id(RECORD).upper()}), "mismatch", []),
    (dump({**stored(RECORD), "id": server_id(RECORD)[:16]}), "mismatch", []),
    (dump({**stored(RECORD), "parents": ["b", "a"]}), "mismatch", ["parents_unsorted"]),
    (dump({**stored(RECORD), "body": {"redacted": True}}), "redacted", []),
    (dump({**stored(RECORD), "body": {"redacted": 1}}), "mismatch", []),
    (dump(stored({**RECORD, "body": {"redacted": True}})), "ok", []),
    (dump(RECORD), "no_id", []),
    (dump({**stored(RECORD), "body": {"n": float("nan")}}), "unhashable", ["nonfinite"]),
    (dump(stored(RECORD)).replace("1.0", "1e400"), "unhashable", ["nonfinite"]),
    (dump(stored(RECORD)).replace("é", "\\ud800"), "unhashable", ["lone_surrogate"]),
    (dump(stored({**RECORD, "clock": 1.5})), "ok", ["odd_clock"]),
    (dump(stored({**RECORD, "clock": 2**70})), "ok", ["odd_clock"]),
    (dump(stored({**RECORD, "body": None})), "ok", ["odd_body"]),
    (dump(stored({**RECORD, "body": {"_v": "1"}})), "ok", ["odd_version"]),
    (dump(stored({**RECORD, "act": "put", "data_type": "scalar"})), "ok", ["unknown_act", "unknown_data_type"]),
    (dump({"id": "x", "record": stored(RECORD)}), "ok", ["other_id"]),
]


@pytest.mark.parametrize(("text", "integrity", "flags"), INTEGRITY)
def test_an_id_is_judged(only: Only, text: str, integrity: str, flags: list[str]) -> None:
    row = only(text)
    assert (row["integrity"], row["flags"]) == (integrity, flags)
    assert row["raw"] == text


def test_an_odd_clock_is_kept_as_text(only: Only) -> None:
    clocks = {"1.5": "1.5", "1e3": "1000", str(2**70): str(2**70), '"5"': "5", "null": "null", "true": "true", "7": "7"}
    for written, text in clocks.items():
        row = only(dump(RECORD).replace('"clock":4', f'"clock":{written}'))
        assert row["clock_text"] == text
        assert row["clock"] == (int(text) if text in ("1000", "7") else None)


QUARANTINED = {
    '{"act":"PUT"': "bad_json",
    '{"act":"PUT"} {}': "trailing_data",
    '["act"]': "not_object",
    "7": "not_object",
    '{"index":{"_index":"records"}}': "not_a_record",
    '{"snapshot":1,"thread":"t","record_count":2}': "not_a_record",
    '{"object":"list","data":[{"act":"PUT"}]}': "not_a_record",
    '{"act":5}': "bad_act",
    '{"act":"PUT","actor":["a"]}': "bad_actor",
    '{"act":"PUT","actor":"\\ud800"}': "bad_actor",
    '{"act":"PUT","thread":{}}': "bad_thread",
    '{"act":"PUT","id":5}': "bad_id",
    '{"act":"PUT","data_type":1}': "bad_data_type",
    '{"act":"PUT","parents":"ab"}': "bad_parents",
    '{"act":"PUT","parents":[1]}': "bad_parents",
}


def test_what_is_no_record_is_in_quarantine_with_its_reason() -> None:
    with loaded([*QUARANTINED, *[dump(RECORD)] * 30]) as study:
        found = study.execute("SELECT decode(raw), reason FROM quarantine ORDER BY line")
        assert found == list(QUARANTINED.items())
        assert count(study, "SELECT count(*) FROM records") == 30


def test_levels_ask_for_more() -> None:
    lines = [
        dump(stored(RECORD)),
        dump(stored({**RECORD, "act": "put"})),
        dump(RECORD),
        dump({**stored(RECORD), "id": "x"}),
    ]
    reasons = {"loose": [], "validate": ["bad_act"], "strict": ["bad_act", "mismatch", "no_id"]}
    for level, expected in reasons.items():
        with loaded([*lines], level=level) as study:
            assert [row[0] for row in study.execute("SELECT reason FROM quarantine ORDER BY reason")] == expected


def tables(study: Study) -> list[list[dict[str, Any]]]:
    """The tables but for line and source: all that must not depend on the order of lines."""
    return [
        study.sql(f"SELECT * EXCLUDE (source_id, line) FROM {table} ORDER BY ALL").rows()
        for table in ("records", "duplicates")
    ]


def test_the_same_record_is_one_row_in_any_form_and_order() -> None:
    forms = [
        dump(stored(RECORD)),
        dump(stored(RECORD), sort_keys=True),
        dump({"id": server_id(RECORD), "record": RECORD}),
    ]
    forms += [dump(stored(RECORD, sequence=3)), forms[0]]
    expected = None
    for order in list(permutations(forms))[::40]:
        for cut in (0, 2):
            with loaded(list(order[:cut]), list(order[cut:])) as study:
                found = tables(study)
            assert [len(table) for table in found] == [1, 4]
            assert expected is None or found == expected
            expected = found


def test_another_content_under_an_id_is_a_conflict_and_the_right_one_is_canonical() -> None:
    right = dump(stored(RECORD))
    forged = [dump({**stored(RECORD), "body": {"n": number}}) for number in range(8)]
    expected = None
    for seed in range(3):
        lines = [right, *forged]
        Random(seed).shuffle(lines)
        with loaded(lines[:4], lines[4:]) as study:
            assert study.execute("SELECT raw FROM records WHERE canonical") == [(right,)]
            assert count(study, "SELECT count(*) FROM records WHERE flags = ['conflicting_duplicate']") == 9
            assert expected is None or tables(study) == expected
            expected = tables(study)


def test_records_without_an_id_repeat_nothing() -> None:
    with loaded([dump(RECORD)] * 3) as study:
        assert count(study, "SELECT count(*) FROM records WHERE id IS NULL AND canonical") == 3


def test_a_clock_used_twice_is_marked_until_one_of_the_records_goes() -> None:
    twice = [dump(stored(RECORD)), dump(stored({**RECORD, "body": {}}))]
    other = [dump(stored({**RECORD, "actor": "did:example:you"})), dump(stored({**RECORD, "thread": "u"}))]
    with loaded([*other, twice[0]], [twice[1]]) as study:
        marked = study.execute("SELECT raw FROM records WHERE conflict ORDER BY source_id")
        assert [raw for (raw,) in marked] == twice
        study.remove(source=2)
        assert count(study, "SELECT count(*) FROM records WHERE conflict") == 0


def test_a_removed_row_is_followed_by_its_duplicate() -> None:
    first, second = dump(stored(RECORD)), dump(stored(RECORD, sequence=3))
    with loaded([first], [second]) as study:
        for source in study.execute("SELECT source_id FROM records"):
            study.remove(source=source[0])
        (row,) = study.sql("SELECT raw, integrity, body::VARCHAR AS body, flags FROM records").rows()
        assert row["raw"] in (first, second)
        assert row["integrity"] == "ok"
        assert count(study, "SELECT count(*) FROM duplicates") == 0


def test_a_signal_and_a_record_may_have_one_id() -> None:
    signal = '{"v":"1","id":"evt_1","trace_id":"trc_1","type":"TASK","ts":"2026-05-16T14:22:01Z"}'
    with loaded([signal, signal], [dump({**stored(RECORD), "id": "evt_1"})] * 2) as study:
        assert count(study, "SELECT count(*) FROM signals") == count(study, "SELECT count(*) FROM records") == 1
        assert study.execute("SELECT family, count(*) FROM duplicates GROUP BY ALL ORDER BY ALL") == [
            ("records", 1),
            ("signals", 1),
        ]
        study.remove(source=1)
        assert study.execute("SELECT family FROM duplicates") == [("records",)]


def test_the_verdict_on_the_sample_is_clean(sample: Study) -> None:
    verdict = verify(sample.connection)
    assert str(verdict) == "819 of 819 records verified; 1 duplicate line; 1 unknown parent"
    assert verdict.clean
    assert [row[4] for row in findings(sample.connection, "capture").fetchall()] == ["duplicate"]
    assert verify(sample.connection, "other").records == 0


def test_every_line_in_doubt_is_found_with_its_place() -> None:
    lines = [text for text, _, _ in INTEGRITY[:11]]
    lines += [dump(stored({**RECORD, "clock": 9})), dump(stored({**RECORD, "clock": 9, "body": {}})), "{}", lines[0]]
    with loaded(lines) as study:
        verdict = verify(study.connection)
        found = findings(study.connection).fetchall()
    assert not verdict.clean
    assert str(verdict).startswith("4 of 13 records verified; 4 mismatch; 2 unhashable; ")
    assert {row[4] for row in found} == {*STATUSES, "not_a_record"}
    assert all(row[5] for row in found)
    assert ("capture", 1, 14, None, "not_a_record") in [row[:5] for row in found]


def test_a_growing_capture_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    with kit.open() as study:
        for end in (100, 400, 820):
            path.write_text("\n".join(LINES[:end]) + "\n", "utf-8")
            study.load(path)
        assert count(study, "SELECT count(*) FROM sources") == 1
        assert count(study, "SELECT count(*) FROM records WHERE integrity = 'ok'") == 819

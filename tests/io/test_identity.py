"""One id, one event: duplicates, re-encodings, conflicts, in any order and any files (design.md section 3)."""

import hashlib
import io
import json
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.cosmonapse.identity import content_digest
from kit.notebook.study import Study

BASE = {
    "v": "1",
    "id": "evt_1",
    "trace_id": "trc_1",
    "parent_id": None,
    "type": "TASK",
    "directed": {"id": "a", "type": None, "capabilities": []},
    "ts": "2026-05-16T14:22:01.500000Z",
    "payload": {"input": {"x": 1.0, "y": "é"}},
    "meta": {},
}


def dump(signal: dict[str, Any], **style: Any) -> str:
    return json.dumps(signal, **({"ensure_ascii": False, "separators": (",", ":")} | style))


PLAIN = dump(BASE)
ALIKE = (
    PLAIN,
    dump(BASE, ensure_ascii=True),
    dump(BASE, separators=(", ", ": ")),
    dump(dict(reversed(BASE.items()))),
    PLAIN.replace("1.0", "1"),
    PLAIN.replace("1.0", "10e-1"),
    PLAIN.replace("500000Z", "5Z"),
    PLAIN.replace("T14:22:01.500000Z", "T16:22:01.500000+02:00"),
    PLAIN.replace(',"meta":{}', ""),
    PLAIN.replace('"parent_id":null,', ""),
    PLAIN.replace('{"id":"a","type":null,"capabilities":[]}', '{"id":"a"}'),
)
UNLIKE = (
    PLAIN,
    PLAIN.replace("1.0", "2"),
    PLAIN.replace("1.0", "true"),
    PLAIN.replace("1.0", '"1.0"'),
    PLAIN.replace('"v":"1"', '"v":"1.1"'),
    PLAIN.replace("trc_1", "trc_2"),
    PLAIN.replace("500000Z", "500001Z"),
    PLAIN.replace('"id":"a","type":null', '"id":null,"type":"a"'),
    PLAIN.replace('"capabilities":[]', '"capabilities":["x","y"]'),
    PLAIN.replace('"capabilities":[]', '"capabilities":["x, y"]'),
    PLAIN.replace('"parent_id":null', '"parent_id":"evt_0"'),
    PLAIN[:-1] + ',"shard":1}',
    PLAIN.replace('{"id":"a","type":null,"capabilities":[]}', "null"),
)


def tables(study: Study) -> list[list[dict[str, Any]]]:
    """The tables but for line and source: all that must not depend on the order of lines."""
    return [
        study.sql(f"select * exclude (source_id, line) from {table} order by all").rows()
        for table in ("signals", "duplicates")
    ]


def loaded(*files: list[str]) -> list[list[dict[str, Any]]]:
    with kit.open(threads=1) as study:
        for lines in files:
            study.load([*lines, "# so that a list is never taken for paths"] if lines else [])
        rows = study.sql("select raw from signals").rows() + study.sql("select raw from duplicates").rows()
        assert sorted(row["raw"] for row in rows) == sorted(line for lines in files for line in lines)
        for source in study.sources().rows():
            assert source["rows"] + source["duplicates"] + source["skipped"] == source["lines"]
        return tables(study)


@pytest.mark.parametrize("other", ALIKE, ids=range(len(ALIKE)))
def test_equal_content_in_other_bytes_is_a_reencoded_duplicate(other: str) -> None:
    signals, duplicates = loaded([PLAIN, other])
    assert len(signals) == len(duplicates) == 1
    assert duplicates[0]["reencoded"] == (other != PLAIN)
    assert signals[0]["raw"] == min(PLAIN, other, key=lambda raw: hashlib.sha256(raw.encode()).hexdigest())
    assert signals[0]["flags"] == []
    assert content_digest(other) == content_digest(PLAIN)


@pytest.mark.parametrize("pair", [(a, b) for a in UNLIKE for b in UNLIKE if a < b], ids=lambda pair: "")
def test_other_content_has_another_digest(pair: tuple[str, str]) -> None:
    assert content_digest(pair[0]) != content_digest(pair[1])


@pytest.mark.parametrize("other", UNLIKE[1:], ids=range(1, len(UNLIKE)))
def test_other_content_under_an_id_is_a_conflict_of_which_all_are_rows(other: str) -> None:
    signals, duplicates = loaded([PLAIN, other])
    assert len(signals) == 2 and duplicates == []
    assert all("conflicting_duplicate" in row["flags"] for row in signals)
    least = min(PLAIN, other, key=lambda raw: hashlib.sha256(raw.encode()).hexdigest())
    assert [row["raw"] for row in signals if row["canonical"]] == [least]


def test_all_unlike_lines_are_told_apart_at_once() -> None:
    assert [len(table) for table in loaded(list(UNLIKE))] == [len(UNLIKE), 0]
    assert [len(table) for table in loaded(list(ALIKE))] == [1, len(ALIKE) - 1]


POOL = (
    *ALIKE[:5],
    *UNLIKE[1:4],
    UNLIKE[1].replace('"x":2', '"x": 2'),
    PLAIN.replace("evt_1", "evt_2"),
    PLAIN.replace("evt_1", "evt_3"),
)


LINES = st.lists(st.sampled_from(POOL), min_size=1, max_size=7)
CUTS = st.lists(st.integers(0, 7), max_size=3)


def check_order(lines: list[str], rng: Random, cuts: list[int]) -> None:
    shuffled = list(lines)
    rng.shuffle(shuffled)
    steps = sorted({0, len(lines), *(min(cut, len(lines)) for cut in cuts)})
    files = [shuffled[begin:end] for begin, end in pairwise(steps)]
    assert loaded(lines) == loaded(*files)


@settings(max_examples=15)
@given(LINES, st.randoms(use_true_random=False), CUTS)
def test_order_and_files_make_no_difference(lines: list[str], rng: Random, cuts: list[int]) -> None:
    check_order(lines, rng, cuts)


@pytest.mark.long
@settings(max_examples=150)
@given(LINES, st.randoms(use_true_random=False), CUTS)
def test_no_order_and_no_files_make_a_difference(lines: list[str], rng: Random, cuts: list[int]) -> None:
    check_order(lines, rng, cuts)


def test_the_sample_is_the_same_in_any_order(small_capture: Path) -> None:
    lines = small_capture.read_text("utf-8").splitlines()
    lines += lines[::7] + [json.dumps(json.loads(line)) for line in lines[::11]]
    shuffled = Random(5).sample(lines, len(lines))
    assert loaded(lines) == loaded(shuffled[:400], shuffled[400:])


def test_a_duplicate_stays_true_when_another_row_takes_the_place_of_the_one_it_repeats() -> None:
    one, two = sorted(ALIKE[:2], key=lambda raw: hashlib.sha256(raw.encode()).hexdigest())
    assert loaded([two, two], [one]) == loaded([one, two, two])
    assert [row["reencoded"] for row in loaded([two, two], [one])[1]] == [True, True]


def test_a_duplicate_of_a_conflicting_row_keeps_its_own_text() -> None:
    for lines in sorted(set(permutations([PLAIN, PLAIN, UNLIKE[1]]))):
        with kit.open() as study:
            for line in lines:
                study.load(io.StringIO(line))
            for number, line in enumerate(lines, 1):
                assert study.raw("capture", number, 1) == line.encode()


def test_equal_bytes_keep_the_first_line() -> None:
    with kit.load([PLAIN, PLAIN, PLAIN]) as study:
        assert [row["line"] for row in study.signals().rows()] == [1]
        assert study.load_report.reencoded == 0


def test_nan_equals_nan() -> None:
    odd = PLAIN.replace("1.0", "NaN")
    assert [len(table) for table in loaded([odd, odd.replace(":NaN", ": NaN")])] == [1, 1]

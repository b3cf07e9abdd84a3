"""Files that are loaded again: unchanged, grown, changed."""

import gzip
import itertools
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.io.report import LoadReport
from kit.notebook.study import Study


def line(number: int, **fields: Any) -> str:
    return json.dumps({"id": f"evt_{number}", "trace_id": "trc_1", "type": "TASK", **fields})


def state(study: Study) -> list[list[dict[str, Any]]]:
    """All tables, but for the account of single loads."""
    tables = ("signals", "duplicates", "quarantine", "sources", "runs")
    return [study.sql(f"select * from {table} order by all").rows() for table in tables]


def grow(tmp_path: Path, *texts: bytes, suffix: str = "") -> tuple[Study, list[LoadReport]]:
    """A file that is loaded after each text is appended to it."""
    study, reports, path = kit.open(threads=1), [], tmp_path / f"growing.jsonl{suffix}"
    path.unlink(missing_ok=True)
    for i in range(len(texts)):
        data = b"".join(texts[: i + 1])
        path.write_bytes(gzip.compress(data) if suffix == ".gz" else data)
        reports.append(study.load(path))
    return study, reports


def at_once(tmp_path: Path, *texts: bytes) -> Study:
    return grow(tmp_path, b"".join(texts))[0]


def test_a_file_that_has_not_changed_adds_nothing(tmp_path: Path) -> None:
    study, (first, again) = grow(tmp_path, f"{line(1)}\n{{\n".encode(), b"")
    assert (first.sources[0].new_lines, again.sources[0].new_lines) == (2, 0)
    assert (again.lines, again.rows, again.quarantined, len(study.sources())) == (2, 1, 1, 1)
    assert "nothing is new" in repr(again)


@pytest.mark.parametrize("suffix", ["", ".gz"])
def test_of_a_file_that_has_grown_only_the_new_part_is_loaded(tmp_path: Path, suffix: str) -> None:
    study, reports = grow(tmp_path, f"{line(1)}\n".encode(), f"{line(2)}\n\n".encode(), b"{\n", suffix=suffix)
    assert [(report.lines, report.rows, report.skipped, report.quarantined) for report in reports] == [
        (1, 1, 0, 0),
        (3, 2, 1, 0),
        (4, 2, 1, 1),
    ]
    assert [report.sources[0].new_lines for report in reports] == [1, 2, 1]
    assert study.quarantine().rows()[0]["line"] == 4
    assert len(study.sources()) == 1


TAILS = {
    "quarantined": (line(2)[:20], line(2)[20:] + "\n" + line(3)),
    "a row": (line(2), "\n" + line(3) + "\n"),
    "a row that turns out to be more": (line(2), line(9) + "\n" + line(3)),
    "blank": ("   ", line(2) + "\n"),
    "a comment": ("# ", line(2) + "\n" + line(3)),
    "a duplicate": (line(1), "\n" + line(2)),
    "a duplicate that turns out to be broken": (line(1), "}\n" + line(2)),
    "a conflict": (line(1, meta={"x": 1}), "x\n"),
    "part of a character": (line(2, meta={"x": "é☃"}), "\n"),
}


@pytest.mark.parametrize(("tail", "rest"), TAILS.values(), ids=TAILS)
def test_a_last_line_without_newline_is_read_again_when_it_has_grown(tmp_path: Path, tail: str, rest: str) -> None:
    texts = [f"{line(1)}\n{tail}".encode(), rest.encode()]
    study, reports = grow(tmp_path, *texts)
    assert state(study) == state(at_once(tmp_path, *texts))
    assert reports[1].lines == b"".join(texts).count(b"\n") + (not rest.endswith("\n"))
    assert reports[1].rows + reports[1].duplicates + reports[1].quarantined + reports[1].skipped == reports[1].lines


def test_what_repeated_a_last_line_becomes_a_row_when_that_line_turns_out_to_be_another(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text(line(1))
    (tmp_path / "b.jsonl").write_text(line(1))
    with kit.open() as study:
        study.load(tmp_path)
        assert [(row["rows"], row["duplicates"]) for row in study.sources().rows()] == [(1, 0), (0, 1)]
        (tmp_path / "a.jsonl").write_text(line(1) + "}\n")
        study.load(tmp_path / "a.jsonl")
        assert [(row["rows"], row["duplicates"], row["quarantined"]) for row in study.sources().rows()] == [
            (0, 0, 1),
            (1, 0, 0),
        ]
        assert study.signals().rows()[0]["source_id"] == 2


def test_a_byte_order_mark_stays_noted(tmp_path: Path) -> None:
    study, _ = grow(tmp_path, b"\xef\xbb\xbf" + line(1).encode(), b"\n" + line(2).encode())
    assert study.sources().rows()[0]["note"] == "began with a byte-order mark"
    assert len(study.signals()) == 2


@pytest.mark.parametrize("changed", [line(8), line(1)[:-1] + " }", ""])
def test_a_file_with_another_beginning_is_a_new_source(tmp_path: Path, changed: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(1) + "\n" + line(2))
    with kit.open() as study:
        study.load(path)
        path.write_text(changed)
        report = study.load(path)
        assert [row["source_id"] for row in study.sources().rows()] == [1, 2]
        assert report.sources[0].source_id == 2
        assert study.load(path).sources[0].new_lines == 0


def test_a_gzip_file_that_was_cut_and_is_whole_now_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    packed = gzip.compress((line(1) + "\n").encode())
    path.write_bytes(packed[:-6])
    with kit.open() as study:
        assert not study.load(path).complete
        assert not study.load(path).complete
        path.write_bytes(packed)
        report = study.load(path)
        assert (report.complete, report.lines, report.sources[0].note, len(study.sources())) == (True, 1, None, 1)
        path.write_bytes(packed + gzip.compress(line(2).encode())[:-4])
        assert (study.load(path).rows, study.load(path).complete) == (2, False)


def test_each_run_has_its_own_growth(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(1) + "\n")
    with kit.open() as study:
        study.load(path, run="a")
        path.write_text(line(1) + "\n" + line(2) + "\n")
        assert study.load(path, run="b").sources[0].new_lines == 2
        assert study.load(path, run="a").sources[0].new_lines == 1


GROWN_LINES = st.lists(
    st.sampled_from([line(1), line(2), line(2) + " ", line(2, v="1"), line(2, v="1.1"), "{", "", "#", line(3), "é"]),
    max_size=6,
)


def check_steps(folder: Path, lines: list[str], cuts: list[int]) -> None:
    data = "\n".join(lines).encode()
    steps = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    texts = [data[begin:end] for begin, end in itertools.pairwise(steps)] or [b""]
    study, _ = grow(folder, *texts)
    whole = at_once(folder, *texts)
    assert state(study) == state(whole)
    study.close()
    whole.close()


@settings(max_examples=6)
@given(GROWN_LINES, st.lists(st.integers(0, 300), max_size=3))
def test_growing_in_some_steps_gives_what_one_load_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int]
) -> None:
    check_steps(tmp_path_factory.mktemp("growth"), lines, cuts)


@pytest.mark.long
@settings(max_examples=80)
@given(GROWN_LINES, st.lists(st.integers(0, 300), max_size=3))
def test_growing_in_any_steps_gives_what_one_load_gives(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], cuts: list[int]
) -> None:
    check_steps(tmp_path_factory.mktemp("growth"), lines, cuts)

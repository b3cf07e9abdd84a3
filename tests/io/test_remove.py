"""Runs and sources are taken out as if they had never been loaded."""

import io
import json
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit.errors import ArgumentError, NotFoundError
from kit.notebook.study import Study


def line(number: int, **fields: Any) -> str:
    return json.dumps({"id": f"evt_{number}", "trace_id": "trc_1", "type": "TASK", **fields})


POOL = [line(1), line(1) + " ", line(1, meta={"x": 1}), line(1, meta={"x": 2}), line(2), line(2) + "\r", "{", ""]


def state(study: Study) -> list[list[dict[str, Any]]]:
    tables = ("signals", "duplicates", "quarantine", "runs", "sources")
    return [
        study.sql(
            f"select * exclude (sha256) from {table} order by all"
            if table == "sources"
            else f"select * from {table} order by all"
        ).rows()
        for table in tables
    ]


@settings(max_examples=8)
@given(st.lists(st.lists(st.sampled_from(POOL), max_size=5), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_a_store_after_removal_is_one_that_never_had_the_source(files: list[list[str]], rng: Random) -> None:
    gone = rng.randrange(len(files)) + 1
    with kit.open(threads=1) as study, kit.open(threads=1) as never:
        for lines in files:
            study.load(io.StringIO("\n".join(lines)))
        assert study.remove(source=gone) == study_lines(files[gone - 1])
        for number, lines in enumerate(files, 1):
            # Numbers of sources go on from the largest, so the one left out is loaded and removed while it is empty.
            never.load(io.StringIO("\n".join(lines) if number != gone else ""))
        never.remove(source=gone)
        assert state(study) == state(never)


def study_lines(lines: list[str]) -> int:
    text = "\n".join(lines)
    return text.count("\n") + bool(text and not text.endswith("\n"))


def test_a_duplicate_becomes_a_row_and_a_conflict_is_none() -> None:
    with kit.open() as study:
        for text in (line(1), line(1) + " ", line(1, meta={"x": 1})):
            study.load(io.StringIO(text))
        kept = study.sql("select source_id from signals where meta = '{}'").rows()[0]["source_id"]
        study.remove(source=kept)
        assert [(row["source_id"], row["flags"]) for row in study.sql("from signals order by source_id").rows()] == [
            (3 - kept, ["no_ts", "conflicting_duplicate"]),
            (3, ["no_ts", "conflicting_duplicate"]),
        ]
        study.remove(source=3)
        assert [(row["flags"], row["canonical"]) for row in study.signals().rows()] == [(["no_ts"], True)]
        assert [(row["rows"], row["duplicates"]) for row in study.sources().rows()] == [(1, 0)]


def test_a_run_goes_with_all_it_has() -> None:
    with kit.open() as study:
        study.load([line(1), line(1), "{"], run="a")
        study.load([line(1)], run="b")
        assert study.remove(run="a") == 3
        assert [
            len(table.rows()) for table in (study.runs(), study.sources(), study.signals(), study.quarantine())
        ] == [1, 1, 1, 0]
        assert study.load([line(1)], run="a").rows == 1


def test_a_source_is_named_by_number_or_uri(tmp_path: Any) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(line(1))
    with kit.open() as study:
        study.load(path, run="a")
        study.load(path, run="b")
        with pytest.raises(ArgumentError, match="is in the runs a, b: say which, as run='a'"):
            study.remove(source=str(path))
        assert study.remove(source=str(path), run="b") == 1
        assert study.remove(source=1) == 1
        assert len(study.runs()) == 0
        assert study.load(path, run="a").sources[0].new_lines == 1


@pytest.mark.parametrize(
    "options", [{"run": "x"}, {"source": 9}, {"source": "gone.jsonl"}, {"run": "capture", "source": 9}]
)
def test_what_is_not_there_lists_what_is(options: dict[str, Any]) -> None:
    with kit.load([line(1)]) as study, pytest.raises(NotFoundError, match="There is: run 'capture', source 1: <lines>"):
        study.remove(**options)


def test_nothing_named_is_an_argument_error() -> None:
    with kit.open() as study, pytest.raises(ArgumentError, match="say what to remove"):
        study.remove()

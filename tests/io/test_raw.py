"""Lossless: any loaded line can be written back byte for byte, and a file from its lines."""

from pathlib import Path

import pytest

import kit
from benchmarks.generate import generate
from kit.notebook.study import Study


def rebuilt(study: Study, path: Path) -> bytes:
    """The source from the tables alone; skipped lines are blank."""
    source = study.sql("from sources").rows()[0]
    lines = [b""] * source["lines"]
    for table in ("signals", "duplicates", "quarantine"):
        for row in study.sql(f"select line, raw from {table}").rows():
            lines[row["line"] - 1] = row["raw"] if isinstance(row["raw"], bytes) else row["raw"].encode()
    return b"\n".join(lines) + (b"" if source["tail"] is not None else b"\n")


@pytest.mark.parametrize("count", [1_500, pytest.param(8_000, marks=pytest.mark.long)])
def test_a_capture_is_rebuilt_from_rows_duplicates_and_quarantine(tmp_path: Path, count: int) -> None:
    path = tmp_path / "capture.jsonl"
    generate(path, count, bad=0.1)
    lines = [line.strip(b" \t\r") and line for line in path.read_bytes().removesuffix(b"\n").split(b"\n")]
    path.write_bytes(b"\n".join(lines))
    with kit.load(path) as study:
        assert rebuilt(study, path) == path.read_bytes()
        for number in [
            *range(1, count // 20),
            *(row["line"] for row in study.sql("select line from duplicates").rows()),
        ]:
            assert study.raw("capture", 1, number) == (lines[number - 1] or None)


def test_the_sample_is_rebuilt(small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        assert rebuilt(study, small_capture) == small_capture.read_bytes()
        stored = study.sql("select raw from signals where text is not null").rows()
        assert len(stored) < 0.01 * 1037, "text is kept twice only where its columns do not make it"


def test_offsets_in_quarantine_point_into_the_file(tmp_path: Path) -> None:
    path = tmp_path / "capture.jsonl"
    generate(path, 4_000, bad=0.1)
    data = path.read_bytes()
    with kit.load(path) as study:
        for entry in study.quarantine().rows():
            assert data[entry["byte_offset"] :].startswith(entry["raw"] + b"\n")


def test_raw_of_a_place_without_a_line_is_none(small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        assert study.raw("capture", 1, 99_999) is None
        assert study.raw("other", 1, 1) is None

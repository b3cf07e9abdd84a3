"""Loaded lines come back byte for byte."""

import bz2
import gzip
import json
from pathlib import Path

import lines
import pytest
import zstandard

import kit
from kit.errors import NotFoundError
from kit.export import jsonl

TASK = lines.line("TASK", 1)
REENCODED = json.dumps(json.loads(TASK), separators=(",", ":"))
OTHER = lines.line("TASK", 1, payload={"input": {"q": "b"}})
BROKEN = b'{"id": "\xff'


def test_a_capture_is_written_back_as_it_was(tmp_path: Path, small_capture: Path) -> None:
    with kit.load(small_capture) as study:
        assert jsonl.write(study, tmp_path / "out.jsonl") == 1037
    assert (tmp_path / "out.jsonl").read_bytes() == small_capture.read_bytes()


@pytest.mark.parametrize(
    ("suffix", "unpacked"),
    [
        (".gz", gzip.decompress),
        (".zst", lambda data: zstandard.ZstdDecompressor().decompressobj().decompress(data)),
        (".bz2", bz2.decompress),
    ],
)
def test_the_suffix_compresses(tmp_path: Path, small_capture: Path, suffix: str, unpacked: object) -> None:
    path = tmp_path / f"out.jsonl{suffix}"
    with kit.load(small_capture) as study:
        jsonl.write(study, path)
    assert unpacked(path.read_bytes()) == small_capture.read_bytes()  # type: ignore[operator]
    with kit.load(path) as again:
        assert (again.load_report.rows, again.load_report.complete) == (1037, True)


def odd(folder: Path) -> Path:
    """Write lines of all fates: rows, a repeat, a re-encoded one, a conflict, a broken line without a newline."""
    path = folder / "odd.jsonl"
    crlf = lines.line("FINAL", 2, 1) + "\r"
    texts = [TASK, "# a comment", crlf, TASK, REENCODED, OTHER, "", lines.line("FINAL", 3, 1) + "  "]
    path.write_bytes("\n".join(texts).encode() + b"\n" + BROKEN)
    return path


def test_rows_alone_leave_out_repeats_and_refused_lines(tmp_path: Path) -> None:
    with kit.load(odd(tmp_path)) as study:
        count = jsonl.write(study, tmp_path / "out.jsonl")
        assert count == study.load_report.rows
        assert study.load_report.duplicates == 2
    written = (tmp_path / "out.jsonl").read_bytes()
    assert written.endswith(b"\n")
    assert written.count(b"\n") == count
    assert BROKEN not in written


def test_all_fates_together_are_the_file_but_for_skipped_lines(tmp_path: Path) -> None:
    path = odd(tmp_path)
    with kit.load(path) as study:
        count = jsonl.write(study, tmp_path / "out.jsonl", duplicates=True, quarantined=True)
        report = study.load_report
        assert count == report.lines - report.skipped
    kept = [line for line in path.read_bytes().split(b"\n") if line and not line.startswith(b"#")]
    assert (tmp_path / "out.jsonl").read_bytes() == b"".join(line + b"\n" for line in kept)


@pytest.mark.parametrize("order", [(TASK, REENCODED), (REENCODED, TASK), (TASK, OTHER), (OTHER, TASK)])
def test_a_repeat_keeps_its_bytes_whatever_comes_later(tmp_path: Path, order: tuple[str, str]) -> None:
    first, later = order
    with kit.open() as study:
        study.load([first, first])
        study.load([later])
        jsonl.write(study, tmp_path / "out.jsonl", duplicates=True)
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [first, first, later]


def test_a_repeat_without_text_has_that_of_its_row(tmp_path: Path) -> None:
    with kit.open() as study:
        study.load([TASK, TASK, lines.line("FINAL", 2, 1)])
        study.execute("UPDATE duplicates SET raw = NULL")
        jsonl.write(study, tmp_path / "out.jsonl", duplicates=True)
    assert (tmp_path / "out.jsonl").read_text().splitlines() == [TASK, TASK, lines.line("FINAL", 2, 1)]


def test_a_run_or_a_source_can_be_chosen(tmp_path: Path) -> None:
    texts = [lines.line("TASK", number) for number in range(3)]
    with kit.open() as study:
        for run, text in zip(("a", "b", "b"), texts, strict=True):
            study.load([text], run=run)
        written = {}
        for name, chosen in {"all": {}, "run": {"run": "b"}, "source": {"source_id": 2}}.items():
            jsonl.write(study, tmp_path / name, **chosen)  # type: ignore[arg-type]
            written[name] = (tmp_path / name).read_text().splitlines()
        assert written == {"all": texts, "run": texts[1:], "source": texts[1:2]}
        with pytest.raises(NotFoundError, match="source 1 of run 'a'"):
            jsonl.write(study, tmp_path / "none", run="c")
    assert not (tmp_path / "none").exists()


def test_more_lines_than_a_chunk_stay_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "CHUNK_LINES", 7)
    texts = [lines.line("TASK", number) for number in range(50)]
    with kit.open() as study:
        study.load(texts)
        jsonl.write(study, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text().splitlines() == texts


def test_nothing_loaded_is_an_empty_file(tmp_path: Path) -> None:
    with kit.open() as study:
        assert jsonl.write(study, tmp_path / "out.jsonl") == 0
    assert (tmp_path / "out.jsonl").read_bytes() == b""

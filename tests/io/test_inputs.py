"""What may be handed to `load`."""

import gzip
import io
import tempfile
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

import kit
from kit.cosmonapse import Signal
from kit.errors import ArgumentError, SourceError, SourceNotFoundError
from kit.io.inputs import Lines, inputs


@pytest.fixture
def lines(small_capture: Path) -> list[str]:
    return small_capture.read_text("utf-8").splitlines()[:6]


@pytest.fixture
def folder(tmp_path: Path, lines: list[str]) -> Path:
    (tmp_path / "b.jsonl").write_text(lines[1] + "\n")
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(lines[0].encode()))
    (tmp_path / "notes.md").write_text("no capture")
    (tmp_path / "deeper").mkdir()
    (tmp_path / "deeper" / "c.json").write_text("[" + lines[2] + "]")
    (tmp_path / "odd[1].jsonl").write_text(lines[3])
    return tmp_path


def loaded(source: Any) -> list[str]:
    with kit.open() as study:
        report = study.load(source)
        assert report.quarantined == 0, report
        return [row["raw"] for row in study.sql("select raw from signals order by source_id, line").rows()]


def test_a_path_a_glob_a_folder_and_a_list(folder: Path, lines: list[str]) -> None:
    assert loaded(folder / "b.jsonl") == loaded(str(folder / "b.jsonl")) == [lines[1]]
    assert loaded(folder) == [lines[0], lines[1], lines[3]]
    assert loaded(str(folder / "*.jsonl*")) == [lines[0], lines[1], lines[3]]
    assert loaded(str(folder / "**" / "*.json")) == [lines[2]]
    assert loaded(str(folder / "odd[1].jsonl")) == [lines[3]]
    assert loaded([folder / "odd[1].jsonl", str(folder / "b*")]) == [lines[3], lines[1]]


def test_a_path_in_the_home_folder(folder: Path, lines: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder))
    assert loaded("~/b.jsonl") == [lines[1]]


def test_a_file_that_is_named_twice_is_one_source(folder: Path, lines: list[str]) -> None:
    with kit.open() as study:
        report = study.load([folder / "b.jsonl", str(folder / "*.jsonl")])
        assert (report.lines, report.duplicates, len(report.sources)) == (2, 0, 2)


OBJECTS: dict[str, Callable[[bytes], Any]] = {
    "binary": io.BytesIO,
    "text": lambda data: io.StringIO(data.decode()),
    "gzip": lambda data: io.BytesIO(gzip.compress(data)),
    "list of text": lambda data: data.decode().splitlines(),
    "list of bytes": lambda data: data.splitlines(keepends=True),
    "iterator": lambda data: iter(data.splitlines()),
    "tuple of signals": lambda data: tuple(Signal.decode(line) for line in data.splitlines()),
    "array": lambda data: io.BytesIO(b"[" + b",\n".join(data.splitlines()) + b"]"),
    "list of streams": lambda data: [io.BytesIO(data)],
    "Arrow": lambda data: pa.table({"raw": data.decode().splitlines()}),
}


@pytest.mark.parametrize("make", OBJECTS.values(), ids=OBJECTS)
def test_objects_that_hold_lines(make: Callable[[bytes], Any], lines: list[str]) -> None:
    assert loaded(make("\n".join(lines).encode())) == lines


def test_a_file_object_is_read_and_left_open(folder: Path, lines: list[str]) -> None:
    with (folder / "b.jsonl").open("rb") as binary, (folder / "b.jsonl").open() as text:
        assert loaded(binary) == loaded(text) == [lines[1]]
        assert not binary.closed and not text.closed
    with tempfile.NamedTemporaryFile("w+") as wrapped:
        wrapped.write("\n".join(lines))
        wrapped.seek(0)
        assert loaded(wrapped) == lines


def test_a_table_of_another_study_can_be_loaded(lines: list[str]) -> None:
    with kit.load(lines) as study:
        assert loaded(study.signals()) == lines
        assert loaded(study.signals().df()) == lines


def test_no_lines_are_an_empty_source() -> None:
    with kit.open() as study:
        assert study.load([]).lines == 0
        assert len(study.sources()) == 1


@pytest.mark.parametrize("source", [b"bytes", 5, None, {"id": "evt_1"}, object(), [{"id": "evt_1"}]])
def test_what_is_no_source_says_what_is(source: Any) -> None:
    with kit.open() as study, pytest.raises(ArgumentError):
        study.load(source)


@pytest.mark.parametrize("name", ["gone.jsonl", "*.nothing", "empty"])
def test_what_is_not_there_is_a_file_not_found_error(name: str, folder: Path) -> None:
    (folder / "empty").mkdir()
    with pytest.raises(SourceNotFoundError, match=name.replace("*", r"\*")) as caught:
        kit.load(str(folder / name))
    assert isinstance(caught.value, FileNotFoundError)


def test_a_missing_file_names_its_neighbours(folder: Path) -> None:
    with pytest.raises(SourceNotFoundError, match=r"beside it are a\.jsonl\.gz, b\.jsonl"):
        kit.load(folder / "gone.jsonl")


def test_a_file_that_goes_between_listing_and_reading_is_told_and_nothing_is_kept(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inputs(str(folder / "*.jsonl"))
    (folder / "odd[1].jsonl").unlink()
    monkeypatch.setattr(import_module("kit.io.load"), "inputs", lambda source: found)
    with kit.open() as study:
        with pytest.raises(SourceNotFoundError, match="has gone since it was listed"):
            study.load("anything")
        assert len(study.sources()) == len(study.signals()) == len(study.runs()) == 0
        found.pop()
        assert study.load("anything").rows == 1


def test_a_read_error_is_a_source_error_and_nothing_is_kept(lines: list[str]) -> None:
    class Failing(io.RawIOBase):
        name = "disk.jsonl"
        left = 2

        def read(self, size: int = -1) -> bytes:
            self.left -= 1
            if self.left < 0:
                raise OSError(5, "Input/output error")
            return (lines[self.left] + "\n").encode() * 500

    with kit.open() as study:
        with pytest.raises(SourceError, match=r"disk\.jsonl: cannot be read \(Input/output error\)"):
            study.load(Failing())
        assert len(study.sources()) == len(study.signals()) == 0


def test_an_error_in_the_callers_iterator_comes_through(lines: list[str]) -> None:
    def broken() -> Iterator[str]:
        yield from lines
        raise RuntimeError("the caller's own")

    with kit.open() as study:
        with pytest.raises(RuntimeError, match="the caller's own"):
            study.load(broken())
        assert len(study.signals()) == 0
        assert study.load(lines).rows == 6


@pytest.mark.parametrize("files", [15, pytest.param(60, marks=pytest.mark.long)])
def test_very_many_files_can_be_loaded_at_once(tmp_path: Path, files: int) -> None:
    import resource

    for i in range(files):
        (tmp_path / f"{i}.jsonl").write_text(f'{{"id":"evt_{i}","trace_id":"trc_1","type":"TASK"}}\n')
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with kit.open() as study:
        study.sql("select 1").rows()
        in_use = len(list(Path("/proc/self/fd").iterdir()))
        resource.setrlimit(resource.RLIMIT_NOFILE, (in_use + 12, hard))
        try:
            assert study.load(tmp_path).rows == files
            for path in tmp_path.iterdir():
                path.write_text(path.read_text() + f'{{"id":"evt_x{path.stem}","trace_id":"trc_1","type":"TASK"}}\n')
            assert study.load(tmp_path).rows == 2 * files
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_lines_read_as_a_stream_end_with_newlines(size: int) -> None:
    stream, read = Lines(iter(["a", b"b\n", "c\r\n", bytearray(b"d"), memoryview(b""), "\ud800"])), b""
    while data := stream.read(size):
        assert len(data) <= size
        read += data
    assert read == b"a\nb\nc\r\nd\n\n\xed\xa0\x80\n"

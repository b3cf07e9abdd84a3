"""Records that other processes check give the same tables and the same account."""

import io
import json
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import kit
from benchmarks.records import generate
from kit.cli import app
from kit.errors import ArgumentError, SourceError
from kit.syncropel import load as record_load

ODD = ("no json", '{"act":"PUT"}', '{"id":"x","act":"PUT","act":"PUT"}', "", "# a comment")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    """Records of several blocks, some forged, with lines among them that are none."""
    path = tmp_path / "export.jsonl"
    generate(path, 24_000, forged=0.01)
    lines = path.read_text("utf-8").split("\n")
    for number, line in enumerate(ODD * 20):
        lines.insert(200 * number, line)
    path.write_text("\n".join(lines), "utf-8", newline="\n")
    return path


@pytest.fixture
def pools(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The sizes of the pools that were started."""
    started: list[int] = []

    class Counted(ProcessPoolExecutor):
        def __init__(self, processes: int, **options: Any) -> None:
            started.append(processes)
            super().__init__(processes, **options)

    monkeypatch.setattr(record_load, "ProcessPoolExecutor", Counted)
    return started


def held(path: Path, processes: int) -> tuple[Any, ...]:
    with kit.open() as study:
        report = study.load(path, processes=processes)
        account = (report.lines, report.rows, report.duplicates, report.quarantined, report.skipped)
        assert report.lines == sum(account[1:])
        rows = study.sql("from records order by line").rows()
        return account, rows, study.sql("from quarantine order by line").rows()


@pytest.mark.servers
def test_two_processes_give_what_one_gives(export: Path, pools: list[int]) -> None:
    alone = held(export, 1)
    assert pools == []
    assert held(export, 2) == alone
    assert pools == [2]
    assert {row["integrity"] for row in alone[1]} >= {"ok", "mismatch"} and alone[2]


def test_a_small_source_is_not_worth_a_process(tmp_path: Path, pools: list[int]) -> None:
    generate(tmp_path / "small.jsonl", 50)
    assert len(held(tmp_path / "small.jsonl", 2)[1]) == 50
    assert pools == []


@pytest.mark.servers
def test_a_source_that_fails_under_way_leaves_nothing(export: Path, pools: list[int]) -> None:
    class Broken:
        def __init__(self, data: bytes) -> None:
            self.data = io.BytesIO(data)

        def read(self, size: int = -1) -> bytes:
            if self.data.tell() > 10_000_000:
                raise OSError("the disk is gone")
            return self.data.read(size)

    with kit.open() as study:
        with pytest.raises(SourceError, match="the disk is gone"):
            study.load(Broken(export.read_bytes()), processes=2)
        assert pools == [2]
        assert study.sql("from records").rows() == study.sql("from sources").rows() == []


@pytest.mark.parametrize("processes", [0, -1, 1.5])
def test_fewer_than_one_process_is_refused(export: Path, processes: Any) -> None:
    with kit.open() as study, pytest.raises(ArgumentError, match="1 or more"):
        study.load(export, processes=processes)


@pytest.mark.servers
def test_the_command_takes_the_number(export: Path, pools: list[int]) -> None:
    result = CliRunner().invoke(app, ["load", str(export), "--processes", "2", "--json"])
    assert json.loads(result.output)["rows"] == 24_021
    assert pools == [2]

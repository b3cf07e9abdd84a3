"""The file of an export is whole or not there."""

import os
from pathlib import Path

import pyarrow as pa
import pytest

import kit
from kit.errors import ArgumentError
from kit.export import csv, jsonl, parquet
from kit.export.target import target

TABLE = pa.table({"a": [1, 2]})


def test_a_file_is_not_seen_before_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with target(path) as file:
        file.write(b"half")
        assert not path.exists()
    assert path.read_bytes() == b"half"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"old")
    with pytest.raises(RuntimeError), target(path, overwrite=True) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert [found.name for found in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("module", [parquet, csv])
def test_a_table_replaces_nothing_unless_told(tmp_path: Path, module: object) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with pytest.raises(ArgumentError, match="exists already"):
        module.write(TABLE, path)  # type: ignore[attr-defined]
    assert path.read_bytes() == b"old"
    module.write(TABLE, path, overwrite=True)  # type: ignore[attr-defined]
    assert path.read_bytes() != b"old"


def test_lines_replace_nothing_unless_told(tmp_path: Path, small_capture: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"old")
    with kit.load(small_capture) as study:
        with pytest.raises(ArgumentError, match="exists already"):
            jsonl.write(study, path)
        assert jsonl.write(study, path, overwrite=True) == 1037
    assert path.read_bytes() == small_capture.read_bytes()


def test_a_folder_and_a_missing_folder_are_told(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="is a folder"):
        csv.write(TABLE, tmp_path, overwrite=True)
    with pytest.raises(ArgumentError, match="there is no folder"):
        csv.write(TABLE, tmp_path / "no" / "a.csv")


def test_the_permissions_are_those_of_a_plain_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    csv.write(TABLE, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_link_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real.csv").write_bytes(b"old")
    (tmp_path / "link.csv").symlink_to("real.csv")
    csv.write(TABLE, tmp_path / "link.csv", overwrite=True)
    assert (tmp_path / "link.csv").is_symlink()
    assert (tmp_path / "real.csv").read_bytes() != b"old"


def test_what_is_left_of_a_killed_process_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / f".a.csv.{os.getpid()}-0.part").write_bytes(b"left")
    csv.write(TABLE, tmp_path / "a.csv")
    assert (tmp_path / "a.csv").exists()


@pytest.mark.parametrize("suffix", [".gz", ".zst", ".bz2"])
def test_the_same_content_is_the_same_compressed_file(tmp_path: Path, suffix: str) -> None:
    for name in "ab":
        csv.write(TABLE, tmp_path / f"{name}.csv{suffix}")
    assert (tmp_path / f"a.csv{suffix}").read_bytes() == (tmp_path / f"b.csv{suffix}").read_bytes()

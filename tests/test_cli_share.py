"""`kit share` tells first, then writes, and says in its exit code what is in doubt."""

import json
from pathlib import Path

from commands import call, shell

import kit


def test_share_tells_and_writes(small_capture: Path, tmp_path: Path) -> None:
    out = call("share", small_capture, "-o", tmp_path / "a.jsonl").stdout
    assert "keeps     signals 1,037" in out and "not covered" in out and out.rstrip().endswith("a.jsonl: written")
    assert len(kit.load(tmp_path / "a.jsonl").signals()) == 1037


def test_a_dry_run_writes_nothing(small_capture: Path, tmp_path: Path) -> None:
    call("share", small_capture, "-o", tmp_path / "a.jsonl", "--dry-run")
    assert list(tmp_path.glob("a.jsonl")) == []


def test_a_path_that_meets_nothing_is_a_finding(small_capture: Path, tmp_path: Path) -> None:
    done = shell("share", small_capture, "-o", tmp_path / "a.jsonl", "--redact", "nope", "--json")
    assert done.returncode == 1
    told = json.loads(done.stdout)
    assert told["redacted"] == {"nope": 0} and told["written"]


def test_names_are_kept_or_added(small_capture: Path, tmp_path: Path) -> None:
    call("share", small_capture, "-o", tmp_path / "a.jsonl", "--keep-names")
    assert "planner" in (tmp_path / "a.jsonl").read_text()
    assert shell("share", small_capture, "-o", tmp_path / "b.jsonl", "--keep-names", "--name", "x").returncode == 2

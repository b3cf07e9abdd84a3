"""The commands about records: `kit threads` and `kit thread`."""

import json
from pathlib import Path

import pytest
from commands import call

from tests.records_in import SAMPLE

THREAD = "th_232063425713b3237f957f11176e911b9090fdec5986f5e1092e3f330d664a48"


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped records in a store."""
    path = tmp_path_factory.mktemp("store") / "records.duckdb"
    call("load", SAMPLE, "--store", path)
    return path


def test_threads_are_listed_open_ones_first(store: Path) -> None:
    rows = [json.loads(line) for line in call("threads", "--store", store, "--json").stdout.splitlines()]
    assert len(rows) == 77
    assert [row["state"] for row in rows[:8]] == ["open"] * 7 + ["cancelled"]
    text = call("threads", "--store", store, "--limit", 3).stdout
    assert text.splitlines()[0].split()[:3] == ["thread", "state", "records"]
    assert text.endswith("3 of 77 threads\n")


def test_threads_are_listed_by_state(store: Path) -> None:
    lines = call("threads", "--store", store, "--state", "cancelled", "--json").stdout.splitlines()
    assert {json.loads(line)["state"] for line in lines} == {"cancelled"}
    assert len(lines) == 6
    assert "no_intent" in call("threads", "--store", store, "--state", "odd", code=2).stderr


def test_a_thread_is_shown_with_who_took_part(store: Path) -> None:
    text = call("thread", "23206342", "--store", store).stdout
    assert text.startswith(f"thread {THREAD} of run 'capture': closed, 15 records\nINTEND lab.study.goal")
    assert "opener, closer" in text
    assert "\nverdicts\n" in text
    assert "... 12 more" in call("thread", THREAD, "--store", store, "--limit", 3).stdout


def test_a_thread_as_json_is_one_object(store: Path) -> None:
    found = json.loads(call("thread", THREAD, "--store", store, "--json").stdout)
    assert list(found) == ["thread", "run", "state", "summary", "records", "participants", "verdicts", "unfulfilled"]
    assert (found["state"], len(found["records"]), found["summary"]["opened_by"]) == ("closed", 15, "did:sync:user:bo")


def test_a_thread_is_followed_and_drawn(store: Path, tmp_path: Path) -> None:
    picture = tmp_path / "thread.png"
    text = call("thread", "19af49f1a8", "--store", store, "--follow", "--plot", picture).stdout
    assert "37 records" in text
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert "a picture ends in" in call("thread", THREAD, "--store", store, "--plot", tmp_path / "x.gif", code=2).stderr


def test_captures_are_read_without_a_store() -> None:
    assert "7 of 7" not in call("threads", SAMPLE, "--state", "open").stdout
    assert "no thread 'nowhere'" in call("thread", "nowhere", SAMPLE, code=2).stderr

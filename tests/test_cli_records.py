"""The commands about records: `kit threads`, `kit thread`, `kit verify`, and the verdict behind the last."""

import json
from pathlib import Path

import pytest
from commands import call

import kit
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


# verify

LINES = SAMPLE.read_bytes().splitlines(keepends=True)


def edited(tmp_path: Path, number: int, before: bytes, after: bytes) -> Path:
    """Return the shipped capture with one line changed, as by an editor."""
    assert LINES[number - 1].count(before) == 1
    path = tmp_path / "edited.jsonl"
    changed = LINES[number - 1].replace(before, after)
    path.write_bytes(b"".join([*LINES[: number - 1], changed, *LINES[number:]]))
    return path


def findings(*args: object, code: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(call("verify", *args, "--json", code=code).stdout)
    return found


def test_verify_names_the_line_of_which_one_byte_of_a_body_was_changed(tmp_path: Path) -> None:
    number, body = next(
        (number, json.loads(line)["body"])
        for number, line in enumerate(LINES, 1)
        if isinstance(json.loads(line)["body"].get("goal"), str)
    )
    before = json.dumps(body["goal"], ensure_ascii=False).encode()
    after = before[:1] + bytes([before[1] ^ 1]) + before[2:]
    path = edited(tmp_path, number, before, after)
    found = [finding for finding in findings(path, code=1) if finding["status"] != "duplicate"]
    assert [(finding["line"], finding["status"], finding["id"]) for finding in found] == [
        (number, "mismatch", json.loads(LINES[number - 1])["id"])
    ]
    assert all(finding.keys() == {"line", "id", "status", "detail"} for finding in found)
    text = call("verify", path, code=1).stdout.splitlines()
    assert text[0].startswith("818 of 819 records verified; 1 mismatch")
    assert f"{number:,}  mismatch" in text[3]


def test_the_shipped_records_are_verified_and_the_repeat_is_listed(store: Path) -> None:
    (found,) = findings(SAMPLE, code=0)
    assert (found["status"], found["detail"]) == ("duplicate", "repeats a record byte for byte")
    assert LINES[int(str(found["line"])) - 1] in LINES[: int(str(found["line"])) - 1]
    assert findings("--store", store, code=0) == [found]
    text = call("verify", "--store", store).stdout
    assert text.startswith("819 of 819 records verified; 1 duplicate line; 1 unknown parent\n\nline  status")


def test_verify_lists_lines_that_are_no_records_with_their_reason(tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_bytes(b"".join(LINES[:10]) + LINES[10][:80])
    assert [(finding["line"], finding["status"], finding["id"]) for finding in findings(path, code=1)] == [
        (11, "bad_json", None)
    ]
    path.write_bytes(b"{\n[1]\n")
    assert [finding["status"] for finding in findings(path, code=1)] == ["bad_json", "not_object"]


def test_verify_of_several_files_names_the_file(tmp_path: Path) -> None:
    forged = edited(tmp_path, 1, b'"clock":', b'"clock":1')
    found = findings(forged, SAMPLE, code=1)
    assert {finding["uri"] for finding in found if finding["status"] == "mismatch"} == {str(forged)}
    text = call("verify", forged, SAMPLE, "--limit", 1, code=1).stdout
    assert text.splitlines()[2].split() == ["uri", "line", "status", "id", "detail"]
    assert text.endswith(f"the first 1 of {len(found):,}; --limit 0 lists all\n")
    assert len(call("verify", forged, SAMPLE, "--limit", 0, code=1).stdout.splitlines()) == len(found) + 3


def test_verify_of_what_holds_no_records_is_bad_use(small_capture: Path) -> None:
    assert "there are no records to verify" in call("verify", small_capture, code=2).stderr
    assert "give SRC... or --store F" in call("verify", code=2).stderr


def test_the_verdict_of_a_study_is_a_sentence_and_a_table(store: Path, tmp_path: Path) -> None:
    with kit.open(store, read_only=True) as study:
        verdict = study.verify()
        assert repr(verdict) == "819 of 819 records verified; 1 duplicate line; 1 unknown parent"
        assert verdict.clean
        assert verdict.counts.verified == 819
        (row,) = verdict.rows()
        assert list(row) == ["run", "source_id", "line", "id", "status", "detail", "uri"]
        assert "<b>819 of 819 records verified" in verdict._repr_html_()
        assert "repeats a record byte for byte" in verdict._repr_html_()
        assert len(verdict.df()) == 1
    with kit.load(edited(tmp_path, 1, b'"clock":', b'"clock":1')) as study:
        assert not study.verify(run="capture").clean
        assert repr(study.verify(run="other")) == "0 of 0 records verified"
        assert "<table>" not in study.verify(run="other")._repr_html_()
        assert str(tmp_path) not in study.verify()._repr_html_()
        study.load(SAMPLE)
        assert "<td>edited.jsonl</td>" in study.verify()._repr_html_()


def test_the_report_tells_of_records(store: Path, small_capture: Path) -> None:
    found = json.loads(call("report", "--store", store, "--json").stdout)
    assert [(run["records"], run["threads"], run["signals"]) for run in found["runs"]] == [(819, 77, 0)]
    assert (found["records"]["verified"], found["records"]["unknown_parents"]) == (819, 1)
    text = call("report", "--store", store).stdout
    assert text.splitlines()[1].split() == ["run", "records", "threads"]
    assert "\n819 of 819 records verified; 1 duplicate line; 1 unknown parent; kit verify" in text
    assert "places in the traces" not in text
    mixed = call("report", small_capture, SAMPLE).stdout
    assert mixed.splitlines()[1].split() == ["run", "signals", "traces", "first", "last", "records", "threads"]
    assert json.loads(call("report", small_capture, "--json").stdout)["records"] is None

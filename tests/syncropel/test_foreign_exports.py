"""Exports of record servers, as a user meets them: whatever the packing, the same records, verified (spec/syncropel.md 11)."""

import gzip
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard

import kit
from kit.export import jsonl
from tests.records_in import SAMPLE

LINES = SAMPLE.read_text("utf-8").split("\n")[:40]
RECORDS: list[dict[str, Any]] = [json.loads(line) for line in LINES]


def archive(path: Path) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in files(len(RECORDS)).items():
            item = tarfile.TarInfo(name)
            item.size = len(text.encode())
            tar.addfile(item, io.BytesIO(text.encode()))
    path.write_bytes(zstandard.compress(packed.getvalue()))


def folder(path: Path) -> None:
    for name, text in files(len(RECORDS)).items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_text(text, "utf-8")


def files(count: int) -> dict[str, str]:
    """The files of an export, by their names."""
    named = {f"records/{record['thread']}/{record['id']}.json": json.dumps(record, indent=1) for record in RECORDS}
    return {"manifest.json": json.dumps({"record_count": count, "bundle_sha256": "0" * 64}), **named}


def feed(path: Path) -> None:
    pages = [
        {"records": [{"id": record["id"], "record": record} for record in RECORDS[at : at + 10]], "has_more": at < 30}
        for at in range(0, 40, 10)
    ]
    path.write_text("\n".join(map(json.dumps, pages)))


def audit(path: Path) -> None:
    wrapped = [{"category": "system", "thread": record["thread"], "record": record} for record in RECORDS]
    path.write_bytes(gzip.compress(("# spl audit export\n" + "\n".join(map(json.dumps, wrapped))).encode()))


def answer(path: Path) -> None:
    path.write_text(json.dumps({"object": "list", "data": RECORDS}, indent=1))


EXPORTS: dict[str, Callable[[Path], None]] = {
    "export.tar.zst": archive,
    "export": folder,
    "feed.jsonl": feed,
    "audit.jsonl.gz": audit,
    "answer.json": answer,
}


@pytest.mark.parametrize("name", EXPORTS)
def test_an_export_is_loaded_verified_and_asked_by_the_names_of_the_readme(name: str, tmp_path: Path) -> None:
    EXPORTS[name](tmp_path / name)
    with kit.load(tmp_path / name) as study:
        assert repr(study.verify()) == "40 of 40 records verified"
        assert study.load_report is not None
        assert (study.load_report.rows, study.load_report.quarantined, study.load_report.complete) == (40, 0, True)
        goal = next(record for record in RECORDS if "goal" in record["body"])
        found = study.records(kind=goal["body"]["kind"], body={"goal": goal["body"]["goal"]})
        assert [row["id"] for row in found] == [goal["id"]]
        assert found.df(expand="body")["body.goal"].tolist() == [goal["body"]["goal"]]
        thread = study.thread(goal["thread"][:12])
        assert goal["id"] in thread.graph
        assert repr(study).endswith(
            "next: study.verify(), study.threads(), study.records(act='KNOW'), study.quarantine(), "
            "study.sql('from records')"
        )


def test_the_action_lines_of_a_bulk_export_do_not_make_it_signals(tmp_path: Path) -> None:
    lines = [text for record in RECORDS for text in ('{"index":{"_index":"records"}}', json.dumps({"record": record}))]
    (tmp_path / "bulk.jsonl").write_text("\n".join(lines))
    with kit.load(tmp_path / "bulk.jsonl") as study:
        assert repr(study.verify()) == "40 of 40 records verified; 40 bad lines"
        assert {row["reason"] for row in study.quarantine()} == {"not_a_record"}


def test_records_are_written_back_byte_for_byte(tmp_path: Path) -> None:
    with kit.load(SAMPLE) as study:
        assert jsonl.write(study, tmp_path / "rows.jsonl") == 819
        assert jsonl.write(study, tmp_path / "all.jsonl", duplicates=True) == 820
    assert (tmp_path / "all.jsonl").read_bytes() == SAMPLE.read_bytes()

"""An export of one file a record: every member is accounted for, whatever it is."""

import io
import json
import tarfile
from pathlib import Path

import pytest

from kit.io.inputs import inputs
from kit.io.members import FolderBytes, MemberReader
from kit.io.sniff import Kind, kind

RECORDS = {f"records/t/{name}.json": json.dumps({"act": "PUT", "actor": "d", "body": {"n": name}}) for name in "abc"}


def archive(files: dict[str, str | bytes], *, link: bool = False) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        for name, text in files.items():
            data = text if isinstance(text, bytes) else text.encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        if link:
            info = tarfile.TarInfo("records/out.json")
            info.type, info.linkname = tarfile.SYMTYPE, "../../secret"
            tar.addfile(info)
    return made.getvalue()


def read(data: bytes) -> tuple[MemberReader, list[str]]:
    reader = MemberReader(io.BytesIO(data))
    return reader, [text for batch in reader.batches() for text in batch["text"].to_pylist()]


def test_the_members_of_an_archive_are_lines_and_the_manifest_is_compared() -> None:
    manifest = json.dumps({"record_count": 3})
    data = archive({"manifest.json": manifest, **RECORDS})
    assert kind(data) == Kind("tar", "records")
    reader, texts = read(data)
    assert texts == list(RECORDS.values())
    assert (reader.line, reader.position, reader.note, reader.incomplete) == (3, len(data), None, None)
    other, _ = read(archive({"manifest.json": manifest, **dict(list(RECORDS.items())[:2])}))
    assert other.note == "the manifest promises 3 records, there are 2"


def test_links_bad_text_and_names_that_climb_are_kept_but_never_followed() -> None:
    reader, texts = read(archive({"../../up.json": "{}", "bad.json": b"\xff"}, link=True))
    assert texts == ["{}"]
    assert [(entry.line, entry.reason) for entry in reader.rejected] == [(2, "bad_utf8"), (3, "not_a_file")]


@pytest.mark.parametrize("keep", [600, 1500, 2100])
def test_a_cut_archive_gives_what_is_whole_and_says_that_it_is_cut(keep: int) -> None:
    data = archive({name: text + " " * 700 for name, text in RECORDS.items()})
    reader, texts = read(data[:keep])
    assert reader.incomplete
    assert reader.position == keep
    assert len(texts) + len(reader.rejected) == reader.line
    assert [entry.reason for entry in reader.rejected] in ([], ["cut"])


def test_a_folder_of_files_further_down_is_one_source(tmp_path: Path) -> None:
    for name, text in {"manifest.json": '{"record_count": 3}', **RECORDS}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "records" / "link.json").symlink_to("/etc/hostname")
    found = inputs(tmp_path)
    assert [item.folder for item in found] == [tmp_path]
    reader = MemberReader(FolderBytes(tmp_path), tmp_path)
    assert [text for batch in reader.batches() for text in batch["text"].to_pylist()] == list(RECORDS.values())
    stream, whole = FolderBytes(tmp_path), b""
    while data := stream.read(7):
        whole += data
    assert len(whole) == reader.position

"""The shipped data sets are those that datasets/README.md describes, and `kit.datasets` finds them."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest
import zstandard

import kit
from kit import datasets
from kit.errors import NotFoundError

FOLDER = Path(__file__).resolve().parents[1] / "datasets"
ROW = re.compile(r"^\| `([\w-]+)` \| `([\w.-]+)` \| ([\d,]+) \| ([\d,]+) \| `(\w{64})` \|$", re.MULTILINE)


class Described(NamedTuple):
    """A row of the README's table."""

    name: str
    file: str
    lines: int
    bytes: int
    sha256: str


def described() -> list[Described]:
    found = ROW.findall((FOLDER / "README.md").read_text())
    return [
        Described(name, file, int(lines.replace(",", "")), int(size.replace(",", "")), digest)
        for name, file, lines, size, digest in found
    ]


def folders() -> dict[str, str]:
    """Return the hash of each data set that is a folder, as the README has it."""
    row = re.compile(r"^\| `([\w-]+)` \| `\1/` \| [\d,]+ \| [\d,]+ \| `(\w{64})` \|$", re.MULTILINE)
    return dict(row.findall((FOLDER / "README.md").read_text()))


def test_the_readme_describes_each_data_set_and_each_file() -> None:
    assert {row.name: row.file for row in described()} | {name: name for name in folders()} == datasets.FILES
    assert {row.file for row in described()} == {path.name for path in FOLDER.iterdir() if path.is_file()} - {
        "README.md"
    }
    assert [*(row.name for row in described()), *folders()] == list(datasets.names())


@pytest.mark.parametrize("row", described(), ids=lambda row: row.name)
def test_a_data_set_has_the_bytes_that_the_readme_states(row: Described) -> None:
    content = datasets.path(row.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == row.sha256
    assert len(content) == row.bytes
    plain = zstandard.ZstdDecompressor().decompress(content) if row.file.endswith(".zst") else content
    assert plain.count(b"\n") == row.lines


def test_the_readme_describes_each_folder_with_the_hash_of_its_files() -> None:
    assert folders() == {path.name: digest(path) for path in FOLDER.iterdir() if path.is_dir()}
    assert {name: datasets.path(name).name for name in folders()} == {name: name for name in folders()}


def test_the_mission_loads_as_one_folder_with_its_three_families_and_nothing_refused() -> None:
    """What is no capture, as the truth that the tests know of, is not in a data set's folder."""
    study = kit.load(datasets.path("mission"))
    report = study.load_report
    assert report is not None
    assert (report.quarantined, report.complete) == (0, True)
    assert study.execute("SELECT (SELECT count(*) FROM signals), (SELECT count(*) FROM records)") == [(263, 40)]
    assert len(study.logs()) == 8


def test_auki_small_loads_but_for_the_entry_that_is_cut() -> None:
    study = kit.load(datasets.path("auki-small"))
    assert [row["reason"] for row in study.quarantine()] == ["cut_tail"]
    damaged = {row["resource_id"]: row["damage"] for row in study.logs() if row["damage"]}
    assert list(damaged) == ["arm_joints"]


def digest(folder: Path) -> str:
    """Return the hash of a folder: of a line with path and hash of each of its files, in order of the paths."""
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    lines = [
        f"{path.relative_to(folder).as_posix()} {hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in paths
    ]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"no data set 'large': there are cosmonapse-small"):
        datasets.path("large")

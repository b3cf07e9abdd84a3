"""The shipped data sets are those that datasets/README.md describes, and `kit.datasets` finds them."""

import hashlib
import re
from pathlib import Path
from typing import NamedTuple

import pytest

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


def test_the_readme_describes_each_data_set_and_each_file() -> None:
    assert {row.name: row.file for row in described()} == datasets.FILES
    assert {row.file for row in described()} == {path.name for path in FOLDER.iterdir()} - {"README.md"}
    assert [row.name for row in described()] == list(datasets.names())


@pytest.mark.parametrize("row", described(), ids=lambda row: row.name)
def test_a_data_set_has_the_bytes_that_the_readme_states(row: Described) -> None:
    content = datasets.path(row.name).read_bytes()
    assert hashlib.sha256(content).hexdigest() == row.sha256
    assert len(content) == row.bytes
    assert content.count(b"\n") == row.lines


def test_an_unknown_data_set_is_refused_with_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"no data set 'large': there are cosmonapse-small"):
        datasets.path("large")

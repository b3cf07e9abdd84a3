"""The README's example does what it says."""

import doctest
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_readme_example_gives_the_printed_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    failed, tried = doctest.testfile(
        str(ROOT / "README.md"), module_relative=False, optionflags=doctest.NORMALIZE_WHITESPACE
    )
    assert tried >= 8
    assert failed == 0


def test_every_file_the_readme_points_to_is_there() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    targets = {part.split(")")[0] for part in text.split("](")[1:]}
    assert targets
    assert [target for target in sorted(targets) if not (ROOT / target).exists()] == []

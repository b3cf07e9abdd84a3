"""The generated records are what they should be, and the peer that verification is measured beside agrees with the kit."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks import kit_cases, records  # noqa: E402
from benchmarks.peers import syncropel_verify  # noqa: E402


def test_the_peer_and_the_kit_find_the_same_forged_lines(tmp_path: Path) -> None:
    path = tmp_path / "records.jsonl"
    records.generate(path, 600, forged=0.05)
    lines = syncropel_verify.lines(str(path))
    found = kit_cases.verify(lines)
    assert found == syncropel_verify.verify(lines)
    assert found["verified"] + len(found["wrong"]) == len(lines) == 600
    assert 10 < len(found["wrong"]) < 60


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        records.generate(tmp_path / name, 50, seed=seed)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() != (tmp_path / "c").read_bytes()

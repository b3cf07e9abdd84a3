"""A generated capture with every kind of odd line gives the counts that its generator knows."""

from pathlib import Path
from typing import Any

import pytest

import kit
from benchmarks.generate import compress, generate
from benchmarks.irregular import KINDS


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    path = tmp_path_factory.mktemp("generated") / "capture.jsonl"
    return path, generate(path, 20_000, bad=0.05)


def totals(report: kit.LoadReport) -> dict[str, Any]:
    return {
        **{name: getattr(report, name) for name in ("lines", "rows", "duplicates", "reencoded", "skipped")},
        "quarantined": {code: reason.count for code, reason in report.reasons.items()},
        "flags": dict(report.flags),
        "bytes": sum(source.bytes for source in report.sources),
    }


def test_every_kind_occurs(capture: tuple[Path, dict[str, Any]]) -> None:
    assert set(capture[1]["kinds"]) == set(KINDS)


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
@pytest.mark.parametrize("threads", [1, 2])
def test_the_counts_are_the_truth(capture: tuple[Path, dict[str, Any]], suffix: str, threads: int) -> None:
    path, truth = capture
    with kit.open(threads=threads) as study:
        report = study.load(compress(path, suffix) if suffix else path)
        assert totals(report) == {name: truth[name] for name in totals(report)}
        assert report.complete


def test_quarantined_and_flagged_lines_are_the_odd_ones(capture: tuple[Path, dict[str, Any]]) -> None:
    path, truth = capture
    raw = path.read_bytes().split(b"\n")
    odd = {number: (offset, KINDS[kind]) for number, offset, kind in truth["odd_lines"]}
    with kit.load(path) as study:
        for entry in study.quarantine().rows():
            offset, kind = odd[entry["line"]]
            assert (entry["reason"], entry["byte_offset"], entry["raw"]) == (
                kind.reason,
                offset,
                raw[entry["line"] - 1],
            )
        for row in study.sql("select line, flags from signals where len(flags) > 0").rows():
            if "conflicting_duplicate" not in row["flags"]:
                assert row["flags"] == [odd[row["line"]][1].reason]


@pytest.mark.long
def test_a_million_lines_give_the_truth(tmp_path: Path) -> None:
    truth = generate(tmp_path / "capture.jsonl", 1_000_000)
    with kit.open(tmp_path / "study.duckdb") as study:
        report = study.load(tmp_path / "capture.jsonl")
        assert totals(report) == {name: truth[name] for name in totals(report)}

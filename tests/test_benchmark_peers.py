"""The generator tells the truth, and the peers of the benchmarks give the answers they are compared by."""

import hashlib
import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

pytest.importorskip("msgspec")

from benchmarks import generate, irregular, measure  # noqa: E402
from benchmarks.peers import checks, events, msgspec_loop, networkx_traces  # noqa: E402

LINES = 5000
BAD = 0.05


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "signals.jsonl"
    generate.generate(path, LINES, bad=BAD, clean=path.with_suffix(".clean.jsonl"))
    return path


@pytest.fixture(scope="module")
def truth(capture: Path) -> dict[str, Any]:
    return json.loads(generate.truth_path(capture).read_text())


def test_the_truth_of_a_generated_capture_adds_up(capture: Path, truth: dict[str, Any]) -> None:
    quarantined = sum(truth["quarantined"].values())
    assert truth["rows"] + truth["duplicates"] + quarantined + truth["skipped"] == truth["lines"] == LINES
    data = capture.read_bytes()
    assert data.count(b"\n") == LINES
    assert len(data) == truth["bytes"]


def test_every_kind_of_odd_line_occurs(truth: dict[str, Any]) -> None:
    assert set(truth["kinds"]) == set(irregular.KINDS)


def test_odd_lines_stand_where_the_truth_says(capture: Path, truth: dict[str, Any]) -> None:
    data = capture.read_bytes()
    lines = data.split(b"\n")
    for number, offset, kind in truth["odd_lines"]:
        line = lines[number - 1]
        assert data[offset : offset + len(line)] == line
        entry = irregular.KINDS[kind]
        if entry.outcome == "quarantined":
            with pytest.raises(checks.LineError) as error:
                checks.examine(line)
            assert error.value.reason == entry.reason
        elif entry.outcome == "row":
            assert checks.examine(line).flags == ((entry.reason,) if entry.reason else ())


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    digests = []
    for name, seed in (("a", 7), ("b", 7), ("c", 8)):
        generate.generate(tmp_path / name, 500, seed=seed, bad=BAD)
        digests.append(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert digests[0] == digests[1] != digests[2]


def test_without_odd_lines_every_line_is_what_the_published_package_would_write(tmp_path: Path) -> None:
    cosmonapse = pytest.importorskip("cosmonapse", reason="cosmonapse comes with the extra `test`")
    generate.generate(tmp_path / "a", 3000, bad=0)
    lines = (tmp_path / "a").read_bytes().splitlines()
    assert all(cosmonapse.Signal.decode(line).encode() == line for line in lines)
    assert 330 <= sum(map(len, lines)) / len(lines) <= 380


def test_ids_of_a_generated_capture_sort_by_time(tmp_path: Path) -> None:
    generate.generate(tmp_path / "a", 3000, bad=0)
    signals = [json.loads(line) for line in (tmp_path / "a").read_bytes().splitlines()]
    stamps = [(checks.microseconds(signal["ts"]), signal["id"]) for signal in signals]
    order = [event for _, event in sorted(stamps)]
    millisecond_heads = [event[:16] for event in order]
    assert millisecond_heads == sorted(millisecond_heads)
    assert len(set(order)) == len(order)


def test_the_clean_copy_holds_the_regular_lines(capture: Path, truth: dict[str, Any]) -> None:
    clean = capture.with_suffix(".clean.jsonl").read_bytes().splitlines()
    assert len(clean) == truth["regular"]
    assert set(clean) <= set(capture.read_bytes().split(b"\n"))


def test_compressed_copies_are_the_same_each_time(capture: Path) -> None:
    for suffix in (".gz", ".zst"):
        first = generate.compress(capture, suffix).read_bytes()
        assert generate.compress(capture, suffix).read_bytes() == first


def test_the_msgspec_loop_finds_what_the_generator_hid(
    capture: Path, truth: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(msgspec_loop, "BLOCK", 1 << 16)  # many blocks
    counts = msgspec_loop.load(str(capture))
    assert counts == {name: truth[name] for name in counts}


def test_the_msgspec_loop_keeps_each_bad_line_with_its_place(capture: Path, truth: dict[str, Any]) -> None:
    bad = msgspec_loop.read(str(capture)).quarantine
    wanted = [tuple(odd) for odd in truth["odd_lines"] if irregular.KINDS[odd[2]].outcome == "quarantined"]
    assert sorted((line.line, line.byte_offset) for line in bad) == [odd[:2] for odd in wanted]
    data = capture.read_bytes()
    assert all(data[line.byte_offset :].startswith(line.raw) for line in bad)


def test_the_fast_and_the_exact_way_of_the_msgspec_loop_give_equal_rows(tmp_path: Path) -> None:
    generate.generate(tmp_path / "a", 300, bad=0)
    for row in msgspec_loop.read(str(tmp_path / "a")).signals.to_pylist():
        exact = checks.examine(row["raw"].encode())._asdict()
        ts = checks.microseconds(row["ts_text"])
        assert exact | {"flags": []} == {name: row[name] for name in exact} | {"ts": ts}


def test_networkx_and_rustworkx_agree_on_the_structure(capture: Path, truth: dict[str, Any]) -> None:
    pytest.importorskip("rustworkx", reason="rustworkx comes with the extra `bench`")
    from benchmarks.peers import rustworkx_traces

    table = events.columns(str(capture))
    one, other = networkx_traces.structure(table), rustworkx_traces.structure(table)
    assert json.dumps(one, default=measure._digest) == json.dumps(other, default=measure._digest)
    assert one["labels"]["self_parent"] == truth["kinds"]["self_parent"]
    assert one["labels"]["conflicting_duplicate"] == truth["kinds"]["conflict"]
    assert one["duplicates"].sum() == truth["kinds"]["conflict"]
    assert sum(one["labels"].values()) == truth["rows"] - truth["kinds"]["conflict"] + one["labels"]["phantom"]
    assert min(one["labels"].values()) > 0


@pytest.mark.parametrize("ring", [(0, 0, 0), (0, 1, 0, 1)])
def test_a_ring_is_cut_and_what_hangs_on_it_is_walked(ring: tuple[int, ...]) -> None:
    pytest.importorskip("rustworkx", reason="rustworkx comes with the extra `bench`")
    from benchmarks.peers import rustworkx_traces

    size = len(ring)
    rows = [_row(k, ring[k], (k - 1) % size) for k in range(size)]
    rows += [_row(size, ring[0], 0), _row(size + 1, ring[0], size), _row(size + 2, ring[0], None)]
    table = events.pa.Table.from_pylist(rows)
    for peer in (networkx_traces, rustworkx_traces):
        found = peer.structure(table)
        labels = Counter({name: count for name, count in found["labels"].items() if count})
        assert labels == {"cycle": size, "attached": 2, "root": 1}
        assert found["max_depth"] == 2
        assert found["n_edges"] == 2


def test_an_award_is_the_cause_of_its_unpublished_task_and_not_of_its_own_ancestors() -> None:
    rows = [
        _row(0, 0, None, "TASK_OFFER", 0), _row(1, 0, 0, "BID", 1), _row(2, 0, 1, "TASK_AWARDED", 2),
        _row(3, 0, 99, "AGENT_OUTPUT", 5), _row(4, 1, 99, "TASK", 4),
        _row(5, 2, 98, "TASK_AWARDED", 6), _row(6, 2, 97, "AGENT_OUTPUT", 7),
    ]  # fmt: skip
    found = networkx_traces.structure(events.pa.Table.from_pylist(rows))
    assert {name: count for name, count in found["labels"].items() if count} == {
        "phantom": 2, "cross_trace": 1, "missing_parent": 1, "root": 1, "attached": 4
    }  # fmt: skip
    assert found["max_depth"] == 4
    assert found["depth"].tolist() == [4, 0, 2]


@pytest.mark.long
def test_a_case_is_measured_in_a_process_of_its_own(capture: Path, truth: dict[str, Any]) -> None:
    pytest.importorskip("psutil", reason="psutil comes with the extra `bench`")
    case = measure.Case("benchmarks.peers.msgspec_loop:load", [str(capture)], warm=[capture])
    summaries = measure.compare({"loop": case, "again": case}, rounds=1)
    assert summaries["loop"].result["rows"] == summaries["again"].result["rows"] == truth["rows"]
    assert summaries["loop"].seconds > 0
    table = measure.markdown(summaries, of="loop").splitlines()
    assert len(table) == 4
    assert "| 1.00 |" in "\n".join(table)


def test_a_case_that_fails_says_why() -> None:
    pytest.importorskip("psutil", reason="psutil comes with the extra `bench`")
    with pytest.raises(RuntimeError, match="No such file"):
        measure.measure(measure.Case("benchmarks.peers.msgspec_loop:load", ["no-such-file"]))


def _row(number: int, trace: int, parent: int | None, kind: str = "PLAN", ts: int | None = None) -> dict[str, Any]:
    return {
        "id": f"evt_{number}", "trace_id": f"trc_{trace}",
        "parent_id": None if parent is None else f"evt_{parent}",
        "type": kind, "ts": number if ts is None else ts, "directed_id": "solver",
    }  # fmt: skip


@pytest.mark.parametrize("model", ["timeouts", "messages", "bursts"])
def test_the_models_of_virtual_time_give_the_same_answer_everywhere(model: str) -> None:
    pytest.importorskip("simpy")
    from benchmarks import kernel
    from benchmarks.peers import bare_heap, simpy_models

    size = (20, 500) if model == "timeouts" else (7, 50)
    answers = [getattr(module, model)(*size) for module in (kernel, bare_heap, simpy_models) if hasattr(module, model)]
    assert answers == [answers[0]] * len(answers) and len(answers) == (3 if model == "timeouts" else 2)
    assert answers[0][0] > 0

"""Logs as tables: both encodings alike, every byte accounted for, and nothing that damage can break."""

import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import cbor2
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import DATA, MISSION, POSE, expected, manifest, pose, ref, segment_bytes, write_log

import kit
from kit import schema
from kit.auki import rows, segment
from kit.auki.load import LogReader, SegmentCounts, read_payload, scan, table
from kit.auki.load import tables as load
from kit.auki.payload import decode, encode
from kit.auki.segment import HEADER, index
from kit.errors import ArgumentError, LogError, PayloadError, SegmentError

CODECS = ("cbor", "pb")
OFFSET = {"offset_ns": 5, "uncertainty_ns": 1}


def loaded(folder: Path, **options: Any) -> tuple[dict[str, list[dict[str, Any]]], list[SegmentCounts]]:
    """Return the rows of all logs under a folder by table, and the account of each segment."""
    counts: list[SegmentCounts] = []
    found: dict[str, list[dict[str, Any]]] = {}
    for log in scan(folder).logs:
        for name, batch in load(log, counts=counts, **{"on_error": "skip_entry"} | options):
            found.setdefault(name, []).extend(batch.to_pylist())
    return found, counts


def check_account(found: dict[str, list[dict[str, Any]]], counts: list[SegmentCounts]) -> None:
    """Every segment's lines are rows or in quarantine, and its bytes are those of its entries and its tail."""
    for count in counts:
        assert count.decoded + count.quarantined == count.lines
    lines = Counter(
        (row["log_id"], row["source_id"], row["line"]) for name in found if name != "quarantine" for row in found[name]
    )
    assert len(lines) == sum(count.decoded for count in counts)
    assert sum(lines.values()) == sum(count.rows for count in counts)
    assert len(found.get("quarantine", [])) == sum(count.quarantined for count in counts)


@pytest.mark.parametrize("codec", CODECS)
def test_the_fixture_has_the_entries_it_should(codec: str) -> None:
    for log in scan(DATA / codec).logs:
        wanted = expected(codec, "queries")["counts"][log.resource_id]
        counts: list[SegmentCounts] = []
        batches = [batch for name, batch in load(log, on_error="skip_entry", counts=counts) if name != "quarantine"]
        made = pa.Table.from_batches(batches)
        assert made.num_rows == wanted["entries_readable"]
        assert len(log.segments) == wanted["segments"]
        assert (pc.min(made["ts_ns"]).as_py(), pc.max(made["ts_ns"]).as_py()) == (wanted["first_ts"], wanted["last_ts"])
        assert pc.sum(made["length"]).as_py() == wanted["payload_bytes"]
        assert made["seq"].to_pylist() == list(range(made.num_rows))


def test_the_mission_has_the_entries_it_should() -> None:
    wanted = expected("mission")["counts"]["logs"]
    for log in scan(MISSION).logs:
        made = table(log)
        assert made.num_rows == wanted[log.resource_id]["entries"]
        assert (made["ts_ns"][0].as_py(), made["ts_ns"][-1].as_py()) == tuple(
            wanted[log.resource_id][name] for name in ("first_ts", "last_ts")
        )


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-31-equal")])
def test_both_encodings_give_equal_tables(_: None) -> None:
    """But where the payloads stand, and but for the images of the protobuf set that have no intrinsics of their own."""
    first, second = (loaded(DATA / codec)[0] for codec in CODECS)
    assert first.keys() == second.keys()
    places = {"offset", "length", "data_offset"}
    bare = {row["seq"] for row in second["camera_frames"] if row["fx"] is None}
    assert len(bare) == 6
    for name in first.keys() - {"quarantine"}:
        own = ("fx", "fy", "cx", "cy", "distortion") if name == "camera_frames" else ()
        for one, two in zip(first[name], second[name], strict=True):
            skipped = places | (set(own) if two["seq"] in bare else set())
            assert {k: v for k, v in one.items() if k not in skipped} == {
                k: v for k, v in two.items() if k not in skipped
            }


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-31-int64")])
def test_nanoseconds_stay_integers_of_64_bits(_: None) -> None:
    duckdb = pytest.importorskip("duckdb")
    log = scan(DATA / "pb").log("session/sdk_clock->wall_clock")
    made = table(log)
    assert {made.schema.field(name).type for name in ("ts_ns", "offset_ns", "seq", "line")} == {pa.int64()}
    walls = [ts + offset for ts, offset in zip(made["ts_ns"].to_pylist(), made["offset_ns"].to_pylist(), strict=True)]
    with duckdb.connect() as connection:
        relation = connection.from_arrow(made)
        held = relation.aggregate("typeof(any_value(offset_ns)), max(offset_ns), max(ts_ns + offset_ns)").fetchall()
    assert held == [("BIGINT", pc.max(made["offset_ns"]).as_py(), max(walls))]


@pytest.mark.parametrize("codec", CODECS)
def test_batches_have_the_declared_columns(codec: str) -> None:
    for log in scan(DATA / codec).logs:
        for name, batch in load(log, on_error="skip_entry"):
            declared = schema.arrow(name)
            assert batch.schema.names == declared.names
            assert batch.cast(declared).schema == declared


@pytest.mark.parametrize("codec", CODECS)
def test_every_payload_and_its_data_can_be_read_again(codec: str) -> None:
    for log in scan(DATA / codec).logs:
        sources = {}
        for number, path in enumerate(log.segments, 1):
            sources[number] = path
        for name, batch in load(log, on_error="skip_entry"):
            for row in batch.to_pylist() if name != "quarantine" else []:
                path = sources[row["source_id"]]
                payload = read_payload(path, row["offset"], row["length"])
                assert log.kind is not None
                (values,) = decode(log.kind, payload)
                assert path.read_bytes()[row["offset"] - 4 : row["offset"]] == row["length"].to_bytes(4, "little")
                if "data_offset" in row:
                    assert read_payload(path, row["data_offset"], row["data_length"]) == values["data"]


def test_a_cut_tail_is_one_quarantined_entry() -> None:
    found, counts = loaded(DATA / "cbor")
    check_account(found, counts)
    (row,) = found["quarantine"]
    assert (row["reason"], row["line"], len(row["raw"])) == ("cut_tail", 25, 51)
    assert [count.complete for count in counts].count(False) == 1


def test_bytes_are_conserved() -> None:
    for codec in CODECS:
        found, counts = loaded(DATA / codec)
        entries = Counter[tuple[str, int]]()
        for name in found.keys() - {"quarantine"}:
            for row in found[name]:
                entries[row["log_id"], row["source_id"]] += 12 + row["length"]
        tails = sum(len(row["raw"]) for row in found["quarantine"])
        assert sum(entries.values()) + tails + HEADER.size * len(counts) == sum(count.bytes for count in counts)


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-21-mixed")])
def test_a_log_of_both_encodings_loads(_: None, tmp_path: Path) -> None:
    entries = [(i, pose(("cbor", "pb")[i % 2], tx=float(i))) for i in range(9)]
    write_log(tmp_path / "log", {0: entries})
    assert table(scan(tmp_path).logs[0])["tx"].to_pylist() == [float(i) for i in range(9)]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-22-tail")])
def test_a_cut_tail_in_the_middle_keeps_the_segments_after_it(_: None, tmp_path: Path) -> None:
    log = write_log(
        tmp_path / "log", {second * 10**9: [(second * 10**9 + i, pose()) for i in range(3)] for second in range(3)}
    )
    path = log / "segments" / f"{10**9:020d}.seg"
    path.write_bytes(path.read_bytes()[:-1])
    made = table(scan(tmp_path).logs[0])
    assert made["seq"].to_pylist() == list(range(8))
    assert made["ts_ns"].to_pylist()[-3:] == [2 * 10**9, 2 * 10**9 + 1, 2 * 10**9 + 2]


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(segment_bytes([])[:9], "short_header", id="auki-22-short"),
        pytest.param(b"AKLX" + segment_bytes([])[4:], "bad_magic", id="auki-22-magic"),
        pytest.param(segment_bytes([])[:4] + b"\x02\x00" + segment_bytes([])[6:], "bad_version", id="auki-22-version"),
    ],
)
def test_a_segment_that_is_none_is_raised_or_skipped_and_told(data: bytes, reason: str, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", {0: [(1, pose())], 2 * 10**9: [(2 * 10**9, pose())]})
    (log / "segments" / f"{10**9:020d}.seg").write_bytes(data)
    with pytest.raises(SegmentError):
        table(scan(tmp_path).logs[0])
    for option in ("skip_entry", "skip_segment"):
        found, counts = loaded(tmp_path, on_error=option)
        check_account(found, counts)
        assert [(row["reason"], row["raw"]) for row in found["quarantine"]] == [(reason, data)]
        assert [row["seq"] for row in found["poses"]] == [0, 1]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-22-name")])
def test_the_name_of_a_segment_wins_over_its_header(_: None, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log", {})
    (log / "segments" / "20.seg").write_bytes(segment_bytes([(5, pose())], start=1))
    (log / "segments" / "3.seg").write_bytes(segment_bytes([(9, pose())], start=99))
    assert table(scan(tmp_path).logs[0])["ts_ns"].to_pylist() == [9, 5]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-23-empty")])
def test_an_empty_log_has_no_rows_but_its_columns(_: None, tmp_path: Path) -> None:
    write_log(tmp_path / "log", {})
    made = table(scan(tmp_path).logs[0])
    assert (made.num_rows, made.schema) == (0, rows.schema("poses"))


def test_a_bad_payload_is_raised_skipped_or_takes_its_segment_along(tmp_path: Path) -> None:
    entries = [(1, pose()), (2, b"\x0a"), (3, pose()), (4, b"\xa1\x00")]
    write_log(tmp_path / "log", {0: entries, 10**9: [(10**9, pose())]})
    (log,) = scan(tmp_path).logs
    with pytest.raises(PayloadError, match=r"entry 2 \(payload at byte 80\): ends early.*on_error='skip_entry'"):
        table(log)
    found, counts = loaded(tmp_path)
    check_account(found, counts)
    assert [row["seq"] for row in found["poses"]] == [0, 2, 4]
    assert [(row["line"], row["raw"]) for row in found["quarantine"]] == [(2, b"\x0a"), (4, b"\xa1\x00")]
    found, counts = loaded(tmp_path, on_error="skip_segment")
    check_account(found, counts)
    assert [row["seq"] for row in found["poses"]] == [4]
    assert [row["reason"] for row in found["quarantine"]] == ["segment_skipped", "bad_payload"] * 2
    with pytest.raises(ArgumentError, match="on_error='ignore'"):
        LogReader(log, on_error="ignore")  # type: ignore[arg-type]


def test_rows_are_in_the_order_of_the_files_or_of_time(tmp_path: Path) -> None:
    write_log(tmp_path / "log", {0: [(ts, pose(tx=i)) for i, ts in enumerate((5, 3, 9, 3))]})
    (log,) = scan(tmp_path).logs
    assert table(log)["ts_ns"].to_pylist() == [5, 3, 9, 3]
    sorted_rows = table(log, order_by="time")
    assert (sorted_rows["ts_ns"].to_pylist(), sorted_rows["seq"].to_pylist()) == ([3, 3, 5, 9], [1, 3, 0, 2])
    with pytest.raises(ArgumentError, match="order_by='seq'"):
        table(log, order_by="seq")  # type: ignore[arg-type]


def test_a_segment_that_is_gone_or_cut_while_it_is_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = write_log(tmp_path / "log", {0: [(i, pose()) for i in range(50)], 10**9: [(10**9, pose())]})
    gone, cut = sorted((log / "segments").iterdir())[::-1]
    recording = scan(tmp_path)
    gone.unlink()
    monkeypatch.setattr(segment, "FIRST_BYTES", 500)
    monkeypatch.setattr(segment, "BLOCK_BYTES", 500)
    for option in ("skip_entry", "skip_segment"):
        cut.write_bytes(segment_bytes([(i, pose()) for i in range(50)]))
        counts: list[SegmentCounts] = []
        found: dict[str, list[dict[str, Any]]] = {}
        for name, batch in load(recording.logs[0], on_error=option, counts=counts):  # type: ignore[arg-type]
            found.setdefault(name, []).extend(batch.to_pylist())
            os.truncate(cut, 600)
        check_account(found, counts)
        assert found["quarantine"][-1]["reason"] == "unreadable"


def test_an_old_pose_log_has_a_row_for_each_transform(tmp_path: Path) -> None:
    one = {"parent_frame": "a", "child_frame": "b", "translation": [1, 2, 3], "rotation_quat": [0, 0, 0, 1]}
    entries = [(1, cbor2.dumps({"transforms": [one, one | {"child_frame": "c"}]})), (2, pose())]
    write_log(tmp_path / "log", {0: entries})
    found, counts = loaded(tmp_path)
    check_account(found, counts)
    assert [(row["line"], row["part"], row["from_frame"], row["to_frame"]) for row in found["poses"]] == [
        (1, 0, "a", "b"),
        (1, 1, "a", "c"),
        (2, 0, "map", "chassis"),
    ]
    assert (counts[0].decoded, counts[0].rows) == (2, 3)


def test_entries_of_a_sensor_that_is_not_known_are_in_quarantine_unless_told(tmp_path: Path) -> None:
    write_log(tmp_path / "log", {0: [(1, b"\x0a\x01x"), (2, b"\x0a\x01y")]}, manifest("audio"))
    found, counts = loaded(tmp_path)
    check_account(found, counts)
    assert [row["reason"] for row in found["quarantine"]] == ["unknown_kind"] * 2
    (log,) = scan(tmp_path, kinds={"audio": "audio"}).logs
    assert table(log)["data_length"].to_pylist() == [1, 1]
    with pytest.raises(LogError, match="is not known"):
        table(scan(tmp_path).logs[0])


def test_a_step_of_a_clock_is_seen_across_segments(tmp_path: Path) -> None:
    offsets = [5, 5 + 9_999_999, 5 + 19_999_999, 5, 6]
    entries = [
        (i * 10**9, encode("time_transform", {"offset_ns": o, "uncertainty_ns": 1})) for i, o in enumerate(offsets)
    ]
    write_log(
        tmp_path / "log", {0: entries[:2], 2 * 10**9: entries[2:3], 3 * 10**9: entries[3:]}, manifest("time_transform")
    )
    made = table(scan(tmp_path).logs[0])
    assert made["discontinuous"].to_pylist() == [False, False, True, True, False]
    extremes = [
        (i, encode("time_transform", {"offset_ns": o, "uncertainty_ns": 1}))
        for i, o in enumerate((-(2**63), 2**63 - 1, -1))
    ]
    write_log(tmp_path / "other", {0: extremes}, manifest("time_transform", session_id="s2"))
    assert table(scan(tmp_path).log("rover-3/s2/sdk->wall"))["discontinuous"].to_pylist() == [False, True, True]


def test_what_does_not_fit_the_registry_is_counted(tmp_path: Path) -> None:
    shutil.copytree(DATA / "pb", tmp_path / "x")
    log = next(path for path in tmp_path.rglob("arm_joints") if (path / "segments").is_dir())
    (log / "segments" / "99999999999999.seg").write_bytes(segment_bytes([(1, encode("joints", {"angles": (1.0,)}))]))
    lidar = next(path for path in tmp_path.rglob("head_lidar") if (path / "segments").is_dir())
    (lidar / "segments" / "99999999999999.seg").write_bytes(
        segment_bytes([(1, encode("point_cloud", {"data": bytes(33)}))])
    )
    warnings: Counter[str] = Counter()
    for count in loaded(tmp_path)[1]:
        warnings.update(count.warnings)
    assert warnings == {"joint_count": 1, "partial_point": 1}


def small_log(folder: Path, kind: Any = "pose") -> Path:
    values = POSE if kind == "pose" else OFFSET
    entries = [(i, encode(kind, values, ("cbor", "pb")[i // 3 % 2])) for i in range(9)]
    return write_log(folder / "log", {0: entries[:5], 10**9: entries[5:]}, manifest(kind))


@given(st.integers(0, 2**32), st.sampled_from(["pose", "time_transform"]))
@settings(max_examples=60)
def test_changed_and_cut_files_never_break_a_load(
    tmp_path_factory: pytest.TempPathFactory, seed: int, kind: Any
) -> None:
    folder = tmp_path_factory.mktemp("fault")
    log = small_log(folder, kind)
    chance = random.Random(seed)
    for path in [*log.rglob("*.seg"), *log.rglob("*.json")]:
        data = bytearray(path.read_bytes())
        for _ in range(chance.randint(0, 3) if path.suffix == ".seg" else chance.randint(0, 1)):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        path.write_bytes(data[: chance.choice([len(data), len(data), chance.randrange(len(data) + 1)])])
    for option in ("skip_entry", "skip_segment"):
        found, counts = loaded(folder, on_error=option)
        check_account(found, counts)
    recording = scan(folder)
    assert len(recording.logs) + sum(len(document.refused) for document in recording.documents) == 1


@pytest.mark.parametrize("cut", range(0, 140, 7))
def test_a_file_cut_anywhere_keeps_what_is_whole(cut: int, tmp_path: Path) -> None:
    data = segment_bytes([(i, pose()) for i in range(4)])
    log = write_log(tmp_path / "log", {})
    path = log / "segments" / "0.seg"
    path.write_bytes(data[: len(data) - cut])
    found, counts = loaded(tmp_path)
    check_account(found, counts)
    assert len(found.get("poses", [])) == len(index(path))


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-33")])
def test_a_log_of_images_is_loaded_without_its_images(_: None, tmp_path: Path) -> None:
    import tracemalloc

    images = [(i, encode("camera", {"fx": None, "data": bytes(200_000)})) for i in range(60)]
    write_log(tmp_path / "log", {0: images}, manifest("camera"))
    (log,) = scan(tmp_path, kinds={"camera": "camera"}).logs
    table(log)
    tracemalloc.start()
    made = table(log)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert made["data_length"].to_pylist() == [200_000] * 60
    assert peak < 2_000_000 < sum(path.stat().st_size for path in log.segments)


def test_references_without_a_registry_entry_are_none() -> None:
    recording = scan(DATA / "pb")
    log = recording.log("world->base_link")
    found = recording.entry("clocks", log.clock)
    assert found is not None and found.id == "session/sdk_clock"
    assert recording.entry("clocks", None) is None
    assert recording.entry("frames", log.manifest.ref("clock")) is None
    assert ref("x")["hash"] == "00"


def test_an_entry_without_transforms_is_kept_in_quarantine_and_one_with_several_is_one_line(tmp_path: Path) -> None:
    one = {"parent_frame": "a", "child_frame": "b", "translation": [1, 2, 3], "rotation_quat": [0, 0, 0, 1]}
    payloads = [cbor2.dumps({"transforms": []}), cbor2.dumps({"transforms": [one, one]})]
    write_log(tmp_path / "log", {0: list(enumerate(payloads))})
    with kit.open() as study:
        report = study.load(tmp_path)
        assert (report.quarantined, report.complete) == (1, True)
        assert [(row["line"], row["part"]) for row in study.sql("FROM poses ORDER BY part")] == [(2, 0), (2, 1)]
        assert study.quarantine().rows()[0]["raw"] == payloads[0]


def test_a_log_becomes_a_table_without_pandas_which_takes_longer_than_the_log(tmp_path: Path) -> None:
    image = encode("camera", {"fx": 1.0, "fy": 1.0, "cx": 1.0, "cy": 1.0, "distortion": (0.5,), "data": bytes(9_000)})
    write_log(tmp_path / "log", {0: [(i, image) for i in range(20)]}, manifest("camera"))
    program = (
        "import sys\n"
        "from kit.auki.load import scan, table\n"
        f"(log,) = scan({str(tmp_path)!r}, kinds={{'camera': 'camera'}}).logs\n"
        "print(table(log).num_rows, 'pandas' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["20", "False"]

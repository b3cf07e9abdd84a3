"""Segment files: what is read of whole, cut, damaged and growing ones, and what the writer writes."""

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import manifest, segment_bytes

from kit.auki import segment
from kit.auki.segment import Entry, blocks, header, index, read, read_payload, segment_paths
from kit.auki.tail import Tail
from kit.auki.writer import LogWriter
from kit.errors import ManifestError, SegmentError, SegmentExistsError

V1 = "414b4c470100000000f2052a01000000"
V5 = V1 + "2af2052a010000000e00000008a4f4ffffffffffffff0110a403"
V6 = (
    V1 + "2af2052a0100000020000000a2696f66667365745f6e733905db6e756e6365727461696e74795f6e731901a4"
    "00d3fb2f0100000020000000a2696f66667365745f6e733905db6e756e6365727461696e74795f6e73"
)
V3 = bytes.fromhex("08a4f4ffffffffffffff0110a403")


def written(folder: Path, data: bytes, name: str = "00000000005000000000.seg") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-20-V1")])
def test_a_header_has_the_golden_bytes(_: None) -> None:
    assert header(5_000_000_000).hex() == V1


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-20-V5")])
def test_a_segment_has_the_golden_bytes_and_reads_back(_: None, tmp_path: Path) -> None:
    assert segment_bytes([(5_000_000_042, V3)], 5_000_000_000).hex() == V5
    assert read(written(tmp_path, bytes.fromhex(V5))) == [Entry(5_000_000_042, V3)]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-20-V6")])
def test_a_cut_tail_ends_a_segment_and_is_told(_: None, tmp_path: Path) -> None:
    path = written(tmp_path, bytes.fromhex(V6))
    found = index(path)
    assert [entry.ts_ns for entry in read(path)] == [5_000_000_042]
    assert (len(found), found.cut_bytes) == (1, 12 + 32 - 3)
    assert found.end + found.cut_bytes == path.stat().st_size


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "too short for header", id="auki-22-empty"),
        pytest.param(header(0)[:15], "too short for header", id="auki-22-short"),
        pytest.param(b"AKLQ" + header(0)[4:], "has bad magic", id="auki-22-magic"),
        pytest.param(header(0)[:4] + b"\x02" + header(0)[5:], "has unsupported version 2", id="auki-22-version"),
    ],
)
def test_a_bad_header_is_refused_with_its_path(data: bytes, message: str, tmp_path: Path) -> None:
    path = written(tmp_path, data)
    for reader in (read, index):
        with pytest.raises(SegmentError, match=message) as error:
            reader(path)
        assert str(path) in str(error.value)


def test_the_reserved_field_is_not_looked_at(tmp_path: Path) -> None:
    data = bytearray(bytes.fromhex(V5))
    data[6:8] = b"\xff\xff"
    assert len(read(written(tmp_path, bytes(data)))) == 1


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-23")])
def test_other_files_are_passed_over_and_names_sort_as_numbers(_: None, tmp_path: Path) -> None:
    for name in ("10.seg", "9.seg", "abc.seg", "notes.txt", "1_0.seg", "11.seg.tmp", "٣.seg"):
        written(tmp_path, header(0), name)
    (tmp_path / "12.seg").mkdir()
    assert [path.name for path in segment_paths(tmp_path)] == ["9.seg", "10.seg"]


def test_a_declared_length_beyond_the_file_is_a_cut_tail_and_nothing_is_allocated(tmp_path: Path) -> None:
    data = segment_bytes([(1, b"ab")]) + struct.pack("<qI", 2, 0xFFFF_FFFF) + b"rest"
    path = written(tmp_path, data)
    for head in (None, 0, 64):
        assert [len(block) for block in blocks(path, head=head)] == [1]
    assert index(path).cut_bytes == 16
    with pytest.raises(SegmentError, match="no 4,294,967,295 bytes at byte"):
        read_payload(path, 42, 0xFFFF_FFFF)


lengths = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 30)) | st.tuples(st.integers(4090, 6000), st.integers(1, 3)),
    max_size=8,
)


@given(lengths, st.integers(0, 30), st.integers(0, 300))
@settings(max_examples=80)
def test_entries_of_any_lengths_are_found_as_a_plain_walk_finds_them(
    tmp_path_factory: pytest.TempPathFactory, runs: list[tuple[int, int]], cut: int, head: int
) -> None:
    payloads = [bytes([number % 251]) * length for number, (length, times) in enumerate(runs) for _ in range(times)]
    entries = [Entry(-(number**3) if number % 2 else number << 40, data) for number, data in enumerate(payloads)]
    data = segment_bytes(entries)
    data = data[: max(16, len(data) - cut)]
    path = written(tmp_path_factory.mktemp("walk"), data)
    whole = plain_walk(data)
    assert read(path) == whole
    found = index(path)
    assert [read_payload(path, *place) for place in zip(found.offset, found.length, strict=True)] == [
        e.payload for e in whole
    ]
    assert found.end + found.cut_bytes == len(data) == 16 + sum(12 + len(e.payload) for e in whole) + found.cut_bytes
    heads = [
        block.data[start : start + min(length, head)]
        for block in blocks(path, head=head)
        for start, length in zip(block.start.tolist(), block.length.tolist(), strict=True)
    ]
    assert heads == [entry.payload[:head] for entry in whole]


def plain_walk(data: bytes) -> list[Entry]:
    at, found = 16, []
    while at + 12 <= len(data):
        ts, length = struct.unpack_from("<qI", data, at)
        if at + 12 + length > len(data):
            break
        found.append(Entry(ts, data[at + 12 : at + 12 + length]))
        at += 12 + length
    return found


def test_blocks_are_of_a_size_that_fits_and_join_without_a_seam(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment, "FIRST_BYTES", 100)
    monkeypatch.setattr(segment, "BLOCK_BYTES", 300)
    entries = [Entry(number, bytes(number % 7 * 40)) for number in range(200)]
    path = written(tmp_path, segment_bytes(entries))
    found = list(blocks(path))
    assert len(found) > 20
    assert max(len(block.data) for block in found) <= 12 + 240 + 300
    assert read(path) == entries


def test_an_index_goes_on_where_a_grown_file_was_left(tmp_path: Path) -> None:
    entries = [(number, bytes(number)) for number in range(9)]
    data = segment_bytes(entries)
    path = written(tmp_path, data[:-3])
    first = index(path)
    assert len(first) == 8
    path.write_bytes(data)
    grown, anew = index(path, first), index(path)
    assert all(np.array_equal(getattr(grown, name), getattr(anew, name)) for name in ("ts_ns", "offset", "length"))
    assert (grown.end, grown.size, grown.cut_bytes) == (anew.end, anew.size, 0)


# The writer


def starts(folder: Path) -> list[int]:
    return [segment.start_ns(path) for path in segment_paths(folder / "segments")]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-24-rollover")])
def test_a_segment_ends_exactly_at_its_duration(_: None, tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        for ts in (5_000_000_000, 5_999_999_999, 6_000_000_000):
            log.append(ts, b"x")
    assert starts(tmp_path / "log") == [5_000_000_000, 6_000_000_000]
    assert [len(read(path)) for path in segment_paths(tmp_path / "log" / "segments")] == [2, 1]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-24-bytes")])
def test_what_is_appended_are_the_golden_bytes(_: None, tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        path, offset = log.append(5_000_000_042, V3)
    assert path.read_bytes().hex() == V5
    assert read_payload(path, offset, len(V3)) == V3


@pytest.mark.parametrize(
    ("retention", "left"),
    [
        pytest.param(3_000_000_000, [6, 7, 8, 9], id="auki-24-eviction"),
        pytest.param(0, list(range(10)), id="auki-24-keeps-all"),
    ],
)
def test_segments_are_evicted_by_the_time_of_the_data(retention: int, left: list[int], tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest(retention_ns=retention)) as log:
        for second in range(10):
            log.append(second * 1_000_000_000 + 100, b"x")
    assert starts(tmp_path / "log") == [second * 1_000_000_000 for second in left]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-24-reopen")])
def test_a_log_that_is_opened_again_keeps_its_manifest(_: None, tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        log.append(1, b"x")
    before = (tmp_path / "log" / "manifest.json").read_bytes()
    with LogWriter(tmp_path / "log", manifest(segment_duration_ns=7)) as log:
        assert log.manifest.segment_duration_ns == 1_000_000_000
        log.append(2_000_000_000, b"y")
    assert (tmp_path / "log" / "manifest.json").read_bytes() == before
    assert (tmp_path / "log" / "log_manifest.json").read_bytes() == before
    assert starts(tmp_path / "log") == [0, 2_000_000_000]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-24-negative")])
def test_a_negative_time_is_refused(_: None, tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log, pytest.raises(SegmentError, match="timestamp_ns must be ≥ 0"):
        log.append(-1, b"x")


def test_going_back_begins_a_segment_but_not_one_that_is_there(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        log.append(5_000_000_000, b"x")
        log.append(3_000_000_000, b"x")
        with pytest.raises(SegmentExistsError, match=r"is there already") as error:
            log.append(5_000_000_001, b"x")
        assert isinstance(error.value, FileExistsError)
    assert starts(tmp_path / "log") == [3_000_000_000, 5_000_000_000]


def test_another_retention_counts_from_the_next_append(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        for second in range(5):
            log.append(second * 1_000_000_000, b"x")
        log.set_retention(1_000_000_000)
        assert len(starts(tmp_path / "log")) == 5
        log.append(4_500_000_000, b"x")
        assert starts(tmp_path / "log") == [3_000_000_000, 4_000_000_000]
        with pytest.raises(ManifestError, match="must be greater than or equal to zero"):
            log.set_retention(-1)


def test_a_closed_writer_refuses_and_a_new_one_needs_a_manifest(tmp_path: Path) -> None:
    log = LogWriter(tmp_path / "log", manifest())
    log.close()
    log.close()
    with pytest.raises(SegmentError, match="closed"):
        log.append(1, b"")
    with pytest.raises(ManifestError, match="give its manifest"):
        LogWriter(tmp_path / "other")
    with pytest.raises(ManifestError, match="`app_id`: must not be empty"):
        LogWriter(tmp_path / "third", manifest(app_id=""))


# The tail


def test_a_tail_gives_what_is_appended_and_goes_over_to_the_next_segment(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        log.append(1, b"before")
        tail = Tail(tmp_path / "log")
        assert tail.poll() == []
        log.append(2, b"a")
        log.append(1_000_000_000, b"b")
        assert [(entry.ts_ns, entry.payload) for entry in tail.poll()] == [(2, b"a"), (1_000_000_000, b"b")]
        assert tail.poll() == []
        log.append(1_000_000_001, b"c")
        (entry,) = tail.poll()
        assert read_payload(entry.segment, entry.offset, 1) == b"c"


def test_a_tail_from_the_start_has_all_that_is_kept(tmp_path: Path) -> None:
    tail = Tail(tmp_path / "log", from_start=True)
    assert tail.poll() == []
    with LogWriter(tmp_path / "log", manifest(retention_ns=1)) as log:
        for second in range(4):
            log.append(second * 1_000_000_000, b"%d" % second)
    assert [entry.payload for entry in tail.poll()] == [b"2", b"3"]


def test_a_tail_waits_for_an_entry_that_is_being_written(tmp_path: Path) -> None:
    (tmp_path / "segments").mkdir()
    tail = Tail(tmp_path)
    data = segment_bytes([(1, b"abc"), (2, b"def")])
    path = written(tmp_path / "segments", data[:7], "0.seg")
    assert tail.poll() == []
    path.write_bytes(data[:-1])
    assert [entry.payload for entry in tail.poll()] == [b"abc"]
    path.write_bytes(data)
    assert [entry.payload for entry in tail.poll()] == [b"def"]


def test_a_tail_whose_segment_was_evicted_goes_on_with_the_next_one(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log", manifest()) as log:
        path, _ = log.append(1, b"a")
        tail = Tail(tmp_path / "log")
        log.append(5_000_000_000, b"b")
        path.unlink()
        assert [entry.payload for entry in tail.poll()] == [b"b"]

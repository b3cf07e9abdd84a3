"""Compressed streams: told by their first bytes, read to the last good byte."""

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import zstandard

import kit
from kit.io.streams import BrokenStreamError, Peekable, decompressed

PACK: dict[str, Callable[[bytes], bytes]] = {
    "gz": lambda data: gzip.compress(data, mtime=0),
    "zst": lambda data: zstandard.ZstdCompressor(write_checksum=True).compress(data),
    "bz2": bz2.compress,
}
DATA = b"".join(b'{"line":%d,"noise":"%x"}\n' % (i, Random(i).getrandbits(256)) for i in range(3000))


def unpacked(data: bytes, size: int = 1 << 16) -> tuple[bytes, str | None]:
    stream, pieces = decompressed(io.BytesIO(data)), []
    try:
        while piece := stream.read(size):
            pieces.append(piece)
    except BrokenStreamError as error:
        return b"".join(pieces), str(error)
    return b"".join(pieces), None


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("size", [1, 1000, 1 << 20])
def test_a_compressed_stream_reads_as_what_was_packed(suffix: str, size: int) -> None:
    data = DATA[:5000] if size == 1 else DATA
    assert unpacked(PACK[suffix](data), size) == (data, None)


@pytest.mark.parametrize("suffix", PACK)
def test_members_and_frames_follow_one_another(suffix: str) -> None:
    pack = PACK[suffix]
    assert unpacked(pack(DATA[:100]) + pack(b"") + pack(DATA[100:])) == (DATA, None)


@pytest.mark.parametrize("suffix", PACK)
def test_a_packed_nothing_is_nothing(suffix: str) -> None:
    assert unpacked(PACK[suffix](b"")) == (b"", None)


@pytest.mark.parametrize("suffix", PACK)
def test_a_stream_cut_at_any_byte_gives_a_prefix_and_says_so(suffix: str) -> None:
    packed = PACK[suffix](DATA[:3000])
    for end in range(4, len(packed)):
        data, problem = unpacked(packed[:end])
        assert DATA.startswith(data)
        assert problem is not None and "is cut before its end" in problem, end


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_most_of_a_cut_stream_is_read(suffix: str) -> None:
    packed = PACK[suffix](DATA)
    assert len(unpacked(packed[:-9])[0]) > (0.9 if suffix == "gz" else 0.2) * len(DATA)


@pytest.mark.parametrize("suffix", ["gz", "zst"])
def test_a_wrong_checksum_is_told_and_all_the_content_read(suffix: str) -> None:
    packed = bytearray(PACK[suffix](DATA))
    packed[-5 if suffix == "gz" else -1] ^= 1
    data, problem = unpacked(bytes(packed))
    assert data == DATA
    assert problem is not None and "corrupt" in problem


def test_a_corrupt_gzip_stream_is_read_to_its_last_good_byte() -> None:
    packed = bytearray(PACK["gz"](DATA))
    packed[len(packed) // 2] ^= 0xFF
    engine, good = zlib.decompressobj(31), b""
    with pytest.raises(zlib.error):
        for i in range(len(packed)):
            good += engine.decompress(bytes(packed[i : i + 1]))
    assert unpacked(bytes(packed))[0] == good


@pytest.mark.parametrize("suffix", PACK)
def test_a_flipped_bit_is_told_and_never_crashes(suffix: str) -> None:
    packed, rng = PACK[suffix](DATA[:20_000]), Random(4)
    for _ in range(60):
        broken = bytearray(packed)
        broken[rng.randrange(10, len(packed))] ^= 1 << rng.randrange(8)
        data, problem = unpacked(bytes(broken))
        assert problem is not None or data == DATA[:20_000]


@pytest.mark.parametrize(("suffix", "size", "most"), [("gz", 40, 6), ("bz2", 10, 3), ("zst", 300, 140)])
def test_a_small_stream_expands_piece_by_piece(suffix: str, size: int, most: int) -> None:
    stream = decompressed(io.BytesIO(PACK[suffix](bytes(size << 20))))
    assert 0 < len(stream.read(1 << 20)) <= most << 20


def test_zeros_after_a_gzip_member_are_padding_and_other_bytes_are_told() -> None:
    packed = PACK["gz"](DATA)
    assert unpacked(packed + bytes(5000)) == (DATA, None)
    data, problem = unpacked(packed + b"rubbish")
    assert data == DATA and problem is not None


def test_a_zstd_stream_may_begin_with_a_frame_to_be_skipped() -> None:
    skippable = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    assert unpacked(skippable + PACK["zst"](DATA)) == (DATA, None)


def test_peeking_takes_nothing_and_keeps_a_break_for_later() -> None:
    stream = decompressed(io.BytesIO(PACK["gz"](DATA)[:-4]))
    assert stream.peek(10) == DATA[:10]
    assert len(stream.peek(1 << 30)) == len(DATA)
    assert stream.read(5) == DATA[:5]
    assert stream.read(1 << 30) == DATA[5:]
    with pytest.raises(BrokenStreamError):
        stream.read(1)


def test_a_plain_stream_is_passed_on() -> None:
    assert isinstance(decompressed(io.BytesIO(b"BZ")), Peekable)
    assert unpacked(b"plain") == (b"plain", None)


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("keep", [0.3, 0.8, 1.0])
def test_a_cut_capture_loads_its_readable_prefix(suffix: str, keep: float, small_capture: Path, tmp_path: Path) -> None:
    lines = small_capture.read_bytes().splitlines(keepends=True)[:400]
    packed = PACK[suffix](b"".join(lines))
    path = tmp_path / f"cut.jsonl.{suffix}"
    path.write_bytes(packed[: int(len(packed) * keep) - 1])
    prefix, _ = unpacked(path.read_bytes())
    with kit.open() as study:
        report = study.load(path)
        assert report.rows == prefix.count(b"\n")
        assert report.quarantined == (0 if prefix.endswith(b"\n") or not prefix else 1)
        assert not report.complete
        assert "is cut before its end; what came before is loaded" in repr(report)
        assert study.sql("select complete, note from sources").rows()[0]["complete"] is False
        assert all(json.loads(row["raw"]) for row in study.sql("select raw from signals").rows())

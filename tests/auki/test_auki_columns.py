"""Bulk decoding gives what decoding one by one gives, for any mix of layouts, codecs and damage."""

from pathlib import Path
from typing import Any

import cbor2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from logs import segment_bytes
from payloads import KINDS, bits, values

from kit.auki import columns
from kit.auki.columns import Decoder
from kit.auki.payload import CODECS, decode, encode
from kit.auki.payload_fields import COLUMNS, LIST_FORMS, Kind
from kit.auki.segment import blocks, read_payload
from kit.errors import PayloadError


def decoded(path: Path, kind: Kind) -> tuple[list[dict[str, Any]], list[int]]:
    """Return the rows of a segment by bulk decoding, bytes read back from their places, and the bad entries."""
    decoder = Decoder(kind, lambda block, i: read_payload(path, int(block.offset[i]), int(block.length[i])))
    rows, bad, before = [], [], 0
    for block in blocks(path, head=decoder.head):
        found = decoder.decode(block)
        lists = {name: np.split(held.items, np.cumsum(held.counts)[:-1]) for name, held in found.lists.items()}
        for i, row in enumerate(found.row.tolist()):
            values = {name: column[i] for name, column in found.values.items()}
            values |= {name: tuple(held[i].tolist()) for name, held in lists.items()}
            rows.append(plain(kind, values, path, int(block.offset[row])) | {"entry": row + before})
        bad += [before + one.row for one in found.bad]
        before += len(block)
    return rows, bad


def plain(kind: Kind, given: dict[str, Any], path: Path, offset: int) -> dict[str, Any]:
    found = {name: value.item() if isinstance(value, np.generic) else value for name, value in given.items()}
    for column, form in COLUMNS[kind].items():
        if form == "bytes":
            at, length = found.pop(f"{column}_at"), found.pop(f"{column}_length")
            found[column] = read_payload(path, offset + at, length) if at >= 0 else length
    return found


def one_by_one(payloads: list[bytes], kind: Kind) -> tuple[list[dict[str, Any]], list[int]]:
    rows, bad = [], []
    for entry, payload in enumerate(payloads):
        try:
            rows += [row | {"entry": entry} for row in decode(kind, payload)]
        except PayloadError:
            bad.append(entry)
    return rows, bad


def check(folder: Path, kind: Kind, payloads: list[bytes]) -> None:
    path = folder / "0.seg"
    path.write_bytes(segment_bytes(enumerate(payloads)))
    rows, bad = decoded(path, kind)
    wanted, wrong = one_by_one(payloads, kind)
    assert bits(rows) == bits(wanted)
    assert sorted(bad) == wrong


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=20)
def test_any_mix_of_layouts_is_decoded_as_one_by_one(
    kind: Kind, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    samples = data.draw(st.lists(values(kind), min_size=1, max_size=4))
    payloads = []
    for _ in range(data.draw(st.integers(1, 60))):
        sample, codec = data.draw(st.sampled_from(samples)), data.draw(st.sampled_from(CODECS))
        payload = bytearray(encode(kind, sample, codec, shortest=data.draw(st.booleans())))
        if payload and data.draw(st.integers(0, 9)) == 0:
            payload[data.draw(st.integers(0, len(payload) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        payloads.append(bytes(payload))
    check(tmp_path_factory.mktemp("mix"), kind, payloads)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("kind", KINDS)
def test_equal_layouts_are_decoded_without_a_walk_for_each(
    kind: Kind, codec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    walk = columns.walk
    monkeypatch.setattr(columns, "walk", lambda *given: calls.append(given) or walk(*given))
    rng = np.random.default_rng(3)
    payloads = [encode(kind, sample(kind, rng), codec, shortest=False) for _ in range(500)]  # type: ignore[arg-type]
    check(tmp_path, kind, payloads)
    assert len(calls) <= 6


def sample(kind: Kind, rng: np.random.Generator) -> dict[str, Any]:
    """Return values whose encodings are of one layout."""
    found: dict[str, Any] = {}
    for column, form in COLUMNS[kind].items():
        if form in LIST_FORMS:
            found[column] = tuple(rng.normal(size=5).astype(np.float32).tolist())
        elif form == "bytes":
            found[column] = rng.bytes(300)
        elif form == "text":
            found[column] = "same"
        elif form == "double":
            found[column] = float(rng.normal())
        else:
            found[column] = int(rng.integers(70_000, 100_000))
    return found


def test_integers_of_one_layout_that_do_not_fit_are_bad_one_by_one(tmp_path: Path) -> None:
    payloads = [cbor2.dumps({"offset_ns": (1 << 63) - 5 + i, "uncertainty_ns": 300}) for i in range(10)]
    path = tmp_path / "0.seg"
    path.write_bytes(segment_bytes(enumerate(payloads)))
    rows, bad = decoded(path, "time_transform")
    assert [row["offset_ns"] for row in rows] == [(1 << 63) - 5 + i for i in range(5)]
    assert bad == [5, 6, 7, 8, 9]


def test_a_text_keeps_a_nul_at_its_end(tmp_path: Path) -> None:
    given = {"data": b"", "sensor_hash": "a\0", "type": "\0"}
    check(tmp_path, "detection", [encode("detection", given)] * 9)


def test_templates_that_are_kept_stay_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(columns, "MAX_KNOWN", 3)
    monkeypatch.setattr(columns, "MAX_NEW", 4)
    rng = np.random.default_rng(1)
    # Each number is of two or of eight bytes: of equal length are many layouts.
    names = list(COLUMNS["pose"])
    payloads = [
        encode("pose", {name: 0.5 if name in rng.permutation(names)[:3] else 0.1 for name in names}, "cbor")
        for _ in range(200)
    ]
    check(tmp_path, "pose", payloads)


def test_long_payloads_are_decoded_by_their_heads(tmp_path: Path) -> None:
    lens = {"fx": 1.0, "fy": 2.0, "cx": 3.0, "cy": 4.0, "distortion": (0.1,)}
    payloads = [encode("camera", lens | {"data": bytes(5000 + i)}, codec) for i in range(20) for codec in CODECS]
    check(tmp_path, "camera", payloads)


def test_a_long_payload_that_goes_on_after_its_data_is_read_as_a_whole(tmp_path: Path) -> None:
    lens = {"fx": 1.0, "fy": 2.0, "cx": 3.0, "cy": 4.0, "distortion_coefficients": []}
    turned = cbor2.dumps({"frame": bytes(9000), "dynamic_intrinsics": lens})
    pieces = b"\xa1\x65frame\x5f\x59\x20\x00" + bytes(8192) + b"\x41z\xff"
    pb = b"\x12\xa8\x46" + bytes(9000) + b"\x0a\x09\x09" + np.float64(7).tobytes()
    path = tmp_path / "0.seg"
    path.write_bytes(segment_bytes(enumerate([turned, pieces, pb] * 5)))
    rows, bad = decoded(path, "camera")
    assert bad == []
    assert [row["fx"] for row in rows[:3]] == [1.0, None, 7.0]
    assert [row["data"] if row["data"] == 8193 else len(row["data"]) for row in rows[:3]] == [9000, 8193, 9000]


def test_old_pose_payloads_among_others_keep_the_order_of_the_entries(tmp_path: Path) -> None:
    one = {"parent_frame": "a", "child_frame": "b", "translation": [1, 2, 3], "rotation_quat": [0, 0, 0, 1]}
    plain_pose = encode("pose", dict.fromkeys(COLUMNS["pose"], 0.5), "cbor", shortest=False)
    payloads = [plain_pose] * 5 + [cbor2.dumps({"transforms": [one] * 3})] + [plain_pose] * 5
    path = tmp_path / "0.seg"
    path.write_bytes(segment_bytes(enumerate(payloads)))
    rows, _ = decoded(path, "pose")
    assert [row["entry"] for row in rows] == [0, 1, 2, 3, 4, 5, 5, 5, 6, 7, 8, 9, 10]
    assert [row["from_frame"] for row in rows[4:9]] == [None, "a", "a", "a", None]

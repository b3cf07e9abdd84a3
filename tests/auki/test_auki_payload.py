"""Payloads: golden bytes, every width and shape a reader must take, and agreement with cbor2 and Google's protobuf."""

import struct
from typing import Any

import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from payloads import KINDS, bits, messages, plain, protobuf, values

from kit.auki.payload import CODECS, Codec, decode, encode, sniff
from kit.auki.payload_fields import FIELDS, Kind
from kit.errors import ArgumentError, PayloadError

V4 = (
    "a4696f66667365745f6e731a773591a86e756e6365727461696e74795f6e7318c866736f75726365706c6f63616c5f636c6f636b"
    "5f726561646d646973636f6e74696e756f7573f4"
)
CAMERA = {"fx": 410.5, "fy": 411, "cx": 16, "cy": 12, "distortion": (0.1, -0.25), "data": bytes.fromhex("00010203")}
POSE = {"tx": 1.5, "ty": -0.25, "tz": 0, "qx": 0, "qy": 0, "qz": 0.6, "qw": 0.8}
JOINTS = {"angles": (0.5, -1.25, struct.unpack("<f", struct.pack("<f", 0.1))[0])}
AUDIO = {"data": bytes.fromhex("0100ff7f")}
DETECTION = {
    "data": b'{"detections":[]}',
    "sensor_hash": "8295922307fa2b426453486ba87a59ef",
    "type": "object_detection",
}
OFFSET = {"offset_ns": -1500, "uncertainty_ns": 420}

GOLDEN: dict[str, tuple[Kind, dict[str, Any], Codec, bool, str]] = {
    "V2": (
        "time_transform", OFFSET, "cbor", True,
        "a2696f66667365745f6e733905db6e756e6365727461696e74795f6e731901a4",
    ),
    "V3": ("time_transform", OFFSET, "pb", True, "08a4f4ffffffffffffff0110a403"),
    "V3-positive": (
        "time_transform", {"offset_ns": 1999999400, "uncertainty_ns": 200}, "pb", True, "08a8a3d6b90710c801",
    ),
    "V3-zero": ("time_transform", {"offset_ns": 0, "uncertainty_ns": 0}, "pb", True, ""),
    "V7-shortest": (
        "camera", CAMERA, "cbor", True,
        "a27264796e616d69635f696e7472696e73696373a5626678f95e6a626679f95e6c626378f94c00626379f94a0077646973746f7274"
        "696f6e5f636f656666696369656e747382fb3fb999999999999af9b400656672616d654400010203",
    ),
    "V7-doubles": (
        "camera", CAMERA, "cbor", False,
        "a27264796e616d69635f696e7472696e73696373a5626678fb4079a80000000000626679fb4079b00000000000626378fb40300000"
        "00000000626379fb402800000000000077646973746f7274696f6e5f636f656666696369656e747382fb3fb999999999999afbbfd0"
        "000000000000656672616d654400010203",
    ),
    "V7-pb": (
        "camera", CAMERA, "pb", True,
        "0a36090000000000a87940110000000000b079401900000000000030402100000000000028402a109a9999999999b93f0000000000"
        "00d0bf120400010203",
    ),
    "V7-bare": (
        "camera", dict.fromkeys(("fx", "fy", "cx", "cy")) | {"distortion": (), "data": b"\xff\xd8"}, "pb", True,
        "1202ffd8",
    ),
    "V8-cbor": (
        "pose", POSE, "cbor", True,
        "a26b7472616e736c6174696f6ea36178f93e006179f9b400617af900006b6f7269656e746174696f6ea46178f900006179f9000061"
        "7afb3fe33333333333336177fb3fe999999999999a",
    ),
    "V8-pb": (
        "pose", POSE, "pb", True,
        "0a1209000000000000f83f11000000000000d0bf121219333333333333e33f219a9999999999e93f",
    ),
    "V9-cbor": ("joints", JOINTS, "cbor", True, "a16a616e676c65735f72616483f93800f9bd00fa3dcccccd"),
    "V9-pb": ("joints", JOINTS, "pb", True, "0a0c0000003f0000a0bfcdcccc3d"),
    "V10-cbor": ("audio", AUDIO, "cbor", True, "a16464617461440100ff7f"),
    "V10-pb": ("audio", AUDIO, "pb", True, "0a040100ff7f"),
    "V11": (
        "detection", DETECTION, "pb", True,
        "0a117b22646574656374696f6e73223a5b5d7d122038323935393232333037666132623432363435333438366261383761353965661a"
        "106f626a6563745f646574656374696f6e",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [pytest.param(case, id=f"auki-20-{name}") for name, case in GOLDEN.items()])
def test_golden_payloads_encode_and_decode_to_the_byte(case: tuple[Kind, dict[str, Any], Codec, bool, str]) -> None:
    kind, given, codec, shortest, text = case
    assert encode(kind, given, codec, shortest=shortest).hex() == text
    assert decode(kind, bytes.fromhex(text)) == [given]


@pytest.mark.parametrize("_", [pytest.param(None, id="auki-20-V4")])
def test_the_old_time_transform_with_two_more_keys_is_read(_: None) -> None:
    assert decode("time_transform", bytes.fromhex(V4)) == [{"offset_ns": 1999999400, "uncertainty_ns": 200}]


@pytest.mark.parametrize("kind", KINDS)
@given(st.data())
@settings(max_examples=25)
def test_what_is_encoded_is_decoded_and_is_what_others_write_and_read(kind: Kind, data: st.DataObject) -> None:
    given = data.draw(values(kind))
    for codec in CODECS:
        assert bits(decode(kind, encode(kind, given, codec))) == bits([floated(kind, given)])
    written = encode(kind, given, "pb")
    assert written == protobuf(kind, given)
    assert messages()[kind].FromString(written).SerializeToString(deterministic=True) == written
    cbor = encode(kind, given, "cbor")
    assert bits(cbor2.loads(cbor)) == bits(plain(kind, floated(kind, given)))
    if kind != "joints":  # cbor2 does not know which floats have 32 bits
        wide = encode(kind, given, "cbor", shortest=False)
        assert bits(cbor2.loads(wide)) == bits(plain(kind, floated(kind, given)))
        assert bits(decode(kind, wide)) == bits([floated(kind, given)])


def floated(kind: Kind, given: dict[str, Any]) -> dict[str, Any]:
    return {
        name: float(value) if isinstance(value, int) and kind != "time_transform" else value
        for name, value in given.items()
    }


@pytest.mark.parametrize("width", [">e", ">f", ">d"])
def test_floats_of_any_width_are_read(width: str) -> None:
    prefix = {">e": b"\xf9", ">f": b"\xfa", ">d": b"\xfb"}[width]
    items = b"".join(prefix + struct.pack(width, number) for number in (0.5, -2.0))
    assert decode("joints", b"\xa1\x6aangles_rad\x82" + items) == [{"angles": (0.5, -2.0)}]


INTEGERS = [
    (number, sign, width)
    for number in (0, 23, 24, 255, 256, 65535, 65536, 2**32 - 1, 2**32, 2**63 - 1)
    for sign in (1, -1)
    for width in (1, 2, 4, 8)
    if number >> (8 * width) == 0
]


@pytest.mark.parametrize(("number", "sign", "width"), INTEGERS)
def test_integers_of_any_width_are_read(number: int, sign: int, width: int) -> None:
    info = {1: 24, 2: 25, 4: 26, 8: 27}[width]
    item = bytes([(0 if sign > 0 else 1) << 5 | info]) + number.to_bytes(width, "big")
    payload = b"\xa2\x69offset_ns" + item + b"\x6euncertainty_ns\x01"
    wanted = number if sign > 0 else -1 - number
    assert decode("time_transform", payload) == [{"offset_ns": wanted, "uncertainty_ns": 1}]


def test_integers_stand_for_floats() -> None:
    assert decode("joints", cbor2.dumps({"angles_rad": [1, -2, 300]})) == [{"angles": (1.0, -2.0, 300.0)}]


def test_indefinite_lengths_are_read() -> None:
    text = b"\x7f\x65angle\x65s_rad\xff"
    assert decode("joints", b"\xbf" + text + b"\x9f\xf9\x38\x00\xff\xff") == [{"angles": (0.5,)}]
    assert decode("audio", b"\xbf\x64data\x5f\x41a\x42bc\xff\xff") == [{"data": b"abc"}]


def test_bytes_as_an_array_of_integers_are_read() -> None:
    assert decode("audio", cbor2.dumps({"data": [0, 1, 255, 127]})) == [{"data": b"\x00\x01\xff\x7f"}]
    with pytest.raises(PayloadError, match="not a byte of 0 to 255"):
        decode("audio", cbor2.dumps({"data": [256]}))


def test_unknown_keys_of_any_shape_and_tags_are_passed_over() -> None:
    odd = {"x": {"a": [1, {"b": b"c"}], "t": "u"}, "y": [[], {}], "z": None, "w": 1.5, "v": True}
    payload = cbor2.dumps(odd | {"angles_rad": [0.5]})
    assert decode("joints", payload) == [{"angles": (0.5,)}]
    tagged = b"\xa1\x64data" + b"\xd8\x40" + b"\x42ab"
    assert decode("audio", tagged) == [{"data": b"ab"}]
    assert decode("audio", b"\xa2\x61x\xbf\x61y\x9f\x01\x5f\x41a\xff\xff\xff\x64data\x41z") == [{"data": b"z"}]


def test_unknown_protobuf_fields_of_any_wire_type_are_passed_over() -> None:
    unknown = b"\x78\x05" + b"\x71" + bytes(8) + b"\x6a\x02ab" + b"\x65" + bytes(4)
    assert decode("audio", unknown + b"\x0a\x01z" + unknown) == [{"data": b"z"}]


def test_the_old_pose_payload_has_a_row_for_each_transform() -> None:
    one = {"parent_frame": "a", "child_frame": "b", "translation": [1, 2.5, 3], "rotation_quat": [0, 0, 0, 1]}
    found = decode("pose", cbor2.dumps({"transforms": [one, one | {"child_frame": "c"}]}))
    assert [(row["from_frame"], row["to_frame"], row["ty"], row["qw"]) for row in found] == [
        ("a", "b", 2.5, 1.0),
        ("a", "c", 2.5, 1.0),
    ]
    assert decode("pose", cbor2.dumps({"transforms": []})) == []
    with pytest.raises(PayloadError, match="rotation_quat of transform 0 has 3 numbers, not 4"):
        decode("pose", cbor2.dumps({"transforms": [one | {"rotation_quat": [0, 0, 1]}]}))
    with pytest.raises(PayloadError, match="transform 0 lacks the key 'parent_frame'"):
        decode("pose", cbor2.dumps({"transforms": [{k: v for k, v in one.items() if k != "parent_frame"}]}))


def test_absent_protobuf_parts_have_their_defaults() -> None:
    identity = dict.fromkeys(("tx", "ty", "tz", "qx", "qy", "qz"), 0.0) | {"qw": 1.0}
    assert decode("pose", b"") == [identity]
    assert decode("pose", bytes.fromhex("0a00")) == [identity]
    assert decode("pose", bytes.fromhex("1200")) == [identity | {"qw": 0.0}]
    assert decode("camera", b"") == [dict.fromkeys(("fx", "fy", "cx", "cy")) | {"distortion": (), "data": b""}]
    assert decode("camera", bytes.fromhex("0a00"))[0]["fx"] == 0.0
    assert decode("detection", b"") == [{"data": b"", "sensor_hash": "", "type": ""}]
    assert decode("joints", b"") == [{"angles": ()}]


def test_pose_numbers_of_32_bits_and_unpacked_joints_are_read() -> None:
    translation = b"\x0d" + struct.pack("<f", 1.5) + b"\x15" + struct.pack("<f", -2)
    pose = decode("pose", b"\x0a" + bytes([len(translation)]) + translation)[0]
    assert (pose["tx"], pose["ty"], pose["tz"], pose["qw"]) == (1.5, -2.0, 0.0, 1.0)
    unpacked = b"\x0d" + struct.pack("<f", 0.5) + b"\x0a\x04" + struct.pack("<f", 1) + b"\x0d" + struct.pack("<f", 2)
    assert decode("joints", unpacked) == [{"angles": (0.5, 1.0, 2.0)}]


def test_a_point_cloud_with_a_count_before_its_data_is_told_by_the_wire_type() -> None:
    assert decode("point_cloud", b"\x08\x02\x12\x03abc") == [{"data": b"abc"}]
    assert decode("point_cloud", b"\x0a\x03abc") == [{"data": b"abc"}]
    assert decode("point_cloud", b"\x12\x03abc") == [{"data": b"abc"}]


def test_a_field_that_stands_twice_counts_as_google_counts_it() -> None:
    one, two = encode("pose", POSE, "pb"), bytes.fromhex("0a09190000000000001440")
    merged = messages()["pose"].FromString(one + two)
    found = decode("pose", one + two)[0]
    assert (found["tx"], found["tz"]) == (merged.translation.x, merged.translation.z) == (1.5, 5.0)
    twice = encode("camera", CAMERA, "pb") + encode("camera", CAMERA | {"data": b"z"}, "pb")
    seen = messages()["camera"].FromString(twice)
    found = decode("camera", twice)[0]
    assert (found["data"], found["distortion"]) == (seen.frame, tuple(seen.dynamic_intrinsics.distortion_coefficients))


def test_integers_beyond_their_form_lose_bits_in_protobuf_and_are_errors_in_cbor() -> None:
    wide = bytes.fromhex("10ffffffffffffffffff01")
    assert decode("time_transform", wide) == [{"offset_ns": 0, "uncertainty_ns": 2**32 - 1}]
    assert messages()["time_transform"].FromString(wide).uncertainty_ns == 2**32 - 1
    with pytest.raises(PayloadError, match="uncertainty_ns 4294967296 is out of the range of uint32"):
        decode("time_transform", cbor2.dumps({"offset_ns": 1, "uncertainty_ns": 2**32}))
    with pytest.raises(PayloadError, match="offset_ns 9223372036854775808 is out of the range of int64"):
        decode("time_transform", cbor2.dumps({"offset_ns": 2**63, "uncertainty_ns": 0}))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (b"\xa0", "joints lacks the key 'angles_rad'"),
        (b"\xa1\x6aangles_rad\x9a\xff\xff\xff\xff", "ends early: 4294967295 bytes wanted"),
        (b"\xa1\x6aangles_rad\x81\x61x", "angles: not a number"),
        (b"\xa1\x6aangles_rad", "ends early"),
        (b"\xa1\x6aangles_rad\x80\x00", "1 bytes after the end"),
        (b"\xa2\x6aangles_rad\x80\x6aangles_rad\x80", "stands twice"),
        (b"\xa1\x01\x80", "not a string"),
        (b"\xa1\x62\xff\xff\x80", "not UTF-8"),
        (b"\xa1\x61x" + b"\x81" * 40 + b"\x00", "containers inside each other"),
        (b"\xa1\x61x\x1c", "not the begin of a CBOR item"),
        (b"\xb9\xff\xff", "ends early: 131070 bytes"),
        (b"\x0a\x05\x00\x00\x00\x00\x00", "not a multiple of 4"),
        (b"\x0a\xff\xff\xff\xff\x0f", "ends early: 4294967295 bytes wanted"),
        (b"\x0a", "ends early"),
        (b"\x00", "field number 0"),
        (b"\x0b", "wire type 3"),
        (b"\x78" + b"\xff" * 11, "a varint of more than 10 bytes"),
        (b"\x71\x00", "ends early"),
    ],
)
def test_a_broken_payload_is_refused_in_words(payload: bytes, message: str) -> None:
    with pytest.raises(PayloadError, match=message):
        decode("joints", payload)


def test_text_that_is_no_utf8_is_refused() -> None:
    with pytest.raises(PayloadError, match="sensor_hash: not UTF-8"):
        decode("detection", b"\x12\x01\xff")


@given(st.sampled_from(KINDS), st.binary(max_size=80))
@settings(max_examples=100)
def test_any_bytes_are_values_or_a_payload_error(kind: Kind, data: bytes) -> None:
    for payload in (data, b"\xa1" + data, b"\x0a" + data):
        try:
            found = decode(kind, payload)
        except PayloadError:
            continue
        assert isinstance(found, list)


@given(st.sampled_from(KINDS), st.data())
@settings(max_examples=60)
def test_what_google_reads_of_changed_bytes_is_read_alike(kind: Kind, data: st.DataObject) -> None:
    changed = bytearray(encode(kind, data.draw(values(kind)), "pb"))
    for at in data.draw(st.lists(st.integers(0, max(len(changed) - 1, 0)), max_size=2)) if changed else []:
        changed[at] ^= 1 << data.draw(st.integers(0, 7))
    if sniff(bytes(changed)) == "cbor":
        return
    try:
        found = decode(kind, bytes(changed))[0]
    except PayloadError:
        return  # groups, which Google still reads, are refused
    message = messages()[kind].FromString(bytes(changed))
    for field in FIELDS[kind]:
        if field.form in ("int64", "uint32", "bytes", "text") and kind != "point_cloud":
            assert found[field.column] == getattr(message, field.key)


def test_values_that_a_codec_cannot_hold_are_refused() -> None:
    with pytest.raises(PayloadError, match="uncertainty_ns -1 is out of the range of uint32"):
        encode("time_transform", {"offset_ns": 0, "uncertainty_ns": -1})
    with pytest.raises(PayloadError, match=r"offset_ns 1\.5"):
        encode("time_transform", {"offset_ns": 1.5, "uncertainty_ns": 0})
    with pytest.raises(PayloadError, match="pose without 'qw'"):
        encode("pose", {name: value for name, value in POSE.items() if name != "qw"})
    for codec in CODECS:
        with pytest.raises(PayloadError, match="32-bit float"):
            encode("joints", {"angles": [1e300]}, codec)
    with pytest.raises(ArgumentError, match="codec='json': give 'pb' or 'cbor'"):
        encode("pose", POSE, "json")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("head", "codec"),
    [
        pytest.param(b"\xa0", "cbor", id="auki-21-first"),
        pytest.param(b"\xbf", "cbor", id="auki-21-last"),
        pytest.param(b"\x9f", "pb", id="auki-21-before"),
        pytest.param(b"\xc0", "pb", id="auki-21-after"),
        pytest.param(b"\x0a", "pb", id="auki-21-tag"),
        pytest.param(b"", "pb", id="auki-21-empty"),
    ],
)
def test_the_first_byte_tells_the_codec(head: bytes, codec: Codec) -> None:
    assert sniff(head) == codec

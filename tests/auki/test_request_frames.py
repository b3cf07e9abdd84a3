"""Requests as bytes: golden frames, round trips, and bytes that are no request (spec/auki.md 1.8 and 3.7)."""

import pytest
from clusters import row
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.auki import ReadFrom, StreamProtocolError, StreamRequest, wire

GOLDEN = [
    (ReadFrom.latest(), "0000001b0a19120d686561645f6c6566745f7267621a0667616c626f742200"),
    (ReadFrom.from_start(), "0000001b0a19120d686561645f6c6566745f7267621a0667616c626f742a00"),
    (
        ReadFrom.from_timestamp(5000000042),
        "000000210a1f120d686561645f6c6566745f7267621a0667616c626f74320608aae497d012",
    ),
]


@pytest.mark.parametrize(("start", "frame"), [pytest.param(*case, id=f"auki-20-V13-{case[0].kind}") for case in GOLDEN])
def test_a_golden_request_is_encoded_and_decoded_byte_for_byte(start: ReadFrom, frame: str) -> None:
    request = StreamRequest("head_left_rgb", "galbot", start)
    assert wire.encode_request(request).hex() == frame
    assert wire.decode_request(bytes.fromhex(frame)) == request


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
starts = st.one_of(
    st.just(ReadFrom.latest()),
    st.just(ReadFrom.from_start()),
    st.integers(-(2**63), 2**63 - 1).map(ReadFrom.from_timestamp),
)


@settings(max_examples=80)
@given(texts, texts, starts)
def test_any_request_survives_its_frame(resource_id: str, source: str, start: ReadFrom) -> None:
    request = StreamRequest(resource_id, source, start)
    assert wire.decode_request(wire.encode_request(request)) == request


@settings(max_examples=100)
@given(st.binary(max_size=60))
def test_no_bytes_do_worse_than_a_protocol_error(body: bytes) -> None:
    for data in (body, len(body).to_bytes(4, "big") + body):
        try:
            assert isinstance(wire.decode_request(data), StreamRequest)
        except StreamProtocolError:
            continue


def test_unknown_fields_are_passed_over() -> None:
    inner = bytes.fromhex("12016d" + "7805" + "2a00" + "7d01020304" + "790102030405060708")
    body = b"\x0a" + bytes([len(inner)]) + inner
    assert wire.decode_request(wire.frame(body)) == StreamRequest("m", from_=ReadFrom.from_start())


@pytest.mark.parametrize("data", ["", "000000", "00000000", "0000000101", "00000001", "ffffffff00", "000000020a05"])
def test_a_broken_frame_is_a_protocol_error(data: str) -> None:
    with pytest.raises(StreamProtocolError):
        wire.decode_request(bytes.fromhex(data))


def test_catalog_messages_are_framed_json_of_at_most_a_mebibyte() -> None:
    assert wire.catalog_request().hex() == "000000027b7d"
    assert wire.unframe(wire.catalog_request(["pose_log"])) == b'{"variants":["pose_log"]}'
    assert wire.unframe(wire.catalog_answer([row()])) == b'{"resources":[' + row().to_json().encode() + b"]}"
    with pytest.raises(ValueError, match="unknown variant `x`"):
        wire.catalog_request(["x"])
    with pytest.raises(StreamProtocolError, match="1,048,576"):
        wire.catalog_answer([row("x" * (1 << 20))])

"""Canonical JSON, ids and hash levels, against the golden vectors (spec/syncropel.md 2 and 12, items 1 to 7)."""

import datetime
import decimal
import json
from pathlib import Path
from typing import Any

import pytest

from kit.syncropel import (
    ActType,
    DataType,
    Record,
    canonical_json,
    canonical_value,
    hash_levels,
    portability_warnings,
    record_id,
    server_id,
    sha256_hex,
)

VECTORS = json.loads((Path(__file__).parent / "data" / "syncropel-vectors.json").read_text("utf-8"))
RECORDS = [pytest.param(vector, id=f"syncropel-1-{vector['name']}") for vector in VECTORS["records"]]


@pytest.mark.parametrize("vector", RECORDS)
def test_a_record_has_the_text_and_the_hashes_of_its_vector(vector: dict[str, Any]) -> None:
    record = vector["record"]
    assert canonical_json(record) == vector["canonical"]
    assert server_id(record) == record_id(record) == vector["id7"]
    assert record_id({key: value for key, value in record.items() if key != "data_type"}) == vector["id6"]


def accepted(value: Any, text: str, digest: str, name: str) -> Any:
    return pytest.param(value, text, digest, id=f"syncropel-2-{name}")


ACCEPTED = [
    accepted(
        {2: 2, 10: 1}, '{"2":2,"10":1}', "dc5112abbfbc9139140c11ce20e6b2b2a071282a6b0008e6171a6be4dc7c440c", "int keys"
    ),
    accepted({True: 1}, '{"true":1}', "266571c70b7387818a3f8cecc392e5f8d5d6b1ee88f1249cedb5520f6eb5119a", "bool key"),
    accepted({None: 1}, '{"null":1}', "8e4ebae88804d46d2c9c236ab446bf7a021272923aa2ff6925ab6dccdb83203c", "None key"),
    accepted(
        {1.0: 1, 2.5: 2},
        '{"1.0":1,"2.5":2}',
        "fc3029f9ac553426fcec9dd2e7dc0bedc855b0655b5ef936281a37be04e05100",
        "float keys",
    ),
    accepted(ActType.PUT, '"PUT"', "1e39e69535880d34e1dfc82564161e21f7257564b8fa711b34b7f24f07c5ef5f", "enum"),
    accepted(1e300, str(int(1e300)), "aa0f3fceaa45933fb24017023a0d27e94a32d9f4d8b2e4fa1635cc393c1b146a", "1e300"),
    accepted(-0.0, "0", "ec4f95abcb4e2e3dbe856c3eb2f81995eacb3823d40aa2e78ed4c5e1798f664d", "minus zero"),
    accepted(1e16, "10000000000000000", "27f0b3ad1886987ede720fd17ddf862acdb4a4b5620723c1e37cb058d6060e96", "1e16"),
    accepted(1e15, "1000000000000000", "86c9cd52c9489977eadc114f344c73433d36601dd580edabe71fbf78f7b5ca91", "1e15"),
    accepted(5e-324, "5e-324", "8a00b7e065be3a20529e22853424bb565596997d86ddd6c27f9aff1b5c2222f8", "least float"),
    accepted(
        1.7976931348623157e308,
        str(int(1.7976931348623157e308)),
        "5809ad872d20578bf836fa36c4654919dc81a8f6c9b2daa976ea7bd639180765",
        "greatest float",
    ),
    accepted(
        0.1 + 0.2, "0.30000000000000004", "a02d5e22a1821d2ae6d9bfbd6f9f85a2622dd7f07dd0400b34204e8874ae2387", "0.1+0.2"
    ),
    accepted(1e-4, "0.0001", "27fe565604c6b0804e4e1797c3c3fc380bcdacfce1751f3a3ecd868723897983", "1e-4"),
    accepted(1.0e-5, "1e-05", "20c9ecb845127016018197861d71e138deb967639c236c61fc1b244d7234b5f4", "1e-5"),
    accepted(
        123456789.123456789,
        "123456789.12345679",
        "eaa94399e3d1dc92a5eee8a94276edc968571cc31a714d03657624416598b5c6",
        "long",
    ),
    accepted(
        float(2**53 + 1),
        "9007199254740992",
        "e7b4b245a4ee0feb03c7c89a9f9a4fff2ef33d95b8fc40b016cd2620d49842bd",
        "2^53+1",
    ),
    accepted("\u2028", '"\u2028"', "aad38991a583c69f02462e9b7b970d298fa49e0758f4adf575e199ab8f6ad182", "U+2028"),
    accepted("\x7f", '"\x7f"', "92ea033d59ffd80063dc8bffb27f540f53bc8c8a33c3a5ad67651727b50bc47c", "delete"),
]


@pytest.mark.parametrize(("value", "text", "digest"), ACCEPTED)
def test_a_value_has_the_listed_text_and_hash(value: Any, text: str, digest: str) -> None:
    assert canonical_json({"v": value}) == f'{{"v":{text}}}'
    assert sha256_hex(canonical_json({"v": value})) == digest


PARSED = [
    pytest.param(text, canonical, digest, id=f"syncropel-2-parse-{text}")
    for text, canonical, digest in (
        ('{"a":1,"a":2}', '{"a":2}', "c48442f826734f6fb0301bed28faf4c6205067aebf980eb2c097713aa1ce9238"),
        ("-0", "0", "ec4f95abcb4e2e3dbe856c3eb2f81995eacb3823d40aa2e78ed4c5e1798f664d"),
        ("1E5", "100000", "5868938fc87c3f923ee0c9e4f86436d8ea9791581bff0b6e204c4338d36528b7"),
        ("0.10", "0.1", "8ec9c466832e74cab1700269790aa649b06fb67989ecf3ac8e6e3c2e5cde2b3a"),
        (r'"\ud83d\ude00"', '"\U0001f600"', "d3e54b11635291b9829749f9fbbbf3f2c4a9590e8806464567f15416f188fc3b"),
        (r'"a\/b"', '"a/b"', "d5224c96f154b8d85af87c679cd5117188ea9c04798d45b631bee4427dc12c4e"),
    )
]


@pytest.mark.parametrize(("text", "canonical", "digest"), PARSED)
def test_a_parsed_text_has_the_listed_text_and_hash(text: str, canonical: str, digest: str) -> None:
    assert canonical_json({"v": json.loads(text)}) == f'{{"v":{canonical}}}'
    assert sha256_hex(f'{{"v":{canonical}}}') == digest


REJECTED = [
    pytest.param(value, error, message, id=f"syncropel-2-rejects-{message}")
    for value, error, message in (
        (float("nan"), ValueError, "NaN and Infinity not allowed in canonical JSON: nan"),
        (float("inf"), ValueError, "NaN and Infinity not allowed in canonical JSON: inf"),
        (json.loads("1e400"), ValueError, "NaN and Infinity not allowed in canonical JSON: inf"),
        ((1,), TypeError, "Unsupported type: tuple"),
        ({1}, TypeError, "Unsupported type: set"),
        (b"x", TypeError, "Unsupported type: bytes"),
        (decimal.Decimal(1), TypeError, "Unsupported type: Decimal"),
        (datetime.datetime(2026, 1, 1), TypeError, "Unsupported type: datetime"),
        ({1: 1, "a": 2}, TypeError, "'<' not supported between instances of"),
    )
]


@pytest.mark.parametrize(("value", "error", "message"), REJECTED)
def test_a_value_without_a_canonical_form_is_refused(value: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error) as raised:
        canonical_json({"v": value})
    assert str(raised.value).startswith(message)


def test_syncropel_2_a_lone_surrogate_has_a_text_and_no_hash() -> None:
    assert canonical_json({"v": "\ud800"}) == '{"v":"\ud800"}'
    with pytest.raises(UnicodeEncodeError, match="position 6"):
        record_id({"v": "\ud800"})


LEVELS = [
    pytest.param(vector, id=f"syncropel-3-{vector['act']}-{i}") for i, vector in enumerate(VECTORS["hash_levels"])
]


@pytest.mark.parametrize("vector", LEVELS)
def test_the_hash_levels_are_those_of_the_vector(vector: dict[str, Any]) -> None:
    levels = hash_levels(vector["act"], vector["body"])
    assert {name: getattr(levels, name) for name in ("l0", "l1", "l2", "l3")} == {
        name: vector[name] for name in ("l0", "l1", "l2", "l3")
    }


def test_syncropel_3_an_empty_string_is_no_absent_key() -> None:
    assert hash_levels("PUT", {"operation": ""}) != hash_levels("PUT", {})
    assert hash_levels("PUT", {"operation": "put"})[1:] == hash_levels("PUT", {})[1:]


def test_syncropel_4_composed_and_decomposed_text_differ() -> None:
    assert server_id({"body": {"s": "é"}}) != server_id({"body": {"s": "e\u0301"}})


def test_syncropel_5_a_record_hashes_six_fields_unless_seven_are_asked_for() -> None:
    record = Record("PUT", "did:example:me", {"a": 1.0}, 3, ["b", "a", "a"], "t", DataType.VOID, "did:example:judge")
    six = {
        "act": "PUT",
        "actor": "did:example:me",
        "body": {"a": 1},
        "clock": 3,
        "parents": ["a", "a", "b"],
        "thread": "t",
    }
    assert record.to_dict() == six
    assert record_id(record) == record_id(six)
    assert record_id(record, fields=7) == record_id({**six, "data_type": "VOID"}) == server_id(record.to_api_dict())
    assert record.to_api_dict() == {**six, "data_type": "VOID", "judged_by": "did:example:judge"}
    assert "judged_by" not in Record("PUT", "a").to_api_dict()


def test_syncropel_5_a_dict_is_hashed_whole_whatever_fields_says() -> None:
    record = Record(ActType.PUT, "did:example:me", thread="t").to_dict_7field()
    assert (
        record_id(record) == record_id(record, fields=6) == record_id(record, fields=7) == VECTORS["records"][0]["id7"]
    )
    assert record_id({**record, "id": "x"}) != record_id(record)
    assert record_id({"parents": ["b", "a"]}) != record_id({"parents": ["a", "b"]})


def test_syncropel_5_a_string_given_as_parents_is_its_characters() -> None:
    assert Record("PUT", "a", parents="cab").to_dict()["parents"] == ["a", "b", "c"]


@pytest.mark.parametrize("key", ["judged_by", "object", "sequence", "namespace", "created_at", "id", "score"])
def test_syncropel_6_keys_that_are_no_field_never_matter(key: str) -> None:
    record = VECTORS["records"][1]["record"]
    assert server_id({**record, key: 7}) == VECTORS["records"][1]["id7"]


def test_syncropel_6_fields_are_hashed_as_written() -> None:
    assert server_id({"act": "PUT"}) == "9b1343d3c9a4fa8b51697da6affbe655f5c6957ff1210d00550a4f8b20db1cf9"
    assert server_id({"act": "PUT", "parents": []}) != server_id({"act": "PUT"})
    assert server_id({"parents": ["b", "a"]}) != server_id({"parents": ["a", "b"]})


def test_syncropel_7_one_is_one_and_not_true() -> None:
    ids = {server_id({"body": {"n": json.loads(text)}}) for text in ("1", "1.0", "1e0", "10e-1")}
    assert len(ids) == 1
    assert server_id({"body": {"n": True}}) not in ids


def test_a_canonical_value_is_a_sorted_copy() -> None:
    given = {"b": [1.0, {"d": 2.5, "c": None}], "a": True}
    assert canonical_value(given) == {"a": True, "b": [1, {"c": None, "d": 2.5}]}
    assert list(canonical_value(given)) == ["a", "b"]
    assert type(given["b"][0]) is float  # type: ignore[index]


PORTABILITY = [
    ({"x": [{"lr": 1e-5}]}, ["$.x[0].lr"], "JavaScript 0.00001"),
    ({"lr": 1.5e-7}, ["$.lr"], "JavaScript 1.5e-7"),
    ({"lr": 1e-10}, [], ""),
    ({"lr": 1e-4}, [], ""),
    ({"n": 2**53}, [], ""),
    ({"n": 2**53 + 1}, ["$.n"], "beyond 2^53"),
    ({"n": -(2**53) - 1}, ["$.n"], "beyond 2^53"),
    ({"n": 1e16}, [], ""),
    ({"n": 1e21}, ["$.n"], "all digits"),
    ({"n": 1.2345678901234568e20}, ["$.n"], "all digits"),
    ({"\U0001f600": 1, "\uff5e": 2}, ["$"], "UTF-16"),
    ({"\U0001f600": 1, "z": 2}, [], ""),
    ({"s": "\ud800"}, ["$.s"], "surrogate"),
    ({"\ud800": 1}, ["$"], "surrogate"),
    ({"n": float("nan")}, ["$.n"], "not a finite number"),
    ({"t": True, "n": None, "s": "é"}, [], ""),
]


@pytest.mark.parametrize(("body", "paths", "reason"), PORTABILITY)
def test_values_that_hang_on_the_language_are_named(body: dict[str, Any], paths: list[str], reason: str) -> None:
    warnings = portability_warnings(body)
    assert [warning.path for warning in warnings] == paths
    assert all(reason in warning.reason for warning in warnings)


def test_deep_bodies_are_walked_without_recursion() -> None:
    body: Any = 1e-5
    for _ in range(5000):
        body = [body]
    assert [warning.value for warning in portability_warnings(body)] == [1e-5]

"""The published package, as a black box, gives the same texts and ids as the kit."""

import json
from typing import Any

import pytest
import syncropel as peer
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from kit import syncropel as kit

NUMBERS = st.one_of(
    st.integers(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.floats(1e-12, 1e-3),
    st.sampled_from([0.0, -0.0, 1e-4, 1e-5, 1e16, 1e21, 1e22, 5e-324, 1.5, 2.0**53, 2.0**63, 2.0**64, 2**63, 2**64]),
)
TEXTS = st.text(max_size=12) | st.sampled_from(
    ["\u2028", "\x7f", "é", "e\u0301", "\ud800", '"\\/\b\f', "\x00\x1f", "\U0001f600"]
)
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS


def nested(keys: SearchStrategy[Any], leaves: SearchStrategy[Any]) -> SearchStrategy[Any]:
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4))


BODIES = st.dictionaries(TEXTS, nested(TEXTS, SCALARS), max_size=5)
ODD = nested(
    st.one_of(TEXTS, st.integers(), st.booleans(), st.none()), SCALARS | st.binary(max_size=2) | st.tuples(st.just(1))
)
FIELDS = st.fixed_dictionaries(
    {
        "act": st.sampled_from([*kit.ActType.__members__, "put", ""]),
        "actor": TEXTS,
        "body": BODIES,
        "clock": st.integers(0, 2**64) | NUMBERS,
        "parents": st.lists(TEXTS, max_size=3),
        "thread": TEXTS,
        "data_type": st.sampled_from([*kit.DataType.__members__, "X"]),
        "judged_by": st.none() | TEXTS,
    }
)


def outcome(function: Any, *args: Any, **options: Any) -> Any:
    """What a call gives, or the type of what it raises."""
    try:
        return function(*args, **options)
    except (TypeError, ValueError) as error:
        return type(error)


@settings(max_examples=150)
@given(ODD)
def test_canonical_texts_agree(value: Any) -> None:
    assert outcome(kit.canonical_json, value) == outcome(peer.canonical_json, value)


@settings(max_examples=100)
@given(FIELDS)
def test_ids_and_dicts_agree(fields: dict[str, Any]) -> None:
    ours, theirs = kit.Record(**fields), peer.Record(**fields)
    for name in ("to_dict", "to_dict_7field", "to_api_dict"):
        assert repr(getattr(ours, name)()) == repr(getattr(theirs, name)())
    for count in (6, 7):
        assert outcome(kit.record_id, ours, fields=count) == outcome(peer.record_id, theirs, fields=count)
    assert outcome(kit.server_id, ours.to_api_dict()) == outcome(peer.record_id, theirs, fields=7)


@settings(max_examples=60)
@given(st.sampled_from([*kit.ActType.__members__, "x"]), BODIES, st.dictionaries(
    st.sampled_from(["operation", "input_shape", "output_shape", "domain"]), TEXTS | st.none() | st.integers()))  # fmt: skip
def test_hash_levels_agree(act: str, body: dict[str, Any], named: dict[str, Any]) -> None:
    ours, theirs = (outcome(module.hash_levels, act, {**body, **named}) for module in (kit, peer))
    if isinstance(theirs, type):
        assert ours is theirs
    else:
        assert list(ours) == [theirs.l0, theirs.l1, theirs.l2, theirs.l3]


@pytest.mark.parametrize("name", ["ActType", "DataType"])
def test_the_enumerations_agree(name: str) -> None:
    ours, theirs = getattr(kit, name), getattr(peer, name)
    assert [(str(item), item.value) for item in ours] == [(str(item), item.value) for item in theirs]
    assert json.dumps(list(ours)) == json.dumps(list(theirs))

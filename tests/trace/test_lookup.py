"""Ids found by hash, as a dictionary finds them, whatever the hashes are."""

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from hypothesis import given, settings
from hypothesis import strategies as st

from kit.trace import lookup
from kit.trace.lookup import Ids, Lookup, joined, picked

TEXTS = st.text(st.sampled_from("ab/0é"), max_size=3)
EVENTS = st.lists(st.tuples(st.integers(0, 2), TEXTS), max_size=40)
CHUNK = st.integers(1, 7)
HASHES = {
    "good": lambda text: xxhash.xxh64_intdigest(text.encode()),
    "few": len,
    "one": lambda text: 7,
    "top": lambda text: len(text) << 62,
}


def ids(events: list[tuple[int, str | None]], hashed: str = "good", chunk: int = 5) -> Ids:
    """The ids as columns, their texts in chunks."""
    texts = [text for _, text in events]
    chunks = [pa.array(texts[first : first + chunk], pa.string()) for first in range(0, len(texts), chunk)]
    key = [HASHES[hashed](text or "") for text in texts]
    runs = np.array([run for run, _ in events], dtype=np.int64)
    return Ids(pa.chunked_array(chunks, pa.string()), np.array(key, dtype=np.uint64), runs)


@pytest.mark.parametrize("hashed", HASHES)
@settings(max_examples=40)
@given(EVENTS, EVENTS, CHUNK)
def test_ids_are_found_as_a_dictionary_finds_them(
    hashed: str, events: list[tuple[int, str]], wanted: list[tuple[int, str]], chunk: int
) -> None:
    events = list(dict.fromkeys(events))
    places = {event: place for place, event in enumerate(events)}
    expected = [places.get(event, -1) for event in wanted]
    assert Lookup(ids(events, hashed, chunk))(ids(wanted, hashed, chunk)).tolist() == expected
    assert joined(ids(wanted, hashed, chunk), ids(events, hashed, chunk)).tolist() == expected


def test_texts_of_either_width_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "MOST_BYTES", 1)
    assert Lookup(ids([(0, "a"), (0, "b")]))(ids([(0, "b"), (0, "c")])).tolist() == [1, -1]


@pytest.mark.parametrize("hashed", HASHES)
def test_a_null_is_equal_to_nothing(hashed: str) -> None:
    find = Lookup(ids([(0, "a"), (0, "")], hashed))
    assert find(ids([(0, None), (0, ""), (1, None)], hashed)).tolist() == [-1, 1, -1]


def test_a_wanted_id_with_the_hash_of_another_is_not_found() -> None:
    find = Lookup(Ids(pa.chunked_array([["a", "b"]]), np.array([1, 2], dtype=np.uint64), np.zeros(2, dtype=np.int64)))
    wanted = Ids(pa.chunked_array([["c", "b"]]), np.array([1, 2], dtype=np.uint64), np.zeros(2, dtype=np.int64))
    assert find(wanted).tolist() == [-1, 1]


def test_many_ids_are_met_without_a_join_of_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lookup, "joined", None)
    monkeypatch.setattr(lookup, "BLOCK", 1000)
    events = [(number % 2, f"evt_{number // 2:026d}") for number in range(20_000)]
    key = np.random.default_rng(7).integers(0, 2**64, 10_000, dtype=np.uint64)
    known = ids(events, chunk=7000)
    known = Ids(known.text, np.repeat(key, 2), known.run)
    mixed = np.random.default_rng(8).permutation(len(events))
    wanted = Ids(picked(known.text, np.arange(len(events))).take(pa.array(mixed)), known.key[mixed], known.run[mixed])
    assert (Lookup(known)(wanted) == mixed).all()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 19), unique=True), CHUNK)
def test_picked_texts_are_those_at_the_positions(where: list[int], chunk: int) -> None:
    known = ids([(0, str(number)) for number in range(20)], chunk=chunk)
    places = sorted(where)
    assert picked(known.text, np.array(places, dtype=np.int64)).to_pylist() == [str(number) for number in places]

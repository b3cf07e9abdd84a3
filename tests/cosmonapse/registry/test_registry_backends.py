"""What all backends of the registry have in common (spec/cosmonapse.md 6)."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from asynchronous import in_loop

from kit import ids
from kit.cosmonapse import MemoryRegistryStore, NeuronRecord, RegistryStore
from kit.errors import ArgumentError, KitError, RegistryClosedError

T0 = datetime(2026, 1, 1, tzinfo=UTC)
T1 = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)


def record(neuron_id: str, *capabilities: str, **fields: Any) -> NeuronRecord:
    return NeuronRecord(neuron_id, list(capabilities), **{"registered_at": T0, **fields})


async def names(store: RegistryStore, **filters: Any) -> list[str]:
    return [found.neuron_id for found in await store.list(**filters)]


@in_loop
async def test_cosmonapse_40_a_second_upsert_replaces_all_but_registered_at(store: RegistryStore) -> None:
    await store.connect()
    await store.upsert(record("a", "x", version="1", status="draining", last_heartbeat=T1))
    await store.upsert(record("a", "ü", "y", registered_at=T1))
    assert await store.get("a") == record("a", "ü", "y")
    await store.close()


@in_loop
async def test_cosmonapse_40_a_heartbeat_of_an_unknown_neuron_makes_a_thin_record(store: RegistryStore) -> None:
    await store.connect()
    with ids.seeded(1):
        await store.touch_heartbeat("new", T1)
        await store.touch_heartbeat("other", T1, "busy")
    with ids.seeded(1):
        first, second = ids.now(), ids.now()
    assert await store.get("new") == NeuronRecord("new", last_heartbeat=T1, registered_at=first)
    assert await store.get("other") == NeuronRecord("other", status="busy", last_heartbeat=T1, registered_at=second)
    await store.close()


@in_loop
async def test_cosmonapse_40_records_come_in_the_order_of_their_first_registration(store: RegistryStore) -> None:
    await store.connect()
    for number, name in enumerate("cab"):
        await store.upsert(record(name, registered_at=T0 + timedelta(seconds=number)))
    await store.upsert(record("c", "x"))
    await store.touch_heartbeat("a", T1, "ok")
    assert await names(store) == ["c", "a", "b"]
    await store.close()


@in_loop
async def test_cosmonapse_42_a_capability_is_matched_whole_and_deregistered_neurons_are_left_out(
    store: RegistryStore,
) -> None:
    await store.connect()
    for number, capabilities in enumerate([["code"], ["code", 'a "b"'], ["codes"], []]):
        await store.upsert(record(str(number), *capabilities, registered_at=T0 + timedelta(seconds=number)))
    assert await names(store) == ["0", "1", "2", "3"]
    assert await names(store, capability="code") == ["0", "1"]
    assert await names(store, capability='a "b"') == ["1"]
    assert await names(store, capability="") == []
    await store.mark_deregistered("0")
    assert await names(store, capability="code") == ["1"]
    assert await names(store, capability="code", include_deregistered=True) == ["0", "1"]
    await store.close()


@in_loop
async def test_to_deregister_an_unknown_neuron_does_nothing(store: RegistryStore) -> None:
    await store.connect()
    await store.mark_deregistered("nobody")
    assert await store.get("nobody") is None
    assert await store.list(include_deregistered=True) == []
    await store.close()


@in_loop
async def test_cosmonapse_43_a_heartbeat_overwrites_the_status_and_a_new_registration_resets_it(
    store: RegistryStore,
) -> None:
    await store.connect()
    await store.upsert(record("a"))
    seen = []
    for step in ("beat", "deregister", "quiet beat", "beat", "deregister", "register"):
        if step == "register":
            await store.upsert(record("a", last_heartbeat=T1))
        elif step == "deregister":
            await store.mark_deregistered("a")
        else:
            await store.touch_heartbeat("a", T1, "ok" if step == "beat" else None)
        found = await store.get("a")
        assert found is not None
        seen.append(found.status)
    assert seen == ["ok", "deregistered", "deregistered", "ok", "deregistered", "registered"]
    await store.close()


@in_loop
async def test_a_time_comes_back_as_the_moment_it_was(store: RegistryStore) -> None:
    await store.connect()
    there = datetime(2026, 1, 2, 5, 4, 5, 6, tzinfo=timezone(timedelta(hours=2)))
    await store.upsert(record("a", registered_at=there))
    await store.touch_heartbeat("a", there)
    found = await store.get("a")
    assert found is not None and found.registered_at == found.last_heartbeat == there
    await store.close()


@in_loop
async def test_a_time_without_an_offset_is_taken_as_utc(store: RegistryStore) -> None:
    await store.connect()
    await store.upsert(record("a", registered_at=T0.replace(tzinfo=None)))
    await store.touch_heartbeat("a", T1.replace(tzinfo=None))
    found = await store.get("a")
    if not isinstance(store, MemoryRegistryStore):
        assert found == record("a", last_heartbeat=T1)
    await store.close()


@in_loop
async def test_odd_names_come_back_as_they_were(store: RegistryStore) -> None:
    await store.connect()
    odd = ["", "é☃", "\U0001f600", "'; DROP TABLE neurons; --", "a\nb", "$1", "%s", "\u2028"]
    for name in odd:
        await store.upsert(record(name, name, version=name, status=name))
    for name in odd:
        assert await store.get(name) == record(name, name, version=name, status=name)
    await store.close()


@in_loop
async def test_connect_and_close_can_be_called_twice(store: RegistryStore) -> None:
    await store.close()
    await store.connect()
    await store.upsert(record("a"))
    await store.connect()
    assert await names(store) == ["a"]
    await store.close()
    await store.close()
    await store.connect()
    assert await names(store) == ([] if isinstance(store, MemoryRegistryStore) else ["a"])
    await store.close()


@in_loop
async def test_before_connect_and_after_close_there_is_an_error_that_says_so(store: RegistryStore) -> None:
    if isinstance(store, MemoryRegistryStore):
        assert await store.get("a") is None
        return
    with pytest.raises(RegistryClosedError, match=r"await store.connect\(\) first"):
        await store.get("a")
    await store.connect()
    await store.close()
    calls = [
        store.get("a"),
        store.list(),
        store.upsert(record("a")),
        store.mark_deregistered("a"),
        store.touch_heartbeat("a", T0),
    ]
    for call in calls:
        with pytest.raises(RegistryClosedError, match="connect"):
            await call


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"neuron_id": None}, "neuron_id=None: text"),
        ({"capabilities": "code"}, "capabilities='code' of 'a': a list of strings"),
        ({"capabilities": ["x", 1]}, r"capabilities=\['x', 1\] of 'a'"),
        ({"version": 1}, "version=1: text"),
        ({"status": None}, "status=None: text"),
        ({"last_heartbeat": "now"}, "last_heartbeat='now': a datetime"),
        ({"registered_at": None}, "registered_at=None: a datetime"),
    ],
)
@in_loop
async def test_a_record_that_is_none_is_refused_and_nothing_is_written(
    store: RegistryStore, fields: dict[str, Any], complaint: str
) -> None:
    await store.connect()
    await store.upsert(record("a", "x"))
    wrong = record("a", "y")
    for name, value in fields.items():
        setattr(wrong, name, value)
    with pytest.raises(ArgumentError, match=complaint):
        await store.upsert(wrong)
    assert await store.list() == [record("a", "x")]
    await store.close()


@in_loop
async def test_a_heartbeat_needs_a_time(store: RegistryStore) -> None:
    await store.connect()
    with pytest.raises(ArgumentError, match="ts='2026': a datetime is needed, not str"):
        await store.touch_heartbeat("a", "2026")  # type: ignore[arg-type]
    with pytest.raises(ArgumentError, match="status=3"):
        await store.touch_heartbeat("a", T0, 3)  # type: ignore[arg-type]
    assert await store.list() == []
    await store.close()


@in_loop
async def test_text_without_a_utf8_form_is_refused_where_it_is_written(store: RegistryStore) -> None:
    await store.connect()
    if isinstance(store, MemoryRegistryStore):
        await store.upsert(record("\ud800"))
        return
    with pytest.raises(ArgumentError, match="surrogates not allowed"):
        await store.upsert(record("\ud800"))
    assert await store.list() == []
    await store.close()


@in_loop
async def test_a_record_of_the_published_package_can_be_stored(store: RegistryStore) -> None:
    peer = pytest.importorskip("cosmonapse")
    await store.connect()
    await store.upsert(peer.NeuronRecord(neuron_id="a", capabilities=["x"], registered_at=T0))
    found = await store.get("a")
    assert found is not None and found.to_dict() == record("a", "x").to_dict()
    await store.close()


def test_every_error_of_a_store_is_an_error_of_the_kit() -> None:
    assert issubclass(RegistryClosedError, KitError)


@in_loop
async def test_memory_holds_the_record_itself() -> None:
    store = MemoryRegistryStore()
    first, second = record("a"), record("a", registered_at=T1)
    await store.upsert(first)
    await store.upsert(second)
    assert await store.get("a") is second
    assert second.registered_at == T0


@in_loop
async def test_memory_passes_over_an_empty_status_and_the_others_write_it(store: RegistryStore) -> None:
    await store.connect()
    await store.touch_heartbeat("a", T0, "")
    await store.touch_heartbeat("a", T0, "")
    found = await store.get("a")
    assert found is not None
    assert found.status == ("registered" if isinstance(store, MemoryRegistryStore) else "")
    await store.close()

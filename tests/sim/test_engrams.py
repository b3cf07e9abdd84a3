"""Engrams on their own, side by side with that of the published package (spec/cosmonapse.md 5.7, 5.10)."""

import asyncio
from typing import Any

import cosmonapse
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import kit
from kit import seeded, sim
from kit.sim.engram import deep_merge

Op = tuple[str, dict[str, Any], str | None]
KEYS = st.sampled_from(["k", "l", None])
CONTENT = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=3),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=2),
    max_leaves=4,
)
ENTRIES = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["eng_1", "eng_2"]),
        "content": CONTENT,
        "tags": st.lists(st.sampled_from("st"), max_size=2, unique=True),
        "meta": st.dictionaries(st.sampled_from("mn"), st.integers(0, 2), max_size=2),
    },
)
OPS = st.tuples(st.sampled_from(["add", "append", "upsert", "merge", "delete"]), ENTRIES, KEYS)


def plain(value: Any, names: dict[str, str]) -> Any:
    """Return a value with ids that were made up by number, and without times; tags sorted, since theirs is a set."""
    if isinstance(value, dict):
        made = {key: plain(item, names) for key, item in value.items() if key not in ("created_at", "updated_at")}
        return made | ({"tags": sorted(made["tags"])} if isinstance(made.get("tags"), list) else {})
    if isinstance(value, str) and value.startswith("eng_"):
        return names.setdefault(value, f"eng {len(names)}")
    return value


async def played(engram: Any, ops: list[Op]) -> list[Any]:
    """Return receipts, what is there afterwards, how much was undone, and what is there then."""
    names: dict[str, str] = {}
    told: list[Any] = []
    for n, (op, entry, key) in enumerate(ops):
        if op in ("upsert", "merge") and key is None:
            continue
        receipt = await engram.imprint(op, entry, merge_key=key, imprint_id=f"evt_{n}", trace_id="trc_1")
        told.append((op, plain(receipt.id, names), receipt.version, receipt.error))
    told.append(sorted(str(plain(hit.entry, names)) for hit in await engram.recall({})))
    undone = engram.compensate("trc_1")
    told.append(await undone if asyncio.iscoroutine(undone) else undone)
    told.append(sorted(str(plain(hit.entry, names)) for hit in await engram.recall({})))
    return told


@given(st.lists(OPS, max_size=8))
@settings(max_examples=60)
def test_cosmonapse_30_writes_and_their_undoing_are_those_of_the_published_package(ops: list[Op]) -> None:
    with seeded(7):
        ours = asyncio.run(played(sim.InMemoryEngram(engram_id="n"), ops))
    assert ours == asyncio.run(played(cosmonapse.InMemoryEngram(engram_id="n"), ops))


QUERIES: list[tuple[dict[str, Any], dict[str, Any] | None]] = [
    ({}, None),
    ({"text": "B"}, None),
    ({"text": "b", "top_k": 1}, None),
    ({"text": ""}, None),
    ({"tag": "t"}, None),
    ({"merge_key": "k"}, None),
    ({"merge_key": "none"}, None),
    ({"top_k": 2}, None),
    ({}, {"tags": ["s", "t"]}),
    ({"tag": "s"}, {"tags": ["t"]}),
    ({"text": "b"}, {"until": "2000-01-01T00:00:00+00:00"}),
    ({"text": "b"}, {"since": "2000-01-01T00:00:00+00:00"}),
]


@pytest.mark.parametrize(("query", "filters"), QUERIES)
def test_cosmonapse_29_a_recall_finds_and_scores_as_the_published_package(query: Any, filters: Any) -> None:
    async def found(engram: Any) -> list[Any]:
        await engram.imprint("add", {"id": "eng_1", "content": {"a": "bbb"}, "tags": ["t"]})
        await engram.imprint("add", {"id": "eng_2", "content": "b", "tags": ["s", "t"]})
        await engram.imprint("upsert", {"content": "xxb"}, merge_key="k")
        hits = await engram.recall(query, filters=filters)
        return [(hit.score, hit.entry["content"], sorted(hit.entry["tags"])) for hit in hits]

    assert asyncio.run(found(sim.InMemoryEngram())) == asyncio.run(found(cosmonapse.InMemoryEngram()))


def test_cosmonapse_30_the_same_imprint_again_writes_nothing() -> None:
    engram = sim.InMemoryEngram()
    first = engram.write("add", {"content": 1}, imprint_id="evt_1")
    again = engram.write("add", {"content": 2}, imprint_id="evt_1")
    assert (again.id, again.ok, len(engram)) == (first.id, True, 1)


@pytest.mark.parametrize(
    ("base", "incoming", "merged"),
    [
        ({"a": 1}, {"a": None}, {"a": 1}),
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ([1, {"x": 1}], [{"x": 1}, 2, 2], [1, {"x": 1}, 2]),
        ({"a": [1]}, {"a": 2}, {"a": 2}),
        (None, {"a": 1}, {"a": 1}),
    ],
)
def test_cosmonapse_31_how_contents_are_merged(base: Any, incoming: Any, merged: Any) -> None:
    assert deep_merge(base, incoming) == merged


def test_cosmonapse_32_a_rollback_is_last_in_first_out_and_raises_the_version() -> None:
    engram = sim.InMemoryEngram()
    engram.write("upsert", {"content": {"n": 1}}, "k", trace_id="trc_0")
    engram.commit("trc_0")
    for n in (2, 3):
        engram.write("merge", {"content": {"n": n}}, "k", trace_id="trc_1")
    assert engram.compensate("trc_1") == 2
    (hit,) = engram.look({"merge_key": "k"})
    assert (hit.entry["content"], hit.entry["version"]) == ({"n": 1}, 5)
    assert engram.compensate("trc_1") == 0


def test_cosmonapse_32_an_engram_without_saga_undoes_nothing() -> None:
    engram = sim.InMemoryEngram(saga=False)
    engram.write("add", {"content": 1}, trace_id="trc_1")
    assert (engram.compensate("trc_1"), len(engram)) == (0, 1)


@pytest.mark.parametrize(("terminal", "undone"), [("FINAL", 0), ("ERROR", 1), (None, 1)])
def test_cosmonapse_32_a_final_keeps_the_writes_and_an_error_does_not(terminal: str | None, undone: int) -> None:
    bus = sim.Synapse(seed=7)
    host = sim.Dendrite(synapse=bus, dendrite_id="host", role="worker")
    host.attach_engram(sim.InMemoryEngram(engram_id="n"))
    o = sim.Dendrite(synapse=bus, dendrite_id="o")

    async def main() -> list[Any]:
        host.begin()
        o.begin()
        trace = bus.new_id("trc_")
        await o.imprint(engram_id="n", op="add", entry={"content": 1}, await_ack=True, trace_id=trace)
        if terminal == "FINAL":
            await o.emit_final(trace_id=trace, parent_id=None, result={})
        elif terminal == "ERROR":
            await o.emit_error(trace_id=trace, parent_id=None, code="X", message="")
        acks = await o.stop_trace(trace, rollback=True, collect_acks=True)
        return [ack.payload["compensated"] for ack in acks]

    assert sum(bus.run(main())) == undone


@pytest.mark.parametrize(("fidelity", "undone"), [("sdk", 0), ("spec", 1)])
def test_an_engram_without_a_journal_takes_back_writes_only_as_documented(fidelity: Any, undone: int) -> None:
    """Checklist 32: those on SQLite and PostgreSQL compensate nothing; the documents make no difference."""
    ns = kit.Namespace("lab", seed=1, fidelity=fidelity)
    engram = ns.engram("durable", saga=False)

    @ns.neuron("writer", capabilities=["write"])
    async def writer(input: Any, context: Any, *, imprint: Any, sleep: Any) -> Any:
        await imprint("durable", op="add", entry={"content": "x"}, await_ack=True)
        await sleep("10s")

    async def story() -> list[Any]:
        pathway = await ns.orchestrator.dispatch(neuron="writer", input={})
        await ns.synapse.sleep("1s")
        return await ns.orchestrator.stop_trace(pathway.trace_id, rollback=True, collect_acks=True)

    ns.start()
    acks = ns.synapse.run(story())
    assert sum(ack.payload["compensated"] for ack in acks) == undone
    assert len(engram) == 1 - undone

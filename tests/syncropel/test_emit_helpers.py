"""The verbs that write a record of one kind: intend, fulfill, and the five reserved kinds."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from syncropel_wire import Wire

import kit


def test_syncropel_20_intend_makes_a_thread_and_tells_it() -> None:
    wire = Wire()
    client = wire.client()
    result = asyncio.run(client.intend("Deploy", body={"x": 1}, parents=["b", "a"]))
    assert len(result.thread) == 67
    assert result.thread.startswith("th_")
    int(result.thread[3:], 16)
    record = wire.bodies[0]
    assert (record["act"], record["thread"], record["parents"]) == ("INTEND", result.thread, ["a", "b"])
    assert list(record["body"].items()) == [("x", 1), ("goal", "Deploy"), ("kind", "core.intent"), ("_v", 1)]
    asyncio.run(client.intend("g", thread="t", body={"goal": "h"}, kind="a.b.c.v2", clock=3))
    assert wire.bodies[1]["body"] == {"goal": "h", "kind": "a.b.c.v2"}
    assert (wire.bodies[1]["thread"], wire.bodies[1]["clock"]) == ("t", 3)
    assert asyncio.run(client.intend("g")).thread != result.thread


@pytest.mark.parametrize(
    ("fulfills", "sent"), [("a", "a"), (["b", "a"], ["b", "a"]), (("x",), ["x"]), ("", ""), ([], [])]
)
def test_syncropel_20_fulfill_names_one_record_or_several(fulfills: Any, sent: Any) -> None:
    wire = Wire()
    asyncio.run(wire.client().fulfill("t", "s", fulfills=fulfills, body={"fulfills": "old"}, clock=1))
    body = wire.bodies[0]["body"]
    assert body == {"fulfills": sent, "summary": "s", "kind": "core.outcome", "_v": 1}
    assert wire.bodies[0]["act"] == "KNOW"


def test_syncropel_20_fulfill_needs_a_thread_and_may_name_nothing() -> None:
    wire = Wire()
    with pytest.raises(ValueError, match="non-empty thread"):
        asyncio.run(wire.client().fulfill("", "s"))
    asyncio.run(wire.client().fulfill("t", "s", body={"summary": "own"}))
    assert wire.bodies[0]["body"] == {"summary": "own", "kind": "core.outcome", "_v": 1}


RESERVED: dict[str, tuple[dict[str, Any], list[tuple[str, Any]]]] = {
    "emit_correction": (
        {"corrects": ["a"], "revised_fields": {"n": None}, "reason": "r"},
        [("corrects", ["a"]), ("revised_fields", {"n": None}), ("reason", "r"), ("correcting_actor", "did:test:me")],
    ),
    "emit_erasure": (
        {"erases": ["a", "b"], "reason": "r"},
        [("erases", ["a", "b"]), ("reason", "r"), ("authorized_by", "did:test:me"), ("effective_at", "NOW")],
    ),
    "emit_alias": (
        {"old_kind": "a.b.c", "new_kind": "a.b.d", "reason": "r"},
        [
            ("old_kind", "a.b.c"),
            ("new_kind", "a.b.d"),
            ("reason", "r"),
            ("since", "NOW"),
            ("publisher_did", "did:test:me"),
        ],
    ),
    "emit_scope_transfer": (
        {"scope": "music", "from_publisher": "p", "to_publisher": "q", "reason": "r"},
        [
            ("scope", "music"),
            ("from_publisher", "p"),
            ("to_publisher", "q"),
            ("reason", "r"),
            ("effective_at", "NOW"),
        ],
    ),
    "emit_scope_claim": (
        {"scope": "@music", "governance_policy": {"type": "open"}},
        [
            ("scope", "@music"),
            ("claimant", "did:test:me"),
            ("governance_policy", {"type": "open"}),
            ("effective_at", "NOW"),
        ],
    ),
}
OWN_VALUES = {"correcting_actor", "authorized_by", "effective_at", "since", "publisher_did", "claimant"}


@pytest.mark.parametrize("helper", [pytest.param(name, id=f"syncropel-21-{name}") for name in RESERVED])
def test_a_reserved_helper_writes_exactly_its_keys(helper: str) -> None:
    arguments, expected = RESERVED[helper]
    wire = Wire()
    client = wire.client()
    with kit.seeded(1):
        asyncio.run(getattr(client, helper)(**arguments, thread="t"))
    record = wire.bodies[0]
    kind = helper.replace("emit_", "core.")
    stamps = [value for name, value in record["body"].items() if name in ("effective_at", "since")]
    assert all(stamp == "2026-01-01T00:00:00Z" for stamp in stamps)
    shown = [(name, "NOW" if value in stamps else value) for name, value in record["body"].items()]
    assert shown == [*expected, ("kind", kind), ("_v", 1)]
    assert (record["act"], record["data_type"], record["parents"]) == ("PUT", "SCALAR", [])
    # An empty text means the default, any other is taken.
    for name in OWN_VALUES & {name for name, _ in expected}:
        asyncio.run(getattr(client, helper)(**arguments, thread="t", **{name: "own"}))
        assert wire.bodies[-1]["body"][name] == "own"
        asyncio.run(getattr(client, helper)(**arguments, thread="t", **{name: ""}))
        assert wire.bodies[-1]["body"][name] not in ("", "own")


def test_syncropel_21_times_have_microseconds_and_z() -> None:
    wire = Wire()
    with kit.seeded(1):
        kit.ids.now()
        asyncio.run(wire.client().emit_erasure(erases=["a"], reason="r", thread="t"))
    assert wire.bodies[0]["body"]["effective_at"] == "2026-01-01T00:00:00.000100Z"


def bad_arguments() -> Iterator[Any]:
    bad: dict[str, dict[str, list[Any]]] = {
        "emit_correction": {
            "corrects": [("a",), "abc", [], [""], [1], None],
            "revised_fields": [{}, [1], None],
            "reason": ["", 4, None],
            "thread": [""],
        },
        "emit_erasure": {"erases": [("a",), [], ["a", None]], "reason": ["", 4]},
        "emit_alias": {"old_kind": ["A", ""], "new_kind": ["a.b", 5], "reason": [""]},
        "emit_scope_transfer": {
            "scope": ["Music", ""],
            "from_publisher": ["", 5],
            "to_publisher": ["", None],
            "reason": [""],
        },
        "emit_scope_claim": {"scope": ["a.b"], "governance_policy": [{}, {"x": 1}, 5]},
    }
    for helper, names in bad.items():
        for name, values in names.items():
            for value in values:
                yield pytest.param(helper, name, value, id=f"syncropel-21-{helper}-{name}-{value!r}")


@pytest.mark.parametrize(("helper", "name", "value"), list(bad_arguments()))
def test_a_reserved_helper_refuses_bad_arguments_before_any_request(helper: str, name: str, value: Any) -> None:
    wire = Wire()
    arguments = {**RESERVED[helper][0], "thread": "t", name: value}
    with pytest.raises(ValueError):
        asyncio.run(getattr(wire.client(), helper)(**arguments))
    assert wire.requests == []

"""Builders: golden lines, key order, and what each SDK leaves out."""

import inspect
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import kit.cosmonapse as k
from kit.cosmonapse import Directed, Signal, SignalType
from kit.cosmonapse import builders as module
from kit.errors import ArgumentError, SignalError

DATA = Path(__file__).parent / "data"
TRACE = "trc_01ARZ3NDEKTSV4RRFFQ69G5FAX"
PARENT = "evt_01ARZ3NDEKTSV4RRFFQ69G5FAW"
ON = {"trace_id": TRACE, "parent_id": PARENT}
BY = {**ON, "directed": Directed(id="answerer")}
ENGRAM = Directed(id="eng_ctx_main", type="context", capabilities=["recall"])
GOLDEN = (DATA / "golden_python.jsonl").read_bytes().splitlines()


def golden_signals() -> list[Signal]:
    return [
        k.task_signal(
            trace_id=TRACE,
            directed=Directed(id="answerer"),
            input={"q": "héllo ☃"},
            context_ref="ctx://debug/7@4",
            capabilities=["nlp"],
            finalize=True,
            meta={"receptor": "cli:desk"},
        ),
        k.agent_output_signal(**BY, output={"score": 1.0, "n": None, "tiny": 1e-5, "big": 1e16}),
        k.error_signal(**BY, code="NEURON_EXCEPTION", message='bad "x"\n'),
        k.register_signal(directed=ENGRAM, version="0.0.1", engram=True),
        k.bid_signal(**BY, cost=0.0, confidence=1.0, meta={"auto_bid": True}),
        k.recall_signal(**ON, directed=Directed(type="context"), query={"text": "a"}, deadline_ms=300),
        k.stop_signal(trace_id=TRACE, rollback=True, reason="user cancelled"),
        k.stopped_signal(**ON, node="dev", rolled_back=True, cancelled=2, compensated=3),
        k.discover_signal(),
    ]


@pytest.mark.parametrize("index", [pytest.param(i, id=f"cosmonapse-2-golden-{i + 1}") for i in range(len(GOLDEN))])
def test_builders_give_the_golden_lines(index: int) -> None:
    pinned = json.loads(GOLDEN[index])
    built = golden_signals()[index].model_copy(
        update={
            "id": pinned["id"],
            "trace_id": pinned["trace_id"],
            "ts": datetime(2026, 5, 16, 14, 22, 1, 391000, UTC),
        }
    )
    assert built.encode() == GOLDEN[index]
    assert Signal.decode(GOLDEN[index]).encode() == GOLDEN[index]


def test_cosmonapse_2_there_are_nine_golden_lines() -> None:
    assert len(GOLDEN) == len(golden_signals()) == 9


def test_cosmonapse_2_the_typescript_golden_line() -> None:
    (line,) = (DATA / "golden_typescript.jsonl").read_bytes().splitlines()
    signal = Signal(
        id="evt_01ARZ3NDEKTSV4RRFFQ69G5FAV",
        trace_id=TRACE,
        type=SignalType.TASK,
        directed=Directed(id="answerer"),
        ts=datetime(2026, 5, 16, 14, 22, 1, 391000, UTC),
        payload={
            "output": {
                "b": 1,
                "10": 1,
                "2": 2,
                "x": 1e22,
                "z": 1e-7,
                "w": 0.000001,
                "neg0": -0.0,
                "f": 0.1,
            }
        },
    )
    assert signal.encode("typescript") == line
    assert Signal.decode(line, profile="typescript").encode("typescript") == line


def test_there_is_a_builder_for_every_type_and_its_arguments_are_keywords() -> None:
    assert module.__all__ == sorted(module.__all__)
    assert {name.removesuffix("_signal").upper() for name in module.__all__} == set(SignalType.__members__)
    for name in module.__all__:
        parameters = inspect.signature(getattr(module, name)).parameters.values()
        assert {p.kind for p in parameters} == {inspect.Parameter.KEYWORD_ONLY}, name


def test_cosmonapse_14_stop_and_stopped_signatures() -> None:
    def shape(builder: Any) -> list[Any]:
        required = inspect.Parameter.empty
        return [
            (p.name, ...) if p.default is required else (p.name, p.default)
            for p in inspect.signature(builder).parameters.values()
        ]

    tail = [("directed", None), ("meta", None)]
    head = [("trace_id", ...), ("parent_id", None)]
    assert shape(k.stop_signal) == [*head, ("rollback", False), ("reason", None), *tail]
    counts = [("node", None), ("rolled_back", False), ("cancelled", 0), ("compensated", 0)]
    assert shape(k.stopped_signal) == [*head, *counts, *tail]


def test_cosmonapse_14_stop_payload_order_and_coercion() -> None:
    stop = k.stop_signal(trace_id=TRACE, rollback=1, reason="")  # type: ignore[arg-type]
    assert list(stop.payload.items()) == [("rollback", True), ("reason", "")]
    assert stop.payload["rollback"] is True
    assert k.stop_signal(trace_id=TRACE).payload == {"rollback": False}
    assert (stop.parent_id, stop.directed) == (None, None)


def test_cosmonapse_14_stopped_payload_order_and_coercion() -> None:
    stopped = k.stopped_signal(trace_id=TRACE, node="n", rolled_back=1, cancelled=2.9, compensated=True)  # type: ignore[arg-type]
    assert list(stopped.payload) == ["rolled_back", "cancelled", "compensated", "node"]
    assert json.dumps(stopped.payload) == '{"rolled_back": true, "cancelled": 2, "compensated": 1, "node": "n"}'
    assert k.stopped_signal(trace_id=TRACE).payload == {
        "rolled_back": False,
        "cancelled": 0,
        "compensated": 0,
    }
    with pytest.raises(ValueError):
        k.stopped_signal(trace_id=TRACE, cancelled="x")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "directed",
    [
        pytest.param(d, id=f"cosmonapse-16-address-{i}")
        for i, d in enumerate([None, Directed(), Directed(id=""), Directed(capabilities=["recall"])])
    ],
)
def test_recall_and_imprint_need_an_address(directed: Directed | None) -> None:
    with pytest.raises(SignalError, match=r"recall_signal needs directed\.id"):
        k.recall_signal(**ON, directed=directed, query={})
    with pytest.raises(ValueError, match=r"imprint_signal needs directed\.id"):
        k.imprint_signal(**ON, directed=directed, op="append", entry={})


def test_cosmonapse_16_recall_refuses_an_unknown_mode() -> None:
    for mode in ("first", "merge", "all"):
        assert k.recall_signal(**ON, directed=ENGRAM, query={}, recall_mode=mode).payload["recall_mode"] == mode
    with pytest.raises(SignalError, match="recall_mode 'best' is none of first, merge, all"):
        k.recall_signal(**ON, directed=ENGRAM, query={}, recall_mode="best")


def test_cosmonapse_16_imprint_refuses_an_unknown_op_and_a_missing_merge_key() -> None:
    with pytest.raises(SignalError, match="op 'put' is none of add, append, merge, upsert, delete"):
        k.imprint_signal(**ON, directed=ENGRAM, op="put", entry={})
    for op in ("merge", "upsert"):
        for key in (None, ""):
            with pytest.raises(SignalError, match=f"op '{op}' needs a merge_key"):
                k.imprint_signal(**ON, directed=ENGRAM, op=op, entry={}, merge_key=key)
    kept = k.imprint_signal(**ON, directed=ENGRAM, op="add", entry={}, merge_key="")
    assert kept.payload == {"op": "add", "entry": {}, "merge_key": ""}


@pytest.mark.parametrize(
    ("builder", "arguments", "python", "typescript"),
    [
        pytest.param(*case, id=f"cosmonapse-17-{case[0]}-{i}")
        for i, case in enumerate(
            [
                ("task_signal", {"input": {}, "capabilities": []}, {}, {"capabilities": []}),
                ("task_signal", {"input": {}, "context_ref": ""}, {}, {}),
                ("task_offer_signal", {"input": {}, "capabilities": []}, {}, {"capabilities": []}),
                ("task_offer_signal", {"input": {}, "deadline_ms": 0}, {}, {"deadline_ms": 0}),
                ("final_signal", {"result": {}, "cost": {}}, {}, {"cost": {}}),
                ("clarification_signal", {"question": "q", "context": {}}, {}, {"context": {}}),
                (
                    "permission_signal",
                    {"action": "a", "scope": {}, "context": {}},
                    {},
                    {"scope": {}, "context": {}},
                ),
            ]
        )
    ],
)
def test_empty_values_are_dropped_in_python_and_kept_in_typescript(
    builder: str, arguments: dict[str, Any], python: dict[str, Any], typescript: dict[str, Any]
) -> None:
    build = getattr(k, builder)
    first = next(iter(arguments))
    required = {first: arguments[first]}
    assert build(**ON, **arguments).payload == required | python
    assert build(**ON, **arguments, profile="typescript").payload == required | typescript
    assert build(**ON, **required, profile="typescript").payload == required


def test_cosmonapse_17_an_award_keeps_an_empty_context_ref() -> None:
    award = k.task_awarded_signal(**ON, input={}, context_ref="", winning_bid={}, finalize=True)
    assert list(award.payload) == ["input", "winning_bid", "context_ref", "finalize"]


def test_a_recalled_of_typescript_has_no_error() -> None:
    assert k.recalled_signal(**ON, engram_id="e", hits=[], error="x").payload["error"] == "x"
    with pytest.raises(SignalError, match="error 'x'"):
        k.recalled_signal(**ON, engram_id="e", hits=[], error="x", profile="typescript")


def test_an_unknown_profile_is_an_argument_error() -> None:
    for build in (
        lambda: k.task_signal(input={}, profile="rust"),
        lambda: k.task_offer_signal(**ON, input={}, profile="rust"),
    ):  # type: ignore[arg-type]
        with pytest.raises(ArgumentError, match="'rust'"):
            build()


def test_register_takes_role_and_capabilities_from_its_arguments_first() -> None:
    payload = k.register_signal(directed=ENGRAM, capabilities=[], role="effector", version="").payload
    assert payload == {"role": "effector", "capabilities": []}
    assert k.register_signal(directed=Directed(id="n", capabilities=["a"])).payload == {
        "role": "neuron",
        "capabilities": ["a"],
    }


def test_management_signals_open_a_trace_each() -> None:
    made = [
        k.register_signal(directed=ENGRAM),
        k.heartbeat_signal(directed=ENGRAM),
        k.deregister_signal(directed=ENGRAM),
        k.discover_signal(capabilities=[]),
    ]
    assert len({signal.trace_id for signal in made}) == 4
    assert {signal.parent_id for signal in made} == {None}
    assert [signal.payload for signal in made[1:]] == [{"status": "ok"}, {}, {"capabilities": []}]


def test_thought_delta_carries_delta_and_seq() -> None:
    assert k.thought_delta_signal(**ON, delta="hm", seq=0).payload == {"delta": "hm", "seq": 0}
    assert k.thought_delta_signal(**ON, delta="hm").payload == {"delta": "hm"}

"""Questions: what is asked, what counts as the answer, and how a question fails."""

import asyncio
from typing import Any

import httpx
import pytest
from syncropel_wire import ME, Wire

import kit.syncropel as ours
from kit.syncropel import Client, InferOptions, InferPending, InferResult, ProvenanceEntry, TrustSummary
from kit.syncropel.testing import MockKernel

ASKED: dict[str, Any] = {
    "input": {"query": "q"},
    "answer_shape": {"t": 1},
    "responders": [{"actor": "r"}],
    "fold": {"function": "best"},
}
TAKEN = httpx.Response(200, json={"id": "INT", "clock": 1})
ANSWER: dict[str, Any] = {
    "id": "K",
    "act": "KNOW",
    "thread": "th_x",
    "body": {
        "kind": "infer.result.v1",
        "correlation_id": "INT",
        "answer": {"x": 1},
        "provenance": [{"responder_did": "d", "weight": 1, "trust_at_dispatch": 0.5}, "odd"],
        "trust_summary": {"mean": 0.5, "n_contributors": 2},
        "cost_actual_usd": 2,
        "fold_function": "best",
        "latency_ms": 3,
        "more": 1,
    },
}
QUICK = InferOptions(poll_interval_ms=1, poll_timeout_ms=20, thread="th_x")


def records(*given: Any) -> httpx.Response:
    return httpx.Response(200, json={"data": list(given)})


def infer(wire: Wire, request: Any = ASKED, options: InferOptions | None = QUICK, **settings: Any) -> Any:
    return asyncio.run(wire.client(**settings).infer(request, options))


def test_a_question_is_an_intend_without_version_and_its_answer_names_it() -> None:
    told: list[Any] = []
    wire = Wire(TAKEN, records(), httpx.Response(500), records({"body": None}, {"act": "KNOW"}, ANSWER))
    result = infer(wire, {**ASKED, "more": 1, "kind": "x", "_v": 3}, on_emit=told.append)
    record = wire.bodies[0]
    assert (record["act"], record["thread"], record["parents"]) == ("INTEND", "th_x", [])
    assert list(record["body"].items()) == [("kind", "infer.query.v1"), *ASKED.items(), ("more", 1)]
    assert result == InferResult(
        answer={"x": 1},
        provenance=[ProvenanceEntry("d", "", 1.0, "", 0.5)],
        trust_summary=TrustSummary(0.5, 0.0, 0.0, 2),
        cost_actual_usd=2.0,
        fold_function="best",
        know_record_id="K",
        thread_id="th_x",
        latency_ms=3.0,
        extra={"more": 1},
    )
    assert told == []


@pytest.mark.parametrize("fulfills", ["INT", ["other", "INT"]])
def test_an_answer_may_name_the_question_by_fulfills(fulfills: Any) -> None:
    body = {"kind": "infer.result.v1", "fulfills": fulfills, "answer": 2}
    assert infer(Wire(TAKEN, records({**ANSWER, "body": body}))).answer == 2


@pytest.mark.parametrize(
    "other",
    [{**ANSWER, "act": "PUT"}, {**ANSWER, "body": {**ANSWER["body"], "correlation_id": "x"}}, {**ANSWER, "body": {}}],
)
def test_other_records_are_no_answer_and_time_runs_out(other: dict[str, Any]) -> None:
    with pytest.raises(TimeoutError, match="timed out after 20ms"):
        infer(Wire(TAKEN, records(other)))


def test_without_waiting_the_question_is_pending_in_a_new_thread() -> None:
    wire = Wire(TAKEN)
    pending = infer(wire, options=InferOptions(wait=False))
    assert isinstance(pending, InferPending)
    assert (pending.correlation_id, pending.pending, len(wire.requests)) == ("INT", True, 1)
    assert pending.thread_id.startswith("th_") and len(pending.thread_id) == 67


@pytest.mark.parametrize(
    "answer",
    [httpx.Response(400, text="bad"), httpx.Response(500), httpx.ConnectError("x"), httpx.Response(200, json={})],
)
def test_a_question_that_is_not_taken_raises(answer: Any) -> None:
    with pytest.raises(RuntimeError, match="was not taken"):
        infer(Wire(answer), max_retries=0)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        ("x", TypeError),
        (None, TypeError),
        ({}, ValueError),
        ({**ASKED, "responders": "r"}, ValueError),
        ({**ASKED, "responders": []}, ValueError),
        ({**ASKED, "fold": {}}, ValueError),
        ({**ASKED, "fold": "best"}, ValueError),
        ({name: value for name, value in ASKED.items() if name != "input"}, ValueError),
        ({**ASKED, "input": "text"}, TypeError),
    ],
)
def test_a_request_that_is_none_raises_before_any_request(request_: Any, error: type[Exception]) -> None:
    wire = Wire()
    with pytest.raises(error):
        infer(wire, request_)
    assert wire.requests == []


def test_a_question_to_the_kernel_is_answered_by_another_client() -> None:
    kernel = MockKernel()

    async def course() -> Any:
        async with Client(identity=ME, transport=kernel.transport()) as client:
            waiting = asyncio.create_task(client.infer(ASKED, InferOptions(poll_interval_ms=1, poll_timeout_ms=20_000)))
            while not kernel.records:
                await asyncio.sleep(0)
            asked = kernel.records[0]
            await client.fulfill(
                asked["thread"], "s", fulfills=asked["id"], kind="infer.result.v1", body={"answer": 42}
            )
            return await waiting

    assert asyncio.run(course()).answer == 42


def test_questions_and_answers_are_those_of_the_peer() -> None:
    peer = pytest.importorskip("syncropel")
    for more in ({}, {"responders": ["r"]}, {"input": {}}, {"answer_shape": None}):
        sent, came = [], []
        for package in (peer, ours):
            wire = Wire(TAKEN, records(ANSWER))
            client = package.Client(identity=package.Identity.static("did:x"), transport=wire.transport())
            options = package.InferOptions(poll_interval_ms=1, poll_timeout_ms=5000, thread="th_x")
            result = asyncio.run(client.infer({**ASKED, **more}, options))
            sent.append([*wire.bodies[0]["body"].items()])
            shown = {name: vars(value) if name == "trust_summary" else value for name, value in vars(result).items()}
            shown["provenance"] = [vars(part) for part in result.provenance][:1]
            came.append(shown)
        assert sent[0] == sent[1]
        assert came[0] == came[1]
    without = {name: value for name, value in ASKED.items() if name != "answer_shape"}
    bodies = []
    for package in (peer, ours):
        wire = Wire(TAKEN)
        client = package.Client(identity=package.Identity.static("did:x"), transport=wire.transport())
        asyncio.run(client.infer(without, package.InferOptions(wait=False)))
        bodies.append(wire.bodies[0]["body"])
    assert bodies[0] == bodies[1]

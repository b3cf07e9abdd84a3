"""Questions to the actors of a thread: the INTEND that asks, and the KNOW that answers (spec/syncropel.md 10)."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from kit.errors import ArgumentError

__all__ = [
    "QUERY_KIND",
    "RESULT_KIND",
    "InferOptions",
    "InferPending",
    "InferResult",
    "ProvenanceEntry",
    "TrustSummary",
    "find_result",
    "question",
]

QUERY_KIND, RESULT_KIND = "infer.query.v1", "infer.result.v1"
DEFAULT_SHAPE = {"kind": "inference.answer.v1"}


@dataclass
class InferOptions:
    """How to wait for an answer, and in which thread to ask; a new one if none is given."""

    wait: bool = True
    poll_interval_ms: int = 500
    poll_timeout_ms: int = 300_000
    thread: str | None = None


@dataclass
class ProvenanceEntry:
    """One actor's part in an answer."""

    responder_did: str = ""
    response_record_id: str = ""
    weight: float = 0.0
    match_level: str = ""
    trust_at_dispatch: float = 0.0


@dataclass
class TrustSummary:
    """How far the actors of an answer were trusted."""

    mean: float = 0.0
    min: float = 0.0
    max: float = 0.0
    n_contributors: int = 0


@dataclass
class InferResult:
    """An answer, who gave it, and what it cost; `extra` holds what else its record says."""

    answer: Any = None
    provenance: list[ProvenanceEntry] = field(default_factory=list)
    trust_summary: TrustSummary = field(default_factory=TrustSummary)
    cost_actual_usd: float = 0.0
    cost_charged_but_failed_usd: float = 0.0
    fold_function: str = ""
    chosen_response_id: str | None = None
    know_record_id: str = ""
    thread_id: str = ""
    latency_ms: float | None = None
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class InferPending:
    """A question that was asked and not waited for: the id of its INTEND, and its thread."""

    correlation_id: str
    thread_id: str
    pending: bool = True


def question(request: Mapping[str, Any]) -> dict[str, Any]:
    """The body of the INTEND: `input`, `answer_shape`, `responders`, `fold`, then what else the request has.

    Raises TypeError for a request or an input that is no dict, ValueError where responders, fold or input are missing.
    """
    if not isinstance(request, Mapping):
        raise TypeError("infer request must be a dict")
    responders, fold = request.get("responders"), request.get("fold")
    if not isinstance(responders, list) or not responders:
        raise ArgumentError("infer request requires at least one responder predicate")
    if not isinstance(fold, Mapping) or not fold.get("function"):
        raise ArgumentError("infer request requires a fold spec with a 'function' field")
    if "input" not in request:
        raise ArgumentError("infer request requires an 'input' field")
    if not isinstance(request["input"], Mapping):
        raise TypeError(f"infer input must be a dict, got {type(request['input']).__name__}")
    shape = request.get("answer_shape", DEFAULT_SHAPE)
    asked = {"input": request["input"], "answer_shape": shape, "responders": responders, "fold": fold}
    return {
        "kind": QUERY_KIND,
        **asked,
        **{name: value for name, value in request.items() if name not in _OWN | asked.keys()},
    }


def find_result(records: Iterable[Any], correlation_id: str) -> InferResult | None:
    """The first answer among `records` to the INTEND of this id, None where there is none."""
    for record in records:
        body = record.get("body") if isinstance(record, Mapping) else None
        if isinstance(body, Mapping) and _answers(record, body, correlation_id):
            return _result(record, body)
    return None


_OWN = {"kind", "_v"}
_PLAIN = {"kind", "_v", "_refs", "correlation_id", "fulfills"}


def _answers(record: Mapping[str, Any], body: Mapping[str, Any], correlation_id: str) -> bool:
    if record.get("act") != "KNOW" or body.get("kind") != RESULT_KIND:
        return False
    fulfills = body.get("fulfills")
    named = fulfills if isinstance(fulfills, list) else [fulfills]
    return correlation_id in [body.get("correlation_id"), *named]


def _result(record: Mapping[str, Any], body: Mapping[str, Any]) -> InferResult:
    parts = body.get("provenance")
    told = body.get("trust_summary")
    trust = told if isinstance(told, Mapping) else {}
    latency = body.get("latency_ms")
    known = InferResult.__dataclass_fields__.keys() | _PLAIN
    return InferResult(
        answer=body.get("answer"),
        provenance=[_part(part) for part in parts if isinstance(part, Mapping)] if isinstance(parts, list) else [],
        trust_summary=TrustSummary(
            _number(trust.get("mean")),
            _number(trust.get("min")),
            _number(trust.get("max")),
            int(_number(trust.get("n_contributors"))),
        ),
        cost_actual_usd=_number(body.get("cost_actual_usd")),
        cost_charged_but_failed_usd=_number(body.get("cost_charged_but_failed_usd")),
        fold_function=_text(body.get("fold_function")),
        chosen_response_id=body.get("chosen_response_id"),
        know_record_id=_text(record.get("id")),
        thread_id=_text(record.get("thread")),
        latency_ms=None if latency is None else _number(latency),
        extra={name: value for name, value in body.items() if name not in known},
    )


def _part(part: Mapping[str, Any]) -> ProvenanceEntry:
    return ProvenanceEntry(
        responder_did=_text(part.get("responder_did")),
        response_record_id=_text(part.get("response_record_id")),
        weight=_number(part.get("weight")),
        match_level=_text(part.get("match_level")),
        trust_at_dispatch=_number(part.get("trust_at_dispatch")),
    )


def _number(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""

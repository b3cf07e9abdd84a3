"""Builders for shared memory: RECALL, RECALLED, IMPRINT, IMPRINTED (spec/cosmonapse.md 2.2)."""

from kit.cosmonapse.builders.base import Json, build, given
from kit.cosmonapse.signal import Directed, Signal
from kit.cosmonapse.types import Profile, SignalType, check_profile
from kit.errors import SignalError

RECALL_MODES = ("first", "merge", "all")
IMPRINT_OPS = ("add", "append", "merge", "upsert", "delete")
KEYED_OPS = ("merge", "upsert")


def _check_address(builder: str, directed: Directed | None) -> None:
    if directed is None or not (directed.id or directed.type):
        raise SignalError(f"{builder} needs directed.id (engram) or directed.type (kind), not {directed!r}")


def recall_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    query: Json,
    filters: Json | None = None,
    context_ref: str | None = None,
    deadline_ms: int | None = None,
    min_confidence: float | None = None,
    recall_mode: str = "first",
    meta: Json | None = None,
) -> Signal:
    """A RECALL from the Engram in `directed`; `recall_mode` is always there, right after `query`.

    Raises SignalError without an id or type to go to, and for a mode other than first, merge, all.
    """
    _check_address("recall_signal", directed)
    if recall_mode not in RECALL_MODES:
        raise SignalError(f"recall_mode {recall_mode!r} is none of {', '.join(RECALL_MODES)}")
    optional = given(filters=filters, context_ref=context_ref, deadline_ms=deadline_ms, min_confidence=min_confidence)
    payload = {"query": query, "recall_mode": recall_mode, **optional}
    return build(SignalType.RECALL, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def recalled_signal(
    *,
    trace_id: str,
    parent_id: str,
    engram_id: str,
    hits: list[Json],
    truncated: bool = False,
    took_ms: int | None = None,
    error: str | None = None,
    directed: Directed | None = None,
    meta: Json | None = None,
    profile: Profile = "python",
) -> Signal:
    """A RECALLED for the RECALL `parent_id`; `truncated` is always there and becomes a bool.

    The profile `typescript` has no `error` and raises SignalError for one.
    """
    check_profile(profile)
    if profile == "typescript" and error is not None:
        raise SignalError(f"error {error!r}: a RECALLED of the TypeScript SDK has no such key; leave it out")
    payload = {"engram_id": engram_id, "hits": list(hits), "truncated": bool(truncated)}
    payload |= given(took_ms=took_ms, error=error)
    return build(SignalType.RECALLED, payload, trace_id=trace_id, parent_id=parent_id, directed=directed, meta=meta)


def imprint_signal(
    *,
    trace_id: str,
    parent_id: str,
    directed: Directed | None = None,
    op: str,
    entry: Json,
    merge_key: str | None = None,
    meta: Json | None = None,
) -> Signal:
    """An IMPRINT into the Engram in `directed`.

    Raises SignalError without an id or type to go to, for an unknown `op`, and for merge or upsert without
    `merge_key`.
    """
    _check_address("imprint_signal", directed)
    if op not in IMPRINT_OPS:
        raise SignalError(f"op {op!r} is none of {', '.join(IMPRINT_OPS)}")
    if op in KEYED_OPS and not merge_key:
        raise SignalError(f"op {op!r} needs a merge_key, the key that finds the entry to change")
    return build(
        SignalType.IMPRINT,
        {"op": op, "entry": entry, **given(merge_key=merge_key)},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )


def imprinted_signal(
    *,
    trace_id: str,
    parent_id: str,
    engram_id: str,
    op: str,
    id: str | None = None,
    version: int | None = None,
    took_ms: int | None = None,
    error: str | None = None,
    directed: Directed | None = None,
    meta: Json | None = None,
) -> Signal:
    """An IMPRINTED for the IMPRINT `parent_id`; `id` and `version` are those of the stored entry."""
    optional = given(id=id, version=version, took_ms=took_ms, error=error)
    return build(
        SignalType.IMPRINTED,
        {"engram_id": engram_id, "op": op, **optional},
        trace_id=trace_id,
        parent_id=parent_id,
        directed=directed,
        meta=meta,
    )

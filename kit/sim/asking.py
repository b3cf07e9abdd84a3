"""The verbs of a Dendrite that ask Engrams and Effectors (spec/cosmonapse.md 5.7, 5.8)."""

from kit.cosmonapse.builders.base import given
from kit.cosmonapse.builders.engram import IMPRINT_OPS, KEYED_OPS, RECALL_MODES
from kit.errors import ArgumentError, KitError, SignalError
from kit.kernel import Event
from kit.sim.effector import ToolOutcome
from kit.sim.engram import Hit, ImprintReceipt, RecallResult
from kit.sim.envelope import Envelope, Json
from kit.sim.node import Node
from kit.sim.stake import Done, Request


class Asking(Node):
    """Verbs that publish a request and wait for the answers."""

    async def recall(
        self,
        *,
        engram_id: str | None = None,
        engram_kind: str | None = None,
        query: Json,
        filters: Json | None = None,
        context_ref: str | None = None,
        deadline_ms: int | None = None,
        recall_mode: str = "first",
        min_confidence: float | None = None,
        trace_id: str | None = None,
        parent_id: str | None = None,
        meta: Json | None = None,
    ) -> RecallResult:
        """Return what Engrams have: the first answer, or with `merge` and `all` every answer until the deadline.

        Raises EngramTimeout for no answer within the deadline, EngramCancelled where the trace ends first.
        """
        payload = {"query": query, "recall_mode": recall_mode}
        payload |= given(
            filters=filters, context_ref=context_ref, deadline_ms=deadline_ms, min_confidence=min_confidence
        )
        event = self.synapse.kernel.event("RECALLED")
        self.ask_recall(engram_id, engram_kind, payload, trace_id, parent_id, meta, _told(event))
        return result_of(await event)

    def ask_recall(
        self,
        engram_id: str | None,
        engram_kind: str | None,
        payload: Json,
        trace_id: str | None,
        parent_id: str | None,
        meta: Json | None,
        done: Done,
        text: str | None = None,
    ) -> None:
        """Publish a RECALL; `done` is called with the answers."""
        mode = payload["recall_mode"]
        if mode not in RECALL_MODES:
            raise SignalError(f"recall_mode {mode!r} is none of {', '.join(RECALL_MODES)}")
        _addressed("recall", engram_id, engram_kind)
        sent = self._request("RECALL", payload, engram_id, engram_kind, trace_id, parent_id, meta, text)
        self._ask(sent, Request("RECALL", mode != "first", done), payload.get("deadline_ms"))

    async def imprint(
        self,
        *,
        engram_id: str | None = None,
        engram_kind: str | None = None,
        op: str,
        entry: Json,
        merge_key: str | None = None,
        await_ack: bool = False,
        deadline_ms: int | None = None,
        trace_id: str | None = None,
        parent_id: str | None = None,
        meta: Json | None = None,
    ) -> ImprintReceipt | None:
        """Write into an Engram; with `await_ack` return its receipt, else None at once.

        Raises EngramTimeout and EngramCancelled as `recall` does, SignalError for an unknown op or a missing key.
        """
        event = self.synapse.kernel.event("IMPRINTED")
        done = _told(event) if await_ack else None
        payload = {"op": op, "entry": entry, **given(merge_key=merge_key)}
        self.ask_imprint(engram_id, engram_kind, payload, trace_id, parent_id, meta, done, deadline_ms)
        return receipt_of((await event)[0]) if await_ack else None

    def ask_imprint(
        self,
        engram_id: str | None,
        engram_kind: str | None,
        payload: Json,
        trace_id: str | None,
        parent_id: str | None,
        meta: Json | None,
        done: Done | None,
        deadline_ms: int | None = None,
        text: str | None = None,
    ) -> None:
        """Publish an IMPRINT; `done`, where there is one, is called with the receipt."""
        op = payload["op"]
        if op not in IMPRINT_OPS:
            raise SignalError(f"op {op!r} is none of {', '.join(IMPRINT_OPS)}")
        if op in KEYED_OPS and not payload.get("merge_key"):
            raise SignalError(f"op {op!r} needs a merge_key, the key that finds the entry to change")
        _addressed("imprint", engram_id, engram_kind)
        sent = self._request("IMPRINT", payload, engram_id, engram_kind, trace_id, parent_id, meta, text)
        if done is not None:
            self._ask(sent, Request("IMPRINT", False, done), deadline_ms)

    async def call_tool(
        self,
        *,
        effector_id: str | None = None,
        effector_kind: str | None = None,
        tool: str,
        args: Json | None = None,
        call_id: str | None = None,
        deadline_ms: int | None = None,
        trace_id: str | None = None,
        parent_id: str | None = None,
        meta: Json | None = None,
    ) -> ToolOutcome:
        """Return what a tool gives; an error of the tool is in the outcome.

        Raises EffectorTimeout for no answer within the deadline, EffectorCancelled where the trace ends first.
        """
        event = self.synapse.kernel.event("TOOL_RESULT")
        payload = {"tool": tool, "args": dict(args or {}), **given(call_id=call_id)}
        self.ask_tool(effector_id, effector_kind, payload, trace_id, parent_id, meta, _told(event), deadline_ms)
        return outcome_of((await event)[0])

    def ask_tool(
        self,
        effector_id: str | None,
        effector_kind: str | None,
        payload: Json,
        trace_id: str | None,
        parent_id: str | None,
        meta: Json | None,
        done: Done,
        deadline_ms: int | None = None,
        text: str | None = None,
    ) -> None:
        """Publish a TOOL_CALL; `done` is called with the result."""
        _addressed("call_tool", effector_id, effector_kind)
        sent = self._request("TOOL_CALL", payload, effector_id, effector_kind, trace_id, parent_id, meta, text)
        self._ask(sent, Request("TOOL_CALL", False, done), deadline_ms)

    def _request(
        self,
        kind: str,
        payload: Json,
        to: str | None,
        to_type: str | None,
        trace_id: str | None,
        parent_id: str | None,
        meta: Json | None,
        text: str | None,
    ) -> Envelope:
        if trace_id is None and parent_id is None:
            trace_id, parent_id = self.ambient()
        if parent_id is None:
            # Outside a task the original makes up a parent; analyses take it for a root (spec/cosmonapse.md 8).
            parent_id = self.synapse.new_id("evt_")
        return self.synapse.send(self, kind, payload, trace_id, parent_id, to, to_type, (), meta, text)

    def _ask(self, sent: Envelope, request: Request, deadline_ms: int | None) -> None:
        self.stake(sent.trace_id).ask(sent, request, None if deadline_ms is None else round(deadline_ms * 1000))


def _addressed(verb: str, id: str | None, kind: str | None) -> None:
    if not (id or kind):
        raise ArgumentError(f"{verb} needs somebody to ask: an id or a kind")


def _told(event: Event) -> Done:
    def done(answers: list[Envelope], error: KitError | None) -> None:
        if error is not None:
            event.fail(error)
        else:
            event.trigger(answers)

    return done


def result_of(answers: list[Envelope]) -> RecallResult:
    """Return the answers to a recall as one, best first."""
    hits = [Hit(**hit) for answer in answers for hit in answer.payload["hits"]]
    if len(answers) != 1:
        hits.sort(key=lambda hit: -hit.score)
    truncated = any(answer.payload["truncated"] for answer in answers)
    return RecallResult(hits, tuple(sorted(answer.payload["engram_id"] for answer in answers)), truncated)


def receipt_of(answer: Envelope) -> ImprintReceipt:
    """Return the receipt that an IMPRINTED carries."""
    return ImprintReceipt(**answer.payload)


def outcome_of(answer: Envelope) -> ToolOutcome:
    """Return the outcome that a TOOL_RESULT carries."""
    return ToolOutcome(**answer.payload, effector_id=answer.to)

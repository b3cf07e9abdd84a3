"""The part of a Dendrite that answers for its Engrams and Effectors (spec/cosmonapse.md 5.7, 5.8)."""

import inspect
from collections.abc import Callable
from functools import partial
from typing import Any

from kit.cosmonapse.builders.base import given
from kit.sim.effector import Effector, ToolOutcome
from kit.sim.engram import Engram, ImprintReceipt, InMemoryEngram
from kit.sim.envelope import Envelope
from kit.sim.node import Node


class Serving(Node):
    """What answers RECALL, IMPRINT and TOOL_CALL."""

    def serve_engram(self, engram: Engram) -> None:
        """Answer for an Engram, and register it."""
        self.synapse.add(self.synapse.engrams, f"id {engram.engram_id}", self)
        self.synapse.add(self.synapse.engrams, f"kind {engram.engram_kind}", self)
        payload = {"role": "engram", "capabilities": engram.capabilities, **given(version=engram.version or None)}
        names = tuple(engram.capabilities)
        self.synapse.send(
            self, "REGISTER", {**payload, "engram": True}, None, None, engram.engram_id, engram.engram_kind, names
        )

    def serve_effector(self, effector: Effector) -> None:
        """Answer for an Effector, and register it."""
        self.synapse.add(self.synapse.effectors, f"id {effector.effector_id}", self)
        self.synapse.add(self.synapse.effectors, f"kind {effector.effector_kind}", self)
        payload = {"role": "effector", "capabilities": effector.capabilities, **given(version=effector.version or None)}
        self.synapse.send(self, "REGISTER", payload, None, None, effector.effector_id, effector.effector_kind, ())

    def asked_recall(self, asked: Envelope) -> None:
        """Answer a RECALL."""
        for engram in self._asked(self.engrams, asked, "engram_kind"):
            if engram.can_serve(asked.payload["query"]):
                self._later(engram, f"engram/{engram.engram_id}", partial(self._recalled, engram, asked))

    def _recalled(self, engram: Engram, asked: Envelope) -> None:
        payload = asked.payload
        if engram.failing:
            return
        if type(engram) is InMemoryEngram:
            try:
                hits = engram.look(payload["query"], payload.get("filters"), payload.get("min_confidence"))
            except Exception as error:
                # A recall that raises has no answer (spec/cosmonapse.md 5.7).
                self.synapse.errors.append((self.dendrite_id, error))
                return
            self._tell_hits(engram, asked, hits)
        else:
            self.spawn(partial(self._recall_served, engram, asked), "recall")

    async def _recall_served(self, engram: Engram, asked: Envelope) -> None:
        names = ("filters", "context_ref", "deadline_ms", "min_confidence")
        options = {name: asked.payload[name] for name in names if name in asked.payload}
        self._tell_hits(engram, asked, await engram.recall(asked.payload["query"], **options))

    def _tell_hits(self, engram: Engram, asked: Envelope, hits: list[Any]) -> None:
        told = [{"id": hit.id, "entry": hit.entry, "score": hit.score} for hit in hits]
        payload = {"engram_id": engram.engram_id, "hits": told, "truncated": False}
        self.synapse.send(self, "RECALLED", payload, asked.trace_id, asked.id, engram.engram_id, engram.engram_kind, ())

    def asked_imprint(self, asked: Envelope) -> None:
        """Answer an IMPRINT."""
        for engram in self._asked(self.engrams, asked, "engram_kind"):
            self._later(engram, f"engram/{engram.engram_id}", partial(self._imprinted, engram, asked))

    def _imprinted(self, engram: Engram, asked: Envelope) -> None:
        payload = asked.payload
        if engram.failing:
            self._tell_receipt(
                engram,
                asked,
                ImprintReceipt(engram.engram_id, payload["op"], took_ms=0, error="engram_exception: failing"),
            )
        elif type(engram) is InMemoryEngram:
            key = payload.get("merge_key")
            self._tell_receipt(
                engram, asked, engram.write(payload["op"], payload["entry"], key, asked.id, asked.trace_id)
            )
        else:
            self.spawn(partial(self._imprint_served, engram, asked), "imprint")

    async def _imprint_served(self, engram: Engram, asked: Envelope) -> None:
        payload = asked.payload
        try:
            receipt = await engram.imprint(
                payload["op"],
                payload["entry"],
                merge_key=payload.get("merge_key"),
                imprint_id=asked.id,
                trace_id=asked.trace_id,
            )
        except Exception as error:
            said = f"engram_exception: {error}"
            receipt = ImprintReceipt(engram.engram_id, payload["op"], took_ms=0, error=said)
        self._tell_receipt(engram, asked, receipt)

    def _tell_receipt(self, engram: Engram, asked: Envelope, receipt: ImprintReceipt) -> None:
        if engram.journals(asked.trace_id):
            self.stake(asked.trace_id).journals.add(engram.engram_id)
        optional = given(id=receipt.id, version=receipt.version, took_ms=receipt.took_ms, error=receipt.error)
        payload = {"engram_id": engram.engram_id, "op": receipt.op, **optional}
        self.synapse.send(
            self, "IMPRINTED", payload, asked.trace_id, asked.id, engram.engram_id, engram.engram_kind, ()
        )

    def asked_tool(self, asked: Envelope) -> None:
        """Answer a TOOL_CALL."""
        for effector in self._asked(self.effectors, asked, "effector_kind"):
            if effector.can_serve(asked.payload["tool"]):
                self._later(effector, f"effector/{effector.effector_id}", partial(self._called, effector, asked))

    def _called(self, effector: Effector, asked: Envelope) -> None:
        payload = asked.payload
        call_id = payload.get("call_id")
        outcome: Any
        if effector.fails and self.synapse.random(f"effector/{effector.effector_id}/fails").random() < effector.fails:
            said = f"EffectorError: {effector.effector_id} failed"
            outcome = ToolOutcome(payload["tool"], error=said, call_id=call_id, effector_id=effector.effector_id)
        else:
            outcome = effector.begin(payload["tool"], payload.get("args") or {}, call_id, asked.trace_id)
        if inspect.isawaitable(outcome):
            self.spawn(partial(self._call_served, effector, asked, outcome), "tool")
        else:
            self._tell_outcome(effector, asked, outcome)

    async def _call_served(self, effector: Effector, asked: Envelope, outcome: Any) -> None:
        self._tell_outcome(effector, asked, await outcome)

    def _tell_outcome(self, effector: Effector, asked: Envelope, outcome: ToolOutcome) -> None:
        optional = given(result=outcome.result, error=outcome.error, call_id=outcome.call_id)
        payload = {"tool": outcome.tool, **optional}
        self.synapse.send(
            self, "TOOL_RESULT", payload, asked.trace_id, asked.id, effector.effector_id, effector.effector_kind, ()
        )

    @staticmethod
    def _asked(hosted: dict[str, Any], asked: Envelope, kind: str) -> list[Any]:
        if asked.to:
            return [hosted[asked.to]] if asked.to in hosted else []
        return [one for one in hosted.values() if getattr(one, kind) == asked.to_type]

    def _later(self, host: Engram | Effector, purpose: str, answer: Callable[[], None]) -> None:
        """Answer after the service time of a host, at once without one."""
        if host.service is None:
            answer()
            return
        draw = host.service.sampler(self.synapse.random(purpose))
        self.synapse.kernel.call(round(draw() * 1e6), self._if_up, answer)

    def _if_up(self, answer: Callable[[], None]) -> None:
        if self.place and not self.down:
            answer()

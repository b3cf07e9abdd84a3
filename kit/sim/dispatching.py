"""The verbs of an orchestrator: dispatch, auction, retry, stop, and answers to what neurons ask back."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kit.cosmonapse.builders.base import given
from kit.errors import ArgumentError, DendriteProtocolError, PathwayClosedError
from kit.kernel import Event
from kit.sim.duration import microseconds
from kit.sim.envelope import Envelope, Json
from kit.sim.hooks import Hooks
from kit.sim.pathway import SCOPES, Pathway

SELECTIONS = ("first_bid", "lowest_cost", "highest_confidence")
DECISIONS = 256
"""Answers to questions that are remembered, the latest ones."""


def retry_on(outcome: object) -> bool:
    """Return whether an attempt is worth another: no answer in time, or an ERROR that says it is recoverable."""
    if isinstance(outcome, BaseException):
        return isinstance(outcome, TimeoutError | PathwayClosedError)
    return isinstance(outcome, Envelope) and outcome.kind == "ERROR" and bool(outcome.payload.get("recoverable"))


def no_backoff(attempt: int) -> float:
    """Return 0: the next attempt follows at once."""
    return 0.0


@dataclass(frozen=True)
class RetryStrategy:
    """How often and when to try again (spec/cosmonapse.md 5.9); `backoff(attempt)` is seconds to wait before the next."""

    max_attempts: int = 3
    timeout_s: float | None = 30.0
    backoff: Callable[[int], float] = no_backoff
    retry_on: Callable[[object], bool] = retry_on
    new_trace: bool = True
    rollback_on_retry: bool = False
    on_retry: Callable[[int, object], None] | None = None
    reason: str = "retry"


class Auction:
    """An open offer: its bids in the order they came."""

    def __init__(self, first: Event) -> None:
        self.bids: list[Envelope] = []
        self.first = first

    def take(self, bid: Envelope) -> None:
        """A bid came."""
        self.bids.append(bid)
        if not self.first.done:
            self.first.trigger()

    def winner(self, select: str) -> Envelope:
        """Return the bid that wins; of equal ones the earliest."""
        if select == "lowest_cost":
            return min(self.bids, key=lambda bid: bid.payload.get("cost", float("inf")))
        if select == "highest_confidence":
            return max(self.bids, key=lambda bid: bid.payload.get("confidence", float("-inf")))
        return self.bids[0]


class Dispatching(Hooks):
    """Verbs that hand out work and steer it."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.auctions: dict[str, Auction] = {}
        self._decisions: dict[str, Envelope] = {}
        self._undecided: dict[str, Event] = {}

    # Work

    async def dispatch_task(
        self,
        *,
        neuron: str | None = None,
        input: Json,
        trace_id: str | None = None,
        parent_id: str | None = None,
        context_ref: str | None = None,
        capabilities: Sequence[str] | None = None,
        finalize: bool = False,
        meta: Json | None = None,
    ) -> Envelope:
        """Publish a TASK for a neuron, or for whoever has the capabilities, and do not wait."""
        self.require_orchestrator("dispatch_task")
        return self.task(neuron, input, trace_id, parent_id, context_ref, capabilities, finalize, meta)

    def task(
        self,
        neuron: str | None,
        input: Json,
        trace_id: str | None = None,
        parent_id: str | None = None,
        context_ref: str | None = None,
        capabilities: Sequence[str] | None = None,
        finalize: bool = False,
        meta: Json | None = None,
        text: str | None = None,
    ) -> Envelope:
        """Send a TASK. One that is sent inside a task has that for its parent, and a trace of its own."""
        payload: Json = {"input": input}
        if context_ref:
            payload["context_ref"] = context_ref
        if capabilities:
            payload["capabilities"] = list(capabilities)
        if finalize:
            payload["finalize"] = True
        if parent_id is None:
            parent_id = self.ambient()[1]
        address = None if neuron is None else ()
        return self.synapse.send(self, "TASK", payload, trace_id, parent_id, neuron, None, address, meta, text)

    async def dispatch(
        self,
        *,
        neuron: str | None = None,
        input: Json,
        trace_id: str | None = None,
        parent_id: str | None = None,
        context_ref: str | None = None,
        capabilities: Sequence[str] | None = None,
        meta: Json | None = None,
        scope: str = "all",
        finalize: bool | None = None,
    ) -> Pathway:
        """Publish a TASK and return the Pathway of its trace; scope `terminal` asks for a FINAL unless told not to."""
        self.require_orchestrator("dispatch")
        _check_scope(scope)
        wanted = scope == "terminal" if finalize is None else finalize
        sent = self.task(neuron, input, trace_id, parent_id, context_ref, capabilities, wanted, meta)
        return self.open_pathway(sent.trace_id, parent_id=sent.id, scope=scope)

    async def dispatch_and_subscribe(self, **options: Any) -> Pathway:
        """Return what `dispatch` does."""
        return await self.dispatch(**options)

    async def dispatch_and_wait(
        self, *, timeout_s: float | None = 30.0, retry: RetryStrategy | None = None, **options: Any
    ) -> Envelope:
        """Publish a TASK and return its reply; TimeoutError where none comes, and nothing is published then."""
        if retry is not None:
            return await self.run_with_retry(retry=retry, **options)
        pathway = await self.dispatch(**options)
        try:
            return await pathway.wait(timeout_s)
        finally:
            self.leave(pathway)

    def leave(self, pathway: Pathway) -> None:
        """Wait on a Pathway no longer."""
        pathway.close()
        stake = self.stakes.get(pathway.trace_id)
        if stake is not None:
            stake.release()

    async def run_with_retry(self, *, retry: RetryStrategy, timeout_s: float | None = 30.0, **options: Any) -> Envelope:
        """Return the reply of the first attempt that is not worth another, or of the last; raise the last error."""
        self.require_orchestrator("run_with_retry")
        patience = timeout_s if retry.timeout_s is None else retry.timeout_s
        meta = dict(options.pop("meta", None) or {})
        trace_id = options.pop("trace_id", None)
        outcome: Envelope | Exception = PathwayClosedError("max_attempts is 0")
        for attempt in range(retry.max_attempts):
            pathway = await self.dispatch(trace_id=trace_id, meta={**meta, "attempt": attempt}, **options)
            try:
                outcome = await pathway.wait(patience)
            except (TimeoutError, PathwayClosedError) as error:
                outcome = error
            finally:
                self.leave(pathway)
            if not retry.retry_on(outcome):
                break
            trace_id = None if retry.new_trace else pathway.trace_id
            if retry.new_trace:
                await self.emit_stop(trace_id=pathway.trace_id, rollback=retry.rollback_on_retry, reason=retry.reason)
            if attempt + 1 < retry.max_attempts:
                if retry.on_retry is not None:
                    retry.on_retry(attempt, outcome)
                await self.synapse.sleep(retry.backoff(attempt))
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async def observe_pathway(self, trace_id: str) -> Pathway:
        """Return a Pathway of a trace that somebody else began; a second one of a trace is an ArgumentError."""
        stake = self.stakes.get(trace_id)
        if stake is not None and stake.pathway is not None:
            raise ArgumentError(f"trace {trace_id!r} is observed already by {self.dendrite_id!r}")
        return self.open_pathway(trace_id)

    # The market

    async def dispatch_offer(
        self,
        *,
        input: Json,
        capabilities: Sequence[str] | None = None,
        deadline_ms: int = 250,
        select: str = "first_bid",
        trace_id: str | None = None,
        parent_id: str | None = None,
        context_ref: str | None = None,
        meta: Json | None = None,
        scope: str = "all",
        finalize: bool | None = None,
    ) -> Pathway:
        """Hold an auction and return the Pathway of its trace, once it is awarded (spec/cosmonapse.md 5.3).

        `first_bid` ends it with the first BID; `lowest_cost` and `highest_confidence` wait the whole deadline.
        Raises TimeoutError without a bid; nothing is published then.
        """
        self.require_orchestrator("dispatch_offer")
        _check_scope(scope)
        if select not in SELECTIONS:
            raise ArgumentError(f"select {select!r} is none of {', '.join(SELECTIONS)}")
        payload: Json = {"input": input}
        if capabilities:
            payload["capabilities"] = list(capabilities)
        if deadline_ms:
            payload["deadline_ms"] = deadline_ms
        if parent_id is None:
            parent_id = self.ambient()[1]
        offer = self.synapse.send(self, "TASK_OFFER", payload, trace_id, parent_id, None, None, None, meta)
        pathway = self.open_pathway(offer.trace_id, parent_id=offer.id, scope=scope)
        auction = await self._held(offer.trace_id, select, round(deadline_ms * 1000))
        if not auction.bids:
            self.leave(pathway)
            raise TimeoutError(f"dispatch_offer: no BID arrived within {deadline_ms}ms")
        self._award(auction, select, input, context_ref, scope == "terminal" if finalize is None else finalize, meta)
        return pathway

    async def _held(self, trace_id: str, select: str, deadline_us: int) -> Auction:
        kernel = self.synapse.kernel
        auction = self.auctions[trace_id] = Auction(kernel.event("first bid"))
        try:
            if select == "first_bid":
                late = kernel.timeout(deadline_us)
                if await kernel.wait_any(auction.first, late) is not late and self.synapse.links.plain:
                    # On an in-process bus those who bid at the same delivery are all heard (spec/cosmonapse.md 5.3).
                    await kernel.sleep(self.synapse.stamp_us[1])
            else:
                await kernel.sleep(deadline_us)
        finally:
            del self.auctions[trace_id]
        return auction

    def _award(
        self, auction: Auction, select: str, input: Json, context_ref: str | None, finalize: bool, meta: Json | None
    ) -> None:
        winner = auction.winner(select)
        send = self.synapse.send
        for bid in auction.bids:
            if bid is not winner:
                send(self, "TASK_DECLINED", {"reason": "not selected"}, bid.trace_id, bid.id, bid.to)
        told = {key: winner.payload[key] for key in ("cost", "eta_ms", "confidence") if key in winner.payload}
        payload = {"input": input, "winning_bid": told, **given(context_ref=context_ref)}
        payload |= {"finalize": True} if finalize else {}
        send(self, "TASK_AWARDED", payload, winner.trace_id, winner.id, winner.to, None, (), meta)

    # Stopping

    async def emit_stop(self, *, trace_id: str, rollback: bool = False, reason: str | None = None) -> Envelope:
        """Publish a STOP for a trace."""
        self.require_orchestrator("emit_stop")
        payload = {"rollback": bool(rollback), **given(reason=reason)}
        return self.synapse.send(self, "STOP", payload, trace_id, None, None, None, None)

    async def stop_trace(
        self,
        trace_id: str,
        *,
        rollback: bool = False,
        reason: str | None = None,
        collect_acks: bool = False,
        timeout_s: float = 1.0,
    ) -> list[Envelope]:
        """Publish a STOP; with `collect_acks` wait the whole time and return the STOPPED that came."""
        self.require_orchestrator("stop_trace")
        if not collect_acks:
            await self.emit_stop(trace_id=trace_id, rollback=rollback, reason=reason)
            return []
        found: list[Envelope] = []
        self.on_signal("STOPPED", found.append, trace_id=trace_id)
        await self.emit_stop(trace_id=trace_id, rollback=rollback, reason=reason)
        await self.synapse.sleep(timeout_s)
        self.handlers["STOPPED"] = [kept for kept in self.handlers["STOPPED"] if kept.function != found.append]
        return found

    # Answers

    async def respond_to_clarification(
        self,
        signal: Envelope,
        *,
        answer: Any,
        extra: Json | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Answer a CLARIFICATION by a follow-up TASK to who asked."""
        told = {"question": signal.payload.get("question"), "answer": answer, **(extra or {})}
        return self._follow_up(
            "respond_to_clarification", signal, "CLARIFICATION", neuron, {"clarification": told}, meta
        )

    async def respond_to_permission(
        self,
        signal: Envelope,
        *,
        granted: bool,
        reason: str | None = None,
        ttl_ms: int | None = None,
        extra: Json | None = None,
        neuron: str | None = None,
        meta: Json | None = None,
    ) -> Envelope:
        """Answer a PERMISSION by a follow-up TASK to who asked."""
        told = {"action": signal.payload.get("action"), "granted": bool(granted), **given(reason=reason, ttl_ms=ttl_ms)}
        input = {"permission": {**told, **(extra or {})}}
        return self._follow_up("respond_to_permission", signal, "PERMISSION", neuron, input, meta)

    async def respond_to_escalation(
        self, signal: Envelope, *, neuron: str | None = None, input: Json | None = None, meta: Json | None = None
    ) -> Envelope:
        """Answer an ESCALATION by a TASK to its target."""
        payload = signal.payload
        told = {"reason": payload.get("reason"), "context": payload.get("context"), "from": signal.to}
        target = neuron or payload.get("target")
        return self._follow_up(
            "respond_to_escalation", signal, "ESCALATION", target, input or {"escalation": told}, meta, asker=False
        )

    def _follow_up(
        self,
        verb: str,
        signal: Envelope,
        kind: str,
        neuron: str | None,
        input: Json,
        meta: Json | None,
        asker: bool = True,
    ) -> Envelope:
        self.require_orchestrator(verb)
        _expect(verb, signal, kind)
        target = neuron or (signal.to if asker else None)
        if not target:
            raise DendriteProtocolError(f"{verb}: {signal.id!r} names nobody to send the TASK to; give neuron=")
        return self.task(target, input, signal.trace_id, signal.id, meta=meta)

    async def answer_clarification(self, request: Envelope, *, answer: Any, meta: Json | None = None) -> Envelope:
        """Publish a CLARIFICATION_ANSWER."""
        _expect("answer_clarification", request, "CLARIFICATION")
        return self.say("CLARIFICATION_ANSWER", {"answer": answer}, request.trace_id, request.id, None, meta)

    async def grant_permission(
        self, request: Envelope, *, reason: str | None = None, ttl_ms: int | None = None, meta: Json | None = None
    ) -> Envelope:
        """Publish a PERMISSION_DECISION that grants."""
        _expect("grant_permission", request, "PERMISSION")
        payload = {"granted": True, **given(reason=reason, ttl_ms=ttl_ms)}
        return self.say("PERMISSION_DECISION", payload, request.trace_id, request.id, None, meta)

    async def deny_permission(
        self, request: Envelope, *, reason: str | None = None, meta: Json | None = None
    ) -> Envelope:
        """Publish a PERMISSION_DECISION that denies."""
        _expect("deny_permission", request, "PERMISSION")
        payload = {"granted": False, **given(reason=reason)}
        return self.say("PERMISSION_DECISION", payload, request.trace_id, request.id, None, meta)

    async def await_decision(self, request: Envelope, *, timeout_s: float | None = 30.0) -> Envelope:
        """Return the CLARIFICATION_ANSWER or PERMISSION_DECISION to a question; TimeoutError where none comes."""
        _expect("await_decision", request, "CLARIFICATION", "PERMISSION")
        if request.id in self._decisions:
            return self._decisions[request.id]
        kernel = self.synapse.kernel
        event = self._undecided.setdefault(request.id, kernel.event("decision"))
        if timeout_s is not None:
            late = kernel.timeout(microseconds(timeout_s))
            if await kernel.wait_any(event, late) is late:
                self._undecided.pop(request.id, None)
                raise TimeoutError(f"no decision on {request.id!r} within {timeout_s} s")
            decision: Envelope = event.value
            return decision
        return await event  # type: ignore[no-any-return]

    def awaits(self, signal_id: str) -> bool:
        """Whether somebody here waits for the decision on a question."""
        return signal_id in self._undecided

    def decided(self, envelope: Envelope) -> None:
        """An answer to a question came."""
        if envelope.parent_id is None:
            return
        self._decisions[envelope.parent_id] = envelope
        if len(self._decisions) > DECISIONS:
            del self._decisions[next(iter(self._decisions))]
        waiting = self._undecided.pop(envelope.parent_id, None)
        if waiting is not None:
            waiting.trigger(envelope)


def _expect(verb: str, signal: Envelope, *kinds: str) -> None:
    if signal.kind not in kinds:
        raise DendriteProtocolError(f"{verb} expects a {' or '.join(kinds)} signal, got {signal.kind!r}")


def _check_scope(scope: str) -> None:
    if scope not in SCOPES:
        raise ArgumentError(f"scope {scope!r} is neither 'all' nor 'terminal'")

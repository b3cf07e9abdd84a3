"""Arrivals: requests that come to a namespace, and the caller who sees each of them through."""

import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from kit.errors import ArgumentError, PathwayClosedError
from kit.kernel import Scheduled
from kit.sim.axon import several
from kit.sim.dispatching import SELECTIONS, RetryStrategy
from kit.sim.distribution import Distribution
from kit.sim.duration import Duration, microseconds
from kit.sim.envelope import Envelope, Json

if TYPE_CHECKING:
    from kit.sim.dendrite import Dendrite


@dataclass(frozen=True)
class Arrivals:
    """A stream of requests, as data.

    When: `rate_per_s` for a Poisson stream, `every` for a steady one, `gap` for times between two requests that are drawn, `at`
    for a list of times; `burst` requests come at once each time. What: a TASK for `neuron`, or for whoever has
    `capabilities`, or with `offer` an auction (a word of `first_bid`, `lowest_cost`, `highest_confidence`); then one for each of
    `then`, on the same trace, `pause` after the answer of the one before: a capability, or `@` and the name of a neuron. The last asks
    for a FINAL.
    Questions are answered by a follow-up TASK, with `answers="both"` by a discrete signal as
    well. A caller who waited `timeout` for a reply stops the trace.
    """

    name: str
    rate_per_s: float | None = None
    every: Duration | None = None
    at: tuple[Duration, ...] = ()
    burst: int = 1
    neuron: str | None = None
    capabilities: tuple[str, ...] = ()
    then: tuple[str, ...] = ()
    offer: str | None = None
    deadline_ms: int = 250
    answers: str = "task"
    timeout: Duration = "60s"
    attempts: int = 1
    start: Duration = 0
    count: int | None = None
    receptor: str | None = None
    gap: Distribution | None = None
    pause: Distribution | None = None

    def __post_init__(self) -> None:
        given = (self.rate_per_s is not None) + (self.every is not None) + bool(self.at) + (self.gap is not None)
        if given != 1:
            raise ArgumentError(f"arrivals {self.name!r}: give one of rate_per_s, every, gap and at")
        if self.gap is not None and not (isinstance(self.gap, Distribution) and self.gap.unit and self.gap.mean > 0):
            raise ArgumentError(f"arrivals {self.name!r}: gap={self.gap!r} is no distribution of times above 0")
        if self.pause is not None and not (isinstance(self.pause, Distribution) and self.pause.unit):
            raise ArgumentError(f"arrivals {self.name!r}: pause={self.pause!r} is no distribution of times")
        if self.rate_per_s is not None and not self.rate_per_s > 0:
            raise ArgumentError(f"arrivals {self.name!r}: rate_per_s={self.rate_per_s!r} is no rate")
        if self.every is not None and microseconds(self.every) == 0:
            raise ArgumentError(f"arrivals {self.name!r}: every={self.every!r} would never end; give a span above 0")
        for name in ("at", "capabilities", "then"):
            several(f"arrivals {self.name!r}: {name}", getattr(self, name))
        if not (self.neuron or self.capabilities):
            raise ArgumentError(f"arrivals {self.name!r}: say for whom, with neuron= or capabilities=")
        if self.offer is not None and self.offer not in SELECTIONS:
            raise ArgumentError(f"arrivals {self.name!r}: offer={self.offer!r} is none of {', '.join(SELECTIONS)}")
        if self.answers not in ("task", "both"):
            raise ArgumentError(f"arrivals {self.name!r}: answers={self.answers!r} is neither 'task' nor 'both'")
        if self.burst < 1 or self.attempts < 1:
            raise ArgumentError(f"arrivals {self.name!r}: burst and attempts are 1 or more")
        if self.attempts > 1 and (self.offer is not None or self.then):
            raise ArgumentError(f"arrivals {self.name!r}: attempts= is for one TASK, not with offer= or then=")

    @property
    def usual_rate(self) -> float | None:
        """Arrivals a second, a burst counted once; None for a list of times."""
        return 1e6 / microseconds(self.every) if self.every is not None else self.rate_per_s

    def gaps(self, rng: random.Random) -> Iterator[int]:
        """Yield the microseconds from one arrival to the next, the first from the start of the simulation."""
        begin = microseconds(self.start)
        if self.at:
            times = sorted(microseconds(time) for time in self.at)
            yield from (later - earlier for earlier, later in zip([0, *times], times, strict=False))
        elif self.every is not None:
            yield begin + microseconds(self.every)
            while True:
                yield microseconds(self.every)
        elif self.gap is not None:
            draw = self.gap.sampler(rng)
            yield begin + round(draw() * 1e6)
            while True:
                yield round(draw() * 1e6)
        else:
            mean = 1e6 / (self.rate_per_s or 1)
            yield begin + round(rng.expovariate(1) * mean)
            while True:
                yield round(rng.expovariate(1) * mean)


class Caller:
    """Who sends the requests of one stream, and what became of them.

    `latencies_us` are those of completed requests, in the order of completion.
    """

    def __init__(self, node: "Dendrite", arrivals: Arrivals) -> None:
        self.arrivals = arrivals
        self.started = self.completed = self.failed = self.timed_out = self.unserved = 0
        self.latencies_us = array("q")
        self.open = True
        self.rate_per_s = arrivals.usual_rate
        """Arrivals a second as it is now; None for a list of times."""
        self._next: Scheduled | None = None
        self._rest = 0.0
        """Microseconds to the next arrival at the usual rate, while the rate is 0."""
        self._node = node
        self._gaps = arrivals.gaps(self._random("arrivals"))
        self._timeout_s = microseconds(arrivals.timeout) / 1e6
        self._pause = None if arrivals.pause is None else arrivals.pause.sampler(self._random("pauses"))

    def __repr__(self) -> str:
        return (
            f"<{type(self).__name__} {self.arrivals.name!r}: {self.started:,} started, {self.completed:,} completed, "
            f"{self.failed:,} failed, {self.timed_out:,} timed out, {self.unserved:,} unserved>"
        )

    def _random(self, purpose: str) -> random.Random:
        return self._node.synapse.random(f"{purpose}/{self.arrivals.name}")

    def begin(self) -> None:
        """Schedule the first arrival."""
        self._schedule()

    def _schedule(self) -> None:
        if self.arrivals.count is not None and self.started >= self.arrivals.count:
            return
        gap = next(self._gaps, None)
        if gap is not None:
            self._wait(gap)

    def _wait(self, gap_us: float) -> None:
        """Schedule the next arrival, after what is a gap at the usual rate."""
        usual, rate = self.arrivals.usual_rate, self.rate_per_s
        if rate == 0:
            self._next, self._rest = None, gap_us
            return
        gap = gap_us if usual is None or rate is None or rate == usual else gap_us * usual / rate
        self._next = self._node.synapse.kernel.call(round(gap), self._arrive)

    def retime(self, rate_per_s: float) -> None:
        """Have so many arrivals a second from here on, 0 for none; what is left of the present gap shrinks or grows.

        That is exact for a Poisson stream, which has no memory. ArgumentError for a list of times or a negative rate.
        """
        usual, before = self.arrivals.usual_rate, self.rate_per_s
        if usual is None or before is None:
            raise ArgumentError(f"arrivals {self.arrivals.name!r} come at given times and have no rate to change")
        if not 0 <= rate_per_s < float("inf"):
            raise ArgumentError(f"arrivals {self.arrivals.name!r}: rate_per_s={rate_per_s!r} is no rate, from 0 on")
        waiting, self._next = self._next, None
        self.rate_per_s = float(rate_per_s)
        if waiting is not None and waiting.cancel():
            self._wait((waiting.time - self._node.synapse.kernel.now) * before / usual)
        elif before == 0:
            self._wait(self._rest)

    def _arrive(self) -> None:
        if not self.open:
            return
        for _ in range(self.arrivals.burst):
            if not self._node.down and (self.arrivals.count is None or self.started < self.arrivals.count):
                self.started += 1
                self._node.spawn(partial(self._request, self.started), f"request {self.arrivals.name} {self.started}")
        self._schedule()

    @property
    def in_flight(self) -> int:
        """Requests that are not over."""
        return self.started - self.completed - self.failed - self.timed_out - self.unserved

    async def _request(self, number: int) -> None:
        """See one request through all its stages."""
        arrivals, node = self.arrivals, self._node
        begun = node.synapse.kernel.now
        meta = {"receptor": arrivals.receptor} if arrivals.receptor else None
        stages: list[Sequence[str]] = [arrivals.capabilities, *((name,) for name in arrivals.then)]
        reply: Envelope | None = None
        for stage, capabilities in enumerate(stages):
            last = stage == len(stages) - 1
            neuron = arrivals.neuron if stage == 0 else None
            if stage and capabilities[0].startswith("@"):
                neuron, capabilities = capabilities[0][1:], ()
            input: Json = {"q": f"{arrivals.name} {number}"}
            if reply is not None:
                input["previous"] = reply.payload["output"]
                if self._pause is not None:
                    await node.synapse.sleep(self._pause())
            step = partial(self._stage, neuron, capabilities, input, reply, last, meta)
            reply = await step()
            if reply is None or reply.kind == "ERROR":
                self.failed += reply is not None
                return
        self.completed += 1
        self.latencies_us.append(node.synapse.kernel.now - begun)

    async def _stage(
        self,
        neuron: str | None,
        capabilities: Sequence[str],
        input: Json,
        before: Envelope | None,
        last: bool,
        meta: Json | None,
    ) -> Envelope | None:
        """Return the reply of a stage, None where none came; then the trace is stopped."""
        node, arrivals = self._node, self.arrivals
        place = {} if before is None else {"trace_id": before.trace_id, "parent_id": before.id}
        if arrivals.attempts > 1 and before is None and last and arrivals.offer is None:
            return await self._tried(neuron, capabilities, input, meta)
        options: dict[str, Any] = {
            "input": input,
            "capabilities": capabilities,
            "finalize": last,
            "meta": meta,
            **place,
        }
        try:
            if arrivals.offer is not None and before is None:
                pathway = await node.dispatch_offer(select=arrivals.offer, deadline_ms=arrivals.deadline_ms, **options)
            else:
                pathway = await node.dispatch(neuron=neuron, **options)
        except TimeoutError:
            self.unserved += 1
            return None
        asked = False
        try:
            reply = await pathway.wait(self._timeout_s)
            while reply.kind in ("CLARIFICATION", "PERMISSION"):
                asked = True
                await self._answer(reply)
                reply = await pathway.wait(self._timeout_s)
        except (TimeoutError, PathwayClosedError):
            self.timed_out += 1
            await node.emit_stop(trace_id=pathway.trace_id, reason="timeout")
            return None
        if reply.kind == "AGENT_OUTPUT" and last and asked:
            # A follow-up TASK does not carry `finalize`, so the caller says that it is done (spec/cosmonapse.md 5.5).
            await node.emit_final(trace_id=reply.trace_id, parent_id=reply.id, result=reply.payload["output"])
        if last or reply.kind == "ERROR":
            node.leave(pathway)
        return reply

    async def _answer(self, asked: Envelope) -> None:
        node, discrete = self._node, self.arrivals.answers == "both"
        if asked.kind == "PERMISSION":
            if discrete:
                await node.grant_permission(asked)
            await node.respond_to_permission(asked, granted=True)
            return
        if discrete:
            await node.answer_clarification(asked, answer="the first")
        await node.respond_to_clarification(asked, answer="the first")

    async def _tried(
        self, neuron: str | None, capabilities: Sequence[str], input: Json, meta: Json | None
    ) -> Envelope | None:
        strategy = RetryStrategy(max_attempts=self.arrivals.attempts, timeout_s=self._timeout_s)
        try:
            return await self._node.run_with_retry(
                retry=strategy, neuron=neuron, capabilities=capabilities, input=input, finalize=True, meta=meta
            )
        except (TimeoutError, PathwayClosedError):
            self.timed_out += 1
            return None
